//! The first admin key.

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// The key's digest: enough to know the key when it is shown, too little to show it.
pub(crate) struct ApiKey([u8; 32]);

impl ApiKey {
    /// Remembers `key`.
    pub(crate) fn new(key: &str) -> Self {
        Self(Sha256::digest(key).into())
    }

    /// Whether `shown` is the key. How long that takes says nothing of how much was right: digests are compared, and
    /// each to its end.
    pub(crate) fn is(&self, shown: &[u8]) -> bool {
        self.0.ct_eq(&<[u8; 32]>::from(Sha256::digest(shown))).into()
    }

    /// What tells this key from the one before it, and does not help to find it: a digest of the digest.
    pub(crate) fn mark(&self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::ApiKey;

    #[test]
    fn only_the_whole_key_is_the_key() {
        let key = ApiKey::new("taken+as/it=is");
        assert!(key.is(b"taken+as/it=is"));
        for other in ["", "taken+as/it=i", "taken+as/it=is ", "Taken+as/it=is"] {
            assert!(!key.is(other.as_bytes()), "{other}");
        }
        assert_eq!(format!("{key:?}"), "ApiKey(..)");
    }
}
