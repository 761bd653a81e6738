//! What the check of a signature costs, beside the bare code over the bytes that are signed.
//!
//!     cargo bench --manifest-path bench/Cargo.toml
//!
//! A check also finds its headers, reads the signature, and for a form decodes and sorts its fields; Plivo's second
//! version covers no body, so that it is hashed besides.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use divan::{Bencher, black_box};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use smartline::fuzzing::{self, NOW, ORIGIN, SECRET};
use smartline_bench::line::{Kind, message, sign};

/// Bytes of the Stripe event: what is signed may be any, so a longer one is cut.
const EVENT_BYTES: usize = 3 * 1024;

const NONCE: &str = "05429567804466091622";

/// Where Plivo documents its second version.
const PLIVO_SMS: &str = "/webhooks/plivo/sms";

fn main() {
    divan::main();
}

fn event() -> Vec<u8> {
    let mut bodies = (0..100).map(|number| body(Kind::Stripe, number));
    let mut event = bodies.find(|body| body.len() >= EVENT_BYTES).expect("some of them are as long");
    event.truncate(EVENT_BYTES);
    event
}

fn body(kind: Kind, number: u64) -> Vec<u8> {
    message(kind, number, NOW.unsigned_abs()).body.into_bytes()
}

fn url(path: &str) -> String {
    format!("{ORIGIN}{path}")
}

/// What is signed for a form: the URL, then names and values in order.
fn covered(kind: Kind) -> Vec<u8> {
    let form = body(kind, 0);
    let mut fields = sign::fields(&form);
    fields.sort_unstable();
    let fields: String = fields.iter().flat_map(|(name, value)| [name.as_ref(), value.as_ref()]).collect();
    (url(kind.path()) + &fields).into_bytes()
}

fn hmac_sha256(text: &[u8]) -> [u8; 32] {
    let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("a key of any length");
    mac.chain_update(text).finalize().into_bytes().into()
}

fn hmac_sha1(text: &[u8]) -> [u8; 20] {
    let mac = Hmac::<Sha1>::new_from_slice(SECRET.as_bytes()).expect("a key of any length");
    mac.chain_update(text).finalize().into_bytes().into()
}

/// Times the check of a request, which must be genuine.
fn time(bencher: Bencher<'_, '_>, path: &str, signature: &[(&'static str, &str)], body: &[u8]) {
    let check = fuzzing::check(path, signature, body).expect("a path and headers of a provider");
    assert!(check(), "the request is genuine");
    bencher.bench_local(check);
}

/// 3 kB.
mod stripe {
    use super::*;

    #[divan::bench(sample_size = 1_000)]
    fn bare_sha256(bencher: Bencher<'_, '_>) {
        let body = event();
        bencher.bench_local(|| Sha256::digest(black_box(&body)));
    }

    #[divan::bench(sample_size = 1_000)]
    fn bare_hmac_sha256(bencher: Bencher<'_, '_>) {
        let body = event();
        bencher.bench_local(|| hmac_sha256(black_box(&body)));
    }

    #[divan::bench(sample_size = 1_000)]
    fn check(bencher: Bencher<'_, '_>) {
        let body = event();
        let header = format!("t={NOW},v1={}", sign::stripe(SECRET, &NOW.to_string(), &body));
        time(bencher, Kind::Stripe.path(), &[("stripe-signature", &header)], &body);
    }
}

/// A call's form.
mod twilio {
    use super::*;

    #[divan::bench(sample_size = 1_000)]
    fn bare_hmac_sha1(bencher: Bencher<'_, '_>) {
        let text = covered(Kind::TwilioVoice);
        bencher.bench_local(|| hmac_sha1(black_box(&text)));
    }

    #[divan::bench(sample_size = 1_000)]
    fn check(bencher: Bencher<'_, '_>) {
        let path = Kind::TwilioVoice.path();
        let form = body(Kind::TwilioVoice, 0);
        let code = sign::twilio(SECRET, &url(path), sign::fields(&form));
        time(bencher, path, &[("x-twilio-signature", &code)], &form);
    }
}

/// A call's form.
mod plivo_v3 {
    use super::*;

    #[divan::bench(sample_size = 1_000)]
    fn bare_hmac_sha256(bencher: Bencher<'_, '_>) {
        let mut text = covered(Kind::PlivoAnswer);
        text.extend_from_slice(NONCE.as_bytes());
        bencher.bench_local(|| hmac_sha256(black_box(&text)));
    }

    #[divan::bench(sample_size = 1_000)]
    fn check(bencher: Bencher<'_, '_>) {
        let path = Kind::PlivoAnswer.path();
        let form = body(Kind::PlivoAnswer, 0);
        let code = sign::plivo(SECRET, &url(path), sign::fields(&form), NONCE);
        let headers = [("x-plivo-signature-v3", code.as_str()), ("x-plivo-signature-v3-nonce", NONCE)];
        time(bencher, path, &headers, &form);
    }
}

/// The same form sent as a text: URL and nonce are signed.
mod plivo_v2 {
    use super::*;

    fn text() -> Vec<u8> {
        (url(PLIVO_SMS) + NONCE).into_bytes()
    }

    #[divan::bench(sample_size = 1_000)]
    fn bare_hmac_sha256(bencher: Bencher<'_, '_>) {
        let text = text();
        bencher.bench_local(|| hmac_sha256(black_box(&text)));
    }

    #[divan::bench(sample_size = 1_000)]
    fn check(bencher: Bencher<'_, '_>) {
        let code = STANDARD.encode(hmac_sha256(&text()));
        let headers = [("x-plivo-signature-v2", code.as_str()), ("x-plivo-signature-v2-nonce", NONCE)];
        time(bencher, PLIVO_SMS, &headers, &body(Kind::PlivoAnswer, 0));
    }
}
