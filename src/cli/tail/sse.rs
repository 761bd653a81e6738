//! Server-sent events, as they come in pieces.
//!
//! Source: HTML standard, "Server-sent events", of which a stream of ours uses ids, data, comments and the time to wait.

use std::time::Duration;

/// Most bytes of a block: an event's row is far smaller.
const LARGEST: usize = 1 << 20;

/// What was read and is no whole block yet.
#[derive(Default)]
pub(super) struct Reader(Vec<u8>);

/// One block.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) id: Option<String>,
    pub(super) data: Option<String>,
    /// Why the stream ends, or that it goes on.
    pub(super) comment: Option<String>,
    pub(super) retry: Option<Duration>,
}

impl Reader {
    /// Takes a piece in, and gives the blocks that it completes. `None` where a block does not end.
    pub(super) fn take(&mut self, piece: &[u8]) -> Option<Vec<Block>> {
        self.0.extend(piece);
        let mut blocks = Vec::new();
        while let Some(end) = self.0.windows(2).position(|two| two == b"\n\n") {
            let block: Vec<u8> = self.0.drain(..end + 2).collect();
            blocks.push(Block::read(&String::from_utf8_lossy(&block)));
        }
        (self.0.len() <= LARGEST).then_some(blocks)
    }
}

impl Block {
    fn read(text: &str) -> Self {
        let mut block = Self::default();
        for line in text.lines().filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
            match name {
                "" => block.comment = Some(value),
                "id" => block.id = Some(value),
                "data" => {
                    block.data =
                        Some(block.data.map_or(value.clone(), |before| format!("{before}\n{value}")));
                }
                "retry" => block.retry = value.parse().ok().map(Duration::from_millis),
                _ => {}
            }
        }
        block
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_whatever_pieces_it_comes() {
        let text = ": SmartLine\nretry: 2000\n\nid: event_1\nevent: event.kept\ndata: {\"a\": 1}\n\n: still here\n\nid: 2\nda";
        for size in [1, 3, 1000] {
            let (mut reader, mut blocks) = (Reader::default(), Vec::new());
            for piece in text.as_bytes().chunks(size) {
                blocks.extend(reader.take(piece).unwrap());
            }
            let of = |text: &str| Some(text.to_owned());
            assert_eq!(
                blocks,
                [
                    Block {
                        comment: of("SmartLine"),
                        retry: Some(Duration::from_secs(2)),
                        ..Block::default()
                    },
                    Block { id: of("event_1"), data: of("{\"a\": 1}"), ..Block::default() },
                    Block { comment: of("still here"), ..Block::default() },
                ],
                "{size}"
            );
        }
        assert!(Reader::default().take(&vec![b'x'; LARGEST + 1]).is_none());
    }
}
