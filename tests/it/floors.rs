//! Nothing reaches upward: the floors of the house, read from the `crate::` and `super::` paths of `src`.
//!
//! A module may name what lies below it, or beside it as long as no circle closes. Circles are looked for twice:
//! between rooms (the top-level modules) and between files, so that two files of one room are kept apart as well.
//! A parent that names its own child without `crate::` is how a module is put together, and does not count.
//! `docs/architecture.md` shows the same floors to a reader.

mod imports;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use imports::{Imports, ModulePath};

/// Every room and its floor. `lib` is `src/lib.rs`, `main` is `src/main.rs`.
const FLOORS: [(&str, u8); 30] = [
    ("domain", 0),
    ("provider", 1),
    ("config", 1),
    ("telemetry", 1),
    ("metrics", 1),
    ("db", 1),
    ("inbox", 2),
    ("outbox", 2),
    ("access", 2),
    ("projection", 2),
    ("samples", 2),
    ("carrier", 2),
    ("billing", 3),
    ("lines", 3),
    ("calls", 3),
    ("messages", 3),
    ("forwarding", 3),
    ("alerts", 3),
    ("reconcile", 3),
    ("consoles", 3),
    ("erasure", 4),
    ("http", 4),
    ("worker", 4),
    ("sender", 4),
    ("cli", 5),
    ("dev", 5),
    ("app", 5),
    ("fuzzing", 5),
    ("lib", 5),
    ("main", 5),
];

/// The source text of every module of a crate.
type Sources = BTreeMap<ModulePath, String>;

/// Who names whom: module or room → those that it names, itself left out.
type Arrows = BTreeMap<String, BTreeSet<String>>;

#[test]
fn no_floor_imports_upward_and_no_modules_form_a_circle() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Sources::new();
    collect(&src, &src, &mut sources);
    let faults = faults(&sources);
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// Reads every `.rs` file below `folder` into `sources`, under its module path.
fn collect(src: &Path, folder: &Path, sources: &mut Sources) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(src, &path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            sources.insert(module_path(path.strip_prefix(src).unwrap()), text);
        }
    }
}

/// `http/error.rs` and `http/error/mod.rs` → `["http", "error"]`; `lib.rs` → `[]`, the root.
fn module_path(file: &Path) -> ModulePath {
    let mut path: ModulePath =
        file.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if path.last().is_some_and(|last| last == "mod") || path == ["lib"] {
        path.pop();
    }
    path
}

/// Everything that is wrong with the imports of a crate, in words.
fn faults(sources: &Sources) -> Vec<String> {
    let mut faults = Vec::new();
    let mut read = BTreeMap::new();
    for (module, text) in sources {
        match Imports::read(text, module) {
            Ok(imports) => drop(read.insert(module.clone(), imports)),
            Err(fault) => faults.push(fault),
        }
    }
    let tests: BTreeSet<ModulePath> =
        read.values().flat_map(|imports| imports.test_modules.clone()).collect();
    read.retain(|module, _| !tests.iter().any(|test| module.starts_with(test)));

    let mut files = Arrows::new();
    let mut rooms = Arrows::new();
    for (module, imports) in &read {
        for path in &imports.paths {
            let target = holder(path, &read);
            if target != module.as_slice() {
                files.entry(name(module)).or_default().insert(name(target));
            }
            if room(target) != room(module) {
                rooms.entry(room(module)).or_default().insert(room(target));
            }
        }
    }
    let known: BTreeSet<String> = read.keys().map(|module| room(module)).collect();
    faults.extend(known.iter().filter_map(|room| floor(room).err()));
    faults.extend(upward(&files));
    faults.extend(circles(&rooms).iter().map(|circle| format!("rooms form a circle: {circle}")));
    faults.extend(circles(&files).iter().map(|circle| format!("files form a circle: {circle}")));
    faults
}

/// The module whose file holds what `path` names: its longest beginning that is a file.
fn holder<'a>(path: &'a [String], modules: &BTreeMap<ModulePath, Imports>) -> &'a [String] {
    (0..=path.len())
        .rev()
        .map(|length| &path[..length])
        .find(|path| modules.contains_key(*path))
        .unwrap_or(&[])
}

fn name(module: &[String]) -> String {
    if module.is_empty() { "lib".to_owned() } else { module.join("::") }
}

fn room(module: &[String]) -> String {
    module.first().map_or_else(|| "lib".to_owned(), Clone::clone)
}

/// The floor of a room; a room without one is a fault that says where to add it.
fn floor(room: &str) -> Result<u8, String> {
    FLOORS.iter().find(|(known, _)| *known == room).map(|(_, floor)| *floor).ok_or_else(|| {
        format!("`{room}` has no floor: add it to FLOORS in tests/it/floors.rs and to docs/architecture.md")
    })
}

fn upward(files: &Arrows) -> Vec<String> {
    let floor_of = |module: &str| floor(module.split("::").next().unwrap_or(module));
    let mut faults = Vec::new();
    for (from, targets) in files {
        for to in targets {
            if let (Ok(low), Ok(high)) = (floor_of(from), floor_of(to))
                && low < high
            {
                faults.push(format!("`{from}` (floor {low}) imports upward from `{to}` (floor {high})"));
            }
        }
    }
    faults
}

/// Each set of nodes that can all reach one another, as the arrows that hold it together.
fn circles(arrows: &Arrows) -> Vec<String> {
    let reached: BTreeMap<&String, BTreeSet<&String>> =
        arrows.keys().map(|node| (node, reachable(node, arrows))).collect();
    let mutual = |a: &String, b: &String| {
        reached.get(a).is_some_and(|set| set.contains(b)) && reached.get(b).is_some_and(|set| set.contains(a))
    };
    let mut circles = BTreeSet::new();
    for node in arrows.keys() {
        let circle: Vec<String> = arrows
            .iter()
            .filter(|(from, _)| mutual(node, from))
            .flat_map(|(from, targets)| targets.iter().map(move |to| (from, to)))
            .filter(|(_, to)| mutual(node, to))
            .map(|(from, to)| format!("{from} → {to}"))
            .collect();
        if !circle.is_empty() {
            circles.insert(circle.join(", "));
        }
    }
    circles.into_iter().collect()
}

fn reachable<'a>(start: &String, arrows: &'a Arrows) -> BTreeSet<&'a String> {
    let mut seen = BTreeSet::new();
    let mut open: Vec<&String> = arrows.get(start).into_iter().flatten().collect();
    while let Some(node) = open.pop() {
        if seen.insert(node) {
            open.extend(arrows.get(node).into_iter().flatten());
        }
    }
    seen
}

/// The faults of a crate made of `files`: file below `src`, text.
fn faults_of(files: &[(&str, &str)]) -> Vec<String> {
    faults(&files.iter().map(|(file, text)| (module_path(Path::new(file)), (*text).to_owned())).collect())
}

#[test]
fn a_sound_house_passes() {
    let faults = faults_of(&[
        ("lib.rs", "mod app; mod http; mod inbox; pub use app::App;"),
        ("app.rs", "use crate::{http, inbox};"),
        ("http/mod.rs", "mod error; mod webhooks; use webhooks::twilio;"),
        ("http/error.rs", "use crate::inbox::Fault;"),
        ("http/webhooks.rs", "use super::error::Error; use crate::inbox; #[cfg(test)] use crate::app::App;"),
        ("inbox/mod.rs", "mod ledger; #[cfg(test)] mod tests;"),
        ("inbox/ledger.rs", "use super::Key; use crate::outbox;"),
        ("inbox/tests.rs", "use crate::app;"),
        ("outbox.rs", ""),
    ]);
    assert_eq!(faults, Vec::<String>::new());
}

#[test]
fn each_kind_of_fault_is_found() {
    for (case, files, expected) in [
        (
            "upward",
            vec![
                ("inbox/ledger.rs", "fn f() { crate::http::error::g() }"),
                ("http/error.rs", ""),
                ("http/mod.rs", ""),
            ],
            "`inbox::ledger` (floor 2) imports upward from `http::error` (floor 4)",
        ),
        (
            "the root as a façade",
            vec![("lib.rs", "pub use app::App;"), ("app.rs", ""), ("db.rs", "use crate::App;")],
            "`db` (floor 1) imports upward from `lib` (floor 5)",
        ),
        (
            "rooms whose files form none",
            vec![
                ("calls/a.rs", "use crate::lines::a;"),
                ("calls/b.rs", ""),
                ("lines/a.rs", ""),
                ("lines/b.rs", "use crate::calls::b;"),
            ],
            "rooms form a circle: calls → lines, lines → calls",
        ),
        (
            "files of one room",
            vec![
                ("http/error.rs", "use super::webhooks::Log;"),
                ("http/webhooks/mod.rs", "use crate::http::state::S;"),
                ("http/state.rs", "use super::error::Error;"),
            ],
            "files form a circle: http::error → http::webhooks, http::state → http::error, http::webhooks → http::state",
        ),
        (
            "a room without a floor",
            vec![("util.rs", "")],
            "`util` has no floor: add it to FLOORS in tests/it/floors.rs and to docs/architecture.md",
        ),
    ] {
        assert_eq!(faults_of(&files), [expected], "{case}");
    }
}
