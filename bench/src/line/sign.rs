//! The providers' signatures. The load generator makes them, and the plain servers compare with them. That they are
//! right shows when SmartLine and the official libraries, neither of which is taken from here, accept every request.
//!
//! Sources: Stripe docs, "Verify webhook signatures"; Twilio docs, "Webhooks security"; Plivo docs, "Signature
//! validation", and its libraries for the signs between the parts.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;

/// Names and values of a form, decoded.
pub type Fields<'f> = Vec<(Cow<'f, str>, Cow<'f, str>)>;

/// Reads a form.
#[must_use]
pub fn fields(form: &[u8]) -> Fields<'_> {
    form_urlencoded::parse(form).collect()
}

/// `v1` of a `Stripe-Signature`: 64 hexadecimal digits over the seconds as written, a full stop and the body.
#[must_use]
pub fn stripe(secret: &str, seconds: &str, body: &[u8]) -> String {
    let mut mac = keyed::<Hmac<Sha256>>(secret);
    mac.update(seconds.as_bytes());
    mac.update(b".");
    mac.update(body);
    hex(&mac.finalize().into_bytes())
}

/// The URL, then each field in order, name and value without anything between.
#[must_use]
pub fn twilio(token: &str, url: &str, mut fields: Fields<'_>) -> String {
    fields.sort_unstable();
    fields.dedup();
    let mut mac = keyed::<Hmac<Sha1>>(token);
    mac.update(url.as_bytes());
    for (name, value) in &fields {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    STANDARD.encode(mac.finalize().into_bytes())
}

/// The third version, for a form sent to a URL without a query.
#[must_use]
pub fn plivo(token: &str, url: &str, mut fields: Fields<'_>, nonce: &str) -> String {
    fields.sort_unstable();
    let mut mac = keyed::<Hmac<Sha256>>(token);
    mac.update(url.as_bytes());
    mac.update(b"?");
    for (name, value) in &fields {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    mac.update(b".");
    mac.update(nonce.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

fn keyed<M: Mac + KeyInit>(key: &str) -> M {
    <M as KeyInit>::new_from_slice(key.as_bytes()).expect("a key of any length")
}

/// Lower-case hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |half: u8| char::from(DIGITS[usize::from(half)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The triples that the providers' libraries publish; Stripe's is from `openssl dgst -sha256 -hmac`.
    #[test]
    fn published_triples() {
        assert_eq!(
            stripe("whsec_test", "1760000000", br#"{"id":"evt_1"}"#),
            "66e880d7175fffb43ce10c4e14db1cfb230c8804b5aafb116affbc9a836c7690"
        );
        let form = b"CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&From=%2B14158675309&To=%2B18005551212";
        let url = "https://mycompany.com/myapp.php?foo=1&bar=2";
        assert_eq!(twilio("12345", url, fields(form)), "RSOYDt4T1cUTdK1PDd93/VVr8B8=");
    }
}
