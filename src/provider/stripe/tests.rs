//! Edge cases of Stripe's header, case by case.

use std::fmt::Display;

use crate::provider::{
    Endpoint, Received, Reject, SignedBy, Unsigned,
    testing::{NOW, get, post, secrets, stripe, stripe_v1, verdict},
    verify,
};

use super::sign;

const SECRET: &str = "whsec_one";
const OTHER: &str = "whsec_two";
const BODY: &str = r#"{"id":"evt_1","type":"invoice.paid"}"#;

fn signed(body: &[u8], header: &str) -> Received {
    post(Endpoint::Stripe, body.to_vec()).with("stripe-signature", header)
}

/// `v1` of the secret for [`BODY`] at `time`.
fn v1(secret: &str, time: impl Display) -> String {
    stripe_v1(secret, &time.to_string(), BODY.as_bytes())
}

#[test]
fn headers() {
    let (good, other) = (v1(SECRET, NOW), v1(OTHER, NOW));
    let flipped = format!("{}{}", if good.starts_with('0') { '1' } else { '0' }, &good[1..]);
    let (missing, mismatch) = ("signature_missing", "signature_mismatch");
    for (case, header, expected) in [
        ("plain", format!("t={NOW},v1={good}"), "ok"),
        ("rotation: second v1 matches", format!("t={NOW},v1={other},v1={good}"), "ok"),
        ("a broken v1 after a good one", format!("t={NOW},v1={good},v1=zz"), "ok"),
        ("an empty v1 before a good one", format!("t={NOW},v1=,v1={good}"), "ok"),
        ("v1 before t", format!("v1={good},t={NOW}"), "ok"),
        ("v0 and unknown schemes beside it", format!("t={NOW},v0=00,v9=x,v1={good}"), "ok"),
        ("blanks around elements", format!(" t={NOW} , v1={good} "), "ok"),
        ("elements without =, empty elements", format!("x,,t={NOW},v1={good},"), "ok"),
        ("empty", String::new(), mismatch),
        ("free text", "hello".to_owned(), mismatch),
        ("no t", format!("v1={good}"), mismatch),
        ("no v1", format!("t={NOW}"), mismatch),
        ("empty v1", format!("t={NOW},v1="), mismatch),
        ("good digest under v0 alone", format!("t={NOW},v0={good}"), mismatch),
        ("key in capitals", format!("t={NOW},V1={good}"), mismatch),
        ("T in capitals", format!("T={NOW},v1={good}"), mismatch),
        ("blank after =", format!("t={NOW},v1= {good}"), mismatch),
        ("blank before =", format!("t={NOW},v1 ={good}"), mismatch),
        ("one character short", format!("t={NOW},v1={}", &good[..63]), mismatch),
        ("half of it", format!("t={NOW},v1={}", &good[..32]), mismatch),
        ("one character more", format!("t={NOW},v1={good}0"), mismatch),
        ("one character changed", format!("t={NOW},v1={flipped}"), mismatch),
        ("upper-case hex", format!("t={NOW},v1={}", good.to_uppercase()), mismatch),
        ("of another secret", format!("t={NOW},v1={other}"), mismatch),
        ("base64 in place of hex", format!("t={NOW},v1=RSOYDt4T1cUTdK1PDd93/VVr8B8="), mismatch),
        ("two t", format!("t={NOW},t={NOW},v1={good}"), mismatch),
        (
            "fresh t beside the signed old one",
            format!("t={NOW},t={},v1={}", NOW - 600, v1(SECRET, NOW - 600)),
            mismatch,
        ),
        ("signed at another second", format!("t={},v1={good}", NOW - 1), mismatch),
        ("t with a sign", format!("t=+{NOW},v1={}", v1(SECRET, format!("+{NOW}"))), mismatch),
        ("t with a fraction", format!("t={NOW}.0,v1={}", v1(SECRET, format!("{NOW}.0"))), mismatch),
        (
            "t of 20 digits",
            format!("t=99999999999999999999,v1={}", v1(SECRET, "99999999999999999999")),
            mismatch,
        ),
        ("t empty", format!("t=,v1={}", v1(SECRET, "")), mismatch),
        (
            "t in milliseconds",
            format!("t={NOW}000,v1={}", v1(SECRET, format!("{NOW}000"))),
            "timestamp_out_of_tolerance",
        ),
    ] {
        assert_eq!(verdict(&stripe(&[SECRET]), signed(BODY.as_bytes(), &header)), expected, "{case}");
    }
    assert_eq!(verdict(&stripe(&[SECRET]), post(Endpoint::Stripe, BODY)), missing);
    let twice = signed(BODY.as_bytes(), &format!("t={NOW},v1={good}")).with("stripe-signature", "x");
    assert_eq!(verdict(&stripe(&[SECRET]), twice), mismatch, "two header lines");
}

#[test]
fn age_counts_either_way_and_comes_from_the_header_alone() {
    for (age, expected) in [
        (0, "ok"),
        (299, "ok"),
        (300, "ok"),
        (301, "timestamp_out_of_tolerance"),
        (-299, "ok"),
        (-300, "ok"),
        (-301, "timestamp_out_of_tolerance"),
    ] {
        let time = NOW - age;
        let header = format!("t={time},v1={}", v1(SECRET, time));
        assert_eq!(verdict(&stripe(&[SECRET]), signed(BODY.as_bytes(), &header)), expected, "age {age}");
    }
    // An old header gets the same code whether its digest is good or not.
    let forged = signed(BODY.as_bytes(), &format!("t={},v1=00", NOW - 301));
    assert_eq!(verify(&stripe(&[SECRET]), forged).unwrap_err(), Reject::Stale { age: 301 });
}

#[test]
fn bodies_are_taken_byte_for_byte() {
    for (case, body) in [
        ("empty", Vec::new()),
        ("byte order mark", b"\xef\xbb\xbf{}".to_vec()),
        ("CRLF and a last newline", b"{\r\n}\n".to_vec()),
        ("emoji and escapes", r#"{"a":"☎\u260e"}"#.as_bytes().to_vec()),
        ("NUL and bad UTF-8", b"\0\xff".to_vec()),
        ("300 kB", vec![b' '; 300_000]),
        ("no JSON", b"a=1".to_vec()),
    ] {
        let header = format!("t={NOW},v1={}", stripe_v1(SECRET, &NOW.to_string(), &body));
        assert_eq!(verdict(&stripe(&[SECRET]), signed(&body, &header)), "ok", "{case}");
        let mut longer = body;
        longer.push(b'\n');
        assert_eq!(
            verdict(&stripe(&[SECRET]), signed(&longer, &header)),
            "signature_mismatch",
            "{case}, longer"
        );
    }
    let compact = serde_json::from_str::<serde_json::Value>("{ \"a\": 1 }").unwrap().to_string();
    let header = format!("t={NOW},v1={}", stripe_v1(SECRET, &NOW.to_string(), b"{ \"a\": 1 }"));
    assert_eq!(verdict(&stripe(&[SECRET]), signed(compact.as_bytes(), &header)), "signature_mismatch");
}

#[test]
fn secrets_and_who_signed() {
    let header = format!("t={NOW},v1={}", v1(OTHER, NOW));
    let found = verify(&stripe(&[SECRET, OTHER]), signed(BODY.as_bytes(), &header)).unwrap();
    assert_eq!(found.signed_by(), SignedBy::Secret { variable: "STRIPE_WEBHOOK_SECRET", index: 1 });
    assert_eq!(found.signed_by().to_string(), "STRIPE_WEBHOOK_SECRET[1]");
    assert_eq!(verdict(&stripe(&[]), signed(BODY.as_bytes(), &header)), "signature_mismatch", "no secret");
    for blank in ["", " "] {
        let header = format!("t={NOW},v1={}", v1(blank, NOW));
        assert_eq!(
            verdict(&stripe(&[blank]), signed(BODY.as_bytes(), &header)),
            "signature_mismatch",
            "a blank secret is everybody's"
        );
    }
    // The prefix belongs to the key, which is no base64.
    let header = format!("t={NOW},v1={}", v1("one", NOW));
    assert_eq!(verdict(&stripe(&[SECRET]), signed(BODY.as_bytes(), &header)), "signature_mismatch");
}

#[test]
fn unsigned_passes_only_where_it_may() {
    let unsigned =
        |body: &str| Received { unsigned: Unsigned::Labelled, ..post(Endpoint::Stripe, body.to_owned()) };
    let labelled = verify(&stripe(&[SECRET]), unsigned(BODY)).unwrap();
    assert_eq!(labelled.signed_by().to_string(), "unsigned");
    assert_eq!(verdict(&stripe(&[SECRET]), unsigned("id=evt_1")), "body_malformed");
    let wrong = unsigned(BODY).with("stripe-signature", "t=1,v1=00");
    assert_eq!(
        verdict(&stripe(&[SECRET]), wrong),
        "timestamp_out_of_tolerance",
        "a wrong signature is not none"
    );
    let by_get = get(Endpoint::Stripe, "x=1");
    assert_eq!(verdict(&stripe(&[SECRET]), by_get), "signature_missing");
}

#[test]
fn the_own_signer_agrees() {
    let at = chrono::DateTime::from_timestamp(NOW, 0).unwrap();
    let own = sign(&secrets(&[SECRET])[0], at, BODY.as_bytes());
    assert_eq!(own, format!("t={NOW},v1={}", v1(SECRET, NOW)));
}
