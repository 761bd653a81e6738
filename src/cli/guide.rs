//! `smartline guide`: the configuration guide for this very service, with its URLs, its numbers, and what is done already.

use std::{fmt::Write as _, path::Path};

use super::{
    database,
    error::{Error, note, print},
    setup,
};
use crate::{
    config::{Apis, Environment},
    consoles::{self, Plan, Side, Wanted},
    domain::clock::Clock,
    inbox::overview,
    lines::NO_EMERGENCY,
    provider::{Endpoint, Provider, explain::secret_variable, stripe::object::TYPES},
};

/// Print the configuration guide of this service in Markdown
///
/// It has the service's own URLs and numbers. A tick says that it was seen: a variable is set, a
/// provider's console is set, a signed request came. What cannot be asked stays without.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    before_help = "\
Examples:
  smartline guide > SETUP.md
  smartline guide --offline --url https://line.example.com"
)]
pub(super) struct Args {
    /// The service's public origin [default: `PUBLIC_URL`]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Ask neither the providers nor the database
    #[arg(long)]
    offline: bool,
}

/// What is known of one provider's console.
struct Console {
    account: String,
    plan: Plan,
}

/// Everything that the text is made of.
struct Known<'e> {
    environment: &'e Environment,
    origin: String,
    /// By provider.
    consoles: Vec<(Provider, Console)>,
    /// Endpoints to which a signed request came lately; none where the database was not asked.
    seen: Option<Vec<Endpoint>>,
}

/// Asks whoever can be asked, and prints.
///
/// # Errors
/// Only without a public address.
pub(super) async fn run(args: Args, clock: &dyn Clock) -> Result<(), Error> {
    let environment = Environment::of_process().and_file(Path::new(".env")).map_err(Error::because)?;
    let origin = match setup::origin(args.url.as_deref(), &environment) {
        Ok(origin) => origin,
        Err(error) if args.url.is_some() => return Err(error),
        Err(_) => {
            note(
                "note: PUBLIC_URL is not set to a public address, so https://line.example.com stands for it",
            );
            "https://line.example.com".to_owned()
        }
    };
    let mut known = Known { environment: &environment, origin, consoles: Vec::new(), seen: None };
    if !args.offline {
        known.consoles = consoles(&environment, &known.origin).await;
        known.seen = seen(clock).await;
    }
    print(known.text().trim_end())
}

async fn consoles(environment: &Environment, origin: &str) -> Vec<(Provider, Console)> {
    let Ok(apis) = Apis::read(environment) else { return Vec::new() };
    let mut all = Vec::new();
    for provider in Provider::ALL.into_iter().filter(|provider| apis.missing(*provider).is_empty()) {
        let api = apis.of(provider);
        for Side { account, plan, .. } in
            consoles::read(provider, api, &api.accounts, &Wanted::all(api, origin)).await
        {
            match plan {
                Ok(plan) => all.push((provider, Console { account, plan })),
                Err(trouble) => note(&format!("note: {} {account}: {trouble}", provider.name())),
            }
        }
    }
    all
}

async fn seen(clock: &dyn Clock) -> Option<Vec<Endpoint>> {
    let mut db = database::connect().await.map_err(|error| note(&format!("note: {error}"))).ok()?;
    let mut seen = Vec::new();
    for endpoint in Endpoint::ALL {
        if overview::last_verified(&mut db, endpoint, clock.now()).await.ok()?.is_some() {
            seen.push(endpoint);
        }
    }
    Some(seen)
}

fn tick(done: bool) -> &'static str {
    if done { "[x]" } else { "[ ]" }
}

impl Known<'_> {
    fn url(&self, endpoint: Endpoint) -> String {
        format!("{}{}", self.origin, endpoint.path())
    }

    fn is_set(&self, name: &str) -> bool {
        self.environment.get(name).is_some()
    }

    fn text(&self) -> String {
        let mut text = format!(
            "# Webhooks of SmartLine at {}\n\nA tick says that it was seen by `smartline guide`. `smartline setup --all` does sections 1 to 3 by itself.\n\n{}\n",
            self.origin, NO_EMERGENCY
        );
        self.stripe(&mut text);
        self.twilio(&mut text);
        self.plivo(&mut text);
        self.testing(&mut text);
        self.variables(&mut text);
        Self::monitoring(&mut text);
        text
    }

    /// What the provider's console was found to hold.
    fn found(&self, text: &mut String, wanted: Provider) {
        for (_, Console { account, plan }) in self.consoles.iter().filter(|(provider, _)| *provider == wanted)
        {
            let _ = writeln!(text, "\nFound at {} {account}:\n", wanted.name());
            for fine in &plan.fine {
                let _ = writeln!(text, "- [x] {fine}");
            }
            for step in &plan.steps {
                let fields: Vec<&str> = step.fields.iter().map(|field| field.name.as_str()).collect();
                let _ = writeln!(text, "- [ ] {}: to be set are {}", step.what, fields.join(", "));
            }
            for remark in &plan.remarks {
                let _ = writeln!(text, "- {} ({})", remark.text, remark.code);
            }
        }
    }

    fn stripe(&self, text: &mut String) {
        let events: Vec<String> = TYPES.iter().map(|kind| format!("   - `{kind}`")).collect();
        let _ = write!(
            text,
            "\n## 1. Stripe\n\n1. Stripe Dashboard, **Developers**, **Webhooks**, **Add endpoint**\n2. Endpoint URL: `{}`\n3. Events to \
             send:\n{}\n4. Copy the signing secret (`whsec_…`) into `STRIPE_WEBHOOK_SECRET`\n",
            self.url(Endpoint::Stripe),
            events.join("\n"),
        );
        self.found(text, Provider::Stripe);
    }

    fn twilio(&self, text: &mut String) {
        let _ = write!(
            text,
            "\n## 2. Twilio\n\nTwilio Console, **Phone Numbers**, **Manage**, **Active Numbers**, each number; the method is POST \
             everywhere:\n\n| field | URL |\n|---|---|\n| A call comes in, and its fallback | `{0}` |\n| Call status changes | `{1}` \
             |\n| A message comes in | `{2}` |\n\nA TwiML app, if you use one (**Voice**, **TwiML Apps**), gets the same voice and SMS \
             URLs; its own stand in for those of the number.\n",
            self.url(Endpoint::TwilioVoice),
            self.url(Endpoint::TwilioStatus),
            self.url(Endpoint::TwilioSms),
        );
        self.found(text, Provider::Twilio);
    }

    fn plivo(&self, text: &mut String) {
        let _ = write!(
            text,
            "\n## 3. Plivo\n\nPlivo Console, **Voice**, **Applications**, the application; the method is POST \
             everywhere:\n\n| field | URL |\n|---|---|\n| Answer URL, and its fallback | `{0}` |\n| Hangup URL | `{1}` |\n| Message URL | \
             `{2}` |\n\nThen **Phone Numbers**, **Your Numbers**, each number: choose that application.\n",
            self.url(Endpoint::PlivoAnswer),
            self.url(Endpoint::PlivoHangup),
            self.url(Endpoint::PlivoSms),
        );
        self.found(text, Provider::Plivo);
    }

    fn testing(&self, text: &mut String) {
        let origin = &self.origin;
        let _ = write!(
            text,
            "\n## 4. Testing\n\n```text\nsmartline smoke {origin}\nsmartline sign twilio voice --url {origin} -d From=+14155550142 -d \
             CallSid=CA1 --curl | sh\nstripe listen --forward-to {}\n```\n\nAdd the secret that `stripe listen` prints to \
             `STRIPE_WEBHOOK_SECRET`, with a comma between. A signed request came lately to:\n\n",
            self.url(Endpoint::Stripe),
        );
        for endpoint in Endpoint::ALL {
            let seen = self.seen.as_ref().is_some_and(|seen| seen.contains(&endpoint));
            let _ = writeln!(text, "- {} `{}`", tick(seen), endpoint.path());
        }
        if self.seen.is_none() {
            text.push_str("\nThe database was not asked, so nothing is ticked here.\n");
        }
    }

    fn variables(&self, text: &mut String) {
        text.push_str("\n## 5. Variables\n\nNeeded to verify:\n\n");
        let mut list = |names: &[&str], title: &str| {
            text.push_str(title);
            for name in names {
                let _ = writeln!(text, "- {} `{name}`", tick(self.is_set(name)));
            }
        };
        let secrets = Provider::ALL.map(secret_variable);
        list(&[&["DATABASE_URL", "PUBLIC_URL"], &secrets[..]].concat(), "");
        list(
            &["TWILIO_ACCOUNT_SID", "PLIVO_AUTH_ID", "STRIPE_API_KEY"],
            "\nNeeded for setup, doctor and reconcile:\n\n",
        );
        list(&["SMARTLINE_API_KEY", "TWILIO_APP_SID", "PLIVO_APP_ID"], "\nIf you use them:\n\n");
    }

    fn monitoring(text: &mut String) {
        let _ = write!(
            text,
            "\n## 6. When something does not work\n\n| what | then |\n|---|---|\n| a 401 in the provider's log | `smartline explain \
             req_…`, with the `request_id` of the answer |\n| a 404 | the answer names the nearest path |\n| a 503 `config_missing` | the \
             provider's secret is not set, see section 5 |\n| anything else | `smartline doctor`, `smartline status`, and the log by the \
             request's id |\n\nProviders' own logs: Stripe Dashboard, Developers, Webhooks, the endpoint; Twilio Console, Monitor, Logs; Plivo \
             Console, Logs.\n"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_url_and_every_tick() {
        let environment: Environment =
            [("PLIVO_AUTH_TOKEN", "hunter2"), ("PUBLIC_URL", "https://line.example.com")].into();
        let known = Known {
            environment: &environment,
            origin: "https://line.example.com".to_owned(),
            consoles: Vec::new(),
            seen: Some(vec![Endpoint::PlivoSms]),
        };
        let text = known.text();
        for endpoint in Endpoint::ALL {
            assert!(text.contains(&format!("`https://line.example.com{}`", endpoint.path())), "{endpoint}");
        }
        for words in [
            "- [x] `PLIVO_AUTH_TOKEN`",
            "- [ ] `TWILIO_AUTH_TOKEN`",
            "- [x] `/webhooks/plivo/sms`",
            "- [ ] `/webhooks/stripe`",
            "   - `invoice.payment_failed`",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert!(!text.contains("hunter2"));
    }
}
