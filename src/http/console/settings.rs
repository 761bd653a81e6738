//! Keys, sign-ins, what was done by whom, the state of the service, and which variables are set.

use axum::{
    extract::State as Extract,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use chrono::{DateTime, TimeDelta, Utc};
use maud::{Markup, html};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use sqlx::types::Json;

use super::{
    flash::{self, Flash},
    icons,
    manner::{self, Theme},
    page::{self, Section, token},
    parts::{self, Tone, fact, pill},
    visitor::{Posted, Visitor, next_of, see_other},
};
use crate::{
    access::{
        Scope,
        keys::{self, Key},
        sessions::{self, Session},
    },
    config::table::VARIABLES,
    db,
    domain::id::{KeyId, SessionId},
    http::{error::Error, state::State},
};

const AUDIT_SQL: &str = "SELECT at, actor, action, subject, detail FROM audit ORDER BY id DESC LIMIT 50";

const SERVER_SQL: &str = "
SELECT current_setting('server_version'), (SELECT max(version) FROM _sqlx_migrations WHERE success), clock_timestamp()";

/// How long a year of preferences lasts, in seconds.
const YEAR: i64 = 31_536_000;

type Deed = (DateTime<Utc>, String, String, String, Json<Value>);

/// `GET /console/settings`.
pub(super) async fn settings(Extract(state): Extract<State>, visitor: Visitor) -> Result<Response, Error> {
    page_of(&state, &visitor, None).await
}

async fn page_of(state: &State, visitor: &Visitor, made: Option<&str>) -> Result<Response, Error> {
    visitor.needs(Scope::Read)?;
    let admin = visitor.may(Scope::Admin);
    let keys = if admin { keys::list(&state.db).await? } else { Vec::new() };
    let sessions = if admin { sessions::list(&state.db, visitor.now).await? } else { Vec::new() };
    let deeds: Vec<Deed> =
        if admin { sqlx::query_as(AUDIT_SQL).fetch_all(&state.db).await? } else { Vec::new() };
    let asked = std::time::Instant::now();
    let server: (String, Option<i64>, DateTime<Utc>) =
        sqlx::query_as(SERVER_SQL).fetch_one(&state.db).await?;
    let took = asked.elapsed();
    let body = html! {
        (parts::head("Settings", &html! { "Keys, sign-ins, the record of what was done, and the state of the service." }, &html! {}))
        nav.choice aria-label="On this page" { @if admin { a href="#keys" { "Keys" } a href="#sign-ins" { "Sign-ins" } } a href="#health" { "Health" } a href="#configuration" { "Configuration" } @if admin { a href="#audit" { "Audit" } } }
        @if admin {
            (keys_card(visitor, &keys, made))
            (sessions_card(visitor, &sessions))
        } @else { p.notice { (icons::info()) span { "Keys, sign-ins and the audit are shown to admins." } } }
        div.columns.even {
            section.card aria-labelledby="health" {
                div.card-head { h2 #health { "Health" } @if state.presence.state() == db::State::Ready && !state.intake.is_away() { (pill(Tone::Good, "Ready")) } @else { (pill(Tone::Bad, "Degraded")) } }
                dl.facts {
                    (fact("Version", &html! { code { (env!("CARGO_PKG_VERSION")) } }, None))
                    (fact("Run as", &html! { code { (if visitor.dev { "dev" } else { "serve" }) } }, None))
                    (fact("PostgreSQL", &html! { (server.0) }, None))
                    (fact("Answered in", &html! { (format!("{:.1}", took.as_secs_f64() * 1000.0)) " ms" }, None))
                    (fact("Migrations", &html! { "up to " (server.1.unwrap_or_default()) }, None))
                    (fact("Clocks", &html! { "the database is " (parts::span((server.2 - visitor.now).abs())) " away from here" }, None))
                    @let waiting = state.intake.waiting();
                    (fact("Intake", &html! { (waiting.calls + waiting.others) " waiting to be kept" }, None))
                    (fact("Door", &html! { @if visitor.dev { "unsigned requests of this machine are taken and labelled" } @else { "signed requests alone" } }, None))
                }
            }
            (configuration(state))
        }
        @if admin { (audit_card(visitor, &deeds)) }
    };
    Ok(page::page(visitor, Section::Settings, "Settings", &body))
}

fn keys_card(visitor: &Visitor, keys: &[Key], made: Option<&str>) -> Markup {
    html! {
        section.card aria-labelledby="keys" {
            div.card-head { h2 #keys { "API keys" } span.count { (keys.len()) } }
            @if let Some(key) = made {
                p.notice.ok role="status" { (icons::ok()) span { "The key is made, and shown this once: " span.id { code #made-key { (key) } (parts::copy(key, "Copy the key")) } } }
            }
            @if keys.is_empty() { p.hint { "None yet. SMARTLINE_API_KEY is not listed here: it comes from the environment." } } @else {
                div.scroll tabindex="0" role="region" aria-label="Table of keys" { table.rows.inner {
                    thead { tr { th scope="col" { "Name" } th scope="col" { "Scopes" } th scope="col" { "State" } th scope="col" { "Last used" } th scope="col" { span.hidden { "Action" } } } }
                    tbody { @for key in keys { (key_line(visitor, key)) } }
                } }
            }
            details { summary { "Make a key" }
                form.stack method="post" action="/console/settings/keys" {
                    (token(visitor))
                    label { span { "What it is for" } input name="name" required maxlength="100" placeholder="dashboard"; }
                    fieldset { legend { "Scopes" } @for scope in Scope::ALL { label.check { input type="checkbox" name=(scope.name()) value="yes" checked[*scope == Scope::Read]; span { code { (scope.name()) } } } } }
                    label { span { "Days until it ends; empty for never" } input type="number" name="days" min="1" max="3650"; }
                    button.primary type="submit" { (icons::key()) "Make it" }
                }
            }
        }
    }
}

fn key_line(visitor: &Visitor, key: &Key) -> Markup {
    let (tone, word) = match (key.revoked_at, key.expires_at) {
        (Some(_), _) => (Tone::Bad, "Revoked"),
        (None, Some(end)) if end <= visitor.now => (Tone::Warn, "Expired"),
        _ => (Tone::Good, "Good"),
    };
    html! {
        tr {
            td { strong { (key.name) } " " code.kind { "…" (key.hint) } }
            td { code { (key.scopes.join(" ")) } }
            td { (pill(tone, word)) @if let Some(end) = key.expires_at.filter(|_| tone == Tone::Good) { " " small { "until " (parts::time(visitor, end)) } } }
            td.time { @if let Some(at) = key.last_used_at { (parts::when(visitor, at)) } @else { "never" } }
            td { @if tone == Tone::Good { form method="post" action="/console/settings/keys/revoke" { (token(visitor)) input type="hidden" name="id" value=(KeyId::from(key.id)); button.danger type="submit" aria-label={ "Revoke the key " (key.name) } { "Revoke" } } } }
        }
    }
}

fn sessions_card(visitor: &Visitor, sessions: &[Session]) -> Markup {
    html! {
        section.card aria-labelledby="sign-ins" {
            div.card-head { h2 #sign-ins { "Sign-ins" } span.count { (sessions.len()) }
                form method="post" action="/console/sign-out" { (token(visitor)) button.danger name="which" value="all" { "Sign out everywhere" } } }
            div.scroll tabindex="0" role="region" aria-label="Table of sign-ins" { table.rows.inner.stacked {
                thead { tr { th scope="col" { "Who" } th scope="col" { "Browser" } th scope="col" { "From" } th scope="col" { "Last seen" } th scope="col" { span.hidden { "Action" } } } }
                tbody { @for session in sessions {
                    @let id = SessionId::from(session.id);
                    @let own = id == visitor.signed.session;
                    tr {
                        td.what { code { (session.actor) } @if own { " " (pill(Tone::Good, "This one")) } br; small { (session.scopes.join(" ")) } }
                        td { (browser(&session.browser)) }
                        td { code { (session.client.addr()) } }
                        td.time { (parts::when(visitor, session.seen_at)) br; small { "signed in " (parts::time(visitor, session.made_at)) ", ends " (parts::time(visitor, session.ends_at)) } }
                        td { form method="post" action="/console/sign-out" { (token(visitor)) button.danger name="which" value=(id) aria-label={ "Sign out the browser " (browser(&session.browser)) } { "Sign out" } } }
                    }
                } }
            } }
        }
    }
}

/// A browser and its system, as far as its long name tells.
fn browser(name: &str) -> String {
    let find = |words: &[(&'static str, &'static str)]| {
        words.iter().find(|(sign, _)| name.contains(sign)).map(|(_, word)| *word)
    };
    let program = find(&[
        ("Edg/", "Edge"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ]);
    let system = find(&[
        ("iPhone", "iPhone"),
        ("Android", "Android"),
        ("Mac OS", "macOS"),
        ("Windows", "Windows"),
        ("Linux", "Linux"),
    ]);
    match (program, system) {
        (Some(program), Some(system)) => format!("{program} on {system}"),
        (Some(program), None) => program.to_owned(),
        _ => name.chars().take(40).collect(),
    }
}

fn audit_card(visitor: &Visitor, deeds: &[Deed]) -> Markup {
    html! {
        section.card aria-labelledby="audit" {
            div.card-head { h2 #audit { "Audit" } small { "the last 50" } }
            @if deeds.is_empty() { p.hint { "Nothing was changed yet." } } @else {
                div.scroll tabindex="0" role="region" aria-label="Table of deeds" { table.rows.inner.stacked {
                    thead { tr { th scope="col" { "When" } th scope="col" { "Who" } th scope="col" { "What" } th scope="col" { "About" } } }
                    tbody { @for (at, actor, action, subject, detail) in deeds {
                        tr {
                            td.time { (parts::when(visitor, *at)) }
                            td { code { (actor) } }
                            td.what { code { (action) } }
                            td { code { (subject) } @if detail.0.as_object().is_some_and(|detail| !detail.is_empty()) { " " small { code { (detail.0.to_string()) } } } }
                        }
                    } }
                } }
            }
        }
    }
}

fn configuration(state: &State) -> Markup {
    html! {
        section.card aria-labelledby="configuration" {
            div.card-head { h2 #configuration { "Configuration" } small { "set or not; never the values" } }
            ul.checks.tight {
                @for variable in VARIABLES {
                    @let is_set = state.console.set.contains(&variable.name);
                    li {
                        span class={ "dot " (if is_set { "ok" } else { "quiet" }) } { (if is_set { icons::ok() } else { icons::dash() }) }
                        div { code { (variable.name) } " " @if is_set { "set" } @else { span.hint { (variable.default) } } }
                    }
                }
            }
        }
    }
}

/// `POST /console/settings/keys`: makes a key, and shows it once.
pub(super) async fn make_key(Extract(state): Extract<State>, posted: Posted) -> Result<Response, Error> {
    let Posted { visitor, params } = posted;
    visitor.needs(Scope::Admin)?;
    let name = params.get("name").unwrap_or_default().trim().replace('\0', "");
    if name.is_empty() || name.chars().count() > 100 {
        return Err(Error::Parameter(
            "name".to_owned(),
            "say in at most 100 letters what it is for".to_owned(),
        ));
    }
    let scopes: Vec<Scope> =
        Scope::ALL.iter().copied().filter(|scope| params.first_of(&[scope.name()]).is_some()).collect();
    if scopes.is_empty() {
        return Err(Error::Parameter("scopes".to_owned(), "choose at least one".to_owned()));
    }
    let days = match params.first_of(&["days"]) {
        None => None,
        Some(days) => {
            let days = days.parse::<i64>().ok().filter(|days| (1..=3650).contains(days));
            Some(days.ok_or_else(|| {
                Error::Parameter("days".to_owned(), "it is no number from 1 to 3650".to_owned())
            })?)
        }
    };
    let ends = days.map(|days| visitor.now + TimeDelta::days(days));
    let (id, secret) = keys::create(&state.db, &name, &scopes, ends, visitor.now).await?;
    let detail =
        json!({ "name": name, "scopes": scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>() });
    visitor.audit(&state.db, "keys.create", &id.to_string(), detail).await?;
    let page = page_of(&state, &visitor, Some(secret.expose_secret())).await?;
    Ok((StatusCode::CREATED, page).into_response())
}

/// `POST /console/settings/keys/revoke`.
pub(super) async fn revoke_key(Extract(state): Extract<State>, posted: Posted) -> Result<Response, Error> {
    let Posted { visitor, params } = posted;
    visitor.needs(Scope::Admin)?;
    let id: KeyId = params
        .get("id")
        .unwrap_or_default()
        .parse()
        .map_err(|_| Error::NotFound("no such key".to_owned()))?;
    let revoked = keys::revoke(&state.db, id, visitor.now).await?;
    if revoked {
        visitor.audit(&state.db, "keys.revoke", &id.to_string(), json!({})).await?;
    }
    let flash = if revoked { Flash::KeyRevoked } else { Flash::NothingChanged };
    Ok(flash.on(visitor.way, see_other("/console/settings#keys")))
}

/// `POST /console/preferences`: theme, zone, single keys.
pub(super) async fn preferences(posted: Posted) -> Response {
    let Posted { visitor, params } = posted;
    let mut response = see_other(&next_of(&params));
    let mut remember = |name: &str, value: &str| {
        flash::put(&mut response, &format!("{name}={value}; Max-Age={YEAR}{}", visitor.way.attributes()));
    };
    if let Some(theme) = params.first_of(&["theme"]) {
        remember(manner::THEME, Theme::named(theme).name());
    }
    if let Some(zone) = params.first_of(&["zone"]).and_then(manner::zone) {
        remember(manner::ZONE, zone.name());
    }
    if let Some(keys) = params.first_of(&["keys"]) {
        remember(manner::KEYS, if keys == "off" { "off" } else { "on" });
    }
    response
}
