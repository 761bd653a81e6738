use serde_json::json;

use super::*;
use crate::{
    domain::id::LineId,
    lines::{document::read::read, line::Asked},
};

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn line(provider: &str, number: &str, name: &str, settings: &Value) -> Line {
    let given = json!({
        "provider": provider, "number": number, "name": name, "zone": "America/New_York", "settings": settings,
    });
    let asked = Asked { by: "test", at: at("2026-11-26T12:00:00Z") };
    Line::made_of(LineId::new(asked.at), given.as_object().unwrap().clone(), asked).unwrap()
}

fn flow(steps: &str) -> Flow {
    let text = format!("schema = 1\nstart = {{ call = \"in\" }}\n{steps}");
    read(&text).unwrap_or_else(|faults| panic!("{faults:?}\n{text}"))
}

fn rings(to: &str) -> Flow {
    flow(&format!("[people]\nada = \"+14155550142\"\n[steps.in]\ndo = \"ring\"\nto = [{to}]"))
}

fn faults(findings: &Findings) -> Vec<String> {
    findings.faults.iter().map(Fault::to_string).collect()
}

#[test]
fn f15_f16_where_a_line_may_dial() {
    let own = line("twilio", "+14155550190", "Own", &json!({}));
    let wide = line("twilio", "+14155550190", "Wide", &json!({ "countries": ["US", "GB", "DO"] }));
    for (number, own_may, wide_may) in [
        ("+14155550142", true, true),
        ("+18095550142", false, true),
        ("+442079460018", false, true),
        ("+18765550142", false, false),
        ("+16045550142", false, false),
        ("+449098790018", false, false),
        ("+447055550142", false, false),
        ("+8705550142", false, false),
        ("+1911", false, false),
        ("+14155550190", false, false),
    ] {
        assert_eq!(own.may_dial(number).is_ok(), own_may, "{number}");
        assert_eq!(wide.may_dial(number).is_ok(), wide_may, "{number}");
    }
    let found = look(&own, &rings("\"ada\", \"+18095550142\""), &[]);
    assert_eq!(
        faults(&found),
        ["steps.in.to[1]: is in a country that the line may not dial: see its setting `countries`"]
    );
    let found = look(&own, &rings("\"+14155550190\""), &[]);
    assert_eq!(faults(&found), ["steps.in.to[0]: is the line's own number"]);
}

#[test]
fn names_are_the_lines_first_and_the_flows_then() {
    let settings = json!({ "forward": "+14155550140", "people": { "ada": "+14155550141" } });
    let (bare, set) =
        (line("twilio", "+14155550190", "A", &json!({})), line("twilio", "+14155550190", "A", &settings));
    let flow = rings("\"ada\", \"owner\"");
    assert_eq!((bare.number_of(&flow, "ada"), bare.number_of(&flow, "owner")), (Some("+14155550142"), None));
    assert_eq!(
        (set.number_of(&flow, "ada"), set.number_of(&flow, "owner")),
        (Some("+14155550141"), Some("+14155550140"))
    );
    let found = look(&bare, &rings("\"owner\""), &[]);
    assert_eq!((found.faults.len(), found.warnings.len()), (0, 1), "{found:?}");
}

#[test]
fn a_circle_of_forwards_is_found_however_long() {
    let first = line("twilio", "+14155550190", "First", &json!({}));
    let second = line("plivo", "+14155550191", "Second", &json!({ "forward": "+14155550192" }));
    let third = line("twilio", "+14155550192", "Third", &json!({}));
    let to_second = rings("\"+14155550191\"");
    let circle = [(second.clone(), None), (third.clone(), Some(rings("\"+14155550190\"")))];
    let told = faults(&look(&first, &to_second, &circle));
    assert_eq!(
        told,
        ["steps.in.to[0]: rings a line of ours that rings back: First → Second → Third → First"]
    );
    // The same without the way back, and one that goes in a circle elsewhere.
    for third_rings in ["\"+14155550142\"", "\"+14155550191\""] {
        let others = [(second.clone(), None), (third.clone(), Some(rings(third_rings)))];
        assert_eq!(faults(&look(&first, &to_second, &others)), Vec::<String>::new());
    }
}

#[test]
fn what_a_provider_does_not_have_is_refused_on_its_lines() {
    let mut relay = flow("[steps.in]\ndo = \"agent\"\nmode = \"relay\"\nurl = \"wss://agent.example/s\"");
    relay.providers = vec![Provider::Twilio];
    let usual = flow("[steps.in]\ndo = \"agent\"");
    for (provider, flow, settings, faults_of, warnings) in [
        ("twilio", &relay, json!({}), 0, 0),
        ("plivo", &relay, json!({}), 1, 0),
        ("plivo", &usual, json!({}), 0, 1),
        ("plivo", &usual, json!({ "agent_mode": "relay", "agent_url": "wss://agent.example/s" }), 1, 0),
        ("twilio", &usual, json!({ "agent_mode": "relay", "agent_url": "wss://agent.example/s" }), 0, 0),
    ] {
        let found = look(&line(provider, "+14155550190", "A", &settings), flow, &[]);
        assert_eq!(
            (found.faults.len(), found.warnings.len()),
            (faults_of, warnings),
            "{provider} {settings} {found:?}"
        );
    }
}

#[test]
fn a_line_has_flows_for_its_own_carrier_alone() {
    let mut flow = flow("[steps.in]\ndo = \"end\"");
    let (twilio, plivo) =
        (line("twilio", "+14155550190", "A", &json!({})), line("plivo", "+14155550191", "B", &json!({})));
    flow.providers = vec![Provider::Twilio];
    assert_eq!(faults(&look(&twilio, &flow, &[])), Vec::<String>::new());
    assert_eq!(
        faults(&look(&plivo, &flow, &[])),
        ["providers: does not name plivo, and the line is Plivo's"]
    );
    flow.providers = vec![Provider::Plivo];
    assert_eq!(
        faults(&look(&twilio, &flow, &[])),
        ["providers: does not name twilio, and the line is Twilio's"]
    );
}

#[test]
fn openings_are_told_beyond_two_changes_of_the_clock() {
    let flow = flow(
        "[hours.office]\nzone = \"America/New_York\"\nopen = [\"mon-fri 09:00-17:00\"]\n[hours.x]\nzone = \"UTC\"\nopen = [\"mon 00:00-24:00\"]\n[steps.in]\ndo = \"end\"",
    );
    let told = openings(&flow, at("2026-11-26T12:00:00Z"));
    assert_eq!(
        told["office"],
        json!({
            "zone": "America/New_York", "opens": "Thu 2026-11-26 09:00", "open_now": false,
            "after": [
                { "clock_changes": "Sun 2027-03-14 03:00", "opens": "Mon 2027-03-15 09:00" },
                { "clock_changes": "Sun 2027-11-07 01:00", "opens": "Mon 2027-11-08 09:00" },
            ],
        })
    );
    assert_eq!(told["x"]["after"], json!([]));
}
