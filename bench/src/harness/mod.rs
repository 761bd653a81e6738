//! Starts what is measured and measures it.

mod database;
mod load;
mod process;
mod server;

pub use database::Database;
pub use load::{Generator, Request, Window, cores};
pub use process::{Processes, machine_busy_seconds};
pub use server::{Contestant, Server, Setup};
