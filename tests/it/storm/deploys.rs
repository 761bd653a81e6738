//! What a deploy does: SIGTERM under load, and two services on one database.

use std::time::{Duration, Instant};

use super::count::Count;
use super::delivery::{Delivery, Verdict};
use super::line::Line;
use super::load::{Habits, Load};
use super::postgres::Postgres;
use super::random::Random;
use super::server::{Disk, Server};
use super::{SEED, Storm};
use crate::logs::now;
use crate::wire::Ask;

/// Longest end of a service whose clients all finish: the goal is 2 s on an idle machine.
const PROMPT: Duration = Duration::from_secs(5);

/// Longest end with a client that never finishes: 10 s, and what a busy machine adds.
const WITH_A_STUCK_CLIENT: Duration = Duration::from_secs(13);

/// A delivery of which the service has all but the last byte.
struct Half {
    delivery: Delivery,
    line: Line,
    last: [u8; 1],
    sent: Instant,
}

impl Half {
    async fn send(storm: &Storm) -> Self {
        let delivery = storm.load.book().open();
        let bytes = delivery.ask(now()).bytes(storm.server.address);
        let (last, most) = bytes.split_last().unwrap();
        let mut line = Line::new(storm.server.address);
        line.send(most).await.unwrap();
        Self { delivery, line, last: [*last], sent: Instant::now() }
    }

    /// Sends the rest, and notes the answer.
    async fn finish(mut self, storm: &Storm) {
        let result = match self.line.send(&self.last).await {
            Ok(()) => self.line.reply().await,
            Err(silence) => Err(silence),
        };
        let verdict = storm.load.book().note(self.delivery, &result, self.sent.elapsed());
        assert_eq!(verdict, Some(Verdict::Acknowledged), "{:?}: {result:?}", self.delivery);
    }
}

#[tokio::test]
async fn sigterm_with_half_sent_requests() {
    let mut storm = Storm::begin("sigterm", Habits::default()).await;
    for round in 0..4 {
        storm.load.acknowledged(100).await;
        let mut halves = Vec::new();
        for _ in 0..21 {
            halves.push(Half::send(&storm).await);
        }
        // What came first was read first: after this answer the halves are in flight.
        Line::new(storm.server.address).ask(&Ask::get("/healthz")).await.unwrap();
        let stuck = (round == 3).then(|| halves.pop().unwrap());
        let told = Instant::now();
        storm.server.terminate();
        while tokio::net::TcpStream::connect(storm.server.address).await.is_ok() {
            assert!(told.elapsed() < PROMPT, "it takes new connections");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        for half in halves {
            half.finish(&storm).await;
        }
        let status = storm.server.ended().await;
        let (took, longest) = (told.elapsed(), if stuck.is_some() { WITH_A_STUCK_CLIENT } else { PROMPT });
        println!("storm sigterm: ended with {status} after {} ms", took.as_millis());
        assert!(status.success() && took < longest, "{status} after {took:?}:\n{}", storm.server.log());
        storm.server.launch();
        storm.server.ready().await;
    }
    storm.end().await;
}

#[tokio::test]
async fn two_services_on_one_database() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let postgres = Postgres::start().await;
    // Both start at once, and one of them migrates.
    let mut one = Server::start(postgres.url(), &folder.path().join("one"), Disk::Roomy).await;
    let mut other = Server::start(postgres.url(), &folder.path().join("other"), Disk::Roomy).await;
    one.ready().await;
    other.ready().await;
    let habits = Habits { at_once: 1000, ..Habits::default() };
    let mut load = Load::begin(&[one.address, other.address], habits, Random::new(SEED));
    load.acknowledged(1000).await;
    one.kill().await;
    load.acknowledged(200).await;
    one.launch();
    one.ready().await;
    load.acknowledged(300).await;
    let book = load.end().await;
    let count = Count::take("two-services", &book, &mut postgres.connect().await).await;
    println!("{count}");
    count.assert_clean();
    assert!(count.tally.repeated >= 1500, "each was sent to both");
    for server in [&mut one, &mut other] {
        super::assert_no_panic(server);
        server.kill().await;
    }
    folder.close().unwrap();
}
