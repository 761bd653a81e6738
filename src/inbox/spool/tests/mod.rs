//! The spool on a real directory.

mod faults;
mod properties;

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::Read as _;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::*;

const ROOMY: u64 = 1 << 20;

/// Small enough that a few records need several segments.
const SHORT: u64 = 100;

fn short(directory: &Path) -> Spool {
    Spool::on(Box::new(LocalDisk), directory, ROOMY, SHORT).unwrap()
}

/// A directory that does not exist yet, in one that is removed with the test.
fn place() -> (TempDir, PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let place = parent.path().join("spool");
    (parent, place)
}

/// Ten bytes a record, which are 34 on the disk: two fit into a [`SHORT`] segment.
fn numbered(number: usize) -> Vec<u8> {
    format!("record {number:03}").into_bytes()
}

fn append(spool: &Spool, numbers: impl IntoIterator<Item = usize>) {
    for number in numbers {
        spool.append(&[numbered(number)]).unwrap();
    }
}

/// Takes everything out.
fn drain(spool: &Spool) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    loop {
        let chunk = spool.oldest(2, usize::MAX).unwrap();
        if chunk.records().is_empty() {
            return all;
        }
        all.extend_from_slice(chunk.records());
        spool.remove(chunk).unwrap();
    }
}

fn files(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names.retain(|name| name != "lock");
    names
}

/// What a crash leaves: the files as they are now, without any goodbye.
fn crashed(directory: &Path) -> (TempDir, PathBuf) {
    let (parent, copy) = place();
    DirBuilder::new().mode(0o700).create(&copy).unwrap();
    for name in files(directory) {
        fs::copy(directory.join(&name), copy.join(&name)).unwrap();
    }
    (parent, copy)
}

#[test]
fn records_come_back_in_order_across_segments_and_leave_nothing() {
    let (_parent, place) = place();
    let spool = short(&place);
    assert_eq!(spool.held(), Held::default());
    append(&spool, 0..7);
    spool.append(&[numbered(7), numbered(8), Vec::new(), numbered(9)]).unwrap(); // longer than a segment
    append(&spool, 10..11);
    assert_eq!(files(&place).len(), 6);
    assert_eq!(spool.held(), Held { records: 12, bytes: 11 * 34 + 24 });
    let mut expected: Vec<Vec<u8>> = (0..11).map(numbered).collect();
    expected.insert(9, Vec::new());
    assert_eq!(drain(&spool), expected);
    assert_eq!((spool.held(), files(&place)), (Held::default(), Vec::new()));
    append(&spool, 11..12);
    assert_eq!(drain(&spool), [numbered(11)]);
}

#[test]
fn a_chunk_keeps_to_its_bounds_and_comes_again_until_it_is_removed() {
    let (_parent, place) = place();
    let spool = Spool::open(&place, ROOMY).unwrap();
    append(&spool, 0..5);
    for (case, most_records, most_bytes, count) in [
        ("everything", 10, 1000, 5),
        ("by count", 2, 1000, 2),
        ("by bytes", 10, 30, 3),
        ("a byte less", 10, 29, 2),
        ("no room at all still gives one", 0, 0, 1),
    ] {
        let chunk = spool.oldest(most_records, most_bytes).unwrap();
        assert_eq!(chunk.records(), (0..count).map(numbered).collect::<Vec<_>>(), "{case}");
    }
    let (two, three, again) = (spool.oldest(2, 1000), spool.oldest(3, 1000), spool.oldest(2, 1000));
    spool.remove(two.unwrap()).unwrap();
    assert_eq!(spool.held().records, 3);
    append(&spool, 5..6);
    spool.remove(three.unwrap()).unwrap();
    spool.remove(again.unwrap()).unwrap(); // of records that are gone already
    assert_eq!(spool.held(), Held { records: 3, bytes: 6 * 34 });
    assert_eq!(drain(&spool), [3, 4, 5].map(numbered));
}

#[test]
fn the_bound_holds_before_anything_is_written() {
    let (_parent, place) = place();
    let spool = Spool::open(&place, 3 * 34).unwrap();
    append(&spool, 0..2);
    let two = [numbered(2), numbered(3)];
    assert!(matches!(spool.append(&two), Err(SpoolError::Full { held: 68, wanted: 68, most: 102 })));
    append(&spool, 2..3);
    assert!(matches!(spool.append(&[Vec::new()]), Err(SpoolError::Full { .. })));
    spool.append(&[]).unwrap();
    let long = vec![0; record::LONGEST + 1];
    assert!(matches!(spool.append(&[long]), Err(SpoolError::TooLarge { bytes: 4_194_305, most: 4_194_304 })));
    assert_eq!(drain(&spool), [0, 1, 2].map(numbered));
    append(&spool, 3..6);
    assert_eq!(drain(&spool), [3, 4, 5].map(numbered));
    drop(spool);
    let spool = Spool::open(&place, 33).unwrap();
    assert!(matches!(spool.append(&[numbered(6)]), Err(SpoolError::Full { held: 0, wanted: 34, most: 33 })));
    assert_eq!(files(&place), Vec::<String>::new());
}

#[test]
fn the_longest_record_fits() {
    let (_parent, place) = place();
    let spool = Spool::open(&place, 1 << 24).unwrap();
    let long = vec![7; record::LONGEST];
    spool.append(&[long.clone(), numbered(1)]).unwrap();
    assert_eq!(drain(&spool), [long, numbered(1)]);
}

#[test]
fn what_an_earlier_process_left_is_counted_and_comes_first() {
    let (_parent, place) = place();
    let spool = short(&place);
    append(&spool, 0..5);
    spool.remove(spool.oldest(1, 1000).unwrap()).unwrap();
    let (_copy, copy) = crashed(&place);
    drop(spool);
    for place in [place, copy] {
        let spool = short(&place);
        // The first is back: its segment was not removed as a whole.
        assert_eq!(spool.held(), Held { records: 5, bytes: 5 * 34 });
        append(&spool, 5..6); // the last segment has room, but is not ours
        assert_eq!(files(&place).len(), 4);
        spool.remove(spool.oldest(2, 1000).unwrap()).unwrap();
        drop(spool);
        let spool = short(&place);
        assert_eq!(spool.held().records, 4);
        assert_eq!(drain(&spool), [2, 3, 4, 5].map(numbered));
    }
}

#[test]
fn a_torn_end_is_dropped_wherever_it_was_torn() {
    let (_parent, place) = place();
    let spool = Spool::open(&place, ROOMY).unwrap();
    append(&spool, 0..2);
    let segment = files(&place).remove(0);
    for length in 34..68 {
        let (_copy, copy) = crashed(&place);
        let file = File::options().write(true).open(copy.join(&segment)).unwrap();
        file.set_len(length).unwrap();
        let spool = Spool::open(&copy, ROOMY).unwrap();
        assert_eq!(spool.held(), Held { records: 1, bytes: length });
        append(&spool, 2..3);
        assert_eq!(drain(&spool), [0, 2].map(numbered), "{length}");
        assert_eq!(files(&copy), Vec::<String>::new());
        assert_eq!(spool.held(), Held::default());
    }
}

#[test]
fn a_file_made_and_never_filled_goes_at_the_next_start() {
    let (_parent, place) = place();
    drop(short(&place));
    File::create(place.join(Name { sequence: 1, salt: Uuid::new_v4() }.to_string())).unwrap();
    let spool = short(&place);
    assert_eq!((files(&place), spool.held()), (Vec::new(), Held::default()));
}

#[test]
fn a_damaged_file_is_kept_for_its_owner_and_counts_no_more() {
    let (_parent, place) = place();
    let spool = Spool::open(&place, ROOMY).unwrap();
    append(&spool, 0..3);
    let segment = files(&place).remove(0);
    drop(spool);
    let file = File::options().read(true).write(true).open(place.join(&segment)).unwrap();
    file.write_all_at(b"?", 34 + 30).unwrap();
    let spool = Spool::open(&place, ROOMY).unwrap();
    append(&spool, 3..4);
    assert_eq!(drain(&spool), [0, 2, 3].map(numbered));
    assert_eq!(spool.held(), Held::default());
    assert_eq!(files(&place), [format!("{segment}.damaged")]);
    drop(spool);
    let spool = Spool::open(&place, ROOMY).unwrap();
    assert_eq!((spool.held(), drain(&spool)), (Held::default(), Vec::new()));
}

#[test]
fn a_file_that_somebody_removed_does_not_stop_the_rest() {
    let (_parent, place) = place();
    let spool = short(&place);
    append(&spool, 0..4);
    fs::remove_file(place.join(files(&place).remove(0))).unwrap();
    assert_eq!(drain(&spool), [2, 3].map(numbered));
    assert_eq!(spool.held(), Held::default());
}

#[test]
fn a_file_that_became_shorter_is_damaged() {
    let (_parent, place) = place();
    let spool = Spool::open(&place, ROOMY).unwrap();
    append(&spool, 0..3);
    let segment = files(&place).remove(0);
    File::options().write(true).open(place.join(&segment)).unwrap().set_len(60).unwrap();
    assert_eq!(drain(&spool), [numbered(0)]);
    assert_eq!(files(&place), [format!("{segment}.damaged")], "what is missing was promised");
}

#[test]
fn other_things_in_the_directory_are_left_alone() {
    let (_parent, place) = place();
    drop(short(&place));
    let name = |sequence| place.join(Name { sequence, salt: Uuid::new_v4() }.to_string());
    fs::create_dir(place.join("lost+found")).unwrap();
    fs::create_dir(name(1)).unwrap();
    symlink("/dev/zero", name(2)).unwrap();
    fs::write(place.join("notes.log"), "mine").unwrap();
    let before = files(&place);
    let spool = short(&place);
    append(&spool, 0..1);
    assert_eq!(drain(&spool), [numbered(0)]);
    assert_eq!(files(&place), before);
}

#[test]
fn one_spool_at_a_time() {
    let (_parent, place) = place();
    let first = short(&place);
    let told = Spool::open(&place, ROOMY).err().unwrap();
    assert!(
        matches!(told, SpoolError::InUse { .. }) && told.to_string().contains("another directory"),
        "{told}"
    );
    drop(first);
    drop(short(&place));
}

#[test]
fn a_lock_of_another_process_counts() {
    let (_parent, place) = place();
    drop(short(&place));
    let lock = File::options().write(true).open(place.join("lock")).unwrap();
    lock.lock().unwrap();
    // The lock goes with the open file into `cat`, which waits for input that never comes, and alone holds it then.
    let mut holder = Command::new("cat").stdin(Stdio::piped()).stdout(lock).spawn().unwrap();
    assert!(matches!(Spool::open(&place, ROOMY), Err(SpoolError::InUse { .. })));
    drop(holder.stdin.take());
    holder.wait().unwrap();
    drop(short(&place));
}

#[test]
fn everything_is_for_the_owner_only() {
    let (parent, place) = place();
    let place = place.join("in").join("two parts that are missing");
    let spool = short(&place);
    append(&spool, 0..1);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for made in [&parent.path().join("spool"), &parent.path().join("spool/in"), &place] {
        assert_eq!(mode(made), 0o700, "{}", made.display());
    }
    assert_eq!(mode(&place.join("lock")), 0o600);
    assert_eq!(mode(&place.join(&files(&place)[0])), 0o600);
    drop(spool);
    fs::set_permissions(&place, Permissions::from_mode(0o750)).unwrap();
    assert!(matches!(Spool::open(&place, ROOMY), Err(SpoolError::Open { mode: 0o750, .. })));
    assert_eq!(mode(&place), 0o750, "it may be needed so by others");
}

#[test]
fn a_directory_that_cannot_be_made_is_told() {
    let (parent, place) = place();
    fs::write(&place, "a file").unwrap();
    for wanted in [place.clone(), place.join("below")] {
        let told = Spool::open(&wanted, ROOMY).err().unwrap().to_string();
        assert!(told.contains(&place.display().to_string()), "{told}");
    }
    let mut kept = String::new();
    File::open(parent.path().join("spool")).unwrap().read_to_string(&mut kept).unwrap();
    assert_eq!(kept, "a file");
}

#[test]
fn threads_share_it() {
    let (_parent, place) = place();
    let spool = short(&place);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let spool = &spool;
            scope.spawn(move || append(spool, (0..10).map(|number| thread * 10 + number)));
        }
    });
    let all = drain(&spool);
    for thread in 0..4 {
        let own = (thread * 10..thread * 10 + 10).map(numbered);
        assert!(all.iter().filter(|record| own.clone().any(|it| it == **record)).cloned().eq(own.clone()));
    }
    assert_eq!(all.len(), 40);
}
