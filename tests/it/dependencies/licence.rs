//! Licence expressions: whether one can be satisfied from a list of allowed licences.

/// Whether `expression` (SPDX, with the older `A/B` for `A OR B`) can be satisfied from `allowed`.
///
/// `AND` binds tighter than `OR`. A licence `WITH` an exception counts as another licence: it must be listed whole.
///
/// # Errors
/// The expression cannot be read; the text says why.
pub(super) fn satisfied(expression: &str, allowed: &[&str]) -> Result<bool, String> {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut reader = Reader { words: &words, allowed };
    let answer = reader.either()?;
    match reader.words {
        [] => Ok(answer),
        [word, ..] => Err(format!("`{expression}`: `{word}` is not expected there")),
    }
}

struct Reader<'a> {
    words: &'a [&'a str],
    allowed: &'a [&'a str],
}

impl Reader<'_> {
    fn take(&mut self, word: &str) -> bool {
        let found = self.words.first() == Some(&word);
        if found {
            self.words = &self.words[1..];
        }
        found
    }

    fn either(&mut self) -> Result<bool, String> {
        let mut answer = self.both()?;
        while self.take("OR") {
            answer |= self.both()?;
        }
        Ok(answer)
    }

    fn both(&mut self) -> Result<bool, String> {
        let mut answer = self.one()?;
        while self.take("AND") {
            answer &= self.one()?;
        }
        Ok(answer)
    }

    fn one(&mut self) -> Result<bool, String> {
        if self.take("(") {
            let answer = self.either()?;
            return if self.take(")") { Ok(answer) } else { Err("a bracket is not closed".to_owned()) };
        }
        let name = self.name()?;
        let whole = if self.take("WITH") { format!("{name} WITH {}", self.name()?) } else { name };
        Ok(self.allowed.contains(&whole.as_str()))
    }

    fn name(&mut self) -> Result<String, String> {
        match self.words {
            [word, rest @ ..] if !["(", ")", "AND", "OR", "WITH"].contains(word) => {
                self.words = rest;
                Ok((*word).to_owned())
            }
            _ => Err("a licence is missing".to_owned()),
        }
    }
}

#[test]
fn expressions_are_weighed_as_spdx_does() {
    for (expression, expected) in [
        ("MIT", Ok(true)),
        ("GPL-3.0-only", Ok(false)),
        ("MIT OR GPL-3.0-only", Ok(true)),
        ("GPL-3.0-only/MIT", Ok(true)),
        ("MIT AND GPL-3.0-only", Ok(false)),
        ("MIT AND ISC", Ok(true)),
        ("MIT OR GPL-3.0-only AND GPL-2.0-only", Ok(true)),
        ("(MIT OR GPL-3.0-only) AND GPL-2.0-only", Ok(false)),
        ("ISC WITH some-exception", Ok(false)),
        ("ISC WITH some-exception OR MIT", Ok(true)),
        ("", Err("a licence is missing".to_owned())),
        ("MIT OR", Err("a licence is missing".to_owned())),
        ("(MIT", Err("a bracket is not closed".to_owned())),
        ("MIT ISC", Err("`MIT ISC`: `ISC` is not expected there".to_owned())),
    ] {
        assert_eq!(satisfied(expression, &["MIT", "ISC"]), expected, "{expression}");
    }
}
