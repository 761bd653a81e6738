//! The one integration-test binary: a module for each thing that is proven from outside.
//!
//! One binary links once, so a new file here costs seconds and not a minute.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic as a test may")]

mod api;
mod bodies;
mod caller;
mod calls;
mod compliance;
mod console;
mod corpus;
mod dependencies;
mod deploy;
mod dev_door;
mod doctor;
mod duplicates;
mod endpoints;
mod explain;
mod faults;
mod floors;
mod framing;
mod house;
mod intake;
mod lines;
mod logs;
mod methods;
mod metrics;
mod migrations;
mod nonces;
mod outbox;
mod problems;
mod reconcile;
mod refusals;
mod setup;
mod sign;
mod statements;
mod storm;
mod stream;
mod terminal;
mod tools;
mod upkeep;
mod wire;
mod worker;

/// The text of a file of the project; `path` counts from the folder of `Cargo.toml`.
fn project_file(path: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()))
}
