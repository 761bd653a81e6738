//! The checklist, from three sides: for each provider what is configured here and what is set in its own console, as far as
//! somebody has asked; and for each endpoint whether a genuine request was seen.

use axum::{extract::State as Extract, response::Response};
use chrono::{DateTime, TimeDelta, Utc};
use maud::{Markup, html};
use serde_json::json;

use super::{
    checks::{self, public},
    flash::Flash,
    icons,
    page::{self, Section, token},
    parts::{self, Tone, pill},
    probe,
    shared::{Checked, Checks, Found},
    tally::Tally,
    visitor::{Posted, Visitor, see_other},
    words,
};
use crate::{
    access::Scope,
    http::{error::Error, state::State},
    provider::{Endpoint, Provider, stripe::object::TYPES},
};

/// How far back a refusal makes an endpoint one that fails.
const RECENT: TimeDelta = TimeDelta::days(1);

/// The last refusal of each endpoint that somebody should mend.
const REFUSED_SQL: &str = "
SELECT endpoint, max(at) FROM rejections
WHERE at >= $1 AND code IN ('signature_mismatch', 'timestamp_out_of_tolerance', 'account_mismatch') GROUP BY 1";

/// The variables of a provider: name, and what it is needed for.
fn variables(provider: Provider) -> &'static [(&'static str, Need)] {
    match provider {
        Provider::Stripe => &[("STRIPE_WEBHOOK_SECRET", Need::Verify), ("STRIPE_API_KEY", Need::Reconcile)],
        Provider::Twilio => &[
            ("TWILIO_AUTH_TOKEN", Need::Verify),
            ("PUBLIC_URL", Need::Verify),
            ("TWILIO_ACCOUNT_SID", Need::Ask),
            ("TWILIO_APP_SID", Need::Optional),
        ],
        Provider::Plivo => &[
            ("PLIVO_AUTH_TOKEN", Need::Verify),
            ("PUBLIC_URL", Need::Verify),
            ("PLIVO_AUTH_ID", Need::Ask),
            ("PLIVO_APP_ID", Need::Optional),
        ],
    }
}

/// How much a variable matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    Verify,
    Ask,
    Reconcile,
    Optional,
}

impl Need {
    fn word(self) -> &'static str {
        match self {
            Self::Verify => "needed to verify",
            Self::Ask => "to refuse other accounts, and to ask the provider",
            Self::Reconcile => "to ask Stripe what no webhook brought",
            Self::Optional => "optional",
        }
    }
}

/// Where an endpoint's address goes in the provider's console.
fn place(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::Stripe => "Developers → Webhooks → Add endpoint → Endpoint URL",
        Endpoint::TwilioVoice => "Phone Numbers → the number → Voice → A call comes in",
        Endpoint::TwilioStatus => "Phone Numbers → the number → Voice → Call status changes",
        Endpoint::TwilioSms => "Phone Numbers → the number → Messaging → A message comes in",
        Endpoint::PlivoAnswer => "Voice → Applications → the application → Answer URL",
        Endpoint::PlivoHangup => "Voice → Applications → the application → Hangup URL",
        Endpoint::PlivoSms => "Voice → Applications → the application → Message URL",
    }
}

/// How an endpoint stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Its provider is not configured.
    Off,
    /// The provider's console does not lead here.
    Drifted,
    /// Signed requests were refused since the last that was taken.
    Failing(DateTime<Utc>),
    Working(DateTime<Utc>),
    Waiting,
}

impl Standing {
    fn tone(self) -> Tone {
        match self {
            Self::Off => Tone::Plain,
            Self::Drifted => Tone::Warn,
            Self::Failing(_) => Tone::Bad,
            Self::Working(_) => Tone::Good,
            Self::Waiting => Tone::Wait,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Off => "not used",
            Self::Drifted => "drifted",
            Self::Failing(_) => "failing",
            Self::Working(_) => "ok",
            Self::Waiting => "waiting",
        }
    }
}

/// Everything that the page shows.
struct Seen<'s> {
    state: &'s State,
    visitor: &'s Visitor,
    tally: Tally,
    refused: Vec<(String, DateTime<Utc>)>,
    checks: Checks,
}

impl<'s> Seen<'s> {
    async fn look(state: &'s State, visitor: &'s Visitor) -> sqlx::Result<Self> {
        let mut tally = state.console.tally.lock().await;
        tally.look(&state.db, visitor.now).await?;
        let tally = tally.clone();
        let refused = sqlx::query_as(REFUSED_SQL).bind(visitor.now - RECENT).fetch_all(&state.db).await?;
        let checks = state.console.checks.lock().await.clone();
        Ok(Self { state, visitor, tally, refused, checks })
    }

    fn is_able(&self, provider: Provider) -> bool {
        self.state.providers.missing(provider).is_empty()
    }

    fn check(&self, provider: Provider) -> Option<&Checked> {
        self.checks[provider as usize].as_ref()
    }

    fn standing(&self, endpoint: Endpoint) -> Standing {
        let provider = endpoint.provider();
        if !self.is_able(provider) {
            return Standing::Off;
        }
        if self.check(provider).is_some_and(|check| check.drifted.contains(&endpoint)) {
            return Standing::Drifted;
        }
        let refused = self.refused.iter().find(|(name, _)| name == endpoint.name()).map(|(_, at)| *at);
        match (self.tally.last(endpoint), refused) {
            (Some(last), Some(refused)) if refused > last => Standing::Failing(refused),
            (None, Some(refused)) => Standing::Failing(refused),
            (Some(last), _) => Standing::Working(last),
            (None, None) => Standing::Waiting,
        }
    }
}

/// `GET /console/setup`.
pub(super) async fn setup(Extract(state): Extract<State>, visitor: Visitor) -> Result<Response, Error> {
    visitor.needs(Scope::Read)?;
    let seen = Seen::look(&state, &visitor).await?;
    let able = Endpoint::ALL.into_iter().filter(|one| seen.is_able(one.provider())).count();
    let working =
        Endpoint::ALL.into_iter().filter(|one| matches!(seen.standing(*one), Standing::Working(_))).count();
    let body = html! {
        (parts::head("Setup", &html! { (able) " of 7 endpoints can verify, " (working) " have taken a request of their provider within two days." }, &html! {}))
        div.meter role="img" aria-label={ (working) " of 7 endpoints work" } {
            @for endpoint in Endpoint::ALL { span.on[matches!(seen.standing(endpoint), Standing::Working(_))].able[seen.is_able(endpoint.provider())] {} }
        }
        @for provider in Provider::ALL { (card(&seen, provider)) }
        p.hint { "The same on the command line: " code.command { "smartline guide" } " and " code.command { "smartline doctor" } ". To set the providers' consoles from here on: " code.command { "smartline setup --all" } (parts::copy("smartline setup --all", "Copy the command")) }
    };
    Ok(page::page(&visitor, Section::Setup, "Setup", &body))
}

fn card(seen: &Seen<'_>, provider: Provider) -> Markup {
    html! {
        section.card.provider-card aria-labelledby=(provider.name()) {
            div.card-head {
                h2 id=(provider.name()) { (parts::provider(provider.name())) }
                @if seen.is_able(provider) { (pill(Tone::Good, "Able to verify")) } @else { (pill(Tone::Warn, "Not configured")) }
            }
            div.three {
                div { h3 { "Configured here" } (configured(seen, provider)) }
                div { h3 { "Set at " (parts::capital(provider.name())) } (there(seen, provider)) }
                div { h3 { "Seen working" } (working(seen, provider)) }
            }
        }
    }
}

fn configured(seen: &Seen<'_>, provider: Provider) -> Markup {
    let is_set = |variable: &str| {
        seen.state.console.set.contains(&variable)
            || (variable == "PUBLIC_URL" && !seen.state.origins.is_empty())
    };
    html! {
        ul.checks {
            @for (variable, need) in variables(provider) {
                @let tone = match (is_set(variable), need) { (true, _) => Tone::Good, (false, Need::Verify) => Tone::Bad, (false, _) => Tone::Plain };
                li {
                    span class={ "dot " (tone.class()) } { (tone.icon()) }
                    div { code { (variable) } " " @if is_set(variable) { "set" } @else { "missing" } p.hint { (need.word()) } }
                }
            }
        }
        @if seen.visitor.dev { p.hint { "Development has throw-away secrets of its own." } }
    }
}

fn endpoints(provider: Provider) -> impl Iterator<Item = Endpoint> {
    Endpoint::ALL.into_iter().filter(move |endpoint| endpoint.provider() == provider)
}

/// Our addresses, where each goes, and what was found there.
fn there(seen: &Seen<'_>, provider: Provider) -> Markup {
    let origin = seen.state.origins.first().map_or("https://your.host", String::as_str);
    let check = seen.check(provider);
    html! {
        ul.checks {
            @for endpoint in endpoints(provider) {
                @let url = format!("{origin}{}", endpoint.path());
                @let tone = match check { None => Tone::Plain, Some(check) if check.drifted.contains(&endpoint) => Tone::Warn, Some(_) => Tone::Good };
                li {
                    span class={ "dot " (tone.class()) } { @if tone == Tone::Plain { (icons::arrow()) } @else { (tone.icon()) } }
                    div { span.id { code { (url) } (parts::copy(&url, "Copy the address")) } p.hint { (place(endpoint)) } }
                }
            }
        }
        @if provider == Provider::Stripe { p.hint { "Events: " (TYPES.join(", ")) "." } }
        (found(seen, provider))
    }
}

fn tone_of(found: Found) -> Tone {
    match found {
        Found::Fine => Tone::Good,
        Found::Differs => Tone::Warn,
        Found::Unknown => Tone::Bad,
    }
}

/// What was found when somebody last asked, and the button that asks.
fn found(seen: &Seen<'_>, provider: Provider) -> Markup {
    let name = parts::capital(provider.name());
    let missing = seen.state.console.apis.missing(provider);
    html! {
        @if let Some(check) = seen.check(provider) {
            p.hint { "Asked " (parts::when(seen.visitor, check.at)) ":" }
            ul.checks.tight { @for (found, text) in &check.found { @let tone = tone_of(*found); li { span class={ "dot " (tone.class()) } { (tone.icon()) } div { (text) } } } }
            @if !check.drifted.is_empty() {
                @let command = format!("smartline setup {}", provider.name());
                p.hint { "To mend it: " code.command { (command) } (parts::copy(&command, "Copy the command")) }
            }
        }
        @if !missing.is_empty() { p.hint { "To ask " (name) " what is set there: " code { (missing.join(" and ")) } " is missing." } }
        @else if public(seen.state).is_none() { p.hint { "Nobody outside can call this machine, so there is nothing to compare." } }
        @else if seen.visitor.may(Scope::LinesWrite) {
            form method="post" action="/console/setup/check" data-once { (token(seen.visitor)) input type="hidden" name="provider" value=(provider.name()); button type="submit" { (icons::search()) "Ask " (name) } }
        }
    }
}

fn working(seen: &Seen<'_>, provider: Provider) -> Markup {
    html! {
        ul.checks {
            @for endpoint in endpoints(provider) {
                @let standing = seen.standing(endpoint);
                li {
                    span class={ "dot " (standing.tone().class()) } { (standing.tone().icon()) }
                    div {
                        (words::endpoint(endpoint)) " " small { (standing.word()) }
                        p.hint {
                            @match standing {
                                Standing::Off => "Answers 503 until it is configured.",
                                Standing::Drifted => { "What is set at the provider leads elsewhere." },
                                Standing::Failing(at) => { a href={ "/console/refused?endpoint=" (endpoint.name().replace('/', "%2F")) } { "Refused" } " " (parts::when(seen.visitor, at)) },
                                Standing::Working(at) => { (parts::when(seen.visitor, at)) },
                                Standing::Waiting => "Nothing within two days.",
                            }
                        }
                    }
                    @if seen.visitor.may(Scope::LinesWrite) && standing != Standing::Off {
                        form.aside method="post" action="/console/setup/probe" data-once {
                            (token(seen.visitor)) input type="hidden" name="endpoint" value=(endpoint.name());
                            button type="submit" title="Sends a signed request of our own to it, labelled simulated." aria-label={ "Probe " (words::endpoint(endpoint)) } { "Probe" }
                        }
                    }
                }
            }
        }
    }
}

/// `POST /console/setup/check`: asks a provider what is set there.
pub(super) async fn check(Extract(state): Extract<State>, posted: Posted) -> Result<Response, Error> {
    let Posted { visitor, params } = posted;
    visitor.needs(Scope::LinesWrite)?;
    let wanted = params.get("provider").unwrap_or_default();
    let provider = Provider::ALL.into_iter().find(|provider| provider.name() == wanted);
    let unable = || Error::Parameter("provider".to_owned(), "it cannot be asked".to_owned());
    let provider = provider.ok_or_else(unable)?;
    let checked = checks::look(&state, provider, visitor.now).await.ok_or_else(unable)?;
    visitor
        .audit(&state.db, "setup.check", provider.name(), json!({ "drifted": checked.drifted.len() }))
        .await?;
    Ok(Flash::Checked.on(visitor.way, see_other(&format!("/console/setup#{}", provider.name()))))
}

/// `POST /console/setup/probe`: sends a signed request of our own to an endpoint.
pub(super) async fn probe(Extract(state): Extract<State>, posted: Posted) -> Result<Response, Error> {
    let Posted { visitor, params } = posted;
    visitor.needs(Scope::LinesWrite)?;
    let wanted = params.get("endpoint").unwrap_or_default();
    let endpoint = Endpoint::ALL.into_iter().find(|endpoint| endpoint.name() == wanted);
    let refused = || Error::Parameter("endpoint".to_owned(), "it cannot be probed".to_owned());
    let endpoint = endpoint.ok_or_else(refused)?;
    let status = probe::send(&state, endpoint, visitor.now).await.ok_or_else(refused)?.as_u16();
    visitor.audit(&state.db, "setup.probe", endpoint.name(), json!({ "status": status })).await?;
    let back = see_other(&format!("/console/setup#{}", endpoint.provider().name()));
    Ok(Flash::Probed(status.into()).on(visitor.way, back))
}
