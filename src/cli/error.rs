//! What ends a command early, and how results and notes are written.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use crate::samples::request::NoObject;

/// Why a command did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The command was written wrongly: exit code 2.
    #[error("{0}")]
    Usage(String),
    /// It was right and did not succeed: exit code 1.
    #[error("{0}")]
    Failed(String),
    /// Nobody can read the result.
    #[error("cannot write the result: {0}")]
    Output(#[from] io::Error),
}

impl From<NoObject> for Error {
    fn from(fault: NoObject) -> Self {
        Self::Usage(fault.to_string())
    }
}

impl Error {
    /// A failure with that cause.
    pub(super) fn because(cause: impl std::fmt::Display) -> Self {
        Self::Failed(cause.to_string())
    }

    /// Says what was wrong on stderr and gives the exit code. A reader that has had enough (`| head`) is no failure.
    pub(super) fn report(&self) -> ExitCode {
        match self {
            Self::Output(cause) if cause.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
            Self::Usage(_) => {
                note(&format!("error: {self}"));
                ExitCode::from(2)
            }
            Self::Failed(_) | Self::Output(_) => {
                note(&format!("error: {self}"));
                ExitCode::FAILURE
            }
        }
    }
}

/// Writes a line of the result to stdout, at once.
///
/// # Errors
/// [`Error::Output`] when nobody reads on.
pub(super) fn print(line: &str) -> Result<(), Error> {
    print_to(&mut io::stdout().lock(), line)
}

/// Writes a line of the result, at once.
///
/// # Errors
/// [`Error::Output`] when nobody reads on.
pub(super) fn print_to(out: &mut dyn io::Write, line: &str) -> Result<(), Error> {
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// Writes a remark to stderr. Where even that is closed, there is nobody to tell.
pub(super) fn note(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}
