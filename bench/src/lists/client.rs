//! One connection to the API.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use serde::Deserialize;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

use crate::line::API_KEY;

/// What a list tells; a count has no rows.
#[derive(Debug, Deserialize)]
pub(super) struct List {
    #[serde(default)]
    pub(super) data: Vec<Row>,
    /// The filter looked at as many rows as it may.
    #[serde(default)]
    pub(super) partial: bool,
}

/// A row of a list.
#[derive(Debug, Deserialize)]
pub(super) struct Row {
    pub(super) id: String,
}

/// Time before each request: a key may ask 50 times a second.
const PACE: Duration = Duration::from_millis(21);

/// A connection that is kept open.
pub(super) struct Client(BufReader<TcpStream>);

impl Client {
    pub(super) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Asks for a page, at the pace that a key may; tells how many microseconds it took until all of it was there.
    pub(super) async fn get(&mut self, path: &str) -> anyhow::Result<(List, u32)> {
        tokio::time::sleep(PACE).await;
        let start = Instant::now();
        let request =
            format!("GET /api/v1/{path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {API_KEY}\r\n\r\n");
        self.0.get_mut().write_all(request.as_bytes()).await?;
        let (mut status, mut length) = (String::new(), 0);
        self.0.read_line(&mut status).await?;
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).await?;
            let Some((name, value)) = line.trim().split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse()?;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await?;
        let took = u32::try_from(start.elapsed().as_micros()).unwrap_or(u32::MAX);
        ensure!(status.contains(" 200 "), "{path}: {status}{}", String::from_utf8_lossy(&body));
        Ok((serde_json::from_slice(&body).with_context(|| path.to_owned())?, took))
    }
}
