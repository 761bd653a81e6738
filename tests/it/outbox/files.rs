//! Recordings and pictures: fetched from where they may be, kept for as long as they may, and then gone on both sides.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::house::{PLIVO_ACCOUNT, TWILIO_ACCOUNT};

/// Of the words `of twilio`.
const SHA256: &str = "710510c1c636701371692f0542c4d396084181158dd38c7c71f1c8b520ff642c";

/// A house with a folder for files.
async fn furnished() -> (Carriers, House, TempDir) {
    let carriers = Carriers::open().await;
    let folder = tempfile::tempdir().unwrap();
    let media = folder.path().join("media");
    let house = House::build(plan(&carriers).set("SMARTLINE_MEDIA_DIR", media.display().to_string())).await;
    carriers.follow(&house.clock);
    (carriers, house, folder)
}

fn twilio_path(rest: &str) -> String {
    format!("/2010-04-01/Accounts/{TWILIO_ACCOUNT}/{rest}")
}

fn plivo_path(rest: &str) -> String {
    format!("/v1/Account/{PLIVO_ACCOUNT}/{rest}")
}

fn recording(provider: &str, id: &str, url: &str) -> Value {
    json!({
        "kind": "fetch_recording", "key": format!("recording:{id}"), "provider": provider, "call": format!("{provider}:c"),
        "url": url, "recording_id": id, "keep_days": 90,
    })
}

fn picture(key: &str, url: &str) -> Value {
    json!({"kind": "fetch_media", "key": key, "provider": "twilio", "message": "twilio:MM1", "url": url})
}

/// The files that are there, with their content.
fn files(folder: &Path) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(folder.join("media"));
    let entries = entries.into_iter().flatten().map(|entry| entry.unwrap().path());
    entries.map(|path| std::fs::read(path).unwrap()).collect()
}

#[tokio::test]
async fn f12_a_recording_is_kept_for_its_time_and_then_deleted_here_and_at_its_provider() {
    let (carriers, house, folder) = furnished().await;
    let (twilio, plivo) = (twilio_path("Recordings/RE1"), plivo_path("Recording/r1.mp3"));
    let media = twilio_path("Messages/MM1/Media/ME1");
    carriers.put(&format!("{twilio}.mp3"), "audio/mpeg", "of twilio");
    carriers.put(&plivo, "audio/mpeg", "of plivo");
    carriers.put(&media, "image/png", "a picture");
    let url = |path: &str| format!("{}{path}", carriers.base);
    owe(&house, recording("twilio", "RE1", &url(&twilio))).await;
    owe(&house, recording("plivo", "r1", &url(&plivo))).await;
    owe(&house, picture("picture", &url(&media))).await;
    assert_eq!(send(&house).await, 3);
    let mut found = files(folder.path());
    found.sort();
    assert_eq!(found, [b"a picture".to_vec(), b"of plivo".to_vec(), b"of twilio".to_vec()]);
    for entry in std::fs::read_dir(folder.path().join("media")).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(entry.file_name().to_str().unwrap().starts_with("media_"), "our name, not theirs");
    }
    let row: (String, String, i64, String) = sqlx::query_as(
        "SELECT state, about, bytes, encode(sha256, 'hex') FROM media WHERE external_id = 'RE1'",
    )
    .fetch_one(&house.db)
    .await
    .unwrap();
    assert_eq!((row.0.as_str(), row.1.as_str(), row.2), ("stored", "twilio:c", 9));
    assert_eq!(row.3, SHA256);

    eventually("ready", || async { (house.ask(&Ask::get("/readyz")).await.status == 200).then_some(()) })
        .await;
    house.clock.advance(Duration::from_hours(90 * 24 - 1));
    house.app.keep_up().await;
    assert_eq!((files(folder.path()).len(), send(&house).await), (3, 0), "not yet");
    house.clock.advance(Duration::from_hours(1));
    house.app.keep_up().await;
    assert_eq!(files(folder.path()).len(), 0);
    assert_eq!(send(&house).await, 3);
    assert!(!carriers.has(&format!("{twilio}.mp3")) && !carriers.has(&plivo) && !carriers.has(&media));
    let states: Vec<(String, String)> =
        sqlx::query_as("SELECT DISTINCT state, url FROM media").fetch_all(&house.db).await.unwrap();
    assert_eq!(states, [("deleted".to_owned(), String::new())]);
    house.app.keep_up().await;
    assert_eq!(send(&house).await, 0, "once");
    house.close().await;
}

#[tokio::test]
async fn f12_without_a_folder_nothing_is_fetched_and_the_time_of_a_recording_ends_all_the_same() {
    let (carriers, house) = open().await;
    let path = twilio_path("Recordings/RE1");
    carriers.put(&format!("{path}.mp3"), "audio/mpeg", "words");
    owe(&house, recording("twilio", "RE1", &format!("{}{path}", carriers.base))).await;
    send(&house).await;
    assert!(carriers.asked().is_empty());
    let row: String = sqlx::query_scalar("SELECT state FROM media").fetch_one(&house.db).await.unwrap();
    assert_eq!((row.as_str(), state(&house, "recording:RE1").await), ("referenced", is("done", None)));
    eventually("ready", || async { (house.ask(&Ask::get("/readyz")).await.status == 200).then_some(()) })
        .await;
    house.clock.advance(Duration::from_hours(90 * 24));
    house.app.keep_up().await;
    send(&house).await;
    assert!(!carriers.has(&format!("{path}.mp3")));
    house.close().await;
}

#[tokio::test]
async fn f23_nothing_is_fetched_from_elsewhere_and_no_token_goes_there() {
    let (carriers, house, folder) = furnished().await;
    let elsewhere = Carriers::open().await;
    elsewhere.put("/store/x", "image/png", "bait");
    let (other, own) = (&elsewhere.base, &carriers.base);
    let port = own.rsplit(':').next().unwrap();
    for (key, url) in [
        ("another port", format!("{other}/store/x")),
        ("another name", format!("http://localhost:{port}/store/x")),
        ("user info", format!("http://user:secret@127.0.0.1:{port}/store/x")),
        ("metadata", "http://169.254.169.254/latest/meta-data/".to_owned()),
        ("a file", "file:///etc/passwd".to_owned()),
        ("plain http", "http://api.twilio.com/x".to_owned()),
        ("no address", "::".to_owned()),
    ] {
        owe(&house, picture(key, &url)).await;
    }
    send(&house).await;
    let dead: Vec<String> =
        sqlx::query_scalar("SELECT DISTINCT why FROM outbox WHERE state = 'dead' ORDER BY 1")
            .fetch_all(&house.db)
            .await
            .unwrap();
    assert_eq!(dead, ["host_not_allowed", "not_an_address"]);
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM outbox WHERE state <> 'dead'")
        .fetch_one(&house.db)
        .await
        .unwrap();
    assert_eq!(left, 0);
    assert!(elsewhere.asked().is_empty() && carriers.asked().is_empty());

    // Sent elsewhere by the provider itself: to a store of its own without the token, once, and nowhere else.
    carriers.put("/store/x", "image/png", "a picture");
    let media = format!("{own}{}", twilio_path("Messages/MM1/Media/ME1"));
    carriers.fail([Some(Fault::Redirect(format!("{other}/store/x")))]);
    owe(&house, picture("sent away", &media)).await;
    send(&house).await;
    assert_eq!(state(&house, "sent away").await, is("dead", "redirect_not_allowed"));
    assert!(elsewhere.asked().is_empty());
    carriers.asked();
    carriers.fail([Some(Fault::Redirect("/store/x".to_owned()))]);
    owe(&house, picture("sent on", &media)).await;
    send(&house).await;
    assert_eq!(state(&house, "sent on").await, is("done", None));
    let asked = carriers.asked();
    assert_eq!(asked.iter().map(|asked| asked.authorization.is_some()).collect::<Vec<_>>(), [true, false]);
    assert_eq!(asked[1].target, "/store/x");
    assert_eq!(files(folder.path()), [b"a picture"]);
    carriers
        .fail([Some(Fault::Redirect("/store/x".to_owned())), Some(Fault::Redirect("/store/x".to_owned()))]);
    owe(&house, picture("sent twice", &media)).await;
    send(&house).await;
    assert_eq!(state(&house, "sent twice").await, is("dead", "redirected_twice"));
    house.close().await;
}

#[tokio::test]
async fn f23_size_and_type_are_bounded_and_nothing_is_left_of_what_is_refused() {
    let (carriers, house, folder) = furnished().await;
    for (key, media_type, bytes, expected) in [
        ("page", "text/html", 10, Some("type_not_allowed")),
        ("drawing", "application/xml", 10, Some("type_not_allowed")),
        ("none", "", 10, Some("type_not_allowed")),
        ("large", "image/png", (16 << 20) + 1, Some("too_large")),
        ("just", "image/png", 16 << 20, None),
    ] {
        let path = twilio_path(&format!("Messages/MM1/Media/{key}"));
        carriers.put(&path, media_type, vec![0; bytes]);
        owe(&house, picture(key, &format!("{}{path}", carriers.base))).await;
        send(&house).await;
        let expected = expected.map_or(is("done", None), |why| is("dead", why));
        assert_eq!(state(&house, key).await, expected, "{key}");
    }
    assert_eq!(files(folder.path()).len(), 1);
    house.close().await;
}

#[tokio::test]
async fn a_file_that_is_not_there_yet_or_breaks_off_is_fetched_later() {
    let (carriers, house, folder) = furnished().await;
    let path = twilio_path("Recordings/RE1");
    owe(&house, recording("twilio", "RE1", &format!("{}{path}", carriers.base))).await;
    send(&house).await;
    assert_eq!(state(&house, "recording:RE1").await, is("waiting", "failed"), "404");
    carriers.put(&format!("{path}.mp3"), "audio/mpeg", "words");
    carriers.fail([Some(Fault::Cut), Some(Fault::Status(503, None, Some(300)))]);
    send_later(&house, Duration::from_secs(20)).await;
    send_later(&house, Duration::from_secs(40)).await;
    assert_eq!(send_later(&house, Duration::from_secs(299)).await, 0, "it asked for five minutes");
    send_later(&house, Duration::from_secs(1)).await;
    assert_eq!(state(&house, "recording:RE1").await, is("done", None));
    assert_eq!(tries(&house, "recording:RE1").await, outcomes(&["failed", "failed", "failed", "done"]));
    assert_eq!(files(folder.path()), [b"words"]);
    house.close().await;
}

#[tokio::test]
async fn f12_a_recording_is_kept_for_as_long_as_the_line_of_its_call_says() {
    let (_carriers, house) = open().await;
    sqlx::query(r#"UPDATE lines SET settings = '{"keep_recordings_days": 7}'"#)
        .execute(&house.db)
        .await
        .unwrap();
    house.lines_changed().await;
    // Twilio's callback of a recording names neither side of the call.
    let call = [
        ("CallSid", "CA1"),
        ("AccountSid", TWILIO_ACCOUNT),
        ("From", CALLER),
        ("To", LINE),
        ("CallStatus", "ringing"),
    ];
    let url = format!("https://api.twilio.com{}", twilio_path("Recordings/RE1"));
    let ready = [
        ("CallSid", "CA1"),
        ("AccountSid", TWILIO_ACCOUNT),
        ("RecordingSid", "RE1"),
        ("RecordingUrl", &url),
        ("RecordingStatus", "completed"),
        ("RecordingDuration", "9"),
    ];
    for (path, fields) in [("/webhooks/twilio/voice", &call[..]), ("/webhooks/twilio/status", &ready)] {
        assert_eq!(house.ask(&Ask::post(path).form(fields).by_twilio()).await.status, 200);
    }
    while house.app.work_once().await.unwrap() > 0 {}
    let days = "SELECT (owed->>'keep_days')::int FROM outbox WHERE kind = 'fetch_recording'";
    let days: Vec<i32> = sqlx::query_scalar(days).fetch_all(&house.db).await.unwrap();
    assert_eq!(days, [7]);
    house.close().await;
}
