//! `smartline export`: all that the filters of a list find, a row at a time, from any service.

#[cfg(test)]
mod tests;

use std::{
    io::{self, Write},
    time::{Duration, Instant},
};

use serde_json::{Map, Value};

use super::{
    client::Client,
    error::{Error, note},
    known::{self, Known},
    reconcile::Since,
    tail::{narrowed, said},
    target,
};
use crate::domain::clock::Clock;

/// Rows of a page: as many as the API gives at once.
const PAGE: &str = "100";

/// How often progress is told.
const TELL: Duration = Duration::from_secs(1);

/// How long to wait where the service does not say when to come back.
const PAUSE: Duration = Duration::from_secs(1);

/// Times that a page is asked for while the service refuses for a while.
const TRIES: u32 = 10;

/// Write what the filters of a list find, as lines of JSON or as CSV
///
/// Reads the API's list with the key in `SMARTLINE_API_KEY`, page by page and newest first. People's
/// data are masked unless the key has `pii:read`. All that is kept of one person is what
/// `smartline contact export` writes.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    before_help = "\
Examples:
  smartline export calls --since 7d --format csv > calls.csv
  smartline export messages --filter direction=inbound > texts.ndjson
  smartline export events --url https://line.example.com --filter type=invoice.payment_failed"
)]
pub(super) struct Args {
    /// Which list: events, calls, messages or any other of the API
    list: String,
    /// The service to ask [default: the one on this machine]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// A filter of the list, such as `provider=stripe` (repeatable)
    #[arg(long, value_name = "NAME=VALUE")]
    filter: Vec<String>,
    /// Only what came since: 90m, 36h, 7d or a date
    #[arg(long, value_name = "DURATION|DATE")]
    since: Option<Since>,
    /// Go on after this row, where an export has ended early
    #[arg(long, value_name = "ID")]
    after: Option<String>,
    /// Lines of JSON, or CSV with a first line of names
    #[arg(long, value_enum, default_value_t = Format::Ndjson)]
    format: Format,
    /// End after so many rows
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    #[command(flatten)]
    known: known::Options,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Ndjson,
    Csv,
}

/// Writes all of it.
///
/// # Errors
/// [`Error::Failed`] without a key, where the service refuses, or does not answer; it says where to go on.
pub(super) async fn run(args: Args, clock: &dyn Clock) -> Result<(), Error> {
    let (origin, key) = target::of_api(args.url.as_deref(), Known::read(&args.known)?)?;
    let client = Client::new(&origin)?;
    let mut export =
        Export { after: args.after.clone(), columns: Vec::new(), written: 0, args, client, key, clock };
    let ended = export.pages(&mut io::stdout().lock()).await;
    note(&format!("{} {}", export.written, export.args.list));
    match (ended, &export.after) {
        (Err(Error::Failed(why)), Some(after)) => {
            Err(Error::Failed(format!("{why}; go on with --after {after}")))
        }
        (ended, _) => ended,
    }
}

/// An export on its way.
struct Export<'c> {
    args: Args,
    client: Client,
    key: String,
    clock: &'c dyn Clock,
    /// The row that was written last, or looked at.
    after: Option<String>,
    /// Of CSV.
    columns: Vec<String>,
    written: u64,
}

impl Export<'_> {
    async fn pages(&mut self, out: &mut dyn Write) -> Result<(), Error> {
        let mut told = Instant::now();
        loop {
            let page = self.page().await?;
            let rows = page["data"].as_array().map(Vec::as_slice).unwrap_or_default();
            let most = self.args.limit.map_or(u64::MAX, |limit| limit - self.written);
            let rows = &rows[..rows.len().min(usize::try_from(most).unwrap_or(usize::MAX))];
            out.write_all(self.text(rows).as_bytes())?;
            out.flush()?;
            self.written += u64::try_from(rows.len()).unwrap_or(0);
            let last = rows.last().map(|row| &row["id"]);
            let next = page["next"].as_str().or_else(|| last?.as_str()).map(str::to_owned);
            self.after = next.or(self.after.take());
            if page["has_more"] != true || self.args.limit.is_some_and(|limit| self.written >= limit) {
                return Ok(());
            }
            if told.elapsed() >= TELL {
                told = Instant::now();
                note(&format!(
                    "{} {}, down to {}",
                    self.written,
                    self.args.list,
                    self.after.as_deref().unwrap_or_default()
                ));
            }
        }
    }

    /// The next page. Waits where the key has asked too much, or the service is away for a moment.
    async fn page(&self) -> Result<Value, Error> {
        let mut query = narrowed(&self.args.filter, self.args.since, self.clock)?;
        query.append_pair("limit", PAGE);
        if let Some(after) = &self.after {
            query.append_pair("starting_after", after);
        }
        let path = format!("/api/v1/{}?{}", self.args.list, query.finish());
        let mut tries = 0;
        loop {
            let reply = self.client.get_as(&path, &self.key).await?;
            tries += 1;
            match reply.status {
                200 => return Ok(reply.json()),
                429 | 503 if tries < TRIES => {
                    let pause =
                        reply.retry_after.map_or(PAUSE, |seconds| Duration::from_secs(seconds.into()));
                    self.clock.wait(pause).await;
                }
                status => {
                    return Err(Error::Failed(format!(
                        "the service refuses: {}",
                        said(status, &reply.json())
                    )));
                }
            }
        }
    }

    fn text(&mut self, rows: &[Value]) -> String {
        let mut text = String::new();
        for row in rows {
            match (self.args.format, row) {
                (Format::Csv, Value::Object(row)) => {
                    if self.columns.is_empty() {
                        self.columns = row.keys().cloned().collect();
                        text.push_str(&line(self.columns.iter().map(|name| cell(&name.as_str().into()))));
                    }
                    text.push_str(&csv(&self.columns, row));
                }
                _ => text.push_str(&line(std::iter::once(row.to_string()))),
            }
        }
        text
    }
}

/// A row as a line of CSV.
///
/// Source: RFC 4180, section 2.
fn csv(columns: &[String], row: &Map<String, Value>) -> String {
    line(columns.iter().map(|name| cell(row.get(name).unwrap_or(&Value::Null))))
}

fn line(cells: impl Iterator<Item = String>) -> String {
    let mut line = cells.collect::<Vec<_>>().join(",");
    line.push('\n');
    line
}

/// Text as it is, nothing for null, all else as JSON.
fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}
