//! The checklist: for each provider what is configured here, and for each endpoint whether a genuine request was seen.

use axum::{extract::State as Extract, response::Response};
use maud::{Markup, html};

use super::{
    icons,
    page::{self, Section},
    parts::{self, Tone, pill},
    tally::Tally,
    visitor::Visitor,
    words,
};
use crate::{
    access::Scope,
    http::{error::Error, state::State},
    provider::{Endpoint, Provider},
};

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

/// `GET /console/setup`.
pub(super) async fn setup(Extract(state): Extract<State>, visitor: Visitor) -> Result<Response, Error> {
    visitor.needs(Scope::Read)?;
    let mut tally = state.console.tally.lock().await;
    tally.look(&state.db, visitor.now).await?;
    let tally = tally.clone();
    let seen = Endpoint::ALL.into_iter().filter(|endpoint| tally.last(*endpoint).is_some()).count();
    let able = Endpoint::ALL
        .into_iter()
        .filter(|endpoint| state.providers.missing(endpoint.provider()).is_empty())
        .count();
    let body = html! {
        (parts::head("Setup", &html! { (able) " of 7 endpoints can verify, " (seen) " have seen a request within two days." }, &html! {}))
        div.meter role="img" aria-label={ (seen) " of 7 endpoints have seen a request" } {
            @for endpoint in Endpoint::ALL { span.on[tally.last(endpoint).is_some()].able[state.providers.missing(endpoint.provider()).is_empty()] {} }
        }
        @for provider in Provider::ALL { (card(&state, &visitor, &tally, provider)) }
    };
    Ok(page::page(&visitor, Section::Setup, "Setup", &body))
}

fn card(state: &State, visitor: &Visitor, tally: &Tally, provider: Provider) -> Markup {
    let missing = state.providers.missing(provider);
    let endpoints: Vec<Endpoint> =
        Endpoint::ALL.into_iter().filter(|endpoint| endpoint.provider() == provider).collect();
    let origin = state.origins.first().map_or("https://your.host", String::as_str);
    let name = parts::capital(provider.name());
    html! {
        section.card.provider-card aria-labelledby=(provider.name()) {
            div.card-head {
                h2 id=(provider.name()) { (parts::provider(provider.name())) }
                @if missing.is_empty() { (pill(Tone::Good, "Able to verify")) } @else { (pill(Tone::Warn, "Not configured")) }
            }
            div.three {
                div {
                    h3 { "Configured here" }
                    ul.checks {
                        @for (variable, need) in variables(provider) {
                            @let is_set = state.console.set.contains(variable) || (*variable == "PUBLIC_URL" && !state.origins.is_empty());
                            @let tone = match (is_set, need) { (true, _) => Tone::Good, (false, Need::Verify) => Tone::Bad, (false, _) => Tone::Plain };
                            li {
                                span class={ "dot " (tone.class()) } { (tone.icon()) }
                                div { code { (variable) } " " @if is_set { "set" } @else { "missing" } p.hint { (need.word()) } }
                            }
                        }
                    }
                    @if visitor.dev { p.hint { "Development has throw-away secrets of its own." } }
                }
                div {
                    h3 { "At " (name) }
                    ul.checks {
                        @for endpoint in &endpoints {
                            @let url = format!("{origin}{}", endpoint.path());
                            li {
                                span.dot.quiet { (icons::arrow()) }
                                div { span.id { code { (url) } (parts::copy(&url, "Copy the address")) } p.hint { (place(*endpoint)) } }
                            }
                        }
                    }
                    @if provider == Provider::Stripe { p.hint { "Events: checkout.session.completed, customer.subscription.created, .updated and .deleted, invoice.payment_succeeded and .payment_failed." } }
                    p.hint { "Whether it is set there cannot be seen from here; a verified request shows it." }
                }
                div {
                    h3 { "Seen working" }
                    ul.checks {
                        @for endpoint in &endpoints {
                            @let last = tally.last(*endpoint);
                            @let tone = match (last, missing.is_empty()) { (Some(_), _) => Tone::Good, (None, true) => Tone::Wait, (None, false) => Tone::Plain };
                            li {
                                span class={ "dot " (tone.class()) } { (tone.icon()) }
                                div {
                                    (words::endpoint(*endpoint))
                                    p.hint { @if let Some(at) = last { (parts::when(visitor, at)) } @else if missing.is_empty() { "waiting: nothing within two days" } @else { "answers 503 until it is configured" } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
