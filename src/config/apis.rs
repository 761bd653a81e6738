//! What is needed to ask the providers' APIs what they know.

use secrecy::SecretString;

use super::{
    Environment, Faults,
    checks::{self, Reader},
};
use crate::provider::Provider;

/// Where the APIs are, and what opens them.
#[derive(Debug, Default)]
pub(crate) struct Apis {
    stripe: Api,
    twilio: Api,
    plivo: Api,
}

/// One provider's API.
#[derive(Debug, Default)]
pub(crate) struct Api {
    /// `https://host[:port]`, without a path.
    pub(crate) base: String,
    /// The accounts that are asked about; for Stripe the key's mode, `live` or `test`.
    pub(crate) accounts: Vec<String>,
    /// Any of them may be an account's.
    pub(crate) secrets: Vec<SecretString>,
    /// The app that numbers are pointed at, where one is configured.
    pub(crate) app: Option<String>,
}

impl Apis {
    /// Reads what only a command that asks the APIs needs.
    ///
    /// # Errors
    /// Every fault of the variables that it looks at.
    pub(crate) fn read(environment: &Environment) -> Result<Self, Faults> {
        let mut reader = Reader::new(environment);
        reader.providers(true); // checks the accounts and tokens that are shared with the webhooks
        let apis = reader.apis();
        reader.finish()?;
        Ok(apis)
    }

    /// One of them.
    pub(crate) fn of(&self, provider: Provider) -> &Api {
        match provider {
            Provider::Stripe => &self.stripe,
            Provider::Twilio => &self.twilio,
            Provider::Plivo => &self.plivo,
        }
    }

    /// The variables that a provider's API would need and that are not set; none where it can be asked.
    pub(crate) fn missing(&self, provider: Provider) -> Vec<&'static str> {
        let (account, secret) = match provider {
            Provider::Stripe => (None, "STRIPE_API_KEY"),
            Provider::Twilio => (Some("TWILIO_ACCOUNT_SID"), "TWILIO_AUTH_TOKEN"),
            Provider::Plivo => (Some("PLIVO_AUTH_ID"), "PLIVO_AUTH_TOKEN"),
        };
        let api = self.of(provider);
        let account = account.filter(|_| api.accounts.is_empty());
        account.into_iter().chain(api.secrets.is_empty().then_some(secret)).collect()
    }
}

impl Reader<'_> {
    /// The APIs. The form of what webhooks need as well is not looked at again: see [`Reader::providers`].
    pub(super) fn apis(&mut self) -> Apis {
        let (accounts, secrets) = self.stripe_key();
        let stripe = Api {
            base: self.base("STRIPE_API_BASE", "https://api.stripe.com"),
            accounts,
            secrets,
            app: None,
        };
        let twilio = Api {
            base: self.base("TWILIO_API_BASE", "https://api.twilio.com"),
            accounts: self.items_of("TWILIO_ACCOUNT_SID"),
            secrets: checks::secrets(self.items_of("TWILIO_AUTH_TOKEN")),
            app: self.items_of("TWILIO_APP_SID").into_iter().next(),
        };
        let plivo = Api {
            base: self.base("PLIVO_API_BASE", "https://api.plivo.com"),
            accounts: self.items_of("PLIVO_AUTH_ID"),
            secrets: checks::secrets(self.items_of("PLIVO_AUTH_TOKEN")),
            app: self.items_of("PLIVO_APP_ID").into_iter().next(),
        };
        Apis { stripe, twilio, plivo }
    }

    /// Whether the providers are asked now and then.
    pub(super) fn reconcile(&mut self) -> bool {
        const NAME: &str = "SMARTLINE_RECONCILE";
        match self.environment.get(NAME) {
            None | Some("off") => false,
            Some("on") => true,
            Some(_) => {
                self.fault(NAME, "is neither on nor off", "write on or off");
                false
            }
        }
    }

    fn stripe_key(&mut self) -> (Vec<String>, Vec<SecretString>) {
        const NAME: &str = "STRIPE_API_KEY";
        let Some(key) = self.environment.get(NAME) else { return Default::default() };
        match checks::printable(key).and_then(|()| mode(key)) {
            Ok(mode) => (vec![mode.to_owned()], vec![key.into()]),
            Err(problem) => {
                let fix = "make a restricted key that may read events: Stripe Dashboard, Developers, API keys (it \
                           starts with rk_live_ or rk_test_)";
                self.fault(NAME, problem, fix);
                Default::default()
            }
        }
    }

    fn base(&mut self, name: &'static str, default: &str) -> String {
        match self.environment.get(name).map(checks::origin) {
            None => default.to_owned(),
            Some(Ok(base)) => base,
            Some(Err(problem)) => {
                self.fault(name, problem, "write it as https://api.example.com, or leave it unset");
                default.to_owned()
            }
        }
    }

    fn items_of(&self, name: &str) -> Vec<String> {
        checks::items(self.environment.get(name).unwrap_or_default()).map(str::to_owned).collect()
    }
}

/// Whether a key sees real money. Keys of an organisation ask for more than a key.
fn mode(key: &str) -> Result<&'static str, &'static str> {
    let kind = key.strip_prefix("rk_").or_else(|| key.strip_prefix("sk_"));
    match kind {
        Some(kind) if kind.starts_with("live_") => Ok("live"),
        Some(kind) if kind.starts_with("test_") => Ok("test"),
        _ if key.starts_with("whsec_") => Err("is a signing secret, no API key"),
        _ if key.starts_with("pk_") => Err("is a publishable key, which may not read events"),
        _ => Err("is no API key of one account: those start with sk_ or rk_ and say live or test"),
    }
}
