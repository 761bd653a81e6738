//! What every page has: the rail, the bar with the search, the message of what was just done; and the pages for who is
//! not signed in or went astray.

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{Html, IntoResponse as _, Response},
};
use maud::{DOCTYPE, Markup, html};

use super::{
    assets::{FONT, ICON, SCRIPT, STYLE},
    flash::Flash,
    icons,
    manner::{Manner, Theme},
    visitor::Visitor,
};
use crate::{
    access::Scope,
    domain::id::RequestId,
    http::problem::{Code, Problem},
};

/// What a page may load: our own files, and nothing that stands in the page itself.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data:; \
                   connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/// An entry of the rail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Overview,
    Events,
    Refused,
    DeadLetters,
    Calls,
    Messages,
    Outbox,
    Accounts,
    Lines,
    Setup,
    Settings,
    /// None of them.
    Elsewhere,
}

type Entry = (Section, &'static str, &'static str, fn() -> Markup);

/// The rail: groups of word, path and icon.
const RAIL: [(&str, &[Entry]); 4] = [
    ("", &[(Section::Overview, "Overview", "/console", icons::overview)]),
    (
        "Traffic",
        &[
            (Section::Events, "Events", "/console/events", icons::events),
            (Section::Refused, "Refused", "/console/refused", icons::refused),
            (Section::DeadLetters, "Dead letters", "/console/dead-letters", icons::dead),
        ],
    ),
    (
        "Line",
        &[
            (Section::Calls, "Calls", "/console/calls", icons::calls),
            (Section::Messages, "Messages", "/console/messages", icons::messages),
            (Section::Outbox, "Outbox", "/console/outbox", icons::outbox),
            (Section::Accounts, "Accounts", "/console/accounts", icons::accounts),
            (Section::Lines, "Lines", "/console/lines", icons::lines),
        ],
    ),
    (
        "Service",
        &[
            (Section::Setup, "Setup", "/console/setup", icons::setup),
            (Section::Settings, "Settings", "/console/settings", icons::settings),
        ],
    ),
];

/// A page for somebody who is signed in.
pub(super) fn page(visitor: &Visitor, section: Section, title: &str, body: &Markup) -> Response {
    page_as(visitor, StatusCode::OK, section, title, body)
}

/// The same with another status, such as that of a form with faults.
pub(super) fn page_as(
    visitor: &Visitor,
    status: StatusCode,
    section: Section,
    title: &str,
    body: &Markup,
) -> Response {
    let inner = html! {
        a.skip href="#main" { "Skip to the content" }
        div.shell {
            (rail(visitor, section))
            div.stage {
                (bar(visitor))
                main #main tabindex="-1" {
                    @if let Some(flash) = visitor.flash {
                        p.notice.ok role="status" { (icons::ok()) span { (flash.text()) } }
                    }
                    (body)
                }
            }
        }
        (help(visitor.manner))
    };
    let mut response = document(visitor.manner, status, title, "app", &inner);
    if visitor.flash.is_some() {
        Flash::told(visitor.way, &mut response);
    }
    response
}

/// A page for anybody: nothing but a card.
pub(super) fn bare(manner: Manner, status: StatusCode, title: &str, body: &Markup) -> Response {
    document(
        manner,
        status,
        title,
        "bare",
        &html! {
            svg.horizon viewBox="0 0 1600 300" preserveAspectRatio="xMidYMid slice" aria-hidden="true" focusable="false" {
                path d="M0 150h250l26-84 50 168 40-118 22 34h110l18-44 32 88 24-58 12 14h430l20-52 40 110 34-92 20 34h90l26-96 54 180 38-112 20 28h244" {}
            }
            main #main.card.door { (body) }
        },
    )
}

fn document(manner: Manner, status: StatusCode, title: &str, class: &str, inner: &Markup) -> Response {
    let text = html! {
        (DOCTYPE)
        html lang="en" data-theme=(manner.theme.name()) data-zone=(manner.zone.name()) data-keys=(if manner.keys { "on" } else { "off" }) {
            head {
                meta charset="utf-8";
                title { (title) " · SmartLine" }
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content=(match manner.theme { Theme::System => "light dark", Theme::Light => "light", Theme::Dark => "dark" });
                meta name="robots" content="noindex";
                link rel="icon" type="image/svg+xml" href=(ICON.path());
                link rel="preload" as="font" type="font/woff2" href=(FONT.path()) crossorigin="anonymous";
                link rel="stylesheet" href=(STYLE.path());
                script src=(SCRIPT.path()) defer {}
            }
            body.(class) { (inner) }
        }
    };
    (status, Html(text.into_string())).into_response()
}

/// The name, with its mark: a line that answers.
pub(super) fn brand() -> Markup {
    html! {
        span.brand {
            svg.mark viewBox="0 0 28 28" width="28" height="28" aria-hidden="true" focusable="false" {
                rect.mark-ground width="28" height="28" rx="8" {}
                path.mark-line d="M4.500 14h4l2.300-6 3.900 12 3-9 1.500 3h4.300" {}
            }
            span { "SmartLine" }
        }
    }
}

fn rail(visitor: &Visitor, section: Section) -> Markup {
    let entries = html! {
        @for (group, entries) in RAIL {
            @if !group.is_empty() { p.group { (group) } }
            ul {
                @for (entry, word, path, icon) in entries {
                    li {
                        a href=(path) aria-current=[(*entry == section).then_some("page")] { (icon()) span { (word) } }
                    }
                }
            }
        }
    };
    html! {
        header.rail {
            a.home href="/console" aria-label="SmartLine, overview" { (brand()) }
            nav.wide-nav aria-label="Console" { (entries) }
            details.narrow-nav {
                summary { (icons::menu()) span { "Menu" } }
                nav aria-label="Console, small screen" { (entries) }
            }
            p.place {
                @if visitor.dev {
                    span.chip.dev { "dev" } span.host { "this machine only" }
                } @else {
                    span.chip { "live" } span.host title=(visitor.host) { (visitor.host) }
                }
            }
        }
    }
}

fn bar(visitor: &Visitor) -> Markup {
    let Visitor { manner, now, .. } = visitor;
    html! {
        section.bar aria-label="Search and menu" {
            form.search role="search" action="/console/search" {
                (icons::search())
                label.hidden for="q" { "Go to an id or a number" }
                input #q type="search" name="q" placeholder="Paste any id or number" autocomplete="off" spellcheck="false"
                    maxlength="200" aria-keyshortcuts="/";
                kbd aria-hidden="true" { "/" }
            }
            p.clock { time datetime=(now.to_rfc3339()) { (manner.format(*now, "%H:%M")) } " " (manner.zone_word(*now)) }
            details.menu {
                summary { span.avatar aria-hidden="true" { (icons::key()) } span.who { (visitor.role()) } }
                div.sheet {
                    p.signed { strong { (visitor.role()) } br; span.mono { (visitor.signed.caller.name) } }
                    (preferences(visitor))
                    div.sheet-row {
                        form method="post" action="/console/sign-out" {
                            (token(visitor))
                            button.plain name="which" value="this" { "Sign out" }
                        }
                        button.plain type="button" data-help hidden { "Keyboard" }
                    }
                }
            }
        }
    }
}

fn preferences(visitor: &Visitor) -> Markup {
    let Manner { theme, zone, keys } = visitor.manner;
    let icon = |theme| match theme {
        Theme::System => icons::system(),
        Theme::Light => icons::sun(),
        Theme::Dark => icons::moon(),
    };
    let word = |theme| match theme {
        Theme::System => "System",
        Theme::Light => "Light",
        Theme::Dark => "Dark",
    };
    html! {
        form method="post" action="/console/preferences" data-preferences {
            (token(visitor))
            input type="hidden" name="next" value=(visitor.here);
            fieldset.switch {
                legend { "Theme" }
                @for each in Theme::ALL {
                    button type="submit" name="theme" value=(each.name()) aria-pressed=(if each == theme { "true" } else { "false" }) {
                        (icon(each)) span { (word(each)) }
                    }
                }
            }
            fieldset.switch {
                legend { "Times" }
                button type="submit" name="zone" value="UTC" aria-pressed=(if zone == chrono_tz::Tz::UTC { "true" } else { "false" }) { "UTC" }
                button type="submit" name="zone" value="" data-local hidden aria-pressed="false" { "Local" }
                @if zone != chrono_tz::Tz::UTC {
                    button type="submit" name="zone" value=(zone.name()) aria-pressed="true" { (zone.name()) }
                }
            }
            fieldset.switch {
                legend { "Single keys" }
                button type="submit" name="keys" value="on" aria-pressed=(if keys { "true" } else { "false" }) { "On" }
                button type="submit" name="keys" value="off" aria-pressed=(if keys { "false" } else { "true" }) { "Off" }
            }
        }
    }
}

/// A word across the page where the database takes nothing: what is shown may be old.
pub(super) fn flagged(well: bool) -> Markup {
    html! {
        @if !well {
            p.notice.bad role="alert" { (icons::alert()) span { "The database takes no writes. Calls and texts are answered and kept on the disk meanwhile." } }
        }
    }
}

/// What a form carries to show that it is ours.
pub(super) fn token(visitor: &Visitor) -> Markup {
    html! { input type="hidden" name="form" value=(visitor.form); }
}

/// The button that shows people's data, for whoever may see them and does not yet.
pub(super) fn reveal(visitor: &Visitor, path: &str, revealed: bool) -> Markup {
    html! {
        @if visitor.may(Scope::PiiRead) && !revealed {
            form method="post" action=(path) { (token(visitor)) button type="submit" { (icons::eye()) "Reveal" } }
        }
    }
}

fn help(manner: Manner) -> Markup {
    let keys = [
        ("/", "Search"),
        ("j k", "Next and previous row"),
        ("Enter", "Open the row"),
        ("l", "Live updates on or off"),
        ("c", "Copy as curl"),
        ("r", "To the replay button"),
        ("g o", "Overview"),
        ("g e", "Events"),
        ("g c", "Calls"),
        ("g m", "Messages"),
        ("g d", "Dead letters"),
        ("g x", "Outbox"),
        ("g s", "Setup"),
        ("?", "This list"),
        ("Esc", "Close"),
    ];
    html! {
        dialog #help aria-labelledby="help-title" {
            h2 #help-title { "Keyboard" }
            @if !manner.keys { p.hint { "Single keys are switched off; switch them on in the menu at the top right." } }
            dl.keys {
                @for (key, what) in keys {
                    div { dt { @for part in key.split(' ') { kbd { (part) } } } dd { (what) } }
                }
            }
            form method="dialog" { button { "Close" } }
        }
        p #said.hidden role="status" {}
    }
}

/// Gives the console's answers their headers, and turns a problem into a page.
pub(super) async fn dress(request: Request, next: Next) -> Response {
    let manner = Manner::of(request.headers());
    let id = request.extensions().get::<RequestId>().copied();
    let mut response = next.run(request).await;
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        response = problem_page(manner, id, &problem, response);
    }
    let headers = response.headers_mut();
    let mut put = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    put(header::CONTENT_SECURITY_POLICY, CSP);
    // Not `no-referrer`, under which forms name no origin: then an older browser could not show that a form is ours. No
    // other host learns anything either way.
    put(header::REFERRER_POLICY, "same-origin");
    put(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    put(
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=(), payment=()",
    );
    response
}

/// What went wrong, with the status, headers and log line of the refusal.
fn problem_page(manner: Manner, id: Option<RequestId>, problem: &Problem, refused: Response) -> Response {
    let entry = problem.code.entry();
    let (title, text) = match problem.code {
        Code::NoSuchObject | Code::NotFound => {
            ("Nothing is here", "It may have been removed by retention, or the id is not quite right.")
        }
        Code::DatabaseUnavailable => (
            "The database does not answer",
            "The console reads from it and cannot show anything now. Calls and texts are answered meanwhile.",
        ),
        _ => (entry.title, entry.detail),
    };
    let more = problem.more.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)));
    let page = bare(
        manner,
        refused.status(),
        title,
        &html! {
            (brand())
            p.code { (entry.status) }
            h1 { (title) }
            p { (text) }
            @for (name, value) in more {
                p.hint { @if name == "scope" { "Scope: " } code { (value) } }
            }
            @for field in problem.more.get("fields").and_then(serde_json::Value::as_array).into_iter().flatten() {
                p.hint { code { (field["name"].as_str().unwrap_or_default()) } ": " (field["reason"].as_str().unwrap_or_default()) }
            }
            // What was refused for good is not asked again.
            @let passes = entry.status >= 500 || entry.status == 429;
            p.actions {
                @if passes { a.button.primary href="" { "Try again" } " " }
                a.button.primary[!passes] href="/console" { "To the overview" }
            }
            @if let Some(id) = id { p.hint.foot { "Reference " code { (id.to_string()) } ", as in the log." } }
        },
    );
    let (mut parts, _) = refused.into_parts();
    let (shown, body) = page.into_parts();
    for (name, value) in shown.headers {
        if let Some(name) = name {
            parts.headers.insert(name, value);
        }
    }
    Response::from_parts(parts, body)
}

/// A page that is not there, for whoever is signed in.
pub(super) async fn missing(visitor: Visitor) -> Response {
    page_as(
        &visitor,
        StatusCode::NOT_FOUND,
        Section::Elsewhere,
        "Nothing is here",
        &html! {
            div.empty {
                (icons::search())
                h1 { "Nothing is here" }
                p { "This page does not exist. Looking for something in particular? Paste its id into the search above." }
                p { a.button href="/console" { "To the overview" } }
            }
        },
    )
}
