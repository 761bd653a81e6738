//! `smartline migrate`: brings the database's schema up to date, as a step of its own before a deploy.

use std::path::Path;

use super::error::{Error, print};
use crate::{
    config::{Config, Environment},
    db,
    domain::clock::{Clock as _, SystemClock},
    inbox,
};

/// Applies what is missing and tells so. Safe to run twice and from several machines at once.
pub(super) async fn run() -> Result<(), Error> {
    let environment = Environment::of_process().and_file(Path::new(".env")).map_err(Error::because)?;
    let url = Config::database_url(&environment).map_err(Error::because)?;
    let pool = db::options(&url)
        .map(db::pool)
        .map_err(|_| Error::Failed("DATABASE_URL cannot be read".to_owned()))?;
    let before = db::is_migrated(&pool).await.unwrap_or(false);
    db::migrate(&pool).await.map_err(|error| Error::Failed(format!("not migrated: {error}")))?;
    let made = inbox::partitions::ensure(&pool, SystemClock.now())
        .await
        .map_err(|error| Error::Failed(format!("migrated, but partitions are missing: {error}")))?;
    let schema = if before { "was up to date" } else { "is up to date now" };
    print(&format!("The schema {schema}; {made} partitions of events were made."))
}
