//! What goes over the wire, as JSON Schema.

use serde_json::{Map, Value, json};

use super::{TIMES, about, id_schema, schema, schema_of, time_schema};
use crate::{
    access::Scope,
    http::api::resources::{RESOURCES, Resource},
};

/// The schemas that operations name, but for those of lines and conversations.
pub(super) fn schemas() -> Map<String, Value> {
    let mut schemas = Map::new();
    for resource in RESOURCES {
        let name = schema_of(resource);
        schemas.insert(format!("{name}List"), list(&name));
        schemas.insert(name, object(resource));
    }
    for (name, schema) in [
        ("Count", count("count")),
        ("Stats", stats()),
        ("Timeline", timeline()),
        ("Entitlement", entitlement()),
        ("ReplayedEvent", whole("replay", &[("event", text()), ("status", json!({ "const": "waiting" }))])),
        ("BulkReplay", bulk_replay()),
        ("StoppedReplay", whole("replay", &[("id", text()), ("status", json!({ "const": "stopped" }))])),
        ("NewKey", made_key()),
        ("RevokedKey", whole("key", &[("id", text()), ("revoked_at", time_schema())])),
        ("Export", export()),
        ("Erasure", erasure()),
        ("Problem", problem()),
    ] {
        schemas.insert(name.to_owned(), schema);
    }
    schemas
}

fn export() -> Value {
    let list = || json!({ "type": "array", "items": { "type": "object" } });
    whole(
        "export",
        &[
            ("number", text()),
            ("at", time_schema()),
            ("contacts", list()),
            ("calls", list()),
            ("messages", list()),
            ("opt_outs", list()),
            ("texts_sent", list()),
            ("files", list()),
            ("events", list()),
            ("events_kept_since", perhaps(&time_schema())),
            ("hashed_opt_outs", json!({ "type": "integer", "minimum": 0 })),
            ("has_more", json!({ "type": "boolean", "description": "A list is cut off at 10,000 entries" })),
        ],
    )
}

fn erasure() -> Value {
    let count = json!({ "type": "integer", "minimum": 0 });
    let names = [
        "contacts",
        "calls",
        "messages",
        "opt_outs",
        "outbox",
        "files",
        "events",
        "past_retention",
        "hashed_opt_outs",
    ];
    let found = Map::from_iter(names.map(|name| (name.to_owned(), count.clone())));
    json!({
        "type": "object", "required": ["object", "dry_run", "found", "has_more"],
        "properties": {
            "object": { "const": "erasure" },
            "dry_run": { "type": "boolean" },
            "found": {
                "type": "object", "required": names, "properties": found,
                "description": "Numbers of rows; `events` are those of this request",
            },
            "has_more": { "type": "boolean" },
            "next": { "type": "string", "description": "The `after` of the next request" },
        },
    })
}

pub(super) fn text() -> Value {
    json!({ "type": "string" })
}

pub(super) fn perhaps(schema: &Value) -> Value {
    json!({ "anyOf": [schema, { "type": "null" }] })
}

/// An object with these members and no doubt about any.
pub(super) fn whole(object: &str, members: &[(&str, Value)]) -> Value {
    let mut properties = Map::from_iter([("object".to_owned(), json!({ "const": object }))]);
    properties.extend(members.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())));
    let required: Vec<&String> = properties.keys().collect();
    json!({ "type": "object", "required": required, "properties": properties })
}

fn list(item: &str) -> Value {
    json!({
        "type": "object", "required": ["object", "data", "has_more"],
        "properties": {
            "object": { "const": "list" },
            "data": { "type": "array", "items": { "$ref": format!("#/components/schemas/{item}") } },
            "has_more": { "type": "boolean" },
            "partial": { "type": "boolean", "description": "The filter looked at as many rows as it may" },
            "next": { "type": "string", "description": "Where to go on: the starting_after of the next page, or its ending_before where only that was given" },
        },
    })
}

/// A row: what every one has, and what is masked.
fn object(resource: &Resource) -> Value {
    let mut properties = Map::from_iter([
        ("object".to_owned(), json!({ "const": resource.object })),
        ("id".to_owned(), id_schema(resource)),
    ]);
    for name in resource.numbers {
        let about = "a number; without `pii:read` its last four digits";
        properties.insert((*name).to_owned(), json!({ "type": ["string", "null"], "description": about }));
    }
    for name in resource.hidden {
        properties.insert((*name).to_owned(), json!({ "description": "`(masked)` without `pii:read`" }));
    }
    for filter in resource.filters {
        let words = matches!(schema(filter), Value::Object(schema) if schema.contains_key("enum"));
        if words {
            properties.entry(filter.name).or_insert_with(|| json!({ "type": ["string", "null"] }));
        }
    }
    json!({ "type": "object", "required": ["object", "id"], "properties": properties })
}

fn count(object: &str) -> Value {
    whole(
        object,
        &[("count", json!({ "type": "integer", "minimum": 0 })), ("or_more", json!({ "type": "boolean" }))],
    )
}

fn stats() -> Value {
    let figure = json!({
        "type": "object", "required": ["count", "or_more"],
        "properties": { "count": { "type": "integer", "minimum": 0, "maximum": 10_000 }, "or_more": { "type": "boolean" } },
    });
    let tables = ["events", "calls", "messages", "rejections"];
    let recent = json!({
        "type": "object", "required": tables,
        "properties": Map::from_iter(tables.map(|table| (table.to_owned(), figure.clone()))),
    });
    whole(
        "stats",
        &[
            ("at", time_schema()),
            ("dead_letters", figure.clone()),
            ("events_waiting", figure.clone()),
            ("oldest_waiting_s", json!({ "type": ["integer", "null"] })),
            ("calls_open", figure),
            ("last_hour", recent.clone()),
            ("last_day", recent),
        ],
    )
}

fn timeline() -> Value {
    let moment = json!({
        "type": "object", "required": ["event", "at", "type", "what"],
        "properties": { "event": text(), "at": time_schema(), "type": text(), "what": text() },
    });
    whole(
        "list",
        &[("data", json!({ "type": "array", "items": moment })), ("has_more", json!({ "type": "boolean" }))],
    )
}

fn entitlement() -> Value {
    let subscription = json!({
        "type": "object", "required": ["id", "status"], "properties": { "id": text(), "status": text() },
    });
    whole(
        "entitlement",
        &[
            ("account", text()),
            ("standing", json!({ "enum": ["active", "grace", "suspended", "none"] })),
            ("until", perhaps(&time_schema())),
            ("reason", text()),
            ("event", json!({ "type": ["string", "null"], "description": "what caused it" })),
            ("subscriptions", json!({ "type": "array", "items": subscription })),
        ],
    )
}

fn bulk_replay() -> Value {
    let number = json!({ "type": "integer", "minimum": 0 });
    let mut schema = whole(
        "replay",
        &[
            ("dry_run", json!({ "type": "boolean" })),
            ("found", number.clone()),
            ("replayed", number),
            ("has_more", json!({ "type": "boolean" })),
        ],
    );
    schema["properties"]["next"] =
        json!({ "type": "string", "description": "the starting_after of the next replay" });
    schema["properties"]["id"] =
        json!({ "type": "string", "description": "replay_…, where something is done" });
    schema["properties"]["status"] = json!({ "enum": ["running", "done", "stopped"], "description": "while it is running, `replayed` grows at its id" });
    schema
}

fn made_key() -> Value {
    let mut schema = whole(
        "key",
        &[
            ("id", text()),
            ("name", text()),
            ("scopes", json!({ "type": "array", "items": text() })),
            ("created_at", time_schema()),
            ("expires_at", perhaps(&time_schema())),
        ],
    );
    schema["properties"]["key"] =
        json!({ "type": "string", "description": "The secret; an answer that is given again has none" });
    schema
}

fn problem() -> Value {
    json!({
        "type": "object", "required": ["type", "title", "status", "code", "detail", "instance", "request_id"],
        "properties": {
            "type": { "type": "string", "format": "uri-reference", "description": "a page that explains it" },
            "title": text(), "status": { "type": "integer" }, "code": text(), "detail": text(), "request_id": text(),
            "instance": {
                "type": "string", "format": "uri-reference",
                "description": "the console's page of this refusal, where it was noted",
            },
            "hint": { "type": "string", "description": "what mends it" },
            "reason": { "type": "string", "description": "what is missing, or in the way" },
            "scope": { "type": "string", "description": "which one the key lacks" },
            "fields": {
                "type": "array", "description": "everything that is wrong with what was sent",
                "items": { "type": "object", "required": ["name", "reason"], "properties": { "name": text(), "reason": text() } },
            },
        },
    })
}

/// The body of a bulk replay.
pub(super) fn selection(resource: &Resource) -> Value {
    let mut properties = Map::from_iter([
        ("dry_run".to_owned(), json!({ "type": "boolean", "default": true, "description": "only count" })),
        ("limit".to_owned(), json!({ "type": "integer", "minimum": 1, "maximum": 10_000, "default": 1_000 })),
        ("starting_after".to_owned(), id_schema(resource)),
        (
            "rate".to_owned(),
            json!({
                "type": "integer", "minimum": 1, "maximum": 5_000, "default": 500,
                "description": "most events that are put back in a second",
            }),
        ),
    ]);
    let mut narrow: Vec<String> = Vec::new();
    for (name, about) in TIMES {
        let mut schema = time_schema();
        schema["description"] = about.into();
        properties.insert(name.to_owned(), schema);
        narrow.push(name.to_owned());
    }
    for filter in resource.filters {
        let mut schema = schema(filter);
        schema["description"] = about(filter).into();
        properties.insert(filter.name.to_owned(), schema);
        narrow.push(filter.name.to_owned());
    }
    let mut schema = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if resource.name == "events" {
        schema["anyOf"] = narrow.iter().map(|name| json!({ "required": [name] })).collect();
    }
    schema
}

/// The body that makes a key.
pub(super) fn new_key() -> Value {
    let scopes: Vec<&str> = Scope::ALL.iter().map(|scope| scope.name()).collect();
    json!({
        "type": "object", "required": ["name", "scopes"], "additionalProperties": false,
        "properties": {
            "name": { "type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]*$" },
            "scopes": { "type": "array", "minItems": 1, "items": { "enum": scopes } },
            "days": { "type": ["integer", "null"], "minimum": 1, "maximum": 3650, "description": "after which it ends" },
        },
    })
}
