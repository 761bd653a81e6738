//! What is sent to manage lines and flows, and what comes back, as JSON Schema.

use serde_json::{Map, Value, json};

use super::{
    schemas::{perhaps, text, whole},
    time_schema,
};
use crate::{domain::verb::LANGUAGES, lines::line::Settings};

/// The schemas of the answers that no resource has.
pub(super) fn schemas() -> Map<String, Value> {
    let version = [
        ("flow_version", json!({ "type": "integer", "minimum": 1 })),
        ("flow", text()),
        ("number", json!({ "type": "integer", "minimum": 1 })),
        ("sha256", text()),
        ("created_at", time_schema()),
        ("created_by", text()),
        ("lines", json!({ "type": "integer", "description": "how many point at it" })),
    ];
    let integer = json!({ "type": ["integer", "null"] });
    let publication = json!({
        "type": "object", "required": ["flow_version", "at", "ended_at", "actor"],
        "properties": {
            "flow_version": integer, "flow": perhaps(&text()), "number": integer, "at": time_schema(),
            "ended_at": perhaps(&time_schema()), "actor": text(),
        },
    });
    let list = |of: &str| {
        let items = json!({ "type": "array", "items": { "$ref": format!("#/components/schemas/{of}") } });
        whole("list", &[("data", items), ("has_more", json!({ "const": false }))])
    };
    let published = [
        ("line", json!({ "$ref": "#/components/schemas/Line" })),
        ("flow_version", integer.clone()),
        ("flow", perhaps(&text())),
        ("number", integer.clone()),
        ("before", integer),
        ("warnings", json!({ "type": "array", "items": { "type": "object" } })),
        ("hours", json!({ "type": "object", "description": "when each of the flow's hours is open next" })),
    ];
    let serving = [
        ("as_of", json!({ "type": ["string", "null"], "description": "when this was last seen to be so" })),
        ("lines", json!({ "type": "array", "items": { "type": "object" } })),
        ("contacts", json!({ "type": "integer", "minimum": 0, "description": "how many are in memory" })),
    ];
    Map::from_iter([
        ("FlowVersion".to_owned(), whole("flow_version", &version)),
        ("FlowVersions".to_owned(), list("FlowVersion")),
        ("Publication".to_owned(), publication),
        ("Publications".to_owned(), list("Publication")),
        ("Published".to_owned(), whole("publication", &published)),
        ("Serving".to_owned(), whole("serving", &serving)),
    ])
}

/// The schema of a body.
pub(super) fn body(name: &str) -> Value {
    let object = |required: &[&str], properties: Value| json!({ "type": "object", "required": required, "properties": properties, "additionalProperties": false });
    match name {
        "NewLine" => {
            let mut properties = line();
            properties["provider"] = json!({ "enum": ["twilio", "plivo"] });
            properties["number"] = json!({ "type": "string", "description": "E.164" });
            object(&["provider", "number", "name", "zone"], properties)
        }
        "LineChange" => object(&[], line()),
        "Erase" => object(
            &[],
            json!({
                "dry_run": { "type": "boolean", "default": true },
                "after": { "type": "string", "pattern": "^event_[0-7][0-9a-hjkmnp-tv-z]{25}$" },
            }),
        ),
        "Publish" => {
            let newest = json!({ "type": "string", "description": "its newest version, unless `number` says otherwise" });
            let number = json!({ "type": ["integer", "null"], "minimum": 1, "maximum": i32::MAX });
            let version = json!({ "type": ["integer", "null"], "minimum": 1, "description": "null is what is built in" });
            let mut schema =
                object(&[], json!({ "flow": newest, "number": number, "flow_version": version }));
            schema["oneOf"] = json!([
                { "required": ["flow"], "properties": { "flow_version": false } },
                { "required": ["flow_version"], "properties": { "flow": false, "number": { "type": "null" } } },
            ]);
            schema
        }
        "NewFlow" => {
            object(&["name"], json!({ "name": { "type": "string", "pattern": "^[A-Za-z0-9_-]{1,40}$" } }))
        }
        "Document" => json!({
            "type": "object", "required": ["schema", "start", "steps"], "additionalProperties": false,
            "properties": {
                "schema": { "const": 1 }, "start": { "type": "object" }, "hours": { "type": "object" },
                "people": { "type": "object" }, "steps": { "type": "object" },
            },
        }),
        _ => object(
            &["line", "number"],
            json!({
                "line": { "type": "string", "description": "line_…, or its number" },
                "number": { "type": "string", "description": "theirs, as E.164" },
                "blocked": { "type": "boolean" }, "name": { "type": ["string", "null"] },
                "tags": { "type": "array", "maxItems": 20, "items": { "type": "string", "pattern": "^[A-Za-z0-9_-]{1,40}$" } },
            }),
        ),
    }
}

/// What can be changed of a line.
fn line() -> Value {
    let settings = Settings::default().shown().into_iter();
    let settings: Map<String, Value> =
        settings.map(|(name, usual)| (name, json!({ "description": format!("default: {usual}") }))).collect();
    json!({
        "name": { "type": "string", "minLength": 1, "maxLength": 80 },
        "account": { "type": ["string", "null"], "description": "the key of an account, such as live::cus_1" },
        "zone": { "type": "string", "description": "IANA, such as America/New_York" },
        "country": { "type": "string", "description": "ISO 3166-1 alpha-2; the number's own, if not given" },
        "language": { "enum": LANGUAGES },
        "state": { "enum": ["on", "off"] },
        "settings": { "type": "object", "properties": settings, "additionalProperties": false },
    })
}
