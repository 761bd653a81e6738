//! The inbox: every verified event, once, with the answer that was given.
//!
//! Deliveries come in through [`Intake`], wait there for their batch, and are kept by a writer: in PostgreSQL in one
//! commit, or in the local spool while that is away. A drain brings the spool into PostgreSQL on its return. What a
//! provider's API told of instead comes in through [`recovered`].

mod drain;
pub(crate) mod entry;
pub(crate) mod erase;
mod generations;
mod intake;
pub(crate) mod kept;
mod ledger;
pub(crate) mod live;
pub(crate) mod overview;
mod pace;
pub(crate) mod partitions;
pub(crate) mod queue;
mod recent;
pub(crate) mod recovered;
pub(crate) mod rejections;
pub(crate) mod replay;
mod retention;
pub(crate) mod spool;
mod stored;
mod upkeep;
mod writer;

use std::{sync::Arc, time::Duration};

use sqlx::postgres::PgConnectOptions;

pub(crate) use drain::{Drain, SpoolPlan};
pub(crate) use intake::{Appended, Intake, NotKept};
pub(crate) use stored::masked;
pub(crate) use upkeep::Upkeep;
pub(crate) use writer::Writer;

use self::writer::{SpoolSlot, Way};
use crate::metrics::Metrics;

/// What works behind an [`Intake`], with the spool open, so that the first call finds it. A batch that takes `longest`
/// means that the database is away.
pub(crate) async fn workers(
    intake: &Intake,
    database: &PgConnectOptions,
    longest: Duration,
    plan: SpoolPlan,
    metrics: &Metrics,
) -> (Writer, Drain) {
    let spool = SpoolSlot::default();
    let way = || Way::new(database, longest);
    let writer = Writer::new(intake.clone(), way(), Arc::clone(&spool), metrics.clone());
    let mut drain = Drain::new(intake.clone(), way(), spool, plan, metrics.clone());
    drain.open().await;
    (writer, drain)
}
