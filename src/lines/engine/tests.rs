//! The engine by tables: what each step says, waits for, and leads to.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use chrono::{DateTime, TimeDelta, Utc};

use super::*;
use crate::{
    domain::{
        phone::Phone,
        verb::{Refusal, Speech},
    },
    lines::document::read::read,
};

/// Short ways back: the step's name, the edge and the attempt.
#[derive(Default)]
struct Named(RefCell<Vec<Position>>);

impl Links for Named {
    fn link(&self, purpose: Purpose, at: &Position) -> Link {
        self.0.borrow_mut().push(*at);
        Link { purpose, token: format!("{}.{}.{}", at.step, at.edge, at.attempt) }
    }
}

/// A conversation to try things on.
struct Trial {
    flow: Flow,
    profile: Profile,
    caller: Caller,
    vars: BTreeMap<String, String>,
    open: BTreeMap<String, bool>,
    answered: BTreeSet<String>,
    body: Option<String>,
    noticed: bool,
    now: DateTime<Utc>,
}

impl Trial {
    fn of(steps: &str) -> Self {
        let flow = format!("schema = 1\nstart = {{ call = \"a\", sms = \"a\", missed = \"a\" }}\n{steps}");
        Self {
            flow: read(&flow).unwrap(),
            profile: Profile { name: "Harbor".to_owned(), ..Profile::bare(Phone::read("+14155550199")) },
            caller: Caller {
                number: Some(Phone::read("+14155550100")),
                seen: Some(2),
                calls_today: Some(0),
                ..Caller::default()
            },
            vars: BTreeMap::new(),
            open: BTreeMap::new(),
            answered: BTreeSet::new(),
            body: None,
            noticed: false,
            now: DateTime::from_timestamp(1_794_744_000, 0).unwrap(), // 2026-11-15, a Sunday, 12:00 UTC
        }
    }

    fn step(&self, at: Position, event: Event) -> Turn {
        let facts = Facts {
            now: self.now,
            line: &self.profile,
            caller: &self.caller,
            call: "CA1",
            capability: "c0ffee",
            vars: &self.vars,
            open: &self.open,
            body: self.body.as_deref(),
            answered: &self.answered,
            noticed: self.noticed,
            may_text: true,
            relays: true,
            limits_streams: false,
        };
        step(&self.flow, at, &facts, event, &Named::default())
    }

    fn begin(&self) -> Turn {
        let start = if self.body.is_some() { Start::Text } else { Start::Call };
        self.step(Position { flow_version: 1, step: 0, edge: 0, attempt: 0, turn: 0 }, Event::Begins(start))
    }

    fn go(&self, name: &str, edge: Edge, attempt: u8, event: Event) -> Turn {
        let step = number_of(&self.flow, name).unwrap();
        self.step(Position { flow_version: 1, step, edge: edge as u8, attempt, turn: 3 }, event)
    }
}

/// A document in short: what is said, and what it ends with.
fn short(turn: &Turn) -> String {
    let speech = |speech: &Speech| match speech {
        Speech::Words(words, _) => words.clone(),
        Speech::Sound(address) => address.clone(),
    };
    let one = |verb: &Verb| match verb {
        Verb::Say(said) => speech(said),
        Verb::Pause(seconds) => format!("pause {seconds}"),
        Verb::Ask(ask) => {
            let prompt: Vec<String> = ask.prompt.iter().map(speech).collect();
            format!("ask[{}]", prompt.join(" "))
        }
        Verb::Ring(ring) => {
            let to: Vec<&str> = ring.to.iter().map(|to| &to.as_str()[8..]).collect();
            format!("ring[{}]", to.join(" "))
        }
        Verb::Record(_) => "record".to_owned(),
        Verb::Stream(stream) => format!("stream[{}]", stream.url),
        Verb::Relay(relay) => format!("relay[{}]", relay.url),
        Verb::Redirect(link) => format!("→{}", link.token),
        Verb::Hangup => "hangup".to_owned(),
        Verb::Refuse(Refusal::Busy) => "busy".to_owned(),
        Verb::Refuse(Refusal::Rejected) => "rejected".to_owned(),
        Verb::Text(text) => format!("text[{}]", text.body),
    };
    turn.verbs.iter().map(one).collect::<Vec<_>>().join(" | ")
}

#[test]
fn steps_that_do_not_wait_make_one_document_with_the_first_that_does() {
    let trial = Trial::of(
        "[steps.a]\ndo = \"say\"\ntext = \"Hi {caller.name|there}, {line.name}.\"\npause = 2\nnext = \"b\"\n\
         [steps.b]\ndo = \"say\"\nplay = \"https://a.example/x.mp3\"\nnext = \"c\"\n\
         [steps.c]\ndo = \"voicemail\"\ntext = \"Speak.\"\n",
    );
    let turn = trial.begin();
    assert_eq!(
        short(&turn),
        "Hi there, Harbor. | pause 2 | https://a.example/x.mp3 | Speak. | record | →2.0.0"
    );
    assert_eq!(turn.path, ["a", "b", "c"]);
    assert_eq!(short(&trial.go("c", Edge::Answered, 0, Event::Recorded)), "Thank you. Goodbye. | hangup");
}

#[test]
fn a_question_is_asked_so_often_and_understands_keys_and_words() {
    let mut trial = Trial::of(
        "[steps.a]\ndo = \"ask\"\ntext = \"Well?\"\nspeech = true\ntries = 2\nas = \"wish\"\nnone = \"n\"\n\
         choose = { 1 = \"one\", booking = \"one\", \"new booking\" = \"two\" }\n\
         [steps.n]\ndo = \"end\"\ntext = \"None.\"\n[steps.one]\ndo = \"end\"\ntext = \"One {var.wish|?}.\"\n\
         [steps.two]\ndo = \"end\"\ntext = \"Two.\"\n",
    );
    assert_eq!(short(&trial.begin()), "ask[Well?] | →0.1.0");
    for (attempt, event, expected) in [
        (0, Event::Keys("1".to_owned()), "One 1. | hangup"),
        (0, Event::Words("A booking, please".to_owned()), "One A booking, please. | hangup"),
        (0, Event::Words("a NEW booking!".to_owned()), "Two. | hangup"),
        (0, Event::Words("bookings".to_owned()), "ask[Well?] | →0.1.1"),
        (0, Event::Keys("7".to_owned()), "ask[Well?] | →0.1.1"),
        (0, Event::Words("...".to_owned()), "ask[Well?] | →0.1.1"),
        (0, Event::Silence, "ask[Well?] | →0.1.1"),
        (1, Event::Silence, "None. | hangup"),
        (1, Event::Keys("7".to_owned()), "None. | hangup"),
        (0, Event::Recorded, "Goodbye. | hangup"),
    ] {
        let turn = trial.go("a", Edge::Answered, attempt, event.clone());
        assert_eq!(short(&turn), expected, "{attempt} {event:?}");
    }
    trial.vars.insert("wish".to_owned(), "\u{0}x".repeat(100));
    let filled = short(&trial.go("a", Edge::Answered, 0, Event::Keys("1".to_owned())));
    assert_eq!(filled, "One 1. | hangup", "what is said now goes before what was said");
}

#[test]
fn a_route_takes_the_first_way_that_holds_and_says_what_it_saw() {
    let steps = |tests: &str| {
        format!(
            "[hours.office]\nzone = \"America/New_York\"\nopen = [\"mon-fri 09:00-17:00\"]\nclosed = []\n\
             [steps.a]\ndo = \"route\"\nwhen = [{{ if = {{ {tests} }}, go = \"yes\" }}]\nelse = \"no\"\n\
             [steps.yes]\ndo = \"end\"\ntext = \"Yes.\"\n[steps.no]\ndo = \"end\"\ntext = \"No.\"\n"
        )
    };
    for (tests, change, holds, saw) in [
        ("open = \"office\"", None, false, "closed"),
        ("closed = \"office\"", None, true, "closed"),
        ("caller = \"known\"", None, true, "known"),
        ("caller = \"new\"", None, false, "known"),
        ("caller = \"anonymous\"", None, false, "not anonymous"),
        ("caller = \"anonymous\"", Some("withheld"), true, "anonymous"),
        ("caller = \"tag:vip\"", Some("tagged"), true, "tagged"),
        ("attest = \"none\"", None, true, "none"),
        ("seen = \">= 2\"", None, true, "2"),
        ("seen = \"> 2\"", None, false, "2"),
        ("seen = \"> 2\"", Some("forgotten"), false, "not known now"),
        ("calls_today = \"0\"", None, true, "0"),
        ("has = \"agent\"", None, false, "not set up"),
        ("has = \"agent\"", Some("agent"), true, "set up"),
        ("says = [\"hours\", \"open\"]", Some("text"), true, "`open`"),
        ("says = \"ope\"", Some("text"), false, "other words"),
    ] {
        let mut trial = Trial::of(&steps(tests));
        match change {
            Some("withheld") => trial.caller.number = None,
            Some("tagged") => trial.caller.tags = vec!["vip".to_owned()],
            Some("forgotten") => trial.caller.seen = None,
            Some("agent") => trial.profile.agent_url = Some("https://agent.example".to_owned()),
            Some("text") => trial.body = Some("Are you OPEN?".to_owned()),
            _ => {}
        }
        let turn = trial.begin();
        let way = if holds { "yes" } else { "no" };
        assert_eq!(turn.path, ["a", way], "{tests} {change:?}");
        assert_eq!((turn.tests[0].saw.as_str(), turn.tests[0].holds), (saw, holds), "{tests} {change:?}");
    }
}

#[test]
fn hours_that_were_looked_at_stay_so_to_the_end_of_the_call() {
    let mut trial = Trial::of(
        "[hours.office]\nzone = \"UTC\"\nopen = [\"sun 09:00-12:01\"]\n\
         [steps.a]\ndo = \"route\"\nwhen = [{ if = { open = \"office\" }, go = \"m\" }]\nelse = \"c\"\n\
         [steps.m]\ndo = \"ask\"\ntext = \"Menu.\"\nchoose = { 9 = \"a\" }\n[steps.c]\ndo = \"end\"\ntext = \"Closed.\"\n",
    );
    let turn = trial.begin();
    assert_eq!((short(&turn).as_str(), turn.open["office"]), ("ask[Menu.] | →2.1.0", true));
    trial.open = turn.open;
    trial.now += TimeDelta::minutes(5);
    assert_eq!(short(&trial.go("m", Edge::Answered, 0, Event::Keys("9".to_owned()))), "ask[Menu.] | →2.1.0");
    trial.open.clear();
    assert_eq!(short(&trial.go("m", Edge::Answered, 0, Event::Keys("9".to_owned()))), "Closed. | hangup");
}

#[test]
fn f13_f17_f18_ringing_and_whom_it_never_reaches() {
    let people = "[people]\nada = \"+14155550142\"\nbob = \"+14155550143\"\n";
    let ring = |more: &str| {
        format!(
            "{people}[steps.a]\ndo = \"ring\"\nto = [\"ada\", \"bob\"]\nmissed = \"vm\"\nanswered = \"bye\"\n{more}\
             [steps.vm]\ndo = \"voicemail\"\ntext = \"Speak.\"\n[steps.bye]\ndo = \"end\"\ntext = \"Bye.\"\n"
        )
    };
    let each = Trial::of(&ring(""));
    assert_eq!(short(&each.begin()), "ring[0142]");
    for (attempt, answered, expected) in
        [(0, true, "Bye. | hangup"), (0, false, "ring[0143]"), (1, false, "Speak. | record | →2.0.0")]
    {
        assert_eq!(short(&each.go("a", Edge::Answered, attempt, Event::Rung(answered))), expected);
    }
    let all = Trial::of(&ring("order = \"all\"\n"));
    assert_eq!(short(&all.begin()), "ring[0142 0143]");
    assert_eq!(short(&all.go("a", Edge::Answered, 0, Event::Rung(false))), "Speak. | record | →2.0.0");

    let change = |change: &dyn Fn(&mut Trial)| {
        let mut trial = Trial::of(&ring(""));
        change(&mut trial);
        short(&trial.begin())
    };
    let voicemail = "Speak. | record | →2.0.0";
    let owner = Phone::read("+14155550150");
    for (case, expected, trial) in [
        (
            "18: the caller is one of them",
            "ring[0143]",
            change(&|trial| trial.caller.number = Some(Phone::read("+14155550142"))),
        ),
        ("18: forwarded here by the line", voicemail, change(&|trial| trial.caller.forwarded_by_line = true)),
        (
            "the line's own people go first",
            "ring[0150]",
            change(&|trial| drop(trial.profile.people.insert("ada".to_owned(), owner.clone()))),
        ),
        (
            "13: an emergency number that got into settings",
            "ring[0143]",
            change(&|trial| drop(trial.profile.people.insert("ada".to_owned(), Phone::read("911")))),
        ),
        (
            "the line itself",
            "ring[0143]",
            change(&|trial| {
                drop(trial.profile.people.insert("ada".to_owned(), Phone::read("+14155550199")));
            }),
        ),
    ] {
        assert_eq!(trial, expected, "{case}");
    }
}

#[test]
fn f10_f11_nothing_is_recorded_without_a_notice() {
    let steps = "[people]\nada = \"+14155550142\"\n[steps.a]\ndo = \"ring\"\nto = [\"ada\"]\n";
    let recorded = |turn: &Turn| match turn.verbs.last() {
        Some(Verb::Ring(ring)) => ring.record.is_some(),
        other => panic!("{other:?}"),
    };
    let mut trial = Trial::of(steps);
    assert!(!recorded(&trial.begin()), "nothing was set");
    trial.profile.records = true;
    let turn = trial.begin();
    assert_eq!(short(&turn), "This call may be recorded. | ring[0142]");
    assert!(turn.noticed && recorded(&turn));
    trial.noticed = true;
    let turn = trial.begin();
    assert_eq!(short(&turn), "ring[0142]", "told before in this call");
    assert!(recorded(&turn) && !turn.noticed);
    (trial.noticed, trial.profile.notices) = (false, false);
    let turn = trial.begin();
    assert_eq!(short(&turn), "ring[0142]", "the owner turned the notice off, by name");
    assert!(recorded(&turn));
}

#[test]
fn how_a_call_ends() {
    for (step, expected) in [
        ("do = \"end\"\nhow = \"busy\"", "busy"),
        ("do = \"end\"\nhow = \"reject\"", "rejected"),
        ("do = \"end\"\ntext = \"Bye.\"", "Bye. | hangup"),
        ("do = \"end\"", "hangup"),
        ("do = \"say\"\ntext = \"Hello.\"", "Hello. | hangup"),
    ] {
        assert_eq!(short(&Trial::of(&format!("[steps.a]\n{step}\n")).begin()), expected, "{step}");
    }
}

#[test]
fn a_text_is_answered_once_in_its_answer_and_else_by_itself() {
    let steps = "[steps.a]\ndo = \"text\"\nbody = \"Thanks {caller.number}.\"\nonce = \"day\"\nnext = \"b\"\n\
                 [steps.b]\ndo = \"text\"\nbody = \"More.\"\n";
    let mut trial = Trial::of(steps);
    trial.body = Some("Hello".to_owned());
    let turn = trial.begin();
    assert_eq!(short(&turn), "text[Thanks +14155550100.]");
    assert_eq!(turn.replied, Some(("a".to_owned(), Once::Day)));
    let more = Effect::Text { key: "b".to_owned(), body: "More.".to_owned(), once: Once::Call };
    assert_eq!(turn.effects, std::slice::from_ref(&more));
    trial.answered.insert("a".to_owned());
    let turn = trial.begin();
    assert_eq!((short(&turn).as_str(), turn.effects), ("text[More.]", vec![]), "8: once a day");

    let call = Trial { body: None, ..Trial::of(steps) };
    let turn = call.begin();
    assert_eq!((short(&turn).as_str(), turn.effects.len()), ("Goodbye. | hangup", 2));
    let missed = call.step(
        Position { flow_version: 1, step: 0, edge: 0, attempt: 0, turn: 0 },
        Event::Begins(Start::Missed),
    );
    assert_eq!((missed.verbs, missed.effects.len()), (vec![], 2), "a call that is over hears nothing");
}

#[test]
fn f12_an_agent_by_turns_is_disclosed_listened_to_and_given_up() {
    let mut trial = Trial::of(
        "[people]\nowner = \"+14155550142\"\n[steps.a]\ndo = \"agent\"\nmode = \"turns\"\nmay_ring = [\"owner\"]\n\
         failed = \"f\"\ndone = \"d\"\n[steps.f]\ndo = \"end\"\ntext = \"Failed.\"\n[steps.d]\ndo = \"end\"\ntext = \"Done.\"\n",
    );
    assert_eq!(short(&trial.begin()), "Failed. | hangup", "no agent is set up");
    trial.profile.agent_url = Some("https://agent.example/turns".to_owned());
    let turn = trial.begin();
    let told = "You are speaking with the automated assistant of Harbor.";
    assert_eq!(short(&turn), format!("{told} | ask[How can I help you?] | →0.1.0"));
    assert!(turn.agent);
    let reply = |action, target: Option<&str>| {
        Event::Agent(AgentTurn::Answered(Reply {
            say: "Well.".to_owned(),
            action,
            target: target.map(str::to_owned),
        }))
    };
    for (case, edge, attempt, event, expected) in [
        ("it goes on", Edge::Answered, 0, reply(Action::Continue, None), "ask[Well.] | →0.1.0"),
        ("it ends", Edge::Answered, 0, reply(Action::End, None), "Well. | Done. | hangup"),
        ("it rings", Edge::Answered, 0, reply(Action::Ring, Some("owner")), "Well. | ring[0142]"),
        ("it names nobody", Edge::Answered, 0, reply(Action::Ring, None), "Well. | Failed. | hangup"),
        (
            "it names a number",
            Edge::Answered,
            0,
            reply(Action::Ring, Some("+14155550142")),
            "Well. | Failed. | hangup",
        ),
        ("it failed", Edge::Answered, 0, Event::Agent(AgentTurn::Failed), "Failed. | hangup"),
        ("it thinks", Edge::Answered, 1, Event::Agent(AgentTurn::Waits), "One moment, please. | →0.5.1"),
        ("it still thinks", Edge::Poll, 1, Event::Agent(AgentTurn::Waits), "One moment, please. | →0.5.2"),
        ("it thought too long", Edge::Poll, 2, Event::Agent(AgentTurn::Waits), "Failed. | hangup"),
        ("a first silence", Edge::Silent, 0, Event::Silence, "ask[Are you still there?] | →0.1.1"),
        ("a second one", Edge::Silent, 1, Event::Silence, "Done. | hangup"),
        ("who was rung took it", Edge::Rung, 0, Event::Rung(true), "Done. | hangup"),
        ("who was rung did not", Edge::Rung, 0, Event::Rung(false), "Failed. | hangup"),
    ] {
        assert_eq!(short(&trial.go("a", edge, attempt, event)), expected, "{case}");
    }
    let Step::Agent(agent) = trial.flow.steps.get_mut("a").unwrap() else { panic!() };
    agent.disclose = false;
    assert_eq!(trial.begin().effects, [Effect::Undisclosed { step: "a".to_owned() }], "12: silence is noted");
}

#[test]
fn a_stream_carries_the_capability_and_comes_back() {
    let mut trial = Trial::of(
        "[people]\nowner = \"+14155550142\"\n[steps.a]\ndo = \"agent\"\nmay_ring = [\"owner\"]\ndisclose = false\n\
         failed = \"f\"\n[steps.f]\ndo = \"end\"\ntext = \"Failed.\"\n",
    );
    trial.profile.agent_url = Some("wss://agent.example/s/".to_owned());
    let turn = trial.begin();
    assert_eq!(short(&turn), "stream[wss://agent.example/s/c0ffee] | →0.0.0");
    assert!(turn.effects.contains(&Effect::EndCall { seconds: 900 }));
    for (directive, expected) in [
        (Directive::Ring("owner".to_owned()), "ring[0142]"),
        (Directive::Ring("eve".to_owned()), "Failed. | hangup"),
        (Directive::Done, "Goodbye. | hangup"),
        (Directive::Failed, "Failed. | hangup"),
    ] {
        let turn = trial.go("a", Edge::Answered, 0, Event::HandedBack(directive.clone()));
        assert_eq!(short(&turn), expected, "{directive:?}");
    }
}

#[test]
fn what_does_not_fit_ends_politely_and_says_so() {
    let trial = Trial::of("[steps.a]\ndo = \"voicemail\"\ntext = \"Speak.\"\n");
    let at = |step, turn| Position { flow_version: 1, step, edge: 0, attempt: 0, turn };
    for (case, at, event, cause) in [
        ("no such step", at(9, 1), Event::Recorded, "the position is in no step of the flow"),
        ("another event", at(0, 1), Event::Rung(true), "the position does not fit the request"),
        ("too many turns", at(0, u8::MAX), Event::Recorded, "the conversation has too many turns"),
    ] {
        let turn = trial.step(at, event);
        assert_eq!((short(&turn).as_str(), turn.cause), ("Goodbye. | hangup", Some(cause)), "{case}");
    }
}

#[test]
fn f20_attestation_is_read_to_the_letter() {
    for (verstat, verification, level, expected) in [
        (Some("TN-Validation-Passed-A"), None, None, Attestation::A),
        (Some("TN-Validation-Passed-A-Diverted"), None, None, Attestation::A),
        (Some("TN-Validation-Passed-A-Passthrough"), None, None, Attestation::A),
        (Some("TN-Validation-Passed-B"), None, None, Attestation::B),
        (Some("TN-Validation-Passed-AB"), None, None, Attestation::None),
        (Some("TN-Validation-Failed-A"), None, None, Attestation::Failed),
        (Some("No-TN-Validation"), None, None, Attestation::None),
        (None, Some("Verified"), None, Attestation::A),
        (None, Some("Verified"), Some("B"), Attestation::B),
        (None, Some("Not Verified"), None, Attestation::Failed),
        (None, None, None, Attestation::None),
    ] {
        assert_eq!(Attestation::read(verstat, verification, level), expected, "{verstat:?} {verification:?}");
    }
}
