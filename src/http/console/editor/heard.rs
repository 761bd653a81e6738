//! What a step comes to: what is heard of it, and both carriers' documents.

use maud::{Markup, html};

use crate::{
    http::console::{icons, payload, visitor::Visitor},
    lines::{
        document::Flow,
        engine::Start,
        simulate::{self, Shown},
    },
    provider::Provider,
};

/// What a step comes to on both carriers: a conversation that begins with it.
pub(super) fn heard(visitor: &Visitor, flow: &Flow, name: &str) -> Markup {
    let caller = simulate::caller(simulate::CALLER);
    let carrier = flow.carrier(None).unwrap_or(Provider::Twilio);
    let (start, shown) = simulate::begun(flow, name, simulate::line(), caller, carrier, visitor.now);
    let told = match start {
        Start::Call => "What a carrier is told when a call comes to this step, up to where it waits.",
        Start::Text => "The answer to a text that comes to this step.",
        Start::Missed => "What is done after a missed call that comes to this step.",
    };
    html! {
        section.card aria-labelledby="heard" {
            div.card-head { h2 #heard { "What it comes to" } }
            p.hint { (told) }
            @if let Some(cause) = shown.cause { p.notice.warn { (icons::alert()) span { "It cannot be followed to its end: " (cause) "." } } }
            ul.verbs { @for heard in shown.told() { li { (payload::safe(&heard)) } } }
            (documents(&shown))
        }
    }
}

/// Both documents, side by side.
pub(in super::super) fn documents(shown: &Shown) -> Markup {
    html! {
        div.columns.even {
            @for (carrier, document) in shown.documents() {
                div { p.hint { (carrier.title()) } pre.payload tabindex="0" { (payload::safe(&indented(document))) } }
            }
        }
    }
}

/// A document with each element on a line of its own; one that holds nothing but words stays on one.
fn indented(document: &str) -> String {
    let (mut lines, mut depth) = (Vec::new(), 0_usize);
    for piece in document.split_inclusive('>').collect::<Vec<_>>() {
        let tag = &piece[piece.find('<').unwrap_or(0)..];
        let closes = tag.starts_with("</");
        if closes {
            depth = depth.saturating_sub(1);
        }
        let after_words = closes && !piece.starts_with('<');
        let empty = closes && lines.last().is_some_and(|(_, line): &(usize, String)| opens(line, tag));
        match lines.last_mut() {
            Some((_, line)) if after_words || empty => line.push_str(piece),
            _ => lines.push((depth, piece.to_owned())),
        }
        if !closes && !tag.ends_with("/>") && !tag.starts_with("<?") {
            depth += 1;
        }
    }
    lines.iter().map(|(depth, line)| format!("{}{line}", "  ".repeat(*depth))).collect::<Vec<_>>().join("\n")
}

/// Whether a line is the beginning of the element that a tag ends.
fn opens(line: &str, end: &str) -> bool {
    let name = end.trim_start_matches("</").trim_end_matches('>');
    line.strip_prefix('<')
        .and_then(|rest| rest.strip_prefix(name))
        .is_some_and(|rest| rest.starts_with([' ', '>']))
        && line.matches('<').count() == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_shown_an_element_a_line() {
        for (document, expected) in [
            ("<Response/>", "<Response/>"),
            ("<Response></Response>", "<Response></Response>"),
            (
                "<Response><Gather input=\"dtmf\"><Say>Press 1 &gt; 0</Say></Gather><Hangup/></Response>",
                "<Response>\n  <Gather input=\"dtmf\">\n    <Say>Press 1 &gt; 0</Say>\n  </Gather>\n  <Hangup/>\n</Response>",
            ),
            ("", ""),
        ] {
            assert_eq!(indented(document), expected);
        }
    }
}
