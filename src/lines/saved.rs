//! Calls that are saved beside a flow: what a caller did, and what was heard. They are made again whenever the flow is looked at,
//! so that a change of what callers hear is seen before they hear it.

use std::fmt::Write as _;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Deserialize;
use toml::Table;

use super::{
    document::{
        Flow,
        read::{Fault, syntax, typed},
        write::quoted,
    },
    engine::Profile,
    publish::OWNER,
    simulate::{self, CALLER, Input, Shown, Simulated},
};
use crate::{
    domain::phone::{Phone, Refused},
    provider::Provider,
};

/// What begins a line that tells what the caller does. What is heard begins otherwise.
const DOES: char = '>';

/// A call, and all that is to be known for it to be made again.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Saved {
    pub(crate) name: String,
    /// When the call comes in.
    pub(crate) at: DateTime<Utc>,
    /// None is the first of the flow's.
    pub(crate) provider: Option<Provider>,
    /// None is [`CALLER`].
    pub(crate) caller: Option<String>,
    /// The number that `owner` stands for.
    pub(crate) forward: Option<String>,
    /// The address of the line's agent.
    pub(crate) agent: Option<String>,
    /// The words of a text that comes in place of a call.
    pub(crate) text: Option<String>,
    /// What was heard, a line each; what was done begins with `>`, as it is typed into the phone of the terminal.
    #[serde(default)]
    pub(crate) talk: Vec<String>,
}

/// Reads a file of them: `[[call]]` each.
///
/// # Errors
/// Everything that is wrong with it, with its place.
pub(crate) fn read(text: &str) -> Result<Vec<Saved>, Vec<Fault>> {
    let mut table: Table = toml::from_str(text).map_err(|error| vec![syntax(text, &error)])?;
    let mut faults = Vec::new();
    let calls = table.remove("call").and_then(|calls| typed::<Vec<Saved>>("call", calls, &mut faults));
    for name in table.keys() {
        faults.push(Fault::new(name, "is not known; there is [[call]] alone"));
    }
    if faults.is_empty() { Ok(calls.unwrap_or_default()) } else { Err(faults) }
}

impl Saved {
    /// As it stands in a file.
    pub(crate) fn written(&self) -> String {
        let mut text = format!(
            "[[call]]\nname = {}\nat = {}\n",
            quoted(&self.name),
            quoted(&self.at.to_rfc3339_opts(SecondsFormat::Secs, true))
        );
        let provider = self.provider.map(|provider| provider.name().to_owned());
        for (name, value) in [
            ("provider", &provider),
            ("caller", &self.caller),
            ("forward", &self.forward),
            ("agent", &self.agent),
            ("text", &self.text),
        ] {
            if let Some(value) = value {
                let _ = writeln!(text, "{name} = {}", quoted(value));
            }
        }
        text.push_str("talk = [\n");
        for line in &self.talk {
            let _ = writeln!(text, "  {},", quoted(line));
        }
        text.push_str("]\n");
        text
    }

    /// The line that is called.
    ///
    /// # Errors
    /// Why it may not forward to the number.
    pub(crate) fn line(&self) -> Result<Profile, Refused> {
        let mut profile = simulate::line();
        if let Some(forward) = &self.forward {
            profile.people.insert(OWNER.to_owned(), Phone::may_be_dialled(forward)?);
        }
        profile.agent_url.clone_from(&self.agent);
        Ok(profile)
    }

    /// The call on that line, and its first document; none where the flow is not for the carrier.
    pub(crate) fn begin<'a>(&self, flow: &'a Flow, line: Profile) -> Option<(Simulated<'a>, Shown)> {
        let caller = simulate::caller(self.caller.as_deref().unwrap_or(CALLER));
        let mut call = Simulated::new(flow, line, caller, flow.carrier(self.provider)?, self.at);
        let shown = match &self.text {
            Some(body) => call.text(body),
            None => call.call(),
        };
        Some((call, shown))
    }

    /// What is heard now if the caller does the same.
    ///
    /// # Errors
    /// Why there is no such call.
    pub(crate) fn again(&self, flow: &Flow) -> Result<Vec<String>, String> {
        let line = self.line().map_err(|refused| format!("forward {}", refused.0))?;
        let (mut call, mut shown) =
            self.begin(flow, line).ok_or("the flow is not for this carrier: see its `providers`")?;
        let mut talk = shown.told();
        for typed in self.talk.iter().filter_map(|line| line.strip_prefix(DOES)) {
            talk.push(does(typed));
            let input = Input::typed(typed.trim(), shown.waits);
            match call.go_on(&input) {
                Some(next) => {
                    talk.extend(next.told());
                    shown = next;
                }
                None if input == Input::HangUp => break,
                None => {
                    talk.push("(that cannot happen here)".to_owned());
                    break;
                }
            }
        }
        Ok(talk)
    }

    /// What is different from what was saved, if anything.
    pub(crate) fn difference(&self, flow: &Flow) -> Option<Fault> {
        let place = format!("call {}", quoted(&self.name));
        let talk = match self.again(flow) {
            Ok(talk) => talk,
            Err(why) => return Some(Fault::new(place, why)),
        };
        let longest = talk.len().max(self.talk.len());
        let at = (0..longest).find(|at| talk.get(*at) != self.talk.get(*at))?;
        let line = |talk: &[String]| talk.get(at).cloned().unwrap_or_else(|| "the end".to_owned());
        let problem = format!("line {}: was {}, is {}", at + 1, line(&self.talk), line(&talk));
        Some(Fault::new(place, problem))
    }
}

/// A line that tells what the caller does.
pub(crate) fn does(typed: &str) -> String {
    format!("{DOES} {}", typed.trim()).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lines::document;

    const FLOW: &str = "schema = 1\nstart = { call = \"menu\" }\n\
        [steps.menu]\ndo = \"ask\"\ntext = \"Press 1.\"\nchoose.1 = \"ring\"\nnone = \"bye\"\n\
        [steps.ring]\ndo = \"ring\"\nto = [\"owner\"]\nmissed = \"bye\"\n\
        [steps.bye]\ndo = \"end\"\ntext = \"Goodbye.\"\n";

    fn saved(talk: &[&str]) -> Saved {
        Saved {
            name: "a \"menu\"".to_owned(),
            at: "2026-12-01T15:00:00Z".parse().unwrap(),
            provider: None,
            caller: None,
            forward: Some("+14155550142".to_owned()),
            agent: None,
            text: None,
            talk: talk.iter().map(|line| (*line).to_owned()).collect(),
        }
    }

    const TALK: [&str; 7] = [
        "\u{201c}Press 1.\u{201d}",
        "(waits 8 s for keys)",
        "> 1",
        "(rings +14155550142 for 20 s; who answers must press 1)",
        ">",
        "\u{201c}Goodbye.\u{201d}",
        "(hangs up)",
    ];

    #[test]
    fn what_is_heard_otherwise_is_told_with_its_line() {
        let flow = |text: &str| document::read::read(text).unwrap();
        let told = |saved: &Saved, text: &str| saved.difference(&flow(text)).map(|fault| fault.to_string());
        assert_eq!(saved(&TALK).again(&flow(FLOW)).unwrap(), TALK);
        assert_eq!(told(&saved(&TALK), FLOW), None);
        for (case, talk, text, expected) in [
            ("other words", &TALK[..], FLOW.replace("Goodbye", "Bye"), "line 6: was “Goodbye.”, is “Bye.”"),
            ("one more line", &TALK[..6], FLOW.to_owned(), "line 7: was the end, is (hangs up)"),
            (
                "another way",
                &TALK,
                FLOW.replace("choose.1", "choose.2"),
                "line 4: was (rings +14155550142 for 20 s; who answers must press 1), is “Press 1.”",
            ),
        ] {
            assert_eq!(
                told(&saved(talk), &text),
                Some(format!("call \"a \\\"menu\\\"\": {expected}")),
                "{case}"
            );
        }
        let longer = saved(&[&TALK[..], &["> 1"]].concat());
        let over = "call \"a \\\"menu\\\"\": line 9: was the end, is (that cannot happen here)";
        assert_eq!(told(&longer, FLOW).as_deref(), Some(over));
        let elsewhere = Saved { provider: Some(Provider::Plivo), ..saved(&TALK) };
        let own = format!("providers = [\"twilio\"]\n{FLOW}");
        assert!(told(&elsewhere, &own).unwrap().contains("not for this carrier"));
        let emergency = Saved { forward: Some("+1911".to_owned()), ..saved(&TALK) };
        assert!(told(&emergency, FLOW).unwrap().contains("forward is an emergency number"));
    }

    #[test]
    fn what_is_written_is_read_back() {
        let both = [
            saved(&TALK),
            Saved {
                provider: Some(Provider::Plivo),
                text: Some("Hi\n\"there\"".to_owned()),
                forward: None,
                ..saved(&[])
            },
        ];
        let text: Vec<String> = both.iter().map(Saved::written).collect();
        assert_eq!(read(&text.join("\n")).unwrap(), both);
        assert_eq!(read("").unwrap(), []);
        for (text, expected) in [
            ("[[call]]\nname = \"x\"\nat = \"now\"", "call[0].at: "),
            (
                "[[call]]\nname = \"x\"\nat = \"2026-12-01T15:00:00Z\"\nsays = 1",
                "call[0].says: unknown field",
            ),
            ("[[calls]]\nname = \"x\"", "calls: is not known"),
            ("[[call]", "line 1, column"),
        ] {
            let faults = read(text).unwrap_err();
            assert!(faults[0].to_string().starts_with(expected), "{faults:?}");
        }
    }
}
