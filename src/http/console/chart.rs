//! Charts of stacked bars: drawn in SVG, styled by classes, each with a sentence that says the same and a table of its
//! figures.

use maud::{Markup, html};

use super::parts;

/// What a part of each bar stands for: the class of its colour, and its name.
pub(super) type Series = (&'static str, &'static str);

/// A bar.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bar {
    /// In full, for the table and whoever points at it.
    pub(super) name: String,
    /// Below it; empty for none.
    pub(super) label: String,
    /// Left out where there is little room.
    pub(super) minor: bool,
    /// In the order of the series, from below.
    pub(super) counts: Vec<i64>,
}

impl Bar {
    fn total(&self) -> i64 {
        self.counts.iter().sum()
    }
}

/// A chart.
pub(super) struct Chart<'c> {
    /// What it shows, in a sentence.
    pub(super) summary: String,
    /// What the table is called, and its first column.
    pub(super) caption: &'static str,
    pub(super) first: &'static str,
    pub(super) series: &'c [Series],
    pub(super) bars: Vec<Bar>,
    /// Whether its place is half as broad, so that its letters are not scaled down with it.
    pub(super) half: bool,
}

/// The drawing's size, of the whole breadth and of half of it; it is scaled to its place.
const WIDTH: i64 = 720;
const HALF: i64 = 500;
const HEIGHT: i64 = 210;
/// Room for the scale and for the labels.
const LEFT: i64 = 34;
const BOTTOM: i64 = 22;
const TOP: i64 = 8;

impl Chart<'_> {
    /// The drawing.
    pub(super) fn drawing(&self) -> Markup {
        let top = nice(self.bars.iter().map(Bar::total).max().unwrap_or(0));
        let room = HEIGHT - BOTTOM - TOP;
        let width = if self.half { HALF } else { WIDTH };
        let step = (width - LEFT) / i64::try_from(self.bars.len().max(1)).unwrap_or(1);
        // A bar as broad as a thumb looks like a wall.
        let gap = (step / 8).max((step - 56) / 2);
        let y = |count: i64| HEIGHT - BOTTOM - count * room / top;
        html! {
            svg.chart viewBox={ "0 0 " (width) " " (HEIGHT) } role="img" aria-label=(self.summary) {
                @for line in [0, top / 2, top] {
                    line.grid x1=(LEFT) x2=(width) y1=(y(line)) y2=(y(line)) {}
                    text.scale.zero[line == 0] x=(LEFT - 8) y=(y(line) + 4) text-anchor="end" { (short(line)) }
                }
                @for (place, bar) in self.bars.iter().enumerate() {
                    @let x = LEFT + step * i64::try_from(place).unwrap_or(0);
                    g.bar {
                        title { (self.spoken(bar)) }
                        rect.hit x=(x) y=(TOP) width=(step) height=(room) {}
                        @for (class, from, to) in self.stack(bar) {
                            @if to > from { rect class={ "part " (class) } x=(x + gap) y=(y(to)) width=(step - 2 * gap) height=((y(from) - y(to)).max(1)) rx="2" {} }
                        }
                    }
                    @if !bar.label.is_empty() { text.scale.minor[bar.minor] x=(x + step / 2) y=(HEIGHT - 5) text-anchor="middle" { (bar.label) } }
                }
            }
        }
    }

    /// What a bar is made of, from below: class, from, to.
    fn stack(&self, bar: &Bar) -> Vec<(&'static str, i64, i64)> {
        let mut at = 0;
        let part = |(series, count): (&Series, &i64)| {
            let from = at;
            at += count;
            (series.0, from, at)
        };
        self.series.iter().zip(&bar.counts).map(part).collect()
    }

    fn spoken(&self, bar: &Bar) -> String {
        let parts = self.series.iter().zip(&bar.counts);
        let parts: Vec<String> = parts.map(|((_, name), count)| format!("{name} {count}")).collect();
        format!("{}: {}", bar.name, parts.join(", "))
    }

    /// What the colours mean.
    pub(super) fn legend(&self) -> Markup {
        html! { ul.legend { @for (class, name) in self.series { li { span class={ "provider " (class) } { i aria-hidden="true" {} span { (name) } } } } } }
    }

    /// The same as a table, the newest first.
    pub(super) fn table(&self) -> Markup {
        html! {
            details.as-table {
                summary { "Show as a table" }
                div.scroll tabindex="0" role="region" aria-label=(self.caption) {
                    table.figures {
                        caption.hidden { (self.caption) }
                        thead { tr { th scope="col" { (self.first) } @for (_, name) in self.series { th.num scope="col" { (name) } } } }
                        tbody { @for bar in self.bars.iter().rev() {
                            tr { th scope="row" { (bar.name) } @for count in &bar.counts { td.num { (parts::number(*count)) } } }
                        } }
                    }
                }
            }
        }
    }
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
        let bar = Bar { name: "1 Nov".to_owned(), counts: vec![1, 2, 3], ..Bar::default() };
        let chart = Chart {
            summary: String::new(),
            caption: "",
            first: "",
            series: &[("a", "A"), ("b", "B"), ("c", "C")],
            bars: vec![bar.clone()],
            half: false,
        };
        assert_eq!(chart.stack(&bar), [("a", 0, 1), ("b", 1, 3), ("c", 3, 6)]);
        assert_eq!(chart.spoken(&bar), "1 Nov: A 1, B 2, C 3");
    }
}
