use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    entitlement::{GRACE, Standing, entitlement},
    rows::{Account, Invoiced, Subscribed},
    *,
};

const START: i64 = 1_794_000_000;

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(START + second, 0).unwrap()
}

/// A Stripe event, in one of the two shapes.
fn event(number: usize, second: i64, kind: &str, object: impl Into<Value>) -> Paid {
    let body = json!({
        "id": format!("evt_{number:04}"), "type": kind, "created": START + second, "livemode": true,
        "data": {"object": object.into()},
    });
    object::read(body.to_string().as_bytes()).unwrap().unwrap()
}

fn subscription(status: &str, basil: bool, period_end: i64) -> Value {
    let mut object = json!({
        "id": "sub_1", "customer": if basil { json!({"id": "cus_1"}) } else { json!("cus_1") }, "status": status,
        "items": {"data": [{"price": {"id": "price_1"}, "quantity": 1}]}, "metadata": {"line": "+14155550199"},
    });
    if basil {
        object["items"]["data"][0]["current_period_end"] = json!(START + period_end);
    } else {
        object["current_period_end"] = json!(START + period_end);
    }
    object
}

fn invoice(number: usize, status: &str, basil: bool) -> Value {
    let mut object =
        json!({"id": format!("in_{number}"), "customer": "cus_1", "status": status, "amount_due": 900});
    if basil {
        object["parent"] =
            json!({"type": "subscription_details", "subscription_details": {"subscription": "sub_1"}});
    } else {
        object["subscription"] = json!("sub_1");
    }
    object
}

/// The rows after these events.
#[derive(Clone, Debug, Default, PartialEq)]
struct Books {
    account: Option<Account>,
    subscription: Option<Subscribed>,
    invoices: std::collections::BTreeMap<String, Invoiced>,
}

fn books(events: &[Paid]) -> Books {
    let mut books = Books::default();
    for event in events {
        // Each event has one id, however often it comes; the earliest known is kept.
        let source = Uuid::from_u128(event.event.trim_start_matches("evt_").parse().unwrap());
        let account = |books: &mut Books| {
            let mut account = books.account.take().unwrap_or_else(|| Account::new(event, source, "cus_1"));
            account.seen(event, source);
            account
        };
        let mut known = account(&mut books);
        match &event.object {
            Object::Checkout(checkout) => known.checkout(event, source, checkout),
            Object::Subscription(subscription) => {
                books.subscription =
                    Some(Subscribed::after(books.subscription.as_ref(), event, source, subscription));
                known.line(event, source, Subscribed::line(subscription));
            }
            Object::Invoice(invoice) => {
                let row = Invoiced::after(books.invoices.get(&invoice.id), event, source, invoice);
                books.invoices.insert(invoice.id.clone(), row);
                known.email(event, source, invoice.email.as_ref());
            }
        }
        books.account = Some(known);
    }
    books
}

/// Where Stripe's state machine may go from a status, and what comes with it.
///
/// Source: Stripe docs, "How subscriptions work", statuses.
fn next(status: &str) -> &'static [&'static str] {
    match status {
        "" => &["incomplete", "trialing", "active"],
        "incomplete" => &["active", "incomplete_expired"],
        "trialing" => &["active", "paused", "past_due", "canceled"],
        "active" => &["active", "past_due", "canceled"],
        "past_due" => &["active", "unpaid", "canceled"],
        "unpaid" | "paused" => &["active", "canceled"],
        _ => &[],
    }
}

/// A whole life: choices of the next status, seconds between changes, and the shape of each event.
fn life() -> impl Strategy<Value = Vec<Paid>> {
    let step = (any::<prop::sample::Index>(), 0..3_i64, any::<bool>());
    prop::collection::vec(step, 1..14).prop_map(|steps| {
        let (mut status, mut second, mut events, mut bill) = ("", 0, Vec::new(), 0);
        for (choice, wait, basil) in steps {
            let choices = next(status);
            if choices.is_empty() {
                break;
            }
            let kind = match (status, *choice.get(choices)) {
                ("", new) => {
                    status = new;
                    "created"
                }
                (_, new @ "canceled") => {
                    status = new;
                    "deleted"
                }
                (_, new) => {
                    status = new;
                    "updated"
                }
            };
            second += wait;
            let kind = format!("customer.subscription.{kind}");
            events.push(event(events.len(), second, &kind, subscription(status, basil, second + 1000)));
            let paid = match status {
                "active" => Some(("invoice.payment_succeeded", "paid")),
                "past_due" | "incomplete" => Some(("invoice.payment_failed", "open")),
                _ => None,
            };
            if let Some((kind, state)) = paid {
                events.push(event(events.len(), second, kind, invoice(bill, state, basil)));
                bill += usize::from(state == "paid");
                if state == "paid" {
                    events.push(event(events.len(), second, "invoice.paid", invoice(bill - 1, state, basil)));
                }
            }
        }
        let session =
            json!({"id": "cs_1", "customer": "cus_1", "customer_details": {"email": "ada@example.com"}});
        events.push(event(events.len(), 1, "checkout.session.completed", session));
        events
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_order_of_a_life_ends_in_the_same_rows(
        life in life(),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
    ) {
        let ordered = books(&life);
        // Deliveries in any order, some of them twice, and at last all of them.
        let mut shuffled: Vec<Paid> = order.iter().map(|index| index.get(&life).clone()).collect();
        shuffled.extend(life.iter().rev().cloned());
        prop_assert_eq!(books(&shuffled), ordered);
    }

    #[test]
    fn whatever_the_objects_hold_is_read_or_refused(text in ".*", number in any::<i64>(), kind in 0..7_usize) {
        let kinds = ["checkout.session.completed", "customer.subscription.created", "customer.subscription.updated",
                     "customer.subscription.deleted", "invoice.payment_succeeded", "invoice.payment_failed", "invoice.paid"];
        for value in [json!(text), json!(number), json!([text]), json!({ "id": text }), Value::Null] {
            let mut object = serde_json::Map::new();
            for name in ["id", "customer", "status", "items", "parent", "subscription", "metadata", "cancel_at",
                         "current_period_end", "latest_invoice", "amount_due", "customer_details"] {
                object.insert(name.to_owned(), value.clone());
            }
            let body = json!({"id": "evt_1", "type": kinds[kind], "created": number, "data": {"object": object}});
            if let Ok(Some(paid)) = object::read(body.to_string().as_bytes()) {
                prop_assert!(!format!("{paid:?}").contains("\\0"), "PostgreSQL has no place for NUL");
            }
        }
    }
}

#[test]
fn the_later_state_wins_and_a_final_one_stays() {
    let updated = "customer.subscription.updated";
    for (case, events, expected, refetch) in [
        ("by second", vec![(5, updated, "past_due"), (9, updated, "active")], "active", false),
        ("late arrival", vec![(9, updated, "active"), (5, updated, "past_due")], "active", false),
        (
            "created and updated at once",
            vec![(5, updated, "active"), (5, "customer.subscription.created", "incomplete")],
            "active",
            false,
        ),
        ("rank within a second", vec![(5, updated, "past_due"), (5, updated, "active")], "past_due", false),
        (
            "final",
            vec![(5, "customer.subscription.deleted", "canceled"), (9, updated, "active")],
            "canceled",
            false,
        ),
        ("a status of later years", vec![(5, updated, "hibernating")], "hibernating", false),
    ] {
        let events: Vec<_> = events
            .into_iter()
            .enumerate()
            .map(|(number, (second, kind, status))| {
                event(number, second, kind, subscription(status, false, 9))
            })
            .collect();
        let row = books(&events).subscription.unwrap();
        assert_eq!((row.status.as_str(), row.needs_refetch), (expected, refetch), "{case}");
    }
    let contradict = [
        event(0, 5, updated, subscription("active", true, 9)),
        event(1, 5, updated, subscription("active", true, 10)),
    ];
    assert!(books(&contradict).subscription.unwrap().needs_refetch, "one second, one status, two ends");
}

#[test]
fn both_shapes_say_the_same() {
    for kind in ["customer.subscription.created", "customer.subscription.deleted"] {
        let [old, new] = [false, true].map(|basil| event(0, 5, kind, subscription("active", basil, 99)));
        assert_eq!(old, new, "{kind}");
    }
    let [old, new] = [false, true].map(|basil| event(0, 5, "invoice.paid", invoice(1, "paid", basil)));
    assert_eq!(old, new);
}

#[test]
fn test_and_live_and_connected_accounts_are_apart() {
    let mut one = event(0, 5, "customer.subscription.created", subscription("active", true, 9));
    let live = rows::key(&one, "sub_1");
    one.livemode = false;
    let test = rows::key(&one, "sub_1");
    one.connected = "acct_1".to_owned();
    assert_eq!(
        [live.as_str(), &test, &rows::key(&one, "sub_1")],
        ["live::sub_1", "test::sub_1", "test:acct_1:sub_1"]
    );
}

#[test]
fn half_a_surrogate_pair_costs_no_more_than_itself() {
    for (name, expected) in [
        (r"Ada \ud83d", "Ada \u{fffd}"),
        (r"\udc00\ud83d\ude00", "\u{fffd}\u{1f600}"),
        (r"\ud83d\ud83d\ude00\\ud83d", "\u{fffd}\u{1f600}\\ud83d"),
        (r"\ud83d\n\ud83", ""),
    ] {
        let body = format!(
            r#"{{"id":"evt_1","type":"checkout.session.completed","created":1,
                 "data":{{"object":{{"id":"cs_1","customer_details":{{"name":"{name}"}}}}}}}}"#
        );
        let read = object::read(body.as_bytes());
        let found = read.ok().flatten().map(|event| match event.object {
            object::Object::Checkout(session) => session.name.unwrap(),
            other => panic!("{other:?}"),
        });
        assert_eq!(found.unwrap_or_default(), expected, "{name}");
    }
}

#[test]
fn what_cannot_be_used_says_which_member_is_missing() {
    for (body, expected) in [
        (r#"{"type":"invoice.paid","created":1,"id":"evt_1"}"#, "data.object of the invoice has no id"),
        (r#"{"type":"invoice.paid","created":1,"data":{"object":{"id":"in_1"}}}"#, "the event has no id"),
        (r#"{"type":"invoice.paid","id":"evt_1","data":{"object":{"id":"in_1"}}}"#, "the event has no time"),
        ("[", "the body is no JSON that can be read"),
    ] {
        assert_eq!(object::read(body.as_bytes()).unwrap_err().to_string(), expected, "{body}");
    }
    for body in [r#"{"type":"ping"}"#, "{}", r#"{"object":"v2.core.event","type":"v1.x"}"#] {
        assert_eq!(object::read(body.as_bytes()), Ok(None), "{body}");
    }
}

#[test]
fn entitlement_of_each_status() {
    let failed = 100;
    for (status, after, expected, reason) in [
        ("trialing", 0, Standing::Active, "in_trial"),
        ("active", 0, Standing::Active, "paid"),
        ("past_due", 0, Standing::Grace, "payment_failed"),
        ("past_due", GRACE.num_seconds() - 1, Standing::Grace, "payment_failed"),
        ("past_due", GRACE.num_seconds(), Standing::Suspended, "payment_overdue"),
        ("unpaid", 0, Standing::Suspended, "unpaid"),
        ("canceled", 0, Standing::Suspended, "canceled"),
        ("paused", 0, Standing::Suspended, "paused"),
        ("incomplete", 0, Standing::Suspended, "first_payment_missing"),
        ("incomplete_expired", 0, Standing::Suspended, "canceled"),
        ("hibernating", 0, Standing::Active, "unknown_status"),
    ] {
        let events = [
            event(1, failed, "invoice.payment_failed", invoice(1, "open", true)),
            event(2, failed + 50, "invoice.payment_failed", invoice(1, "open", true)),
            event(3, failed + 50, "customer.subscription.updated", subscription(status, true, 9)),
        ];
        let books = books(&events);
        let (subscription, invoices) =
            (books.subscription.unwrap(), books.invoices.into_values().collect::<Vec<_>>());
        let now = at(failed) + TimeDelta::seconds(after);
        let found = entitlement(books.account.as_ref(), &[subscription], &invoices, now);
        assert_eq!((found.standing, found.reason), (expected, reason), "{status} after {after} s");
        let first_failure = status == "past_due";
        assert_eq!(found.event, Some(Uuid::from_u128(if first_failure { 1 } else { 3 })), "{status}");
        assert_eq!(found.until, (expected == Standing::Grace).then(|| at(failed) + GRACE), "{status}");
    }
    assert_eq!(entitlement(None, &[], &[], at(0)).reason, "no_account");
    let account =
        books(&[event(0, 1, "checkout.session.completed", json!({"id": "cs_1", "customer": "cus_1"}))])
            .account;
    assert_eq!(entitlement(account.as_ref(), &[], &[], at(0)).reason, "no_subscription");
}
