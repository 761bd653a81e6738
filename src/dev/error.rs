//! Why a private PostgreSQL did not start, and what to do.

use std::io;
use std::path::{Path, PathBuf};

use super::install;

/// How many lines of a log an error quotes.
const QUOTED_LINES: usize = 12;

/// Why a private PostgreSQL did not start. Every message says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// No folder on this machine has usable programs.
    #[error(
        "PostgreSQL {} or newer (its programs initdb and postgres) was not found: {advice}{}",
        install::OLDEST,
        unfit.iter().flat_map(|reason| ["\n  not usable: ", reason]).collect::<String>()
    )]
    NoPrograms {
        /// Programs that were found and cannot be used, with the reason.
        unfit: Vec<String>,
        /// What to run on this system.
        advice: String,
    },
    /// The folder that was named does not serve.
    #[error("no usable PostgreSQL in {}: {reason}; name a folder with initdb and postgres, or none to search", folder.display())]
    Programs {
        /// The folder that was named.
        folder: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The cluster was made by a version that is not installed.
    #[error(
        "the data in {} was made by PostgreSQL {made_by}, and only {} is here: install PostgreSQL {made_by}, or remove \
         that folder to begin with an empty database",
        folder.display(), found.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
    )]
    OtherVersion {
        /// The folder in question.
        folder: PathBuf,
        /// Major version of the cluster.
        made_by: u32,
        /// Major versions that were found.
        found: Vec<u32>,
    },
    /// Another process holds the folder.
    #[error(
        "{} is in use by {}: stop it, or name another data folder", folder.display(),
        holder.map_or("another process".into(), |number| format!("process {number}"))
    )]
    InUse {
        /// The folder in question.
        folder: PathBuf,
        /// Number of the process that holds it, where it is known.
        holder: Option<u32>,
    },
    /// The folder has something in it that is not ours, or belongs to somebody else.
    #[error("{} was not made by SmartLine: name an empty or a new folder", folder.display())]
    Foreign {
        /// The folder in question.
        folder: PathBuf,
    },
    /// We are root, and the server's user can reach neither the folder nor one for temporary files.
    #[error(
        "PostgreSQL may not run as root, and user id {uid} cannot reach {}: name a data folder that every user may pass \
         through, such as one below /var/lib", folder.display()
    )]
    Unreachable {
        /// The folder in question.
        folder: PathBuf,
        /// The user that the server would run as.
        uid: u32,
    },
    /// A server of an earlier run is still there and does not end.
    #[error("PostgreSQL of an earlier run (process {pid}) does not end: stop it, then start again")]
    Predecessor {
        /// Number of its process.
        pid: i32,
    },
    /// A program of PostgreSQL failed.
    #[error("{program} failed ({status}):\n{output}")]
    Failed {
        /// `initdb` or `postgres`.
        program: &'static str,
        /// How it ended.
        status: String,
        /// The last lines that it wrote.
        output: String,
    },
    /// The system refused something.
    #[error("{doing} {}: {source}{}", path.display(), advice_on(source))]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The file, folder or program.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

fn advice_on(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "; another user may have made it: start as that user, or name another data folder"
        }
        _ => "",
    }
}

impl StartError {
    /// Lifts what the system says about `path` into an error.
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }

    /// The error for a program that failed, with the end of what it wrote.
    pub(super) fn failed(program: &'static str, status: &impl ToString, text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text);
        let lines: Vec<&str> = text.lines().collect();
        let output = lines[lines.len().saturating_sub(QUOTED_LINES)..].join("\n");
        Self::Failed { program, status: status.to_string(), output }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_quotes_the_end() {
        let text = (0..100).map(|line| format!("line {line}")).collect::<Vec<_>>().join("\n");
        let told = StartError::failed("initdb", &"exit status: 1", text.as_bytes()).to_string();
        assert!(
            told.starts_with("initdb failed (exit status: 1):\nline 88\n") && told.ends_with("line 99"),
            "{told}"
        );
    }
}
