//! The database of commands that work on it directly: `DATABASE_URL`, or what `dev` runs in this folder.

use std::path::Path;

use sqlx::postgres::PgConnectOptions;

use super::{error::Error, known::DATA_DIR};
use crate::{
    config::{Config, Environment},
    db,
    dev::secrets,
};

/// How to connect to what `DATABASE_URL` names in the environment or `.env`, else to the database that `dev` runs here.
///
/// # Errors
/// When it is missing or cannot be read.
pub(super) fn options() -> Result<PgConnectOptions, Error> {
    let own = Environment::of_process().and_file(Path::new(".env")).map_err(Error::because)?;
    let environment = own.and_file(&Path::new(DATA_DIR).join(secrets::FILE)).map_err(Error::because)?;
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
