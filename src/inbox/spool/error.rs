//! Why the spool did not do what it was asked.

use std::io;
use std::path::{Path, PathBuf};

/// Why the spool did not do what it was asked. Every message says what to do; none shows what a record holds.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpoolError {
    /// Another spool has the directory: of another process, or of this one.
    #[error(
        "the spool in {} is in use: stop the other process that has it, or name another directory",
        directory.display()
    )]
    InUse {
        /// The directory of the spool.
        directory: PathBuf,
    },
    /// Others on this machine could read the directory, or change what is in it.
    #[error(
        "the spool's directory {} is open to other users (mode {mode:03o}): chmod 700 it, or name one that does not \
         exist yet, which is then made",
        directory.display()
    )]
    Open {
        /// The directory of the spool.
        directory: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The directory belongs to another user, who could read and change what is in it.
    #[error(
        "the spool's directory {} belongs to user {owner}, and this process runs as user {user}: chown it, or name one \
         that does not exist yet, which is then made",
        directory.display()
    )]
    Foreign {
        /// The directory of the spool.
        directory: PathBuf,
        /// Who owns it.
        owner: u32,
        /// Who we are.
        user: u32,
    },
    /// The records do not fit beside what is held. Nothing was written.
    #[error("the spool is full: {held} of {most} bytes are taken, and {wanted} more were to be written")]
    Full {
        /// Bytes on the disk now.
        held: u64,
        /// Bytes that the records would add.
        wanted: u64,
        /// Bytes that the spool may take.
        most: u64,
    },
    /// One of the records is longer than any may be. Nothing was written.
    #[error("a record of {bytes} bytes is too large for the spool, which takes {most}")]
    TooLarge {
        /// Bytes of that record.
        bytes: usize,
        /// Bytes that a record may have.
        most: usize,
    },
    /// The system refused something.
    #[error("{doing} {} for the spool failed: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With which file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl SpoolError {
    /// The error for something that the system refused to do with `path`.
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, path: path.to_owned(), source }
    }
}
