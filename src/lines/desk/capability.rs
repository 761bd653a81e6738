//! What an agent that is handed a call may do with it: one secret for each time, in the path of the agent's address. It is
//! derived from the key of the position tokens, so that every replica knows it and none keeps it; and it names the turn at
//! which the call comes back, so that what one agent wishes for is not done for the next.

use subtle::ConstantTimeEq as _;

use crate::{
    lines::token::TokenKeys,
    provider::mac::{hex, hmac_sha256},
};

/// What it is derived for, so that it is good for nothing else.
const LABEL: &[u8] = b"smartline call capability 2";

/// The capability of a call that comes back at `turn`: 32 hexadecimal digits, since carriers take nothing else in a path
/// unharmed. The last two are the turn.
pub(crate) fn of(keys: &TokenKeys, call: &str, turn: u8) -> String {
    keys.first().map_or_else(String::new, |key| derived(key, call, turn))
}

/// The turn that it is good for, if it is one of the call's by any key.
pub(crate) fn opened(keys: &TokenKeys, call: &str, shown: &[u8]) -> Option<u8> {
    let turn = std::str::from_utf8(shown.get(30..32)?).ok()?;
    let turn = u8::from_str_radix(turn, 16).ok()?;
    keys.each().any(|key| bool::from(derived(key, call, turn).as_bytes().ct_eq(shown))).then_some(turn)
}

fn derived(key: &[u8; 32], call: &str, turn: u8) -> String {
    let code = hmac_sha256(key, &[LABEL, call.as_bytes(), &[turn]]);
    hex(&[&code[..15], &[turn]].concat())
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    #[test]
    fn it_is_good_for_one_turn_of_one_call_and_with_every_key() {
        let keys = |tokens: &[&str]| {
            TokenKeys::new(&tokens.iter().map(|token| SecretString::from(*token)).collect::<Vec<_>>())
        };
        let capability = of(&keys(&["first"]), "CA1", 10);
        assert_eq!((capability.len(), capability.bytes().all(|b| b.is_ascii_hexdigit())), (32, true));
        let of_next = format!("{}0b", &capability[..30]);
        for (case, tokens, call, shown, turn) in [
            ("its call", &["first"][..], "CA1", capability.as_str(), Some(10)),
            ("a key that was rotated", &["second", "first"], "CA1", &capability, Some(10)),
            ("another call", &["first"], "CA2", &capability, None),
            ("another key", &["second"], "CA1", &capability, None),
            ("no keys", &[], "CA1", &capability, None),
            ("another turn", &["first"], "CA1", &of_next, None),
            ("nothing", &["first"], "CA1", "", None),
            ("its end alone", &["first"], "CA1", &capability[2..], None),
            ("more", &["first"], "CA1", &format!("{capability}0"), None),
            ("letters that are none", &["first"], "CA1", &"é".repeat(16), None),
        ] {
            assert_eq!(opened(&keys(tokens), call, shown.as_bytes()), turn, "{case}");
        }
    }
}
