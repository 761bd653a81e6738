//! Who may ask the API and use the console, and for what: keys, their scopes, sign-ins, and what was done with them.

pub(crate) mod answers;
pub(crate) mod keys;
pub(crate) mod sessions;
pub(crate) mod under_way;

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{PgConnection, PgExecutor, types::Json};

use crate::domain::{id::EventId, phone::Phone};

/// Numbers stand in filters of replays, and in answers that are kept for a day.
const ERASE_AUDIT_SQL: &str = "
UPDATE audit SET subject = replace(subject, $1, $2), detail = replace(detail::text, $1, $2)::jsonb
WHERE position($1 IN subject) > 0 OR position($1 IN detail::text) > 0";

const ERASE_ANSWERS_SQL: &str =
    "DELETE FROM idempotency_keys WHERE position(convert_to($1, 'UTF8') IN body) > 0";

const AUDIT_SQL: &str =
    "INSERT INTO audit (id, at, actor, action, subject, detail) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (id) DO NOTHING";

macro_rules! scopes {
    ($($(#[$doc:meta])* $variant:ident $name:literal)*) => {
        /// What a key may be used for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Scope { $($(#[$doc])* $variant,)* }

        impl Scope {
            /// All of them.
            pub(crate) const ALL: &[Self] = &[$(Self::$variant),*];

            /// As keys, tables and answers spell it.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

scopes! {
    /// Events, calls, messages and figures, with people's data masked.
    Read "read"
    /// People's data as they are.
    PiiRead "pii:read"
    /// Having events worked on again.
    EventsReplay "events:replay"
    /// Changing lines and flows.
    LinesWrite "lines:write"
    /// Accounts, subscriptions and invoices.
    BillingRead "billing:read"
    /// `/metrics`.
    MetricsRead "metrics:read"
    /// Everything.
    Admin "admin"
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A word that is no scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("scopes are read, pii:read, events:replay, lines:write, billing:read, metrics:read and admin")]
pub(crate) struct NoScope;

impl FromStr for Scope {
    type Err = NoScope;

    fn from_str(name: &str) -> Result<Self, NoScope> {
        Self::ALL.iter().copied().find(|scope| scope.name() == name).ok_or(NoScope)
    }
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// `key_…`, or `SMARTLINE_API_KEY`.
    pub(crate) name: String,
    pub(crate) scopes: Vec<Scope>,
}

impl Caller {
    /// Whether it may.
    pub(crate) fn may(&self, scope: Scope) -> bool {
        self.scopes.iter().any(|own| *own == scope || *own == Scope::Admin)
    }
}

/// Writes down what a line did by itself. `id` names the event that it follows from, so that it is written down once.
///
/// # Errors
/// What the database raises.
pub(crate) async fn audit_of_line(
    db: impl PgExecutor<'_>,
    id: EventId,
    now: DateTime<Utc>,
    action: &str,
    subject: &str,
    detail: Value,
) -> sqlx::Result<()> {
    let query = sqlx::query(AUDIT_SQL).bind(id.uuid()).bind(now).bind("line");
    query.bind(action).bind(subject).bind(Json(detail)).execute(db).await.map(drop)
}

/// Writes down who did what.
///
/// # Errors
/// What the database raises.
pub(crate) async fn audit(
    db: impl PgExecutor<'_>,
    now: DateTime<Utc>,
    actor: &str,
    action: &str,
    subject: &str,
    detail: Value,
) -> sqlx::Result<()> {
    let query = sqlx::query(AUDIT_SQL).bind(EventId::new(now).uuid()).bind(now);
    query.bind(actor).bind(action).bind(subject).bind(Json(detail)).execute(db).await.map(drop)
}

/// Takes a number out of the record of what was done and of kept answers.
///
/// # Errors
/// What the database raises.
pub(crate) async fn erase(db: &mut PgConnection, number: &Phone) -> sqlx::Result<()> {
    let digits = number.without_plus();
    sqlx::query(ERASE_AUDIT_SQL).bind(digits).bind(Phone::ERASED).execute(&mut *db).await?;
    sqlx::query(ERASE_ANSWERS_SQL).bind(digits).execute(db).await.map(drop)
}
