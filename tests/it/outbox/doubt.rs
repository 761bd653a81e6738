//! Texts of which nobody knows whether they were taken: one that comes twice is worse than one that comes late.

use std::time::Duration;

use super::*;

/// Longer than a claim, and than the wait after a failure.
const LEASE: Duration = Duration::from_mins(3);

#[tokio::test]
async fn a_kill_between_a_text_and_its_record_sends_no_second_one() {
    for provider in ["twilio", "plivo"] {
        let (carriers, house) = open().await;
        owe(&house, text(provider, "k", CALLER, "flow", "hello")).await;
        carriers.fail([Some(Fault::DoneAndSilent)]);
        tokio::select! {
            _ = house.app.send_once() => panic!("it waits for the answer"),
            () = carriers.stuck() => {}
        }
        assert_eq!((carriers.words().len(), state(&house, "k").await), (1, is("waiting", None)));
        assert_eq!(send(&house).await, 0, "whoever had it may still be at it");
        assert_eq!(send_later(&house, LEASE).await, 1);
        assert_eq!((carriers.words().len(), state(&house, "k").await), (1, is("done", None)), "{provider}");
        let id: String =
            sqlx::query_scalar("SELECT provider_id FROM outbox").fetch_one(&house.db).await.unwrap();
        let taken = carriers.twilio().into_iter().chain(carriers.plivo()).next().unwrap();
        assert_eq!(id, taken.id);
        assert_eq!(tries(&house, "k").await, [None, Some("found".to_owned())], "the first was cut off");
        house.close().await;
    }
}

#[tokio::test]
async fn a_kill_before_the_text_was_sent_delays_it_only() {
    let (carriers, house) = open().await;
    owe_text(&house, "k").await;
    // As a process leaves it that dies between its note and the request.
    let sql = "UPDATE outbox SET claims = 1, tries = 1, doubt_since = due_at, due_at = due_at + interval '2 minutes'";
    sqlx::query(sql).execute(&house.db).await.unwrap();
    assert_eq!(send_later(&house, Duration::from_secs(119)).await, 0);
    send_later(&house, Duration::from_secs(1)).await;
    assert_eq!((carriers.words().len(), state(&house, "k").await), (1, is("done", None)));
    house.close().await;
}

#[tokio::test]
async fn lost_answers_and_errors_are_looked_up_before_a_text_is_sent_again() {
    for (case, fault, sent_at_once) in [
        ("cut after it was taken", Fault::DoneAndCut, 1),
        ("cut before", Fault::Cut, 0),
        ("an error after it was taken", Fault::DoneAndStatus(500), 1),
        ("an error before", Fault::Status(503, None, Some(10)), 0),
    ] {
        for provider in ["twilio", "plivo"] {
            let (carriers, house) = open().await;
            owe(&house, text(provider, "k", CALLER, "flow", "hello")).await;
            carriers.fail([Some(fault.clone())]);
            send(&house).await;
            assert_eq!(carriers.words().len(), sent_at_once, "{case} {provider}");
            assert_eq!(state(&house, "k").await, is("waiting", "in_doubt"), "{case} {provider}");
            assert_eq!(send_later(&house, Duration::from_secs(29)).await, 0, "a list may need a moment");
            carriers.asked();
            send_later(&house, Duration::from_secs(10)).await;
            assert_eq!(carriers.asked()[0].method, "GET", "{case} {provider}");
            assert_eq!(
                (carriers.words().len(), state(&house, "k").await),
                (1, is("done", None)),
                "{case} {provider}"
            );
            house.close().await;
        }
    }
}

#[tokio::test]
async fn while_the_list_cannot_be_read_nothing_is_sent() {
    let (carriers, house) = open().await;
    owe_text(&house, "k").await;
    carriers.fail([Some(Fault::Cut)]);
    send(&house).await;
    carriers.fail(vec![Some(Fault::Status(503, None, None)); 3]);
    for _ in 0..3 {
        send_later(&house, LEASE).await;
        assert_eq!((carriers.words().len(), state(&house, "k").await), (0, is("waiting", "in_doubt")));
    }
    send_later(&house, LEASE).await;
    assert_eq!((carriers.words().len(), state(&house, "k").await), (1, is("done", None)));
    // And if it never can, the text is given up: that it was not sent is not known either.
    owe_text(&house, "never").await;
    carriers.fail([Some(Fault::Cut)]);
    send(&house).await;
    carriers.fail(vec![Some(Fault::Status(503, None, None)); 8]);
    for _ in 0..8 {
        send_later(&house, Duration::from_hours(1)).await;
    }
    assert_eq!(state(&house, "never").await, is("dead", "in_doubt"));
    assert_eq!(carriers.words().len(), 1);
    house.close().await;
}

#[tokio::test]
async fn of_two_equal_texts_each_is_found_or_sent_by_itself() {
    for provider in ["twilio", "plivo"] {
        let (carriers, house) = open().await;
        for key in ["one", "two", "three"] {
            owe(&house, text(provider, key, CALLER, "flow", "the same")).await;
        }
        carriers.fail([Some(Fault::DoneAndCut)]);
        send(&house).await;
        carriers.fail([Some(Fault::Cut)]);
        send_later(&house, Duration::from_secs(1)).await;
        send_later(&house, Duration::from_secs(1)).await;
        for _ in 0..6 {
            send_later(&house, LEASE).await;
        }
        let ids: Vec<String> =
            sqlx::query_scalar("SELECT DISTINCT provider_id FROM outbox WHERE state = 'done'")
                .fetch_all(&house.db)
                .await
                .unwrap();
        assert_eq!((ids.len(), carriers.words().len()), (3, 3), "{provider}");
        house.close().await;
    }
}

#[tokio::test]
async fn the_list_is_read_to_its_end() {
    for provider in ["twilio", "plivo"] {
        let (carriers, house) = open().await;
        owe(&house, text(provider, "k", CALLER, "flow", "hello")).await;
        carriers.fail([Some(Fault::DoneAndCut)]);
        send(&house).await;
        // Others of the line push it off the first page.
        for number in 0..4 {
            owe(&house, text(provider, &format!("o{number}"), CALLER, "notice", "other")).await;
            send_later(&house, Duration::from_secs(1)).await;
        }
        assert_eq!(carriers.words().len(), 5);
        send_later(&house, LEASE).await;
        assert_eq!((state(&house, "k").await, carriers.words().len()), (is("done", None), 5), "{provider}");
        house.close().await;
    }
}
