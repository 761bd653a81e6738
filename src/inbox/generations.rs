//! The dedupe keys' generations: only the newest is written to, and it stays small enough for its pages to be written to
//! several times between two checkpoints.

use sqlx::PgExecutor;

/// Bytes at which a generation is closed: about 700,000 keys. A larger one costs more log for each key, a smaller one
/// makes more of them to look into.
pub(crate) const MOST_BYTES: i64 = 64 << 20;

const ROTATE_SQL: &str = "SELECT rotate_event_keys($1)";

/// Opens the next generation if the newest has grown past `most_bytes`; tells whether it did.
///
/// # Errors
/// What the database raises.
pub(crate) async fn rotate(db: impl PgExecutor<'_>, most_bytes: i64) -> sqlx::Result<bool> {
    sqlx::query_scalar(ROTATE_SQL).bind(most_bytes).fetch_one(db).await
}
