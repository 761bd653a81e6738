//! Why a signature did not match is found out and stored; its sender learns nothing of it.

use std::collections::BTreeSet;

use tokio::process::Command;

use crate::house::{House, PLIVO_TOKEN, STRIPE_SECRET, TWILIO_ACCOUNT, TWILIO_TOKEN};
use crate::wire::Ask;

fn call() -> Ask {
    Ask::post("/webhooks/twilio/voice").form(&[("AccountSid", TWILIO_ACCOUNT), ("CallSid", "CA1")])
}

#[tokio::test]
async fn the_operator_learns_what_would_have_matched_and_the_sender_nothing() {
    let house = House::open().await;
    let mut told = BTreeSet::new();
    let mut first = String::new();
    for ask in [
        call()
            .by_twilio_with(TWILIO_TOKEN, "https://api.example.com")
            .header("X-Forwarded-Host", "api.example.com"),
        call().by_twilio_with(PLIVO_TOKEN, "https://line.example.com"),
        call().by_twilio_with("nobody's", "https://line.example.com"),
    ] {
        let reply = house.ask(&ask).await;
        let request = reply.json()["request_id"].as_str().unwrap().to_owned();
        told.insert(reply.problem_but_for_its_ids().to_string());
        if first.is_empty() {
            first = request;
        }
    }
    assert_eq!(told.len(), 1, "each gets the same body: {told:?}");
    let causes: Vec<_> = house.rejections(3).await.into_iter().map(|rejection| rejection.cause).collect();
    for words in [
        "it would match if PUBLIC_URL were https://api.example.com",
        "it would match if TWILIO_AUTH_TOKEN held a value that stands in PLIVO_AUTH_TOKEN",
        "none of ",
    ] {
        assert!(causes.iter().any(|cause| cause.contains(words)), "{words}: {causes:?}");
    }

    let mut command = Command::new(env!("CARGO_BIN_EXE_smartline"));
    command.args(["explain", &first]).env_clear().env("DATABASE_URL", house.database.url().await);
    let output = command.current_dir(std::env::temp_dir()).output().await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("signature_mismatch") && text.contains("PUBLIC_URL were https://api.example.com"),
        "{text}"
    );
    for secret in [TWILIO_TOKEN, PLIVO_TOKEN, STRIPE_SECRET] {
        assert!(!format!("{text}{causes:?}").contains(secret));
    }
    house.close().await;
}

#[tokio::test]
async fn a_flood_is_not_looked_into() {
    let house = House::open().await;
    for _ in 0..10 {
        house.ask(&call().by_twilio_with("nobody's", "https://line.example.com")).await;
    }
    let rejections = house.rejections(10).await;
    let explained =
        rejections.iter().filter(|rejection| rejection.cause.contains("variants matches")).count();
    assert_eq!(explained, 6, "so many a minute");
    house.close().await;
}
