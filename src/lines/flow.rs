//! What is said to a call or a text. Pure: whatever it depends on, the time included, is an argument.
//!
//! This is the built-in default in its simplest form: a call is asked for a voice message and thanked for it, a text
//! is acknowledged. It needs no database and no setting, so it answers when nothing else works.

use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};

use crate::domain::{
    phone::Phone,
    verb::{Link, Purpose, Record, Speech, Text, Verb},
};

use super::{
    Call, Decision, Message,
    token::{CALL_LIFETIME, Position, TEXT_LIFETIME, TokenKeys},
};

const GREETING: &str = "You have reached this number. Please leave a message after the tone.";
const THANKS: &str = "Thank you. Goodbye.";
const APOLOGY: &str = "Sorry, we cannot take your call right now. Please leave a message after the tone.";
const GOODBYE: &str = "Sorry, we cannot take your call right now. Goodbye.";
const ACKNOWLEDGEMENT: &str = "Thanks, we got your message.";

/// Longest voice message, in seconds.
const MESSAGE_SECONDS: u16 = 120;

/// Version and steps of the built-in default, as position tokens name them. A number that was given is never given
/// again: calls that are in progress still carry it.
const BUILT_IN: u64 = 0;
const VOICEMAIL: u16 = 1;
const RECORDED: u16 = 2;
const ACKNOWLEDGED: u16 = 3;

/// How a call came to be recorded. The two differ, so that what follows the safe document is never taken for a
/// repetition of what failed.
#[derive(Clone, Copy)]
enum Way {
    Greeted = 0,
    Excused = 1,
}

/// Bodies that opt out, in lower case. Source: 47 CFR 64.1200(a)(10), and the keywords of Twilio and Plivo.
const OPT_OUT: [&str; 11] = [
    "stop",
    "stopall",
    "stop all",
    "quit",
    "end",
    "revoke",
    "opt out",
    "optout",
    "cancel",
    "unsubscribe",
    "unsub",
];

/// Bodies that opt in again or ask for help. `yes` opts in only after an opt-out; whether there was one is not known
/// here, and the provider may answer it, so it gets silence.
const OPT_IN_OR_HELP: [&str; 6] = ["start", "unstop", "yes", "resume", "help", "info"];

/// Numbers that stand for a withheld one: `anonymous`, `restricted`, `unknown` and the like, typed on a keypad.
const WITHHELD: [&str; 5] = ["+266696687", "+7378742833", "+2562533", "+8656696", "+86282452253"];

/// What a call hears next.
///
/// A call without a token is new. A token that cannot be believed, or a provider whose first try failed, gets the
/// safe document, and the cause is told.
pub(crate) fn answer_call(keys: &TokenKeys, call: &Call, now: DateTime<Utc>) -> Decision {
    let safe = |cause| Decision { verbs: safe_document(keys, &call.id, now), cause: Some(cause) };
    let well = |verbs| Decision { verbs, cause: None };
    if call.fallback {
        return safe("the provider reports that the answer before failed");
    }
    let Some(token) = &call.token else {
        return well(voicemail(keys, &call.id, now, Way::Greeted));
    };
    match keys.open(token, &call.id, now) {
        Ok(Position { flow_version: BUILT_IN, step: RECORDED, .. }) => well(farewell(THANKS)),
        Ok(_) => safe("position token of an unknown step"),
        Err(fault) => safe(fault.cause()),
    }
}

/// What a call hears when something went wrong: an apology and a voice message.
///
/// It cannot loop: the step after it says goodbye and hangs up.
pub(crate) fn safe_document(keys: &TokenKeys, call_id: &str, now: DateTime<Utc>) -> Vec<Verb> {
    voicemail(keys, call_id, now, Way::Excused)
}

/// What a call hears when even the safe document is out of reach. Needs nothing.
pub(crate) fn goodbye() -> Vec<Verb> {
    farewell(GOODBYE)
}

/// What a text is answered: one acknowledgement, or nothing.
pub(crate) fn answer_text(keys: &TokenKeys, message: &Message, now: DateTime<Utc>) -> Decision {
    let verbs = if may_answer(message) { vec![acknowledgement(keys, message, now)] } else { Vec::new() };
    Decision { verbs, cause: None }
}

/// Says why to leave a message, takes it, and goes on alike whether the caller spoke or stayed silent.
fn voicemail(keys: &TokenKeys, call: &str, now: DateTime<Utc>, way: Way) -> Vec<Verb> {
    let link = |purpose, step| {
        let position = Position { flow_version: BUILT_IN, step, edge: way as u8, attempt: 0, turn: 1 };
        Link { purpose, token: keys.sign(&position, call, hour_after(now + CALL_LIFETIME)) }
    };
    let words = match way {
        Way::Greeted => GREETING,
        Way::Excused => APOLOGY,
    };
    let next = link(Purpose::Continue, RECORDED);
    let ready = link(Purpose::Inform, VOICEMAIL);
    vec![
        Verb::Say(Speech::english(words)),
        Verb::Record(Record { max_seconds: MESSAGE_SECONDS, transcribe: false, next: next.clone(), ready }),
        Verb::Redirect(next),
    ]
}

/// The first full hour that is not before `at`. So whoever answers a retry without knowing of the first answer, because
/// it was given by another process and the database is away, says the same to the letter, unless an hour ends in between.
fn hour_after(at: DateTime<Utc>) -> DateTime<Utc> {
    at.duration_round_up(TimeDelta::hours(1)).unwrap_or(at) // fails only centuries from now
}

fn farewell(words: &str) -> Vec<Verb> {
    vec![Verb::Say(Speech::english(words)), Verb::Hangup]
}

/// The delivery link is bound to the text that is answered: the answer has no id yet.
fn acknowledgement(keys: &TokenKeys, message: &Message, now: DateTime<Utc>) -> Verb {
    let position = Position { flow_version: BUILT_IN, step: ACKNOWLEDGED, edge: 0, attempt: 0, turn: 1 };
    let token = keys.sign(&position, &message.id, hour_after(now + TEXT_LIFETIME));
    Verb::Text(Text {
        body: ACKNOWLEDGEMENT.to_owned(),
        from: message.to.clone(),
        to: message.from.clone(),
        delivery: Link { purpose: Purpose::Delivery, token },
    })
}

/// Whether a text may be answered. In doubt it may not: a text too many costs money and may break the law.
fn may_answer(message: &Message) -> bool {
    let identified = !message.id.is_empty() && !message.to.as_str().is_empty();
    identified
        && can_be_texted(&message.from)
        && message.from != message.to
        && !message.handled
        && !is_keyword(&message.body)
}

/// No short code, no name, no withheld number: behind those is a machine or nobody.
fn can_be_texted(sender: &Phone) -> bool {
    sender.is_full_number() && !WITHHELD.contains(&sender.as_str())
}

/// Whether the body is nothing but a keyword, whatever its case, and whatever stands around it.
fn is_keyword(body: &str) -> bool {
    let word = body.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    OPT_OUT.contains(&word.as_str()) || OPT_IN_OR_HELP.contains(&word.as_str())
}

#[cfg(test)]
mod tests;
