//! The generations of dedupe keys: the newest takes new keys, until it has grown so large that the next one does.
//!
//! The migrations hold the rules: `append_events()` looks a key up in all generations and adds it to the newest only,
//! and `rotate_event_keys()` moves on while no batch is being added. `docs/adr/0007-key-generations.md` says why.

use sqlx::PgPool;

/// Bytes of the newest generation's index at which it is closed: 48 MiB, which is about a million keys.
///
/// An index page that is changed for the first time since a checkpoint goes into the log as a whole. So this is also
/// about the most that the keys can add to the log between two checkpoints, whatever the number of events. A smaller
/// one makes more generations to look into.
const MOST_BYTES: i64 = 48 << 20;

const ROTATE_SQL: &str = "SELECT rotate_event_keys($1)";

/// Closes the newest generation if it is full; tells the number of the one that takes new keys from now on, `None`
/// where nothing was done.
///
/// # Errors
/// What the database raises; that a batch took too long to wait for is among it. The next look tries again.
pub(super) async fn rotate(db: &PgPool) -> sqlx::Result<Option<i32>> {
    sqlx::query_scalar(ROTATE_SQL).bind(MOST_BYTES).fetch_one(db).await
}
