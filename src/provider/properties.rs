//! What holds for every request, not only for the listed ones: a change of the signed text, the signature or the secret
//! is refused, and what is not signed changes nothing. `testing` makes the signatures.

use std::fmt::Write as _;

use chrono::DateTime;
use proptest::{collection::vec, prelude::*, sample::Index};
use secrecy::SecretString;

use super::{
    Endpoint, Params, Received,
    testing::{
        JSON, NOW, ORIGIN, Pairs, encode, get, plivo, plivo_v2, plivo_v3, post, sha256_hex, stripe,
        stripe_v1, twilio, twilio_sha1, verdict,
    },
    verify,
};

const MISMATCH: &str = "signature_mismatch";

/// A secret of visible characters, also longer than a hash's block.
fn secret() -> impl Strategy<Value = String> {
    prop_oneof!["[!-~]{1,40}", "[!-~]{60,90}"]
}

fn two_secrets() -> impl Strategy<Value = (String, String)> {
    (secret(), secret()).prop_filter("two", |(one, other)| one != other)
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-zA-Z0-9]{0,8}", "[ -~]{0,12}", "\\PC{0,6}", "[\0\r\n&=%+;. ?]{0,6}"]
}

fn pairs(least: usize) -> impl Strategy<Value = Pairs> {
    vec((text(), text()), least..8)
}

fn nonce() -> impl Strategy<Value = String> {
    prop_oneof!["[0-9]{1,20}", "[0-9a-f]{8}-[0-9a-f]{4}", "[A-Za-z0-9+/]{6}=="]
}

/// Headers that nobody signs.
fn strangers() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = prop_oneof!["x-[a-z]{1,8}", Just("host".to_owned()), Just("x-forwarded-host".to_owned())];
    vec((name, "[ -~]{0,20}"), 0..4)
}

fn with_all(received: Received, headers: &[(String, String)]) -> Received {
    headers.iter().fold(received, |received, (name, value)| received.with(name, value))
}

/// The pairs as a form in a spelling that `choices` picks, byte by byte: raw where that is possible, escaped in either
/// case, a blank as `+`.
fn spell(pairs: &[(String, String)], choices: &[u8]) -> String {
    let mut choices = choices.iter().cycle();
    let mut escape = |text: &str| {
        text.bytes().fold(String::new(), |mut out, byte| {
            match (choices.next().copied().unwrap_or(0), byte) {
                (0..64, b' ') => out.push('+'),
                (0..128, byte) if byte.is_ascii_alphanumeric() || b"-._~!'()*/:@?;,$".contains(&byte) => {
                    out.push(char::from(byte));
                }
                (0..192, byte) => write!(out, "%{byte:02x}").unwrap(),
                (_, byte) => write!(out, "%{byte:02X}").unwrap(),
            }
            out
        })
    };
    let fields: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect();
    fields.join("&")
}

/// One edit of a text.
#[derive(Clone, Debug)]
struct Edit {
    place: Index,
    /// 0: replace, 1: insert, 2: delete, 3: cut off.
    how: u8,
    letter: char,
}

/// An edit that writes one of these letters.
fn edit(letters: &'static str) -> impl Strategy<Value = Edit> {
    (any::<Index>(), 0..4_u8, proptest::sample::select(letters.chars().collect::<Vec<_>>()))
        .prop_map(|(place, how, letter)| Edit { place, how, letter })
}

impl Edit {
    fn of(&self, text: &str) -> String {
        let mut letters: Vec<char> = text.chars().collect();
        if letters.is_empty() || self.how == 1 {
            let place = self.place.index(letters.len() + 1);
            letters.insert(place, self.letter);
            return letters.into_iter().collect();
        }
        let place = self.place.index(letters.len());
        match self.how {
            0 => letters[place] = self.letter,
            2 => drop(letters.remove(place)),
            _ => letters.truncate(place),
        }
        letters.into_iter().collect()
    }

    /// The same in one of the names or values; or one pair less.
    fn of_pairs(&self, pairs: &[(String, String)]) -> Pairs {
        let mut pairs = pairs.to_vec();
        let place = self.place.index(pairs.len());
        match (self.how, self.letter) {
            (3, _) => drop(pairs.remove(place)),
            (_, '=') => pairs[place].0 = self.of(&pairs[place].0),
            _ => pairs[place].1 = self.of(&pairs[place].1),
        }
        pairs
    }
}

const OF_FORM: &str = "=aZ0+. é";
const OF_BASE64: &str = "aZ09+/=_-";

proptest! {
    #[test]
    fn stripe_holds(
        (one, other) in two_secrets(),
        body in vec(any::<u8>(), 1..80),
        (place, bit) in (any::<Index>(), 0..8_u8),
        edit in edit("0123456789abcdefA"),
        headers in strangers(),
        age in -300..=300_i64,
        later in 1..200_i64,
    ) {
        let time = NOW - age;
        let v1 = stripe_v1(&one, &time.to_string(), &body);
        let sent = |body: &[u8], time: i64, v1: &str| {
            with_all(post(Endpoint::Stripe, body.to_vec()), &headers)
                .with("stripe-signature", &format!("t={time},v1={v1}"))
        };
        prop_assert_eq!(verdict(&stripe(&[&other, &one]), sent(&body, time, &v1)), "ok");
        prop_assert_eq!(verdict(&stripe(&[&other]), sent(&body, time, &v1)), MISMATCH);
        let mut flipped = body.clone();
        flipped[place.index(body.len())] ^= 1 << bit;
        prop_assert_eq!(verdict(&stripe(&[&one]), sent(&flipped, time, &v1)), MISMATCH);
        prop_assert_eq!(verdict(&stripe(&[&one]), sent(&body[1..], time, &v1)), MISMATCH);
        let shifted = if age < 0 { time - later } else { time + later };
        prop_assert_eq!(verdict(&stripe(&[&one]), sent(&body, shifted, &v1)), MISMATCH);
        let edited = edit.of(&v1);
        prop_assume!(edited != v1);
        prop_assert_eq!(verdict(&stripe(&[&one]), sent(&body, time, &edited)), MISMATCH);
    }

    #[test]
    fn twilio_form_holds(
        (one, other) in two_secrets(),
        (form, shuffled) in pairs(1).prop_flat_map(|form| (Just(form.clone()), Just(form).prop_shuffle())),
        (query, choices) in ("[a-z=&%25+]{0,12}", vec(any::<u8>(), 1..64)),
        (in_form, in_signature, in_query) in (edit(OF_FORM), edit(OF_BASE64), edit("ab=&+")),
        headers in strangers(),
    ) {
        let sent = |form: &str, query: &str, signature: &str| {
            with_all(post(Endpoint::TwilioVoice, form.to_owned()), &headers)
                .query_is(query)
                .with("x-twilio-signature", signature)
        };
        let url = |query: &str| format!("{ORIGIN}{}?{query}", Endpoint::TwilioVoice.path());
        let good = twilio_sha1(&one, &url(&query), &form);
        let plain = sent(&encode(&form), &query, &good);
        let other_spelling = sent(&spell(&shuffled, &choices), &query, &good);
        prop_assert_eq!(verdict(&twilio(&[&other]), plain.clone()), MISMATCH);
        let plain = verify(&twilio(&[&other, &one]), plain).unwrap();
        let other_spelling = verify(&twilio(&[&other, &one]), other_spelling).unwrap();
        prop_assert_eq!(plain.envelope(), other_spelling.envelope());

        let edited = in_signature.of(&good);
        if edited != good {
            prop_assert_eq!(verdict(&twilio(&[&one]), sent(&encode(&form), &query, &edited)), MISMATCH);
        }
        let edited = in_query.of(&query);
        if edited != query {
            prop_assert_eq!(verdict(&twilio(&[&one]), sent(&encode(&form), &edited, &good)), MISMATCH);
        }
        let edited = in_form.of_pairs(&form);
        if twilio_sha1(&one, &url(&query), &edited) != good {
            prop_assert_eq!(verdict(&twilio(&[&one]), sent(&encode(&edited), &query, &good)), MISMATCH);
        }
        let (token, params) = (SecretString::from(one), form.into_iter().collect::<Params>());
        prop_assert_eq!(super::twilio::sign(&token, &url(&query), &params), good);
    }

    #[test]
    fn twilio_json_holds(
        (one, other) in two_secrets(),
        body in vec(any::<u8>(), 1..80),
        (place, bit) in (any::<Index>(), 0..8_u8),
        in_signature in edit(OF_BASE64),
        headers in strangers(),
    ) {
        let query = format!("a=1&bodySHA256={}", sha256_hex(&body));
        let good = twilio_sha1(&one, &format!("{ORIGIN}{}?{query}", Endpoint::TwilioStatus.path()), &[]);
        let sent = |body: &[u8], signature: &str| {
            with_all(post(Endpoint::TwilioStatus, body.to_vec()).typed(JSON), &headers)
                .query_is(&query)
                .with("x-twilio-signature", signature)
        };
        prop_assert_eq!(verdict(&twilio(&[&one]), sent(&body, &good)), "ok");
        prop_assert_eq!(verdict(&twilio(&[&other]), sent(&body, &good)), MISMATCH);
        prop_assert_eq!(verdict(&twilio(&[&one]), sent(&body[1..], &good)), MISMATCH);
        let mut flipped = body.clone();
        flipped[place.index(body.len())] ^= 1 << bit;
        prop_assert_eq!(verdict(&twilio(&[&one]), sent(&flipped, &good)), MISMATCH);
        let edited = in_signature.of(&good);
        prop_assume!(edited != good);
        prop_assert_eq!(verdict(&twilio(&[&one]), sent(&body, &edited)), MISMATCH);
    }

    #[test]
    fn plivo_v3_holds(
        (one, other) in two_secrets(),
        (form, shuffled) in pairs(1).prop_flat_map(|form| (Just(form.clone()), Just(form).prop_shuffle())),
        (query, shuffled_query) in pairs(1).prop_flat_map(|query| (Just(query.clone()), Just(query).prop_shuffle())),
        (nonce, other_nonce, choices) in (nonce(), nonce(), vec(any::<u8>(), 1..64)),
        (in_form, in_signature) in (edit(OF_FORM), edit(OF_BASE64)),
        (headers, ma, as_json) in (strangers(), any::<bool>(), any::<bool>()),
    ) {
        let base = format!("{ORIGIN}{}", Endpoint::PlivoAnswer.path());
        let good = plivo_v3(&one, &base, &query, &form, &nonce);
        let name = if ma { "x-plivo-signature-ma-v3" } else { "x-plivo-signature-v3" };
        let sent = |query: &str, form: &str, signature: &str, nonce: &str| {
            with_all(post(Endpoint::PlivoAnswer, form.to_owned()), &headers)
                .query_is(query)
                .with(name, signature)
                .with("x-plivo-signature-v3-nonce", nonce)
        };
        let judge = |received| verdict(&plivo(&[&one]), received);
        let plain = sent(&encode(&query), &encode(&form), &good, &nonce);
        prop_assert_eq!(verdict(&plivo(&[&other]), plain.clone()), MISMATCH);
        let plain = verify(&plivo(&[&other, &one]), plain).unwrap();
        let respelled = if as_json {
            let members: Vec<String> = shuffled
                .iter()
                .map(|(name, value)| format!("{}: {}", serde_json::json!(name), serde_json::json!(value)))
                .collect();
            let object = format!("{{ {} }}", members.join(","));
            sent(&spell(&shuffled_query, &choices), &object, &good, &nonce).typed(JSON)
        } else {
            sent(&spell(&shuffled_query, &choices), &spell(&shuffled, &choices), &good, &nonce)
        };
        let respelled = verify(&plivo(&[&other, &one]), respelled).unwrap();
        prop_assert_eq!(plain.envelope(), respelled.envelope());

        let edited = in_signature.of(&good);
        if edited != good {
            prop_assert_eq!(judge(sent(&encode(&query), &encode(&form), &edited, &nonce)), MISMATCH);
        }
        if nonce != other_nonce {
            prop_assert_eq!(judge(sent(&encode(&query), &encode(&form), &good, &other_nonce)), MISMATCH);
        }
        let edited = in_form.of_pairs(&form);
        if plivo_v3(&one, &base, &query, &edited, &nonce) != good {
            prop_assert_eq!(judge(sent(&encode(&query), &encode(&edited), &good, &nonce)), MISMATCH);
        }
        let edited = in_form.of_pairs(&query);
        if plivo_v3(&one, &base, &edited, &form, &nonce) != good {
            prop_assert_eq!(judge(sent(&encode(&edited), &encode(&form), &good, &nonce)), MISMATCH);
        }
        let url = format!("{base}?{}", spell(&query, &choices));
        let (token, params) = (SecretString::from(one.clone()), form.iter().cloned().collect::<Params>());
        prop_assert_eq!(super::plivo::sign_v3(&token, &url, &params, &nonce), good);
    }

    #[test]
    fn plivo_v3_by_get_holds(
        (one, other) in two_secrets(),
        (query, shuffled) in pairs(1).prop_flat_map(|query| (Just(query.clone()), Just(query).prop_shuffle())),
        (nonce, choices) in (nonce(), vec(any::<u8>(), 1..64)),
        in_query in edit(OF_FORM),
    ) {
        let base = format!("{ORIGIN}{}", Endpoint::PlivoHangup.path());
        let good = plivo_v3(&one, &base, &query, &[], &nonce);
        let sent = |query: &str| {
            get(Endpoint::PlivoHangup, query)
                .with("x-plivo-signature-v3", &good)
                .with("x-plivo-signature-v3-nonce", &nonce)
        };
        prop_assert_eq!(verdict(&plivo(&[&one]), sent(&spell(&shuffled, &choices))), "ok");
        prop_assert_eq!(verdict(&plivo(&[&other]), sent(&encode(&query))), MISMATCH);
        let edited = in_query.of_pairs(&query);
        prop_assume!(plivo_v3(&one, &base, &edited, &[], &nonce) != good);
        prop_assert_eq!(verdict(&plivo(&[&one]), sent(&encode(&edited))), MISMATCH);
    }

    #[test]
    fn plivo_v2_holds(
        (one, other) in two_secrets(),
        (body, other_body) in (vec(any::<u8>(), 1..40), vec(any::<u8>(), 1..40)),
        (nonce, other_nonce) in (nonce(), nonce()),
        in_signature in edit(OF_BASE64),
        headers in strangers(),
    ) {
        let (body, other_body) = ([b"a", &body[..]].concat(), [b"a", &other_body[..]].concat()); // has a field
        let good = plivo_v2(&one, &format!("{ORIGIN}{}", Endpoint::PlivoSms.path()), &nonce);
        let sent = |body: &[u8], signature: &str, nonce: &str| {
            with_all(post(Endpoint::PlivoSms, body.to_vec()), &headers)
                .with("x-plivo-signature-v2", signature)
                .with("x-plivo-signature-v2-nonce", nonce)
        };
        let judge = |received| verdict(&plivo(&[&one]), received);
        let claim = |body: &[u8]| {
            verify(&plivo(&[&other, &one]), sent(body, &good, &nonce)).unwrap().nonce().cloned().unwrap()
        };
        prop_assert_eq!(claim(&body).nonce, claim(&other_body).nonce);
        prop_assert_eq!(claim(&body).rest == claim(&other_body).rest, body == other_body);
        prop_assert_eq!(verdict(&plivo(&[&other]), sent(&body, &good, &nonce)), MISMATCH);
        let as_voice = Received {
            endpoint: Endpoint::PlivoAnswer,
            ..sent(&body, &good, &nonce)
        };
        prop_assert_eq!(judge(as_voice), MISMATCH);
        if nonce != other_nonce {
            prop_assert_eq!(judge(sent(&body, &good, &other_nonce)), MISMATCH);
        }
        let edited = in_signature.of(&good);
        prop_assume!(edited != good);
        prop_assert_eq!(judge(sent(&body, &edited, &nonce)), MISMATCH);
    }

    #[test]
    fn stripe_signer_agrees(secret in secret(), body in vec(any::<u8>(), 0..80), time in 0..4_000_000_000_i64) {
        let at = DateTime::from_timestamp(time, 0).unwrap();
        let own = super::stripe::sign(&SecretString::from(secret.as_str()), at, &body);
        prop_assert_eq!(own, format!("t={time},v1={}", stripe_v1(&secret, &time.to_string(), &body)));
    }
}
