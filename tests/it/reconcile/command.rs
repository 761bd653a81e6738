//! `smartline reconcile`, as somebody types it.

use std::process::Output;

use serde_json::{Value, json};
use tokio::process::Command;

use super::providers::STRIPE_KEY;
use super::rows::twilio_call;
use super::{HOUR, count, open};
use crate::house::{House, PLIVO_TOKEN, TWILIO_ACCOUNT, TWILIO_TOKEN};
use crate::wire::Ask;

/// The command, with these variables besides the database.
async fn command(house: &House, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smartline"));
    command.arg("reconcile").args(arguments).env_clear().envs(variables.iter().copied());
    command.env("DATABASE_URL", house.database.url().await).current_dir(std::env::temp_dir());
    let output = command.output().await.unwrap();
    let all = [&output.stdout[..], &output.stderr].concat();
    let all = String::from_utf8_lossy(&all);
    for secret in [STRIPE_KEY, TWILIO_TOKEN, PLIVO_TOKEN] {
        assert!(!all.contains(secret), "{all}");
    }
    output
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn the_command_says_what_it_lacks_and_never_what_it_has() {
    let (providers, house) = open().await;
    let base = ("STRIPE_API_BASE", providers.base.as_str());
    let tokens = [("TWILIO_AUTH_TOKEN", TWILIO_TOKEN), ("PLIVO_AUTH_TOKEN", PLIVO_TOKEN)];
    for (variables, arguments, code, said) in [
        (
            &[][..],
            &[][..],
            1,
            "error: nobody can be asked: stripe is left out: STRIPE_API_KEY is not set; twilio is left out: \
             TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN are not set; plivo is left out: PLIVO_AUTH_ID and \
             PLIVO_AUTH_TOKEN are not set\n",
        ),
        (
            &tokens[..],
            &["--provider", "plivo"],
            1,
            "error: nobody can be asked: plivo is left out: PLIVO_AUTH_ID is not set\n",
        ),
        (&[], &["--since", "31d"], 2, "error: --since may be 30 days ago at most: providers list no more\n"),
        (
            &[("STRIPE_API_KEY", "rk_live_revoked"), base],
            &["--provider", "stripe"],
            1,
            "error: stripe events of live: it does not take STRIPE_API_KEY (401); the next run goes on there\n",
        ),
        (&[("STRIPE_API_KEY", STRIPE_KEY), base], &["--provider", "stripe"], 0, ""),
    ] {
        let output = command(&house, variables, arguments).await;
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(code), said), "{arguments:?}");
    }
    let output =
        command(&house, &[("STRIPE_API_KEY", STRIPE_KEY), ("STRIPE_API_BASE", "http://sl.example")], &[]);
    assert!(text(&output.await.stderr).contains("STRIPE_API_BASE: is http"));
    house.close().await;
}

#[tokio::test]
async fn a_dry_run_tells_what_is_missing_and_changes_nothing() {
    let (providers, house) = open().await;
    // The command has the machine's own clock.
    let now: i64 =
        sqlx::query_scalar("SELECT extract(epoch FROM now())::bigint").fetch_one(&house.db).await.unwrap();
    providers.add("Calls.json", now - HOUR, twilio_call("CA1", "completed", now - HOUR));
    let voice = [("CallSid", "CA1"), ("AccountSid", TWILIO_ACCOUNT), ("CallStatus", "ringing")];
    house.ask(&Ask::post("/webhooks/twilio/voice").form(&voice).by_twilio()).await;
    house.app.work_once().await.unwrap();
    let variables = [
        ("TWILIO_ACCOUNT_SID", TWILIO_ACCOUNT),
        ("TWILIO_AUTH_TOKEN", &format!("00000000000000000000000000000000,{TWILIO_TOKEN}")),
        ("TWILIO_API_BASE", &providers.base),
    ];
    let output = command(&house, &variables, &["--dry-run"]).await;
    let table = text(&output.stdout);
    assert!(table.contains("twilio CA1: ringing here, completed there\n"), "{table}");
    let notes = text(&output.stderr);
    assert!(
        notes.contains("note: plivo is left out: PLIVO_AUTH_ID and PLIVO_AUTH_TOKEN are not set"),
        "{notes}"
    );
    assert!(notes.ends_with("nothing was taken in: this was a dry run\n"), "{notes}");
    assert_eq!((count(&house, "events").await, count(&house, "reconcile_cursors").await), (1, 0));
    let output = command(&house, &variables, &["--json", "--since", "36h"]).await;
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["lists"][0]["taken_in"], 1, "{report}");
    assert_eq!(
        report["left_out"][1],
        json!({"provider": "plivo", "missing": ["PLIVO_AUTH_ID", "PLIVO_AUTH_TOKEN"]})
    );
    assert_eq!(count(&house, "events").await, 2);
    house.close().await;
}
