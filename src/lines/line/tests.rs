use super::*;

fn asked() -> Asked<'static> {
    Asked { by: "key_1", at: DateTime::from_timestamp(1_794_744_000, 0).unwrap() }
}

fn map(value: Value) -> Map<String, Value> {
    let Value::Object(map) = value else { panic!("no object") };
    map
}

fn given() -> Map<String, Value> {
    map(json!({
        "provider": "twilio", "number": "+14155550190", "name": "Harbor Dental", "zone": "America/New_York",
    }))
}

fn line() -> Line {
    let id = LineId::new(asked().at);
    Line::made_of(id, given(), asked()).unwrap()
}

fn texts(faults: &[Fault]) -> Vec<String> {
    faults.iter().map(Fault::to_string).collect()
}

#[test]
fn a_line_is_made_with_safe_defaults_and_masks_itself() {
    let line = line();
    assert_eq!((line.state, line.flow_version, line.language.as_str()), (State::On, None, "en-US"));
    assert_eq!(line.country, "US", "the number's own");
    assert_eq!(line.settings, Settings::default());
    assert_eq!(line.settings.to_store(), json!({}));
    assert!(line.owner().starts_with("line:"));
    assert!(!format!("{line:?}").contains("0190"));
}

#[test]
fn all_that_is_wrong_with_it_is_told_at_once_with_its_place() {
    let wrong = json!({
        "provider": "stripe", "number": "911", "name": "<b>", "zone": "New York", "colour": "red",
        "settings": {
            "forward": "+1911", "a2p": "yes", "people": { "bob": 5 }, "agent_url": "https://10.0.0.1/x",
            "call_seconds": 20, "attest_reject": ["D"], "countries": ["usa"], "color": 1, "agent_secret": "short",
        },
    });
    let found = texts(&Line::made_of(line().id, map(wrong), asked()).unwrap_err());
    for expected in [
        "provider: is neither",
        "number: is an emergency number",
        "name: holds a control character",
        "zone: is no IANA",
        "colour: is not known; a line has provider, number",
        "settings.forward: is an emergency",
        "settings.a2p: invalid type: string \"yes\", expected a boolean",
        "settings.people.bob: invalid type",
        "settings.agent_url: leads to no host",
        "settings.call_seconds: is 20, and must be 60 to 14400",
        "settings.attest_reject[0]: is none of",
        "settings.countries[0]: is no ISO",
        "settings.color: is not known; the settings are forward, people",
        "settings.agent_secret: is not 16",
    ] {
        assert!(found.iter().any(|fault| fault.starts_with(expected)), "{expected}\n{found:#?}");
    }
    assert_eq!(found.len(), 14, "{found:#?}");
}

#[test]
fn a_change_leaves_the_rest_and_null_goes_back() {
    let mut line = line();
    let set = json!({ "settings": { "forward": "+14155550142", "a2p": true, "agent_secret": "a secret of the agent".replace(' ', "-") } });
    line.change(map(set), asked()).unwrap();
    line.change(map(json!({ "name": "Harbor", "settings": { "a2p": null, "daily_calls": 9 } })), asked())
        .unwrap();
    let settings = &line.settings;
    assert_eq!(
        (settings.forward.as_deref(), settings.a2p, settings.daily_calls, line.name.as_str()),
        (Some("+14155550142"), false, Some(9), "Harbor")
    );
    assert_eq!(settings.shown()["agent_secret"], "(set)");
    assert_eq!(Settings::stored(&settings.to_store()), *settings);
    assert!(line.change(map(json!({ "number": "+14155550191" })), asked()).is_err());
}

#[test]
fn f11_who_turned_the_recording_notice_off_is_kept() {
    let mut line = line();
    line.change(map(json!({ "settings": { "record_notice": "off" } })), asked()).unwrap();
    let off = Notice::Off { by: "key_1".to_owned(), at: asked().at };
    assert_eq!(line.settings.record_notice, off);
    // Nobody can say that it was somebody else, and what was read can be written back.
    let later = Asked { by: "key_2", at: DateTime::from_timestamp(1_794_744_001, 0).unwrap() };
    let shown = line.settings.shown()["record_notice"].clone();
    line.change(map(json!({ "settings": { "record_notice": shown } })), later).unwrap();
    assert_eq!(line.settings.record_notice, off);
    let claimed =
        json!({ "settings": { "record_notice": { "off": { "by": "ada", "at": "2020-01-01T00:00:00Z" } } } });
    line.change(map(claimed), later).unwrap();
    assert_eq!(line.settings.record_notice, Notice::Off { by: "key_2".to_owned(), at: later.at });
    line.change(map(json!({ "settings": { "record_notice": "on" } })), later).unwrap();
    assert_eq!(line.settings, Settings::default());
}

#[test]
fn what_a_later_release_wrote_costs_no_other_setting() {
    let stored = json!({ "forward": "+14155550142", "anonymous": "sing", "colour": "red", "a2p": true });
    let settings = Settings::stored(&stored);
    assert_eq!((settings.forward.as_deref(), settings.a2p), (Some("+14155550142"), true));
    assert_eq!(settings.anonymous, Anonymous::Accept);
    assert_eq!(State::read("asleep"), State::On);
}
