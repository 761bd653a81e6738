//! Ids: a UUIDv7 inside, a prefixed text of 26 characters outside, both sorted by time.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use uuid::{NoContext, Timestamp, Uuid};

/// A fresh UUIDv7 whose time is `at`, to the millisecond.
fn time_ordered(at: DateTime<Utc>) -> Uuid {
    let seconds = u64::try_from(at.timestamp()).unwrap_or(0);
    Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, at.timestamp_subsec_nanos()))
}

/// The digits of Crockford's base 32.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A text that is no id of this kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no id of this kind")]
pub(crate) struct NoId;

/// Reads 26 digits back; capitals count as well.
fn read_base32(text: &str) -> Result<Uuid, NoId> {
    if text.len() != 26 {
        return Err(NoId);
    }
    let mut bits = 0_u128;
    for byte in text.bytes() {
        let digit = DIGITS.iter().position(|digit| *digit == byte.to_ascii_lowercase()).ok_or(NoId)?;
        bits = bits.checked_mul(32).ok_or(NoId)? | digit as u128;
    }
    Ok(Uuid::from_u128(bits))
}

/// Writes 128 bits as 26 of these digits, which sort like the number.
fn write_base32(f: &mut fmt::Formatter<'_>, id: Uuid) -> fmt::Result {
    let mut bits = id.as_u128();
    let mut text = [0; 26]; // written at once: through the formatter digit by digit it takes ten times as long
    for digit in text.iter_mut().rev() {
        *digit = DIGITS[usize::try_from(bits & 31).unwrap_or(0)];
        bits >>= 5;
    }
    f.write_str(str::from_utf8(&text).unwrap_or_default())
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) struct $name(Uuid);

        impl $name {
            /// A fresh id that carries the time `at`.
            pub(crate) fn new(at: DateTime<Utc>) -> Self {
                Self(time_ordered(at))
            }

            /// As the database keeps it.
            pub(crate) fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                write_base32(f, self.0)
            }
        }

        impl FromStr for $name {
            type Err = NoId;

            fn from_str(text: &str) -> Result<Self, NoId> {
                read_base32(text.strip_prefix($prefix).ok_or(NoId)?).map(Self)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

id!(
    /// A kept event.
    EventId,
    "event_"
);

/// The time that an id carries, to the millisecond.
fn time_of(id: Uuid) -> DateTime<Utc> {
    let milliseconds = i64::try_from(id.as_u128() >> 80).unwrap_or(0);
    DateTime::from_timestamp_millis(milliseconds).unwrap_or_default()
}

impl EventId {
    /// The time that it carries, to the millisecond.
    pub(crate) fn time(self) -> DateTime<Utc> {
        time_of(self.0)
    }
}

id!(
    /// Something that is owed to the outside.
    OwedId,
    "outbox_"
);

impl OwedId {
    /// When it was owed, to the millisecond.
    pub(crate) fn time(self) -> DateTime<Utc> {
        time_of(self.0)
    }
}

id!(
    /// A recording, picture or the like that somebody left.
    MediaId,
    "media_"
);

id!(
    /// One HTTP request, in logs and in answers.
    RequestId,
    "req_"
);

id!(
    /// A key of the API.
    KeyId,
    "key_"
);

id!(
    /// A phone number that answers on somebody's behalf.
    LineId,
    "line_"
);

id!(
    /// A browser that is signed in to the console.
    SessionId,
    "session_"
);

/// An id of any kind as text.
pub(crate) fn shown(prefix: &str, id: Uuid) -> String {
    struct Digits(Uuid);
    impl fmt::Display for Digits {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write_base32(f, self.0)
        }
    }
    format!("{prefix}{}", Digits(id))
}

/// Reads an id of a kind.
///
/// # Errors
/// When it is none of that kind.
pub(crate) fn read(prefix: &str, text: &str) -> Result<Uuid, NoId> {
    read_base32(text.strip_prefix(prefix).ok_or(NoId)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_sorts_by_time_and_has_one_length() {
        let at = |ms| DateTime::from_timestamp_millis(ms).unwrap();
        let early = EventId::new(at(1_760_000_000_000)).to_string();
        let late = EventId::new(at(1_760_000_000_001)).to_string();
        assert!(early < late, "{early} before {late}");
        assert_eq!(EventId::new(at(1_760_000_000_001)).time(), at(1_760_000_000_001));
        assert_eq!(early.len(), "event_".len() + 26);
        for id in [EventId::new(at(1_760_000_000_001)), Uuid::nil().into(), Uuid::max().into()] {
            assert_eq!(id.to_string().parse(), Ok(id));
            assert_eq!(id.to_string().replace("event_", "req_").parse::<EventId>(), Err(NoId));
        }
        for odd in
            ["", "event_", "event_0", "event_zzzzzzzzzzzzzzzzzzzzzzzzzz", "event_0000000000000000000000000u"]
        {
            assert_eq!(odd.parse::<EventId>(), Err(NoId), "{odd}");
        }
        assert_eq!(EventId::from(Uuid::nil()).to_string(), format!("event_{}", "0".repeat(26)));
    }
}
