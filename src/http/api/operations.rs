//! What the API does beside listing resources, for the reference.

use crate::access::Scope;

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
    /// The status of its answer where all is well.
    pub(super) status: &'static str,
    /// The schema of that answer.
    pub(super) answer: &'static str,
}

/// What an operation takes beside its path.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    Nothing,
    /// The filters of this resource's list, and where to begin.
    Filters(&'static str),
    /// A body with the parameters of this resource's list.
    Selection(&'static str),
    /// A body that tells what a new key is to be.
    NewKey,
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
        status: "200",
        answer: "Stats",
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
        status: "200",
        answer: "stream",
    },
    Operation {
        method: "post",
        path: "/events/{id}/replay",
        name: "replayEvent",
        about: "Has a kept event worked on again; changes tables alone, sends nothing",
        scope: Scope::EventsReplay,
        id: Some("event_… or evt_…"),
        takes: Takes::Nothing,
        status: "202",
        answer: "Replay",
    },
    Operation {
        method: "post",
        path: "/events/replay",
        name: "replayEvents",
        about: "Counts the events that a filter finds, newest first, or has them worked on again",
        scope: Scope::EventsReplay,
        id: None,
        takes: Takes::Selection("events"),
        status: "200",
        answer: "BulkReplay",
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
        status: "200",
        answer: "BulkReplay",
    },
    Operation {
        method: "get",
        path: "/calls/{id}/timeline",
        name: "getCallTimeline",
        about: "Every event that told of a call, oldest first",
        scope: Scope::Read,
        id: Some("call_… or the provider's id"),
        takes: Takes::Nothing,
        status: "200",
        answer: "Timeline",
    },
    Operation {
        method: "get",
        path: "/accounts/{id}/entitlement",
        name: "getEntitlement",
        about: "May this account's line be used, and why",
        scope: Scope::BillingRead,
        id: Some("account_… or cus_…"),
        takes: Takes::Nothing,
        status: "200",
        answer: "Entitlement",
    },
    Operation {
        method: "post",
        path: "/keys",
        name: "createKey",
        about: "Makes a key; its secret is in this answer and nowhere else",
        scope: Scope::Admin,
        id: None,
        takes: Takes::NewKey,
        status: "201",
        answer: "NewKey",
    },
    Operation {
        method: "post",
        path: "/keys/{id}/revoke",
        name: "revokeKey",
        about: "Ends a key at once",
        scope: Scope::Admin,
        id: Some("key_…"),
        takes: Takes::Nothing,
        status: "200",
        answer: "RevokedKey",
    },
];
