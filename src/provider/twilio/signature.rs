//! `X-Twilio-Signature`: base64 of an HMAC-SHA1, keyed with the auth token, over the full URL followed by each form
//! field's name and value.
//!
//! Source: Twilio docs, "Webhooks security", and the official Python and Node libraries, whose published triples are
//! in the tests. The URL is the configured origin plus the raw path and query: no header has a say in it.

use std::borrow::Cow;

use secrecy::SecretString;
use sha2::{Digest as _, Sha256};

use crate::provider::{
    Params, Proof, Received, Reject, SignedBy,
    body::{self, Kind},
    mac,
};

/// The header.
pub(crate) const HEADER: &str = "x-twilio-signature";

/// Names another key and algorithm than the auth token and SHA-1. We have no such key, so it is refused: the header is
/// unsigned and must not choose how it is checked.
const SETTINGS: &str = "x-twilio-webhooks-signature-settings";

/// Checks the header against every token, origin and spelling of the port.
///
/// # Errors
/// [`Reject::Missing`], [`Reject::MediaType`], then [`Reject::Mismatch`].
pub(super) fn check(tokens: &[SecretString], received: &Received) -> Result<Proof, Reject> {
    let mut lines = received.headers.get_all(HEADER).iter();
    let given = lines.next().ok_or(Reject::Missing)?;
    let kind = body::kind(received)?;
    if lines.next().is_some() {
        return Err(Reject::Mismatch("more than one X-Twilio-Signature header"));
    }
    if received.headers.contains_key(SETTINGS) {
        return Err(Reject::Mismatch("signed with a shared key, and none is configured"));
    }
    let given = given.to_str().map_err(|_| Reject::Mismatch("X-Twilio-Signature is not ASCII"))?;
    if kind != Kind::Form {
        covers_body(received, kind)?;
    }
    let text = covered(received);
    for (origin, base) in received.origins.iter().enumerate() {
        for base in spellings(base) {
            for (index, token) in mac::usable(tokens) {
                let expected = mac::hmac_sha1_base64(token, &[base.as_bytes(), text.as_bytes()]);
                if mac::same(&expected, given) {
                    let signed_by = SignedBy::Secret { variable: "TWILIO_AUTH_TOKEN", index };
                    return Ok(Proof { signed_by, origin, nonce: None });
                }
            }
        }
    }
    Err(Reject::Mismatch("no TWILIO_AUTH_TOKEN made this signature for any PUBLIC_URL"))
}

/// The header's value for a request to `url` with these form fields.
pub(crate) fn sign(token: &SecretString, url: &str, form: &Params) -> String {
    mac::hmac_sha1_base64(token, &[url.as_bytes(), form_text(form).as_bytes()])
}

/// What the signature covers besides the origin. Nothing in it tells where a name or a value ends.
pub(in crate::provider) fn covered(received: &Received) -> String {
    let fields = match body::kind(received) {
        Ok(Kind::Form) => form_text(received.body.form()),
        _ => String::new(),
    };
    format!("{}{fields}", received.path_and_query)
}

/// Names sorted as bytes, a repeated one once for each of its distinct values, sorted; nothing between them.
fn form_text(form: &Params) -> String {
    let mut pairs = form.sorted();
    pairs.dedup();
    form.joined(pairs)
}

/// A JSON body is covered by its SHA-256 in the signed query. Where that is there, no body is a body taken away.
fn covers_body(received: &Received, kind: Kind) -> Result<(), Reject> {
    let query = Params::from_query(received.query());
    let Some(named) = query.get("bodySHA256") else {
        return match kind {
            Kind::Json => Err(Reject::Mismatch("a JSON body without bodySHA256")),
            Kind::Query | Kind::Form => Ok(()),
        };
    };
    if mac::same(&mac::hex(&Sha256::digest(received.body.bytes())), named) {
        Ok(())
    } else {
        Err(Reject::Mismatch("bodySHA256 is not the body's"))
    }
}

/// The origin as configured, and with and without its port: Twilio's back ends sign either.
fn spellings(origin: &str) -> impl Iterator<Item = Cow<'_, str>> {
    std::iter::once(Cow::Borrowed(origin)).chain(std::iter::once_with(|| other_spelling(origin).into()))
}

fn other_spelling(origin: &str) -> String {
    let (scheme, rest) = origin.split_once("://").unwrap_or(("https", origin));
    let host_start = rest.rfind('@').map_or(0, |at| at + 1);
    let port = rest[host_start..].rfind(':').filter(|colon| !rest[host_start + colon..].contains(']'));
    if let Some(colon) = port {
        format!("{scheme}://{}", &rest[..host_start + colon])
    } else {
        let default = if scheme.eq_ignore_ascii_case("http") { 80 } else { 443 };
        format!("{origin}:{default}")
    }
}
