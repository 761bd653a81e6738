//! Who gets in, how long, and what a form must carry.

use std::time::Duration;

use crate::house::{House, Plan};
use crate::wire::Ask;
use crate::worker::smartline;

use super::{ADMIN, Session, at, browser::Browser, cookie, link, open, plan, sign_in, sign_in_form};

const MINUTE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn a_key_signs_in_and_leads_back_to_where_one_was_going() {
    let house = open().await;
    let browser = Browser::open().await;
    browser.go(&at(&house, "/console/events?provider=stripe")).await;
    assert!(browser.here().await.starts_with("/console/sign-in?next="), "{}", browser.here().await);
    browser.write("#key", "not-the-key").await;
    browser.click("button.primary").await;
    assert!(browser.text(".notice").await.contains("unknown, used, expired or revoked"));
    browser.write("#key", ADMIN).await;
    browser.click("button.primary").await;
    browser.until("return location.pathname === '/console/events'").await;
    assert_eq!(browser.here().await, "/console/events?provider=stripe");
    assert_eq!(browser.run("return document.cookie").await, "", "no script sees the session");
    browser.close().await;
    house.close().await;
}

#[tokio::test]
async fn a_link_signs_in_once_and_leaves_no_trace_of_its_token() {
    let house = open().await;
    let browser = Browser::open().await;
    let link = link(&house, &[]).await;
    browser.requests().await;
    browser.go(&link).await;
    browser.until("return document.querySelector('.rail') !== null").await;
    assert_eq!(browser.here().await, "/console");
    let token = link.split_once("#t=").unwrap().1;
    assert!(browser.requests().await.iter().all(|url| !url.contains(token)), "the token is in no address");
    browser.click(".menu summary").await;
    browser.click("button[value=this]").await;
    browser.until("return location.pathname === '/console/sign-in'").await;
    browser.go(&link).await;
    browser.until("return document.querySelector('.notice') !== null").await;
    assert!(browser.text(".notice").await.contains("unknown, used, expired or revoked"));
    browser.close().await;
    house.close().await;
}

#[tokio::test]
async fn five_tries_a_minute_and_no_more_whatever_is_right() {
    let house = open().await;
    for _ in 0..5 {
        assert_eq!(house.ask(&sign_in_form(&[("key", "wrong")])).await.status, 401);
    }
    let right = sign_in_form(&[("key", ADMIN)]);
    assert_eq!(house.ask(&right).await.status, 429);
    house.clock.advance(MINUTE);
    assert_eq!(house.ask(&right).await.status, 303);
    house.close().await;
}

#[tokio::test]
async fn wrong_expired_and_revoked_are_told_alike_and_a_missing_scope_is_told() {
    let house = open().await;
    let make = async |arguments: &[&str]| {
        let output =
            smartline(&house, &[&["keys", "create", "--json", "--name", "x"], arguments].concat()).await;
        let made: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        (made["id"].as_str().unwrap().to_owned(), made["key"].as_str().unwrap().to_owned())
    };
    let (revoked_id, revoked) = make(&[]).await;
    smartline(&house, &["keys", "revoke", &revoked_id]).await;
    let (_, metrics) = make(&["--scope", "metrics:read"]).await;
    let mut answers = Vec::new();
    for key in ["", "sl_unknown", revoked.as_str()] {
        let reply = house.ask(&sign_in_form(&[("key", key)])).await;
        assert_eq!(reply.status, 401);
        answers.push(reply.text().to_owned());
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    let reply = house.ask(&sign_in_form(&[("key", &metrics)])).await;
    assert_eq!((reply.status, reply.text().contains("lacks the scope read")), (403, true));
    house.close().await;
}

#[tokio::test]
async fn a_session_ends_idle_at_last_with_its_key_and_when_told() {
    let house = open().await;
    let alive = async |session: &Session| session.get(&house, "/console/setup").await.status == 200;
    let hours = |hours: u64| Duration::from_secs(hours * 3600);

    let idle = Session::open(&house, &[]).await;
    house.clock.advance(hours(11));
    assert!(alive(&idle).await);
    house.clock.advance(hours(12));
    assert!(!alive(&idle).await, "12 h idle");

    let busy = Session::open(&house, &[]).await;
    for _ in 0..15 {
        house.clock.advance(hours(11));
        assert!(alive(&busy).await);
    }
    house.clock.advance(hours(4));
    assert!(!alive(&busy).await, "7 days in all");

    let output = smartline(&house, &["keys", "create", "--json", "--name", "x"]).await;
    let made: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    house.clock.advance(MINUTE);
    let reply = house.ask(&sign_in_form(&[("key", made["key"].as_str().unwrap())])).await;
    let by_key = Session { cookie: cookie(&reply).unwrap(), form: String::new() };
    assert!(alive(&by_key).await);
    smartline(&house, &["keys", "revoke", made["id"].as_str().unwrap()]).await;
    assert!(!alive(&by_key).await, "the key is revoked");

    let (one, other) = (Session::open(&house, &[]).await, Session::open(&house, &[]).await);
    assert_eq!(house.ask(&one.form("/console/sign-out", &[("which", "all")])).await.status, 303);
    assert!(!alive(&one).await && !alive(&other).await, "signed out everywhere");
    let kept: String = sqlx::query_scalar("SELECT coalesce(jsonb_agg(s)::text, '') FROM console_sessions s")
        .fetch_one(&house.db)
        .await
        .unwrap();
    let token = one.cookie.split_once('=').unwrap().1;
    assert!(!kept.contains(token));
    house.close().await;
}

#[tokio::test]
async fn a_form_from_elsewhere_changes_nothing() {
    let house = open().await;
    let session = Session::open(&house, &[]).await;
    let own = format!("http://{}", house.address);
    let good = session.form("/console/settings/keys", &[("name", "x"), ("read", "yes")]);
    for (case, ask) in [
        ("another site", good.clone().replaced("Sec-Fetch-Site", "cross-site")),
        ("a sibling", good.clone().replaced("Sec-Fetch-Site", "same-site")),
        ("says nothing", good.clone().without("Sec-Fetch-Site")),
        ("another origin", good.clone().without("Sec-Fetch-Site").header("Origin", "https://evil.example")),
        ("a sandbox", good.clone().without("Sec-Fetch-Site").header("Origin", "null")),
        ("no token", Ask { body: b"name=x&read=yes".to_vec(), ..good.clone() }),
        (
            "another token",
            Ask { body: format!("form={}&name=x&read=yes", "A".repeat(43)).into_bytes(), ..good.clone() },
        ),
        (
            "a good token by another session's cookie",
            good.clone().replaced("Cookie", Session::open(&house, &[]).await.cookie),
        ),
    ] {
        let reply = house.ask(&ask).await;
        assert_eq!(reply.status, 403, "{case}: {}", reply.text());
        assert!(reply.text().contains("The form was not sent from a page of the console"), "{case}");
    }
    let sign_in = sign_in_form(&[("key", ADMIN)]).replaced("Sec-Fetch-Site", "cross-site");
    assert_eq!(house.ask(&sign_in).await.status, 403, "nobody is signed in by another site");
    let keys: i64 = sqlx::query_scalar("SELECT count(*) FROM api_keys").fetch_one(&house.db).await.unwrap();
    assert_eq!(keys, 0);
    let old = good.without("Sec-Fetch-Site").header("Origin", own);
    assert_eq!(house.ask(&old).await.status, 201, "an older browser names the page's origin");
    house.close().await;
}

#[tokio::test]
async fn over_https_the_cookie_is_bound_to_it_and_in_the_clear_nobody_signs_in() {
    let house = open().await;
    let outside = sign_in_form(&[("key", ADMIN)]).header("Host", "line.example.com");
    let reply = house.ask(&outside).await;
    assert_eq!(reply.status, 303, "{}", reply.text());
    let set = reply.header("set-cookie").unwrap();
    assert!(
        set.starts_with("__Host-smartline=") && set.ends_with("; HttpOnly; Path=/; SameSite=Strict; Secure"),
        "{set}"
    );
    assert!(reply.header("strict-transport-security").is_some());
    house.close().await;

    let clear = House::build(Plan::new().set("PUBLIC_URL", "").set("SMARTLINE_API_KEY", ADMIN)).await;
    let outside = Ask::get("/console/sign-in").header("Host", "192.0.2.7:8080");
    let reply = clear.ask(&outside).await;
    assert_eq!((reply.status, reply.text().contains("needs https")), (403, true));
    let post = sign_in_form(&[("key", ADMIN)]).header("Host", "192.0.2.7:8080");
    let reply = clear.ask(&post).await;
    assert_eq!((reply.status, reply.header("set-cookie")), (403, None));
    clear.close().await;
}

#[tokio::test]
async fn what_a_role_may_not_do_is_neither_shown_nor_done() {
    let house = House::build(plan()).await;
    super::day::stripe(
        &house,
        "evt_1",
        "invoice.payment_failed",
        super::day::invoice("in_1", "cus_1", "sub_1", false),
    )
    .await;
    let browser = Browser::open().await;
    sign_in(&browser, &house, &["read"]).await;
    browser.go(&at(&house, "/console/search?q=evt_1")).await;
    assert_eq!(
        browser.count("form[action$=replay], form[action^='/console/events/']").await,
        0,
        "neither replay nor reveal"
    );
    browser.close().await;
    let viewer = Session::open(&house, &["read"]).await;
    for (path, scope) in [
        ("/console/events/evt_1/replay", "events:replay"),
        ("/console/events/evt_1", "pii:read"),
        ("/console/replay", "events:replay"),
        ("/console/settings/keys", "admin"),
        ("/console/settings/keys/revoke", "admin"),
    ] {
        let reply = house.ask(&viewer.form(path, &[("once", "1"), ("name", "x"), ("admin", "yes")])).await;
        assert_eq!((reply.status, reply.text().contains(scope)), (403, true), "{path}: {}", reply.text());
    }
    assert_eq!(viewer.get(&house, "/console/accounts").await.status, 403);
    house.close().await;
}
