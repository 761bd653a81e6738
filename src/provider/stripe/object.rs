//! What a Stripe event tells of customers, subscriptions and invoices, over the shapes of several API versions.
//!
//! Source: Stripe API reference, "Event", "Checkout Session", "Subscription", "Invoice"; changelog of 2025-03-31.basil, which
//! moved the billing period to the items and the subscription of an invoice under `parent`.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

/// An event about an object that is paid for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Paid {
    /// `evt_…`.
    pub(crate) event: String,
    /// When it happened, to the second.
    pub(crate) created: DateTime<Utc>,
    pub(crate) livemode: bool,
    /// The connected account, `acct_…`; empty for the own one.
    pub(crate) connected: String,
    pub(crate) object: Object,
}

/// What it is about.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Object {
    /// A completed checkout.
    Checkout(Box<Checkout>),
    /// A subscription, as it was then.
    Subscription(Box<Subscription>),
    /// An invoice, as it was then.
    Invoice(Box<Invoice>),
}

/// A checkout session.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Checkout {
    /// `cs_…`.
    pub(crate) id: String,
    pub(crate) customer: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) phone: Option<String>,
    /// `client_reference_id`.
    pub(crate) reference: Option<String>,
    pub(crate) payment_status: Option<String>,
    pub(crate) metadata: Map<String, Value>,
}

/// What kind of event tells of a subscription; of the same second, a later kind is the later event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Change {
    /// It was made.
    Created,
    /// It was changed.
    Updated,
    /// It has ended.
    Deleted,
}

/// A subscription.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Subscription {
    /// `sub_…`.
    pub(crate) id: String,
    pub(crate) change: Change,
    pub(crate) customer: Option<String>,
    /// `active`, `past_due` … or a word that later versions have.
    pub(crate) status: String,
    pub(crate) price: Option<String>,
    pub(crate) quantity: Option<i64>,
    pub(crate) period_start: Option<DateTime<Utc>>,
    pub(crate) period_end: Option<DateTime<Utc>>,
    pub(crate) cancel_at_period_end: bool,
    pub(crate) cancel_at: Option<DateTime<Utc>>,
    pub(crate) canceled_at: Option<DateTime<Utc>>,
    pub(crate) ended_at: Option<DateTime<Utc>>,
    pub(crate) trial_end: Option<DateTime<Utc>>,
    pub(crate) latest_invoice: Option<String>,
    pub(crate) metadata: Map<String, Value>,
}

/// An invoice.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Invoice {
    /// `in_…`.
    pub(crate) id: String,
    /// Whether the event tells of a payment, else of a failed one.
    pub(crate) paid: bool,
    pub(crate) customer: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) subscription: Option<String>,
    pub(crate) number: Option<String>,
    pub(crate) status: String,
    pub(crate) currency: Option<String>,
    pub(crate) amount_due: Option<i64>,
    pub(crate) amount_paid: Option<i64>,
    pub(crate) amount_remaining: Option<i64>,
    pub(crate) attempt_count: Option<i64>,
    pub(crate) next_attempt_at: Option<DateTime<Utc>>,
    pub(crate) billing_reason: Option<String>,
    pub(crate) hosted_url: Option<String>,
    pub(crate) period_start: Option<DateTime<Utc>>,
    pub(crate) period_end: Option<DateTime<Utc>>,
}

/// An event that ought to tell of such an object and does not. Names members, never their values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unreadable(&'static str);

/// The types of event that a service like this one is meant to be sent.
pub(crate) const TYPES: [&str; 6] = [
    "checkout.session.completed",
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "invoice.payment_succeeded",
    "invoice.payment_failed",
];

/// Reads an event; `None` where it is of a type that tells of nothing that is kept.
///
/// # Errors
/// When it is of such a type and lacks what makes it usable: its id, time, mode, or its object's id.
pub(crate) fn read(body: &[u8]) -> Result<Option<Paid>, Unreadable> {
    // What no `String` can hold is replaced: a bad name must not cost a subscription.
    let text = String::from_utf8_lossy(body);
    let event: Value = serde_json::from_str(&text)
        .or_else(|_| serde_json::from_str(&whole_pairs(&text)))
        .map_err(|_| Unreadable("the body is no JSON that can be read"))?;
    let Some(kind) = event.get("type").and_then(Value::as_str) else { return Ok(None) };
    let object = event.pointer("/data/object").unwrap_or(&Value::Null);
    let object = match kind {
        "checkout.session.completed" => Object::Checkout(Box::new(checkout(object)?)),
        "customer.subscription.created" => subscription(object, Change::Created)?,
        "customer.subscription.updated" => subscription(object, Change::Updated)?,
        "customer.subscription.deleted" => subscription(object, Change::Deleted)?,
        "invoice.payment_succeeded" | "invoice.paid" => invoice(object, true)?,
        "invoice.payment_failed" => invoice(object, false)?,
        _ => return Ok(None),
    };
    Ok(Some(Paid {
        event: text_of(&event, "id").ok_or(Unreadable("the event has no id"))?,
        created: time(&event, "created").ok_or(Unreadable("the event has no time"))?,
        livemode: event.get("livemode").and_then(Value::as_bool).unwrap_or(false),
        connected: text_of(&event, "account").unwrap_or_default(),
        object,
    }))
}

/// The text with U+FFFD in place of each escape that is half of a surrogate pair.
fn whole_pairs(text: &str) -> String {
    let mut whole = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let escape = &rest[at..];
        let (length, replaced) = match (unit(escape), escape.get(6..).and_then(unit)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => (12, false),
            (Some(0xD800..=0xDFFF), _) => (6, true),
            _ => (1 + escape[1..].chars().next().map_or(0, char::len_utf8), false),
        };
        whole.push_str(&rest[..at]);
        whole.push_str(if replaced { "\\ufffd" } else { &escape[..length] });
        rest = &escape[length..];
    }
    whole.push_str(rest);
    whole
}

/// The code unit of an escape such as `\ud83d` at the start of a text.
fn unit(text: &str) -> Option<u16> {
    u16::from_str_radix(text.strip_prefix("\\u")?.get(..4)?, 16).ok()
}

fn checkout(object: &Value) -> Result<Checkout, Unreadable> {
    let details = object.get("customer_details").unwrap_or(&Value::Null);
    Ok(Checkout {
        id: text_of(object, "id").ok_or(Unreadable("data.object of the checkout has no id"))?,
        customer: id_of(object, "customer"),
        email: text_of(details, "email"),
        name: text_of(details, "name"),
        phone: text_of(details, "phone"),
        reference: text_of(object, "client_reference_id"),
        payment_status: text_of(object, "payment_status"),
        metadata: metadata(object),
    })
}

fn subscription(object: &Value, change: Change) -> Result<Object, Unreadable> {
    let items = object.pointer("/items/data").and_then(Value::as_array);
    let items = || items.into_iter().flatten();
    let first = items().next().unwrap_or(&Value::Null);
    let status =
        text_of(object, "status").ok_or(Unreadable("data.object of the subscription has no status"))?;
    Ok(Object::Subscription(Box::new(Subscription {
        id: text_of(object, "id").ok_or(Unreadable("data.object of the subscription has no id"))?,
        change,
        customer: id_of(object, "customer"),
        status,
        price: id_of(first, "price"),
        quantity: integer(first, "quantity"),
        period_start: time(object, "current_period_start")
            .or_else(|| items().filter_map(|item| time(item, "current_period_start")).min()),
        period_end: time(object, "current_period_end")
            .or_else(|| items().filter_map(|item| time(item, "current_period_end")).max()),
        cancel_at_period_end: object.get("cancel_at_period_end").and_then(Value::as_bool).unwrap_or(false),
        cancel_at: time(object, "cancel_at"),
        canceled_at: time(object, "canceled_at"),
        ended_at: time(object, "ended_at"),
        trial_end: time(object, "trial_end"),
        latest_invoice: id_of(object, "latest_invoice"),
        metadata: metadata(object),
    })))
}

fn invoice(object: &Value, paid: bool) -> Result<Object, Unreadable> {
    let parent = object.pointer("/parent/subscription_details").unwrap_or(&Value::Null);
    Ok(Object::Invoice(Box::new(Invoice {
        id: text_of(object, "id").ok_or(Unreadable("data.object of the invoice has no id"))?,
        paid,
        customer: id_of(object, "customer"),
        email: text_of(object, "customer_email"),
        subscription: id_of(object, "subscription").or_else(|| id_of(parent, "subscription")),
        number: text_of(object, "number"),
        status: text_of(object, "status").unwrap_or_else(|| if paid { "paid" } else { "open" }.to_owned()),
        currency: text_of(object, "currency"),
        amount_due: integer(object, "amount_due"),
        amount_paid: integer(object, "amount_paid"),
        amount_remaining: integer(object, "amount_remaining"),
        attempt_count: integer(object, "attempt_count"),
        next_attempt_at: time(object, "next_payment_attempt"),
        billing_reason: text_of(object, "billing_reason"),
        hosted_url: text_of(object, "hosted_invoice_url"),
        period_start: time(object, "period_start"),
        period_end: time(object, "period_end"),
    })))
}

/// Text that is not empty, without NUL, which PostgreSQL has no place for.
fn text_of(object: &Value, name: &str) -> Option<String> {
    let text = object.get(name)?.as_str()?;
    (!text.is_empty()).then(|| text.replace('\0', "\u{fffd}"))
}

/// An id, or that of an object which was expanded in its place.
fn id_of(object: &Value, name: &str) -> Option<String> {
    text_of(object, name).or_else(|| text_of(object.get(name)?, "id"))
}

fn integer(object: &Value, name: &str) -> Option<i64> {
    object.get(name)?.as_i64()
}

/// Unix seconds of a time that a calendar has.
fn time(object: &Value, name: &str) -> Option<DateTime<Utc>> {
    /// The last second of the year 9999: PostgreSQL reads later ones in another form.
    const LAST: i64 = 253_402_300_799;
    let seconds = integer(object, name).filter(|seconds| (0..=LAST).contains(seconds))?;
    DateTime::from_timestamp(seconds, 0)
}

/// Names and texts; whatever else lies there is left out.
fn metadata(object: &Value) -> Map<String, Value> {
    let clean = |text: &str| text.replace('\0', "\u{fffd}");
    let all = object.get("metadata").and_then(Value::as_object);
    all.into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((clean(name), Value::from(clean(value.as_str()?)))))
        .collect()
}
