//! Ringing others: all at once or one after the other, screened or not.

use super::{Edge, walk::Walk};
use crate::{
    domain::{
        phone::Phone,
        verb::{self, Purpose, Verb},
    },
    lines::document::{Order, Ring, Show},
};

/// How somebody is rung whom an agent wished for: seconds.
const WISHED: u16 = 25;

impl<'a> Walk<'a> {
    /// Rings who comes at `attempt`, or all; goes on as missed where nobody is left.
    pub(super) fn ring(&mut self, name: &'a str, ring: &'a Ring, attempt: u8) {
        let targets = self.targets(&ring.to);
        let (to, attempt) = match ring.order {
            Order::All if attempt == 0 => (targets, 0),
            Order::All => (Vec::new(), 0),
            Order::Each => {
                let one = targets.into_iter().skip(usize::from(attempt)).take(1).collect();
                (one, attempt)
            }
        };
        if to.is_empty() {
            return self.go(ring.missed.as_deref());
        }
        self.notice_before_recording();
        let next = self.link(Purpose::Continue, name, Edge::Answered, attempt);
        let limit = ring.limit.min(self.facts.line.longest);
        self.dial(name, to, ring.seconds, limit, ring.screen, ring.show, next);
    }

    /// Rings one person for the caller, and comes back to the agent's step.
    pub(super) fn ring_for_agent(&mut self, name: &'a str, person: &str) -> bool {
        let Some(to) = self.number_of(person) else { return false };
        if !self.may_be_rung(&to) {
            return false;
        }
        self.notice_before_recording();
        let next = self.link(Purpose::Continue, name, Edge::Rung, 0);
        self.dial(name, vec![to], WISHED, self.facts.line.longest, true, Show::Line, next);
        true
    }

    pub(super) fn rung(&mut self, name: &'a str, ring: &'a Ring, answered: bool) {
        if answered {
            self.go(ring.answered.as_deref());
        } else if ring.order == Order::Each {
            self.ring(name, ring, self.at.attempt.saturating_add(1));
        } else {
            self.go(ring.missed.as_deref());
        }
    }

    #[expect(clippy::too_many_arguments, reason = "each is one attribute of the element")]
    fn dial(
        &mut self,
        name: &str,
        to: Vec<Phone>,
        seconds: u16,
        limit: u16,
        screen: bool,
        show: Show,
        next: verb::Link,
    ) {
        let line = &self.facts.line;
        let shown = match (show, &self.facts.caller.number) {
            (Show::Caller, Some(caller)) => caller.clone(),
            _ => line.number.clone(),
        };
        let record = line.records && (self.facts.noticed || self.turn.noticed || !line.notices);
        let ring = verb::Ring {
            to,
            seconds,
            limit,
            shown,
            screen: screen.then(|| self.link(Purpose::Continue, name, Edge::Screen, 0)),
            record: record.then(|| self.link(Purpose::Inform, name, Edge::Told, 0)),
            next,
        };
        self.turn.path.push(name.to_owned());
        self.turn.path.dedup();
        self.wait(Verb::Ring(ring));
    }

    /// Whom a step names, as numbers: those that may be rung, each once.
    fn targets(&self, names: &[String]) -> Vec<Phone> {
        let mut targets: Vec<Phone> = Vec::new();
        for number in names.iter().filter_map(|name| self.number_of(name)) {
            if self.may_be_rung(&number) && !targets.contains(&number) {
                targets.push(number);
            }
        }
        targets
    }

    /// The line's own people go before those of the flow, so that one flow serves several lines.
    fn number_of(&self, name: &str) -> Option<Phone> {
        if name.starts_with('+') {
            return Some(Phone::read(name));
        }
        let of_line = self.facts.line.people.get(name).cloned();
        of_line.or_else(|| self.flow.people.get(name).map(|number| Phone::read(number)))
    }

    /// Never an emergency or costly number, one of a country that the line may not dial, the line itself or the caller; and
    /// nobody for a call that the line itself has forwarded here, which would go round in a circle.
    fn may_be_rung(&self, number: &Phone) -> bool {
        let countries = &self.facts.line.countries;
        let allowed = |region| countries.iter().any(|country| country == region);
        Phone::may_be_dialled(number.as_str()).is_ok()
            && (countries.is_empty() || number.region().is_some_and(allowed))
            && *number != self.facts.line.number
            && self.facts.caller.number.as_ref() != Some(number)
            && !self.facts.caller.forwarded_by_line
    }
}
