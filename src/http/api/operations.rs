//! What the API does beside listing resources, for the reference.

use super::body::JSON;
use crate::{access::Scope, http::problem::Code};

/// One operation.
pub(super) struct Operation {
    /// `get` or `post`.
    pub(super) method: &'static str,
    /// Below `/api/v1`.
    pub(super) path: &'static str,
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) scope: Scope,
    /// What `{id}` in the path may be.
    pub(super) id: Option<&'static str>,
    pub(super) takes: Takes,
    /// The statuses of its answer where all is well.
    pub(super) statuses: &'static [&'static str],
    /// The schema of that answer.
    pub(super) answer: &'static str,
    /// How it refuses, beside what follows from its method, its path and what it takes.
    pub(super) refuses: &'static [Code],
}

/// What an operation takes beside its path.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    Nothing,
    /// The filters of this resource's list, and where to begin.
    Filters(&'static str),
    /// A body with the parameters of this resource's list.
    Selection(&'static str),
    /// Of which lines it is told.
    Lines,
    /// A body that tells what a new key is to be.
    NewKey,
    /// A body of this kind, as `schemas` has it.
    Body(&'static str),
}

impl Takes {
    /// The media types that a body may have; none where no body is read.
    pub(super) fn kinds(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Nothing | Self::Filters(_) | Self::Lines => None,
            Self::Body("Document") => Some(&["application/json", "application/toml", "text/plain"]),
            Self::Selection(_) | Self::NewKey | Self::Body(_) => Some(JSON),
        }
    }
}

/// The media types that the body of a POST to this path may have.
pub(super) fn taken_by(path: &str) -> Option<&'static [&'static str]> {
    let path = path.strip_prefix("/api/v1")?;
    let fits = |known: &&Operation| {
        let mut segments = path.split('/');
        let fit = known
            .path
            .split('/')
            .all(|part| segments.next().is_some_and(|segment| part.starts_with('{') || part == segment));
        known.method == "post" && fit && segments.next().is_none()
    };
    OPERATIONS.iter().find(fits).and_then(|known| known.takes.kinds())
}

/// All of them, in the order of the reference.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        method: "get",
        path: "/stats",
        name: "getStats",
        about: "Figures that are cheap to have",
        scope: Scope::Read,
        id: None,
        takes: Takes::Nothing,
        statuses: &["200"],
        answer: "Stats",
        refuses: &[],
    },
    Operation {
        method: "get",
        path: "/stream",
        name: "stream",
        about: "Events as they are kept, as server-sent events: each message has an event's id and the event as its list \
                shows it. Come back with Last-Event-ID; what is in doubt comes once more",
        scope: Scope::Read,
        id: None,
        takes: Takes::Filters("events"),
        statuses: &["200"],
        answer: "stream",
        refuses: &[Code::TooManyStreams],
    },
    Operation {
        method: "post",
        path: "/events/{id}/replay",
        name: "replayEvent",
        about: "Has a kept event worked on again; changes tables alone, sends nothing",
        scope: Scope::EventsReplay,
        id: Some("event_… or evt_…"),
        takes: Takes::Nothing,
        statuses: &["202"],
        answer: "ReplayedEvent",
        refuses: &[],
    },
    Operation {
        method: "post",
        path: "/events/replay",
        name: "replayEvents",
        about: "Counts the events that a filter finds, newest first, or has them worked on again: the first at once, the rest \
                `rate` a second",
        scope: Scope::EventsReplay,
        id: None,
        takes: Takes::Selection("events"),
        statuses: &["200", "202"],
        answer: "BulkReplay",
        refuses: &[],
    },
    Operation {
        method: "post",
        path: "/dead-letters/replay",
        name: "replayDeadLetters",
        about: "Counts the dead letters that a filter finds, newest first, or has them worked on again; without a filter, \
                all",
        scope: Scope::EventsReplay,
        id: None,
        takes: Takes::Selection("dead-letters"),
        statuses: &["200", "202"],
        answer: "BulkReplay",
        refuses: &[],
    },
    Operation {
        method: "post",
        path: "/replays/{id}/stop",
        name: "stopReplay",
        about: "Stops a replay that is running; what it has put back stays",
        scope: Scope::EventsReplay,
        id: Some("replay_…"),
        takes: Takes::Nothing,
        statuses: &["200"],
        answer: "StoppedReplay",
        refuses: &[],
    },
    Operation {
        method: "get",
        path: "/calls/{id}/why",
        name: "getCallWhy",
        about: "What was decided for a call: each guard and test with what it saw",
        scope: Scope::Read,
        id: Some("call_… or the provider's id"),
        takes: Takes::Nothing,
        statuses: &["200"],
        answer: "Why",
        refuses: &[],
    },
    Operation {
        method: "post",
        path: "/flows/preview",
        name: "previewFlow",
        about: "Shows what a step, or every step, comes to: what is heard and both documents. Sends and keeps nothing",
        scope: Scope::Read,
        id: None,
        takes: Takes::Body("Preview"),
        statuses: &["200"],
        answer: "Preview",
        refuses: &[Code::FieldsInvalid],
    },
    Operation {
        method: "post",
        path: "/flows/simulate",
        name: "simulateFlow",
        about: "Walks a flow by what a caller does; shows what is heard and both documents. Sends and keeps nothing",
        scope: Scope::Read,
        id: None,
        takes: Takes::Body("Simulate"),
        statuses: &["200"],
        answer: "Simulation",
        refuses: &[Code::FieldsInvalid],
    },
    Operation {
        method: "get",
        path: "/calls/{id}/timeline",
        name: "getCallTimeline",
        about: "Every event that told of a call, oldest first",
        scope: Scope::Read,
        id: Some("call_… or the provider's id"),
        takes: Takes::Nothing,
        statuses: &["200"],
        answer: "Timeline",
        refuses: &[],
    },
    Operation {
        method: "get",
        path: "/accounts/{id}/entitlement",
        name: "getEntitlement",
        about: "May this account's line be used, and why",
        scope: Scope::BillingRead,
        id: Some("account_… or cus_…"),
        takes: Takes::Nothing,
        statuses: &["200"],
        answer: "Entitlement",
        refuses: &[],
    },
    Operation {
        method: "post",
        path: "/lines",
        name: "addLine",
        about: "Adds a line",
        scope: Scope::LinesWrite,
        id: None,
        takes: Takes::Body("NewLine"),
        statuses: &["201"],
        answer: "Line",
        refuses: &[Code::FieldsInvalid, Code::InTheWay],
    },
    Operation {
        method: "post",
        path: "/lines/{id}",
        name: "changeLine",
        about: "Changes what is given of a line, and leaves the rest; a setting that is null goes back to its default",
        scope: Scope::LinesWrite,
        id: Some("line_…, the number, or provider and number such as plivo:+14155550191"),
        takes: Takes::Body("LineChange"),
        statuses: &["200"],
        answer: "Line",
        refuses: &[Code::FieldsInvalid, Code::InTheWay, Code::ChangedMeanwhile],
    },
    Operation {
        method: "post",
        path: "/lines/{id}/publish",
        name: "publishOnLine",
        about: "Points a line at a version of a flow, if that can be followed there; calls in progress stay with theirs",
        scope: Scope::LinesWrite,
        id: Some("line_…, the number, or provider and number such as plivo:+14155550191"),
        takes: Takes::Body("Publish"),
        statuses: &["200"],
        answer: "Published",
        refuses: &[Code::FieldsInvalid, Code::InTheWay, Code::ChangedMeanwhile],
    },
    Operation {
        method: "post",
        path: "/lines/{id}/rollback",
        name: "rollbackLine",
        about: "Points a line at what it had before",
        scope: Scope::LinesWrite,
        id: Some("line_…, the number, or provider and number such as plivo:+14155550191"),
        takes: Takes::Nothing,
        statuses: &["200"],
        answer: "Published",
        refuses: &[Code::FieldsInvalid, Code::InTheWay, Code::ChangedMeanwhile],
    },
    Operation {
        method: "get",
        path: "/lines/{id}/publications",
        name: "getPublications",
        about: "What a line pointed at and when, newest first",
        scope: Scope::Read,
        id: Some("line_…, the number, or provider and number such as plivo:+14155550191"),
        takes: Takes::Nothing,
        statuses: &["200"],
        answer: "Publications",
        refuses: &[Code::InTheWay],
    },
    Operation {
        method: "get",
        path: "/lines/serving",
        name: "getServing",
        about: "The lines as this process answers calls with them now, from its memory alone",
        scope: Scope::Read,
        id: None,
        takes: Takes::Nothing,
        statuses: &["200"],
        answer: "Serving",
        refuses: &[],
    },
    Operation {
        method: "post",
        path: "/flows",
        name: "addFlow",
        about: "Adds a flow, which has no version yet",
        scope: Scope::LinesWrite,
        id: None,
        takes: Takes::Body("NewFlow"),
        statuses: &["200", "201"],
        answer: "Flow",
        refuses: &[Code::FieldsInvalid],
    },
    Operation {
        method: "get",
        path: "/flows/{id}/versions",
        name: "getVersions",
        about: "The versions of a flow, newest first, without their documents",
        scope: Scope::Read,
        id: Some("flow_…, or the flow's name"),
        takes: Takes::Nothing,
        statuses: &["200"],
        answer: "FlowVersions",
        refuses: &[],
    },
    Operation {
        method: "post",
        path: "/flows/{id}/versions",
        name: "addVersion",
        about: "Keeps a document as a version; the same document is the same version. JSON, or TOML as application/toml",
        scope: Scope::LinesWrite,
        id: Some("flow_…, or the flow's name"),
        takes: Takes::Body("Document"),
        statuses: &["200", "201"],
        answer: "FlowVersion",
        refuses: &[Code::FieldsInvalid],
    },
    Operation {
        method: "get",
        path: "/flows/{id}/versions/{number}",
        name: "getVersion",
        about: "A version with its document, and what it changes against the one before",
        scope: Scope::Read,
        id: Some("flow_…, or the flow's name"),
        takes: Takes::Nothing,
        statuses: &["200"],
        answer: "FlowVersion",
        refuses: &[],
    },
    Operation {
        method: "post",
        path: "/contacts",
        name: "setContact",
        about: "Names, tags, blocks or unblocks a number on a line, or on all lines of its account",
        scope: Scope::LinesWrite,
        id: None,
        takes: Takes::Body("ContactChange"),
        statuses: &["200"],
        answer: "Contact",
        refuses: &[Code::FieldsInvalid, Code::InTheWay, Code::NoSuchObject],
    },
    Operation {
        method: "get",
        path: "/contacts/{id}/export",
        name: "exportContact",
        about: "Everything that is kept of a contact: calls, texts, what they want, files and the requests that told of it",
        scope: Scope::PiiRead,
        id: Some("their number, such as +14155550142"),
        takes: Takes::Lines,
        statuses: &["200"],
        answer: "Export",
        refuses: &[Code::InTheWay],
    },
    Operation {
        method: "post",
        path: "/contacts/{id}/erase",
        name: "eraseContact",
        about: "Counts what is kept of a contact, or takes it out of events and tables; an opt-out holds as a hash. A \
                request looks at some ten thousand events: go on with `next` as `after` while there is more",
        scope: Scope::Admin,
        id: Some("their number, such as +14155550142"),
        takes: Takes::Body("Erase"),
        statuses: &["200"],
        answer: "Erasure",
        refuses: &[Code::InTheWay],
    },
    Operation {
        method: "post",
        path: "/keys",
        name: "createKey",
        about: "Makes a key; its secret is in this answer and nowhere else",
        scope: Scope::Admin,
        id: None,
        takes: Takes::NewKey,
        statuses: &["201"],
        answer: "NewKey",
        refuses: &[],
    },
    Operation {
        method: "post",
        path: "/keys/{id}/revoke",
        name: "revokeKey",
        about: "Ends a key at once",
        scope: Scope::Admin,
        id: Some("key_…"),
        takes: Takes::Nothing,
        statuses: &["200"],
        answer: "RevokedKey",
        refuses: &[],
    },
];
