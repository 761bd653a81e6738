//! What no flow can remove. Each statement of the specification that is kept here has its number.

use std::fmt::Write as _;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD;
use serde_json::json;

use super::{Agent, Callee, Caller, Carrier, End, Stage, Texter, Told, number, stage::plain};
use crate::house::{House, Log, NAME, NOW, NewLine, Plan, eventually};
use crate::wire::Ask;

const ADA: &str = "+14155550142";

/// Rings one number, takes a message where nobody takes the call.
fn ring(to: &str) -> String {
    format!(
        "schema = 1\nstart = {{ call = \"ring\", sms = \"ack\", missed = \"sorry\" }}\n\
         [steps.ring]\ndo = \"ring\"\nto = [\"{to}\"]\nmissed = \"vm\"\n\
         [steps.vm]\ndo = \"voicemail\"\ntext = \"Please leave a message.\"\n\
         [steps.sorry]\ndo = \"text\"\nbody = \"Sorry.\"\n\
         [steps.ack]\ndo = \"text\"\nonce = \"none\"\nbody = \"Hello.\"\n"
    )
}

/// Answers each text.
async fn answering() -> Stage {
    Stage::open(Some(&ring(ADA)), plain()).await
}

/// A contact with a number of their own.
fn contact(place: usize) -> Texter {
    Texter::new().from(&format!("+1212555{:04}", 100 + place))
}

fn rang(told: &Told) -> bool {
    told.transcript.iter().any(|line| line.starts_with("rings "))
}

/// The ledger of a contact: whether they opted out, or perhaps; the same for both lines.
async fn ledger(stage: &Stage, contact: &str) -> Vec<(bool, bool)> {
    stage.work().await;
    let sql = "SELECT opted_out, suspected FROM opt_outs WHERE contact = $1 ORDER BY line";
    sqlx::query_as(sql).bind(contact).fetch_all(&stage.house.db).await.unwrap()
}

#[tokio::test]
async fn texts_that_come_together_share_a_look_and_each_has_its_own_answer() {
    let plan = Plan::new().limits(|limits| limits.patience.database = Duration::from_secs(2));
    let mut stage = Stage::built(plan, Some(&ring(ADA)), plain()).await;
    let contacts: Vec<Texter> = (100..124).map(contact).collect();
    for out in &contacts[..8] {
        out.sends(&stage.house, Carrier::Twilio, "STOP").await;
    }
    stage.work().await;
    stage.house.restart().await; // memory knows nothing of them: the ledger alone does
    stage.house.app.lines_caught_up().await.unwrap();
    // The first look waits for this, and meanwhile all others come.
    let mut other = stage.house.db.begin().await.unwrap();
    sqlx::query("LOCK TABLE opt_outs").execute(&mut *other).await.unwrap();
    let asked = contacts.iter().map(|contact| contact.sends(&stage.house, Carrier::Twilio, "Hello"));
    let looked = async {
        let waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'opt_outs'::regclass AND NOT granted";
        eventually("a look waits", || async {
            let waiting: i64 = sqlx::query_scalar(waiting).fetch_one(&stage.house.db).await.unwrap();
            (waiting > 0).then_some(())
        })
        .await;
        other.rollback().await.unwrap();
    };
    let (answers, ()) = tokio::join!(futures_util::future::join_all(asked), looked);
    for (place, answer) in answers.into_iter().enumerate() {
        let expected = if place < 8 { Vec::new() } else { vec!["Hello.".to_owned()] };
        assert_eq!(answer, expected, "contact {place}");
    }
    stage.close().await;
}

#[tokio::test]
async fn a_connection_that_is_cut_costs_no_text_its_answer() {
    let stage = answering().await;
    let cut = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
               WHERE datname = current_database() AND application_name = 'smartline'";
    for place in 0..3 {
        assert_eq!(contact(place).sends(&stage.house, Carrier::Twilio, "Hello").await, ["Hello."]);
        let count: i64 = sqlx::query_scalar(cut).fetch_one(&stage.house.db).await.unwrap();
        assert!(count > 0, "there was one to cut");
    }
    stage.close().await;
}

#[tokio::test]
async fn f01_f02_whoever_says_stop_in_any_way_gets_no_text_any_more() {
    let stage = answering().await;
    for (place, word) in [
        "stop",
        "STOPALL",
        "Stop all",
        "quit",
        "End",
        "revoke",
        "opt out",
        "OptOut",
        "cancel",
        "Unsubscribe",
        "unsub",
        "  \"Stop.\"  ",
        "STOP!",
    ]
    .into_iter()
    .enumerate()
    {
        let contact = contact(place);
        assert_eq!(contact.sends_both(&stage.house, word).await, Vec::<String>::new(), "{word}");
        assert_eq!(contact.sends_both(&stage.house, "Hello").await, Vec::<String>::new(), "after {word}");
        let number = format!("+1212555{:04}", 100 + place);
        assert_eq!(ledger(&stage, &number).await, [(true, false); 2], "{word}");
        assert_eq!(contact.sends_both(&stage.house, "Hello?").await, Vec::<String>::new(), "by the ledger");
    }
    for (place, words) in [(50, "Stop by at nine?"), (51, "The end is near"), (52, "I quit my job")] {
        assert_eq!(contact(place).sends_both(&stage.house, words).await, ["Hello."], "{words}");
    }
    stage.close().await;
}

#[tokio::test]
async fn f03_where_the_provider_answers_the_line_does_not() {
    let stage = answering().await;
    for (carrier, field, value) in [
        (Carrier::Twilio, "OptOutType", "STOP"),
        (Carrier::Twilio, "OptOutType", "HELP"),
        (Carrier::Plivo, "MessageIntent", "optout"),
        (Carrier::Plivo, "MessageIntent", "help"),
    ] {
        let mut fields = carrier.texted(&carrier.id("SM"), "+12125550160", number(carrier), "Arrêt");
        fields.push((field, value.to_owned()));
        let reply = stage.house.ask(&carrier.signed(carrier.texts(), &fields)).await;
        assert_eq!(reply.verbs(), Vec::<String>::new(), "{field}={value}");
    }
    stage.close().await;
}

#[tokio::test]
async fn f04_start_lifts_it_and_help_never_reaches_the_flow() {
    let stage = answering().await;
    for (place, word) in ["start", "UNSTOP", "Yes!", "resume"].into_iter().enumerate() {
        let contact = contact(place);
        for (body, reply) in [("Stop", None), ("Hi", None), (word, None), ("Hi there", Some("Hello."))] {
            assert_eq!(contact.sends_both(&stage.house, body).await, Vec::from_iter(reply), "{word}: {body}");
        }
    }
    assert_eq!(contact(10).sends_both(&stage.house, "Yes").await, ["Hello."], "an answer like any other");
    for word in ["help", "INFO?"] {
        assert_eq!(contact(11).sends_both(&stage.house, word).await, Vec::<String>::new(), "{word}");
    }
    stage.close().await;
}

#[tokio::test]
async fn f05_softer_words_pause_what_is_automatic() {
    let stage = answering().await;
    let number = "+12125550100";
    let contact = contact(0);
    assert_eq!(contact.sends_both(&stage.house, "Hi").await, ["Hello."]);
    let soft = "Would you please stop texting me";
    assert_eq!(contact.sends_both(&stage.house, soft).await, Vec::<String>::new());
    assert_eq!(ledger(&stage, number).await, [(false, true); 2]);
    assert_eq!(contact.sends_both(&stage.house, "Hi again").await, Vec::<String>::new());
    stage.close().await;
}

#[tokio::test]
async fn f05_the_owner_is_asked_about_softer_words() {
    let stage = Stage::open(Some(&ring(ADA)), json!({ "notify": ADA })).await;
    for words in ["Hello", "Would you please stop texting me", "STOP"] {
        contact(0).sends_both(&stage.house, words).await;
    }
    let asks = "Harbor Dental: +12125550100 may want no more texts. Nothing is texted there by itself now: please ask.";
    assert_eq!(stage.owed().await, [("notice".to_owned(), ADA.to_owned(), asks.to_owned())]);
    stage.close().await;
}

#[tokio::test]
async fn f06_an_opt_out_counts_for_the_account_unless_the_line_says_otherwise() {
    let house = House::open().await;
    let flow = ring(ADA);
    let line = |number, account, scope: &str| NewLine {
        provider: "twilio",
        number,
        name: NAME,
        account: Some(account),
        flow: Some(&flow),
        settings: json!({ "opt_out_scope": scope }),
    };
    let [a1, a2, b1, b2] = ["+14155550110", "+14155550111", "+14155550112", "+14155550113"];
    house
        .set_up(&[
            line(a1, "test::cus_1", "account"),
            line(a2, "test::cus_1", "account"),
            line(b1, "test::cus_2", "line"),
            line(b2, "test::cus_2", "line"),
        ])
        .await;
    let texter = |to| Texter::new().to(Carrier::Twilio, to);
    for to in [a1, b1] {
        assert!(texter(to).sends(&house, Carrier::Twilio, "STOP").await.is_empty());
    }
    while house.app.work_once().await.unwrap() > 0 {}
    for (to, answers) in [(a1, false), (a2, false), (b1, false), (b2, true)] {
        let replies = texter(to).sends(&house, Carrier::Twilio, "Hello").await;
        assert_eq!(!replies.is_empty(), answers, "{to}");
    }
    house.close().await;
}

#[tokio::test]
async fn f08_machines_are_not_answered_for_ever() {
    let stage = answering().await;
    let mut replies = 0;
    for text in 0..8 {
        replies += contact(0).sends_both(&stage.house, &format!("Text {text}")).await.len();
    }
    assert_eq!(replies, 5, "within an hour");
    stage.house.clock.advance(Duration::from_hours(1));
    assert_eq!(contact(0).sends_both(&stage.house, "An hour later").await, ["Hello."]);

    let mut same = Vec::new();
    for _ in 0..4 {
        same.push(contact(1).sends_both(&stage.house, "I am out of office.").await.len());
    }
    assert_eq!(same, [1, 1, 0, 0], "the same words a third time");
    for sender in ["72345", "AMAZON", number(Carrier::Twilio), number(Carrier::Plivo)] {
        let texter = Texter::new().from(sender);
        assert_eq!(texter.sends_both(&stage.house, "Hi").await, Vec::<String>::new(), "{sender}");
    }
    stage.close().await;
}

#[tokio::test]
async fn f10_f11_nothing_is_recorded_without_a_notice() {
    let notice = "says: This call may be recorded.";
    let off = json!({ "off": { "by": "owner", "at": "2026-11-01T00:00:00Z" } });
    for (settings, noticed, recorded) in [
        (json!({ "record_calls": true }), true, true),
        (json!({ "record_calls": false }), false, false),
        (json!({ "record_calls": true, "record_notice": off }), false, true),
    ] {
        let stage = Stage::open(Some(&ring(ADA)), settings.clone()).await;
        let caller = Caller::new().callee(ADA, Callee::Talks(30));
        let told = caller.calls_both(&stage.house).await;
        let has = |line: &str| told.transcript.iter().any(|heard| heard == line);
        assert_eq!(has(notice), noticed, "{settings}");
        assert_eq!(has("the conversation is recorded"), recorded, "{settings}");
        if noticed {
            assert_eq!(told.transcript[0], notice, "before anything else");
        }
        stage.close().await;
    }
}

#[tokio::test]
async fn f12_an_agent_says_what_it_is() {
    let flow = |disclose| {
        format!(
            "schema = 1\nstart = {{ call = \"ai\" }}\n[steps.ai]\ndo = \"agent\"\nmode = \"stream\"\n\
             url = \"wss://agent.example/s\"\ndisclose = {disclose}\n"
        )
    };
    let words = "says: You are speaking with the automated assistant of Harbor Dental.";
    for disclose in [true, false] {
        let stage = Stage::open(Some(&flow(disclose)), plain()).await;
        let told = Caller::new().agent(Agent::Speaks(5)).calls_both(&stage.house).await;
        assert_eq!(told.transcript[0] == words, disclose, "{told:?}");
        stage.came_to("agent").await;
        let audited = "SELECT count(*) FROM audit WHERE action = 'agent.undisclosed'";
        let audited: i64 = sqlx::query_scalar(audited).fetch_one(&stage.house.db).await.unwrap();
        assert_eq!(audited, if disclose { 0 } else { 2 });
        stage.close().await;
    }
}

/// In what the commands and the API say of themselves; `docs/openapi.json` is written from the code.
#[test]
fn f14_whoever_sets_up_a_line_is_told_that_it_reaches_no_emergency_services() {
    let help = |arguments: &[&str]| {
        let output =
            std::process::Command::new(env!("CARGO_BIN_EXE_smartline")).args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    for (place, text) in [
        ("setup", help(&["setup", "--help"])),
        ("line add", help(&["line", "add", "--help"])),
        ("the API", crate::project_file("docs/openapi.json")),
        ("the documentation", crate::project_file("docs/lines.md")),
    ] {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        assert!(text.contains("a line cannot reach emergency services"), "{place}");
    }
}

/// Whatever the settings say, whom a flow names, or an agent wishes for: these are never dialled.
#[tokio::test]
async fn f13_f15_f16_some_numbers_are_never_dialled() {
    for (number, why) in [
        ("911", "emergency"),
        ("+1911", "emergency, as a library spells it"),
        ("112", "emergency"),
        ("+112", "emergency"),
        ("+72345", "a short code"),
        ("+19005550100", "premium"),
        ("+447012345678", "a personal number of the United Kingdom"),
        ("+870773111632", "satellite"),
        ("+881612345678", "satellite"),
        ("+979123456789", "premium"),
        ("+883510001234", "a network of no country"),
        ("+18095550100", "the Dominican Republic"),
        ("+18765550100", "Jamaica"),
        ("+442079460018", "the United Kingdom"),
    ] {
        let stage = Stage::open(Some(&ring("owner")), json!({ "forward": number })).await;
        let told = Caller::new().callee(number, Callee::Talks(30)).calls_both(&stage.house).await;
        assert!(!rang(&told), "{number}: {why}: {told:?}");
        stage.close().await;
    }
    let stage = Stage::open(Some(&ring("owner")), json!({ "forward": ADA, "countries": ["US", "GB"] })).await;
    assert!(rang(&Caller::new().calls_both(&stage.house).await));
    stage.close().await;
    let settings = json!({ "forward": "+442079460018", "countries": ["US", "GB"] });
    let stage = Stage::open(Some(&ring("owner")), settings).await;
    assert!(rang(&Caller::new().calls_both(&stage.house).await), "a country that was allowed");
    stage.close().await;
}

#[tokio::test]
async fn f17_a_caller_supplies_no_number_and_a_line_has_its_caps() {
    let flow = "
schema = 1
start = { call = \"ask\" }
[steps.ask]
do = \"ask\"
text = \"Whom shall we call?\"
digits = 11
as = \"number\"
next = \"say\"
[steps.say]
do = \"say\"
text = \"You said {var.number}.\"
next = \"ring\"
[steps.ring]
do = \"ring\"
to = [\"owner\"]
";
    let settings = json!({ "forward": ADA, "people": { "number": "+14155550143" } });
    let stage = Stage::open(Some(flow), settings).await;
    let told = Caller::new().presses("19005550100").calls_both(&stage.house).await;
    let rings: Vec<_> = told.transcript.iter().filter(|line| line.starts_with("rings ")).collect();
    assert_eq!(rings, [&format!("rings {ADA} for 20 s, showing LINE")]);
    stage.close().await;

    // A minute a day that is connected onward; then callers are asked for a message.
    let stage = Stage::open(Some(&ring(ADA)), json!({ "daily_minutes": 1 })).await;
    let caller = Caller::new().callee(ADA, Callee::Talks(90));
    assert!(rang(&caller.calls_both(&stage.house).await));
    assert!(!rang(&caller.calls_both(&stage.house).await), "the minute is used up");
    stage.house.clock.advance(Duration::from_hours(24));
    assert!(rang(&caller.calls_both(&stage.house).await), "another day");
    stage.close().await;

    // Two calls a day, however often the carrier asks.
    let stage = Stage::open(Some(&ring(ADA)), json!({ "daily_calls": 2 })).await;
    for (seed, rings) in [(1, true), (2, true), (3, false)] {
        let told = Caller::new().seed(seed).calls_both(&stage.house).await;
        assert_eq!(rang(&told), rings, "call {seed}");
    }
    stage.close().await;
}

#[tokio::test]
async fn f18_nobody_is_rung_by_themselves_or_in_a_circle() {
    let stage = Stage::open(Some(&ring(ADA)), plain()).await;
    let told = Caller::new().from(ADA).callee(ADA, Callee::Talks(9)).calls_both(&stage.house).await;
    assert!(!rang(&told), "who calls is whom the line would ring");
    let [twilio, plivo] = Carrier::ALL;
    let told = Caller::new()
        .told(twilio, "ForwardedFrom", number(twilio))
        .told(plivo, "ForwardedFrom", number(plivo).trim_start_matches('+'))
        .calls_both(&stage.house)
        .await;
    assert!(!rang(&told), "the line has forwarded the call to itself");
    assert!(rang(&Caller::new().calls_both(&stage.house).await));
    stage.close().await;
}

#[tokio::test]
async fn f19_who_withholds_their_number_is_written_to_by_nobody() {
    let withheld = [
        "anonymous",
        "Anonymous",
        "restricted",
        "unknown",
        "+266696687",
        "+7378742833",
        "+2562533",
        "+8656696",
        "+86282452253",
        "",
    ];
    let stage = Stage::open(Some(&ring(ADA)), json!({ "a2p": true })).await;
    for from in withheld {
        assert!(rang(&Caller::new().from(from).calls_both(&stage.house).await), "{from}");
        assert_eq!(Texter::new().from(from).sends_both(&stage.house, "Hi").await, Vec::<String>::new());
    }
    assert_eq!(stage.owed().await, []);
    stage.close().await;
    for (policy, end, message) in
        [("reject", End::Refused("rejected".to_owned()), false), ("voicemail", End::ByLine, true)]
    {
        let stage = Stage::open(Some(&ring(ADA)), json!({ "anonymous": policy })).await;
        for from in withheld {
            let told = Caller::new().from(from).calls_both(&stage.house).await;
            let records = told.transcript.iter().any(|line| line.starts_with("records"));
            assert_eq!(
                (told.end.clone(), records, rang(&told)),
                (end.clone(), message, false),
                "{from}: {told:?}"
            );
        }
        assert!(rang(&Caller::new().calls_both(&stage.house).await), "whoever shows it is not meant");
        stage.close().await;
    }
}

#[tokio::test]
async fn f20_what_is_vouched_for_is_read_to_the_letter() {
    let when: Vec<_> = ["A", "B", "C", "failed"]
        .map(|level| format!("{{ if = {{ attest = \"{level}\" }}, go = \"{level}\" }}"))
        .into();
    let mut flow = format!(
        "schema = 1\nstart = {{ call = \"in\" }}\n[steps.in]\ndo = \"route\"\nwhen = [{}]\nelse = \"none\"\n",
        when.join(", ")
    );
    for level in ["A", "B", "C", "failed", "none"] {
        let _ = writeln!(flow, "[steps.{level}]\ndo = \"end\"\ntext = \"{level}\"");
    }
    let stage = Stage::open(Some(&flow), plain()).await;
    for (carrier, fields, level) in [
        (Carrier::Twilio, &[("StirVerstat", "TN-Validation-Passed-A")][..], "A"),
        (Carrier::Twilio, &[("StirVerstat", "TN-Validation-Passed-A-Diverted")], "A"),
        (Carrier::Twilio, &[("StirVerstat", "TN-Validation-Passed-A-Passthrough")], "A"),
        (Carrier::Twilio, &[("StirVerstat", "TN-Validation-Passed-B")], "B"),
        (Carrier::Twilio, &[("StirVerstat", "TN-Validation-Failed-A")], "failed"),
        (Carrier::Twilio, &[("StirVerstat", "xTN-Validation-Passed-A")], "none"),
        (Carrier::Twilio, &[("StirVerstat", "No-TN-Validation")], "none"),
        (Carrier::Twilio, &[], "none"),
        (Carrier::Plivo, &[("STIRVerification", "Verified")], "A"),
        (Carrier::Plivo, &[("STIRVerification", "Verified"), ("STIRAttestation", "B")], "B"),
        (Carrier::Plivo, &[("STIRVerification", "verified?")], "none"),
        (Carrier::Plivo, &[], "none"),
    ] {
        let caller =
            fields.iter().fold(Caller::new(), |caller, (name, value)| caller.told(carrier, name, value));
        let told = caller.calls(&stage.house, carrier).await;
        assert_eq!(told.transcript[0], format!("says: {level}"), "{fields:?}");
    }
    stage.close().await;
}

#[tokio::test]
async fn f21_prefixes_are_no_part_of_a_number() {
    let stage = answering().await;
    for (from, answered) in
        [("whatsapp:+14155550100", false), ("sip:ada@example.com", false), ("client:ada", false)]
    {
        let told = Caller::new().from(from).callee(ADA, Callee::Talks(3)).calls_both(&stage.house).await;
        assert!(rang(&told), "{from}");
        let replies = Texter::new().from(from).sends_both(&stage.house, "Hi").await;
        assert_eq!(!replies.is_empty(), answered, "{from}");
    }
    stage.close().await;
}

#[tokio::test]
async fn f22_a_conversation_leaves_nobody_in_tokens_logs_or_metrics() {
    let flow = "
schema = 1
start = { call = \"ask\", sms = \"ack\" }
[steps.ask]
do = \"ask\"
text = \"Your number, please.\"
digits = 7
speech = true
as = \"number\"
next = \"ring\"
[steps.ring]
do = \"ring\"
to = [\"+14155550142\"]
missed = \"vm\"
[steps.vm]
do = \"voicemail\"
text = \"Please leave a message.\"
transcribe = true
[steps.ack]
do = \"text\"
once = \"none\"
body = \"Hello {caller.number}.\"
";
    let stage = Stage::open(Some(flow), json!({ "record_calls": true, "notify": ADA })).await;
    let log = Log::capture();
    let mut documents = Vec::new();
    for (caller, acts) in [
        (Caller::new(), ["8675309", "pineapple"]),
        (Caller::new().from("+14155550101"), ["8675309", "pineapple"]),
    ] {
        let calls =
            [caller.clone().presses(acts[0]).speaks(9), caller.says(acts[1]).callee(ADA, Callee::Talks(9))];
        for call in calls {
            documents.extend(call.calls_each(&stage.house).await.into_iter().flat_map(|told| told.documents));
        }
    }
    Texter::new().sends_both(&stage.house, "My pineapple, please").await;
    stage.work().await;
    let lines = log.take("");
    let private = ["4155550", "8675309", "pineapple", "https://", "Hello", "Please leave"];
    for line in &lines {
        for words in private {
            assert!(!line.to_string().contains(words), "{words}: {line}");
        }
    }
    let hash = |line: &serde_json::Value| line["contact.hash"].as_str().map(str::to_owned);
    let of_twilio = |line: &&serde_json::Value| line["endpoint"] == "twilio/voice";
    let hashes: std::collections::BTreeSet<_> = lines.iter().filter(of_twilio).filter_map(hash).collect();
    // Two callers, and who was rung.
    assert!((2..=3).contains(&hashes.len()), "{hashes:?}");
    assert!(hashes.iter().all(|hash| hash.len() == 16), "{hashes:?}");
    let metrics = stage.house.ask(&Ask::get("/metrics")).await;
    for words in &private[..3] {
        assert!(!metrics.text().contains(words), "{words}: {}", metrics.text());
    }
    let mut tokens = 0;
    for token in documents.iter().flat_map(|document| document.split("?t=").skip(1)) {
        let bytes = URL_SAFE_NO_PAD.decode(&token[..56]).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(private.iter().all(|words| !text.contains(words) && !token[..56].contains(words)), "{text}");
        tokens += 1;
    }
    assert!(tokens > 20, "{tokens}");
    stage.close().await;
}

#[tokio::test]
async fn f24_a_request_that_comes_again_changes_nothing() {
    let stage = Stage::open(Some(&ring(ADA)), json!({ "daily_calls": 2 })).await;
    for carrier in Carrier::ALL {
        for (call, rings) in [(1, true), (2, true), (3, false)] {
            let ask = carrier.signed(carrier.calls(), &begins(carrier));
            let first = stage.house.ask(&ask).await;
            assert_eq!(first.text().contains("<Dial"), rings, "call {call}: {}", first.text());
            for _ in 0..3 {
                assert_eq!(stage.house.ask(&ask).await.body, first.body, "call {call}");
            }
        }
    }
    let kept: i64 =
        sqlx::query_scalar("SELECT count(*) FROM events").fetch_one(&stage.house.db).await.unwrap();
    assert_eq!(kept, 6);
    stage.close().await;
}

/// The fields of a new call.
fn begins(carrier: Carrier) -> Vec<(&'static str, String)> {
    let id = if carrier == Carrier::Twilio { "CallSid" } else { "CallUUID" };
    vec![
        (id, carrier.id("CA")),
        ("From", carrier.number("+14155550100")),
        ("To", carrier.number(number(carrier))),
        ("CallStatus", "ringing".to_owned()),
        ("Direction", "inbound".to_owned()),
    ]
}

/// The database stops between two key presses.
#[tokio::test]
async fn f25_a_conversation_goes_on_while_the_database_is_away() {
    let mut house = House::build(Plan::new().gated()).await;
    let flow = crate::project_file("examples/flows/office.toml");
    let line = |carrier: Carrier| NewLine {
        provider: carrier.name(),
        number: number(carrier),
        name: NAME,
        account: None,
        flow: Some(&flow),
        settings: json!({}),
    };
    house.set_up(&Carrier::ALL.map(line)).await;
    house.clock.advance(Duration::from_hours(27));
    for carrier in Carrier::ALL {
        let mut fields = begins(carrier);
        let menu = house.ask(&carrier.signed(carrier.calls(), &fields)).await;
        let question = if carrier == Carrier::Twilio { "Gather" } else { "GetInput" };
        let action = menu.attribute(question, "action").replace(crate::house::ORIGIN, "");
        house.gate().shut().await;
        fields.push(("Digits", "7".to_owned()));
        let again = house.ask(&carrier.signed(&action, &fields)).await;
        let action = again.attribute(question, "action").replace(crate::house::ORIGIN, "");
        fields.retain(|(name, _)| *name != "Digits");
        fields.push(("Digits", "2".to_owned()));
        let directions = house.ask(&carrier.signed(&action, &fields)).await;
        assert!(directions.text().contains("We are at 1 Harbor Street"), "{directions:?}");
        assert_eq!(house.ask(&carrier.signed(&action, &fields)).await.body, directions.body, "asked again");
        house.gate().reopen().await;
    }
    house.close().await;
}

#[tokio::test]
async fn a_suspended_line_says_so_then_is_busy_and_is_back_with_the_payment() {
    let house = House::open().await;
    let flow = ring(ADA);
    let subscription = |event: &str, status: &str, second: i64| {
        let object = json!({
            "id": "sub_1", "object": "subscription", "customer": "cus_1", "status": status,
            "items": { "data": [{ "price": { "id": "price_1" }, "current_period_end": NOW + 1_000_000 }] },
        });
        let kind =
            format!("customer.subscription.{}", if status == "canceled" { "deleted" } else { "updated" });
        let event = json!({
            "id": event, "object": "event", "type": kind, "created": NOW + second, "livemode": false,
            "data": { "object": object },
        });
        Ask::post("/webhooks/stripe").json(event.to_string()).by_stripe_at(house.clock.now_s())
    };
    let line = |carrier: Carrier| NewLine {
        provider: carrier.name(),
        number: number(carrier),
        name: NAME,
        account: Some("test::cus_1"),
        flow: Some(&flow),
        settings: json!({ "suspended_per_day": 2 }),
    };
    house.set_up(&Carrier::ALL.map(line)).await;
    let caller = Caller::new().callee(ADA, Callee::Talks(20));
    for (event, status) in [("evt_1", "active"), ("evt_2", "unpaid")] {
        let second = if status == "active" { 0 } else { 5 };
        assert_eq!(house.ask(&subscription(event, status, second)).await.status, 200);
        while house.app.work_once().await.unwrap() > 0 {}
        house.lines_changed().await;
        if status == "active" {
            assert!(rang(&caller.calls_both(&house).await));
        }
    }
    for _ in 0..2 {
        let told = caller.calls_both(&house).await;
        let heard = ["says: This number is not taking calls right now. Goodbye.", "the line hangs up"];
        told.was(&heard, &End::ByLine);
    }
    caller.calls_both(&house).await.was(&["the line is busy"], &End::Refused("busy".to_owned()));
    let none = Vec::<String>::new();
    assert_eq!(Texter::new().sends_both(&house, "Hello").await, none, "f07: no reply");
    assert_eq!(Texter::new().sends_both(&house, "STOP").await, none, "f07: and STOP is heard");
    while house.app.work_once().await.unwrap() > 0 {}
    let stopped = "SELECT count(*) FROM opt_outs WHERE opted_out";
    let stopped: i64 = sqlx::query_scalar(stopped).fetch_one(&house.db).await.unwrap();
    assert_eq!(stopped, 2);
    assert_eq!(house.ask(&subscription("evt_3", "active", 9)).await.status, 200);
    while house.app.work_once().await.unwrap() > 0 {}
    house.lines_changed().await;
    assert!(rang(&caller.calls_both(&house).await), "paid");
    house.close().await;
}

#[tokio::test]
async fn who_is_blocked_is_refused_and_not_written_to() {
    let house = House::open().await;
    let flow = ring(ADA);
    let line = |carrier: Carrier| NewLine {
        provider: carrier.name(),
        number: number(carrier),
        name: NAME,
        account: Some("test::cus_1"),
        flow: Some(&flow),
        settings: json!({}),
    };
    house.set_up(&Carrier::ALL.map(line)).await;
    house.knows("test::cus_1", "+14155550100", None, true).await;
    let told = Caller::new().calls_both(&house).await;
    told.was(&["the line is rejected"], &End::Refused("rejected".to_owned()));
    assert_eq!(Texter::new().sends_both(&house, "Hello").await, Vec::<String>::new());
    assert!(rang(&Caller::new().from("+14155550101").calls_both(&house).await));
    house.close().await;
}
