//! The first page: whether all is well, in one sentence, four figures and one picture.

use axum::{extract::State as Extract, response::Response};
use chrono::{DateTime, TimeDelta, Utc};
use maud::{Markup, html};

use super::{
    chart::{Bar, Chart, Series},
    events, icons,
    needs::{self, Need, Trouble},
    page::{self, Section},
    parts::{self, Tone, pill},
    shared::Ends,
    tally::{self, Tally},
    visitor::Visitor,
    words,
};
use crate::{
    db,
    http::{api::stats, error::Error, state::State},
    provider::{Endpoint, Provider},
};

/// Refusals by the hour since `$1`. The table is bounded.
const REFUSED_SQL: &str = "
SELECT floor(extract(epoch FROM at) / 3600)::bigint, code LIKE 'signature%', count(*) FROM rejections
WHERE at >= $1 AND endpoint <> 'metrics' GROUP BY 1, 2";

const CALLS_SQL: &str = "
SELECT (SELECT count(*) FROM (SELECT FROM calls WHERE id >= uuid_floor($1) AND NOT simulated LIMIT 100001) one) AS now,
       (SELECT count(*) FROM (SELECT FROM calls WHERE id >= uuid_floor($2) AND id < uuid_floor($1) AND NOT simulated LIMIT 100001) one) AS before";

/// Calls by the hour of their beginning and how they ended, since `$1`; of a great many, the newest.
const ENDS_SQL: &str = "
SELECT floor(extract(epoch FROM coalesce(started_at, last_seen_at)) / 3600)::bigint, coalesce(outcome, ''), count(*)
FROM (SELECT started_at, last_seen_at, outcome FROM calls WHERE id >= uuid_floor($1) AND NOT simulated ORDER BY id DESC LIMIT 100000) recent
GROUP BY 1, 2";

/// How many days the ends of calls are shown for.
const DAYS: i64 = 7;

/// For how long the ends of calls are remembered.
const REMEMBERED: TimeDelta = TimeDelta::minutes(1);

/// What came by the hour.
const TRAFFIC: [Series; 4] =
    [("stripe", "Stripe"), ("twilio", "Twilio"), ("plivo", "Plivo"), ("refused", "Refused")];

/// What calls end with, in few words.
const ENDS: [Series; 5] = [
    ("answered", "Answered"),
    ("voicemail", "Voicemail"),
    ("missed", "Missed"),
    ("away", "Turned away"),
    ("refused", "Failed"),
];

/// Which of [`ENDS`] an outcome belongs to; none for a call that goes on.
fn end_of(outcome: &str) -> Option<usize> {
    match outcome {
        "" => None,
        "answered" | "agent" => Some(0),
        "voicemail" | "text-back" => Some(1),
        "missed" | "abandoned" => Some(2),
        "rejected" | "suspended" => Some(3),
        _ => Some(4),
    }
}

/// `GET /console`.
pub(super) async fn overview(Extract(state): Extract<State>, visitor: Visitor) -> Result<Response, Error> {
    let now = visitor.now;
    let (day, before) = (now - TimeDelta::hours(24), now - TimeDelta::hours(48));
    let counting = async {
        let mut tally = state.console.tally.lock().await;
        tally.look(&state.db, now).await?;
        Ok::<Tally, sqlx::Error>(tally.clone())
    };
    // These two take longest, and do not need each other.
    let (tally, ends) = tokio::try_join!(counting, ends(&state, now))?;
    let refused: Vec<(i64, bool, i64)> =
        sqlx::query_as(REFUSED_SQL).bind(before).fetch_all(&state.db).await?;
    let calls: (i64, i64) = sqlx::query_as(CALLS_SQL).bind(day).bind(before).fetch_one(&state.db).await?;
    let standing = stats::standing(&state).await?;
    let trouble = Trouble::look(&state, now).await?;
    let latest = events::latest(&state, 8).await?;
    let checks = state.console.checks.lock().await.clone();
    let needs = needs::needs(&state, &visitor, &standing, &trouble, &checks);
    let period = |from: i64, to: i64| {
        let [signed, unsigned] = tally.sum(from, to);
        let refused: i64 = refused.iter().filter(|row| (from..to).contains(&row.0)).map(|row| row.2).sum();
        (signed + unsigned, signed, refused)
    };
    let this = tally::hour(now);
    let (today, yesterday) = (period(this - 23, this + 1), period(this - 47, this - 23));
    let traffic = traffic(&visitor, &tally, &refused);
    let body = html! {
        (page::flagged(state.presence.state() == db::State::Ready && !state.intake.is_away()))
        (parts::head("Overview", &sentence(&needs, today.0, today.2), &html! {}))
        section.figures-row aria-label="The last 24 hours" {
            (figure("Requests", &parts::number(today.0 + today.2), &change(today.0 + today.2, yesterday.0 + yesterday.2), "/console/events"))
            (figure("Verified", &share(today), &html! { (parts::number(today.2)) " refused" }, "/console/refused"))
            (figure("Calls", &parts::number(calls.0), &change(calls.0, calls.1), "/console/calls"))
            (figure("Waiting", &parts::number(standing.waiting), &html! { @if standing.dead > 0 { (parts::number(standing.dead)) " given up" } @else { "nothing given up" } }, "/console/dead-letters"))
        }
        div.split {
            section.card aria-labelledby="traffic" {
                div.card-head { h2 #traffic { "Requests by the hour" } (traffic.legend()) }
                p.summary { (traffic.summary) @if !tally.is_whole() { " Still counting: older hours follow." } }
                (traffic.drawing())
                (traffic.table())
            }
            section.card aria-labelledby="needs" {
                div.card-head { h2 #needs { "Needs attention" } @if !needs.is_empty() { span.count { (needs.len()) } } }
                @if needs.is_empty() {
                    div.calm { (icons::ok()) p { "Nothing does. Whatever came was verified, kept and worked on." } }
                } @else {
                    ul.needs { @for need in &needs { li { a href=(need.path) { span class={ "dot " (need.tone.class()) } { (need.tone.icon()) } span { (need.text) } (icons::arrow()) } } } }
                }
            }
        }
        div.columns.even {
            (calls_card(&visitor, &ends))
            (speed_card(&state.metrics.acknowledged(now)))
        }
        div.split {
            section.card aria-labelledby="latest" {
                div.card-head { h2 #latest { "Latest events" } a href="/console/events" { "All events" } }
                @if latest.is_empty() { (events::nothing_yet(&visitor)) } @else { (events::brief(&visitor, &latest)) }
            }
            section.card aria-labelledby="endpoints" {
                div.card-head { h2 #endpoints { "Endpoints" } a href="/console/setup" { "Setup" } }
                (endpoints(&state, &visitor, &tally))
            }
        }
    };
    Ok(page::page(&visitor, Section::Overview, "Overview", &body))
}

/// The last 24 hours, the present one last.
fn traffic(visitor: &Visitor, tally: &Tally, refused: &[(i64, bool, i64)]) -> Chart<'static> {
    let this = tally::hour(visitor.now);
    let bar = |(place, hour): (usize, i64)| {
        let at = tally::start_of(hour);
        let kept = Provider::ALL.map(|provider| tally.of(hour, provider));
        let refused = refused.iter().filter(|row| row.0 == hour).map(|row| row.2).sum();
        let label = if place % 4 == 0 { visitor.manner.format(at, "%H:%M") } else { String::new() };
        Bar {
            name: visitor.manner.format(at, "%-d %b %H:%M"),
            label,
            minor: place % 8 != 0,
            counts: kept.into_iter().chain([refused]).collect(),
        }
    };
    let bars: Vec<Bar> = (this - 23..=this).enumerate().map(bar).collect();
    let refused: i64 = bars.iter().map(|bar| bar.counts[3]).sum();
    let kept = bars.iter().flat_map(|bar| &bar.counts).sum::<i64>() - refused;
    Chart {
        summary: format!(
            "{} kept and {} refused in 24 hours.",
            parts::counted(kept, "request", "requests"),
            parts::number(refused)
        ),
        caption: "Requests by the hour",
        first: "Hour",
        series: &TRAFFIC,
        bars,
        half: false,
    }
}

/// How calls ended since some days, looked up once a minute.
async fn ends(state: &State, now: DateTime<Utc>) -> sqlx::Result<Ends> {
    let mut known = state.console.ends.lock().await;
    if let Some(ends) = known.as_ref().filter(|(at, _)| (now - *at).abs() < REMEMBERED) {
        return Ok(ends.clone());
    }
    let found = sqlx::query_as(ENDS_SQL).bind(now - TimeDelta::days(DAYS)).fetch_all(&state.db).await?;
    Ok(known.insert((now, found)).clone())
}

fn calls_card(visitor: &Visitor, (at, ends): &Ends) -> Markup {
    let day = |moment: DateTime<Utc>| visitor.manner.format(moment, "%F");
    let bar = |ago: i64| {
        let moment = *at - TimeDelta::days(ago);
        let mut counts = vec![0; ENDS.len()];
        let that_day = ends.iter().filter(|(hour, ..)| day(tally::start_of(*hour)) == day(moment));
        for (end, count) in that_day.filter_map(|(_, outcome, count)| Some((end_of(outcome)?, count))) {
            counts[end] += count;
        }
        let name = visitor.manner.format(moment, "%a %-d %b");
        Bar { label: visitor.manner.format(moment, "%a"), name, minor: false, counts }
    };
    let bars: Vec<Bar> = (0..DAYS).rev().map(bar).collect();
    let sum = |end: usize| bars.iter().map(|bar| bar.counts[end]).sum::<i64>();
    let all: i64 = (0..ENDS.len()).map(sum).sum();
    let chart = Chart {
        summary: format!(
            "{} within seven days: {} answered, {} with a message, {} missed.",
            parts::counted(all, "call has ended", "calls have ended"),
            parts::number(sum(0)),
            parts::number(sum(1)),
            parts::number(sum(2))
        ),
        caption: "Calls by the day",
        first: "Day",
        series: &ENDS,
        bars,
        half: true,
    };
    html! {
        section.card aria-labelledby="ends" {
            div.card-head { h2 #ends { "How calls ended" } a href="/console/calls" { "All calls" } }
            @if all == 0 { div.calm { (icons::calls()) p { "No call has ended within seven days." } } } @else {
                p.summary { (chart.summary) }
                (chart.drawing())
                (chart.legend())
                (chart.table())
            }
        }
    }
}

/// How soon requests were answered, by the ends of the buckets that are counted in.
fn speed_card(buckets: &[(f64, u64)]) -> Markup {
    let all: u64 = buckets.iter().map(|bucket| bucket.1).sum();
    let bar = |(place, (end, count)): (usize, &(f64, u64))| {
        let end = milliseconds(*end);
        let label = if end < 1000.0 { format!("{end}") } else { format!("{}\u{2009}s", end / 1000.0) };
        let counts = vec![i64::try_from(*count).unwrap_or(i64::MAX)];
        Bar { name: format!("within {end} ms"), label, minor: place % 2 == 1, counts }
    };
    let chart = Chart {
        summary: format!(
            "Half within {} ms, 99\u{2009}% within {} ms, since the start.",
            milliseconds(within(buckets, 0.5)),
            milliseconds(within(buckets, 0.99))
        ),
        caption: "Time to the answer",
        first: "Time",
        series: &[("answered", "Requests")],
        // Whatever was slower than the last of them stands in /metrics.
        bars: buckets.iter().filter(|bucket| bucket.0.is_finite()).enumerate().map(bar).collect(),
        half: true,
    };
    html! {
        section.card aria-labelledby="speed" {
            div.card-head { h2 #speed { "How soon it was answered" } small { "in milliseconds" } }
            @if all == 0 { div.calm { (icons::wait()) p { "Nothing was answered since the start." } } } @else {
                p.summary { (chart.summary) }
                (chart.drawing())
                (chart.table())
            }
        }
    }
}

/// The end of the bucket within which a share of all lies, in seconds.
fn within(buckets: &[(f64, u64)], share: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts of requests, for a share of them")]
    let (all, mut seen) = (buckets.iter().map(|bucket| bucket.1).sum::<u64>() as f64, 0.0);
    for (end, count) in buckets {
        #[expect(clippy::cast_precision_loss, reason = "as above")]
        let count = *count as f64;
        seen += count;
        if seen >= share * all {
            return *end;
        }
    }
    f64::INFINITY
}

/// Whether all is well, in a sentence.
fn sentence(needs: &[Need], kept: i64, refused: i64) -> Markup {
    html! {
        @if needs.iter().any(|need| need.tone == Tone::Bad) { (pill(Tone::Bad, "Needs you")) " " }
        @else if !needs.is_empty() { (pill(Tone::Warn, "Worth a look")) " " }
        @else { (pill(Tone::Good, "All well")) " " }
        @if kept + refused == 0 { "No request has come in the last 24 hours." }
        @else { (parts::counted(kept, "request", "requests")) " kept in the last 24 hours, " @if refused == 0 { "none refused." } @else { (parts::number(refused)) " refused." } }
    }
}

fn figure(name: &str, value: &str, about: &Markup, path: &str) -> Markup {
    html! { a.figure href=(path) { span.name { (name) } strong { (value) } small { (about) } } }
}

/// `2.5` for 0.0025.
fn milliseconds(seconds: f64) -> f64 {
    (seconds * 10_000.0).round() / 10.0
}

fn change(now: i64, before: i64) -> Markup {
    html! {
        @if before == 0 { "none the day before" }
        @else {
            @let percent = (now - before) * 100 / before;
            @if percent == 0 { "as the day before" }
            @else if percent > 0 { "▲ " (percent.min(9999)) "\u{2009}% on the day before" }
            @else { "▼ " (-percent) "\u{2009}% on the day before" }
        }
    }
}

/// Of all requests, how many were proven genuine; cut, so that 100 % means all.
fn share((kept, signed, refused): (i64, i64, i64)) -> String {
    match (kept + refused, signed) {
        (0, _) => "–".to_owned(),
        (all, signed) => {
            let permille = signed * 1000 / all;
            if permille % 10 == 0 {
                format!("{}\u{2009}%", permille / 10)
            } else {
                format!("{}.{}\u{2009}%", permille / 10, permille % 10)
            }
        }
    }
}

/// The seven endpoints and when something last came to each.
fn endpoints(state: &State, visitor: &Visitor, tally: &Tally) -> Markup {
    html! {
        ul.endpoints {
            @for endpoint in Endpoint::ALL {
                @let last = tally.last(endpoint);
                @let able = state.providers.missing(endpoint.provider()).is_empty();
                li {
                    span class={ "dot " (if !able { "quiet" } else if last.is_some() { "ok" } else { "wait" }) } {
                        (if !able { icons::dash() } else if last.is_some() { icons::ok() } else { icons::wait() })
                    }
                    span.name { (words::endpoint(endpoint)) }
                    span.said {
                        @if let Some(at) = last { (parts::ago(visitor.now, at)) } @else if able { "quiet for two days" } @else { "not configured" }
                    }
                }
            }
        }
    }
}
