//! One connection of the load generator: at most one request in flight.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    ops::Range,
    time::Instant,
};

/// Room for the largest answer.
const ANSWER_BYTES: usize = 16 * 1024;

/// A request that waits for its answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct InFlight {
    /// Its place in the pool's order.
    pub(super) place: usize,
    /// When it should have been sent.
    pub(super) due: Instant,
    /// When it was sent.
    pub(super) sent: Instant,
}

/// What a look at the socket brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// The answer is not complete.
    Waiting,
    /// An answer, with its status; whether the server closes the connection after it; whether it names the event as which
    /// SmartLine has kept the request; where its body is.
    Answer { status: u16, close: bool, event: bool, body: Range<usize> },
    /// The connection ended, or brought something that is no answer.
    Broken,
}

/// A socket that never blocks, and what has been read from it.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    pub(super) in_flight: Option<InFlight>,
    buffer: Box<[u8]>,
    filled: usize,
}

impl Connection {
    pub(super) fn open(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, in_flight: None, buffer: vec![0; ANSWER_BYTES].into(), filled: 0 })
    }

    /// Sends a request whole; `false` where the socket did not take it, which a sane server never brings about: it has
    /// read the one before.
    pub(super) fn send(&mut self, request: &[u8], in_flight: InFlight) -> bool {
        self.filled = 0;
        self.in_flight = Some(in_flight);
        matches!(self.stream.write(request), Ok(written) if written == request.len())
    }

    /// A part of the answer that was read last.
    pub(super) fn part(&self, range: Range<usize>) -> &[u8] {
        &self.buffer[range]
    }

    /// Reads what has come.
    pub(super) fn look(&mut self) -> Look {
        match self.stream.read(&mut self.buffer[self.filled..]) {
            Ok(0) => Look::Broken,
            Ok(count) => {
                self.filled += count;
                read_answer(&self.buffer[..self.filled])
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                Look::Waiting
            }
            Err(_) => Look::Broken,
        }
    }
}

/// Reads an answer whose length stands in its head.
fn read_answer(bytes: &[u8]) -> Look {
    let Some(head) = bytes.windows(4).position(|end| end == b"\r\n\r\n") else {
        return if bytes.len() == ANSWER_BYTES { Look::Broken } else { Look::Waiting };
    };
    let mut lines = bytes[..head].split(|byte| *byte == b'\n');
    let status = lines.next().and_then(|line| std::str::from_utf8(line.get(9..12)?).ok()?.parse().ok());
    let mut length = None;
    let mut close = false;
    let mut event = false;
    for line in lines {
        if let Some(value) = value_of(line, b"content-length:") {
            length = std::str::from_utf8(value).ok().and_then(|value| value.trim().parse::<usize>().ok());
        } else if let Some(value) = value_of(line, b"connection:") {
            close = value.trim_ascii().eq_ignore_ascii_case(b"close");
        } else if value_of(line, b"x-smartline-event:").is_some() {
            event = true;
        }
    }
    let body = head + 4..bytes.len();
    match (status, length) {
        (Some(status), Some(length)) if body.len() == length => Look::Answer { status, close, event, body },
        (Some(_), Some(length)) if body.len() < length => Look::Waiting,
        (Some(status @ 204), None) => Look::Answer { status, close, event, body },
        _ => Look::Broken,
    }
}

fn value_of<'l>(line: &'l [u8], name: &[u8]) -> Option<&'l [u8]> {
    let (start, value) = line.split_at_checked(name.len())?;
    start.eq_ignore_ascii_case(name).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        let plain = |body| Look::Answer { status: 200, close: false, event: false, body };
        for (case, bytes, expected) in [
            ("whole", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", plain(38..40)),
            ("no body", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", plain(38..38)),
            ("body to come", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no", Look::Waiting),
            ("head to come", "HTTP/1.1 200 OK\r\nContent-Le", Look::Waiting),
            (
                "last one",
                "HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
                Look::Answer { status: 503, close: true, event: false, body: 59..59 },
            ),
            (
                "kept",
                "HTTP/1.1 200 OK\r\nX-SmartLine-Event: 7\r\nContent-Length: 0\r\n\r\n",
                Look::Answer { status: 200, close: false, event: true, body: 60..60 },
            ),
            ("more than was said", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nok", Look::Broken),
            ("no length", "HTTP/1.1 200 OK\r\n\r\n", Look::Broken),
            ("no HTTP", "hello\r\n\r\n", Look::Broken),
        ] {
            assert_eq!(read_answer(bytes.as_bytes()), expected, "{case}");
        }
    }
}
