//! A caller on the phone and the carrier between them and the line, both scripted.
//!
//! The carrier sends really signed requests to the real router, reads the documents that it is given as Twilio or Plivo
//! would, and tells what happened by its callbacks: early or late, in order or not, now and then twice. Every document is held
//! against the carrier's grammar, every way back must be one of ours, and a request that comes again must get the same bytes.
//!
//! What comes out is told in neither carrier's words, so that the same script on both can be compared.

mod agent;
mod bundled;
mod carrier;
mod document;
mod flows;
mod guards;
mod properties;
mod replicas;
mod stage;
mod stories;
mod text;
mod walk;

use std::collections::{BTreeMap, VecDeque};

use crate::house::House;
pub(crate) use agent::{Answer, FakeAgent};
pub(crate) use carrier::Carrier;
pub(crate) use stage::{Stage, number};
pub(crate) use text::Texter;

/// What the caller does when the line waits for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Presses keys, one after the other.
    Presses(String),
    /// Says something that is understood.
    Says(String),
    /// Leaves a message of so many seconds.
    Speaks(u32),
    /// Does nothing until the line goes on.
    Silent,
    HangsUp,
}

/// What somebody does who is rung for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Callee {
    /// Takes the call, talks for so many seconds, and hangs up.
    Talks(u32),
    /// Picks up, and does not take it when asked.
    Declines,
    /// A mailbox picks up: it presses no key, and talks where nobody asks for one.
    Mailbox,
    Busy,
    /// Nobody is there. So is whoever has no entry.
    NoAnswer,
    /// The number does not exist.
    Fails,
}

/// What an agent does that a call's sound is handed to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Agent {
    /// Speaks for so many seconds, then hangs up.
    Speaks(u32),
    /// The same, and wants somebody rung before it hangs up, by name.
    HandsBack(u32, &'static str),
    /// Cannot be reached.
    #[default]
    Away,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The line hung up.
    ByLine,
    /// The caller hung up.
    ByCaller,
    /// It was never answered: `busy` or `rejected`.
    Refused(String),
}

/// A caller, before the call.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    from: String,
    /// The line's number at each carrier.
    to: BTreeMap<Carrier, String>,
    acts: VecDeque<Act>,
    callees: BTreeMap<String, Callee>,
    agent: Agent,
    more: BTreeMap<Carrier, Vec<(&'static str, &'static str)>>,
    seed: u64,
}

/// What became of a call.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// What was heard and done, line by line, in neither carrier's words.
    pub(crate) transcript: Vec<String>,
    pub(crate) end: End,
    /// The carrier's id of it.
    pub(crate) id: String,
    /// The documents, as they came.
    pub(crate) documents: Vec<String>,
}

impl Told {
    /// Asserts what was heard.
    #[track_caller]
    pub(crate) fn was(&self, transcript: &[&str], end: &End) {
        assert_eq!(self.transcript, transcript, "{:#?}", self.documents);
        assert_eq!(&self.end, end);
    }
}

impl Caller {
    /// Somebody who calls, says nothing and presses nothing, until the line hangs up.
    pub(crate) fn new() -> Self {
        let to = Carrier::ALL.map(|carrier| (carrier, number(carrier).to_owned()));
        Self {
            from: "+14155550100".to_owned(),
            to: BTreeMap::from(to),
            acts: VecDeque::new(),
            callees: BTreeMap::new(),
            agent: Agent::Away,
            more: BTreeMap::new(),
            seed: 1,
        }
    }

    /// Calls from this number, or with none: `anonymous`.
    pub(crate) fn from(self, number: &str) -> Self {
        Self { from: number.to_owned(), ..self }
    }

    /// Calls another line.
    pub(crate) fn to(mut self, carrier: Carrier, number: &str) -> Self {
        self.to.insert(carrier, number.to_owned());
        self
    }

    /// Does that next.
    pub(crate) fn act(mut self, act: Act) -> Self {
        self.acts.push_back(act);
        self
    }

    pub(crate) fn presses(self, keys: &str) -> Self {
        self.act(Act::Presses(keys.to_owned()))
    }

    pub(crate) fn says(self, words: &str) -> Self {
        self.act(Act::Says(words.to_owned()))
    }

    /// Leaves a message of so many seconds.
    pub(crate) fn speaks(self, seconds: u32) -> Self {
        self.act(Act::Speaks(seconds))
    }

    pub(crate) fn silent(self) -> Self {
        self.act(Act::Silent)
    }

    pub(crate) fn hangs_up(self) -> Self {
        self.act(Act::HangsUp)
    }

    /// What becomes of it when this number is rung.
    pub(crate) fn callee(mut self, number: &str, callee: Callee) -> Self {
        self.callees.insert(number.to_owned(), callee);
        self
    }

    /// What the agent does.
    pub(crate) fn agent(self, agent: Agent) -> Self {
        Self { agent, ..self }
    }

    /// What a carrier tells of the call besides.
    pub(crate) fn told(mut self, carrier: Carrier, name: &'static str, value: &'static str) -> Self {
        self.more.entry(carrier).or_default().push((name, value));
        self
    }

    /// Another order of callbacks, and other repetitions.
    pub(crate) fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Calls.
    pub(crate) async fn calls(&self, house: &House, carrier: Carrier) -> Told {
        walk::call(self, house, carrier).await
    }

    /// Calls on both carriers, which must come to the same. The call by Twilio is told.
    pub(crate) async fn calls_both(&self, house: &House) -> Told {
        let [twilio, _] = self.calls_each(house).await;
        twilio
    }

    /// The same, and both calls are told.
    pub(crate) async fn calls_each(&self, house: &House) -> [Told; 2] {
        let [twilio, plivo] = Carrier::ALL;
        let (twilio, plivo) = (self.calls(house, twilio).await, self.calls(house, plivo).await);
        let last = |told: &Told| told.documents.last().cloned().unwrap_or_default();
        let documents = || format!("{}\n{}", last(&twilio), last(&plivo));
        assert_eq!(twilio.transcript, plivo.transcript, "{}", documents());
        assert_eq!(twilio.end, plivo.end, "{}", documents());
        [twilio, plivo]
    }
}
