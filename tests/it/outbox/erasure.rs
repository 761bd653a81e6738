//! Somebody is erased: nothing of them is left in any table, nothing brings them back, and they are still not written to.

use super::*;
use crate::api::ADMIN;
use crate::house::{PLIVO_ACCOUNT, TWILIO_ACCOUNT};
use crate::worker::smartline;

/// What must be nowhere: their number, name and words, as they are and as bytes show them.
const THEIRS: [&str; 5] = ["14155550123", "Lovelace", "LOVELACE", "secret words", "spoken message"];

/// The tables that have any of it.
async fn traces(house: &House) -> Vec<String> {
    let tables = "SELECT relname::text FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace
                  AND NOT relispartition ORDER BY 1";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&house.db).await.unwrap();
    let mut found = Vec::new();
    for table in tables {
        for needle in THEIRS {
            let bytes: String = needle.bytes().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
            let sql = format!(
                "SELECT count(*) FROM {table} t
                 WHERE position('{needle}' IN to_jsonb(t)::text) > 0 OR position('{bytes}' IN to_jsonb(t)::text) > 0"
            );
            let rows: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&house.db).await.unwrap();
            if rows > 0 {
                found.push(format!("{table}: {needle}"));
            }
        }
    }
    found
}

async fn totals(house: &House) -> (i64, i64, i64, i64) {
    let sql =
        "SELECT (SELECT count(*) FROM calls), (SELECT count(*) FROM messages), (SELECT count(*) FROM events),
                      (SELECT count(*) FROM calls WHERE outcome = 'voicemail')";
    sqlx::query_as(sql).fetch_one(&house.db).await.unwrap()
}

fn twilio(path: &str, fields: &[(&str, &str)]) -> Ask {
    let fields = [&[("AccountSid", TWILIO_ACCOUNT)], fields].concat();
    Ask::post(&format!("/webhooks/twilio/{path}")).form(&fields).by_twilio()
}

fn first_call(status: &str) -> Ask {
    let fields = [
        ("CallSid", "CA1"),
        ("From", CALLER),
        ("To", LINE),
        ("CallStatus", status),
        ("Direction", "inbound"),
        ("CallerName", "ADA LOVELACE"),
        ("FromCity", "SAN FRANCISCO"),
    ];
    twilio(if status == "ringing" { "voice" } else { "status" }, &fields)
}

fn sms(id: &str, body: &str) -> Ask {
    twilio("sms", &[("MessageSid", id), ("From", CALLER), ("To", LINE), ("Body", body), ("NumMedia", "0")])
}

/// Somebody who called twice, left a message, wrote, and wanted no texts.
async fn lived(carriers: &Carriers, house: &House) {
    let url = format!("{}/2010-04-01/Accounts/{TWILIO_ACCOUNT}/Recordings/RE1", carriers.base);
    let plivo = [
        ("CallUUID", "u1"),
        ("From", &CALLER[1..]),
        ("To", &LINE[1..]),
        ("CallStatus", "ringing"),
        ("Direction", "inbound"),
        ("ALegUUID", "u1"),
        ("AuthID", PLIVO_ACCOUNT),
    ];
    for ask in [
        first_call("ringing"),
        twilio(
            "status",
            &[
                ("CallSid", "CA1"),
                ("RecordingSid", "RE1"),
                ("RecordingUrl", &url),
                ("RecordingDuration", "7"),
                ("RecordingStatus", "completed"),
            ],
        ),
        twilio(
            "status",
            &[("CallSid", "CA1"), ("RecordingSid", "RE1"), ("TranscriptionText", "my spoken message")],
        ),
        first_call("completed"),
        Ask::post("/webhooks/plivo/answer").form(&plivo).by_plivo(),
        Ask::post("/webhooks/plivo/hangup")
            .form(
                &[&plivo[..3], &[("CallStatus", "completed"), ("Event", "Hangup"), ("Duration", "3")]]
                    .concat(),
            )
            .by_plivo(),
        sms("SM1", "Lovelace here, with secret words"),
        sms("SM2", "STOP"),
    ] {
        let reply = house.ask(&ask).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    while house.app.work_once().await.unwrap() > 0 {}
}

async fn erase(house: &House, body: Value) -> Value {
    let ask = Ask::post(&format!("/api/v1/contacts/{CALLER}/erase")).json(body.to_string());
    let reply = house.ask(&ask.header("Authorization", format!("Bearer {ADMIN}"))).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

async fn rebuilt(house: &House) -> Value {
    let output = smartline(house, &["rebuild", "--json"]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

async fn furnished(folder: &std::path::Path) -> (Carriers, House) {
    let carriers = Carriers::open().await;
    let plan = plan(&carriers).set("SMARTLINE_API_KEY", ADMIN);
    let house = House::build(plan.set("SMARTLINE_MEDIA_DIR", folder.display().to_string())).await;
    settle_in(&carriers, &house).await;
    house.app.lines_caught_up().await.unwrap();
    house.knows(&format!("line:{}", uuid::Uuid::nil()), CALLER, Some("Ada Lovelace"), false).await;
    (carriers, house)
}

#[tokio::test]
async fn f26_a_contact_is_exported_and_erased_and_an_opt_out_holds() {
    let folder = tempfile::tempdir().unwrap();
    let (carriers, house) = furnished(folder.path()).await;
    let recording = format!("/2010-04-01/Accounts/{TWILIO_ACCOUNT}/Recordings/RE1.mp3");
    carriers.put(&recording, "audio/mpeg", "a voice");
    lived(&carriers, &house).await;
    let notice = format!("Harbor: missed call from {CALLER}.");
    owe(&house, text("twilio", "notice", OWNER, "notice", &notice)).await;
    let mut owed = text("twilio", "waits", CALLER, "flow", "Hello Ada Lovelace");
    owed["not_before"] = "2030-01-01T00:00:00Z".into();
    owe(&house, owed).await;
    send(&house).await;
    let files = || std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(files(), 1);
    let before = totals(&house).await;
    assert_eq!((before.0, before.1), (2, 2));

    let exported = house
        .ask(
            &Ask::get(&format!("/api/v1/contacts/{CALLER}/export"))
                .header("Authorization", format!("Bearer {ADMIN}")),
        )
        .await
        .json();
    assert_eq!(exported["calls"].as_array().unwrap().len(), 2, "{exported:#}");
    assert_eq!(exported["events"].as_array().unwrap().len(), 8, "{exported:#}");
    assert_eq!(exported["contacts"][0]["name"], "Ada Lovelace");
    let all = exported.to_string();
    for theirs in ["secret words", "my spoken message", "RE1", "STOP"] {
        assert!(all.contains(theirs), "{theirs}: {exported:#}");
    }

    let dry = erase(&house, json!({})).await;
    assert_eq!((dry["dry_run"].as_bool(), dry["found"]["events"].as_u64()), (Some(true), Some(8)), "{dry:#}");
    assert!(!traces(&house).await.is_empty(), "counting changes nothing");

    let done = erase(&house, json!({ "dry_run": false })).await;
    assert_eq!(
        (done["found"]["calls"].as_u64(), done["has_more"].as_bool()),
        (Some(2), Some(false)),
        "{done:#}"
    );
    assert_eq!(traces(&house).await, [""; 0]);
    assert_eq!((totals(&house).await, files()), (before, 0));
    assert_eq!(state(&house, "waits").await, is("cancelled", "erased"));
    send_later(&house, Duration::from_mins(1)).await;
    assert!(!carriers.has(&recording), "nor at the provider");

    let rows = "SELECT jsonb_agg(to_jsonb(t) ORDER BY key) FROM calls t";
    let kept: Value = sqlx::query_scalar(rows).fetch_one(&house.db).await.unwrap();
    let rebuilt = rebuilt(&house).await;
    let made: Value = sqlx::query_scalar(rows).fetch_one(&house.db).await.unwrap();
    assert_eq!(kept, made, "a rebuild makes the same calls");
    for table in rebuilt["tables"].as_array().unwrap() {
        assert_eq!(
            (&table["missing"], &table["extra"], &table["different"]),
            (&json!(0), &json!(0), &json!(0)),
            "{table}"
        );
    }
    assert_eq!(traces(&house).await, [""; 0]);
    let audited: Vec<(String, String)> = sqlx::query_as(
        "SELECT action, subject FROM audit WHERE action LIKE 'contacts.%' ORDER BY action DESC",
    )
    .fetch_all(&house.db)
    .await
    .unwrap();
    assert_eq!(
        audited.iter().map(|(action, _)| action.as_str()).collect::<Vec<_>>(),
        ["contacts.export", "contacts.erase"]
    );
    assert!(audited.iter().all(|(_, subject)| subject.starts_with("sha256:") && *subject == audited[0].1));

    // A copy of an old request is still known as one, and brings nothing back.
    let copy = house.ask(&first_call("ringing")).await;
    assert_eq!((copy.status, totals(&house).await), (200, before));
    assert_eq!(traces(&house).await, [""; 0]);
    let again = erase(&house, json!({ "dry_run": false })).await;
    assert_eq!(
        (again["found"]["events"].as_u64(), again["found"]["hashed_opt_outs"].as_u64()),
        (Some(0), Some(1))
    );

    let sent = carriers.words().len();
    owe_text(&house, "after").await;
    send(&house).await;
    assert_eq!((state(&house, "after").await, carriers.words().len()), (is("refused", "opted_out"), sent));
    let reply = house.ask(&sms("SM3", "are you open?")).await;
    assert!(!reply.text().contains("<Message"), "the desk asks, too: {}", reply.text());
    house.ask(&sms("SM4", "START")).await;
    while house.app.work_once().await.unwrap() > 0 {}
    house.clock.advance(Duration::from_secs(2));
    owe_text(&house, "welcome").await;
    send(&house).await;
    assert_eq!(state(&house, "welcome").await, is("done", None), "who says START is written to again");
    house.close().await;
}

#[tokio::test]
async fn f26_what_is_not_worked_on_and_who_is_on_the_phone_is_not_erased_and_a_line_is_no_contact() {
    let folder = tempfile::tempdir().unwrap();
    let (carriers, house) = furnished(folder.path()).await;
    lived(&carriers, &house).await;
    house.ask(&sms("SM9", "STOP")).await;
    let run = |arguments: Vec<&'static str>| {
        let house = &house;
        async move {
            let output = smartline(house, &arguments).await;
            let (out, notes) =
                (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
            (output.status.code(), out, notes)
        }
    };
    let (code, _, notes) = run(vec!["contact", "erase", CALLER, "--apply"]).await;
    assert!(code == Some(1) && notes.contains("not worked on yet"), "{notes}");
    while house.app.work_once().await.unwrap() > 0 {}
    let ask = Ask::post(&format!("/api/v1/contacts/{CALLER}/erase")).json(r#"{"dry_run":false}"#);
    let ask = ask.header("Authorization", format!("Bearer {ADMIN}"));
    house
        .ask(&twilio(
            "voice",
            &[("CallSid", "CA6"), ("From", CALLER), ("To", LINE), ("CallStatus", "ringing")],
        ))
        .await;
    while house.app.work_once().await.unwrap() > 0 {}
    assert_eq!(house.ask(&ask).await.status, 409);
    let (code, _, notes) = run(vec!["contact", "erase", LINE]).await;
    assert!(code == Some(1) && notes.contains("no contact"), "{notes}");
    let (code, _, _) = run(vec!["contact", "export", "ada"]).await;
    assert_eq!(code, Some(2));
    let (code, out, _) =
        run(vec!["contact", "export", CALLER, "--line", "twilio:+14155550100", "--json"]).await;
    assert!(code == Some(0) && out.contains("CA6"), "{out}");
    house.close().await;
}
