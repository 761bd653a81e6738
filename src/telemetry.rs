//! Logs: readable on a terminal, JSON elsewhere. What a line may hold is decided where it is written: no query string,
//! secret, phone number or message text.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// The filter where none is set.
const DEFAULT: &str = "info";

/// Starts logging to standard error for the life of the process; a second call changes nothing. `filter` is a level or
/// a list such as `info,sqlx=debug`; one that cannot be read gives the default, and says so.
///
/// `readable` asks for plain lines where there is no terminal, too.
pub(crate) fn start(filter: Option<&str>, readable: bool) {
    let wanted = filter.unwrap_or(DEFAULT);
    let (filter, fault) = match EnvFilter::try_new(wanted) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new(DEFAULT), Some(error)),
    };
    let logs =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    let started = if readable || std::io::stderr().is_terminal() {
        logs.compact().with_ansi(std::io::stderr().is_terminal()).try_init()
    } else {
        logs.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init()
    };
    if let (Ok(()), Some(error)) = (started, fault) {
        tracing::warn!(%error, "SMARTLINE_LOG cannot be read; logging at level {DEFAULT}");
    }
}
