//! How soon pages come with a million events stored. Run by hand on an idle machine, since it takes minutes:
//! `cargo test --release --test it -- --ignored --nocapture console::speed`.

use std::time::Instant;

use super::{Session, open};

/// Longest time to a page's first byte, in milliseconds, and its largest size, in bytes.
const FIRST_BYTE_MS: u128 = 100;
const SIZE: usize = 150_000;

/// A million events over the month before the clock's moment, a third of them of two hundred thousand calls, and texts,
/// accounts and refusals beside them.
pub(super) const MILLION: &str = "
INSERT INTO events (id, provider, endpoint, external_id, kind, subject, received_at, method, path, headers, body, signed_by)
SELECT (left(uuid_floor(at)::text, 13) || '-7000-8000-' || lpad(to_hex(number), 12, '0'))::uuid,
       CASE number % 3 WHEN 0 THEN 'stripe' WHEN 1 THEN 'twilio' ELSE 'plivo' END,
       CASE number % 3 WHEN 0 THEN 'stripe' WHEN 1 THEN 'twilio/voice' ELSE 'plivo/answer' END,
       'evt_' || number, CASE number % 3 WHEN 0 THEN 'invoice.payment_succeeded' WHEN 1 THEN 'twilio.voice' ELSE 'plivo.answer' END,
       CASE number % 3 WHEN 0 THEN 'cus_' || number % 5000 ELSE 'CA' || number / 5 END, at, 'POST', '/webhooks/x',
       '[[\"content-type\",\"application/json\"]]', convert_to(repeat('{\"a\": 1} ', 80), 'UTF8'), 'secret[0]'
FROM (SELECT number, to_timestamp(1794744000) - interval '26 days' * (1 - number / 1000000.0) AS at
      FROM generate_series(1, 1000000) number) numbered;
INSERT INTO calls (key, id, provider, external_id, direction, from_number, to_number, line, status, ended, outcome, started_at, last_seen_at, duration_s)
SELECT 'twilio:CA' || number, (left(uuid_floor(at)::text, 13) || '-7000-8000-' || lpad(to_hex(number), 12, '0'))::uuid, 'twilio', 'CA' || number, 'inbound',
       '+1415555' || lpad((number % 10000)::text, 4, '0'), '+14155550199', '+14155550199', 'completed', true, 'answered', at, at, 50
FROM (SELECT number, to_timestamp(1794744000) - interval '26 days' * (1 - number / 200000.0) AS at FROM generate_series(1, 200000) number) numbered;
INSERT INTO call_events (call, event_id, at, kind, what)
SELECT 'twilio:' || subject, id, received_at, kind, 'ringing' FROM events WHERE provider = 'twilio';
INSERT INTO messages (key, id, provider, external_id, direction, from_number, to_number, line, contact, body, status, final, received_at, changed_at)
SELECT 'twilio:SM' || number, (left(uuid_floor(at)::text, 13) || '-7000-8000-' || lpad(to_hex(number), 12, '0'))::uuid, 'twilio', 'SM' || number, 'inbound',
       '+1415555' || lpad((number % 10000)::text, 4, '0'), '+14155550199', '+14155550199', '+1415555' || lpad((number % 10000)::text, 4, '0'), 'Hello', 'received', true, at, at
FROM (SELECT number, to_timestamp(1794744000) - interval '26 days' * (1 - number / 100000.0) AS at FROM generate_series(1, 100000) number) numbered;
INSERT INTO accounts (key, id, livemode, customer, changed_at)
SELECT 'live::cus_' || number, (left(uuid_floor(to_timestamp(1794744000 - number))::text, 13) || '-7000-8000-' || lpad(to_hex(number), 12, '0'))::uuid, true, 'cus_' || number, to_timestamp(1794744000 - number)
FROM generate_series(0, 4999) number;
INSERT INTO subscriptions (key, id, account, livemode, external_id, status, changed_at)
SELECT 'live::sub_' || number, (left(uuid_floor(to_timestamp(1794744000 - number))::text, 13) || '-7000-8000-' || lpad(to_hex(number), 12, '0'))::uuid, 'live::cus_' || number, true, 'sub_' || number, 'active', to_timestamp(1794744000 - number)
FROM generate_series(0, 4999) number;
INSERT INTO outbox (id, key, kind, provider, line, contact, reason, owed, state, due_at, tries, settled_at)
SELECT (left(uuid_floor(at)::text, 13) || '-7000-8000-' || lpad(to_hex(number), 12, '0'))::uuid, 'call:twilio:CA' || number || ':missed:0', 'text', 'twilio',
       '+14155550199', '+1415555' || lpad((number % 10000)::text, 4, '0'), 'missed', '{}', CASE number % 1000 WHEN 0 THEN 'dead' ELSE 'done' END, at, 1, at
FROM (SELECT number, to_timestamp(1794744000) - interval '26 days' * (1 - number / 50000.0) AS at FROM generate_series(1, 50000) number) numbered;";

#[tokio::test]
#[ignore = "stores a million events; by hand, on an idle machine"]
async fn pages_come_soon_and_are_small_with_a_million_events() {
    let house = open().await;
    for statement in MILLION.split(';') {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned())).execute(&house.db).await.unwrap();
    }
    sqlx::raw_sql("VACUUM ANALYZE").execute(&house.db).await.unwrap();
    let session = Session::open(&house, &[]).await;
    let call = session.get(&house, "/console/search?q=CA199000").await.header("location").unwrap().to_owned();
    let text = session.get(&house, "/console/search?q=SM99000").await.header("location").unwrap().to_owned();
    let account =
        session.get(&house, "/console/search?q=cus_77").await.header("location").unwrap().to_owned();
    let list = session.get(&house, "/console/events").await;
    let start = list.text().find("/console/events/event_").unwrap();
    let detail = list.text()[start..].split('"').next().unwrap().to_owned();
    let owed = session
        .get(&house, "/console/search?q=call:twilio:CA49000:missed:0")
        .await
        .header("location")
        .unwrap()
        .to_owned();
    let mut slow = Vec::new();
    for path in [
        "/console",
        "/console",
        "/console/events",
        "/console/events?type=nothing",
        "/console/events?provider=stripe",
        "/console/events?subject=cus_77",
        "/console/calls",
        "/console/calls?outcome=missed",
        "/console/calls?number=%2B14155550100",
        "/console/messages",
        "/console/messages?contact=%2B14155550100",
        "/console/outbox",
        "/console/outbox?state=dead",
        "/console/outbox?state=waiting",
        "/console/replay?provider=stripe&type=nothing",
        "/console/lines",
        "/console/flows",
        "/console/accounts",
        "/console/accounts?view=owing",
        "/console/refused",
        "/console/dead-letters",
        "/console/setup",
        "/console/settings",
        "/console/search?q=nothing",
        &detail,
        &call,
        &text,
        &account,
        &owed,
    ] {
        let asked = Instant::now();
        let page = session.get(&house, path).await;
        let took = asked.elapsed().as_millis();
        println!("{took:>5} ms {:>7} bytes  {path}", page.body.len());
        assert_eq!(page.status, 200, "{path}: {}", page.text());
        if took > FIRST_BYTE_MS || page.body.len() > SIZE {
            slow.push(format!("{path}: {took} ms, {} bytes", page.body.len()));
        }
    }
    assert!(slow.is_empty(), "{slow:#?}");
    house.close().await;
}
