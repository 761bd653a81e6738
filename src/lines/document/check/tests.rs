use super::*;
use crate::lines::document::read::read;

fn findings(text: &str) -> Findings {
    check(&read(text).unwrap_or_else(|faults| panic!("{faults:?}\n{text}")))
}

/// A flow that is whole, with these steps besides.
fn with(steps: &str) -> String {
    format!(
        "schema = 1\nstart = {{ call = \"in\" }}\n[hours.office]\nzone = \"UTC\"\nopen = [\"mon 09:00-17:00\"]\n[people]\nada = \"+14155550142\"\n\
         [steps.bye]\ndo = \"end\"\n{steps}"
    )
}

#[test]
fn what_is_refused_and_where() {
    for (steps, expected) in [
        ("[steps.in]\ndo = \"say\"\ntext = \"Hi\"\nnext = \"x\"", "steps.in.next: there is no step `x`"),
        (
            "[steps.in]\ndo = \"say\"\ntext = \"Hi\"\nnext = \"in\"",
            "steps.in: a caller who does nothing goes in a circle: in → in",
        ),
        (
            "[steps.in]\ndo = \"ask\"\ntext = \"Hi\"\nchoose.1 = \"bye\"\nnone = \"again\"\n[steps.again]\ndo = \"say\"\ntext = \"Hm\"\nnext = \"in\"",
            "goes in a circle",
        ),
        ("[steps.in]\ndo = \"say\"", "steps.in: has either `text` or `play`"),
        ("[steps.in]\ndo = \"say\"\ntext = \" \"", "steps.in.text: is empty"),
        ("[steps.in]\ndo = \"say\"\ntext = \"<b>\"", "steps.in.text: holds `<`"),
        ("[steps.in]\ndo = \"say\"\ntext = \"a\\u0007\"", "steps.in.text: holds a control character"),
        ("[steps.in]\ndo = \"say\"\ntext = \"{caller}\"", "steps.in.text: `{caller}` is none of"),
        ("[steps.in]\ndo = \"say\"\ntext = \"Hi\"\npause = 11", "steps.in.pause: is 11, and must be 0 to 10"),
        (
            "[steps.in]\ndo = \"say\"\nplay = \"http://a.example/x.mp3\"",
            "steps.in.play: must begin with https://",
        ),
        ("[steps.in]\ndo = \"say\"\nplay = \"https://10.0.0.1/x.mp3\"", "steps.in.play: leads to no host"),
        ("[steps.in]\ndo = \"say\"\nplay = \"https://u:p@a.example/x.mp3\"", "steps.in.play: holds a user"),
        ("[steps.in]\ndo = \"ask\"\ntext = \"Hi\"", "steps.in: an answer leads nowhere"),
        ("[steps.in]\ndo = \"ask\"\ntext = \"Hi\"\nchoose.12 = \"bye\"", "steps.in.choose.12: is no key"),
        (
            "[steps.in]\ndo = \"ask\"\ntext = \"Hi\"\ndigits = 2\nchoose.1 = \"bye\"",
            "steps.in.choose.1: is one key",
        ),
        ("[steps.in]\ndo = \"ask\"\ntext = \"Hi\"\nnext = \"bye\"\ntries = 6", "steps.in.tries: is 6"),
        ("[steps.in]\ndo = \"ask\"\ntext = \"Hi\"\nnext = \"bye\"\nas = \"a b\"", "steps.in.as: is no name"),
        (
            "[steps.in]\ndo = \"route\"\nelse = \"bye\"\nwhen = [{ if = {}, go = \"bye\" }]",
            "steps.in.when[0].if: tests nothing",
        ),
        (
            "[steps.in]\ndo = \"route\"\nelse = \"bye\"\nwhen = [{ if = { open = \"x\" }, go = \"bye\" }]",
            "steps.in.when[0].if.open: there are no hours `x`",
        ),
        (
            "[steps.in]\ndo = \"route\"\nelse = \"bye\"\nwhen = [{ if = { caller = \"x\" }, go = \"bye\" }]",
            "if.caller: is none of",
        ),
        (
            "[steps.in]\ndo = \"route\"\nelse = \"bye\"\nwhen = [{ if = { seen = \"often\" }, go = \"bye\" }]",
            "if.seen: is no comparison",
        ),
        (
            "[steps.in]\ndo = \"route\"\nelse = \"bye\"\nwhen = [{ if = { var.x = \"1\" }, go = \"bye\" }]",
            "if.var.x: no `ask` keeps",
        ),
        (
            "[steps.in]\ndo = \"agent\"\ndone = \"in\"\nfailed = \"bye\"",
            "steps.in: a caller who does nothing goes in a circle: in → in",
        ),
        (
            "[steps.in]\ndo = \"ask\"\ntext = \"Hi\"\nnext = \"bye\"\nspeech = true\nhints = [\"new booking\", \" \"]",
            "steps.in.hints[1]: is empty",
        ),
        (
            "[steps.in]\ndo = \"ask\"\ntext = \"Hi\"\nnext = \"bye\"\nspeech = true\nhints = [\"yes, please\"]",
            "steps.in.hints[0]: holds a comma",
        ),
        (
            "[steps.in]\ndo = \"ask\"\ntext = \"Hi\"\nnext = \"bye\"\nspeech = true\nhints = [\"a\\u0007\"]",
            "steps.in.hints[0]: holds a control character",
        ),
        ("[steps.in]\ndo = \"ring\"\nto = []", "steps.in.to: names 1 to 10"),
        ("[steps.in]\ndo = \"ring\"\nto = [\"bob\"]", "steps.in.to[0]: there is nobody called `bob`"),
        ("[steps.in]\ndo = \"ring\"\nto = [\"+1911\"]", "steps.in.to[0]: is an emergency number"),
        ("[steps.in]\ndo = \"ring\"\nto = [\"ada\"]\nseconds = 4", "steps.in.seconds: is 4"),
        ("[steps.in]\ndo = \"voicemail\"\ntext = \"Hi\"\nmax = 301", "steps.in.max: is 301"),
        ("[steps.in]\ndo = \"agent\"\nurl = \"wss://a.example/s?x=1\"", "steps.in.url: has a query"),
        (
            "[steps.in]\ndo = \"agent\"\nmode = \"turns\"\nurl = \"wss://a.example/s\"",
            "steps.in.url: must begin with https://",
        ),
        (
            "[steps.in]\ndo = \"agent\"\nmode = \"relay\"",
            "steps.in.mode: relay is a feature of Twilio's alone",
        ),
        ("[steps.in]\ndo = \"agent\"\nmay_ring = [\"bob\"]", "steps.in.may_ring[0]: there is nobody"),
        ("[steps.in]\ndo = \"end\"\nhow = \"busy\"\ntext = \"Hi\"", "steps.in.text: is heard by nobody"),
        (
            "[steps.in]\ndo = \"say\"\ntext = \"Hi\"\nnext = \"no\"\n[steps.no]\ndo = \"end\"\nhow = \"reject\"",
            "steps.no.how: busy and reject are possible only before",
        ),
    ] {
        let found = findings(&with(steps)).faults;
        let found: Vec<String> = found.iter().map(Fault::to_string).collect();
        assert!(found.len() == 1 && found[0].contains(expected), "{steps}\nexpected {expected}\n{found:#?}");
    }
}

/// What a carrier would cut off, and what nobody could look at in time.
#[test]
fn lists_have_an_end() {
    let ask = |fields: &str| {
        with(&format!("[steps.in]\ndo = \"ask\"\ntext = \"Hi\"\nnext = \"bye\"\nspeech = true\n{fields}\n"))
    };
    let hints = |count: usize, length: usize| {
        let hints: Vec<String> = (0..count).map(|hint| format!("\"{hint:0length$}\"")).collect();
        ask(&format!("hints = [{}]", hints.join(", ")))
    };
    let choices = |count: usize| {
        let choices: Vec<String> = (0..count).map(|word| format!("word{word} = \"bye\"")).collect();
        ask(&format!("choose = {{ {} }}", choices.join(", ")))
    };
    let ways = |count: usize| {
        let way = "{ if = { has = \"agent\" }, go = \"bye\" }";
        with(&format!(
            "[steps.in]\ndo = \"route\"\nelse = \"bye\"\nwhen = [{}]\n",
            vec![way; count].join(", ")
        ))
    };
    let told = |text: &str| findings(text).faults.iter().map(Fault::to_string).collect::<Vec<_>>();
    for (text, expected) in [
        (hints(500, 3), None),
        (hints(501, 3), Some("steps.in.hints: with the choices, more than 500")),
        (hints(99, 100), None),
        (
            hints(100, 100),
            Some("steps.in.hints: with the choices, more than 500 or more than 10000 characters"),
        ),
        (hints(1, 101), Some("steps.in.hints[0]: has more than 100 characters")),
        (choices(64), None),
        (choices(65), Some("steps.in.choose: there are 65, at most 64 are taken")),
        (ways(64), None),
        (ways(65), Some("steps.in.when: there are 65, at most 64 are taken")),
    ] {
        let told = told(&text);
        match expected {
            None => assert_eq!(told, Vec::<String>::new()),
            Some(expected) => {
                assert!(told.len() == 1 && told[0].starts_with(expected), "{expected}: {told:?}");
            }
        }
    }
}

#[test]
fn a_carrier_is_asked_for_what_it_has_where_the_flow_is_for_it() {
    for (providers, faults) in [("", 1), ("providers = [\"twilio\"]\n", 0), ("providers = [\"plivo\"]\n", 1)]
    {
        let text = format!("{providers}{}", with("[steps.in]\ndo = \"agent\"\nmode = \"relay\""));
        assert_eq!(findings(&text).faults.len(), faults, "{providers}");
    }
}

#[test]
fn the_segments_of_a_text_are_told() {
    let text = |body: &str| {
        with(&format!("[steps.in]\ndo = \"text\"\nbody = \"{body}\"\n"))
            .replace("call = ", "call = \"bye\", sms = ")
    };
    for (body, expected) in [
        ("Thanks, we got your message.", "1 segment of GSM-7"),
        ("Wir sind um 9 zurück – Ihr Büro", "1 segment of UCS-2"),
        (
            "Sorry, {caller.name|there}.",
            "up to 1 segment of GSM-7, up to 1 segment of UCS-2 if what is filled in is beyond GSM-7",
        ),
        (
            &format!("{}{{caller.name}}", "a".repeat(121)),
            "up to 2 segments of GSM-7, up to 3 segments of UCS-2 if what is filled in is beyond GSM-7",
        ),
        ("– {caller.name}", "1 segment of UCS-2"),
    ] {
        let found = findings(&text(body));
        assert_eq!(
            (found.faults, found.notes),
            (Vec::new(), vec![Fault::new("steps.in.body", expected)]),
            "{body}"
        );
    }
}

#[test]
fn entries_take_what_they_can_do() {
    let text = with("[steps.in]\ndo = \"voicemail\"\ntext = \"Hi\"");
    for (entry, expected) in [("sms", "reached from start.sms"), ("missed", "reached from start.missed")] {
        let text = text.replace("call = \"in\"", &format!("call = \"in\", {entry} = \"in\""));
        let found = findings(&text).faults;
        assert!(found.len() == 1 && found[0].problem.contains(expected), "{found:?}");
    }
    let silent =
        with("[steps.in]\ndo = \"route\"\nelse = \"no\"\n[steps.no]\ndo = \"end\"\nhow = \"reject\"");
    assert_eq!(findings(&silent).faults, [], "rejected before anything was heard");
}

#[test]
fn long_runs_are_refused_and_lonely_steps_told() {
    let say = |number: usize| {
        format!("[steps.s{number}]\ndo = \"say\"\ntext = \"Hi\"\nnext = \"s{}\"\n", number + 1)
    };
    let steps =
        |count: usize| (0..count).map(say).collect::<String>() + &format!("[steps.s{count}]\ndo = \"end\"\n");
    let text = |count| with(&steps(count)).replace("call = \"in\"", "call = \"s0\"");
    assert_eq!(findings(&text(15)).faults, []);
    assert!(findings(&text(16)).faults[0].problem.contains("17 steps follow each other"));
    assert!(findings(&text(70)).faults[0].problem.contains("at most 64"));
    assert_eq!(findings(&text(2)).warnings, [Fault::new("steps.bye", "nothing leads here")]);
}

#[test]
fn comparisons() {
    for (text, expected) in [
        (">= 2", Some(Comparison(Sign::AtLeast, 2))),
        ("<3", Some(Comparison(Sign::Less, 3))),
        ("4", Some(Comparison(Sign::Equal, 4))),
        ("= 4", Some(Comparison(Sign::Equal, 4))),
        ("often", None),
        (">", None),
    ] {
        assert_eq!(Comparison::read(text), expected, "{text}");
    }
}
