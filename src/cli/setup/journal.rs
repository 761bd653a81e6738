//! What `setup` changed, and what stood there before: a file with one line of JSON for each change. It holds no secret.

use std::{
    collections::HashSet,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{cli::error::Error, consoles::Step};

/// A line of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    /// Which change; the lines of one change have the same.
    pub(super) id: String,
    pub(super) at: DateTime<Utc>,
    pub(super) state: State,
    /// What the provider called what was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) created: Option<String>,
    pub(super) step: Step,
}

/// How far a change came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// About to be sent: whether it arrived is not known.
    Begun,
    Done,
    /// Taken back.
    Undone,
}

/// The file.
pub(super) struct Journal(PathBuf);

impl Journal {
    pub(super) fn at(file: &Path) -> Self {
        Self(file.to_owned())
    }

    /// Writes a line, and waits until the disk has it.
    ///
    /// # Errors
    /// [`Error::Failed`] where the disk does not take it.
    pub(super) fn write(&self, entry: &Entry) -> Result<(), Error> {
        let line = serde_json::to_string(entry).map_err(Error::because)?;
        let written = || -> io::Result<()> {
            let mut file = fs::OpenOptions::new().create(true).append(true).open(&self.0)?;
            writeln!(file, "{line}")?;
            file.sync_data()
        };
        written()
            .map_err(|cause| Error::Failed(format!("cannot write the journal {}: {cause}", self.0.display())))
    }

    /// The changes that were not taken back yet, the last one first.
    ///
    /// # Errors
    /// [`Error::Failed`] where there is no journal, or it was edited.
    pub(super) fn to_undo(&self) -> Result<Vec<Entry>, Error> {
        let name = self.0.display();
        let text = fs::read_to_string(&self.0)
            .map_err(|cause| Error::Failed(format!("cannot read the journal {name}: {cause}")))?;
        let entries: Result<Vec<Entry>, _> = text.lines().map(serde_json::from_str).collect();
        let entries =
            entries.map_err(|_| Error::Failed(format!("{name} holds a line that is none of `setup`'s")))?;
        let (mut seen, mut open) = (HashSet::new(), Vec::new());
        for entry in entries.into_iter().rev() {
            // The last line of a change says how far it came.
            if seen.insert(entry.id.clone()) && entry.state != State::Undone {
                open.push(entry);
            }
        }
        Ok(open)
    }
}
