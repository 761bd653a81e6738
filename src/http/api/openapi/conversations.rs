//! Conversations explained and tried, as JSON Schema.

use serde_json::{Map, Value, json};

use super::{
    answer, id_parameter, problems,
    schemas::{perhaps, text, whole},
    time_schema,
};
use crate::http::problem::Code;

/// The schemas of the answers.
pub(super) fn schemas() -> Map<String, Value> {
    let texts = || json!({ "type": "array", "items": text() });
    let test = json!({
        "type": "object", "required": ["step", "test", "saw", "holds"],
        "properties": { "step": text(), "test": text(), "saw": text(), "holds": { "type": "boolean" } },
    });
    let tested = json!({ "type": "array", "items": test });
    let guard = json!({
        "type": "object", "required": ["guard", "saw", "passed"],
        "properties": { "guard": text(), "saw": text(), "passed": { "type": "boolean" } },
    });
    let number = json!({ "type": "integer", "minimum": 0 });
    let decision = json!({
        "type": "object", "required": ["event", "at", "guards", "tests", "steps"],
        "properties": {
            "event": text(), "at": time_schema(), "line": perhaps(&text()), "flow_version": perhaps(&number),
            "turn": number, "steps": texts(), "guards": { "type": "array", "items": guard }, "tests": tested,
            "captured": { "type": "object" }, "hours": { "type": "object" },
            "recording_notice": { "type": "boolean" }, "outcome": perhaps(&text()), "cause": perhaps(&text()),
            "owed": { "type": "array", "items": { "type": "object" } },
        },
    });
    let document = json!({ "type": "string", "description": "empty where the flow is not for the carrier" });
    let shown = json!({
        "type": "object", "required": ["heard", "waits", "path", "twilio", "plivo"],
        "properties": {
            "heard": texts(), "waits": { "enum": ["answer", "ring", "message", "agent", "nothing"] },
            "path": texts(), "tests": tested, "effects": { "type": "array", "items": { "type": "object" } },
            "variables": { "type": "object" }, "twilio": document, "plivo": document, "cause": perhaps(&text()),
        },
    });
    let list = |item: Value| json!({ "type": "array", "items": item });
    let why = [("data", list(decision)), ("has_more", json!({ "const": false }))];
    let mut previewed = shown.clone();
    previewed["properties"]["step"] = text();
    previewed["properties"]["start"] = json!({ "enum": ["call", "text", "missed"], "description": "the conversation that begins with the step" });
    previewed["required"] = json!(["step", "start", "heard", "waits", "path", "twilio", "plivo"]);
    let preview = [("data", list(previewed))];
    let simulation = [("data", list(shown)), ("over", json!({ "type": "boolean" }))];
    let directive = [("do", json!({ "const": "ring" })), ("target", text())];
    Map::from_iter([
        ("Why".to_owned(), whole("list", &why)),
        ("Preview".to_owned(), whole("preview", &preview)),
        ("Simulation".to_owned(), whole("simulation", &simulation)),
        ("Directive".to_owned(), whole("directive", &directive)),
    ])
}

/// Which flow is tried, and who tries it when.
fn scene() -> Value {
    json!({
        "line": { "type": "string", "description": "our number: its flow and settings" },
        "toml": { "type": "string", "description": "a flow in place of the line's" },
        "provider": { "enum": ["twilio", "plivo"], "description": "one of the flow's `providers`; the first of them unless given" },
        "caller": { "type": "string", "description": "E.164; `anonymous` withholds it" },
        "at": time_schema(),
    })
}

/// What a step is shown of.
pub(super) fn preview() -> Value {
    let mut properties = scene();
    properties["step"] = json!({ "type": "string", "description": "its name; every step unless given" });
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

/// What a simulated call is made of.
pub(super) fn simulate() -> Value {
    let one = |name: &str, about: &str| {
        json!({
            "type": "object", "required": [name], "additionalProperties": false, "description": about,
            "properties": { name: { "type": "string" } },
        })
    };
    let mut properties = scene();
    properties["text"] = json!({ "type": "string", "description": "a text instead of a call" });
    properties["inputs"] = json!({ "type": "array", "maxItems": 100, "items": { "anyOf": [
        { "enum": ["wait", "answer", "message", "hang_up"] },
        one("press", "keys"), one("say", "words"), one("agent", "what an agent says"),
    ] } });
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

/// The one operation whose bearer is no key.
pub(super) fn directive() -> Value {
    let schema = json!({
        "type": "object", "required": ["do", "target"],
        "properties": {
            "do": { "const": "ring" },
            "target": { "type": "string", "pattern": "^[A-Za-z0-9_-]{1,40}$", "description": "a name, never a number" },
        },
    });
    let mut responses = problems(
        [
            Code::KeyRequired,
            Code::RateLimited,
            Code::ParameterInvalid,
            Code::BodyMalformed,
            Code::UnsupportedMediaType,
            Code::BodyTimeout,
            Code::BodyTooLarge,
            Code::BadRequest,
            Code::DatabaseUnavailable,
            Code::Internal,
        ]
        .iter(),
    );
    responses["202"] = answer("As asked for", "application/json", "Directive");
    json!({
        "operationId": "directCall",
        "summary": "Whom an agent wants rung when it gives back the call that it was handed",
        "description": "The bearer is the capability of the call, which stood at the end of the agent's address.",
        "security": [{ "capability": [] }],
        "parameters": [id_parameter("the provider's id of the call")],
        "requestBody": { "required": true, "content": { "application/json": { "schema": schema } } },
        "responses": responses,
    })
}
