//! Any flow that can be used, and any caller: both carriers agree, every document is valid, and the call ends.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;
use smartline::fuzzing;
use tokio::runtime::Runtime;

use super::{Caller, Carrier, Texter, flows};
use crate::house::{House, NAME, NewLine};

/// Flows that are tried; each by some callers, on both carriers.
const FLOWS: u32 = 16;

proptest! {
    #![proptest_config(Config { failure_persistence: None, ..Config::default() })]

    /// Each document of each, for either carrier, with the longest values: see `lines::rendered`.
    #[test]
    fn no_flow_that_can_be_used_has_a_document_that_a_carrier_refuses(flow in flows::flow()) {
        prop_assert_eq!(fuzzing::flow_faults(&flow), Vec::<String>::new(), "{}", flow);
    }
}

#[test]
fn on_any_flow_any_caller_comes_to_the_same_end_on_both() {
    let runtime = Runtime::new().unwrap();
    let house = runtime.block_on(House::open());
    let lines = std::cell::Cell::new(0);
    let any = (flows::flow(), prop::collection::vec(flows::caller(), 1..4), any::<(bool, bool)>());
    let config =
        Config { cases: FLOWS, max_shrink_iters: 60, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let tried = runner.run(&any, |(flow, callers, settings)| {
        lines.set(lines.get() + 1);
        runtime.block_on(agree(&house, &flow, &callers, settings, lines.get()));
        Ok(())
    });
    if let Err(fault) = tried {
        std::mem::forget(house); // its own end would hide what failed
        panic!("{fault}");
    }
    runtime.block_on(house.close());
}

/// Sets up two lines with the flow and asserts that the carriers agree.
async fn agree(house: &House, flow: &str, callers: &[Caller], (records, a2p): (bool, bool), line: u32) {
    assert_eq!(fuzzing::flow_faults(flow), Vec::<String>::new(), "{flow}");
    // At ten in the morning, on the next day: whatever takes how long, the office stays as it is.
    let ten = 15 * 3600;
    let day = 24 * 3600;
    let until_ten = (ten - house.clock.now_s()).rem_euclid(day);
    house.clock.advance(Duration::from_secs(u64::try_from(until_ten).unwrap()));
    let number = |carrier| {
        let ends = if carrier == Carrier::Twilio { line * 2 } else { line * 2 + 1 };
        format!("+1{}55501{:02}", 212 + ends / 100, ends % 100)
    };
    let [twilio, plivo] = Carrier::ALL.map(|carrier| (carrier, number(carrier)));
    let settings = json!({ "record_calls": records, "a2p": a2p, "notify": "+14155550150" });
    let lines = [&twilio, &plivo].map(|(carrier, number)| NewLine {
        provider: carrier.name(),
        number,
        name: NAME,
        account: None,
        flow: Some(flow),
        settings: settings.clone(),
    });
    house.set_up(&lines).await;
    let mut told = Vec::new();
    for caller in callers {
        let caller = caller.clone().to(twilio.0, &twilio.1).to(plivo.0, &plivo.1);
        told.push(caller.calls_each(house).await);
    }
    let texter = Texter::new().to(twilio.0, &twilio.1).to(plivo.0, &plivo.1);
    for body in ["What are your hours?", "Hello", "Hello again"] {
        texter.sends_both(house, body).await;
    }
    while house.app.work_once().await.unwrap() > 0 {}
    for [by_twilio, by_plivo] in told {
        let heard = (&by_twilio.transcript, flow);
        assert_eq!(outcome(house, &by_twilio.id).await, outcome(house, &by_plivo.id).await, "{heard:#?}");
    }
    assert_eq!(owed(house, &twilio.1).await, owed(house, &plivo.1).await, "{flow}");
}

/// What became of a call; something must have.
async fn outcome(house: &House, id: &str) -> String {
    let outcome: Option<String> = sqlx::query_scalar("SELECT outcome FROM calls WHERE external_id = $1")
        .bind(id)
        .fetch_one(&house.db)
        .await
        .unwrap();
    outcome.expect("the call is over")
}

/// The texts that are owed by a line.
async fn owed(house: &House, line: &str) -> BTreeSet<(String, String, String)> {
    let texts = "
SELECT reason, contact, replace(owed->>'body', $1, 'LINE') FROM outbox
WHERE kind = 'text' AND line = $1 AND state <> 'cancelled'";
    let texts: Vec<_> = sqlx::query_as(texts).bind(line).fetch_all(&house.db).await.unwrap();
    texts.into_iter().collect()
}
