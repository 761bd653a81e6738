//! The table of what the service keeps: each statement has a test, and each test that carries a number is in the table.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The statements that there are.
const STATEMENTS: u32 = 26;

/// The numbers that a test's name begins with, such as `f10_f11_…`.
fn numbers(test: &str) -> BTreeSet<u32> {
    test.split('_').map_while(|part| part.strip_prefix('f')?.parse().ok()).collect()
}

/// The names of all tests below a folder.
fn tests(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tests(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let marked = text.split("test]\n").skip(1).filter_map(|rest| {
                let head = rest.split('(').next()?;
                let (_, name) = head.rsplit_once("fn ")?;
                Some(name.to_owned())
            });
            found.extend(marked);
        }
    }
}

#[test]
fn every_statement_has_a_test_and_every_numbered_test_is_told() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = BTreeSet::new();
    tests(&root.join("src"), &mut all);
    tests(&root.join("tests"), &mut all);
    let table = crate::project_file("docs/compliance.md");
    let mut told: BTreeMap<u32, Vec<&str>> = BTreeMap::new();
    for row in table.lines() {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        if let [_, number, _, _, tests, _] = cells[..]
            && let Ok(number) = number.parse()
        {
            let tests = tests.split('`').skip(1).step_by(2).collect();
            assert_eq!(told.insert(number, tests), None, "statement {number} stands there once");
        }
    }
    assert_eq!(told.keys().copied().collect::<Vec<_>>(), (1..=STATEMENTS).collect::<Vec<_>>());
    for (number, tests) in &told {
        for test in tests {
            assert!(all.contains(*test), "statement {number}: there is no test {test}");
        }
        let numbered = tests.iter().any(|test| numbers(test).contains(number));
        assert!(numbered, "statement {number}: no test carries its number");
    }
    for test in &all {
        for number in numbers(test) {
            let is_told = told.get(&number).is_some_and(|tests| tests.contains(&test.as_str()));
            assert!(is_told, "{test} is not told of at statement {number}");
        }
    }
}

/// Each reading that nobody has tried with a carrier names the function that holds it.
#[test]
fn what_is_unverified_is_held_where_it_is_said_to_be() {
    let page = crate::project_file("docs/unverified.md");
    let mut rows = 0;
    for row in page.lines().filter(|row| row.starts_with("| ") && row.contains(" in `src/")) {
        let held: Vec<&str> = row.rsplit('|').nth(1).unwrap().split('`').collect();
        let [_, function, _, file, _] = held[..] else { panic!("{row}") };
        let source = crate::project_file(file);
        assert!(source.contains(&format!("fn {function}(")), "{file} has no {function}");
        rows += 1;
    }
    assert_eq!(rows, page.lines().filter(|row| row.starts_with("| ")).count() - 1, "all but the head");
}
