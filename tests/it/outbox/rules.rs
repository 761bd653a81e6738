//! What is asked before each text.

use std::time::Duration;

use super::*;
use crate::house::{PLIVO_ACCOUNT, TWILIO_ACCOUNT};

/// A text that comes in, and is worked on.
async fn write(house: &House, provider: &str, id: &str, words: &str) {
    let ask = if provider == "twilio" {
        let fields = [
            ("MessageSid", id),
            ("AccountSid", TWILIO_ACCOUNT),
            ("From", CALLER),
            ("To", LINE),
            ("Body", words),
            ("SmsStatus", "received"),
        ];
        Ask::post("/webhooks/twilio/sms").form(&fields).by_twilio()
    } else {
        let fields = [
            ("MessageUUID", id),
            ("From", &CALLER[1..]),
            ("To", &LINE[1..]),
            ("Type", "sms"),
            ("Text", words),
        ];
        Ask::post("/webhooks/plivo/sms").form(&fields).by_plivo()
    };
    assert_eq!(house.ask(&ask).await.status, 200);
    house.app.work_once().await.unwrap();
}

/// A delivery report with an error, worked on.
async fn report(house: &House, provider: &str, id: &str, code: &str) {
    let ask = if provider == "twilio" {
        let fields = [
            ("MessageSid", id),
            ("AccountSid", TWILIO_ACCOUNT),
            ("From", LINE),
            ("To", CALLER),
            ("MessageStatus", "undelivered"),
            ("ErrorCode", code),
        ];
        Ask::post("/webhooks/twilio/status").form(&fields).by_twilio()
    } else {
        let fields = [
            ("MessageUUID", id),
            ("ParentAuthID", PLIVO_ACCOUNT),
            ("From", &LINE[1..]),
            ("To", &CALLER[1..]),
            ("Status", "undelivered"),
            ("ErrorCode", code),
        ];
        Ask::post("/webhooks/plivo/sms").form(&fields).by_plivo()
    };
    assert_eq!(house.ask(&ask).await.status, 200);
    house.app.work_once().await.unwrap();
}

async fn a2p(house: &House) -> Vec<bool> {
    let sql = "SELECT coalesce((settings->>'a2p')::boolean, false) FROM lines ORDER BY provider DESC";
    sqlx::query_scalar(sql).fetch_all(&house.db).await.unwrap()
}

#[tokio::test]
async fn f2_after_stop_no_text_leaves_but_one_confirmation_within_five_minutes() {
    for provider in ["twilio", "plivo"] {
        let (carriers, house) = open().await;
        owe(&house, text(provider, "before", CALLER, "flow", "before")).await;
        write(&house, provider, "m1", "STOP").await;
        for (key, reason) in [("agent", "agent"), ("missed", "missed"), ("notice", "notice")] {
            owe(&house, text(provider, key, CALLER, reason, key)).await;
        }
        send(&house).await;
        for key in ["before", "agent", "missed", "notice"] {
            assert_eq!(
                state(&house, key).await,
                is("refused", "opted_out"),
                "{key}, asked right before the send"
            );
        }
        assert!(carriers.asked().is_empty());
        owe(&house, text(provider, "confirm", CALLER, "confirmation", "You will get no more texts.")).await;
        owe(&house, text(provider, "again", CALLER, "confirmation", "You will get no more texts.")).await;
        send(&house).await;
        send_later(&house, Duration::from_secs(1)).await;
        assert_eq!(carriers.words().len(), 1);
        let mut states = [state(&house, "confirm").await, state(&house, "again").await];
        states.sort();
        assert_eq!(states, [is("done", None), is("refused", "confirmed")]);

        write(&house, provider, "m2", "START").await;
        owe(&house, text(provider, "after", CALLER, "flow", "after")).await;
        send_later(&house, Duration::from_secs(1)).await;
        assert_eq!(carriers.words()[1], "after", "it is lifted");
        // A confirmation that comes too late.
        write(&house, provider, "m3", "stop").await;
        owe(&house, text(provider, "late", CALLER, "confirmation", "late")).await;
        send_later(&house, Duration::from_secs(301)).await;
        assert_eq!(state(&house, "late").await, is("refused", "too_late"));
        house.close().await;
    }
}

#[tokio::test]
async fn f2_a_word_that_nobody_has_worked_on_yet_is_waited_for() {
    let (carriers, house) = open().await;
    let fields = [
        ("MessageSid", "m1"),
        ("AccountSid", TWILIO_ACCOUNT),
        ("From", CALLER),
        ("To", LINE),
        ("Body", "stop"),
    ];
    house.ask(&Ask::post("/webhooks/twilio/sms").form(&fields).by_twilio()).await;
    house.clock.advance(Duration::from_secs(6));
    owe_text(&house, "k").await;
    send(&house).await;
    assert_eq!((state(&house, "k").await, carriers.words().len()), (is("waiting", "ledger_behind"), 0));
    house.app.work_once().await.unwrap();
    send_later(&house, Duration::from_secs(5)).await;
    assert_eq!((state(&house, "k").await, carriers.words().len()), (is("refused", "opted_out"), 0));
    house.close().await;
}

#[tokio::test]
async fn f7_errors_of_the_providers_are_opt_outs_too() {
    // Told when the text is sent.
    let (carriers, house) = open().await;
    owe_text(&house, "one").await;
    carriers.fail([Some(Fault::Status(400, Some(21610), None))]);
    send(&house).await;
    assert_eq!(state(&house, "one").await, is("refused", "opted_out"));
    assert_eq!(tries(&house, "one").await, outcomes(&["refused"]));
    assert_eq!(house.app.work_once().await.unwrap(), 1, "it is kept as an event, so that a rebuild has it");
    let row: (String, String, bool, String) =
        sqlx::query_as("SELECT line, contact, opted_out, reason FROM opt_outs")
            .fetch_one(&house.db)
            .await
            .unwrap();
    assert_eq!(row, (LINE.to_owned(), CALLER.to_owned(), true, "error".to_owned()));
    assert_eq!(house.event().await.signed_by, "recovered");
    carriers.asked();
    owe_text(&house, "two").await;
    send_later(&house, Duration::from_secs(1)).await;
    assert_eq!((state(&house, "two").await, carriers.asked().len()), (is("refused", "opted_out"), 0));
    house.close().await;

    // Told by a delivery report.
    for (provider, code) in [("twilio", "30004"), ("twilio", "21610"), ("plivo", "200")] {
        let (carriers, house) = open().await;
        report(&house, provider, "m1", code).await;
        owe(&house, text(provider, "k", CALLER, "flow", "k")).await;
        send(&house).await;
        assert_eq!(state(&house, "k").await, is("refused", "opted_out"), "{provider} {code}");
        assert!(carriers.asked().is_empty());
        house.close().await;
    }
}

#[tokio::test]
async fn f6_an_opt_out_reaches_all_lines_unless_the_line_is_set_otherwise() {
    let (carriers, house) = open().await;
    write(&house, "plivo", "m1", "STOP").await;
    let other = "UPDATE lines SET number = '+14155550111' WHERE provider = 'twilio'";
    sqlx::query(other).execute(&house.db).await.unwrap();
    let mut owed = text("twilio", "account", CALLER, "flow", "account");
    owed["line"] = "+14155550111".into();
    owe(&house, owed.clone()).await;
    send(&house).await;
    assert_eq!(state(&house, "account").await, is("refused", "opted_out"));
    let set = r#"UPDATE lines SET settings = '{"opt_out_scope": "line"}'"#;
    sqlx::query(set).execute(&house.db).await.unwrap();
    owed["key"] = "line".into();
    owe(&house, owed).await;
    send(&house).await;
    assert_eq!((state(&house, "line").await, carriers.words().len()), (is("done", None), 1));
    house.close().await;
}

#[tokio::test]
async fn f8_five_automated_texts_to_a_contact_in_an_hour() {
    let (carriers, house) = open().await;
    for number in 0..7 {
        owe_text(&house, &format!("k{number}")).await;
    }
    for _ in 0..8 {
        send_later(&house, Duration::from_secs(1)).await;
    }
    assert_eq!(carriers.words().len(), 5);
    let refused: i64 = sqlx::query_scalar("SELECT count(*) FROM outbox WHERE why = 'hourly_cap'")
        .fetch_one(&house.db)
        .await
        .unwrap();
    assert_eq!(refused, 2);
    // Their delivery reports are the same texts, not five others.
    for taken in carriers.twilio() {
        report(&house, "twilio", &taken.id, "30003").await;
    }
    owe(&house, text("twilio", "owner", OWNER, "notice", "notice")).await;
    send_later(&house, Duration::from_secs(1)).await;
    assert_eq!(state(&house, "owner").await, is("done", None), "another one's");
    house.clock.advance(Duration::from_hours(1));
    owe_text(&house, "next").await;
    send(&house).await;
    assert_eq!(state(&house, "next").await, is("done", None), "another hour");
    house.close().await;
}

#[tokio::test]
async fn f8_replies_that_were_sent_otherwise_count_and_nobody_texts_what_is_nobody() {
    let (carriers, house) = open().await;
    for number in 0..5 {
        report(&house, "twilio", &format!("SMreply{number}"), "30003").await;
    }
    owe_text(&house, "k").await;
    send(&house).await;
    assert_eq!(state(&house, "k").await, is("refused", "hourly_cap"));
    for (key, to) in
        [("short", "20202"), ("name", "ACME"), ("anonymous", "anonymous"), ("emergency", "+1911")]
    {
        owe(&house, text("twilio", key, to, "flow", key)).await;
        send(&house).await;
        assert_eq!(state(&house, key).await, is("refused", "not_a_number_to_text"), "{to}");
    }
    owe(&house, text("twilio", "own", LINE, "flow", "own")).await;
    send(&house).await;
    assert_eq!(state(&house, "own").await, is("refused", "own_line"));
    assert!(carriers.asked().is_empty());
    house.close().await;
}

#[tokio::test]
async fn f9_by_night_a_text_waits_for_the_morning_unless_it_answers() {
    let (carriers, house) = open().await;
    house.clock.advance(Duration::from_hours(12)); // midnight
    owe(&house, text("twilio", "k", CALLER, "missed", "Sorry we missed you")).await;
    owe(&house, text("plivo", "east", "+12125550123", "flow", "east")).await;
    send(&house).await;
    assert_eq!(state(&house, "k").await, is("waiting", "quiet_hours"));
    let due: chrono::DateTime<chrono::Utc> =
        sqlx::query_scalar("SELECT due_at FROM outbox WHERE key = 'k'").fetch_one(&house.db).await.unwrap();
    assert_eq!(due.to_rfc3339(), "2026-11-16T16:00:00+00:00");
    assert_eq!(
        send_later(&house, Duration::from_hours(7)).await,
        0,
        "seven here, ten in New York: eight in both"
    );
    assert_eq!(send_later(&house, Duration::from_hours(1)).await, 2);
    assert_eq!(carriers.words().len(), 2);

    // A call, or a text, of the last ten minutes is answered.
    house.clock.advance(Duration::from_hours(16)); // midnight again
    write(&house, "twilio", "m1", "Are you there?").await;
    house.clock.advance(Duration::from_mins(9));
    owe_text(&house, "answer").await;
    send(&house).await;
    assert_eq!(state(&house, "answer").await, is("done", None));
    house.clock.advance(Duration::from_mins(2));
    owe_text(&house, "later").await;
    send(&house).await;
    assert_eq!(state(&house, "later").await, is("waiting", "quiet_hours"));
    let call = [
        ("CallSid", "CA1"),
        ("AccountSid", TWILIO_ACCOUNT),
        ("CallStatus", "ringing"),
        ("From", CALLER),
        ("To", LINE),
    ];
    house.ask(&Ask::post("/webhooks/twilio/voice").form(&call).by_twilio()).await;
    house.app.work_once().await.unwrap();
    owe(&house, text("twilio", "call", CALLER, "missed", "call")).await;
    send(&house).await;
    assert_eq!(state(&house, "call").await, is("done", None));
    house.close().await;
}

#[tokio::test]
async fn f9_no_text_back_from_a_line_that_is_not_registered_and_error_30034_says_that_it_is_not() {
    // Told when a text is sent.
    let (carriers, house) = open().await;
    owe_text(&house, "k").await;
    carriers.fail([Some(Fault::Status(400, Some(30034), None))]);
    send(&house).await;
    assert_eq!(state(&house, "k").await, is("dead", "30034"));
    assert_eq!(a2p(&house).await, [false, true], "that line of that provider");
    owe(&house, text("twilio", "missed", CALLER, "missed", "missed")).await;
    assert_eq!(send_later(&house, Duration::from_hours(1)).await, 1, "the other is not tried again");
    assert_eq!(state(&house, "missed").await, is("refused", "not_registered"));
    assert!(carriers.words().is_empty());
    house.close().await;

    // Told by a delivery report, once.
    let (carriers, house) = open().await;
    report(&house, "twilio", "SM1", "30034").await;
    send(&house).await;
    assert_eq!(a2p(&house).await, [false, true]);
    let set = r#"UPDATE lines SET settings = '{"a2p": true}'"#;
    sqlx::query(set).execute(&house.db).await.unwrap();
    let again = "INSERT INTO event_work (event_id, due_at) SELECT id, received_at FROM events";
    sqlx::query(again).execute(&house.db).await.unwrap();
    assert_eq!(house.app.work_once().await.unwrap(), 1, "a replay");
    assert_eq!(send(&house).await, 0);
    assert_eq!(a2p(&house).await, [true, true], "whoever registered the line since is not undone");
    assert!(carriers.asked().is_empty());
    house.close().await;
}
