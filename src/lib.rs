//! SmartLine: one binary and one PostgreSQL behind a phone line.

mod config;
mod domain;
mod lines;
mod provider;
