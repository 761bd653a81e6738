//! `Stripe-Signature: t=<unix seconds>,v1=<64 hex>[,v1=…][,v0=…]`, an HMAC-SHA256 over `t`, a full stop and the body.
//!
//! Source: Stripe docs, "Verify webhook signatures", and the official libraries. Where those differ the stricter
//! reading holds: lower-case hex, one `t` of digits alone, 300 s both ways; blanks around an element are trimmed.

use axum::http::{HeaderMap, HeaderName};
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret as _, SecretString};

use crate::provider::{Proof, Received, Reject, SignedBy, mac};

/// The header.
pub(crate) const HEADER: &str = "stripe-signature";

/// Looked up by its text, it would be parsed for every request.
static HEADER_NAME: HeaderName = HeaderName::from_static(HEADER);

/// Largest accepted distance between signing time and now, either way, in seconds.
///
/// Source: the default of the official libraries; only PHP's also looks ahead, as we do.
pub(in crate::provider) const TOLERANCE: i64 = 300;

/// Checks the header against every secret.
///
/// # Errors
/// [`Reject::Missing`], [`Reject::Stale`] from the header alone, then [`Reject::Mismatch`].
pub(super) fn check(secrets: &[SecretString], received: &Received) -> Result<Proof, Reject> {
    let signature = Signature::read(&received.headers)?;
    let age = received.at.timestamp().saturating_sub(signature.seconds);
    if age.saturating_abs() > TOLERANCE {
        return Err(Reject::Stale { age });
    }
    for (index, secret) in mac::usable(secrets) {
        let code = code(secret, signature.time, &received.body);
        if signature.codes().any(|given| mac::is_hex_of(&code, given)) {
            let signed_by = SignedBy::Secret { variable: "STRIPE_WEBHOOK_SECRET", index };
            return Ok(Proof { signed_by, origin: 0, nonce: None });
        }
    }
    Err(Reject::Mismatch("no STRIPE_WEBHOOK_SECRET made any of the v1 values"))
}

/// The header's value for `body`, signed at `at`.
pub(crate) fn sign(secret: &SecretString, at: DateTime<Utc>, body: &[u8]) -> String {
    let time = at.timestamp().to_string();
    let code = mac::hex(&code(secret, &time, body));
    format!("t={time},v1={code}")
}

/// The MAC. The key is the whole secret as text, `whsec_` included.
fn code(secret: &SecretString, time: &str, body: &[u8]) -> [u8; 32] {
    mac::hmac_sha256(secret.expose_secret().as_bytes(), &[time.as_bytes(), b".", body])
}

/// The parts of the header that count.
struct Signature<'h> {
    /// As written, since that text is signed.
    time: &'h str,
    seconds: i64,
    line: &'h str,
}

impl<'h> Signature<'h> {
    fn read(headers: &'h HeaderMap) -> Result<Self, Reject> {
        let mut lines = headers.get_all(&HEADER_NAME).iter();
        let line = lines.next().ok_or(Reject::Missing)?;
        if lines.next().is_some() {
            return Err(Reject::Mismatch("more than one Stripe-Signature header"));
        }
        let line = line.to_str().map_err(|_| Reject::Mismatch("Stripe-Signature is not ASCII"))?;
        let mut time = None;
        let mut has_code = false;
        for (name, value) in elements(line) {
            match name {
                "t" if time.replace(value).is_some() => {
                    return Err(Reject::Mismatch("Stripe-Signature has more than one t"));
                }
                "v1" => has_code = true,
                _ => {}
            }
        }
        let time = time.ok_or(Reject::Mismatch("Stripe-Signature has no t"))?;
        let digits = !time.is_empty() && time.bytes().all(|byte| byte.is_ascii_digit());
        let seconds = time
            .parse()
            .ok()
            .filter(|_| digits)
            .ok_or(Reject::Mismatch("t of Stripe-Signature is no number"))?;
        if !has_code {
            return Err(Reject::Mismatch("Stripe-Signature has no v1"));
        }
        Ok(Self { time, seconds, line })
    }

    fn codes(&self) -> impl Iterator<Item = &'h str> {
        elements(self.line).filter(|(name, _)| *name == "v1").map(|(_, value)| value)
    }
}

fn elements(line: &str) -> impl Iterator<Item = (&str, &str)> {
    line.split(',').filter_map(|element| element.trim().split_once('='))
}
