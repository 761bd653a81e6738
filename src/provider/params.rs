//! Parameters of a form, a query or a flat JSON object: an ordered list, since repeats and empty values are signed.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Names and values in the order in which they came. Invalid UTF-8 reads as U+FFFD.
///
/// All of it lies in one text: a form has some twenty fields, and forty small texts took longer than its signature.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Params {
    text: String,
    /// Where the name and the value of each end; each begins where the one before ends.
    ends: Vec<(usize, usize)>,
}

impl Params {
    /// Reads `application/x-www-form-urlencoded` bytes; every input is readable.
    pub(crate) fn from_form(body: &[u8]) -> Self {
        let mut params = Self { text: String::with_capacity(body.len()), ends: Vec::new() };
        for (name, value) in form_urlencoded::parse(body) {
            params.push(&name, &value);
        }
        params
    }

    /// Reads a raw query.
    pub(crate) fn from_query(query: &str) -> Self {
        Self::from_form(query.as_bytes())
    }

    /// Reads a JSON object by flattening its top level: text as it is, everything else as its JSON text, to the letter.
    /// `None` where the body is no JSON object.
    pub(crate) fn from_json(body: &[u8]) -> Option<Self> {
        serde_json::from_slice::<Members>(body).ok().map(|members| members.0)
    }

    /// The first value of `name`.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// The first value of the first of `names` that is there and not empty.
    pub(crate) fn first_of(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.get(name).filter(|value| !value.is_empty()))
    }

    /// All of them, in the order in which they came.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut start = 0;
        self.ends.iter().map(move |(name, value)| {
            let pair = (&self.text[start..*name], &self.text[*name..*value]);
            start = *value;
            pair
        })
    }

    /// All of them, ordered by name and then by value, as bytes.
    pub(crate) fn sorted(&self) -> Vec<(&str, &str)> {
        let mut pairs: Vec<_> = self.iter().collect();
        pairs.sort_unstable();
        pairs
    }

    /// These of them, one after the other with nothing between.
    pub(super) fn joined(&self, pairs: Vec<(&str, &str)>) -> String {
        let mut text = String::with_capacity(self.text.len());
        for (name, value) in pairs {
            text.push_str(name);
            text.push_str(value);
        }
        text
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    fn push(&mut self, name: &str, value: &str) {
        self.text.push_str(name);
        let end = self.text.len();
        self.text.push_str(value);
        self.ends.push((end, self.text.len()));
    }
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Params({} masked)", self.ends.len())
    }
}

impl FromIterator<(String, String)> for Params {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        let mut params = Self::default();
        for (name, value) in pairs {
            params.push(&name, &value);
        }
        params
    }
}

/// The members of a JSON object, repeated ones included: a map would silently drop what a signature covers.
struct Members(Params);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Params::default();
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    let text: String =
                        serde_json::from_str(value.get()).unwrap_or_else(|_| value.get().to_owned());
                    members.push(&name, &text);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(List)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_flattened_to_the_letter() {
        let digits = "9".repeat(400);
        let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
        for (case, value, expected) in [
            ("text", r#""a\u0041\n""#, "aA\n"),
            ("number", "1.50", "1.50"),
            ("400 digits", digits.as_str(), digits.as_str()),
            ("truth", "true", "true"),
            ("nothing", "null", "null"),
            ("object", r#"{"b": 1}"#, r#"{"b": 1}"#),
            ("nested deep", deep.as_str(), deep.as_str()),
            ("half a surrogate pair", r#""\ud800""#, r#""\ud800""#),
        ] {
            let params = Params::from_json(format!(r#"{{"x": {value}, "x": "again"}}"#).as_bytes()).unwrap();
            let both = vec![("x", expected), ("x", "again")];
            assert_eq!(params.iter().collect::<Vec<_>>(), both, "{case}");
        }
        for odd in ["", "[]", "\"x\"", "{", "{} {}"] {
            assert!(Params::from_json(odd.as_bytes()).is_none(), "{odd}");
        }
    }
}
