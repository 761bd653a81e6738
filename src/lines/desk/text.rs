//! Answering texts: at most one answer, and in doubt none. A text too many costs money and may break the law.

use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use chrono::{DateTime, Utc};

use super::{
    Desk, Followed, Owing,
    consent::{Known, Question as Asked},
    day_key, day_of, profile,
};
use crate::{
    lines::{
        Decided, Message,
        decision::Decision,
        document::{Once, Step},
        engine::{self, AgentTurn, Attestation, Caller, Event, Facts, Question, Start, number_of, opening},
        guard::{self, OfText},
        is_withheld, key_of,
        line::{Line, OptOutScope},
        running::Lately,
        safe::Signer,
        token::{Position, TokenKeys},
    },
    messages::words::{Wish, wish},
    outbox::Reason,
    provider::Provider,
};

impl Desk {
    /// What a text is answered: one text, or nothing.
    pub(crate) async fn answer_text(
        &self,
        keys: &TokenKeys,
        message: &Message,
        now: DateTime<Utc>,
    ) -> Decided {
        let line = self.line(message.provider, &message.to).await;
        let line = line.as_deref();
        let followed = self.followed(line);
        let day = day_of(line, now);
        let steps = daily_steps(followed.flow());
        let day_keys: Vec<String> =
            steps.iter().map(|step| day_key(&message.to, &message.from, step, day)).collect();
        let scope = self.scope(line, message);
        let asked = Asked::new(&scope, &message.to, &message.from, &message.body, &day_keys, now);
        let known = self.consent(asked).await;
        let lately = self.running.lately(&message.to, &message.from, hash(&message.body), now);
        let mut decision = Decision {
            line: line.map(|line| line.id.uuid()),
            version: followed.id(),
            later: known.is_none(),
            ..Decision::default()
        };
        let (passed, guards) = guard::text(&self.text_guards(line, message, known.as_ref(), lately, now));
        decision.guards = guards;
        let Some(known) = known.filter(|_| passed) else {
            decision.later &= passed; // what a guard refuses is not answered later either
            return Decided { verbs: Vec::new(), decision, cause: None };
        };
        let answered: BTreeSet<String> = steps
            .into_iter()
            .zip(&day_keys)
            .filter(|(_, key)| known.answered.contains(key) || self.running.was_replied(key))
            .map(|(step, _)| step)
            .collect();
        self.follow(keys, message, line, &followed, &answered, decision, now).await
    }

    #[expect(clippy::too_many_arguments, reason = "each is one thing that was found out before")]
    async fn follow(
        &self,
        keys: &TokenKeys,
        message: &Message,
        line: Option<&Line>,
        followed: &Followed,
        answered: &BTreeSet<String>,
        mut decision: Decision,
        now: DateTime<Utc>,
    ) -> Decided {
        let flow = followed.flow();
        let profile = profile(line, &message.to);
        let caller = self.texter(line, message);
        let (vars, open) = Default::default();
        let facts = Facts {
            now,
            line: &profile,
            caller: &caller,
            call: &message.id,
            capability: "",
            vars: &vars,
            open: &open,
            body: Some(&message.body),
            answered,
            noticed: false,
            may_text: true,
            relays: false,
            limits_streams: false,
        };
        let signer = Signer { keys, id: &message.id, now };
        let at = Position { flow_version: followed.id(), step: 0, edge: 0, attempt: 0, turn: 0 };
        let mut turn = engine::step(flow, at, &facts, Event::Begins(Start::Text), &signer);
        if let (true, Some((name, endpoint))) = (turn.agent, opening(flow, &turn.path, &facts)) {
            let name = name.to_owned();
            let secret = line.and_then(|line| line.settings.agent_secret.as_deref());
            let id = key_of(message.provider, &message.id);
            let question = Question::of_text(&id, &facts, &message.body);
            // A text has no second look: what is not there by then is answered as the flow says.
            let answer = match self.turns.ask(&endpoint, secret, &id, &question, now).await {
                AgentTurn::Waits => AgentTurn::Failed,
                answer => answer,
            };
            let at = Position { step: number_of(flow, &name).unwrap_or(u16::MAX), ..at };
            let before = std::mem::take(&mut turn);
            turn = engine::step(flow, at, &facts, Event::Agent(answer), &signer);
            turn.tests.splice(0..0, before.tests);
            turn.path.splice(0..0, before.path);
            turn.path.dedup();
            turn.effects.splice(0..0, before.effects);
        }
        let scope = format!("text:{}", key_of(message.provider, &message.id));
        let day = day_of(line, now);
        let owing = Owing {
            provider: message.provider,
            scope: &scope,
            call: None,
            line: &profile.number,
            contact: Some(&message.from),
            reason: Reason::Flow,
            day,
            now,
        };
        decision.owed = owing.of(turn.effects);
        if let Some((step, once)) = turn.replied {
            decision.replied.push(scope);
            if once == Once::Day {
                decision.replied.push(day_key(&message.to, &message.from, &step, day));
            }
        }
        decision.path = turn.path;
        decision.tests = turn.tests;
        decision.cause = turn.cause.map(str::to_owned);
        Decided { verbs: turn.verbs, decision, cause: turn.cause }
    }

    /// The lines for which an opt-out from this one counts: by default all of the account.
    fn scope(&self, line: Option<&Line>, message: &Message) -> Vec<String> {
        let own = vec![message.to.as_str().to_owned()];
        let Some(line) = line.filter(|line| line.settings.opt_out_scope == OptOutScope::Account) else {
            return own;
        };
        if line.account.is_none() {
            return own;
        }
        let all = self.lines.all();
        let of_account = all.iter().filter(|other| other.account == line.account);
        of_account.map(|other| other.number.as_str().to_owned()).collect()
    }

    fn text_guards(
        &self,
        line: Option<&Line>,
        message: &Message,
        known: Option<&Known>,
        lately: Lately,
        now: DateTime<Utc>,
    ) -> OfText {
        let count = |count: i64| u32::try_from(count).unwrap_or(u32::MAX);
        let opted_out = lately.stopped.unwrap_or_else(|| known.is_some_and(|known| known.opted_out));
        let asked = wish(&message.body);
        OfText {
            known: line.is_some(),
            entitled: self.entitled(line, now),
            blocked: line
                .and_then(|line| self.lines.contact(line, &message.from))
                .is_some_and(|contact| contact.blocked),
            unreachable: self.unreachable(message),
            handled: message.handled,
            keyword: match asked {
                Some(Wish::Stop) => Some("stop"),
                // Where nobody opted out, `yes` is an answer like any other.
                Some(Wish::Start) if opted_out || !is_yes(&message.body) => Some("start"),
                Some(Wish::Help) => Some("help"),
                _ => None,
            },
            suspected: asked == Some(Wish::PerhapsStop) || known.is_some_and(|known| known.suspected),
            opted_out,
            replies: lately.replies.max(known.map_or(0, |known| count(known.replies))),
            same: lately.same.max(known.map_or(0, |known| count(known.same))).saturating_add(1),
        }
    }

    /// Behind a short code, a name, a withheld number or a line of ours is a machine or nobody.
    fn unreachable(&self, message: &Message) -> Option<&'static str> {
        if message.id.is_empty() || message.to.as_str().is_empty() {
            Some("the text names no id or no line")
        } else if is_withheld(&message.from) {
            Some("a withheld number")
        } else if !message.from.is_full_number() {
            Some("a short code or a name")
        } else if message.from == message.to
            || Provider::CARRIERS
                .into_iter()
                .any(|provider| self.lines.line(provider, &message.from).is_some())
        {
            Some("a line of ours")
        } else {
            None
        }
    }

    fn texter(&self, line: Option<&Line>, message: &Message) -> Caller {
        let known = line.and_then(|line| self.lines.contact(line, &message.from));
        Caller {
            number: Some(message.from.clone()),
            name: known.as_ref().and_then(|contact| contact.name.clone()),
            tags: known.as_ref().map(|contact| contact.tags.clone()).unwrap_or_default(),
            blocked: false,
            attestation: Attestation::None,
            seen: None,
            calls_today: None,
            forwarded_by_line: false,
        }
    }
}

/// Steps that answer a contact once a day.
fn daily_steps(flow: &crate::lines::document::Flow) -> Vec<String> {
    let daily = |step: &Step| matches!(step, Step::Text(text) if text.once == Once::Day);
    flow.steps.iter().filter(|(_, step)| daily(step)).map(|(name, _)| name.clone()).collect()
}

/// Whether it says yes, which means something else where nobody opted out.
fn is_yes(body: &str) -> bool {
    body.trim_matches(|c: char| !c.is_alphanumeric()).eq_ignore_ascii_case("yes")
}

/// Whether a text asks for no more texts, or for texts again.
pub(super) fn stopped(message: &Message) -> Option<bool> {
    match wish(&message.body) {
        Some(Wish::Stop) => Some(true),
        Some(Wish::Start) => Some(false),
        _ => None,
    }
}

/// The words of a text, for being compared.
pub(super) fn hash(body: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    body.trim().hash(&mut hasher);
    hasher.finish()
}
