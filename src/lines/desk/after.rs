//! What is said after a conversation: to whoever was missed, to the line's owner, and to whom no text could be answered
//! while the ledger was out of reach.

use chrono::{DateTime, Utc};

use super::{Desk, Followed, Owing, day_of, profile};
use crate::{
    calls::Call,
    domain::{phone::Phone, verb::Verb},
    inbox::kept::Kept,
    lines::{
        Message,
        decision::Decision,
        engine::{self, Caller, Event, Facts, Start},
        is_withheld, key_of,
        safe::Signer,
        token::{Position, TokenKeys},
    },
    messages::words::{Wish, wish},
    outbox::{Owed, Reason, Text},
    provider::{self, Provider},
};

impl Desk {
    /// Whether any line is set up: without one, nobody is written to after a call.
    pub(crate) fn has_lines(&self) -> bool {
        !self.lines.all().is_empty()
    }

    /// For how many days a line's recordings are kept.
    pub(crate) fn keep_days(&self, provider: Provider, line: &Phone) -> u32 {
        self.lines.line(provider, line).map_or(90, |line| line.settings.keep_recordings_days)
    }

    /// What a missed caller is written, as the flow that the call followed says. Lines that are not registered for it write
    /// nothing. `key` is that of the first text.
    pub(crate) fn missed(
        &self,
        call: &Call,
        key: &str,
        not_before: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Vec<Owed> {
        let Some((provider, number, contact)) = sides(call) else { return Vec::new() };
        let line = self.lines.line(provider, &number);
        let Some(line) = line.as_deref().filter(|line| line.settings.a2p) else { return Vec::new() };
        if !contact.is_full_number() || is_withheld(&contact) || self.lines.line(provider, &contact).is_some()
        {
            return Vec::new();
        }
        let version =
            call.flow_version.and_then(|id| u64::try_from(id).ok()).filter(|id| *id != super::BUILT_IN);
        let followed =
            version.and_then(|id| self.lines.version(id)).map_or(Followed::BuiltIn, Followed::Version);
        let profile = profile(Some(line), &number);
        let known = self.lines.contact(line, &contact);
        let caller = Caller {
            number: Some(contact.clone()),
            name: known.as_ref().and_then(|contact| contact.name.clone()),
            tags: known.as_ref().map(|contact| contact.tags.clone()).unwrap_or_default(),
            blocked: known.as_ref().is_some_and(|contact| contact.blocked),
            ..Caller::default()
        };
        if caller.blocked || !self.entitled(Some(line), now).0 {
            return Vec::new();
        }
        let (vars, open, answered) = Default::default();
        let facts = Facts {
            now,
            line: &profile,
            caller: &caller,
            call: &call.external_id,
            capability: "",
            vars: &vars,
            open: &open,
            body: None,
            answered: &answered,
            noticed: false,
            may_text: true,
            relays: false,
            limits_streams: false,
        };
        // Nothing is asked back, so that no way back is signed.
        let keys = TokenKeys::new(&[]);
        let signer = Signer { keys: &keys, id: &call.external_id, now };
        let at = Position { flow_version: followed.id(), step: 0, edge: 0, attempt: 0, turn: 0 };
        let turn = engine::step(followed.flow(), at, &facts, Event::Begins(Start::Missed), &signer);
        let owing = Owing {
            provider,
            scope: key,
            call: Some(&call.key),
            line: &number,
            contact: Some(&contact),
            reason: Reason::Missed,
            day: day_of(Some(line), now),
            now,
        };
        let mut owed = owing.of(turn.effects);
        for (place, one) in owed.iter_mut().enumerate() {
            if let Owed::Text(text) = one {
                text.not_before = Some(not_before);
                if place == 0 {
                    key.clone_into(&mut text.key);
                }
            }
        }
        owed
    }

    /// The word to a line's owner, where there is one to be told: of a voice message at once, of a missed call when it is
    /// certain.
    pub(crate) fn notice(&self, call: &Call, outcome: &str, certain: DateTime<Utc>) -> Option<Owed> {
        let (provider, number, contact) = sides(call)?;
        let line = self.lines.line(provider, &number)?;
        let owner = line.settings.notify.clone()?;
        let who = if is_withheld(&contact) { "a withheld number" } else { contact.as_str() };
        let (what, body, not_before) = match outcome {
            "voicemail" => {
                let seconds = call.recording_s.unwrap_or(0);
                ("voicemail", format!("{}: voice message of {seconds} s from {who}.", line.name), None)
            }
            "missed" | "abandoned" => {
                ("missed", format!("{}: missed call from {who}.", line.name), Some(certain))
            }
            _ => return None,
        };
        Some(Owed::Text(Text {
            key: format!("notice:{what}:{}", call.key),
            provider,
            line: number.as_str().to_owned(),
            to: owner,
            body,
            reason: Reason::Notice,
            call: Some(call.key.clone()),
            not_before,
        }))
    }

    /// The word to a line's owner that a contact may want no more texts, in words that are no command.
    pub(crate) fn softly(&self, event: &Kept) -> Option<Owed> {
        let message = text_of(event);
        if wish(&message.body) != Some(Wish::PerhapsStop) {
            return None;
        }
        let line = self.lines.line(message.provider, &message.to)?;
        Some(Owed::Text(Text {
            key: format!("notice:softly:{}", key_of(message.provider, &message.id)),
            provider: message.provider,
            line: message.to.as_str().to_owned(),
            to: line.settings.notify.clone()?,
            body: format!(
                "{}: {} may want no more texts. Nothing is texted there by itself now: please ask.",
                line.name,
                message.from.as_str()
            ),
            reason: Reason::Notice,
            call: None,
            not_before: None,
        }))
    }

    /// Answers a text whose ledger could not be read when it came. What would have stood in the answer is owed instead.
    ///
    /// # Errors
    /// What the database raises.
    pub(crate) async fn answer_later(&self, event: &Kept, now: DateTime<Utc>) -> sqlx::Result<Decision> {
        let message = text_of(event);
        let keys = TokenKeys::new(&[]);
        let decided = self.answer_text(&keys, &message, now).await;
        let mut decision = decided.decision;
        if decision.later {
            return Err(sqlx::Error::PoolTimedOut); // the worker tries again
        }
        for verb in decided.verbs {
            if let Verb::Text(text) = verb {
                decision.owed.push(Owed::Text(Text {
                    key: format!("text:{}", key_of(message.provider, &message.id)),
                    provider: message.provider,
                    line: text.from.as_str().to_owned(),
                    to: text.to.as_str().to_owned(),
                    body: text.body,
                    reason: Reason::Flow,
                    call: None,
                    not_before: None,
                }));
            }
        }
        Ok(decision)
    }
}

/// Provider, our number and the caller's of a call.
fn sides(call: &Call) -> Option<(Provider, Phone, Phone)> {
    let provider = match call.provider.as_str() {
        "twilio" => Provider::Twilio,
        "plivo" => Provider::Plivo,
        _ => return None,
    };
    Some((provider, Phone::read(call.line.as_deref()?), Phone::read(call.from_number.as_deref()?)))
}

/// A text as its event tells of it.
fn text_of(event: &Kept) -> Message {
    let params = provider::params(&event.request);
    Message {
        provider: event.request.endpoint.provider(),
        id: params
            .first_of(&["MessageSid", "SmsSid", "SmsMessageSid", "MessageUUID"])
            .unwrap_or_default()
            .to_owned(),
        from: Phone::read(params.get("From").unwrap_or_default()),
        to: Phone::read(params.get("To").unwrap_or_default()),
        body: params.first_of(&["Body", "Text"]).unwrap_or_default().to_owned(),
        handled: params.first_of(&["OptOutType", "MessageIntent"]).is_some(),
    }
}
