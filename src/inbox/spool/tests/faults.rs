//! A disk that fails: every call of it, once and for longer.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::io::Errno;

use super::*;

/// How much a write that fails has written before.
#[derive(Clone, Copy, Debug)]
enum Written {
    Nothing,
    Half,
    All,
}

/// What is known of a disk from outside.
#[derive(Default)]
struct Seen {
    /// Calls so far.
    calls: AtomicUsize,
    /// How many bytes of each file, by its inode, a loss of power would leave.
    synced: Mutex<BTreeMap<u64, u64>>,
    /// The files that it would leave.
    named: Mutex<BTreeSet<String>>,
}

/// The disk, of whose calls some fail. It notes what is to be synced and does not wait for it.
struct FailingDisk {
    seen: Arc<Seen>,
    /// The numbers of those that fail.
    failing: Range<usize>,
    written: Written,
    /// Offsets that cannot be read, in every file.
    bad_place: Range<u64>,
}

impl FailingDisk {
    fn may(&self) -> io::Result<()> {
        let call = self.seen.calls.fetch_add(1, Ordering::SeqCst);
        // Not EIO, which for a read means that the bytes are lost and another attempt is in vain.
        if self.failing.contains(&call) { Err(Errno::NFILE.into()) } else { Ok(()) }
    }
}

impl Disk for FailingDisk {
    fn create(&self, path: &Path) -> io::Result<File> {
        self.may().and_then(|()| LocalDisk.create(path))
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        self.may().and_then(|()| LocalDisk.open(path))
    }

    fn write(&self, file: &File, at: u64, bytes: &[u8]) -> io::Result<()> {
        if self.may().is_ok() {
            return LocalDisk.write(file, at, bytes);
        }
        let count = match self.written {
            Written::Nothing => 0,
            Written::Half => bytes.len() / 2,
            Written::All => bytes.len(),
        };
        LocalDisk.write(file, at, &bytes[..count])?;
        // A full disk's own error.
        LocalDisk.write(&File::options().write(true).open("/dev/full")?, 0, bytes)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.may()?;
        let found = file.metadata()?;
        self.seen.synced.lock().unwrap().insert(found.ino(), found.len());
        Ok(())
    }

    fn truncate(&self, file: &File, length: u64) -> io::Result<()> {
        self.may().and_then(|()| LocalDisk.truncate(file, length))
    }

    fn read(&self, file: &File, at: u64, into: &mut [u8]) -> io::Result<()> {
        self.may()?;
        let bad = at < self.bad_place.end && self.bad_place.start < at + into.len() as u64;
        if bad { Err(Errno::IO.into()) } else { LocalDisk.read(file, at, into) }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.may().and_then(|()| LocalDisk.remove(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.may().and_then(|()| LocalDisk.rename(from, to))
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        self.may()?;
        *self.seen.named.lock().unwrap() = files(directory).into_iter().collect();
        Ok(())
    }
}

/// What was done to a spool, and what it owes.
#[derive(Default)]
struct Story {
    /// Records that were given to it, in order.
    given: Vec<Vec<u8>>,
    /// Those that it has promised and that were not removed.
    owed: Vec<Vec<u8>>,
    /// Those that it has refused.
    refused: Vec<Vec<u8>>,
}

impl Story {
    fn append(&mut self, spool: &Spool, count: usize) {
        let records: Vec<_> = (self.given.len()..self.given.len() + count).map(numbered).collect();
        self.given.extend_from_slice(&records);
        let appended = spool.append(&records);
        (if appended.is_ok() { &mut self.owed } else { &mut self.refused }).extend(records);
    }

    /// Reads, and removes what came; a fault may stop the first, but never change what comes.
    fn take(&mut self, spool: &Spool, count: usize) {
        let Ok(chunk) = spool.oldest(count, usize::MAX) else { return };
        let number = chunk.records().len();
        assert!(self.owed.starts_with(chunk.records()), "{:?}", chunk.records());
        assert_eq!(number == 0, self.owed.is_empty());
        let _ = spool.remove(chunk);
        self.owed.drain(..number);
        assert_eq!(spool.held().records, self.owed.len() as u64);
    }

    /// Appends and removes within a segment, over its end, and to the last record.
    fn play(&mut self, spool: &Spool) {
        self.append(spool, 1);
        self.append(spool, 1);
        self.append(spool, 3);
        self.take(spool, 1);
        self.append(spool, 1);
        self.append(spool, 1);
        for _ in 0..4 {
            self.take(spool, 2);
        }
        self.append(spool, 2);
        self.take(spool, 1);
        self.append(spool, 1);
        self.append(spool, 1);
    }
}

/// A spool on a disk that fails at some calls.
fn failing(
    directory: &Path,
    seen: &Arc<Seen>,
    failing: Range<usize>,
    written: Written,
) -> Result<Spool, SpoolError> {
    let disk = FailingDisk { seen: Arc::clone(seen), failing, written, bad_place: 0..0 };
    Spool::on(Box::new(disk), directory, ROOMY, SHORT)
}

/// What a spool finds at its start, on a disk that does not fail.
fn found(directory: &Path) -> Vec<Vec<u8>> {
    drain(&failing(directory, &Arc::default(), 0..0, Written::All).unwrap())
}

/// What a loss of power leaves at worst: nothing that was not synced.
fn power_lost(directory: &Path, seen: &Seen) -> (TempDir, PathBuf) {
    let (parent, copy) = crashed(directory);
    for name in files(directory) {
        let inode = fs::metadata(directory.join(&name)).unwrap().ino();
        if seen.named.lock().unwrap().contains(&name) {
            let synced = seen.synced.lock().unwrap().get(&inode).copied().unwrap_or(0);
            let file = File::options().write(true).open(copy.join(&name)).unwrap();
            file.set_len(synced.min(file.metadata().unwrap().len())).unwrap();
        } else {
            fs::remove_file(copy.join(&name)).unwrap();
        }
    }
    (parent, copy)
}

/// How many calls of the disk fail together, beginning with each in turn.
const LENGTHS: [usize; 5] = [1, 2, 3, 5, usize::MAX / 2];

/// Runs `check` for a fault at every call of the disk that the story makes.
fn at_every_call(check: impl Fn(Spool, Story, &Path, &Seen, usize)) {
    for length in LENGTHS {
        for written in [Written::Nothing, Written::Half, Written::All] {
            for first in 0.. {
                let (_parent, place) = place();
                let seen: Arc<Seen> = Arc::default();
                DirBuilder::new().mode(0o700).create(&place).unwrap();
                println!("{length} calls fail from number {first} on, written: {written:?}"); // of a failure
                let spool = failing(&place, &seen, first..first + length, written).unwrap();
                let mut story = Story::default();
                story.play(&spool);
                if seen.calls.load(Ordering::SeqCst) <= first {
                    assert!(first > 60, "the story has no more than {first} calls");
                    assert!(story.refused.is_empty());
                    break;
                }
                seen.calls.store(usize::MAX / 2 + 1_000_000, Ordering::SeqCst); // it is mended
                check(spool, story, &place, &seen, length);
            }
        }
    }
}

#[test]
fn nothing_refused_comes_nothing_promised_is_missed_and_it_goes_on_when_the_disk_does() {
    at_every_call(|spool, mut story, place, _, _| {
        let refused = story.refused.len();
        story.append(&spool, 2);
        assert_eq!(story.refused.len(), refused, "a mended disk takes records");
        assert_eq!(drain(&spool), story.owed);
        assert_eq!(spool.held(), Held::default());
        assert_eq!(files(place), Vec::<String>::new(), "no file is forgotten");
    });
}

#[test]
fn after_a_crash_or_a_loss_of_power_nothing_promised_is_missed() {
    at_every_call(|spool, story, place, seen, length| {
        let (_copy, dark) = power_lost(place, seen);
        drop(spool);
        let all = found(place);
        let mut given = story.given.iter();
        assert!(all.iter().all(|record| given.any(|it| it == record)), "in order, each once: {all:?}");
        assert!(story.owed.iter().all(|record| all.contains(record)), "{:?} of {all:?}", story.owed);
        let all_synced = found(&dark);
        assert!(
            story.owed.iter().all(|record| all_synced.contains(record)),
            "{:?} of {all_synced:?}",
            story.owed
        );
        let refused = |record| story.refused.contains(record);
        assert!(
            length > 1 || !all.iter().any(refused),
            "what is refused is cut off where the disk allows it"
        );
        assert_eq!(files(place), Vec::<String>::new());
    });
}

#[test]
fn what_cannot_be_cut_off_counts_for_the_bound_until_its_segment_goes() {
    let (_parent, place) = place();
    // Making, directory, writing, syncing; then writing and cutting off fail.
    let spool = failing(&place, &Arc::default(), 5..7, Written::All).unwrap();
    append(&spool, 0..1);
    assert!(spool.append(&[numbered(1)]).is_err());
    assert_eq!(spool.held(), Held { records: 1, bytes: 2 * 34 });
    assert_eq!(drain(&spool), [numbered(0)]);
    assert_eq!(spool.held(), Held::default());
}

#[test]
fn opening_fails_where_the_disk_does_and_harms_nothing() {
    for first in 0.. {
        let (_parent, place) = place();
        let spool = short(&place);
        append(&spool, 0..5);
        drop(spool);
        let seen: Arc<Seen> = Arc::default();
        let opened = failing(&place, &seen, first..first + 1, Written::Nothing);
        if seen.calls.load(Ordering::SeqCst) <= first {
            break;
        }
        let told = opened.err().unwrap().to_string();
        assert!(told.starts_with("reading ") && told.contains("Too many open files"), "{told}");
        assert_eq!(found(&place), (0..5).map(numbered).collect::<Vec<_>>());
    }
}

#[test]
fn a_bad_place_of_the_disk_costs_what_lies_there_and_does_not_stop_the_rest() {
    let (_parent, place) = place();
    let disk =
        FailingDisk { seen: Arc::default(), failing: 0..0, written: Written::All, bad_place: 4096..8192 };
    let spool = Spool::on(Box::new(disk), &place, ROOMY, 1 << 14).unwrap();
    let record = |number: u8| vec![number; 1000]; // 1024 bytes on the disk
    for number in 0..15 {
        spool.append(&[record(number)]).unwrap();
    }
    let numbers: Vec<u8> = drain(&spool).iter().map(|record| record[0]).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14]);
    assert_eq!((files(&place).len(), spool.held()), (1, Held::default()));
    assert!(files(&place)[0].ends_with(".log.damaged"));
}
