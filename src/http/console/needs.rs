//! What may need somebody: each a sentence, and the rows behind it.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{
    parts::{self, Tone},
    shared::Checks,
    visitor::Visitor,
};
use crate::{
    access::Scope,
    calls,
    domain::id::EventId,
    http::{api::stats::Standing, state::State},
    provider::{Endpoint, Provider},
};

const TROUBLE_SQL: &str = "
SELECT (SELECT count(*) FROM (SELECT FROM subscriptions WHERE status IN ('past_due', 'unpaid') LIMIT 1001) one) AS owed,
       (SELECT count(*) FROM (SELECT FROM calls WHERE NOT ended AND NOT simulated AND last_seen_at < $1 LIMIT 1001) one) AS stuck,
       (SELECT count(*) FROM rejections WHERE at >= $2 AND code LIKE 'signature%') AS forged,
       (SELECT count(*) FROM rejections WHERE at >= $5 AND code = 'not_found') AS missed,
       (SELECT event_id FROM event_work WHERE dead_at IS NULL ORDER BY event_id LIMIT 1) AS oldest,
       (SELECT count(*) FROM (SELECT FROM outbox WHERE state = 'dead' AND id >= uuid_floor($3) LIMIT 1001) one) AS failed,
       (SELECT count(*) FROM (SELECT FROM outbox WHERE state = 'waiting' AND doubt_since < $4 LIMIT 1001) one) AS doubtful,
       (SELECT min(due_at) FROM outbox WHERE state = 'waiting') AS due";

/// After how long a waiting event is late.
const LATE: TimeDelta = TimeDelta::minutes(2);

/// After how long without a word a call that goes on is odd.
const STUCK: TimeDelta = TimeDelta::hours(1);

/// Signature failures within an hour that are worth a look.
const FORGERIES: i64 = 5;

/// For how long a provider that calls a path which is none is told of.
const MISSED: TimeDelta = TimeDelta::days(1);

/// For how long something owed that failed is told of.
const FAILED: TimeDelta = TimeDelta::days(7);

/// After how long a text in doubt, or something that is due and not done, is odd.
const OVERDUE: TimeDelta = TimeDelta::minutes(5);

/// How long before events find no partition that is told.
const RUNWAY: TimeDelta = TimeDelta::days(7);

/// What may need somebody.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct Trouble {
    owed: i64,
    stuck: i64,
    forged: i64,
    missed: i64,
    oldest: Option<Uuid>,
    failed: i64,
    doubtful: i64,
    due: Option<DateTime<Utc>>,
}

impl Trouble {
    /// # Errors
    /// What the database raises.
    pub(super) async fn look(state: &State, now: DateTime<Utc>) -> sqlx::Result<Self> {
        let query = sqlx::query_as(TROUBLE_SQL).bind(now - STUCK).bind(now - TimeDelta::hours(1));
        query.bind(now - FAILED).bind(now - OVERDUE).bind(now - MISSED).fetch_one(&state.db).await
    }
}

/// A line of the list of what needs attention.
pub(super) struct Need {
    pub(super) tone: Tone,
    pub(super) text: String,
    pub(super) path: &'static str,
}

/// All of it, what is bad first.
pub(super) fn needs(
    state: &State,
    visitor: &Visitor,
    standing: &Standing,
    trouble: &Trouble,
    checks: &Checks,
) -> Vec<Need> {
    let mut needs = of_intake(state, visitor.now);
    needs.extend(of_work(visitor, standing, trouble));
    needs.extend(of_outbox(visitor.now, trouble));
    needs.extend(of_consoles(visitor.now, checks));
    for provider in Provider::ALL.into_iter().filter(|one| !state.providers.missing(*one).is_empty()) {
        let name = parts::capital(provider.name());
        let text = format!("{name} is not configured: its endpoints answer 503");
        needs.push(Need { tone: Tone::Wait, text, path: "/console/setup" });
    }
    needs.sort_by_key(|need| need.tone != Tone::Bad);
    needs
}

/// What keeps events from being kept.
fn of_intake(state: &State, now: DateTime<Utc>) -> Vec<Need> {
    let need = |text: String| Need { tone: Tone::Bad, text, path: "/console/settings#health" };
    let mut needs = Vec::new();
    if Endpoint::ALL.into_iter().any(|endpoint| state.intake.turns_away(endpoint)) {
        needs.push(need("Requests are turned away: too many wait to be kept".to_owned()));
    }
    if let Some(records) = state.metrics.spool.known_records().filter(|records| *records > 0) {
        let records = i64::try_from(records).unwrap_or(i64::MAX);
        let what = parts::counted(records, "request lies", "requests lie");
        needs.push(need(format!("{what} on the disk until the database takes writes")));
    }
    if let Some(end) = state.metrics.database.known_room().filter(|end| *end - now < RUNWAY) {
        let left = (end - now).max(TimeDelta::zero());
        needs.push(need(format!("Events find no partition in {}: upkeep fails", parts::span(left))));
    }
    needs
}

/// What came of events.
fn of_work(visitor: &Visitor, standing: &Standing, trouble: &Trouble) -> Vec<Need> {
    let mut needs = Vec::new();
    let mut add = |tone, text, path| needs.push(Need { tone, text, path });
    if standing.dead > 0 {
        let text = format!("{} given up after ten tries", parts::counted(standing.dead, "event", "events"));
        add(Tone::Bad, text, "/console/dead-letters");
    }
    let oldest = trouble.oldest.map(|id| EventId::from(id).time());
    if let Some(oldest) = oldest.filter(|oldest| visitor.now - *oldest > LATE) {
        let text = format!("The oldest event waits since {}", parts::span(visitor.now - oldest));
        add(Tone::Bad, text, "/console/events?status=waiting");
    }
    if trouble.forged >= FORGERIES {
        let text = format!("{} signature failures within an hour", trouble.forged);
        add(Tone::Warn, text, "/console/refused");
    }
    if trouble.missed > 0 {
        let what = parts::counted(trouble.missed, "request", "requests");
        let text = format!("{what} of a provider came to a path that is none within a day");
        add(Tone::Warn, text, "/console/refused?code=not_found");
    }
    if trouble.owed > 0 && visitor.may(Scope::BillingRead) {
        let text =
            format!("{} overdue", parts::counted(trouble.owed, "subscription is", "subscriptions are"));
        add(Tone::Warn, text, "/console/accounts?view=owing");
    }
    if trouble.stuck > 0 {
        let (calls, hours) = (parts::counted(trouble.stuck, "call", "calls"), calls::SILENT.as_secs() / 3600);
        add(
            Tone::Warn,
            format!("{calls} without a word for an hour; closed after {hours}"),
            "/console/calls",
        );
    }
    needs
}

/// What the providers' own consoles were last seen to have.
fn of_consoles(now: DateTime<Utc>, checks: &Checks) -> Vec<Need> {
    let drifted = Provider::ALL.into_iter().zip(checks).filter_map(|(provider, checked)| {
        let checked = checked.as_ref().filter(|checked| !checked.drifted.is_empty())?;
        let parts: Vec<&str> =
            checked.drifted.iter().filter_map(|one| Some(one.name().split_once('/')?.1)).collect();
        let text = format!(
            "{} does not call here as it should{}{}; seen {}",
            parts::capital(provider.name()),
            if parts.is_empty() { "" } else { ": " },
            parts.join(", "),
            parts::ago(now, checked.at)
        );
        let path = match provider {
            Provider::Stripe => "/console/setup#stripe",
            Provider::Twilio => "/console/setup#twilio",
            Provider::Plivo => "/console/setup#plivo",
        };
        Some(Need { tone: Tone::Warn, text, path })
    });
    drifted.collect()
}

/// What is owed to the outside.
fn of_outbox(now: DateTime<Utc>, trouble: &Trouble) -> Vec<Need> {
    let mut needs = Vec::new();
    if trouble.failed > 0 {
        let what = parts::counted(trouble.failed, "thing", "things");
        let text = format!("{what} owed to the outside failed within a week");
        needs.push(Need { tone: Tone::Bad, text, path: "/console/outbox?state=dead" });
    }
    if trouble.doubtful > 0 {
        let text =
            format!("{} in doubt: sent or not", parts::counted(trouble.doubtful, "text is", "texts are"));
        needs.push(Need { tone: Tone::Warn, text, path: "/console/outbox?state=waiting" });
    }
    if let Some(due) = trouble.due.filter(|due| now - *due > OVERDUE) {
        let text = format!("What was due {} ago is not sent", parts::span(now - due));
        needs.push(Need { tone: Tone::Warn, text, path: "/console/outbox?state=waiting" });
    }
    needs
}
