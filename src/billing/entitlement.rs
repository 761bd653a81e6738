//! Whether a line may be used, and why: one pure function of what is known of an account.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::rows::{Account, Invoiced, Subscribed};

/// How long a line goes on after a payment has first failed. Stripe's own retries take a week or two; within one week
/// most are paid, and the owner has been told more than once.
pub(crate) const GRACE: TimeDelta = TimeDelta::days(7);

/// Whether a line may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Standing {
    /// Nobody has subscribed: the line answers with its default.
    None,
    /// No.
    Suspended,
    /// Yes, until a time.
    Grace,
    /// Yes.
    Active,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Entitlement {
    pub(crate) standing: Standing,
    /// When the grace ends.
    pub(crate) until: Option<DateTime<Utc>>,
    /// A stable word: `paid`, `in_trial`, `payment_failed`, `payment_overdue`, `unpaid`, `canceled`, `paused`,
    /// `first_payment_missing`, `no_subscription`, `no_account`, `unknown_status`.
    pub(crate) reason: &'static str,
    /// The event that caused it.
    pub(crate) event: Option<Uuid>,
}

/// Whether the line of this account may be used at `now`. The best of several subscriptions counts.
pub(crate) fn entitlement(
    account: Option<&Account>,
    subscriptions: &[Subscribed],
    invoices: &[Invoiced],
    now: DateTime<Utc>,
) -> Entitlement {
    let none = |reason, event| Entitlement { standing: Standing::None, until: None, reason, event };
    let Some(account) = account else { return none("no_account", None) };
    let each = subscriptions.iter().map(|subscription| of(subscription, invoices, now));
    each.max_by_key(|entitlement| (entitlement.standing, entitlement.until, entitlement.event))
        .unwrap_or_else(|| none("no_subscription", account.sources.get("checkout").copied()))
}

fn of(subscription: &Subscribed, invoices: &[Invoiced], now: DateTime<Utc>) -> Entitlement {
    let event = subscription.sources.get("state").copied();
    let (standing, reason) = match subscription.status.as_str() {
        "active" => (Standing::Active, "paid"),
        "trialing" => (Standing::Active, "in_trial"),
        "past_due" => return overdue(subscription, invoices, now),
        "unpaid" => (Standing::Suspended, "unpaid"),
        "canceled" | "incomplete_expired" => (Standing::Suspended, "canceled"),
        "paused" => (Standing::Suspended, "paused"),
        "incomplete" => (Standing::Suspended, "first_payment_missing"),
        // A word of later versions must not cost anybody a call.
        _ => (Standing::Active, "unknown_status"),
    };
    Entitlement { standing, until: None, reason, event }
}

/// Grace from the first failure of what is still owed, else from when the subscription was known to be past due.
fn overdue(subscription: &Subscribed, invoices: &[Invoiced], now: DateTime<Utc>) -> Entitlement {
    let owed = invoices.iter().filter(|invoice| {
        invoice.subscription.as_deref() == Some(&subscription.key)
            && !invoice.paid
            && !matches!(invoice.status.as_str(), "paid" | "void")
    });
    let first = owed
        .filter_map(|invoice| Some((invoice.failed_at?, invoice.sources.get("failed_at").copied())))
        .min();
    let (since, event) =
        first.unwrap_or((subscription.changed_at, subscription.sources.get("state").copied()));
    let until = since + GRACE;
    if now < until {
        Entitlement { standing: Standing::Grace, until: Some(until), reason: "payment_failed", event }
    } else {
        Entitlement { standing: Standing::Suspended, until: None, reason: "payment_overdue", event }
    }
}
