//! What makes two deliveries the same event. Taken from signed material alone, since a header anyone can set would
//! let anyone suppress an event.

use super::{Params, Provider, Received, mac};

/// The first 128 bits of a SHA-256: short enough for a hot index, long enough that two events never meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct DedupeKey(pub(crate) [u8; 16]);

/// A name for an event, in a readable form and as a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Contains the provider's own id: `evt_1…`, `CA1…:voice:t=…`.
    pub(crate) external_id: String,
    /// Hash of its parts, each with its length.
    pub(crate) key: DedupeKey,
}

/// Longest part that is shown as it is, in bytes; a longer one is shown as its digest.
const LONGEST_PART: usize = 120;

impl Identity {
    /// Makes the identity from its parts, the provider's own id first. Empty parts count, so leave out what is absent.
    pub(crate) fn new(provider: Provider, parts: &[&str]) -> Self {
        let mut bytes: Vec<&[u8]> = vec![provider.name().as_bytes()];
        bytes.extend(parts.iter().map(|part| part.as_bytes()));
        let digest = mac::digest(&bytes);
        let mut key = [0; 16];
        key.copy_from_slice(&digest[..16]);
        let shown: Vec<String> = parts.iter().map(|part| shown(part)).collect();
        Self { external_id: shown.join(":"), key: DedupeKey(key) }
    }
}

/// The identity of a request that names no resource: its path and its parameters, whatever their order.
pub(super) fn of_content(received: &Received, params: &Params) -> Identity {
    let mut parts = vec![received.endpoint.name().as_bytes()];
    let query = Params::from_query(received.query());
    for (name, value) in query.sorted().into_iter().chain(params.sorted()) {
        parts.extend([name.as_bytes(), value.as_bytes()]);
    }
    if params.is_empty() {
        parts.push(&received.body); // genuine but unreadable: still not the same as another
    }
    let digest = mac::hex(&mac::digest(&parts));
    Identity::new(received.endpoint.provider(), &["digest", &digest])
}

fn shown(part: &str) -> String {
    if part.len() > LONGEST_PART {
        format!("sha256={}", mac::hex(&mac::digest(&[part.as_bytes()])[..16]))
    } else {
        part.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moved_boundary_is_another_event() {
        let one = Identity::new(Provider::Twilio, &["CA1", "voice"]);
        assert_eq!(one, Identity::new(Provider::Twilio, &["CA1", "voice"]));
        assert_eq!(one.external_id, "CA1:voice");
        for (case, other) in [
            ("boundary", Identity::new(Provider::Twilio, &["CA1v", "oice"])),
            ("shown alike", Identity::new(Provider::Twilio, &["CA1:voice"])),
            ("provider", Identity::new(Provider::Plivo, &["CA1", "voice"])),
        ] {
            assert_ne!(one.key, other.key, "{case}");
        }
        let long = Identity::new(Provider::Twilio, &[&"x".repeat(1_000_000)]);
        assert!(long.external_id.len() < 60);
    }
}
