//! Twilio's lists of calls and messages, and the callbacks that would have told the same.
//!
//! Source: Twilio docs, "Call resource", "Message resource", "Paging".

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{
    page::{Page, Told, What, address, form, is_due, text},
    remote::Failure,
    window::{PATIENCE, Window},
};
use crate::{
    calls,
    provider::{Endpoint, Recovered},
};

/// Rows of a page; Twilio allows 1,000.
const PAGE: &str = "500";

/// Path and query of the first page: all that began on the window's first day or later. Twilio filters by whole days;
/// the end of the window is where the list begins, at the newest.
pub(super) fn first(account: &str, list: &str, from: &str, window: Window) -> String {
    let day = window.since.format("%F").to_string();
    address(&format!("/2010-04-01/Accounts/{account}/{list}.json"), &[("PageSize", PAGE), (from, &day)])
}

/// Reads a page of calls. One that goes on is left for its callback, or for the next time.
///
/// # Errors
/// [`Failure::Unreadable`] when it is no such page.
pub(super) fn calls(account: &str, body: &Bytes, now: DateTime<Utc>) -> Result<Page, Failure> {
    page(account, body, "calls", |row| {
        let (id, status) = (text(row, "sid")?, text(row, "status")?.to_ascii_lowercase());
        let ended = text(row, "end_time").or_else(|| text(row, "date_updated"));
        let at = ended.as_deref().and_then(time);
        if !calls::is_over(&status) || !is_due(at, now, PATIENCE) {
            return None;
        }
        let duration = text(row, "duration");
        let body = form([
            ("CallSid", Some(id.clone())),
            ("AccountSid", text(row, "account_sid")),
            ("ApiVersion", text(row, "api_version")),
            ("CallStatus", Some(status.clone())),
            ("Direction", text(row, "direction")),
            ("From", text(row, "from")),
            ("To", text(row, "to")),
            ("ParentCallSid", text(row, "parent_call_sid")),
            ("CallDuration", duration.clone()),
            // The callback of a call's end is the first one of its series, unless others were asked for.
            ("SequenceNumber", Some("0".to_owned())),
            ("Timestamp", ended),
        ]);
        let event = Recovered::new(Endpoint::TwilioStatus, body, now, at);
        let duration_s = duration.and_then(|seconds| seconds.parse().ok());
        Some(Told { id, what: What::Call { status: Some(status), duration_s }, event })
    })
}

/// Reads a page of messages. The media of one that came in are not in the list.
///
/// # Errors
/// [`Failure::Unreadable`] when it is no such page.
pub(super) fn messages(account: &str, body: &Bytes, now: DateTime<Utc>) -> Result<Page, Failure> {
    page(account, body, "messages", |row| {
        let (id, status) = (text(row, "sid")?, text(row, "status")?.to_ascii_lowercase());
        let inbound = text(row, "direction").as_deref() == Some("inbound");
        // When it was said, or when it came so far.
        let dates = if inbound { ["date_sent", "date_created"] } else { ["date_updated", "date_created"] };
        let at = dates.iter().find_map(|name| text(row, name)).as_deref().and_then(time);
        if !is_due(at, now, PATIENCE) || (inbound && status != "received") {
            return None;
        }
        let shared = [
            ("MessageSid", Some(id.clone())),
            ("SmsSid", Some(id.clone())),
            ("AccountSid", text(row, "account_sid")),
            ("ApiVersion", text(row, "api_version")),
            ("From", text(row, "from")),
            ("To", text(row, "to")),
            ("NumSegments", text(row, "num_segments")),
            ("SmsStatus", Some(status.clone())),
        ];
        let [sid, sms_sid, account, version, from, to, segments, sms_status] = shared;
        let body = form([
            sid,
            sms_sid,
            account,
            version,
            from,
            to,
            segments,
            sms_status,
            // A text that came in brings its words, one that was sent how far it came.
            ("Body", text(row, "body").filter(|_| inbound)),
            ("NumMedia", text(row, "num_media").filter(|_| inbound)),
            ("MessageStatus", (!inbound).then(|| status.clone())),
            ("ErrorCode", text(row, "error_code").filter(|_| !inbound)),
        ]);
        let endpoint = if inbound { Endpoint::TwilioSms } else { Endpoint::TwilioStatus };
        Some(Told { id, what: What::Message { status }, event: Recovered::new(endpoint, body, now, at) })
    })
}

fn page(
    account: &str,
    body: &Bytes,
    list: &str,
    told: impl Fn(&Value) -> Option<Told>,
) -> Result<Page, Failure> {
    let page: Value = serde_json::from_slice(body).map_err(|_| Failure::Unreadable("it is no JSON"))?;
    let rows = page.get(list).and_then(Value::as_array);
    let rows = rows.ok_or(Failure::Unreadable("it is no page of this list"))?;
    let next = text(&page, "next_page_uri");
    // The token goes along, so it must lead nowhere else.
    if next.as_ref().is_some_and(|next| !next.starts_with(&format!("/2010-04-01/Accounts/{account}/"))) {
        return Err(Failure::Unreadable("the next page is not of this account"));
    }
    Ok(Page { rows: rows.len(), told: rows.iter().filter_map(told).collect(), next })
}

fn time(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc2822(text).ok().map(|at| at.to_utc())
}
