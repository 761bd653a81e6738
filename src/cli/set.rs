//! `--set path=value`: changing one thing of a sample. What is not there is an error, never passed over.

use serde_json::Value;

use super::near;
use crate::samples::Sample;

/// One change: where, and what is written there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Assignment {
    path: String,
    value: String,
}

/// A path that the sample does not have.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sample has no `{path}`; near it are {near}")]
pub(super) struct Unknown {
    path: String,
    /// At most five paths, with commas.
    near: String,
}

impl std::str::FromStr for Assignment {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (path, value) = text.split_once('=').ok_or("write PATH=VALUE")?;
        if path.is_empty() {
            return Err("write PATH=VALUE");
        }
        Ok(Self { path: path.to_owned(), value: value.to_owned() })
    }
}

impl Sample {
    /// Applies a change. In JSON the path has dots, items of a list by number, and the value keeps the kind of what was
    /// there, as far as it can be read as such; `metadata` takes any new name. In a form the path is a field's name,
    /// also of one that the provider sends only sometimes.
    ///
    /// # Errors
    /// [`Unknown`], with what is near.
    pub(super) fn set(&mut self, assignment: &Assignment) -> Result<(), Unknown> {
        let Assignment { path, value } = assignment;
        match self {
            Self::Json(event) => match place(event, path) {
                Some(place) => {
                    *place = typed(place, value);
                    Ok(())
                }
                None => Err(unknown(path, &paths(event))),
            },
            Self::Form { fields, optional } => {
                if let Some((_, old)) = fields.iter_mut().find(|(name, _)| name == path) {
                    value.clone_into(old);
                    return Ok(());
                }
                if optional.contains(&path.as_str()) {
                    fields.push((path.clone(), value.clone()));
                    return Ok(());
                }
                let names = fields.iter().map(|(name, _)| name.clone());
                let known: Vec<_> = names.chain(optional.iter().map(|&name| name.to_owned())).collect();
                Err(unknown(path, &known))
            }
        }
    }
}

fn unknown(path: &str, known: &[String]) -> Unknown {
    Unknown { path: path.to_owned(), near: near::nearest(path, known, 5).join(", ") }
}

/// Walks to a place that is there, or makes one right below `metadata`.
fn place<'e>(event: &'e mut Value, path: &str) -> Option<&'e mut Value> {
    let mut at = event;
    let mut inside = "";
    for step in path.split('.') {
        at = match at {
            Value::Object(members) => {
                if inside == "metadata" && !members.contains_key(step) {
                    members.insert(step.to_owned(), Value::String(String::new()));
                }
                members.get_mut(step)?
            }
            Value::Array(items) => items.get_mut(step.parse::<usize>().ok()?)?,
            _ => return None,
        };
        inside = step;
    }
    Some(at)
}

/// Reads the value: a text stays one unless null, an object or a list is written; anything else is read as JSON, and
/// as text where it is none.
fn typed(old: &Value, text: &str) -> Value {
    let json = serde_json::from_str(text).ok();
    let structured = |value: &Value| matches!(value, Value::Null | Value::Object(_) | Value::Array(_));
    let json = if old.is_string() { json.filter(structured) } else { json };
    json.unwrap_or_else(|| text.into())
}

/// Every path of an event, leaves and branches.
fn paths(event: &Value) -> Vec<String> {
    let mut all = Vec::new();
    collect(event, String::new(), &mut all);
    all
}

fn collect(value: &Value, path: String, all: &mut Vec<String>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, member)| collect(member, below(name), all));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| collect(item, below(&index.to_string()), all));
        }
        _ => {}
    }
    if !path.is_empty() {
        all.push(path);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn after(assignment: &str) -> Result<Value, Unknown> {
        let mut sample = Sample::Json(json!({
            "id": "evt_1",
            "data": {"object": {"status": "active", "amount": 1, "cancel_at": null, "live": false,
                                "customer": "cus_1", "items": [{"quantity": 1}], "metadata": {}}},
        }));
        sample.set(&assignment.parse().unwrap())?;
        let Sample::Json(mut event) = sample else { unreachable!() };
        Ok(event["data"]["object"].take())
    }

    #[test]
    fn values_keep_their_kind() {
        for (assignment, pointer, expected) in [
            ("data.object.status=past_due", "/status", json!("past_due")),
            ("data.object.status=42", "/status", json!("42")),
            ("data.object.status=", "/status", json!("")),
            ("data.object.customer=null", "/customer", json!(null)),
            (r#"data.object.customer={"id": "cus_2"}"#, "/customer", json!({"id": "cus_2"})),
            ("data.object.amount=9900", "/amount", json!(9900)),
            ("data.object.amount=odd", "/amount", json!("odd")),
            ("data.object.cancel_at=1760000000", "/cancel_at", json!(1_760_000_000)),
            ("data.object.cancel_at=soon", "/cancel_at", json!("soon")),
            ("data.object.live=true", "/live", json!(true)),
            ("data.object.items.0.quantity=3", "/items/0/quantity", json!(3)),
            ("data.object.metadata.plan=a=b", "/metadata/plan", json!("a=b")),
            ("data.object.metadata.seats=3", "/metadata/seats", json!("3")),
        ] {
            assert_eq!(after(assignment).unwrap().pointer(pointer), Some(&expected), "{assignment}");
        }
    }

    #[test]
    fn an_unknown_path_is_an_error_that_names_near_ones() {
        for (assignment, near) in [
            ("data.object.stauts=x", "data.object.status"),
            ("status=x", "data.object.status"),
            ("data.object.items.1.quantity=3", "data.object.items.0.quantity"),
            ("data.object.status.x=3", "data.object.status"),
        ] {
            let error = after(assignment).unwrap_err().to_string();
            assert!(error.contains(&format!("near it are {near}")), "{assignment}: {error}");
        }
        for odd in ["status", "=x"] {
            assert!(odd.parse::<Assignment>().is_err(), "{odd}");
        }
    }

    #[test]
    fn form_fields_by_name() {
        let sample = || Sample::form(vec![("From", "1".to_owned())], &["Digits"]);
        for (assignment, body) in
            [("From=+2", &b"From=%2B2"[..]), ("From=", b"From="), ("Digits=1#", b"From=1&Digits=1%23")]
        {
            let mut sample = sample();
            sample.set(&assignment.parse().unwrap()).unwrap();
            assert_eq!(sample.body(), body, "{assignment}");
        }
        let error = sample().set(&"Digts=1".parse().unwrap()).unwrap_err().to_string();
        assert_eq!(error, "the sample has no `Digts`; near it are Digits, From");
    }
}
