//! A client for a service that may die at any moment: what breaks off is told, and never fails the test.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::wire::{Ask, Reply};

/// Longest wait for an answer, as long as Twilio waits.
const PATIENCE: Duration = Duration::from_secs(15);

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// Nobody listens: the request was not sent.
    NotSent,
    /// The connection broke off: the request may have been worked on.
    BrokenOff,
    /// Nothing came for so long that the client gave up.
    TimedOut,
}

/// A connection that is made again when it is needed.
pub(super) struct Line {
    address: SocketAddr,
    stream: Option<TcpStream>,
}

impl Line {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self { address, stream: None }
    }

    /// Sends a request and reads its answer.
    pub(super) async fn ask(&mut self, ask: &Ask) -> Result<Reply, Silence> {
        let bytes = ask.bytes(self.address);
        self.send(&bytes).await?;
        self.reply().await
    }

    /// Sends these bytes.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<(), Silence> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => TcpStream::connect(self.address).await.map_err(|_| Silence::NotSent)?,
        };
        let _ = stream.set_nodelay(true);
        stream.write_all(bytes).await.map_err(|_| Silence::BrokenOff)?;
        self.stream = Some(stream);
        Ok(())
    }

    /// Reads the answer to what was sent.
    pub(super) async fn reply(&mut self) -> Result<Reply, Silence> {
        let mut stream = self.stream.take().ok_or(Silence::NotSent)?;
        let reply = tokio::time::timeout(PATIENCE, read_reply(&mut stream)).await;
        let reply = reply.map_err(|_| Silence::TimedOut)?.ok_or(Silence::BrokenOff)?;
        if reply.header("connection") != Some("close") {
            self.stream = Some(stream);
        }
        Ok(reply)
    }
}

/// The answer; none where the connection ends before it is whole.
async fn read_reply(stream: &mut TcpStream) -> Option<Reply> {
    let mut bytes = Vec::with_capacity(2048);
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        read_more(stream, &mut bytes).await?;
    };
    let mut reply = read_head(std::str::from_utf8(&bytes[..head]).unwrap());
    let length: usize = reply.header("content-length").map_or(0, |length| length.parse().unwrap());
    let whole = head + 4 + length;
    while bytes.len() < whole {
        read_more(stream, &mut bytes).await?;
    }
    assert_eq!(bytes.len(), whole, "more than was asked for: {reply:?}");
    reply.body = bytes.split_off(head + 4);
    Some(reply)
}

async fn read_more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<()> {
    let read = stream.read_buf(bytes).await.ok()?;
    (read > 0).then_some(())
}

fn read_head(head: &str) -> Reply {
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().strip_prefix("HTTP/1.1 ").unwrap();
    let headers = lines.map(|line| line.split_once(": ").unwrap());
    Reply {
        status: status[..3].parse().unwrap(),
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        body: Vec::new(),
    }
}
