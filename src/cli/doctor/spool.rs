//! The spool: writable, private, and on a disk that stays.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use super::Report;
use crate::config::{DEFAULT_SPOOL_DIR, Environment};

const GROUP: &str = "spool";

/// Looks at the folder, without its lock: a service may be using it.
pub(super) fn look(report: &mut Report, environment: &Environment) {
    let folder = PathBuf::from(environment.get("SMARTLINE_SPOOL_DIR").unwrap_or(DEFAULT_SPOOL_DIR));
    let shown = folder.display().to_string();
    match writable(&folder) {
        Ok(()) => report.fine(GROUP, &shown, "can be written"),
        Err(problem) => return report.found("E501", &shown, &problem, None),
    }
    if environment.on_render() && on_the_root(&folder) {
        report.found("W502", &shown, "no disk is attached there", None);
    }
    let waits = waiting(&folder);
    if waits > 0 {
        report.found("N503", &shown, &format!("{waits} bytes"), None);
    }
}

/// Tries it with a file of its own, in the nearest folder above that exists where it has not been made yet.
fn writable(folder: &Path) -> Result<(), String> {
    let existing = folder
        .ancestors()
        .map(|part| if part.as_os_str().is_empty() { Path::new(".") } else { part })
        .find(|part| part.exists());
    let existing = existing.unwrap_or(Path::new("."));
    if existing == folder {
        let mode = fs::metadata(folder).map_err(|cause| cause.to_string())?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err("others may look into it: chmod 700".to_owned());
        }
    }
    tempfile_in(existing).map_err(|cause| format!("{}: {cause}", existing.display()))
}

fn tempfile_in(folder: &Path) -> std::io::Result<()> {
    let file = folder.join(format!(".smartline-doctor-{}", std::process::id()));
    fs::OpenOptions::new().write(true).create_new(true).open(&file)?;
    fs::remove_file(file)
}

/// Whether nothing is mounted below `/` where the folder lies. On Render an attached disk is.
fn on_the_root(folder: &Path) -> bool {
    let Ok(mounts) = fs::read_to_string("/proc/mounts") else { return false };
    let here = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(1));
    !points.filter(|point| *point != "/").any(|point| here.starts_with(point))
}

/// Bytes in its files; its lock has none.
fn waiting(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).filter(fs::Metadata::is_file).map(|file| file.len()).sum()
}
