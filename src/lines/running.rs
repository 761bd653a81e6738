//! Calls that go on, and what was just said to whom: in memory and bounded, so that a conversation goes on without the
//! database. What is forgotten, or was decided by another process, is folded from the call's own events.

use std::{
    collections::{BTreeMap, HashMap, VecDeque, hash_map::Entry},
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use super::{decision::Decision, engine::Directive};
use crate::domain::phone::Phone;

/// Most calls and contacts that are remembered: some 20 MB at most.
const MOST: usize = 50_000;

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
    /// Whom an agent wants rung.
    pub(crate) wished: Option<String>,
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

    /// How an agent gives the call back.
    pub(crate) fn handed_back(&self) -> Directive {
        match &self.wished {
            Some(person) => Directive::Ring(person.clone()),
            None if self.streamed => Directive::Done,
            None => Directive::Failed,
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

/// All of it.
#[derive(Default)]
pub(crate) struct Running {
    calls: Mutex<Bounded<String, Going>>,
    texts: Mutex<Bounded<(Phone, Phone), Talk>>,
    /// Keys of replies that were given, so that a table that lags behind does not have one given twice.
    replied: Mutex<Bounded<String, ()>>,
    days: Mutex<Bounded<(Phone, NaiveDate, &'static str), u32>>,
}

impl Running {
    /// A call, by its key `twilio:CA…`.
    pub(crate) fn call(&self, key: &str) -> Option<Going> {
        lock(&self.calls).get(key).cloned()
    }

    /// Changes a call that is remembered, or a new one.
    pub(crate) fn change(&self, key: &str, change: impl FnOnce(&mut Going)) {
        let mut calls = lock(&self.calls);
        let mut going = calls.get(key).cloned().unwrap_or_else(Going::unknown);
        change(&mut going);
        calls.put(key.to_owned(), going);
    }

    /// The call is over.
    pub(crate) fn forget(&self, key: &str) {
        lock(&self.calls).remove(key);
    }

    /// How many calls of a line have somebody rung at the moment.
    pub(crate) fn ringing(&self, line: &Phone) -> u32 {
        let calls = lock(&self.calls);
        let ringing =
            calls.values().filter(|going| going.ringing && going.line.as_ref() == Some(line)).count();
        u32::try_from(ringing).unwrap_or(u32::MAX)
    }

    /// Adds to something a line had on a day.
    pub(crate) fn add(&self, line: &Phone, day: NaiveDate, what: &'static str, more: u32) {
        let mut days = lock(&self.days);
        let key = (line.clone(), day, what);
        let sum = days.get(&key).copied().unwrap_or(0).saturating_add(more);
        days.put(key, sum);
    }

    /// How much of something a line had on a day.
    pub(crate) fn total(&self, line: &Phone, day: NaiveDate, what: &'static str) -> u32 {
        lock(&self.days).get(&(line.clone(), day, what)).copied().unwrap_or(0)
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

/// A map that forgets what was put into it longest ago.
struct Bounded<K, V> {
    entries: HashMap<K, V>,
    order: VecDeque<K>,
}

impl<K, V> Default for Bounded<K, V> {
    fn default() -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new() }
    }
}

impl<K: Clone + Eq + Hash, V> Bounded<K, V> {
    fn get<Q: ?Sized + Eq + Hash>(&self, key: &Q) -> Option<&V>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.entries.get(key)
    }

    fn put(&mut self, key: K, value: V) {
        match self.entries.entry(key) {
            Entry::Occupied(mut entry) => drop(entry.insert(value)),
            Entry::Vacant(entry) => {
                self.order.push_back(entry.key().clone());
                entry.insert(value);
            }
        }
        while self.order.len() > MOST {
            if let Some(oldest) = self.order.pop_front() {
                self.entries.remove(&oldest);
            }
        }
    }

    /// Its place in the order stays until it comes to the front, and is worth nothing then.
    fn remove<Q: ?Sized + Eq + Hash>(&mut self, key: &Q)
    where
        K: std::borrow::Borrow<Q>,
    {
        self.entries.remove(key);
    }

    fn values(&self) -> impl Iterator<Item = &V> {
        self.entries.values()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
