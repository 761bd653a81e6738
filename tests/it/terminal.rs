//! The phone in the terminal: the program itself is called by what somebody types, on either carrier.

use std::{
    io::Write as _,
    process::{Command, Output, Stdio},
};

use smartline::fuzzing;

/// A Tuesday, when offices are open.
const OPEN: &str = "2026-12-01T15:00:00Z";
const SUNDAY: &str = "2026-12-06T15:00:00Z";

const RINGS: &str = "(rings +14155550142 for 20 s; who answers must press 1)";
const LEAVE: [&str; 2] = ["“Please leave a message after the tone.”", "(tone; records up to 120 s)"];
const THANKS: [&str; 2] = ["“Thank you. Goodbye.”", "(hangs up)"];
const BYE: [&str; 2] = ["“Goodbye.”", "(hangs up)"];
const MENU: [&str; 2] = [
    "“Thanks for calling us. For bookings press 1 or say bookings. For directions press 2.”",
    "(waits 8 s for keys or words)",
];
const AGENT: [&str; 3] = [
    "“You are speaking with an automated assistant.”",
    "“How can I help you?”",
    "(waits 8 s for keys or words)",
];

/// Types lines into the phone.
fn phone(arguments: &[&str], typed: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smartline"));
    command.args(arguments).env_clear().current_dir(env!("CARGO_MANIFEST_DIR"));
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut phone = pipes.spawn().unwrap();
    let _ = phone.stdin.take().unwrap().write_all(typed.as_bytes()); // a call may be over before all is typed
    phone.wait_with_output().unwrap()
}

/// What is heard, and the documents of each carrier.
fn told(output: &Output) -> (Vec<String>, Vec<(&'static str, String)>) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let (mut heard, mut documents) = (Vec::new(), Vec::new());
    for line in String::from_utf8(output.stdout.clone()).unwrap().lines() {
        match line.strip_prefix("  ").and_then(|rest| rest.split_once(": ")) {
            Some(("Twilio", document)) => documents.push(("twilio", document.trim().to_owned())),
            Some(("Plivo", document)) => documents.push(("plivo", document.trim().to_owned())),
            _ => heard.push(line.to_owned()),
        }
    }
    (heard, documents)
}

/// The flow, when, what is known of the line or written in place of a call, what is typed, and what is heard.
type Walk<'a> = (&'a str, &'a str, &'a [&'a str], &'a str, Vec<&'a str>);

/// Calls to the flows of `examples/flows`.
fn calls() -> Vec<Walk<'static>> {
    let group = "(rings +14155550142, +14155550143, +14155550144 for 25 s; who answers must press 1)";
    let one_moment = "“Thanks for calling us. One moment, please.”";
    let nobody = "“Nobody can take your call. Please leave a message after the tone.”";
    let reached = "“You have reached this number. Please leave a message after the tone.”";
    let agent: &[&str] = &["--agent", "https://agent.example/turns"];
    let hang_up = ["(the caller hangs up)", "(after a missed call)"];
    let sorry = "(texts: “Sorry we missed you. Reply here and we will get back to you.”)";
    vec![
        ("default", OPEN, &[], "answer\n", [&[RINGS][..], &BYE].concat()),
        (
            "default",
            SUNDAY,
            &[],
            "message\n",
            [&[reached, "(tone; records up to 120 s)"][..], &THANKS].concat(),
        ),
        ("default", OPEN, agent, "agent: At nine.\nhangup\n", {
            [&AGENT[..], &["“At nine.”", AGENT[2], "(the caller hangs up)"]].concat()
        }),
        ("office", OPEN, &[], "1\n\nanswer\n", {
            let bob = "(rings +14155550143 for 20 s; who answers must press 1)";
            [&MENU[..], &[RINGS, bob], &BYE].concat()
        }),
        ("office", OPEN, &[], "7\nsay directions\n", {
            // Nobody had the call: it counts as missed, as on a line.
            [
                &MENU[..],
                &MENU,
                &["“We are at 1 Harbor Street, beside the ferry.”"],
                &BYE,
                &[hang_up[1], sorry],
            ]
            .concat()
        }),
        ("office", OPEN, &[], "\n\nmessage\n", [&MENU[..], &MENU, &LEAVE, &THANKS].concat()),
        ("ring-group", OPEN, &[], "answer\n", [&[one_moment, group][..], &BYE].concat()),
        (
            "ring-group",
            OPEN,
            &[],
            "\nmessage\n",
            [&[one_moment, group, nobody, LEAVE[1]][..], &THANKS].concat(),
        ),
        (
            "voicemail",
            OPEN,
            &[],
            "message\n",
            [&[reached, "(tone; records up to 180 s)"][..], &THANKS].concat(),
        ),
        (
            "voicemail",
            OPEN,
            &[],
            "hangup\n",
            [&[reached, "(tone; records up to 180 s)"][..], &hang_up, &[sorry]].concat(),
        ),
        (
            "agent",
            OPEN,
            agent,
            "agent: Friday at ten?\nhello\nhangup\n",
            [
                &AGENT[..],
                &[
                    "“Friday at ten?”",
                    AGENT[2],
                    "“(the agent answers here)”",
                    AGENT[2],
                    "(the caller hangs up)",
                ],
            ]
            .concat(),
        ),
        // Without an agent its fallback is taken: the owner, then voicemail.
        ("agent", OPEN, &[], "\nmessage\n", [&[RINGS][..], &LEAVE, &THANKS].concat()),
    ]
}

/// Texts to them.
fn texts() -> Vec<Walk<'static>> {
    vec![
        ("voicemail", OPEN, &["--text", "Hello"], "", vec!["(text back: “Thanks, we got your message.”)"]),
        (
            "keywords",
            OPEN,
            &["--text", "Hours?"],
            "",
            vec!["(text back: “We are open Monday to Friday, 9 to 5.”)"],
        ),
        (
            "keywords",
            OPEN,
            &["--text", "Address please"],
            "",
            vec!["(text back: “We are at 1 Harbor Street, beside the ferry.”)"],
        ),
    ]
}

#[test]
fn the_bundled_flows_are_walked_on_both_carriers() {
    for (flow, at, with, typed, expected) in [calls(), texts()].concat() {
        let file = format!("examples/flows/{flow}.toml");
        for carrier in ["twilio", "plivo"] {
            let arguments = ["flow", "simulate", &file, "--at", at, "--provider", carrier, "--xml"];
            let (heard, documents) = told(&phone(&[&arguments, with].concat(), typed));
            assert_eq!(heard, expected, "{flow} by {carrier}: {typed}");
            let fits =
                if with.contains(&"--text") { fuzzing::text_document } else { fuzzing::voice_document };
            for (carrier, document) in &documents {
                assert_eq!(fits(carrier, document), Ok(()), "{flow}: {document}");
            }
            let of = |name| documents.iter().filter(|(carrier, _)| *carrier == name).count();
            assert!(of("twilio") > 0 && of("twilio") == of("plivo"), "{flow}: {documents:?}");
        }
    }
}

#[test]
fn it_is_one_phone_by_either_name_and_refuses_what_it_cannot_call() {
    let file = "examples/flows/voicemail.toml";
    let heard = |arguments: &[&str]| told(&phone(arguments, "message\n")).0;
    let long = heard(&["flow", "simulate", file]);
    assert!(!long.is_empty());
    for short in
        [&["simulate", file][..], &["simulate", "--flow", file], &["flow", "simulate", "--flow", file]]
    {
        assert_eq!(heard(short), long, "{short:?}");
    }
    let json = phone(&["flow", "--json", "simulate", file], "hangup\n");
    let json = String::from_utf8(json.stdout).unwrap();
    let json: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!(json["heard"][0], long[0], "{json}");
    for (arguments, code, says) in [
        (&["simulate", file, "--flow", file][..], 2, "cannot be used with"),
        (&["simulate", file, "--line", "+14155550199"], 2, "cannot be used with"),
        (&["simulate", "--save", "a call"], 2, "required"),
        (&["flow", "simulate", "nowhere.toml"], 1, "nowhere.toml: "),
        (&["flow", "simulate", "Cargo.toml"], 1, "package: is not known"),
        (&["flow", "simulate", file, "--at", "tomorrow"], 2, "--at"),
        (&["flow", "simulate", "--forward", "911"], 2, "--forward is an emergency number"),
    ] {
        let output = phone(arguments, "");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {errors}");
        assert!(errors.contains(says), "{arguments:?}: {errors}");
    }
}
