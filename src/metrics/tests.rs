//! The text that a scraper gets.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::*;
use crate::provider::{Endpoint, Provider};

const NOW: i64 = 1_760_000_000;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

/// Everything counted once, so that every family has a value.
fn full() -> Metrics {
    let metrics = Metrics::new();
    let took = Duration::from_millis(4);
    metrics.requests.answered(Route::Other, 404, took);
    metrics.requests.answered(Route::Webhook(Endpoint::Stripe), 200, took);
    metrics.requests.webhook(Endpoint::TwilioVoice, Fate::Kept, took);
    metrics.requests.refused(Route::Metrics, "key_required");
    metrics.requests.signature_failed(Provider::Plivo, "signature_mismatch");
    metrics.requests.verified(Endpoint::PlivoSms, at(NOW - 5));
    metrics.requests.panicked();
    metrics.intake.waiting(3, 4, Duration::from_millis(250));
    metrics.intake.batch(7, took, BatchEnd::Committed);
    metrics.spool.held(5, 4096);
    metrics.spool.drained(2);
    metrics.spool.failed(SpoolFault::Full);
    metrics.database.up(true);
    metrics.database.room_until(at(NOW + 60));
    metrics.database.removed(1, 2);
    metrics.worker.worked(Work::Done, 3);
    metrics.worker.oldest(Some(at(NOW - 3)));
    metrics.worker.standing(1, 8);
    metrics.outbox.tried("text", "done");
    metrics.outbox.standing(3, took, 1);
    metrics
}

fn text(metrics: &Metrics) -> String {
    metrics.text(at(NOW)).unwrap()
}

/// A family as its text has it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Family {
    kind: String,
    labels: BTreeSet<String>,
}

/// Reads the text strictly: `# HELP`, `# TYPE`, then samples of that family and of no other, then `# EOF`. Families are
/// named as their samples are, without a histogram's suffixes.
fn read(text: &str) -> BTreeMap<String, Family> {
    let body = text.strip_suffix("# EOF\n").expect("ends with # EOF");
    let mut families = BTreeMap::new();
    let mut series = BTreeSet::new();
    let mut lines = body.lines().peekable();
    while let Some(help) = lines.next() {
        let (name, help) = help.strip_prefix("# HELP ").unwrap().split_once(' ').unwrap();
        assert!(help.ends_with('.') && !help.ends_with(".."), "{name}: {help}");
        let (typed, kind) = lines.next().unwrap().strip_prefix("# TYPE ").unwrap().split_once(' ').unwrap();
        assert_eq!(typed, name);
        let shown = if kind == "counter" { format!("{name}_total") } else { name.to_owned() };
        let mut labels = BTreeSet::new();
        while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().is_ok_and(f64::is_finite), "{line}");
            assert!(series.insert(sample), "twice: {sample}");
            let (of, given) = match sample.split_once('{') {
                Some((of, given)) => (of, given.strip_suffix('}').unwrap()),
                None => (sample, ""),
            };
            let bare = |suffix| of.strip_suffix(suffix).filter(|_| kind == "histogram");
            let bare = bare("_bucket").or(bare("_sum")).or(bare("_count")).unwrap_or(of);
            assert_eq!(bare, shown, "{line}");
            for label in given.split(',').filter(|label| !label.is_empty()) {
                let (label, value) = label.split_once('=').unwrap();
                let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap();
                let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_/.+-".contains(&byte);
                assert!(value.bytes().all(plain), "{line}");
                labels.extend((label != "le").then(|| label.to_owned()));
            }
        }
        assert!(families.insert(shown, Family { kind: kind.to_owned(), labels }).is_none(), "{name} twice");
    }
    families
}

/// The families that the page has a row for: `| name | type | labels | … |`.
fn documented(page: &str) -> BTreeMap<String, Family> {
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    page.lines()
        .filter(|line| line.starts_with("| `"))
        .map(cells)
        .map(|row| {
            let labels = row[3].split(',').map(|label| label.trim().trim_matches('`').to_owned());
            let labels = labels.filter(|label| !label.is_empty()).collect();
            (row[1].trim_matches('`').to_owned(), Family { kind: row[2].clone(), labels })
        })
        .collect()
}

#[test]
fn the_page_names_each_family_with_its_type_and_labels() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md")).unwrap();
    assert_eq!(documented(&page), read(&text(&full())));
}

#[test]
fn what_is_not_known_is_left_out() {
    let fresh = Metrics::new();
    let before = text(&fresh);
    read(&before);
    for unknown in [
        "smartline_queue_depth{",
        "smartline_oldest_pending_seconds",
        "smartline_spool_records",
        "smartline_spool_bytes",
        "smartline_database_up",
        "smartline_partition_runway_seconds",
        "smartline_last_verified_timestamp_seconds{",
        "smartline_worker_lag_seconds",
        "smartline_worker_queue_depth",
    ] {
        assert!(!before.contains(unknown), "{unknown} in {before}");
        assert!(text(&full()).contains(unknown), "{unknown}");
    }
    // What can only rise begins with zero, so that the first rise is seen.
    for zero in [
        "smartline_webhook_requests_total{provider=\"stripe\",endpoint=\"stripe\",outcome=\"spooled\"} 0",
        "smartline_intake_batches_total{outcome=\"timed_out\"} 0",
        "smartline_spool_errors_total{reason=\"write\"} 0",
        "smartline_panics_total 0",
    ] {
        assert!(before.lines().any(|line| line == zero), "{zero} in {before}");
    }
}

/// Words and how often each was counted: a different number each, so that no two can be mixed up.
fn numbered<const N: usize>(words: [&str; N]) -> impl Iterator<Item = (&str, usize)> {
    words.into_iter().zip(1..)
}

#[test]
fn each_value_stands_in_its_own_series() {
    let metrics = Metrics::new();
    for (number, endpoint) in Endpoint::ALL.into_iter().enumerate() {
        metrics.requests.verified(endpoint, at(i64::try_from(number).unwrap()));
    }
    for (fate, times) in Fate::ALL.into_iter().zip(1..) {
        (0..times)
            .for_each(|_| metrics.requests.webhook(Endpoint::PlivoAnswer, fate, Duration::from_secs(2)));
    }
    let ends = [BatchEnd::Committed, BatchEnd::Failed, BatchEnd::TimedOut];
    for (end, times) in ends.into_iter().zip(1..) {
        (0..times).for_each(|_| metrics.intake.batch(7, Duration::from_secs(1), end));
    }
    let faults = [SpoolFault::Full, SpoolFault::Write, SpoolFault::Read, SpoolFault::Damaged];
    for (fault, times) in faults.into_iter().zip(1..) {
        (0..times).for_each(|_| metrics.spool.failed(fault));
    }
    metrics.intake.waiting(3, 4, Duration::from_millis(250));
    metrics.spool.held(5, 4096);
    metrics.database.removed(6, 8192);

    let answer = "provider=\"plivo\",endpoint=\"plivo/answer\"";
    let mut expected: Vec<String> = [
        &format!("webhook_ack_seconds_count{{{answer}}} 10"),
        &format!("webhook_ack_seconds_bucket{{le=\"1.0\",{answer}}} 0"),
        &format!("webhook_ack_seconds_bucket{{le=\"3.0\",{answer}}} 10"),
        "queue_depth{queue=\"calls\"} 3",
        "queue_depth{queue=\"others\"} 4",
        "oldest_pending_seconds 0.25",
        "intake_batch_size_sum 42.0",
        "intake_commit_seconds_sum 6.0",
        "spool_records 5",
        "spool_bytes 4096",
        "retention_removed_rows_total 6",
        "retention_removed_bytes_total 8192",
    ]
    .map(ToOwned::to_owned)
    .to_vec();
    let fates =
        ["kept", "duplicate", "spooled", "safe_document", "refused", "unavailable", "overloaded", "failed"];
    let requests = |(fate, times)| format!("webhook_requests_total{{{answer},outcome=\"{fate}\"}} {times}");
    expected.extend(numbered(fates).map(requests));
    let batches = |(end, times)| format!("intake_batches_total{{outcome=\"{end}\"}} {times}");
    expected.extend(numbered(["committed", "failed", "timed_out"]).map(batches));
    let errors = |(fault, times)| format!("spool_errors_total{{reason=\"{fault}\"}} {times}");
    expected.extend(numbered(["full", "write", "read", "damaged"]).map(errors));
    expected.extend(Endpoint::ALL.iter().enumerate().map(|(number, endpoint)| {
        let labels = format!("provider=\"{}\",endpoint=\"{endpoint}\"", endpoint.provider().name());
        format!("last_verified_timestamp_seconds{{{labels}}} {number}")
    }));
    let text = text(&metrics);
    for line in expected {
        let line = format!("smartline_{line}");
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
}

#[test]
fn the_runway_shrinks_by_itself() {
    let metrics = full();
    for (now, seconds) in [(NOW, 60), (NOW + 59, 1), (NOW + 3600, 0)] {
        let text = metrics.text(at(now)).unwrap();
        let line = format!("smartline_partition_runway_seconds {seconds}");
        assert!(text.lines().any(|found| found == line), "{line}");
    }
}

#[test]
fn the_lag_grows_while_the_worker_hangs() {
    let metrics = Metrics::new();
    let lag = |now: i64, seconds: &str| {
        let text = metrics.text(at(now)).unwrap();
        let line = format!("smartline_worker_lag_seconds {seconds}");
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    };
    metrics.worker.oldest(Some(at(NOW - 3)));
    lag(NOW, "3.0");
    metrics.worker.stuck(at(NOW + 2));
    lag(NOW + 2, "5.0");
    metrics.worker.oldest(None);
    lag(NOW + 60, "0.0");
    metrics.worker.stuck(at(NOW + 60));
    lag(NOW + 90, "30.0");
    metrics.worker.oldest(Some(at(NOW + 100)));
    lag(NOW + 90, "0.0"); // another machine's clock
}

#[test]
fn two_services_do_not_count_together() {
    let (one, other) = (Metrics::new(), Metrics::new());
    one.clone().requests.panicked();
    assert!(text(&one).contains("\nsmartline_panics_total 1\n"), "a clone counts into the same figures");
    assert!(text(&other).contains("\nsmartline_panics_total 0\n"));
}

#[test]
fn a_path_gives_no_word_of_its_own() {
    for (path, name) in [
        ("/webhooks/twilio/voice", "twilio/voice"),
        ("/webhooks/twilio/voice/", "twilio/voice"),
        ("/healthz", "health"),
        ("/readyz", "health"),
        ("/metrics", "metrics"),
        ("/metrics/", "other"),
        ("/webhooks/twilio/+14155550142", "other"),
        ("", "other"),
    ] {
        assert_eq!(Route::of_path(path).name(), name, "{path}");
    }
}
