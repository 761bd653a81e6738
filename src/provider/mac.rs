//! Message authentication codes, and comparing them without telling how much was right.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// Why making an HMAC cannot fail. Should that ever change, a stop is safe; a made-up code would be one to guess.
const ANY_LENGTH: &str = "HMAC takes a key of any length";

/// The secrets that can vouch for anything, each with its place: a blank one is known to everybody.
pub(crate) fn usable(secrets: &[SecretString]) -> impl Iterator<Item = (usize, &SecretString)> {
    secrets.iter().enumerate().filter(|(_, secret)| !secret.expose_secret().trim().is_empty())
}

/// HMAC-SHA256 over the parts, one after the other.
pub(crate) fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect(ANY_LENGTH);
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// HMAC-SHA1 over the parts, as standard base64 with padding: 28 characters.
pub(crate) fn hmac_sha1_base64(key: &SecretString, parts: &[&[u8]]) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(key.expose_secret().as_bytes()).expect(ANY_LENGTH);
    for part in parts {
        mac.update(part);
    }
    STANDARD.encode(mac.finalize().into_bytes())
}

/// HMAC-SHA256 over the parts, as standard base64 with padding: 44 characters.
pub(crate) fn hmac_sha256_base64(key: &SecretString, parts: &[&[u8]]) -> String {
    STANDARD.encode(hmac_sha256(key.expose_secret().as_bytes(), parts))
}

/// SHA-256 over the parts, each with its length before it, so that moving a boundary changes the digest.
pub(crate) fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut sha = Sha256::new();
    for part in parts {
        sha.update((part.len() as u64).to_be_bytes());
        sha.update(part);
    }
    sha.finalize().into()
}

/// Lower-case hexadecimal. Character by character, or through the formatter, it costs a tenth to a quarter of the hash of
/// a 3 kB body.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = vec![0; bytes.len() * 2];
    write_hex(bytes, &mut text);
    String::from_utf8(text).expect("digits are ASCII")
}

fn write_hex(bytes: &[u8], text: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 0xf)];
    }
}

/// Whether both are the same: lengths first, then every byte in constant time.
pub(crate) fn same(expected: &str, given: &str) -> bool {
    is_same(expected.as_bytes(), given.as_bytes())
}

/// Whether `given` is the code in lower-case hexadecimal, in constant time.
pub(crate) fn is_hex_of(code: &[u8; 32], given: &str) -> bool {
    let mut expected = [0; 64];
    write_hex(code, &mut expected);
    is_same(&expected, given.as_bytes())
}

/// Eight bytes at a time: one at a time takes `subtle` longer than the hashing of a small request.
fn is_same(expected: &[u8], given: &[u8]) -> bool {
    let (expected_words, expected_rest) = expected.as_chunks();
    let (given_words, given_rest) = given.as_chunks();
    let words = expected_words.iter().zip(given_words);
    let same = words.fold(expected_rest.ct_eq(given_rest), |same, (expected, given)| {
        same & u64::from_ne_bytes(*expected).ct_eq(&u64::from_ne_bytes(*given))
    });
    expected.len() == given.len() && bool::from(same)
}
