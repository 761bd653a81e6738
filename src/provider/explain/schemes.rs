//! Other times, headers and schemes by which it may have been signed.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::DateTime;
use percent_encoding::percent_decode_str;
use secrecy::SecretString;

use super::{Change, Variant};
use crate::provider::{
    Endpoint, Params, Provider, Received, mac, plivo::signature as plivo, stripe::signature as stripe,
    twilio::signature as twilio,
};

/// A Stripe request whose signed time is too far away, as if it had come then. `None` where the time is right.
pub(super) fn at_its_own_time(came: &Received) -> Option<Variant> {
    if came.endpoint != Endpoint::Stripe {
        return None;
    }
    let line = came.headers.get(stripe::HEADER)?.to_str().ok()?;
    let time = line.split(',').find_map(|element| element.trim().strip_prefix("t="))?;
    let seconds: i64 = time.parse().ok()?;
    let (seconds, unit) =
        if seconds > 100_000_000_000 { (seconds / 1000, " in milliseconds") } else { (seconds, "") };
    let age = came.at.timestamp().saturating_sub(seconds);
    if age.saturating_abs() <= stripe::TOLERANCE {
        return None;
    }
    let (would, fix) = if age < 0 {
        (
            format!("it had come {} s later", age.unsigned_abs()),
            "set this machine's clock by NTP: it is slow, or the sender's is fast".to_owned(),
        )
    } else {
        let hours = age / 3600;
        let in_hours = hours > 0 && age % 3600 < 60;
        let zone = if in_hours { "; whole hours look like a clock in a wrong zone" } else { "" };
        (
            format!("it had come {age} s earlier"),
            format!(
                "it was recorded and sent again, or waited on its way, or this machine's clock is wrong{zone}"
            ),
        )
    };
    let at = DateTime::from_timestamp(seconds, 0)?;
    let change = Change::new("clock", format!("{would}, when it was signed{unit}"), fix);
    Some(Variant { change, received: Received { at, ..came.clone() } })
}

/// The same request with its signature headers mended or named otherwise.
pub(super) fn variants(base: &Received) -> Vec<Variant> {
    let mut all: Vec<_> = mended(base).into_iter().collect();
    match base.endpoint.provider() {
        Provider::Stripe => all.extend(other_scheme_of_stripe(base)),
        Provider::Twilio => {}
        Provider::Plivo => all.extend(other_schemes_of_plivo(base)),
    }
    all
}

/// The signature as it was before something quoted or encoded it.
fn mended(base: &Received) -> Option<Variant> {
    let names = match base.endpoint.provider() {
        Provider::Stripe => &[stripe::HEADER][..],
        Provider::Twilio => &[twilio::HEADER],
        Provider::Plivo => &plivo::ALL,
    };
    let mut headers = HeaderMap::new();
    for (name, value) in &base.headers {
        let value = match value.to_str() {
            Ok(text) if names.contains(&name.as_str()) => {
                let text =
                    if name == stripe::HEADER { unquoted(text).to_lowercase() } else { as_base64(text) };
                HeaderValue::from_str(&text).ok()?
            }
            _ => value.clone(),
        };
        headers.append(name.clone(), value);
    }
    let change = Change::new(
        "header",
        "the signature header were written as its signer made it, without quotes, blanks or another encoding",
        "something on the way rewrites the signature header: let it through as it is",
    );
    (headers != base.headers).then(|| Variant { change, received: Received { headers, ..base.clone() } })
}

fn unquoted(text: &str) -> String {
    percent_decode_str(text.trim().trim_matches(['"', '\''])).decode_utf8_lossy().into_owned()
}

/// Comma lists keep their commas.
fn as_base64(text: &str) -> String {
    let one = |text: &str| {
        let text = unquoted(text).replace([' ', '-'], "+").replace('_', "/");
        let digits = text.trim_end_matches('=');
        let hex: Option<Vec<u8>> = (digits.len() == 40 || digits.len() == 64)
            .then(|| {
                (0..digits.len())
                    .step_by(2)
                    .map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok())
                    .collect()
            })
            .flatten();
        match hex {
            Some(bytes) => STANDARD.encode(bytes),
            None => format!("{digits}{}", "=".repeat((4 - digits.len() % 4) % 4)),
        }
    };
    text.split(',').map(one).collect::<Vec<_>>().join(",")
}

fn other_scheme_of_stripe(base: &Received) -> Option<Variant> {
    let line = base.headers.get(stripe::HEADER)?.to_str().ok()?;
    let change = Change::new(
        "scheme",
        "v0 counted, which it never does",
        "only v1 proves anything; a signature that stands under v0 alone comes from no endpoint of yours",
    );
    line.contains("v0=").then(|| {
        let mut received = base.clone();
        if let Ok(value) = HeaderValue::from_str(&line.replace("v1=", "v9=").replace("v0=", "v1=")) {
            received.headers.insert(stripe::HEADER, value);
        }
        Variant { change, received }
    })
}

/// V2 where V3 is wanted, and each under the other's names. The text endpoint alone takes V2, so it is asked.
fn other_schemes_of_plivo(base: &Received) -> Vec<Variant> {
    const V2_TO_V3: [(&str, &str); 3] =
        [(plivo::V2, plivo::V3), (plivo::MA_V2, plivo::MA_V3), (plivo::V2_NONCE, plivo::V3_NONCE)];
    let to_v2 = V2_TO_V3.map(|(v2, v3)| (v3, v2));
    let v2_alone = Received { endpoint: Endpoint::PlivoSms, ..without(base, &[plivo::V3, plivo::MA_V3]) };
    let named_v2 = Received { endpoint: Endpoint::PlivoSms, ..renamed(base, &to_v2) };
    let variant =
        |would: &str, fix: &str, received| Variant { change: Change::new("scheme", would, fix), received };
    vec![
        variant(
            "V2 were enough here, whose signature is right",
            "V2 leaves the parameters open, so voice paths take V3 alone, and texts with a V3 header are judged by it: let \
             the V3 headers through as Plivo makes them",
            v2_alone,
        ),
        variant(
            "its V2 headers were named V3",
            "send the signature as X-Plivo-Signature-V3",
            renamed(base, &V2_TO_V3),
        ),
        variant(
            "its V3 headers were named V2, by whose rules they were made",
            "sign by the rules of V3",
            named_v2,
        ),
    ]
}

fn without(base: &Received, names: &[&str]) -> Received {
    let mut received = base.clone();
    for name in names {
        received.headers.remove(*name);
    }
    received
}

fn renamed(base: &Received, names: &[(&'static str, &'static str)]) -> Received {
    let new: Vec<_> = names.iter().map(|(from, to)| (*to, base.headers.get(*from).cloned())).collect();
    let old: Vec<_> = names.iter().flat_map(|(from, to)| [*from, *to]).collect();
    let mut received = without(base, &old);
    for (name, value) in new {
        value.map(|value| received.headers.insert(HeaderName::from_static(name), value));
    }
    received
}

/// What signers that depart from the provider's own rules would have signed, and whether that matches.
pub(super) fn quirks(base: &Received, secrets: &[SecretString]) -> Vec<(Change, bool)> {
    match base.endpoint.provider() {
        Provider::Stripe => Vec::new(),
        Provider::Twilio => quirks_of_twilio(base, secrets),
        Provider::Plivo => quirks_of_plivo(base, secrets),
    }
}

fn quirks_of_twilio(base: &Received, secrets: &[SecretString]) -> Vec<(Change, bool)> {
    let given = text_of(base, twilio::HEADER);
    let form = base.body.form();
    let by_name = |keep: fn(&mut String, &str)| {
        let mut fields: BTreeMap<&str, String> = BTreeMap::new();
        for (name, value) in form.iter() {
            fields.entry(name).and_modify(|kept| keep(kept, value)).or_insert_with(|| value.to_owned());
        }
        fields.into_iter().fold(String::new(), |text, (name, value)| text + name + &value)
    };
    let signed = |text: &str| {
        any(base, secrets, |key, origin| mac::hmac_sha1_base64(key, &[origin, text.as_bytes()]) == given)
    };
    let target = &base.path_and_query;
    let quirk = |would: &str, matches| {
        (
            Change::new(
                "scheme",
                would,
                "sign as Twilio's own libraries do; `smartline sign twilio` shows it",
            ),
            matches,
        )
    };
    let covered = twilio::covered(base);
    let sha256 = any(base, secrets, |key, origin| {
        mac::hmac_sha256_base64(key, &[origin, covered.as_bytes()]) == given
    });
    let mut all = vec![
        quirk(
            "only the first value of a repeated field were signed",
            signed(&format!("{target}{}", by_name(|_, _| {}))),
        ),
        quirk(
            "only the last value of a repeated field were signed",
            signed(&format!("{target}{}", by_name(|kept, value| value.clone_into(kept)))),
        ),
        quirk("it were signed with SHA-1 and not SHA-256", sha256),
    ];
    if target.contains("bodySHA256=") {
        let change = Change::new(
            "body",
            "the body were the one whose SHA-256 its URL names",
            "the URL is genuine and the body was changed on its way: hand on the raw bytes",
        );
        all.push((change, signed(target)));
    }
    all
}

fn quirks_of_plivo(base: &Received, secrets: &[SecretString]) -> Vec<(Change, bool)> {
    let given: Vec<&str> = [plivo::V3, plivo::MA_V3]
        .into_iter()
        .flat_map(|name| text_of(base, name).split(','))
        .map(str::trim)
        .collect();
    let nonce = text_of(base, plivo::V3_NONCE);
    let (path, raw) = base.path_and_query.split_once('?').unwrap_or((&base.path_and_query, ""));
    let query = Params::from_query(raw);
    let query: Vec<_> = query.sorted().into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    let query = query.join("&");
    let form = base.body.form();
    let sorted: String = form.sorted().into_iter().flat_map(|(name, value)| [name, value]).collect();
    let once: String = {
        let mut pairs = form.sorted();
        pairs.dedup();
        pairs.into_iter().flat_map(|(name, value)| [name, value]).collect()
    };
    let dot = if query.is_empty() || sorted.is_empty() { "" } else { "." };
    [
        ("the query were signed as it is written", format!("{path}?{raw}{dot}{sorted}.{nonce}")),
        (
            "a dot stayed after a query without parameters, as in Plivo's Java library",
            format!("{path}?{query}.{sorted}.{nonce}"),
        ),
        (
            "a question mark stayed without query and parameters, as in Plivo's Ruby library",
            format!("{path}?.{nonce}"),
        ),
        ("the dots at the end of the parameters were cut, as in Plivo's Go library", {
            format!("{path}?{query}{dot}{}.{nonce}", sorted.trim_end_matches('.'))
        }),
        ("a repeated field were signed once", format!("{path}?{query}{dot}{once}.{nonce}")),
        (
            "neither question mark nor dot stood before the parameters",
            format!("{}{sorted}{nonce}", base.path_and_query),
        ),
        ("the nonce were not signed", format!("{path}?{query}{dot}{sorted}")),
    ]
    .into_iter()
    .map(|(would, text)| {
        let matches = any(base, secrets, |key, origin| {
            given.contains(&mac::hmac_sha256_base64(key, &[origin, text.as_bytes()]).as_str())
        });
        (
            Change::new(
                "scheme",
                would,
                "sign as Plivo's Python or Node library does; `smartline sign plivo` shows it",
            ),
            matches,
        )
    })
    .collect()
}

fn text_of<'r>(received: &'r Received, name: &str) -> &'r str {
    received.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Whether it holds for one of the secrets and one of the configured origins.
fn any(base: &Received, secrets: &[SecretString], holds: impl Fn(&SecretString, &[u8]) -> bool) -> bool {
    let mut usable = mac::usable(secrets);
    usable.any(|(_, secret)| base.origins.iter().any(|origin| holds(secret, origin.as_bytes())))
}
