//! What a caller gets when our own code fails. No story from outside can make it fail, so the failure is handed in.

use std::sync::Arc;

use axum::{
    body::to_bytes,
    http::{HeaderMap, Method, StatusCode},
};
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::*;
use crate::{
    config::{AllowLists, Providers, Proxy},
    db::{self, Presence},
    domain::{clock::Clock, verb},
    http::{
        console::shared::Console,
        crowd::Crowd,
        limiter::{FailureLimiter, KeyLimiter},
        state::{Door, Keys, Limits, Shared},
    },
    inbox::{Intake, live::Live, rejections::Rejections},
    lines::{cache::Lines, decision::Decision, desk::Desk, turns::Patience},
    metrics::Metrics,
    provider::{Body, Endpoint, Received, Unsigned, explain::Secrets, twilio::Twilio, verify},
};

struct SetClock;

impl Clock for SetClock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(1_760_000_000, 0).unwrap()
    }
}

fn keys() -> TokenKeys {
    TokenKeys::new(&[SecretString::from("throw-away")])
}

/// A state whose database is nowhere: nothing here may need it.
fn state() -> State {
    let url = SecretString::from("postgres://nobody@127.0.0.1:9/nothing");
    let db = db::pool(db::options(&url).unwrap());
    let clock: Arc<dyn Clock> = Arc::new(SetClock);
    let intake = Intake::new(1);
    State::new(Shared {
        db: db.clone(),
        live: Live::new(db.clone(), intake.clone(), Arc::clone(&clock)),
        intake,
        stop: CancellationToken::new(),
        tasks: TaskTracker::new(),
        presence: Presence::default(),
        clock: Arc::clone(&clock),
        origins: ["https://line.example".to_owned()].into(),
        providers: Providers::default(),
        token_keys: Keys { twilio: keys(), plivo: keys() },
        lines: Lines::default(),
        desk: Arc::new(Desk::new(
            Lines::default(),
            db.clone(),
            Presence::default(),
            Arc::clone(&clock),
            Patience::default(),
        )),
        door: Door::Dev,
        proxy: Proxy::None,
        allow: AllowLists::default(),
        failures: FailureLimiter::new(Arc::clone(&clock)),
        calls_of_keys: KeyLimiter::new(Arc::clone(&clock)),
        rejections: Rejections::new(db, Secrets::default(), CancellationToken::new()).0,
        limits: Limits::default(),
        metrics: Metrics::new(),
        crowd: Crowd::default(),
        api_key: None,
        media_dir: None,
        https: true,
        console: Console::new(Arc::clone(&clock), Vec::new(), Arc::default()),
    })
}

fn call() -> Verified<Twilio> {
    let provider = Twilio { tokens: vec!["throw-away".into()], accounts: Vec::new(), apps: Vec::new() };
    let received = Received {
        endpoint: Endpoint::TwilioVoice,
        method: Method::POST,
        origins: ["https://line.example".to_owned()].into(),
        path_and_query: Endpoint::TwilioVoice.path().to_owned(),
        headers: HeaderMap::new(),
        body: Body::default(),
        at: SetClock.now(),
        unsigned: Unsigned::Labelled,
    };
    verify(&provider, received).unwrap()
}

/// The answer to a call whose flow does `decide`, the cause in its log line, and how many panics were counted.
async fn answered(decide: impl Future<Output = Decided>) -> (StatusCode, String, String, String) {
    let state = state();
    let safe = || Answer::xml("<Response><Say>Sorry.</Say></Response>");
    let response = answer(&state, &call(), None, decide, |_| {}, safe).await.unwrap();
    let outcome = response.extensions().get::<Outcome>().unwrap();
    assert_eq!(outcome.label, "safe_document");
    let cause = outcome.cause.clone().unwrap();
    let status = response.status();
    let body = to_bytes(response.into_body(), 1 << 16).await.unwrap();
    let figures = state.metrics.text(SetClock.now()).unwrap();
    let panics = figures.lines().find_map(|line| line.strip_prefix("smartline_panics_total ")).unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap(), cause, panics.to_owned())
}

#[tokio::test]
async fn a_flow_that_panics_leaves_the_caller_the_safe_document() {
    let (status, body, cause, panics) = answered(async { panic!("a bug in a flow") }).await;
    assert_eq!((status, cause.as_str()), (StatusCode::OK, "panic: a bug in a flow"));
    assert_eq!(panics, "1");
    assert_eq!(body, "<Response><Say>Sorry.</Say></Response>");
}

#[tokio::test]
async fn a_document_that_is_too_long_is_not_sent() {
    let text = || {
        let link = verb::Link { purpose: verb::Purpose::Continue, token: "t".repeat(70_000) };
        vec![Verb::Redirect(link)]
    };
    assert_eq!(Twilio::render(&text(), "https://line.example"), None);
    let (status, body, _, panics) =
        answered(async { Decided { verbs: text(), decision: Decision::default(), cause: None } }).await;
    assert_eq!((status, panics.as_str()), (StatusCode::OK, "0"));
    assert_eq!(body, "<Response><Say>Sorry.</Say></Response>");
}

#[test]
fn even_without_anything_there_is_a_goodbye() {
    let goodbye = Twilio::render(&safe::goodbye(), "").unwrap();
    assert!(goodbye.ends_with("<Hangup/></Response>"), "{goodbye}");
}

#[tokio::test]
async fn an_answer_in_the_making_is_small() {
    let (state, call) = (state(), call());
    assert!(size_of_val(&answer_call(&state, &call)) <= 4096);
    assert!(size_of_val(&answer_text(&state, &call)) <= 4096);
}
