//! Pictures of every page, for people to look at, and the three of the README: `script/screenshots`. No test; it asserts
//! nothing.

use std::path::PathBuf;

use crate::house::{House, NewLine};

use super::{at, browser::Browser, day, plan, sign_in};

/// The editor's pages, as [`super::editor::pages`] has them.
const FLOW: [&str; 13] = [
    "flow",
    "flow-version",
    "flow-text",
    "flow-start",
    "flow-people",
    "flow-hours",
    "flow-menu",
    "flow-route",
    "flow-ring",
    "flow-agent",
    "flow-arrange",
    "flow-whole",
    "flow-whole-menu",
];

#[tokio::test]
#[ignore = "makes pictures for people, by script/screenshots"]
#[expect(clippy::disallowed_methods, reason = "where the pictures go is said by the script that makes them")]
async fn pictures() {
    let Some(folder) = std::env::var_os("SMARTLINE_PICTURES").map(PathBuf::from) else { return };
    std::fs::create_dir_all(&folder).unwrap();
    let only = std::env::var("SMARTLINE_PICTURES_ONLY").unwrap_or_default();
    let (mut house, _consoles) = super::setup::with_consoles(plan().gated()).await;
    let browser = Browser::open().await;
    browser.go(&at(&house, "/console/sign-in")).await;
    let mut pages = vec![("sign-in", "/console/sign-in".to_owned())];
    for (name, path) in &pages {
        shoot(&browser, &house, &folder, name, path, &only).await;
    }
    sign_in(&browser, &house, &[]).await;
    shoot(&browser, &house, &folder, "empty-overview", "/console", &only).await;
    shoot(&browser, &house, &folder, "empty-calls", "/console/calls", &only).await;
    for (name, path) in FLOW.into_iter().zip(super::editor::pages(&house).await) {
        shoot(&browser, &house, &folder, name, &path, &only).await;
    }
    // The day is longer than a session, unless an open page keeps that alive for a part of it.
    browser.go("about:blank").await;
    day::live_through(&house).await;
    browser.chromium("Network.clearBrowserCookies", serde_json::json!({})).await;
    sign_in(&browser, &house, &[]).await;
    let id = |table: &'static str, prefix: &'static str, order: &'static str| {
        let db = house.db.clone();
        async move {
            let find = sqlx::AssertSqlSafe(format!("SELECT {order} FROM {table} ORDER BY id DESC LIMIT 1"));
            let name: String = sqlx::query_scalar(find).fetch_one(&db).await.unwrap();
            format!("{prefix}{name}")
        }
    };
    pages = vec![
        ("overview", "/console".to_owned()),
        ("events", "/console/events".to_owned()),
        ("events-filtered", "/console/events?provider=stripe&type=invoice.payment_failed".to_owned()),
        ("event", "/console/search?q=evt_failed_1".to_owned()),
        ("event-call", id("calls", "/console/events?subject=", "external_id").await),
        ("refused", "/console/refused".to_owned()),
        ("dead-letters", "/console/dead-letters".to_owned()),
        ("replay", "/console/replay?dead=yes&provider=stripe".to_owned()),
        ("calls", "/console/calls".to_owned()),
        ("call", format!("/console/search?q=CA{:032x}", 903)),
        ("messages", "/console/messages".to_owned()),
        ("thread", format!("/console/search?q=SM{:032x}", 901)),
        ("outbox", "/console/outbox".to_owned()),
        ("owed", "/console/search?q=call:twilio:CA5:flow:0".to_owned()),
        ("accounts", "/console/accounts".to_owned()),
        ("account", "/console/search?q=cus_Q7grace1Hopper".to_owned()),
        ("setup", "/console/setup".to_owned()),
        ("settings", "/console/settings".to_owned()),
        ("search", "/console/search?q=nothing".to_owned()),
        ("missing", "/console/nowhere".to_owned()),
    ];
    phone(&browser, &house, &folder, &only).await;
    pages.push(("lines", "/console/lines".to_owned()));
    pages.push(("refusal", super::pages::refusal(&house, "signature_mismatch").await));
    pages.push(("refusal-unsigned", super::pages::refusal(&house, "signature_missing").await));
    browser.screen(1440, 900).await;
    browser.go(&at(&house, "/console/setup")).await;
    browser.click("form:has([value=twilio]) button").await;
    browser.until("return document.querySelector('.notice') !== null").await;
    for (name, path) in &pages {
        shoot(&browser, &house, &folder, name, path, &only).await;
    }
    if only.is_empty() {
        for_the_readme(&browser, &house).await;
    }
    house.gate().shut().await;
    shoot(&browser, &house, &folder, "outage", "/console", &only).await;
    house.gate().reopen().await;
    browser.close().await;
    house.close().await;
}

/// A line's page, and its phone in the middle of a call.
async fn phone(browser: &Browser, house: &House, folder: &std::path::Path, only: &str) {
    let menu = "schema = 1
[start]
call = \"menu\"
[people]
ada = \"+14155550142\"
[steps.menu]
do = \"ask\"
text = \"Thanks for calling {line.name|us}. For bookings press 1 or say bookings. For directions press 2.\"
speech = true
choose = { 1 = \"bookings\", 2 = \"directions\" }
none = \"vm\"
[steps.bookings]
do = \"ring\"
to = [\"ada\"]
missed = \"vm\"
[steps.directions]
do = \"say\"
text = \"We are at 1 Harbor Street, beside the ferry.\"
next = \"menu\"
[steps.vm]
do = \"voicemail\"
text = \"Please leave a message after the tone.\"";
    let line = NewLine {
        provider: "twilio",
        number: "+14155550197",
        name: "Harbor Dental",
        account: None,
        flow: Some(menu),
        settings: serde_json::json!({}),
    };
    house.set_up(&[line]).await;
    browser.screen(1440, 900).await;
    browser.go(&at(house, "/console/lines")).await;
    browser.click("a.open").await;
    let page = browser.here().await;
    shoot(browser, house, folder, "line", &page, only).await;
    browser.screen(1440, 900).await;
    browser.go(&at(house, &page)).await;
    browser.click("button.dial").await;
    for (turns, button) in [(1, "press:2"), (2, "press:1")] {
        let came = format!("return document.querySelectorAll('#phone .turn').length === {turns}");
        browser.until(&came).await;
        house.clock.advance(std::time::Duration::from_secs(7));
        browser.click(&format!("#phone button[value=\"{button}\"]")).await;
    }
    browser.until("return document.querySelectorAll('#phone .turn').length === 3").await;
    let call = browser.here().await;
    shoot(browser, house, folder, "phone", &call, only).await;
}

/// The three that the README shows, as somebody sees them in a window.
async fn for_the_readme(browser: &Browser, house: &House) {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/images"));
    std::fs::create_dir_all(&folder).unwrap();
    browser.screen(1200, 760).await;
    for (name, theme, path) in [
        ("overview", "light", "/console".to_owned()),
        ("event", "light", "/console/search?q=evt_failed_1".to_owned()),
        ("call", "dark", format!("/console/search?q=CA{:032x}", 903)),
    ] {
        browser.run(&format!("document.cookie = 'smartline_theme={theme}; path=/'")).await;
        browser.go(&at(house, &path)).await;
        browser.settle().await;
        std::fs::write(folder.join(format!("{name}.png")), browser.picture(false).await).unwrap();
    }
}

/// One page in both themes, wide and narrow.
async fn shoot(
    browser: &Browser,
    house: &House,
    folder: &std::path::Path,
    name: &str,
    path: &str,
    only: &str,
) {
    if !only.is_empty() && !only.split(',').any(|wanted| wanted == name) {
        return;
    }
    for theme in ["light", "dark"] {
        let cookie = format!("document.cookie = 'smartline_theme={theme}; path=/'");
        browser.run(&cookie).await;
        for (width, height) in [(1440, 900), (360, 780)] {
            browser.screen(width, height).await;
            browser.go(&at(house, path)).await;
            browser.settle().await;
            let picture = browser.picture(true).await;
            std::fs::write(folder.join(format!("{name}-{theme}-{width}.png")), picture).unwrap();
        }
    }
}
