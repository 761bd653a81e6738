//! What was kept a moment ago: a provider that asks again gets the same answer without the database, also while that
//! is away or the spool is drained.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;

use crate::{domain::id::EventId, provider::DedupeKey};

/// Most memory of all that is remembered, about, in bytes. An event without an answer of its own costs a hundred.
const MOST_BYTES: usize = 4 << 20;

/// What one costs besides its answer: key, id, and its places in the map and in the line.
const EACH_BYTES: usize = 112;

/// An event that is kept, and what was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) event: EventId,
    pub(super) answer: Option<Bytes>,
}

/// The events that were kept last. The oldest are forgotten first.
#[derive(Default)]
pub(super) struct Recent {
    known: HashMap<DedupeKey, Given>,
    order: VecDeque<DedupeKey>,
    bytes: usize,
}

impl Recent {
    /// What was given to the event with this key.
    pub(super) fn get(&self, key: DedupeKey) -> Option<&Given> {
        self.known.get(&key)
    }

    /// Remembers it; what was known of its key stays.
    pub(super) fn put(&mut self, key: DedupeKey, given: Given) {
        if self.known.contains_key(&key) {
            return;
        }
        self.bytes += cost(&given);
        self.known.insert(key, given);
        self.order.push_back(key);
        while self.bytes > MOST_BYTES {
            let Some(oldest) = self.order.pop_front() else { return };
            self.bytes -= self.known.remove(&oldest).as_ref().map_or(0, cost);
        }
    }
}

fn cost(given: &Given) -> usize {
    EACH_BYTES + given.answer.as_ref().map_or(0, Bytes::len)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn key(number: u128) -> DedupeKey {
        Uuid::from_u128(number).into()
    }

    fn given(answer: Option<Bytes>) -> Given {
        Given { event: Uuid::nil().into(), answer }
    }

    #[test]
    fn the_oldest_are_forgotten_when_memory_is_used_up() {
        let mut recent = Recent::default();
        let document = Bytes::from(vec![b'x'; 1000]);
        for number in 0..10_000 {
            recent.put(key(number), given(Some(document.clone())));
            assert!(recent.bytes <= MOST_BYTES);
        }
        assert_eq!(recent.known.len(), recent.order.len());
        assert_eq!(recent.known.len(), MOST_BYTES / (EACH_BYTES + 1000));
        assert_eq!(recent.get(key(0)), None);
        assert!(recent.get(key(9_999)).is_some());
    }

    #[test]
    fn the_first_answer_stays() {
        let mut recent = Recent::default();
        recent.put(key(1), given(Some("first".into())));
        recent.put(key(1), given(Some("second".into())));
        assert_eq!(recent.get(key(1)), Some(&given(Some("first".into()))));
        assert_eq!(recent.order.len(), 1);
    }
}
