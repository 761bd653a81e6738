//! Lines and flows: changed by forms, with every fault at its place.

use serde_json::json;

use crate::house::House;
use crate::wire::Ask;

use super::{ADMIN, Session, at, browser::Browser, open, sign_in};

const FLOW: &str = "schema = 1
[start]
call = \"hello\"
[steps.hello]
do = \"voicemail\"
text = \"Good day. Please leave a message.\"
";

/// A line of this house; its path in the console.
pub(super) async fn line(house: &House) -> String {
    let given = json!({ "provider": "twilio", "number": "+14155550150", "name": "Front desk", "zone": "America/New_York" });
    let ask = Ask::post("/api/v1/lines")
        .body("application/json", given.to_string())
        .header("Authorization", format!("Bearer {ADMIN}"));
    let reply = house.ask(&ask).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    let made: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    format!("/console/lines/{}", made["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_flow_is_written_published_and_taken_back() {
    let house = open().await;
    let path = line(&house).await;
    let session = Session::open(&house, &[]).await;
    let post = async |path: &str, fields: &[(&str, &str)]| house.ask(&session.form(path, fields)).await;

    assert_eq!(post("/console/flows", &[("name", "office")]).await.status, 303);
    let wrong = post("/console/flows/office", &[("toml", &FLOW.replace("\"hello\"", "\"nowhere\""))]).await;
    assert_eq!(wrong.status, 422);
    let told = wrong.text().split("id=\"faults\"").nth(1).unwrap().split("</ul>").next().unwrap();
    assert!(told.contains("<code>start.call</code>"), "{told}");
    let saved = post("/console/flows/office", &[("toml", FLOW)]).await;
    assert_eq!(saved.status, 303, "{}", saved.text());
    let shown = session.get(&house, "/console/flows/office").await.text().to_owned();
    let trial = shown.split("id=\"trial\"").nth(1).unwrap();
    assert!(trial.contains("&lt;Say") && trial.contains("&lt;Speak"), "{trial}");

    let page = session.get(&house, &format!("{path}/settings")).await.text().to_owned();
    let version = page.split("<option value=\"").find(|part| part.contains(">office 1<")).unwrap();
    let version = version.split('"').next().unwrap();
    let plan = session.get(&house, &format!("{path}/publish?version={version}")).await.text().to_owned();
    assert!(plan.contains("What changes") && plan.contains("steps.hello"), "{plan}");
    assert_eq!(post(&format!("{path}/publish"), &[("version", version)]).await.status, 303);
    assert!(session.get(&house, &format!("{path}/settings")).await.text().contains("<p>office 1 "));
    assert_eq!(post(&format!("{path}/publish"), &[("version", "before")]).await.status, 303);
    assert!(session.get(&house, &format!("{path}/settings")).await.text().contains("<p>Built in "));
    house.close().await;
}

#[tokio::test]
async fn a_setting_that_is_not_possible_is_told_at_its_field() {
    let house = open().await;
    let path = line(&house).await;
    let session = Session::open(&house, &[]).await;
    let wrong = house.ask(&session.form(&format!("{path}/settings"), &[("settings.concurrent", "99")])).await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.text().contains("id=\"fault-settings.concurrent\""), "{}", wrong.text());
    let right = house
        .ask(
            &session
                .form(&format!("{path}/settings"), &[("name", "Back desk"), ("settings.concurrent", "3")]),
        )
        .await;
    assert_eq!(right.status, 303, "{}", right.text());
    assert!(session.get(&house, &format!("{path}/settings")).await.text().contains("<h1>Back desk</h1>"));

    let block = session.form(&format!("{path}/contacts"), &[("number", "+14155550101"), ("blocked", "yes")]);
    assert_eq!(house.ask(&block).await.status, 303);
    let page = session.get(&house, &format!("{path}/settings")).await.text().to_owned();
    assert!(page.contains("Unblock") && !page.contains("+14155550101"), "blocked, and masked: {page}");

    let reader = Session::open(&house, &["read"]).await;
    assert_eq!(house.ask(&reader.form(&format!("{path}/settings"), &[("name", "Mine")])).await.status, 403);
    house.close().await;
}

#[tokio::test]
async fn the_pages_of_a_line_are_for_everybody() {
    let house = open().await;
    let path = line(&house).await;
    let session = Session::open(&house, &[]).await;
    for (to, fields) in [("/console/flows", ("name", "office")), ("/console/flows/office", ("toml", FLOW))] {
        assert_eq!(house.ask(&session.form(to, &[fields])).await.status, 303);
    }
    let pages = [
        format!("{path}/settings"),
        format!("{path}/publish?version=built-in"),
        "/console/flows/office".to_owned(),
    ];
    let browser = Browser::open().await;
    sign_in(&browser, &house, &[]).await;
    let mut faults = Vec::new();
    for theme in ["light", "dark"] {
        browser.run(&format!("document.cookie = 'smartline_theme={theme}; path=/'")).await;
        for page in &pages {
            browser.screen(1280, 800).await;
            browser.go(&at(&house, page)).await;
            browser.settle().await;
            faults.extend(browser.complaints().await);
            faults.extend(browser.faults_of_access().await);
            browser.screen(360, 740).await;
            let wide = browser.run("return document.documentElement.scrollWidth").await;
            if wide.as_u64().unwrap() > 360 {
                faults.push(format!("{page} is {wide} px wide"));
            }
        }
    }
    browser.close().await;
    house.close().await;
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
