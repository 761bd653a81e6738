//! A copy of the environment: the process's own variables first, then those of a `.env` file.

use std::{collections::HashMap, ffi::OsString, path::Path};

/// The variables that a command sees. Taken once, so that tests can hand in their own.
#[derive(Clone, Default)]
pub struct Environment {
    variables: HashMap<String, String>,
}

/// A `.env` file that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{file} cannot be read at line {line}: write NAME=value, and quote a value that holds blanks or #")]
pub(crate) struct DotenvError {
    file: String,
    /// Which line, from 1; its text may be a secret and is not told.
    line: usize,
}

impl Environment {
    /// The process's own variables alone.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub(crate) fn of_process() -> Self {
        let text = |os: OsString| os.to_string_lossy().into_owned();
        let variables = std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect();
        Self { variables }
    }

    /// Adds what `file` sets and the environment does not. A file that is not there adds nothing.
    ///
    /// # Errors
    /// When a line of it cannot be read.
    pub(crate) fn and_file(mut self, file: &Path) -> Result<Self, DotenvError> {
        let Ok(lines) = dotenvy::from_path_iter(file) else { return Ok(self) };
        for (index, line) in lines.enumerate() {
            let (name, value) =
                line.map_err(|_| DotenvError { file: file.display().to_string(), line: index + 1 })?;
            self.variables.entry(name).or_insert(value);
        }
        Ok(self)
    }

    /// A variable's value, without the blanks around it; `None` where it is unset or blank.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// The names of all that is set.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.keys().map(String::as_str)
    }

    /// Whether this process runs on Render.
    pub(crate) fn on_render(&self) -> bool {
        self.get("RENDER").is_some()
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(variables: [(&str, &str); N]) -> Self {
        variables.into_iter().collect()
    }
}

impl<'v> FromIterator<(&'v str, &'v str)> for Environment {
    fn from_iter<I: IntoIterator<Item = (&'v str, &'v str)>>(variables: I) -> Self {
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Self { variables: variables.into_iter().map(own).collect() }
    }
}
