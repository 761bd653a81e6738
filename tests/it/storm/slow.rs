//! Two thousand clients that dribble, beside good ones.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::Storm;
use super::load::Habits;
use crate::logs::now;
use crate::wire::Ask;

/// Half of them dribble the head of a request, which may take 10 s, half a body, which may take 15 s.
const CLIENTS: usize = 2000;

/// Pause between two bytes.
const DRIBBLE: Duration = Duration::from_millis(500);

/// When those with a head must have been hung up on: their deadline, and what a busy machine adds.
const HUNG_UP: Duration = Duration::from_secs(15);

/// The ceiling of the service's memory, in bytes. Without optimisation a waiting request takes a multiple.
const MEMORY: u64 = if cfg!(debug_assertions) { 256 << 20 } else { 128 << 20 };

#[tokio::test]
async fn two_thousand_slow_connections() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
    let mut storm = Storm::begin("slow-clients", Habits { connections: 2, ..Habits::default() }).await;
    let started = Instant::now();
    let (mut heads, mut bodies) = (JoinSet::new(), JoinSet::new());
    for number in 0..CLIENTS {
        let stream =
            TcpStream::connect(storm.server.address).await.expect("the limit of open files allows it");
        if number % 2 == 0 {
            heads.spawn(dribble(stream, head()));
        } else {
            bodies.spawn(dribble(stream, body(storm.server.address)));
        }
    }
    storm.load.acknowledged(500).await;
    let memory = storm.server.peak_memory();
    let all = tokio::time::timeout(HUNG_UP, heads.join_all()).await;
    let all = all.expect("the slow clients are hung up on");
    println!(
        "storm slow-clients: {} of {CLIENTS} hung up on within {} ms, peak memory {} KiB",
        all.len(),
        started.elapsed().as_millis(),
        memory.unwrap_or_default() / 1024
    );
    assert!(memory.is_none_or(|memory| memory < MEMORY), "{memory:?}");
    storm.end().await;
}

/// A head without its end.
fn head() -> Vec<u8> {
    b"POST /webhooks/stripe HTTP/1.1\r\nHost: line.example.com\r\nX-Slow: ".to_vec()
}

/// A signed request whose body has only begun.
fn body(address: SocketAddr) -> Vec<u8> {
    let ask = Ask::post("/webhooks/stripe").json("{}").by_stripe_at(now());
    ask.header("Content-Length", "100000").bytes(address)
}

/// Sends a byte now and then until the service hangs up, and does not end before.
async fn dribble(mut stream: TcpStream, beginning: Vec<u8>) {
    let mut bytes = beginning;
    let mut answer = [0; 1024];
    while stream.write_all(&bytes).await.is_ok() {
        bytes = b"x".to_vec();
        let read = tokio::time::timeout(DRIBBLE, stream.read(&mut answer)).await;
        if matches!(read, Ok(Ok(0) | Err(_))) {
            return;
        }
    }
}
