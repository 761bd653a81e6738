//! A line: one of our numbers, and everything that is set for it.
//!
//! What is written is held to the last key; what is read back is not, since a later release may have written more: a key
//! that this one does not know is passed over.

use std::{collections::BTreeMap, fmt};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::document::{Mode, read::Fault};
use crate::{
    domain::{id::LineId, numbering::is_region, phone::Phone, verb::LANGUAGES},
    provider::Provider,
};

/// Most characters of a name, which is read out.
const NAME: usize = 80;

/// Most people of a line.
const PEOPLE: usize = 50;

/// What a line can be asked to change, in the order of the reference.
const FIELDS: [&str; 9] =
    ["provider", "number", "name", "account", "zone", "country", "language", "state", "settings"];

/// A number that answers. Without a telling `Debug`, since its settings are full of people's numbers.
#[derive(Clone, PartialEq)]
pub(crate) struct Line {
    pub(crate) id: LineId,
    /// Twilio or Plivo.
    pub(crate) provider: Provider,
    pub(crate) number: Phone,
    /// What callers hear in place of `{line.name}`.
    pub(crate) name: String,
    /// Who pays: a key of `accounts`. None: nobody has to.
    pub(crate) account: Option<String>,
    /// The version that calls begin with; none is the built-in default.
    pub(crate) flow_version: Option<u64>,
    /// Where its owner is, for quiet hours and days.
    pub(crate) zone: Tz,
    /// ISO 3166-1 alpha-2; the number's own, unless it was said otherwise.
    pub(crate) country: String,
    /// One of [`LANGUAGES`].
    pub(crate) language: String,
    pub(crate) state: State,
    pub(crate) settings: Settings,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Line({}, version {:?})", self.id, self.flow_version)
    }
}

/// Whether a line answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    On,
    /// Its owner has switched it off: it answers as a suspended one does.
    Off,
}

impl State {
    /// As tables and answers spell it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
        }
    }

    /// Reads a word; one that a later release wrote counts as on, so that nobody's phone is cut.
    pub(crate) fn read(word: &str) -> Self {
        if word == "off" { Self::Off } else { Self::On }
    }
}

/// What is set for a line. Every member has a default that is safe with nothing else set.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Settings {
    /// The owner's number, which the name `owner` stands for.
    pub(crate) forward: Option<String>,
    /// Numbers by name; they come before those of the flow.
    pub(crate) people: BTreeMap<String, String>,
    /// The agent's endpoint: https for turns, wss for the other modes.
    pub(crate) agent_url: Option<String>,
    pub(crate) agent_mode: Mode,
    /// What requests to the agent are signed with, 16 to 200 characters. Never shown.
    pub(crate) agent_secret: Option<String>,
    /// Whether the number is registered to send texts by itself (A2P).
    pub(crate) a2p: bool,
    pub(crate) anonymous: Anonymous,
    /// Attestations that are turned away: `A`, `B`, `C`, `failed`, `none`.
    pub(crate) attest_reject: Vec<String>,
    /// Whether connected calls are recorded.
    pub(crate) record_calls: bool,
    pub(crate) record_notice: Notice,
    /// Most calls of a day, in the line's zone.
    pub(crate) daily_calls: Option<u32>,
    /// Most minutes a day that are connected onward; then callers are asked for a message. 1 to 100000.
    pub(crate) daily_minutes: u32,
    /// Longest call, 60 to 14400 seconds.
    pub(crate) call_seconds: u32,
    /// Most legs to the outside at a time, 1 to 10.
    pub(crate) concurrent: u32,
    /// Countries whose numbers may be dialled, ISO 3166-1 alpha-2; none is the line's own.
    pub(crate) countries: Vec<String>,
    pub(crate) opt_out_scope: OptOutScope,
    /// Whether texts that nobody has just asked for wait for the day.
    pub(crate) quiet_hours: bool,
    /// Who is texted of voice messages and missed calls.
    pub(crate) notify: Option<String>,
    /// How many calls a day hear the sentence of a suspended line before it is busy, 0 to 1000.
    pub(crate) suspended_per_day: u32,
    /// How long recordings are kept, 1 to 3650 days.
    pub(crate) keep_recordings_days: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            forward: None,
            people: BTreeMap::new(),
            agent_url: None,
            agent_mode: Mode::Turns,
            agent_secret: None,
            a2p: false,
            anonymous: Anonymous::Accept,
            attest_reject: Vec::new(),
            record_calls: false,
            record_notice: Notice::On,
            daily_calls: None,
            daily_minutes: 1440,
            call_seconds: 3600,
            concurrent: 5,
            countries: Vec::new(),
            opt_out_scope: OptOutScope::Account,
            quiet_hours: true,
            notify: None,
            suspended_per_day: 20,
            keep_recordings_days: 90,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Settings(masked)")
    }
}

/// What becomes of a caller who withholds their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Anonymous {
    Accept,
    Reject,
    Voicemail,
}

/// Whether callers are told that they are recorded. No flow can turn it off; who did is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Notice {
    On,
    Off { by: String, at: DateTime<Utc> },
}

/// How far an opt-out reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OptOutScope {
    /// To all lines of the account.
    Account,
    Line,
}

/// Who asks for a change, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) by: &'a str,
    pub(crate) at: DateTime<Utc>,
}

impl Line {
    /// Whose contacts are this line's: those of its account, or its own.
    pub(crate) fn owner(&self) -> String {
        self.account.clone().unwrap_or_else(|| format!("line:{}", self.id.uuid()))
    }

    /// Makes a line of what is asked for.
    ///
    /// # Errors
    /// Everything that is missing, unknown, or not possible.
    pub(crate) fn made_of(
        id: LineId,
        given: Map<String, Value>,
        asked: Asked<'_>,
    ) -> Result<Self, Vec<Fault>> {
        let mut line = Self {
            id,
            provider: Provider::Twilio,
            number: Phone::read(""),
            name: String::new(),
            account: None,
            flow_version: None,
            zone: Tz::UTC,
            country: String::new(),
            language: "en-US".to_owned(),
            state: State::On,
            settings: Settings::default(),
        };
        let mut faults = Vec::new();
        for field in ["provider", "number", "name", "zone"] {
            if given.get(field).is_none_or(Value::is_null) {
                faults.push(Fault::new(field, "is missing"));
            }
        }
        for (field, value) in given {
            line.set(&field, value, asked, &mut faults);
        }
        if line.country.is_empty() {
            line.number.region().unwrap_or("US").clone_into(&mut line.country);
        }
        if faults.is_empty() { Ok(line) } else { Err(faults) }
    }

    /// Changes what is given and leaves the rest. A setting that is null goes back to its default.
    ///
    /// # Errors
    /// Everything that is unknown or not possible; the line is to be thrown away then.
    pub(crate) fn change(&mut self, given: Map<String, Value>, asked: Asked<'_>) -> Result<(), Vec<Fault>> {
        let mut faults = Vec::new();
        for (field, value) in given {
            if ["provider", "number"].contains(&field.as_str()) {
                faults.push(Fault::new(field, "cannot be changed: another number is another line"));
            } else {
                self.set(&field, value, asked, &mut faults);
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    fn set(&mut self, field: &str, value: Value, asked: Asked<'_>, faults: &mut Vec<Fault>) {
        let text = value.as_str().unwrap_or_default();
        let mut fault = |why: &str| faults.push(Fault::new(field, why));
        match field {
            "provider" => match text {
                "twilio" => self.provider = Provider::Twilio,
                "plivo" => self.provider = Provider::Plivo,
                _ => fault("is neither twilio nor plivo"),
            },
            "number" => match Phone::may_be_dialled(text) {
                Ok(number) => self.number = number,
                Err(refused) => fault(refused.0),
            },
            "name" => match words(text, NAME) {
                Ok(()) => text.clone_into(&mut self.name),
                Err(why) => fault(&why),
            },
            "account" if value.is_null() => self.account = None,
            "account" => match words(text, 200) {
                Ok(()) => self.account = Some(text.to_owned()),
                Err(why) => fault(&why),
            },
            "zone" => match text.parse() {
                Ok(zone) => self.zone = zone,
                Err(_) => fault("is no IANA time zone such as America/New_York"),
            },
            "country" if is_region(text) => text.clone_into(&mut self.country),
            "country" => fault("is no ISO 3166 country such as US"),
            "language" if LANGUAGES.contains(&text) => text.clone_into(&mut self.language),
            "language" => fault(&format!("is none of {}, which both providers speak", LANGUAGES.join(", "))),
            "state" => match text {
                "on" | "off" => self.state = State::read(text),
                _ => fault("is neither on nor off"),
            },
            "settings" => match value {
                Value::Object(given) => match self.settings.changed(given, asked) {
                    Ok(settings) => self.settings = settings,
                    Err(found) => faults.extend(found),
                },
                _ => fault("is no object"),
            },
            _ => fault(&format!("is not known; a line has {}", FIELDS.join(", "))),
        }
    }
}

impl Settings {
    /// Reads what is stored; `{}` is the default. What is not understood is left at its default.
    pub(crate) fn stored(value: &Value) -> Self {
        if let Ok(settings) = Self::deserialize(value) {
            return settings;
        }
        // One value that a later release writes otherwise must not cost the line its other settings.
        let mut known = Self::default().as_map();
        for (name, value) in value.as_object().into_iter().flatten() {
            if known.contains_key(name) && Self::takes(name, value) {
                known.insert(name.clone(), value.clone());
            }
        }
        Self::deserialize(Value::Object(known)).unwrap_or_default()
    }

    /// What is to be stored: whatever is not the default.
    pub(crate) fn to_store(&self) -> Value {
        let default = Self::default().as_map();
        self.as_map().into_iter().filter(|(name, value)| default.get(name) != Some(value)).collect()
    }

    /// All of them, as answers show them: of a secret only whether there is one.
    pub(crate) fn shown(&self) -> Map<String, Value> {
        let mut map = self.as_map();
        if self.agent_secret.is_some() {
            map.insert("agent_secret".to_owned(), "(set)".into());
        }
        map
    }

    /// Whether a setting can be of this kind.
    pub(crate) fn takes(name: &str, value: &Value) -> bool {
        Self::deserialize(json!({ name: value })).is_ok()
    }

    fn as_map(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(map)) => map,
            _ => Map::new(), // a struct is always a map
        }
    }

    fn changed(&self, given: Map<String, Value>, asked: Asked<'_>) -> Result<Self, Vec<Fault>> {
        let (mut map, default) = (self.as_map(), Self::default().as_map());
        let mut faults = Vec::new();
        for (name, value) in given {
            let place = format!("settings.{name}");
            let Some(usual) = default.get(&name) else {
                let known: Vec<_> = default.keys().map(String::as_str).collect();
                faults
                    .push(Fault::new(place, format!("is not known; the settings are {}", known.join(", "))));
                continue;
            };
            let value = match value {
                Value::Null => usual.clone(),
                value if name == "record_notice" => self.notice(value, asked),
                value => value,
            };
            match serde_path_to_error::deserialize::<_, Self>(json!({ &name: &value })) {
                Ok(_) => drop(map.insert(name, value)),
                Err(error) => {
                    faults.push(Fault::new(format!("settings.{}", error.path()), error.inner().to_string()));
                }
            }
        }
        let changed = Self::deserialize(Value::Object(map)).unwrap_or_default(); // each value was read before
        faults.extend(changed.faults());
        if faults.is_empty() { Ok(changed) } else { Err(faults) }
    }

    /// The notice that is asked for. Who turns it off, and when, is not for the asking.
    fn notice(&self, value: Value, asked: Asked<'_>) -> Value {
        let known = serde_json::to_value(&self.record_notice).unwrap_or_default();
        match (&value, &self.record_notice) {
            (Value::String(word), Notice::Off { .. }) if word == "off" => known,
            (Value::Object(_), _) if value == known => known,
            (Value::String(word), _) if word != "off" => value,
            (Value::String(_) | Value::Object(_), _) => json!({ "off": { "by": asked.by, "at": asked.at } }),
            _ => value,
        }
    }

    /// What is of the right kind and not possible all the same.
    fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut fault = |name: &str, why: String| faults.push(Fault::new(format!("settings.{name}"), why));
        let mut dialled = vec![("forward".to_owned(), self.forward.as_ref())];
        dialled.push(("notify".to_owned(), self.notify.as_ref()));
        dialled.extend(self.people.iter().map(|(name, number)| (format!("people.{name}"), Some(number))));
        for (name, number) in dialled {
            if let Some(Err(refused)) = number.map(|number| Phone::may_be_dialled(number)) {
                fault(&name, refused.0.to_owned());
            }
        }
        if self.people.len() > PEOPLE {
            fault("people", format!("are {}, at most {PEOPLE} are taken", self.people.len()));
        }
        for name in self.people.keys().filter(|name| !super::document::read::is_name(name)) {
            fault(&format!("people.{name}"), "is no name: up to 40 of a-z, A-Z, 0-9, _ and -".to_owned());
        }
        if let Some(url) = &self.agent_url
            && let Err(why) = super::document::check::address(url, self.agent_mode.schemes(), false)
        {
            fault("agent_url", why);
        }
        if self.agent_secret.as_ref().is_some_and(|secret| {
            !(16..=200).contains(&secret.len()) || !secret.bytes().all(|byte| byte.is_ascii_graphic())
        }) {
            fault("agent_secret", "is not 16 to 200 visible characters of ASCII".to_owned());
        }
        for (index, attest) in self.attest_reject.iter().enumerate() {
            if !["A", "B", "C", "failed", "none"].contains(&attest.as_str()) {
                fault(&format!("attest_reject[{index}]"), "is none of A, B, C, failed and none".to_owned());
            }
        }
        for (index, country) in self.countries.iter().enumerate() {
            if !is_region(country) {
                fault(&format!("countries[{index}]"), "is no ISO 3166 country such as US".to_owned());
            }
        }
        for (name, value, least, most) in [
            ("daily_calls", self.daily_calls.unwrap_or(1), 1, 100_000),
            ("daily_minutes", self.daily_minutes, 1, 100_000),
            ("call_seconds", self.call_seconds, 60, 14_400),
            ("concurrent", self.concurrent, 1, 10),
            ("suspended_per_day", self.suspended_per_day, 0, 1000),
            ("keep_recordings_days", self.keep_recordings_days, 1, 3650),
        ] {
            if !(least..=most).contains(&value) {
                fault(name, format!("is {value}, and must be {least} to {most}"));
            }
        }
        faults
    }
}

/// Whether a text can stand in a name: neither empty nor too long, nothing that cannot be read out.
pub(super) fn words(text: &str, most: usize) -> Result<(), String> {
    let length = text.chars().count();
    if text.trim().is_empty() || length > most {
        Err(format!("has {length} characters, and must have 1 to {most}"))
    } else if text.contains(['<', '>', '{', '}']) || text.chars().any(char::is_control) {
        Err("holds a control character, or one of < > { }".to_owned())
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
