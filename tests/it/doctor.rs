//! `smartline doctor`, as somebody types it: with a real database and local consoles.

use serde_json::{Value, json};

use crate::house::{House, ORIGIN};
use crate::setup::{command, consoles::Consoles, text};

/// Codes and levels of what was found.
fn found(stdout: &[u8]) -> Vec<String> {
    let report: Value =
        serde_json::from_slice(stdout).unwrap_or_else(|fault| panic!("{fault}: {}", text(stdout)));
    let checks = report["checks"].as_array().unwrap();
    checks.iter().filter_map(|check| check["code"].as_str().map(str::to_owned)).collect()
}

#[tokio::test]
async fn drift_at_the_providers_is_found_and_setup_mends_it() {
    let (consoles, folder) = (Consoles::open().await, tempfile::tempdir().unwrap());
    consoles.twilio_number("PN1", "+14155550142", json!({}));
    consoles.twilio_number(
        "PN2",
        "+14155550144",
        json!({"voice_application_sid": "AP9", "sms_application_sid": "AP9"}),
    );
    consoles.plivo_number("14155550143", None);
    let look = ["doctor", "--only", "providers", "--json"];
    let output = command(&consoles, folder.path(), &look, &[]).await;
    assert_eq!(
        found(&output.stdout),
        ["E220", "W210", "W211", "W211", "W230", "W231"],
        "{}",
        text(&output.stdout)
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(!text(&output.stdout).contains("4155550142"), "numbers are masked");

    command(&consoles, folder.path(), &["setup", "--all", "--apply", "--all-numbers"], &[]).await;
    let output = command(&consoles, folder.path(), &look, &[]).await;
    assert_eq!(found(&output.stdout), ["W211", "W211"], "{}", text(&output.stdout));
    assert_eq!(output.status.code(), Some(0));

    consoles
        .held
        .lock()
        .unwrap()
        .endpoints
        .values_mut()
        .for_each(|endpoint| endpoint["status"] = json!("disabled"));
    for (more, code) in [
        (("PUBLIC_URL", ORIGIN), "E221"),
        (("STRIPE_API_KEY", "rk_test_revoked"), "E201"),
        (("STRIPE_API_BASE", "http://127.0.0.1:9"), "E202"),
    ] {
        let output = command(&consoles, folder.path(), &["doctor", "--only", code], &[more]).await;
        assert!(
            text(&output.stdout).contains(&format!("[{code}]\n      effect: ")),
            "{}",
            text(&output.stdout)
        );
        assert_eq!(output.status.code(), Some(1));
    }
}

#[tokio::test]
async fn the_database_is_looked_at_and_nothing_is_asked_offline() {
    let (consoles, house, folder) =
        (Consoles::open().await, House::open().await, tempfile::tempdir().unwrap());
    let url = house.database.url().await;
    let database = ("DATABASE_URL", url.as_str());
    let look = ["doctor", "--only", "database", "--json"];
    let output = command(&consoles, folder.path(), &look, &[database]).await;
    let codes = found(&output.stdout);
    // The cluster of the tests does without fsync, and its clock is the tests' own.
    assert!(
        !codes.iter().any(|code| ["E401", "E402", "E403", "E404", "W409"].contains(&code.as_str())),
        "{codes:?}"
    );

    sqlx::query(
        "INSERT INTO event_work (event_id, due_at, dead_at) VALUES (gen_random_uuid(), now(), now())",
    )
    .execute(&house.db)
    .await
    .unwrap();
    sqlx::query("DELETE FROM _sqlx_migrations WHERE version = 2").execute(&house.db).await.unwrap();
    let output = command(&consoles, folder.path(), &look, &[database]).await;
    assert!(found(&output.stdout).contains(&"E403".to_owned()));
    let away = ("DATABASE_URL", "postgres://nobody:hunter2@127.0.0.1:9/nothing");
    let output = command(&consoles, folder.path(), &look, &[away]).await;
    assert_eq!((found(&output.stdout), output.status.code()), (vec!["E401".to_owned()], Some(1)));
    assert!(!text(&output.stdout).contains("hunter2"));

    let output = command(&consoles, folder.path(), &["doctor", "--offline", "--json"], &[away]).await;
    assert!(!found(&output.stdout).iter().any(|code| code.starts_with("E4") || code.starts_with("E2")));
    house.close().await;
}

#[tokio::test]
async fn a_code_is_explained_and_a_slip_gets_a_suggestion() {
    let (consoles, folder) = (Consoles::open().await, tempfile::tempdir().unwrap());
    for (arguments, code, says) in [
        (&["doctor", "--explain", "w211"][..], 0, "W211  A TwiML app stands in"),
        (&["check", "--explain", "W21"], 2, "near it is W21"),
        (&["doctor", "--only", "databse"], 2, "near it is 'database'"),
        (&["doctor", "--offline", "--support"], 1, "```text\nsmartline 0."),
    ] {
        let output = command(&consoles, folder.path(), arguments, &[]).await;
        let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(says), "{arguments:?}: {said}");
    }
}
