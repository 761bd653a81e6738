//! Logs: readable on a terminal, JSON elsewhere. What a line may hold is decided where it is written: no query string,
//! secret, phone number or message text.

mod lines;

use std::{
    fmt::{self, Write as _},
    io::IsTerminal as _,
};

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    EnvFilter,
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

use self::lines::Lines;
pub(crate) use self::lines::Writing;
use crate::domain::clock::{Clock as _, SystemClock};

/// The filter where none is set. PostgreSQL's notices ("already exists, skipping") are nobody's news.
const DEFAULT: &str = "info,sqlx=warn";

/// Starts logging to standard error, as long as what it returns lives; a second call changes nothing. `filter` is a level or
/// a list such as `info,sqlx=debug`; one that cannot be read gives the default, and says so.
///
/// `readable` asks for plain lines where there is no terminal, too.
pub(crate) fn start(filter: Option<&str>, readable: bool) -> Writing {
    let wanted = filter.unwrap_or(DEFAULT);
    let (filter, fault) = match EnvFilter::try_new(wanted) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new(DEFAULT), Some(error)),
    };
    let (lines, writing) = Lines::to(std::io::stderr());
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(lines).with_target(false);
    let terminal = std::io::stderr().is_terminal();
    let started = if readable || terminal {
        logs.with_ansi(terminal).event_format(Readable).try_init()
    } else {
        logs.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init()
    };
    if let (Ok(()), Some(error)) = (started, fault) {
        tracing::warn!(%error, "SMARTLINE_LOG cannot be read; logging by {DEFAULT}");
    }
    writing
}

/// Lines for people: `21:18:45 POST twilio/voice 200 kept signed_by=unsigned duration_ms=2.8 …`, in UTC.
struct Readable;

impl<S, N> FormatEvent<S, N> for Readable
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut line = Line::default();
        event.record(&mut line);
        let (word, colour) = match *event.metadata().level() {
            Level::ERROR => ("error ", "31"),
            Level::WARN => ("", "33"),
            _ => ("", "0"),
        };
        let text = if line.message == "request" { line.request } else { line.message };
        let time = SystemClock.now().format("%H:%M:%S");
        if out.has_ansi_escapes() {
            writeln!(out, "{time} \x1b[{colour}m{word}{text}\x1b[0m{}", line.fields)
        } else {
            writeln!(out, "{time} {word}{text}{}", line.fields)
        }
    }
}

/// The parts of a line.
#[derive(Default)]
struct Line {
    message: String,
    /// What every request has, without names: method, endpoint, status, outcome.
    request: String,
    fields: String,
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record(field.name(), &format!("{value:?}"));
    }
}

impl Line {
    /// Adds a field. Control characters come out escaped, so that no value can forge a line or steer a terminal.
    fn record(&mut self, name: &str, value: &str) {
        let value: String = value
            .chars()
            .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
            .collect();
        let _ = match name {
            "message" => write!(self.message, "{value}"),
            "method" => write!(self.request, "{value}"),
            "endpoint" | "status" | "outcome" => write!(self.request, " {value}"),
            _ if value.contains(' ') => write!(self.fields, " {name}=\"{value}\""),
            _ => write!(self.fields, " {name}={value}"),
        };
    }
}
