//! What callers hear of a line that nobody has set up.

use super::{Act, Agent, Callee, Caller, Carrier, End, Stage, Texter, stage::plain};
use crate::house::House;

const GREETING: &str = "says: You have reached this number. Please leave a message after the tone.";
const THANKS: &str = "says: Thank you. Goodbye.";

/// What became of the calls, as the tables tell it.
async fn outcomes(house: &House) -> Vec<(String, Option<String>)> {
    while house.app.work_once().await.unwrap() > 0 {}
    let sql = "SELECT provider, outcome FROM calls WHERE parent IS NULL ORDER BY provider DESC";
    sqlx::query_as(sql).fetch_all(&house.db).await.unwrap()
}

/// A flow that hands its calls to an agent with these fields, after what is said `above` of the flow.
fn with_agent(above: &str, agent: &str) -> String {
    format!(
        r#"
schema = 1
{above}start = {{ call = "ai" }}
[people]
ada = "+14155550142"
[steps.ai]
do = "agent"
{agent}
may_ring = ["ada"]
done = "bye"
failed = "vm"
[steps.bye]
do = "end"
text = "Goodbye from us."
[steps.vm]
do = "voicemail"
text = "Please leave a message after the tone."
"#
    )
}

#[tokio::test]
async fn a_message_is_left_on_a_bare_line() {
    let house = House::open().await;
    for seed in 0..8 {
        let told = Caller::new().speaks(8).seed(seed).calls_both(&house).await;
        told.was(
            &[GREETING, "records up to 120 s", "the caller speaks for 8 s", THANKS, "the line hangs up"],
            &End::ByLine,
        );
    }
    let outcomes = outcomes(&house).await;
    assert!(
        outcomes.len() == 16 && outcomes.iter().all(|(_, outcome)| outcome.as_deref() == Some("voicemail")),
        "{outcomes:?}"
    );
    house.close().await;
}

#[tokio::test]
async fn silence_and_hang_ups_end_alike_on_a_bare_line() {
    let house = House::open().await;
    for seed in 0..8 {
        let told = Caller::new().silent().seed(seed).calls_both(&house).await;
        told.was(
            &[GREETING, "records up to 120 s", "nothing is recorded", THANKS, "the line hangs up"],
            &End::ByLine,
        );
        let told = Caller::new().hangs_up().seed(seed).calls_both(&house).await;
        told.was(&[GREETING, "records up to 120 s", "the caller hangs up"], &End::ByCaller);
        let told = Caller::new().speaks(4).hangs_up().seed(seed).calls_both(&house).await;
        let heard = [GREETING, "records up to 120 s", "the caller speaks for 4 s", "the caller hangs up"];
        told.was(&heard, &End::ByCaller);
        for act in [Act::Presses("5".to_owned()), Act::Says("hello".to_owned())] {
            let told = Caller::new().act(act).seed(seed).calls_both(&house).await;
            assert_eq!(told.end, End::ByLine);
        }
    }
    house.close().await;
}

#[tokio::test]
async fn a_text_to_a_bare_line_is_acknowledged() {
    let house = House::open().await;
    for carrier in Carrier::ALL {
        let texter = Texter::new();
        assert_eq!(texter.sends(&house, carrier, "Are you open?").await, ["Thanks, we got your message."]);
        assert_eq!(texter.sends(&house, carrier, " Stop. ").await, Vec::<String>::new());
    }
    let other = Texter::new().from("+14155550101");
    assert_eq!(other.sends_both(&house, "👍 & <Say>").await, ["Thanks, we got your message."]);
    house.close().await;
}

#[tokio::test]
async fn an_agent_hands_a_call_back_by_what_it_was_told() {
    let flow = with_agent("", "url = \"wss://agent.example/s\"\nmode = \"stream\"");
    let stage = Stage::open(Some(&flow), plain()).await;
    let begins = [
        "says: You are speaking with the automated assistant of Harbor Dental.",
        "hands the sound to wss://agent.example/s, telling call, line",
    ];
    let after = |agent, after: &[&str]| {
        let caller = Caller::new().agent(agent).callee("+14155550142", Callee::Talks(20));
        let expected: Vec<_> = [&begins[..], after].concat().into_iter().map(str::to_owned).collect();
        (caller, expected)
    };
    for (case, expected) in [
        after(
            Agent::HandsBack(30, "ada"),
            &[
                "the agent speaks for 30 s",
                "the agent wants ada rung",
                "rings +14155550142 for 25 s, showing LINE",
                "+14155550142 picks up",
                "who is rung hears it: says: Call for Harbor Dental. Press 1 to accept.",
                "+14155550142 is connected for 20 s",
                "says: Goodbye from us.",
                "the line hangs up",
            ],
        ),
        after(
            Agent::Speaks(12),
            &["the agent speaks for 12 s", "says: Goodbye from us.", "the line hangs up"],
        ),
        after(
            Agent::HandsBack(5, "eve"),
            &[
                "the agent speaks for 5 s",
                "the agent wants eve rung",
                "says: Please leave a message after the tone.",
                "records up to 120 s",
                "nothing is recorded",
                "says: Thank you. Goodbye.",
                "the line hangs up",
            ],
        ),
        after(
            Agent::Away,
            &[
                "the agent is away",
                "says: Please leave a message after the tone.",
                "records up to 120 s",
                "nothing is recorded",
                "says: Thank you. Goodbye.",
                "the line hangs up",
            ],
        ),
    ] {
        assert_eq!(case.calls_both(&stage.house).await.transcript, expected);
    }
    stage.close().await;
}

/// `relay` is Twilio's alone. A Plivo line cannot have the flow published, and where one has it all the same, who calls comes
/// to the step's `failed`, as when the agent is away.
#[tokio::test]
async fn a_relay_hands_back_what_it_was_told_and_the_other_carrier_takes_the_safe_way() {
    let agent = "url = \"wss://agent.example/r\"\nmode = \"relay\"\ngreet = \"How can I help you?\"";
    let flow = with_agent("providers = [\"twilio\"]\n", agent);
    let stage = Stage::open(Some(&flow), plain()).await;
    let begins = [
        "says: You are speaking with the automated assistant of Harbor Dental.",
        "hands the words to wss://agent.example/r",
        "says: How can I help you?",
    ];
    let message = [
        "says: Please leave a message after the tone.",
        "records up to 120 s",
        "the caller speaks for 7 s",
        "says: Thank you. Goodbye.",
        "the line hangs up",
    ];
    let bye = ["says: Goodbye from us.", "the line hangs up"];
    let rung = [
        "rings +14155550142 for 25 s, showing LINE",
        "+14155550142 picks up",
        "who is rung hears it: says: Call for Harbor Dental. Press 1 to accept.",
        "+14155550142 is connected for 20 s",
    ];
    for (agent, after) in [
        (Agent::Speaks(12), [&["the agent speaks for 12 s"][..], &bye].concat()),
        (
            Agent::HandsBack(30, "ada"),
            [&["the agent speaks for 30 s", "the agent wants ada rung"][..], &rung, &bye].concat(),
        ),
        (
            Agent::HandsBack(5, "eve"),
            [&["the agent speaks for 5 s", "the agent wants eve rung"][..], &message].concat(),
        ),
        (Agent::Away, [&["the agent is away"][..], &message].concat()),
    ] {
        let caller = Caller::new().agent(agent).callee("+14155550142", Callee::Talks(20)).speaks(7);
        let told = caller.calls(&stage.house, Carrier::Twilio).await;
        assert_eq!(told.transcript, [&begins[..], &after].concat(), "{agent:?}");
        let told = caller.calls(&stage.house, Carrier::Plivo).await;
        assert_eq!(told.transcript, message, "{agent:?}");
    }
    let told = Caller::new().agent(Agent::Speaks(3)).hangs_up().calls(&stage.house, Carrier::Twilio).await;
    assert_eq!(told.end, End::ByCaller);
    stage.close().await;
}
