//! Calls that go on, and what was just said to whom: in memory and bounded, so that a conversation goes on without the
//! database. What is forgotten, or was decided by another process, is folded from the call's own events.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use super::{decision::Decision, engine::Directive};
use crate::domain::phone::Phone;

/// Most calls and contacts that are remembered, some 4 MB of each: as many as a table of 8,192 places takes. A call goes on for
/// minutes, so that is one that begins every 30 ms, and what is forgotten is folded from the events of its call.
const MOST: usize = 7_000;

/// Most texts that are remembered of a contact: more than the guards count, and so few that a flood from one costs no more
/// than another text.
const SAID: usize = 64;

/// How long what was said to a contact counts.
const HOUR: TimeDelta = TimeDelta::hours(1);

/// What is known of a call that goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is known or not by itself")]
pub(crate) struct Going {
    /// Our number.
    pub(crate) line: Option<Phone>,
    /// Who calls.
    pub(crate) caller: Option<Phone>,
    /// When it began.
    pub(crate) began: Option<DateTime<Utc>>,
    /// How many documents it had.
    pub(crate) turn: u8,
    pub(crate) vars: BTreeMap<String, String>,
    pub(crate) open: BTreeMap<String, bool>,
    pub(crate) noticed: bool,
    /// Whether an agent's stream has begun.
    pub(crate) streamed: bool,
    /// Whom an agent wants rung, and the turn at which it gives the call back: a wish is not for another.
    pub(crate) wished: Option<(u8, String)>,
    /// Whether somebody is being rung, or spoken to.
    pub(crate) ringing: bool,
    /// Since when.
    pub(crate) rang_at: Option<DateTime<Utc>>,
    /// Whether it is known from its beginning.
    pub(crate) whole: bool,
}

impl Going {
    /// A call of which nothing is known.
    pub(crate) fn unknown() -> Self {
        Self {
            line: None,
            caller: None,
            began: None,
            turn: 0,
            vars: BTreeMap::new(),
            open: BTreeMap::new(),
            noticed: false,
            streamed: false,
            wished: None,
            ringing: false,
            rang_at: None,
            whole: false,
        }
    }

    /// The call after a decision.
    pub(crate) fn after(mut self, decision: &Decision) -> Self {
        self.turn = self.turn.max(decision.turn.saturating_add(1));
        self.vars.extend(decision.captured.clone());
        for (hours, open) in &decision.open {
            self.open.entry(hours.clone()).or_insert(*open); // the first look counts
        }
        self.noticed |= decision.noticed;
        self.whole |= decision.turn == 0;
        self
    }

    /// How an agent gives the call back at this turn; `told` is what the request itself says of it.
    pub(crate) fn handed_back(&self, turn: u8, told: Option<&Directive>) -> Directive {
        match (&self.wished, told) {
            (Some((of, person)), _) if *of == turn => Directive::Ring(person.clone()),
            (_, Some(told)) => told.clone(),
            _ if self.streamed => Directive::Done,
            _ => Directive::Failed,
        }
    }
}

/// A text that came or went.
#[derive(Clone, Copy, Debug)]
struct Said {
    at: DateTime<Utc>,
    /// Hash of the words of one that came; none for one of ours.
    words: Option<u64>,
}

/// What was said between a line and a contact within the hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lately {
    /// Texts of ours.
    pub(crate) replies: u32,
    /// Texts of theirs with these words.
    pub(crate) same: u32,
    /// Whether the contact asked just now for no more texts, or for texts again.
    pub(crate) stopped: Option<bool>,
}

/// The texts of the hour between a line and a contact, and whether the contact asked for no more, or for texts again.
type Talk = (Vec<Said>, Option<bool>);

/// What is counted of a line by the day. Its names are in the database, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Counted {
    /// Calls that were answered.
    Calls,
    /// Calls to a line that may not be used.
    Suspended,
    /// Seconds that were connected onward.
    Seconds,
}

impl Counted {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::Suspended => "suspended",
            Self::Seconds => "seconds",
        }
    }

    /// Reads a name; a later release may have more.
    pub(crate) fn read(name: &str) -> Option<Self> {
        [Self::Calls, Self::Suspended, Self::Seconds].into_iter().find(|counted| counted.name() == name)
    }
}

/// What is counted, of which line, and when.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Daily {
    pub(crate) line: Phone,
    /// At the line.
    pub(crate) day: NaiveDate,
    pub(crate) counted: Counted,
}

/// The counts of days.
#[derive(Default)]
struct Days {
    /// Of this process.
    own: Bounded<Daily, u32>,
    /// Which of them the other processes have not been told.
    untold: HashSet<Daily>,
    /// Of all others together, as last heard.
    others: HashMap<Daily, u32>,
}

/// The calls that go on, by their keys.
#[derive(Default)]
struct Calls {
    known: Bounded<String, Going>,
    /// Of each line those that have somebody rung, and perhaps some that were forgotten since: a new call asks how many
    /// there are, and must not have to look at all.
    ringing: HashMap<Phone, HashSet<String>>,
}

/// All of it.
#[derive(Default)]
pub(crate) struct Running {
    calls: Mutex<Calls>,
    texts: Mutex<Bounded<(Phone, Phone), Talk>>,
    /// Keys of replies that were given, so that a table that lags behind does not have one given twice.
    replied: Mutex<Bounded<String, ()>>,
    days: Mutex<Days>,
}

impl Running {
    /// A call, by its key `twilio:CA…`.
    pub(crate) fn call(&self, key: &str) -> Option<Going> {
        lock(&self.calls).known.get(key).cloned()
    }

    /// Changes a call that is remembered, or a new one.
    pub(crate) fn change(&self, key: &str, change: impl FnOnce(&mut Going)) {
        let mut calls = lock(&self.calls);
        let Calls { known, ringing } = &mut *calls;
        let mut going = known.get(key).cloned().unwrap_or_else(Going::unknown);
        change(&mut going);
        if let Some(line) = going.line.as_ref().filter(|_| going.ringing) {
            ringing.entry(line.clone()).or_default().insert(key.to_owned());
        }
        known.put(key.to_owned(), going);
    }

    /// The call is over.
    pub(crate) fn forget(&self, key: &str) {
        lock(&self.calls).known.remove(key);
    }

    /// How many calls of a line have somebody rung at the moment.
    pub(crate) fn ringing(&self, line: &Phone) -> u32 {
        let mut calls = lock(&self.calls);
        let Calls { known, ringing } = &mut *calls;
        let Some(of_line) = ringing.get_mut(line) else { return 0 };
        of_line.retain(|key| known.get(key).is_some_and(|going| going.ringing));
        let count = u32::try_from(of_line.len()).unwrap_or(u32::MAX);
        if count == 0 {
            ringing.remove(line);
        }
        count
    }

    /// Adds to something a line had on a day.
    pub(crate) fn add(&self, line: &Phone, day: NaiveDate, counted: Counted, more: u32) {
        let mut days = lock(&self.days);
        let daily = Daily { line: line.clone(), day, counted };
        let sum = days.own.get(&daily).copied().unwrap_or(0).saturating_add(more);
        days.own.put(daily.clone(), sum);
        days.untold.insert(daily);
    }

    /// How much of something a line had on a day: here, and as far as is known elsewhere.
    pub(crate) fn total(&self, line: &Phone, day: NaiveDate, counted: Counted) -> u32 {
        let days = lock(&self.days);
        let daily = Daily { line: line.clone(), day, counted };
        let count = |known: Option<&u32>| known.copied().unwrap_or(0);
        count(days.own.get(&daily)).saturating_add(count(days.others.get(&daily)))
    }

    /// The counts of this process that have changed since the last time.
    pub(crate) fn untold(&self) -> Vec<(Daily, u32)> {
        let mut days = lock(&self.days);
        let untold = std::mem::take(&mut days.untold);
        let known = untold.into_iter().filter_map(|daily| Some((days.own.get(&daily).copied()?, daily)));
        known.map(|(count, daily)| (daily, count)).collect()
    }

    /// These could not be told.
    pub(crate) fn not_told(&self, counts: impl Iterator<Item = Daily>) {
        lock(&self.days).untold.extend(counts);
    }

    /// What all other processes have counted.
    pub(crate) fn heard(&self, others: HashMap<Daily, u32>) {
        lock(&self.days).others = others;
    }

    /// What was said lately between a line and a contact, other than the text with these words that is just coming in.
    pub(crate) fn lately(&self, line: &Phone, contact: &Phone, words: u64, now: DateTime<Utc>) -> Lately {
        let texts = lock(&self.texts);
        let Some((said, stopped)) = texts.get(&(line.clone(), contact.clone())) else {
            return Lately::default();
        };
        let count = |test: &dyn Fn(&Said) -> bool| {
            let found = said.iter().filter(|said| now - said.at < HOUR && test(said)).count();
            u32::try_from(found).unwrap_or(u32::MAX)
        };
        Lately {
            replies: count(&|said| said.words.is_none()),
            same: count(&|said| said.words == Some(words)),
            stopped: *stopped,
        }
    }

    /// Remembers a text that came, whether it was answered, and whether it asked for no more or for more.
    pub(crate) fn texted(
        &self,
        line: &Phone,
        contact: &Phone,
        words: u64,
        replied: &[String],
        stopped: Option<bool>,
        now: DateTime<Utc>,
    ) {
        let mut texts = lock(&self.texts);
        let key = (line.clone(), contact.clone());
        let (mut said, before) = texts.get(&key).cloned().unwrap_or_default();
        said.retain(|said| now - said.at < HOUR);
        said.push(Said { at: now, words: Some(words) });
        if !replied.is_empty() {
            said.push(Said { at: now, words: None });
        }
        if said.len() > SAID
            && let Some(oldest) = said.iter().position(|said| said.words.is_some())
        {
            said.remove(oldest); // never one of ours: each counts
        }
        texts.put(key, (said, stopped.or(before)));
        drop(texts);
        let mut keys = lock(&self.replied);
        for key in replied {
            keys.put(key.clone(), ());
        }
    }

    /// Whether a reply with this key was given.
    pub(crate) fn was_replied(&self, key: &str) -> bool {
        lock(&self.replied).get(key).is_some()
    }
}

/// A map that forgets what came into it longest ago. What is removed and put again comes anew.
struct Bounded<K, V> {
    /// Each with the number under which it came.
    entries: HashMap<K, (V, u64)>,
    /// As they came, and some that are removed.
    order: VecDeque<(K, u64)>,
    next: u64,
}

impl<K, V> Default for Bounded<K, V> {
    fn default() -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new(), next: 0 }
    }
}

impl<K: Clone + Eq + Hash, V> Bounded<K, V> {
    fn get<Q: ?Sized + Eq + Hash>(&self, key: &Q) -> Option<&V>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.entries.get(key).map(|(value, _)| value)
    }

    fn put(&mut self, key: K, value: V) {
        if let Some((known, _)) = self.entries.get_mut(&key) {
            *known = value;
            return;
        }
        self.order.push_back((key.clone(), self.next));
        self.entries.insert(key, (value, self.next));
        self.next += 1;
        while self.entries.len() > MOST
            && let Some((oldest, number)) = self.order.pop_front()
        {
            if self.entries.get(&oldest).is_some_and(|(_, own)| *own == number) {
                self.entries.remove(&oldest);
            }
        }
        if self.order.len() > 2 * MOST {
            let Self { entries, order, .. } = self;
            order.retain(|(key, number)| entries.get(key).is_some_and(|(_, own)| own == number));
        }
    }

    /// Its place in the order stays for a while, and is worth nothing.
    fn remove<Q: ?Sized + Eq + Hash>(&mut self, key: &Q)
    where
        K: std::borrow::Borrow<Q>,
    {
        self.entries.remove(key);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_longest_ago_is_forgotten_and_what_comes_again_is_new() {
        let mut map = Bounded::default();
        for key in 0..MOST {
            map.put(key, "first");
        }
        map.remove(&0);
        map.put(0, "again");
        map.put(1, "changed");
        map.put(MOST, "one more");
        assert_eq!(map.get(&0), Some(&"again"), "it came anew");
        assert_eq!(map.get(&1), None, "it came longest ago, though it was changed");
        assert_eq!((map.get(&2), map.get(&MOST)), (Some(&"first"), Some(&"one more")));
        assert_eq!(map.entries.len(), MOST);
    }

    #[test]
    fn who_rings_is_counted_for_each_line_and_as_long_as_they_do() {
        let running = Running::default();
        let (line, other) = (Phone::read("+14155550142"), Phone::read("+14155550143"));
        let rings = |key: &str, line: &Phone, ringing: bool| {
            running.change(key, |going| {
                (going.line, going.ringing) = (Some(line.clone()), ringing);
            });
        };
        rings("one", &line, true);
        rings("one", &line, true);
        rings("two", &line, true);
        rings("three", &other, true);
        rings("four", &line, false);
        assert_eq!((running.ringing(&line), running.ringing(&other)), (2, 1));
        rings("one", &line, false);
        running.forget("three");
        assert_eq!((running.ringing(&line), running.ringing(&other)), (1, 0));
        rings("one", &line, true);
        assert_eq!(running.ringing(&line), 2);
    }

    #[test]
    fn what_comes_and_goes_takes_no_room_for_ever() {
        let mut map = Bounded::default();
        map.put(u32::MAX, ());
        for key in 0..300_000 {
            map.put(key, ());
            map.remove(&key);
        }
        assert!(map.get(&u32::MAX).is_some(), "there was room for it all the time");
        assert!(map.order.len() <= 2 * MOST, "{}", map.order.len());
    }

    #[test]
    fn a_day_is_told_once_and_counts_with_that_of_the_others() {
        let running = Running::default();
        let (line, day) = (Phone::read("+14155550199"), NaiveDate::from_ymd_opt(2026, 11, 26).unwrap());
        let daily = |counted| Daily { line: line.clone(), day, counted };
        running.add(&line, day, Counted::Calls, 1);
        running.add(&line, day, Counted::Calls, 2);
        assert_eq!(running.untold(), [(daily(Counted::Calls), 3)]);
        assert_eq!(running.untold(), []);
        running.not_told([daily(Counted::Calls)].into_iter());
        assert_eq!(running.untold(), [(daily(Counted::Calls), 3)]);
        running.heard(HashMap::from([(daily(Counted::Calls), 4), (daily(Counted::Seconds), 60)]));
        let total = |counted| running.total(&line, day, counted);
        assert_eq!([Counted::Calls, Counted::Suspended, Counted::Seconds].map(total), [7, 0, 60]);
    }

    #[test]
    fn an_agents_wish_counts_at_its_own_turn() {
        let streamed = Going { streamed: true, ..Going::unknown() };
        let wished = Going { wished: Some((3, "ada".to_owned())), ..streamed.clone() };
        let (ada, bob) = (Directive::Ring("ada".to_owned()), Directive::Ring("bob".to_owned()));
        for (case, going, turn, told, expected) in [
            ("wished", &wished, 3, None, &ada),
            ("of an earlier hand-over", &wished, 5, None, &Directive::Done),
            ("no wish", &streamed, 3, None, &Directive::Done),
            ("it never began", &Going::unknown(), 3, None, &Directive::Failed),
            ("a relay ended", &Going::unknown(), 3, Some(&Directive::Done), &Directive::Done),
            ("a relay failed after a stream", &streamed, 3, Some(&Directive::Failed), &Directive::Failed),
            ("a relay handed over", &Going::unknown(), 3, Some(&bob), &bob),
            ("wished, and handed over", &wished, 3, Some(&bob), &ada),
        ] {
            assert_eq!(going.handed_back(turn, told), *expected, "{case}");
        }
    }
}
