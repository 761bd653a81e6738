//! How records lie in a segment, and how they are found again, whatever has become of the bytes.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | [`MAGIC`] |
//! | 4 | length of the payload, little-endian |
//! | 8 | check of the head: the first bytes of SHA-256 over salt, offset of the record and length |
//! | 8 | check of the payload: the same with the payload behind |
//! | … | the payload |
//!
//! The checks do three things. A length that was damaged is known before it is believed, so no wrong one is followed or
//! costs memory. A record whose payload is damaged costs only itself, since its length still leads to the next. And
//! bytes in a payload that look like a record, sent by whoever hopes for damage around them, are not taken for one: the
//! salt of a segment is random, stands in its name, and is told to nobody.

use std::io;

use rustix::io::Errno;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// What a record begins with. The first byte occurs in no UTF-8 text, so that text is passed over quickly.
const MAGIC: [u8; 4] = *b"\xf5SPL";

/// Bytes before the payload.
pub(crate) const HEAD: u64 = 24;

/// The longest payload, in bytes: well over the largest body that is accepted, and little enough to hold in memory.
pub(crate) const LONGEST: usize = 4 << 20;

/// How much is read at a time in search of the next record, in bytes: what disks and their caches read at a time, too.
const BLOCK: u64 = 4096;

/// What stands for a byte that the disk cannot give: neither part of [`MAGIC`] nor zero, so it counts as damage.
const UNREADABLE: u8 = 0xff;

/// Appends to `bytes` the record that will lie at `offset` of its segment. A payload over [`LONGEST`] would not be read.
pub(crate) fn write(bytes: &mut Vec<u8>, salt: Uuid, offset: u64, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&check(salt, offset, length, &[]));
    bytes.extend_from_slice(&check(salt, offset, length, payload));
    bytes.extend_from_slice(payload);
}

/// The head's check where `payload` is empty.
fn check(salt: Uuid, offset: u64, length: u32, payload: &[u8]) -> [u8; 8] {
    let hash = Sha256::new()
        .chain_update(salt.as_bytes())
        .chain_update(offset.to_le_bytes())
        .chain_update(length.to_le_bytes())
        .chain_update(payload)
        .finalize();
    let mut start = [0; 8];
    start.copy_from_slice(&hash[..8]);
    start
}

/// Where a segment's bytes come from.
pub(crate) trait Source {
    /// Fills `into` from `offset` on.
    ///
    /// # Errors
    /// Whatever the disk says; `EIO` and an early end count as damage of just those bytes.
    fn read(&self, offset: u64, into: &mut [u8]) -> io::Result<()>;
}

impl Source for &[u8] {
    fn read(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let from = self.get(start..).and_then(|rest| rest.get(..into.len()));
        into.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// How far a segment has been read, and what was met on the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Everything before was read: a record begins here, or damage, or the segment ends.
    pub(crate) offset: u64,
    /// Records that were whole.
    pub(crate) records: u64,
    /// Bytes of what is damaged.
    pub(crate) damaged: u64,
    /// Bytes of a record that was never wholly written. It ends the segment.
    pub(crate) torn: u64,
}

/// A segment's records.
pub(crate) struct Records<S> {
    /// The bytes.
    pub(crate) source: S,
    /// The salt of the segment.
    pub(crate) salt: Uuid,
    /// Where the segment ends.
    pub(crate) end: u64,
}

/// What comes next in a segment.
enum Next {
    /// A head that is right, at `at`, whose record fits in. The payload may still be damaged.
    Record { at: u64, length: u32 },
    /// A head that is right, at `at`, whose record goes on past the end.
    Cut { at: u64 },
    /// No more heads.
    Nothing,
}

impl<S: Source> Records<S> {
    /// How many records there seem to be, by their heads.
    ///
    /// # Errors
    /// What the source says.
    pub(crate) fn count(&self) -> io::Result<u64> {
        let (mut offset, mut records) = (0, 0);
        while let Next::Record { at, length } = self.next(offset)? {
            offset = at + HEAD + u64::from(length);
            records += 1;
        }
        Ok(records)
    }

    /// The whole records after `from`, and how far that got. At most `most_records` of them, and at most `most_bytes`
    /// of payload, but one at least. No record means that none is left, and that the end is reached.
    ///
    /// # Errors
    /// What the source says.
    pub(crate) fn read(
        &self,
        from: Progress,
        most_records: usize,
        most_bytes: usize,
    ) -> io::Result<(Vec<Vec<u8>>, Progress)> {
        let (mut records, mut bytes, mut progress) = (Vec::new(), 0, from);
        while records.len() < most_records.max(1) {
            match self.next(progress.offset)? {
                Next::Record { at, length } => {
                    let size = usize::try_from(length).map_err(io::Error::other)?;
                    if !records.is_empty() && bytes + size > most_bytes {
                        break;
                    }
                    let next = at + HEAD + u64::from(length);
                    progress.damaged += at - progress.offset;
                    if let Some(payload) = self.payload(at, length, size)? {
                        bytes += size;
                        progress.records += 1;
                        records.push(payload);
                    } else {
                        progress.damaged += next - at;
                    }
                    progress.offset = next;
                }
                Next::Cut { at } => {
                    progress.damaged += at - progress.offset;
                    progress.torn += self.end - at;
                    progress.offset = self.end;
                    break;
                }
                Next::Nothing => {
                    let rest = self.end - progress.offset;
                    let torn = self.is_torn(progress.offset)?;
                    *(if torn { &mut progress.torn } else { &mut progress.damaged }) += rest;
                    progress.offset = self.end;
                    break;
                }
            }
        }
        Ok((records, progress))
    }

    /// The first record at `offset` or behind.
    fn next(&self, mut offset: u64) -> io::Result<Next> {
        loop {
            if let Some(length) = self.head(offset)? {
                let fits = offset + HEAD + u64::from(length) <= self.end;
                return Ok(if fits { Next::Record { at: offset, length } } else { Next::Cut { at: offset } });
            }
            let Some(candidate) = self.magic(offset + 1)? else { return Ok(Next::Nothing) };
            offset = candidate;
        }
    }

    /// The length of the payload, where a head begins at `offset` and is right.
    fn head(&self, offset: u64) -> io::Result<Option<u32>> {
        if offset + HEAD > self.end {
            return Ok(None);
        }
        let mut head = [0; 16];
        self.fill(offset, &mut head)?;
        let mut length = [0; 4];
        length.copy_from_slice(&head[4..8]);
        let length = u32::from_le_bytes(length);
        let right = head[..4] == MAGIC
            && usize::try_from(length).is_ok_and(|length| length <= LONGEST)
            && head[8..] == check(self.salt, offset, length, &[]);
        Ok(right.then_some(length))
    }

    /// The payload of the record at `at`, whose head is right; none where it is damaged.
    fn payload(&self, at: u64, length: u32, size: usize) -> io::Result<Option<Vec<u8>>> {
        let mut told = [0; 8];
        self.fill(at + HEAD - 8, &mut told)?;
        let mut payload = vec![0; size];
        self.fill(at + HEAD, &mut payload)?;
        Ok((told == check(self.salt, at, length, &payload)).then_some(payload))
    }

    /// Where [`MAGIC`] stands next, at `from` or behind.
    fn magic(&self, mut from: u64) -> io::Result<Option<u64>> {
        while from + HEAD <= self.end {
            let block = self.block(from)?;
            if let Some(found) = block.windows(MAGIC.len()).position(|window| window == MAGIC) {
                return Ok(Some(from + found as u64));
            }
            // The last three bytes may be the first of a magic. A block is longer: it has 24 bytes at least.
            from += block.len() as u64 - 3;
        }
        Ok(None)
    }

    /// Whether what lies from `from` to the end, without a head, is what a write leaves that was broken off: less than
    /// a head, or room that was taken and never filled. A whole head without its payload is [`Next::Cut`].
    ///
    /// Anything else may have been a record that was promised, and is damage, although a loss of power can leave
    /// such bytes, too.
    fn is_torn(&self, from: u64) -> io::Result<bool> {
        let mut offset = from;
        let mut zeros = true;
        while offset < self.end {
            let block = self.block(offset)?;
            if offset == from && self.end - from < HEAD && block.iter().zip(MAGIC).all(|(a, b)| *a == b) {
                return Ok(true);
            }
            zeros &= block.iter().all(|byte| *byte == 0);
            offset += block.len() as u64;
        }
        Ok(zeros)
    }

    /// The next bytes at `from`: a block, or less at the end.
    fn block(&self, from: u64) -> io::Result<Vec<u8>> {
        let length = BLOCK.min(self.end - from);
        let mut block = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        self.fill(from, &mut block)?;
        Ok(block)
    }

    /// Reads from the source; bytes that it has lost for good become [`UNREADABLE`].
    fn fill(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        let lost = |read: &io::Result<()>| read.as_ref().is_err_and(is_lost);
        let whole = self.source.read(offset, into);
        if !lost(&whole) {
            return whole;
        }
        // One bad place fails the whole reading, so each block of the disk is tried by itself.
        let (mut offset, mut rest) = (offset, into);
        while !rest.is_empty() {
            let to_boundary = usize::try_from(BLOCK - offset % BLOCK).map_err(io::Error::other)?;
            let (piece, behind) = rest.split_at_mut(to_boundary.min(rest.len()));
            let read = self.source.read(offset, piece);
            if lost(&read) {
                piece.fill(UNREADABLE);
            } else {
                read?;
            }
            offset += piece.len() as u64;
            rest = behind;
        }
        Ok(())
    }
}

/// Whether reading again will say the same: a bad place of the disk, or a file that became shorter.
fn is_lost(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::UnexpectedEof || error.raw_os_error() == Some(Errno::IO.raw_os_error())
}
