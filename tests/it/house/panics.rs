//! Panics of the service, which its own nets would hide from the test.

use std::cell::RefCell;
use std::sync::Once;

thread_local! {
    /// A test and its service share a thread, since the runtime of a test has only one.
    static SEEN: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Starts to note the panics of this thread.
pub(super) fn watch() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            // A test's own panic fails it anyway.
            if !place.starts_with("tests/") {
                SEEN.with_borrow_mut(|seen| seen.push(place));
            }
            before(panic);
        }));
    });
    SEEN.take();
}

/// Where the service panicked since then.
pub(super) fn seen() -> Vec<String> {
    SEEN.take()
}
