//! Rows that come while somebody looks, and filters that live in the address.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{at, browser::Browser, day, open, sign_in};

#[tokio::test]
async fn a_request_shows_within_a_second_and_never_under_the_readers_hand() {
    let house = open().await;
    day::call(&house, 1, "completed").await;
    let browser = Browser::open().await;
    sign_in(&browser, &house, &[]).await;
    browser.go(&at(&house, "/console/events")).await;
    browser.until("return document.querySelector('[data-live] span').textContent === 'Live'").await;
    let before = browser.count("#rows tbody tr").await;

    house.clock.advance(Duration::from_secs(1));
    day::stripe(
        &house,
        "evt_live_1",
        "invoice.payment_failed",
        day::invoice("in_1", "cus_1", "sub_1", false),
    )
    .await;
    let sent = Instant::now();
    browser.until("return [...document.querySelectorAll('#rows tbody tr')].some((row) => row.innerText.includes('Payment failed'))").await;
    let took = sent.elapsed();
    assert!(took.as_millis() < 1500, "{took:?}"); // a second, and what asking the browser takes
    assert_eq!(browser.count("#rows tbody tr").await, before + 1);

    // Somebody is at a row: nothing moves, and what is new waits behind a button.
    browser.press("j").await;
    let place = "return document.activeElement.getBoundingClientRect().top";
    let top = browser.run(place).await;
    day::stripe(
        &house,
        "evt_live_2",
        "invoice.payment_succeeded",
        day::invoice("in_1", "cus_1", "sub_1", true),
    )
    .await;
    browser.until("return !document.querySelector('[data-fresh]').hidden").await;
    assert_eq!(browser.text("[data-fresh]").await, "1 new");
    assert_eq!((browser.run(place).await, browser.count("#rows tbody tr").await), (top, before + 1));
    browser.click("[data-fresh]").await;
    browser
        .until(&format!("return document.querySelectorAll('#rows tbody tr').length === {}", before + 2))
        .await;
    assert_eq!(browser.run("return new Set([...document.querySelectorAll('#rows tr[data-id]')].map((row) => row.dataset.id)).size").await, json!(before + 2));

    // Paused, nothing comes.
    browser.press("\u{e00c}l").await;
    assert_eq!(browser.text("[data-live]").await, "Paused");
    browser.close().await;
    house.close().await;
}

#[tokio::test]
async fn the_address_is_the_state() {
    let house = open().await;
    day::live_through(&house).await;
    let browser = Browser::open().await;
    sign_in(&browser, &house, &[]).await;
    browser.go(&at(&house, "/console/events")).await;
    browser.click(".choice a[href*='provider=stripe']").await;
    browser.until("return location.search === '?provider=stripe'").await;
    let only = "return [...document.querySelectorAll('#rows tbody .provider')].every((one) => one.innerText === 'Stripe')";
    assert_eq!(browser.run(only).await, true);
    browser.click(".more-filters summary").await;
    browser.write("input[name=type]", "invoice.payment_failed").await;
    browser.click(".more-filters button").await;
    browser.until("return location.search.includes('type=invoice.payment_failed')").await;
    assert_eq!(browser.count("#rows tbody tr").await, 1);
    assert_eq!(browser.count(".chips .chip").await, 2);
    browser.run("history.back()").await;
    browser.until("return location.search === '?provider=stripe' && document.querySelectorAll('.chips .chip').length === 1").await;
    browser.run("history.forward()").await;
    browser.until("return document.querySelectorAll('#rows tbody tr').length === 1").await;
    browser.click(".chips .chip[data-filter=type]").await;
    browser
        .until("return location.search.includes('provider=stripe') && !location.search.includes('type')")
        .await;
    browser.go(&at(&house, "/console/events")).await;
    browser.click(".pager a[rel=next]").await;
    let older = browser.here().await;
    assert!(older.contains("starting_after=event_"), "{older}");
    assert_eq!(browser.count("[data-live]").await, 0, "older rows do not move");
    browser.click(".pager a[rel=prev]").await;
    browser.until("return document.querySelector('.pager a[rel=next]') !== null").await;
    browser.close().await;
    house.close().await;
}

#[tokio::test]
async fn the_keyboard_alone_will_do() {
    let house = open().await;
    day::live_through(&house).await;
    let browser = Browser::open().await;
    sign_in(&browser, &house, &[]).await;
    browser.press("ge").await;
    browser.until("return location.pathname === '/console/events'").await;
    browser.press("jjk").await;
    let first = browser.run("return document.querySelector('#rows a.open').getAttribute('href')").await;
    assert_eq!(browser.run("return document.activeElement.getAttribute('href')").await, first);
    browser.press("\u{e007}").await;
    browser.until("return location.pathname.startsWith('/console/events/event_')").await;
    browser.press(&format!("/CA{:032x}\u{e007}", 903)).await;
    browser.until("return location.pathname.startsWith('/console/calls/call_')").await;
    browser.press("?").await;
    assert_eq!(browser.run("return document.querySelector('#help').open").await, true);
    browser.press("\u{e00c}").await;
    browser.until("return !document.querySelector('#help').open").await;
    // Keys that are switched off do nothing.
    browser.run("document.cookie = 'smartline_keys=off; path=/'").await;
    browser.go(&at(&house, "/console/calls")).await;
    browser.press("?").await;
    assert_eq!(browser.run("return document.querySelector('#help').open").await, false);
    // The first stop of the tabulator leads past the rail.
    browser.press("\u{e004}").await;
    assert_eq!(browser.text(":focus").await, "Skip to the content");
    browser.close().await;
    house.close().await;
}

/// Five things that people come for, without a mouse: to sign in, to understand a refusal, to replay an event, to find a
/// call by its id, and to choose how the console looks.
#[tokio::test]
async fn five_tasks_are_done_by_keys_alone() {
    let house = open().await;
    day::live_through(&house).await;
    let browser = Browser::open().await;
    browser.go(&at(&house, "/console/sign-in")).await;
    assert_eq!(browser.run("return document.activeElement.id").await, json!("key"));
    browser.press(&format!("{}\u{e007}", super::ADMIN)).await;
    browser.until("return document.querySelector('.rail') !== null").await;

    browser.tab_to("Refused").await;
    browser.press("\u{e007}").await;
    browser.until("return location.pathname === '/console/refused'").await;
    browser.press("j\u{e007}").await;
    browser.until("return location.pathname.startsWith('/console/refused/req_')").await;
    assert!(browser.text(".about").await.ends_with('.'));

    browser.press("/evt_failed_1\u{e007}").await;
    browser.until("return location.pathname.startsWith('/console/events/event_')").await;
    browser.press("r").await;
    assert_eq!(browser.text(":focus").await, "Replay");
    browser.press("\u{e007}").await;
    browser.until("return document.querySelector('.notice') !== null").await;

    // Pasted anywhere: into no field.
    let paste = format!("const data = new DataTransfer(); data.setData('text', ' CA{:032x} ');
                 document.body.dispatchEvent(new ClipboardEvent('paste', {{ clipboardData: data, bubbles: true }}))", 903);
    browser.run(&paste).await;
    browser.until("return location.pathname.startsWith('/console/calls/call_')").await;

    browser.run("document.querySelector('#main').focus()").await;
    browser.tab_to("Admin").await;
    browser.press("\u{e007}").await;
    browser.tab_to("Dark").await;
    browser.press("\u{e007}").await;
    browser.until("return document.documentElement.dataset.theme === 'dark'").await;
    browser.close().await;
    house.close().await;
}
