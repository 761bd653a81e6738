//! What was just done, told once on the next page. A cookie holds a word of a fixed list and a number, so nothing that
//! anybody invents is ever shown.

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;

use super::{manner::cookie, way::Way};

const COOKIE: &str = "smartline_flash";

/// What there is to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flash {
    /// So many events were put back into the queue.
    Replayed(u64),
    /// The same form came before.
    AlreadyReplayed,
    SignedIn,
    SessionEnded,
    KeyRevoked,
    NothingChanged,
    LineChanged,
    Published,
    FlowSaved,
    DraftKept,
    OwedAgain,
    OwedCancelled,
    /// The provider's console was read.
    Checked,
    /// A probe was sent, and answered with this status.
    Probed(u64),
    ReplayStopped,
}

impl Flash {
    /// As the cookie says.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let (word, number) = cookie(headers, COOKIE)?.split_once('.')?;
        Some(match word {
            "replayed" => Self::Replayed(number.parse().ok()?),
            "again" => Self::AlreadyReplayed,
            "in" => Self::SignedIn,
            "ended" => Self::SessionEnded,
            "revoked" => Self::KeyRevoked,
            "nothing" => Self::NothingChanged,
            "line" => Self::LineChanged,
            "published" => Self::Published,
            "flow" => Self::FlowSaved,
            "draft" => Self::DraftKept,
            "owed" => Self::OwedAgain,
            "cancelled" => Self::OwedCancelled,
            "checked" => Self::Checked,
            "stopped" => Self::ReplayStopped,
            "probed" => Self::Probed(number.parse().ok()?),
            _ => return None,
        })
    }

    fn word(self) -> String {
        match self {
            Self::Replayed(number) => format!("replayed.{number}"),
            Self::AlreadyReplayed => "again.".to_owned(),
            Self::SignedIn => "in.".to_owned(),
            Self::SessionEnded => "ended.".to_owned(),
            Self::KeyRevoked => "revoked.".to_owned(),
            Self::NothingChanged => "nothing.".to_owned(),
            Self::LineChanged => "line.".to_owned(),
            Self::Published => "published.".to_owned(),
            Self::FlowSaved => "flow.".to_owned(),
            Self::DraftKept => "draft.".to_owned(),
            Self::OwedAgain => "owed.".to_owned(),
            Self::OwedCancelled => "cancelled.".to_owned(),
            Self::Checked => "checked.".to_owned(),
            Self::Probed(status) => format!("probed.{status}"),
            Self::ReplayStopped => "stopped.".to_owned(),
        }
    }

    /// A sentence for a person.
    pub(super) fn text(self) -> String {
        match self {
            Self::Replayed(1) => {
                "One event is back in the queue and will be worked on in a moment.".to_owned()
            }
            Self::Replayed(number) => format!("{number} events are back in the queue."),
            Self::AlreadyReplayed => "That was done already: a second press changes nothing.".to_owned(),
            Self::SignedIn => "You are signed in.".to_owned(),
            Self::SessionEnded => "That browser is signed out.".to_owned(),
            Self::KeyRevoked => "The key is revoked. Whoever was signed in with it is signed out.".to_owned(),
            Self::LineChanged => "The line is changed.".to_owned(),
            Self::Published => "Published: the next call begins with it.".to_owned(),
            Self::FlowSaved => "The version is kept. No line is pointed at it by that.".to_owned(),
            Self::DraftKept => "Kept in the draft.".to_owned(),
            Self::OwedAgain => "It waits again, and is done as soon as no rule is against it.".to_owned(),
            Self::OwedCancelled => "It is cancelled, and nobody gets it.".to_owned(),
            Self::Checked => "The provider was asked: what it has stands below.".to_owned(),
            Self::ReplayStopped => "It is stopped before its next step.".to_owned(),
            Self::Probed(200) => "The probe was verified, kept and answered.".to_owned(),
            Self::Probed(status) => format!("The probe was answered with {status}."),
            Self::NothingChanged => "Nothing was changed: it was gone already.".to_owned(),
        }
    }

    /// Has it told on the next page.
    pub(super) fn on(self, way: Way, mut response: Response) -> Response {
        put(&mut response, &format!("{COOKIE}={}; Max-Age=60; HttpOnly{}", self.word(), way.attributes()));
        response
    }

    /// Has it told no more.
    pub(super) fn told(way: Way, response: &mut Response) {
        put(response, &format!("{COOKIE}=; Max-Age=0; HttpOnly{}", way.attributes()));
    }
}

/// Adds a cookie.
pub(super) fn put(response: &mut Response, cookie: &str) {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}
