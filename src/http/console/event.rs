//! One event: what happened in a sentence, the request, how it was verified, what was made of it and what was answered.

use axum::{
    extract::{Path, State as Extract},
    http::header,
    response::{IntoResponse as _, Response},
};
use maud::{Markup, html};
use serde_json::json;
use uuid::Uuid;

use super::{
    icons, lists,
    page::{self, Section, token},
    parts::{self, Row, Tone, fact, pill},
    payload::{self, Form, quoted},
    visitor::{Posted, Visitor},
    words,
};
use crate::{
    access::Scope,
    domain::id,
    http::{
        api::detail::{self, Moment, Whole},
        error::Error,
        state::State,
    },
    provider::Endpoint,
};

/// Headers that are nobody's data.
const PLAIN: [&str; 14] = [
    "accept",
    "accept-encoding",
    "connection",
    "content-length",
    "content-type",
    "date",
    "host",
    "i-twilio-idempotency-token",
    "stripe-signature",
    "user-agent",
    "x-plivo-signature-v3",
    "x-plivo-signature-v3-nonce",
    "x-twilio-signature",
    "x-forwarded-proto",
];

/// An event with all that its page shows.
struct Event {
    id: Uuid,
    name: String,
    row: Row,
    whole: Whole,
    /// What else told of the same call.
    moments: Vec<Moment>,
    /// Whether people's data are shown.
    revealed: bool,
}

impl Event {
    async fn read(state: &State, visitor: &Visitor, name: &str, revealed: bool) -> Result<Self, Error> {
        let resource = lists::resource("events")?;
        visitor.needs(resource.scope)?;
        let row = Row(resource.shown(detail::find(state, resource, name).await?, revealed));
        let name = row.text("id").to_owned();
        let missing = || Error::NotFound("no such event".to_owned());
        let id = id::read("event_", &name).map_err(|_| missing())?;
        let whole = detail::whole(state, id).await?.ok_or_else(missing)?;
        let call = format!("{}:{}", row.text("provider"), row.text("subject"));
        let moments = match row.text("provider") {
            "stripe" => Vec::new(),
            _ => detail::moments(state, &call).await?,
        };
        Ok(Self { id, name, row, whole, moments, revealed })
    }

    fn header(&self, name: &str) -> &str {
        let mut headers = self.whole.headers.0.iter();
        headers.find(|(given, _)| given.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }

    fn form(&self) -> Form {
        Form::of(self.header("content-type"), &self.whole.body)
    }
}

/// `GET /console/events/{id}`.
pub(super) async fn show(
    Extract(state): Extract<State>,
    Path(name): Path<String>,
    visitor: Visitor,
) -> Result<Response, Error> {
    let event = Event::read(&state, &visitor, &name, false).await?;
    Ok(page(&state, &visitor, &event))
}

/// `POST /console/events/{id}`: the same with people's data, which is written down; or the raw body as a file.
pub(super) async fn reveal(
    Extract(state): Extract<State>,
    Path(name): Path<String>,
    posted: Posted,
) -> Result<Response, Error> {
    let Posted { visitor, params } = posted;
    visitor.needs(Scope::PiiRead)?;
    let event = Event::read(&state, &visitor, &name, true).await?;
    visitor.audit(&state.db, "pii.reveal", &event.name, json!({})).await?;
    if params.get("as") == Some("file") {
        let headers = [
            (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
            (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{}.body\"", event.name)),
        ];
        return Ok((headers, event.whole.body).into_response());
    }
    Ok(page(&state, &visitor, &event))
}

fn page(state: &State, visitor: &Visitor, event: &Event) -> Response {
    let Event { row, whole, .. } = event;
    let (trust, trusted) = words::trust(row.text("signed_by"));
    let (tone, worked) = words::work(whole.state());
    let title = words::kind(row.text("type"));
    let body = html! {
        (parts::crumbs("Events", "/console/events"))
        div.head {
            div {
                h1 { (title) }
                p.about { (words::headline(row)) }
                p.tags { (parts::provider(row.text("provider"))) (pill(trust, trusted)) (pill(tone, worked)) @if let Some(at) = row.time("received_at") { (parts::when(visitor, at)) } }
            }
            div.actions { (actions(visitor, event)) }
        }
        @for flag in row.0["flags"].as_array().into_iter().flatten().filter_map(|flag| flag.as_str()) {
            p.notice.warn { (icons::alert()) span { (words::flag(flag)) } }
        }
        div.columns {
            div {
                (request(visitor, event))
                (answer(event))
            }
            div {
                (summary(visitor, event))
                (verification(state, visitor, event))
                (handling(visitor, event))
                (related(visitor, event))
            }
        }
    };
    page::page(visitor, Section::Events, title, &body)
}

fn actions(visitor: &Visitor, event: &Event) -> Markup {
    html! {
        (page::reveal(visitor, &format!("/console/events/{}", event.name), event.revealed))
        @if visitor.may(Scope::EventsReplay) {
            form method="post" action={ "/console/events/" (event.name) "/replay" } data-once {
                (token(visitor))
                input type="hidden" name="once" value=(Uuid::new_v4().simple());
                button.primary type="submit" title="Has the tables made anew from this event. Nothing is sent to anybody." { (icons::replay()) "Replay" }
            }
        }
    }
}

fn summary(visitor: &Visitor, event: &Event) -> Markup {
    let row = &event.row;
    html! {
        section.card aria-labelledby="summary" {
            div.card-head { h2 #summary { "Summary" } }
            dl.facts {
                (fact("Id", &parts::id(&event.name), None))
                (fact("Provider's id", &parts::id(row.text("external_id")), None))
                (fact("Type", &html! { code { (row.text("type")) } }, None))
                @if let Some(subject) = row.some("subject") { (fact("About", &html! { a href={ "/console/search?q=" (subject) } { code { (subject) } } }, None)) }
                @if let Some(at) = row.time("received_at") { (fact("Received", &parts::when(visitor, at), None)) }
                @if let Some(at) = row.time("occurred_at") { (fact("Happened", &parts::when(visitor, at), None)) }
            }
        }
    }
}

fn verification(state: &State, visitor: &Visitor, event: &Event) -> Markup {
    let row = &event.row;
    let signer = row.text("signed_by");
    let is_url_signed = row.text("provider") != "stripe";
    let age = signed_at(event.header("stripe-signature")).zip(row.time("received_at"));
    html! {
        section.card aria-labelledby="verification" {
            div.card-head { h2 #verification { "Verification" } (pill(words::trust(signer).0, words::trust(signer).1)) }
            @match signer {
                "unsigned" => p { "No signature came. Development takes that from this machine alone, and the event keeps the label for ever." },
                "simulated" => p { "The console made it up, its phone or a probe, and signed it with the first secret of this provider; it went through the same checks as any other. Nothing leaves the house for it, and no figure counts it." },
                "recovered" => p { "No webhook brought it. The provider's API told of it, asked with our own credentials over TLS." },
                _ => {
                    p { "The signature matches: only who knows the secret could have sent these bytes." }
                    dl.facts {
                        (fact("Secret", &html! { code { (signer) } }, None))
                        (fact("Scheme", &html! { (words::scheme(row.text("endpoint"))) }, None))
                        @if is_url_signed { (fact("Address", &html! { code { (state.origins.first().map_or("", String::as_str)) (Endpoint::of_path(&format!("/webhooks/{}", row.text("endpoint"))).map_or("", Endpoint::path)) } }, None)) }
                        @if let Some((signed, received)) = age { (fact("Age", &html! { "signed " (parts::span((received - signed).abs())) " before it arrived; 5 min are allowed" }, None)) }
                    }
                }
            }
            @if visitor.may(Scope::Read) && signer == "unsigned" { p.hint { "Production refuses such a request with 401." } }
        }
    }
}

/// When Stripe signed.
fn signed_at(header: &str) -> Option<chrono::DateTime<chrono::Utc>> {
    let seconds = header.split(',').find_map(|part| part.trim().strip_prefix("t="))?.parse().ok()?;
    chrono::DateTime::from_timestamp(seconds, 0)
}

fn handling(visitor: &Visitor, event: &Event) -> Markup {
    let whole = &event.whole;
    let (tone, word) = words::work(whole.state());
    html! {
        section.card aria-labelledby="handling" {
            div.card-head { h2 #handling { "Handling" } (pill(tone, word)) }
            @match whole.state() {
                "done" => p { "Worked on: the tables say what it told." },
                "waiting" => p { "It waits for the worker, which takes events in the order they came." },
                "retrying" => p { "It could not be worked on yet and is tried again, ten times in about four hours." },
                _ => p { "It was tried ten times and given up. Replay it once the cause is mended." },
            }
            dl.facts {
                @if let Some(attempts) = whole.attempts.filter(|attempts| *attempts > 0) { (fact("Tries", &html! { (attempts) " of 10" }, None)) }
                @if let (Some(due), None, "retrying") = (whole.due_at, whole.dead_at, whole.state()) { (fact("Next try", &parts::when(visitor, due), None)) }
                @if let Some(dead) = whole.dead_at { (fact("Given up", &parts::when(visitor, dead), None)) }
            }
            @if let Some(error) = &whole.error {
                @if event.revealed { pre.payload.error tabindex="0" { (payload::safe(error)) } } @else { p.hint { "The cause may name people's data: reveal it." } }
            }
        }
    }
}

fn related(visitor: &Visitor, event: &Event) -> Markup {
    let row = &event.row;
    let others: Vec<_> = event.moments.iter().filter(|moment| moment.event_id != event.id).collect();
    html! {
        section.card aria-labelledby="related" {
            div.card-head { h2 #related { "Related" } }
            @if let Some(subject) = row.some("subject") {
                @if !others.is_empty() {
                    ul.brief {
                        @for moment in others.iter().take(8) {
                            li { span.when { (parts::time(visitor, moment.at)) } a href={ "/console/events/" (id::shown("event_", moment.event_id)) } { (words::kind(&moment.kind)) } code { (moment.what) } }
                        }
                    }
                }
                p.links {
                    a href={ "/console/search?q=" (subject) } { @if row.text("provider") == "stripe" { "The account" } @else if event.moments.is_empty() { "The text" } @else { "The call" } }
                    " · " a href={ "/console/events?subject=" (subject) } { "All events about it" }
                }
            } @else { p.hint { "It names nothing that other events name as well." } }
        }
    }
}

fn request(visitor: &Visitor, event: &Event) -> Markup {
    let Event { row, whole, revealed, .. } = event;
    let form = event.form();
    let path = row.text("path");
    html! {
        section.card aria-labelledby="request" {
            div.card-head {
                h2 #request { "Request" }
                @if *revealed { (pill(Tone::Warn, "Revealed, and written down")) } @else { (pill(Tone::Plain, "Masked")) }
            }
            p.line { code.method { (row.text("method")) } " " code { @if *revealed { (payload::safe(path)) } @else { "/webhooks/" (row.text("endpoint")) } } }
            h3 { "Body " small { (parts::number(i64::try_from(whole.body.len()).unwrap_or(0))) " bytes" } }
            @if whole.body.is_empty() { p.hint { "It has none." } }
            @else if *revealed { (payload::whole(form, &whole.body)) @if whole.body.len() > payload::SHOWN { p.hint { "Only the beginning is shown." } } }
            @else { (payload::masked(form, &whole.body)) }
            @if *revealed && !whole.body.is_empty() {
                details { summary { "Raw" }
                    pre.payload #raw-body tabindex="0" { (payload::safe(&String::from_utf8_lossy(&whole.body[..whole.body.len().min(payload::SHOWN)]))) }
                    form method="post" action={ "/console/events/" (event.name) } { (token(visitor)) input type="hidden" name="as" value="file"; button type="submit" { "Download all bytes" } }
                }
            }
            details { summary { "Headers " small { (whole.headers.0.len()) } }
                div.scroll tabindex="0" role="region" aria-label="Header fields" { table.fields { thead.hidden { tr { th scope="col" { "Name" } th scope="col" { "Value" } } } tbody { @for (name, value) in &whole.headers.0 {
                    tr { th scope="row" { (payload::safe(name)) } td { @if *revealed || PLAIN.contains(&name.to_lowercase().as_str()) { (payload::safe(value)) } @else { span.masked { "•••" } } } }
                } } } }
            }
            (again(visitor, event))
        }
    }
}

/// How to send the same once more.
fn again(visitor: &Visitor, event: &Event) -> Markup {
    let text = str::from_utf8(&event.whole.body).ok().filter(|body| body.len() <= payload::SHOWN);
    html! {
        @if let (true, Some(body)) = (event.revealed, text) {
            @let command = if visitor.dev { unsigned(visitor, event, body) } else { signed(event, body) };
            details open { summary { "Send it again" }
                p.hint { @if visitor.dev { "As a new event: its id is changed, or it would be taken for a repetition." } @else { "Signed with the secret in your terminal's environment. The same id again is a repetition, and has no effect." } }
                div.command-box { pre.payload #curl tabindex="0" { (command) } (parts::copy(&command, "Copy as curl")) }
            }
        }
    }
}

/// For `dev`, which takes unsigned requests.
fn unsigned(visitor: &Visitor, event: &Event, body: &str) -> String {
    let row = &event.row;
    let name = if row.text("provider") == "stripe" { row.text("external_id") } else { row.text("subject") };
    let copy = format!("{name}c{:x}", visitor.now.timestamp_millis());
    let body = if name.is_empty() { body.to_owned() } else { body.replace(name, &copy) };
    let url = format!("http://{}{}", visitor.host, row.text("path"));
    let media_type = event.header("content-type");
    format!(
        "curl -X POST {} -H {} --data-binary {}",
        quoted(&url),
        quoted(&format!("Content-Type: {media_type}")),
        quoted(&body)
    )
}

/// For `serve`.
fn signed(event: &Event, body: &str) -> String {
    let words = event.row.text("endpoint").replace('/', " ");
    let json =
        if event.form() == Form::Json && event.row.text("provider") != "stripe" { " --json" } else { "" };
    format!("printf %s {} | smartline sign {words}{json} --data-raw @- --curl | sh", quoted(body))
}

fn answer(event: &Event) -> Markup {
    let wants_xml = event.row.text("provider") != "stripe";
    html! {
        section.card aria-labelledby="answer" {
            div.card-head { h2 #answer { "Answer" } (pill(Tone::Good, "200")) }
            @match &event.whole.answer {
                None => p { @if wants_xml { "The usual one: an empty document, which asks for nothing." } @else { "The usual one: 200 without a word." } },
                Some(answer) => {
                    @let text = String::from_utf8_lossy(answer);
                    (payload::outline(&text))
                    @if event.revealed { pre.payload tabindex="0" { (payload::safe(&text)) } }
                    @else { p.hint { (answer.len()) " bytes; what it says may name people, and is masked." } }
                }
            }
        }
    }
}
