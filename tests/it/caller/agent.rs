//! An agent that is asked by turns: it says what a script has for it, and keeps what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::{Json, Router};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// What it does when it is asked.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// Answers with that.
    Says(Value),
    /// Answers with that status and no words.
    Fails(u16),
    /// Answers nothing, ever.
    Silence,
}

#[derive(Default)]
struct Known {
    answers: Mutex<VecDeque<Answer>>,
    asked: Mutex<Vec<(HeaderMap, Value)>>,
}

/// The agent; it ends with this value.
pub(crate) struct FakeAgent {
    pub(crate) url: String,
    known: Arc<Known>,
    _serving: JoinSet<()>,
}

impl FakeAgent {
    pub(crate) async fn open() -> Self {
        let known = Arc::new(Known::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/turns", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&known));
        let mut serving = JoinSet::new();
        serving.spawn(crate::reconcile::providers::axum_serve(listener, router));
        Self { url, known, _serving: serving }
    }

    /// What it answers next, one after the other; beyond that it fails.
    pub(crate) fn answers(&self, answers: impl IntoIterator<Item = Answer>) {
        *self.known.answers.lock().unwrap() = answers.into_iter().collect();
    }

    /// What it was asked since the last time.
    pub(crate) fn asked(&self) -> Vec<(HeaderMap, Value)> {
        std::mem::take(&mut *self.known.asked.lock().unwrap())
    }
}

async fn answer(State(known): State<Arc<Known>>, headers: HeaderMap, body: Bytes) -> Response {
    let question = serde_json::from_slice(&body).unwrap();
    known.asked.lock().unwrap().push((headers, question));
    let answer = known.answers.lock().unwrap().pop_front();
    match answer {
        Some(Answer::Says(reply)) => Json(reply).into_response(),
        Some(Answer::Fails(status)) => StatusCode::from_u16(status).unwrap().into_response(),
        Some(Answer::Silence) => std::future::pending().await,
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
