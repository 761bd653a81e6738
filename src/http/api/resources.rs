//! The resources: where each comes from, what it is filtered by, and which of its columns are somebody's data.

use crate::access::Scope;

/// A kind of thing that can be listed.
pub(in crate::http) struct Resource {
    /// In paths.
    pub(super) name: &'static str,
    /// What one is called: the `object` of its answers.
    pub(super) object: &'static str,
    /// What its ids begin with.
    pub(in crate::http) prefix: &'static str,
    /// What lies under the name `t`, with at least a column `id`.
    pub(super) from: &'static str,
    /// Finds one by the provider's id, `$1`.
    pub(super) named: &'static str,
    pub(super) filters: &'static [Filter],
    /// Columns with numbers, of which the last four digits are shown to everybody.
    pub(super) numbers: &'static [&'static str],
    /// Columns that are shown only with `pii:read`.
    pub(super) hidden: &'static [&'static str],
    pub(in crate::http) scope: Scope,
    pub(super) about: &'static str,
}

/// A query parameter.
pub(super) struct Filter {
    pub(super) name: &'static str,
    /// True of the rows that are wanted; `$3` holds all parameters as JSON.
    pub(super) clause: &'static str,
    pub(super) about: &'static str,
}

macro_rules! equal {
    ($name:literal, $column:literal, $about:literal) => {
        Filter { name: $name, clause: concat!("t.", $column, " = $3->>'", $name, "'"), about: $about }
    };
}

const PROVIDER: Filter = equal!("provider", "provider", "stripe, twilio or plivo");
const STATUS: Filter = equal!("status", "status", "as the provider spells it");
const LINE: Filter = equal!("line", "line", "our number, as E.164");
const NUMBER: Filter = Filter {
    name: "number",
    clause: "(t.from_number = $3->>'number' OR t.to_number = $3->>'number')",
    about: "either side's number, as E.164",
};
const ACCOUNT: Filter = equal!("account", "account", "the key of an account, such as live::cus_1");

/// A name that the provider gives, of an object that is the platform's own.
macro_rules! by_customer {
    () => {
        "t.key IN ('live::' || $1, 'test::' || $1, $1)"
    };
}

macro_rules! by_carrier {
    () => {
        "t.key IN ('twilio:' || $1, 'plivo:' || $1, $1)"
    };
}

/// All of them, in the order of the reference.
pub(super) const RESOURCES: &[Resource] = &[
    Resource {
        name: "events",
        object: "event",
        prefix: "event_",
        from: "(SELECT id, provider, endpoint, external_id, kind AS type, subject, received_at, occurred_at, method, path,
                       signed_by, flags FROM events)",
        named: "t.id = (SELECT event_id FROM event_keys WHERE key = $2 LIMIT 1)",
        filters: &[
            PROVIDER,
            equal!("endpoint", "endpoint", "such as twilio/voice"),
            equal!("type", "type", "such as invoice.payment_failed"),
            equal!("subject", "subject", "the call, message or customer that it is about"),
        ],
        numbers: &[],
        hidden: &["path"],
        scope: Scope::Read,
        about: "Every verified request, kept once",
    },
    Resource {
        name: "calls",
        object: "call",
        prefix: "call_",
        from: "calls",
        named: by_carrier!(),
        filters: &[
            PROVIDER,
            STATUS,
            LINE,
            NUMBER,
            equal!("outcome", "outcome", "answered, voicemail, missed, abandoned, rejected, failed, unknown …"),
            equal!("direction", "direction", "inbound or outbound"),
        ],
        numbers: &["from_number", "to_number", "line"],
        hidden: &["recording_url", "transcription"],
        scope: Scope::Read,
        about: "One for each call, with its outcome",
    },
    Resource {
        name: "messages",
        object: "message",
        prefix: "msg_",
        from: "messages",
        named: by_carrier!(),
        filters: &[
            PROVIDER,
            STATUS,
            LINE,
            NUMBER,
            equal!("contact", "contact", "the other side's number"),
            equal!("direction", "direction", "inbound or outbound"),
        ],
        numbers: &["from_number", "to_number", "line", "contact"],
        hidden: &["body", "media"],
        scope: Scope::Read,
        about: "One for each text, with its delivery",
    },
    Resource {
        name: "opt-outs",
        object: "opt_out",
        prefix: "optout_",
        from: "opt_outs",
        named: "t.key = $1",
        filters: &[LINE, equal!("contact", "contact", "the other side's number")],
        numbers: &["line", "contact"],
        hidden: &[],
        scope: Scope::Read,
        about: "Who wants texts of which line, and who does not",
    },
    Resource {
        name: "accounts",
        object: "account",
        prefix: "account_",
        from: "accounts",
        named: by_customer!(),
        filters: &[LINE, equal!("customer", "customer", "cus_…")],
        numbers: &["phone", "line"],
        hidden: &["email", "name", "reference"],
        scope: Scope::BillingRead,
        about: "Who pays",
    },
    Resource {
        name: "subscriptions",
        object: "subscription",
        prefix: "subscription_",
        from: "subscriptions",
        named: by_customer!(),
        filters: &[STATUS, ACCOUNT],
        numbers: &[],
        hidden: &["metadata"],
        scope: Scope::BillingRead,
        about: "What they pay for",
    },
    Resource {
        name: "invoices",
        object: "invoice",
        prefix: "invoice_",
        from: "invoices",
        named: by_customer!(),
        filters: &[STATUS, ACCOUNT, equal!("subscription", "subscription", "the key of a subscription")],
        numbers: &[],
        hidden: &["hosted_url"],
        scope: Scope::BillingRead,
        about: "What was paid, and what was not",
    },
    Resource {
        name: "dead-letters",
        object: "dead_letter",
        prefix: "event_",
        from: "(SELECT work.event_id AS id, event.provider, event.kind AS type, event.subject, work.attempts, work.dead_at,
                       work.error
                FROM event_work work JOIN events event ON event.id = work.event_id WHERE work.dead_at IS NOT NULL)",
        named: "t.id = (SELECT event_id FROM event_keys WHERE key = $2 LIMIT 1)",
        filters: &[PROVIDER, equal!("type", "type", "such as invoice.payment_failed")],
        numbers: &[],
        hidden: &["error"],
        scope: Scope::Read,
        about: "Events that could not be worked on and were given up",
    },
    Resource {
        name: "rejections",
        object: "rejection",
        prefix: "req_",
        from: "rejections",
        named: "false",
        filters: &[
            equal!("endpoint", "endpoint", "such as twilio/voice"),
            equal!("code", "code", "such as signature_mismatch"),
        ],
        numbers: &[],
        hidden: &["client", "headers"],
        scope: Scope::Read,
        about: "A sample of the requests that were refused, and why",
    },
];

/// The resource with this name.
pub(in crate::http) fn named(name: &str) -> Option<&'static Resource> {
    RESOURCES.iter().find(|resource| resource.name == name)
}
