//! One file of the spool.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::disk::Disk;
use super::record::{Progress, Records, Source};

/// How a segment's file name ends.
const ENDING: &str = ".log";

/// What is put behind the name of a file in which something could not be read.
const DAMAGED: &str = ".damaged";

/// The name of a segment, in the order of their making; as text as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    /// Grows by one from segment to segment.
    pub(super) sequence: u64,
    /// Random. It goes into every check of the segment, and stands in the name so that no damage inside can reach it.
    pub(super) salt: Uuid,
}

impl Name {
    /// Reads a file name; none where it is not exactly one that we give.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (sequence, salt) = text.strip_suffix(ENDING)?.split_once('-')?;
        let name = Self { sequence: sequence.parse().ok()?, salt: Uuid::try_parse(salt).ok()? };
        // Sixteen digits leave room to count on, whatever somebody has named a file.
        (sequence.len() == 16 && name.to_string() == text).then_some(name)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016}-{}{ENDING}", self.sequence, self.salt.simple())
    }
}

/// A segment as this process sees it.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) name: Name,
    /// How far its records were removed.
    pub(super) done: Progress,
    /// Records in it by their heads, removed ones as well.
    pub(super) records: u64,
    /// Where the records end that count. What lies behind comes from an append that failed.
    pub(super) end: u64,
    /// Bytes of the file.
    pub(super) size: u64,
}

impl Segment {
    /// A segment without content.
    pub(super) fn new(name: Name) -> Self {
        Self { name, done: Progress::default(), records: 0, end: 0, size: 0 }
    }

    /// A segment of an earlier process, `size` bytes long. Only heads are read, which makes it fast.
    ///
    /// # Errors
    /// What the disk says.
    pub(super) fn found(name: Name, size: u64, directory: &Path, disk: &dyn Disk) -> io::Result<Self> {
        let mut segment = Self { end: size, size, ..Self::new(name) };
        segment.records = segment.open(directory, disk)?.count()?;
        Ok(segment)
    }

    /// Where its file lies.
    pub(super) fn path(&self, directory: &Path) -> PathBuf {
        directory.join(self.name.to_string())
    }

    /// Its records, to be read.
    ///
    /// # Errors
    /// What the disk says.
    pub(super) fn open<'a>(&self, directory: &Path, disk: &'a dyn Disk) -> io::Result<Records<OnDisk<'a>>> {
        let file = disk.open(&self.path(directory))?;
        Ok(Records { source: OnDisk { disk, file }, salt: self.name.salt, end: self.end })
    }

    /// Whether nothing is left in it.
    pub(super) fn is_finished(&self) -> bool {
        self.done.offset == self.end
    }

    /// Records that were not removed.
    pub(super) fn left(&self) -> u64 {
        if self.is_finished() { 0 } else { self.records.saturating_sub(self.done.records) }
    }

    /// Takes the file of a finished segment away: removes it, or, where something in it could not be read, gives it a
    /// name by which its owner finds it and the spool does not.
    ///
    /// # Errors
    /// What the disk says; nothing was changed then.
    pub(super) fn put_away(&self, directory: &Path, disk: &dyn Disk) -> io::Result<()> {
        let path = self.path(directory);
        if self.done.damaged > 0 {
            let mut kept = path.clone().into_os_string();
            kept.push(DAMAGED);
            present(disk.rename(&path, Path::new(&kept)))?;
            tracing::error!(
                spool.file = %Path::new(&kept).display(), spool.bytes = self.done.damaged,
                "a file of the spool is damaged: what could be read of it was taken, the file is kept",
            );
        } else {
            present(disk.remove(&path))?;
        }
        if self.done.torn > 0 {
            tracing::warn!(
                spool.file = %path.display(), spool.bytes = self.done.torn,
                "the spool ended in a record that was never wholly written, nor promised; it was dropped",
            );
        }
        Ok(())
    }
}

/// A file that is gone already need not be taken away.
fn present(done: io::Result<()>) -> io::Result<()> {
    done.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

/// A segment's bytes on the disk.
pub(super) struct OnDisk<'a> {
    disk: &'a dyn Disk,
    file: File,
}

impl Source for OnDisk<'_> {
    fn read(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        self.disk.read(&self.file, offset, into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_as_they_were_made_and_nothing_else_is_one() {
        let name = |sequence| Name { sequence, salt: Uuid::from_u128(0xabc) }.to_string();
        assert_eq!(name(7), "0000000000000007-00000000000000000000000000000abc.log");
        assert!(name(9) < name(10) && Name::read(&name(9)) < Name::read(&name(10)));
        for other in [
            "lock",
            "lost+found",
            ".log",
            "0000000000000007-00000000000000000000000000000abc.log.damaged",
            "0000000000000007-00000000000000000000000000000ABC.log",
            "7-00000000000000000000000000000abc.log",
            "+000000000000007-00000000000000000000000000000abc.log",
            "00000000000000007-00000000000000000000000000000abc.log",
            "0000000000000007-00000000-0000-0000-0000-000000000abc.log",
        ] {
            assert_eq!(Name::read(other), None, "{other}");
        }
    }
}
