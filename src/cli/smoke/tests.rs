//! The checks are run against a small service, sound first and then with one fault after the other.

use super::{report::Outcome, *};
use crate::cli::standin::{Fault, SECRET, Standin, Still};

async fn smoke(standin: &Standin, known: Known, allow_missing: bool) -> Report {
    let (target, known) = Target::settle(Some(&standin.origin), None, known).unwrap();
    let mut report = Report::new(&standin.origin, allow_missing, false);
    let smoke = Smoke::new(target, known, &Still, false).unwrap();
    smoke.check_all(&mut report).await.unwrap();
    report
}

#[tokio::test]
async fn a_sound_service_passes_and_is_asked_everything() {
    let standin = Standin::start(Fault::None).await;
    let report = smoke(&standin, Standin::known(), false).await;
    assert!(report.passed(), "{:#?}", report.rows());
    // wake, healthz, readyz, four for each endpoint, one stale, one wrong path
    assert_eq!(report.summary(), "33 checks passed, 0 failed");
    let taken = standin.taken.lock().unwrap();
    assert!(taken.len() == 7 && taken.values().all(|&times| times == 2), "{taken:?}");
    let marked = |body: &[u8]| {
        let text = String::from_utf8_lossy(body);
        text.contains("smoke") || text.contains("736d6f6b")
    };
    assert!(taken.keys().all(|body| marked(body)), "{taken:?}");
    let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
    assert_eq!((&json["passed"], &json["failed"], &json["skipped"]), (&33.into(), &0.into(), &0.into()));
    assert_eq!(json["checks"][3]["check"], "stripe");
    assert_eq!(json["checks"][3]["outcome"], "passed");
}

#[tokio::test]
async fn every_fault_is_found_and_no_other() {
    for (fault, failed, names) in [
        (Fault::TakesForgeries, 7, "forged request: expected 401 signature_mismatch, not 20"),
        (Fault::TakesUnsigned, 7, "unsigned request: expected 401 signature_missing, not 20"),
        (Fault::TakesStale, 1, "6 min ago: expected 401 timestamp_out_of_tolerance, not 200"),
        (Fault::AnswersAnew, 5, "the second answer is not the first"),
        (Fault::BreaksXml, 8, "broken XML"),
        (Fault::Refuses, 7 * 2 + 7 + 1, "expected"),
        (Fault::HidesCodes, 7 * 2 + 1, "not 401 error"),
        (Fault::ForgetsPaths, 1, "does not name /webhooks/twilio/voice"),
        (Fault::IsNotReady, 1, ""),
        (Fault::LacksTwilio, 3 * 4, "not 503 config_missing: the service lacks"),
        (Fault::Sleeps, 1, "not 200"),
    ] {
        let standin = Standin::start(fault).await;
        let report = smoke(&standin, Standin::known(), true).await;
        let wrong: Vec<_> = report.rows().iter().filter(|row| row.outcome == Outcome::Failed).collect();
        assert_eq!(wrong.len(), failed, "{fault:?}: {wrong:#?}");
        assert!(wrong.iter().all(|row| row.detail.contains(names)), "{fault:?}: {wrong:#?}");
        assert!(!report.passed(), "{fault:?}");
    }
}

#[tokio::test]
async fn a_missing_secret_counts_against_it_unless_allowed() {
    let standin = Standin::start(Fault::None).await;
    let known = || Known::only([("STRIPE_WEBHOOK_SECRET", SECRET), ("TWILIO_AUTH_TOKEN", SECRET)]);
    let report = smoke(&standin, known(), false).await;
    let summary = report.summary();
    assert_eq!(summary, "27 checks passed, 3 failed (3 of them skipped; --allow-missing lets them pass)");
    assert!(!report.passed());
    let skipped: Vec<_> = report.rows().iter().filter(|row| row.outcome == Outcome::Skipped).collect();
    assert!(skipped.iter().all(|row| row.detail.contains("PLIVO_AUTH_TOKEN is not at hand")), "{skipped:?}");
    let report = smoke(&standin, known(), true).await;
    assert_eq!(report.summary(), "27 checks passed, 0 failed (3 skipped)");
    assert!(report.passed());
}

#[tokio::test]
async fn a_wrong_secret_is_told_as_such() {
    let standin = Standin::start(Fault::None).await;
    let known = Known::only([("STRIPE_WEBHOOK_SECRET", "whsec_other")]);
    let report = smoke(&standin, known, true).await;
    let wrong: Vec<_> = report.rows().iter().filter(|row| row.outcome == Outcome::Failed).collect();
    assert_eq!(
        wrong.len(),
        2,
        "the good one and its double; a stale one is told before its signature: {wrong:#?}"
    );
    assert!(wrong[0].detail.contains("is the secret the service's own"), "{wrong:#?}");
}

#[test]
fn waking_up_is_told_and_fails_only_on_demand() {
    let reply = |status| {
        Ok(Reply {
            status,
            took: Duration::ZERO,
            media_type: String::new(),
            retry_after: None,
            event: None,
            body: bytes::Bytes::new(),
        })
    };
    let (fast, slow) = (Duration::from_millis(40), Duration::from_millis(41_300));
    for (case, reply, took, no_wake, outcome) in [
        ("awake", reply(200), fast, false, Outcome::Passed),
        ("asleep", reply(200), slow, false, Outcome::Passed),
        ("asleep, not allowed", reply(200), slow, true, Outcome::Failed),
        ("awake, as demanded", reply(200), fast, true, Outcome::Passed),
        ("never up", reply(502), slow, false, Outcome::Failed),
    ] {
        let (target, known) = Target::settle(Some("http://127.0.0.1:9"), None, Known::only([])).unwrap();
        let smoke = Smoke::new(target, known, &Still, no_wake).unwrap();
        let row = smoke.woken(reply, took);
        assert_eq!(row.outcome, outcome, "{case}");
        assert_eq!(row.millis, Some(u64::try_from(took.as_millis()).unwrap()), "{case}");
    }
}
