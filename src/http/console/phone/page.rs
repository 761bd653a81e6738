//! A line's page: what it says, and the phone to try it.

use axum::response::Response;
use maud::{Markup, html};

use super::{
    CALLER, Handset, LONGEST, WITHHELD,
    story::{Moment, Story, Talk},
};
use crate::{
    access::Scope,
    carrier::{
        Heard, Rung,
        walk::{Waits, waits},
    },
    domain::{
        id::{self, EventId},
        verb::{Ask, Verb},
    },
    http::{
        console::{
            assets::{PHONE_SCRIPT, PHONE_STYLE},
            icons,
            lines::{PATH, flow_of, masked, standing},
            page::{self, Section, token},
            parts::{self, Tone, fact, pill},
            payload,
            visitor::Visitor,
            words,
        },
        state::State,
    },
    lines::simulate::heard,
    outbox::Owed,
    provider::{Provider, plivo::xml, twilio::twiml},
};

/// The keys of a phone, in their rows.
const KEYS: [&str; 12] = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#"];

/// The whole page.
pub(super) fn page(state: &State, visitor: &Visitor, handset: &Handset<'_>) -> Response {
    let line = handset.line;
    let (flow, flow_name) = flow_of(state, line);
    let (tone, word) = standing(state, visitor, line);
    let body = html! {
        link rel="stylesheet" href=(PHONE_STYLE.path());
        script src=(PHONE_SCRIPT.path()) defer {}
        (parts::crumbs("Lines", PATH))
        div.head {
            div {
                h1 { (line.name) }
                p.tags { (parts::provider(line.provider.name())) (pill(tone, word)) span { (masked(&line.number)) } }
            }
            div.actions { a.button href={ (PATH) "/" (line.id) "/settings" } { "Settings, publications and contacts" } }
        }
        (calling(state, visitor, handset))
        (texting(state, visitor, handset))
        div.columns.even {
            section.card aria-labelledby="facts" {
                div.card-head { h2 #facts { "Summary" } }
                dl.facts {
                    (fact("Flow", &html! { (flow_name) }, None))
                    (fact("Zone", &html! { (line.zone.name()) }, None))
                    (fact("Language", &html! { (line.language) }, None))
                    (fact("Texts by itself", &html! { @if line.settings.a2p { "registered" } @else { "not registered: no text-back" } }, None))
                    (fact("Recording", &html! { @if line.settings.record_calls { "conversations" } @else { "messages alone" } }, None))
                    (fact("Emergencies", &html! { "cannot be called" }, None))
                }
            }
            section.card aria-labelledby="steps" {
                div.card-head { h2 #steps { "Steps" } span.count { (flow.steps.len()) } }
                dl.facts {
                    @for (name, step) in &flow.steps { (fact(name, &html! { (step.kind()) (ways(step)) }, None)) }
                }
            }
        }
    };
    page::page(visitor, Section::Lines, &line.name, &body)
}

fn ways(step: &crate::lines::document::Step) -> String {
    let ways: Vec<String> = step.edges().iter().map(|edge| format!("{} → {}", edge.field, edge.to)).collect();
    if ways.is_empty() { String::new() } else { format!(": {}", ways.join(", ")) }
}

/// What keeps this visitor from using the phone; none where nothing does.
fn hindrance(visitor: &Visitor) -> Option<Scope> {
    [Scope::PiiRead, Scope::LinesWrite].into_iter().find(|scope| !visitor.may(*scope))
}

fn calling(state: &State, visitor: &Visitor, handset: &Handset<'_>) -> Markup {
    let story = handset.story.as_ref();
    let (tone, word) = match story {
        None => (Tone::Plain, "Ready"),
        Some(story) if story.is_over() => (Tone::Plain, "Call over"),
        Some(_) => (Tone::Good, "In a call"),
    };
    html! {
        section.card.phone #phone aria-labelledby="phone-title" data-phone {
            div.card-head {
                h2 #phone-title { "Call this line" }
                span.count { (word) }
                @if let Some(story) = story { a href={ "/console/calls/" (story.call.id) } { "The call, and why" } }
            }
            @if let Some(trouble) = &handset.trouble { p.notice.bad role="alert" { (icons::bad()) span { (trouble) } } }
            @if !visitor.may(Scope::PiiRead) { p { "The phone shows whom the line rings, so it needs the scope " code { "pii:read" } "." } }
            @else { div.phone-body {
                div.handset {
                    div.handset-top {
                        span class={ "dot " (tone.class()) } { (icons::calls()) }
                        p.handset-name { (handset.line.name) }
                        p.handset-number { (masked(&handset.line.number)) }
                    }
                    @match (hindrance(visitor), story.filter(|story| !story.is_over())) {
                        (Some(scope), _) => p.hint { "To call, the scope " code { (scope) } " is needed." },
                        (None, Some(story)) => (controls(visitor, handset, story)),
                        (None, None) => (starting(state, visitor, handset)),
                    }
                }
                div.talk tabindex="0" role="log" aria-label="The call so far" {
                    @match story {
                        Some(story) => ol.talk-list { @for (place, moment) in story.moments.iter().enumerate() { (told(state, visitor, story, place, moment)) } },
                        None => (nobody()),
                    }
                }
            } }
        }
    }
}

fn nobody() -> Markup {
    html! {
        div.talk-empty {
            (icons::calls())
            h3 { "Nobody is on the line" }
            p { "Press Call. This service then gets the requests that the carrier would send: really signed, checked, kept and answered. They are labelled simulated: nothing is sent to anybody, and no figure counts them." }
        }
    }
}

/// What stands in every form that begins something.
fn begins(visitor: &Visitor, id: uuid::Uuid) -> Markup {
    html! { (token(visitor)) input type="hidden" name="id" value=(id); }
}

/// The form that calls.
fn starting(state: &State, visitor: &Visitor, handset: &Handset<'_>) -> Markup {
    let line = handset.line;
    let missing = state.providers.missing(handset.provider);
    html! {
        (keypad(None))
        form method="post" action={ (PATH) "/" (line.id) "/call" } {
            (begins(visitor, EventId::new(visitor.now).uuid()))
            label { span { "From" } input name="from" value=(handset.from) inputmode="tel" autocomplete="off" aria-describedby="from-hint"; }
            p.hint #from-hint { "A number that nobody has, such as " (CALLER) ", or " (WITHHELD) "." }
            fieldset.carriers {
                legend { "By" }
                @for provider in [Provider::Twilio, Provider::Plivo] {
                    label.check {
                        input type="radio" name="carrier" value=(provider.name()) checked[provider == handset.provider];
                        span { (parts::provider(provider.name())) @if provider != line.provider { small { " not this line's" } } }
                    }
                }
            }
            @if !missing.is_empty() { p.hint { "To sign as " (parts::capital(handset.provider.name())) " does, set " (missing.join(" and ")) ", and restart." } }
            button.primary.dial { (icons::calls()) @if handset.story.is_some() { "Call again" } @else { "Call" } }
        }
    }
}

/// The buttons of a call that goes on.
fn controls(visitor: &Visitor, handset: &Handset<'_>, story: &Story) -> Markup {
    let path = format!("{PATH}/{}/call/{}", handset.line.id, story.call.id);
    let last = story.last().map(|event| EventId::from(event).to_string()).unwrap_or_default();
    let hidden = || html! { (token(visitor)) input type="hidden" name="after" value=(last); };
    let form = |inner: Markup| html! { form method="post" action=(path) { (hidden()) (inner) } };
    let deeds = |deeds: &[(&str, &str)]| {
        form(html! { div.deeds { @for (deed, word) in deeds { button name="do" value=(deed) { (word) } } } })
    };
    let waits = story.verbs().and_then(waits);
    let keys = match waits {
        Some(Waits::Answer(ask)) => ask.digits,
        _ => None,
    };
    html! {
        (form(keypad(keys)))
        @match waits {
            Some(Waits::Answer(ask)) => { (answers(ask, &form)) (deeds(&[("wait", "Stay silent")])) },
            Some(Waits::Ring(_)) => (deeds(&[("answer", "They answer"), ("wait", "Nobody answers"), ("busy", "They are busy"), ("machine", "A mailbox answers")])),
            Some(Waits::Message(_)) => (deeds(&[("message", "Leave a message")])),
            Some(Waits::Agent) => (deeds(&[("agent", "The agent is done"), ("wait", "The agent fails")])),
            None => p.hint { "The document waits for nothing that the phone knows." },
        }
        (form(html! { button.hang-up name="do" value="hangup" { (icons::calls()) "Hang up" } }))
    }
}

/// More than one key, and words.
fn answers(ask: &Ask, form: &dyn Fn(Markup) -> Markup) -> Markup {
    html! {
        @if let Some(most) = ask.digits.filter(|most| *most > 1) {
            (form(html! { div.say {
                label.hidden for="keys" { "Several keys" }
                input #keys name="keys" inputmode="tel" pattern="[0-9*#]+" maxlength=(most) placeholder={ "Up to " (most) " keys" } autocomplete="off";
                button name="do" value="press" { "Press" }
            } }))
        }
        @if ask.speech.is_some() {
            (form(html! { div.say {
                label.hidden for="words" { "Words" }
                input #words name="words" maxlength=(LONGEST) placeholder="Say something" autocomplete="off";
                button name="do" value="say" { "Say" }
            } }))
        }
    }
}

/// The keys; they can be pressed where the line waits for some.
fn keypad(keys: Option<u16>) -> Markup {
    html! {
        div.keypad role="group" aria-label="Keys" {
            @for key in KEYS { button type="submit" name="do" value={ "press:" (key) } disabled[keys.is_none()] aria-label={ "Press " (key) } { (key) } }
        }
    }
}

/// A request, and what came of it.
fn told(state: &State, visitor: &Visitor, story: &Story, place: usize, moment: &Moment) -> Markup {
    let link = format!("/console/events/{}", id::shown("event_", moment.event));
    if !moment.asks() {
        return html! { li.aside { a href=(link) { (words::kind(&moment.kind)) } small { (parts::time(visitor, moment.at)) } } };
    }
    let before = story.moments[..place].iter().rfind(|before| before.asks());
    let asked = before.and_then(|before| waits(before.verbs.as_deref()?));
    let last = story.last() == Some(moment.event);
    html! {
        li.turn {
            p.did { (did(moment, asked)) }
            (said(moment))
            (grounds(moment, &link, visitor))
            (documents(state, story.call.provider, moment, last))
        }
    }
}

/// What somebody did, in words.
fn did(moment: &Moment, asked: Option<Waits<'_>>) -> Markup {
    match moment.heard() {
        _ if moment.begins => html! { "The call comes in" },
        Heard::Keys(keys) => html! { "Presses " strong { (payload::safe(&keys)) } },
        Heard::Words(words) => html! { "“" (payload::safe(&words)) "”" },
        Heard::Rung(Rung::Taken) => html! { "Took the call, and hung up" },
        Heard::Rung(Rung::NotTaken) => html! { "Picked up, and did not take the call" },
        Heard::Rung(Rung::Busy) => html! { "Was busy" },
        Heard::Rung(Rung::Missed) => html! { "Nobody took the call" },
        Heard::Recorded(seconds) => html! { "Speaks for " (seconds) " s" },
        Heard::Nothing if matches!(asked, Some(Waits::Answer(_))) => html! { "Stays silent" },
        Heard::Nothing => html! { "The call goes on" },
    }
}

/// What is heard, said and done.
fn said(moment: &Moment) -> Markup {
    let Some(verbs) = &moment.verbs else { return html! { p.note { "The answer is not understood." } } };
    html! {
        @for verb in verbs {
            @match verb {
                Verb::Text(text) => p.said { (payload::safe(&text.body)) },
                verb => @for line in heard(verb) {
                    @match line.strip_prefix('“').and_then(|line| line.strip_suffix('”')) {
                        Some(words) => p.said { (payload::safe(words)) },
                        None => p.note { (payload::safe(line.trim_matches(['(', ')']))) },
                    }
                }
            }
        }
        @if verbs.is_empty() { p.note { "nothing is said" } }
    }
}

/// Which steps were run and why, and the event that was kept.
fn grounds(moment: &Moment, link: &str, visitor: &Visitor) -> Markup {
    let decision = moment.decision.as_ref();
    html! {
        p.meta {
            @for step in decision.iter().flat_map(|decision| &decision.path) { span.chip { (step) } }
            a href=(link) { "Event" }
            small { (parts::time(visitor, moment.at)) }
        }
        @if let Some(decision) = decision {
            @for test in &decision.tests { p.hint { (test.step) ": " (test.test) @if test.holds { " holds" } @else { " does not hold" } " (" (test.saw) ")" } }
            @for guard in decision.guards.iter().filter(|guard| !guard.passed) { p.hint { (guard.guard) ": " (guard.saw) } }
            @if let Some(cause) = &decision.cause { p.notice.warn { (icons::alert()) span { (cause) } } }
        }
    }
}

/// The document that was answered, and what the other carrier is given for the same.
fn documents(state: &State, provider: Provider, moment: &Moment, open: bool) -> Markup {
    let origin = state.origins.first().map_or("", String::as_str);
    let verbs = moment.verbs.as_ref().map(|verbs| limited(verbs, moment)).unwrap_or_default();
    let (name, other, document) = match provider {
        Provider::Plivo => ("Plivo", "Twilio", twiml::render(&verbs, origin)),
        _ => ("Twilio", "Plivo", xml::render(&verbs, origin)),
    };
    let answer = if moment.answer.is_empty() { "<Response/>" } else { &moment.answer };
    html! {
        details.documents open[open] {
            summary { "XML" }
            div.columns.even {
                div { p.hint { (name) " was answered" } pre.payload tabindex="0" aria-label={ "XML for " (name) } { (payload::safe(&spread(answer))) } }
                div { p.hint { (other) " is given for the same" } pre.payload tabindex="0" aria-label={ "XML for " (other) } { (payload::safe(&spread(&document.unwrap_or_default()))) } }
            }
        }
    }
}

/// The verbs, with the limit of a stream that Twilio's document does not name: what ends the call was decided beside it.
fn limited(verbs: &[Verb], moment: &Moment) -> Vec<Verb> {
    let owed = moment.decision.iter().flat_map(|decision| &decision.owed);
    let end = owed.filter_map(|owed| match owed {
        Owed::EndCall(end) => u16::try_from((end.at - moment.at).num_seconds()).ok(),
        _ => None,
    });
    let limit = end.min();
    let mut verbs = verbs.to_vec();
    for verb in &mut verbs {
        if let (Verb::Stream(stream), Some(limit)) = (verb, limit) {
            stream.limit = limit;
        }
    }
    verbs
}

/// A document of ours, an element a line. Between its elements there is nothing, and no text of it holds a bare `>`.
fn spread(document: &str) -> String {
    let mut depth = 0_usize;
    let mut lines = Vec::new();
    for line in document.replace("><", ">\n<").lines() {
        let closes = line.starts_with("</");
        depth -= usize::from(closes && depth > 0);
        lines.push(format!("{:indent$}{line}", "", indent = depth * 2));
        let opens = !closes && !line.starts_with("<?") && !line.ends_with("/>") && !line.contains("</");
        depth += usize::from(opens);
    }
    lines.join("\n")
}

/// A conversation by texts.
fn texting(state: &State, visitor: &Visitor, handset: &Handset<'_>) -> Markup {
    let talk = handset.talk.as_ref();
    let moments = talk.map_or(&[][..], |talk| &talk.moments);
    let id = talk.map_or_else(|| EventId::new(visitor.now).uuid(), |talk: &Talk| talk.id);
    html! {
        section.card.phone #texts aria-labelledby="texts-title" data-phone {
            div.card-head { h2 #texts-title { "Text this line" } span.count { (moments.len()) } @if talk.is_some() { a href={ (PATH) "/" (handset.line.id) "#texts" } { "Begin another" } } }
            @if !moments.is_empty() {
                ol.talk-list { @for (place, moment) in moments.iter().enumerate() {
                    li.turn {
                        p.did { (payload::safe(moment.params.first_of(&["Body", "Text"]).unwrap_or_default())) }
                        (said(moment))
                        (grounds(moment, &format!("/console/events/{}", id::shown("event_", moment.event)), visitor))
                        (documents(state, handset.provider, moment, place + 1 == moments.len()))
                    }
                } }
            }
            @match hindrance(visitor) {
                Some(scope) => p.hint { "To write, the scope " code { (scope) } " is needed." },
                None => form method="post" action={ (PATH) "/" (handset.line.id) "/text" } {
                    (begins(visitor, id))
                    input type="hidden" name="carrier" value=(handset.provider.name());
                    input type="hidden" name="from" value=(handset.from);
                    input type="hidden" name="nth" value=(moments.len());
                    div.say {
                        label.hidden for="body" { "Text" }
                        input #body name="body" maxlength=(LONGEST) placeholder={ "A text from " (handset.from) } autocomplete="off" required;
                        button { (icons::messages()) "Send" }
                    }
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_spread_over_lines() {
        let document = r#"<?xml version="1.0"?><Response><Gather input="dtmf"><Say>Press 1 &gt;&lt; now</Say></Gather><Hangup/></Response>"#;
        let expected = "<?xml version=\"1.0\"?>\n<Response>\n  <Gather input=\"dtmf\">\n    <Say>Press 1 &gt;&lt; now</Say>\n  </Gather>\n  <Hangup/>\n</Response>";
        assert_eq!(spread(document), expected);
        assert_eq!(spread(""), "");
    }
}
