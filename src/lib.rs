//! SmartLine: one binary and one PostgreSQL behind a phone line.

mod cli;
mod config;
mod domain;
mod provider;

pub use cli::run;
