//! The resources: where each comes from, what it is filtered by, and which of its columns are somebody's data.
//!
//! A new resource is a line of [`RESOURCES`]: its list, count and detail, and its part of the reference, come of that.

use crate::{access::Scope, http::error::Error};

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
    /// What is added to each row that is shown: an SQL object over `t`.
    pub(super) also: Option<&'static str>,
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
    pub(super) about: &'static str,
    pub(super) kind: Kind,
    pub(super) by: By,
}

/// What a filter's value may be.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Text,
    /// A number, as E.164; the plus may be missing, which a query easily loses.
    Number,
    /// `true` or `false`.
    Flag,
    /// One of these.
    Word(&'static [&'static str]),
    /// The provider's id, or ours with this prefix: that one is bound as `…_id`.
    Id(&'static str),
    /// Text to be found in what people said or wrote: needs `pii:read`. Bound as a form
    /// spells it as well, with blanks as `+` in `…_form` and as `%20` in `…_percent`.
    Content,
}

/// How the rows are found that a filter wants. `$3` holds all parameters as JSON.
#[derive(Clone, Copy)]
pub(super) enum By {
    /// By looking at rows one after the other, newest first; a page looks at only so many. True of those wanted.
    Looking(&'static str),
    /// By an index that has few for each value. True of those wanted.
    Index(&'static str),
    /// By taking ids in their order from these statements, none of which has an id of another; and true of the rows that
    /// have them. `$1` and `$2` are the bounds, `DIR` is the order's direction.
    Ids(&'static [&'static str], &'static str),
}

/// The ids of a table's rows with this value in a column that has an index together with the id. Said as a comparison of
/// both, so that no plan reads along the ids in hope of the value.
macro_rules! ids {
    ($table:literal, $column:literal, $value:expr) => {
        ids!($table, $column, $value, "")
    };
    ($table:literal, $column:literal, $value:expr, $and:literal) => {
        concat!(
            "SELECT t.id FROM ",
            $table,
            " t WHERE (t.",
            $column,
            ", t.id) < (",
            $value,
            ", $1) AND (t.",
            $column,
            ", t.id) > (",
            $value,
            ", $2)",
            $and,
            " ORDER BY t.",
            $column,
            " DIR, t.id DIR"
        )
    };
}

macro_rules! equal {
    ($name:literal, $column:literal, $about:literal) => {
        equal!($name, $column, $about, Kind::Text, Looking)
    };
    ($name:literal, $column:literal, $about:literal, $kind:expr, $by:ident) => {
        Filter {
            name: $name,
            about: $about,
            kind: $kind,
            by: By::$by(concat!("t.", $column, " = $3->>'", $name, "'")),
        }
    };
}

const PROVIDER: Filter = equal!(
    "provider",
    "provider",
    "stripe, twilio or plivo",
    Kind::Word(&["stripe", "twilio", "plivo"]),
    Looking
);
const TYPE: Filter = equal!("type", "type", "such as invoice.payment_failed");
const ENDPOINT: Filter = equal!("endpoint", "endpoint", "such as twilio/voice");
const STATUS: Filter = equal!("status", "status", "as the provider spells it");
const DIRECTION: Filter =
    equal!("direction", "direction", "inbound or outbound", Kind::Word(&["inbound", "outbound"]), Looking);
const fn line(by: By) -> Filter {
    Filter { name: "line", about: "our number, as E.164", kind: Kind::Number, by }
}
const fn contact(by: By) -> Filter {
    Filter { name: "contact", about: "the other side's number", kind: Kind::Number, by }
}
const BY_LINE: &str = "t.line = $3->>'line'";
const BY_CONTACT: &str = "t.contact = $3->>'contact'";
const SIMULATED: Filter = Filter {
    name: "simulated",
    about: "whether nobody outside vouches for it: it came unsigned, which only `smartline dev` takes, or the console's phone made it up",
    kind: Kind::Flag,
    by: By::Looking("t.simulated = ($3->>'simulated')::boolean"),
};

/// What the filter `account` names, as a key, a customer or an id of ours: its keys.
macro_rules! account_keys {
    () => {
        "(ARRAY['live::' || ($3->>'account'), 'test::' || ($3->>'account'), $3->>'account']
          || ARRAY(SELECT key FROM accounts WHERE id = ($3->>'account_id')::uuid))"
    };
}

const ACCOUNT: Filter = Filter {
    name: "account",
    about: "whose: account_…, cus_…, or the key of an account, such as live::cus_1",
    kind: Kind::Id("account_"),
    by: By::Index(concat!("t.account = ANY ", account_keys!())),
};

/// The line that is sold to the account which the filter names.
macro_rules! line_of_account {
    () => {
        concat!(
            "(SELECT line FROM accounts WHERE line IS NOT NULL AND key = ANY ",
            account_keys!(),
            " LIMIT 1)"
        )
    };
}

/// Of a call or a message: the account that its line is sold to.
const fn account_of_line(ids: &'static [&'static str]) -> Filter {
    Filter {
        name: "account",
        about: "whose line it was: account_…, cus_…, or the key of an account",
        kind: Kind::Id("account_"),
        by: By::Ids(ids, concat!("t.line = ", line_of_account!())),
    }
}

/// The keys of the call that the filter `call` names.
macro_rules! call_keys {
    () => {
        "(ARRAY['twilio:' || ($3->>'call'), 'plivo:' || ($3->>'call'), $3->>'call']
          || ARRAY(SELECT key FROM calls WHERE id = ($3->>'call_id')::uuid))"
    };
}

/// What of an event is shown in lists.
macro_rules! event_columns {
    () => {
        "events.id, events.provider, events.endpoint, events.external_id, events.kind AS type, events.subject,
         events.received_at, events.occurred_at, events.method, events.path, events.signed_by, events.flags"
    };
}

/// How far the work on an event is.
macro_rules! event_status {
    () => {
        "(SELECT CASE WHEN work.event_id IS NULL THEN 'done' WHEN work.dead_at IS NOT NULL THEN 'dead'
                      WHEN work.attempts = 0 THEN 'waiting' ELSE 'retrying' END
          FROM (SELECT) one LEFT JOIN event_work work ON work.event_id = t.id)"
    };
}

macro_rules! event_verified {
    () => {
        "(t.signed_by NOT IN ('unsigned', 'simulated', 'recovered'))"
    };
}

const EVENT_STATUS: Filter = Filter {
    name: "status",
    about: "done, waiting, retrying or dead",
    kind: Kind::Word(&["done", "waiting", "retrying", "dead"]),
    by: By::Looking(concat!(event_status!(), " = $3->>'status'")),
};
const VERIFIED: Filter = Filter {
    name: "verified",
    about: "whether a signature vouches for it: not where it came unsigned, was made up by the console's phone, or was recovered",
    kind: Kind::Flag,
    by: By::Looking(concat!(event_verified!(), " = ($3->>'verified')::boolean")),
};
const EVENT_SIMULATED: Filter = Filter {
    name: "simulated",
    about: "whether nobody outside vouches for it: it came unsigned, which only `smartline dev` takes, or the console's phone made it up",
    kind: Kind::Flag,
    by: By::Looking("(t.signed_by IN ('unsigned', 'simulated')) = ($3->>'simulated')::boolean"),
};
const EVENT_ACCOUNT: Filter = Filter {
    name: "account",
    about: "Stripe's events about this one: account_…, cus_…, or the key of an account",
    kind: Kind::Id("account_"),
    by: By::Looking(concat!(
        "(t.provider = 'stripe' AND t.subject = ANY (ARRAY[$3->>'account']
          || ARRAY(SELECT customer FROM accounts WHERE key = ANY ",
        account_keys!(),
        ")))"
    )),
};
const EVENT_NUMBER: Filter = Filter {
    name: "number",
    about: "either side's number of the call or text, as E.164, once it was worked on",
    kind: Kind::Number,
    by: By::Looking(
        // Not as EXISTS, for which all calls would be read at once.
        "coalesce(
             (SELECT $3->>'number' IN (from_number, to_number) FROM calls WHERE key = t.provider || ':' || t.subject),
             (SELECT $3->>'number' IN (from_number, to_number) FROM messages WHERE key = t.provider || ':' || t.subject))",
    ),
};
const EVENT_TEXT: Filter = Filter {
    name: "text",
    about: "text in the body, with the same capitals",
    kind: Kind::Content,
    by: By::Looking(
        "(SELECT position(convert_to($3->>'text', 'UTF8') IN body) > 0
              OR position(convert_to($3->>'text_form', 'UTF8') IN body) > 0
              OR position(convert_to($3->>'text_percent', 'UTF8') IN body) > 0 FROM events WHERE events.id = t.id)",
    ),
};

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
        from: concat!("(SELECT ", event_columns!(), " FROM events)"),
        also: Some(concat!("jsonb_build_object('verified', ", event_verified!(), ", 'status', ", event_status!(), ")")),
        named: "t.id = (SELECT event_id FROM event_keys WHERE key = $2 LIMIT 1)",
        filters: &[
            PROVIDER,
            ENDPOINT,
            TYPE,
            EVENT_STATUS,
            VERIFIED,
            EVENT_SIMULATED,
            EVENT_NUMBER,
            Filter {
                name: "call",
                about: "the call that it told of, once it was worked on: call_…, or the provider's id",
                kind: Kind::Id("call_"),
                by: By::Ids(
                    &[concat!(
                        "SELECT t.id FROM (SELECT event_id AS id, call FROM call_events) t WHERE t.call = ANY ",
                        call_keys!(),
                        " AND t.id < $1 AND t.id > $2 ORDER BY t.id DIR"
                    )],
                    concat!("t.provider || ':' || t.subject = ANY ", call_keys!()),
                ),
            },
            EVENT_ACCOUNT,
            equal!("subject", "subject", "the call, message or customer that it is about, as the provider names it"),
            EVENT_TEXT,
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
        also: None,
        named: by_carrier!(),
        filters: &[
            PROVIDER,
            STATUS,
            line(By::Ids(&[ids!("calls", "line", "$3->>'line'")], BY_LINE)),
            // Three indexes, each in the order of the ids: calls_from, calls_line, and one of those few calls whose
            // other end is neither.
            Filter {
                name: "number",
                about: "either side's number, as E.164",
                kind: Kind::Number,
                by: By::Ids(
                    &[
                        ids!("calls", "from_number", "$3->>'number'"),
                        ids!("calls", "line", "$3->>'number'", " AND t.from_number IS DISTINCT FROM t.line"),
                        ids!(
                            "calls",
                            "to_number",
                            "$3->>'number'",
                            " AND t.to_number IS DISTINCT FROM t.line AND t.from_number IS DISTINCT FROM t.to_number"
                        ),
                    ],
                    "$3->>'number' IN (t.from_number, t.to_number, t.line)",
                ),
            },
            account_of_line(&[ids!("calls", "line", line_of_account!())]),
            equal!("outcome", "outcome", "answered, voicemail, missed, abandoned, rejected, failed, unknown …"),
            DIRECTION,
            SIMULATED,
            Filter {
                name: "text",
                about: "text in the transcription, whatever the capitals",
                kind: Kind::Content,
                by: By::Looking("position(lower($3->>'text') IN lower(t.transcription)) > 0"),
            },
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
        also: None,
        named: by_carrier!(),
        filters: &[
            PROVIDER,
            STATUS,
            line(By::Ids(&[ids!("messages", "line", "$3->>'line'")], BY_LINE)),
            contact(By::Ids(&[ids!("messages", "contact", "$3->>'contact'")], BY_CONTACT)),
            Filter {
                name: "number",
                about: "either side's number, as E.164",
                kind: Kind::Number,
                by: By::Ids(
                    &[
                        ids!("messages", "line", "$3->>'number'"),
                        ids!("messages", "contact", "$3->>'number'", " AND t.line IS DISTINCT FROM t.contact"),
                    ],
                    "$3->>'number' IN (t.line, t.contact)",
                ),
            },
            account_of_line(&[ids!("messages", "line", line_of_account!())]),
            DIRECTION,
            SIMULATED,
            Filter {
                name: "text",
                about: "text in the message, whatever the capitals",
                kind: Kind::Content,
                by: By::Looking("position(lower($3->>'text') IN lower(t.body)) > 0"),
            },
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
        also: None,
        named: "t.key = $1",
        filters: &[
            line(By::Looking(BY_LINE)),
            contact(By::Index(BY_CONTACT)),
            Filter {
                name: "number",
                about: "either side's number, as E.164",
                kind: Kind::Number,
                by: By::Looking("$3->>'number' IN (t.line, t.contact)"),
            },
        ],
        numbers: &["line", "contact"],
        hidden: &[],
        scope: Scope::Read,
        about: "Who wants texts of which line, and who does not",
    },
    Resource {
        name: "outbox",
        object: "owed",
        prefix: "outbox_",
        from: "(SELECT id, key, kind, provider, line, contact, reason, state, why, due_at, tries, doubt_since, provider_id,
                       settled_at, owed FROM outbox)",
        also: None,
        named: "t.key = $1",
        filters: &[
            PROVIDER,
            line(By::Looking(BY_LINE)),
            equal!("state", "state", "waiting, done, refused, dead or cancelled"),
            equal!("kind", "kind", "text, end_call, fetch_recording, fetch_media, delete_recording or unregistered"),
            equal!("reason", "reason", "of a text: flow, missed, notice, agent or confirmation"),
            equal!("contact", "contact", "the other side's number"),
        ],
        numbers: &["line", "contact"],
        hidden: &["owed"],
        scope: Scope::Read,
        about: "What is owed to the outside: texts, ends of calls, files",
    },
    Resource {
        name: "media",
        object: "media",
        prefix: "media_",
        from: "(SELECT id, key, kind, provider, about, external_id, url, media_type, state, bytes,
                       encode(sha256, 'hex') AS sha256, made_at, delete_at, deleted_at FROM media)",
        also: None,
        named: "t.key = $1",
        filters: &[
            PROVIDER,
            equal!("kind", "kind", "recording or media"),
            equal!("about", "about", "the key of a call or message, such as twilio:CA…"),
            equal!("state", "state", "referenced, stored or deleted"),
        ],
        numbers: &[],
        hidden: &["url"],
        scope: Scope::Read,
        about: "Recordings and pictures that callers left, and until when they are kept",
    },
    Resource {
        name: "accounts",
        object: "account",
        prefix: "account_",
        from: "accounts",
        also: None,
        named: by_customer!(),
        filters: &[
            line(By::Looking(BY_LINE)),
            Filter {
                name: "number",
                about: "the line's number or the customer's own, as E.164",
                kind: Kind::Number,
                by: By::Looking("$3->>'number' IN (t.line, t.phone)"),
            },
            equal!("customer", "customer", "cus_…"),
        ],
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
        also: None,
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
        also: None,
        named: by_customer!(),
        filters: &[
            STATUS,
            ACCOUNT,
            equal!("subscription", "subscription", "the key of a subscription", Kind::Text, Index),
        ],
        numbers: &[],
        hidden: &["hosted_url"],
        scope: Scope::BillingRead,
        about: "What was paid, and what was not",
    },
    Resource {
        name: "dead-letters",
        object: "dead_letter",
        prefix: "event_",
        from: "(SELECT work.event_id AS id, event.provider, event.endpoint, event.kind AS type, event.subject,
                       event.signed_by, work.attempts, work.dead_at, work.error
                FROM event_work work JOIN events event ON event.id = work.event_id WHERE work.dead_at IS NOT NULL)",
        also: None,
        named: "t.id = (SELECT event_id FROM event_keys WHERE key = $2 LIMIT 1)",
        filters: &[
            PROVIDER,
            ENDPOINT,
            TYPE,
            VERIFIED,
            EVENT_SIMULATED,
            EVENT_NUMBER,
            Filter {
                name: "call",
                about: "the call that it is about, as the provider names it",
                kind: Kind::Text,
                by: By::Looking("(t.provider <> 'stripe' AND t.subject = $3->>'call')"),
            },
            EVENT_ACCOUNT,
            equal!("subject", "subject", "the call, message or customer that it is about, as the provider names it"),
            EVENT_TEXT,
        ],
        numbers: &[],
        hidden: &["error"],
        scope: Scope::Read,
        about: "Events that could not be worked on and were given up",
    },
    Resource {
        name: "replays",
        object: "replay",
        prefix: "replay_",
        from: "(SELECT id, at AS began_at, actor, subject, coalesce(detail->>'state', 'done') AS status,
                       coalesce(detail->'found', detail->'events') AS found, detail->'events' AS replayed,
                       (detail->>'changed_at')::timestamptz AS changed_at, detail->>'stopped_by' AS stopped_by,
                       detail->'filter' AS filter
                FROM audit WHERE action = 'events.replay')",
        also: None,
        named: "false",
        filters: &[
            equal!(
                "status",
                "status",
                "running, done or stopped; one whose changed_at stands still has ended with its process",
                Kind::Word(&["running", "done", "stopped"]),
                Looking
            ),
            equal!("actor", "actor", "who: key_…, SMARTLINE_API_KEY, or the command line"),
        ],
        numbers: &[],
        hidden: &["filter"],
        scope: Scope::EventsReplay,
        about: "Who had which events worked on again, and how far that is",
    },
    Resource {
        name: "rejections",
        object: "rejection",
        prefix: "req_",
        from: "rejections",
        also: None,
        named: "false",
        filters: &[
            Filter {
                name: "provider",
                about: "stripe, twilio or plivo",
                kind: Kind::Word(&["stripe", "twilio", "plivo"]),
                by: By::Looking("split_part(t.endpoint, '/', 1) = $3->>'provider'"),
            },
            ENDPOINT,
            equal!("code", "code", "such as signature_mismatch"),
        ],
        numbers: &[],
        hidden: &["client", "headers"],
        scope: Scope::Read,
        about: "A sample of the requests that were refused, and why",
    },
    Resource {
        name: "lines",
        object: "line",
        prefix: "line_",
        from: "(SELECT id, provider, number, name, account, flow_version, zone, country, language, state,
                       settings - 'agent_secret' AS settings, created_at, changed_at FROM lines)",
        also: None,
        named: "t.number = $1 OR t.provider || ':' || t.number = $1",
        filters: &[PROVIDER, ACCOUNT, equal!("number", "number", "its number, as E.164", Kind::Number, Index)],
        numbers: &["number"],
        hidden: &["settings"],
        scope: Scope::Read,
        about: "Our numbers; of their settings those that are not the default",
    },
    Resource {
        name: "flows",
        object: "flow",
        prefix: "flow_",
        from: "(SELECT id, name, created_at, (SELECT max(number) FROM flow_versions version WHERE version.flow = flows.id)
                       AS versions FROM flows)",
        also: None,
        named: "t.name = $1",
        filters: &[equal!("name", "name", "its name")],
        numbers: &[],
        hidden: &[],
        scope: Scope::Read,
        about: "What lines can be pointed at, each with its versions",
    },
    Resource {
        name: "contacts",
        object: "contact",
        prefix: "contact_",
        from: "(SELECT id, owner AS account, number, name, tags, blocked, created_at, changed_at FROM contacts)",
        also: None,
        named: "t.number = $1",
        filters: &[
            ACCOUNT,
            equal!("number", "number", "theirs, as E.164", Kind::Number, Index),
            Filter {
                name: "blocked",
                about: "whether they are turned away",
                kind: Kind::Flag,
                by: By::Looking("t.blocked = ($3->>'blocked')::boolean"),
            },
            Filter {
                name: "tag",
                about: "one of their tags",
                kind: Kind::Text,
                by: By::Looking("$3->>'tag' = ANY (t.tags)"),
            },
        ],
        numbers: &["number"],
        hidden: &["name"],
        scope: Scope::Read,
        about: "Whom lines know: named, tagged, blocked. Each is of an account, or of a line that has none",
    },
    Resource {
        name: "keys",
        object: "key",
        prefix: "key_",
        from: "(SELECT id, name, hint, scopes, created_at, expires_at, revoked_at, last_used_at FROM api_keys)",
        also: None,
        named: "false",
        filters: &[],
        numbers: &[],
        hidden: &[],
        scope: Scope::Admin,
        about: "Keys of this API, never their secrets",
    },
    Resource {
        name: "audit",
        object: "audit_entry",
        prefix: "audit_",
        from: "audit",
        also: None,
        named: "false",
        filters: &[
            equal!("actor", "actor", "who: key_…, SMARTLINE_API_KEY, or the command line"),
            equal!("action", "action", "what, such as events.replay"),
            equal!("subject", "subject", "to what"),
        ],
        numbers: &[],
        hidden: &[],
        scope: Scope::Admin,
        about: "What was done with keys and by commands, and by whom",
    },
];

/// The resource with this name.
///
/// # Errors
/// 404 that says which there are.
pub(in crate::http) fn find(name: &str) -> Result<&'static Resource, Error> {
    named(name).ok_or_else(|| {
        let names: Vec<_> = RESOURCES.iter().map(|resource| resource.name).collect();
        Error::NotFound(format!("no such resource; there are {}", names.join(", ")))
    })
}

/// The same, if there is one.
pub(in crate::http) fn named(name: &str) -> Option<&'static Resource> {
    RESOURCES.iter().find(|resource| resource.name == name)
}
