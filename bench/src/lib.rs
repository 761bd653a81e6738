//! Measures how fast SmartLine takes in events, beside other servers that do the same or less.
//!
//! Everything that is measured is a process of its own: the server, its PostgreSQL, the load generator. This program
//! starts them, reads their processor time and memory from `/proc`, and writes the tables.
//!
//! | module | what |
//! |---|---|
//! | `line` | the traffic: bodies, signatures, requests as bytes |
//! | `load` | the load generator |
//! | `baseline` | the plain Rust server: verifies, and stores if asked to |
//! | `harness` | starts and measures processes and databases |
//! | `filler` | what the service would have stored before |
//! | `compare`, `growth`, `overload`, `maintenance`, `worker`, `lists` | the measurements, each with its table |

pub mod baseline;
pub mod compare;
mod filler;
pub mod growth;
pub mod harness;
pub mod line;
pub mod lists;
pub mod load;
pub mod maintenance;
pub mod markdown;
pub mod overload;
pub mod worker;

/// What every measurement needs.
#[derive(Debug)]
pub struct Bench {
    /// The private PostgreSQL.
    pub database: harness::Database,
    /// Where the servers' programs are.
    pub setup: harness::Setup,
}

/// What a measurement has to tell.
#[derive(Clone, Debug)]
pub struct Report {
    /// Tables in Markdown.
    pub text: String,
    /// What must not be: events that were accepted and are not stored, and the like.
    pub faults: Vec<String>,
}

impl Bench {
    /// Tells the reader how far it is, on standard error.
    pub fn say(&self, text: &str) {
        eprintln!("==> {text}");
    }
}
