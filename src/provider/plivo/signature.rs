//! Plivo's signatures: base64 of an HMAC-SHA256, keyed with the auth token.
//!
//! V3 covers URL, query, parameters and a nonce; V2 covers the URL without its query and a nonce, so its body could be
//! anything. Each comes plain (token of the account or subaccount) or as MA (token of the main account), and either
//! may be a comma list while tokens are rotated.
//!
//! Which scheme where: voice paths take the V3 family alone. The text path, for which Plivo documents V2, lets a V3
//! family header decide where there is one, so that nothing can be downgraded.
//!
//! Source: Plivo docs, "Signature validation", and the official Python and Node libraries, whose published triples are
//! in the tests. The question mark that stays without a query and the dot that comes only with one are theirs.

use std::borrow::Cow;

use axum::http::HeaderMap;
use secrecy::SecretString;

use crate::provider::{
    Endpoint, Nonce, Params, Proof, Received, Reject, SignedBy,
    body::{self, Kind},
    mac,
};

/// V3 by the token of the account or subaccount.
pub(crate) const V3: &str = "x-plivo-signature-v3";
pub(in crate::provider) const MA_V3: &str = "x-plivo-signature-ma-v3";
/// The nonce of both V3 headers.
pub(crate) const V3_NONCE: &str = "x-plivo-signature-v3-nonce";
pub(in crate::provider) const V2: &str = "x-plivo-signature-v2";
pub(in crate::provider) const MA_V2: &str = "x-plivo-signature-ma-v2";
pub(in crate::provider) const V2_NONCE: &str = "x-plivo-signature-v2-nonce";
/// Long withdrawn and never accepted, but whoever sends it does not count as unsigned.
const V1: &str = "x-plivo-signature";

/// Every header with a signature.
pub(in crate::provider) const ALL: [&str; 5] = [V3, MA_V3, V2, MA_V2, V1];

/// Checks the headers of the scheme that holds for the endpoint.
///
/// # Errors
/// [`Reject::Missing`], [`Reject::MediaType`], then [`Reject::Mismatch`].
pub(super) fn check(tokens: &[SecretString], received: &Received) -> Result<Proof, Reject> {
    let headers = &received.headers;
    let v3 = headers.contains_key(V3) || headers.contains_key(MA_V3);
    let v2 = headers.contains_key(V2) || headers.contains_key(MA_V2);
    if !v3 && !v2 {
        return Err(Reject::Missing);
    }
    let kind = body::kind(received)?;
    if v3 {
        check_v3(tokens, received, kind)
    } else if received.endpoint == Endpoint::PlivoSms {
        check_v2(tokens, received)
    } else {
        Err(Reject::Mismatch("only V2 on a voice path, where it would leave the parameters open"))
    }
}

fn check_v3(tokens: &[SecretString], received: &Received, kind: Kind) -> Result<Proof, Reject> {
    let nonce = single(&received.headers, V3_NONCE)?;
    let given = signatures(&received.headers, [V3, MA_V3])?;
    let fields = fields(received, kind);
    if kind == Kind::Json && fields.is_empty() {
        return Err(Reject::Mismatch("a JSON body that is no object with members, which V3 cannot cover"));
    }
    let text = v3_text(&received.path_and_query, &fields, nonce);
    matching(tokens, received, &given, &text)
}

fn check_v2(tokens: &[SecretString], received: &Received) -> Result<Proof, Reject> {
    let nonce = single(&received.headers, V2_NONCE)?;
    let given = signatures(&received.headers, [V2, MA_V2])?;
    let path = received.path_and_query.split('?').next().unwrap_or("");
    let text = format!("{path}{nonce}");
    let proof = matching(tokens, received, &given, &text)?;
    let claim = Nonce {
        // Over the text as it is signed: a slash moved from the path to the nonce must not make a nonce of its own.
        nonce: mac::digest(&[b"plivo-v2", text.as_bytes()]),
        rest: mac::digest(&[
            received.method.as_str().as_bytes(),
            received.query().as_bytes(),
            &received.body,
        ]),
    };
    Ok(Proof { nonce: Some(claim), ..proof })
}

/// The value of the V3 header for a request to `url`; a GET has its parameters in the query.
pub(crate) fn sign_v3(token: &SecretString, url: &str, params: &Params, nonce: &str) -> String {
    mac::hmac_sha256_base64(token, &[v3_text(url, params, nonce).as_bytes()])
}

/// What V3 covers besides origin and nonce.
pub(in crate::provider) fn covered(received: &Received) -> String {
    let fields = body::kind(received).map(|kind| fields(received, kind)).unwrap_or_default();
    v3_text(&received.path_and_query, &fields, "")
}

/// The parameters that do not stand in the query; none where the body cannot be read.
fn fields(received: &Received, kind: Kind) -> Cow<'_, Params> {
    match kind {
        Kind::Query => Cow::Owned(Params::default()),
        Kind::Form => Cow::Borrowed(received.body.form()),
        Kind::Json => Cow::Owned(Params::from_json(&received.body).unwrap_or_default()),
    }
}

/// What V3 covers: the URL, its query decoded and sorted, the parameters, the nonce.
fn v3_text(url: &str, params: &Params, nonce: &str) -> String {
    let (base, raw_query) = url.split_once('?').unwrap_or((url, ""));
    let query: Vec<String> = Params::from_query(raw_query)
        .sorted()
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let query = query.join("&");
    let fields = params.joined(params.sorted());
    match (query.is_empty(), params.is_empty()) {
        (true, true) => format!("{base}.{nonce}"),
        (true, false) => format!("{base}?{fields}.{nonce}"),
        (false, true) => format!("{base}?{query}.{nonce}"),
        (false, false) => format!("{base}?{query}.{fields}.{nonce}"),
    }
}

/// Finds the token and origin that made one of the given signatures over origin and text.
fn matching(
    tokens: &[SecretString],
    received: &Received,
    given: &[&str],
    text: &str,
) -> Result<Proof, Reject> {
    for (origin, base) in received.origins.iter().enumerate() {
        for (index, token) in mac::usable(tokens) {
            let expected = mac::hmac_sha256_base64(token, &[base.as_bytes(), text.as_bytes()]);
            if given.iter().any(|given| mac::same(&expected, given)) {
                let signed_by = SignedBy::Secret { variable: "PLIVO_AUTH_TOKEN", index };
                return Ok(Proof { signed_by, origin, nonce: None });
            }
        }
    }
    Err(Reject::Mismatch("no PLIVO_AUTH_TOKEN made this signature for any PUBLIC_URL"))
}

/// Every signature in the comma lists of the plain and the MA header; blanks around them are trimmed.
fn signatures<'h>(headers: &'h HeaderMap, names: [&str; 2]) -> Result<Vec<&'h str>, Reject> {
    let mut all = Vec::new();
    for name in names {
        for line in headers.get_all(name) {
            let line = line.to_str().map_err(|_| Reject::Mismatch("a signature header is not ASCII"))?;
            all.extend(line.split(',').map(str::trim).filter(|signature| !signature.is_empty()));
        }
    }
    Ok(all)
}

/// The one value of a nonce header. Nothing in the signed text tells where the nonce begins, so it may hold none of the
/// characters that the text is built with: else a recorded V3 text would pass as path and nonce of V2, with any body,
/// and the last parameter's tail as part of the nonce. Plivo sends digits; UUID, hex and base64 would pass too.
fn single<'h>(headers: &'h HeaderMap, name: &str) -> Result<&'h str, Reject> {
    let mut lines = headers.get_all(name).iter();
    match (lines.next(), lines.next()) {
        (Some(line), None) => line
            .to_str()
            .ok()
            .filter(|nonce| !nonce.is_empty() && nonce.bytes().all(of_nonce))
            .ok_or(Reject::Mismatch("the nonce header is empty or holds a character that no nonce has")),
        (None, _) => Err(Reject::Mismatch("the nonce header is missing")),
        (Some(_), Some(_)) => Err(Reject::Mismatch("more than one nonce header")),
    }
}

fn of_nonce(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_+/=".contains(&byte)
}
