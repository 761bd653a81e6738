use std::fmt::Write as _;

use super::*;
use crate::{
    domain::phone::Phone,
    lines::{desk::built_in, document::read::read, publish::look_alone},
};

fn told(steps: &str) -> Vec<String> {
    let text = format!("schema = 1\nstart = {{ call = \"in\" }}\n{steps}");
    let flow = read(&text).unwrap_or_else(|faults| panic!("{faults:?}\n{text}"));
    let profile = Profile::bare(Phone::read("+14155550190"));
    let both = Provider::CARRIERS;
    both.iter()
        .flat_map(|provider| faults(&flow, &profile, *provider))
        .map(|fault| fault.to_string())
        .collect()
}

#[test]
fn what_is_built_in_is_taken_by_both() {
    let mut profile = Profile::bare(Phone::read("+14155550190"));
    profile.people.insert("owner".to_owned(), Phone::read("+14155550140"));
    for agent in [None, Some("https://agent.example/turns"), Some("wss://agent.example/s")] {
        profile.agent_url = agent.map(str::to_owned);
        profile.records = agent.is_some();
        for provider in Provider::CARRIERS {
            assert_eq!(faults(built_in(), &profile, provider), []);
        }
    }
}

#[test]
fn a_document_that_may_be_too_long_is_told_by_step_and_way() {
    let mut steps = "[steps.in]\ndo = \"ask\"\ntext = \"Well?\"\nchoose = { 1 = \"r\", 2 = \"bye\" }\n\
                     [steps.bye]\ndo = \"end\"\n\
                     [steps.r]\ndo = \"route\"\nwhen = [{ if = { caller = \"tag:x\" }, go = \"s0\" }]\nelse = \"bye\"\n"
        .to_owned();
    for step in 0..14 {
        let next = if step == 13 { "bye".to_owned() } else { format!("s{}", step + 1) };
        // Ampersands are written `&amp;`, and a name may be 40 quotes, which are written `&quot;`.
        let words = format!("{}{}", "&".repeat(240), "{caller.name}".repeat(2));
        let _ = write!(steps, "[steps.s{step}]\ndo = \"say\"\ntext = \"{words}\"\nnext = \"{next}\"\n");
    }
    let flow = read(&format!("schema = 1\nstart = {{ call = \"in\" }}\n{steps}")).unwrap();
    let saved = look_alone(&flow).faults;
    assert_eq!(saved.len(), 2, "it is told before any line has it: {saved:?}");
    let told = told(&steps);
    assert_eq!(told.len(), 2, "{told:?}");
    for (fault, carrier) in told.iter().zip(["Twilio", "Plivo"]) {
        let begin = format!("steps.in.choose.1: makes a document that {carrier} does not take: it may have ");
        assert!(fault.starts_with(&begin), "{fault}");
    }
}
