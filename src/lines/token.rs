//! The position token: where a call is in its flow, carried by the URL that the provider asks next.
//!
//! It holds numbers alone, nothing that was said, typed or dialled, so it may stand in an access log. Providers sign
//! their requests, but Plivo's V2 scheme covers neither query nor body, and no scheme keeps the URL of one call from
//! being used for another: therefore the token is signed by us and bound to its call.
//!
//! 42 bytes, as 56 characters of base64url without padding, big-endian: version (1), flow version (8), step (2),
//! edge (1), attempt (1), turn (1), hash of the call's id (8), expiry in Unix seconds (4), and the first 16 bytes of
//! the HMAC-SHA256 of those. The alphabet is left as it is by every URL encoding, so it reads the same however a
//! provider re-encodes the query that it signs.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret, SecretBox, SecretString};
use subtle::ConstantTimeEq as _;

use crate::{
    domain::phone::Phone,
    provider::mac::{digest, hex, hmac_sha256},
};

/// How long a call's tokens are good: 6 hours.
///
/// The longest call is 4 hours (default time limit of Twilio and Plivo); the rest is for its recording, which is
/// told of later, and for retries.
pub(crate) const CALL_LIFETIME: TimeDelta = TimeDelta::hours(6);

/// How long a text's token is good: 3 days, which is how long networks may keep trying a phone that is switched off.
pub(crate) const TEXT_LIFETIME: TimeDelta = TimeDelta::days(3);

/// First byte of every token.
const VERSION: u8 = 1;

/// What is signed, and the code that follows it, in bytes.
const SIGNED: usize = 26;
const CODE: usize = 16;

/// What a provider's auth token is turned into a key with, so that the key is good for nothing else.
const KEY_LABEL: &[u8] = b"smartline position token 1";

/// What keeps a hash of a number from being anything else that the key is good for.
const PSEUDONYM_LABEL: &[u8] = b"smartline pseudonym 1";

/// A place in a flow, and how the call got there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// The immutable version of the flow; 0 is the built-in default.
    pub(crate) flow_version: u64,
    /// The step, by its number in that version.
    pub(crate) step: u16,
    /// Which way out of the step was taken; the step gives it its meaning.
    pub(crate) edge: u8,
    /// Which try at the step it is, from 0.
    pub(crate) attempt: u8,
    /// How many documents the call was given before: a step that is visited again is no duplicate.
    pub(crate) turn: u8,
}

/// Why a token is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenFault {
    /// Not of the form that any token has.
    Malformed,
    /// Signed by none of the keys.
    Forged,
    /// Ours, but made for another call.
    OtherCall,
    /// Ours, but too old.
    Expired,
}

impl TokenFault {
    /// As logs spell it.
    pub(crate) fn cause(self) -> &'static str {
        match self {
            Self::Malformed => "position token malformed",
            Self::Forged => "position token forged",
            Self::OtherCall => "position token of another call",
            Self::Expired => "position token expired",
        }
    }
}

/// The keys of one provider: the first signs, all are good to open.
#[derive(Debug)]
pub(crate) struct TokenKeys(Vec<SecretBox<[u8; 32]>>);

impl TokenKeys {
    /// Derives a key from each of the provider's auth tokens, in their order: there is no secret more to configure,
    /// and a call that goes on while the auth token is rotated is still known.
    ///
    /// Without auth tokens, what is signed opens nowhere.
    pub(crate) fn new(tokens: &[SecretString]) -> Self {
        let key = |token: &SecretString| hmac_sha256(token.expose_secret().as_bytes(), &[KEY_LABEL]);
        Self(tokens.iter().map(|token| SecretBox::new(Box::new(key(token)))).collect())
    }

    /// The key that signs.
    pub(super) fn first(&self) -> Option<&[u8; 32]> {
        self.0.first().map(ExposeSecret::expose_secret)
    }

    /// Every key.
    pub(super) fn each(&self) -> impl Iterator<Item = &[u8; 32]> {
        self.0.iter().map(ExposeSecret::expose_secret)
    }

    /// What stands for a number in the log: the same for the same number, and nothing that a number can be guessed from without
    /// the key. 16 hexadecimal digits.
    pub(crate) fn pseudonym(&self, number: &Phone) -> Option<String> {
        let hash = hmac_sha256(self.first()?, &[PSEUDONYM_LABEL, number.as_str().as_bytes()]);
        Some(hex(&hash[..8]))
    }

    /// The token of a position in the call (or text) with that id, good up to and including `expires`.
    pub(crate) fn sign(&self, position: &Position, call: &str, expires: DateTime<Utc>) -> String {
        let mut token = Vec::with_capacity(SIGNED + CODE);
        token.push(VERSION);
        token.extend(position.flow_version.to_be_bytes());
        token.extend(position.step.to_be_bytes());
        token.extend([position.edge, position.attempt, position.turn]);
        token.extend(call_hash(call));
        token.extend(unix_seconds(expires).to_be_bytes());
        let key = self.0.first().map_or([0; 32], |key| *key.expose_secret());
        let code = code(&key, &token);
        token.extend(code);
        URL_SAFE_NO_PAD.encode(token)
    }

    /// Reads a token back.
    ///
    /// # Errors
    /// The first that holds of [`TokenFault`], in the order of its variants: nothing inside is looked at before the
    /// signature was found good.
    pub(crate) fn open(&self, token: &str, call: &str, now: DateTime<Utc>) -> Result<Position, TokenFault> {
        let mut bytes = [0; SIGNED + CODE];
        match URL_SAFE_NO_PAD.decode_slice(token, &mut bytes) {
            Ok(length) if length == bytes.len() => {}
            _ => return Err(TokenFault::Malformed),
        }
        let (signed, given) = bytes.split_at(SIGNED);
        if !self.0.iter().any(|key| bool::from(code(key.expose_secret(), signed).ct_eq(given))) {
            return Err(TokenFault::Forged);
        }
        let mut fields = Fields(signed);
        if fields.take() != [VERSION] {
            return Err(TokenFault::Malformed);
        }
        let flow_version = u64::from_be_bytes(fields.take());
        let step = u16::from_be_bytes(fields.take());
        let [edge, attempt, turn] = fields.take();
        if fields.take() != call_hash(call) {
            return Err(TokenFault::OtherCall);
        }
        if unix_seconds(now) > u32::from_be_bytes(fields.take()) {
            return Err(TokenFault::Expired);
        }
        Ok(Position { flow_version, step, edge, attempt, turn })
    }
}

/// Takes fields of fixed size off the front; zeroes where nothing is left, which the lengths above rule out.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let Some((field, rest)) = self.0.split_first_chunk() else { return [0; N] };
        self.0 = rest;
        *field
    }
}

fn code(key: &[u8; 32], signed: &[u8]) -> [u8; CODE] {
    Fields(&hmac_sha256(key, &[signed])).take()
}

fn call_hash(call: &str) -> [u8; 8] {
    Fields(&digest(&[call.as_bytes()])).take()
}

/// Held within what four bytes can say: up to the year 2106.
fn unix_seconds(at: DateTime<Utc>) -> u32 {
    u32::try_from(at.timestamp().max(0)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CALL: &str = "CA1234567890";
    const HERE: Position =
        Position { flow_version: 0x0102_0304_0506_0708, step: 0x090a, edge: 11, attempt: 12, turn: 13 };

    fn keys(tokens: &[&str]) -> TokenKeys {
        TokenKeys::new(&tokens.iter().map(|token| SecretString::from(*token)).collect::<Vec<_>>())
    }

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_760_000_000, 0).unwrap()
    }

    /// Signs bytes as they are, so that a token with odd fields can be made.
    fn signed(keys: &TokenKeys, mut bytes: Vec<u8>) -> String {
        bytes.extend(code(keys.0[0].expose_secret(), &bytes));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    #[test]
    fn layout_and_key_are_those_of_the_specification() {
        // Made with Python's hmac and struct modules.
        let expected = "AQECAwQFBgcICQoLDA1DrI67uHnb9WjnzGDJEkz6s_dAty0K2oee3i1F";
        assert_eq!(keys(&["first-auth-token"]).sign(&HERE, CALL, now() + CALL_LIFETIME), expected);
    }

    #[test]
    fn opens_for_its_call_until_it_expires() {
        let ours = keys(&["first", "second"]);
        let token = ours.sign(&HERE, CALL, now());
        let later = now() + TimeDelta::seconds(1);
        for (case, keys, call, at, expected) in [
            ("last good second", keys(&["first", "second"]), CALL, now(), Ok(HERE)),
            ("key rotated, still listed", keys(&["third", "first"]), CALL, now(), Ok(HERE)),
            ("key no longer listed", keys(&["second", "third"]), CALL, now(), Err(TokenFault::Forged)),
            ("no keys", keys(&[]), CALL, now(), Err(TokenFault::Forged)),
            ("other call", keys(&["first"]), "CA1234567891", now(), Err(TokenFault::OtherCall)),
            ("no call", keys(&["first"]), "", now(), Err(TokenFault::OtherCall)),
            ("expired", keys(&["first"]), CALL, later, Err(TokenFault::Expired)),
            ("other call and expired", keys(&["first"]), "", later, Err(TokenFault::OtherCall)),
            ("forged and expired", keys(&["second"]), "", later, Err(TokenFault::Forged)),
        ] {
            assert_eq!(keys.open(&token, call, at), expected, "{case}");
        }
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        let keys = keys(&["first"]);
        let bytes = URL_SAFE_NO_PAD.decode(keys.sign(&HERE, CALL, now())).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let token = URL_SAFE_NO_PAD.encode(changed);
            assert_eq!(keys.open(&token, CALL, now()), Err(TokenFault::Forged), "bit {bit}");
        }
    }

    #[test]
    fn other_forms_are_malformed() {
        let keys = keys(&["first"]);
        let good = keys.sign(&HERE, CALL, now());
        let other_version = signed(&keys, [&[2][..], &[0; SIGNED - 1]].concat());
        for (case, token) in [
            ("empty", String::new()),
            ("one character less", good[1..].to_owned()),
            ("one character more", format!("{good}A")),
            ("four characters more", format!("{good}AAAA")),
            ("padding", format!("{good}=")),
            ("standard alphabet", format!("+/{}", &good[2..])),
            ("blank", format!(" {}", &good[1..])),
            ("not ASCII", format!("é{}", &good[2..])),
            ("signed, but of another version", other_version),
        ] {
            assert_eq!(keys.open(&token, CALL, now()), Err(TokenFault::Malformed), "{case}");
        }
    }

    #[test]
    fn without_keys_nothing_opens() {
        let none = keys(&[]);
        let token = none.sign(&HERE, CALL, now());
        assert_eq!(none.open(&token, CALL, now()), Err(TokenFault::Forged));
        assert_eq!(keys(&[""]).open(&token, CALL, now()), Err(TokenFault::Forged));
    }

    #[test]
    fn keys_stay_out_of_debug_output() {
        let shown = format!("{:?}", keys(&["first"]));
        assert!(shown.contains("REDACTED") && !shown.contains("first"), "{shown}");
    }

    proptest! {
        #[test]
        fn what_is_signed_opens_and_is_plain(
            (flow_version, step, edge, attempt, turn) in any::<(u64, u16, u8, u8, u8)>(),
            call in ".*",
            seconds in 0..u32::MAX,
        ) {
            let position = Position { flow_version, step, edge, attempt, turn };
            let expires = DateTime::from_timestamp(i64::from(seconds), 0).unwrap();
            let token = keys(&["first"]).sign(&position, &call, expires);
            prop_assert_eq!(token.len(), 56);
            prop_assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
            prop_assert_eq!(keys(&["first"]).open(&token, &call, expires), Ok(position));
        }

        #[test]
        fn nothing_made_up_opens(token in prop_oneof![".*", "[A-Za-z0-9_-]{56}"]) {
            prop_assert!(keys(&["first"]).open(&token, CALL, now()).is_err());
        }
    }
}
