//! Words with places that are filled in: `{line.name}`, `{caller.name|there}`, `{var.size|…}`. A lookup and what stands in
//! where nothing is known; no expressions.

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part<'a> {
    Words(&'a str),
    Place { name: &'a str, otherwise: &'a str },
}

/// The names that a place may have, besides `var.` and a variable's name.
pub(crate) const NAMES: [&str; 4] = ["line.name", "line.number", "caller.name", "caller.number"];

/// The longest that a value is taken to be, in characters, where a length is foretold.
const VALUE: usize = 40;

/// The most characters that a template comes to.
///
/// # Errors
/// Why it is no template.
pub(crate) fn longest(template: &str, is_variable: impl Fn(&str) -> bool) -> Result<usize, String> {
    let mut length = 0;
    for part in parts(template)? {
        length += match part {
            Part::Words(words) => words.chars().count(),
            Part::Place { name, otherwise } => {
                let known = NAMES.contains(&name) || name.strip_prefix("var.").is_some_and(&is_variable);
                if !known {
                    return Err(format!(
                        "`{{{name}}}` is none of {}, or var. and a variable that a step captures",
                        NAMES.join(", ")
                    ));
                }
                otherwise.chars().count().max(VALUE)
            }
        };
    }
    Ok(length)
}

/// The template with its places filled in with the longest that may stand there, written in one letter; with what stands
/// in for it, where that is longer.
pub(crate) fn longest_of(template: &str, letter: char) -> String {
    let Ok(parts) = parts(template) else { return template.to_owned() };
    let longest = |part| match part {
        Part::Words(words) => words.to_owned(),
        Part::Place { otherwise, .. } if otherwise.chars().count() > VALUE => otherwise.to_owned(),
        Part::Place { .. } => letter.to_string().repeat(VALUE),
    };
    parts.into_iter().map(longest).collect()
}

/// The template with its places filled in; `value` knows what is there, if anything. What is no template stays as it is.
pub(crate) fn fill(template: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let Ok(parts) = parts(template) else { return template.to_owned() };
    parts
        .into_iter()
        .map(|part| match part {
            Part::Words(words) => words.to_owned(),
            Part::Place { name, otherwise } => value(name).unwrap_or_else(|| otherwise.to_owned()),
        })
        .collect()
}

fn parts(template: &str) -> Result<Vec<Part<'_>>, String> {
    let (mut parts, mut rest) = (Vec::new(), template);
    while let Some(at) = rest.find(['{', '}']) {
        if rest.as_bytes()[at] == b'}' {
            return Err("`}` closes nothing".to_owned());
        }
        let end = rest[at..].find('}').ok_or("`{` is not closed")?;
        let inside = &rest[at + 1..at + end];
        if inside.contains('{') {
            return Err("`{` is not closed".to_owned());
        }
        let (name, otherwise) = inside.split_once('|').unwrap_or((inside, ""));
        parts.extend([Part::Words(&rest[..at]), Part::Place { name, otherwise }]);
        rest = &rest[at + end + 1..];
    }
    parts.push(Part::Words(rest));
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_faults() {
        let longest = |template| longest(template, |name| name == "size");
        assert_eq!(longest("four"), Ok(4));
        assert_eq!(longest("{var.size|a} {line.name}"), Ok(2 * VALUE + 1));
        let otherwise = "b".repeat(VALUE + 1);
        assert_eq!(
            longest_of(&format!("To {{line.name|me}}, {{caller.name|{otherwise}}}"), 'x'),
            format!("To {}, {otherwise}", "x".repeat(VALUE))
        );
        for (template, fault) in [
            ("{", "not closed"),
            ("a}", "closes nothing"),
            ("{a{b}}", "not closed"),
            ("{x}", "`{x}`"),
            ("{var.other}", "`{var.other}`"),
        ] {
            assert!(longest(template).unwrap_err().contains(fault), "{template}");
        }
    }
}
