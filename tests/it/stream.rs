//! `/api/v1/stream`: what is kept, as it is kept.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::api::{ADMIN, call, get, key, open};
use crate::house::{House, Plan};
use crate::wire::Ask;

/// Longest wait for what must come.
const PATIENCE: Duration = Duration::from_secs(15);

/// A stream that is being read.
struct Stream {
    socket: TcpStream,
    head: String,
    /// What was read and not yet looked at, freed of its chunks' frames.
    text: String,
    raw: Vec<u8>,
    ended: bool,
}

impl Stream {
    async fn open(house: &House, key: &str, query: &str, headers: &[(&str, &str)]) -> Self {
        let mut ask =
            Ask::get(&format!("/api/v1/stream{query}")).header("Authorization", format!("Bearer {key}"));
        for (name, value) in headers {
            ask = ask.header(name, *value);
        }
        let mut socket = TcpStream::connect(house.address).await.unwrap();
        socket.write_all(&ask.bytes(house.address)).await.unwrap();
        let mut stream =
            Self { socket, head: String::new(), text: String::new(), raw: Vec::new(), ended: false };
        let end = loop {
            if let Some(end) = stream.raw.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            stream.read().await;
        };
        stream.head = String::from_utf8(stream.raw.drain(..end).collect()).unwrap().to_lowercase();
        stream
    }

    async fn read(&mut self) {
        let mut buffer = vec![0; 16 * 1024];
        let read = tokio::time::timeout(PATIENCE, self.socket.read(&mut buffer)).await;
        let read = read.expect("something comes").unwrap();
        assert!(read > 0, "the connection breaks off");
        self.raw.extend(&buffer[..read]);
    }

    /// Takes whole chunks out of what was read.
    fn unframe(&mut self) {
        while let Some(end) = self.raw.windows(2).position(|two| two == b"\r\n") {
            let length = usize::from_str_radix(std::str::from_utf8(&self.raw[..end]).unwrap(), 16).unwrap();
            if self.raw.len() < end + 2 + length + 2 {
                return;
            }
            self.text.push_str(std::str::from_utf8(&self.raw[end + 2..end + 2 + length]).unwrap());
            self.raw.drain(..end + 2 + length + 2);
            self.ended |= length == 0;
        }
    }

    /// The next block, without the empty line at its end; none where the stream has ended in order.
    async fn block(&mut self) -> Option<String> {
        loop {
            self.unframe();
            if let Some(end) = self.text.find("\n\n") {
                let block = self.text[..end].to_owned();
                self.text.drain(..end + 2);
                return Some(block);
            }
            if self.ended {
                return None;
            }
            self.read().await;
        }
    }

    /// The next event; signs of life are passed over.
    async fn event(&mut self) -> (String, Value) {
        loop {
            let block = self.block().await.expect("the stream goes on");
            if let Some(rest) = block.strip_prefix("id: ") {
                let (id, rest) = rest.split_once("\nevent: event.kept\ndata: ").unwrap();
                return (id.to_owned(), serde_json::from_str(rest).unwrap());
            }
        }
    }

    /// The provider's ids of the next so many events.
    async fn next(&mut self, count: usize) -> Vec<String> {
        let mut ids = Vec::new();
        for _ in 0..count {
            ids.push(self.event().await.1["subject"].as_str().unwrap().to_owned());
        }
        ids
    }
}

async fn call_later(house: &House, id: &str) {
    house.clock.advance(Duration::from_millis(10));
    call(house, id).await;
}

#[tokio::test]
async fn what_is_kept_is_told_masked_and_filtered() {
    let house = open().await;
    call(&house, "CA0").await;
    let (_, plain) = key(&house, &["--scope", "read"]).await;
    let mut whole = Stream::open(&house, ADMIN, "", &[]).await;
    assert!(whole.head.starts_with("http/1.1 200"), "{}", whole.head);
    for header in [
        "content-type: text/event-stream\r\n",
        "cache-control: no-store, no-transform\r\n",
        "x-accel-buffering: no\r\n",
        "ratelimit: \"key\";r=99;t=1\r\n",
    ] {
        assert!(whole.head.contains(header), "{header} in {}", whole.head);
    }
    assert!(whole.block().await.unwrap().contains("retry: "), "the first byte comes at once");
    let mut masked = Stream::open(&house, &plain, "?provider=twilio", &[]).await;
    let mut others = Stream::open(&house, &plain, "?type=no.such&verified=true", &[]).await;
    assert!(others.block().await.unwrap().contains("retry: "));
    house.ask(&Ask::post("/webhooks/stripe").json(r#"{"id":"evt_1","type":"ping"}"#).by_stripe()).await;
    call_later(&house, "CA1").await;
    let (id, event) = whole.event().await;
    assert_eq!((event["external_id"].as_str(), event["id"].as_str()), (Some("evt_1"), Some(id.as_str())));
    let (_, event) = whole.event().await;
    assert_eq!((&event["subject"], &event["path"]), (&"CA1".into(), &"/webhooks/twilio/voice".into()));
    assert_eq!((&event["verified"], &event["status"]), (&true.into(), &"waiting".into()));
    let (_, event) = masked.event().await;
    assert_eq!((&event["subject"], &event["path"]), (&"CA1".into(), &"(masked)".into()));
    // As its list shows it.
    let listed = get(&house, &plain, "events?limit=1").await.json();
    assert_eq!(listed["data"][0], event);
    drop((whole, masked, others));
    house.close().await;
}

#[tokio::test]
async fn who_comes_back_misses_nothing_and_gets_nothing_twice() {
    let house = open().await;
    let mut first = Stream::open(&house, ADMIN, "", &[]).await;
    for id in ["CA1", "CA2", "CA3"] {
        call_later(&house, id).await;
    }
    let (_, event) = first.event().await;
    assert_eq!(event["subject"], "CA1");
    let (last, event) = first.event().await;
    assert_eq!(event["subject"], "CA2");
    drop(first);
    call_later(&house, "CA4").await;
    // An event that another process has kept, with a clock that is behind.
    let late = "INSERT INTO events (id, provider, endpoint, external_id, kind, subject, received_at, method, path, headers,
                                    body, signed_by)
                SELECT uuid_floor(received_at - interval '2 s'), provider, endpoint, 'late', kind, 'CA_late', received_at,
                       method, path, headers, body, signed_by FROM events WHERE subject = 'CA4'";
    sqlx::raw_sql(late).execute(&house.db).await.unwrap();
    let mut again = Stream::open(&house, ADMIN, "", &[("Last-Event-ID", &last)]).await;
    let mut came = again.next(3).await;
    call_later(&house, "CA5").await;
    came.extend(again.next(1).await);
    assert_eq!(came[3], "CA5", "{came:?}");
    came.sort();
    assert_eq!(came, ["CA3", "CA4", "CA5", "CA_late"]);
    // By the address as well, and from a time on.
    let mut by_query = Stream::open(&house, ADMIN, &format!("?last_event_id={last}"), &[]).await;
    let mut came = by_query.next(4).await;
    came.sort();
    assert_eq!(came, ["CA3", "CA4", "CA5", "CA_late"]);
    let mut since = Stream::open(&house, ADMIN, "?created%5Bgte%5D=2026-11-15T11:59:00Z", &[]).await;
    assert_eq!(since.next(6).await, ["CA_late", "CA1", "CA2", "CA3", "CA4", "CA5"]);
    call_later(&house, "CA6").await;
    assert_eq!(since.next(1).await, ["CA6"]);
    drop((again, by_query, since));
    house.close().await;
}

#[tokio::test]
async fn after_a_restart_the_last_seconds_come_once_more() {
    let house = open().await;
    for (id, wait) in [("CA1", 0), ("CA2", 20), ("CA3", 1), ("CA4", 1)] {
        house.clock.advance(Duration::from_secs(wait));
        call(&house, id).await;
    }
    let listed = get(&house, ADMIN, "events").await.json();
    let seen = listed["data"][1]["id"].as_str().unwrap(); // CA3: this process has told it to nobody
    let mut stream = Stream::open(&house, ADMIN, "", &[("Last-Event-ID", seen)]).await;
    assert_eq!(stream.next(3).await, ["CA2", "CA3", "CA4"]);
    drop(stream);
    house.close().await;
}

#[tokio::test]
async fn a_stream_shows_that_it_lives_and_ends_with_its_key_or_its_service() {
    let plan = Plan::new()
        .set("SMARTLINE_API_KEY", ADMIN)
        .limits(|limits| limits.heartbeat = Duration::from_millis(20));
    let house = House::build(plan).await;
    let (id, secret) = key(&house, &["--scope", "read"]).await;
    let mut stream = Stream::open(&house, ADMIN, "", &[]).await;
    let mut of_key = Stream::open(&house, &secret, "", &[]).await;
    for stream in [&mut stream, &mut of_key] {
        assert!(stream.block().await.unwrap().contains("retry: "));
        assert_eq!(stream.block().await.unwrap(), ": still here");
    }
    let revoke =
        Ask::post(&format!("/api/v1/keys/{id}/revoke")).header("Authorization", format!("Bearer {ADMIN}"));
    assert_eq!(house.ask(&revoke).await.status, 200);
    let mut last = String::new();
    while let Some(block) = of_key.block().await {
        last = block;
    }
    assert!(last.contains("the key is no longer good"), "{last}");
    house.app.stop();
    while let Some(block) = stream.block().await {
        last = block;
    }
    assert!(last.contains("the service stops") && last.contains("\nretry: 2000"), "{last}");
    house.close().await;
}

#[tokio::test]
async fn there_are_only_so_many_streams_and_what_is_asked_must_fit_one() {
    let house = open().await;
    for (query, parameter) in [
        ("limit=5", "limit"),
        ("created%5Blt%5D=2026-11-15T12:00:00Z", "created[lt]"),
        ("last_event_id=call_1", "last_event_id"),
    ] {
        let reply = get(&house, ADMIN, &format!("stream?{query}")).await;
        assert_eq!((reply.status, &reply.json()["fields"][0]["name"]), (400, &parameter.into()), "{query}");
    }
    let (_, plain) = key(&house, &["--scope", "read"]).await;
    assert_eq!(get(&house, &plain, "stream?text=x").await.json()["scope"], "pii:read");
    let mut open = Vec::new();
    for _ in 0..32 {
        open.push(Stream::open(&house, ADMIN, "", &[]).await);
    }
    let reply = get(&house, ADMIN, "stream").await;
    assert_eq!((reply.status, reply.code().as_str()), (503, "too_many_streams"));
    assert_eq!(reply.header("retry-after"), Some("5"));
    drop(open);
    // A place is free again once the service has noticed; it does so when it next sends.
    house.close().await;
}
