//! Calls that are saved beside the file of a flow: `office.calls.toml` beside `office.toml`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{error::Error, line::listed};
use crate::lines::saved::{Saved, read};

/// How such a file's name ends.
const ENDING: &str = ".calls.toml";

/// Whether it is such a file, which is no flow.
pub(super) fn is(file: &Path) -> bool {
    file.to_str().is_some_and(|name| name.ends_with(ENDING))
}

/// The file of the calls of a flow.
pub(super) fn file(flow: &Path) -> PathBuf {
    flow.with_extension(&ENDING[1..])
}

/// The calls of a flow; none where there is no such file.
pub(super) fn beside(flow: &Path) -> Result<Vec<Saved>, Error> {
    let file = file(flow);
    match fs::read_to_string(&file) {
        Ok(text) => {
            read(&text).map_err(|faults| Error::Failed(format!("{}:\n{}", file.display(), listed(&faults))))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Error::Failed(format!("{}: {error}", file.display()))),
    }
}

/// Writes them all.
pub(super) fn write(flow: &Path, calls: &[Saved]) -> Result<(), Error> {
    let file = file(flow);
    let text: Vec<String> = calls.iter().map(Saved::written).collect();
    fs::write(&file, text.join("\n")).map_err(|error| Error::Failed(format!("{}: {error}", file.display())))
}
