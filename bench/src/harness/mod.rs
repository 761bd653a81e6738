//! Starts what is measured and measures it.

mod database;
mod load;
mod process;
mod server;
mod stored;
mod worker;

pub use database::Database;
pub use load::{Generator, RANGE, Request, Window, cores};
pub use process::{Processes, machine_busy_seconds};
pub use server::{Contestant, Server, Setup};
pub use stored::Stored;
pub use worker::{Afterwards, Held};
