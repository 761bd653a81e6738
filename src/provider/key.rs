//! What makes two deliveries the same event. Taken from signed material alone, since a header anyone can set would
//! let anyone suppress an event.

use uuid::Uuid;

use super::{Params, Provider, Received, mac};

/// The first 128 bits of a SHA-256: short enough for a hot index, long enough that two events never meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct DedupeKey(pub(crate) [u8; 16]);

impl DedupeKey {
    /// As the database keeps it: 128 bits have the type of an id there.
    pub(crate) fn uuid(self) -> Uuid {
        Uuid::from_bytes(self.0)
    }
}

impl From<Uuid> for DedupeKey {
    fn from(key: Uuid) -> Self {
        Self(key.into_bytes())
    }
}

/// A name for an event, in a readable form and as a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Contains the provider's own id: `evt_1…`, `CA1…:voice:AQAA…`.
    pub(crate) external_id: String,
    /// Hash of its parts, each with its length.
    pub(crate) key: DedupeKey,
}

/// Longest part that is shown as it is, in bytes; a longer one is shown as its digest.
const LONGEST_PART: usize = 120;

/// Longest id in the parts of an [`Identity::plain`], in bytes: Twilio's have 34, Plivo's 36.
const LONGEST_ID: usize = 40;

/// Longest other part of one: the position token has 56.
const LONGEST_WORD: usize = 64;

impl Identity {
    /// Makes the identity from its parts, the provider's own id first. Each has its place, an absent
    /// one is empty.
    pub(crate) fn new(provider: Provider, parts: &[&str]) -> Self {
        let mut bytes: Vec<&[u8]> = vec![provider.name().as_bytes()];
        bytes.extend(parts.iter().map(|part| part.as_bytes()));
        let digest = mac::digest(&bytes);
        let mut key = [0; 16];
        key.copy_from_slice(&digest[..16]);
        let shown: Vec<String> = parts.iter().map(|part| shown(part)).collect();
        Self { external_id: shown.join(":"), key: DedupeKey(key) }
    }

    /// The same for parts that come out of a form: `None` unless each is a plain short word.
    ///
    /// Twilio and Plivo sign names and values without anything between them, so whoever recorded a request can let one
    /// value swallow the fields after it and still hold a good signature. Such a value is long or has a `+` in it, and
    /// must not make a new event of the old one.
    pub(super) fn plain(provider: Provider, parts: &[&str]) -> Option<Self> {
        let (id, rest) = parts.split_first()?;
        let plain = is_plain(id, LONGEST_ID) && rest.iter().all(|part| is_plain(part, LONGEST_WORD));
        plain.then(|| Self::new(provider, parts))
    }
}

/// The identity of a request that names no resource, or an odd one: a digest of what its signature covers, as one text,
/// so that neither order nor moved boundaries make another event. An odd `id` is shown beside the digest.
pub(super) fn of_content(received: &Received, params: &Params, covered: &str, id: Option<&str>) -> Identity {
    let mut parts = vec![b"content", received.endpoint.name().as_bytes(), covered.as_bytes()];
    if params.is_empty() {
        parts.push(&received.body); // genuine but unreadable: still not the same as another
    }
    let digest = mac::hex(&mac::digest(&parts));
    let identity = Identity::new(received.endpoint.provider(), &["digest", &digest]);
    match id {
        Some(id) => Identity { external_id: format!("{}:{}", shown(id), identity.external_id), ..identity },
        None => identity,
    }
}

fn is_plain(part: &str, longest: usize) -> bool {
    part.len() <= longest && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:=".contains(&byte))
}

/// A provider's text as it may stand in an index and on a page: one that is very long, or holds control characters
/// (PostgreSQL takes no NUL), is told by its digest.
pub(super) fn shown(part: &str) -> String {
    if part.len() > LONGEST_PART || part.contains(char::is_control) {
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
        let control = Identity::new(Provider::Stripe, &["evt_\0"]);
        assert!(control.external_id.starts_with("sha256="));
    }

    #[test]
    fn a_part_that_swallowed_another_is_not_plain() {
        for (case, parts, plain) in [
            ("Twilio's id", ["CAc93bf9a243a391a65da5b60116ee9a5c", "voice", ""], true),
            ("Plivo's id", ["2e3f209d-4f2b-b346-67dd-e08e3c9585f1", "Event=Hangup", ""], true),
            ("odd but short", ["test-call-uuid", "voice", ""], true),
            (
                "an id and the next field",
                ["CAc93bf9a243a391a65da5b60116ee9a5cCallStatusringing", "voice", ""],
                false,
            ),
            ("a state and a number", ["CA1", "completedCalled+14155550142", ""], false),
            ("a long word", ["CA1", "voice", &"t".repeat(65)], false),
            ("NUL", ["CA\0", "voice", ""], false),
        ] {
            assert_eq!(Identity::plain(Provider::Twilio, &parts).is_some(), plain, "{case}");
        }
        assert_eq!(Identity::plain(Provider::Twilio, &[]), None);
    }
}
