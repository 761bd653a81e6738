use std::collections::BTreeSet;

use super::{catalogue::Entry, *};

fn looked(variables: &[(&str, &str)], only: &[&str]) -> Report {
    let environment: Environment = variables.iter().copied().collect();
    let mut report = Report { only: only.iter().map(|only| (*only).to_owned()).collect(), lines: Vec::new() };
    environment::look(&mut report, &environment);
    report
}

const WHOLE: [(&str, &str); 9] = [
    ("DATABASE_URL", "postgres://a:hunter2@127.0.0.1/b"),
    ("PUBLIC_URL", "https://line.example.com"),
    ("STRIPE_WEBHOOK_SECRET", "whsec_hunter2"),
    ("STRIPE_API_KEY", "rk_test_hunter2"),
    ("TWILIO_ACCOUNT_SID", "AC00000000000000000000000000000001"),
    ("TWILIO_AUTH_TOKEN", "hunter2hunter2hunter2hunter2hunt"),
    ("PLIVO_AUTH_ID", "MA0000000000000TESTS"),
    ("PLIVO_AUTH_TOKEN", "hunter2hunter2hunter2hunter2hunt"),
    ("SMARTLINE_API_KEY", "hunter2"),
];

#[test]
fn each_variable_by_its_own_check() {
    for (case, variable, value, codes) in [
        ("all set", "PORT", "8080", &[][..]),
        ("no database", "DATABASE_URL", "", &["E101"]),
        ("an API key for a signing secret", "STRIPE_WEBHOOK_SECRET", "sk_live_1", &["E102"]),
        ("no token", "PLIVO_AUTH_TOKEN", "", &["W103"]),
        ("no public URL", "PUBLIC_URL", "", &["W103", "W103"]),
        ("no account", "TWILIO_ACCOUNT_SID", "", &["N104"]),
        ("no key", "SMARTLINE_API_KEY", "", &["W105"]),
        ("misspelt", "SMARTLINE_RETENTION_DAY", "30", &["W106"]),
        ("this machine", "PUBLIC_URL", "http://127.0.0.1:8080", &["W107"]),
        ("http", "PUBLIC_URL", "http://line.example.com", &["E102"]),
    ] {
        let mut variables = WHOLE.to_vec();
        variables.retain(|(name, _)| *name != variable);
        variables.push((variable, value));
        let report = looked(&variables, &[]);
        let found: Vec<_> = report.lines.iter().filter_map(|line| line.code).collect();
        assert_eq!(found, codes, "{case}");
        let environment: Environment = variables.iter().copied().collect();
        for told in [report.as_text(), report.as_json().to_string(), report.support(&environment)] {
            assert!(!told.contains("hunter2") && !told.contains("sk_live_1"), "{case}: {told}");
        }
    }
}

#[test]
fn exit_codes_and_what_is_asked_for_alone() {
    let code = |variables: &[(&str, &str)], only: &[&str], strict| {
        format!("{:?}", looked(variables, only).exit_code(strict))
    };
    let as_code = |code: u8| format!("{:?}", ExitCode::from(code));
    let warned = [&WHOLE[..8], &[]].concat();
    for (case, variables, only, strict, expected) in [
        ("well", &WHOLE[..], &[][..], true, 0),
        ("a warning", &warned, &[], false, 0),
        ("a warning, strictly", &warned, &[], true, 3),
        ("another code alone", &warned, &["W106"], true, 0),
        ("its group alone", &warned, &["environment"], true, 3),
        ("an error", &WHOLE[1..], &[], false, 1),
    ] {
        assert_eq!(code(variables, only, strict), as_code(expected), "{case}");
    }
    assert_eq!(only("w211"), Ok("W211".to_owned()));
    assert!(only("databse").unwrap_err().contains("'database'"));
}

#[test]
fn the_catalogue_is_sound_and_everything_in_it_can_be_found() {
    let codes: BTreeSet<&str> = CATALOGUE.iter().map(|entry| entry.code).collect();
    assert_eq!(codes.len(), CATALOGUE.len(), "no code twice");
    for Entry { code, title, effect, fix } in CATALOGUE {
        assert!(
            effect.ends_with('.') && fix.ends_with('.'),
            "{code} says what it does, and one way to mend it"
        );
        assert!(
            reference_page().contains(&format!("| `{code}` | {title} | {effect} | {fix} |")),
            "{code} is in docs"
        );
        assert_eq!(explained(code).unwrap(), format!("{code}  {title}\neffect  {effect}\nfix     {fix}"));
    }
    let source = ["mod", "environment", "database", "spool", "providers"]
        .map(|name| format!("src/cli/doctor/{name}.rs"));
    let consoles = ["stripe", "twilio", "plivo"].map(|name| format!("src/consoles/{name}.rs"));
    let read = |name: &String| {
        std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
    };
    let code: String = source.iter().chain(&consoles).map(read).collect();
    let quoted: BTreeSet<&str> = code
        .split('"')
        .filter(|word| {
            word.len() == 4
                && word[1..].bytes().all(|byte| byte.is_ascii_digit())
                && "EWN".contains(&word[..1])
        })
        .collect();
    assert_eq!(quoted, codes);
}
