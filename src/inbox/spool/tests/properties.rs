//! What holds for all records, and for all bytes in their place.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::record::{HEAD, Progress, Records, write};
use super::*;

const SALT: Uuid = Uuid::from_u128(0x5a17);

/// A segment with `records` in it, and where each begins and ends.
fn segment(records: &[Vec<u8>]) -> (Vec<u8>, Vec<Range>) {
    let (mut bytes, mut places) = (Vec::new(), Vec::new());
    for record in records {
        let start = bytes.len();
        write(&mut bytes, SALT, start as u64, record);
        places.push(start..bytes.len());
    }
    (bytes, places)
}

type Range = std::ops::Range<usize>;

fn read(bytes: &[u8], most_records: usize, most_bytes: usize) -> (Vec<Vec<u8>>, Progress) {
    let records = Records { source: bytes, salt: SALT, end: bytes.len() as u64 };
    let (mut all, mut progress) = (Vec::new(), Progress::default());
    loop {
        let (some, next) = records.read(progress, most_records, most_bytes).unwrap();
        assert!(some.len() <= most_records.max(1));
        assert!(some.len() < 2 || some.iter().map(Vec::len).sum::<usize>() <= most_bytes);
        assert!(next.offset > progress.offset || next == progress, "each reading gets on");
        if some.is_empty() {
            let gone = all.iter().map(|record: &Vec<u8>| HEAD + record.len() as u64).sum::<u64>();
            assert_eq!(next.offset, bytes.len() as u64);
            assert_eq!(next.records, all.len() as u64);
            assert_eq!(gone + next.damaged + next.torn, next.offset, "every byte is accounted for");
            assert!(records.count().unwrap() >= next.records, "damaged payloads count, nothing else differs");
            return (all, next);
        }
        all.extend(some);
        progress = next;
    }
}

fn all(bytes: &[u8]) -> (Vec<Vec<u8>>, Progress) {
    read(bytes, usize::MAX, usize::MAX)
}

/// The records whose places lie outside `hit`.
fn spared(records: &[Vec<u8>], places: &[Range], hit: &Range) -> Vec<Vec<u8>> {
    let outside = |place: &Range| place.end <= hit.start || hit.end <= place.start;
    records.iter().zip(places).filter(|(_, place)| outside(place)).map(|(record, _)| record.clone()).collect()
}

fn records() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let letters = prop_oneof![3 => Just(b'a'), 1 => Just(0_u8), 1 => any::<u8>()];
    vec(prop_oneof![4 => vec(letters, 0..40), 1 => vec(any::<u8>(), 4000..9000)], 1..9)
}

proptest! {
    #[test]
    fn what_was_written_is_read(records in records(), most_records in 0..5_usize, most_bytes in 0..9000_usize) {
        let (bytes, _) = segment(&records);
        let (back, progress) = read(&bytes, most_records, most_bytes);
        prop_assert_eq!(back, records);
        prop_assert_eq!((progress.damaged, progress.torn), (0, 0));
    }

    #[test]
    fn cut_anywhere_it_keeps_every_whole_record(records in records(), cut in any::<Index>()) {
        let (bytes, places) = segment(&records);
        let cut = cut.index(bytes.len() + 1);
        let (back, progress) = all(&bytes[..cut]);
        prop_assert_eq!(back, spared(&records, &places, &(cut..bytes.len())));
        prop_assert_eq!(progress.damaged, 0, "a cut is no damage");
    }

    #[test]
    fn room_that_was_never_filled_is_no_damage(records in records(), zeros in 1..9000_usize) {
        let (mut bytes, _) = segment(&records);
        bytes.resize(bytes.len() + zeros, 0);
        let (back, progress) = all(&bytes);
        prop_assert_eq!(back, records);
        prop_assert_eq!((progress.damaged, progress.torn), (0, zeros as u64));
    }

    #[test]
    fn a_changed_bit_costs_the_record_that_it_hits(records in records(), at in any::<Index>(), bit in 0..8_u8) {
        let (mut bytes, places) = segment(&records);
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let (back, progress) = all(&bytes);
        prop_assert_eq!(back, spared(&records, &places, &(at..at + 1)));
        let hit = places.iter().find(|place| place.contains(&at)).unwrap().len();
        prop_assert_eq!((progress.damaged, progress.torn), (hit as u64, 0));
    }

    #[test]
    fn bytes_in_their_place_cost_the_records_that_they_hit(
        records in records(), at in any::<Index>(), garbage in vec(any::<u8>(), 1..6000),
    ) {
        let (mut bytes, places) = segment(&records);
        let at = at.index(bytes.len());
        let end = bytes.len().min(at + garbage.len());
        bytes.splice(at..end, garbage[..end - at].iter().copied());
        let mut hit = at..end;
        // The same byte may stand there already.
        let (whole, _) = segment(&records);
        while hit.start < hit.end && bytes[hit.start] == whole[hit.start] {
            hit.start += 1;
        }
        while hit.start < hit.end && bytes[hit.end - 1] == whole[hit.end - 1] {
            hit.end -= 1;
        }
        let (back, _) = all(&bytes);
        let spared = spared(&records, &places, &hit);
        prop_assert!(spared.iter().all(|record| back.contains(record)));
        let mut known = records.iter();
        prop_assert!(back.iter().all(|record| known.any(|it| it == record)), "nothing is invented");
    }

    #[test]
    fn bytes_of_no_spool_hold_no_record(bytes in vec(any::<u8>(), 0..9000)) {
        prop_assert!(all(&bytes).0.is_empty());
    }

    #[test]
    fn a_record_within_a_record_is_none(records in records(), elsewhere in 1..9000_u64) {
        let (mut planted, _) = segment(&records);
        let mut moved = Vec::new();
        write(&mut moved, SALT, elsewhere, b"right, but for another offset");
        let mut foreign = Vec::new();
        write(&mut foreign, Uuid::nil(), HEAD + planted.len() as u64, b"at its offset, but of another salt");
        planted.extend(foreign);
        planted.extend(moved);
        // Shifted by the head of the outer record, nothing in its payload stands where it should.
        let (mut bytes, _) = segment(&[planted, b"next".to_vec()]);
        bytes[4] ^= 1;
        let inner = usize::try_from(elsewhere).unwrap();
        prop_assume!(!bytes[inner.min(bytes.len())..].starts_with(b"\xf5SPL"));
        prop_assert_eq!(all(&bytes).0, vec![b"next".to_vec()]);
    }
}

/// What is done to a spool.
#[derive(Clone, Debug)]
enum Step {
    Append(usize),
    Take(usize),
    Reopen,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_spool_is_a_queue(steps in vec(prop_oneof![
        5 => (1..5_usize).prop_map(Step::Append),
        5 => (1..5_usize).prop_map(Step::Take),
        1 => Just(Step::Reopen),
    ], 1..30)) {
        let (_parent, place) = place();
        let mut spool = short(&place);
        let (mut queue, mut number): (Vec<Vec<u8>>, _) = (Vec::new(), 0);
        for step in steps {
            match step {
                Step::Append(count) => {
                    let records: Vec<_> = (number..number + count).map(numbered).collect();
                    spool.append(&records).unwrap();
                    queue.extend(records);
                    number += count;
                }
                Step::Take(count) => {
                    let chunk = spool.oldest(count, usize::MAX).unwrap();
                    let taken = chunk.records().len();
                    prop_assert!(queue.starts_with(chunk.records()) && (taken > 0 || queue.is_empty()));
                    queue.drain(..taken);
                    spool.remove(chunk).unwrap();
                }
                Step::Reopen => {
                    drop(spool);
                    spool = short(&place);
                    // Removed ones of the oldest segment are back.
                    let back = usize::try_from(spool.held().records).unwrap();
                    prop_assert!(back >= queue.len() && back < queue.len() + 4);
                    queue = (number - back..number).map(numbered).collect();
                }
            }
            prop_assert_eq!(spool.held().records, queue.len() as u64);
        }
        prop_assert_eq!(drain(&spool), queue);
    }
}
