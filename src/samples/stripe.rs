//! Stripe's events, in the shape of API versions since 2025-03-31.basil: billing periods on the items, an invoice's
//! subscription under `parent`.
//!
//! The six tell of one customer: bought, subscribed, paid, a month later failed to pay, past due, ended.
//! Source: Stripe's API description and API changelog.

use chrono::{DateTime, Months, TimeDelta, Utc};
use serde_json::{Value, json};

use super::Story;

/// The version that events are read in best.
pub(crate) const API_VERSION: &str = "2025-03-31.basil";

/// Price of a month, in cents.
const AMOUNT: i64 = 4900;

/// Which month of the subscription an object is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Month {
    First,
    Second,
}

/// One of the six events; an unknown type gets a subscription.
pub(super) fn event(story: &Story, kind: &str) -> Value {
    let (object, previous) = match kind {
        "checkout.session.completed" => (session(story), Value::Null),
        "invoice.payment_succeeded" => (invoice(story, Month::First), Value::Null),
        "invoice.payment_failed" => (invoice(story, Month::Second), Value::Null),
        "customer.subscription.updated" => {
            let before = json!({"latest_invoice": id(story, "in_1", "invoice1", 23), "status": "active"});
            (subscription(story, "past_due", Month::Second), before)
        }
        "customer.subscription.deleted" => (subscription(story, "canceled", Month::Second), Value::Null),
        _ => (subscription(story, "active", Month::First), Value::Null),
    };
    envelope(story, kind, &object, &previous)
}

/// An event of a type that Stripe does not have: any service keeps it, and no projection knows it.
pub(super) fn probe(story: &Story) -> Value {
    let object = json!({"id": id(story, "smartline_", "probe", 16), "object": "smoke"});
    envelope(story, "smartline.smoke", &object, &Value::Null)
}

/// Only updates have `previous`, the old values of what changed.
fn envelope(story: &Story, kind: &str, object: &Value, previous: &Value) -> Value {
    let data = match previous {
        Value::Null => json!({"object": object}),
        previous => json!({"object": object, "previous_attributes": previous}),
    };
    json!({
        "id": id(story, "evt_1", "event", 23),
        "object": "event",
        "api_version": API_VERSION,
        "created": story.at.timestamp(),
        "data": data,
        "livemode": false,
        "pending_webhooks": 1,
        "request": {"id": null, "idempotency_key": null},
        "type": kind,
    })
}

fn session(story: &Story) -> Value {
    let email = email(story);
    json!({
        "id": id(story, "cs_test_a1", "session", 32),
        "object": "checkout.session",
        "amount_subtotal": AMOUNT,
        "amount_total": AMOUNT,
        "client_reference_id": format!("user_{}", story.hex("user", 12)),
        "created": (story.at - TimeDelta::minutes(2)).timestamp(),
        "currency": "usd",
        "customer": customer(story),
        "customer_details": {
            "address": {
                "city": null, "country": "US", "line1": null, "line2": null, "postal_code": "94105", "state": null,
            },
            "email": email,
            "name": "Ada Sample",
            "phone": story.caller(),
            "tax_exempt": "none",
        },
        "customer_email": null,
        "expires_at": (story.at + TimeDelta::days(1)).timestamp(),
        "invoice": invoice_id(story, Month::First),
        "livemode": false,
        "metadata": {},
        "mode": "subscription",
        "payment_intent": null,
        "payment_method_types": ["card"],
        "payment_status": "paid",
        "status": "complete",
        "subscription": subscription_id(story),
        "success_url": "https://line.example.com/welcome",
        "url": null,
    })
}

fn subscription(story: &Story, status: &str, month: Month) -> Value {
    let (start, from, to) = period(story, month);
    let ended = (status == "canceled").then(|| story.at.timestamp());
    let reason = ended.map(|_| "payment_failed");
    json!({
        "id": subscription_id(story),
        "object": "subscription",
        "application": null,
        "automatic_tax": {"disabled_reason": null, "enabled": false, "liability": null},
        "billing_cycle_anchor": start.timestamp(),
        "cancel_at": null,
        "cancel_at_period_end": false,
        "canceled_at": ended,
        "cancellation_details": {"comment": null, "feedback": null, "reason": reason},
        "collection_method": "charge_automatically",
        "created": start.timestamp(),
        "currency": "usd",
        "customer": customer(story),
        "days_until_due": null,
        "default_payment_method": id(story, "pm_1", "card", 23),
        "description": null,
        "discounts": [],
        "ended_at": ended,
        "items": {
            "object": "list",
            "data": [item(story, start, from, to)],
            "has_more": false,
            "total_count": 1,
            "url": format!("/v1/subscription_items?subscription={}", subscription_id(story)),
        },
        "latest_invoice": invoice_id(story, month),
        "livemode": false,
        "metadata": {},
        "pause_collection": null,
        "schedule": null,
        "start_date": start.timestamp(),
        "status": status,
        "trial_end": null,
        "trial_start": null,
    })
}

fn item(story: &Story, start: DateTime<Utc>, from: DateTime<Utc>, to: DateTime<Utc>) -> Value {
    json!({
        "id": id(story, "si_", "item", 14),
        "object": "subscription_item",
        "created": start.timestamp(),
        "current_period_end": to.timestamp(),
        "current_period_start": from.timestamp(),
        "discounts": [],
        "metadata": {},
        "price": {
            "id": id(story, "price_1", "price", 23),
            "object": "price",
            "active": true,
            "billing_scheme": "per_unit",
            "currency": "usd",
            "livemode": false,
            "lookup_key": null,
            "metadata": {},
            "nickname": null,
            "product": id(story, "prod_", "product", 14),
            "recurring": {"interval": "month", "interval_count": 1, "meter": null, "usage_type": "licensed"},
            "type": "recurring",
            "unit_amount": AMOUNT,
        },
        "quantity": 1,
        "subscription": subscription_id(story),
        "tax_rates": [],
    })
}

/// The first month's is paid, the second's is not.
fn invoice(story: &Story, month: Month) -> Value {
    let (_, from, to) = period(story, month);
    let paid = month == Month::First;
    let (status, reason) =
        if paid { ("paid", "subscription_create") } else { ("open", "subscription_cycle") };
    json!({
        "id": invoice_id(story, month),
        "object": "invoice",
        "account_country": "US",
        "amount_due": AMOUNT,
        "amount_paid": if paid { AMOUNT } else { 0 },
        "amount_remaining": if paid { 0 } else { AMOUNT },
        "attempt_count": 1,
        "attempted": true,
        "auto_advance": !paid,
        "billing_reason": reason,
        "collection_method": "charge_automatically",
        "created": story.at.timestamp(),
        "currency": "usd",
        "customer": customer(story),
        "customer_email": email(story),
        "customer_name": "Ada Sample",
        "due_date": null,
        "hosted_invoice_url": "https://invoice.example.com/i/sample",
        "lines": {
            "object": "list",
            "data": [line(story, month, from, to)],
            "has_more": false,
            "total_count": 1,
            "url": format!("/v1/invoices/{}/lines", invoice_id(story, month)),
        },
        "livemode": false,
        "metadata": {},
        "next_payment_attempt": (!paid).then(|| (story.at + TimeDelta::days(3)).timestamp()),
        "number": format!("{}-{:04}", story.hex("number", 8).to_uppercase(), if paid { 1 } else { 2 }),
        "parent": {
            "quote_details": null,
            "subscription_details": {"metadata": {}, "subscription": subscription_id(story)},
            "type": "subscription_details",
        },
        "period_end": if paid { story.at } else { from }.timestamp(),
        "period_start": if paid { story.at } else { month_before(from) }.timestamp(),
        "status": status,
        "subtotal": AMOUNT,
        "total": AMOUNT,
        "total_taxes": [],
    })
}

fn line(story: &Story, month: Month, from: DateTime<Utc>, to: DateTime<Utc>) -> Value {
    json!({
        "id": id(story, "il_1", if month == Month::First { "line1" } else { "line2" }, 23),
        "object": "line_item",
        "amount": AMOUNT,
        "currency": "usd",
        "description": "1 × Phone line (at $49.00 / month)",
        "discounts": [],
        "invoice": invoice_id(story, month),
        "livemode": false,
        "metadata": {},
        "parent": {
            "invoice_item_details": null,
            "subscription_item_details": {
                "invoice_item": null,
                "proration": false,
                "subscription": subscription_id(story),
                "subscription_item": id(story, "si_", "item", 14),
            },
            "type": "subscription_item_details",
        },
        "period": {"end": to.timestamp(), "start": from.timestamp()},
        "pricing": {
            "price_details": {
                "price": id(story, "price_1", "price", 23),
                "product": id(story, "prod_", "product", 14),
            },
            "type": "price_details",
            "unit_amount_decimal": AMOUNT.to_string(),
        },
        "quantity": 1,
    })
}

/// Start of the subscription, and start and end of the month that is paid for: each month begins now.
fn period(story: &Story, month: Month) -> (DateTime<Utc>, DateTime<Utc>, DateTime<Utc>) {
    let start = if month == Month::First { story.at } else { month_before(story.at) };
    let end = story.at.checked_add_months(Months::new(1)).unwrap_or(story.at);
    (start, story.at, end)
}

fn month_before(at: DateTime<Utc>) -> DateTime<Utc> {
    at.checked_sub_months(Months::new(1)).unwrap_or(at)
}

fn id(story: &Story, prefix: &str, what: &str, length: usize) -> String {
    format!("{prefix}{}", story.letters(what, length))
}

fn customer(story: &Story) -> String {
    id(story, "cus_", "customer", 14)
}

fn subscription_id(story: &Story) -> String {
    id(story, "sub_1", "subscription", 23)
}

fn invoice_id(story: &Story, month: Month) -> String {
    id(story, "in_1", if month == Month::First { "invoice1" } else { "invoice2" }, 23)
}

fn email(story: &Story) -> String {
    format!("ada.{}@example.com", story.hex("user", 6))
}
