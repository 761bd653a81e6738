//! Billing: who pays, for what, and whether a line may be used.

pub(crate) mod entitlement;
pub(crate) mod rows;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use self::{
    entitlement::Entitlement,
    rows::{Account, Invoiced, Subscribed},
};
use crate::{
    inbox::kept::Kept,
    projection::{Poison, Rows, Worked, fold},
    provider::stripe::object::{self, Object, Paid},
};

/// Invoices that are looked at for one account: the newest tell whether something is owed.
const INVOICES_SQL: &str = "
SELECT to_jsonb(t) FROM invoices t WHERE account = $1 ORDER BY changed_at DESC, key LIMIT 100";

const SUBSCRIPTIONS_SQL: &str = "
SELECT to_jsonb(t) FROM subscriptions t WHERE account = $1 ORDER BY changed_at DESC, key LIMIT 100";

const ACCOUNT_SQL: &str = "
SELECT to_jsonb(t) FROM accounts t WHERE key = $1 OR id::text = $1";

/// Changes whenever a row does that decides on these accounts: xmin is the transaction that wrote it. Of the invoices only
/// those count that a subscription is behind with.
const FINGERPRINT_SQL: &str = "
SELECT coalesce(sum(hashtextextended(concat(key, ' ', version), 0)), 0)::text FROM (
    SELECT key, xmin AS version FROM accounts WHERE key = ANY ($1)
    UNION ALL
    SELECT key, xmin FROM subscriptions WHERE account = ANY ($1)
    UNION ALL
    SELECT invoice.key, invoice.xmin FROM subscriptions
    JOIN invoices invoice ON invoice.subscription = subscriptions.key
    WHERE subscriptions.account = ANY ($1) AND subscriptions.status = 'past_due'
) AS rows";

const ACCOUNTS_SQL: &str = "SELECT to_jsonb(t) FROM accounts t WHERE key = ANY ($1)";

const THEIR_SUBSCRIPTIONS_SQL: &str = "SELECT to_jsonb(t) FROM subscriptions t WHERE account = ANY ($1)";

const THEIR_DEBTS_SQL: &str = "
SELECT to_jsonb(invoice) FROM subscriptions JOIN invoices invoice ON invoice.subscription = subscriptions.key
WHERE subscriptions.account = ANY ($1) AND subscriptions.status = 'past_due' AND NOT invoice.paid";

/// Tells every process that keeps accounts in memory to look again. The tables themselves are the truth.
const HINT_SQL: &str = "SELECT pg_notify('smartline_lines', '')";

/// Makes the tables of a batch of Stripe events.
///
/// # Errors
/// What the database raises; nothing of the batch may be committed then.
pub(crate) async fn project(db: &mut PgConnection, events: &[&Kept]) -> sqlx::Result<Worked> {
    let read: Vec<_> = events.iter().map(|event| object::read(&event.request.body)).collect();
    let mut keys = Keys::default();
    for paid in read.iter().flatten().flatten() {
        keys.add(paid);
    }
    let mut ledger = Ledger {
        accounts: Rows::load(db, &keys.accounts).await?,
        subscriptions: Rows::load(db, &keys.subscriptions).await?,
        invoices: Rows::load(db, &keys.invoices).await?,
    };
    let mut read = read.into_iter();
    let worked = fold(events, |event| match read.next() {
        Some(Ok(Some(paid))) => {
            ledger.apply(&paid, event.id.uuid());
            Ok(())
        }
        Some(Err(why)) => Err(Poison(why.to_string())),
        _ => Ok(()), // tells of nothing that is kept
    });
    ledger.accounts.store(db).await?;
    ledger.subscriptions.store(db).await?;
    ledger.invoices.store(db).await?;
    if !keys.accounts.is_empty() {
        sqlx::query(HINT_SQL).execute(db).await?; // reaches others with the commit
    }
    Ok(worked)
}

/// The keys of all rows that a batch is about.
#[derive(Default)]
struct Keys {
    accounts: Vec<String>,
    subscriptions: Vec<String>,
    invoices: Vec<String>,
}

impl Keys {
    fn add(&mut self, event: &Paid) {
        let customer = match &event.object {
            Object::Checkout(checkout) => &checkout.customer,
            Object::Subscription(subscription) => {
                self.subscriptions.push(rows::key(event, &subscription.id));
                &subscription.customer
            }
            Object::Invoice(invoice) => {
                self.invoices.push(rows::key(event, &invoice.id));
                &invoice.customer
            }
        };
        self.accounts.extend(customer.iter().map(|customer| rows::key(event, customer)));
    }
}

/// The rows of a batch.
struct Ledger {
    accounts: Rows<Account>,
    subscriptions: Rows<Subscribed>,
    invoices: Rows<Invoiced>,
}

impl Ledger {
    fn apply(&mut self, event: &Paid, source: Uuid) {
        match &event.object {
            Object::Checkout(checkout) => {
                self.account(event, source, checkout.customer.as_deref(), |account| {
                    account.checkout(event, source, checkout);
                });
            }
            Object::Subscription(subscription) => {
                let known = self.subscriptions.get(&rows::key(event, &subscription.id));
                let row = Subscribed::after(known, event, source, subscription);
                self.subscriptions.put(row);
                self.account(event, source, subscription.customer.as_deref(), |account| {
                    account.line(event, source, Subscribed::line(subscription));
                });
            }
            Object::Invoice(invoice) => {
                let known = self.invoices.get(&rows::key(event, &invoice.id));
                let row = Invoiced::after(known, event, source, invoice);
                self.invoices.put(row);
                self.account(event, source, invoice.customer.as_deref(), |account| {
                    account.email(event, source, invoice.email.as_ref());
                });
            }
        }
    }

    /// Changes the account of a customer, which is made if it is new. A payment without a customer has none.
    fn account(
        &mut self,
        event: &Paid,
        source: Uuid,
        customer: Option<&str>,
        change: impl FnOnce(&mut Account),
    ) {
        let Some(customer) = customer else { return };
        let known = self.accounts.get(&rows::key(event, customer)).cloned();
        let mut account = known.unwrap_or_else(|| Account::new(event, source, customer));
        account.seen(event, source);
        change(&mut account);
        self.accounts.put(account);
    }
}

/// An account with all that decides whether its line may be used.
#[derive(Debug, Serialize)]
pub(crate) struct Statement {
    pub(crate) account: Account,
    pub(crate) subscriptions: Vec<Subscribed>,
    pub(crate) invoices: Vec<Invoiced>,
    pub(crate) entitlement: Entitlement,
}

/// What is known of an account, by its key or id, and whether its line may be used at `now`.
///
/// # Errors
/// What the database raises.
pub(crate) async fn statement(
    db: &mut PgConnection,
    account: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<Statement>> {
    let found: Option<Json<Account>> =
        sqlx::query_scalar(ACCOUNT_SQL).bind(account).fetch_optional(&mut *db).await?;
    let Some(Json(account)) = found else { return Ok(None) };
    let subscriptions: Vec<Json<Subscribed>> =
        sqlx::query_scalar(SUBSCRIPTIONS_SQL).bind(&account.key).fetch_all(&mut *db).await?;
    let invoices: Vec<Json<Invoiced>> =
        sqlx::query_scalar(INVOICES_SQL).bind(&account.key).fetch_all(db).await?;
    let subscriptions: Vec<_> = subscriptions.into_iter().map(|Json(row)| row).collect();
    let invoices: Vec<_> = invoices.into_iter().map(|Json(row)| row).collect();
    let entitlement = entitlement::entitlement(Some(&account), &subscriptions, &invoices, now);
    Ok(Some(Statement { account, subscriptions, invoices, entitlement }))
}

/// What is known of one account: enough to tell at any later moment whether its line may be used.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Books {
    account: Option<Account>,
    subscriptions: Vec<Subscribed>,
    invoices: Vec<Invoiced>,
}

impl Books {
    /// Whether the line may be used at `now`.
    pub(crate) fn entitlement(&self, now: DateTime<Utc>) -> Entitlement {
        entitlement::entitlement(self.account.as_ref(), &self.subscriptions, &self.invoices, now)
    }
}

/// Something that changes whenever the [`books`] of one of these accounts do.
///
/// # Errors
/// What the database raises.
pub(crate) async fn fingerprint(db: &mut PgConnection, accounts: &[String]) -> sqlx::Result<String> {
    sqlx::query_scalar(FINGERPRINT_SQL).bind(accounts).fetch_one(db).await
}

/// What is known of these accounts, by their keys; those that are not known are left out.
///
/// # Errors
/// What the database raises.
pub(crate) async fn books(
    db: &mut PgConnection,
    accounts: &[String],
) -> sqlx::Result<HashMap<String, Books>> {
    let found: Vec<Json<Account>> =
        sqlx::query_scalar(ACCOUNTS_SQL).bind(accounts).fetch_all(&mut *db).await?;
    let subscriptions: Vec<Json<Subscribed>> =
        sqlx::query_scalar(THEIR_SUBSCRIPTIONS_SQL).bind(accounts).fetch_all(&mut *db).await?;
    let invoices: Vec<Json<Invoiced>> =
        sqlx::query_scalar(THEIR_DEBTS_SQL).bind(accounts).fetch_all(db).await?;
    let mut books: HashMap<String, Books> = HashMap::new();
    for Json(account) in found {
        let key = account.key.clone();
        books.insert(key, Books { account: Some(account), ..Books::default() });
    }
    for Json(subscription) in subscriptions {
        if let Some(books) = subscription.account.as_ref().and_then(|account| books.get_mut(account)) {
            books.subscriptions.push(subscription);
        }
    }
    for Json(invoice) in invoices {
        if let Some(books) = invoice.account.as_ref().and_then(|account| books.get_mut(account)) {
            books.invoices.push(invoice);
        }
    }
    Ok(books)
}
