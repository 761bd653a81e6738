//! A call from its first request to its end.

use std::collections::VecDeque;
use std::time::Duration;

use smartline::{Clock as _, fuzzing};

use super::{
    Act, Agent, Callee, Caller, End, Told,
    carrier::{Carrier, Dialled, Fields, Leg, Streams},
    document::{self, Dial, Record, Relay, Step, Stream},
};
use crate::house::{House, ORIGIN, SetClock};
use crate::storm::random::Random;
use crate::wire::{Ask, Connection, Reply};

/// Most documents of one call: a line that gives more goes round in a circle.
const DOCUMENTS: usize = 300;

/// How many requests of a hundred are sent twice.
const TWICE: u64 = 15;

/// Plays the caller and their carrier.
pub(super) async fn call(caller: &Caller, house: &House, carrier: Carrier) -> Told {
    let leg = Leg {
        id: carrier.id("CA"),
        parent: None,
        from: caller.from.clone(),
        to: caller.to[&carrier].clone(),
        more: caller.more.get(&carrier).cloned().unwrap_or_default(),
    };
    let mut walk = Walk {
        carrier,
        caller,
        acts: caller.acts.clone(),
        leg,
        connection: house.connect().await,
        clock: &house.clock,
        random: Random::new(caller.seed),
        late: Vec::new(),
        transcript: Vec::new(),
        documents: Vec::new(),
        seconds: 0,
    };
    let first = carrier.begins(&walk.leg);
    let end = walk.through(carrier.calls().to_owned(), first).await;
    let last = carrier.ended(&walk.leg, &end, walk.seconds, house.clock.now());
    walk.inform(carrier.informs(), last).await;
    walk.flush().await;
    walk.note(match &end {
        End::ByLine => "the line hangs up".to_owned(),
        End::ByCaller => "the caller hangs up".to_owned(),
        End::Refused(how) => format!("the line is {how}"),
    });
    Told { transcript: walk.transcript, end, id: walk.leg.id, documents: walk.documents }
}

struct Walk<'a> {
    carrier: Carrier,
    caller: &'a Caller,
    acts: VecDeque<Act>,
    leg: Leg,
    connection: Connection,
    clock: &'a SetClock,
    random: Random,
    /// Callbacks that come later.
    late: Vec<Ask>,
    transcript: Vec<String>,
    documents: Vec<String>,
    seconds: u32,
}

/// How it goes on after a step.
enum Way {
    /// With the next step.
    Next,
    /// With the document at that address.
    To(String, Fields),
    Over(End),
}

impl Walk<'_> {
    /// From document to document.
    async fn through(&mut self, mut target: String, mut fields: Fields) -> End {
        for _ in 0..DOCUMENTS {
            let steps = self.fetch(&target, &fields, fuzzing::voice_document).await;
            let mut way = Way::Next;
            for step in steps {
                way = self.step(step).await;
                if !matches!(way, Way::Next) {
                    break;
                }
            }
            match way {
                // Nothing is left of the document: both carriers hang up.
                Way::Next => return End::ByLine,
                Way::To(url, told) => (target, fields) = (url, told),
                Way::Over(end) => return end,
            }
        }
        panic!("no end after {DOCUMENTS} documents: {:#?}", self.transcript);
    }

    async fn step(&mut self, step: Step) -> Way {
        match step {
            Step::Hear(heard) => {
                self.note(heard);
                Way::Next
            }
            Step::Ask(ask) => {
                for heard in &ask.prompt {
                    self.note(heard.clone());
                }
                self.answer(&ask)
            }
            Step::Record(record) => self.record(record).await,
            Step::Dial(dial) => self.dial(dial).await,
            Step::Stream(stream) => self.stream(stream).await,
            Step::Relay(relay) => self.relay(relay),
            Step::Redirect(url) => Way::To(url, self.carrier.redirected(&self.leg)),
            Step::Hangup => Way::Over(End::ByLine),
            Step::Refuse(how) => Way::Over(End::Refused(how)),
        }
    }

    fn note(&mut self, line: impl Into<String>) {
        // The same line may have another number at the other carrier.
        let line =
            line.into().replace(&self.leg.to, "LINE").replace(self.leg.to.trim_start_matches('+'), "LINE");
        self.transcript.push(line);
    }

    /// Time goes by, in seconds.
    fn pass(&mut self, seconds: u32) {
        self.seconds += seconds;
        self.clock.advance(Duration::from_secs(seconds.into()));
    }

    /// What the caller does now; beyond the script they are silent.
    fn next_act(&mut self) -> Act {
        self.acts.pop_front().unwrap_or(Act::Silent)
    }

    fn answer(&mut self, ask: &document::Ask) -> Way {
        self.note(format!(
            "waits {} s for{}{}",
            ask.seconds,
            if ask.keys { format!(" {} keys", ask.most) } else { String::new() },
            if ask.speech { format!(" words ({})", ask.hints) } else { String::new() },
        ));
        match self.next_act() {
            Act::Presses(keys) if ask.keys => {
                let ends = |key: &char| Some(*key) == ask.finish;
                let keys: String = keys.chars().take_while(|key| !ends(key)).take(ask.most).collect();
                self.pass(2);
                if keys.is_empty() {
                    // A key that only ends the input ends none.
                    self.note("the caller presses nothing that counts");
                    return Way::Next;
                }
                self.note(format!("the caller presses {keys}"));
                Way::To(ask.action.clone(), self.carrier.pressed(&self.leg, &keys))
            }
            Act::Says(words) if ask.speech => {
                self.pass(3);
                self.note(format!("the caller says: {words}"));
                Way::To(ask.action.clone(), self.carrier.said(&self.leg, &words))
            }
            Act::HangsUp => Way::Over(End::ByCaller),
            _ => {
                self.pass(ask.seconds);
                self.note("the caller is silent");
                Way::Next
            }
        }
    }

    async fn record(&mut self, record: Record) -> Way {
        self.note(format!("records up to {} s", record.most_seconds));
        let (seconds, key) = match self.next_act() {
            Act::Speaks(seconds) if seconds >= record.most_seconds => (record.most_seconds, ""),
            Act::Speaks(seconds) => (seconds, if self.random.chance(500) { "#" } else { "" }),
            Act::Says(_) => (3, ""),
            Act::Presses(_) => (1, "#"),
            Act::Silent => (0, ""),
            // Who hangs up while they speak has left what they said.
            Act::HangsUp => (0, "hangup"),
        };
        let gone = key == "hangup" || (seconds > 0 && self.acts.front() == Some(&Act::HangsUp));
        self.pass(seconds);
        let recording = self.carrier.id("RE");
        if seconds > 0 {
            self.note(format!("the caller speaks for {seconds} s"));
        }
        if let Some(ready) = record.ready.as_ref().filter(|_| seconds > 0 || record.tells_of_none) {
            let told = self.carrier.recording_ready(&self.leg, &recording, seconds, "RecordVerb");
            self.inform(ready, told).await;
        }
        if let Some(transcript) = record.transcript.filter(|_| seconds > 0) {
            let told = self.carrier.transcribed(&self.leg, &recording, seconds, "Please call me back.");
            self.inform(&transcript, told).await;
        }
        if gone {
            if self.random.chance(500) {
                let told = self.carrier.recorded(&self.leg, &recording, seconds, "hangup");
                let told = Carrier::gone(told);
                self.fetch(&record.action, &told, fuzzing::voice_document).await;
            }
            return Way::Over(End::ByCaller);
        }
        // Of silence Twilio goes on with the next verb, Plivo with the action: a line must not care which.
        if seconds == 0 {
            self.note("nothing is recorded");
            if self.random.chance(500) {
                return Way::Next;
            }
        }
        Way::To(record.action, self.carrier.recorded(&self.leg, &recording, seconds, key))
    }

    /// Rings all numbers at once. The first of them that picks up wins, be it a mailbox; the others stop ringing.
    async fn dial(&mut self, dial: Dial) -> Way {
        for number in &dial.numbers {
            self.note(format!("rings {number} for {} s, showing {}", dial.seconds, self.whose(&dial.shown)));
        }
        if self.acts.front() == Some(&Act::HangsUp) {
            return self.given_up(&dial).await;
        }
        let callee = |number: &String| self.caller.callees.get(number).copied().unwrap_or(Callee::NoAnswer);
        let picks_up = |number: &&String| {
            matches!(callee(number), Callee::Talks(_) | Callee::Declines | Callee::Mailbox)
        };
        let Some(number) = dial.numbers.iter().find(picks_up).cloned() else {
            self.pass(dial.seconds);
            let all = |wanted| dial.numbers.iter().all(|number| callee(number) == wanted);
            let how = match () {
                () if all(Callee::Busy) => Dialled::Busy,
                () if all(Callee::Fails) => Dialled::Failed,
                () => Dialled::NoAnswer,
            };
            self.note("nobody answers");
            return Way::To(dial.action, self.carrier.dialled(&self.leg, None, how));
        };
        let callee = callee(&number);
        let other = Leg {
            id: self.carrier.id("CA"),
            parent: Some(self.leg.id.clone()),
            from: dial.shown.clone(),
            to: number.clone(),
            more: Vec::new(),
        };
        self.pass(5);
        self.note(format!("{number} picks up"));
        if let Some(screen) = &dial.screen
            && !self.screened(screen, dial.key.as_deref(), &other, callee).await
        {
            self.note(format!("{number} does not take the call"));
            return Way::To(dial.action, self.carrier.dialled(&self.leg, Some(&other), Dialled::NotTaken));
        }
        let seconds = match callee {
            Callee::Talks(seconds) => seconds.min(dial.limit),
            _ => 20, // a mailbox, or somebody who was not asked
        };
        self.pass(seconds);
        self.note(format!("{number} is connected for {seconds} s"));
        if let Some(recorded) = &dial.recorded {
            self.note("the conversation is recorded");
            let recording = self.carrier.id("RE");
            let told = self.carrier.recording_ready(&self.leg, &recording, seconds, "DialVerb");
            self.inform(recorded, told).await;
        }
        Way::To(dial.action, self.carrier.dialled(&self.leg, Some(&other), Dialled::Talked(seconds)))
    }

    fn whose(&self, number: &str) -> String {
        if number == self.leg.from { "the caller's number".to_owned() } else { number.to_owned() }
    }

    /// The caller hangs up before anybody answers.
    async fn given_up(&mut self, dial: &Dial) -> Way {
        self.acts.pop_front();
        self.pass(4);
        if self.random.chance(500) {
            let told = Carrier::gone(self.carrier.dialled(&self.leg, None, Dialled::GivenUp));
            self.fetch(&dial.action, &told, fuzzing::voice_document).await;
        }
        Way::Over(End::ByCaller)
    }

    /// Whether who picked up takes the call. On Twilio the line asks for the key, on Plivo the carrier.
    async fn screened(&mut self, screen: &str, key: Option<&str>, other: &Leg, callee: Callee) -> bool {
        let presses = matches!(callee, Callee::Talks(_));
        let told = self.carrier.goes_on(other);
        let mut steps = VecDeque::from(self.fetch(screen, &told, fuzzing::leg_document).await);
        let mut asked = false;
        while let Some(step) = steps.pop_front() {
            match step {
                Step::Hear(heard) => self.note(format!("who is rung hears it: {heard}")),
                Step::Ask(ask) => {
                    for heard in ask.prompt {
                        self.note(format!("who is rung hears it: {heard}"));
                    }
                    asked = true;
                    if presses {
                        let told = self.carrier.pressed(other, "1");
                        steps = self.fetch(&ask.action, &told, fuzzing::leg_document).await.into();
                    }
                }
                Step::Hangup => return false,
                other => panic!("not for who is rung: {other:?}"),
            }
        }
        if let Some(key) = key {
            assert_eq!(key, "1", "the key that the prompt names");
            return presses;
        }
        // The document is at its end: the leg is connected, whether a key was asked for or not.
        assert!(asked, "a mailbox would be connected");
        true
    }

    /// How long the agent speaks, if it is there, and whom it wants rung then.
    fn agent(&mut self) -> (Option<u32>, Option<&'static str>) {
        let (seconds, wish) = match self.caller.agent {
            Agent::Speaks(seconds) => (Some(seconds), None),
            Agent::HandsBack(seconds, target) => (Some(seconds), Some(target)),
            Agent::Away => (None, None),
        };
        self.note(match seconds {
            Some(seconds) => format!("the agent speaks for {seconds} s"),
            None => "the agent is away".to_owned(),
        });
        self.pass(seconds.unwrap_or(0));
        (seconds, wish)
    }

    /// Twilio does the speaking, and the agent hands over whom it wants rung in words of its own.
    fn relay(&mut self, relay: Relay) -> Way {
        let (address, _) = capability(&relay.url);
        self.note(format!("hands the words to {address}"));
        if let Some(greeting) = relay.greeting {
            self.note(format!("says: {greeting}"));
        }
        let (seconds, wish) = self.agent();
        if let Some(target) = wish {
            self.note(format!("the agent wants {target} rung"));
        }
        if self.acts.front() == Some(&Act::HangsUp) {
            self.acts.pop_front();
            return Way::Over(End::ByCaller);
        }
        let handed = wish.map(|target| serde_json::json!({ "do": "ring", "target": target }).to_string());
        let over = seconds.map(|seconds| (seconds, handed));
        Way::To(relay.action, self.carrier.relayed(&self.leg, &self.carrier.id("VX"), over))
    }

    async fn stream(&mut self, stream: Stream) -> Way {
        let names: Vec<_> = stream.told.iter().map(|(name, _)| name.as_str()).collect();
        let (address, capability) = capability(&stream.url);
        self.note(format!("hands the sound to {address}, telling {}", names.join(", ")));
        let id = self.carrier.id("MZ");
        let (seconds, wish) = self.agent();
        // That it began is known long before it ends.
        let begins = if seconds.is_some() { Streams::Began } else { Streams::Failed };
        self.streams(&stream, &id, begins).await;
        if let Some(target) = wish {
            self.wishes(&stream, capability, target).await;
        }
        if seconds.is_some() && self.random.chance(500) {
            self.streams(&stream, &id, Streams::Ended).await;
        }
        if self.acts.front() == Some(&Act::HangsUp) {
            self.acts.pop_front();
            return Way::Over(End::ByCaller);
        }
        Way::Next
    }

    async fn streams(&mut self, stream: &Stream, id: &str, state: Streams) {
        let Some(url) = &stream.state else { return };
        let told = self.carrier.streams(&self.leg, id, state, self.clock.now());
        let ask = self.carrier.signed(&local(url), &told);
        informed(&self.send(&ask).await);
    }

    /// The agent tells the line whom it wants rung, by all that it was told itself.
    async fn wishes(&mut self, stream: &Stream, capability: &str, target: &str) {
        let (_, call) = stream.told.iter().find(|(name, _)| name == "call").expect("it is told the call");
        let ask = Ask::post(&format!("/api/v1/calls/{call}/directive"))
            .header("Authorization", format!("Bearer {capability}"))
            .json(serde_json::json!({ "do": "ring", "target": target }).to_string());
        let reply = self.connection.ask(&ask).await;
        assert_eq!(reply.status, 202, "{reply:?}");
        self.note(format!("the agent wants {target} rung"));
    }

    /// Asks for a document and reads it.
    async fn fetch(
        &mut self,
        url: &str,
        fields: &Fields,
        fits: fn(&str, &str) -> Result<(), String>,
    ) -> Vec<Step> {
        let reply = self.send(&self.carrier.signed(&local(url), fields)).await;
        let document = reply.text().to_owned();
        reply.xml();
        if let Err(fault) = fits(self.carrier.name(), &document) {
            panic!("{} would not take it: {fault}\n{document}\n{:#?}", self.carrier.name(), self.transcript);
        }
        self.documents.push(document.clone());
        let steps = document::read(self.carrier, &document);
        ways_back(&document);
        steps
    }

    /// Tells something that needs no answer: now, or later, after what comes later.
    async fn inform(&mut self, url: &str, fields: Fields) {
        let ask = self.carrier.signed(&local(url), &fields);
        if self.random.chance(400) {
            self.late.push(ask);
        } else {
            informed(&self.send(&ask).await);
        }
    }

    /// What is left, in any order.
    async fn flush(&mut self) {
        let mut late = std::mem::take(&mut self.late);
        self.random.shuffle(&mut late);
        for ask in late {
            informed(&self.send(&ask).await);
        }
    }

    /// Sends a request, now and then twice.
    async fn send(&mut self, ask: &Ask) -> Reply {
        self.clock.advance(Duration::from_millis(1)); // nothing happens at once
        let reply = self.connection.ask(ask).await;
        assert_eq!(reply.status, 200, "{ask:?}: {reply:?}");
        if self.random.below(100) < TWICE {
            let again = self.connection.ask(ask).await;
            assert_eq!(again.text(), reply.text(), "asked again: {ask:?}");
            assert_eq!((again.status, again.header("content-type")), (200, reply.header("content-type")));
        }
        reply
    }
}

/// An agent's address, and what it may do with this call, which stands at the end of the path.
fn capability(url: &str) -> (&str, &str) {
    let (address, capability) = url.rsplit_once('/').unwrap();
    assert!(capability.len() == 32 && capability.bytes().all(|byte| byte.is_ascii_hexdigit()), "{url}");
    (address, capability)
}

/// A callback gets an empty document.
fn informed(reply: &Reply) {
    assert_eq!(reply.verbs(), Vec::<String>::new(), "{reply:?}");
}

/// The target of a request to an address of the line.
fn local(url: &str) -> String {
    url.strip_prefix(ORIGIN).unwrap_or(url).to_owned()
}

/// Every address of ours in a document is one of the paths, with a position token and nothing else.
pub(super) fn ways_back(document: &str) {
    let document = roxmltree::Document::parse(document).unwrap();
    let said = |node: roxmltree::Node<'_, '_>| {
        let attributes = node.attributes().map(|attribute| attribute.value().to_owned());
        attributes.chain(node.text().map(str::to_owned)).collect::<Vec<_>>()
    };
    for text in document.descendants().filter(roxmltree::Node::is_element).flat_map(said) {
        let Some(rest) = text.strip_prefix(ORIGIN) else { continue };
        let (path, token) = rest.split_once("?t=").unwrap_or_else(|| panic!("{text} has no token"));
        assert!(path.starts_with("/webhooks/"), "{text}");
        let unreserved = token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        assert!(unreserved && token.len() == 56, "{text}");
    }
}
