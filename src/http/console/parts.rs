//! The pieces that pages are made of. Status is always an icon, a word and a colour.

use chrono::{DateTime, TimeDelta, Utc};
use maud::{Markup, html};
use serde_json::Value;

use super::{icons, visitor::Visitor};

/// What a status means for its reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Bad,
    Warn,
    /// Something is still going on.
    Wait,
    Plain,
}

impl Tone {
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Bad => "bad",
            Self::Warn => "warn",
            Self::Wait => "wait",
            Self::Plain => "quiet",
        }
    }

    pub(super) fn icon(self) -> Markup {
        match self {
            Self::Good => icons::ok(),
            Self::Bad => icons::bad(),
            Self::Warn => icons::alert(),
            Self::Wait => icons::wait(),
            Self::Plain => icons::dash(),
        }
    }
}

/// A status.
pub(super) fn pill(tone: Tone, word: &str) -> Markup {
    html! { span class={ "pill " (tone.class()) } { (tone.icon()) span { (word) } } }
}

/// A provider by its colour and name.
pub(super) fn provider(name: &str) -> Markup {
    html! { span class={ "provider " (name) } { i aria-hidden="true" {} span { (capital(name)) } } }
}

/// The first letter as a capital.
pub(super) fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A moment, absolute to the second and relative.
pub(super) fn when(visitor: &Visitor, at: DateTime<Utc>) -> Markup {
    html! { span.when { (time(visitor, at)) " " small.ago data-ago { (ago(visitor.now, at)) } } }
}

/// A moment, absolute alone.
pub(super) fn time(visitor: &Visitor, at: DateTime<Utc>) -> Markup {
    let (manner, now) = (visitor.manner, visitor.now);
    let same = |format| manner.format(at, format) == manner.format(now, format);
    let format = match (same("%F"), same("%Y")) {
        (true, _) => "%H:%M:%S",
        (false, true) => "%-d %b %H:%M:%S",
        (false, false) => "%-d %b %Y %H:%M:%S",
    };
    let iso = at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    html! { time datetime=(iso) title=(format!("{} {}", manner.format(at, "%F %T%.3f"), manner.zone_word(at))) { (manner.format(at, format)) } }
}

/// How long ago, or in how long, in one word and a number.
pub(super) fn ago(now: DateTime<Utc>, at: DateTime<Utc>) -> String {
    let distance = now - at;
    let text = span(distance.abs());
    match distance {
        near if near.abs() < TimeDelta::seconds(5) => "now".to_owned(),
        past if past > TimeDelta::zero() => format!("{text} ago"),
        _ => format!("in {text}"),
    }
}

/// A length of time in its largest unit.
pub(super) fn span(length: TimeDelta) -> String {
    let seconds = length.num_seconds();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// A short length of time: `40 ms`, `2.5 s`.
pub(super) fn took(length: TimeDelta) -> String {
    match length.num_milliseconds().max(0) {
        short @ 0..1000 => format!("{short} ms"),
        long @ 1000..60_000 => format!("{}.{} s", long / 1000, long % 1000 / 100),
        _ => span(length),
    }
}

/// `1 m 05 s`.
pub(super) fn duration(seconds: i64) -> String {
    if seconds < 60 { format!("{seconds} s") } else { format!("{} m {:02} s", seconds / 60, seconds % 60) }
}

/// A number with thin spaces between thousands.
pub(super) fn number(count: i64) -> String {
    let digits = count.unsigned_abs().to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{2009}');
        }
        text.push(digit);
    }
    if count < 0 { format!("−{text}") } else { text }
}

/// `1 event`, `2 events`.
pub(super) fn counted(count: i64, one: &str, many: &str) -> String {
    format!("{} {}", number(count), if count == 1 { one } else { many })
}

/// An id that can be copied.
pub(super) fn id(text: &str) -> Markup {
    html! {
        span.id { code { (text) } (copy(text, "Copy the id")) }
    }
}

/// A button that copies a text; there only with script.
pub(super) fn copy(text: &str, label: &str) -> Markup {
    html! {
        button.copy type="button" data-copy=(text) aria-label=(label) title=(label) hidden { (icons::copy()) }
    }
}

/// The head of a page.
pub(super) fn head(title: &str, about: &Markup, actions: &Markup) -> Markup {
    html! {
        div.head {
            div { h1 { (title) } p.about { (about) } }
            div.actions { (actions) }
        }
    }
}

/// The head of a page about one thing, with the way back to the list.
pub(super) fn crumbs(list: &str, path: &str) -> Markup {
    html! { nav.crumbs aria-label="Back" { a href=(path) { (list) } (icons::arrow()) } }
}

/// Why there is nothing to see, and what would change that.
pub(super) fn empty(icon: &Markup, title: &str, text: &Markup) -> Markup {
    html! { div.empty { (icon) h2 { (title) } p { (text) } } }
}

/// A line of facts: name and value, and the event that set it where there is one.
pub(super) fn fact(name: &str, value: &Markup, source: Option<&str>) -> Markup {
    html! {
        div.fact {
            dt { (name) }
            dd {
                (value)
                @if let Some(event) = source {
                    " " a.source href={ "/console/events/" (event) } title="The event that set this" aria-label={ "The event that set: " (name) } { (icons::events()) }
                }
            }
        }
    }
}

/// Newer and older pages of a list. `first` and `last` are the ids at its ends.
pub(super) fn pager(path: &str, query: &str, newer: Option<&str>, older: Option<&str>) -> Markup {
    let link = |name: &str, id: &str| {
        let rest = if query.is_empty() { String::new() } else { format!("{query}&") };
        format!("{path}?{rest}{name}={id}")
    };
    html! {
        @if newer.is_some() || older.is_some() {
            nav.pager aria-label="Pages" {
                @if let Some(id) = newer { a.button href=(link("ending_before", id)) rel="prev" { "← Newer" } }
                @if newer.is_some() { a.button href=(if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }) { "Newest" } }
                @if let Some(id) = older { a.button href=(link("starting_after", id)) rel="next" { "Older →" } }
            }
        }
    }
}

/// A row of the database, read by column.
#[derive(Clone, Debug)]
pub(super) struct Row(pub(super) Value);

impl Row {
    pub(super) fn text(&self, column: &str) -> &str {
        self.0[column].as_str().unwrap_or_default()
    }

    pub(super) fn some(&self, column: &str) -> Option<&str> {
        self.0[column].as_str().filter(|text| !text.is_empty())
    }

    pub(super) fn number(&self, column: &str) -> Option<i64> {
        self.0[column].as_i64()
    }

    pub(super) fn truth(&self, column: &str) -> bool {
        self.0[column].as_bool().unwrap_or(false)
    }

    pub(super) fn time(&self, column: &str) -> Option<DateTime<Utc>> {
        DateTime::parse_from_rfc3339(self.0[column].as_str()?).ok().map(|at| at.to_utc())
    }

    /// The event that set a column, where it is known.
    pub(super) fn source(&self, columns: &str) -> Option<&str> {
        self.0["sources"][columns].as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_numbers_in_words() {
        let now = DateTime::from_timestamp(1_794_744_000, 0).unwrap();
        for (seconds, expected) in [
            (0, "now"),
            (4, "now"),
            (59, "59 s ago"),
            (60, "1 min ago"),
            (7199, "1 h ago"),
            (200_000, "2 d ago"),
            (-120, "in 2 min"),
        ] {
            assert_eq!(ago(now, now - TimeDelta::seconds(seconds)), expected, "{seconds}");
        }
        for (count, expected) in
            [(0, "0"), (999, "999"), (1000, "1\u{2009}000"), (-1_234_567, "−1\u{2009}234\u{2009}567")]
        {
            assert_eq!(number(count), expected);
        }
        assert_eq!((duration(59).as_str(), duration(65).as_str()), ("59 s", "1 m 05 s"));
        assert_eq!((capital("stripe").as_str(), capital("").as_str()), ("Stripe", ""));
    }
}
