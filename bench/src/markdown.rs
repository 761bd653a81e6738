//! Tables, medians, and the line that says on what a measurement ran.

use std::fs;

use crate::harness::cores;

/// A Markdown table.
pub fn table(head: &[String], body: impl Iterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut text = line(head);
    text.push_str(&line(&vec!["---".to_owned(); head.len()]).replace(' ', ""));
    text.extend(body.map(|cells| line(&cells)));
    text
}

/// The middle value, or the mean of the two in the middle; zero of none.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let upper = values.len() / 2;
    match values.len() {
        0 => 0.0,
        length if length % 2 == 1 => values[upper],
        _ => f64::midpoint(values[upper - 1], values[upper]),
    }
}

/// Processors and kernel.
#[must_use]
pub fn machine() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let processors = read("/proc/cpuinfo");
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let model = model.map_or("unknown processor", |(_, model)| model.trim());
    format!("{} cores ({model}), Linux {}", cores(), read("/proc/sys/kernel/osrelease").trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        for (values, expected) in
            [(vec![], 0.0), (vec![3.0], 3.0), (vec![9.0, 1.0, 2.0], 2.0), (vec![4.0, 1.0], 2.5)]
        {
            assert!((median(values.into_iter()) - expected).abs() < f64::EPSILON);
        }
    }

    #[test]
    fn a_table_has_as_many_rules_as_columns() {
        let head = ["a".to_owned(), "b".to_owned()];
        let body = [vec!["1".to_owned(), "2".to_owned()]];
        assert_eq!(table(&head, body.into_iter()), "| a | b |\n|---|---|\n| 1 | 2 |\n");
    }
}
