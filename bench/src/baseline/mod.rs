//! The plain Rust server: hyper alone, every signature verified, a short fixed answer. Without a database it is the
//! ceiling, since a server that keeps events can hardly be faster. With one it makes one insert a request, the usual
//! way.

mod verify;

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Request, Response, StatusCode, body::Incoming, header, server::conn::http1, service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use sqlx::{PgPool, postgres::PgPoolOptions};
use tokio::net::{TcpListener, TcpStream};

use crate::line::Kind;

/// Connections to the database: one insert a request reaches its plateau with 16 to 32.
const CONNECTIONS: u32 = 32;

/// Largest body, in bytes.
const BODY_BYTES: usize = 1 << 20;

/// The name of [`TABLE`].
pub const TABLE_NAME: &str = "webhook_events";

/// The usual table for received webhooks, also of the Node server.
pub const TABLE: &str = "CREATE TABLE webhook_events (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider    text        NOT NULL,
    external_id text        NOT NULL,
    path        text        NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    body        bytea       NOT NULL,
    UNIQUE (provider, external_id)
)";

const INSERT: &str = "INSERT INTO webhook_events (provider, external_id, path, body) VALUES ($1, $2, $3, $4)
                      ON CONFLICT (provider, external_id) DO NOTHING";

const TWIML: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response><Say>Hello</Say></Response>";
const JSON: &str = "{\"received\":true}";

/// How to run it.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Where to listen.
    #[arg(long)]
    listen: SocketAddr,
    /// A database with the usual table, to insert every event; none to store nothing
    #[arg(long)]
    database: Option<String>,
}

/// Serves until the process is told to end.
///
/// # Errors
/// When the address or the database's URL is of no use.
pub async fn serve(options: Options) -> anyhow::Result<()> {
    let listener = TcpListener::bind(options.listen).await.context("listening")?;
    let pool = match &options.database {
        Some(url) => Some(PgPoolOptions::new().max_connections(CONNECTIONS).connect_lazy(url)?),
        None => None,
    };
    let pool = Arc::new(pool);
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(connection(stream, Arc::clone(&pool)));
    }
}

async fn connection(stream: TcpStream, pool: Arc<Option<PgPool>>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let pool = Arc::clone(&pool);
        async move { Ok::<_, Infallible>(respond(request, pool.as_ref().as_ref()).await) }
    });
    // A client that went away is no news.
    let _ =
        http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
}

async fn respond(request: Request<Incoming>, pool: Option<&PgPool>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let Some(kind) = Kind::at(head.uri.path()) else { return refusal(StatusCode::NOT_FOUND) };
    let Ok(body) = Limited::new(body, BODY_BYTES).collect().await else {
        return refusal(StatusCode::PAYLOAD_TOO_LARGE);
    };
    let body = body.to_bytes();
    let Some(fields) = verify::check(kind, &head.headers, &body) else {
        return refusal(StatusCode::UNAUTHORIZED);
    };
    if let Some(pool) = pool {
        let Some(id) = verify::external_id(kind, &fields, &body) else {
            return refusal(StatusCode::BAD_REQUEST);
        };
        let insert =
            sqlx::query(INSERT).bind(verify::provider(kind)).bind(id).bind(kind.path()).bind(&body[..]);
        if insert.execute(pool).await.is_err() {
            return refusal(StatusCode::SERVICE_UNAVAILABLE);
        }
    }
    let (content_type, text) = match kind {
        Kind::Stripe => ("application/json", JSON),
        _ => ("text/xml; charset=utf-8", TWIML),
    };
    let mut response = Response::new(Full::from(text));
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    response
}

fn refusal(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}
