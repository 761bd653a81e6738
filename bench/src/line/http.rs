//! Requests as they stand on the wire, made before a measurement so that it counts their sending alone.

use super::{Kind, Message, message};

/// One of so many is sent a second time, as providers do when an answer was lost: 5 %.
const ONE_DUPLICATE_IN: u64 = 20;

/// How far back a duplicate may reach.
const RECENT: u64 = 200;

/// The bytes of many requests in one place.
#[derive(Debug, Default)]
pub struct Pool {
    bytes: Vec<u8>,
    /// Where each distinct event lies in `bytes`.
    events: Vec<std::ops::Range<usize>>,
    /// What is sent in turn: places in `events`; a duplicate names one that has been named before.
    order: Vec<u32>,
}

impl Pool {
    /// How many requests there are to send.
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// How many distinct events they are.
    #[must_use]
    pub fn events(&self) -> usize {
        self.events.len()
    }

    /// Whether the event of the request at `place` has been sent before.
    #[must_use]
    pub fn is_duplicate(&self, place: usize) -> bool {
        is_duplicate(place as u64)
    }

    /// Which event the request at `place` in the order is.
    #[must_use]
    pub fn event(&self, place: usize) -> usize {
        self.order[place] as usize
    }

    /// What the request at `place` in the order is about.
    #[must_use]
    pub fn kind(&self, place: usize) -> Kind {
        Kind::of(self.event(place) as u64)
    }

    /// The bytes of the request at `place` in the order.
    #[must_use]
    pub fn bytes(&self, place: usize) -> &[u8] {
        &self.bytes[self.events[self.event(place)].clone()]
    }
}

/// `count` requests in the mix of a line, signed at `at`; events are numbered from `first`.
#[must_use]
pub fn pool(count: usize, first: u64, at: u64) -> Pool {
    let mut pool = Pool::default();
    for place in 0..count as u64 {
        let made = pool.events.len() as u64;
        let event = if is_duplicate(place) {
            // Any of the recent ones, in no order; the last may still be in flight.
            made - 1 - (place * 7919) % RECENT.min(made)
        } else {
            let number = first + made;
            let start = pool.bytes.len();
            request(&message(Kind::of(made), number, at), &mut pool.bytes);
            pool.events.push(start..pool.bytes.len());
            made
        };
        pool.order.push(u32::try_from(event).unwrap_or(u32::MAX));
    }
    pool
}

fn is_duplicate(place: u64) -> bool {
    place % ONE_DUPLICATE_IN == ONE_DUPLICATE_IN - 1
}

/// Appends the request to `bytes`, with the headers that its provider sends.
pub fn request(message: &Message, bytes: &mut Vec<u8>) {
    let (agent, content_type) = match message.kind {
        Kind::Stripe => ("Stripe/1.0 (+https://stripe.com/docs/webhooks)", "application/json; charset=utf-8"),
        Kind::TwilioVoice | Kind::TwilioStatus | Kind::TwilioSms => {
            ("TwilioProxy/1.1", "application/x-www-form-urlencoded; charset=UTF-8")
        }
        Kind::PlivoAnswer | Kind::PlivoHangup => ("Plivo/1.0", "application/x-www-form-urlencoded"),
    };
    let path = message.kind.path();
    let length = message.body.len();
    let mut head = format!(
        "POST {path} HTTP/1.1\r\nHost: line.example.com\r\nUser-Agent: {agent}\r\nAccept: */*\r\n\
         Content-Type: {content_type}\r\nContent-Length: {length}\r\n"
    );
    for (name, value) in &message.signature {
        head.extend([name, ": ", value, "\r\n"]);
    }
    head.push_str("\r\n");
    bytes.extend_from_slice(head.as_bytes());
    bytes.extend_from_slice(message.body.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_twenty_is_a_duplicate_of_a_recent_event() {
        let pool = pool(2_000, 0, 1_760_000_000);
        assert_eq!((pool.len(), pool.events()), (2_000, 1_900));
        let mut seen = vec![false; pool.events()];
        for place in 0..pool.len() {
            let event = pool.event(place);
            let again = std::mem::replace(&mut seen[event], true);
            assert_eq!(again, place % 20 == 19, "{place}");
        }
        assert!(seen.into_iter().all(|sent| sent), "every event is sent");
    }
}
