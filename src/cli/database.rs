//! The database of commands that work on it directly: `DATABASE_URL`, or what `dev` runs in this folder.

use std::path::Path;

use sqlx::postgres::PgConnectOptions;

use super::error::Error;
use crate::{
    config::{Config, Environment},
    db,
};

/// How to connect to what `DATABASE_URL` names.
///
/// # Errors
/// When it is missing or cannot be read.
pub(super) fn options() -> Result<PgConnectOptions, Error> {
    let environment = Environment::of_process().and_file(Path::new(".env")).map_err(Error::because)?;
    let url = Config::database_url(&environment).map_err(Error::because)?;
    db::options(&url).map_err(|_| Error::Failed("DATABASE_URL cannot be read as a PostgreSQL URL".to_owned()))
}

/// A connection whose statements may take long.
///
/// # Errors
/// As [`options`], or that the database is away.
pub(super) async fn connect() -> Result<sqlx::PgConnection, Error> {
    db::maintenance(&options()?).await.map_err(|error| Error::Failed(format!("the database: {error}")))
}
