//! Lines on their way out: a thread of its own writes them.
//!
//! Whoever reads the log may stop doing so, and a disk may take seconds: a caller must not wait for either. So at most so
//! many bytes wait, and what comes beyond that is left out and counted. A crash of the process loses what waits.
//!
//! Under load the thread is not woken for each line, which would cost more than the line: it looks again after a moment and
//! writes all that has come. Only the first line after a silence wakes it.

use std::{
    io::{self, Write},
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tracing_subscriber::fmt::MakeWriter;

/// Most bytes that wait; a line has some 500.
const WAITING: usize = 2 * 1024 * 1024;

/// Time between two writes, in which lines gather.
const GATHERING: Duration = Duration::from_millis(5);

/// Longest wait at the end for lines to be written.
const END: Duration = Duration::from_secs(1);

/// What those who log and the thread have in common.
#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// Tells the thread of a first line or of the end, and the one who waits for the end that all is written.
    news: Condvar,
}

#[derive(Default)]
struct Waiting {
    text: Vec<u8>,
    left_out: usize,
    /// The thread waits for a line and must be woken.
    asleep: bool,
    ending: bool,
    ended: bool,
}

/// Takes lines and never waits for whoever reads them. Cheap to clone.
#[derive(Clone)]
pub(super) struct Lines(Arc<Shared>);

/// As long as it lives, lines are written; when it is dropped, those that wait still are, for at most a second.
#[must_use]
pub(crate) struct Writing(Arc<Shared>);

impl Lines {
    /// Starts the thread that writes to `out`.
    pub(super) fn to(out: impl Write + Send + 'static) -> (Self, Writing) {
        let shared = Arc::new(Shared::default());
        let lines = Self(Arc::clone(&shared));
        let writing = Writing(Arc::clone(&shared));
        std::thread::spawn(move || shared.write(out));
        (lines, writing)
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.0.lock().ending = true;
        self.0.news.notify_all();
        let _ = self.0.news.wait_timeout_while(self.0.lock(), END, |waiting| !waiting.ended);
    }
}

impl Write for Lines {
    /// Takes a whole line, or leaves it out.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut waiting = self.0.lock();
        if waiting.text.len() + line.len() > WAITING {
            waiting.left_out += 1;
        } else {
            waiting.text.extend_from_slice(line);
        }
        let wake = mem::take(&mut waiting.asleep);
        drop(waiting);
        if wake {
            self.0.news.notify_all();
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

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what comes until the end, all that waits at once.
    fn write(&self, mut out: impl Write) {
        let mut text = Vec::new();
        let mut waiting = self.lock();
        loop {
            mem::swap(&mut text, &mut waiting.text);
            let left_out = mem::take(&mut waiting.left_out);
            let ending = waiting.ending;
            drop(waiting);
            // Nobody is there to be told that the log cannot be written.
            let _ = out.write_all(&text);
            let idle = text.is_empty();
            text.clear();
            if left_out > 0 {
                tracing::warn!(lines = left_out, "the log was not taken fast enough: lines were left out");
            }
            waiting = self.lock();
            if ending && idle {
                break;
            }
            waiting = self.pause(waiting, idle);
        }
        waiting.ended = true;
        self.news.notify_all();
    }

    /// After a silence waits for the next line, else lets lines gather; not when the end has come.
    fn pause<'a>(&self, mut waiting: MutexGuard<'a, Waiting>, idle: bool) -> MutexGuard<'a, Waiting> {
        if idle {
            waiting.asleep = waiting.text.is_empty() && !waiting.ending;
            return self
                .news
                .wait_while(waiting, |waiting| waiting.asleep && !waiting.ending)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let paused = self.news.wait_timeout_while(waiting, GATHERING, |waiting| !waiting.ending);
        paused.unwrap_or_else(PoisonError::into_inner).0
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

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
        let line = [b'x'; 512];
        let more = WAITING / line.len() * 2 + 100; // as many as wait may be on their way out besides
        for _ in 0..more {
            lines.write_all(&line).unwrap();
        }
        let left_out = lines.0.lock().left_out;
        assert!(left_out >= 100, "{left_out}");
        drop(let_it); // from now on it takes everything
        let mut written = 0;
        while written < (more - left_out) * line.len() {
            written += texts.recv().unwrap().len();
        }
        assert_eq!(written, (more - left_out) * line.len());
        assert_eq!(lines.0.lock().left_out, 0, "they are told of");
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
