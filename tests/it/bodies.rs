//! Bodies as strangers make them: whatever is genuine is kept with its raw bytes and answered, never with a 5xx; what
//! is too large, compressed or framed in two ways never gets as far.

use crate::endpoints::sign;
use crate::house::{House, Plan};
use crate::wire::{Ask, Reply};

const MIB: usize = 1 << 20;

/// Sends a genuine request and asserts that exactly its bytes are kept.
async fn assert_kept(house: &House, case: &str, ask: &Ask) -> Reply {
    let before: i64 = count(house).await;
    let reply = house.ask(ask).await;
    assert_eq!(reply.status, 200, "{case}: {reply:?}");
    assert_eq!(count(house).await, before + 1, "{case}");
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM events WHERE body = $1 AND path = $2")
        .bind(&ask.body)
        .bind(&ask.target)
        .fetch_one(&house.db)
        .await
        .unwrap();
    assert_eq!(kept, 1, "{case}: the raw bytes");
    reply
}

async fn count(house: &House) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM events").fetch_one(&house.db).await.unwrap()
}

#[tokio::test]
async fn odd_but_genuine_forms_are_kept_and_answered() {
    let house = House::open().await;
    for (case, form) in [
        ("NUL", &b"CallSid=CA1&From=%00&Body=a%00b"[..]),
        ("NUL in the id", b"CallSid=CA%001"),
        ("invalid UTF-8, escaped", b"CallSid=CA2&CallerName=%ff%fe%80"),
        ("invalid UTF-8, raw", b"CallSid=CA3&CallerName=\xff\xfe\x80"),
        ("a lone surrogate as UTF-8", b"CallSid=CA4&CallerName=%ED%A0%80"),
        ("half an escape", b"CallSid=CA5&CallerName=%4&X=%"),
        ("names without values, values without names", b"CallSid=CA6&a&b=&=c&&d"),
        ("repeated names", b"CallSid=CA7&CallSid=CA8&a=2&a=1&a=2"),
        ("markup", b"CallSid=CA9&From=%3C%2FSay%3E%3CDial%3E%26%22%27"),
        ("control characters", b"CallSid=CA10&From=%01%02%1b%5b31m%0d%0a"),
        ("a blank that was a plus", b"CallSid=CA11&From=+14155550100&To=+14155550199"),
        ("nothing known", b"a=b"),
    ] {
        let voice = Ask::post("/webhooks/twilio/voice").raw_form(form).by_twilio();
        let reply = assert_kept(&house, case, &voice).await;
        assert_eq!(reply.verbs(), ["Say", "Record", "Redirect"], "{case}");
        let replaced =
            form.strip_prefix(b"CallSid").map_or_else(|| form.to_vec(), |rest| [b"CallUUID", rest].concat());
        let answer = Ask::post("/webhooks/plivo/answer").raw_form(replaced).by_plivo();
        let reply = assert_kept(&house, case, &answer).await;
        assert_eq!(reply.verbs(), ["Speak", "Record", "Redirect"], "{case}");
    }
    house.close().await;
}

#[tokio::test]
async fn hostile_texts_leave_the_documents_shape_alone() {
    let house = House::open().await;
    for (number, text) in
        ["</Message><Dial>900</Dial>", "]]>", "&bogus;", "\u{0}\u{b}\u{1b}", "\u{202e}\u{ffff}", "😀"]
            .into_iter()
            .enumerate()
    {
        let id = format!("m{number}");
        // Plivo's answer names both ends.
        let fields = [("MessageUUID", id.as_str()), ("From", "14155550100"), ("To", text), ("Text", text)];
        let reply = house.ask(&Ask::post("/webhooks/plivo/sms").form(&fields).by_plivo()).await;
        assert_eq!(reply.verbs(), ["Message"], "{text:?}");
        let document = reply.xml();
        let elements = document.descendants().filter(roxmltree::Node::is_element).count();
        assert_eq!(elements, 2, "{text:?}: {}", reply.text());
    }
    house.close().await;
}

#[tokio::test]
async fn odd_but_genuine_json_of_stripe_is_kept() {
    let house = House::open().await;
    let digits = "9".repeat(400);
    let deep = |name: &str| {
        format!(r#"{{"id":"evt_{name}","{name}":{}1{}}}"#, "[".repeat(50_000), "]".repeat(50_000))
    };
    for (case, body) in [
        ("NUL", r#"{"id":"evt_nul","type":"a\u0000b","data":{"object":{"id":"in\u0000"}}}"#.to_owned()),
        ("NUL in the id", r#"{"id":"evt_\u0000","type":"x"}"#.to_owned()),
        ("a lone surrogate", r#"{"id":"evt_s","type":"\ud800"}"#.to_owned()),
        ("a lone surrogate beside", r#"{"id":"evt_s2","type":"x","note":"\ud800"}"#.to_owned()),
        ("400 digits", format!(r#"{{"id":"evt_d","type":"x","amount":{digits}}}"#)),
        ("400 digits as time", format!(r#"{{"id":"evt_t","type":"x","created":{digits}}}"#)),
        ("a time beyond all calendars", r#"{"id":"evt_b","created":9223372036854775807}"#.to_owned()),
        ("deep nesting", deep("nested")),
        ("deep nesting where something is read", deep("created")),
        ("other types", r#"{"id":7,"type":[],"created":{},"data":"x"}"#.to_owned()),
        ("repeated members", r#"{"id":"evt_r","id":"evt_r2","type":"x"}"#.to_owned()),
        ("a list", "[1,2]".to_owned()),
        ("a byte order mark", "\u{feff}{\"id\":\"evt_m\"}".to_owned()),
        ("cut off", r#"{"id":"evt_c","ty"#.to_owned()),
        ("nothing", String::new()),
    ] {
        let reply = assert_kept(&house, case, &Ask::post("/webhooks/stripe").json(body).by_stripe()).await;
        assert_eq!(reply.text(), r#"{"received":true}"#, "{case}");
    }
    let not_text = Ask::post("/webhooks/stripe").json(&b"{\"id\":\"\xff\"}"[..]).by_stripe();
    assert_kept(&house, "invalid UTF-8", &not_text).await;
    let ids: Vec<String> =
        sqlx::query_scalar("SELECT external_id FROM events").fetch_all(&house.db).await.unwrap();
    for id in ["evt_nul", "evt_d", "evt_b", "evt_nested"] {
        assert!(ids.iter().any(|kept| kept == id), "{id} is still known by its id: {ids:?}");
    }
    house.close().await;
}

#[tokio::test]
async fn json_is_taken_from_twilio_with_its_digest_and_from_plivo_by_its_members() {
    let house = House::open().await;
    let twilio = |body: &str| Ask::post("/webhooks/twilio/voice?a=b").json(body);
    let good = twilio(r#"{"CallSid":"CA1","From":"+14155550100"}"#).by_twilio();
    let reply = assert_kept(&house, "Twilio", &good).await;
    assert_eq!(reply.verbs(), ["Say", "Record", "Redirect"]);
    assert_eq!(house.event().await.subject.as_deref(), Some("CA1"));
    let odd =
        [r#"{"a":"\u0000\ud800"}"#.to_owned(), format!("{{\"a\":{}}}", "9".repeat(400)), "[".repeat(50_000)];
    for body in odd {
        assert_kept(&house, "odd JSON of Twilio", &twilio(&body).by_twilio()).await;
    }
    let mut tampered = good.clone();
    tampered.body = br#"{"CallSid":"CA2"}"#.to_vec();
    let mut unhashed = good.clone();
    unhashed.target = "/webhooks/twilio/voice?a=b".to_owned();
    let mut shouted = good.clone();
    let (path, hash) = shouted.target.split_once("bodySHA256=").unwrap();
    shouted.target = format!("{path}bodySHA256={}", hash.to_uppercase());
    for (case, ask) in [("another body", tampered), ("no digest", unhashed), ("digest in capitals", shouted)]
    {
        assert_eq!(house.ask(&ask).await.code(), "signature_mismatch", "{case}");
    }

    let plivo = |body: &str| Ask::post("/webhooks/plivo/answer?a=b").json(body);
    let good =
        plivo(r#"{"From":"14155550100","To":14155550199,"CallUUID":"u1","Nested":{"b":[1,2]},"No":null}"#);
    let reply = assert_kept(&house, "Plivo", &good.clone().by_plivo()).await;
    assert_eq!(reply.verbs(), ["Speak", "Record", "Redirect"]);
    let mut tampered = good.by_plivo();
    tampered.body =
        br#"{"From":"14155550100","To":14155550199,"CallUUID":"u2","Nested":{"b":[1,2]},"No":null}"#.to_vec();
    assert_eq!(house.ask(&tampered).await.code(), "signature_mismatch");
    for (case, body) in [("a list", "[1]"), ("no members", "{}"), ("no JSON", "{")] {
        let ask = plivo("{\"x\":1}").by_plivo().json(body);
        assert_eq!(house.ask(&ask).await.code(), "signature_mismatch", "{case}: nothing would be signed");
    }
    house.close().await;
}

#[tokio::test]
async fn no_other_body_rides_on_a_signature() {
    let house = House::open().await;
    for (endpoint, content_type) in [
        ("twilio/voice", "text/plain"),
        ("twilio/voice", "multipart/form-data; boundary=x"),
        ("plivo/answer", "application/xml"),
        ("plivo/sms", "application/x-www-form-urlencoded-not"),
    ] {
        // Good for a request without parameters.
        let mut ask = sign(endpoint, Ask::post(&format!("/webhooks/{endpoint}")));
        ask = ask.body(content_type, "CallSid=CA1");
        let reply = house.ask(&ask).await;
        assert_eq!((reply.status, reply.code().as_str()), (415, "unsupported_media_type"), "{content_type}");
    }
    let untyped = Ask::post("/webhooks/twilio/voice").by_twilio();
    let untyped = Ask { body: b"CallSid=CA1".to_vec(), ..untyped };
    assert_eq!(house.ask(&untyped).await.code(), "unsupported_media_type");
    let twice = Ask::post("/webhooks/twilio/voice").form(&[("CallSid", "CA1")]).by_twilio();
    let twice = twice.header("Content-Type", "application/json");
    assert_eq!(house.ask(&twice).await.code(), "unsupported_media_type");
    house.assert_nothing_kept().await;
    house.close().await;
}

#[tokio::test]
async fn a_body_of_one_mebibyte_is_kept_and_one_byte_more_is_refused() {
    let house = House::open().await;
    let body = |size: usize| {
        let (start, end) = (r#"{"id":"evt_large","x":""#, r#""}"#);
        format!("{start}{}{end}", "x".repeat(size - start.len() - end.len()))
    };
    let ask = |size| Ask::post("/webhooks/stripe").json(body(size)).by_stripe();
    assert_kept(&house, "1 MiB", &ask(MIB)).await;
    for size in [MIB + 1, 4 * MIB] {
        let reply = house.ask(&ask(size)).await;
        assert_eq!((reply.status, reply.code().as_str()), (413, "body_too_large"), "{size}");
        assert_eq!(reply.header("connection"), Some("close"));
    }
    let chunked = |size| {
        let ask = ask(size).header("Transfer-Encoding", "chunked");
        let chunks: Vec<u8> = ask
            .body
            .chunks(60_000)
            .flat_map(|chunk| [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat())
            .collect();
        Ask { body: [&chunks[..], b"0\r\n\r\n"].concat(), ..ask }
    };
    assert_eq!(house.ask(&chunked(MIB)).await.status, 200);
    house.assert_seen(&[2]).await; // the same body, in chunks
    assert_eq!(house.ask(&chunked(MIB + 1)).await.code(), "body_too_large");
    // What the body will be is not believed: this one would be an Exabyte.
    let mut connection = house.connect().await;
    let head = ask(100).header("Content-Length", "1152921504606846976").bytes(house.address);
    connection.send(&head).await;
    let reply = connection.reply().await.unwrap();
    assert_eq!((reply.status, reply.code().as_str()), (413, "body_too_large"));
    house.close().await;
}

#[tokio::test]
async fn a_lying_content_length_is_no_way_in() {
    let house =
        House::build(Plan::new().limits(|limits| limits.body = std::time::Duration::from_millis(200))).await;
    let good = Ask::post("/webhooks/stripe").json(r#"{"id":"evt_1"}"#).by_stripe();
    let mut connection = house.connect().await;
    connection.send(&good.clone().header("Content-Length", "13").bytes(house.address)).await;
    let reply = connection.reply().await.unwrap();
    assert_eq!(reply.code(), "signature_mismatch", "too little is not what was signed");
    let mut connection = house.connect().await;
    connection.send(&good.header("Content-Length", "15").bytes(house.address)).await;
    let reply = connection.reply().await.unwrap();
    assert_eq!((reply.status, reply.code().as_str()), (408, "body_timeout"), "one byte is still awaited");
    connection.hung_up().await;
    house.assert_nothing_kept().await;
    house.close().await;
}

#[tokio::test]
async fn a_compressed_body_is_refused() {
    let house = House::open().await;
    for encoding in ["gzip", "deflate", "br", "zstd", "identity, gzip", "x"] {
        let ask = Ask::post("/webhooks/stripe").json(r#"{"id":"evt_1"}"#).by_stripe();
        let reply = house.ask(&ask.header("Content-Encoding", encoding)).await;
        assert_eq!((reply.status, reply.code().as_str()), (415, "unsupported_media_type"), "{encoding}");
    }
    house.assert_nothing_kept().await;
    house.close().await;
}
