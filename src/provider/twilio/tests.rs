//! Edge cases of Twilio's signature, case by case.

use axum::http::{HeaderValue, Method};

use crate::provider::{
    Endpoint, Flag, Received, Reject, SignedBy, Unsigned,
    testing::{
        FORM, JSON, ORIGIN, Pairs, encode, get, pairs, post, secrets, sha256_hex, twilio, twilio_sha1,
        verdict,
    },
    verify,
};

use super::{Twilio, sign};

const TOKEN: &str = "token-one";
const HEADER: &str = "X-Twilio-Signature";
const MISMATCH: &str = "signature_mismatch";
const MEDIA: &str = "unsupported_media_type";

fn call() -> Pairs {
    pairs(&[("CallSid", "CA1"), ("CallStatus", "ringing"), ("From", "+14155550142"), ("To", "+14155550199")])
}

/// A voice request with these fields, signed for its first origin.
fn voice(fields: &[(String, String)]) -> Received {
    voice_as(fields, &encode(fields))
}

/// The same in another spelling.
fn voice_as(fields: &[(String, String)], body: &str) -> Received {
    let received = post(Endpoint::TwilioVoice, body.to_owned());
    let signature = twilio_sha1(TOKEN, &received.url(), fields);
    received.with(HEADER, &signature)
}

fn judge(received: Received) -> &'static str {
    verdict(&twilio(&[TOKEN]), received)
}

#[test]
fn forms() {
    for (case, fields, body) in [
        ("plain", vec![("B", "2"), ("A", "1")], "B=2&A=1"),
        ("empty values", vec![("A", ""), ("B", "")], "A=&B="),
        ("a name without =", vec![("A", ""), ("B", "1")], "A&B=1"),
        ("an empty name", vec![("", "1"), ("B", "1")], "=1&B=1"),
        ("a plus, a blank", vec![("A", "+"), ("B", " "), ("C", " ")], "A=%2B&B=%20&C=+"),
        ("reserved characters inside", vec![("A", "&=;\n"), ("B", " x ")], "A=%26%3D%3B%0A&B=%20x%20"),
        ("unescaped = ; / in a value", vec![("A", "a=b;c/d")], "A=a=b;c/d"),
        ("an emoji", vec![("A", "☎ 💬")], "A=%E2%98%8E+%F0%9F%92%AC"),
        ("raw UTF-8", vec![("A", "é")], "A=é"),
        ("names that begin alike", vec![("SidAccount", "x"), ("Sid", "y")], "SidAccount=x&Sid=y"),
        (
            "capitals before small letters",
            vec![("b", "1"), ("B", "2"), ("a", "3"), ("A", "4")],
            "b=1&B=2&a=3&A=4",
        ),
        ("repeats: each value once", vec![("A", "2"), ("A", "1")], "A=2&A=1&A=2"),
        ("NUL", vec![("A", "\0")], "A=%00"),
        ("bad UTF-8 reads as U+FFFD", vec![("A", "\u{fffd}")], "A=%FF"),
        ("a bare percent sign", vec![("A", "100%")], "A=100%"),
        ("empty segments", vec![("A", "1"), ("B", "2")], "&A=1&&B=2&"),
    ] {
        let fields = pairs(&fields);
        assert_eq!(judge(voice_as(&fields, body)), "ok", "{case}");
        let mut more = voice_as(&fields, body);
        more.body = format!("{body}&Z=1").into();
        assert_eq!(judge(more), MISMATCH, "{case}, with a field more");
    }
    let fields = call();
    for (case, body) in [
        ("a field less", encode(&fields[1..])),
        ("a field renamed", encode(&fields).replace("From", "Form")),
        ("a value changed", encode(&fields).replace("0142", "0143")),
        ("a second value for a signed name", format!("{}&From=%2B14155550100", encode(&fields))),
        ("a second value before it", format!("From=%2B14155550100&{}", encode(&fields))),
        ("an unescaped plus", encode(&fields).replace("%2B", "+")),
        ("double escapes", encode(&fields).replace('%', "%25")),
    ] {
        assert_eq!(judge(voice_as(&fields, &body)), MISMATCH, "{case}");
    }
}

#[test]
fn headers() {
    let good = twilio_sha1(TOKEN, &post(Endpoint::TwilioVoice, "").url(), &call());
    let plain = || post(Endpoint::TwilioVoice, encode(&call()));
    let wrong = good.replace('=', "");
    for (case, header, expected) in [
        ("good", good.clone(), "ok"),
        ("empty", String::new(), MISMATCH),
        ("without padding", wrong.clone(), MISMATCH),
        ("one character short", good[1..].to_owned(), MISMATCH),
        ("one character more", format!("{good}="), MISMATCH),
        ("twice in a row", format!("{good},{good}"), MISMATCH),
        ("a blank in front", format!(" {good}"), MISMATCH),
        ("a blank inside", format!("{} {}", &good[..9], &good[9..]), MISMATCH),
        ("small letters", good.to_lowercase(), MISMATCH),
        ("of another token", twilio_sha1("token-two", &plain().url(), &call()), MISMATCH),
        ("of another path", twilio_sha1(TOKEN, &format!("{ORIGIN}/webhooks/twilio/sms"), &call()), MISMATCH),
        (
            "of another host",
            twilio_sha1(TOKEN, "https://other.example/webhooks/twilio/voice", &call()),
            MISMATCH,
        ),
        (
            "of the other scheme",
            twilio_sha1(TOKEN, &plain().url().replace("https", "http"), &call()),
            MISMATCH,
        ),
        ("of a trailing slash", twilio_sha1(TOKEN, &format!("{}/", plain().url()), &call()), MISMATCH),
    ] {
        assert_eq!(judge(plain().with(HEADER, &header)), expected, "{case}");
    }
    let sign = |fields: &Pairs| twilio_sha1(TOKEN, &plain().url(), fields);
    let mut numbered = (0..).map(|number: u32| pairs(&[("A", &number.to_string())]));
    let fields = numbered.find(|fields| sign(fields).contains(['+', '/'])).unwrap();
    let url_safe = sign(&fields).replace('+', "-").replace('/', "_");
    let form = || post(Endpoint::TwilioVoice, encode(&fields));
    assert_eq!(judge(form().with(HEADER, &sign(&fields))), "ok");
    assert_eq!(judge(form().with(HEADER, &url_safe)), MISMATCH, "base64url");
    assert_eq!(judge(plain()), "signature_missing");
    assert_eq!(judge(plain().with(HEADER, &good).with(HEADER, &good)), MISMATCH, "two lines");
    assert_eq!(judge(plain().with("x-twilio-signature", &good)), "ok", "header names have no case");
    let mut foreign = plain();
    foreign.headers.insert("x-twilio-signature", HeaderValue::from_bytes(b"\xe9").unwrap());
    assert_eq!(judge(foreign), MISMATCH, "not ASCII");
    let settings = "key=k,algorithm=HMAC_SHA256";
    let shared = plain().with(HEADER, &good).with("X-Twilio-Webhooks-Signature-Settings", settings);
    assert_eq!(judge(shared), MISMATCH, "a shared key that is not configured");
}

#[test]
fn no_header_has_a_say_in_the_url() {
    for name in
        ["Host", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "Forwarded", "X-Original-URL"]
    {
        for value in
            ["other.example", "http", "8443", "host=other.example;proto=http", "/webhooks/twilio/sms"]
        {
            assert_eq!(judge(voice(&call()).with(name, value)), "ok", "{name}: {value}");
        }
        let signature = twilio_sha1(TOKEN, "https://other.example/webhooks/twilio/voice", &call());
        let forged = post(Endpoint::TwilioVoice, encode(&call())).with(HEADER, &signature);
        assert_eq!(judge(forged.with(name, "other.example")), MISMATCH, "{name}");
    }
}

#[test]
fn query_is_signed_as_it_is_written() {
    let signed = |query: &str| {
        let received = post(Endpoint::TwilioVoice, encode(&call())).query_is(query);
        let signature = twilio_sha1(TOKEN, &received.url(), &call());
        received.with(HEADER, &signature)
    };
    for query in ["b=2&a=1", "a=1&a=1", "x=%2f%2F", "x=a%20b", "x=a+b", "x='", "", "t=~._-", "From=1"] {
        assert_eq!(judge(signed(query)), "ok", "{query}");
    }
    for (case, signed_query, sent) in [
        ("another order", "b=2&a=1", "a=1&b=2"),
        ("another spelling", "x=%2f", "x=%2F"),
        ("decoded", "x=a%20b", "x=a+b"),
        ("an apostrophe escaped", "x='", "x=%27"),
        ("one more", "a=1", "a=1&b=2"),
        ("one less", "a=1&b=2", "a=1"),
    ] {
        let received = signed(signed_query).query_is(sent);
        assert_eq!(judge(received), MISMATCH, "{case}");
    }
}

#[test]
fn media_types() {
    let with = |content_type: &str| voice(&call()).typed(content_type);
    for (content_type, expected) in [
        (FORM, "ok"),
        ("application/x-www-form-urlencoded; charset=UTF-8", "ok"),
        ("APPLICATION/X-WWW-FORM-URLENCODED", "ok"),
        ("text/plain", MEDIA),
        ("multipart/form-data; boundary=x", MEDIA),
        ("application/octet-stream", MEDIA),
        ("application/x-www-form-urlencodedx", MEDIA),
        ("", MEDIA),
        (JSON, MISMATCH),
    ] {
        assert_eq!(judge(with(content_type)), expected, "{content_type}");
    }
    assert_eq!(judge(with(FORM).with("content-type", JSON)), MEDIA, "two types");
    let mut untyped = with(FORM);
    untyped.headers.remove("content-type");
    assert_eq!(judge(untyped), MEDIA, "no type");
    let unsigned = post(Endpoint::TwilioVoice, "x").typed("text/plain");
    assert_eq!(judge(unsigned), "signature_missing", "missing comes first");
}

/// The signature of a request without parameters covers no body at all, so none may ride on it.
#[test]
fn nothing_rides_on_the_signature_of_an_empty_body() {
    let empty = || {
        let received = get(Endpoint::TwilioVoice, "CallSid=CA1&From=%2B14155550142");
        let signature = twilio_sha1(TOKEN, &received.url(), &[]);
        received.with(HEADER, &signature)
    };
    let sent = |body: &'static str, content_type: Option<&str>| {
        let received = Received { method: Method::POST, body: body.into(), ..empty() };
        content_type.map_or(received.clone(), |content_type| received.typed(content_type))
    };
    for (case, received, expected) in [
        ("GET", empty(), "ok"),
        ("GET with a body", Received { body: "x".into(), ..empty() }, MEDIA),
        ("POST without a body", sent("", None), "ok"),
        ("an empty form", sent("", Some(FORM)), "ok"),
        ("a form without a field", sent("&&", Some(FORM)), MEDIA),
        ("a form", sent("CallSid=CA2", Some(FORM)), MISMATCH),
        ("a body without a type", sent("CallSid=CA2", None), MEDIA),
        ("plain text", sent("CallSid=CA2", Some("text/plain")), MEDIA),
        ("empty plain text", sent("", Some("text/plain")), MEDIA),
        ("JSON", sent("{}", Some(JSON)), MISMATCH),
        ("empty JSON", sent("", Some(JSON)), MISMATCH),
    ] {
        assert_eq!(judge(received), expected, "{case}");
    }
    let by_get = verify(&twilio(&[TOKEN]), empty()).unwrap();
    let by_post = verify(&twilio(&[TOKEN]), sent("", None)).unwrap();
    assert_eq!(by_get.envelope(), by_post.envelope(), "one recorded GET stays one event");
    assert_eq!(by_get.message().get("From"), Some("+14155550142"));
    assert_eq!((by_get.flags(), by_post.flags()), ([Flag::ByGet].as_slice(), [].as_slice()));
}

#[test]
fn json_is_covered_by_its_hash_in_the_query() {
    const BODY: &str = r#"{"CallSid":"CA1","Payload":{"a":1}}"#;
    let hash = sha256_hex(BODY.as_bytes());
    let sent = |query: &str, body: &'static str| {
        let received =
            post(Endpoint::TwilioStatus, body).typed("application/json; charset=utf-8").query_is(query);
        let signature = twilio_sha1(TOKEN, &received.url(), &[]);
        received.with(HEADER, &signature)
    };
    for (case, query, body, expected) in [
        ("right", format!("bodySHA256={hash}"), BODY, "ok"),
        ("among others", format!("a=1&bodySHA256={hash}&b=2"), BODY, "ok"),
        ("no object, but covered", format!("bodySHA256={}", sha256_hex(b"[")), "[", "ok"),
        ("of another body", format!("bodySHA256={}", sha256_hex(b"{}")), BODY, MISMATCH),
        ("another body", format!("bodySHA256={hash}"), "{}", MISMATCH),
        ("cut short", format!("bodySHA256={}", &hash[..63]), BODY, MISMATCH),
        ("empty", "bodySHA256=".to_owned(), BODY, MISMATCH),
        ("upper case", format!("bodySHA256={}", hash.to_uppercase()), BODY, MISMATCH),
        ("another name", format!("bodysha256={hash}"), BODY, MISMATCH),
        ("none", "a=1".to_owned(), BODY, MISMATCH),
        ("wrong one first", format!("bodySHA256=00&bodySHA256={hash}"), BODY, MISMATCH),
    ] {
        assert_eq!(judge(sent(&query, body)), expected, "{case}");
    }
    let query = format!("bodySHA256={hash}");
    let read = verify(&twilio(&[TOKEN]), sent(&query, BODY)).unwrap();
    assert_eq!(read.message().get("CallSid"), Some("CA1"));
    assert_eq!(
        judge(sent(&query, BODY).query_is(&format!("{query}&a=1"))),
        MISMATCH,
        "the URL is signed too"
    );
    let stripped = Received { body: "".into(), ..sent(&query, BODY) };
    assert_eq!(judge(stripped.clone().typed(FORM)), MISMATCH, "its body taken away");
    assert_eq!(judge(Received { method: Method::GET, ..stripped }), MISMATCH, "its body taken away, by GET");
    // A form is covered field by field; the hash has no say there.
    let form = post(Endpoint::TwilioStatus, "A=1").query_is("bodySHA256=00");
    let signature = twilio_sha1(TOKEN, &form.url(), &pairs(&[("A", "1")]));
    assert_eq!(judge(form.with(HEADER, &signature)), "ok");
}

#[test]
fn ports_origins_and_tokens() {
    for (case, origin, signed_for, expected) in [
        ("as configured", "https://a.example", "https://a.example", "ok"),
        ("signed with 443", "https://a.example", "https://a.example:443", "ok"),
        ("configured with 443", "https://a.example:443", "https://a.example", "ok"),
        ("http signed with 80", "http://a.example", "http://a.example:80", "ok"),
        ("http signed with 443", "http://a.example", "http://a.example:443", MISMATCH),
        ("odd port kept", "https://a.example:8443", "https://a.example:8443", "ok"),
        ("odd port left out", "https://a.example:8443", "https://a.example", "ok"),
        ("odd port made up", "https://a.example", "https://a.example:8443", MISMATCH),
        ("user and port", "https://u:p@a.example:8443", "https://u:p@a.example", "ok"),
        ("user", "https://u:p@a.example", "https://u:p@a.example:443", "ok"),
        ("user left out", "https://u:p@a.example", "https://a.example", MISMATCH),
        ("IPv6", "https://[2001:db8::1]", "https://[2001:db8::1]:443", "ok"),
        ("IPv6 with a port", "https://[2001:db8::1]:8443", "https://[2001:db8::1]", "ok"),
        ("capitals", "https://a.example", "https://A.example", MISMATCH),
    ] {
        let received = post(Endpoint::TwilioVoice, encode(&call())).origins_are(&[origin]);
        let url = format!("{signed_for}{}", received.path_and_query);
        let signature = twilio_sha1(TOKEN, &url, &call());
        assert_eq!(judge(received.with(HEADER, &signature)), expected, "{case}");
    }

    let received =
        post(Endpoint::TwilioVoice, encode(&call())).origins_are(&["https://a.example", "https://b.example"]);
    let signature = twilio_sha1("token-two", "https://b.example/webhooks/twilio/voice", &call());
    let received = received.with(HEADER, &signature);
    let found = verify(&twilio(&[TOKEN, "token-two"]), received.clone()).unwrap();
    assert_eq!(found.signed_by(), SignedBy::Secret { variable: "TWILIO_AUTH_TOKEN", index: 1 });
    assert_eq!(found.origin(), "https://b.example");
    assert_eq!(verdict(&twilio(&["token-two"]), received.clone().origins_are(&[])), MISMATCH, "no origin");
    assert_eq!(verdict(&twilio(&[]), received), MISMATCH, "no token");

    for blank in ["", "\t"] {
        let received = post(Endpoint::TwilioVoice, encode(&call()));
        let signature = twilio_sha1(blank, &received.url(), &call());
        let forged = received.with(HEADER, &signature);
        assert_eq!(verdict(&twilio(&[blank]), forged), MISMATCH, "a blank token is everybody's");
    }
}

#[test]
fn account_and_app() {
    let provider = Twilio {
        accounts: vec!["AC1".to_owned(), "AC2".to_owned()],
        apps: vec!["AP1".to_owned()],
        ..twilio(&[TOKEN])
    };
    let named = |name: &str, value: &str| voice(&pairs(&[("CallSid", "CA1"), (name, value)]));
    for (case, received, expected) in [
        ("ours", named("AccountSid", "AC2"), Ok(vec![])),
        ("another", named("AccountSid", "AC3"), Err(Reject::Account("AC3".to_owned()))),
        ("in small letters", named("AccountSid", "ac1"), Err(Reject::Account("ac1".to_owned()))),
        ("none", named("A", "1"), Ok(vec![])),
        ("empty", named("AccountSid", ""), Ok(vec![])),
        ("our app", named("ApplicationSid", "AP1"), Ok(vec![])),
        ("another app", named("ApplicationSid", "AP2"), Ok(vec![Flag::OtherApp])),
    ] {
        assert_eq!(verify(&provider, received).map(|found| found.flags().to_vec()), expected, "{case}");
    }
    assert_eq!(verdict(&twilio(&[TOKEN]), named("AccountSid", "AC3")), "ok", "no account configured");
    let mut forged = named("AccountSid", "AC3");
    forged.body = "AccountSid=AC4".into();
    assert_eq!(verdict(&provider, forged), MISMATCH, "the signature comes first");
    let long = verify(&provider, named("AccountSid", &"x".repeat(1000))).unwrap_err();
    assert_eq!(long, Reject::Account("x".repeat(34)));
}

#[test]
fn unsigned_passes_only_where_it_may() {
    let unsigned = |body: &str, content_type: &str| {
        let received = post(Endpoint::TwilioVoice, body.to_owned()).typed(content_type);
        verdict(&twilio(&[TOKEN]), Received { unsigned: Unsigned::Labelled, ..received })
    };
    assert_eq!(unsigned("CallSid=CA1", FORM), "ok");
    assert_eq!(unsigned(r#"{"CallSid":"CA1"}"#, JSON), "ok");
    assert_eq!(unsigned("[]", JSON), "body_malformed");
    assert_eq!(unsigned("x", "text/plain"), MEDIA);
    let received = post(Endpoint::TwilioVoice, "CallSid=CA1").with(HEADER, "");
    assert_eq!(
        judge(Received { unsigned: Unsigned::Labelled, ..received }),
        MISMATCH,
        "a wrong one is not none"
    );
}

#[test]
fn the_own_signer_agrees() {
    let url = format!("{ORIGIN}/x?a=1");
    let form = pairs(&[("B", "2"), ("A", "1"), ("A", "1"), ("A", "")]);
    let own = sign(&secrets(&[TOKEN])[0], &url, &form.clone().into_iter().collect());
    assert_eq!(own, twilio_sha1(TOKEN, &url, &form));
}
