//! SmartLine: one binary and one PostgreSQL behind a phone line.

mod app;
mod cli;
mod config;
mod db;
mod dev;
mod domain;
mod http;
mod inbox;
mod lines;
mod provider;
mod telemetry;
pub use cli::run;
