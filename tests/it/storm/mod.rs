//! Storms: the real program and a durable PostgreSQL of their own, under load, while one of them is killed, stalled or
//! full. Afterwards the providers' book is compared with the table `events`.
//!
//! What must hold after each: what was acknowledged is stored (once a spool is drained), nothing is stored twice, nothing
//! is stored that was not sent, and all acknowledging answers to one delivery are the same. Calls and texts that got the
//! safe answer may be stored or not: nothing was promised.
//!
//! The tests here are the short form; `script/chaos` runs [`chaos`] for a million events, `script/histories` runs
//! [`histories`] for ten thousand customers, calls and texts. SIGKILL does not test the disk:
//! what is written and not yet flushed survives the end of a process. For a power cut PostgreSQL's fsync stands in, and
//! the host's disk.

mod book;
mod chaos;

mod count;
mod delivery;
mod deploys;
mod full;
mod histories;
mod kills;
mod line;
mod load;
mod postgres;
pub(crate) mod proxy;
pub(crate) mod random;
mod report;

mod server;
mod slow;
mod statements;

use std::time::Duration;

use tempfile::TempDir;

use count::Count;
use load::{Habits, Load};
use postgres::Postgres;
use random::Random;
use server::{Disk, Server};

/// Longest time until a caller hears something: 3 s, and what a busy machine adds.
const CALLERS_PATIENCE: Duration = Duration::from_secs(4);

/// The seed of the short storms. Which delivery goes where follows from it; what the system does meanwhile does not.
const SEED: u64 = 20_261_115;

/// PostgreSQL, the service and the providers, all running.
struct Storm {
    name: &'static str,
    postgres: Postgres,
    server: Server,
    load: Load,
    folder: TempDir,
}

impl Storm {
    /// Starts everything, and waits until the service is ready.
    async fn begin(name: &'static str, habits: Habits) -> Self {
        Self::seeded(name, habits, Random::new(SEED), Disk::Roomy).await
    }

    /// The same with other choices and another disk.
    async fn seeded(name: &'static str, habits: Habits, random: Random, disk: Disk) -> Self {
        let folder = tempfile::Builder::new().prefix(name).tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let postgres = Postgres::start().await;
        let mut server = Server::start(postgres.url(), folder.path(), disk).await;
        server.ready().await;
        let load = Load::begin(&[server.address], habits, random);
        Self { name, postgres, server, load, folder }
    }

    /// Lets the providers finish, counts, prints the count and asserts that it is clean.
    async fn end(mut self) -> Count {
        let book = self.load.end().await;
        self.server.ready().await;
        let mut db = self.postgres.connect().await;
        let count = Count::take(self.name, &book, &mut db).await;
        println!("{count}");
        count.assert_clean();
        assert_no_panic(&self.server);
        assert!(count.tally.call_times.longest < CALLERS_PATIENCE, "a caller waited too long: {count}");
        self.server.kill().await;
        self.folder.close().unwrap();
        count
    }
}

/// Asserts that nothing in a service panicked.
fn assert_no_panic(server: &Server) {
    let log = server.log();
    let panics: Vec<&str> = log.lines().filter(|line| line.contains("panic")).collect();
    assert!(panics.is_empty(), "{panics:#?}");
}
