//! The local spool: records on a directory of this machine while PostgreSQL is away, given back in order.
//!
//! Records are opaque bytes. They lie in segments, files that are only ever appended to, by one process, and that are
//! removed when all of their records are. `docs/adr/0005-spool.md` says why this is code of our own.
//!
//! What holds after each call, whatever the disk does:
//!
//! - [`Spool::append`] gave `Ok`: its records are on the disk and survive a crash, until they are removed.
//! - It gave an error: this spool never returns its records. What was written of them is cut off again; where the disk
//!   does not even allow that, or the process dies before, the next process may find those that had become whole, in
//!   their place in the order. The same holds for an append that a crash broke off.
//! - [`Spool::remove`] is remembered by the process. After a crash, the records of a segment that had not been removed
//!   as a whole come again.
//!
//! So a record may come twice, and one that was refused may come; none that was promised is missed. All calls block on
//! the disk, and wait for one another; only [`Spool::held`] does not.

mod directory;
mod disk;
mod error;
pub(crate) mod record;
mod segment;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use crate::provider::mac;
use directory::Directory;
use disk::{Disk, LocalDisk};
pub(crate) use error::SpoolError;
use record::Progress;
use segment::{Name, Segment};

/// How long a segment becomes, in bytes, unless a single append is longer. It is what a crash in mid-drain gives twice.
const SEGMENT: u64 = 8 << 20;

/// A bounded, durable queue of byte records in a directory that nobody else uses meanwhile.
pub(crate) struct Spool {
    directory: Directory,
    disk: Box<dyn Disk>,
    most_bytes: u64,
    segment_bytes: u64,
    state: Mutex<State>,
    /// A copy that need not wait for the disk.
    held: Mutex<Held>,
}

/// What lies in a spool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// Records that were not removed. Damaged ones may count until they are come to.
    pub(crate) records: u64,
    /// Bytes of all segments, which is what the bound is about: a segment counts until its last record is removed.
    pub(crate) bytes: u64,
}

/// Records in the order of their append, as [`Spool::oldest`] gave them.
#[derive(Debug)]
pub(crate) struct Chunk {
    records: Vec<Vec<u8>>,
    /// The segment they are from, and how far it is done with them; none for no records.
    until: Option<(Name, Progress)>,
}

impl Chunk {
    /// The records; empty where the spool is.
    pub(crate) fn records(&self) -> &[Vec<u8>] {
        &self.records
    }
}

struct State {
    /// Oldest first.
    segments: VecDeque<Segment>,
    /// The file of the last segment, while more may be appended to it.
    active: Option<File>,
    /// The number of the next segment.
    next: u64,
}

impl State {
    fn held(&self) -> Held {
        Held {
            records: self.segments.iter().map(Segment::left).sum(),
            bytes: self.segments.iter().map(|segment| segment.size).sum(),
        }
    }
}

impl Spool {
    /// Takes the directory, makes it where it is missing (for its owner only), and counts what an earlier process left.
    /// The segments may take `most_bytes` together.
    ///
    /// # Errors
    /// [`SpoolError::InUse`], [`SpoolError::Open`] or [`SpoolError::Foreign`] where the directory cannot be ours alone;
    /// [`SpoolError::Io`] for what the system refuses.
    pub(crate) fn open(directory: &Path, most_bytes: u64) -> Result<Self, SpoolError> {
        Self::on(Box::new(LocalDisk), directory, most_bytes, SEGMENT)
    }

    fn on(
        disk: Box<dyn Disk>,
        directory: &Path,
        most_bytes: u64,
        segment_bytes: u64,
    ) -> Result<Self, SpoolError> {
        let directory = Directory::take(directory, &*disk)?;
        let mut state = State { segments: VecDeque::new(), active: None, next: 1 };
        for (name, size) in directory.segments()? {
            let segment = Segment::found(name, size, directory.path(), &*disk);
            let path = directory.path().join(name.to_string());
            state.segments.push_back(segment.map_err(SpoolError::io("reading", &path))?);
            state.next = name.sequence + 1;
        }
        let held = Mutex::default();
        let spool = Self { directory, disk, most_bytes, segment_bytes, state: Mutex::new(state), held };
        let mut state = spool.state();
        spool.sweep(&mut state)?;
        spool.publish(&state);
        drop(state);
        Ok(spool)
    }

    /// Writes all `records` and returns when every one will survive a crash.
    ///
    /// # Errors
    /// [`SpoolError::TooLarge`] and [`SpoolError::Full`], where nothing was written, and [`SpoolError::Io`]. None of
    /// the records is then returned by [`Spool::oldest`].
    pub(crate) fn append(&self, records: &[Vec<u8>]) -> Result<(), SpoolError> {
        if let Some(record) = records.iter().find(|record| record.len() > record::LONGEST) {
            return Err(SpoolError::TooLarge { bytes: record.len(), most: record::LONGEST });
        }
        if records.is_empty() {
            return Ok(());
        }
        let wanted = records.iter().map(|record| record::HEAD + record.len() as u64).sum();
        let mut state = self.state();
        let held = state.held().bytes;
        if held.saturating_add(wanted) > self.most_bytes {
            return Err(SpoolError::Full { held, wanted, most: self.most_bytes });
        }
        let appended = self.append_to(&mut state, records, wanted);
        if appended.is_err() {
            self.tidy(&mut state);
        }
        self.publish(&state);
        appended
    }

    /// The oldest records that were not removed: at most `most_records`, and at most `most_bytes` of them, but one at
    /// least. They are of one segment, so there may be more although fewer came; only an empty chunk says that there
    /// are none. The same come again until they are removed.
    ///
    /// # Errors
    /// [`SpoolError::Io`] where a segment cannot be read. Places that the disk has lost for good count as damage, and
    /// are passed over.
    pub(crate) fn oldest(&self, most_records: usize, most_bytes: usize) -> Result<Chunk, SpoolError> {
        let mut state = self.state();
        let chunk = self.oldest_of(&mut state, most_records, most_bytes);
        self.tidy(&mut state);
        self.publish(&state);
        chunk
    }

    /// Forgets the records of `chunk`, and removes the file of a segment that has no others. A chunk that was removed
    /// before changes nothing.
    ///
    /// # Errors
    /// [`SpoolError::Io`] where a file cannot be removed. The records are forgotten by this process all the same, and
    /// each later call tries again to remove the file; the next process may find them.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "nothing is left to be done with a chunk that was removed"
    )]
    pub(crate) fn remove(&self, chunk: Chunk) -> Result<(), SpoolError> {
        let Some((name, until)) = chunk.until else { return Ok(()) };
        let mut state = self.state();
        if let Some(segment) = state.segments.iter_mut().find(|segment| segment.name == name)
            && segment.done.offset < until.offset
        {
            segment.done = until;
        }
        let swept = self.sweep(&mut state);
        self.publish(&state);
        swept
    }

    /// Keeps a record that is of no use in a file of its own, for the owner to look at; tells which. Done again, it is
    /// the same file.
    ///
    /// # Errors
    /// [`SpoolError::Io`].
    pub(crate) fn set_aside(&self, record: &[u8]) -> Result<PathBuf, SpoolError> {
        let name = format!("{}.aside", mac::hex(&mac::digest(&[record])[..16]));
        let path = self.directory.path().join(name);
        let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&path);
        let written = file.and_then(|mut file| {
            file.write_all(record)?;
            file.sync_all()
        });
        written.map_err(SpoolError::io("writing", &path))?;
        Ok(path)
    }

    /// What lies there now, without waiting for the disk.
    pub(crate) fn held(&self) -> Held {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append_to(&self, state: &mut State, records: &[Vec<u8>], wanted: u64) -> Result<(), SpoolError> {
        // Whatever fails from here on leaves no active segment: nothing is appended behind bytes that are in doubt.
        let active = state.active.take();
        let fits = state.segments.back().is_some_and(|last| last.end + wanted <= self.segment_bytes);
        let file = match active.filter(|_| fits) {
            Some(file) => file,
            None => self.begin(state)?,
        };
        let Some(segment) = state.segments.back_mut() else {
            // There is one, or `begin` has failed. If that is ever wrong, nothing may be promised.
            return Err(SpoolError::io("finding a segment in", self.directory.path())(
                io::ErrorKind::NotFound.into(),
            ));
        };
        let mut bytes = Vec::new();
        for record in records {
            let offset = segment.end + bytes.len() as u64;
            record::write(&mut bytes, segment.name.salt, offset, record);
        }
        let path = segment.path(self.directory.path());
        let written = self.disk.write(&file, segment.end, &bytes).map_err(SpoolError::io("writing", &path));
        let synced = written
            .and_then(|()| self.disk.sync(&file).map_err(SpoolError::io("syncing", &path)))
            .inspect_err(|_| self.take_back(segment, &file, wanted));
        synced?;
        segment.end += wanted;
        segment.size = segment.end;
        segment.records += records.len() as u64;
        state.active = Some(file);
        Ok(())
    }

    /// Makes the segment that comes next, and its file.
    fn begin(&self, state: &mut State) -> Result<File, SpoolError> {
        let segment = Segment::new(Name { sequence: state.next, salt: Uuid::new_v4() });
        let path = segment.path(self.directory.path());
        let file = self.disk.create(&path).map_err(SpoolError::io("making", &path))?;
        state.next += 1;
        // From here on the file is known, and removed with the next tidying where nothing comes into it.
        state.segments.push_back(segment);
        self.sync_directory()?;
        Ok(file)
    }

    /// Cuts off what an append has left that failed.
    fn take_back(&self, segment: &mut Segment, file: &File, wanted: u64) {
        if let Err(error) = self.disk.truncate(file, segment.end) {
            segment.size = segment.end + wanted; // at most; it may be less
            tracing::warn!(
                spool.file = %segment.path(self.directory.path()).display(), %error,
                "what a failed write to the spool has left cannot be cut off; it is passed over until the next start",
            );
        } else {
            // Best effort: without it, only a loss of power could bring the bytes back.
            let _ = self.disk.sync(file);
        }
    }

    fn oldest_of(
        &self,
        state: &mut State,
        most_records: usize,
        most_bytes: usize,
    ) -> Result<Chunk, SpoolError> {
        let directory = self.directory.path();
        for segment in state.segments.iter_mut().filter(|segment| !segment.is_finished()) {
            let opened = segment.open(directory, &*self.disk);
            match opened.and_then(|records| records.read(segment.done, most_records, most_bytes)) {
                Ok((records, until)) if records.is_empty() => segment.done = until,
                Ok((records, until)) => return Ok(Chunk { records, until: Some((segment.name, until)) }),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    tracing::error!(
                        spool.file = %segment.path(directory).display(), spool.records = segment.left(),
                        "a file of the spool is gone, and its records with it: somebody has removed it",
                    );
                    segment.done.offset = segment.end;
                }
                Err(error) => return Err(SpoolError::io("reading", &segment.path(directory))(error)),
            }
        }
        Ok(Chunk { records: Vec::new(), until: None })
    }

    /// Takes the files of finished segments away.
    fn sweep(&self, state: &mut State) -> Result<(), SpoolError> {
        if state.segments.back().is_some_and(Segment::is_finished) {
            state.active = None; // an open file would keep its room on the disk
        }
        let directory = self.directory.path();
        let before = state.segments.len();
        let mut first = Ok(());
        state.segments.retain(|segment| {
            let away = segment.is_finished().then(|| segment.put_away(directory, &*self.disk));
            let Some(Err(error)) = away else { return away.is_none() };
            if first.is_ok() {
                first = Err(SpoolError::io("removing", &segment.path(directory))(error));
            }
            true
        });
        if state.segments.len() < before { first.and(self.sync_directory()) } else { first }
    }

    /// [`Spool::sweep`] where the caller asked for something else, and the next sweep will do as well.
    fn tidy(&self, state: &mut State) {
        if let Err(error) = self.sweep(state) {
            tracing::warn!(%error, "the spool cannot remove what it has given back; it tries again later");
        }
    }

    fn sync_directory(&self) -> Result<(), SpoolError> {
        let directory = self.directory.path();
        self.disk.sync_directory(directory).map_err(SpoolError::io("syncing", directory))
    }

    fn publish(&self, state: &State) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = state.held();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
