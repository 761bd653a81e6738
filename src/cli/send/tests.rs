//! Every sample is sent to a small service that judges with the real verification.

use clap::Parser;

use super::*;
use crate::cli::standin::{Fault, SECRET, Standin, Still};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

fn args(words: &[&str]) -> Args {
    Line::try_parse_from([&["send"], words].concat()).unwrap().args
}

/// Sends what the words say; true where all answers were as expected.
async fn sent(standin: &Standin, words: &[&str]) -> bool {
    let args = args(words);
    let secret = SecretString::from(if args.forge { "forged" } else { SECRET });
    let trial = Trial {
        endpoint: endpoint(&args).unwrap(),
        args: &args,
        target: &standin.target(),
        known: &Standin::known(),
        secret: &secret,
        clock: &Still,
    };
    trial.run(&mut io::sink()).await.unwrap()
}

const ALL: [[&str; 2]; 12] = [
    ["stripe", STRIPE_TYPES[0]],
    ["stripe", STRIPE_TYPES[1]],
    ["stripe", STRIPE_TYPES[2]],
    ["stripe", STRIPE_TYPES[3]],
    ["stripe", STRIPE_TYPES[4]],
    ["stripe", STRIPE_TYPES[5]],
    ["twilio", "voice"],
    ["twilio", "status"],
    ["twilio", "sms"],
    ["plivo", "answer"],
    ["plivo", "hangup"],
    ["plivo", "sms"],
];

#[tokio::test]
async fn every_sample_is_taken_and_its_forgery_is_not() {
    let standin = Standin::start(Fault::None).await;
    for what in ALL {
        assert!(sent(&standin, &what).await, "{what:?}");
        assert!(sent(&standin, &[&what[..], &["--forge"]].concat()).await, "{what:?} forged");
    }
    assert_eq!(standin.taken.lock().unwrap().len(), ALL.len(), "no forgery was taken");
    assert!(sent(&standin, &["stripe", STRIPE_TYPES[0], "--stale"]).await);
}

#[tokio::test]
async fn counted_doubled_and_changed() {
    let standin = Standin::start(Fault::None).await;
    let words = ["twilio", "sms", "--count", "3", "--duplicate", "--set", "Body=a+b&c"];
    assert!(sent(&standin, &words).await);
    let taken = standin.taken.lock().unwrap();
    assert!(taken.len() == 3 && taken.values().all(|&times| times == 2), "{taken:?}");
    for body in taken.keys() {
        let body = std::str::from_utf8(body).unwrap();
        assert!(body.contains("&Body=a%2Bb%26c&"), "{body}");
    }
}

#[tokio::test]
async fn a_wrong_answer_is_told() {
    for (fault, words) in [
        (Fault::TakesForgeries, &["twilio", "voice", "--forge"][..]),
        (Fault::TakesStale, &["stripe", "invoice.payment_failed", "--stale"]),
        (Fault::AnswersAnew, &["plivo", "answer", "--duplicate"]),
        (Fault::BreaksXml, &["plivo", "sms"]),
        (Fault::Refuses, &["twilio", "status"]),
    ] {
        let standin = Standin::start(fault).await;
        assert!(!sent(&standin, words).await, "{fault:?}");
    }
}

#[test]
fn words_that_do_not_fit() {
    for words in [
        &["stripe", "voice"][..],
        &["twilio", "answer"],
        &["plivo", "voice"],
        &["plivo", "invoice.payment_failed"],
        &["twilio", "voice", "--stale"],
    ] {
        assert!(matches!(endpoint(&args(words)), Err(Error::Usage(_))), "{words:?}");
    }
    let args = args(&["twilio", "voice", "--set", "Form=+1"]);
    let error = sample(&args, Endpoint::TwilioVoice, &Known::only([]), &Still, 0).unwrap_err();
    assert!(matches!(&error, Error::Usage(text) if text.contains("From")), "{error}");
}

#[test]
fn series_with_one_seed_go_together() {
    let call = |words: &[&str], index| {
        let args = args(words);
        let sample = sample(&args, endpoint(&args).unwrap(), &Known::only([]), &Still, index).unwrap();
        let Sample::Form { fields, .. } = sample else { unreachable!() };
        fields.into_iter().find(|(name, _)| name == "CallSid").unwrap().1
    };
    let (voice, status) = (&["twilio", "voice", "--seed", "7"][..], &["twilio", "status", "--seed", "7"][..]);
    assert_eq!(call(voice, 0), call(status, 0));
    assert_eq!(call(voice, 1), call(status, 1));
    assert_ne!(call(voice, 0), call(voice, 1));
    let unseeded = &["twilio", "voice"][..];
    assert_ne!(call(unseeded, 0), call(unseeded, 0));
}

#[test]
fn a_line_tells_all() {
    let reply = Reply {
        status: 200,
        took: std::time::Duration::from_millis(3),
        media_type: "text/xml".into(),
        retry_after: None,
        event: Some("event_1".into()),
        body: "<Response>\n  <Say>Hi\u{1b}[2J</Say>\n</Response>".into(),
    };
    let told = line("twilio voice", &reply, None);
    assert_eq!(
        told,
        "twilio voice                         200     3 ms  event_1  <Response> <Say>Hi[2J</Say> </Response>"
    );
    let told: serde_json::Value = serde_json::from_str(&json_line("twilio voice", &reply, None)).unwrap();
    let body = "<Response>\n  <Say>Hi\u{1b}[2J</Say>\n</Response>";
    assert_eq!(
        told,
        serde_json::json!({"sent": "twilio voice", "status": 200, "duration_ms": 3, "event": "event_1", "code": null,
                           "body": body, "wrong": null})
    );
    let refused = Reply {
        status: 401,
        media_type: "application/problem+json".into(),
        event: None,
        body: r#"{"code":"signature_mismatch"}"#.into(),
        ..reply
    };
    let told = line("twilio voice", &refused, Some(&"why".to_owned()));
    assert_eq!(told, "twilio voice                         401     3 ms  signature_mismatch  WRONG: why");
}
