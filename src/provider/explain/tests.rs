use super::*;
use crate::provider::{
    Params,
    testing::{JSON, NOW, ORIGIN, get, plivo_v2, post, secrets, stripe_v1, twilio_sha1},
};

const FORM: &str = "AccountSid=AC1&CallSid=CA1&From=%2B14155550142&Note=a+b";

fn known() -> Secrets {
    Secrets { stripe: secrets(&["whsec_a"]), twilio: secrets(&["token-t"]), plivo: secrets(&["token-p"]) }
}

fn explained(received: &Received) -> Explanation {
    assert!(
        check(received, known().of(received.endpoint.provider())).is_none(),
        "it is refused to begin with"
    );
    explain(&known(), &["https://hook.example".to_owned()], received)
}

fn fields(form: &str) -> Vec<(String, String)> {
    Params::from_form(form.as_bytes())
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// A call of Twilio with [`FORM`], signed over that URL and form.
fn twilio(token: &str, url: &str, form: &str) -> Received {
    let signature = twilio_sha1(token, url, &fields(form));
    post(Endpoint::TwilioVoice, FORM).with("x-twilio-signature", &signature)
}

fn plivo(token: &str, base: &str, form: &str) -> Received {
    let signature = crate::provider::testing::plivo_v3(token, base, &[], &fields(form), "12345");
    post(Endpoint::PlivoAnswer, FORM)
        .with("x-plivo-signature-v3", &signature)
        .with("x-plivo-signature-v3-nonce", "12345")
}

fn stripe(secret: &str, at: i64, signed: &str, body: &str) -> Received {
    let code = stripe_v1(secret, &at.to_string(), signed.as_bytes());
    post(Endpoint::Stripe, body.to_owned()).with("stripe-signature", &format!("t={at},v1={code}"))
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn the_one_change_is_named() {
    let voice = format!("{ORIGIN}/webhooks/twilio/voice");
    let answer = format!("{ORIGIN}/webhooks/plivo/answer");
    let event = "{\n  \"id\": \"evt_1\",\n  \"name\": \"é\"\n}";
    let bare = r#"{"id":"evt_1","name":"é"}"#;
    for (case, received, kind, would) in [
        (
            "http",
            twilio("token-t", &voice.replace("https", "http"), FORM),
            "public_url",
            "PUBLIC_URL were http://line.example",
        ),
        (
            "the host of the request",
            twilio("token-t", "https://api.example.com/webhooks/twilio/voice", FORM)
                .with("host", "api.example.com"),
            "public_url",
            "PUBLIC_URL were https://api.example.com",
        ),
        (
            "a host that is known",
            twilio("token-t", "https://hook.example/webhooks/twilio/voice", FORM),
            "public_url",
            "PUBLIC_URL were https://hook.example",
        ),
        (
            "a port",
            plivo("token-p", &answer.replace("example/", "example:8080/"), FORM),
            "public_url",
            "line.example:8080",
        ),
        (
            "www",
            plivo("token-p", &answer.replace("//", "//www."), FORM),
            "public_url",
            "https://www.line.example",
        ),
        ("a slash", twilio("token-t", &format!("{voice}/"), FORM), "path", "/webhooks/twilio/voice/"),
        (
            "another path",
            twilio("token-t", &format!("{ORIGIN}/webhooks/twilio/sms"), FORM),
            "path",
            "/webhooks/twilio/sms",
        ),
        (
            "without the query",
            twilio("token-t", &voice, FORM).query_is("t=1"),
            "query",
            "left out of the signed URL",
        ),
        ("another secret", twilio("token-p", &voice, FORM), "secret", "stands in PLIVO_AUTH_TOKEN"),
        ("a plus", twilio("token-t", &voice, &FORM.replace('+', "%2B")), "body", "were a plus"),
        ("a field more", twilio("token-t", &voice, &FORM.replace("&Note=a+b", "")), "body", "the field Note"),
        ("the body left out", twilio("token-t", &voice, ""), "body", "not covered"),
        ("trimmed", twilio("token-t", &voice, FORM).typed(JSON), "body", "its Content-Type said form"),
        (
            "a GET signed as a POST",
            get(Endpoint::TwilioVoice, FORM)
                .with("x-twilio-signature", &twilio_sha1("token-t", &voice, &fields(FORM))),
            "body",
            "the parameters of its query were a form",
        ),
        (
            "in quotes",
            {
                let signature = twilio_sha1("token-t", &voice, &fields(FORM));
                post(Endpoint::TwilioVoice, FORM).with("x-twilio-signature", &format!("\"{signature}\""))
            },
            "header",
            "as its signer made it",
        ),
        (
            "V2 on a voice path",
            post(Endpoint::PlivoAnswer, FORM)
                .with("x-plivo-signature-v2", &plivo_v2("token-p", &answer, "7"))
                .with("x-plivo-signature-v2-nonce", "7"),
            "scheme",
            "V2 were enough",
        ),
        (
            "V2 under the name of V3",
            post(Endpoint::PlivoAnswer, FORM)
                .with("x-plivo-signature-v3", &plivo_v2("token-p", &answer, "7"))
                .with("x-plivo-signature-v3-nonce", "7"),
            "scheme",
            "by whose rules they were made",
        ),
        ("old", stripe("whsec_a", NOW - 7200, event, event), "clock", "7200 s earlier"),
        ("to come", stripe("whsec_a", NOW + 400, event, event), "clock", "400 s later"),
        ("trimmed", stripe("whsec_a", NOW, &format!("{event}\n"), event), "body", "ended in a line end"),
        ("compacted", stripe("whsec_a", NOW, event, bare), "body", "indented by two blanks"),
        ("laid out", stripe("whsec_a", NOW, bare, event), "body", "no blanks"),
        ("escaped", stripe("whsec_a", NOW, event, &event.replace('é', "\\u00e9")), "body", "as they are"),
        ("CRLF", stripe("whsec_a", NOW, event, &event.replace('\n', "\r\n")), "body", "were LF"),
        ("another's secret", stripe("token-t", NOW, event, event), "secret", "TWILIO_AUTH_TOKEN"),
        (
            "v0 alone",
            post(Endpoint::Stripe, event).with(
                "stripe-signature",
                &format!("t={NOW},v1=00,v0={}", stripe_v1("whsec_a", &NOW.to_string(), event.as_bytes())),
            ),
            "scheme",
            "v0 counted",
        ),
    ] {
        let explanation = explained(&received);
        let text = explanation.to_string();
        assert_eq!(explanation.changes.len(), 1, "{case}: {text}");
        assert_eq!(explanation.changes[0].kind, kind, "{case}: {text}");
        assert!(text.starts_with("it would match if ") && text.contains(would), "{case}: {text}");
        assert!(!explanation.fix().is_empty(), "{case}");
    }
}

#[test]
fn only_what_leaves_the_cause_open_is_puzzling() {
    let call = |token: &str| twilio(token, &format!("{ORIGIN}/webhooks/twilio/voice"), FORM);
    for (case, received, puzzling) in [
        ("another token", call("nobody's"), true),
        ("another signature beside it", call("token-t").with("x-twilio-signature", "x"), false),
        ("of another Plivo token", plivo("nobody's", ORIGIN, FORM), true),
        ("old", stripe("whsec_a", NOW - 900, "{}", "{}"), true),
        ("of another endpoint", stripe("nobody's", NOW, "{}", "{}"), true),
        ("unsigned", post(Endpoint::Stripe, "{}"), false),
    ] {
        let known = known();
        let refused = match received.endpoint.provider() {
            Provider::Stripe => Stripe { secrets: known.stripe }.check(&received),
            Provider::Twilio => {
                Twilio { tokens: known.twilio, accounts: vec![], apps: vec![] }.check(&received)
            }
            Provider::Plivo => Plivo { tokens: known.plivo, accounts: vec![] }.check(&received),
        };
        assert_eq!(refused.unwrap_err().is_puzzling(), puzzling, "{case}");
    }
}

#[test]
fn two_changes_together() {
    let elsewhere = "http://line.example/webhooks/twilio/voice/";
    let event = r#"{"id":"evt_1"}"#;
    for (case, received, kinds) in [
        ("host and slash", twilio("token-t", elsewhere, FORM), vec!["public_url", "path"]),
        (
            "host and secret",
            twilio("token-p", "http://line.example/webhooks/twilio/voice", FORM),
            vec!["public_url", "secret"],
        ),
        ("time and body", stripe("whsec_a", NOW - 900, &format!("{event}\n"), event), vec!["clock", "body"]),
    ] {
        let explanation = explained(&received);
        let found: Vec<_> = explanation.changes.iter().map(|change| change.kind).collect();
        assert_eq!(found, kinds, "{case}: {explanation}");
    }
}

#[test]
fn a_forgery_stays_unexplained_and_the_work_bounded() {
    let voice = format!("{ORIGIN}/webhooks/twilio/voice");
    let fields: Vec<String> = (0..40).map(|field| format!("f{field}={}", "x".repeat(1600))).collect();
    for received in [
        twilio("nobody's", &voice, FORM),
        plivo("nobody's", &voice, FORM),
        stripe("nobody's", NOW, "{}", "{}"),
        stripe("nobody's", i64::MIN, "{}", "{}"),
        post(Endpoint::TwilioVoice, fields.join("&"))
            .with("x-twilio-signature", "x")
            .query_is(&"a=%2f+".repeat(2000)),
        post(Endpoint::Stripe, "[".repeat(LARGEST_BODY)).with("stripe-signature", "t=1,v1=1"),
        post(Endpoint::PlivoSms, [0xff_u8; 100].to_vec())
            .with("x-plivo-signature-v2", "é,=")
            .with("host", "é"),
    ] {
        let explanation = explained(&received);
        assert_eq!(explanation.changes, [], "{explanation}");
        assert!(explanation.to_string().starts_with("none of "), "{explanation}");
        assert!(explanation.fix().starts_with("most likely"));
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(48))]

    #[test]
    fn no_bytes_make_it_stumble(body: Vec<u8>, query: String, header in "[ -~]{0,80}", which in 0..7_usize) {
        let endpoint = Endpoint::ALL[which];
        let mut received = post(endpoint, body).query_is(&query);
        for name in ["stripe-signature", "x-twilio-signature", "x-plivo-signature-v3", "x-plivo-signature-v2", "host"] {
            received = received.with(name, &header);
        }
        explain(&known(), &[], &received);
    }
}

/// It is told to people who may not see numbers or texts.
#[test]
fn no_value_is_told() {
    let voice = format!("{ORIGIN}/webhooks/twilio/voice");
    for signed in [voice.clone(), format!("{voice}?From=%2B14155550142")] {
        for left_out in ["From=%2B14155550142&", "&Note=a+b"] {
            let received =
                twilio("token-t", &signed, &FORM.replace(left_out, "")).query_is("From=%2b14155550142");
            let explanation = explained(&received);
            let told = format!("{explanation} {}", explanation.fix());
            assert!(!told.contains("14155550142") && !told.contains("a+b"), "{told}");
        }
    }
}

#[test]
fn what_is_written_down_is_taken_apart_again() {
    let change =
        Change::new("public_url", "PUBLIC_URL were https://a.example:8443", "set it: then it matches");
    for (changes, is_found, found, fix) in [
        (
            vec![change],
            true,
            "it would match if PUBLIC_URL were https://a.example:8443",
            "set it: then it matches",
        ),
        (vec![], false, "none of 9 variants matches either, and more were left untried", "look: there"),
    ] {
        let explanation = Explanation { changes, tried: 9, cut_short: true, likely: "look: there" };
        let cause = explanation.added_to("no token matches; none of them");
        let told = told(&cause).unwrap();
        assert_eq!((told.cause, told.found, told.fix), ("no token matches; none of them", found, fix));
        assert_eq!(told.is_found(), is_found);
    }
    assert_eq!(told("no token matches"), None);
}
