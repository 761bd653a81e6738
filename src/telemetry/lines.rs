//! Lines on their way out: a thread of its own writes them.
//!
//! Whoever reads the log may stop doing so, and a disk may take seconds: a caller must not wait for either. So at most so
//! many lines wait, and what comes beyond that is left out and counted. A crash of the process loses what waits.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    time::Duration,
};

use tracing_subscriber::fmt::MakeWriter;

/// Most lines that wait, of some 500 bytes each.
const WAITING: usize = 4096;

/// Bytes after which what was gathered is written, although more waits.
const AT_ONCE: usize = 64 * 1024;

/// Longest wait at the end for lines to be written.
const END: Duration = Duration::from_secs(1);

/// What the thread is told.
enum Message {
    Line(Vec<u8>),
    /// Everything before this is to be written; then this is dropped.
    Flush(SyncSender<()>),
}

/// Takes lines and never waits. Cheap to clone.
#[derive(Clone)]
pub(super) struct Lines {
    sender: SyncSender<Message>,
    left_out: Arc<AtomicU64>,
}

/// As long as it lives, lines are written; when it is dropped, those that wait still are, for at most a second.
#[must_use]
pub(crate) struct Writing(SyncSender<Message>);

impl Lines {
    /// Starts the thread that writes to `out`.
    pub(super) fn to(out: impl Write + Send + 'static) -> (Self, Writing) {
        let (sender, receiver) = sync_channel(WAITING);
        let lines = Self { sender: sender.clone(), left_out: Arc::default() };
        let left_out = Arc::clone(&lines.left_out);
        std::thread::spawn(move || write(&receiver, out, &left_out));
        (lines, Writing(sender))
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        let (written, done) = sync_channel(0);
        if self.0.try_send(Message::Flush(written)).is_ok() {
            let _ = done.recv_timeout(END); // an error either way: nothing is ever sent
        }
    }
}

impl Write for Lines {
    /// Takes a whole line, or leaves it out.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Err(TrySendError::Full(_)) = self.sender.try_send(Message::Line(line.to_vec())) {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Writes what comes, all that waits at once, until nobody can send any more.
fn write(lines: &Receiver<Message>, mut out: impl Write, left_out: &AtomicU64) {
    let mut text = Vec::with_capacity(AT_ONCE);
    while let Ok(first) = lines.recv() {
        let mut next = Some(first);
        let mut flush = None;
        while let Some(message) = next {
            match message {
                Message::Line(line) => text.extend(line),
                Message::Flush(written) => flush = Some(written),
            }
            next = if text.len() < AT_ONCE && flush.is_none() { lines.try_recv().ok() } else { None };
        }
        // Nobody is there to be told that the log cannot be written.
        let _ = out.write_all(&text);
        text.clear();
        let left_out = left_out.swap(0, Ordering::Relaxed);
        if left_out > 0 {
            tracing::warn!(lines = left_out, "the log was not taken fast enough: lines were left out");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    /// Takes a text when it is let, and passes it on.
    struct Slow {
        may: Receiver<()>,
        taken: Sender<Vec<u8>>,
    }

    impl Write for Slow {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            let _ = self.may.recv();
            let _ = self.taken.send(text.to_vec());
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nobody_waits_for_a_log_that_nobody_reads() {
        let (let_it, may) = channel();
        let (taken, texts) = channel();
        let (mut lines, writing) = Lines::to(Slow { may, taken });
        let more = WAITING + 100 + AT_ONCE / 2; // the thread may hold as many as fit into one text
        for _ in 0..more {
            lines.write_all(b"x\n").unwrap();
        }
        let left_out = usize::try_from(lines.left_out.load(Ordering::Relaxed)).unwrap();
        assert!(left_out >= 100, "{left_out}");
        drop(let_it); // from now on it takes everything
        let mut written = 0;
        while written < (more - left_out) * 2 {
            written += texts.recv().unwrap().len();
        }
        assert_eq!(written, (more - left_out) * 2);
        assert_eq!(lines.left_out.load(Ordering::Relaxed), 0, "they are told of");
        drop(writing);
    }

    #[test]
    fn what_waits_at_the_end_is_written() {
        let (let_it, may) = channel::<()>();
        let (taken, texts) = channel();
        drop(let_it);
        let (mut lines, writing) = Lines::to(Slow { may, taken });
        for number in 0..1000 {
            lines.write_all(format!("{number}\n").as_bytes()).unwrap();
        }
        drop(writing);
        let text = String::from_utf8(texts.try_iter().flatten().collect()).unwrap();
        assert!(text.lines().map(str::to_owned).eq((0..1000).map(|number| number.to_string())), "{text}");
    }
}
