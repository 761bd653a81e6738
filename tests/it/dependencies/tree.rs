//! The dependency tree, as `cargo metadata` describes it.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde::Deserialize;

/// The target whose tree is judged: what the image runs on.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// Every package that a build or a test of the project needs, and who needs whom.
#[derive(Debug, Deserialize)]
pub(super) struct Tree {
    pub(super) packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Debug, Deserialize)]
pub(super) struct Package {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) version: String,
    /// An SPDX expression; absent where the crate only names a file.
    pub(super) license: Option<String>,
    /// Where it comes from; absent for the project itself and for a path.
    pub(super) source: Option<String>,
    pub(super) dependencies: Vec<Dependency>,
    targets: Vec<Target>,
}

/// A line of the manifest's dependency tables.
#[derive(Debug, Deserialize)]
pub(super) struct Dependency {
    pub(super) name: String,
}

#[derive(Debug, Deserialize)]
struct Target {
    kind: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Resolve {
    root: String,
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: String,
    deps: Vec<Edge>,
}

#[derive(Debug, Deserialize)]
struct Edge {
    pkg: String,
    dep_kinds: Vec<EdgeKind>,
}

#[derive(Debug, Deserialize)]
struct EdgeKind {
    /// `dev` or `build`; absent for a normal dependency.
    kind: Option<String>,
}

impl Tree {
    /// Asks cargo. Offline: the build that runs this test has fetched everything, on the judged platform.
    pub(super) fn read() -> Self {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args([
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--offline",
            "--filter-platform",
            PLATFORM,
        ]);
        let answer = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
        assert!(
            answer.status.success(),
            "cargo metadata failed; on another platform run `cargo fetch --locked` once:\n{}",
            String::from_utf8_lossy(&answer.stderr)
        );
        serde_json::from_slice(&answer.stdout).unwrap()
    }

    /// The project's own package.
    pub(super) fn root(&self) -> &Package {
        self.packages.iter().find(|package| package.id == self.resolve.root).unwrap()
    }

    /// Everything but the project itself.
    pub(super) fn foreign(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.id != self.resolve.root)
    }

    /// The versions of each crate that the binary contains: normal dependencies, without what only runs in the compiler.
    pub(super) fn shipped(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let nodes: BTreeMap<&str, &Node> =
            self.resolve.nodes.iter().map(|node| (node.id.as_str(), node)).collect();
        let packages: BTreeMap<&str, &Package> =
            self.packages.iter().map(|package| (package.id.as_str(), package)).collect();
        let mut seen = BTreeSet::new();
        let mut open = vec![self.resolve.root.as_str()];
        while let Some(id) = open.pop() {
            if packages[id].is_macro() || !seen.insert(id) {
                continue;
            }
            open.extend(nodes[id].deps.iter().filter(|edge| edge.is_normal()).map(|edge| edge.pkg.as_str()));
        }
        let mut versions = BTreeMap::<_, BTreeSet<_>>::new();
        for id in seen {
            versions.entry(packages[id].name.as_str()).or_default().insert(packages[id].version.as_str());
        }
        versions
    }
}

impl Package {
    fn is_macro(&self) -> bool {
        self.targets.iter().any(|target| target.kind.iter().any(|kind| kind == "proc-macro"))
    }
}

impl Edge {
    fn is_normal(&self) -> bool {
        self.dep_kinds.iter().any(|kind| kind.kind.is_none())
    }
}
