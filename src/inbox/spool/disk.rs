//! What the spool asks of the disk, so that a test can let any of it fail.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// Everything that is done with segments, one method for each system call that can fail by itself.
pub(super) trait Disk: Send + Sync {
    /// Makes the file, which must not exist, for its owner only.
    fn create(&self, path: &Path) -> io::Result<File>;
    /// Opens the file to read it.
    fn open(&self, path: &Path) -> io::Result<File>;
    /// Writes all of `bytes` from offset `at` on. A failure may leave any part of them there.
    fn write(&self, file: &File, at: u64, bytes: &[u8]) -> io::Result<()>;
    /// Returns when what was written will survive a loss of power.
    fn sync(&self, file: &File) -> io::Result<()>;
    /// Cuts the file down to `length` bytes.
    fn truncate(&self, file: &File, length: u64) -> io::Result<()>;
    /// Fills `into` from offset `at` on, or fails.
    fn read(&self, file: &File, at: u64, into: &mut [u8]) -> io::Result<()>;
    /// Removes the file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Gives the file another name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Returns when files that were made, renamed and removed stay so after a loss of power.
    fn sync_directory(&self, directory: &Path) -> io::Result<()>;
}

/// The disk itself.
pub(super) struct LocalDisk;

impl Disk for LocalDisk {
    fn create(&self, path: &Path) -> io::Result<File> {
        File::options().write(true).create_new(true).mode(0o600).open(path)
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        File::open(path)
    }

    fn write(&self, file: &File, at: u64, bytes: &[u8]) -> io::Result<()> {
        file.write_all_at(bytes, at)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        // Enough for a file that has grown: its new length is synced with the data.
        file.sync_data()
    }

    fn truncate(&self, file: &File, length: u64) -> io::Result<()> {
        file.set_len(length)
    }

    fn read(&self, file: &File, at: u64, into: &mut [u8]) -> io::Result<()> {
        file.read_exact_at(into, at)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        File::open(directory)?.sync_all()
    }
}
