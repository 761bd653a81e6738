//! Answering calls.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Desk, Followed, Owing, capability, day_of, excused, profile};
use crate::{
    domain::verb::{Purpose, Refusal, Speech, Verb},
    lines::{
        Call, Decided,
        decision::Decision,
        document::Step,
        engine::{
            self, AgentTurn, Caller, Edge, Effect, Event, Facts, Links, Profile, Start, Turn, asked,
            screening, step_at,
        },
        guard::{self, OfCall, Policy, Verdict},
        is_withheld,
        line::{Anonymous, Line},
        running::{Counted, Going},
        safe::{self, NO_FLOW, Signer},
        token::{Position, TokenFault, TokenKeys},
    },
    outbox::Reason,
    provider::Provider,
};

/// Said on a line that may not be used now. Money is never mentioned to a caller.
const SUSPENDED: &str = "This number is not taking calls right now. Goodbye.";
const TOO_LONG: &str = "This call has reached its time limit. Goodbye.";

impl Desk {
    /// What a call hears next.
    ///
    /// A call without a token is new. A token that cannot be believed, or a provider whose first try failed, gets the
    /// safe document, and the cause is told.
    pub(crate) async fn answer_call(&self, keys: &TokenKeys, call: &Call, now: DateTime<Utc>) -> Decided {
        let signer = Signer { keys, id: &call.id, now };
        let safe = |cause| excused(safe::document(&signer), cause);
        if call.fallback {
            return safe("the provider reports that the answer before failed");
        }
        let Some(token) = &call.token else { return self.begin(&signer, call, now).await };
        // Who is rung for a caller has an id of their own; the token is bound to the caller's call.
        let opened = match (keys.open(token, &call.id, now), &call.parent) {
            (Err(TokenFault::OtherCall), Some(parent)) => {
                keys.open(token, parent, now).map(|at| (at, parent.as_str()))
            }
            (opened, _) => opened.map(|at| (at, call.id.as_str())),
        };
        match opened {
            Ok((at, id)) => self.go_on(&Signer { keys, id, now }, call, at, now).await.unwrap_or_else(safe),
            Err(fault) => safe(fault.cause()),
        }
    }

    /// A new call.
    async fn begin(&self, signer: &Signer<'_>, call: &Call, now: DateTime<Utc>) -> Decided {
        let line = self.line(call.provider, call.line()).await;
        let line = line.as_deref();
        let mut caller = self.caller(line, call);
        let (verdict, guards) = guard::call(&self.guards(line, call, &caller, now));
        let mut profile = profile(line, call.line());
        let mut decision = Decision { line: line.map(|line| line.id.uuid()), guards, ..Decision::default() };
        let simple = |verbs, outcome: &str, mut decision: Decision| {
            decision.outcome = Some(outcome.to_owned());
            Decided { verbs, decision, cause: None }
        };
        let followed = match verdict {
            Verdict::Pass => self.followed(line),
            Verdict::VoicemailOnly => {
                profile.people.clear();
                profile.agent_url = None;
                Followed::BuiltIn
            }
            Verdict::Suspended => {
                return simple(
                    vec![Verb::Say(Speech::english(SUSPENDED)), Verb::Hangup],
                    "suspended",
                    decision,
                );
            }
            Verdict::SuspendedBusy => {
                return simple(vec![Verb::Refuse(Refusal::Busy)], "suspended", decision);
            }
            Verdict::Rejected => return simple(vec![Verb::Refuse(Refusal::Rejected)], "rejected", decision),
        };
        if needs_history(followed.flow()) {
            self.look_up(line, call, &mut caller, now).await;
        }
        decision.version = followed.id();
        let at = Position { flow_version: followed.id(), step: 0, edge: 0, attempt: 0, turn: 0 };
        let going = Going::unknown();
        let capability = capability::of(signer.keys, signer.id, at.turn.saturating_add(1));
        let facts = facts(&profile, &caller, call, &going, &capability, now);
        let turn = engine::step(followed.flow(), at, &facts, Event::Begins(Start::Call), signer);
        Self::decided(call, line, &profile, decision, turn, now)
    }

    /// A call that goes on.
    ///
    /// # Errors
    /// Why the safe document is to be given instead.
    async fn go_on(
        &self,
        signer: &Signer<'_>,
        call: &Call,
        at: Position,
        now: DateTime<Utc>,
    ) -> Result<Decided, &'static str> {
        let edge = Edge::read(at.edge).ok_or("position token of an unknown edge")?;
        if at.flow_version == NO_FLOW {
            let decision = Decision { version: NO_FLOW, turn: at.turn, ..Decision::default() };
            return match edge {
                Edge::Excused => Ok(Decided { verbs: safe::thanks(), decision, cause: None }),
                _ => Err("position token of an unknown step"),
            };
        }
        let followed = match at.flow_version {
            super::BUILT_IN => Followed::BuiltIn,
            id => Followed::Version(self.lines.version(id).ok_or("the flow's version is not known here")?),
        };
        let (name, step) = step_at(followed.flow(), at.step).ok_or("position token of an unknown step")?;
        let key = crate::lines::key_of(call.provider, signer.id);
        let handed_back = matches!(step, Step::Agent(_)) && edge == Edge::Answered;
        let going = self.going(&key, signer, at.turn, handed_back).await;
        let ours = going.line.clone().unwrap_or_else(|| call.line().clone());
        let line = self.lines.line(call.provider, &ours);
        let line = line.as_deref();
        let profile = profile(line, &ours);
        let caller = match &going.caller {
            Some(number) if signer.id != call.id => {
                self.caller(line, &Call { from: number.clone(), ..call.clone() })
            }
            _ => self.caller(line, call),
        };
        let capability = capability::of(signer.keys, signer.id, at.turn.saturating_add(1));
        let facts = facts(&profile, &caller, call, &going, &capability, now);
        let decision = Decision {
            line: line.map(|line| line.id.uuid()),
            version: followed.id(),
            turn: at.turn,
            ..Decision::default()
        };
        match edge {
            Edge::Screen => {
                let next = Position { edge: Edge::Screened as u8, ..at };
                let accepted = || signer.link(Purpose::Continue, &next);
                let verbs = screening(&facts, (call.provider == Provider::Twilio).then(accepted));
                return Ok(Decided { verbs, decision, cause: None });
            }
            Edge::Screened => {
                let accepted = call.digits.as_deref() == Some("1");
                let verbs = if accepted { Vec::new() } else { vec![Verb::Hangup] };
                return Ok(Decided { verbs, decision, cause: None });
            }
            Edge::Told | Edge::Excused => return Err("position token of a callback that only informs"),
            Edge::Answered | Edge::Silent | Edge::Poll | Edge::Rung => {}
        }
        // Whoever comes with a place that the call has left long ago replays it. One document has several ways back.
        if at.turn < going.turn && going.whole {
            return Err("position token of an earlier turn");
        }
        if going.began.is_some_and(|began| now - began > TimeDelta::seconds(i64::from(profile.longest))) {
            let verbs = vec![Verb::Say(Speech::english(TOO_LONG)), Verb::Hangup];
            return Ok(Decided { verbs, decision, cause: Some("the call has reached its longest time") });
        }
        let event = match edge {
            Edge::Rung => Event::Rung(call.taken.unwrap_or(false)),
            Edge::Silent => Event::Silence,
            _ => match asked(step, &facts) {
                Some(endpoint) => {
                    let settings = line.map(|line| &line.settings);
                    let secret = settings.and_then(|settings| settings.agent_secret.as_deref());
                    self.by_turns(&endpoint, secret, &key, call, &facts, at, edge, now).await
                }
                None => happened(step, call, &going, at.turn),
            },
        };
        tracing::debug!(step = name, "a call goes on");
        let turn = engine::step(followed.flow(), at, &facts, event, signer);
        Ok(Self::decided(call, line, &profile, decision, turn, now))
    }

    /// What an agent says to what the caller said, or what the caller did instead.
    #[expect(clippy::too_many_arguments, reason = "each is what the agent is told")]
    async fn by_turns(
        &self,
        endpoint: &engine::Endpoint,
        secret: Option<&str>,
        key: &str,
        call: &Call,
        facts: &Facts<'_>,
        at: Position,
        edge: Edge,
        now: DateTime<Utc>,
    ) -> Event {
        let said = call.speech.as_deref().or(call.digits.as_deref()).unwrap_or_default();
        if edge == Edge::Answered && said.trim().is_empty() {
            return Event::Silence;
        }
        // A poll asks for the answer to the turn before it.
        let turn = if edge == Edge::Poll { at.turn.saturating_sub(at.attempt) } else { at.turn };
        let turn = format!("{key}:{turn}");
        if edge == Edge::Poll {
            return Event::Agent(self.turns.poll(&turn).await);
        }
        let question = engine::Question::of_call(&turn, facts, said);
        Event::Agent(self.turns.ask(endpoint, secret, &turn, &question, now).await)
    }

    /// The turn with what it owes, as a decision.
    fn decided(
        call: &Call,
        line: Option<&Line>,
        profile: &Profile,
        mut decision: Decision,
        turn: Turn,
        now: DateTime<Utc>,
    ) -> Decided {
        let key = call.key();
        let contact = Some(call.contact()).filter(|number| !is_withheld(number));
        let owing = Owing {
            provider: call.provider,
            scope: &format!("call:{key}"),
            call: Some(&key),
            line: &profile.number,
            contact,
            reason: Reason::Flow,
            day: day_of(line, now),
            now,
        };
        decision.undisclosed = turn.effects.iter().filter_map(Effect::undisclosed).collect();
        decision.owed = owing.of(turn.effects);
        decision.path = turn.path;
        decision.tests = turn.tests;
        decision.captured = turn.captured;
        decision.open = turn.open;
        decision.noticed = turn.noticed;
        decision.cause = turn.cause.map(str::to_owned);
        if turn.agent {
            decision.outcome = Some("agent".to_owned());
        }
        Decided { verbs: turn.verbs, decision, cause: turn.cause }
    }

    fn caller(&self, line: Option<&Line>, call: &Call) -> Caller {
        let number = call.contact();
        let withheld = is_withheld(number);
        let known = line.and_then(|line| self.lines.contact(line, number));
        let known = known.as_deref();
        Caller {
            number: (!withheld).then(|| number.clone()),
            name: known.and_then(|contact| contact.name.clone()).or_else(|| call.name.clone()),
            tags: known.map(|contact| contact.tags.clone()).unwrap_or_default(),
            blocked: known.is_some_and(|contact| contact.blocked),
            attestation: call.attestation,
            seen: None,
            calls_today: None,
            forwarded_by_line: call.forwarded_from.as_ref() == Some(call.line()),
        }
    }

    fn guards(&self, line: Option<&Line>, call: &Call, caller: &Caller, now: DateTime<Utc>) -> OfCall {
        let number = call.line();
        let day = day_of(line, now);
        let entitled = self.entitled(line, now);
        let settings = line.map(|line| &line.settings);
        let suspended_today = match settings {
            Some(settings) if !entitled.0 => (
                self.running.total(number, day, Counted::Suspended).saturating_add(1),
                settings.suspended_per_day,
            ),
            _ => (0, 1),
        };
        let level = caller.attestation.name();
        OfCall {
            known: line.is_some(),
            entitled,
            suspended_today,
            blocked: caller.blocked,
            anonymous: caller.number.is_none(),
            anonymous_policy: match settings.map(|settings| settings.anonymous) {
                Some(Anonymous::Reject) => Policy::Reject,
                Some(Anonymous::Voicemail) => Policy::Voicemail,
                _ => Policy::Accept,
            },
            attestation: (
                level,
                settings
                    .is_some_and(|settings| settings.attest_reject.iter().any(|refused| refused == level)),
            ),
            // Looked for among all calls, and so only where somebody can be rung.
            concurrent: (
                line.map_or(0, |_| self.running.ringing(number)),
                settings.map_or(5, |settings| settings.concurrent),
            ),
            today: match settings.and_then(|settings| settings.daily_calls) {
                Some(most) => (self.running.total(number, day, Counted::Calls).saturating_add(1), Some(most)),
                None => (0, None),
            },
            minutes: (
                self.running.total(number, day, Counted::Seconds) / 60,
                settings.map_or(1440, |settings| settings.daily_minutes),
            ),
            records: (
                settings.is_some_and(|settings| settings.record_calls),
                settings.is_none_or(|settings| settings.record_notice == crate::lines::line::Notice::On),
            ),
        }
    }

    /// The call at this turn as it is remembered, or else as its own events tell. What an agent said of a call that it has
    /// `handed_back` may have reached another replica.
    async fn going(&self, key: &str, signer: &Signer<'_>, turn: u8, handed_back: bool) -> Going {
        let remembered = self.running.call(key);
        match remembered {
            Some(going) if going.whole && !handed_back => going,
            _ if !self.is_there() || signer.id.is_empty() => remembered.unwrap_or_else(Going::unknown),
            remembered => match self.fold(key, signer, turn).await {
                Some(going) => going,
                None => remembered.unwrap_or_else(Going::unknown),
            },
        }
    }
}

/// What is known, as the engine wants it.
fn facts<'a>(
    profile: &'a Profile,
    caller: &'a Caller,
    call: &'a Call,
    going: &'a Going,
    capability: &'a str,
    now: DateTime<Utc>,
) -> Facts<'a> {
    Facts {
        capability,
        now,
        line: profile,
        caller,
        call: &call.id,
        vars: &going.vars,
        open: &going.open,
        body: None,
        answered: &NOTHING,
        noticed: going.noticed,
        may_text: caller.number.is_some(),
        relays: call.provider == Provider::Twilio,
        limits_streams: call.provider == Provider::Plivo,
    }
}

static NOTHING: std::collections::BTreeSet<String> = std::collections::BTreeSet::new();

/// What happened at a step, by the request's own fields.
fn happened(step: &Step, call: &Call, going: &Going, turn: u8) -> Event {
    match step {
        Step::Ask(_) => match (&call.digits, &call.speech) {
            (Some(keys), _) => Event::Keys(keys.clone()),
            (None, Some(words)) => Event::Words(words.clone()),
            (None, None) => Event::Silence,
        },
        Step::Ring(_) => Event::Rung(call.taken.unwrap_or(false)),
        Step::Voicemail(_) => Event::Recorded,
        Step::Agent(_) => Event::HandedBack(going.handed_back(turn, call.handed_back.as_ref())),
        _ => Event::Agent(AgentTurn::Failed), // fits no step that does not wait, and is told so
    }
}

/// Whether a flow asks how often somebody called before: only then the database is looked at.
fn needs_history(flow: &crate::lines::document::Flow) -> bool {
    flow.steps.values().any(|step| match step {
        Step::Route(route) => route.when.iter().any(|when| {
            let tests = &when.tests;
            tests.seen.is_some()
                || tests.calls_today.is_some()
                || matches!(tests.caller.as_deref(), Some("known" | "new"))
        }),
        _ => false,
    })
}
