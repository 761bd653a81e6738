//! The printed command is given to a real shell, and what arrives is verified as the service would.

use std::process::Command;

use chrono::DateTime;
use clap::Parser;
use secrecy::SecretString;

use super::*;
use crate::samples::request::tests::verified;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

fn args(words: &[&str]) -> Args {
    Line::try_parse_from([&["sign"], words].concat()).unwrap().args
}

/// The arguments that a shell hands to curl.
fn pasted(command: &str) -> Vec<String> {
    let script = format!("curl() {{ printf '%s\\0' \"$@\"; }}\n{command}");
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert!(output.status.success(), "{script}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_terminator('\0').map(str::to_owned).collect()
}

#[test]
fn a_pasted_command_arrives_as_signed() {
    let secret = SecretString::from("it's a secret");
    let at = DateTime::from_timestamp(1_760_000_000, 0).unwrap();
    for words in [
        &["twilio", "voice", "-d", "From=+14155550142", "-d", "Body=it's a + & b=c\n$HOME"][..],
        &[
            "twilio",
            "sms",
            "--json",
            "-d",
            "Body=it's",
            "--url",
            "https://a.example/webhooks/twilio/sms?t=a%20b",
        ],
        &["twilio", "status"],
        &["plivo", "answer", "-d", "From=14155550142", "--url", "https://a.example:8443"],
        &["plivo", "hangup", "--json", "--data-raw", r#"{"From": "1", "n": [1, 2]}"#],
        &["plivo", "sms", "--data-raw", "Text=a%20b+c&Text=%2f", "--nonce", "12-34"],
        &["stripe", "--data-raw", "{\n  \"id\": \"evt_1\", \"name\": \"O'Hara\"\n}\n"],
    ] {
        let args = args(words);
        let (draft, _) = draft(&args, Known::only([])).unwrap();
        let nonce = args.nonce.as_deref().unwrap_or("n");
        let headers = draft.sign(&secret, at, nonce).unwrap();
        let given = pasted(&curl(&draft, &headers).unwrap());
        let mut arrived = Draft { url: given[3].clone(), body: Vec::new(), ..draft.clone() };
        let mut lines = Vec::new();
        for pair in given[4..].chunks(2) {
            match pair[0].as_str() {
                "-H" => lines.push(pair[1].clone()),
                "--data-raw" => arrived.body = pair[1].clone().into_bytes(),
                other => panic!("{other}"),
            }
        }
        assert_eq!(given[..3], ["-sS", "-X", "POST"], "{words:?}");
        assert_eq!(lines[0], format!("content-type: {}", draft.content_type()), "{words:?}");
        let signed: Vec<_> = headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        assert_eq!(lines[1..], signed, "{words:?}");
        assert_eq!(verified(&arrived, &headers, &secret, at), Ok(()), "{words:?}");
    }
}

#[test]
fn the_url_and_what_dev_left() {
    let url = |words: &[&str]| draft(&args(words), Known::only([])).map(|(draft, _)| draft.url);
    for (words, expected) in [
        (&["plivo", "sms"][..], "http://127.0.0.1:8080/webhooks/plivo/sms"),
        (&["plivo", "sms", "--url", "https://a.example/"], "https://a.example/webhooks/plivo/sms"),
        (&["plivo", "sms", "--url", "https://a.example/b?c#d"], ""),
        (&["plivo", "sms", "--url", "a.example"], ""),
        (&["plivo", "voice"], ""),
        (&["twilio"], ""),
        (&["twilio", "voice", "-d", "From"], ""),
        (&["stripe", "sms", "--data-raw", "{}"], ""),
        (&["stripe"], ""),
    ] {
        assert_eq!(url(words).unwrap_or_default(), expected, "{words:?}");
    }
}

#[test]
fn no_text_no_command() {
    let args = args(&["stripe", "--data-raw", "{}"]);
    let (mut draft, _) = draft(&args, Known::only([])).unwrap();
    draft.body = vec![0xff];
    assert!(curl(&draft, &Vec::new()).is_err());
}
