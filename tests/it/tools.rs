//! `smartline status`, `guide`, `completions`, `man` and `openapi`, as somebody types them.

use serde_json::{Value, json};

use crate::house::{House, TWILIO_ACCOUNT};
use crate::setup::{command, consoles::Consoles, text};
use crate::wire::Ask;

#[tokio::test]
async fn status_and_guide_tell_what_came_and_what_is_set() {
    let (consoles, house, folder) =
        (Consoles::open().await, House::open().await, tempfile::tempdir().unwrap());
    let voice = [("CallSid", "CA1"), ("AccountSid", TWILIO_ACCOUNT), ("CallStatus", "ringing")];
    house.ask(&Ask::post("/webhooks/twilio/voice").form(&voice).by_twilio()).await;
    let url = house.database.url().await;
    let database = [("DATABASE_URL", url.as_str())];
    let output = command(&consoles, folder.path(), &["status", "--json"], &database).await;
    let status: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
    assert_eq!((&status["pending"], &status["dead_letters"]), (&json!(1), &json!(0)), "{status}");
    assert_eq!(status["endpoints"].as_array().unwrap().len(), 7);
    let output = command(&consoles, folder.path(), &["status"], &database).await;
    assert!(text(&output.stdout).contains("dead letters     0"), "{}", text(&output.stdout));

    consoles.twilio_number("PN1", "+14155550142", json!({}));
    let output = command(&consoles, folder.path(), &["guide"], &database).await;
    let guide = text(&output.stdout);
    for words in [
        "`https://line.example.com/webhooks/stripe`",
        "- [ ] number +14155550142: to be set are VoiceUrl",
        "- [x] `TWILIO_AUTH_TOKEN`",
    ] {
        assert!(guide.contains(words), "{words}: {guide}");
    }
    let output = command(&consoles, folder.path(), &["guide", "--offline"], &[]).await;
    assert!(text(&output.stdout).contains("was not asked"));
    house.close().await;
}

#[tokio::test]
async fn what_a_migration_would_do_is_told_first() {
    let (consoles, house, folder) =
        (Consoles::open().await, House::open().await, tempfile::tempdir().unwrap());
    let url = house.database.url().await;
    let database = [("DATABASE_URL", url.as_str())];
    let told = async |arguments: &[&str]| -> Value {
        let output = command(&consoles, folder.path(), arguments, &database).await;
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)))
    };
    let again = told(&["migrate", "--json"]).await;
    assert_eq!((&again["applied"], &again["missing"]), (&json!([]), &json!([])), "{again}");
    assert!(again["room_until"].is_string(), "{again}");

    sqlx::query("DELETE FROM _sqlx_migrations WHERE version IN (1, 3)").execute(&house.db).await.unwrap();
    for _ in 0..2 {
        let dry = told(&["migrate", "--dry-run", "--json"]).await;
        assert_eq!((&dry["applied"], &dry["room_until"]), (&json!([]), &json!(null)), "{dry}");
        assert_eq!(dry["missing"].as_array().unwrap().len(), 2, "{dry}");
        assert!(dry["missing"][0].as_str().unwrap().starts_with("0001 "), "{dry}");
    }
    sqlx::query("DROP TABLE _sqlx_migrations").execute(&house.db).await.unwrap();
    let dry = told(&["migrate", "--dry-run", "--json"]).await;
    assert!(dry["missing"].as_array().unwrap().len() > 10, "where nothing was ever applied: {dry}");
    house.close().await;
}

#[tokio::test]
async fn pages_and_completions_name_every_command() {
    let (consoles, folder) = (Consoles::open().await, tempfile::tempdir().unwrap());
    for (arguments, code, says) in [
        (&["completions", "bash"][..], 0, "explain"),
        (&["completions", "zsh"], 0, "#compdef smartline"),
        (&["completions", "fish"], 0, "dead-letters"),
        (&["completions", "csh"], 2, "bash, zsh, fish"),
        (&["man"], 0, ".TH smartline"),
        (&["man", "setup"], 0, "\\-\\-fallback\\-url"),
        (&["man", "setop"], 2, "near it is 'setup'"),
        (&["openapi"], 0, "\"openapi\": \"3.1"),
    ] {
        let output = command(&consoles, folder.path(), arguments, &[]).await;
        let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(says), "{arguments:?}: {said}");
    }
}
