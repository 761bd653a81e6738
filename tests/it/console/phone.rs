//! The browser phone: a line is called through its own endpoints, by presses on a page.

use std::time::Duration;

use serde_json::json;

use crate::caller::{Answer, Caller, Carrier, FakeAgent, Stage, Texter, number};
use crate::house::{House, NewLine};
use crate::wire::{Ask, Reply};

use super::{Session, at, browser::Browser, plan, sign_in};

/// Somebody with the page of a line before them.
struct Hand<'h> {
    house: &'h House,
    session: &'h Session,
    /// The line's page.
    line: String,
    /// What it shows now.
    shown: String,
    /// Its address.
    here: String,
}

impl<'h> Hand<'h> {
    /// The page of the line that this carrier brings.
    async fn of(house: &'h House, session: &'h Session, carrier: Carrier) -> Self {
        let list = session.get(house, "/console/lines").await;
        let provider = format!("class=\"provider {}\"", carrier.name());
        let row = list.text().split("<tr").find(|row| row.contains(&provider)).unwrap();
        let line = between(row, "href=\"", "\"").to_owned();
        let mut hand = Self { house, session, line: line.clone(), shown: String::new(), here: line };
        hand.look().await;
        hand
    }

    async fn look(&mut self) {
        let reply = self.session.get(self.house, &self.here).await;
        assert_eq!(reply.status, 200, "{}: {}", self.here, reply.text());
        reply.text().clone_into(&mut self.shown);
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        self.house.clock.advance(Duration::from_secs(1));
        self.house.ask(&self.session.form(path, fields)).await
    }

    async fn follow(&mut self, reply: &Reply) {
        assert_eq!(reply.status, 303, "{}", reply.text());
        let to = reply.header("location").unwrap();
        to.split('#').next().unwrap().clone_into(&mut self.here);
        self.look().await;
    }

    /// The id that the page would begin a call with.
    fn fresh(&self) -> String {
        between(part(&self.shown, "phone"), "name=\"id\" value=\"", "\"").to_owned()
    }

    async fn dial(&mut self, carrier: Carrier) {
        let (path, id) = (format!("{}/call", self.line), self.fresh());
        let reply =
            self.post(&path, &[("id", &id), ("carrier", carrier.name()), ("from", "+14155550100")]).await;
        self.follow(&reply).await;
    }

    /// The form of a press, as the page holds it.
    fn press(&self, fields: &[(&str, &str)]) -> Ask {
        let phone = part(&self.shown, "phone");
        let path = between(phone, "action=\"", "\"");
        let after = between(phone, "name=\"after\" value=\"", "\"");
        self.session.form(path, &[&[("after", after)], fields].concat())
    }

    /// Does what a button says: `press:1`, `wait`, `say hello`.
    async fn does(&mut self, deed: &str) {
        self.house.clock.advance(Duration::from_secs(1));
        let ask = match deed.split_once(' ') {
            Some(("say", words)) => self.press(&[("do", "say"), ("words", words)]),
            Some(("press", keys)) => self.press(&[("do", "press"), ("keys", keys)]),
            _ => {
                let button = format!("name=\"do\" value=\"{deed}\"");
                assert!(part(&self.shown, "phone").contains(&button), "{deed}: {:?}", self.turns());
                self.press(&[("do", deed)])
            }
        };
        let reply = self.house.ask(&ask).await;
        self.follow(&reply).await;
    }

    /// What was done and heard, a list for each answer.
    fn turns(&self) -> Vec<Vec<String>> {
        turns(part(&self.shown, "phone"))
    }

    fn is_over(&self) -> bool {
        part(&self.shown, "phone").contains("Call over")
    }
}

fn turns(part: &str) -> Vec<Vec<String>> {
    let lines = |turn: &str| {
        turn.split("<p class=\"")
            .skip(1)
            .filter(|line| ["did\"", "said\"", "note\""].iter().any(|class| line.starts_with(class)))
            .map(|line| plain(between(line, ">", "</p>")))
            .collect()
    };
    part.split("<li class=\"turn\">").skip(1).map(lines).collect()
}

/// The section with this id.
fn part<'t>(page: &'t str, id: &str) -> &'t str {
    let start = page.find(&format!("id=\"{id}\"")).unwrap_or_else(|| panic!("no {id}: {page}"));
    page[start..].split("</section>").next().unwrap()
}

fn between<'t>(text: &'t str, before: &str, after: &str) -> &'t str {
    let start = text.find(before).unwrap_or_else(|| panic!("no {before}: {text}")) + before.len();
    text[start..].split(after).next().unwrap()
}

/// Markup as a person reads it.
fn plain(markup: &str) -> String {
    let mut text = String::new();
    for piece in markup.split('<') {
        text.push_str(piece.split_once('>').map_or(piece, |(_, rest)| rest));
    }
    text.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// A line at each carrier that follows a flow of `examples/flows`.
async fn stage(flow: &str) -> Stage {
    let text = crate::project_file(&format!("examples/flows/{flow}.toml"));
    Stage::built(plan(), Some(&text), json!({ "a2p": true, "notify": "+14155550150" })).await
}

const MENU: &str =
    "Thanks for calling Harbor Dental. For bookings press 1 or say bookings. For directions press 2.";
const WAITS: &str = "waits 8 s for keys or words";
const LEAVE: [&str; 2] = ["Please leave a message after the tone.", "tone; records up to 120 s"];
const BYE: [&str; 2] = ["Thank you. Goodbye.", "hangs up"];
const RINGS_ADA: &str = "rings +14155550142 for 20 s; who answers must press 1";
const RINGS_BOB: &str = "rings +14155550143 for 20 s; who answers must press 1";

#[tokio::test]
async fn the_bundled_flows_are_walked_on_both_carriers() {
    let office = [
        (
            &["press:1", "wait", "answer"][..],
            vec![
                vec!["The call comes in", MENU, WAITS],
                vec!["Presses 1", RINGS_ADA],
                vec!["Nobody took the call", RINGS_BOB],
                vec!["Took the call, and hung up", "Goodbye.", "hangs up"],
            ],
        ),
        (
            &["say I'd like <bookings> & more", "machine", "busy", "message"][..],
            vec![
                vec!["The call comes in", MENU, WAITS],
                vec!["“I'd like <bookings> & more”", RINGS_ADA],
                vec!["Picked up, and did not take the call", RINGS_BOB],
                [&["Was busy"][..], &LEAVE].concat(),
                [&["Speaks for 9 s"][..], &BYE].concat(),
            ],
        ),
        (
            &["wait", "press:2"][..],
            vec![
                vec!["The call comes in", MENU, WAITS],
                vec!["Stays silent", MENU, WAITS],
                vec!["Presses 2", "We are at 1 Harbor Street, beside the ferry.", "Goodbye.", "hangs up"],
            ],
        ),
        (
            &["press 77", "hangup"][..],
            vec![vec!["The call comes in", MENU, WAITS], vec!["Presses 7", MENU, WAITS]],
        ),
    ];
    let group = "rings +14155550142, +14155550143, +14155550144 for 25 s; who answers must press 1";
    let greeting = "Thanks for calling Harbor Dental. One moment, please.";
    let ring_group = [
        (
            &["answer"][..],
            vec![
                vec!["The call comes in", greeting, group],
                vec!["Took the call, and hung up", "Goodbye.", "hangs up"],
            ],
        ),
        (&["hangup"][..], vec![vec!["The call comes in", greeting, group]]),
    ];
    let taken = "You have reached Harbor Dental. Please leave a message after the tone.";
    let voicemail = [(
        &["message"][..],
        vec![
            vec!["The call comes in", taken, "tone; records up to 180 s"],
            [&["Speaks for 9 s"][..], &BYE].concat(),
        ],
    )];
    for (flow, stories) in [("office", &office[..]), ("ring-group", &ring_group), ("voicemail", &voicemail)] {
        let stage = stage(flow).await;
        stage.monday();
        let session = Session::open(&stage.house, &[]).await;
        for carrier in Carrier::ALL {
            for (deeds, expected) in stories {
                let mut hand = Hand::of(&stage.house, &session, carrier).await;
                hand.dial(carrier).await;
                for deed in *deeds {
                    hand.does(deed).await;
                    stage.work().await; // what the worker has seen and what it has not make one story
                }
                assert_eq!(hand.turns(), *expected, "{flow} by {}: {deeds:?}", carrier.name());
                assert!(hand.is_over(), "{flow} by {}: {deeds:?}", carrier.name());
            }
        }
        let refused: i64 =
            sqlx::query_scalar("SELECT count(*) FROM rejections").fetch_one(&stage.house.db).await.unwrap();
        assert_eq!(refused, 0);
        stage.close().await;
    }
}

/// The other two of the six: keywords are walked by texts, see below.
#[tokio::test]
async fn the_default_and_the_agent_are_walked_on_both_carriers() {
    let agent = FakeAgent::open().await;
    let answers = [
        Answer::Says(json!({ "say": "At nine. Anything else?" })),
        Answer::Says(json!({ "say": "One moment.", "do": "ring", "target": "owner" })),
        Answer::Fails(500),
        Answer::Fails(500),
    ];
    let hello = vec![
        "The call comes in",
        "You are speaking with the automated assistant of Harbor Dental.",
        "How can I help you?",
        WAITS,
    ];
    let asked = vec!["“When do you open?”", "At nine. Anything else?", WAITS];
    let message = [&["Nobody took the call"][..], &LEAVE].concat();
    let left = [&["Speaks for 9 s"][..], &BYE].concat();
    let with_agent = [
        (
            &["say When do you open?", "say A person, please.", "answer"][..],
            vec![
                hello.clone(),
                asked.clone(),
                vec![
                    "“A person, please.”",
                    "One moment.",
                    "rings +14155550142 for 25 s; who answers must press 1",
                ],
                vec!["Took the call, and hung up", "Goodbye.", "hangs up"],
            ],
        ),
        (
            &["say Are you there?", "wait", "message"][..],
            vec![hello, vec!["“Are you there?”", RINGS_ADA], message.clone(), left.clone()],
        ),
    ];
    let greeting = "You have reached Harbor Dental. Please leave a message after the tone.";
    let by_default = [
        (
            &["answer"][..],
            vec![
                vec!["The call comes in", RINGS_ADA],
                vec!["Took the call, and hung up", "Goodbye.", "hangs up"],
            ],
        ),
        (
            &["machine", "message"][..],
            vec![
                vec!["The call comes in", RINGS_ADA],
                vec!["Picked up, and did not take the call", greeting, "tone; records up to 120 s"],
                left,
            ],
        ),
    ];
    let url = json!({ "agent_url": agent.url });
    for (flow, settings, stories) in [("default", json!({}), &by_default[..]), ("agent", url, &with_agent)] {
        let text = crate::project_file(&format!("examples/flows/{flow}.toml"));
        let stage = Stage::built(plan(), Some(&text), settings).await;
        stage.monday();
        let session = Session::open(&stage.house, &[]).await;
        for carrier in Carrier::ALL {
            agent.answers(answers.clone());
            for (deeds, expected) in stories {
                let mut hand = Hand::of(&stage.house, &session, carrier).await;
                hand.dial(carrier).await;
                for deed in *deeds {
                    hand.does(deed).await;
                    stage.work().await;
                }
                assert_eq!(hand.turns(), *expected, "{flow} by {}: {deeds:?}", carrier.name());
                assert!(hand.is_over(), "{flow} by {}: {deeds:?}", carrier.name());
            }
        }
        stage.close().await;
    }
}

#[tokio::test]
async fn the_page_shows_the_document_that_was_answered_and_the_other_carriers() {
    let stage = stage("ring-group").await;
    let session = Session::open(&stage.house, &[]).await;
    for carrier in Carrier::ALL {
        let mut hand = Hand::of(&stage.house, &session, carrier).await;
        hand.dial(carrier).await;
        let answer: Vec<u8> =
            sqlx::query_scalar("SELECT answer FROM events WHERE subject = $1 ORDER BY id DESC LIMIT 1")
                .bind(hand.here.rsplit('=').next().unwrap())
                .fetch_one(&stage.house.db)
                .await
                .unwrap();
        let documents: Vec<String> = part(&hand.shown, "phone")
            .split("<pre")
            .skip(1)
            .map(|pre| plain(between(pre, ">", "</pre>")))
            .collect();
        let compact = |document: &str| document.lines().map(str::trim_start).collect::<String>();
        assert_eq!(compact(&documents[0]), String::from_utf8(answer).unwrap(), "to the letter");
        let other = if carrier == Carrier::Twilio { "<Speak" } else { "<Say" };
        assert!(documents[1].contains(other) && documents[1].contains("<Dial"), "{}", documents[1]);
        assert!(hand.shown.contains("/console/calls/") && hand.shown.contains(">team</span>"), "its steps");
        stage.work().await;
        let call = session.get(&stage.house, between(part(&hand.shown, "phone"), "<a href=\"", "\"")).await;
        assert_eq!(call.status, 200, "its own page");
        assert!(call.text().contains("test</span>"), "which says that it is none");
    }
    stage.close().await;
}

#[tokio::test]
async fn nothing_leaves_the_house_for_what_the_phone_makes_up() {
    let stage = stage("ring-group").await;
    let session = Session::open(&stage.house, &[]).await;
    let owed = "SELECT count(*) FROM outbox";
    for carrier in Carrier::ALL {
        for deeds in [&["hangup"][..], &["wait", "message"]] {
            let mut hand = Hand::of(&stage.house, &session, carrier).await;
            hand.dial(carrier).await;
            for deed in deeds {
                hand.does(deed).await;
            }
            assert!(hand.is_over());
        }
        let mut hand = Hand::of(&stage.house, &session, carrier).await;
        for (place, body) in ["Are you open?", "STOP"].iter().enumerate() {
            let (path, id) = (format!("{}/text", hand.line), hand.fresh());
            let nth = place.to_string();
            let fields = [("id", id.as_str()), ("carrier", carrier.name()), ("nth", &nth), ("body", body)];
            let reply = hand.post(&path, &fields).await;
            hand.follow(&reply).await;
        }
    }
    stage.work().await;
    let count = |query: &'static str| {
        let db = stage.house.db.clone();
        async move { sqlx::query_scalar::<_, i64>(query).fetch_one(&db).await.unwrap() }
    };
    assert_eq!(count(owed).await, 0, "no text, no file, no word to the owner");
    assert_eq!(count("SELECT count(*) FROM calls WHERE NOT simulated AND parent IS NULL").await, 0);
    assert_eq!(count("SELECT count(*) FROM messages WHERE NOT simulated").await, 0);
    assert_eq!(count("SELECT count(*) FROM events WHERE signed_by <> 'simulated'").await, 0);
    assert!(count("SELECT count(*) FROM events").await > 16);
    let stats = Ask::get("/api/v1/stats").header("Authorization", format!("Bearer {}", super::ADMIN));
    let stats = stage.house.ask(&stats).await.json();
    for figure in ["events", "calls", "messages"] {
        assert_eq!(stats["last_day"][figure]["count"], 0, "{stats}");
    }
    assert_eq!(stats["calls_open"]["count"], 0);
    let setup = session.get(&stage.house, "/console/setup").await;
    assert!(setup.text().contains("verify, 0 have taken a request"), "it proves nothing of the carrier");

    // The same, told by a carrier.
    Caller::new().from("+14155550103").hangs_up().calls_both(&stage.house).await;
    Texter::new().sends_both(&stage.house, "Hello").await;
    stage.work().await;
    assert!(count(owed).await > 0, "a real caller is written to");
    stage.close().await;
}

#[tokio::test]
async fn a_press_that_comes_twice_is_one() {
    let stage = stage("office").await;
    stage.monday();
    let session = Session::open(&stage.house, &[]).await;
    for carrier in Carrier::ALL {
        let mut hand = Hand::of(&stage.house, &session, carrier).await;
        let (path, id) = (format!("{}/call", hand.line), hand.fresh());
        let begin = session.form(&path, &[("id", id.as_str()), ("carrier", carrier.name())]);
        let (one, other) = tokio::join!(stage.house.ask(&begin), stage.house.ask(&begin));
        assert_eq!(one.header("location"), other.header("location"));
        hand.follow(&one).await;
        assert_eq!(hand.turns().len(), 1, "one call");

        stage.house.clock.advance(Duration::from_secs(2));
        let press = hand.press(&[("do", "press:7")]);
        let (one, other) = tokio::join!(stage.house.ask(&press), stage.house.ask(&press));
        assert_eq!((one.status, other.status), (303, 303));
        stage.house.clock.advance(Duration::from_secs(2));
        assert_eq!(stage.house.ask(&press).await.status, 303, "and once more, later");
        hand.look().await;
        assert_eq!(hand.turns().len(), 2, "one press: {:?}", hand.turns());
        hand.does("hangup").await;
        let again = hand.turns();
        assert_eq!(stage.house.ask(&press).await.status, 303);
        hand.look().await;
        assert_eq!(hand.turns(), again, "a call that is over stays so");
    }
    stage.close().await;
}

#[tokio::test]
async fn who_may_not_call_is_told_what_is_lacking() {
    let stage = stage("voicemail").await;
    let house = &stage.house;
    let admin = Session::open(house, &[]).await;
    let mut hand = Hand::of(house, &admin, Carrier::Twilio).await;
    hand.dial(Carrier::Twilio).await;
    let viewer = Session::open(house, &["read"]).await;
    let page = viewer.get(house, &hand.here).await;
    assert!(page.text().contains("pii:read") && !page.text().contains("Please leave"), "{}", page.text());
    let path = format!("{}/call", hand.line);
    let id = Hand::of(house, &admin, Carrier::Twilio).await.fresh();
    let begin = |from: &'static str| {
        [("id", id.clone()), ("carrier", "twilio".to_owned()), ("from", from.to_owned())]
    };
    let form = |session: &Session, from: &'static str| {
        let fields = begin(from);
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        session.form(&path, &fields)
    };
    for scopes in [&["read"][..], &["read", "pii:read"], &["read", "lines:write"]] {
        let session = Session::open(house, scopes).await;
        assert_eq!(house.ask(&form(&session, "+14155550100")).await.status, 403, "{scopes:?}");
        let shown = session.get(house, &hand.line).await;
        assert!(!shown.text().contains("class=\"primary dial\""), "{scopes:?}");
    }
    let operator = Session::open(house, &["read", "pii:read", "lines:write"]).await;
    let somebody = house.ask(&form(&operator, "+14155551234")).await;
    assert!(somebody.text().contains("numbers that nobody has"), "{}", somebody.text());
    assert_eq!(house.ask(&form(&operator, "anonymous")).await.status, 303);

    // Only a call of its own is gone on with: this one was told by the carrier.
    let real = Caller::new().hangs_up().calls(house, Carrier::Twilio).await;
    for call in [real.id.as_str(), "CA00000000000070008000000000000000", "nothing"] {
        let page = admin.get(house, &format!("{}?call={call}", hand.line)).await;
        assert_eq!(page.status, 404, "{call}");
        let press = admin.form(&format!("{path}/{call}"), &[("do", "hangup")]);
        assert_eq!(house.ask(&press).await.status, 404, "{call}");
    }
    for odd in ["", "nothing", "01020304-0506-4708-890a-0b0c0d0e0f10", "01000000-0000-7000-8000-000000000000"]
    {
        let begin = admin.form(&path, &[("id", odd), ("carrier", "twilio")]);
        assert_eq!(house.ask(&begin).await.status, 400, "{odd}");
    }
    let logged: i64 = sqlx::query_scalar("SELECT count(*) FROM audit WHERE action = 'phone.call'")
        .fetch_one(&house.db)
        .await
        .unwrap();
    assert_eq!(logged, 2, "who called stands in the record");
    stage.close().await;
}

#[tokio::test]
async fn without_a_secret_it_says_what_to_set() {
    let house = House::build(plan().set("PLIVO_AUTH_TOKEN", "")).await;
    let line = NewLine {
        provider: "plivo",
        number: number(Carrier::Plivo),
        name: "Harbor Dental",
        account: None,
        flow: None,
        settings: json!({}),
    };
    house.set_up(&[line]).await;
    let session = Session::open(&house, &[]).await;
    let hand = Hand::of(&house, &session, Carrier::Plivo).await;
    let told = "To sign as Plivo does, set PLIVO_AUTH_TOKEN and PUBLIC_URL";
    assert!(hand.shown.contains(told), "{}", hand.shown);
    let (path, id) = (format!("{}/call", hand.line), hand.fresh());
    let reply = hand.post(&path, &[("id", &id), ("carrier", "plivo")]).await;
    assert!(reply.text().contains(told) && reply.text().contains("role=\"alert\""), "{}", reply.text());
    house.assert_nothing_kept().await;
    house.close().await;
}

#[tokio::test]
async fn a_line_is_written_to_and_answers() {
    let stage = stage("keywords").await;
    let session = Session::open(&stage.house, &[]).await;
    for carrier in Carrier::ALL {
        let mut hand = Hand::of(&stage.house, &session, carrier).await;
        let mut id = String::new();
        for (place, body) in ["address?", "What are your hours?"].iter().enumerate() {
            let (path, nth) = (format!("{}/text", hand.line), place.to_string());
            let part = part(&hand.shown, "texts");
            between(part, "name=\"id\" value=\"", "\"").clone_into(&mut id);
            assert_eq!(between(part, "name=\"nth\" value=\"", "\""), nth);
            let fields = [("id", id.as_str()), ("carrier", carrier.name()), ("nth", &nth), ("body", body)];
            for _ in 0..2 {
                let reply = hand.post(&path, &fields).await;
                hand.follow(&reply).await; // sent twice, it is one
            }
            stage.work().await;
        }
        let expected = [
            ["address?", "We are at 1 Harbor Street, beside the ferry."],
            ["What are your hours?", "We are open Monday to Friday, 9 to 5."],
        ];
        assert_eq!(turns(part(&hand.shown, "texts")), expected, "{}", carrier.name());
    }
    let delivered: i64 = sqlx::query_scalar("SELECT count(*) FROM messages WHERE status = 'delivered'")
        .fetch_one(&stage.house.db)
        .await
        .unwrap();
    assert_eq!(delivered, 4);
    stage.close().await;
}

#[tokio::test]
async fn the_phone_is_used_in_a_browser() {
    let stage = stage("office").await;
    let house = &stage.house;
    stage.monday();
    let session = Session::open(house, &[]).await;
    let line = Hand::of(house, &session, Carrier::Twilio).await.line;
    let browser = Browser::open().await;
    sign_in(&browser, house, &[]).await;
    browser.go(&at(house, &line)).await;
    browser.run("window.same = true").await;
    browser.click("button.dial").await;
    browser.until("return document.querySelectorAll('#phone .turn').length === 1").await;
    assert!(browser.here().await.contains("?call=CA"), "the address names the call");
    assert!(browser.text("#phone .said").await.starts_with("Thanks for calling"));

    // As fast as a finger can.
    browser.run("for (let time = 0; time < 2; time++) document.querySelector('button[value=\"press:1\"]').click()").await;
    browser.until("return document.querySelectorAll('#phone .turn').length === 2").await;
    assert_eq!(browser.run("return window.same").await, json!(true), "the page was not left");
    let shown =
        browser.run("return document.querySelector('#phone .turn:last-of-type pre').textContent").await;
    let kept: Vec<Vec<u8>> = sqlx::query_scalar("SELECT answer FROM events ORDER BY received_at, answer")
        .fetch_all(&house.db)
        .await
        .unwrap();
    assert_eq!(kept.len(), 2, "a call, and one press");
    let shown: String = shown.as_str().unwrap().lines().map(str::trim_start).collect();
    assert!(kept.iter().any(|kept| kept == shown.as_bytes()), "{shown}");
    browser.click("button[value=wait]").await;
    browser.until("return document.querySelectorAll('#phone .turn').length === 3").await;
    browser.click("button.hang-up").await;
    browser.until("return document.querySelector('#phone .count').textContent === 'Call over'").await;

    browser.write("#body", "Are you open?\u{e007}").await;
    browser.until("return document.querySelectorAll('#texts .turn').length === 1").await;
    assert_eq!(browser.text("#texts .said").await, "Thanks, we got your message.");
    assert_eq!(browser.complaints().await, Vec::<String>::new());

    // Without the page's memory: the address alone.
    let mut faults = Vec::new();
    browser.go(&at(house, &line)).await;
    browser.click("button.dial").await;
    browser.until("return document.querySelectorAll('#phone .turn').length === 1").await;
    let going = browser.here().await;
    for theme in ["light", "dark"] {
        browser.run(&format!("document.cookie = 'smartline_theme={theme}; path=/'")).await;
        for page in [&line, &going] {
            browser.screen(1280, 800).await;
            browser.go(&at(house, page)).await;
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
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    // Keys of the keyboard, and back and forth.
    browser.screen(1280, 800).await;
    browser.run("document.querySelector('button[value=\"press:2\"]').focus()").await;
    browser.press("2").await;
    browser.until("return document.querySelectorAll('#phone .turn').length === 2").await;
    browser.close().await;
    stage.close().await;
}

#[tokio::test]
async fn the_phone_in_dev_needs_nothing() {
    let house = House::build(plan().dev()).await;
    let line = NewLine {
        provider: "twilio",
        number: number(Carrier::Twilio),
        name: "Harbor Dental",
        account: None,
        flow: None,
        settings: json!({}),
    };
    house.set_up(&[line]).await;
    let session = Session::open(&house, &[]).await;
    let mut hand = Hand::of(&house, &session, Carrier::Twilio).await;
    hand.dial(Carrier::Twilio).await;
    hand.does("message").await;
    assert!(hand.is_over(), "{:?}", hand.turns());
    house.close().await;
}
