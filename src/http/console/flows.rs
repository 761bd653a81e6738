//! What lines can be pointed at: versions, what is different between two, the draft of the next, and what callers of one would
//! hear. The forms of the draft are in [`editor`].

use axum::{
    extract::{Path, RawQuery, State as Extract},
    http::StatusCode,
    response::Response,
};
use maud::{Markup, html};
use serde_json::json;

use super::{
    editor::{self, PATH, asked},
    flash::Flash,
    icons, lists,
    page::{self, Section, token},
    parts, payload,
    visitor::{Posted, Visitor, see_other},
};
use crate::{
    access::Scope,
    http::{error::Error, state::State},
    lines::{
        document::{
            Flow, Step,
            check::{Findings, check},
            edit::{self, reading},
            fields::kind,
            read::{Fault, read},
            write::changes,
        },
        draft::{self, Change, Draft},
        manage::{self, Refused},
        simulate::{self, Input, Shown, Simulated},
        table::Stored,
    },
    provider::{Params, Provider},
};

/// Most inputs of a call that is tried.
const INPUTS: usize = 30;

/// `GET /console/flows`.
pub(super) async fn list(
    Extract(state): Extract<State>,
    RawQuery(query): RawQuery,
    visitor: Visitor,
) -> Result<Response, Error> {
    let listed = lists::read(&state, &visitor, "flows", PATH, query.as_deref()).await?;
    let body = html! {
        (parts::crumbs("Lines", "/console/lines"))
        (parts::head("Flows", &html! { "What lines can be pointed at. A version never changes; saving makes the next." }, &html! {}))
        @if listed.rows.is_empty() { (listed.empty(&icons::lines(), "No flow yet", &html! { "Give one a name, and write its first version." })) }
        @else {
            div.scroll { table.rows {
                caption.hidden { "Flows, newest first" }
                thead { tr { th scope="col" { "Name" } th.num scope="col" { "Versions" } th scope="col" { "Made" } } }
                tbody { @for row in &listed.rows { tr {
                    td.what { a.open href={ (PATH) "/" (row.text("name")) } { (row.text("name")) } }
                    td.num { (row.number("versions").unwrap_or(0)) }
                    td.time { @if let Some(at) = row.time("created_at") { (parts::when(&visitor, at)) } }
                } } }
            } }
        }
        (listed.foot())
        @if visitor.may(Scope::LinesWrite) { section.card aria-labelledby="new" {
            div.card-head { h2 #new { "A new flow" } }
            form.stack method="post" action=(PATH) { (token(&visitor))
                label { span { "Name" } input name="name" required pattern="[A-Za-z0-9_\\-]{1,40}" autocomplete="off" spellcheck="false"; }
                button type="submit" { "Make it" }
            }
        } }
    };
    Ok(page::page(&visitor, Section::Lines, "Flows", &body))
}

/// `POST /console/flows`: a name for a new one.
pub(super) async fn add(Extract(state): Extract<State>, posted: Posted) -> Result<Response, Error> {
    let Posted { visitor, params } = posted;
    visitor.needs(Scope::LinesWrite)?;
    let name = params.get("name").unwrap_or_default();
    let mut db = state.db.acquire().await?;
    manage::add_flow(&mut db, name, asked(&visitor)).await?;
    Ok(see_other(&format!("{PATH}/{name}")))
}

/// `GET /console/flows/{name}`: its draft, step by step; or a version, where a number is given.
pub(super) async fn show(
    Extract(state): Extract<State>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    visitor: Visitor,
) -> Result<Response, Error> {
    visitor.needs(Scope::Read)?;
    let params = Params::from_query(query.as_deref().unwrap_or_default());
    page_of(&state, &visitor, &name, &params, None).await
}

/// `POST /console/flows/{name}`: makes a version of the text, or else of the draft; or shows each fault and its place.
pub(super) async fn save(
    Extract(state): Extract<State>,
    Path(name): Path<String>,
    posted: Posted,
) -> Result<Response, Error> {
    let Posted { visitor, params } = posted;
    visitor.needs(Scope::LinesWrite)?;
    let mut db = state.db.acquire().await?;
    let draft = draft::find(&mut db, &name).await?;
    let text = params.get("toml").map(|text| text.replace("\r\n", "\n"));
    let done = match text.as_ref().map_or_else(|| draft.flow(), |text| read(text)) {
        Ok(flow) => draft::keep(&mut db, &name, params.get("seen"), &flow, asked(&visitor)).await,
        Err(faults) => Err(Refused::Faults(faults)),
    };
    drop(db);
    match (done, text) {
        (Ok(Ok(_)), _) => Ok(Flash::FlowSaved.on(visitor.way, see_other(&format!("{PATH}/{name}#publish")))),
        (Ok(Err(theirs)), Some(text)) => Ok(editor::text_page(&visitor, &theirs, Some(&text), &[])),
        (Ok(Err(_)), None) => {
            Err(Error::InTheWay("no version was made: the draft was changed since you opened it".to_owned()))
        }
        (Err(Refused::Faults(faults)), Some(text)) => {
            Ok(editor::text_page(&visitor, &draft, Some(&text), &faults))
        }
        (Err(Refused::Faults(faults)), None) => {
            page_of(&state, &visitor, &name, &Params::from_query(""), Some((Adding::Nothing, "", &faults)))
                .await
        }
        (Err(refused), _) => Err(refused.into()),
    }
}

/// `POST /console/flows/{name}/add`: a step, or hours.
pub(super) async fn add_part(
    Extract(state): Extract<State>,
    Path(name): Path<String>,
    posted: Posted,
) -> Result<Response, Error> {
    let Posted { visitor, params } = posted;
    visitor.needs(Scope::LinesWrite)?;
    let draft = editor::open(&state, &visitor, &name).await?;
    let new = params.get("name").unwrap_or_default().trim();
    let done = match (params.get("do"), draft.flow()) {
        (Some(kind), Ok(flow)) => edit::add(&flow, new, kind).map(|flow| (flow, format!("steps.{new}"))),
        (Some(kind), Err(_)) if draft.is_blank() => {
            edit::begun(new, kind).map(|flow| (flow, format!("steps.{new}")))
        }
        (None, Ok(flow)) => edit::add_hours(&flow, new).map(|flow| (flow, format!("hours.{new}"))),
        (_, Err(faults)) => Err(faults),
    };
    match done {
        Ok((flow, part)) => {
            editor::settle(&state, &visitor, &name, &params, Change::Flow(&flow), &format!("/edit/{part}"))
                .await
        }
        Err(faults) => {
            let adding = if params.get("do").is_some() { Adding::Step } else { Adding::Hours };
            let tried = Some((adding, new, &faults[..]));
            page_of(&state, &visitor, &name, &Params::from_query(""), tried).await
        }
    }
}

/// What was asked for and refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Adding {
    Step,
    Hours,
    /// A version.
    Nothing,
}

async fn page_of(
    state: &State,
    visitor: &Visitor,
    name: &str,
    params: &Params,
    tried: Option<(Adding, &str, &[Fault])>,
) -> Result<Response, Error> {
    let number = |name: &str| params.get(name).and_then(|text| text.parse::<i32>().ok());
    let mut db = state.db.acquire().await?;
    let draft = draft::find(&mut db, name).await?;
    let (shown, with) = match number("number") {
        Some(shown) => {
            let with = match number("with") {
                Some(with) => Some(manage::version(&mut db, name, Some(with)).await?),
                None => None,
            };
            (Some(manage::version(&mut db, name, Some(shown)).await?), with)
        }
        None => (None, None),
    };
    // People's numbers may stand in the text.
    let people = visitor.may(Scope::PiiRead);
    if people && !draft.is_blank() {
        visitor.audit(&mut *db, "pii.reveal", name, json!({ "flow": name })).await?;
    }
    drop(db);
    let body = match &shown {
        Some(shown) => version_page(state, visitor, &draft, shown, with.as_ref(), params),
        None => draft_page(state, visitor, &draft, params, tried),
    };
    let status = if tried.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let body = html! { (editor::loads()) (body) };
    Ok(page::page_as(visitor, status, Section::Lines, "Flow", &body))
}

/// A version, which never changes.
fn version_page(
    state: &State,
    visitor: &Visitor,
    draft: &Draft,
    shown: &Stored,
    with: Option<&Stored>,
    params: &Params,
) -> Markup {
    let path = format!("{PATH}/{}", draft.name);
    let people = visitor.may(Scope::PiiRead);
    let flow = read(&shown.doc).ok();
    let with = with.and_then(|with| Some((with.number, read(&with.doc).ok()?)));
    html! {
        (parts::crumbs(&draft.name, &path))
        (parts::head(&format!("Version {}", shown.number), &html! { "Of " (parts::when(visitor, shown.created_at)) ", by " (shown.created_by) ". It never changes." }, &html! {}))
        div.columns {
            section.card aria-labelledby="text" {
                div.card-head { h2 #text { "The document" } }
                @if people {
                    pre.payload.whole tabindex="0" { (payload::safe(&shown.doc)) }
                    @if visitor.may(Scope::LinesWrite) { form method="post" action={ (path) "/text" } {
                        (token(visitor)) input type="hidden" name="seen" value=(draft.seen()); input type="hidden" name="toml" value=(shown.doc);
                        button type="submit" { "Make the draft this" }
                    } }
                } @else { p.hint { "People's numbers may stand in it: its text is shown with the scope pii:read." } }
            }
            div { (publish_card(state, visitor, shown)) (version_card(visitor, &path, Some(shown), &draft.versions)) }
        }
        @if let (Some((number, with)), Some(flow)) = (&with, &flow) { (changes_card(visitor, &format!("From {number} to this one"), with, flow)) }
        @if let (true, Some(flow)) = (people, &flow) { (trial(visitor, &draft.name, Some(shown.number), flow, params)) }
    }
}

fn changes_card(visitor: &Visitor, title: &str, before: &Flow, after: &Flow) -> Markup {
    let changes = changes(before, after);
    html! {
        section.card aria-labelledby="changes" {
            div.card-head { h2 #changes { (title) } span.count { (changes.len()) } }
            @if changes.is_empty() { p.hint { "Nothing: both say the same." } }
            @for change in &changes { @if visitor.may(Scope::PiiRead) { pre.payload tabindex="0" { (payload::safe(&change.told())) } } @else { p { code { (change.place) } } } }
        }
    }
}

/// The draft: its picture, its steps, and what can be done with it.
fn draft_page(
    state: &State,
    visitor: &Visitor,
    draft: &Draft,
    params: &Params,
    tried: Option<(Adding, &str, &[Fault])>,
) -> Markup {
    let path = format!("{PATH}/{}", draft.name);
    let (people, may) =
        (visitor.may(Scope::PiiRead), visitor.may(Scope::LinesWrite) && visitor.may(Scope::PiiRead));
    let flow = draft.flow();
    let findings = flow.as_ref().map(check).unwrap_or_default();
    let faults: &[Fault] = flow.as_ref().err().map_or(&findings.faults, |faults| faults);
    let newest = draft.versions.first();
    let before =
        newest.filter(|_| draft.differs()).and_then(|newest| Some((newest.number, read(&newest.doc).ok()?)));
    html! {
        (parts::crumbs("Flows", PATH))
        (parts::head(&draft.name, &standing(visitor, draft), &html! { @if people && !draft.is_blank() { a.button href={ (path) "/text" } { "As text" } } }))
        @if let Some(newer) = draft.overtaken() { p.notice.warn { (icons::alert()) span {
            "Version " (newer.number) " was made by " (newer.created_by) " while this draft was written, which began from "
            @if let Some(base) = draft.base { "version " (base) } @else { "nothing" } ". A version made of it takes that one's changes back: " a href={ (path) "?number=" (newer.number) } { "see version " (newer.number) } "."
        } } }
        @if let Some((Adding::Nothing, _, faults)) = tried { div #faults role="alert" { p.notice.bad { (icons::bad()) span { "No version was made: " (parts::counted(i64::try_from(faults.len()).unwrap_or(0), "fault", "faults")) " in the draft." } } } }
        @if !faults.is_empty() { (faults_card(&path, faults)) }
        @match &flow {
            Ok(flow) => {
                section.card aria-labelledby="picture" {
                    div.card-head { h2 #picture { "How it goes" } @if people { a href={ (path) "/edit/start" } { "Where it begins" } } }
                    (editor::draw(flow, &path, faults))
                }
                div.columns {
                    div {
                        (steps_card(&path, flow, &findings, people))
                        @if may { (add_step(visitor, draft, &path, tried)) }
                    }
                    div {
                        (draft_card(visitor, draft, &path, may, faults))
                        @if let Some(newest) = newest { (publish_card(state, visitor, newest)) }
                        (parts_card(visitor, draft, &path, flow, may, people, tried))
                        (version_card(visitor, &path, None, &draft.versions))
                    }
                }
                @if let Some((number, before)) = &before { (changes_card(visitor, &format!("From version {number} to the draft"), before, flow)) }
                @if people { (trial(visitor, &draft.name, None, flow, params)) }
            }
            Err(_) if draft.is_blank() => {
                (parts::empty(&icons::calls(), "What happens first when somebody calls?", &html! { "Choose the first step. Each step has a form, and leads to the next." }))
                @if may { (add_step(visitor, draft, &path, tried)) p.links { a href={ (path) "/text" } { "Write it as text instead" } } }
            }
            Err(_) => {
                (draft_card(visitor, draft, &path, may, faults))
                p.links { a href={ (path) "/text" } { "Mend the text" } }
                (version_card(visitor, &path, None, &draft.versions))
            }
        }
    }
}

/// A sentence on how the draft and the versions stand.
fn standing(visitor: &Visitor, draft: &Draft) -> Markup {
    html! {
        @match draft.versions.first() {
            Some(newest) => { "Version " (newest.number) " is the newest, of " (parts::when(visitor, newest.created_at)) "." }
            None => { "It has no version yet." }
        }
        @if let (true, Some((at, by))) = (draft.differs(), &draft.changed) { " The draft was changed by " (by) ", " (parts::when(visitor, *at)) "." }
    }
}

fn faults_card(path: &str, faults: &[Fault]) -> Markup {
    html! {
        section.card.faulty aria-labelledby="wrong" {
            div.card-head { h2 #wrong { "To be mended before it can be a version" } span.count { (faults.len()) } }
            ul { @for fault in faults { li { (icons::bad()) span { @if !fault.place.is_empty() { (editor::place_link(path, &fault.place)) " " } (payload::told(editor::problem(fault))) } } } }
        }
    }
}

/// The steps in the order of a call, each with its ways on.
fn steps_card(path: &str, flow: &Flow, findings: &Findings, people: bool) -> Markup {
    let at = |fault: &&Fault, name: &str| editor::is_at(&fault.place, &format!("steps.{name}"));
    html! {
        section.card aria-labelledby="steps" {
            div.card-head { h2 #steps { "Steps" } span.count { (flow.steps.len()) } }
            ol.steps { @for name in reading(flow) { @if let Some(step) = flow.steps.get(name) {
                @let faults = findings.faults.iter().filter(|fault| at(fault, name)).count();
                @let warnings: Vec<&Fault> = findings.warnings.iter().filter(|fault| at(fault, name)).collect();
                li #{ "step-" (name) } {
                    p.step-head {
                        @if people { a href={ (path) "/edit/steps." (name) } { (name) } } @else { strong { (name) } }
                        span.chip { (kind(step.kind()).map_or("", |kind| kind.title)) }
                        @if faults > 0 { (parts::pill(parts::Tone::Bad, &parts::counted(i64::try_from(faults).unwrap_or(0), "fault", "faults"))) }
                    }
                    @if let (true, Some(words)) = (people, words_of(step)) { p.hint.quote { (payload::safe(words)) } }
                    @for warning in warnings { p.hint { (icons::alert()) " " (payload::told(&warning.problem)) } }
                    @let edges = step.edges();
                    @if !edges.is_empty() { ul.leads { @for edge in &edges { li { (payload::safe(&way_words(step, &edge.field))) " → " @if flow.steps.contains_key(edge.to) { a href={ "#step-" (edge.to) } { (edge.to) } } @else { span.gone { @if edge.to.is_empty() { "nothing yet" } @else { (payload::safe(edge.to)) ", which is not there" } } } } } } }
                }
            } } }
        }
    }
}

/// A way out of a step, as its form calls it.
fn way_words(step: &Step, field: &str) -> String {
    let label = || kind(step.kind()).and_then(|kind| kind.fields.iter().find(|known| known.name == field));
    editor::way_word(field).unwrap_or_else(|| label().map_or(field, |field| field.label).to_owned())
}

/// What a step says, for who looks for it.
fn words_of(step: &Step) -> Option<&str> {
    match step {
        Step::Say(say) => say.text.as_deref().or(say.play.as_deref()),
        Step::Ask(ask) => ask.text.as_deref().or(ask.play.as_deref()),
        Step::Voicemail(voicemail) => Some(&voicemail.text),
        Step::Agent(agent) => agent.greet.as_deref(),
        Step::Text(text) => Some(&text.body),
        Step::End(end) => end.text.as_deref(),
        Step::Route(_) | Step::Ring(_) => None,
    }
}

fn add_step(visitor: &Visitor, draft: &Draft, path: &str, tried: Option<(Adding, &str, &[Fault])>) -> Markup {
    let tried = tried.filter(|tried| tried.0 == Adding::Step);
    html! {
        section.card aria-labelledby="add" {
            div.card-head { h2 #add { @if draft.is_blank() { "The first step" } @else { "Another step" } } }
            form.inline method="post" action={ (path) "/add" } {
                (token(visitor)) input type="hidden" name="seen" value=(draft.seen());
                label { span { "What it does" } select name="do" { (editor::kinds()) } }
                (name_field(tried.map(|tried| (tried.1, tried.2)), "greeting"))
                button type="submit" { "Add it" }
            }
        }
    }
}

fn name_field(tried: Option<(&str, &[Fault])>, example: &str) -> Markup {
    let faults = tried.map_or(&[][..], |(_, faults)| faults);
    html! {
        div {
            label { span { "Its name" } input name="name" required placeholder=(example) value=[tried.map(|(name, _)| name)] autocomplete="off" spellcheck="false" aria-invalid=[tried.map(|_| "true")] aria-describedby=[tried.map(|_| "name-fault")]; }
            @if tried.is_some() { div.wrong #name-fault role="alert" { @for fault in faults { p { (icons::bad()) span { (payload::told(&fault.problem)) "." } } } } }
        }
    }
}

/// What is done with the draft as a whole.
fn draft_card(visitor: &Visitor, draft: &Draft, path: &str, may: bool, faults: &[Fault]) -> Markup {
    let press = |action: &str, which: &str, class: Option<&str>, word: &str| {
        html! {
            form method="post" action={ (path) (action) } {
                (token(visitor)) input type="hidden" name="seen" value=(draft.seen()); input type="hidden" name="which" value=(which);
                button type="submit" class=[class] { (word) }
            }
        }
    };
    html! {
        section.card aria-labelledby="draft" {
            div.card-head { h2 #draft { "Draft" } @if draft.differs() { (parts::pill(parts::Tone::Wait, "Not a version yet")) } @else { (parts::pill(parts::Tone::Good, "As the newest version")) } }
            @if draft.differs() { p { "Callers hear none of it until a version is made and a line is pointed at it." } }
            @else { p { "Change a step, and it becomes a draft. Everybody who edits this flow shares it." } }
            @if may && draft.changed.is_some() { div.actions {
                @if draft.differs() && faults.is_empty() { (press("", "version", Some("primary"), "Make it a version")) }
                @if draft.former.is_some() { (press("/draft", "undo", None, "Undo the last change")) }
                @if draft.differs() && !draft.versions.is_empty() { (press("/draft", "discard", Some("danger"), "Discard the draft")) }
            } }
        }
    }
}

/// Lines that could follow a version.
fn publish_card(state: &State, visitor: &Visitor, version: &Stored) -> Markup {
    let mut lines = state.lines.all();
    lines.sort_by(|a, b| a.name.cmp(&b.name));
    html! {
        @if visitor.may(Scope::LinesWrite) { section.card aria-labelledby="publish" {
            div.card-head { h2 #publish { "Publish version " (version.number) } }
            @if lines.is_empty() { p.hint { "There is no line yet: " code { "smartline line add --help" } } }
            ul.brief { @for line in lines.iter().take(50) { li {
                @if line.flow_version == Some(version.id) { span { (payload::safe(&line.name)) } (parts::pill(parts::Tone::Good, "Follows it")) }
                @else { a href={ "/console/lines/" (line.id) "/publish?version=" (version.id) } { "On " (payload::safe(&line.name)) } }
            } } }
        } }
    }
}

/// The parts that are no steps.
fn parts_card(
    visitor: &Visitor,
    draft: &Draft,
    path: &str,
    flow: &Flow,
    may: bool,
    people: bool,
    tried: Option<(Adding, &str, &[Fault])>,
) -> Markup {
    let tried = tried.filter(|tried| tried.0 == Adding::Hours);
    html! {
        @if people { section.card aria-labelledby="parts" {
            div.card-head { h2 #parts { "Beginning, people, hours" } }
            ul.brief {
                li { a href={ (path) "/edit/start" } { "Where it begins" } }
                li { a href={ (path) "/edit/people" } { "People" } span.when { (flow.people.len()) } }
                li { a href={ (path) "/edit/providers" } { "Carriers" } span.when { (flow.providers.iter().map(|provider| provider.title()).collect::<Vec<_>>().join(", ")) } }
                @for name in flow.hours.keys() { li { a href={ (path) "/edit/hours." (name) } { "Hours: " (name) } } }
            }
            @if may { details open[tried.is_some()] { summary { "Add opening hours" }
                form.stack method="post" action={ (path) "/add" } {
                    (token(visitor)) input type="hidden" name="seen" value=(draft.seen());
                    (name_field(tried.map(|tried| (tried.1, tried.2)), "office"))
                    button type="submit" { "Add them" }
                }
            } }
        } }
    }
}

fn version_card(visitor: &Visitor, path: &str, shown: Option<&Stored>, versions: &[Stored]) -> Markup {
    html! {
        section.card aria-labelledby="versions" {
            div.card-head { h2 #versions { "Versions" } span.count { (versions.len()) } }
            @if versions.is_empty() { p.hint { "None yet." } }
            ol.timeline { @for version in versions.iter().take(50) { li {
                span.dot { (icons::arrow()) }
                div {
                    p { a href={ (path) "?number=" (version.number) } { "Version " (version.number) } " · " (parts::counted(version.lines, "line", "lines")) }
                    p.hint { (parts::when(visitor, version.created_at)) " by " (version.created_by)
                        @if let Some(shown) = shown.filter(|shown| shown.number != version.number) { " · " a href={ (path) "?number=" (shown.number) "&with=" (version.number) "#changes" } { "Compare" } } }
                }
            } } }
        }
    }
}

/// What a caller does, as the address of the page has it.
fn input(text: &str) -> Option<Input> {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    let rest = rest.trim().to_owned();
    Some(match word {
        "press" => Input::Press(rest),
        "say" => Input::Say(rest),
        "wait" => Input::Wait,
        "answer" => Input::Answer,
        "message" => Input::Message,
        "hang-up" => Input::HangUp,
        _ => return None,
    })
}

/// A call that nobody makes: each step with both documents. Nothing is sent and nothing is kept.
fn trial(visitor: &Visitor, name: &str, number: Option<i32>, flow: &Flow, params: &Params) -> Markup {
    let given = params.get("do").unwrap_or_default();
    let (caller, profile) = (simulate::caller(simulate::CALLER), simulate::line());
    let mut call =
        Simulated::new(flow, profile, caller, flow.carrier(None).unwrap_or(Provider::Twilio), visitor.now);
    let mut steps: Vec<(String, Shown)> = vec![("The call comes in".to_owned(), call.call())];
    let mut stuck = None;
    for line in given.lines().map(str::trim).filter(|line| !line.is_empty()).take(INPUTS) {
        let Some(shown) = input(line).and_then(|input| call.go_on(&input)) else {
            stuck = (line != "hang-up").then_some(line);
            break;
        };
        steps.push((line.to_owned(), shown));
    }
    html! {
        section.card aria-labelledby="trial" {
            div.card-head { h2 #trial { "What callers hear" } @if call.is_over() { (parts::pill(parts::Tone::Plain, "Over")) } }
            form.stack action={ (PATH) "/" (name) "#trial" } {
                @if let Some(number) = number { input type="hidden" name="number" value=(number); }
                label { span { "What the caller does, a line each: press 1, say hello, wait, answer, message, hang-up" } textarea name="do" rows="4" spellcheck="false" { "\n" (given) } }
                button type="submit" { "Walk through it" }
            }
            @if let Some(line) = stuck { p.notice.warn { (icons::alert()) span { "That cannot happen there: " (payload::safe(line)) } } }
            ol.trial { @for (what, shown) in &steps { li {
                p { strong { (payload::safe(what)) } " " @for step in &shown.path { span.chip { (step) } " " } }
                ul.verbs { @for heard in &shown.heard { li { (payload::safe(heard)) } } }
                (editor::documents(shown))
            } } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_caller_does_is_read_line_by_line() {
        assert_eq!(input("press 12"), Some(Input::Press("12".to_owned())));
        assert_eq!(input("say good day"), Some(Input::Say("good day".to_owned())));
        assert_eq!(input("wait"), Some(Input::Wait));
        assert_eq!(input("dance"), None);
    }
}
