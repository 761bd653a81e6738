//! Keeps the data of `dev` apart from real data.
//!
//! `dev` takes unsigned requests, so a database that it has written to must never serve. It leaves a mark in every
//! database that it uses; `serve` refuses one with the mark, and `dev` one that has tables but no mark.

use sqlx::{PgExecutor, PgPool};

/// The lock under which a database is looked at and marked; the number is the bytes of "smartdev".
const LOCK: i64 = i64::from_be_bytes(*b"smartdev");

/// Why `dev` may not use a database.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClaimError {
    /// It has tables that `dev` did not make.
    #[error(
        "the database at DATABASE_URL has tables of its own (such as {table}), and `dev` would mix unsigned test events \
         with them: unset DATABASE_URL to use a private database, or name an empty one"
    )]
    InUse {
        /// One of the tables, with its schema.
        table: String,
    },
    /// The database did not answer.
    #[error("the database at DATABASE_URL: {0}")]
    Database(#[from] sqlx::Error),
}

/// Marks the database as one of `dev`, if it is empty or has the mark already.
///
/// A table that belongs to an extension does not count, since some hosts put one into every new database.
///
/// # Errors
/// [`ClaimError::InUse`] where it holds anything else; nothing is changed then.
pub(crate) async fn claim(pool: &PgPool) -> Result<(), ClaimError> {
    let mut transaction = pool.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *transaction).await?;
    if is_dev(&mut *transaction).await? {
        return Ok(());
    }
    let table: Option<String> = sqlx::query_scalar(
        "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
           AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
           AND NOT EXISTS (SELECT FROM pg_depend d
                           WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
         ORDER BY 1 LIMIT 1",
    )
    .fetch_optional(&mut *transaction)
    .await?;
    if let Some(table) = table {
        return Err(ClaimError::InUse { table });
    }
    let mark = "CREATE TABLE smartline_dev (made_at timestamptz NOT NULL)";
    sqlx::query(mark).execute(&mut *transaction).await?;
    sqlx::query("INSERT INTO smartline_dev VALUES (now())").execute(&mut *transaction).await?;
    Ok(transaction.commit().await?)
}

/// Whether the database has the mark of `dev`, in whatever schema.
///
/// # Errors
/// What the database answers.
pub(crate) async fn is_dev(db: impl PgExecutor<'_>) -> sqlx::Result<bool> {
    let mark = "SELECT EXISTS (SELECT FROM pg_class WHERE relname = 'smartline_dev' AND relkind = 'r')";
    sqlx::query_scalar(mark).fetch_one(db).await
}
