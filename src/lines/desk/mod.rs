//! Where a call or a text is answered: looks up the line and what is known, asks the guards and the engine, and remembers.
//!
//! Nothing here writes: the decision is kept with its event by whoever asked. [`Desk::kept_call`] and
//! [`Desk::kept_text`] are told when it was, so that what was decided for a duplicate, whose first answer counts, is not
//! remembered.

mod after;
mod call;
pub(crate) mod capability;
mod consent;
mod days;
mod ledger;
#[cfg(test)]
mod tests;
mod text;
pub(crate) mod why;

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{PgPool, types::Uuid};

use self::consent::Questions;
use super::{
    Call, Decided, Message,
    cache::{Lines, Version},
    document::{Flow, read::read},
    engine::{Effect, Profile},
    guard::STANDING_COUNTS,
    line::{Line, Notice, State as LineState},
    running::{Counted, Going, Running},
    safe,
    turns::{Patience, Turns},
};
use crate::{
    billing::entitlement,
    db::{Presence, State},
    domain::{clock::Clock, id::EventId, phone::Phone, verb::Language},
    outbox::{EndCall, Owed, Reason, Text},
    provider::Provider,
};

/// The version of the built-in default. A changed default gets the next lower number from the top, since versions of
/// flows count from 1 and calls that go on carry it.
pub(crate) const BUILT_IN: u64 = 0;

static DEFAULT: LazyLock<Flow> = LazyLock::new(|| {
    read(include_str!("../default.toml")).unwrap_or_else(|faults| panic!("the built-in default: {faults:?}"))
});

/// The built-in default.
pub(crate) fn built_in() -> &'static Flow {
    &DEFAULT
}

/// What answers.
pub(crate) struct Desk {
    lines: Lines,
    running: Running,
    turns: Turns,
    questions: Questions,
    patience: Patience,
    db: PgPool,
    presence: Presence,
    clock: Arc<dyn Clock>,
    /// This process among those that share the database.
    process: Uuid,
}

/// A flow to be followed: the built-in one, or a version of the line's.
enum Followed {
    BuiltIn,
    Version(Arc<Version>),
}

impl Followed {
    fn flow(&self) -> &Flow {
        match self {
            Self::BuiltIn => built_in(),
            Self::Version(version) => &version.flow,
        }
    }

    fn id(&self) -> u64 {
        match self {
            Self::BuiltIn => BUILT_IN,
            Self::Version(version) => version.id,
        }
    }
}

impl Desk {
    /// `lines` is kept up to date by whoever made it.
    pub(crate) fn new(
        lines: Lines,
        db: PgPool,
        presence: Presence,
        clock: Arc<dyn Clock>,
        patience: Patience,
    ) -> Self {
        LazyLock::force(&DEFAULT); // the first caller must not wait for it
        Self {
            lines,
            running: Running::default(),
            turns: Turns::new(patience),
            questions: Questions::new(db.connect_options().as_ref().clone(), patience.database),
            patience,
            db,
            presence,
            process: days::process(clock.now()),
            clock,
        }
    }

    /// Remembers what was decided for a call, once that is kept.
    pub(crate) fn kept_call(&self, call: &Call, decided: &Decided, now: DateTime<Utc>) {
        use crate::domain::verb::Verb;
        let is_leg = call.parent.is_some() && decided.decision.path.is_empty();
        if is_leg || call.id.is_empty() {
            return;
        }
        let key = call.key();
        let day = || day_of(self.lines.line(call.provider, call.line()).as_deref(), now);
        let counted = match decided.decision.outcome.as_deref() {
            Some("suspended") => Some(Counted::Suspended),
            Some("rejected") => None, // who is turned away uses nothing up
            _ => Some(Counted::Calls),
        };
        // Counted once it is kept, so that a request that comes again is not.
        if let Some(counted) = counted.filter(|_| call.token.is_none() && !call.fallback && !call.simulated) {
            self.running.add(call.line(), day(), counted, 1);
        }
        if let Some(seconds) = self.connected(call, &key, now).filter(|_| !call.simulated) {
            self.running.add(call.line(), day(), Counted::Seconds, seconds);
        }
        self.running.change(&key, |going| {
            *going = std::mem::replace(going, Going::unknown()).after(&decided.decision);
            going.began.get_or_insert(now);
            going.line.get_or_insert_with(|| call.line().clone());
            going.caller.get_or_insert_with(|| call.contact().clone());
            going.ringing = !call.simulated && decided.verbs.iter().any(|verb| matches!(verb, Verb::Ring(_)));
            going.rang_at = Some(now).filter(|_| going.ringing);
            going.wished = None;
            going.streamed = false;
        });
    }

    /// How long a call was just connected onward, in seconds; none where it was not. Plivo does not say: then what passed
    /// since others were rung counts, which is a little more.
    fn connected(&self, call: &Call, key: &str, now: DateTime<Utc>) -> Option<u32> {
        let rang_at = || self.running.call(key)?.rang_at;
        let passed = || u32::try_from((now - rang_at()?).num_seconds()).ok();
        (call.taken == Some(true)).then(|| call.dial_seconds.or_else(passed))?
    }

    /// Remembers a text, once it is kept.
    pub(crate) fn kept_text(&self, message: &Message, decided: &Decided, now: DateTime<Utc>) {
        let words = text::hash(&message.body);
        let stopped = text::stopped(message);
        self.running.texted(&message.to, &message.from, words, &decided.decision.replied, stopped, now);
    }

    /// A call is over, or its stream has begun: what only informs.
    pub(crate) fn informed(&self, provider: Provider, call: &str, told: Told) {
        let key = super::key_of(provider, call);
        match told {
            Told::Over => self.running.forget(&key),
            Told::Streams if self.running.call(&key).is_some() => {
                self.running.change(&key, |going| going.streamed = true);
            }
            Told::Streams => {}
        }
    }

    /// An agent that was handed the call wants somebody rung when it gives it back at this turn.
    pub(crate) fn wished(&self, key: &str, turn: u8, person: &str) {
        self.running.change(key, |going| going.wished = Some((turn, person.to_owned())));
    }

    fn is_there(&self) -> bool {
        self.presence.state() == State::Ready
    }

    /// The line with this number. One that cannot be known yet is waited for, though not for long.
    async fn line(&self, provider: Provider, number: &Phone) -> Option<Arc<Line>> {
        if self.lines.as_of().is_none() && self.presence.state() != State::Away {
            self.lines.loaded(self.patience.lines).await;
        }
        self.lines.line(provider, number)
    }

    /// The flow that a line's conversations begin with.
    fn followed(&self, line: Option<&Line>) -> Followed {
        let version = line.and_then(|line| line.flow_version).and_then(|id| self.lines.version(id));
        version.map_or(Followed::BuiltIn, Followed::Version)
    }

    /// Whether a line may be used, and the words for it.
    fn entitled(&self, line: Option<&Line>, now: DateTime<Utc>) -> (bool, String) {
        let Some(line) = line else { return (true, "not billed".to_owned()) };
        if line.state == LineState::Off {
            return (false, "switched off by its owner".to_owned());
        }
        if line.account.is_none() {
            return (true, "not billed".to_owned());
        }
        let Some(standing) = self.lines.standing(line, now) else {
            return (true, "not known yet".to_owned());
        };
        let reason = standing.entitlement.reason;
        if now - standing.as_of > STANDING_COUNTS {
            return (true, format!("last known more than a day ago: {reason}"));
        }
        (standing.entitlement.standing != entitlement::Standing::Suspended, reason.to_owned())
    }
}

const WISH_SQL: &str = "INSERT INTO directives (id, call, turn, target, at) VALUES ($1, $2, $3, $4, $5)";

/// Keeps whom an agent wants rung when it gives a call back at this turn: the request that follows may reach another replica.
///
/// # Errors
/// What the database raises.
pub(crate) async fn keep_wish(
    db: &PgPool,
    provider: Provider,
    call: &str,
    turn: u8,
    target: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let (id, key) = (EventId::new(now).uuid(), super::key_of(provider, call));
    let wish = sqlx::query(WISH_SQL).bind(id).bind(key).bind(i16::from(turn)).bind(target).bind(now);
    wish.execute(db).await.map(drop)
}

/// What a callback that only informs may tell of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// It is over.
    Over,
    /// An agent is connected to it.
    Streams,
}

/// What the engine must know of a line.
pub(crate) fn profile(line: Option<&Line>, number: &Phone) -> Profile {
    let Some(line) = line else { return Profile::bare(number.clone()) };
    let settings = &line.settings;
    let mut people: BTreeMap<String, Phone> =
        settings.people.iter().map(|(name, number)| (name.clone(), Phone::read(number))).collect();
    if let Some(forward) = &settings.forward {
        people.insert("owner".to_owned(), Phone::read(forward));
    }
    Profile {
        name: line.name.clone(),
        number: line.number.clone(),
        language: Language::read(&line.language).unwrap_or(Language::ENGLISH),
        people,
        countries: line.countries(),
        agent_url: settings.agent_url.clone(),
        agent_mode: settings.agent_url.as_ref().map(|_| settings.agent_mode),
        records: settings.record_calls,
        notices: settings.record_notice == Notice::On,
        longest: u16::try_from(settings.call_seconds).unwrap_or(3600),
    }
}

/// The day at a line.
fn day_of(line: Option<&Line>, now: DateTime<Utc>) -> NaiveDate {
    line.map_or_else(|| now.date_naive(), |line| now.with_timezone(&line.zone).date_naive())
}

/// What a conversation's effects owe outside.
pub(crate) struct Owing<'a> {
    pub(crate) provider: Provider,
    /// Unique for ever: `call:twilio:CA…`, `text:twilio:SM…`, `missed:twilio:CA…`.
    pub(crate) scope: &'a str,
    /// The call that it is about, if it is one.
    pub(crate) call: Option<&'a str>,
    pub(crate) line: &'a Phone,
    /// None where the contact withholds their number.
    pub(crate) contact: Option<&'a Phone>,
    pub(crate) reason: Reason,
    pub(crate) day: NaiveDate,
    pub(crate) now: DateTime<Utc>,
}

impl Owing<'_> {
    pub(crate) fn of(&self, effects: Vec<Effect>) -> Vec<Owed> {
        effects.into_iter().filter_map(|effect| self.one(effect)).collect()
    }

    fn one(&self, effect: Effect) -> Option<Owed> {
        use super::document::Once;
        match effect {
            Effect::Text { key, body, once } => {
                let to = self.contact.filter(|contact| contact.is_full_number())?;
                let key = match once {
                    Once::Day => day_key(self.line, to, &key, self.day),
                    Once::None | Once::Call => format!("{}:{key}", self.scope),
                };
                Some(Owed::Text(Text {
                    key,
                    provider: self.provider,
                    line: self.line.as_str().to_owned(),
                    to: to.as_str().to_owned(),
                    body,
                    reason: self.reason,
                    call: self.call.map(str::to_owned),
                    not_before: None,
                }))
            }
            Effect::EndCall { seconds } => Some(Owed::EndCall(EndCall {
                key: format!("{}:end:{seconds}", self.scope),
                provider: self.provider,
                call: self.call?.to_owned(),
                at: self.now + chrono::TimeDelta::seconds(i64::from(seconds)),
            })),
            Effect::Undisclosed { .. } => None, // nothing is owed to the outside, see `Decision::undisclosed`
        }
    }
}

/// What is said once a day to a contact.
fn day_key(line: &Phone, contact: &Phone, step: &str, day: NaiveDate) -> String {
    format!("day:{}:{}:{step}:{day}", line.as_str(), contact.as_str())
}

/// The safe document as a decision.
fn excused(verbs: Vec<crate::domain::verb::Verb>, cause: &'static str) -> Decided {
    let decision = super::decision::Decision {
        version: safe::NO_FLOW,
        cause: Some(cause.to_owned()),
        ..Default::default()
    };
    Decided { verbs, decision, cause: Some(cause) }
}
