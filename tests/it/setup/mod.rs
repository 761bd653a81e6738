//! `smartline setup`, as somebody types it, against local consoles.

pub(crate) mod consoles;

use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::house::{ORIGIN, PLIVO_ACCOUNT, PLIVO_TOKEN, TWILIO_ACCOUNT, TWILIO_APP, TWILIO_TOKEN};
use consoles::{Consoles, SECRET, STRIPE_KEY, twiml_app};

/// The command in that folder, with the keys of all providers.
pub(crate) async fn command(
    consoles: &Consoles,
    folder: &Path,
    arguments: &[&str],
    more: &[(&str, &str)],
) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smartline"));
    command.args(arguments).env_clear().current_dir(folder).envs([
        ("PUBLIC_URL", ORIGIN),
        ("STRIPE_API_KEY", STRIPE_KEY),
        ("TWILIO_ACCOUNT_SID", TWILIO_ACCOUNT),
        ("TWILIO_AUTH_TOKEN", TWILIO_TOKEN),
        ("PLIVO_AUTH_ID", PLIVO_ACCOUNT),
        ("PLIVO_AUTH_TOKEN", PLIVO_TOKEN),
    ]);
    for name in ["STRIPE_API_BASE", "TWILIO_API_BASE", "PLIVO_API_BASE"] {
        command.env(name, &consoles.base);
    }
    let output = command.envs(more.iter().copied()).output().await.unwrap();
    let all = format!("{}{}", text(&output.stdout), text(&output.stderr));
    for secret in [STRIPE_KEY, TWILIO_TOKEN, PLIVO_TOKEN] {
        assert!(!all.contains(secret), "{all}");
    }
    output
}

pub(crate) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[tokio::test]
async fn a_plan_changes_nothing_and_apply_does_what_it_showed() {
    let (consoles, folder) = (Consoles::open().await, folder());
    consoles.twilio_number("PN1", "+14155550142", json!({}));
    consoles.plivo_number("14155550143", None);
    consoles.held.lock().unwrap().apps.extend([twiml_app()]);
    let app = [("TWILIO_APP_SID", TWILIO_APP)];

    let output = command(&consoles, folder.path(), &["setup", "--all"], &app).await;
    assert_eq!((output.status.code(), consoles.changes()), (Some(0), Vec::new()), "{}", text(&output.stderr));
    let plan = text(&output.stdout);
    for words in [
        "+ endpoint https://line.example.com/webhooks/stripe",
        "https://old.example/voice → https://line.example.com/webhooks/twilio/voice",
        "+ application SmartLine",
        "~ number +14155550143",
    ] {
        assert!(plan.contains(words), "{words}: {plan}");
    }

    let output = command(&consoles, folder.path(), &["setup", "--all", "--apply"], &app).await;
    assert_eq!(
        (output.status.code(), consoles.changes()),
        (Some(2), Vec::new()),
        "which numbers must be said"
    );

    let output =
        command(&consoles, folder.path(), &["setup", "--all", "--apply", "--all-numbers"], &app).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains(&format!("STRIPE_WEBHOOK_SECRET={SECRET}\n")), "shown once");
    {
        let held = consoles.held.lock().unwrap();
        let endpoint = held.endpoints.values().next().unwrap();
        assert_eq!(endpoint["url"], format!("{ORIGIN}/webhooks/stripe"));
        assert_eq!(endpoint["enabled_events"].as_array().unwrap().len(), 6);
        assert_eq!(endpoint["api_version"], "2025-03-31.basil");
        for row in [&held.numbers["PN1"], &held.apps[TWILIO_APP]] {
            assert_eq!(row["voice_url"], format!("{ORIGIN}/webhooks/twilio/voice"));
            assert_eq!(row["voice_method"], "POST");
            assert_eq!(row["status_callback"], format!("{ORIGIN}/webhooks/twilio/status"));
            assert_eq!(row["sms_url"], format!("{ORIGIN}/webhooks/twilio/sms"));
            assert_eq!(row["voice_fallback_url"], format!("{ORIGIN}/webhooks/twilio/voice"));
        }
        let (id, application) = held.applications.iter().next().unwrap();
        assert_eq!(application["message_url"], format!("{ORIGIN}/webhooks/plivo/sms"));
        assert!(
            held.plivo_numbers["14155550143"]["application"].as_str().unwrap().ends_with(&format!("/{id}/"))
        );
    }
    consoles.changes();

    // The same again changes nothing.
    let output =
        command(&consoles, folder.path(), &["setup", "--all", "--apply", "--all-numbers"], &app).await;
    assert_eq!((output.status.code(), consoles.changes()), (Some(0), Vec::new()), "{}", text(&output.stdout));
    let journal = std::fs::read_to_string(folder.path().join("smartline-setup.jsonl")).unwrap();
    assert!(!journal.contains(SECRET) && journal.contains("https://old.example/voice"), "{journal}");
}

#[tokio::test]
async fn undo_puts_back_what_stood_there_and_leaves_what_others_changed() {
    let (consoles, folder) = (Consoles::open().await, folder());
    consoles.twilio_number("PN1", "+14155550142", json!({}));
    consoles.twilio_number("PN2", "+14155550144", json!({}));
    consoles
        .held
        .lock()
        .unwrap()
        .applications
        .insert("77".to_owned(), json!({"app_id": "77", "app_name": "other"}));
    consoles.plivo_number("14155550143", Some("77"));
    command(&consoles, folder.path(), &["setup", "--all", "--apply", "--all-numbers"], &[]).await;
    consoles.held.lock().unwrap().numbers.get_mut("PN2").unwrap()["sms_url"] =
        json!("https://someone.example");
    consoles.changes();

    let output = command(&consoles, folder.path(), &["setup", "--undo"], &[]).await;
    assert_eq!((output.status.code(), consoles.changes()), (Some(0), Vec::new()), "{}", text(&output.stderr));
    let output = command(&consoles, folder.path(), &["setup", "--undo", "--apply", "--json"], &[]).await;
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["left"].as_array().unwrap().len(), 1, "{report}");
    {
        let held = consoles.held.lock().unwrap();
        assert_eq!((held.endpoints.len(), held.applications.len()), (0, 1), "what was made is gone");
        assert_eq!(held.numbers["PN1"]["voice_url"], "https://old.example/voice");
        assert_eq!(
            (&held.numbers["PN1"]["voice_method"], &held.numbers["PN1"]["sms_url"]),
            (&json!("GET"), &json!(""))
        );
        assert_eq!(held.numbers["PN2"]["voice_url"], format!("{ORIGIN}/webhooks/twilio/voice"));
        assert!(held.plivo_numbers["14155550143"]["application"].as_str().unwrap().ends_with("/77/"));
    }
    consoles.changes();
    command(&consoles, folder.path(), &["setup", "--undo", "--apply"], &[]).await;
    assert_eq!(consoles.changes(), Vec::<String>::new(), "once is enough");
}

#[tokio::test]
async fn an_endpoint_is_mended_and_what_overrides_is_told() {
    let (consoles, folder) = (Consoles::open().await, folder());
    consoles.twilio_number("PN1", "+14155550142", json!({"voice_application_sid": "AP9"}));
    consoles.twilio_number("PN2", "+14155550144", json!({"trunk_sid": "TK1"}));
    let url = format!("{ORIGIN}/webhooks/stripe");
    consoles.held.lock().unwrap().endpoints.insert(
        "we_1".to_owned(),
        json!({"id": "we_1", "url": url, "status": "disabled", "enabled_events": ["*"], "api_version": null}),
    );
    let file = folder.path().join(".env");
    std::fs::write(&file, "A=1").unwrap();
    let output = command(
        &consoles,
        folder.path(),
        &[
            "setup",
            "stripe",
            "twilio",
            "--number",
            "+1 415 555 0142",
            "--number",
            "PN2",
            "--apply",
            "--env-file",
            ".env",
        ],
        &[],
    )
    .await;
    let plan = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    for words in ["[W211]", "the TwiML app AP9", "[W212]", "the trunk TK1", "[W224]"] {
        assert!(plan.contains(words), "{words}: {plan}");
    }
    let held = consoles.held.lock().unwrap();
    assert_eq!(
        (
            &held.endpoints["we_1"]["status"],
            held.endpoints["we_1"]["enabled_events"].as_array().unwrap().len()
        ),
        (&json!("enabled"), 6)
    );
    for number in ["PN1", "PN2"] {
        assert_eq!(held.numbers[number]["voice_url"], "https://old.example/voice", "nobody asks it");
        assert_eq!(held.numbers[number]["sms_url"], format!("{ORIGIN}/webhooks/twilio/sms"));
    }
    assert_eq!(std::fs::read_to_string(file).unwrap(), "A=1", "an endpoint that was there shows no secret");
}

#[tokio::test]
async fn the_secret_goes_into_the_file_and_an_interruption_loses_nothing() {
    let (consoles, folder) = (Consoles::open().await, folder());
    std::fs::write(folder.path().join("vars"), "A=1").unwrap();
    let output =
        command(&consoles, folder.path(), &["setup", "stripe", "--apply", "--env-file", "vars"], &[]).await;
    assert!(!text(&output.stdout).contains(SECRET));
    assert_eq!(
        std::fs::read_to_string(folder.path().join("vars")).unwrap(),
        format!("A=1\nSTRIPE_WEBHOOK_SECRET={SECRET}\n")
    );

    for number in ["+14155550142", "+14155550144"] {
        consoles.twilio_number(&format!("PN{number}"), number, json!({}));
    }
    consoles.changes();
    consoles.held.lock().unwrap().breaks_after = Some(1);
    let output =
        command(&consoles, folder.path(), &["setup", "twilio", "--apply", "--all-numbers"], &[]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("it answered 500 (20500); 1 change made before it, 1 left"),
        "{}",
        text(&output.stderr)
    );
    consoles.held.lock().unwrap().breaks_after = None;
    consoles.changes();
    command(&consoles, folder.path(), &["setup", "twilio", "--apply", "--all-numbers"], &[]).await;
    assert_eq!(consoles.changes().len(), 1, "the one that was left");
}

#[tokio::test]
async fn what_cannot_work_ends_before_anything_is_changed() {
    let (consoles, folder) = (Consoles::open().await, folder());
    let none = [
        ("STRIPE_API_KEY", ""),
        ("TWILIO_ACCOUNT_SID", ""),
        ("TWILIO_AUTH_TOKEN", ""),
        ("PLIVO_AUTH_ID", ""),
        ("PLIVO_AUTH_TOKEN", ""),
    ];
    for (arguments, more, code, says) in [
        (
            &["setup", "--all"][..],
            &none[..],
            1,
            "stripe: STRIPE_API_KEY is not set; twilio: TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN are not set",
        ),
        (
            &["setup", "stripe", "twilio"],
            &none[..1],
            1,
            "stripe: STRIPE_API_KEY is not set; nothing was changed",
        ),
        (
            &["setup", "stripe"],
            &[("PUBLIC_URL", "http://127.0.0.1:8080")],
            1,
            "is this machine: no provider can call it",
        ),
        (&["setup", "stripe", "--url", "http://line.example.com"], &[], 1, "is http"),
        (&["setup", "stripe"], &[("PUBLIC_URL", "")], 1, "PUBLIC_URL is not set"),
        (
            &["setup", "stripe"],
            &[("STRIPE_API_KEY", "rk_test_revoked")],
            1,
            "it does not take STRIPE_API_KEY (401); nothing was changed",
        ),
        (
            &["setup", "stripe"],
            &[("STRIPE_API_BASE", "http://127.0.0.1:9")],
            1,
            "no answer from http://127.0.0.1:9: Connection refused",
        ),
        (
            &["setup", "stripe", "--test-mode"],
            &[("STRIPE_API_KEY", "rk_live_1")],
            1,
            "STRIPE_API_KEY is a live key",
        ),
        (&["setup", "twilio", "--test-mode"], &[], 1, "twilio has no test mode"),
        (&["setup", "--undo"], &[], 1, "cannot read the journal"),
        (&["setup"], &[], 2, "<PROVIDER>"),
        (&["setup", "twillio"], &[], 2, "twilio"),
    ] {
        let arguments =
            [arguments, if code == 1 && arguments.len() > 1 { &["--apply"][..] } else { &[] }].concat();
        let output = command(&consoles, folder.path(), &arguments, more).await;
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(says), "{arguments:?}: {said}");
    }
    assert_eq!(consoles.changes(), Vec::<String>::new());
    let output = command(&consoles, folder.path(), &["setup", "--documents"], &[]).await;
    assert_eq!(text(&output.stdout).matches("<Response>").count(), 2, "{}", text(&output.stdout));
}
