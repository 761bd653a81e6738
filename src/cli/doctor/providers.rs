//! The providers' side: keys, endpoints, numbers, applications; and their clocks.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::Report;
use crate::{
    cli::{client::Client, setup},
    config::{Apis, Environment},
    consoles::{self, Plan, Side, Trouble, Wanted, plain},
    domain::clock::Clock,
    provider::Provider,
};

const GROUP: &str = "providers";

/// From what a clock may differ: a little is the network's.
const OFF: TimeDelta = TimeDelta::seconds(60);
const FAR_OFF: TimeDelta = TimeDelta::seconds(300);

/// Compares every account that can be asked with what is wanted. Where the public URL cannot be called, only the keys
/// are tried.
pub(super) async fn look(report: &mut Report, environment: &Environment, clock: &dyn Clock) {
    let Ok(apis) = Apis::read(environment) else { return };
    let origin = setup::origin(None, environment).ok();
    for provider in Provider::ALL {
        if !apis.missing(provider).is_empty() {
            continue;
        }
        let api = apis.of(provider);
        let wanted = Wanted::all(api, origin.as_deref().unwrap_or_default());
        for Side { account, plan, date } in consoles::read(provider, api, &api.accounts, &wanted).await {
            let title = format!("{} {account}", provider.name());
            one(report, &title, plan, origin.is_some());
            clocks(report, &title, date, clock.now());
        }
    }
    if let Some(origin) = origin.filter(|_| report.wants("runtime")) {
        public(report, &origin).await;
    }
}

fn one(report: &mut Report, title: &str, plan: Result<Plan, Trouble>, is_public: bool) {
    let plan = match plan {
        Ok(plan) => plan,
        Err(trouble) => {
            let code = match trouble {
                Trouble::Secret(_) => "E201",
                Trouble::Forbidden(_) => "W203",
                _ => "E202",
            };
            return report.found(code, title, &trouble.to_string(), None);
        }
    };
    report.fine(GROUP, title, "takes the key");
    if !is_public {
        return;
    }
    for step in &plan.steps {
        let differs = step.differs();
        if !differs.is_empty() {
            report.found(
                &step.code,
                &format!("{title} {}", plain(&step.what)),
                &format!("differs in {}", differs.join(", ")),
                None,
            );
        }
    }
    for remark in &plan.remarks {
        report.found(remark.code, title, &remark.text, None);
    }
    for fine in &plan.fine {
        report.fine(GROUP, title, &plain(fine));
    }
}

fn clocks(report: &mut Report, title: &str, date: Option<DateTime<Utc>>, now: DateTime<Utc>) {
    let Some(date) = date else { return };
    let off = now - date;
    let text = format!("{} s from {title}", off.num_seconds());
    if off.abs() > FAR_OFF {
        report.found("E302", "clock", &text, None);
    } else if off.abs() > OFF {
        report.found("W302", "clock", &text, None);
    } else {
        report.fine("runtime", "clock", &text);
    }
}

/// Whether whoever answers there is one of us.
async fn public(report: &mut Report, origin: &str) {
    let asked = match Client::new(origin) {
        Ok(client) => client.get("/healthz", Duration::from_secs(10)).await,
        Err(error) => return report.found("E303", origin, &error.to_string(), None),
    };
    match asked {
        Ok(reply) if reply.status == 200 && reply.json()["status"].is_string() => {
            report.fine("runtime", origin, "answers");
        }
        Ok(reply) => report.found("E303", origin, &format!("/healthz answers {}", reply.status), None),
        Err(error) => report.found("E303", origin, &error.to_string(), None),
    }
}
