//! Streams that are cut, tabs that nobody sees, a database that is away and a service that starts anew.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::house::{Gate, House};

use super::{at, browser::Browser, day, open, plan, sign_in};

/// Sends a payment's event with this name.
async fn pay(house: &House, name: &str) {
    house.clock.advance(Duration::from_secs(1));
    let invoice = day::invoice("in_1", "cus_1", "sub_1", true);
    day::stripe(house, name, "invoice.payment_succeeded", invoice).await;
}

/// Waits until the list says so of itself.
async fn until_told(browser: &Browser, word: &str) {
    let script = format!("return document.querySelector('[data-live] span').textContent === '{word}'");
    browser.until(&script).await;
}

/// Waits until the list has so many rows, and asserts that none of them stands there twice.
async fn until_rows(browser: &Browser, count: usize) {
    browser.until(&format!("return document.querySelectorAll('#rows tbody tr').length === {count}")).await;
    let ids = "return new Set([...document.querySelectorAll('#rows tr[data-id]')].map((row) => row.dataset.id)).size";
    assert_eq!(browser.run(ids).await, json!(count));
}

#[tokio::test]
async fn a_stream_that_is_cut_comes_back_without_a_gap_and_without_a_row_twice() {
    let house = open().await;
    let mut gate = Gate::before_service(house.address).await;
    pay(&house, "evt_1").await;
    let browser = Browser::open().await;
    sign_in(&browser, &house, &[]).await;
    browser.go(&format!("http://{}/console/events", gate.address)).await;
    until_told(&browser, "Live").await;
    pay(&house, "evt_2").await;
    until_rows(&browser, 2).await;

    gate.shut().await;
    until_told(&browser, "Reconnecting").await;
    pay(&house, "evt_3").await;
    pay(&house, "evt_4").await;
    assert_eq!(browser.count("#rows tbody tr").await, 2);
    gate.reopen().await;
    until_told(&browser, "Live").await;
    until_rows(&browser, 4).await;
    pay(&house, "evt_5").await;
    until_rows(&browser, 5).await;
    browser.close().await;
    house.close().await;
}

/// A stream that stays open keeps a sleeping host awake.
#[tokio::test]
async fn a_tab_that_nobody_sees_holds_no_stream() {
    let house = open().await;
    pay(&house, "evt_1").await;
    let browser = Browser::open().await;
    // A minute is over at once, and the tab is hidden when the test says so.
    let script = "const wait = setTimeout; window.setTimeout = (run, ms) => wait(run, ms === 60000 ? 0 : ms);
                  window.unseen = false; Object.defineProperty(document, 'hidden', { get: () => window.unseen });
                  const Stream = EventSource; window.streams = [];
                  window.EventSource = class extends Stream { constructor(url) { super(url); window.streams.push(this); } };";
    browser.before_pages(script).await;
    sign_in(&browser, &house, &[]).await;
    browser.go(&at(&house, "/console/events")).await;
    until_told(&browser, "Live").await;
    let turn = async |unseen: bool| {
        let script =
            format!("window.unseen = {unseen}; document.dispatchEvent(new Event('visibilitychange'))");
        browser.run(&script).await;
    };
    let open_streams = "return window.streams.filter((stream) => stream.readyState !== 2).length";
    assert_eq!(browser.run(open_streams).await, json!(1));
    turn(true).await;
    until_told(&browser, "Paused while hidden").await;
    assert_eq!(browser.run(open_streams).await, json!(0));
    pay(&house, "evt_2").await;
    turn(false).await;
    until_rows(&browser, 2).await;
    until_told(&browser, "Live").await;
    assert_eq!(browser.run(open_streams).await, json!(1));
    browser.close().await;
    house.close().await;
}

#[tokio::test]
async fn a_restart_in_the_middle_signs_nobody_out_and_loses_no_row() {
    let mut house = open().await;
    pay(&house, "evt_1").await;
    let browser = Browser::open().await;
    sign_in(&browser, &house, &[]).await;
    browser.go(&at(&house, "/console/events")).await;
    until_told(&browser, "Live").await;
    house.restart().await;
    pay(&house, "evt_2").await;
    until_rows(&browser, 2).await;
    until_told(&browser, "Live").await;
    // A form of a page that was written before the restart.
    browser.click(".menu summary").await;
    browser.click("button[name=theme][value=dark]").await;
    browser.until("return document.documentElement.dataset.theme === 'dark'").await;
    assert_eq!(browser.here().await, "/console/events");
    browser.close().await;
    house.close().await;
}

#[tokio::test]
async fn a_page_that_is_open_while_the_database_is_away_goes_on_when_it_is_back() {
    let mut house = House::build(plan().gated()).await;
    pay(&house, "evt_1").await;
    let browser = Browser::open().await;
    sign_in(&browser, &house, &[]).await;
    browser.go(&at(&house, "/console/events")).await;
    until_told(&browser, "Live").await;
    house.gate().shut().await;
    browser.go(&at(&house, "/console/calls")).await;
    assert_eq!(browser.text("h1").await, "The database does not answer");
    assert!(browser.text("main").await.contains("answered meanwhile"), "{}", browser.text("main").await);
    house.gate().reopen().await;
    crate::house::eventually("the list is back", || async {
        browser.go(&at(&house, "/console/events")).await;
        (browser.count("#rows tbody tr").await == 1).then_some(())
    })
    .await;
    browser.close().await;
    house.close().await;
}

/// How long the list takes is told; on a busy machine it says nothing.
#[tokio::test]
async fn a_hundred_thousand_events_are_listed_by_the_page() {
    let house = open().await;
    let fewer = super::speed::MILLION.split(';').next().unwrap();
    let fewer = fewer.replace("1000000.0", "100000.0").replace("1000000)", "100000)");
    sqlx::raw_sql(sqlx::AssertSqlSafe(fewer)).execute(&house.db).await.unwrap();
    let session = super::Session::open(&house, &[]).await;
    let asked = Instant::now();
    let page = session.get(&house, "/console/events").await;
    println!("100 000 events: the list after {} ms", asked.elapsed().as_millis());
    assert_eq!(page.text().matches("<tr data-id=").count(), 50);
    assert!(page.text().contains("Older →") && !page.text().contains("100\u{2009}000"), "no full count");
    let older = page.text().split("starting_after=").nth(1).unwrap().split('"').next().unwrap();
    let next = session.get(&house, &format!("/console/events?starting_after={older}")).await;
    assert_eq!(next.text().matches("<tr data-id=").count(), 50);
    assert!(!next.text().contains(&format!("data-id=\"{older}\"")), "a page begins after the last");
    house.close().await;
}
