//! What an agent that is handed a call may do with it: one secret a call, in the path of the agent's address. It is derived
//! from the key of the position tokens, so that every replica knows it and none keeps it.

use subtle::ConstantTimeEq as _;

use crate::{
    lines::token::TokenKeys,
    provider::mac::{hex, hmac_sha256},
};

/// What it is derived for, so that it is good for nothing else.
const LABEL: &[u8] = b"smartline call capability 1";

/// The capability of a call: 32 hexadecimal digits, since carriers take nothing else in a path unharmed.
pub(crate) fn of(keys: &TokenKeys, call: &str) -> String {
    keys.first().map_or_else(String::new, |key| derived(key, call))
}

/// Whether it is that of the call, by any key.
pub(crate) fn is_of(keys: &TokenKeys, call: &str, shown: &[u8]) -> bool {
    keys.each().any(|key| bool::from(derived(key, call).as_bytes().ct_eq(shown)))
}

fn derived(key: &[u8; 32], call: &str) -> String {
    hex(&hmac_sha256(key, &[LABEL, call.as_bytes()])[..16])
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    #[test]
    fn it_is_good_for_one_call_and_with_every_key() {
        let keys = |tokens: &[&str]| {
            TokenKeys::new(&tokens.iter().map(|token| SecretString::from(*token)).collect::<Vec<_>>())
        };
        let capability = of(&keys(&["first"]), "CA1");
        assert_eq!((capability.len(), capability.bytes().all(|b| b.is_ascii_hexdigit())), (32, true));
        for (case, tokens, call, good) in [
            ("its call", &["first"][..], "CA1", true),
            ("a key that was rotated", &["second", "first"], "CA1", true),
            ("another call", &["first"], "CA2", false),
            ("another key", &["second"], "CA1", false),
            ("no keys", &[], "CA1", false),
        ] {
            assert_eq!(is_of(&keys(tokens), call, capability.as_bytes()), good, "{case}");
        }
        assert!(!is_of(&keys(&[]), "CA1", b""));
    }
}
