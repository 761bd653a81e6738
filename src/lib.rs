//! SmartLine: one binary and one PostgreSQL behind a phone line.

mod domain;
#[doc(hidden)]
pub mod fuzzing;
mod provider;
