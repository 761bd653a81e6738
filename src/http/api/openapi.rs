//! The `OpenAPI` document, made of the table of resources.

use axum::{Json, response::IntoResponse};
use serde_json::{Map, Value, json};

use super::resources::{RESOURCES, Resource};
use crate::access::Scope;

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

fn openapi() -> Value {
    let mut paths = Map::new();
    for resource in RESOURCES {
        paths.insert(format!("/api/v1/{}", resource.name), json!({ "get": list(resource) }));
        paths.insert(format!("/api/v1/{}/{{id}}", resource.name), json!({ "get": detail(resource) }));
    }
    let id = |about: &str| vec![id_parameter(about)];
    paths.insert(
        "/api/v1/calls/{id}/timeline".to_owned(),
        json!({ "get": operation("getCallTimeline", "Every event that told of a call, oldest first", Scope::Read, &id("call_… or the provider's id"), "List") }),
    );
    paths.insert(
        "/api/v1/accounts/{id}/entitlement".to_owned(),
        json!({ "get": operation("getEntitlement", "May this account's line be used, and why", Scope::BillingRead, &id("account_… or cus_…"), "Object") }),
    );
    paths.insert(
        "/api/v1/stats".to_owned(),
        json!({ "get": operation("getStats", "Figures that are cheap to have", Scope::Read, &[], "Object") }),
    );
    let mut replay = operation(
        "replayEvent",
        "Has a kept event worked on again; changes tables alone, sends nothing",
        Scope::EventsReplay,
        &id("event_… or evt_…"),
        "Object",
    );
    if let Some(responses) = replay["responses"].as_object_mut() {
        let accepted = responses.remove("200").unwrap_or_default();
        responses.insert("202".to_owned(), accepted);
    }
    paths.insert("/api/v1/events/{id}/replay".to_owned(), json!({ "post": replay }));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "SmartLine", "version": env!("CARGO_PKG_VERSION"),
            "description": "What happened on a phone line: events, calls, messages and who pays. Lists are newest first. \
                            People's data are masked unless the key has the scope pii:read.",
        },
        "security": [{ "key": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "key": { "type": "http", "scheme": "bearer", "description": "smartline keys create" } },
            "schemas": {
                "Object": { "type": "object", "required": ["object"], "properties": { "object": { "type": "string" } } },
                "List": {
                    "type": "object", "required": ["object", "data", "has_more"],
                    "properties": {
                        "object": { "const": "list" },
                        "data": { "type": "array", "items": { "type": "object" } },
                        "has_more": { "type": "boolean" },
                        "partial": { "type": "boolean", "description": "The filter looked at as many rows as it may" },
                        "next": { "type": "string", "description": "Where to go on: the starting_after of the next page, or its ending_before where only that was given" },
                    },
                },
                "Problem": {
                    "type": "object", "required": ["type", "title", "status", "code", "detail", "request_id"],
                    "properties": {
                        "type": { "type": "string" }, "title": { "type": "string" }, "status": { "type": "integer" },
                        "code": { "type": "string" }, "detail": { "type": "string" }, "request_id": { "type": "string" },
                    },
                },
            },
        },
    })
}

fn list(resource: &Resource) -> Value {
    let text = |name: &str, about: &str, schema: Value| json!({ "name": name, "in": "query", "description": about, "schema": schema });
    let mut parameters = vec![
        text(
            "limit",
            "rows of the page",
            json!({ "type": "integer", "minimum": 1, "maximum": 100, "default": 20 }),
        ),
        text("starting_after", "an id: older ones", id_schema(resource)),
        text("ending_before", "an id: newer ones", id_schema(resource)),
        text("created[gte]", "not before", json!({ "type": "string", "format": "date-time" })),
        text("created[lt]", "before", json!({ "type": "string", "format": "date-time" })),
    ];
    // PostgreSQL's text has no NUL.
    let any = || json!({ "type": "string", "pattern": "^[^\\u0000]*$" });
    parameters.extend(resource.filters.iter().map(|filter| text(filter.name, filter.about, any())));
    let name: String = resource.name.split('-').map(capital).collect();
    operation(&format!("list{name}"), resource.about, resource.scope, &parameters, "List")
}

fn detail(resource: &Resource) -> Value {
    let about = format!("{}… or the provider's id", resource.prefix);
    let name: String = resource.object.split('_').map(capital).collect();
    operation(
        &format!("get{name}"),
        &format!("One {}", resource.object),
        resource.scope,
        &[id_parameter(&about)],
        "Object",
    )
}

fn id_schema(resource: &Resource) -> Value {
    json!({ "type": "string", "pattern": format!("^{}[0-7][0-9a-hjkmnp-tv-z]{{25}}$", resource.prefix) })
}

fn id_parameter(about: &str) -> Value {
    json!({ "name": "id", "in": "path", "required": true, "description": about, "schema": { "type": "string" } })
}

fn capital(word: &str) -> String {
    let (first, rest) = word.split_at(1);
    first.to_uppercase() + rest
}

fn operation(id: &str, about: &str, scope: Scope, parameters: &[Value], schema: &str) -> Value {
    let answer = |about: &str, media: &str, schema: &str| {
        json!({
            "description": about,
            "content": { media: { "schema": { "$ref": format!("#/components/schemas/{schema}") } } },
        })
    };
    let problem = |about: &str| answer(about, "application/problem+json", "Problem");
    json!({
        "operationId": id, "summary": about, "description": format!("Scope: `{scope}`."), "parameters": parameters,
        "responses": {
            "200": answer("As asked for", "application/json", schema),
            "400": problem("A parameter is not known or not understood"),
            "401": problem("No good key"),
            "403": problem("The key lacks the scope"),
            "404": problem("No such thing"),
            "429": problem("Too much at once"),
            "503": problem("The database is away"),
        },
    })
}
