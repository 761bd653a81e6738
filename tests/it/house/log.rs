//! What the service writes into its log during a test.

use std::cell::RefCell;
use std::io::{self, Write};
use std::sync::Once;

use serde_json::Value;

thread_local! {
    /// A test and its service share a thread, since the runtime of a test has only one. `None` where nobody listens.
    static LINES: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// The lines of this test, as long as it lives.
pub(crate) struct Log(());

/// Writes for the test of the thread.
struct Lines;

impl Log {
    /// Starts to note what is told from `info` up.
    pub(crate) fn capture() -> Self {
        static START: Once = Once::new();
        // One for all threads: a line that was first met where nobody listens would be left out everywhere.
        START.call_once(|| {
            let log = tracing_subscriber::fmt().json().flatten_event(true);
            log.with_env_filter("info,sqlx=warn").with_writer(|| Lines).init();
        });
        LINES.set(Some(Vec::new()));
        Self(())
    }

    /// Takes the lines that hold these words, and forgets all others.
    #[expect(clippy::unused_self, reason = "there are lines only while one is held")]
    pub(crate) fn take(&self, words: &str) -> Vec<Value> {
        let text = LINES.replace(Some(Vec::new())).unwrap();
        let lines = std::str::from_utf8(&text).unwrap().lines().filter(|line| line.contains(words));
        lines.map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        LINES.take();
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.with_borrow_mut(|lines| lines.iter_mut().for_each(|lines| lines.extend_from_slice(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
