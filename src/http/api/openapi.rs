//! The `OpenAPI` document, made of the tables of resources and operations.

mod conversations;
mod lines;
mod schemas;

use std::collections::{BTreeMap, BTreeSet};

use axum::{Json, response::IntoResponse};
use serde_json::{Map, Value, json};

use self::schemas::{new_key, schemas, selection};
use super::{
    operations::{OPERATIONS, Operation, Takes},
    resources::{self, Filter, Kind, RESOURCES, Resource},
};
use crate::{access::Scope, http::problem::Code};

/// `GET /api/v1/openapi.json`, open to everybody: it tells nothing of anybody.
pub(super) async fn document() -> impl IntoResponse {
    Json(openapi())
}

/// The document as it is committed: `docs/openapi.json`.
pub(crate) fn text() -> String {
    let mut text = serde_json::to_string_pretty(&openapi()).unwrap_or_default(); // maps of text always serialize
    text.push('\n');
    text
}

/// The document.
pub(crate) fn openapi() -> Value {
    let mut paths = Map::new();
    let mut add = |path: &str, method: &str, mut operation: Value| {
        if method == "get" {
            tag(&mut operation);
        }
        let path = paths.entry(format!("/api/v1{path}")).or_insert_with(|| json!({}));
        path[method] = operation;
    };
    for resource in RESOURCES {
        add(&format!("/{}", resource.name), "get", list(resource));
        add(&format!("/{}/count", resource.name), "get", count(resource));
        add(&format!("/{}/{{id}}", resource.name), "get", detail(resource));
    }
    for known in OPERATIONS {
        add(known.path, known.method, of_table(known));
    }
    add("/calls/{id}/directive", "post", conversations::directive());
    let mut schemas = schemas();
    schemas.extend(lines::schemas());
    schemas.extend(conversations::schemas());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "SmartLine", "version": env!("CARGO_PKG_VERSION"),
            "description": format!(
                "What happened on a phone line: events, calls, messages and who pays. Lists are newest first. People's data \
                 are masked unless the key has the scope pii:read. A key may ask 50 times a second; RateLimit says what is \
                 left. What is POSTed with an Idempotency-Key is done once. Answers have an ETag. They are JSON, whatever Accept \
                 asks for. {}",
                crate::lines::NO_EMERGENCY
            ),
        },
        "security": [{ "key": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "key": { "type": "http", "scheme": "bearer", "description": "smartline keys create" },
                "capability": { "type": "http", "scheme": "bearer", "description": "at the end of an agent's address" },
            },
            "schemas": schemas,
        },
    })
}

/// Says of an answer in JSON that it has a tag, and need not be sent to who has it.
fn tag(operation: &mut Value) {
    let responses = &mut operation["responses"];
    if responses["200"]["content"].get("application/json").is_none() {
        return;
    }
    responses["200"]["headers"] =
        json!({ "ETag": { "description": "of these bytes", "schema": { "type": "string" } } });
    responses["304"] = json!({ "description": "It is as If-None-Match says" });
    if let Some(parameters) = operation["parameters"].as_array_mut() {
        parameters
            .push(header("If-None-Match", "the ETag of what one has: where it is still the answer, 304"));
    }
}

fn list(resource: &Resource) -> Value {
    let mut parameters = vec![
        query(
            "limit",
            "rows of the page",
            json!({ "type": "integer", "minimum": 1, "maximum": 100, "default": 20 }),
        ),
        query("starting_after", "an id: older ones", id_schema(resource)),
        query("ending_before", "an id: newer ones", id_schema(resource)),
    ];
    parameters.extend(narrowing(resource));
    let name = format!("list{}", title(resource.name));
    operation(
        &name,
        resource.about,
        resource.scope,
        &parameters,
        (&["200"], &format!("{}List", schema_of(resource))),
        &[Code::ParameterInvalid],
    )
}

fn count(resource: &Resource) -> Value {
    let about =
        "How many there are, up to 10,000; with a filter, among as many as a page of the list looks at";
    let name = format!("count{}", title(resource.name));
    let refuses = [Code::ParameterInvalid];
    operation(&name, about, resource.scope, &narrowing(resource), (&["200"], "Count"), &refuses)
}

fn detail(resource: &Resource) -> Value {
    let about = format!("{}… or the provider's id", resource.prefix);
    let object = schema_of(resource);
    let parameters = [id_parameter(&about)];
    // A number may be that of several lines.
    let refuses: &[Code] =
        if resource.name == "lines" { &[Code::NoSuchObject, Code::InTheWay] } else { &[Code::NoSuchObject] };
    operation(
        &format!("get{object}"),
        &format!("One {}", resource.object.replace('_', " ")),
        resource.scope,
        &parameters,
        (&["200"], &object),
        refuses,
    )
}

fn of_table(known: &Operation) -> Value {
    let mut parameters: Vec<Value> = known.id.map(id_parameter).into_iter().collect();
    if known.path.ends_with("/{number}") {
        parameters.push(json!({
            "name": "number", "in": "path", "required": true, "description": "1, 2, …",
            "schema": { "type": "integer", "minimum": 1 },
        }));
    }
    if let Takes::Filters(name) = known.takes {
        let resource = resources::named(name);
        parameters.extend(
            resource.into_iter().flat_map(narrowing).filter(|parameter| {
                parameter["name"] != "created[lt]" && parameter["name"] != "created[lte]"
            }),
        );
        let last = resource.map_or(Value::Null, id_schema);
        parameters.push(query("last_event_id", "go on after this event", last.clone()));
        parameters.push(json!({
            "name": "Last-Event-ID", "in": "header", "description": "the same; comes before the parameter", "schema": last,
        }));
    }
    if known.takes == Takes::Lines {
        let text = json!({ "type": "string" });
        parameters.push(query("line", "only of this line: line_… or its number", text.clone()));
        parameters.push(query("account", "only of the lines of this account: its key", text));
    }
    if known.method == "post" {
        parameters.push(json!({
            "name": "Idempotency-Key", "in": "header",
            "description": "a name for this request: under it, it is done once within 24 hours",
            "schema": { "type": "string", "pattern": "^[!-~]{1,255}$" },
        }));
    }
    if known.refuses.contains(&Code::ChangedMeanwhile) {
        parameters.push(header("If-Match", "the line's ETag: where it has changed since, nothing is done"));
    }
    let answer = (known.statuses, known.answer);
    let mut operation =
        operation(known.name, known.about, known.scope, &parameters, answer, &refusals(known));
    if known.answer == "stream" {
        operation["responses"]["200"]["content"] =
            json!({ "text/event-stream": { "schema": { "type": "string" } } });
    }
    let body = match known.takes {
        Takes::Selection(name) => resources::named(name).map(selection),
        Takes::NewKey => Some(new_key()),
        Takes::Body("Preview") => Some(conversations::preview()),
        Takes::Body("Simulate") => Some(conversations::simulate()),
        Takes::Body(name) => Some(lines::body(name)),
        Takes::Nothing | Takes::Filters(_) | Takes::Lines => None,
    };
    if let Some(schema) = body {
        operation["requestBody"] =
            json!({ "required": true, "content": { "application/json": { "schema": schema } } });
    }
    operation
}

/// The parameters that narrow a list down.
fn narrowing(resource: &Resource) -> Vec<Value> {
    let times = TIMES.map(|(name, about)| query(name, about, time_schema()));
    let filters = resource.filters.iter().map(|filter| query(filter.name, &about(filter), schema(filter)));
    times.into_iter().chain(filters).collect()
}

/// Bounds of time.
const TIMES: [(&str, &str); 4] = [
    ("created[gte]", "at this time or later"),
    ("created[gt]", "later than this"),
    ("created[lte]", "at this time or earlier"),
    ("created[lt]", "earlier than this"),
];

fn time_schema() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

fn about(filter: &Filter) -> String {
    match filter.kind {
        Kind::Content => format!("{}; needs the scope `pii:read`", filter.about),
        _ => filter.about.to_owned(),
    }
}

/// What a filter's value may be.
fn schema(filter: &Filter) -> Value {
    match filter.kind {
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Word(words) => json!({ "type": "string", "enum": words }),
        // PostgreSQL's text has no NUL.
        Kind::Text | Kind::Number | Kind::Id(_) | Kind::Content => {
            json!({ "type": "string", "pattern": "^[^\\u0000]*$" })
        }
    }
}

fn query(name: &str, about: &str, schema: impl Into<Value>) -> Value {
    json!({ "name": name, "in": "query", "description": about, "schema": schema.into() })
}

fn header(name: &str, about: &str) -> Value {
    json!({ "name": name, "in": "header", "description": about, "schema": { "type": "string" } })
}

fn id_schema(resource: &Resource) -> Value {
    json!({ "type": "string", "pattern": format!("^{}[0-7][0-9a-hjkmnp-tv-z]{{25}}$", resource.prefix) })
}

fn id_parameter(about: &str) -> Value {
    json!({ "name": "id", "in": "path", "required": true, "description": about, "schema": { "type": "string" } })
}

/// The name of a resource's schema.
fn schema_of(resource: &Resource) -> String {
    title(resource.object)
}

/// `dead-letters` → `DeadLetters`.
fn title(name: &str) -> String {
    let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
    name.split(['-', '_']).map(capital).collect()
}

/// How an operation refuses beside [`ANY`].
fn refusals(known: &Operation) -> Vec<Code> {
    let mut codes = known.refuses.to_vec();
    if known.id.is_some() {
        codes.push(Code::NoSuchObject);
    }
    if known.method == "post" {
        codes.extend(POST);
    }
    match known.takes {
        Takes::Filters(_) | Takes::Lines => codes.push(Code::ParameterInvalid),
        Takes::Selection(_) | Takes::NewKey | Takes::Body(_) => {
            codes.extend([Code::BodyMalformed, Code::UnsupportedMediaType]);
        }
        Takes::Nothing => {}
    }
    codes
}

/// How every operation with a key may refuse.
const ANY: [Code; 6] = [
    Code::KeyRequired,
    Code::RateLimited,
    Code::KeyRateLimited,
    Code::ScopeMissing,
    Code::DatabaseUnavailable,
    Code::Internal,
];

/// How every POST may refuse: its body may not come, and its `Idempotency-Key` may be wrong.
const POST: [Code; 6] = [
    Code::ParameterInvalid,
    Code::BodyTimeout,
    Code::BodyTooLarge,
    Code::BadRequest,
    Code::IdempotencyKeyInUse,
    Code::IdempotencyKeyReused,
];

fn operation(
    id: &str,
    about: &str,
    scope: Scope,
    parameters: &[Value],
    (statuses, schema): (&[&str], &str),
    refuses: &[Code],
) -> Value {
    let mut responses = problems(ANY.iter().chain(refuses));
    for status in statuses {
        responses[*status] = answer("As asked for", "application/json", schema);
    }
    json!({
        "operationId": id, "summary": about, "description": format!("Scope: `{scope}`."), "parameters": parameters,
        "responses": responses,
    })
}

/// The responses that refuse, by status: each with its codes.
fn problems<'a>(codes: impl Iterator<Item = &'a Code>) -> Value {
    let mut by_status: BTreeMap<u16, BTreeSet<(&str, &str)>> = BTreeMap::new();
    for code in codes {
        let entry = code.entry();
        by_status.entry(entry.status).or_default().insert((entry.code, entry.title));
    }
    let response = |(status, codes): (u16, BTreeSet<(&str, &str)>)| {
        let told: Vec<String> = codes.iter().map(|(code, title)| format!("`{code}`: {title}")).collect();
        let codes: Vec<&str> = codes.iter().map(|(code, _)| *code).collect();
        let schema = json!({
            "allOf": [{ "$ref": "#/components/schemas/Problem" }, { "properties": { "code": { "enum": codes } } }],
        });
        let content = json!({ "application/problem+json": { "schema": schema } });
        (status.to_string(), json!({ "description": told.join(". "), "content": content }))
    };
    by_status.into_iter().map(response).collect()
}

fn answer(about: &str, media: &str, schema: &str) -> Value {
    let schema = json!({ "$ref": format!("#/components/schemas/{schema}") });
    json!({ "description": about, "content": { media: { "schema": schema } } })
}
