//! What pages say of what happened, what they keep to themselves, and what pressing a button does.

use serde_json::json;

use crate::house::{House, Plan, TWILIO_ACCOUNT};
use crate::wire::Ask;

use super::{ADMIN, Session, at, browser::Browser, day, open, sign_in};

#[tokio::test]
async fn every_refusal_says_why_in_a_sentence_of_its_own() {
    let house = open().await;
    day::refused(&house).await;
    let session = Session::open(&house, &[]).await;
    for (code, sentences) in [
        (
            "signature_missing",
            &[
                "It carried no Twilio signature, so nothing shows that Twilio sent it.",
                "Sign it with `smartline sign`",
            ][..],
        ),
        (
            "signature_mismatch",
            &[
                "It was signed, but not with a token of ours for an address of ours.",
                "The one change that would have matched",
                "It would match if PUBLIC_URL were https://old.example.com.",
                "It was signed, but with none of the configured signing secrets.",
                "Nothing near it would have matched",
                "STRIPE_WEBHOOK_SECRET is that of another endpoint",
            ],
        ),
        (
            "timestamp_out_of_tolerance",
            &[
                "was made too long ago, or lies in the future",
                "It would match if it had come 9",
                "this machine's clock is wrong",
            ],
        ),
        (
            "account_mismatch",
            &[
                "the request is about an account that is not configured",
                "PLIVO_AUTH_ID, or point that account elsewhere",
            ],
        ),
    ] {
        let list = session.get(&house, &format!("/console/refused?code={code}")).await;
        let mut told = list.text().to_owned();
        for path in list.text().split("href=\"").filter(|part| part.starts_with("/console/refused/req_")) {
            told += session.get(&house, path.split('"').next().unwrap()).await.text();
        }
        for sentence in sentences {
            assert!(told.contains(sentence), "{code}: {sentence}: {told}");
        }
    }
    let list = session.get(&house, "/console/refused").await;
    let start = list.text().find("/console/refused/req_").unwrap();
    let path = list.text()[start..].split('"').next().unwrap();
    let page = session.get(&house, path).await;
    assert!(page.text().contains("What the sender was told"), "{}", page.text());
    let reference = path.rsplit('/').next().unwrap();
    let found = session.get(&house, &format!("/console/search?q={reference}")).await;
    assert_eq!(found.header("location"), Some(path));
    house.close().await;
}

#[tokio::test]
async fn a_provider_on_a_wrong_path_is_told_of_with_the_right_one() {
    let house = open().await;
    house.ask(&Ask::post("/webhook/twilio/sms").form(&[("MessageSid", "SM1")]).by_twilio()).await;
    house.rejections(1).await;
    let session = Session::open(&house, &[]).await;
    let overview = session.get(&house, "/console").await;
    assert!(
        overview.text().contains("1 request of a provider came to a path that is none"),
        "{}",
        overview.text()
    );
    let list = session.get(&house, "/console/refused?code=not_found").await;
    let start = list.text().find("/console/refused/req_").unwrap();
    let page = session.get(&house, list.text()[start..].split('"').next().unwrap()).await;
    for words in ["no such path; the nearest is /webhooks/twilio/sms", "Copy the address from Setup"] {
        assert!(page.text().contains(words), "{words}: {}", page.text());
    }
    house.close().await;
}

/// Whatever is sent is text: it neither runs nor changes the text around it, and is whole when it is copied.
#[tokio::test]
async fn hostile_payloads_are_inert_and_whole() {
    let house = open().await;
    let nasty = "<script>window.ran = 1</script><img src=x onerror='window.ran = 2'>\u{202e}gpj.exe\u{200f}\u{2066}\"'&amp;";
    day::text(&house, 1, "+14155550142", nasty).await;
    let number = "12345678901234567890123";
    let json = format!(
        r#"{{"id":"evt_big","type":"x.{nasty}","created":{},"n":{number},"":"an empty name"}}"#,
        house.clock.now_s(),
        nasty = "<b>bold</b>"
    );
    let now = house.clock.now_s();
    house.ask(&Ask::post("/webhooks/stripe").json(json).by_stripe_at(now)).await;
    let fields =
        [("CallSid", "CA<i>1</i>"), ("AccountSid", TWILIO_ACCOUNT), ("From", "<u>x</u>"), ("", "no name")];
    let bytes = Ask::post("/webhooks/twilio/voice")
        .raw_form([crate::wire::urlencoded(&fields).as_bytes(), b"&Body=%ff%fe%00"].concat());
    house.ask(&bytes.by_twilio()).await;
    house.app.work_once().await.unwrap();

    let browser = Browser::open().await;
    sign_in(&browser, &house, &[]).await;
    for path in ["/console", "/console/events", "/console/calls", "/console/messages"] {
        browser.go(&at(&house, path)).await;
        assert_eq!(browser.count("main script, main img, main b, main u").await, 0, "{path}");
    }
    browser.go(&at(&house, &format!("/console/search?q=SM{:032x}", 1))).await;
    browser.click("form[action^='/console/messages/'] button").await;
    // The click returns before the page that it asks for is there.
    browser
        .until("return document.querySelector('.bubble .said') && !document.querySelector('.bubble .masked')")
        .await;
    let said = browser.run("return document.querySelector('.bubble .said').textContent").await;
    assert_eq!(said, json!(nasty));
    assert!(browser.count(".bubble .steering").await >= 3, "letters that steer stand in boxes");
    browser.go(&at(&house, "/console/search?q=evt_big")).await;
    browser.click("form[action^='/console/events/'] button").await;
    browser.until("return document.querySelector('#raw-body') !== null").await;
    let body = browser.run("return document.querySelector('#raw-body').textContent").await;
    assert!(body.as_str().unwrap().contains(number), "{body}");
    assert!(browser.text("pre.payload").await.contains(number), "long numbers are not rounded");
    assert_eq!(browser.run("return window.ran ?? null").await, json!(null));
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    browser.close().await;
    house.close().await;
}

#[tokio::test]
async fn people_are_masked_until_somebody_reveals_them_which_is_written_down() {
    let house = open().await;
    day::live_through(&house).await;
    let session = Session::open(&house, &["read", "billing:read", "pii:read"]).await;
    let reveals = async || -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM audit WHERE action = 'pii.reveal'")
            .fetch_one(&house.db)
            .await
            .unwrap()
    };
    let mut written = 0;
    for (name, secret) in [
        ("evt_checkout_1".to_owned(), "Ada Lovelace"),
        (format!("SM{:032x}", 901), "It is about the one from Monday"),
        (format!("CA{:032x}", 903), "+14155550103"),
        ("cus_Q4vb1aLovelace".to_owned(), "ada@example.com"),
    ] {
        let found = session.get(&house, &format!("/console/search?q={name}")).await;
        let path = found.header("location").unwrap();
        let masked = session.get(&house, path).await;
        assert_eq!((masked.status, masked.text().contains(secret)), (200, false), "{path}");
        assert_eq!(reveals().await, written);
        let whole = house.ask(&session.form(path, &[])).await;
        assert_eq!((whole.status, whole.text().contains(secret)), (200, true), "{path}");
        written += 1;
        assert_eq!(reveals().await, written);
    }
    let event = session.get(&house, "/console/search?q=evt_checkout_1").await;
    let file = house.ask(&session.form(event.header("location").unwrap(), &[("as", "file")])).await;
    assert!(file.text().starts_with("{\"id\":\"evt_checkout_1\""));
    assert!(file.header("content-disposition").unwrap().starts_with("attachment; "));
    house.close().await;
}

#[tokio::test]
async fn a_value_leads_to_the_event_that_set_it() {
    let house = open().await;
    day::live_through(&house).await;
    let browser = Browser::open().await;
    sign_in(&browser, &house, &[]).await;
    browser.go(&at(&house, "/console/search?q=cus_Q7grace1Hopper")).await;
    assert!(browser.text(".about").await.contains("a week of grace"));
    browser.click(".source[aria-label$='Status']").await;
    browser.until("return location.pathname.startsWith('/console/events/')").await;
    assert!(browser.text("main").await.contains("evt_due_1"));
    browser.close().await;
    house.close().await;
}

#[tokio::test]
async fn a_replay_is_done_once_however_often_it_is_pressed() {
    let house = open().await;
    day::stripe(&house, "evt_1", "invoice.payment_failed", day::invoice("in_1", "cus_1", "sub_1", false))
        .await;
    while house.app.work_once().await.unwrap() > 0 {}
    let browser = Browser::open().await;
    sign_in(&browser, &house, &[]).await;
    browser.go(&at(&house, "/console/search?q=evt_1")).await;
    browser.run("const button = document.querySelector('form[action$=replay] button'); button.click(); button.click();").await;
    browser.until("return document.querySelector('.notice') !== null").await;
    assert!(browser.text(".notice").await.contains("back in the queue"), "{}", browser.text(".notice").await);
    let count = async |sql| -> i64 {
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&house.db).await.unwrap()
    };
    assert_eq!(count("SELECT count(*) FROM event_work").await, 1);
    assert_eq!(count("SELECT count(*) FROM audit WHERE action = 'events.replay'").await, 1);
    browser.close().await;
    // The same form again, as after a reload.
    let session = Session::open(&house, &[]).await;
    for _ in 0..2 {
        let reply = house.ask(&session.form("/console/events/evt_1/replay", &[("once", "the-same")])).await;
        assert_eq!(reply.status, 303);
    }
    assert_eq!(count("SELECT count(*) FROM audit WHERE action = 'events.replay'").await, 2);
    house.close().await;
}

#[tokio::test]
async fn all_that_match_are_counted_first_and_then_replayed() {
    let house = open().await;
    day::live_through(&house).await;
    let browser = Browser::open().await;
    sign_in(&browser, &house, &[]).await;
    browser.go(&at(&house, "/console/dead-letters")).await;
    assert_eq!(browser.count(".causes > li").await, 1, "one cause");
    assert!(browser.text(".causes .pill").await.contains("2 events"));
    browser.click(".causes a[href^='/console/replay']").await;
    assert_eq!(browser.text(".big").await, "2");
    browser.click("form[action='/console/replay'][method=post] button").await;
    browser.until("return document.querySelector('.notice') !== null").await;
    assert!(browser.text(".notice").await.contains("2 events are back in the queue"));
    assert!(browser.text(".empty").await.contains("Nothing was given up"));
    browser.close().await;
    house.close().await;
}

#[tokio::test]
async fn a_replay_is_stopped_half_way() {
    let house = open().await;
    let many = super::speed::MILLION.split(';').next().unwrap();
    let many = many.replace("1000000.0", "3600.0").replace("1000000)", "3600)"); // 1200 of Stripe
    sqlx::raw_sql(sqlx::AssertSqlSafe(many)).execute(&house.db).await.unwrap();
    // The second step waits for this event until the test lets it go.
    let held = "WITH late AS (SELECT id FROM events WHERE provider = 'stripe' ORDER BY id OFFSET 700 LIMIT 1)
                INSERT INTO event_work (event_id, due_at) SELECT id, now() FROM late";
    sqlx::raw_sql(held).execute(&house.db).await.unwrap();
    let mut lock = house.db.begin().await.unwrap();
    sqlx::raw_sql("SELECT FROM event_work FOR UPDATE").execute(&mut *lock).await.unwrap();

    let browser = Browser::open().await;
    sign_in(&browser, &house, &[]).await;
    browser.go(&at(&house, "/console/replay?provider=stripe")).await;
    assert_eq!(browser.text(".big").await, "1\u{2009}200");
    browser.click("form[action='/console/replay'][method=post] button").await;
    browser.until("return location.pathname.startsWith('/console/replays/replay_')").await;
    assert_eq!(browser.text(".tags .pill").await, "Going on");
    assert!(browser.text(".big").await.starts_with("500 of 1\u{2009}200"), "{}", browser.text(".big").await);
    browser.click("form[action$='/stop'] button").await;
    browser.until("return document.querySelector('.notice') !== null").await;
    lock.rollback().await.unwrap();
    assert_eq!(browser.text(".tags .pill").await, "Stopped");
    assert!(browser.text(".about").await.contains("stopped by"));
    assert_eq!(browser.count("form[action$='/stop']").await, 0);
    // The held event's own step is taken back.
    let waiting: i64 = crate::house::eventually("the step is taken back", || async {
        let count = "SELECT count(*) FROM event_work";
        let locked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let none: i64 = sqlx::query_scalar(locked).fetch_one(&house.db).await.unwrap();
        (none == 0).then_some(sqlx::query_scalar(count).fetch_one(&house.db).await.unwrap())
    })
    .await;
    assert_eq!(waiting, 501);
    browser.go(&at(&house, "/console/replay")).await;
    assert!(browser.text("#lately ~ *, section:has(#lately)").await.contains("Stopped"));
    browser.close().await;
    house.close().await;
}

/// In `dev`, what the page offers to copy makes a new event as it stands.
#[tokio::test]
async fn the_copied_command_works() {
    let house = House::build(Plan::new().dev().set("SMARTLINE_API_KEY", ADMIN)).await;
    let fields =
        [("CallSid", "CA1"), ("From", "+14155550142"), ("To", "+14155550199"), ("CallStatus", "ringing")];
    assert_eq!(house.ask(&Ask::post("/webhooks/twilio/voice").form(&fields)).await.status, 200);
    let browser = Browser::open().await;
    sign_in(&browser, &house, &[]).await;
    browser.go(&at(&house, "/console/events")).await;
    assert_eq!(browser.text("#rows .trust").await, "Unsigned");
    browser.click("a.open").await;
    browser.click("form[action^='/console/events/'] button").await;
    browser.until("return document.querySelector('#curl') !== null").await;
    let command = browser.run("return document.querySelector('#curl').nextElementSibling.dataset.copy").await;
    browser.close().await;
    // The public URL of the configuration is where nobody listens in this test.
    let command = command.as_str().unwrap().replace("127.0.0.1:8080", &house.address.to_string());
    let output = tokio::process::Command::new("sh").args(["-c", &command]).output().await.unwrap();
    let answer = String::from_utf8_lossy(&output.stdout);
    assert!(answer.contains("<Response>"), "{command}: {answer}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(house.events().await.len(), 2, "a new event");
    house.close().await;
}

#[tokio::test]
async fn the_checklist_turns_when_a_verified_request_came() {
    let house = open().await;
    let session = Session::open(&house, &[]).await;
    let before = session.get(&house, "/console/setup").await;
    assert!(
        before.text().contains("7 of 7 endpoints can verify, 0 have taken a request"),
        "{}",
        before.text()
    );
    day::call(&house, 1, "completed").await;
    let after = session.get(&house, "/console/setup").await;
    assert!(after.text().contains("7 of 7 endpoints can verify, 2 have taken a request"), "{}", after.text());
    house.close().await;
    let bare = House::build(
        Plan::new()
            .set("STRIPE_WEBHOOK_SECRET", "")
            .set("TWILIO_AUTH_TOKEN", "")
            .set("SMARTLINE_API_KEY", ADMIN),
    )
    .await;
    let session = Session::open(&bare, &[]).await;
    let page = session.get(&bare, "/console/setup").await;
    assert!(page.text().contains("3 of 7 endpoints can verify") && page.text().contains("Not configured"));
    let settings = session.get(&bare, "/console/settings").await;
    assert!(
        !settings.text().contains(ADMIN) && !settings.text().contains(crate::house::PLIVO_TOKEN),
        "never a value"
    );
    bare.close().await;
}

#[tokio::test]
async fn a_key_is_made_shown_once_and_revoked() {
    let house = open().await;
    let session = Session::open(&house, &[]).await;
    let made = house
        .ask(
            &session
                .form("/console/settings/keys", &[("name", "dashboard"), ("read", "yes"), ("days", "30")]),
        )
        .await;
    assert_eq!(made.status, 201);
    let start = made.text().find("id=\"made-key\">").unwrap() + "id=\"made-key\">".len();
    let key = made.text()[start..].split('<').next().unwrap();
    let api = Ask::get("/api/v1/stats").header("Authorization", format!("Bearer {key}"));
    assert_eq!(house.ask(&api).await.status, 200);
    let settings = session.get(&house, "/console/settings").await;
    assert!(settings.text().contains("dashboard") && !settings.text().contains(key));
    let id: String = sqlx::query_scalar("SELECT subject FROM audit WHERE action = 'keys.create'")
        .fetch_one(&house.db)
        .await
        .unwrap();
    assert_eq!(house.ask(&session.form("/console/settings/keys/revoke", &[("id", &id)])).await.status, 303);
    assert_eq!(house.ask(&api).await.status, 401);
    house.close().await;
}
