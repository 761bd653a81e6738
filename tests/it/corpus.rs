//! Runs the committed inputs of every fuzz target as an ordinary test.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use smartline::fuzzing::TARGETS;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(name)
}

/// What lies in a folder of `fuzz/`.
fn paths(name: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder(name)).expect("a folder of fuzz/");
    entries.map(|entry| entry.expect("an entry").path()).collect()
}

/// The names of that, without their extension.
fn names(name: &str) -> BTreeSet<String> {
    paths(name).iter().filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect()
}

#[test]
fn every_target_has_a_file_and_a_corpus() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names("fuzz_targets"), targets);
    assert_eq!(names("corpus"), targets);
    let manifest = fs::read_to_string(folder("Cargo.toml")).unwrap();
    for target in targets {
        let source = fs::read_to_string(folder("fuzz_targets").join(format!("{target}.rs"))).unwrap();
        assert!(source.contains(&format!("smartline::fuzzing::{target}(")), "{target}.rs calls its function");
        assert!(
            manifest.contains(&format!("name = \"{target}\"")),
            "{target} is a binary of fuzz/Cargo.toml"
        );
    }
}

#[test]
fn every_input_holds() {
    for (name, target) in TARGETS {
        let inputs = paths(&format!("corpus/{name}"));
        assert!(!inputs.is_empty(), "{name} has inputs");
        for input in inputs {
            println!("{}", input.display()); // shown when the target panics
            target(&fs::read(input).unwrap());
        }
    }
}
