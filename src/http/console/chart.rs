//! The chart of requests by the hour: drawn in SVG, styled by classes, and the same figures as a table.

use maud::{Markup, html};

use super::{parts, visitor::Visitor};
use crate::provider::Provider;

/// An hour's requests: by provider, and those that were refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Hour {
    /// Hours since the epoch.
    pub(super) at: i64,
    /// In the order of [`Provider::ALL`].
    pub(super) kept: [i64; 3],
    pub(super) refused: i64,
}

impl Hour {
    fn total(&self) -> i64 {
        self.kept.iter().sum::<i64>() + self.refused
    }
}

/// The drawing's size; it is scaled to its place.
const WIDTH: i64 = 720;
const HEIGHT: i64 = 210;
/// Room for the scale and for the hours.
const LEFT: i64 = 34;
const BOTTOM: i64 = 22;
const TOP: i64 = 8;

/// Stacked bars.
pub(super) fn bars(visitor: &Visitor, hours: &[Hour]) -> Markup {
    let top = nice(hours.iter().map(Hour::total).max().unwrap_or(0));
    let room = HEIGHT - BOTTOM - TOP;
    let step = (WIDTH - LEFT) / i64::try_from(hours.len().max(1)).unwrap_or(1);
    let y = |count: i64| HEIGHT - BOTTOM - count * room / top;
    html! {
        svg.chart viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(summary(hours)) {
            @for line in [0, top / 2, top] {
                line.grid x1=(LEFT) x2=(WIDTH) y1=(y(line)) y2=(y(line)) {}
                text.scale x=(LEFT - 8) y=(y(line) + 4) text-anchor="end" { (short(line)) }
            }
            @for (place, hour) in hours.iter().enumerate() {
                @let x = LEFT + step * i64::try_from(place).unwrap_or(0);
                g.bar {
                    title { (spoken(visitor, hour)) }
                    rect.hit x=(x) y=(TOP) width=(step) height=(room) {}
                    @for (part, (class, from, to)) in stack(hour).into_iter().enumerate() {
                        @if to > from {
                            rect class={ "part " (class) } data-part=(part) x=(x + 3) y=(y(to)) width=(step - 6) height=((y(from) - y(to)).max(1)) rx="2" {}
                        }
                    }
                }
                @if place % 4 == 0 {
                    text.scale.minor[place % 8 != 0] x=(x + step / 2) y=(HEIGHT - 5) text-anchor="middle" {
                        (visitor.manner.format(super::tally::start_of(hour.at), "%H:%M"))
                    }
                }
            }
        }
    }
}

/// What a bar is made of, from below: class, from, to.
fn stack(hour: &Hour) -> [(&'static str, i64, i64); 4] {
    let mut at = 0;
    let mut part = |class, count: i64| {
        let from = at;
        at += count;
        (class, from, at)
    };
    [
        part("stripe", hour.kept[0]),
        part("twilio", hour.kept[1]),
        part("plivo", hour.kept[2]),
        part("refused", hour.refused),
    ]
}

/// What the colours mean.
pub(super) fn legend() -> Markup {
    html! {
        ul.legend {
            @for provider in Provider::ALL { li { (parts::provider(provider.name())) } }
            li { span.provider.refused { i aria-hidden="true" {} span { "Refused" } } }
        }
    }
}

/// The same as a table.
pub(super) fn table(visitor: &Visitor, hours: &[Hour]) -> Markup {
    html! {
        details.as-table {
            summary { "Show as a table" }
            div.scroll tabindex="0" role="region" aria-label="Requests by the hour" {
                table.figures {
                    caption.hidden { "Requests by the hour" }
                    thead { tr { th scope="col" { "Hour" } @for provider in Provider::ALL { th.num scope="col" { (parts::capital(provider.name())) } } th.num scope="col" { "Refused" } } }
                    tbody {
                        @for hour in hours.iter().rev() {
                            tr {
                                th scope="row" { (visitor.manner.format(super::tally::start_of(hour.at), "%-d %b %H:%M")) }
                                @for kept in hour.kept { td.num { (parts::number(kept)) } }
                                td.num { (parts::number(hour.refused)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The chart in one sentence.
pub(super) fn summary(hours: &[Hour]) -> String {
    let kept: i64 = hours.iter().flat_map(|hour| hour.kept).sum();
    let refused: i64 = hours.iter().map(|hour| hour.refused).sum();
    format!(
        "{} kept and {} refused in {} hours.",
        parts::counted(kept, "request", "requests"),
        parts::number(refused),
        hours.len()
    )
}

fn spoken(visitor: &Visitor, hour: &Hour) -> String {
    let at = visitor.manner.format(super::tally::start_of(hour.at), "%-d %b %H:%M");
    let [stripe, twilio, plivo] = hour.kept;
    format!("{at}: Stripe {stripe}, Twilio {twilio}, Plivo {plivo}, refused {}", hour.refused)
}

/// The least number of one digit and zeros that is no smaller, even, and at least 4: the end of the scale.
fn nice(most: i64) -> i64 {
    let mut unit = 1;
    while most > unit * 10 {
        unit *= 10;
    }
    let steps = [2, 4, 6, 8, 10];
    steps.iter().map(|step| step * unit).find(|end| *end >= most.max(4)).unwrap_or(unit * 10)
}

/// `12k` for 12 000.
fn short(count: i64) -> String {
    match count {
        0..10_000 => count.to_string(),
        10_000..10_000_000 => format!("{}k", count / 1000),
        _ => format!("{}M", count / 1_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_end_on_round_numbers() {
        for (most, end) in
            [(0, 4), (3, 4), (5, 6), (9, 10), (11, 20), (99, 100), (101, 200), (1_000_001, 2_000_000)]
        {
            assert_eq!(nice(most), end, "{most}");
        }
        assert_eq!(
            (short(9999).as_str(), short(12_345).as_str(), short(12_000_000).as_str()),
            ("9999", "12k", "12M")
        );
    }

    #[test]
    fn bars_stack() {
        let hour = Hour { at: 0, kept: [1, 2, 3], refused: 4 };
        assert_eq!(stack(&hour).map(|part| (part.1, part.2)), [(0, 1), (1, 3), (3, 6), (6, 10)]);
        assert_eq!(summary(&[hour]), "6 requests kept and 4 refused in 1 hours.");
    }
}
