use std::sync::{Arc, Mutex};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use tokio::{net::TcpListener, task::JoinSet};

use super::*;
use crate::cli::standin::{Fault, Standin, Still};

/// A service that breaks its stream off after two events, and tells how it was asked.
#[derive(Clone, Default)]
struct Service(Arc<Mutex<Vec<String>>>);

const FORM: &str = "AccountSid=AC1&CallSid=CA1&From=%2B14155550142";

fn event(number: u32) -> Value {
    json!({
        "id": format!("event_{number}"), "received_at": "2026-11-15T12:00:00Z", "endpoint": "twilio/voice",
        "type": "twilio.voice", "subject": "CA1", "signed_by": "TWILIO_AUTH_TOKEN[0]", "flags": [],
    })
}

async fn answer(State(service): State<Service>, uri: Uri, headers: HeaderMap) -> Response {
    let header =
        |name: &str| headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default().to_owned();
    service.0.lock().unwrap().push(format!("{uri} {}", header("last-event-id")).trim().to_owned());
    if header("authorization") != "Bearer right" {
        return (StatusCode::UNAUTHORIZED, Json(json!({"code": "key_required"}))).into_response();
    }
    if let Some(id) = uri.path().strip_prefix("/api/v1/events/event_") {
        let mut event = event(id.parse().unwrap());
        event["path"] = "/webhooks/twilio/voice".into();
        event["headers"] = json!([["Content-Type", "application/x-www-form-urlencoded"]]);
        event["body"] = json!({"bytes": FORM.len(), "text": FORM, "base64": STANDARD.encode(FORM)});
        event["answer"] =
            json!({"bytes": 11, "text": "<Response/>", "status": 200, "content_type": "text/xml"});
        return Json(event).into_response();
    }
    let first =
        header("last-event-id").strip_prefix("event_").map_or(1, |last| last.parse::<u32>().unwrap() + 1);
    let mut text = ": SmartLine\nretry: 1\n\n".to_owned();
    for number in first..first + 2 {
        text = format!(
            "{text}id: event_{number}\nevent: event.kept\ndata: {}\n\n: still here\n\n",
            event(number)
        );
    }
    ([("content-type", "text/event-stream")], format!("{text}: the service stops\nretry: 1\n\n"))
        .into_response()
}

struct Running {
    origin: String,
    asked: Service,
    _server: JoinSet<()>,
}

async fn service() -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (origin, asked) = (format!("http://{}", listener.local_addr().unwrap()), Service::default());
    let router = Router::new().fallback(answer).with_state(asked.clone());
    let mut server = JoinSet::new();
    server.spawn(async move { axum::serve(listener, router).await.unwrap() });
    Running { origin, asked, _server: server }
}

/// What `smartline tail` prints with these options.
async fn tail(
    service: &Running,
    key: &str,
    options: &[&str],
    forward: Option<Forward>,
) -> Result<String, Error> {
    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }
    let line = ["tail"].iter().chain(options);
    let args = <Line as clap::Parser>::try_parse_from(line).unwrap().args;
    let mut out = Vec::new();
    let client = Client::new(&service.origin).unwrap();
    let path = path(&args, &Still)?;
    let mut tail = Tail {
        args,
        client,
        key: key.to_owned(),
        path,
        forward,
        clock: &Still,
        last: None,
        seen: 0,
        pause: PAUSE,
    };
    tail.watch(&mut out).await?;
    Ok(String::from_utf8(out).unwrap())
}

#[tokio::test]
async fn it_comes_back_where_it_was_and_ends_after_so_many() {
    let service = service().await;
    let text =
        tail(&service, "right", &["--limit", "3", "--filter", "provider=twilio", "--since", "10m"], None)
            .await
            .unwrap();
    let ids: Vec<_> = text.lines().map(|line| line.split_whitespace().nth(3).unwrap()).collect();
    assert_eq!(ids, ["event_1", "event_2", "event_3"], "{text}");
    let asked = service.asked.0.lock().unwrap();
    let query = "/api/v1/stream?provider=twilio&created%5Bgte%5D=2025-10-09T08%3A43%3A20%2B00%3A00";
    assert_eq!(*asked, [query.to_owned(), format!("{query} event_2")]);
}

#[tokio::test]
async fn bodies_answers_and_json() {
    let service = service().await;
    let text = tail(&service, "right", &["--limit", "1", "--body", "--response"], None).await.unwrap();
    for words in ["    AccountSid=AC1&CallSid=CA1", "answered 200 text/xml", "    <Response/>"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let text = tail(&service, "right", &["--limit", "1", "--json"], None).await.unwrap();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), event(1));
}

#[tokio::test]
async fn a_refusal_ends_it() {
    let service = service().await;
    let error = tail(&service, "wrong", &[], None).await.unwrap_err().to_string();
    assert_eq!(error, "the service refuses: 401 key_required");
    assert!(matches!(tail(&service, "right", &["--filter", "provider"], None).await, Err(Error::Usage(_))));
}

#[tokio::test]
async fn what_is_handed_on_is_signed_for_the_other_service() {
    let (service, local) = (service().await, Standin::start(Fault::None).await);
    let forward = Forward {
        client: Client::new(&local.origin).unwrap(),
        target: local.target(),
        known: Standin::known(),
    };
    let text = tail(&service, "right", &["--limit", "1"], Some(forward)).await.unwrap();
    assert!(text.lines().nth(1).unwrap().contains(&format!("→ {}  200", local.origin)), "{text}");
    assert!(text.lines().all(|line| line.contains("event_1")), "on both lines: {text}");
    assert_eq!(local.taken.lock().unwrap().keys().next().unwrap(), FORM.as_bytes());
    let forward = Forward {
        client: Client::new(&local.origin).unwrap(),
        target: local.target(),
        known: Known::only([]),
    };
    let text = tail(&service, "right", &["--limit", "1"], Some(forward)).await.unwrap();
    assert!(text.contains("not handed on: TWILIO_AUTH_TOKEN is not set"), "{text}");
}
