//! The environment: every variable by its own check.

use super::Report;
use crate::{
    cli::{near, target::is_local},
    config::{Apis, Config, Environment, table::VARIABLES},
    provider::Provider,
};

const GROUP: &str = "environment";

/// Looks at every variable of the table.
pub(super) fn look(report: &mut Report, environment: &Environment) {
    let faults = Config::read(environment).err().map(|faults| faults.0).unwrap_or_default();
    for variable in VARIABLES {
        let mut own = faults.iter().filter(|fault| fault.variable == variable.name).peekable();
        match (own.peek().is_some(), environment.get(variable.name)) {
            (true, value) => {
                for fault in own {
                    let code = if value.is_none() { "E101" } else { "E102" };
                    report.found(code, fault.variable, &fault.problem, Some(fault.fix));
                }
            }
            (false, Some(value)) => {
                let shown = if shows(variable.name) { value } else { "set" };
                report.fine(GROUP, variable.name, shown);
            }
            (false, None) => {}
        }
    }
    for fault in
        faults.iter().filter(|fault| VARIABLES.iter().all(|variable| variable.name != fault.variable))
    {
        report.found("E102", fault.variable, &fault.problem, Some(fault.fix));
    }
    public_url(report, environment);
    for provider in Provider::ALL {
        lacking(report, environment, provider);
    }
    if environment.get("SMARTLINE_API_KEY").is_none() {
        report.found("W105", "SMARTLINE_API_KEY", "is not set", None);
    }
    unknown(report, environment);
}

/// Whether a value may be shown: it is no secret and names nobody.
fn shows(name: &str) -> bool {
    matches!(
        name,
        "PUBLIC_URL"
            | "HOST"
            | "PORT"
            | "SMARTLINE_TRUSTED_PROXY_HOPS"
            | "SMARTLINE_SPOOL_DIR"
            | "SMARTLINE_RETENTION_DAYS"
            | "SMARTLINE_RECONCILE"
            | "SMARTLINE_LOG"
    )
}

fn public_url(report: &mut Report, environment: &Environment) {
    let (name, value) = match environment.get("PUBLIC_URL") {
        Some(value) => ("PUBLIC_URL", Some(value)),
        None => ("RENDER_EXTERNAL_URL", environment.get("RENDER_EXTERNAL_URL")),
    };
    let Some(value) = value else { return };
    if name != "PUBLIC_URL" {
        report.fine(GROUP, "PUBLIC_URL", &format!("{value} (from {name})"));
    }
    if value.split(',').all(|url| is_local(url.trim())) {
        report.found("W107", name, value, None);
    }
}

/// What a provider's webhooks need, and what its API needs.
fn lacking(report: &mut Report, environment: &Environment, provider: Provider) {
    let has = |name: &str| environment.get(name).is_some();
    let secret = crate::provider::explain::secret_variable(provider);
    let mut missing = Vec::new();
    if !has(secret) {
        missing.push(secret);
    }
    if provider != Provider::Stripe && !has("PUBLIC_URL") && !has("RENDER_EXTERNAL_URL") {
        missing.push("PUBLIC_URL");
    }
    if !missing.is_empty() {
        report.found("W103", provider.name(), &format!("lacks {}", missing.join(" and ")), None);
    }
    let Ok(apis) = Apis::read(environment) else { return };
    for name in apis.missing(provider).into_iter().filter(|name| *name != secret) {
        report.found("N104", name, "is not set", None);
    }
}

/// Variables of our kind that are none of the table's, such as misspelt ones.
fn unknown(report: &mut Report, environment: &Environment) {
    let known: Vec<String> = VARIABLES.iter().map(|variable| variable.name.to_owned()).collect();
    let ours = ["SMARTLINE_", "STRIPE_", "TWILIO_", "PLIVO_"];
    let mut names: Vec<&str> =
        environment.names().filter(|name| ours.iter().any(|begin| name.starts_with(begin))).collect();
    names.sort_unstable();
    for name in names.into_iter().filter(|name| known.iter().all(|known| known != name)) {
        let near = near::nearest(name, &known, 1).first().copied().unwrap_or_default().to_owned();
        report.found("W106", name, &format!("is read by nobody; near it is {near}"), None);
    }
}
