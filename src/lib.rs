//! SmartLine: one binary and one PostgreSQL behind a phone line.
//!
//! It takes the webhooks of Stripe, Twilio and Plivo, proves that each is genuine, keeps each exactly once, and
//! answers calls and texts on the spot.
//!
//! The house has floors, and a room imports only from its own floor or from below; a test holds it to that.
//!
//! | floor | rooms |
//! |---|---|
//! | 5 | `cli` a file per command · `dev` what only development needs · `app` builds, runs and ends the service · `fuzzing` |
//! | 4 | `http` the edge: every path on one page, the gate, the endpoints · `worker` kept events → tables · `sender` what is owed → the outside · `erasure` a person's data: shown, and taken out of everything |
//! | 3 | `lines` what a number says to a call or a text, and why · `billing` `calls` `messages` what happened · `reconcile` what the providers know and no webhook brought · `consoles` what is set in their consoles |
//! | 2 | `inbox` every verified event, once, with the answer that was given · `projection` what tables made of events share · `access` keys and what was done with them · `outbox` what is owed to the outside, once, and the way there · `samples` requests as providers would make them · `carrier` a made-up Twilio or Plivo, to try lines with |
//! | 1 | `provider` wire formats, pure · `config` the environment · `db` the way to PostgreSQL · `telemetry` logs · `metrics` figures |
//! | 0 | `domain` ids, phone numbers, time, verbs |
//!
//! A request's way: `http::server` → `http::middleware` → `http::verified` (the only maker of a `Verified` delivery)
//! → `http::webhooks` → `lines::desk` → a renderer of `provider` → `inbox::append` → the answer.

mod access;
mod app;
mod billing;
mod calls;
mod carrier;
mod cli;
mod config;
mod consoles;
mod db;
mod dev;
mod domain;
mod erasure;
#[doc(hidden)]
pub mod fuzzing;
#[cfg(test)]
mod generated;
mod http;
mod inbox;
mod lines;
mod messages;
mod metrics;
mod outbox;
mod projection;
mod provider;
mod reconcile;
mod samples;
mod sender;
mod telemetry;
mod worker;

pub use app::{App, AppError};
pub use cli::run;
pub use config::{Config, Environment, Faults};
pub use dev::{error::StartError, options::PrivateOptions, postgres::PrivatePostgres};
pub use domain::clock::Clock;
pub use http::state::{Door, Limits};
pub use lines::turns::Patience;
