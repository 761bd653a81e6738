//! Plivo's second version signs a nonce in place of the body: the first body that comes with it is the only one.

use tokio::task::JoinSet;

use crate::house::House;
use crate::wire::{Ask, Connection};

const V2: &str = "X-Plivo-Signature-V2";
const TEXT: [(&str, &str); 4] =
    [("MessageUUID", "m1"), ("From", "14155550100"), ("To", "14155550199"), ("Text", "Hello")];

fn text(fields: &[(&str, &str)], nonce: &str) -> Ask {
    Ask::post("/webhooks/plivo/sms").form(fields).by_plivo_v2(V2, nonce)
}

#[tokio::test]
async fn the_same_nonce_and_body_are_a_duplicate_and_another_body_is_a_forgery() {
    let house = House::open().await;
    for header in [V2, "X-Plivo-Signature-MA-V2"] {
        let ask = Ask::post("/webhooks/plivo/sms").form(&TEXT).by_plivo_v2(header, "n1");
        assert_eq!(house.ask(&ask).await.verbs(), ["Message"], "{header}");
    }
    house.assert_seen(&[2]).await;
    let good = text(&TEXT, "n1");
    let mut other_query = good.clone();
    other_query.target.push_str("?t=1");
    let other =
        [("MessageUUID", "m2"), ("From", "14155550177"), ("To", "14155550199"), ("Text", "Send money")];
    let forgeries = [
        ("another body", good.clone().form(&other)),
        ("no body", good.clone().form(&[])),
        ("another query", other_query),
    ];
    for (case, forgery) in &forgeries {
        let reply = house.ask(forgery).await;
        assert_eq!((reply.status, reply.code().as_str()), (401, "signature_mismatch"), "{case}");
        let body = reply.json();
        assert_eq!(body["detail"], "No configured secret made this signature for this address and content.");
    }
    assert_eq!(house.event().await.body, good.body, "{forgeries:?} are not kept");
    let causes: Vec<_> = house.rejections(3).await.into_iter().map(|rejection| rejection.cause).collect();
    assert_eq!(causes, ["the nonce was seen with other content: V2 does not cover it"; 3]);
    // A fresh nonce with the same content is Plivo's retry.
    assert_eq!(house.ask(&text(&TEXT, "n2")).await.verbs(), ["Message"]);
    house.assert_seen(&[3]).await;
    house.close().await;
}

#[tokio::test]
async fn of_two_bodies_that_claim_a_nonce_at_once_one_is_kept() {
    let house = House::open().await;
    for round in 0..5 {
        let nonce = format!("n{round}");
        let mut claims = JoinSet::new();
        for claim in 0..8 {
            let id = format!("m{round}-{claim}");
            let fields = [("MessageUUID", id.as_str()), ("From", "14155550100"), ("To", "14155550199")];
            let (ask, address) = (text(&fields, &nonce), house.address);
            claims.spawn(async move { Connection::open(address).await.ask(&ask).await.status });
        }
        let mut statuses = claims.join_all().await;
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 401, 401, 401, 401, 401, 401, 401]);
    }
    assert_eq!(house.events().await.len(), 5);
    let nonces: i64 =
        sqlx::query_scalar("SELECT count(*) FROM signature_nonces").fetch_one(&house.db).await.unwrap();
    assert_eq!(nonces, 5);
    house.close().await;
}

#[tokio::test]
async fn the_second_version_counts_on_the_text_path_alone_and_never_beside_the_third() {
    let house = House::open().await;
    for path in ["/webhooks/plivo/answer", "/webhooks/plivo/hangup"] {
        let call = Ask::post(path).form(&[("CallUUID", "u1")]).by_plivo_v2(V2, "n1");
        assert_eq!(house.ask(&call).await.code(), "signature_mismatch", "{path}");
    }
    let beside =
        text(&TEXT, "n1").header("X-Plivo-Signature-V3", "AAAA").header("X-Plivo-Signature-V3-Nonce", "1");
    assert_eq!(house.ask(&beside).await.code(), "signature_mismatch", "a broken V3 decides");
    let no_nonce = text(&TEXT, "n1").without("X-Plivo-Signature-V2-Nonce");
    assert_eq!(house.ask(&no_nonce).await.code(), "signature_mismatch");
    let first = Ask::post("/webhooks/plivo/sms").form(&TEXT).header("X-Plivo-Signature", "AAAA");
    assert_eq!(house.ask(&first).await.code(), "signature_missing", "the first version is long withdrawn");
    house.assert_nothing_kept().await;
    house.close().await;
}
