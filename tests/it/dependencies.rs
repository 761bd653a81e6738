//! What the project may stand on: licences, sources, versions, and a reason for every crate that it names.

mod licence;
mod tree;

use std::collections::BTreeSet;

use tree::{Package, Tree};

/// Licences whose terms a binary under MIT can keep. Each is one that the tree really needs.
const LICENCES: [&str; 7] =
    ["Apache-2.0", "BSD-3-Clause", "CDLA-Permissive-2.0", "ISC", "MIT", "Unicode-3.0", "Zlib"];

/// The one source of crates.
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Crates that the binary contains in more than one version, and whose choice that is.
const DUPLICATES: [(&str, &str); 8] = [
    ("base64", "sqlx 0.9 stays on 0.22"),
    ("block-buffer", "with digest 0.10"),
    ("cpufeatures", "with sha2 0.10"),
    ("crypto-common", "with digest 0.10"),
    ("digest", "with sha2 0.10; never mix the two generations in our code"),
    ("getrandom", "ring stays on 0.2"),
    ("hashbrown", "indexmap is one release ahead of sqlx and governor"),
    ("sha2", "sqlx-core 0.9 stays on 0.10"),
];

/// The lowest version without a known hole, where the crate is in the tree at all.
const LOWEST: [(&str, [u64; 3], &str); 7] = [
    ("bytes", [1, 12, 2], "current when this list was written"),
    ("h2", [0, 4, 16], "RUSTSEC-2026-0258: endless empty DATA frames"),
    ("hyper", [1, 12, 0], "current when this list was written: message framing"),
    ("rustls-webpki", [0, 103, 13], "certificate name constraints"),
    ("sqlx", [0, 8, 1], "RUSTSEC-2024-0363: truncated length prefixes"),
    ("time", [0, 3, 47], "RUSTSEC-2026-0009: stack exhaustion while parsing"),
    ("tracing-subscriber", [0, 3, 20], "RUSTSEC-2025-0055: escapes from user input"),
];

#[test]
fn the_tree_keeps_the_rules() {
    let tree = Tree::read();
    let shipped = tree.shipped();
    let several: BTreeSet<&str> =
        shipped.iter().filter(|(_, all)| all.len() > 1).map(|(name, _)| *name).collect();
    let named: BTreeSet<&str> = tree.root().dependencies.iter().map(|line| line.name.as_str()).collect();
    let papers = crate::project_file("docs/dependencies.md");

    let mut faults: Vec<String> = tree.foreign().flat_map(package_faults).collect();
    faults.extend(difference(
        &several,
        &DUPLICATES.iter().map(|(name, _)| *name).collect(),
        "is in the binary in more than one version: unify it, or give the reason in DUPLICATES",
        "is in the binary once or not at all: take it out of DUPLICATES",
    ));
    faults.extend(difference(
        &named,
        &documented(&papers),
        "is a direct dependency: argue for it in docs/dependencies.md",
        "has a line in docs/dependencies.md but is no direct dependency: take the line out",
    ));
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// What is wrong with one crate's licence, source or version.
fn package_faults(package: &Package) -> Vec<String> {
    let Package { name, version, license, source, .. } = package;
    let mut faults = Vec::new();
    match license.as_deref().map(|expression| licence::satisfied(expression, &LICENCES)) {
        Some(Ok(true)) => {}
        Some(Ok(false)) => {
            faults.push(format!("{name} {version}: licence {license:?} is not among the allowed"));
        }
        Some(Err(fault)) => faults.push(format!("{name} {version}: licence {license:?}: {fault}")),
        None => faults.push(format!("{name} {version}: names no licence")),
    }
    if source.as_deref() != Some(CRATES_IO) {
        faults.push(format!("{name} {version}: comes from {source:?}, not from crates.io"));
    }
    if let Some((_, lowest, why)) = LOWEST.iter().find(|(low, ..)| low == name)
        && numbers(version) < *lowest
    {
        faults.push(format!("{name} {version}: below {lowest:?} ({why})"));
    }
    faults
}

/// `1.2.3-rc.1+build` → `[1, 2, 3]`. A part that is no number counts as 0, so that it fails rather than passes.
fn numbers(version: &str) -> [u64; 3] {
    let mut parts = version.split(['-', '+']).next().unwrap_or_default().split('.');
    std::array::from_fn(|_| parts.next().and_then(|part| part.parse().ok()).unwrap_or(0))
}

/// The crates that the page has a line for: lines that begin with the name in a list or a table.
fn documented(page: &str) -> BTreeSet<&str> {
    page.lines()
        .filter_map(|line| line.strip_prefix("- `").or_else(|| line.strip_prefix("| `")))
        .filter_map(|line| line.split_once('`'))
        .map(|(name, _)| name)
        .collect()
}

fn difference(found: &BTreeSet<&str>, listed: &BTreeSet<&str>, missing: &str, stale: &str) -> Vec<String> {
    let missing = found.difference(listed).map(|name| format!("`{name}` {missing}"));
    missing.chain(listed.difference(found).map(|name| format!("`{name}` {stale}"))).collect()
}

#[test]
fn each_kind_of_fault_is_found() {
    let package = |name: &str, version: &str, license: Option<&str>, source: Option<&str>| {
        serde_json::from_value::<Package>(serde_json::json!({
            "id": name, "name": name, "version": version, "license": license, "source": source,
            "dependencies": [], "targets": [],
        }))
        .unwrap()
    };
    for (package, expected) in [
        (package("a", "1.0.0", Some("MIT OR GPL-3.0-only"), Some(CRATES_IO)), None),
        (package("a", "1.0.0", Some("GPL-3.0-only"), Some(CRATES_IO)), Some("is not among the allowed")),
        (package("a", "1.0.0", Some("MIT OR"), Some(CRATES_IO)), Some("a licence is missing")),
        (package("a", "1.0.0", None, Some(CRATES_IO)), Some("names no licence")),
        (package("a", "1.0.0", Some("MIT"), Some("git+https://example.com/a")), Some("not from crates.io")),
        (package("a", "1.0.0", Some("MIT"), None), Some("not from crates.io")),
        (package("sqlx", "0.8.0", Some("MIT"), Some(CRATES_IO)), Some("below [0, 8, 1]")),
        (package("sqlx", "0.8.1", Some("MIT"), Some(CRATES_IO)), None),
        (package("sqlx", "0.10.0", Some("MIT"), Some(CRATES_IO)), None),
    ] {
        let faults = package_faults(&package);
        match expected {
            None => assert_eq!(faults, Vec::<String>::new()),
            Some(text) => assert!(faults.len() == 1 && faults[0].contains(text), "{faults:?} lacks {text}"),
        }
    }
    let found = BTreeSet::from(["new", "known"]);
    let page = "- `known`: why\n| `gone` | why |\nprose that names `other`\n";
    assert_eq!(
        difference(&found, &documented(page), "is new", "is gone"),
        ["`new` is new", "`gone` is gone"]
    );
}

#[test]
fn every_allowed_licence_is_needed() {
    let tree = Tree::read();
    for licence in LICENCES {
        let rest: Vec<&str> = LICENCES.into_iter().filter(|other| *other != licence).collect();
        let needed = tree.foreign().filter_map(|package| package.license.as_deref()).any(|expression| {
            licence::satisfied(expression, &LICENCES) == Ok(true)
                && licence::satisfied(expression, &rest) == Ok(false)
        });
        assert!(needed, "no crate needs {licence}: take it out of LICENCES");
    }
}
