//! What the providers' consoles hold about this service, and what would have to change there: read and written through
//! their APIs, for `setup`, `doctor` and `guide`.

mod account;
pub(super) mod plivo;
pub(super) mod stripe;
pub(super) mod twilio;

use serde::{Deserialize, Serialize};

use crate::provider::Endpoint;

pub(super) use account::{Account, Payload, Trouble};

/// How the consoles should be set.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// The public origin, `https://host[:port]`.
    pub(super) origin: String,
    /// What a caller's document is fetched from when the first one fails; by default the same URL once more.
    pub(super) fallback: Option<String>,
    /// Which numbers.
    pub(super) numbers: Numbers,
    /// The app that is configured here, where one is.
    pub(super) app: Option<String>,
}

/// Which of an account's numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Numbers {
    All,
    /// By number, in whatever spelling, or by the provider's id.
    These(Vec<String>),
}

impl Wanted {
    /// The URL of an endpoint.
    pub(super) fn url(&self, endpoint: Endpoint) -> String {
        format!("{}{}", self.origin, endpoint.path())
    }

    fn fallback_of(&self, endpoint: Endpoint) -> String {
        self.fallback.clone().unwrap_or_else(|| self.url(endpoint))
    }
}

impl Numbers {
    /// Whether a number of that id is meant.
    pub(super) fn hold(&self, number: &str, id: &str) -> bool {
        let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
        match self {
            Self::All => true,
            Self::These(these) => {
                these.iter().any(|one| one == id || (!one.starts_with("PN") && digits(one) == digits(number)))
            }
        }
    }
}

/// One change at one provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Step {
    /// `stripe`, `twilio` or `plivo`.
    pub(super) provider: String,
    /// Whose.
    pub(super) account: String,
    /// As people call it: `number +14155550142`.
    pub(super) what: String,
    /// The finding of `doctor` that this mends.
    pub(super) code: String,
    pub(super) act: Act,
    /// Where the API takes it.
    pub(super) path: String,
    pub(super) fields: Vec<Field>,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Act {
    Create,
    Change,
    Delete,
}

/// A field that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Field {
    /// As the API spells it.
    pub(super) name: String,
    /// What stands there; none where nothing does.
    pub(super) before: Option<String>,
    pub(super) after: String,
}

/// Something that no change of ours mends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Remark {
    /// The finding of `doctor`.
    pub(super) code: &'static str,
    pub(super) text: String,
}

/// What was found at one account.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    pub(super) remarks: Vec<Remark>,
    /// What is as it should be.
    pub(super) fine: Vec<String>,
    /// The account's numbers.
    pub(super) numbers: Vec<String>,
}

impl Plan {
    fn remark(&mut self, code: &'static str, text: String) {
        self.remarks.push(Remark { code, text });
    }

    /// Adds a change of what differs, or notes that nothing does.
    fn compare(&mut self, step: Step) {
        if step.fields.is_empty() {
            self.fine.push(step.what);
        } else {
            self.steps.push(step);
        }
    }
}

impl Step {
    /// The change that would take this one back; none where the provider's API offers no way.
    pub(super) fn undone(&self, created: Option<&str>) -> Option<Self> {
        let (act, path) = match self.act {
            Act::Create => (Act::Delete, format!("{}/{}", self.path.trim_end_matches('/'), created?)),
            Act::Change => (Act::Change, self.path.clone()),
            Act::Delete => return None,
        };
        // Plivo's paths end in a slash.
        let path = if self.path.ends_with('/') && !path.ends_with('/') { format!("{path}/") } else { path };
        // Plivo documents no way to leave a number without an application.
        let bound = |field: &Field| !(field.name == "app_id" && field.before.is_none());
        let fields =
            self.fields.iter().filter(|field| act == Act::Change && bound(field)).map(|field| Field {
                name: field.name.clone(),
                before: Some(field.after.clone()),
                after: field.before.clone().unwrap_or_default(),
            });
        let fields: Vec<Field> = fields.collect();
        (act == Act::Delete || !fields.is_empty()).then(|| Self { act, path, fields, ..self.clone() })
    }
}

/// The field, where it differs. A fragment says how often Twilio and Plivo try again, and is its owner's.
fn differing(name: &str, before: Option<&str>, after: &str) -> Option<Field> {
    let before = before.filter(|text| !text.is_empty());
    let bare = before.map(|text| text.split('#').next().unwrap_or_default());
    let same = bare.is_some_and(|bare| {
        bare == after || (name.to_lowercase().contains("method") && bare.eq_ignore_ascii_case(after))
    });
    (!same).then(|| Field {
        name: name.to_owned(),
        before: before.map(str::to_owned),
        after: after.to_owned(),
    })
}

/// `+14155550142` as others may see it.
pub(super) fn masked(number: &str) -> String {
    let last = number.len().saturating_sub(4);
    match number.get(last..) {
        Some(last) if number.len() > 6 => format!("…{last}"),
        _ => "…".to_owned(),
    }
}
