//! The database: there, durable, migrated, with room, and worked on.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::Connection as _;

use super::Report;
use crate::{
    config::{Config, Environment},
    db,
    dev::database::is_dev,
    inbox::overview,
};

const VERSION_SQL: &str = "SELECT current_setting('server_version_num')::integer";

const GROUP: &str = "database";

/// How long there must be room for events.
const ROOM: TimeDelta = TimeDelta::days(31);

/// How long an event may wait.
const PATIENCE: TimeDelta = TimeDelta::minutes(2);

/// Looks at the database, if there is one.
pub(super) async fn look(report: &mut Report, environment: &Environment, now: DateTime<Utc>) {
    let Ok(url) = Config::database_url(environment) else { return };
    let Ok(options) = db::options(&url) else { return };
    let mut connection = match db::maintenance(&options).await {
        Ok(connection) => connection,
        Err(error) => {
            // Its text may name the host, which is no secret; the password is never in it.
            report.found("E401", "DATABASE_URL", &error.to_string(), None);
            return;
        }
    };
    if let Err(error) = ask(report, &mut connection, now).await {
        report.found("E401", "DATABASE_URL", &error.to_string(), None);
    }
    let _ = connection.close().await;
}

async fn ask(report: &mut Report, db: &mut sqlx::PgConnection, now: DateTime<Utc>) -> sqlx::Result<()> {
    let version: i32 = sqlx::query_scalar(VERSION_SQL).fetch_one(&mut *db).await?;
    let shown = format!("{}.{}", version / 10_000, version % 10_000);
    if version < 140_000 {
        report.found("E402", "PostgreSQL", &shown, None);
    } else {
        report.fine(GROUP, "PostgreSQL", &shown);
    }
    for setting in db::settings_off(&mut *db).await? {
        let code = match setting.as_str() {
            "fsync" => "E405",
            "full_page_writes" => "E406",
            _ => "W407",
        };
        report.found(code, &setting, "is off", None);
    }
    if is_dev(&mut *db).await? {
        report.found("E404", "DATABASE_URL", "it was made by `smartline dev`", None);
    }
    match db::lacking(&mut *db).await?.as_slice() {
        [] => report.fine(GROUP, "migrations", "all applied"),
        lacking => {
            report.found("E403", "migrations", &format!("missing: {}", lacking.join(", ")), None);
            return Ok(());
        }
    }
    match overview::room_until(db).await? {
        Some(until) if until - now >= ROOM => {
            report.fine(GROUP, "room for events", &format!("until {}", until.format("%F")));
        }
        until => {
            let until =
                until.map_or("there is none".to_owned(), |until| format!("ends {}", until.format("%F")));
            report.found("E408", "room for events", &until, None);
        }
    }
    let backlog = overview::backlog(db).await?;
    if backlog.dead > 0 {
        report.found("W409", "dead letters", &backlog.dead.to_string(), None);
    }
    match backlog.oldest.map(|oldest| now - oldest) {
        Some(age) if age > PATIENCE => {
            report.found(
                "W410",
                "backlog",
                &format!("{} wait, the oldest for {} s", backlog.pending, age.num_seconds()),
                None,
            );
        }
        _ => report.fine(GROUP, "backlog", &format!("{} wait", backlog.pending)),
    }
    Ok(())
}
