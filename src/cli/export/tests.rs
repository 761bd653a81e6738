use std::sync::{Arc, Mutex};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde_json::json;
use tokio::{net::TcpListener, task::JoinSet};

use super::*;
use crate::cli::standin::Still;

/// How the service was asked.
type Asked = Arc<Mutex<Vec<String>>>;

/// Three pages: of the first it says to wait, the second found nothing in what it looked at.
async fn answer(State(asked): State<Asked>, uri: Uri, headers: HeaderMap) -> Response {
    if headers["authorization"] != "Bearer right" {
        return (StatusCode::FORBIDDEN, Json(json!({"code": "scope_missing", "scope": "read"})))
            .into_response();
    }
    let before = asked.lock().unwrap().len();
    asked.lock().unwrap().push(uri.to_string());
    let row =
        |id: u32, text: &str| json!({"id": format!("call_{id}"), "note": text, "n": null, "list": [1, 2]});
    let page = match before {
        0 => return (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "1")], "").into_response(),
        1 => json!({"data": [row(9, "plain"), row(8, "a \"b\", c\nd")], "has_more": true}),
        2 => json!({"data": [], "has_more": true, "partial": true, "next": "call_5"}),
        _ => json!({"data": [row(4, "")], "has_more": false}),
    };
    Json(page).into_response()
}

/// How an export with these options ends, what it prints, and what it asks for.
async fn exported(key: &str, options: &[&str]) -> (Result<(), Error>, String, Vec<String>) {
    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }
    let line = ["export", "calls", "--filter", "outcome=missed"].iter().chain(options);
    let args = <Line as clap::Parser>::try_parse_from(line).unwrap().args;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let asked = Asked::default();
    let router = Router::new().fallback(answer).with_state(Arc::clone(&asked));
    let mut server = JoinSet::new();
    server.spawn(async move { axum::serve(listener, router).await.unwrap() });
    let client = Client::new(&origin).unwrap();
    let (key, columns) = (key.to_owned(), Vec::new());
    let mut export = Export { args, client, key, clock: &Still, after: None, columns, written: 0 };
    let mut out = Vec::new();
    let ended = export.pages(&mut out).await;
    let asked = asked.lock().unwrap().clone();
    (ended, String::from_utf8(out).unwrap(), asked)
}

#[tokio::test]
async fn it_goes_from_page_to_page_and_waits_where_it_must() {
    let (ended, text, asked) = exported("right", &["--format", "csv"]).await;
    ended.unwrap();
    let expected = [
        "id,note,n,list",
        "call_9,plain,,\"[1,2]\"",
        "call_8,\"a \"\"b\"\", c\nd\",,\"[1,2]\"",
        "call_4,,,\"[1,2]\"\n",
    ];
    assert_eq!(text, expected.join("\n"));
    let first = "/api/v1/calls?outcome=missed&limit=100";
    let after = |id: &str| format!("{first}&starting_after={id}");
    assert_eq!(asked, [first.to_owned(), first.to_owned(), after("call_8"), after("call_5")]);
    let (_, text, asked) = exported("right", &["--limit", "1"]).await;
    assert_eq!((text.lines().count(), asked.len()), (1, 2));
    assert!(text.starts_with(r#"{"id":"call_9""#), "{text}");
}

#[tokio::test]
async fn a_refusal_says_why() {
    let (ended, text, _) = exported("wrong", &[]).await;
    assert_eq!(ended.unwrap_err().to_string(), "the service refuses: 403 scope_missing, read");
    assert_eq!(text, "");
}
