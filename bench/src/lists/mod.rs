//! Lists: how long does a page of the API take over many rows, with the filters that are usual and from deep inside?

mod client;

use crate::{
    Bench, Report, filler,
    harness::{Contestant, Server},
    load::Latency,
    markdown::{machine, table},
};
use client::Client;
use sqlx::Row as _;

const NAME: &str = "lists";

/// Longest wanted time of 19 of 20 pages, in milliseconds.
const WANTED: f64 = 50.0;

/// How to measure.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Events that are stored
    #[arg(long, default_value_t = 10_000_000)]
    rows: u64,
    /// Calls, and as many texts; a tenth as many of everything else
    #[arg(long, default_value_t = 2_000_000)]
    objects: u64,
    /// Pages that are asked for, of each kind
    #[arg(long, default_value_t = 100)]
    pages: usize,
}

/// Where a page begins.
#[derive(Clone, Copy)]
enum From {
    /// With the newest row.
    Top,
    /// Somewhere among all rows, a different place each time.
    Deep,
}

/// A kind of page: resource, filters, where it begins. `{n}` stands for a number, `{line}` and `{caller}` for phone numbers,
/// `{hour}` for two bounds that are an hour apart; all of them are different each time.
const PAGES: &[(&str, &str, From)] = &[
    ("events", "", From::Top),
    ("events", "limit=100", From::Deep),
    ("events", "provider=stripe", From::Top),
    ("events", "type=twilio.call.status", From::Deep),
    ("events", "type=invoice.payment_failed", From::Top),
    ("events", "type=invoice.payment_failed", From::Deep),
    ("events", "endpoint=plivo/hangup", From::Deep),
    ("events", "subject=cus_{n}0", From::Top),
    ("events", "number={caller}", From::Top),
    ("events", "status=dead", From::Top),
    ("events", "text=Hangup", From::Deep),
    ("events", "{hour}", From::Top),
    ("events", "{hour}&provider=stripe", From::Top),
    ("calls", "", From::Top),
    ("calls", "limit=100", From::Deep),
    ("calls", "line={line}", From::Top),
    ("calls", "line={line}", From::Deep),
    ("calls", "number={caller}", From::Top),
    ("calls", "status=failed", From::Top),
    ("calls", "outcome=missed", From::Deep),
    ("calls", "direction=outbound&line={line}", From::Top),
    ("calls", "{hour}&outcome=voicemail", From::Top),
    ("messages", "", From::Top),
    ("messages", "limit=100", From::Deep),
    ("messages", "line={line}", From::Top),
    ("messages", "contact={caller}", From::Top),
    ("messages", "number={caller}", From::Deep),
    ("messages", "status=undelivered", From::Top),
    ("messages", "text=sunday", From::Top),
    ("opt-outs", "line={line}", From::Top),
    ("opt-outs", "contact={caller}", From::Top),
    ("accounts", "customer=cus_{n}", From::Top),
    ("accounts", "line={line}", From::Deep),
    ("subscriptions", "status=past_due", From::Top),
    ("subscriptions", "account=live::cus_{n}", From::Top),
    ("invoices", "account=live::cus_{n}", From::Top),
    ("invoices", "status=open", From::Deep),
    ("dead-letters", "", From::Top),
    ("rejections", "", From::Top),
    ("events/count", "{hour}", From::Top),
    ("events/count", "type=twilio.call.status", From::Top),
    ("calls/count", "line={line}", From::Top),
];

/// What pages of a kind took.
struct Found {
    page: String,
    latency: Latency,
    p95: f64,
    /// Rows of a page, on average.
    rows: usize,
    partial: u64,
}

/// Measures and writes the table.
///
/// # Errors
/// When a server does not start, or a page is refused.
pub async fn run(bench: &Bench, options: &Options) -> anyhow::Result<Report> {
    let database = &bench.database;
    Contestant::SmartLine.prepare(&bench.setup, database, NAME).await?;
    bench.say(&format!("filling a database with {} events, {} calls", options.rows, options.objects));
    filler::fill(bench, NAME, options.rows).await?;
    filler::fill_tables(bench, NAME, options.objects, options.objects).await?;
    bench.say("asking for pages");
    let server = Server::start(Contestant::SmartLine, &bench.setup, database, NAME, 0).await?;
    let mut client = Client::open(server.address).await?;
    let mut found = Vec::new();
    let hours = hours(bench).await?;
    for page in PAGES {
        found.push(pages(&mut client, page, &hours, options.pages).await?);
    }
    server.stop().await?;
    Ok(Report { text: write(&found, options, &database.description().await?), faults: Vec::new() })
}

async fn pages(
    client: &mut Client,
    (resource, filters, from): &(&str, &str, From),
    hours: &[String],
    count: usize,
) -> anyhow::Result<Found> {
    let mut micros = Vec::new();
    let (mut rows, mut partial) = (0, 0);
    for number in 0..count {
        let mut path = format!("{resource}?{}", filled(filters, number, hours));
        if matches!(from, From::Deep) {
            let before = &hours[number * 89 % hours.len()];
            let (list, _) = client.get(&format!("{resource}?limit=1&created[lt]={before}")).await?;
            path.extend(list.data.first().map(|row| format!("&starting_after={}", row.id)));
        }
        let (list, took) = client.get(&path).await?;
        micros.push(took);
        rows += list.data.len();
        partial += u64::from(list.partial);
    }
    micros.sort_unstable();
    let p95 = micros.get(count * 95 / 100).copied().unwrap_or_default();
    let shown = ["{n}", "{line}", "{caller}"]
        .iter()
        .fold(filters.replace("{hour}", "of an hour"), |text, value| text.replace(value, "…"));
    let place = if matches!(from, From::Deep) { ", deep" } else { "" };
    Ok(Found {
        page: format!("{resource} {shown}{place}"),
        latency: Latency::of(micros),
        p95: f64::from(p95) / 1000.0,
        rows: rows / count,
        partial,
    })
}

/// Every hour of the last 25 days, the last one first, as RFC 3339.
async fn hours(bench: &Bench) -> anyhow::Result<Vec<String>> {
    let query = r#"
        SELECT array_agg(to_char(now() AT TIME ZONE 'UTC' - make_interval(hours => number), 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
        FROM generate_series(0, 25 * 24) AS number"#;
    Ok(bench.database.row(NAME, query).await?.try_get(0)?)
}

/// The filters, with values that differ from page to page.
fn filled(filters: &str, number: usize, hours: &[String]) -> String {
    let phone = |number: usize| format!("%2B1{}55501{:02}", 200 + number / 100 % 800, number % 100);
    let hour = |number: usize| &hours[number % hours.len()];
    filters
        .replace("{n}", &(number * 97 % 10_000 + 1).to_string())
        .replace("{line}", &phone(number * 31 % 1_000))
        .replace("{caller}", &phone(1_000 + number * 7_919 % 79_000))
        .replace("{hour}", &format!("created[gte]={}&created[lt]={}", hour(number + 2), hour(number + 1)))
}

fn write(found: &[Found], options: &Options, database: &str) -> String {
    let head = ["page", "ms p50", "p95", "p99", "rows", "partial"].map(str::to_owned);
    let body = found.iter().map(|found| {
        let mark = if found.p95 > WANTED { "**" } else { "" };
        vec![
            found.page.clone(),
            format!("{:.1}", found.latency.p50),
            format!("{mark}{:.1}{mark}", found.p95),
            format!("{:.1}", found.latency.p99),
            found.rows.to_string(),
            format!("{} of {}", found.partial, options.pages),
        ]
    });
    format!(
        "{}; {database}. {} events, {} calls and as many texts, a tenth of everything else; one after the other on one \
         connection.\n\n{}",
        machine(),
        options.rows,
        options.objects,
        table(&head, body)
    )
}
