//! What checking a signature costs, in nanoseconds, beside the bare hash and the bare code over the same bytes.
//!
//!     cargo bench --manifest-path bench/Cargo.toml

use divan::{Bencher, black_box};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use smartline::benching;
use smartline_bench::line::{Kind, message, sign};

const KEY: &[u8] = b"whsec_0123456789abcdef0123456789abcdef";

fn main() {
    divan::main();
}

/// A Stripe event cut to 2 kB: what is signed may be any bytes.
fn event() -> Vec<u8> {
    let longest = (0..).map(|number| message(Kind::Stripe, number, 1_760_000_000).body);
    let body = longest.take(100).find(|body| body.len() >= 2_048).unwrap_or_default();
    body.into_bytes()[..2_048].to_vec()
}

fn form(kind: Kind) -> Vec<u8> {
    message(kind, 0, 1_760_000_000).body.into_bytes()
}

/// The text that is signed for a form: the URL, then names and values in order.
fn covered(url: &str, form: &[u8]) -> Vec<u8> {
    let mut fields = sign::fields(form);
    fields.sort_unstable();
    let parts = fields.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
    std::iter::once(url.as_bytes()).chain(parts).flatten().copied().collect()
}

fn hmac_sha256(text: &[u8]) -> [u8; 32] {
    let mac = Hmac::<Sha256>::new_from_slice(KEY).expect("a key of any length");
    mac.chain_update(text).finalize().into_bytes().into()
}

fn hmac_sha1(text: &[u8]) -> [u8; 20] {
    let mac = Hmac::<Sha1>::new_from_slice(KEY).expect("a key of any length");
    mac.chain_update(text).finalize().into_bytes().into()
}

/// Times `check`, which must find its request genuine.
fn time(bencher: Bencher<'_, '_>, check: &benching::Check) {
    assert!(check(), "the request is genuine");
    bencher.bench_local(check);
}

/// 2 kB.
mod stripe {
    use super::*;

    #[divan::bench]
    fn a_bare_sha256(bencher: Bencher<'_, '_>) {
        let body = event();
        bencher.bench_local(|| Sha256::digest(black_box(&body)));
    }

    #[divan::bench]
    fn b_bare_hmac(bencher: Bencher<'_, '_>) {
        let body = event();
        bencher.bench_local(|| hmac_sha256(black_box(&body)));
    }

    #[divan::bench]
    fn c_verify(bencher: Bencher<'_, '_>) {
        time(bencher, &benching::stripe(&event()));
    }
}

/// A call's form; the bare codes are over its decoded and sorted fields.
mod twilio {
    use super::*;

    #[divan::bench]
    fn b_bare_hmac(bencher: Bencher<'_, '_>) {
        let text = covered(benching::TWILIO_URL, &form(Kind::TwilioVoice));
        bencher.bench_local(|| hmac_sha1(black_box(&text)));
    }

    #[divan::bench]
    fn c_verify(bencher: Bencher<'_, '_>) {
        time(bencher, &benching::twilio(&form(Kind::TwilioVoice)));
    }
}

/// The same of Plivo.
mod plivo {
    use super::*;

    #[divan::bench]
    fn b_bare_hmac(bencher: Bencher<'_, '_>) {
        let text = covered(benching::PLIVO_URL, &form(Kind::PlivoAnswer));
        bencher.bench_local(|| hmac_sha256(black_box(&text)));
    }

    #[divan::bench]
    fn c_verify(bencher: Bencher<'_, '_>) {
        time(bencher, &benching::plivo(&form(Kind::PlivoAnswer)));
    }
}
