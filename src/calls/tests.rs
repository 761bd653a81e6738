use proptest::prelude::*;

use super::{
    row::{Call, Told},
    *,
};
use crate::{
    inbox::kept::testing::form,
    provider::Endpoint::{self, PlivoAnswer, PlivoHangup, TwilioStatus, TwilioVoice},
};

/// The call after these events.
fn call(events: &[Kept]) -> Call {
    let mut call = None;
    for event in events {
        let told = Told::read(event).unwrap();
        let known = call.take().unwrap_or_else(|| Call::new(&told, event));
        call = Some(decided(known.after(&told, event)));
    }
    call.unwrap()
}

fn twilio(number: u128, second: i64, endpoint: Endpoint, more: &[(&str, &str)]) -> Kept {
    let base =
        [("CallSid", "CA1"), ("From", "+14155550100"), ("To", "+14155550199"), ("Direction", "inbound")];
    form(endpoint, number, second, &[&base[..], more].concat())
}

fn plivo(number: u128, second: i64, endpoint: Endpoint, more: &[(&str, &str)]) -> Kept {
    let base = [("CallUUID", "u1"), ("From", "14155550100"), ("To", "14155550199"), ("Direction", "inbound")];
    form(endpoint, number, second, &[&base[..], more].concat())
}

fn voicemail_by_twilio() -> Vec<Kept> {
    let recorded =
        [("RecordingSid", "RE1"), ("RecordingUrl", "https://api.twilio.com/RE1"), ("RecordingDuration", "7")];
    vec![
        twilio(1, 0, TwilioVoice, &[("CallStatus", "ringing")]),
        twilio(2, 20, TwilioVoice, &[&[("CallStatus", "in-progress")], &recorded[..]].concat()),
        twilio(
            3,
            21,
            TwilioStatus,
            &[("CallStatus", "completed"), ("CallDuration", "20"), ("Duration", "1")],
        ),
        form(
            TwilioStatus,
            4,
            30,
            &[&[("CallSid", "CA1"), ("RecordingStatus", "completed")], &recorded[..]].concat(),
        ),
    ]
}

fn voicemail_by_plivo() -> Vec<Kept> {
    vec![
        plivo(1, 0, PlivoAnswer, &[("Event", "StartApp"), ("CallStatus", "ringing")]),
        plivo(
            2,
            20,
            PlivoHangup,
            &[
                ("RecordingID", "r1"),
                ("RecordUrl", "https://media.plivo.com/r1.mp3"),
                ("RecordingDuration", "7"),
                ("Event", "Record"),
            ],
        ),
        plivo(
            3,
            21,
            PlivoHangup,
            &[
                ("Event", "Hangup"),
                ("CallStatus", "completed"),
                ("Duration", "20"),
                ("BillDuration", "60"),
                ("HangupCauseName", "Normal Hangup"),
                ("HangupCauseCode", "4000"),
                ("HangupSource", "Caller"),
            ],
        ),
    ]
}

#[test]
fn a_whole_call_is_the_same_on_both() {
    for events in [voicemail_by_twilio(), voicemail_by_plivo()] {
        let call = call(&events);
        assert_eq!(
            (call.status.as_str(), call.ended, call.outcome.as_deref()),
            ("completed", true, Some("voicemail")),
            "{}",
            call.key
        );
        assert_eq!(call.from_number.as_deref(), Some("+14155550100"));
        assert_eq!(
            (call.line.as_deref(), call.direction.as_deref()),
            (Some("+14155550199"), Some("inbound"))
        );
        assert_eq!((call.duration_s, call.billed_s, call.recording_s), (Some(20), Some(60), Some(7)));
        assert_eq!((call.ended_at.unwrap() - call.started_at.unwrap()).num_seconds(), 21);
        assert!(call.recording.is_some() && call.recording_url.is_some() && !call.simulated);
        assert_eq!(call.sources["duration_s"], Uuid::from_u128(3), "the event that told of it");
    }
}

#[test]
fn outcomes() {
    let status = |status| vec![("CallStatus", status)];
    for (case, ends, expected) in [
        ("nothing left", status("completed"), "missed"),
        (
            "gave up",
            [status("completed"), vec![("HangupSource", "Caller"), ("HangupCauseName", "x")]].concat(),
            "abandoned",
        ),
        ("an empty message", [status("completed"), vec![("RecordingDuration", "0")]].concat(), "missed"),
        ("put through", [status("completed"), vec![("DialCallStatus", "completed")]].concat(), "answered"),
        ("nobody there", [status("completed"), vec![("DialCallStatus", "no-answer")]].concat(), "missed"),
        (
            "a mailbox that took nothing",
            [status("completed"), vec![("DialCallStatus", "completed"), ("DialBridged", "false")]].concat(),
            "missed",
        ),
        ("before the answer", status("canceled"), "abandoned"),
        ("rejected", status("busy"), "rejected"),
        ("failed", status("failed"), "failed"),
        ("rang out", status("no-answer"), "missed"),
    ] {
        assert_eq!(call(&[twilio(1, 0, TwilioStatus, &ends)]).outcome.as_deref(), Some(expected), "{case}");
    }
    for (status, duration, expected) in
        [("completed", "9", "answered"), ("completed", "0", "missed"), ("busy", "0", "missed")]
    {
        let fields = [
            ("CallSid", "CA2"),
            ("Direction", "outbound-api"),
            ("CallStatus", status),
            ("CallDuration", duration),
        ];
        assert_eq!(
            call(&[form(TwilioStatus, 1, 0, &fields)]).outcome.as_deref(),
            Some(expected),
            "outbound, {status}"
        );
    }
}

#[test]
fn who_took_the_call_outweighs_who_was_rung_in_vain() {
    let rung = |number, status| twilio(number, 0, TwilioVoice, &[("DialCallStatus", status), ("t", "x")]);
    let over = twilio(9, 9, TwilioStatus, &[("CallStatus", "completed")]);
    for statuses in [["no-answer", "completed"], ["completed", "busy"]] {
        let [first, second] = statuses;
        let call = call(&[rung(1, first), rung(2, second), over.clone()]);
        assert_eq!(call.outcome.as_deref(), Some("answered"), "{statuses:?}");
    }
}

#[test]
fn on_twilio_whoever_the_line_has_not_hung_up_on_hung_up() {
    for (ends, after_the_end, outcome) in
        [(true, false, "missed"), (false, false, "abandoned"), (true, true, "abandoned")]
    {
        let status = if after_the_end { "completed" } else { "in-progress" };
        let mut said = twilio(1, 0, TwilioVoice, &[("CallStatus", status)]);
        said.decision = serde_json::json!({ "version": 0, "ends": ends });
        let over = twilio(2, 9, TwilioStatus, &[("CallStatus", "completed")]);
        assert_eq!(call(&[said.clone(), over.clone()]).outcome.as_deref(), Some(outcome));
        assert_eq!(call(&[over, said]).outcome.as_deref(), Some(outcome));
    }
}

#[test]
fn a_status_never_goes_back_and_an_odd_one_is_kept() {
    for (case, statuses, expected, ended) in [
        ("late ringing", vec!["completed", "ringing"], "completed", true),
        ("odd", vec!["ringing", "warbling"], "warbling", false),
        ("odd is not the end", vec!["warbling", "in-progress"], "in-progress", false),
        ("no word at all", vec!["ringing", "<b>"], "ringing", false),
        ("empty", vec![""], "unknown", false),
    ] {
        let events: Vec<_> = (1..)
            .zip(&statuses)
            .map(|(number, status)| twilio(number, 0, TwilioStatus, &[("CallStatus", status)]))
            .collect();
        let call = call(&events);
        assert_eq!((call.status.as_str(), call.ended), (expected, ended), "{case}");
    }
}

/// One callback of any kind, with odd values among the usual ones.
fn callback() -> impl Strategy<Value = (bool, i64, Vec<(&'static str, String)>)> {
    let word = |words: &'static [&'static str]| prop::sample::select(words).prop_map(str::to_owned);
    let field = prop_oneof![
        word(&["ringing", "in-progress", "completed", "busy", "no-answer", "odd\0"])
            .prop_map(|v| ("CallStatus", v)),
        word(&["0", "1", "2", "x"]).prop_map(|v| ("SequenceNumber", v)),
        word(&["inbound", "outbound-dial"]).prop_map(|v| ("Direction", v)),
        word(&["+14155550100", "anonymous", "sip:a@example.com"]).prop_map(|v| ("From", v)),
        word(&["5", "61", "-1", "x"]).prop_map(|v| ("CallDuration", v)),
        word(&["0", "3", "9", "-1"]).prop_map(|v| ("RecordingDuration", v)),
        word(&["RE1", "RE2"]).prop_map(|v| ("RecordingSid", v)),
        word(&["completed", "no-answer"]).prop_map(|v| ("DialCallStatus", v)),
        word(&["CA9", "CA1"]).prop_map(|v| ("ParentCallSid", v)),
        word(&["Caller", "Callee"]).prop_map(|v| ("HangupSource", v)),
        word(&["USER_BUSY", "NORMAL"]).prop_map(|v| ("HangupCause", v)),
        "[a\0]{0,3}".prop_map(|v| ("TranscriptionText", v)),
    ];
    (any::<bool>(), 0..60_i64, prop::collection::vec(field, 0..6))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn every_order_of_the_callbacks_ends_in_the_same_row(
        callbacks in prop::collection::vec(callback(), 1..10),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
    ) {
        let events: Vec<Kept> = (1..).zip(&callbacks).map(|(number, (voice, second, fields))| {
            let mut all = vec![("CallSid", "CA1")];
            all.extend(fields.iter().map(|(name, value)| (*name, value.as_str())));
            // What tells two callbacks of one call apart; the inbox keeps one of each.
            let apart = number.to_string();
            all.push(("Apart", &apart));
            let mut event = form(if *voice { TwilioVoice } else { TwilioStatus }, number, *second, &all);
            event.external_id = format!("CA1:{number}");
            event
        }).collect();
        let ordered = call(&events);
        let mut shuffled: Vec<Kept> = order.iter().map(|index| index.get(&events).clone()).collect();
        shuffled.extend(events.iter().rev().cloned());
        let row = call(&shuffled);
        prop_assert_eq!(&row, &ordered);
        prop_assert!(!format!("{row:?}").contains("\\0"), "PostgreSQL has no place for NUL");
        prop_assert_eq!(row.outcome.is_some(), row.ended);
    }
}
