//! Threads of their own for who talks to PostgreSQL on behalf of many requests.
//!
//! In an overload thousands of requests stand in the line of the shared runtime, and each step of one of them begins at its
//! end. Who works for all of them must not stand there. And who computes for long must not have those stand behind it that
//! answer.

use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
};

/// Runs `work` on a thread with a runtime of its own; where none can be made, with the shared one, within which this must be
/// called. Returns what ends with the work, and may be dropped.
pub(crate) fn run(work: impl Future<Output = ()> + Send + 'static) -> impl Future<Output = ()> + Send {
    let (done, ended) = oneshot::channel::<()>();
    let work = async move {
        work.await;
        drop(done);
    };
    match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => std::thread::spawn(move || runtime.block_on(work)),
        Err(error) => {
            tracing::warn!(%error, "a thread has no runtime of its own: it shares that of the requests");
            let shared = Handle::current();
            std::thread::spawn(move || shared.block_on(work))
        }
    };
    async {
        let _ = ended.await; // an error: it has ended
    }
}
