//! The directory of a spool: made, proven private, locked, and read.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

use super::disk::Disk;
use super::error::SpoolError;
use super::segment::Name;

/// The name of the file whose lock stands for the whole directory. It is never removed: two processes could otherwise
/// hold locks of two files of that name.
const LOCK: &str = "lock";

/// A directory that no other spool uses while this value lives.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    lock: File,
}

impl Directory {
    /// Makes the directory where it is missing and takes its lock.
    ///
    /// # Errors
    /// [`SpoolError::Open`] and [`SpoolError::Foreign`] where others could get at the records. The permissions of a
    /// directory that exists are not changed: it could be one that others need. [`SpoolError::InUse`] where the lock is
    /// taken; [`SpoolError::Io`] for what the system refuses.
    pub(super) fn take(wanted: &Path, disk: &dyn Disk) -> Result<Self, SpoolError> {
        make(wanted, disk).map_err(SpoolError::io("making", wanted))?;
        let path = wanted.canonicalize().map_err(SpoolError::io("finding", wanted))?;
        let found = fs::metadata(&path).map_err(SpoolError::io("reading", &path))?;
        private(&path, found.uid(), found.mode(), geteuid().as_raw())?;
        let lock = lock(&path)?;
        Ok(Self { path, lock })
    }

    /// Absolute, free of links.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The segments that are here and their lengths in bytes, oldest first. Whatever has another name, or is no plain
    /// file, is left alone.
    pub(super) fn segments(&self) -> Result<Vec<(Name, u64)>, SpoolError> {
        self.list().map_err(SpoolError::io("reading", &self.path))
    }

    fn list(&self) -> io::Result<Vec<(Name, u64)>> {
        let mut segments = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let name = entry.file_name().to_str().and_then(Name::read);
            let found = entry.metadata()?; // of a link, not of what it leads to
            if let Some(name) = name.filter(|_| found.is_file()) {
                segments.push((name, found.len()));
            }
        }
        segments.sort_unstable();
        Ok(segments)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Closing is not enough: a child of another thread, just forked, has the file open until it runs its program.
        let _ = self.lock.unlock();
    }
}

/// Makes `directory` and the parents that are missing, each for its owner only, so that they survive a loss of power.
fn make(directory: &Path, disk: &dyn Disk) -> io::Result<()> {
    let missing: Vec<&Path> = directory.ancestors().take_while(|path| !here(path).exists()).collect();
    for path in missing.into_iter().rev() {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        if let Some(parent) = path.parent() {
            disk.sync_directory(here(parent))?;
        }
    }
    Ok(())
}

/// The parent of a relative path of one part is written as nothing.
fn here(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

/// Whether only `user` can get at a directory of that owner and mode.
fn private(directory: &Path, owner: u32, mode: u32, user: u32) -> Result<(), SpoolError> {
    let directory = directory.to_owned();
    if owner != user {
        Err(SpoolError::Foreign { directory, owner, user })
    } else if mode & 0o077 != 0 {
        Err(SpoolError::Open { directory, mode: mode & 0o777 })
    } else {
        Ok(())
    }
}

fn lock(directory: &Path) -> Result<File, SpoolError> {
    let path = directory.join(LOCK);
    let file = File::options().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.map_err(SpoolError::io("opening", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(SpoolError::InUse { directory: directory.to_owned() }),
        Err(TryLockError::Error(error)) => Err(SpoolError::io("locking", &path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_directory_of_our_own_is_private() {
        let at = Path::new("/spool");
        for (case, owner, mode, private_) in [
            ("ours alone", 7, 0o40_700, true),
            ("ours, without our own right to write, which the lock file will tell", 7, 0o40_500, true),
            ("the group reads", 7, 0o40_740, false),
            ("others pass", 7, 0o40_701, false),
            ("everybody's", 7, 0o41_777, false),
            ("somebody else's", 8, 0o40_700, false),
        ] {
            assert_eq!(private(at, owner, mode, 7).is_ok(), private_, "{case}");
        }
        let told = private(at, 8, 0o40_700, 7).unwrap_err().to_string();
        assert!(told.contains("/spool belongs to user 8") && told.contains("runs as user 7"), "{told}");
        let told = private(at, 7, 0o40_755, 7).unwrap_err().to_string();
        assert!(told.contains("(mode 755): chmod 700"), "{told}");
    }
}
