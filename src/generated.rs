//! Holds the files that are written from the code to the code. `UPDATE_GENERATED=1 cargo test generated` writes them.

use std::{fs, path::Path};

use crate::{cli, config, http, lines::document::fields};

#[test]
#[expect(clippy::disallowed_methods, reason = "a test's own switch, not configuration")]
fn generated_files_are_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, text) in [
        (".env.example", config::table::env_example()),
        ("docs/configuration.md", config::table::reference_page()),
        ("docs/doctor.md", cli::doctor::reference_page()),
        ("docs/errors.md", http::problem::reference_page()),
        ("docs/flows.md", with_part(&source("docs/flows.md"), &fields::reference())),
        ("docs/openapi.json", http::api::openapi::text()),
    ] {
        let file = root.join(name);
        if std::env::var("UPDATE_GENERATED").is_ok() {
            fs::write(&file, &text).unwrap();
        }
        let committed = fs::read_to_string(&file).unwrap_or_default();
        assert!(
            committed == text,
            "{name} is not what the code says: UPDATE_GENERATED=1 cargo test generated"
        );
    }
}

/// The parser reads no variable that the table does not have, and the table none that nobody reads.
#[test]
fn the_table_has_every_variable_that_is_read() {
    let config = ["src/config/apis.rs", "src/config/checks.rs", "src/config/mod.rs"];
    let sources = [&config[..], &["src/cli/dev.rs", "src/cli/serve.rs"]].concat();
    let code: String = sources.iter().map(|name| source(name)).collect();
    let named = code
        .split('"')
        .filter(|text| text.len() > 3 && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'));
    let others = ["RENDER_EXTERNAL_URL", "RENDER", "NAME", "CARGO_PKG_VERSION"];
    for name in named.clone().filter(|name| !others.contains(name)) {
        assert!(
            config::table::VARIABLES.iter().any(|variable| variable.name == name),
            "{name} is not in the table"
        );
    }
    for variable in config::table::VARIABLES {
        assert!(named.clone().any(|name| name == variable.name), "nobody reads {}", variable.name);
    }
}

/// A page of which one part is written: what stands between the two marks.
fn with_part(page: &str, part: &str) -> String {
    let (begin, end) = ("<!-- generated -->\n", "<!-- end -->\n");
    let (before, rest) = page.split_once(begin).unwrap();
    let (_, after) = rest.split_once(end).unwrap();
    format!("{before}{begin}\n{part}{end}{after}")
}

fn source(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}
