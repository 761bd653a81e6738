//! The HTTP client of the commands: no redirects, no proxies of the environment, one deadline.

use std::{
    error::Error as _,
    time::{Duration, Instant},
};

use bytes::Bytes;
use reqwest::{RequestBuilder, redirect::Policy};

use super::error::Error;
use crate::samples::request::{Draft, Headers};

/// Longest time for one request, its answer included.
pub(super) const DEADLINE: Duration = Duration::from_secs(15);

/// Says truthfully who calls, so that logs tell a trial from the provider.
const USER_AGENT: &str = concat!("smartline/", env!("CARGO_PKG_VERSION"));

/// A client for one origin.
pub(super) struct Client {
    inner: reqwest::Client,
    origin: String,
}

/// What came back.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    /// HTTP status.
    pub(super) status: u16,
    /// From sending to the last byte.
    pub(super) took: Duration,
    /// Media type without its parameters, in lower case; empty where none came.
    pub(super) media_type: String,
    /// `Retry-After`, in seconds.
    pub(super) retry_after: Option<u32>,
    /// `x-smartline-event`: under which id the event was kept.
    pub(super) event: Option<String>,
    /// The body.
    pub(super) body: Bytes,
}

/// No answer came, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct NoReply(String);

impl From<NoReply> for Error {
    fn from(cause: NoReply) -> Self {
        Self::Failed(cause.to_string())
    }
}

impl Client {
    /// A client for requests below `origin`, `http[s]://host[:port]`.
    ///
    /// # Errors
    /// [`Error::Failed`] where TLS cannot be set up: no certificate authorities are installed, say.
    pub(super) fn new(origin: &str) -> Result<Self, Error> {
        // An error only says that there is a default already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder =
            reqwest::Client::builder().redirect(Policy::none()).no_proxy().user_agent(USER_AGENT);
        if !origin.starts_with("https://") {
            // Plain HTTP needs no certificates, and an image without any must still pass its health check.
            builder = builder.tls_certs_only([]);
        }
        let inner = builder
            .build()
            .map_err(|cause| Error::Failed(format!("cannot set up the HTTP client: {}", root(&cause))))?;
        Ok(Self { inner, origin: origin.to_owned() })
    }

    /// Asks for `path`.
    ///
    /// # Errors
    /// [`NoReply`] when no complete answer came by the deadline.
    pub(super) async fn get(&self, path: &str, deadline: Duration) -> Result<Reply, NoReply> {
        let url = format!("{}{path}", self.origin);
        self.send(self.inner.get(url).timeout(deadline), deadline).await
    }

    /// Posts a draft with these headers to its own path and query.
    ///
    /// # Errors
    /// [`NoReply`] when no complete answer came by [`DEADLINE`].
    pub(super) async fn post(&self, draft: &Draft, headers: &Headers) -> Result<Reply, NoReply> {
        let url = format!("{}{}", self.origin, draft.path_and_query());
        let mut request = self.inner.post(url).timeout(DEADLINE);
        request = request.header("content-type", draft.content_type()).body(draft.body.clone());
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        self.send(request, DEADLINE).await
    }

    /// Asks for `path` as the holder of a key.
    ///
    /// # Errors
    /// [`NoReply`] when no complete answer came by [`DEADLINE`].
    pub(super) async fn get_as(&self, path: &str, key: &str) -> Result<Reply, NoReply> {
        let request = self.inner.get(format!("{}{path}", self.origin)).bearer_auth(key);
        self.send(request.timeout(DEADLINE), DEADLINE).await
    }

    /// Opens a stream that has no end.
    ///
    /// # Errors
    /// [`NoReply`] when no head came by [`DEADLINE`].
    pub(super) async fn open(
        &self,
        path: &str,
        key: &str,
        last: Option<&str>,
    ) -> Result<reqwest::Response, NoReply> {
        let mut request = self.inner.get(format!("{}{path}", self.origin)).bearer_auth(key);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let head = tokio::time::timeout(DEADLINE, request.send()).await;
        let late = || NoReply(format!("{} did not answer within {} s", self.origin, DEADLINE.as_secs()));
        head.map_err(|_| late())?.map_err(|cause| self.no_reply(&cause, DEADLINE))
    }

    async fn send(&self, request: RequestBuilder, deadline: Duration) -> Result<Reply, NoReply> {
        let start = Instant::now();
        let response = request.send().await.map_err(|cause| self.no_reply(&cause, deadline))?;
        let header = |name: &str| response.headers().get(name)?.to_str().ok().map(str::to_owned);
        let content_type = header("content-type").unwrap_or_default();
        let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let retry_after = header("retry-after").and_then(|seconds| seconds.parse().ok());
        let (status, event) = (response.status().as_u16(), header("x-smartline-event"));
        let body = response.bytes().await.map_err(|cause| self.no_reply(&cause, deadline))?;
        Ok(Reply { status, took: start.elapsed(), media_type, retry_after, event, body })
    }

    fn no_reply(&self, cause: &reqwest::Error, deadline: Duration) -> NoReply {
        let origin = &self.origin;
        NoReply(if cause.is_timeout() {
            format!("{origin} did not answer within {} s", deadline.as_secs())
        } else if cause.is_connect() {
            format!("cannot connect to {origin}: {}", root(cause))
        } else {
            format!("no answer from {origin}: {}", root(cause))
        })
    }
}

impl Reply {
    /// The time it took, in milliseconds.
    pub(super) fn millis(&self) -> u64 {
        u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX)
    }

    /// The body as JSON; null where it is none.
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The `code` of a problem document.
    pub(super) fn code(&self) -> Option<String> {
        Some(self.json().get("code")?.as_str()?.to_owned())
    }
}

/// The innermost cause, which is the one that says something.
fn root(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    if error.source().is_none() { error.to_string() } else { cause.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_closed_port_is_told_plainly() {
        let port = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().port()
        };
        let origin = format!("http://127.0.0.1:{port}");
        let error = Client::new(&origin).unwrap().get("/healthz", DEADLINE).await.unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot connect to {origin}: Connection refused")), "{error}");
    }
}
