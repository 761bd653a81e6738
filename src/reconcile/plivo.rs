//! Plivo's lists of calls and messages, and the callbacks that would have told the same.
//!
//! Source: Plivo docs, "Retrieve details of all calls", "List all messages".

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::{
    page::{Page, Told, What, address, form, is_due, text},
    remote::Failure,
    window::{PATIENCE, Window},
};
use crate::provider::{Endpoint, Recovered};

/// Rows of a page; Plivo gives no more.
const PAGE: &str = "20";

/// How long a text that came in is waited for. Plivo tries to bring it for a day, and its list does not have the words:
/// so they are lost only once nobody brings them any more.
///
/// Source: Plivo docs: the callback of such a text is tried again for 24 hours.
const PATIENCE_FOR_TEXT: TimeDelta = TimeDelta::hours(25);

/// Path and query of the page that begins with the `offset`-th row. The list begins with the newest; the window's end
/// keeps it from moving while it is read.
pub(super) fn page(account: &str, list: &str, filter: &str, window: Window, offset: u64) -> String {
    let time = |at: DateTime<Utc>| at.format("%F %T").to_string();
    let (from, to) = (format!("{filter}__gte"), format!("{filter}__lt"));
    let (since, until, offset) = (time(window.since), time(window.until), offset.to_string());
    address(
        &format!("/v1/Account/{account}/{list}/"),
        &[("limit", PAGE), ("offset", &offset), (&from, &since), (&to, &until)],
    )
}

/// Reads a page of calls, all of which are over.
///
/// # Errors
/// [`Failure::Unreadable`] when it is no such page.
pub(super) fn calls(
    account: &str,
    window: Window,
    body: &Bytes,
    now: DateTime<Utc>,
) -> Result<Page, Failure> {
    let next = |offset| page(account, "Call", "end_time", window, offset);
    read(body, next, |row| {
        let id = text(row, "call_uuid")?;
        let at = time(row, "end_time");
        if !is_due(at, now, PATIENCE) {
            return None;
        }
        let duration = text(row, "call_duration").or_else(|| text(row, "bill_duration"));
        let parent = text(row, "parent_call_uuid");
        let body = form([
            ("CallUUID", Some(id.clone())),
            ("ParentAuthID", Some(account.to_owned())),
            ("Event", Some("Hangup".to_owned())),
            ("CallStatus", Some(status(row).to_owned())),
            ("Direction", text(row, "call_direction")),
            ("From", text(row, "from_number")),
            ("To", text(row, "to_number")),
            ("ALegUUID", parent),
            ("Duration", duration.clone()),
            ("BillDuration", text(row, "billed_duration").or_else(|| text(row, "bill_duration"))),
            ("HangupCauseName", text(row, "hangup_cause_name")),
            ("HangupCauseCode", text(row, "hangup_cause_code")),
            ("HangupSource", text(row, "hangup_source")),
            ("StartTime", text(row, "initiation_time")),
            ("AnswerTime", text(row, "answer_time")),
            ("EndTime", text(row, "end_time")),
        ]);
        let event = Recovered::new(Endpoint::PlivoHangup, body, now, at);
        let duration_s = duration.and_then(|seconds| seconds.parse().ok());
        Some(Told { id, what: What::Call { status: None, duration_s }, event })
    })
}

/// The status that the hang-up would have had: the list does not tell it. A call that came in is always `completed`.
fn status(row: &Value) -> &'static str {
    let outbound = text(row, "call_direction").as_deref() == Some("outbound");
    let cause = text(row, "hangup_cause_code");
    match cause.as_deref() {
        _ if !outbound || text(row, "answer_time").is_some() => "completed",
        Some("1000") => "cancel",
        Some("3000") => "no-answer",
        Some("3010") => "busy",
        _ => "failed",
    }
}

/// Reads a page of messages. The words of one that came in are not in the list.
///
/// # Errors
/// [`Failure::Unreadable`] when it is no such page.
pub(super) fn messages(
    account: &str,
    window: Window,
    body: &Bytes,
    now: DateTime<Utc>,
) -> Result<Page, Failure> {
    let next = |offset| page(account, "Message", "message_time", window, offset);
    read(body, next, |row| {
        let (id, state) = (text(row, "message_uuid")?, text(row, "message_state")?.to_ascii_lowercase());
        let at = time(row, "message_time");
        let inbound = text(row, "message_direction").as_deref() == Some("inbound");
        if !is_due(at, now, if inbound { PATIENCE_FOR_TEXT } else { PATIENCE }) {
            return None;
        }
        let body = form([
            ("MessageUUID", Some(id.clone())),
            ("ParentAuthID", Some(account.to_owned())),
            ("From", text(row, "from_number")),
            ("To", text(row, "to_number")),
            ("Type", text(row, "message_type")),
            ("Units", text(row, "units")),
            // Only a delivery report has a status: without one the text has come in.
            ("Status", (!inbound).then(|| state.clone())),
            ("ErrorCode", text(row, "error_code").filter(|_| !inbound)),
        ]);
        let status = if inbound { "received".to_owned() } else { state };
        let event = Recovered::new(Endpoint::PlivoSms, body, now, at);
        Some(Told { id, what: What::Message { status }, event })
    })
}

fn read(
    body: &Bytes,
    next: impl Fn(u64) -> String,
    told: impl Fn(&Value) -> Option<Told>,
) -> Result<Page, Failure> {
    let page: Value = serde_json::from_slice(body).map_err(|_| Failure::Unreadable("it is no JSON"))?;
    let rows = page.get("objects").and_then(Value::as_array);
    let rows = rows.ok_or(Failure::Unreadable("it is no page of a list"))?;
    // A path, and on the last page nothing; some answers only say whether there is more.
    let more = page.pointer("/meta/next").is_some_and(|next| next.is_string() || next == true);
    let offset = page.pointer("/meta/offset").and_then(Value::as_u64).unwrap_or_default();
    let next = (more && !rows.is_empty()).then(|| next(offset + rows.len() as u64));
    Ok(Page { rows: rows.len(), told: rows.iter().filter_map(told).collect(), next })
}

/// `2026-11-15 11:30:00+00:00`, with or without parts of a second; a zone is always there.
fn time(row: &Value, name: &str) -> Option<DateTime<Utc>> {
    let at = DateTime::parse_from_str(&text(row, name)?, "%F %T%.f%:z");
    at.ok().map(|at| at.to_utc())
}
