//! What no flow can remove: looked at in this order before a flow is asked, each noted with what it saw.

use chrono::TimeDelta;

use super::decision::Guarded;

/// How long the last known standing of an account counts while it cannot be read. A billing outage must not cut a
/// customer's phone.
pub(crate) const STANDING_COUNTS: TimeDelta = TimeDelta::hours(24);

/// Most automated texts to a contact within an hour.
pub(crate) const REPLIES_AN_HOUR: u32 = 5;

/// The same words so often within an hour are a machine's.
pub(crate) const SAME_WORDS: u32 = 3;

/// What a call is guarded by.
#[derive(Clone, Debug, Default)]
pub(crate) struct OfCall {
    /// Whether the line is known.
    pub(crate) known: bool,
    /// Whether the account may use the line; the words say why.
    pub(crate) entitled: (bool, String),
    /// How many calls the suspended line had today, this one included, and how many hear the sentence.
    pub(crate) suspended_today: (u32, u32),
    pub(crate) blocked: bool,
    pub(crate) anonymous: bool,
    pub(crate) anonymous_policy: Policy,
    /// The level, and whether the line turns it away.
    pub(crate) attestation: (&'static str, bool),
    /// Legs that are rung or spoken to, and how many there may be.
    pub(crate) concurrent: (u32, u32),
    /// Calls of the day, this one included, and how many there may be.
    pub(crate) today: (u32, Option<u32>),
    /// Minutes of the day that were connected onward, and how many there may be.
    pub(crate) minutes: (u32, u32),
    /// Whether conversations are recorded, and whether callers are told.
    pub(crate) records: (bool, bool),
}

/// What becomes of callers who withhold their number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Policy {
    #[default]
    Accept,
    Reject,
    Voicemail,
}

/// What the guards say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The flow is asked.
    Pass,
    /// The neutral sentence.
    Suspended,
    /// Busy, unbilled.
    SuspendedBusy,
    /// Refused, unbilled.
    Rejected,
    /// A message is taken, and nobody is rung.
    VoicemailOnly,
}

/// Guards a new call.
pub(crate) fn call(of: &OfCall) -> (Verdict, Vec<Guarded>) {
    let mut seen = Seen::default();
    seen.note("line", if of.known { "known" } else { "not set up" }, true);
    if !seen.note("entitlement", &of.entitled.1, of.entitled.0) {
        let (today, most) = of.suspended_today;
        let spoken = today <= most;
        seen.note("suspended calls today", &format!("{today} of {most}"), spoken);
        let verdict = if spoken { Verdict::Suspended } else { Verdict::SuspendedBusy };
        return (verdict, seen.0);
    }
    if !seen.note("block list", if of.blocked { "blocked" } else { "not on it" }, !of.blocked) {
        return (Verdict::Rejected, seen.0);
    }
    let mut voicemail = false;
    if of.anonymous {
        let (saw, passed) = match of.anonymous_policy {
            Policy::Accept => ("withheld; such calls are taken", true),
            Policy::Reject => ("withheld; such calls are refused", false),
            Policy::Voicemail => ("withheld; such calls may leave a message", false),
        };
        seen.note("anonymous", saw, passed);
        match of.anonymous_policy {
            Policy::Accept => {}
            Policy::Reject => return (Verdict::Rejected, seen.0),
            Policy::Voicemail => voicemail = true,
        }
    } else {
        seen.note("anonymous", "no", true);
    }
    let (level, refused) = of.attestation;
    if !seen.note("attestation", level, !refused) {
        return (Verdict::Rejected, seen.0);
    }
    let (legs, most) = of.concurrent;
    voicemail |= !seen.note("calls connected now", &format!("{legs} of {most}"), legs < most);
    let (minutes, most) = of.minutes;
    voicemail |= !seen.note("minutes today", &format!("{minutes} of {most}"), minutes < most);
    if let (today, Some(most)) = of.today {
        voicemail |= !seen.note("calls today", &format!("{today} of {most}"), today <= most);
    }
    if let (true, told) = of.records {
        let saw = if told {
            "conversations are recorded; callers are told"
        } else {
            "recorded without notice, as the owner set"
        };
        seen.note("recording notice", saw, true);
    }
    (if voicemail { Verdict::VoicemailOnly } else { Verdict::Pass }, seen.0)
}

/// What a text is guarded by.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is what a guard of its own looks at")]
pub(crate) struct OfText {
    pub(crate) known: bool,
    pub(crate) entitled: (bool, String),
    pub(crate) blocked: bool,
    /// Why the sender cannot be texted: withheld, a short code, a name, a line of ours.
    pub(crate) unreachable: Option<&'static str>,
    /// The provider tells of an intent, and answers by itself.
    pub(crate) handled: bool,
    /// Words that are never the flow's: `stop`, `start`, `help`.
    pub(crate) keyword: Option<&'static str>,
    /// Softer words, now or before, that a person must look at.
    pub(crate) suspected: bool,
    pub(crate) opted_out: bool,
    /// Automated texts of the last hour.
    pub(crate) replies: u32,
    /// How often the same words came within the hour, this text included.
    pub(crate) same: u32,
}

/// Guards a text; whether the flow is asked.
pub(crate) fn text(of: &OfText) -> (bool, Vec<Guarded>) {
    let mut seen = Seen::default();
    seen.note("line", if of.known { "known" } else { "not set up" }, true);
    let passed = seen.note("entitlement", &of.entitled.1, of.entitled.0)
        && seen.note("block list", if of.blocked { "blocked" } else { "not on it" }, !of.blocked)
        && seen.note(
            "sender",
            of.unreachable.unwrap_or("a number that can be texted"),
            of.unreachable.is_none(),
        )
        && seen.note(
            "provider",
            if of.handled { "answers this text by itself" } else { "leaves the answer to the line" },
            !of.handled,
        )
        && seen.note("keyword", of.keyword.unwrap_or("none"), of.keyword.is_none())
        && seen.note("opt-out", if of.opted_out { "wants no texts" } else { "none" }, !of.opted_out)
        && seen.note(
            "softer words",
            if of.suspected { "perhaps wants no texts: a person must look" } else { "none" },
            !of.suspected,
        )
        && seen.note(
            "texts this hour",
            &format!("{} of {REPLIES_AN_HOUR}", of.replies),
            of.replies < REPLIES_AN_HOUR,
        )
        && seen.note("same words this hour", &of.same.to_string(), of.same < SAME_WORDS);
    (passed, seen.0)
}

#[derive(Default)]
struct Seen(Vec<Guarded>);

impl Seen {
    fn note(&mut self, guard: &str, saw: &str, passed: bool) -> bool {
        self.0.push(Guarded { guard: guard.to_owned(), saw: saw.to_owned(), passed });
        passed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open() -> OfCall {
        OfCall {
            entitled: (true, "paid".to_owned()),
            suspended_today: (1, 20),
            concurrent: (0, 5),
            minutes: (0, 1440),
            attestation: ("none", false),
            ..OfCall::default()
        }
    }

    #[test]
    fn guards_of_calls_in_their_order() {
        let all = OfCall {
            entitled: (false, "unpaid".to_owned()),
            blocked: true,
            anonymous: true,
            anonymous_policy: Policy::Reject,
            attestation: ("failed", true),
            ..open()
        };
        let mut of = all.clone();
        let mut verdicts = Vec::new();
        for mend in 0..5 {
            verdicts.push(call(&of).0);
            match mend {
                0 => of.entitled.0 = true,
                1 => of.blocked = false,
                2 => of.anonymous = false,
                _ => of.attestation.1 = false,
            }
        }
        let [suspended, blocked, anonymous, attested, passed] = verdicts[..] else { panic!() };
        assert_eq!(suspended, Verdict::Suspended);
        assert_eq!([blocked, anonymous, attested], [Verdict::Rejected; 3]);
        assert_eq!(passed, Verdict::Pass);
        let last = call(&all).1.pop().unwrap();
        assert_eq!((last.guard.as_str(), last.saw.as_str()), ("suspended calls today", "1 of 20"));
    }

    #[test]
    fn caps_leave_a_message_to_be_taken() {
        for (case, of, verdict) in [
            ("none", open(), Verdict::Pass),
            ("legs", OfCall { concurrent: (5, 5), ..open() }, Verdict::VoicemailOnly),
            ("minutes", OfCall { minutes: (1440, 1440), ..open() }, Verdict::VoicemailOnly),
            ("calls", OfCall { today: (4, Some(3)), ..open() }, Verdict::VoicemailOnly),
            ("the last call", OfCall { today: (3, Some(3)), ..open() }, Verdict::Pass),
            (
                "19: withheld, and such calls may leave a message",
                OfCall { anonymous: true, anonymous_policy: Policy::Voicemail, ..open() },
                Verdict::VoicemailOnly,
            ),
            (
                "more suspended calls than hear the sentence",
                OfCall { entitled: (false, "unpaid".to_owned()), suspended_today: (21, 20), ..open() },
                Verdict::SuspendedBusy,
            ),
        ] {
            assert_eq!(call(&of).0, verdict, "{case}");
        }
    }

    #[test]
    fn guards_of_texts() {
        let open = || OfText { entitled: (true, "paid".to_owned()), same: 1, ..OfText::default() };
        for (statement, of, passed, stops) in [
            (0, open(), true, "same words this hour"),
            (1, OfText { keyword: Some("stop"), ..open() }, false, "keyword"),
            (2, OfText { opted_out: true, ..open() }, false, "opt-out"),
            (3, OfText { handled: true, ..open() }, false, "provider"),
            (5, OfText { suspected: true, ..open() }, false, "softer words"),
            (7, OfText { entitled: (false, "unpaid".to_owned()), ..open() }, false, "entitlement"),
            (8, OfText { replies: 5, ..open() }, false, "texts this hour"),
            (8, OfText { replies: 4, ..open() }, true, "same words this hour"),
            (8, OfText { same: 3, ..open() }, false, "same words this hour"),
            (8, OfText { unreachable: Some("a short code"), ..open() }, false, "sender"),
            (19, OfText { unreachable: Some("a withheld number"), ..open() }, false, "sender"),
        ] {
            let (passes, guards) = text(&of);
            assert_eq!(passes, passed, "statement {statement}");
            assert_eq!(guards.last().unwrap().guard, stops, "statement {statement}");
        }
    }
}
