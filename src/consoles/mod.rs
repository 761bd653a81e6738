//! What the providers' consoles hold about this service, and what would have to change there: read and written through
//! their APIs, for `setup`, `doctor`, `guide` and the checklist of `/console`.

mod account;
pub(crate) mod plivo;
pub(crate) mod stripe;
mod twilio;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    config::Api,
    provider::{Endpoint, Provider},
};

pub(crate) use account::{Account, Payload, Trouble};

/// How the consoles should be set.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// The public origin, `https://host[:port]`.
    pub(crate) origin: String,
    /// What a caller's document is fetched from when the first one fails; by default the same URL once more.
    pub(crate) fallback: Option<String>,
    /// Which numbers.
    pub(crate) numbers: Numbers,
    /// The app that is configured here, where one is.
    pub(crate) app: Option<String>,
}

/// Which of an account's numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Numbers {
    All,
    /// By number, in whatever spelling, or by the provider's id.
    These(Vec<String>),
}

impl Wanted {
    /// Every number of an account, and the app that is configured here.
    pub(crate) fn all(api: &Api, origin: &str) -> Self {
        Self { origin: origin.to_owned(), fallback: None, numbers: Numbers::All, app: api.app.clone() }
    }

    /// The URL of an endpoint.
    pub(crate) fn url(&self, endpoint: Endpoint) -> String {
        format!("{}{}", self.origin, endpoint.path())
    }

    fn fallback_of(&self, endpoint: Endpoint) -> String {
        self.fallback.clone().unwrap_or_else(|| self.url(endpoint))
    }
}

impl Numbers {
    /// Whether a number of that id is meant.
    pub(crate) fn hold(&self, number: &str, id: &str) -> bool {
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
pub(crate) struct Step {
    /// `stripe`, `twilio` or `plivo`.
    pub(crate) provider: String,
    /// Whose.
    pub(crate) account: String,
    /// As people call it: `number +14155550142`.
    pub(crate) what: String,
    /// The finding of `doctor` that this mends.
    pub(crate) code: String,
    pub(crate) act: Act,
    /// Where the API takes it.
    pub(crate) path: String,
    pub(crate) fields: Vec<Field>,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Act {
    Create,
    Change,
    Delete,
}

/// A field that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Field {
    /// As the API spells it.
    pub(crate) name: String,
    /// What stands there; none where nothing does.
    pub(crate) before: Option<String>,
    pub(crate) after: String,
}

/// Something that no change of ours mends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Remark {
    /// The finding of `doctor`.
    pub(crate) code: &'static str,
    pub(crate) text: String,
}

/// What was found at one account.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) steps: Vec<Step>,
    pub(crate) remarks: Vec<Remark>,
    /// What is as it should be.
    pub(crate) fine: Vec<String>,
    /// The account's numbers.
    pub(crate) numbers: Vec<String>,
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
    /// The fields that differ, but for fallbacks: who made the fallback another one meant it.
    pub(crate) fn differs(&self) -> Vec<&str> {
        let names = self.fields.iter().map(|field| field.name.as_str());
        names.filter(|name| !name.to_lowercase().contains("fallback")).collect()
    }

    /// The endpoints that are asked by what differs: what is set there leads elsewhere, or nowhere.
    pub(crate) fn endpoints(&self) -> Vec<Endpoint> {
        let of = |endpoint: &Endpoint| {
            let starts: &[&str] = match endpoint {
                Endpoint::Stripe => &["url", "enabled_events", "disabled"],
                Endpoint::TwilioVoice => &["Voice"],
                Endpoint::TwilioStatus => &["StatusCallback"],
                Endpoint::TwilioSms => &["Sms"],
                Endpoint::PlivoAnswer => &["answer_", "app_id"],
                Endpoint::PlivoHangup => &["hangup_", "app_id"],
                Endpoint::PlivoSms => &["message_", "app_id"],
            };
            endpoint.provider().name() == self.provider
                && self.differs().iter().any(|name| starts.iter().any(|start| name.starts_with(start)))
        };
        Endpoint::ALL.into_iter().filter(of).collect()
    }

    /// The change that would take this one back; none where the provider's API offers no way.
    pub(crate) fn undone(&self, created: Option<&str>) -> Option<Self> {
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

/// What was read at one account.
#[derive(Debug)]
pub(crate) struct Side {
    /// Its id; for Stripe `live` or `test`.
    pub(crate) account: String,
    pub(crate) plan: Result<Plan, Trouble>,
    /// What the provider's clock showed.
    pub(crate) date: Option<DateTime<Utc>>,
}

/// Compares these accounts of a provider with what is wanted. One that cannot be read hides no other.
pub(crate) async fn read(provider: Provider, api: &Api, accounts: &[String], wanted: &Wanted) -> Vec<Side> {
    let mut sides = Vec::new();
    for name in accounts {
        let (plan, date) = match Account::new(provider, api, name) {
            Ok(mut account) => (plan(&mut account, wanted).await, account.date),
            Err(trouble) => (Err(trouble), None),
        };
        sides.push(Side { account: name.clone(), plan, date });
    }
    sides
}

/// Compares an account with what is wanted.
///
/// # Errors
/// Why it could not be read.
async fn plan(account: &mut Account<'_>, wanted: &Wanted) -> Result<Plan, Trouble> {
    match account.provider {
        Provider::Stripe => stripe::plan(account, wanted).await,
        Provider::Twilio => twilio::plan(account, wanted).await,
        Provider::Plivo => plivo::plan(account, wanted).await,
    }
}

/// A thing as others may see it: a number by its last digits.
pub(crate) fn plain(what: &str) -> String {
    what.strip_prefix("number ")
        .map_or_else(|| what.to_owned(), |number| format!("number {}", masked(number)))
}

/// `+14155550142` as others may see it.
fn masked(number: &str) -> String {
    let last = number.len().saturating_sub(4);
    match number.get(last..) {
        Some(last) if number.len() > 6 => format!("…{last}"),
        _ => "…".to_owned(),
    }
}
