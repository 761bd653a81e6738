//! Every page: nothing to complain of, nothing from elsewhere, usable by everybody, in both themes and at every width.

use crate::house::{House, NewLine, Plan};

use super::{Session, at, browser::Browser, day, open, plan, sign_in};

/// Pages that there are without anything kept.
const PAGES: [&str; 17] = [
    "/console",
    "/console/events",
    "/console/refused",
    "/console/dead-letters",
    "/console/replay",
    "/console/replay?dead=yes",
    "/console/calls",
    "/console/messages",
    "/console/outbox",
    "/console/outbox?state=dead",
    "/console/accounts",
    "/console/accounts?view=owing",
    "/console/lines",
    "/console/flows",
    "/console/setup",
    "/console/settings",
    "/console/search?q=nothing",
];

/// A page of each kind of thing.
async fn details(house: &House) -> Vec<String> {
    let mut paths = vec![
        "/console/search?q=evt_failed_1".to_owned(),
        "/console/search?q=evt_odd_1".to_owned(),
        format!("/console/search?q=CA{:032x}", 903),
        format!("/console/search?q=SM{:032x}", 901),
        "/console/search?q=cus_Q7grace1Hopper".to_owned(),
        "/console/search?q=call:twilio:CA5:flow:0".to_owned(),
    ];
    for code in ["signature_missing", "signature_mismatch", "timestamp_out_of_tolerance", "account_mismatch"]
    {
        paths.push(refusal(house, code).await);
    }
    paths.push(line(house).await);
    paths.extend(super::editor::pages(house).await);
    paths
}

/// A line's page.
pub(super) async fn line(house: &House) -> String {
    line_called(house, "twilio", "+14155550197", "Harbor Dental").await
}

async fn line_called(
    house: &House,
    provider: &'static str,
    number: &'static str,
    name: &'static str,
) -> String {
    let ring_group = include_str!("../../../examples/flows/ring-group.toml");
    let line = NewLine {
        provider,
        number,
        name,
        account: None,
        flow: Some(ring_group),
        settings: serde_json::json!({}),
    };
    house.set_up(&[line]).await;
    let session = Session::open(house, &[]).await;
    let list = session.get(house, "/console/lines").await;
    let row = list.text().split("<tr").find(|row| row.contains(name)).unwrap();
    let start = row.find("href=\"/console/lines/line_").unwrap() + "href=\"".len();
    row[start..].split('"').next().unwrap().to_owned()
}

/// The page of the newest refusal with this code.
pub(super) async fn refusal(house: &House, code: &str) -> String {
    let session = Session::open(house, &[]).await;
    let list = session.get(house, &format!("/console/refused?code={code}")).await;
    let text = list.text();
    let start = text.find("href=\"/console/refused/req_").unwrap() + "href=\"".len();
    text[start..].split('"').next().unwrap().to_owned()
}

async fn theme(browser: &Browser, theme: &str) {
    browser.run(&format!("document.cookie = 'smartline_theme={theme}; path=/'")).await;
}

/// Loads a page and tells what is wrong with it.
async fn look(browser: &Browser, house: &House, path: &str) -> Vec<String> {
    browser.complaints().await;
    browser.requests().await;
    browser.go(&at(house, path)).await;
    browser.settle().await;
    let mut faults = browser.complaints().await;
    let own = at(house, "/");
    let others = browser.requests().await.into_iter();
    faults.extend(others.filter(|url| !url.starts_with(&own) && !url.starts_with("data:")));
    faults.extend(browser.faults_of_access().await);
    let heads = browser.count("h1").await;
    if heads != 1 {
        faults.push(format!("{heads} h1"));
    }
    faults.into_iter().map(|fault| format!("{path}: {fault}")).collect()
}

fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[tokio::test]
async fn an_empty_console_is_without_fault_in_both_themes() {
    let mut faults = Vec::new();
    let house = open().await;
    let browser = Browser::open().await;
    for each in ["light", "dark"] {
        browser.go(&at(&house, "/console/sign-in")).await;
        theme(&browser, each).await;
        faults.extend(look(&browser, &house, "/console/sign-in").await);
    }
    sign_in(&browser, &house, &[]).await;
    for each in ["light", "dark"] {
        theme(&browser, each).await;
        for path in PAGES {
            faults.extend(look(&browser, &house, path).await);
        }
    }
    browser.close().await;
    house.close().await;
    assert_none(&faults);
}

#[tokio::test]
async fn a_full_console_is_without_fault_in_both_themes() {
    let mut faults = Vec::new();
    let house = open().await;
    day::live_through(&house).await;
    let details = details(&house).await;
    let browser = Browser::open().await;
    sign_in(&browser, &house, &[]).await;
    for each in ["light", "dark"] {
        theme(&browser, each).await;
        for path in PAGES.iter().copied().chain(details.iter().map(String::as_str)) {
            faults.extend(look(&browser, &house, path).await);
        }
    }
    browser.close().await;
    house.close().await;
    assert_none(&faults);
}

/// 360 px; and 200 % of a window of 1280 px, which is 640.
#[tokio::test]
async fn nothing_runs_out_of_a_narrow_page() {
    let mut faults = Vec::new();
    let house = open().await;
    day::live_through(&house).await;
    let mut details = details(&house).await;
    let long = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft שלום עולם";
    details.push(line_called(&house, "plivo", "+14155550196", long).await);
    let browser = Browser::open().await;
    sign_in(&browser, &house, &[]).await;
    for (width, height) in [(360, 740), (640, 400)] {
        browser.screen(width, height).await;
        for path in PAGES.iter().copied().chain(details.iter().map(String::as_str)) {
            browser.go(&at(&house, path)).await;
            browser.settle().await;
            let wide = browser.run("return document.documentElement.scrollWidth").await;
            if wide.as_u64().unwrap() > u64::from(width) {
                faults.push(format!("{path} at {width} px is {wide} px wide"));
            }
            let small = browser
                .run("return [...document.querySelectorAll('a, button, summary, input, select')].filter((one) => {
                          const box = one.getBoundingClientRect();
                          const inText = one.tagName === 'A' && ['P', 'SPAN', 'LI', 'TD', 'DD', 'SMALL', 'STRONG'].includes(one.parentElement.tagName);
                          return box.width > 0 && one.type !== 'checkbox' && !inText && (box.width < 24 || box.height < 24);
                      }).map((one) => one.outerHTML.slice(0, 120))")
                .await;
            for target in small.as_array().unwrap() {
                faults.push(format!("{path} at {width} px: a target below 24 px: {target}"));
            }
        }
    }
    browser.close().await;
    house.close().await;
    assert_none(&faults);
}

#[tokio::test]
async fn pages_are_small_and_say_what_may_run() {
    let house = open().await;
    day::live_through(&house).await;
    let session = Session::open(&house, &[]).await;
    for path in PAGES {
        let page = session.get(&house, path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.text());
        assert!(page.body.len() < 100_000, "{path}: {} bytes", page.body.len());
        let policy = page.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'")
                && !policy.contains("unsafe"),
            "{policy}"
        );
        for (header, value) in [
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            assert_eq!(page.header(header), Some(value), "{path}");
        }
        let text = page.text();
        assert!(
            !text.contains(" style=") && !text.contains("<style") && !text.contains(" onclick="),
            "{path}: inline code"
        );
        for number in ["4155550142", "ada@example.com", "Sunday"] {
            assert!(!text.contains(number), "{path} shows {number}");
        }
    }
    let missing = session.get(&house, "/console/nowhere").await;
    assert_eq!((missing.status, missing.text().contains("Nothing is here")), (404, true));
    let missing = session.get(&house, "/console/events/event_00000000000000000000000000").await;
    assert_eq!((missing.status, missing.header("content-type")), (404, Some("text/html; charset=utf-8")));
    assert_eq!(session.get(&house, "/console/assets/console.000000000000.css").await.status, 404);
    house.close().await;
}

#[tokio::test]
async fn without_the_database_pages_say_so() {
    let mut house = House::build(plan().gated()).await;
    let session = Session::open(&house, &[]).await;
    house.gate().shut().await;
    for path in ["/console", "/console/events", "/console/settings"] {
        let page = session.get(&house, path).await;
        assert_eq!(
            (page.status, page.header("content-type")),
            (503, Some("text/html; charset=utf-8")),
            "{path}"
        );
        assert!(page.text().contains("The database does not answer"), "{path}");
    }
    house.gate().reopen().await;
    crate::house::eventually("the pages are back", || async {
        (session.get(&house, "/console").await.status == 200).then_some(())
    })
    .await;
    house.close().await;
}

#[tokio::test]
async fn theme_and_zone_are_there_from_the_first_byte() {
    let house = House::build(Plan::new()).await;
    let session = Session::open(&house, &[]).await;
    let reply = house
        .ask(&session.form(
            "/console/preferences",
            &[("theme", "dark"), ("zone", "Europe/Berlin"), ("next", "/console/setup")],
        ))
        .await;
    assert_eq!((reply.status, reply.header("location")), (303, Some("/console/setup")));
    let cookies: Vec<_> = reply
        .headers
        .iter()
        .filter(|(name, _)| name == "set-cookie")
        .map(|(_, value)| value.split(';').next().unwrap())
        .collect();
    assert_eq!(cookies, ["smartline_theme=dark", "smartline_zone=Europe/Berlin"]);
    let mut with =
        Session { cookie: format!("{}; {}", session.cookie, cookies.join("; ")), form: session.form.clone() };
    let page = with.get(&house, "/console").await;
    assert!(
        page.text().contains("<html lang=\"en\" data-theme=\"dark\" data-zone=\"Europe/Berlin\""),
        "{}",
        &page.text()[..300]
    );
    assert!(page.text().contains(" CET</p>"), "the clock is Berlin's");

    let browser = Browser::open().await;
    sign_in(&browser, &house, &[]).await;
    let ground = "return getComputedStyle(document.body).backgroundColor";
    theme(&browser, "light").await;
    browser.go(&at(&house, "/console")).await;
    let light = browser.run(ground).await;
    browser.click(".menu summary").await;
    browser.click("button[value=dark]").await;
    browser.until("return document.documentElement.dataset.theme === 'dark'").await;
    assert_ne!(browser.run(ground).await, light);
    browser.close().await;
    with.form.clear();
    house.close().await;
}
