//! A picture of a flow: a box for each step, by how far it is from the beginning, and a line for each way. Beside it stands
//! the list of the same steps, for who does not see it.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use maud::{Markup, html};

use crate::lines::document::{Flow, edit::reading, fields::kind, read::Fault};

use super::form::is_at;

/// A box, and the room between two: columns are wide enough for the names of ways.
const WIDTH: usize = 164;
const HEIGHT: usize = 50;
const GAP: usize = 104;
const ROW: usize = 74;
const EDGE: usize = 14;

/// Room for what conversations begin with.
const FIRST: usize = 160;

/// Most characters of a name that a box shows.
const NAME: usize = 18;

/// Where a box stands: column and row.
type Cell = (usize, usize);

/// Something that a conversation begins with, and the field that says where.
const STARTS: [(&str, &str); 3] = [("call", "A call"), ("sms", "A text"), ("missed", "A missed call")];

fn starts(flow: &Flow) -> [Option<&str>; 3] {
    [Some(flow.start.call.as_str()), flow.start.sms.as_deref(), flow.start.missed.as_deref()]
}

/// Draws it. Steps lead to their forms, below `path`.
pub(in super::super) fn draw(flow: &Flow, path: &str, faults: &[Fault]) -> Markup {
    let cells = cells(flow);
    let columns = cells.values().map(|cell| cell.0 + 1).max().unwrap_or(1);
    let rows = cells.values().map(|cell| cell.1 + 1).max().unwrap_or(1).max(3);
    // Ways back run below everything.
    let (width, height) = (EDGE + FIRST + columns * (WIDTH + GAP), 2 * EDGE + rows * ROW);
    html! {
        div.picture tabindex="0" role="group" aria-label="A picture of the flow; the list of steps below says the same" {
            svg viewBox={ "0 0 " (width) " " (height) } width=(width) height=(height) aria-hidden="true" focusable="false" {
                @for (row, ((_, word), first)) in STARTS.iter().zip(starts(flow)).enumerate() {
                    @if let Some(first) = first {
                        @let y = EDGE + row * ROW + HEIGHT / 2;
                        rect.start x=(EDGE) y=(y - 14) width="108" height="28" rx="14" {}
                        text.start x=(EDGE + 54) y=(y + 4) text-anchor="middle" { (word) }
                        @if let Some(cell) = cells.get(first) { (line((EDGE + 108, y), *cell, height)) }
                    }
                }
                @for (name, step) in &flow.steps { @if let Some(cell) = cells.get(name.as_str()) {
                    @let edges = step.edges();
                    @for (number, edge) in edges.iter().enumerate() {
                        @let from = port(*cell, number, edges.len());
                        @if let Some(to) = cells.get(edge.to) { (line(from, *to, height)) }
                        text.by x=(from.0 + 6) y=(from.1.saturating_sub(4)) { (short(edge.field.trim_start_matches("choose."), 13)) }
                    }
                } }
                @for (name, step) in &flow.steps { @if let Some(cell) = cells.get(name.as_str()) {
                    @let (x, y) = corner(*cell);
                    @let wrong = faults.iter().any(|fault| is_at(&fault.place, &format!("steps.{name}")));
                    a href={ (path) "/edit/steps." (name) } tabindex="-1" {
                        title { (name) }
                        rect.box.wrong[wrong] x=(x) y=(y) width=(WIDTH) height=(HEIGHT) rx="10" {}
                        text.name x=(x + 14) y=(y + 21) { @if wrong { "! " } (short(name, NAME)) }
                        text.kind x=(x + 14) y=(y + 38) { (kind(step.kind()).map_or("", |kind| kind.title)) }
                    }
                } }
            }
        }
    }
}

/// Where each step stands: as many columns away as it takes ways to come there, in the order of reading. What nothing leads to
/// stands below, from the first column on.
fn cells(flow: &Flow) -> BTreeMap<&str, Cell> {
    let order = reading(flow);
    let led: BTreeSet<&str> = flow.steps.values().flat_map(|step| step.edges()).map(|edge| edge.to).collect();
    let mut columns: BTreeMap<&str, usize> = BTreeMap::new();
    spread(flow, starts(flow).into_iter().flatten().collect(), &mut columns);
    spread(flow, order.iter().copied().filter(|name| !led.contains(name)).collect(), &mut columns);
    for name in &order {
        spread(flow, vec![name], &mut columns);
    }
    let mut filled: BTreeMap<usize, usize> = BTreeMap::new();
    let place = |name| {
        let column = columns.get(name).copied().unwrap_or(0);
        let row = filled.entry(column).or_default();
        *row += 1;
        (name, (column, *row - 1))
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

fn corner((column, row): Cell) -> (usize, usize) {
    // The first column is behind what conversations begin with.
    (EDGE + FIRST + column * (WIDTH + GAP), EDGE + row * ROW)
}

/// Where a way leaves its box.
fn port(cell: Cell, number: usize, of: usize) -> (usize, usize) {
    let (x, y) = corner(cell);
    (x + WIDTH, y + (number + 1) * HEIGHT / (of + 1) + 4)
}

fn line((x, y): (usize, usize), to: Cell, height: usize) -> Markup {
    let (left, top) = corner(to);
    let (to_x, to_y) = (left, top + HEIGHT / 2);
    let path = if to_x > x {
        let bend = (to_x - x) / 2;
        format!("M{x} {y}C{} {y} {} {to_y} {} {to_y}", x + bend, to_x - bend, to_x - 5)
    } else {
        // Back, below everything.
        let low = height - EDGE;
        format!(
            "M{x} {y}C{} {y} {} {low} {} {low}H{}C{} {low} {} {to_y} {} {to_y}",
            x + 50, x + 40, x.saturating_sub(20), to_x + 20, to_x.saturating_sub(50), to_x.saturating_sub(40), to_x.saturating_sub(5)
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
        for (name, cell) in [("in", (0, 0)), ("menu", (1, 0)), ("closed", (1, 1)), ("bookings", (2, 0)), ("bye", (3, 0))] {
            assert_eq!(cells[name], cell, "{name}");
        }
        let mut all: Vec<Cell> = cells.values().copied().collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), flow.steps.len(), "no two in one place");
        let drawn = draw(&flow, "/console/flows/office", &[Fault::new("steps.menu.wait", "x")]).into_string();
        assert_eq!(drawn.matches("<rect class=\"box").count(), flow.steps.len());
        assert_eq!(drawn.matches("box wrong").count(), 1);
        assert!(drawn.contains("! menu") && drawn.contains("/console/flows/office/edit/steps.menu"));
    }

    #[test]
    fn a_flow_in_a_circle_or_without_an_end_is_drawn() {
        let flow = read("schema = 1\nstart = { call = \"a\" }\n[steps.a]\ndo = \"ask\"\ntext = \"?\"\nnext = \"a\"\n[steps.alone]\ndo = \"say\"\ntext = \"x\"\nnext = \"nowhere\"\n").unwrap();
        assert_eq!(cells(&flow)["alone"], (0, 1));
        assert!(draw(&flow, "", &[]).into_string().contains("alone"));
        assert_eq!(short("abcdefgh", 4), "abc…");
    }
}
