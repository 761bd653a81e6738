//! Asking an agent by turns: one request a turn, however often the carrier asks, and an answer that comes late is picked up
//! by the next look.
//!
//! This is the one request that leaves while a caller waits; everything else goes through the outbox.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, OnceLock, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use reqwest::{Client, header::CONTENT_TYPE, redirect::Policy};

use super::engine::{AgentTurn, Endpoint, Question, Reply};
use crate::provider::mac::{hex, hmac_sha256};

/// Longest answer of an agent, in bytes.
const LONGEST: usize = 64 * 1024;

/// Most turns that are waited for at once.
const MOST: usize = 10_000;

/// How often a request is sent whose answer did not come: an agent knows a turn by its name.
const TRIES: u8 = 2;

const USER_AGENT: &str = concat!("smartline/", env!("CARGO_PKG_VERSION"));

/// How long a caller waits for what is not known yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For the lines to be read for the first time: a service that a call has woken may not know them yet.
    pub lines: Duration,
    /// For a look at the database; beyond it, it is as if nothing were known.
    pub database: Duration,
    /// For an agent, until the caller hears a sentence meanwhile.
    pub look: Duration,
    /// For an agent altogether.
    pub whole: Duration,
}

impl Default for Patience {
    /// 0.5, 0.4, 2 and 6 seconds: an answer to a carrier must not take 3, and nobody waits for longer than 6.
    fn default() -> Self {
        Self {
            lines: Duration::from_millis(500),
            database: Duration::from_millis(400),

            look: Duration::from_secs(2),
            whole: Duration::from_secs(6),
        }
    }
}

type Pending = Shared<BoxFuture<'static, Option<Reply>>>;

/// The agents that are being asked.
pub(super) struct Turns {
    patience: Patience,
    /// For the world, and for this machine, where no certificates are needed.
    clients: [OnceLock<Option<Client>>; 2],
    pending: Mutex<(HashMap<String, Pending>, VecDeque<String>)>,
}

impl Turns {
    pub(super) fn new(patience: Patience) -> Self {
        Self { patience, clients: Default::default(), pending: Mutex::default() }
    }

    /// Asks, and waits for one look. A turn that is being asked already is not asked again.
    pub(super) async fn ask(
        &self,
        endpoint: &Endpoint,
        secret: Option<&str>,
        turn: &str,
        question: &Question<'_>,
        now: DateTime<Utc>,
    ) -> AgentTurn {
        if let Some(pending) = self.pending(turn) {
            return self.look(turn, pending).await;
        }
        let Some(client) = self.client(&endpoint.url) else { return AgentTurn::Failed };
        let Ok(body) = serde_json::to_vec(question) else { return AgentTurn::Failed };
        let signature = secret.map(|secret| signature(secret, &body, now));
        let asking = exchange(client, endpoint.url.clone(), body, signature);
        let asking = tokio::time::timeout(self.patience.whole, asking);
        let pending = self.put(turn, asking.map(|answer| answer.ok().flatten()).boxed().shared());
        self.look(turn, pending).await
    }

    /// Looks again for the answer to a turn; one that was not asked here has failed.
    pub(super) async fn poll(&self, turn: &str) -> AgentTurn {
        match self.pending(turn) {
            Some(pending) => self.look(turn, pending).await,
            None => AgentTurn::Failed,
        }
    }

    /// What was answered stays for a while, since the carrier may ask the same twice.
    async fn look(&self, turn: &str, pending: Pending) -> AgentTurn {
        match tokio::time::timeout(self.patience.look, pending).await {
            Ok(Some(reply)) => AgentTurn::Answered(reply),
            Ok(None) => {
                tracing::warn!(turn, "an agent did not answer, or not as agreed");
                AgentTurn::Failed
            }
            Err(_) => AgentTurn::Waits,
        }
    }

    fn pending(&self, turn: &str) -> Option<Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).0.get(turn).cloned()
    }

    fn put(&self, turn: &str, asking: Pending) -> Pending {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let (turns, order) = &mut *pending;
        if turns.insert(turn.to_owned(), asking.clone()).is_none() {
            order.push_back(turn.to_owned());
        }
        while order.len() > MOST {
            order.pop_front().map(|oldest| turns.remove(&oldest));
        }
        asking
    }

    /// Made when the first agent is asked: reading the certificates takes a while.
    fn client(&self, url: &str) -> Option<Client> {
        let here = url.starts_with("http://");
        let made = self.clients[usize::from(here)].get_or_init(|| {
            // An error only says that there is a default already.
            let _ = rustls::crypto::ring::default_provider().install_default();
            let mut builder = Client::builder().redirect(Policy::none()).user_agent(USER_AGENT);
            if here {
                builder = builder.no_proxy().tls_certs_only([]);
            }
            builder.build().ok()
        });
        made.clone()
    }
}

/// `t=…,v1=…`: the time, and the HMAC-SHA256 of time, a full stop and the body, as hexadecimal digits.
fn signature(secret: &str, body: &[u8], now: DateTime<Utc>) -> String {
    let at = now.timestamp().to_string();
    let code = hmac_sha256(secret.as_bytes(), &[at.as_bytes(), b".", body]);
    format!("t={at},v1={}", hex(&code))
}

/// One question and its answer; none where there was none in time, or none that is understood.
async fn exchange(client: Client, url: String, body: Vec<u8>, signature: Option<String>) -> Option<Reply> {
    for _ in 0..TRIES {
        let mut request = client.post(&url).header(CONTENT_TYPE, "application/json").body(body.clone());
        if let Some(signature) = &signature {
            request = request.header("x-smartline-signature", signature);
        }
        match request.send().await {
            Ok(response) if response.status().is_success() => return read(response).await,
            // It may come up again within the time that is left.
            Ok(response) if response.status().is_server_error() => {}
            Err(error) if error.is_connect() || error.is_request() => {}
            Ok(_) | Err(_) => return None,
        }
    }
    None
}

async fn read(mut response: reqwest::Response) -> Option<Reply> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        body.extend_from_slice(&chunk);
        if body.len() > LONGEST {
            return None;
        }
    }
    serde_json::from_slice(&body).ok()
}
