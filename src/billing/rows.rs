//! The rows of accounts, subscriptions and invoices: how an event changes them, whichever came first.
//!
//! Each value, or group of values that belong together, has a stamp that a later event must exceed. The same events give
//! the same rows in every order, doubled or not; only `id` is that of the first event that came to be known.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{
    domain::phone::Phone,
    projection::{Row, Sources},
    provider::stripe::object::{Change, Checkout, Invoice, Paid, Subscription},
};

/// Member of the metadata of a checkout or a subscription that names the line.
const LINE: &str = "line";

/// What a later event must exceed: whether the state is final, the second, the kind of event, the rank of the state, and
/// last the event's own id, which decides only between events that contradict each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Stamp(bool, i64, i16, i16, String);

impl Stamp {
    /// For a value that has no states.
    fn plain(event: &Paid) -> Self {
        Self(false, event.created.timestamp(), 0, 0, event.event.clone())
    }

    /// Whether nothing but the ids of the events tells which is the later.
    fn ties(&self, other: &Self) -> bool {
        (self.0, self.1, self.2, self.3) == (other.0, other.1, other.2, other.3) && self.4 != other.4
    }
}

/// Stamps by column, or by group of columns.
pub(crate) type Stamps = BTreeMap<String, Stamp>;

/// The key of an object: mode, connected account, Stripe's id.
pub(crate) fn key(event: &Paid, id: &str) -> String {
    let mode = if event.livemode { "live" } else { "test" };
    format!("{mode}:{}:{id}", event.connected)
}

/// Who pays.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) key: String,
    pub(crate) id: Uuid,
    pub(crate) livemode: bool,
    pub(crate) connected: String,
    /// `cus_…`.
    pub(crate) customer: String,
    pub(crate) email: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) phone: Option<String>,
    /// `client_reference_id` of the checkout.
    pub(crate) reference: Option<String>,
    /// The line's number, from the metadata or the reference.
    pub(crate) line: Option<String>,
    /// The last completed session.
    pub(crate) checkout: Option<String>,
    pub(crate) payment_status: Option<String>,
    pub(crate) checked_out_at: Option<DateTime<Utc>>,
    /// When the newest event happened that told of it.
    pub(crate) changed_at: DateTime<Utc>,
    pub(crate) stamps: Stamps,
    pub(crate) sources: Sources,
}

impl Row for Account {
    const LOAD_SQL: &'static str = "SELECT to_jsonb(t) FROM accounts t WHERE key = ANY ($1)";

    const ADD_SQL: &'static str =
        "INSERT INTO accounts SELECT * FROM jsonb_populate_recordset(NULL::accounts, $1)";

    const STORE_SQL: &'static str = "
INSERT INTO accounts SELECT * FROM jsonb_populate_recordset(NULL::accounts, $1)
ON CONFLICT (key) DO UPDATE SET (id, email, name, phone, reference, line, checkout, payment_status, checked_out_at,
                                 changed_at, stamps, sources)
  = (excluded.id, excluded.email, excluded.name, excluded.phone, excluded.reference, excluded.line, excluded.checkout,
     excluded.payment_status, excluded.checked_out_at, excluded.changed_at, excluded.stamps, excluded.sources)";

    fn key(&self) -> &str {
        &self.key
    }
}

impl Account {
    /// The account of a customer, before anything else is known of it.
    pub(crate) fn new(event: &Paid, source: Uuid, customer: &str) -> Self {
        Self {
            key: key(event, customer),
            id: source,
            livemode: event.livemode,
            connected: event.connected.clone(),
            customer: customer.to_owned(),
            email: None,
            name: None,
            phone: None,
            reference: None,
            line: None,
            checkout: None,
            payment_status: None,
            checked_out_at: None,
            changed_at: event.created,
            stamps: Stamps::new(),
            sources: Sources::new(),
        }
    }

    /// That an event names it.
    pub(crate) fn seen(&mut self, event: &Paid, source: Uuid) {
        self.id = self.id.min(source);
        self.changed_at = self.changed_at.max(event.created);
    }

    /// What a checkout tells of it.
    pub(crate) fn checkout(&mut self, event: &Paid, source: Uuid, checkout: &Checkout) {
        if self.is_news("checkout", event, source) {
            self.checkout = Some(checkout.id.clone());
            self.payment_status.clone_from(&checkout.payment_status);
            self.checked_out_at = Some(event.created);
        }
        if checkout.email.is_some() && self.is_news("email", event, source) {
            self.email.clone_from(&checkout.email);
        }
        if checkout.name.is_some() && self.is_news("name", event, source) {
            self.name.clone_from(&checkout.name);
        }
        if checkout.phone.is_some() && self.is_news("phone", event, source) {
            self.phone.clone_from(&checkout.phone);
        }
        if checkout.reference.is_some() && self.is_news("reference", event, source) {
            self.reference.clone_from(&checkout.reference);
        }
        let referred = checkout.reference.as_deref().filter(|reference| reference.starts_with('+'));
        let line = checkout.metadata.get(LINE).and_then(Value::as_str).or(referred);
        self.line(event, source, line);
    }

    /// The line that an event names, if it does.
    pub(crate) fn line(&mut self, event: &Paid, source: Uuid, line: Option<&str>) {
        let line = line.map(Phone::read).filter(Phone::is_full_number);
        if let Some(line) = line
            && self.is_news("line", event, source)
        {
            self.line = Some(line.as_str().to_owned());
        }
    }

    /// The address that an invoice was sent to.
    pub(crate) fn email(&mut self, event: &Paid, source: Uuid, email: Option<&String>) {
        if let Some(email) = email
            && self.is_news("email", event, source)
        {
            self.email = Some(email.clone());
        }
    }

    /// Whether the event is the newest that told of these columns; it is that from now on.
    fn is_news(&mut self, columns: &str, event: &Paid, source: Uuid) -> bool {
        let stamp = Stamp::plain(event);
        let news = self.stamps.get(columns).is_none_or(|known| *known < stamp);
        if news {
            self.stamps.insert(columns.to_owned(), stamp);
            self.sources.insert(columns.to_owned(), source);
        }
        news
    }
}

/// A subscription.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Subscribed {
    pub(crate) key: String,
    pub(crate) id: Uuid,
    /// Key of the account.
    pub(crate) account: Option<String>,
    pub(crate) livemode: bool,
    pub(crate) connected: String,
    /// `sub_…`.
    pub(crate) external_id: String,
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
    /// Whether two events of one second contradict each other, so that Stripe must be asked.
    pub(crate) needs_refetch: bool,
    pub(crate) changed_at: DateTime<Utc>,
    pub(crate) stamps: Stamps,
    pub(crate) sources: Sources,
}

impl Row for Subscribed {
    const LOAD_SQL: &'static str = "SELECT to_jsonb(t) FROM subscriptions t WHERE key = ANY ($1)";

    const ADD_SQL: &'static str =
        "INSERT INTO subscriptions SELECT * FROM jsonb_populate_recordset(NULL::subscriptions, $1)";

    const STORE_SQL: &'static str = "
INSERT INTO subscriptions SELECT * FROM jsonb_populate_recordset(NULL::subscriptions, $1)
ON CONFLICT (key) DO UPDATE SET (id, account, status, price, quantity, period_start, period_end, cancel_at_period_end,
                                 cancel_at, canceled_at, ended_at, trial_end, latest_invoice, metadata, needs_refetch,
                                 changed_at, stamps, sources)
  = (excluded.id, excluded.account, excluded.status, excluded.price, excluded.quantity, excluded.period_start,
     excluded.period_end, excluded.cancel_at_period_end, excluded.cancel_at, excluded.canceled_at, excluded.ended_at,
     excluded.trial_end, excluded.latest_invoice, excluded.metadata, excluded.needs_refetch, excluded.changed_at,
     excluded.stamps, excluded.sources)";

    fn key(&self) -> &str {
        &self.key
    }
}

/// The group of all columns that an event gives at once.
const STATE: &str = "state";

impl Subscribed {
    /// The subscription as an event has it.
    fn of(event: &Paid, source: Uuid, subscription: &Subscription) -> Self {
        let subscription = subscription.clone();
        let rank = match subscription.status.as_str() {
            "incomplete" => 0,
            "trialing" => 1,
            "active" => 2,
            "past_due" => 3,
            "unpaid" => 4,
            "paused" => 5,
            _ => 6,
        };
        let is_final = matches!(subscription.status.as_str(), "canceled" | "incomplete_expired")
            || subscription.change == Change::Deleted;
        let kind = subscription.change as i16;
        let stamp = Stamp(is_final, event.created.timestamp(), kind, rank, event.event.clone());
        Self {
            key: key(event, &subscription.id),
            id: source,
            account: subscription.customer.map(|customer| key(event, &customer)),
            livemode: event.livemode,
            connected: event.connected.clone(),
            external_id: subscription.id,
            status: subscription.status,
            price: subscription.price,
            quantity: subscription.quantity,
            period_start: subscription.period_start,
            period_end: subscription.period_end,
            cancel_at_period_end: subscription.cancel_at_period_end,
            cancel_at: subscription.cancel_at,
            canceled_at: subscription.canceled_at,
            ended_at: subscription.ended_at,
            trial_end: subscription.trial_end,
            latest_invoice: subscription.latest_invoice,
            metadata: subscription.metadata,
            needs_refetch: false,
            changed_at: event.created,
            stamps: [(STATE.to_owned(), stamp)].into(),
            sources: [(STATE.to_owned(), source)].into(),
        }
    }

    /// The row after an event; `known` is the row before, if there is one.
    pub(crate) fn after(
        known: Option<&Self>,
        event: &Paid,
        source: Uuid,
        subscription: &Subscription,
    ) -> Self {
        let new = Self::of(event, source, subscription);
        let Some(known) = known else { return new };
        let ties = match (known.stamps.get(STATE), new.stamps.get(STATE)) {
            (Some(known), Some(new)) => known.ties(new),
            _ => false,
        };
        let contradicts = ties && known.content() != new.content();
        let (mut newer, older) = if known.stamps.get(STATE) < new.stamps.get(STATE) {
            (new, known)
        } else {
            (known.clone(), &new)
        };
        newer.id = newer.id.min(older.id);
        newer.needs_refetch |= contradicts || (ties && older.needs_refetch);
        newer
    }

    /// What the event says, without where it comes from.
    fn content(&self) -> Self {
        let nobody = (Uuid::nil(), Stamps::new(), Sources::new());
        Self { id: nobody.0, stamps: nobody.1, sources: nobody.2, needs_refetch: false, ..self.clone() }
    }

    /// The line that it is for, where its metadata names one.
    pub(crate) fn line(subscription: &Subscription) -> Option<&str> {
        subscription.metadata.get(LINE).and_then(Value::as_str)
    }
}

/// An invoice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Invoiced {
    pub(crate) key: String,
    pub(crate) id: Uuid,
    /// Key of the account.
    pub(crate) account: Option<String>,
    /// Key of the subscription.
    pub(crate) subscription: Option<String>,
    pub(crate) livemode: bool,
    pub(crate) connected: String,
    /// `in_…`.
    pub(crate) external_id: String,
    pub(crate) number: Option<String>,
    pub(crate) status: String,
    pub(crate) paid: bool,
    pub(crate) currency: Option<String>,
    /// In the currency's smallest unit, as the other amounts.
    pub(crate) amount_due: Option<i64>,
    pub(crate) amount_paid: Option<i64>,
    pub(crate) amount_remaining: Option<i64>,
    pub(crate) attempt_count: Option<i64>,
    pub(crate) next_attempt_at: Option<DateTime<Utc>>,
    /// The first failure to pay it.
    pub(crate) failed_at: Option<DateTime<Utc>>,
    pub(crate) paid_at: Option<DateTime<Utc>>,
    pub(crate) billing_reason: Option<String>,
    pub(crate) hosted_url: Option<String>,
    pub(crate) period_start: Option<DateTime<Utc>>,
    pub(crate) period_end: Option<DateTime<Utc>>,
    pub(crate) changed_at: DateTime<Utc>,
    pub(crate) stamps: Stamps,
    pub(crate) sources: Sources,
}

impl Row for Invoiced {
    const LOAD_SQL: &'static str = "SELECT to_jsonb(t) FROM invoices t WHERE key = ANY ($1)";

    const ADD_SQL: &'static str =
        "INSERT INTO invoices SELECT * FROM jsonb_populate_recordset(NULL::invoices, $1)";

    const STORE_SQL: &'static str = "
INSERT INTO invoices SELECT * FROM jsonb_populate_recordset(NULL::invoices, $1)
ON CONFLICT (key) DO UPDATE SET (id, account, subscription, number, status, paid, currency, amount_due, amount_paid,
                                 amount_remaining, attempt_count, next_attempt_at, failed_at, paid_at, billing_reason,
                                 hosted_url, period_start, period_end, changed_at, stamps, sources)
  = (excluded.id, excluded.account, excluded.subscription, excluded.number, excluded.status, excluded.paid,
     excluded.currency, excluded.amount_due, excluded.amount_paid, excluded.amount_remaining, excluded.attempt_count,
     excluded.next_attempt_at, excluded.failed_at, excluded.paid_at, excluded.billing_reason, excluded.hosted_url,
     excluded.period_start, excluded.period_end, excluded.changed_at, excluded.stamps, excluded.sources)";

    fn key(&self) -> &str {
        &self.key
    }
}

impl Invoiced {
    /// The invoice as an event has it.
    fn of(event: &Paid, source: Uuid, invoice: &Invoice) -> Self {
        let invoice = invoice.clone();
        let is_final = invoice.paid || matches!(invoice.status.as_str(), "paid" | "void");
        let stamp = Stamp(is_final, event.created.timestamp(), 0, 0, event.event.clone());
        let when = |is: bool| is.then_some(event.created);
        let moment = if invoice.paid { "paid_at" } else { "failed_at" };
        Self {
            key: key(event, &invoice.id),
            id: source,
            account: invoice.customer.map(|customer| key(event, &customer)),
            subscription: invoice.subscription.map(|subscription| key(event, &subscription)),
            livemode: event.livemode,
            connected: event.connected.clone(),
            external_id: invoice.id,
            number: invoice.number,
            status: invoice.status,
            paid: is_final && invoice.paid,
            currency: invoice.currency,
            amount_due: invoice.amount_due,
            amount_paid: invoice.amount_paid,
            amount_remaining: invoice.amount_remaining,
            attempt_count: invoice.attempt_count,
            next_attempt_at: invoice.next_attempt_at,
            failed_at: when(!invoice.paid),
            paid_at: when(invoice.paid),
            billing_reason: invoice.billing_reason,
            hosted_url: invoice.hosted_url,
            period_start: invoice.period_start,
            period_end: invoice.period_end,
            changed_at: event.created,
            stamps: [(STATE.to_owned(), stamp.clone()), (moment.to_owned(), stamp)].into(),
            sources: [(STATE.to_owned(), source), (moment.to_owned(), source)].into(),
        }
    }

    /// The row after an event; `known` is the row before, if there is one.
    pub(crate) fn after(known: Option<&Self>, event: &Paid, source: Uuid, invoice: &Invoice) -> Self {
        let new = Self::of(event, source, invoice);
        let Some(known) = known else { return new };
        let (mut newer, older) = if known.stamps.get(STATE) < new.stamps.get(STATE) {
            (new, known.clone())
        } else {
            (known.clone(), new)
        };
        newer.id = newer.id.min(older.id);
        // The first failure and the first payment, whichever came in first.
        for moment in ["failed_at", "paid_at"] {
            let earlier = match (newer.stamps.get(moment), older.stamps.get(moment)) {
                (Some(of_newer), Some(of_older)) => of_older < of_newer,
                (None, Some(_)) => true,
                _ => false,
            };
            if earlier {
                if moment == "failed_at" {
                    newer.failed_at = older.failed_at;
                } else {
                    newer.paid_at = older.paid_at;
                }
                newer.stamps.extend(older.stamps.get(moment).map(|stamp| (moment.to_owned(), stamp.clone())));
                newer.sources.extend(older.sources.get(moment).map(|source| (moment.to_owned(), *source)));
            }
        }
        newer
    }
}
