//! Whether a text may be sent now: pure. Asked right before each try, under a lock on the contact.
//!
//! The numbers are those of the statements of `docs/flows.md` that a test holds this to.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use crate::{
    domain::phone::Phone,
    messages::Consent,
    outbox::{Reason, Text, quiet, zones},
};

/// Most automated texts to a contact in an hour. Source: statement 8.
const AN_HOUR: usize = 5;

/// Most notices to a line's owner in an hour, who has asked for them.
const NOTICES_AN_HOUR: usize = 20;

/// How long after an opt-out the one confirmation may be sent. Source: 47 CFR 64.1200(a)(12).
const CONFIRM: TimeDelta = TimeDelta::minutes(5);

/// How long after a contact's call or text an answer is no text of our own accord. Source: statement 9.
pub(super) const ANSWER: TimeDelta = TimeDelta::minutes(10);

/// Over which time texts are counted.
pub(super) const COUNTED: TimeDelta = TimeDelta::hours(1);

/// After how long a text says nothing any more.
const STALE: TimeDelta = TimeDelta::hours(48);

/// What is to be known before a text is sent.
#[expect(clippy::struct_excessive_bools, reason = "each is the answer to a question of its own")]
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) now: DateTime<Utc>,
    /// When it was owed.
    pub(super) owed_at: DateTime<Utc>,
    /// What the contact wants.
    pub(super) consent: Consent,
    /// Whether there are events that are kept and not worked on, so that the ledger may lack a word.
    pub(super) is_behind: bool,
    /// Texts to the contact in the last hour.
    pub(super) sent: usize,
    /// Whether a confirmation was sent since the opt-out, or may have been.
    pub(super) confirmed: bool,
    /// Whether the contact called or wrote within the last [`ANSWER`].
    pub(super) heard: bool,
    /// Whether the recipient is a line of ours.
    pub(super) is_own: bool,
    /// Whether the line may write by itself.
    pub(super) a2p: bool,
    /// Whether it keeps quiet hours.
    pub(super) quiet: bool,
    /// Where its owner is; none where it is not known.
    pub(super) zone: Option<Tz>,
}

/// What is to be done with a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Send it.
    Send,
    /// Not before then.
    Wait(DateTime<Utc>, &'static str),
    /// Never.
    Refuse(&'static str),
}

/// Judges a text.
pub(super) fn judge(text: &Text, facts: &Facts) -> Verdict {
    if facts.now - text.not_before.unwrap_or(facts.owed_at).max(facts.owed_at) > STALE {
        return Verdict::Refuse("too_late");
    }
    if Phone::may_be_dialled(&text.to).is_err() {
        return Verdict::Refuse("not_a_number_to_text");
    }
    if facts.is_own || text.to == text.line {
        return Verdict::Refuse("own_line");
    }
    if facts.is_behind {
        return Verdict::Wait(facts.now + TimeDelta::seconds(5), "ledger_behind");
    }
    if text.reason == Reason::Confirmation {
        return confirmation(facts);
    }
    if facts.consent.opted_out.is_some() {
        return Verdict::Refuse("opted_out");
    }
    if facts.consent.suspected && text.reason != Reason::Notice {
        return Verdict::Refuse("opt_out_suspected");
    }
    if text.reason == Reason::Missed && !facts.a2p {
        return Verdict::Refuse("not_registered");
    }
    if facts.sent >= if text.reason == Reason::Notice { NOTICES_AN_HOUR } else { AN_HOUR } {
        return Verdict::Refuse("hourly_cap");
    }
    // Whoever asked to be told, or has just been in touch, is not disturbed.
    if text.reason == Reason::Notice || facts.heard || !facts.quiet {
        return Verdict::Send;
    }
    quiet_hours(text, facts)
}

/// One confirmation may follow an opt-out.
fn confirmation(facts: &Facts) -> Verdict {
    match facts.consent.opted_out {
        Some(since) if facts.now - since <= CONFIRM && !facts.confirmed => Verdict::Send,
        Some(_) if facts.confirmed => Verdict::Refuse("confirmed"),
        _ => Verdict::Refuse("too_late"),
    }
}

fn quiet_hours(text: &Text, facts: &Facts) -> Verdict {
    let there = zones::of(&text.to);
    if there.is_empty() {
        return Verdict::Refuse("zone_unknown");
    }
    let here = facts.zone.map_or_else(|| zones::of(&text.line).to_vec(), |zone| vec![zone]);
    match quiet::next_open(facts.now, &[&here, there].concat()) {
        Some(at) if at == facts.now => Verdict::Send,
        Some(at) => Verdict::Wait(at, "quiet_hours"),
        None => Verdict::Refuse("no_decent_hour"),
    }
}

#[cfg(test)]
mod tests {
    use chrono_tz::{America::New_York, Europe::London};

    use super::*;
    use crate::provider::Provider;

    const NOON: &str = "2026-11-15T20:00:00Z"; // in Los Angeles; 15:00 in New York
    const NIGHT: &str = "2026-11-15T12:00:00Z"; // 04:00 there; 07:00 in New York

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn text(reason: Reason) -> Text {
        Text {
            key: "k".to_owned(),
            provider: Provider::Twilio,
            line: "+12125550100".to_owned(),
            to: "+14155550101".to_owned(),
            body: "Hello".to_owned(),
            reason,
            call: None,
            not_before: None,
        }
    }

    fn facts(now: &str) -> Facts {
        Facts {
            now: at(now),
            owed_at: at(now),
            consent: Consent::default(),
            is_behind: false,
            sent: 0,
            confirmed: false,
            heard: false,
            is_own: false,
            a2p: true,
            quiet: true,
            zone: Some(New_York),
        }
    }

    const OPEN: &str = "2026-11-15T16:00:00Z"; // 08:00 in Los Angeles

    #[test]
    fn f2_f5_nobody_who_wants_none_gets_any_but_the_one_confirmation() {
        let out = |minutes: i64| Consent {
            opted_out: Some(at(NOON) - TimeDelta::minutes(minutes)),
            suspected: false,
        };
        let softly = Consent { opted_out: None, suspected: true };
        for (case, reason, consent, confirmed, expected) in [
            ("a flow", Reason::Flow, out(1), false, Verdict::Refuse("opted_out")),
            ("a missed call", Reason::Missed, out(9999), false, Verdict::Refuse("opted_out")),
            ("an owner", Reason::Notice, out(1), false, Verdict::Refuse("opted_out")),
            ("an agent", Reason::Agent, out(1), false, Verdict::Refuse("opted_out")),
            ("the confirmation", Reason::Confirmation, out(5), false, Verdict::Send),
            ("the second", Reason::Confirmation, out(1), true, Verdict::Refuse("confirmed")),
            ("too late", Reason::Confirmation, out(6), false, Verdict::Refuse("too_late")),
            (
                "lifted meanwhile",
                Reason::Confirmation,
                Consent::default(),
                false,
                Verdict::Refuse("too_late"),
            ),
            ("softly", Reason::Flow, softly, false, Verdict::Refuse("opt_out_suspected")),
            ("softly, an owner", Reason::Notice, softly, false, Verdict::Send),
        ] {
            assert_eq!(
                judge(&text(reason), &Facts { consent, confirmed, ..facts(NOON) }),
                expected,
                "{case}"
            );
        }
        let behind = Facts { is_behind: true, ..facts(NOON) };
        let wait = Verdict::Wait(at(NOON) + TimeDelta::seconds(5), "ledger_behind");
        assert_eq!(judge(&text(Reason::Flow), &behind), wait);
    }

    #[test]
    fn f8_five_an_hour_and_none_to_what_is_nobody() {
        for (sent, reason, expected) in [
            (4, Reason::Flow, Verdict::Send),
            (5, Reason::Flow, Verdict::Refuse("hourly_cap")),
            (5, Reason::Agent, Verdict::Refuse("hourly_cap")),
            (19, Reason::Notice, Verdict::Send),
            (20, Reason::Notice, Verdict::Refuse("hourly_cap")),
        ] {
            assert_eq!(judge(&text(reason), &Facts { sent, ..facts(NOON) }), expected, "{sent} {reason:?}");
        }
        for to in [
            "20202",
            "+20202",
            "ACME",
            "anonymous",
            "",
            "911",
            "+1911",
            "+19005550142",
            "sip:ada@example.com",
        ] {
            let text = Text { to: to.to_owned(), ..text(Reason::Flow) };
            assert_eq!(judge(&text, &facts(NOON)), Verdict::Refuse("not_a_number_to_text"), "{to}");
        }
        let own = Verdict::Refuse("own_line");
        assert_eq!(judge(&text(Reason::Flow), &Facts { is_own: true, ..facts(NOON) }), own);
        let same = Text { to: "+12125550100".to_owned(), ..text(Reason::Flow) };
        assert_eq!(judge(&same, &facts(NOON)), own);
    }

    #[test]
    fn f9_of_our_own_accord_only_by_day_and_only_from_a_registered_line() {
        let night = facts(NIGHT);
        let wait = Verdict::Wait(at(OPEN), "quiet_hours");
        for (case, reason, facts, expected) in [
            ("by day", Reason::Missed, facts(NOON), Verdict::Send),
            ("by night", Reason::Missed, night.clone(), wait.clone()),
            ("a flow by night", Reason::Flow, night.clone(), wait.clone()),
            ("an answer", Reason::Missed, Facts { heard: true, ..night.clone() }, Verdict::Send),
            ("an owner", Reason::Notice, night.clone(), Verdict::Send),
            ("switched off", Reason::Flow, Facts { quiet: false, ..night.clone() }, Verdict::Send),
            (
                "not registered",
                Reason::Missed,
                Facts { a2p: false, heard: true, ..facts(NOON) },
                Verdict::Refuse("not_registered"),
            ),
            ("not registered, asked", Reason::Flow, Facts { a2p: false, ..facts(NOON) }, Verdict::Send),
            ("a line elsewhere", Reason::Flow, Facts { zone: Some(London), ..facts(NOON) }, Verdict::Send),
            (
                "late there",
                Reason::Flow,
                Facts { zone: Some(London), ..facts("2026-11-15T21:30:00Z") },
                Verdict::Wait(at("2026-11-16T16:00:00Z"), "quiet_hours"),
            ),
            ("a line that nobody placed", Reason::Flow, Facts { zone: None, ..night.clone() }, wait),
        ] {
            assert_eq!(judge(&text(reason), &facts), expected, "{case}");
        }
        let far = Text { to: "+6799999999".to_owned(), ..text(Reason::Flow) };
        assert_eq!(judge(&far, &night), Verdict::Refuse("zone_unknown"));
        let stale = Facts { owed_at: at(NOON) - TimeDelta::hours(49), ..facts(NOON) };
        assert_eq!(judge(&text(Reason::Flow), &stale), Verdict::Refuse("too_late"));
    }
}
