//! The comparison's tables, in Markdown.

use std::{fmt::Write as _, time::Duration};

use super::{
    Lengths,
    visit::{CONNECTIONS, MANY_CONNECTIONS, RATE, Visit},
};
use crate::{
    harness::{Afterwards, Stored, Window},
    markdown::{machine, median, table},
};

/// More events a second than the processor time allows, by this factor, means that some of it was not counted.
const IMPOSSIBLE: f64 = 1.03;

type Rows<'r> = [(&'r str, Vec<Visit>)];

/// All of it.
pub(super) fn write(rows: &Rows<'_>, lengths: Lengths, database: &str, took: Duration) -> String {
    let mut text = format!(
        "{}; {database}. {} rounds, closed loops of {} s, {RATE:.0} events/s for {} s; medians; {:.0} s in all.\n\n",
        machine(),
        lengths.rounds,
        lengths.closed,
        lengths.open,
        took.as_secs_f64(),
    );
    text.push_str(&speed(rows));
    text.push('\n');
    text.push_str(&waiting(rows));
    text.push('\n');
    text.push_str(&rounds(rows));
    for warning in warnings(rows) {
        let _ = write!(text, "\n**{warning}**\n");
    }
    text
}

fn speed(rows: &Rows<'_>) -> String {
    let head = [
        "server".to_owned(),
        format!("events/s, {CONNECTIONS} conn."),
        format!("events/s, {MANY_CONNECTIONS} conn."),
        "capacity/s".into(),
        "÷ ceiling".into(),
        "× node".into(),
        "× insert".into(),
        "CPU µs/event: server + PostgreSQL + generator".into(),
        "the worker afterwards, µs for each of the events left: server + PostgreSQL".into(),
        "WAL B/event".into(),
        "other jobs".into(),
    ];
    let body = rows.iter().map(|(name, visits)| {
        let micros =
            |part: fn(&Window) -> f64| of(visits, |visit| part(&visit.closed) / visit.closed.events() * 1e6);
        vec![
            (*name).to_owned(),
            format!("{:.0}", of(visits, |visit| visit.closed.outcome.per_second())),
            format!("{:.0}", of(visits, |visit| visit.closed_many.outcome.per_second())),
            format!("{:.0}", of(visits, |visit| visit.closed.capacity())),
            ratio(rows, visits, "ceiling"),
            ratio(rows, visits, "node"),
            ratio(rows, visits, "insert"),
            format!(
                "{:.0} + {:.0} + {:.0}",
                micros(|window| window.server),
                micros(|window| window.postgres),
                micros(|window| window.outcome.processor_seconds)
            ),
            afterwards(visits),
            format!("{:.0}", of(visits, |visit| visit.closed.wal_per_event())),
            format!("{:.0} %", of(visits, |visit| visit.closed.others * 100.0)),
        ]
    });
    table(&head, body)
}

fn waiting(rows: &Rows<'_>) -> String {
    let head = [
        "server".to_owned(),
        format!("ms p50 / p99 / p99.9, {CONNECTIONS} conn."),
        format!("ms p50 / p99 / p99.9 at {RATE:.0}/s"),
        "first 200, ms".into(),
        "RSS MiB idle / peak".into(),
        "rows = accepted".into(),
        "tampered accepted".into(),
        "not accepted".into(),
    ];
    let body = rows.iter().map(|(name, visits)| {
        let points = |window: fn(&Visit) -> &Window| {
            let point = |latency: fn(&Window) -> f64| of(visits, |visit| latency(window(visit)));
            format!(
                "{:.1} / {:.1} / {:.1}",
                point(|window| window.outcome.since_due.p50),
                point(|window| window.outcome.since_due.p99),
                point(|window| window.outcome.since_due.p999),
            )
        };
        vec![
            (*name).to_owned(),
            points(|visit| &visit.closed),
            points(|visit| &visit.open),
            format!("{:.0}", of(visits, |visit| visit.started_in.as_secs_f64() * 1000.0)),
            format!("{:.0} / {:.0}", of(visits, |visit| visit.idle_mib), of(visits, |visit| visit.peak_mib)),
            stored(visits),
            visits.iter().map(|visit| visit.tampered).sum::<u64>().to_string(),
            failures(visits),
        ]
    });
    table(&head, body)
}

/// Every round by itself, so that the spread can be seen.
fn rounds(rows: &Rows<'_>) -> String {
    let head = [
        "server",
        "capacity/s, each round",
        "events/s, each round",
        "p99 ms at 500/s, each round",
        "other jobs, each round",
    ]
    .map(str::to_owned);
    let body = rows.iter().map(|(name, visits)| {
        let each = |value: fn(&Visit) -> f64, digits: usize| {
            let values: Vec<String> =
                visits.iter().map(|visit| format!("{:.digits$}", value(visit))).collect();
            values.join(", ")
        };
        vec![
            (*name).to_owned(),
            each(|visit| visit.closed.capacity(), 0),
            each(|visit| visit.closed.outcome.per_second(), 0),
            each(|visit| visit.open.outcome.since_due.p99, 1),
            each(|visit| visit.closed.others * 100.0, 0),
        ]
    });
    table(&head, body)
}

/// The median over the rounds of this row's capacity by another's in the same round.
fn ratio(rows: &Rows<'_>, visits: &[Visit], other: &str) -> String {
    let Some((_, others)) = rows.iter().find(|(name, _)| *name == other) else { return "–".into() };
    let ratios =
        visits.iter().zip(others).map(|(one, other)| one.closed.capacity() / other.closed.capacity());
    format!("{:.2}", median(ratios))
}

/// What the worker had still to do, and what that cost.
fn afterwards(visits: &[Visit]) -> String {
    let left = of(visits, |visit| visit.afterwards.events);
    if left < 1.0 {
        return "–".into();
    }
    let micros = |part: fn(&Afterwards) -> f64| {
        of(visits, |visit| part(&visit.afterwards) / visit.afterwards.events.max(1.0) * 1e6)
    };
    format!("{:.0} + {:.0}, {left:.0} left", micros(|after| after.server), micros(|after| after.postgres))
}

fn of(visits: &[Visit], value: impl Fn(&Visit) -> f64) -> f64 {
    median(visits.iter().map(value))
}

fn stored(visits: &[Visit]) -> String {
    let stored: Option<Stored> = visits.iter().map(|visit| visit.stored).sum();
    stored.map_or("stores none".to_owned(), |stored| stored.to_string())
}

fn failures(visits: &[Visit]) -> String {
    let windows = visits.iter().flat_map(|visit| [&visit.closed, &visit.open, &visit.closed_many]);
    let failures: Vec<String> =
        windows.map(|window| window.outcome.failures()).filter(|failures| failures != "none").collect();
    if failures.is_empty() { "none".into() } else { failures.join("; ") }
}

fn warnings(rows: &Rows<'_>) -> Vec<String> {
    let mut warnings = Vec::new();
    for (name, visits) in rows {
        for (round, visit) in visits.iter().enumerate() {
            for (window, connections) in
                [(&visit.closed, CONNECTIONS), (&visit.closed_many, MANY_CONNECTIONS)]
            {
                if window.outcome.per_second() > window.capacity() * IMPOSSIBLE {
                    warnings.push(format!(
                        "Impossible: {name}, round {}, {connections} connections: {:.0} events/s with processor time \
                         for {:.0}",
                        round + 1,
                        window.outcome.per_second(),
                        window.capacity()
                    ));
                }
            }
        }
    }
    warnings
}
