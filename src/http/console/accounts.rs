//! Who pays, for what, and whether their line may be used; each value with the event behind it.

use axum::{
    extract::{Path, RawQuery, State as Extract},
    response::Response,
};
use maud::{Markup, html};
use serde_json::{Value, json};
use sqlx::types::Json;

use super::{
    events, icons, lists,
    page::{self, Section},
    parts::{self, Row, Tone, fact, pill},
    payload,
    visitor::{Look, Visitor},
    words,
};
use crate::{
    billing::{self, entitlement::Standing},
    domain::id,
    http::{api::detail, error::Error, state::State},
    provider::Params,
};

const PATH: &str = "/console/accounts";

/// The subscriptions of some accounts, the newest word first.
const SUBSCRIPTIONS_SQL: &str =
    "SELECT to_jsonb(t) FROM subscriptions t WHERE account = ANY ($1) ORDER BY changed_at DESC LIMIT 500";

const INVOICES_SQL: &str = "SELECT to_jsonb(t) FROM invoices t WHERE account = $1 ORDER BY id DESC LIMIT 50";

/// Accounts whose subscription is not paid for.
const OWING_SQL: &str = "
SELECT to_jsonb(t) FROM accounts t
WHERE key IN (SELECT account FROM subscriptions WHERE status IN ('past_due', 'unpaid') LIMIT 1000) ORDER BY id DESC LIMIT 100";

/// `GET /console/accounts`.
pub(super) async fn list(
    Extract(state): Extract<State>,
    RawQuery(query): RawQuery,
    visitor: Visitor,
) -> Result<Response, Error> {
    let owing = Params::from_query(query.as_deref().unwrap_or_default()).get("view") == Some("owing");
    let mut listed =
        lists::read(&state, &visitor, "accounts", PATH, query.as_deref().filter(|_| !owing)).await?;
    if owing {
        let resource = lists::resource("accounts")?;
        let rows: Vec<Json<Value>> = sqlx::query_scalar(OWING_SQL).fetch_all(&state.db).await?;
        listed.rows = rows.into_iter().map(|row| Row(resource.shown(row.0, false))).collect();
    }
    let keys: Vec<&str> = listed.rows.iter().map(|row| row.text("key")).collect();
    let subscriptions: Vec<Json<Value>> =
        sqlx::query_scalar(SUBSCRIPTIONS_SQL).bind(&keys).fetch_all(&state.db).await?;
    let subscriptions: Vec<Row> = subscriptions.into_iter().map(|row| Row(row.0)).collect();
    let newest = |account: &Row| subscriptions.iter().find(|row| row.text("account") == account.text("key"));
    let body = html! {
        (parts::head("Accounts", &html! { "Who pays for a line, as far as Stripe told." }, &html! {}))
        div.filters {
            nav.choice aria-label="Which" {
                a href=(PATH) aria-current=[(!owing).then_some("true")] { "All" }
                a href="/console/accounts?view=owing" aria-current=[owing.then_some("true")] { "Owing" }
            }
            (listed.more(&[("customer", "Customer", "cus_…"), ("line", "Line", "+1…")]))
        }
        (listed.chips())
        @if listed.rows.is_empty() {
            @if owing { (parts::empty(&icons::ok(), "Nobody owes anything", &html! { "Every subscription is paid for." })) }
            @else { (listed.empty(&icons::accounts(), "No account yet", &html! { "A completed checkout makes the first. To try it: " code.command { "smartline send stripe checkout.session.completed" } (parts::copy("smartline send stripe checkout.session.completed", "Copy the command")) })) }
        } @else {
            div.scroll { table.rows {
                caption.hidden { "Accounts, newest first" }
                thead { tr { th scope="col" { "Customer" } th scope="col" { "Line" } th scope="col" { "Subscription" } th scope="col" { "Paid until" } th scope="col" { "Last word" } } }
                tbody { @for row in &listed.rows {
                    @let subscription = newest(row);
                    tr {
                        td.what { a.open href={ (PATH) "/" (row.text("id")) } { code { (row.text("customer")) } } @if !row.truth("livemode") { " " span.chip.dev { "test" } } }
                        td { (row.some("line").unwrap_or("–")) }
                        td { @if let Some(subscription) = subscription { @let (tone, word) = words::subscription(subscription.text("status")); (pill(tone, &word)) } @else { (pill(Tone::Plain, "None")) } }
                        td { @if let Some(at) = subscription.and_then(|row| row.time("period_end")) { (parts::time(&visitor, at)) } @else { "–" } }
                        td.time { @if let Some(at) = row.time("changed_at") { (parts::when(&visitor, at)) } }
                    }
                } }
            } }
        }
        @if !owing { (listed.foot()) }
    };
    Ok(page::page(&visitor, Section::Accounts, "Accounts", &body))
}

/// `GET /console/accounts/{id}`; by POST with people's data.
pub(super) async fn show(
    Extract(state): Extract<State>,
    Path(name): Path<String>,
    look: Look,
) -> Result<Response, Error> {
    let page = page_of(&state, &look.visitor, &name, look.reveals).await?;
    look.note(&state, &name, json!({})).await?;
    Ok(page)
}

async fn page_of(state: &State, visitor: &Visitor, name: &str, revealed: bool) -> Result<Response, Error> {
    let resource = lists::resource("accounts")?;
    visitor.needs(resource.scope)?;
    let row = detail::find(state, resource, name).await?;
    let key = row["key"].as_str().unwrap_or_default().to_owned();
    let shown = |name: &'static str, rows: Vec<Json<Value>>| {
        let resource = lists::resource(name)?;
        Ok::<_, Error>(rows.into_iter().map(|row| Row(resource.shown(row.0, revealed))).collect::<Vec<_>>())
    };
    let subscriptions =
        sqlx::query_scalar(SUBSCRIPTIONS_SQL).bind([&key].as_slice()).fetch_all(&state.db).await?;
    let subscriptions = shown("subscriptions", subscriptions)?;
    let invoices =
        shown("invoices", sqlx::query_scalar(INVOICES_SQL).bind(&key).fetch_all(&state.db).await?)?;
    let history = events::about(state, row["customer"].as_str().unwrap_or_default(), 20).await?;
    let mut db = state.db.acquire().await?;
    let entitlement =
        billing::statement(&mut db, &key, visitor.now).await?.map(|statement| statement.entitlement);
    drop(db);
    let row = Row(resource.shown(row, revealed));
    let body = html! {
        (parts::crumbs("Accounts", PATH))
        div.head {
            div {
                h1 { "Customer " code { (row.text("customer")) } }
                @if let Some(entitlement) = &entitlement {
                    p.about { (standing(entitlement.standing, entitlement.reason))
                        @if let Some(event) = entitlement.event { " " a href={ "/console/events/" (id::shown("event_", event)) } { "The event behind it" } }
                        @if let Some(until) = entitlement.until { " Until " (parts::when(visitor, until)) "." } }
                    p.tags { (standing_pill(entitlement.standing)) @if !row.truth("livemode") { span.chip.dev { "test" } } }
                }
            }
            div.actions {
                (page::reveal(visitor, &format!("{PATH}/{}", row.text("id")), revealed))
            }
        }
        div.columns {
            div {
                @for subscription in &subscriptions { (subscription_card(visitor, subscription)) }
                @if subscriptions.is_empty() { section.card { (parts::empty(&icons::accounts(), "No subscription", &html! { "Stripe has told of none for this customer." })) } }
                (invoice_table(visitor, &invoices))
            }
            div {
                (facts(visitor, &row))
                section.card aria-labelledby="history" {
                    div.card-head { h2 #history { "History" } a href={ "/console/events?subject=" (row.text("customer")) } { "All events" } }
                    @if history.is_empty() { p.hint { "No event that is still kept names this customer." } } @else { (events::brief(visitor, &history)) }
                }
            }
        }
    };
    Ok(page::page(visitor, Section::Accounts, "Account", &body))
}

fn standing_pill(standing: Standing) -> Markup {
    match standing {
        Standing::Active => pill(Tone::Good, "Line in use"),
        Standing::Grace => pill(Tone::Warn, "Grace"),
        Standing::Suspended => pill(Tone::Bad, "Suspended"),
        Standing::None => pill(Tone::Plain, "No subscription"),
    }
}

/// Whether the line may be used, and why.
fn standing(standing: Standing, reason: &str) -> String {
    let may = match standing {
        Standing::Active => "The line may be used",
        Standing::Grace => "The line may be used for a while yet",
        Standing::Suspended => "The line is suspended",
        Standing::None => "The line answers with its default",
    };
    let why = match reason {
        "paid" => "the subscription is paid for",
        "in_trial" => "the trial is running",
        "payment_failed" => "a payment failed, and a week of grace is given",
        "payment_overdue" => "a payment failed more than a week ago",
        "unpaid" => "Stripe has given up on the payment",
        "canceled" => "the subscription has ended",
        "paused" => "the subscription is paused",
        "first_payment_missing" => "the first payment has not come",
        "no_subscription" => "there is no subscription",
        _ => "of a status that this version does not know",
    };
    format!("{may}: {why}.")
}

fn subscription_card(visitor: &Visitor, row: &Row) -> Markup {
    let (tone, word) = words::subscription(row.text("status"));
    let state = row.source("state");
    html! {
        section.card aria-label="Subscription" {
            div.card-head { h2 { "Subscription" } (pill(tone, &word)) }
            dl.facts {
                (fact("Id", &parts::id(row.text("external_id")), None))
                (fact("Status", &html! { code { (row.text("status")) } }, state))
                @if let Some(price) = row.some("price") { (fact("Price", &html! { code { (price) } @if let Some(quantity) = row.number("quantity").filter(|quantity| *quantity != 1) { " × " (quantity) } }, row.source("price").or(state))) }
                @for (name, column) in [("Period began", "period_start"), ("Paid until", "period_end"), ("Trial ends", "trial_end"), ("Ends", "cancel_at"), ("Canceled", "canceled_at"), ("Ended", "ended_at")] {
                    @if let Some(at) = row.time(column) { (fact(name, &parts::when(visitor, at), row.source(column).or(state))) }
                }
                @if row.truth("cancel_at_period_end") { (fact("Renewal", &pill(Tone::Warn, "Ends with the period"), state)) }
                @if row.truth("needs_refetch") { (fact("Doubt", &pill(Tone::Warn, "Two events of one second contradict each other"), state)) }
                @if let Some(at) = row.time("changed_at") { (fact("Last word", &parts::when(visitor, at), None)) }
            }
        }
    }
}

fn invoice_table(visitor: &Visitor, invoices: &[Row]) -> Markup {
    html! {
        section.card aria-labelledby="invoices" {
            div.card-head { h2 #invoices { "Invoices" } span.count { (invoices.len()) } }
            @if invoices.is_empty() { p.hint { "Stripe has told of none." } } @else {
                div.scroll tabindex="0" role="region" aria-label="Table of invoices" { table.rows.inner {
                    thead { tr { th scope="col" { "Invoice" } th.num scope="col" { "Due" } th.num scope="col" { "Paid" } th scope="col" { "Status" } th scope="col" { "Last word" } } }
                    tbody { @for row in invoices {
                        @let (tone, word) = words::invoice(row);
                        tr {
                            td { code { (row.text("external_id")) } }
                            td.num { (money(row, "amount_due")) }
                            td.num { (money(row, "amount_paid")) }
                            td { (pill(tone, &word)) @if let Some(event) = row.source("state").or(row.source("status")) { " " a.source href={ "/console/events/" (event) } aria-label="The event that set the status" { (icons::events()) } } }
                            td.time { @if let Some(at) = row.time("changed_at") { (parts::when(visitor, at)) } }
                        }
                    } }
                } }
            }
        }
    }
}

/// Currencies without a smaller unit. Source: Stripe docs, "Zero-decimal currencies".
const WHOLE: [&str; 16] = [
    "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof",
    "xpf",
];

fn money(row: &Row, column: &str) -> String {
    let Some(amount) = row.number(column) else { return "–".to_owned() };
    let currency = row.text("currency");
    let code = currency.to_uppercase();
    if WHOLE.contains(&currency) {
        return format!("{} {code}", parts::number(amount));
    }
    format!("{}.{:02} {code}", parts::number(amount / 100), (amount % 100).abs())
}

fn facts(visitor: &Visitor, row: &Row) -> Markup {
    let text = |name: &str, column: &str| {
        row.some(column).map(|value| fact(name, &html! { (payload::safe(value)) }, row.source(column)))
    };
    html! {
        section.card aria-labelledby="facts" {
            div.card-head { h2 #facts { "What is known" } }
            dl.facts {
                (fact("Id", &parts::id(row.text("id")), None))
                (fact("Customer", &parts::id(row.text("customer")), None))
                @for item in [text("Line", "line"), text("Email", "email"), text("Name", "name"), text("Phone", "phone"), text("Reference", "reference"), text("Checkout", "checkout"), text("Payment", "payment_status")].into_iter().flatten() { (item) }
                @if let Some(at) = row.time("checked_out_at") { (fact("Checked out", &parts::when(visitor, at), row.source("checkout"))) }
                @if let Some(at) = row.time("changed_at") { (fact("Last word", &parts::when(visitor, at), None)) }
            }
            p.hint { "The mark beside a value leads to the event that set it." }
        }
    }
}
