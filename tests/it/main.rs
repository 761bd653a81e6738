//! What is tested from outside the library.

mod corpus;
