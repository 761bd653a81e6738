//! A picture of a flow: a box for each step, by how far it is from the beginning, and a line for each way. Beside it stands
//! the list of the same steps, for who does not see it.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use maud::{Markup, html};

use crate::lines::document::{Flow, Step, edit::reading, fields::kind, read::Fault};

use super::form::is_at;

/// A box, and the room between two: columns are wide enough for the names of ways. A box of many ways is higher.
const WIDTH: usize = 164;
const HEIGHT: usize = 50;
const WAY: usize = 14;
const GAP: usize = 110;
const BETWEEN: usize = 22;
const EDGE: usize = 14;

/// Room for what conversations begin with.
const FIRST: usize = 160;

/// Most characters of a name that a box shows.
const NAME: usize = 18;

/// Most characters of what stands at a way.
const WORDS: usize = 17;

/// Where a box stands: its left upper corner, and its height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cell {
    x: usize,
    y: usize,
    height: usize,
}

impl Cell {
    fn middle(self) -> usize {
        self.y + self.height / 2
    }
}

fn starts(flow: &Flow) -> [Option<&str>; 3] {
    [Some(flow.start.call.as_str()), flow.start.sms.as_deref(), flow.start.missed.as_deref()]
}

/// Draws it. Steps lead to their forms, below `path`.
pub(in super::super) fn draw(flow: &Flow, path: &str, faults: &[Fault]) -> Markup {
    let cells = cells(flow);
    let width = cells.values().map(|cell| cell.x + WIDTH + GAP).max().unwrap_or_default();
    let lowest = cells.values().map(|cell| cell.y + cell.height).max().unwrap_or_default();
    // Ways back run below everything.
    let height = lowest.max(3 * (HEIGHT + BETWEEN)) + 2 * EDGE;
    html! {
        div.picture tabindex="0" role="group" aria-label="A picture of the flow; the list of steps below says the same" {
            svg viewBox={ "0 0 " (width) " " (height) } width=(width) height=(height) aria-hidden="true" focusable="false" {
                @for (row, (word, first)) in ["A call", "A text", "A missed call"].into_iter().zip(starts(flow)).enumerate() {
                    @if let Some(first) = first {
                        @let y = EDGE + row * (HEIGHT + BETWEEN) + HEIGHT / 2;
                        rect.start x=(EDGE) y=(y - 14) width="108" height="28" rx="14" {}
                        text.start x=(EDGE + 54) y=(y + 4) text-anchor="middle" { (word) }
                        @if let Some(cell) = cells.get(first) { (line((EDGE + 108, y), *cell, height)) }
                    }
                }
                @for (name, step) in &flow.steps { @if let Some(cell) = cells.get(name.as_str()) {
                    @let ways = ways(step);
                    @for (number, (to, words)) in ways.iter().enumerate() {
                        @let y = cell.y + (number + 1) * cell.height / (ways.len() + 1);
                        @if let Some(to) = cells.get(to) { (line((cell.x + WIDTH, y), *to, height)) }
                        text.by x=(cell.x + WIDTH + 6) y=(y.saturating_sub(3)) { (short(&words.join(", "), WORDS)) }
                    }
                } }
                @for (name, step) in &flow.steps { @if let Some(cell) = cells.get(name.as_str()) {
                    @let wrong = faults.iter().any(|fault| is_at(&fault.place, &format!("steps.{name}")));
                    a href={ (path) "/edit/steps." (name) } tabindex="-1" {
                        title { (name) }
                        rect.box.wrong[wrong] x=(cell.x) y=(cell.y) width=(WIDTH) height=(cell.height) rx="10" {}
                        text.name x=(cell.x + 14) y=(cell.middle() - 4) { @if wrong { "! " } (short(name, NAME)) }
                        text.kind x=(cell.x + 14) y=(cell.middle() + 13) { (kind(step.kind()).map_or("", |kind| kind.title)) }
                    }
                } }
            }
        }
    }
}

/// Where the ways of a step lead, each place once, with what leads there.
fn ways(step: &Step) -> Vec<(&str, Vec<String>)> {
    let mut ways: Vec<(&str, Vec<String>)> = Vec::new();
    for edge in step.edges() {
        let word = way_word(&edge.field).unwrap_or(edge.field);
        match ways.iter_mut().find(|(to, _)| *to == edge.to) {
            Some((_, words)) => words.push(word),
            None => ways.push((edge.to, vec![word])),
        }
    }
    ways
}

/// A way of a table in few words: the key or word of a choice, the number of a test; none for a field of its own.
pub(in super::super) fn way_word(field: &str) -> Option<String> {
    let number = field.strip_prefix("when[").and_then(|rest| rest.split(']').next()?.parse::<usize>().ok());
    let choice = || field.strip_prefix("choose.").map(str::to_owned);
    number.map(|number| format!("Way {}", number + 1)).or_else(choice)
}

/// Where each step stands: as many columns away as it takes ways to come there, in the order of reading. What nothing leads to
/// stands below, from the first column on.
fn cells(flow: &Flow) -> BTreeMap<&str, Cell> {
    let order = reading(flow);
    let led: BTreeSet<&str> = flow.steps.values().flat_map(Step::edges).map(|edge| edge.to).collect();
    let mut columns: BTreeMap<&str, usize> = BTreeMap::new();
    spread(flow, starts(flow).into_iter().flatten().collect(), &mut columns);
    spread(flow, order.iter().copied().filter(|name| !led.contains(name)).collect(), &mut columns);
    for name in &order {
        spread(flow, vec![name], &mut columns);
    }
    let mut filled: BTreeMap<usize, usize> = BTreeMap::new();
    let place = |name| {
        let column = columns.get(name).copied().unwrap_or(0);
        let ways = flow.steps.get(name).map_or(0, |step| ways(step).len());
        let height = HEIGHT.max((ways + 1) * WAY);
        let low = filled.entry(column).or_insert(EDGE);
        let y = *low;
        *low += height + BETWEEN;
        (name, Cell { x: EDGE + FIRST + column * (WIDTH + GAP), y, height })
    };
    order.into_iter().map(place).collect()
}

/// Gives each step that has no column yet one: the first to where it is begun, the next to what those lead to.
fn spread<'a>(flow: &'a Flow, mut now: Vec<&'a str>, columns: &mut BTreeMap<&'a str, usize>) {
    let mut column = 0;
    while !now.is_empty() {
        let mut next = Vec::new();
        for name in now {
            let Some((name, step)) = flow.steps.get_key_value(name) else { continue };
            if let Entry::Vacant(free) = columns.entry(name) {
                free.insert(column);
                next.extend(step.edges().into_iter().map(|edge| edge.to));
            }
        }
        now = next;
        column += 1;
    }
}

fn line((x, y): (usize, usize), to: Cell, height: usize) -> Markup {
    let (to_x, to_y) = (to.x, to.middle());
    let path = if to_x > x {
        let bend = (to_x - x) / 2;
        format!("M{x} {y}C{} {y} {} {to_y} {} {to_y}", x + bend, to_x - bend, to_x - 5)
    } else {
        // Back, below everything.
        let low = height - EDGE;
        format!(
            "M{x} {y}C{} {y} {} {low} {} {low}H{}C{} {low} {} {to_y} {} {to_y}",
            x + 50,
            x + 40,
            x.saturating_sub(20),
            to_x + 20,
            to_x.saturating_sub(50),
            to_x.saturating_sub(40),
            to_x.saturating_sub(5)
        )
    };
    html! {
        path.way d=(path) {}
        path.tip d={ "M" (to_x.saturating_sub(7)) " " (to_y - 4) "l7 4l-7 4z" } {}
    }
}

fn short(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lines::document::read::read;

    #[test]
    fn boxes_stand_where_a_call_comes_to_them() {
        let flow = read(include_str!("../../../../examples/flows/office.toml")).unwrap();
        let cells = cells(&flow);
        let column = |name: &str| (cells[name].x - EDGE - FIRST) / (WIDTH + GAP);
        for (name, expected) in [("in", 0), ("menu", 1), ("closed", 1), ("bookings", 2), ("bye", 3)] {
            assert_eq!(column(name), expected, "{name}");
        }
        let all: Vec<&Cell> = cells.values().collect();
        for (number, one) in all.iter().enumerate() {
            let apart = |other: &&&Cell| {
                one.x != other.x || one.y + one.height < other.y || other.y + other.height < one.y
            };
            assert!(all[number + 1..].iter().all(|other| apart(&other)), "no two in one place: {one:?}");
        }
        let drawn = draw(&flow, "/console/flows/office", &[Fault::new("steps.menu.wait", "x")]).into_string();
        assert_eq!(drawn.matches("<rect class=\"box").count(), flow.steps.len());
        assert_eq!(drawn.matches("box wrong").count(), 1);
        assert!(drawn.contains("! menu") && drawn.contains("/console/flows/office/edit/steps.menu"));
    }

    #[test]
    fn a_flow_in_a_circle_or_without_an_end_is_drawn() {
        let flow = read("schema = 1\nstart = { call = \"a\" }\n[steps.a]\ndo = \"ask\"\ntext = \"?\"\nnext = \"a\"\n[steps.alone]\ndo = \"say\"\ntext = \"x\"\nnext = \"nowhere\"\n").unwrap();
        let cells_of = cells(&flow);
        assert_eq!((cells_of["alone"].x, cells_of["alone"].y > cells_of["a"].y), (cells_of["a"].x, true));
        assert!(draw(&flow, "", &[]).into_string().contains("alone"));
        assert_eq!(short("abcdefgh", 4), "abc…");
        for (field, word) in [("choose.1", Some("1")), ("when[0].go", Some("Way 1")), ("none", None)] {
            assert_eq!(way_word(field).as_deref(), word);
        }
    }
}
