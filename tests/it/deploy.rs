//! The deploy files against what the host takes: `render.yaml` field by field, and the variables that they set.
//!
//! The fields and values are written out here, because the vendor's schema is neither ours to commit nor strict enough:
//! it takes any text as the property of a database. Source: Render docs, "Blueprint YAML Reference", November 2026.

mod yaml;

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use yaml::Node;

/// What a field's value must be.
enum Rule {
    /// Text that is not empty.
    Text,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A whole number in this range, without quotes.
    Number(RangeInclusive<u32>),
    /// A whole number in this range, in quotes: the host wants text.
    QuotedNumber(RangeInclusive<u32>),
    /// A list that is checked elsewhere, or empty.
    List,
}

use Rule::{List, Number, OneOf, QuotedNumber, Text};

const REGIONS: Rule = OneOf(&["oregon", "ohio", "virginia", "frankfurt", "singapore"]);

/// A web service: field, rule, whether it must be there. `preDeployCommand` runs without a shell.
const SERVICE: [(&str, Rule, bool); 13] = [
    ("type", OneOf(&["web"]), true),
    ("name", Text, true),
    ("runtime", OneOf(&["docker"]), true),
    ("plan", OneOf(&["free", "starter", "standard", "pro"]), true),
    ("region", REGIONS, true),
    ("dockerfilePath", OneOf(&["./Dockerfile"]), true),
    ("dockerContext", OneOf(&["."]), true),
    ("healthCheckPath", OneOf(&["/healthz"]), true),
    ("preDeployCommand", OneOf(&["/app/smartline migrate"]), false),
    ("maxShutdownDelaySeconds", Number(1..=300), true),
    ("autoDeployTrigger", OneOf(&["off", "commit", "checksPass"]), true),
    ("numInstances", Number(1..=100), false),
    ("envVars", List, true),
];

/// A database.
const DATABASE: [(&str, Rule, bool); 6] = [
    ("name", Text, true),
    ("plan", OneOf(&["basic-256mb", "basic-1gb", "pro-4gb"]), true),
    ("postgresMajorVersion", QuotedNumber(15..=18), true),
    ("region", REGIONS, true),
    ("diskSizeGB", Number(1..=16_384), false),
    ("ipAllowList", List, true),
];

/// What a variable can take from a database.
const PROPERTIES: Rule = OneOf(&["host", "port", "database", "user", "password", "connectionString"]);

#[test]
fn the_blueprint_is_one_that_render_takes() {
    let faults = faults(&crate::project_file("render.yaml"), &example_variables());
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn the_image_sets_only_variables_that_exist() {
    let known = example_variables();
    let dockerfile = crate::project_file("Dockerfile");
    let set: Vec<&str> = dockerfile
        .lines()
        .filter_map(|line| line.strip_prefix("ENV "))
        .flat_map(str::split_whitespace)
        .filter_map(|pair| pair.split_once('=').map(|(name, _)| name))
        .collect();
    assert!(set.contains(&"HOST"), "without HOST the image listens on loopback only: {set:?}");
    for name in set {
        assert!(known.contains(name), "Dockerfile: {name} is not in .env.example");
    }
}

/// The variables of `.env.example`, whether their line is commented out or not.
fn example_variables() -> BTreeSet<String> {
    let is_name = |text: &str| {
        text.chars().all(|sign| sign.is_ascii_uppercase() || sign.is_ascii_digit() || sign == '_')
    };
    crate::project_file(".env.example")
        .lines()
        .filter_map(|line| line.trim_start_matches(['#', ' ']).split_once('='))
        .filter(|(name, _)| is_name(name))
        .map(|(name, _)| name.to_owned())
        .collect()
}

/// Everything that is wrong with a blueprint, given the variables that the service knows.
fn faults(blueprint: &str, known: &BTreeSet<String>) -> Vec<String> {
    let root = match Node::read(blueprint) {
        Ok(root) => root,
        Err(fault) => return vec![format!("cannot be read: {fault}")],
    };
    let mut faults = Vec::new();
    check(&root, "root", &[("services", List, true), ("databases", List, true)], &mut faults);
    let items = |key| root.get(key).map_or(&[][..], Node::items);
    for database in items("databases") {
        check(database, "database", &DATABASE, &mut faults);
    }
    for service in items("services") {
        check(service, "service", &SERVICE, &mut faults);
        for database in items("databases") {
            if service.get("region") != database.get("region") {
                faults.push(
                    "service and database: another region, so no private network between them".to_owned(),
                );
            }
        }
        for variable in service.get("envVars").map_or(&[][..], Node::items) {
            check_variable(variable, items("databases"), known, &mut faults);
        }
    }
    faults
}

/// Checks the fields of `node` against `rules`: none unknown, none missing, each of its kind.
fn check(node: &Node, place: &str, rules: &[(&str, Rule, bool)], faults: &mut Vec<String>) {
    for (key, value) in node.entries() {
        match rules.iter().find(|(name, ..)| name == key) {
            None => faults.push(format!("{place}: `{key}` is no field that this check knows")),
            Some((_, rule, _)) if !rule.holds(value) => {
                faults.push(format!("{place}: `{key}` cannot be {value:?}"));
            }
            Some(_) => {}
        }
    }
    for (name, _, needed) in rules {
        if *needed && node.get(name).is_none() {
            faults.push(format!("{place}: `{name}` is missing"));
        }
    }
}

impl Rule {
    fn holds(&self, value: &Node) -> bool {
        let number =
            |range: &RangeInclusive<u32>| value.text().parse().is_ok_and(|number| range.contains(&number));
        match (self, value) {
            (List, Node::List(_)) => true,
            (Text, Node::Scalar { text, .. }) => !text.is_empty(),
            (OneOf(words), Node::Scalar { text, .. }) => words.contains(&text.as_str()),
            (Number(range), Node::Scalar { plain: true, .. })
            | (QuotedNumber(range), Node::Scalar { plain: false, .. }) => number(range),
            _ => false,
        }
    }
}

/// A variable has a name that the service knows, and exactly one place where its value comes from.
fn check_variable(variable: &Node, databases: &[Node], known: &BTreeSet<String>, faults: &mut Vec<String>) {
    let key = variable.get("key").map_or("", Node::text);
    if !known.contains(key) {
        faults.push(format!("variable: `{key}` is not in .env.example"));
    }
    let flag = |text: &str| Node::Scalar { text: text.to_owned(), plain: true };
    let rest: Vec<_> = variable.entries().iter().filter(|(name, _)| name != "key").collect();
    let [(field, value)] = rest.as_slice() else {
        return faults
            .push(format!("variable: `{key}` needs exactly one source of its value, has {}", rest.len()));
    };
    let sound = match field.as_str() {
        "sync" => *value == flag("false"),
        "generateValue" => *value == flag("true"),
        "value" => Text.holds(value),
        "fromDatabase" => {
            value.entries().len() == 2
                && value.get("property").is_some_and(|property| PROPERTIES.holds(property))
                && databases.iter().any(|database| database.get("name") == value.get("name"))
        }
        _ => false,
    };
    if !sound {
        faults.push(format!("variable: `{key}` cannot have `{field}` with {value:?}"));
    }
}

#[test]
fn each_kind_of_fault_is_found() {
    let good = crate::project_file("render.yaml");
    let known = example_variables();
    for (from, to, expected) in [
        ("services:", "servces:", "root: `servces` is no field"),
        ("services:", "servces:", "root: `services` is missing"),
        ("plan: starter", "plan: cheap", "service: `plan` cannot be"),
        ("plan: starter", "plam: starter", "service: `plan` is missing"),
        ("/healthz", "/readyz", "service: `healthCheckPath` cannot be"),
        (
            "maxShutdownDelaySeconds: 30",
            "maxShutdownDelaySeconds: 301",
            "`maxShutdownDelaySeconds` cannot be",
        ),
        ("plan: basic-256mb", "plan: starter", "database: `plan` cannot be"),
        (
            "postgresMajorVersion: \"17\"",
            "postgresMajorVersion: 17",
            "database: `postgresMajorVersion` cannot be",
        ),
        ("region: frankfurt", "region: oregon", "another region"),
        ("property: connectionString", "property: url", "`DATABASE_URL` cannot have `fromDatabase`"),
        ("generateValue: true", "generateValue: yes", "`SMARTLINE_API_KEY` cannot have `generateValue`"),
        ("generateValue: true", "value: \"\"", "`SMARTLINE_API_KEY` cannot have `value`"),
        ("key: STRIPE_WEBHOOK_SECRET", "key: STRIPE_SECRET", "`STRIPE_SECRET` is not in .env.example"),
        (
            "generateValue: true",
            "generateValue: true\n        sync: false",
            "exactly one source of its value, has 2",
        ),
        ("services:", "services: [", "cannot be read"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good, "{from} is not in render.yaml");
        let faults = faults(&bad, &known);
        assert!(faults.iter().any(|fault| fault.contains(expected)), "{to}: {faults:?} lacks {expected}");
    }
}
