//! From a row to what its reader may see.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::resources::Resource;
use crate::domain::id;

/// What stands in place of a value that is not shown.
const MASKED: &str = "(masked)";

impl Resource {
    /// The answer's form of a row: ids with prefixes, no machinery, and people's data only where `people` says so.
    pub(in crate::http) fn shown(&self, row: Value, people: bool) -> Value {
        let Value::Object(mut row) = row else { return row };
        row.remove("stamps");
        let mut shown = Map::new();
        shown.insert("object".to_owned(), self.object.into());
        for (name, value) in row {
            let value = match name.as_str() {
                "id" => prefixed(self.prefix, &value),
                "sources" => sources(value),
                column if value.is_null() || people => {
                    let _ = column;
                    value
                }
                column if self.numbers.contains(&column) => mask_number(&value),
                column if self.hidden.contains(&column) => MASKED.into(),
                "key" if self.name == "opt-outs" => MASKED.into(),
                _ => value,
            };
            shown.insert(name, value);
        }
        shown.into()
    }
}

fn prefixed(prefix: &str, id: &Value) -> Value {
    let id = id.as_str().and_then(|id| Uuid::parse_str(id).ok());
    id.map_or(Value::Null, |id| id::shown(prefix, id).into())
}

/// The event behind each column; columns of one event may share a member.
fn sources(sources: Value) -> Value {
    let Value::Object(sources) = sources else { return json!({}) };
    let mut shown = Map::new();
    for (columns, event) in &sources {
        shown.extend(columns.split(' ').map(|column| (column.to_owned(), prefixed("event_", event))));
    }
    shown.into()
}

/// A number but for its last four digits; what is too short for that, or is none, is masked whole.
pub(in crate::http) fn mask_number(number: &Value) -> Value {
    let text = number.as_str().unwrap_or_default();
    let digits: Vec<char> = text.chars().filter(char::is_ascii_digit).collect();
    if text.starts_with('+') && digits.len() >= 8 {
        let last: String = digits[digits.len() - 4..].iter().collect();
        format!("+•••{last}").into()
    } else {
        MASKED.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::api::resources;

    #[test]
    fn nobodys_data_are_shown_without_leave() {
        let row = json!({
            "id": "01900000-0000-7000-8000-000000000000", "from_number": "+14155550142", "to_number": "anonymous",
            "line": null, "transcription": "I am Ada", "status": "completed", "stamps": {"x": 1},
            "sources": {"outcome status": "01900000-0000-7000-8000-000000000000"},
        });
        let calls = resources::named("calls").unwrap();
        let masked = calls.shown(row.clone(), false);
        assert_eq!(masked["object"], "call");
        assert!(masked["id"].as_str().unwrap().starts_with("call_"));
        assert!(masked["sources"]["status"].as_str().unwrap().starts_with("event_"));
        assert_eq!(
            (
                &masked["from_number"],
                &masked["to_number"],
                &masked["line"],
                &masked["transcription"],
                &masked["status"]
            ),
            (&"+•••0142".into(), &MASKED.into(), &Value::Null, &MASKED.into(), &"completed".into())
        );
        assert_eq!(masked.get("stamps"), None);
        let seen = calls.shown(row, true);
        assert_eq!(
            (&seen["from_number"], &seen["transcription"]),
            (&"+14155550142".into(), &"I am Ada".into())
        );
    }
}
