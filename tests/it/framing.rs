//! Requests on the wire that proxies and servers could read in two ways, that are too long, or that come too slowly.

use std::time::{Duration, Instant};

use crate::house::{House, Plan};
use crate::wire::Ask;

fn good() -> Ask {
    Ask::post("/webhooks/stripe").json(r#"{"id":"evt_1"}"#).by_stripe()
}

/// A request after the last chunk of another, as it is smuggled past a proxy that reads the length.
#[tokio::test]
async fn nothing_behind_an_ambiguous_body_is_taken_for_a_request() {
    let house = House::open().await;
    let smuggled = Ask::get("/healthz").bytes(house.address);
    let hidden = [b"0\r\n\r\n", &smuggled[..]].concat();
    let chunked = ("Transfer-Encoding", "chunked".to_owned());
    let length = ("Content-Length", hidden.len().to_string());
    for path in ["/webhooks/stripe", "/readyz", "/nothing"] {
        for headers in [[&chunked, &length], [&length, &chunked]] {
            let mut ask = Ask { body: hidden.clone(), ..Ask::post(path) };
            for (name, value) in headers {
                ask = ask.header(name, value.clone());
            }
            let mut connection = house.connect().await;
            connection.send(&ask.bytes(house.address)).await;
            connection.reply().await.unwrap();
            connection.hung_up().await;
        }
    }
    house.assert_nothing_kept().await;
    house.close().await;
}

#[tokio::test]
async fn a_body_whose_end_is_in_doubt_is_refused_and_the_connection_closed() {
    let house = House::open().await;
    for (case, headers) in [
        ("two lengths", &[("Content-Length", "14"), ("Content-Length", "15")][..]),
        ("a list of lengths", &[("Content-Length", "14, 15")]),
        ("no number", &[("Content-Length", "+14")]),
        ("an unknown encoding", &[("Transfer-Encoding", "xchunked")]),
        ("chunked, but not last", &[("Transfer-Encoding", "chunked, identity")]),
        ("a blank before the colon", &[("Content-Length ", "14")]),
    ] {
        let ask = headers.iter().fold(good(), |ask, (name, value)| ask.header(name, *value));
        let mut connection = house.connect().await;
        connection.send(&ask.bytes(house.address)).await;
        assert_eq!(connection.reply().await.unwrap().status, 400, "{case}");
        connection.hung_up().await;
    }
    for chunks in ["zz\r\n", "-1\r\n\r\n", "ffffffffffffffffff\r\n", "2\r\n{}x\r\n"] {
        let ask = Ask { body: chunks.into(), ..good() }.header("Transfer-Encoding", "chunked");
        let mut connection = house.connect().await;
        connection.send(&ask.bytes(house.address)).await;
        let reply = connection.reply().await.unwrap();
        assert_eq!((reply.status, reply.code().as_str()), (400, "bad_request"), "{chunks:?}");
        connection.hung_up().await;
    }
    house.assert_nothing_kept().await;
    house.close().await;
}

#[tokio::test]
async fn a_head_with_too_many_or_too_long_headers_is_refused() {
    let house = House::open().await;
    let mut many = good();
    for number in 0..100 {
        many = many.header(&format!("X-{number}"), "x");
    }
    let long = good().header("X-Long", "x".repeat(70_000));
    let mut long_path = good();
    long_path.target = format!("/webhooks/stripe?{}", "x".repeat(70_000));
    for (case, ask) in
        [("101 headers and more", many), ("70 kB in one", long), ("a path of 70 kB", long_path)]
    {
        let reply = house.ask(&ask).await;
        let expected: &[u16] = if case.starts_with("a path") { &[414, 431] } else { &[431] };
        assert!(expected.contains(&reply.status), "{case}: {}", reply.status);
    }
    house.assert_nothing_kept().await;
    let mut few = good();
    for number in 0..90 {
        few = few.header(&format!("X-{number}"), "x");
    }
    assert_eq!(house.ask(&few).await.status, 200);
    house.close().await;
}

#[tokio::test]
async fn a_connection_takes_one_request_after_the_other() {
    let house = House::open().await;
    let mut connection = house.connect().await;
    for number in 0..3 {
        let body = format!(r#"{{"id":"evt_{number}"}}"#);
        let ask = Ask::post("/webhooks/stripe").json(body).by_stripe();
        assert_eq!(connection.ask(&ask).await.status, 200);
        assert_eq!(connection.ask(&Ask::get("/healthz")).await.status, 200);
    }
    // Two at once, which a client may send without waiting.
    let both = [good().bytes(house.address), Ask::get("/readyz").bytes(house.address)].concat();
    connection.send(&both).await;
    assert_eq!(connection.reply().await.unwrap().status, 200);
    assert_eq!(connection.reply().await.unwrap().text(), r#"{"status":"ready"}"#);
    assert_eq!(house.events().await.len(), 3, "evt_1 was there already");
    house.close().await;
}

#[tokio::test]
async fn what_is_no_http_is_hung_up_on() {
    let house = House::open().await;
    for bytes in
        [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], b"GET\r\n\r\n", b"\x00\x00\x00\r\n\r\n"]
    {
        let mut connection = house.connect().await;
        connection.send(bytes).await;
        if let Some(reply) = connection.reply().await {
            assert_eq!(reply.status, 400);
            connection.hung_up().await;
        }
    }
    house.close().await;
}

#[tokio::test]
async fn a_slow_head_is_hung_up_on() {
    let deadline = Duration::from_millis(150);
    let house = House::build(Plan::new().limits(|limits| limits.head = deadline)).await;
    let head = good().bytes(house.address);
    for sent in [0, 1, 40, head.len() - 20] {
        let mut connection = house.connect().await;
        let started = Instant::now();
        connection.send(&head[..sent]).await;
        if let Some(reply) = connection.reply().await {
            assert_eq!(reply.status, 408, "{sent} bytes");
            connection.hung_up().await;
        }
        assert!(started.elapsed() >= deadline, "{sent} bytes: not before the deadline");
    }
    house.assert_nothing_kept().await;
    house.close().await;
}

#[tokio::test]
async fn a_dribbling_body_is_refused_at_its_total_deadline() {
    let deadline = Duration::from_millis(300);
    let house = House::build(Plan::new().limits(|limits| limits.body = deadline)).await;
    let ask = good().header("Content-Length", "10000");
    let mut connection = house.connect().await;
    let started = Instant::now();
    connection.send(&ask.bytes(house.address)).await;
    // A byte now and then must not buy more time.
    let reply = loop {
        tokio::select! {
            reply = connection.reply() => break reply.unwrap(),
            () = tokio::time::sleep(deadline / 6) => connection.send(b" ").await,
        }
    };
    assert_eq!((reply.status, reply.code().as_str()), (408, "body_timeout"));
    let took = started.elapsed();
    assert!(took >= deadline && took < deadline * 10, "{took:?}");
    connection.hung_up().await;
    house.assert_nothing_kept().await;
    house.close().await;
}

#[tokio::test]
async fn slow_clients_keep_nobody_waiting() {
    let house = House::build(Plan::new().limits(|limits| limits.head = Duration::from_secs(3))).await;
    let mut slow = Vec::new();
    for _ in 0..300 {
        let mut connection = house.connect().await;
        connection.send(b"POST /webhooks/stripe HTTP/1.1\r\nHost: x\r\n").await;
        slow.push(connection);
    }
    assert_eq!(house.ask(&good()).await.status, 200);
    drop(slow);
    house.close().await;
}
