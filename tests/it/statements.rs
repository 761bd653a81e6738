//! Every statement of the service is one that the migrated database understands.

use std::path::Path;

use sqlx::AssertSqlSafe;

use crate::house::Database;

/// The statements that there are at least. Fewer found means that this test no longer sees them.
const AT_LEAST: usize = 7;

/// Calls that take a statement.
const CALLS: [&str; 4] = ["sqlx::query(", "sqlx::query_scalar(", "sqlx::query_as(", "sqlx::raw_sql("];

/// Statements that need no name: one that concerns the session alone, and those of upkeep, which name a table of a month
/// or a generation and take no parameters. `upkeep` runs each of these.
const UNNAMED: [&str; 2] = ["\"SET statement_timeout = 0\"", "AssertSqlSafe(statement"];

/// The files of the service below `folder`. `dev` looks after databases of its own, which have no schema yet.
fn sources(folder: &Path) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !path.ends_with("src/dev") {
                files.extend(sources(&path));
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let service = text.split("#[cfg(test)]\nmod").next().unwrap().to_owned();
            files.push((path.display().to_string(), service));
        }
    }
    files
}

/// `const …_SQL: &str = "…"`: name and statement.
fn statements(source: &str) -> Vec<(String, String)> {
    let named = source.split("const ").skip(1).filter_map(|rest| {
        let (name, rest) =
            rest.split_once(": &str = \"").or_else(|| rest.split_once(": &'static str = \""))?;
        let is_name =
            name.ends_with("_SQL") && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
        is_name.then(|| (name.to_owned(), rest.split('"').next().unwrap().to_owned()))
    });
    named.collect()
}

#[tokio::test]
async fn every_statement_can_be_prepared() {
    let database = Database::migrated().await;
    let db = database.pool().await;
    let sources = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let all: Vec<_> = sources
        .iter()
        .flat_map(|(file, text)| {
            statements(text).into_iter().map(move |(name, sql)| (format!("{file}: {name}"), sql))
        })
        .collect();
    assert!(all.len() >= AT_LEAST, "found {} of {AT_LEAST}: {all:#?}", all.len());
    for (number, (name, sql)) in all.iter().enumerate() {
        let prepare = AssertSqlSafe(format!("PREPARE s{number} AS {sql}"));
        if let Err(fault) = sqlx::raw_sql(prepare).execute(&db).await {
            panic!("{name}: {fault}");
        }
    }
    db.close().await;
    database.remove().await;
}

#[test]
fn every_statement_has_a_name_by_which_it_is_found() {
    for (file, text) in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        for call in CALLS {
            for argument in text.split(call).skip(1) {
                let argument = argument.split([')', ',']).next().unwrap().trim();
                let named = argument.ends_with("_SQL") || UNNAMED.contains(&argument);
                assert!(named, "{file}: {call}{argument}) should take a constant whose name ends in _SQL");
            }
        }
    }
}

#[test]
fn statements_are_found_in_any_form() {
    let source = "const ONE_SQL: &str = \"SELECT 1\";\n/// x\nconst TWO_SQL: &str = \"\nSELECT\n2\";\nconst NAME: &str = \"x\";";
    let found: Vec<_> = statements(source).into_iter().map(|(_, sql)| sql).collect();
    assert_eq!(found, ["SELECT 1", "\nSELECT\n2"]);
}
