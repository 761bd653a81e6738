//! The count after a storm: what was acknowledged beside what is stored.

use std::fmt;
use std::time::{Duration, Instant};

use futures_util::TryStreamExt as _;
use sqlx::PgConnection;

use super::book::{Book, Tally};
use super::delivery::Delivery;

/// Longest wait until everything that is acknowledged is stored: a spool may have to be drained first.
const DRAINED: Duration = Duration::from_secs(20);

/// What a storm came to.
#[derive(Clone, Debug)]
pub(super) struct Count {
    /// Which storm.
    pub(super) name: String,
    /// Deliveries that were sent.
    pub(super) sent: usize,
    /// Deliveries that are stored at least once.
    pub(super) stored: usize,
    /// Deliveries that are stored more than once.
    pub(super) doubled: usize,
    /// Deliveries that were acknowledged and are not stored.
    pub(super) lost: usize,
    /// Rows of `events` that belong to no delivery, or to another endpoint's.
    pub(super) foreign: usize,
    /// What the providers counted.
    pub(super) tally: Tally,
    /// Answers that should not have been given, the first of them.
    pub(super) odd: Vec<String>,
}

impl Count {
    /// Compares the book with the table `events`, as often as something acknowledged is missing and time is left.
    pub(super) async fn take(name: &str, book: &Book, db: &mut PgConnection) -> Self {
        let started = Instant::now();
        loop {
            let count = Self::once(name, book, db).await;
            if count.lost == 0 || started.elapsed() > DRAINED {
                return count;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn once(name: &str, book: &Book, db: &mut PgConnection) -> Self {
        let mut times_stored = vec![0_u8; book.sent()];
        let mut foreign = 0;
        let mut rows = sqlx::query_as("SELECT external_id, endpoint FROM events").fetch(db);
        while let Some((external_id, endpoint)) = rows.try_next().await.unwrap() {
            let (external_id, endpoint): (String, String) = (external_id, endpoint);
            let delivery = Delivery::of_external_id(&external_id)
                .filter(|delivery| delivery.0 < book.sent() && delivery.endpoint() == endpoint);
            match delivery {
                Some(Delivery(number)) => times_stored[number] = times_stored[number].saturating_add(1),
                None => foreign += 1,
            }
        }
        let numbered = || times_stored.iter().enumerate();
        Self {
            name: name.to_owned(),
            sent: book.sent(),
            stored: times_stored.iter().filter(|times| **times > 0).count(),
            doubled: times_stored.iter().filter(|times| **times > 1).count(),
            lost: numbered()
                .filter(|(number, times)| **times == 0 && book.is_acknowledged(Delivery(*number)))
                .count(),
            foreign,
            tally: book.tally.clone(),
            odd: book.odd.clone(),
        }
    }

    /// Asserts what must hold after any storm.
    pub(super) fn assert_clean(&self) {
        assert_eq!(
            (self.lost, self.doubled, self.foreign, self.tally.mixed, self.tally.odd),
            (0, 0, 0, 0, 0),
            "lost, doubled, foreign, mixed, odd in {self}\n{:#?}",
            self.odd
        );
        assert_eq!(self.tally.given_up, 0, "in the end everything gets through: {self}");
    }
}

/// One line, the same for every storm.
impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, sent, stored, doubled, lost, foreign, tally, .. } = self;
        let Tally { acknowledged, repeated, refused, safe, broken, mixed, times, call_times, .. } = tally;
        let milliseconds = |time: Duration| format!("{} ms", time.as_millis());
        write!(
            f,
            "storm {name}: sent {sent}, acknowledged {acknowledged}, stored {stored}, lost {lost}, doubled {doubled}, \
             foreign {foreign}, mixed {mixed}; repeated {repeated}, refused {refused}, safe {safe}, broken off {broken}; \
             p99 {}, longest {}, to a call {}",
            milliseconds(times.per_mille(990)),
            milliseconds(times.longest),
            milliseconds(call_times.longest),
        )
    }
}
