//! What the providers have in their own consoles, as far as it was asked: by a press on the checklist, and hourly where the
//! providers are asked for other things as well. The checklist and the overview tell of it.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{
    parts::capital,
    shared::{Checked, Found},
};
use crate::{
    consoles::{self, Act, Side, Wanted, plain},
    http::state::State,
    provider::{Endpoint, Provider},
};

/// Longest time for asking a provider, whatever it has.
const PATIENCE: Duration = Duration::from_secs(10);

/// The origin that providers can call.
pub(super) fn public(state: &State) -> Option<&str> {
    state.origins.first().map(String::as_str).filter(|origin| origin.starts_with("https://"))
}

/// Asks every provider that can be asked.
#[tracing::instrument(name = "console.compare", skip_all)]
pub(crate) async fn look_at_all(state: &State) {
    for provider in Provider::ALL {
        let checked = look(state, provider, state.clock.now()).await;
        if let Some(Checked { drifted, .. }) = checked.filter(|checked| !checked.drifted.is_empty()) {
            let endpoints: Vec<_> = drifted.iter().map(|endpoint| endpoint.name()).collect();
            tracing::warn!(
                provider.name = provider.name(),
                endpoints = endpoints.join(" "),
                "the provider's console leads elsewhere: smartline doctor says where"
            );
        }
    }
}

/// Asks a provider what is set there, and remembers it. None where it cannot be asked: its keys are not set, or nobody
/// outside can call this service.
pub(super) async fn look(state: &State, provider: Provider, now: DateTime<Utc>) -> Option<Checked> {
    if !state.console.apis.missing(provider).is_empty() {
        return None;
    }
    let asked = tokio::time::timeout(PATIENCE, ask(state, provider, public(state)?)).await;
    let (drifted, found) = asked.unwrap_or_else(|_| {
        (Vec::new(), vec![(Found::Unknown, format!("No whole answer within {} s.", PATIENCE.as_secs()))])
    });
    let checked = Checked { at: now, drifted, found };
    state.console.checks.lock().await[provider as usize] = Some(checked.clone());
    Some(checked)
}

/// What every account of a provider has that is not as it should be, and what is.
async fn ask(state: &State, provider: Provider, origin: &str) -> (Vec<Endpoint>, Vec<(Found, String)>) {
    let api = state.console.apis.of(provider);
    let (mut drifted, mut found) = (Vec::new(), Vec::new());
    for Side { account, plan, .. } in
        consoles::read(provider, api, &api.accounts, &Wanted::all(api, origin)).await
    {
        let plan = match plan {
            Ok(plan) => plan,
            Err(trouble) => {
                found.push((Found::Unknown, format!("{account}: {trouble}.")));
                continue;
            }
        };
        for step in plan.steps.iter().filter(|step| !step.differs().is_empty()) {
            let asked = step.endpoints().into_iter();
            drifted.extend(asked.filter(|endpoint| !drifted.contains(endpoint)).collect::<Vec<_>>());
            let what = plain(&step.what);
            found.push(match step.act {
                Act::Create => (Found::Differs, format!("There is no {what}.")),
                _ => {
                    (Found::Differs, format!("{} differs in {}.", capital(&what), step.differs().join(", ")))
                }
            });
        }
        found.extend(plan.remarks.into_iter().map(|remark| (Found::Differs, format!("{}.", remark.text))));
        found.extend(
            plan.fine
                .iter()
                .map(|fine| (Found::Fine, format!("{} is as it should be.", capital(&plain(fine))))),
        );
    }
    (drifted, found)
}
