//! Plivo's applications, and the numbers that are bound to them.
//!
//! Source: Plivo docs, "Application API", "Account phone number API".

use serde_json::Value;

use super::{Account, Act, Field, Plan, Step, Trouble, Wanted, account::text, differing, masked};
use crate::provider::Endpoint::{PlivoAnswer, PlivoHangup, PlivoSms};

/// What stands for the id of an application that is yet to be made.
pub(crate) const NEW: &str = "(the new application)";

/// What our application is called; Plivo takes letters, digits, - and _.
const NAME: &str = "SmartLine";

/// Compares the application and its numbers with what is wanted.
///
/// # Errors
/// Why they could not be read.
pub(super) async fn plan(account: &mut Account<'_>, wanted: &Wanted) -> Result<Plan, Trouble> {
    let base = format!("/v1/Account/{}", account.name);
    let apps = account.all(&format!("{base}/Application/?limit=20&offset=0"), "objects").await?;
    let numbers = account.all(&format!("{base}/Number/?limit=20&offset=0"), "objects").await?;
    let mut plan = Plan::default();
    let step = |act, what: String, code: &str, path: String, fields| Step {
        provider: "plivo".to_owned(),
        account: account.name.to_owned(),
        what,
        code: code.to_owned(),
        act,
        path,
        fields,
    };
    let ours = |row: &&Value| match &wanted.app {
        Some(app) => text(row, "app_id") == Some(app),
        None => {
            text(row, "answer_url") == Some(&wanted.url(PlivoAnswer)) || text(row, "app_name") == Some(NAME)
        }
    };
    let found = apps.iter().find(ours);
    let app = match (found, &wanted.app) {
        (Some(row), _) => {
            let (id, name) =
                (text(row, "app_id").unwrap_or_default(), text(row, "app_name").unwrap_or_default());
            let path = format!("{base}/Application/{id}/");
            plan.compare(step(
                Act::Change,
                format!("application {name} ({id})"),
                "W230",
                path,
                fields(row, wanted),
            ));
            id.to_owned()
        }
        (None, Some(app)) => {
            plan.remark("W232", format!("PLIVO_APP_ID names {app}, which this account does not have"));
            return Ok(plan);
        }
        (None, None) => {
            let name = differing("app_name", None, NAME);
            let fields = name.into_iter().chain(fields(&Value::Null, wanted)).collect();
            plan.steps.push(step(
                Act::Create,
                format!("application {NAME}"),
                "W230",
                format!("{base}/Application/"),
                fields,
            ));
            NEW.to_owned()
        }
    };
    for row in &numbers {
        let number = text(row, "number").unwrap_or_default();
        plan.numbers.push(format!("+{number}"));
        if !wanted.numbers.hold(number, number) {
            continue;
        }
        // `/v1/Account/MA…/Application/123/`
        let bound = text(row, "application")
            .map(|uri| uri.trim_end_matches('/').rsplit('/').next().unwrap_or_default());
        let what = format!("number +{number}");
        let fields = Vec::from_iter(differing("app_id", bound, &app));
        if let (false, Some(other)) = (fields.is_empty(), bound) {
            plan.remark(
                "W231",
                format!(
                    "number {} is bound to the application {other}, whose URLs are asked",
                    masked(number)
                ),
            );
        }
        plan.compare(step(Act::Change, what, "W231", format!("{base}/Number/{number}/"), fields));
    }
    Ok(plan)
}

fn fields(row: &Value, wanted: &Wanted) -> Vec<Field> {
    let (answer, hangup, message) = (wanted.url(PlivoAnswer), wanted.url(PlivoHangup), wanted.url(PlivoSms));
    let fallback = wanted.fallback_of(PlivoAnswer);
    [
        ("answer_url", answer.as_str()),
        ("answer_method", "POST"),
        ("hangup_url", &hangup),
        ("hangup_method", "POST"),
        ("fallback_answer_url", &fallback),
        ("fallback_method", "POST"),
        ("message_url", &message),
        ("message_method", "POST"),
    ]
    .into_iter()
    .filter_map(|(name, after)| differing(name, text(row, name), after))
    .collect()
}
