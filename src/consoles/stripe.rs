//! Stripe's webhook endpoints.
//!
//! Source: Stripe API reference, "Webhook Endpoints": the secret is shown once, when an endpoint is made; its API
//! version cannot be changed later.

use serde_json::Value;

use super::{Account, Act, Plan, Step, Trouble, Wanted, account::text, differing};
use crate::{
    provider::{Endpoint, stripe::object::TYPES},
    samples::API_VERSION,
};

/// Where endpoints are.
pub(crate) const PATH: &str = "/v1/webhook_endpoints";

/// Compares the endpoints with the one that is wanted.
///
/// # Errors
/// Why they could not be read.
pub(super) async fn plan(account: &mut Account<'_>, wanted: &Wanted) -> Result<Plan, Trouble> {
    let rows = account.all(&format!("{PATH}?limit=100"), "data").await?;
    let mut plan = Plan::default();
    let url = wanted.url(Endpoint::Stripe);
    let ours: Vec<&Value> = rows
        .iter()
        .filter(|row| text(row, "url").is_some_and(|at| at.trim_end_matches('/') == url))
        .collect();
    if ours.len() > 1 {
        plan.remark(
            "W222",
            format!(
                "{} endpoints have the URL {url}: each delivers every event, signed with a secret of its own",
                ours.len()
            ),
        );
    }
    for near in rows
        .iter()
        .filter_map(|row| text(row, "url"))
        .filter(|at| *at != url && at.starts_with(&wanted.origin))
    {
        if near.trim_end_matches('/') != url {
            plan.remark("W223", format!("an endpoint calls {near}, which is none of this service's paths"));
        }
    }
    let step = |act, path: String, code: &str, what: String, fields| Step {
        provider: "stripe".to_owned(),
        account: account.name.to_owned(),
        what,
        code: code.to_owned(),
        act,
        path,
        fields,
    };
    let mut events = TYPES.map(str::to_owned).to_vec();
    events.sort();
    let Some(row) = ours.first() else {
        let fields = [
            ("url", url.as_str()),
            ("enabled_events[]", &events.join(",")),
            ("api_version", API_VERSION),
            ("description", "SmartLine"),
        ];
        let fields = fields.into_iter().filter_map(|(name, value)| differing(name, None, value)).collect();
        plan.steps.push(step(Act::Create, PATH.to_owned(), "E220", format!("endpoint {url}"), fields));
        return Ok(plan);
    };
    let id = text(row, "id").unwrap_or_default();
    let mut present: Vec<&str> =
        row["enabled_events"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    present.sort_unstable();
    let mut fields =
        Vec::from_iter(differing("enabled_events[]", Some(&present.join(",")), &events.join(",")));
    let mut code = "W221";
    if text(row, "status") == Some("disabled") {
        fields.extend(differing("disabled", Some("true"), "false"));
        code = "E221";
    }
    match text(row, "api_version") {
        Some(API_VERSION) => {}
        Some(other) => plan.remark(
            "W224",
            format!("endpoint {id} sends API version {other}; {API_VERSION} is what this service is tried with. Stripe cannot change it: make a new endpoint"),
        ),
        None => plan.remark(
            "W224",
            format!("endpoint {id} sends the account's default API version, which may move; {API_VERSION} is pinned by a new endpoint"),
        ),
    }
    plan.compare(step(Act::Change, format!("{PATH}/{id}"), code, format!("endpoint {id} ({url})"), fields));
    Ok(plan)
}
