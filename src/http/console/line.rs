//! Our numbers: what is set for each, what it is pointed at, and whom it turns away.

use axum::{
    extract::{Path, RawQuery, State as Extract},
    http::StatusCode,
    response::Response,
};
use maud::{Markup, html};
use serde_json::{Map, Value};

use super::{
    flash::Flash,
    icons,
    page::{self, Section, token},
    parts::{self, Tone, pill},
    payload,
    visitor::{Posted, Visitor, see_other},
};
use crate::{
    access::Scope,
    billing::entitlement::Standing,
    domain::id,
    http::{api::masks::mask_number, error::Error, state::State},
    lines::{
        document::read::{Fault, read},
        document::write::changes,
        line::{Asked, Line},
        manage::{self, Refused, Target},
        table::{ContactChange, Publication, Stored},
    },
    provider::Params,
};

const PATH: &str = "/console/lines";

/// What a line can be pointed at, the newest first.
const VERSIONS_SQL: &str = "
SELECT version.id, flow.name, version.number FROM flow_versions version JOIN flows flow ON flow.id = version.flow
ORDER BY version.id DESC LIMIT 100";

/// Settings that hold people's numbers or a secret: their value is never in the form, and what is left empty stays.
const KEPT: [&str; 4] = ["forward", "notify", "people", "agent_secret"];

/// A setting's name, and what it is in words.
const SETTINGS: [(&str, &str); 20] = [
    ("forward", "Forward to, as +1…"),
    ("people", "People, as name=+1… with commas"),
    ("notify", "Text the owner at, as +1…"),
    ("agent_url", "Agent's address"),
    ("agent_mode", "Agent's mode"),
    ("agent_secret", "Agent's secret"),
    ("a2p", "Registered to send texts"),
    ("anonymous", "Withheld numbers"),
    ("attest_reject", "Attestations turned away"),
    ("record_calls", "Record connected calls"),
    ("record_notice", "Say that calls are recorded"),
    ("daily_calls", "Calls a day"),
    ("daily_minutes", "Minutes a day"),
    ("call_seconds", "Longest call, in seconds"),
    ("concurrent", "Calls onward at a time"),
    ("countries", "Countries that may be dialled"),
    ("opt_out_scope", "Opt-outs hold for"),
    ("quiet_hours", "Quiet hours"),
    ("suspended_per_day", "Sentences a day when suspended"),
    ("keep_recordings_days", "Recordings are kept, in days"),
];

/// The words that a setting of few values can have.
fn words_of(name: &str) -> &'static [&'static str] {
    match name {
        "a2p" | "record_calls" | "quiet_hours" => &["true", "false"],
        "anonymous" => &["accept", "reject", "voicemail"],
        "record_notice" => &["on", "off"],
        "opt_out_scope" => &["account", "line"],
        _ => &[],
    }
}

/// The flow and version of a line, as this process has them in memory.
fn flow_of(state: &State, version: Option<i64>) -> Markup {
    let Some(id) = version.and_then(|id| u64::try_from(id).ok()) else { return html! { "Built in" } };
    let Some(version) = state.lines.version(id) else { return html! { "version " (id) } };
    html! { a href={ "/console/flows/" (version.name) "?number=" (version.number) } { (version.name) " " (version.number) } }
}

fn on_or_off(word: &str) -> Markup {
    if word == "off" { pill(Tone::Plain, "Off") } else { pill(Tone::Good, "On") }
}

fn standing(state: &State, visitor: &Visitor, line: &Line) -> Markup {
    if line.account.is_none() {
        return html! { "Nobody has to pay" };
    }
    match state.lines.standing(line, visitor.now).map(|known| known.entitlement.standing) {
        Some(Standing::Active) => pill(Tone::Good, "In use"),
        Some(Standing::Grace) => pill(Tone::Warn, "Grace"),
        Some(Standing::Suspended) => pill(Tone::Bad, "Suspended"),
        Some(Standing::None) | None => pill(Tone::Plain, "No subscription"),
    }
}

/// `GET /console/lines/{id}/settings`.
pub(super) async fn show(
    Extract(state): Extract<State>,
    Path(name): Path<String>,
    visitor: Visitor,
) -> Result<Response, Error> {
    visitor.needs(Scope::Read)?;
    page_of(&state, &visitor, &name, &[], &Params::from_query("")).await
}

/// `POST /console/lines/{id}/settings`: changes what is set, or shows what is wrong with it beside each field.
pub(super) async fn change(
    Extract(state): Extract<State>,
    Path(name): Path<String>,
    posted: Posted,
) -> Result<Response, Error> {
    let Posted { visitor, params } = posted;
    visitor.needs(Scope::LinesWrite)?;
    let mut db = state.db.acquire().await?;
    let done = manage::set(&mut db, &name, given(&params), asked(&visitor)).await;
    drop(db);
    match done {
        Ok(_) => Ok(Flash::LineChanged.on(visitor.way, see_other(&format!("{PATH}/{name}/settings")))),
        Err(Refused::Faults(faults)) => page_of(&state, &visitor, &name, &faults, &params).await,
        Err(refused) => Err(refused.into()),
    }
}

fn asked(visitor: &Visitor) -> Asked<'_> {
    Asked { by: &visitor.signed.caller.name, at: visitor.now }
}

/// A form as the reference has a change: what is kept and left empty is not changed, what else is empty goes back to its
/// default.
fn given(params: &Params) -> Map<String, Value> {
    let mut given = Map::new();
    for field in ["name", "zone", "country", "language", "state"] {
        if let Some(text) = params.get(field) {
            given.insert(field.to_owned(), text.into());
        }
    }
    let settings = SETTINGS.iter().filter_map(|(name, _)| {
        let text = params.get(&format!("settings.{name}"))?.trim();
        let value = match text {
            "" if KEPT.contains(name) => return None,
            "" => Value::Null,
            "none" if KEPT.contains(name) => Value::Null,
            text => value_of(name, text),
        };
        Some(((*name).to_owned(), value))
    });
    given.insert("settings".to_owned(), settings.collect::<Map<_, _>>().into());
    given
}

/// A setting as it was typed.
fn value_of(name: &str, text: &str) -> Value {
    let list = || text.split(',').map(str::trim).filter(|word| !word.is_empty());
    match name {
        "attest_reject" | "countries" => list().map(Value::from).collect(),
        "people" => {
            let pair = |word: &str| {
                let (name, number) = word.split_once('=').unwrap_or((word, ""));
                (name.trim().to_owned(), Value::from(number.trim()))
            };
            Value::Object(list().map(pair).collect())
        }
        "a2p" | "record_calls" | "quiet_hours" => Value::from(text == "true"),
        "daily_calls"
        | "daily_minutes"
        | "call_seconds"
        | "concurrent"
        | "suspended_per_day"
        | "keep_recordings_days" => text.parse::<u32>().map_or_else(|_| text.into(), Value::from),
        _ => text.into(),
    }
}

/// A setting as it is typed.
fn typed(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
        Value::Object(_) => "off".to_owned(), // the notice, with who turned it off
        other => other.to_string(),
    }
}

async fn page_of(
    state: &State,
    visitor: &Visitor,
    name: &str,
    faults: &[Fault],
    typed: &Params,
) -> Result<Response, Error> {
    let mut db = state.db.acquire().await?;
    let line = manage::line(&mut db, name).await?;
    let publications = manage::publications(&mut db, name).await?;
    let contacts = manage::contacts(&mut db, name).await?;
    let versions: Vec<(i64, String, i32)> = sqlx::query_as(VERSIONS_SQL).fetch_all(&mut *db).await?;
    drop(db);
    let may = visitor.may(Scope::LinesWrite);
    let path = format!("{PATH}/{}", line.id);
    let number = mask_number(&line.number.as_str().into());
    let body = html! {
        (parts::crumbs("Line", &path))
        div.head { div {
            h1 { (payload::safe(&line.name)) }
            p.about { "The number " (number.as_str().unwrap_or_default()) ", pointed at " (flow_of(state, line.flow_version.and_then(|id| i64::try_from(id).ok()))) "." }
            p.tags { (parts::provider(line.provider.name())) (on_or_off(line.state.name())) (standing(state, visitor, &line)) }
        } }
        @if !faults.is_empty() { p.notice.bad role="alert" { (icons::bad()) span { "Nothing was changed: " (parts::counted(i64::try_from(faults.len()).unwrap_or(0), "fault", "faults")) ", each at its field." } } }
        div.columns {
            section.card aria-labelledby="settings" {
                div.card-head { h2 #settings { "Settings" } @if !may { (pill(Tone::Plain, "To be read only")) } }
                (settings_form(visitor, &line, &format!("{path}/settings"), faults, typed, may))
            }
            div {
                (publication_card(visitor, &path, &publications, &versions, may))
                section.card aria-labelledby="contacts" {
                    div.card-head { h2 #contacts { "Contacts" } span.count { (contacts.len()) } }
                    @if contacts.is_empty() { p.hint { "Nothing is known of anybody yet." } }
                    @for (id, number, contact) in contacts.iter().take(100) {
                        div.fact {
                            div { (mask_number(&number.as_str().into()).as_str().unwrap_or_default()) @for tag in &contact.tags { " " span.chip { (tag) } } }
                            div { @if contact.blocked { (pill(Tone::Bad, "Blocked")) } @else { (pill(Tone::Plain, "May call")) }
                                @if may { form method="post" action={ (path) "/contacts" } {
                                    (token(visitor)) input type="hidden" name="contact" value=(id::shown("contact_", *id));
                                    input type="hidden" name="blocked" value=(if contact.blocked { "no" } else { "yes" });
                                    button type="submit" { @if contact.blocked { "Unblock" } @else { "Block" } }
                                } }
                            }
                        }
                    }
                    @if may {
                        form.stack method="post" action={ (path) "/contacts" } {
                            (token(visitor))
                            label { span { "Block a number" } input name="number" placeholder="+1…" inputmode="tel" autocomplete="off" required; }
                            input type="hidden" name="blocked" value="yes";
                            button type="submit" { "Block" }
                        }
                    }
                }
            }
        }
    };
    let status = if faults.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    Ok(page::page_as(visitor, status, Section::Lines, "Line", &body))
}

fn settings_form(
    visitor: &Visitor,
    line: &Line,
    path: &str,
    faults: &[Fault],
    given: &Params,
    may: bool,
) -> Markup {
    let settings = line.settings.shown();
    let fields = [
        ("name", "Name, which callers hear", line.name.clone()),
        ("zone", "Time zone", line.zone.name().to_owned()),
        ("country", "Country", line.country.clone()),
        ("language", "Language", line.language.clone()),
        ("state", "State", line.state.name().to_owned()),
    ];
    let field = |place: &str, word: &str, value: &str, hint: &str, choices: &[&str]| {
        let value = given.get(place).unwrap_or(value);
        let wrong: Vec<&Fault> = faults.iter().filter(|fault| at_field(&fault.place, place)).collect();
        let about = (!wrong.is_empty()).then(|| format!("fault-{place}"));
        html! {
            div {
                label { span { (word) }
                    @if choices.is_empty() { input name=(place) value=(value) placeholder=(hint) disabled[!may] autocomplete="off" spellcheck="false" aria-invalid=[about.as_ref().map(|_| "true")] aria-describedby=[about.as_ref()]; }
                    @else { select name=(place) disabled[!may] { @for choice in choices { option value=(choice) selected[*choice == value] { (choice) } } } }
                }
                @if let Some(about) = &about { p.notice.bad id=(about) { (icons::bad()) span { @for fault in &wrong { (fault.problem) ". " } } } }
            }
        }
    };
    let known = |place: &str| {
        fields.iter().any(|field| at_field(place, field.0))
            || SETTINGS.iter().any(|(name, _)| at_field(place, &format!("settings.{name}")))
    };
    html! {
        @for fault in faults.iter().filter(|fault| !known(&fault.place)) { p.notice.bad { (icons::bad()) span { (fault) } } }
        form.stack method="post" action=(path) {
            (token(visitor))
            @for (name, word, value) in &fields { (field(name, word, value, "", if *name == "state" { &["on", "off"] } else { &[] })) }
            @for (name, word) in SETTINGS {
                @let kept = KEPT.contains(&name);
                @let value = &settings[name];
                @let set = !value.is_null() && value.as_object().is_none_or(|people| !people.is_empty());
                @let hint = if !kept { "" } else if set { "set; leave empty to keep it, or write none" } else { "not set" };
                (field(&format!("settings.{name}"), word, &if kept { String::new() } else { typed(value) }, hint, words_of(name)))
            }
            @if may { button.primary type="submit" { "Save" } }
        }
    }
}

/// Whether a fault is at a field, or at a part of it.
fn at_field(place: &str, field: &str) -> bool {
    place.strip_prefix(field).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

fn publication_card(
    visitor: &Visitor,
    path: &str,
    publications: &[Publication],
    versions: &[(i64, String, i32)],
    may: bool,
) -> Markup {
    html! {
        section.card aria-labelledby="published" {
            div.card-head { h2 #published { "Published" } span.count { (publications.len()) } }
            @if publications.is_empty() { p.hint { "Nothing was published: the line answers with what is built in." } }
            ol.timeline { @for publication in publications.iter().take(20) { li {
                span.dot { (icons::arrow()) }
                div {
                    p { @if let (Some(flow), Some(number)) = (&publication.flow, publication.number) { (flow) " " (number) } @else { "Built in" } @if publication.ended_at.is_none() { " " (pill(Tone::Good, "Now")) } }
                    p.hint { (parts::when(visitor, publication.at)) " by " (publication.actor) }
                }
            } } }
            @if may {
                form.stack action={ (path) "/publish" } {
                    label { span { "Point it at" } select name="version" {
                        option value="built-in" { "What is built in" }
                        @if !publications.is_empty() { option value="before" { "What it had before" } }
                        @for (id, flow, number) in versions { option value=(id) { (flow) " " (number) } }
                    } }
                    button type="submit" { "See what changes" }
                }
            }
        }
    }
}

/// What a form names: a version's id, `before`, or what is built in.
///
/// # Errors
/// 400 for anything else.
fn target(params: &Params) -> Result<Target<'static>, Error> {
    match params.get("version") {
        Some("built-in") => Ok(Target::BuiltIn),
        Some("before") => Ok(Target::Before),
        Some(text) if text.parse::<i64>().is_ok_and(|id| id > 0) => {
            Ok(Target::Version(text.parse().unwrap_or_default()))
        }
        _ => Err(Error::Parameter("version".to_owned(), "it is no version".to_owned())),
    }
}

/// `GET /console/lines/{id}/publish`: what would change.
pub(super) async fn plan(
    Extract(state): Extract<State>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    visitor: Visitor,
) -> Result<Response, Error> {
    visitor.needs(Scope::LinesWrite)?;
    let params = Params::from_query(query.as_deref().unwrap_or_default());
    plan_of(&state, &visitor, &name, &params, &[]).await
}

async fn plan_of(
    state: &State,
    visitor: &Visitor,
    name: &str,
    params: &Params,
    faults: &[Fault],
) -> Result<Response, Error> {
    let target = target(params)?;
    let mut db = state.db.acquire().await?;
    let line = manage::line(&mut db, name).await?;
    let wanted = match target {
        Target::Version(id) => Some(id),
        Target::Before => {
            manage::publications(&mut db, name).await?.get(1).and_then(|publication| publication.flow_version)
        }
        _ => None,
    };
    let (before, after) = (stored(&mut db, line.flow_version).await?, stored(&mut db, wanted).await?);
    drop(db);
    let flow = |version: &Option<Stored>| version.as_ref().and_then(|version| read(&version.doc).ok());
    let built_in = crate::lines::simulate::default_flow();
    let (old, new) = (flow(&before), flow(&after));
    let changes = changes(old.as_ref().unwrap_or(built_in), new.as_ref().unwrap_or(built_in));
    let word = |version: &Option<Stored>| match version {
        Some(version) => format!("{} {}", version.flow, version.number),
        None => "what is built in".to_owned(),
    };
    let path = format!("{PATH}/{}", line.id);
    let body = html! {
        (parts::crumbs(&line.name, &format!("{path}/settings")))
        (parts::head("Publish", &html! { "From " (word(&before)) " to " (word(&after)) ". Calls that are in progress stay with the one they began with." }, &html! {}))
        @for fault in faults { p.notice.bad role="alert" { (icons::bad()) span { (fault) } } }
        section.card aria-labelledby="changes" {
            div.card-head { h2 #changes { "What changes" } span.count { (changes.len()) } }
            @if changes.is_empty() { p.hint { "Nothing: both say the same." } }
            @for change in &changes { @if visitor.may(Scope::PiiRead) || !change.place.starts_with("people") { pre.payload tabindex="0" { (payload::safe(&change.told())) } } @else { p { code { (change.place) } } } }
            form method="post" action={ (path) "/publish" } {
                (token(visitor)) input type="hidden" name="version" value=(params.get("version").unwrap_or_default());
                button.primary type="submit" { "Publish" }
            }
        }
    };
    let status = if faults.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    Ok(page::page_as(visitor, status, Section::Lines, "Publish", &body))
}

async fn stored(db: &mut sqlx::PgConnection, id: Option<u64>) -> Result<Option<Stored>, Error> {
    Ok(match id {
        Some(id) => Some(manage::version_of(db, id).await?),
        None => None,
    })
}

/// `POST /console/lines/{id}/publish`.
pub(super) async fn publish(
    Extract(state): Extract<State>,
    Path(name): Path<String>,
    posted: Posted,
) -> Result<Response, Error> {
    let Posted { visitor, params } = posted;
    visitor.needs(Scope::LinesWrite)?;
    let target = target(&params)?;
    let mut db = state.db.acquire().await?;
    let done = manage::publish(&mut db, &name, target, asked(&visitor)).await;
    drop(db);
    match done {
        Ok(_) => Ok(Flash::Published.on(visitor.way, see_other(&format!("{PATH}/{name}/settings")))),
        Err(Refused::Faults(faults)) => plan_of(&state, &visitor, &name, &params, &faults).await,
        Err(refused) => Err(refused.into()),
    }
}

/// `POST /console/lines/{id}/contacts`: blocks a number, or lets it call again.
pub(super) async fn contact(
    Extract(state): Extract<State>,
    Path(name): Path<String>,
    posted: Posted,
) -> Result<Response, Error> {
    let Posted { visitor, params } = posted;
    visitor.needs(Scope::LinesWrite)?;
    let blocked = params.get("blocked") == Some("yes");
    let change = ContactChange { blocked: Some(blocked), ..ContactChange::default() };
    let mut db = state.db.acquire().await?;
    // Who is known already is named by id: the page does not hold their number.
    let number = match params.get("contact").map(|id| id::read("contact_", id)) {
        Some(Ok(id)) => {
            let contacts = manage::contacts(&mut db, &name).await?;
            contacts.into_iter().find(|contact| contact.0 == id).map(|contact| contact.1)
        }
        Some(Err(_)) => None,
        None => params.get("number").map(str::to_owned),
    };
    let number = number.ok_or_else(|| Error::NotFound("no such contact".to_owned()))?;
    let done = manage::set_contact(&mut db, &name, &number, &change, asked(&visitor)).await;
    drop(db);
    match done {
        Ok(_) => {
            Ok(Flash::LineChanged.on(visitor.way, see_other(&format!("{PATH}/{name}/settings#contacts"))))
        }
        Err(Refused::Faults(faults)) => {
            page_of(&state, &visitor, &name, &faults, &Params::from_query("")).await
        }
        Err(refused) => Err(refused.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_becomes_a_change() {
        let params = Params::from_form(
            b"name=Desk&settings.forward=&settings.notify=none&settings.countries=US,+CA&settings.a2p=true\
              &settings.daily_calls=&settings.concurrent=many&settings.people=ada%3D%2B14155550101",
        );
        let given = Value::Object(given(&params));
        assert_eq!(
            given,
            serde_json::json!({ "name": "Desk", "settings": {
                "notify": null, "countries": ["US", "CA"], "a2p": true, "daily_calls": null, "concurrent": "many",
                "people": { "ada": "+14155550101" },
            } })
        );
        assert!(at_field("settings.people.ada", "settings.people"));
        assert!(!at_field("settings.peoples", "settings.people"));
    }
}
