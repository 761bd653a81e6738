//! The flows of `examples/flows`, each followed on both carriers.

use std::time::Duration;

use serde_json::json;
use smartline::Patience;

use super::{Answer, Callee, Caller, Carrier, End, FakeAgent, Stage, Texter, stage::plain};
use crate::house::Plan;

const ADA: &str = "+14155550142";
const BOB: &str = "+14155550143";
const CYD: &str = "+14155550144";

const LEAVE: &str = "says: Please leave a message after the tone.";
const THANKS: [&str; 2] = ["says: Thank you. Goodbye.", "the line hangs up"];
const SCREEN: &str = "who is rung hears it: says: Call for Harbor Dental. Press 1 to accept.";
const MENU: [&str; 2] = [
    "says: Thanks for calling Harbor Dental. For bookings press 1 or say bookings. For directions press 2.",
    "waits 8 s for 1 keys words (bookings,directions)",
];

/// A transcript in parts.
fn heard(parts: &[&[&str]]) -> Vec<String> {
    parts.concat().into_iter().map(str::to_owned).collect()
}

fn rings(number: &str, seconds: u32) -> String {
    format!("rings {number} for {seconds} s, showing LINE")
}

#[tokio::test]
async fn the_default_rings_its_owner_in_office_hours_and_takes_a_message_else() {
    let stage = Stage::bundled("default", plain()).await;
    let greeting = "says: You have reached Harbor Dental. Please leave a message after the tone.";
    let message = [greeting, "records up to 120 s", "the caller speaks for 9 s"];
    let told = Caller::new().speaks(9).calls_both(&stage.house).await;
    assert_eq!(told.transcript, heard(&[&message, &THANKS]), "on a Sunday");
    stage.came_to("voicemail").await;

    stage.monday();
    let ring = rings(ADA, 20);
    let told = Caller::new().callee(ADA, Callee::Talks(60)).calls_both(&stage.house).await;
    let talk = [&ring, "+14155550142 picks up", SCREEN, "+14155550142 is connected for 60 s"];
    assert_eq!(told.transcript, heard(&[&talk, &["says: Goodbye.", "the line hangs up"]]));
    stage.came_to("answered").await;

    for (seed, (callee, picked_up)) in [
        (Callee::Mailbox, true),
        (Callee::Declines, true),
        (Callee::Busy, false),
        (Callee::NoAnswer, false),
        (Callee::Fails, false),
    ]
    .into_iter()
    .enumerate()
    {
        let caller = Caller::new().callee(ADA, callee).speaks(9).seed(seed as u64);
        let told = caller.calls_both(&stage.house).await;
        let missed: &[&str] = if picked_up {
            &[&ring, "+14155550142 picks up", SCREEN, "+14155550142 does not take the call"]
        } else {
            &[&ring, "nobody answers"]
        };
        assert_eq!(told.transcript, heard(&[missed, &message, &THANKS]), "{callee:?}");
        stage.came_to("voicemail").await;
    }
    assert_eq!(Texter::new().sends_both(&stage.house, "Hello").await, ["Thanks, we got your message."]);
    assert_eq!(Texter::new().sends_both(&stage.house, "Hello?").await, Vec::<String>::new(), "once a day");
    stage.close().await;
}

#[tokio::test]
async fn the_office_has_a_menu_of_keys_and_words() {
    let stage = Stage::bundled("office", plain()).await;
    let message = [LEAVE, "records up to 120 s", "the caller speaks for 5 s"];
    let told = Caller::new().speaks(5).calls_both(&stage.house).await;
    assert_eq!(told.transcript, heard(&[&["says: We are closed now."], &message, &THANKS]));
    stage.came_to("voicemail").await;

    stage.monday();
    let (ada, bob) = (rings(ADA, 20), rings(BOB, 20));
    let rung =
        [&ada, "nobody answers", &bob, "+14155550143 picks up", SCREEN, "+14155550143 is connected for 90 s"];
    let bye = ["says: Goodbye.", "the line hangs up"];
    for (caller, did) in [
        (Caller::new().presses("1"), "the caller presses 1"),
        (Caller::new().says("I'd like BOOKINGS, please"), "the caller says: I'd like BOOKINGS, please"),
    ] {
        let told = caller.callee(BOB, Callee::Talks(90)).calls_both(&stage.house).await;
        assert_eq!(told.transcript, heard(&[&MENU, &[did], &rung, &bye]));
        stage.came_to("answered").await;
    }
    let directions =
        ["says: We are at 1 Harbor Street, beside the ferry.", "says: Goodbye.", "the line hangs up"];
    let told = Caller::new().presses("7").says("directions").calls_both(&stage.house).await;
    let twice =
        heard(&[&MENU, &["the caller presses 7"], &MENU, &["the caller says: directions"], &directions]);
    assert_eq!(told.transcript, twice, "a key that is no choice is asked again");
    let told = Caller::new().silent().silent().speaks(5).calls_both(&stage.house).await;
    let silence = ["the caller is silent"];
    assert_eq!(told.transcript, heard(&[&MENU, &silence, &MENU, &silence, &message, &THANKS]));
    stage.came_to("voicemail").await;
    let told = Caller::new().silent().hangs_up().calls_both(&stage.house).await;
    assert_eq!(told.transcript, heard(&[&MENU, &silence, &MENU, &["the caller hangs up"]]));
    stage.close().await;
}

#[tokio::test]
async fn of_a_ring_group_the_first_who_picks_up_is_asked() {
    let stage = Stage::bundled("ring-group", plain()).await;
    let all = [
        "says: Thanks for calling Harbor Dental. One moment, please.",
        &rings(ADA, 25),
        &rings(BOB, 25),
        &rings(CYD, 25),
    ];
    let told =
        Caller::new().callee(CYD, Callee::Talks(30)).callee(ADA, Callee::Busy).calls_both(&stage.house).await;
    let talk = ["+14155550144 picks up", SCREEN, "+14155550144 is connected for 30 s"];
    assert_eq!(told.transcript, heard(&[&all, &talk, &["says: Goodbye.", "the line hangs up"]]));
    stage.came_to("answered").await;

    let message = [
        "says: Nobody can take your call. Please leave a message after the tone.",
        "records up to 120 s",
        "the caller speaks for 12 s",
    ];
    let told = Caller::new().callee(BOB, Callee::Mailbox).speaks(12).calls_both(&stage.house).await;
    let mailbox = ["+14155550143 picks up", SCREEN, "+14155550143 does not take the call"];
    assert_eq!(told.transcript, heard(&[&all, &mailbox, &message, &THANKS]));
    stage.came_to("voicemail").await;
    let said: Vec<Option<String>> =
        sqlx::query_scalar("SELECT transcription FROM calls WHERE outcome = 'voicemail'")
            .fetch_all(&stage.house.db)
            .await
            .unwrap();
    assert_eq!(said, vec![Some("Please call me back.".to_owned()); 2], "it is written down");
    stage.close().await;
}

#[tokio::test]
async fn who_gives_up_is_written_to_and_who_leaves_a_message_is_not() {
    let stage = Stage::bundled("ring-group", json!({ "a2p": true, "notify": "+14155550150" })).await;
    let told = Caller::new().hangs_up().calls_both(&stage.house).await;
    assert_eq!(told.end, End::ByCaller);
    stage.came_to("text-back").await;
    let sorry = "Sorry we missed your call. Reply here and we will get back to you.";
    let text = |reason: &str, to: &str, body: &str| (reason.to_owned(), to.to_owned(), body.to_owned());
    let missed = [
        text("missed", "+14155550100", sorry),
        text("notice", "+14155550150", "Harbor Dental: missed call from +14155550100."),
    ];
    assert_eq!(stage.owed().await, missed);

    Caller::new().from("+14155550101").speaks(12).calls_both(&stage.house).await;
    stage.came_to("voicemail").await;
    let message = text("notice", "+14155550150", "Harbor Dental: voice message of 12 s from +14155550101.");
    assert_eq!(stage.owed().await, [&missed[..], &[message]].concat());
    stage.close().await;
}

#[tokio::test]
async fn a_voice_message_is_taken_and_a_text_acknowledged_once_a_day() {
    let stage = Stage::bundled("voicemail", json!({ "a2p": true })).await;
    let greeting = [
        "says: You have reached Harbor Dental. Please leave a message after the tone.",
        "records up to 180 s",
    ];
    let told = Caller::new().speaks(500).calls_both(&stage.house).await;
    assert_eq!(told.transcript, heard(&[&greeting, &["the caller speaks for 180 s"], &THANKS]));
    stage.came_to("voicemail").await;
    let told = Caller::new().silent().calls_both(&stage.house).await;
    assert_eq!(told.transcript, heard(&[&greeting, &["nothing is recorded"], &THANKS]));
    stage.came_to("text-back").await;
    assert_eq!(stage.owed().await.len(), 1);
    for (body, reply) in
        [("Hi", Some("Thanks, we got your message.")), ("Are you there?", None), ("STOP", None)]
    {
        assert_eq!(Texter::new().sends_both(&stage.house, body).await, Vec::from_iter(reply), "{body}");
    }
    stage.close().await;
}

#[tokio::test]
async fn keywords_are_answered_as_often_as_they_are_asked() {
    let stage = Stage::bundled("keywords", plain()).await;
    let hours = "We are open Monday to Friday, 9 to 5.";
    let address = "We are at 1 Harbor Street, beside the ferry.";
    let help = "Text HOURS or ADDRESS, or tell us what you need.";
    for (body, reply) in [
        ("Hours?", Some(hours)),
        ("when do you OPEN", Some(hours)),
        ("your address please", Some(address)),
        ("I need a filling", Some(help)),
        ("Anybody there?", None),
    ] {
        assert_eq!(Texter::new().sends_both(&stage.house, body).await, Vec::from_iter(reply), "{body}");
    }
    let told = Caller::new().speaks(2).calls_both(&stage.house).await;
    let greeting = "says: Please leave a message after the tone, or send us a text.";
    let message = [greeting, "records up to 120 s", "the caller speaks for 2 s"];
    assert_eq!(told.transcript, heard(&[&message, &THANKS]));
    stage.close().await;
}

#[tokio::test]
async fn an_agent_is_spoken_to_by_turns_and_may_have_its_owner_rung() {
    let agent = FakeAgent::open().await;
    let stage =
        Stage::bundled("agent", json!({ "agent_url": agent.url, "agent_secret": "0123456789abcdef" })).await;
    let hello = [
        "says: You are speaking with the automated assistant of Harbor Dental.",
        "says: How can I help you?",
        "waits 8 s for 1 keys words ()",
        "the caller says: When do you open?",
    ];
    let answers = [
        Answer::Says(json!({ "say": "At nine. Anything else?" })),
        Answer::Says(json!({ "say": "One moment.", "do": "ring", "target": "owner" })),
    ];
    let caller =
        Caller::new().says("When do you open?").says("A person, please.").callee(ADA, Callee::Talks(40));
    let mut transcripts = Vec::new();
    for carrier in Carrier::ALL {
        agent.answers(answers.clone());
        transcripts.push(caller.calls(&stage.house, carrier).await.transcript);
    }
    let rung = [
        "says: At nine. Anything else?",
        "waits 8 s for 1 keys words ()",
        "the caller says: A person, please.",
        "says: One moment.",
        &rings(ADA, 25),
        "+14155550142 picks up",
        SCREEN,
        "+14155550142 is connected for 40 s",
        "says: Goodbye.",
        "the line hangs up",
    ];
    let expected = heard(&[&hello, &rung]);
    assert_eq!(transcripts, [expected.clone(), expected]);
    stage.came_to("answered").await;
    let asked = agent.asked();
    assert_eq!(asked.len(), 4, "each turn once, however often the carrier asks");
    assert!(asked.iter().all(|(headers, _)| headers.contains_key("x-smartline-signature")));

    // An agent that is down costs nobody the call.
    let caller = Caller::new().says("When do you open?").speaks(7);
    let mut transcripts = Vec::new();
    for carrier in Carrier::ALL {
        agent.answers([Answer::Fails(500), Answer::Fails(500)]);
        transcripts.push(caller.calls(&stage.house, carrier).await.transcript);
    }
    let owner = rings(ADA, 20);
    let fallback = [&*owner, "nobody answers", LEAVE, "records up to 120 s", "the caller speaks for 7 s"];
    let expected = heard(&[&hello, &fallback, &THANKS]);
    assert_eq!(transcripts, [expected.clone(), expected]);
    stage.came_to("voicemail").await;

    let mut replies = Vec::new();
    for carrier in Carrier::ALL {
        agent.answers([Answer::Says(json!({ "say": "At nine." }))]);
        replies.push(Texter::new().sends(&stage.house, carrier, "When do you open?").await);
    }
    assert_eq!(replies, [["At nine."], ["At nine."]]);
    let replies = Texter::new().from("+14155550101").sends_both(&stage.house, "Hello?").await;
    assert_eq!(replies, ["Thanks, we got your message."], "an agent that fails");
    stage.close().await;
}

#[tokio::test]
async fn an_agent_that_is_slow_is_waited_for_with_a_sentence_and_not_for_ever() {
    let agent = FakeAgent::open().await;
    let patience = Patience {
        look: Duration::from_millis(40),
        whole: Duration::from_millis(100),
        ..Patience::default()
    };
    let plan = Plan::new().limits(|limits| limits.patience = patience);
    let flow = crate::project_file("examples/flows/agent.toml");
    let stage = Stage::built(plan, Some(&flow), json!({ "agent_url": agent.url })).await;
    for carrier in Carrier::ALL {
        agent.answers([Answer::Silence, Answer::Silence]);
        let told = Caller::new().says("Hello?").speaks(7).seed(3).calls(&stage.house, carrier).await;
        let waits = told.transcript.iter().filter(|line| *line == "says: One moment, please.").count();
        assert!((1..=2).contains(&waits), "{told:?}");
        let end =
            [&*rings(ADA, 20), "nobody answers", LEAVE, "records up to 120 s", "the caller speaks for 7 s"];
        assert!(told.transcript.ends_with(&heard(&[&end, &THANKS])), "{told:?}");
    }
    stage.close().await;
}
