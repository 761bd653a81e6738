//! How somebody wants to see the console: theme, motion, time zone; and two tabs that are each their own.

use serde_json::{Value, json};

use super::{at, browser::Browser, day, open, sign_in};

/// Has the browser say so of its user.
async fn prefers(browser: &Browser, feature: &str, value: &str) {
    let features = json!({ "features": [{ "name": feature, "value": value }] });
    browser.chromium("Emulation.setEmulatedMedia", features).await;
}

#[tokio::test]
async fn no_page_flashes_in_another_theme() {
    let house = open().await;
    let browser = Browser::open().await;
    // The ground of each frame that is drawn, from the first one on.
    let script = "window.grounds = []; const look = () => {
                      if (document.body) window.grounds.push(getComputedStyle(document.body).backgroundColor);
                      if (window.grounds.length < 20) requestAnimationFrame(look);
                  }; requestAnimationFrame(look);";
    browser.before_pages(script).await;
    sign_in(&browser, &house, &[]).await;
    let mut seen = Vec::new();
    for (system, chosen) in [("dark", "light"), ("light", "dark"), ("dark", "system"), ("light", "system")] {
        prefers(&browser, "prefers-color-scheme", system).await;
        browser.run(&format!("document.cookie = 'smartline_theme={chosen}; path=/'")).await;
        browser.go(&at(&house, "/console")).await;
        browser.until("return window.grounds.length >= 20").await;
        let grounds = browser.run("return [...new Set(window.grounds)]").await;
        assert_eq!(grounds.as_array().unwrap().len(), 1, "{chosen} in a {system} system: {grounds}");
        seen.push(grounds);
    }
    assert_ne!(seen[0], seen[1]);
    assert_eq!((&seen[2], &seen[3]), (&seen[1], &seen[0]), "the system's theme where none is chosen");
    browser.close().await;
    house.close().await;
}

#[tokio::test]
async fn nothing_moves_for_who_wants_no_motion() {
    let house = open().await;
    day::call(&house, 1, "completed").await;
    let browser = Browser::open().await;
    sign_in(&browser, &house, &[]).await;
    browser.go(&at(&house, "/console/events")).await;
    let came = "const row = document.querySelector('#rows tbody tr'); row.classList.add('came');
                return getComputedStyle(row.querySelector('td')).animationName";
    assert_eq!(browser.run(came).await, json!("came"));
    prefers(&browser, "prefers-reduced-motion", "reduce").await;
    assert_eq!(browser.run(came).await, json!("none"));
    browser.close().await;
    house.close().await;
}

#[tokio::test]
async fn times_are_those_of_the_zone_that_is_chosen() {
    let house = open().await; // 12:00 UTC
    day::call(&house, 1, "completed").await;
    let browser = Browser::open().await;
    sign_in(&browser, &house, &[]).await;
    browser.chromium("Emulation.setTimezoneOverride", json!({ "timezoneId": "Asia/Tokyo" })).await;
    browser.go(&at(&house, "/console/events")).await;
    let time = "return [...document.querySelectorAll('#rows time')].map((time) => [time.textContent.slice(0, 2), time.dateTime])";
    let before = browser.run(time).await;
    assert!(browser.text(".clock").await.ends_with("UTC"));
    browser.click(".menu summary").await;
    browser.click("[data-local]").await;
    browser.until("return document.documentElement.dataset.zone === 'Asia/Tokyo'").await;
    assert!(browser.text(".clock").await.ends_with("JST"));
    let after = browser.run(time).await;
    let hours = |times: &Value| times[0][0].as_str().unwrap().parse::<u32>().unwrap();
    assert_eq!((hours(&before), hours(&after)), (12, 21));
    assert_eq!(before[0][1], after[0][1], "the moment is the same");
    browser.close().await;
    house.close().await;
}

#[tokio::test]
async fn two_tabs_have_each_their_own_filter() {
    let house = open().await;
    day::call(&house, 1, "completed").await;
    let invoice = || day::invoice("in_1", "cus_1", "sub_1", true);
    day::stripe(&house, "evt_1", "invoice.payment_succeeded", invoice()).await;
    let browser = Browser::open().await;
    sign_in(&browser, &house, &[]).await;
    let live = "return document.querySelector('[data-live] span').textContent === 'Live'";
    browser.go(&at(&house, "/console/events?provider=stripe")).await;
    browser.until(live).await;
    let first = browser.tab().await;
    browser.go(&at(&house, "/console/events?provider=twilio")).await;
    browser.until(live).await;
    let calls = browser.count("#rows tbody tr").await;
    house.clock.advance(std::time::Duration::from_secs(1));
    day::stripe(&house, "evt_2", "invoice.payment_succeeded", invoice()).await;
    let second = browser.switch(&first).await;
    browser.until("return document.querySelectorAll('#rows tbody tr').length === 2").await;
    assert_eq!(browser.here().await, "/console/events?provider=stripe");
    browser.switch(&second).await;
    assert_eq!(
        (browser.count("#rows tbody tr").await, browser.here().await),
        (calls, "/console/events?provider=twilio".to_owned())
    );
    browser.run("location.reload()").await;
    browser.until(live).await;
    assert_eq!(browser.count("#rows tbody tr").await, calls);
    browser.close().await;
    house.close().await;
}
