//! Edge cases of Plivo's signatures, case by case.

use axum::http::Method;

use crate::provider::{
    Endpoint, Received, Reject, SignedBy, Unsigned,
    testing::{
        FORM, JSON, ORIGIN, Pairs, encode, get, pairs, plivo, plivo_v2, plivo_v3, post, secrets, verdict,
    },
    verify,
};

use super::{Plivo, sign_v3};

const TOKEN: &str = "token-one";
const NONCE: &str = "05429567804466091622";
const V3: &str = "X-Plivo-Signature-V3";
const MA_V3: &str = "X-Plivo-Signature-MA-V3";
const V3_NONCE: &str = "X-Plivo-Signature-V3-Nonce";
const V2: &str = "X-Plivo-Signature-V2";
const MA_V2: &str = "X-Plivo-Signature-MA-V2";
const V2_NONCE: &str = "X-Plivo-Signature-V2-Nonce";
const MISSING: &str = "signature_missing";
const MISMATCH: &str = "signature_mismatch";
const MEDIA: &str = "unsupported_media_type";

fn call() -> Pairs {
    pairs(&[("CallUUID", "c-1"), ("Event", "StartApp"), ("From", "14155550142"), ("TotalCost", "0.0055")])
}

fn judge(received: Received) -> &'static str {
    verdict(&plivo(&[TOKEN]), received)
}

fn base(endpoint: Endpoint) -> String {
    format!("{ORIGIN}{}", endpoint.path())
}

/// The good V3 value for a POST of these fields to the answer path without a query.
fn v3(fields: &[(String, String)]) -> String {
    plivo_v3(TOKEN, &base(Endpoint::PlivoAnswer), &[], fields, NONCE)
}

/// A POST of [`call`] to the answer path, not signed yet.
fn answer() -> Received {
    post(Endpoint::PlivoAnswer, encode(&call()))
}

/// A text with a V2 signature.
fn text(body: &str, path_and_query: &str, nonce: &str) -> Received {
    let path = path_and_query.split('?').next().unwrap();
    let signature = plivo_v2(TOKEN, &format!("{ORIGIN}{path}"), nonce);
    Received { path_and_query: path_and_query.to_owned(), ..post(Endpoint::PlivoSms, body.to_owned()) }
        .with(V2, &signature)
        .with(V2_NONCE, nonce)
}

#[test]
fn what_v3_covers() {
    for (case, query, sent_query, fields, body) in [
        ("no query", vec![], None, vec![("b", "2"), ("a", "1")], "b=2&a=1"),
        ("query", vec![("x", "7")], Some("x=7"), vec![("a", "1")], "a=1"),
        ("query sorted", vec![("a", "1"), ("b", "2")], Some("b=2&a=1"), vec![("a", "1")], "a=1"),
        ("query decoded", vec![("a", "x y&z=é")], Some("a=x%20y%26z%3D%c3%A9"), vec![("a", "1")], "a=1"),
        ("query with a plus", vec![("a", "x y")], Some("a=x+y"), vec![("a", "1")], "a=1"),
        ("query without a value", vec![("a", "")], Some("a"), vec![("a", "1")], "a=1"),
        ("query with repeats", vec![("a", "1"), ("a", "1")], Some("a=1&a=1"), vec![("a", "1")], "a=1"),
        ("bare question mark", vec![], Some(""), vec![("a", "1")], "a=1"),
        ("no parameters", vec![("a", "1")], Some("a=1"), vec![], ""),
        ("nothing at all", vec![], None, vec![], ""),
        ("bytes order", vec![], None, vec![("Media10", "x"), ("Media2", "y")], "Media2=y&Media10=x"),
        ("capitals first", vec![], None, vec![("B", "1"), ("a", "2")], "a=2&B=1"),
        ("repeats kept", vec![], None, vec![("a", "1"), ("a", "1"), ("a", "0")], "a=1&a=1&a=0"),
        ("empty values", vec![], None, vec![("a", ""), ("b", "")], "a=&b"),
        ("dots at the end", vec![("q", "1")], Some("q=1"), vec![("a", "Bye...")], "a=Bye..."),
        ("a plus, a blank, an emoji", vec![], None, vec![("a", "+ ☎")], "a=%2B+%E2%98%8E"),
        ("NUL and bad UTF-8", vec![], None, vec![("a", "\0\u{fffd}")], "a=%00%ff"),
    ] {
        let mut received = post(Endpoint::PlivoAnswer, body);
        if let Some(query) = sent_query {
            received = received.query_is(query);
        }
        let good = plivo_v3(TOKEN, &base(Endpoint::PlivoAnswer), &pairs(&query), &pairs(&fields), NONCE);
        let received = received.with(V3, &good).with(V3_NONCE, NONCE);
        assert_eq!(judge(received.clone()), "ok", "{case}");
        let more = Received { path_and_query: format!("{}?zz=1", Endpoint::PlivoAnswer.path()), ..received };
        assert_eq!(judge(more), MISMATCH, "{case}, with another query");
    }
}

#[test]
fn get_has_its_parameters_in_the_query() {
    let received = get(Endpoint::PlivoAnswer, &encode(&call()));
    let good = plivo_v3(TOKEN, &base(Endpoint::PlivoAnswer), &call(), &[], NONCE);
    let received = received.with(V3, &good).with(V3_NONCE, NONCE);
    let by_get = verify(&plivo(&[TOKEN]), received.clone()).unwrap();
    assert_eq!(by_get.message().get("CallUUID"), Some("c-1"));
    let by_post = verify(&plivo(&[TOKEN]), Received { method: Method::POST, ..received.clone() }).unwrap();
    assert_eq!(by_get.envelope(), by_post.envelope(), "one recorded GET stays one event");
    assert_eq!(judge(Received { body: "x".into(), ..received }), MEDIA, "GET with a body");
    let as_post = answer().with(V3, &good).with(V3_NONCE, NONCE);
    assert_eq!(judge(as_post), MISMATCH, "a POST is not signed like a GET");
}

#[test]
fn v3_headers() {
    let good = v3(&call());
    let other = plivo_v3("token-two", &base(Endpoint::PlivoAnswer), &[], &call(), NONCE);
    let v2 = plivo_v2(TOKEN, &base(Endpoint::PlivoAnswer), NONCE);
    let nonce = (V3_NONCE, NONCE);
    for (case, headers, expected) in [
        ("plain", vec![(V3, good.clone())], "ok"),
        ("MA alone", vec![(MA_V3, good.clone())], "ok"),
        ("MA with a wrong plain one", vec![(V3, other.clone()), (MA_V3, good.clone())], "ok"),
        ("plain with a wrong MA one", vec![(V3, good.clone()), (MA_V3, other.clone())], "ok"),
        ("list, second matches", vec![(V3, format!("{other},{good}"))], "ok"),
        ("list with blanks", vec![(V3, format!(" {other} , {good} "))], "ok"),
        ("list with empty entries", vec![(V3, format!(",,{good},"))], "ok"),
        ("two lines", vec![(V3, other.clone()), (V3, good.clone())], "ok"),
        ("empty", vec![(V3, String::new())], MISMATCH),
        ("only commas", vec![(V3, " , ,".to_owned())], MISMATCH),
        ("of another token", vec![(V3, other.clone()), (MA_V3, other.clone())], MISMATCH),
        ("without padding", vec![(V3, good.trim_end_matches('=').to_owned())], MISMATCH),
        ("one character short", vec![(V3, good[1..].to_owned())], MISMATCH),
        ("a list glued by blanks", vec![(V3, format!("{other} {good}"))], MISMATCH),
        ("V2 under V3 names", vec![(V3, v2.clone())], MISMATCH),
        ("good value under V2 names", vec![(V2, good.clone()), (V2_NONCE, NONCE.to_owned())], MISMATCH),
        ("V2 on a voice path", vec![(V2, v2.clone()), (V2_NONCE, NONCE.to_owned())], MISMATCH),
        ("good V2 beside a broken V3", vec![(V3, other), (V2, v2), (V2_NONCE, NONCE.to_owned())], MISMATCH),
        ("good V3 beside a broken V2", vec![(V3, good.clone()), (V2, "x".to_owned())], "ok"),
        ("V1", vec![("X-Plivo-Signature", good)], MISSING),
        ("none", vec![], MISSING),
    ] {
        let received = headers.iter().fold(answer(), |received, (name, value)| received.with(name, value));
        assert_eq!(judge(received.with(nonce.0, nonce.1)), expected, "{case}");
    }
}

#[test]
fn nonces() {
    let of = |nonce: &str| plivo_v3(TOKEN, &base(Endpoint::PlivoAnswer), &[], &call(), nonce);
    let sent = |nonce: &str| answer().with(V3, &of(NONCE)).with(V3_NONCE, nonce);
    assert_eq!(judge(sent(NONCE)), "ok");
    assert_eq!(judge(sent("1")), MISMATCH, "changed");
    assert_eq!(judge(sent("")), MISMATCH, "empty");
    assert_eq!(judge(sent(NONCE).with(V3_NONCE, NONCE)), MISMATCH, "two lines");
    assert_eq!(judge(answer().with(V3, &of(NONCE))), MISMATCH, "missing");
    assert_eq!(judge(answer().with(V3, &of(NONCE)).with(V2_NONCE, NONCE)), MISMATCH, "V2's");
    assert_eq!(judge(answer().with(V3, &of("")).with(V3_NONCE, "")), MISMATCH, "empty and signed");
    for nonce in ["7d0a1d5e-2f6c-4c0b-9d51-0a4f3f1f2a77", "q+/_-Zz0="] {
        assert_eq!(judge(answer().with(V3, &of(nonce)).with(V3_NONCE, nonce)), "ok", "{nonce}");
    }
    // The tail of the last field as part of the nonce would leave the signed text as it is.
    let mut shorter = call();
    shorter[3].1 = "0".to_owned();
    let cut = post(Endpoint::PlivoAnswer, encode(&shorter)).with(V3, &of(NONCE));
    assert_eq!(judge(cut.with(V3_NONCE, &format!("0055.{NONCE}"))), MISMATCH, "moved boundary");
}

#[test]
fn texts_take_v2_where_no_v3_came() {
    let path = Endpoint::PlivoSms.path();
    let good = || text("MessageUUID=m-1&Text=hi", path, NONCE);
    let signature =
        |received: &Received| received.headers[V2.to_lowercase().as_str()].to_str().unwrap().to_owned();
    let value = signature(&good());
    let bare = || post(Endpoint::PlivoSms, "MessageUUID=m-1&Text=hi").with(V2_NONCE, NONCE);
    assert_eq!(judge(good()), "ok");
    assert_eq!(judge(text("a=1", &format!("{path}?x=1"), NONCE)), "ok", "the query is not signed");
    assert_eq!(judge(bare().with(MA_V2, &value)), "ok", "MA");
    assert_eq!(judge(bare().with(MA_V2, &value).with(V2, "x")), "ok", "MA with a wrong plain one");
    assert_eq!(judge(bare().with(V2, &format!("x, {value}"))), "ok", "list");
    assert_eq!(judge(bare().with(V2, &value[1..])), MISMATCH, "short");
    assert_eq!(judge(bare().with(V2, "")), MISMATCH, "empty");
    assert_eq!(judge(bare()), MISSING, "a nonce is no signature");
    assert_eq!(judge(post(Endpoint::PlivoSms, "a=1").with(V2, &value)), MISMATCH, "no nonce");
    assert_eq!(judge(good().with(V2_NONCE, NONCE)), MISMATCH, "two nonces");
    assert_eq!(judge(good().typed("text/plain")), MEDIA);
    assert_eq!(judge(text("a=1", &format!("{path}/"), NONCE)), "ok", "trailing slash, signed so");
    let slash = Received { path_and_query: format!("{path}/"), ..good() };
    assert_eq!(judge(slash), MISMATCH, "trailing slash, signed without");
    let with_v3 = |value: &str| good().with(V3, value).with(V3_NONCE, NONCE);
    assert_eq!(judge(with_v3("x")), MISMATCH, "a broken V3 decides");
    assert_eq!(judge(with_v3("")), MISMATCH, "an empty V3 decides");
    assert_eq!(judge(with_v3(&value)), MISMATCH, "V2 under V3 names decides");
    let v3 = plivo_v3(TOKEN, &base(Endpoint::PlivoSms), &[], &pairs(&[("a", "1")]), NONCE);
    let text_by_v3 = post(Endpoint::PlivoSms, "a=1").with(V3, &v3).with(V3_NONCE, NONCE);
    assert_eq!(judge(text_by_v3), "ok", "V3 on the text path");
}

/// Both versions are one MAC with one key over a text without boundaries, so a V3 value could pass for a V2 value whose
/// nonce is all the rest of V3's text, and that has no hold on the body.
#[test]
fn a_recorded_v3_text_is_no_v2() {
    let fields = pairs(&[("MessageUUID", "m-1"), ("Text", "hi")]);
    let base = base(Endpoint::PlivoSms);
    for (case, query, fields, rest) in [
        ("fields", vec![], fields, format!("?MessageUUIDm-1Texthi.{NONCE}")),
        ("query", vec![("a", "1")], vec![], format!("?a=1.{NONCE}")),
        ("nothing", vec![], vec![], format!(".{NONCE}")),
    ] {
        let recorded = plivo_v3(TOKEN, &base, &pairs(&query), &fields, NONCE);
        assert_eq!(recorded, plivo_v2(TOKEN, &base, &rest), "{case}: the texts are the same");
        let forged = post(Endpoint::PlivoSms, "Text=forged").with(V2, &recorded).with(V2_NONCE, &rest);
        assert_eq!(judge(forged), MISMATCH, "{case}");
    }
}

#[test]
fn v2_claims_its_nonce_for_one_body() {
    let path = Endpoint::PlivoSms.path();
    let claim = |received: Received| verify(&plivo(&[TOKEN]), received).unwrap().nonce().cloned().unwrap();
    let first = claim(text("Text=hi", path, NONCE));
    assert_eq!(first, claim(text("Text=hi", path, NONCE).with("X-Other", "1")), "unsigned headers");
    for (case, received) in [
        ("another body", text("Text=ho", path, NONCE)),
        ("another query", text("Text=hi", &format!("{path}?a=1"), NONCE)),
        ("no body", text("", path, NONCE)),
        ("by GET", Received { method: Method::GET, ..text("", path, NONCE) }),
    ] {
        let again = claim(received);
        assert_eq!(again.nonce, first.nonce, "{case}");
        assert_ne!(again.rest, first.rest, "{case}");
    }
    assert_ne!(claim(text("Text=hi", path, "1")).nonce, first.nonce, "another nonce");
    // A slash moved from path to nonce leaves the signature good, so it must stay the same claim.
    let recorded = text("Text=hi", &format!("{path}/"), NONCE);
    let value = recorded.headers["x-plivo-signature-v2"].to_str().unwrap().to_owned();
    let moved = post(Endpoint::PlivoSms, "Text=ho").with(V2, &value).with(V2_NONCE, &format!("/{NONCE}"));
    let (recorded, moved) = (claim(recorded), claim(moved));
    assert_eq!(recorded.nonce, moved.nonce);
    assert_ne!(recorded.rest, moved.rest);
    let by_v3 = answer().with(V3, &v3(&call())).with(V3_NONCE, NONCE);
    assert_eq!(verify(&plivo(&[TOKEN]), by_v3).unwrap().nonce(), None, "V3 covers the body");
}

#[test]
fn json_and_other_bodies() {
    let sent = |body: &'static str, content_type: &str, fields: &[(&str, &str)]| {
        let signature = v3(&pairs(fields));
        judge(
            post(Endpoint::PlivoAnswer, body).typed(content_type).with(V3, &signature).with(V3_NONCE, NONCE),
        )
    };
    let fields = [("CallUUID", "c-1"), ("From", "14155550142")];
    let json = r#"{"From": "14155550142", "CallUUID": "c-1"}"#;
    assert_eq!(sent(json, JSON, &fields), "ok", "members as fields");
    assert_eq!(sent(json, JSON, &[]), MISMATCH, "not signed as nothing");
    assert_eq!(sent(r#"{"n":1,"b":true,"z":null}"#, JSON, &[("n", "1"), ("b", "true"), ("z", "null")]), "ok");
    assert_eq!(
        sent(r#"{"a":"1","a":"2"}"#, JSON, &[("a", "1")]),
        MISMATCH,
        "a repeated member is not dropped"
    );
    assert_eq!(sent(r#"{"a":"1","a":"2"}"#, JSON, &[("a", "1"), ("a", "2")]), "ok");
    for body in ["", "{}", "{ }", "[]", "\"x\"", "null", "{\"a\":", "{\"a\":\"\\ud83d\"}"] {
        assert_eq!(sent(body, JSON, &[]), MISMATCH, "{body} covers nothing");
    }
    assert_eq!(sent("&", FORM, &[]), MEDIA, "a form without a field");
    assert_eq!(sent("", FORM, &[]), "ok", "an empty form");
    assert_eq!(sent("", "text/plain", &[]), MEDIA);
    assert_eq!(sent("x", "text/plain", &[]), MEDIA);
    let plain = post(Endpoint::PlivoAnswer, "x").typed("text/plain");
    assert_eq!(judge(plain), MISSING, "missing comes first");
}

#[test]
fn ports_origins_tokens_and_foreign_headers() {
    for (case, origin, signed_for, expected) in [
        ("as configured", "https://a.example", "https://a.example", "ok"),
        ("a port as configured", "https://a.example:8443", "https://a.example:8443", "ok"),
        ("443 made up", "https://a.example", "https://a.example:443", MISMATCH),
        ("a port left out", "https://a.example:8443", "https://a.example", MISMATCH),
        ("http", "https://a.example", "http://a.example", MISMATCH),
    ] {
        let url = format!("{signed_for}{}", Endpoint::PlivoAnswer.path());
        let received = answer().origins_are(&[origin]).with(V3_NONCE, NONCE).with("Host", "x.example");
        let signature = plivo_v3(TOKEN, &url, &[], &call(), NONCE);
        let received = received.with(V3, &signature).with("X-Forwarded-Host", "a.example:443");
        assert_eq!(judge(received), expected, "{case}");
    }
    let url = "https://b.example/webhooks/plivo/answer";
    let received = answer().origins_are(&["https://a.example", "https://b.example"]).with(V3_NONCE, NONCE);
    let received = received.with(V3, &plivo_v3("token-two", url, &[], &call(), NONCE));
    let found = verify(&plivo(&[TOKEN, "token-two"]), received.clone()).unwrap();
    assert_eq!(found.signed_by(), SignedBy::Secret { variable: "PLIVO_AUTH_TOKEN", index: 1 });
    assert_eq!(found.origin(), "https://b.example");
    assert_eq!(verdict(&plivo(&[]), received), MISMATCH, "no token");
    let blank = plivo_v3("", &base(Endpoint::PlivoAnswer), &[], &call(), NONCE);
    let forged = answer().with(V3, &blank).with(V3_NONCE, NONCE);
    assert_eq!(verdict(&plivo(&[""]), forged), MISMATCH, "a blank token is everybody's");
}

#[test]
fn accounts() {
    let provider = Plivo { accounts: vec!["MA1".to_owned()], ..plivo(&[TOKEN]) };
    for (case, fields, expected) in [
        ("ours", vec![("AuthID", "MA1")], Ok(())),
        ("a subaccount of ours", vec![("AuthID", "SA1"), ("ParentAuthID", "MA1")], Ok(())),
        ("parent alone", vec![("ParentAuthID", "MA1")], Ok(())),
        ("parent alone, another", vec![("ParentAuthID", "MA2")], Err(Reject::Account("MA2".to_owned()))),
        ("another", vec![("AuthID", "MA2"), ("ParentAuthID", "MA3")], Err(Reject::Account("MA2".to_owned()))),
        ("none", vec![("A", "1")], Ok(())),
        ("empty", vec![("AuthID", "")], Ok(())),
    ] {
        let fields = pairs(&fields);
        let received =
            post(Endpoint::PlivoAnswer, encode(&fields)).with(V3, &v3(&fields)).with(V3_NONCE, NONCE);
        assert_eq!(verify(&provider, received).map(|_| ()), expected, "{case}");
    }
    let forged = post(Endpoint::PlivoAnswer, "AuthID=MA2").with(V3, "x").with(V3_NONCE, NONCE);
    assert_eq!(verdict(&provider, forged), MISMATCH, "the signature comes first");
}

#[test]
fn unsigned_passes_only_where_it_may() {
    let body = r#"{"From": "1234567890", "To": "0987654321", "CallUUID": "test-call-uuid"}"#;
    let unsigned = Received { unsigned: Unsigned::Labelled, ..post(Endpoint::PlivoAnswer, body).typed(JSON) };
    let found = verify(&plivo(&[TOKEN]), unsigned.clone()).unwrap();
    assert_eq!(found.envelope().identity.external_id, "test-call-uuid:answer:");
    for name in [V3, MA_V3, V2, MA_V2, "X-Plivo-Signature"] {
        assert_ne!(judge(unsigned.clone().with(name, "x")), "ok", "{name}: a wrong signature is not none");
    }
}

#[test]
fn the_own_signer_agrees() {
    let own = sign_v3(
        &secrets(&[TOKEN])[0],
        &format!("{ORIGIN}/x?b=2&a=%20"),
        &call().into_iter().collect(),
        NONCE,
    );
    let query = pairs(&[("a", " "), ("b", "2")]);
    assert_eq!(own, plivo_v3(TOKEN, &format!("{ORIGIN}/x"), &query, &call(), NONCE));
}
