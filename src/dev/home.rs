//! The folder of a private PostgreSQL: the cluster, its lock, its log and its socket.

use std::fs::{self, DirBuilder, File, Permissions, TryLockError};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::account::Account;
use super::error::StartError;

/// The number in the name of the socket; no port is opened, and each socket lies in a folder of its own.
pub(super) const PORT: u16 = 5432;

/// The longest path of a socket that every system takes, in bytes: macOS allows 103, Linux 107.
const LONGEST_SOCKET: usize = 100;

/// How long a folder in use is waited for: a predecessor that was just told to stop is about to let go of it.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// How long to pause between two looks at a file.
pub(super) const PAUSE: Duration = Duration::from_millis(20);

/// The name of the lock file, by which a folder is also known as ours.
const LOCK: &str = "lock";

/// A folder that nobody else uses while this value lives.
#[derive(Debug)]
pub(super) struct Home {
    folder: PathBuf,
    socket_folder: PathBuf,
    /// Held locked, and never read again.
    lock: File,
    /// The user that the server runs as, where it is not ours.
    pub(super) account: Option<Account>,
}

impl Home {
    /// Makes the folder where it is missing, and takes it for this process.
    ///
    /// Where the server's user could not get to it, a folder for temporary files takes its place, and a warning in the
    /// log says so.
    ///
    /// # Errors
    /// [`StartError::Foreign`] where the folder has something else in it, [`StartError::InUse`] where another process
    /// holds it, [`StartError::Io`] for what the system refuses.
    pub(super) fn open(wanted: &Path) -> Result<Self, StartError> {
        let mut folder = prepare(wanted)?;
        let mut account = Account::for_cluster(&folder.join("cluster"));
        if let Some(user) = account
            && !admits(user, &folder)?
        {
            let instead = substitute(user, &folder)?;
            tracing::warn!(
                wanted = %folder.display(), instead = %instead.display(), user.id = user.uid,
                "PostgreSQL may not run as root, and its user cannot reach the data folder; the data goes elsewhere",
            );
            folder = instead;
            account = Account::for_cluster(&folder.join("cluster"));
        }
        let lock = lock(&folder)?;
        let socket_folder = socket_folder(&folder.join("cluster"), account)?;
        Ok(Self { folder, socket_folder, lock, account })
    }

    /// The folder itself: absolute, free of links.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What PostgreSQL calls the data directory.
    pub(super) fn cluster(&self) -> PathBuf {
        self.folder.join("cluster")
    }

    /// The folder with the socket.
    pub(super) fn socket_folder(&self) -> &Path {
        &self.socket_folder
    }

    /// The file with what the server says.
    pub(super) fn log(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    /// The major version that made the cluster; none where there is no cluster yet.
    ///
    /// # Errors
    /// [`StartError::Io`] where the cluster cannot be read, which is so when another user made it.
    pub(super) fn made_by(&self) -> Result<Option<u32>, StartError> {
        let file = self.cluster().join("PG_VERSION");
        match fs::read_to_string(&file) {
            Ok(version) => Ok(version.trim().parse().ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StartError::io("reading", &file)(error)),
        }
    }

    /// An empty folder for a new cluster, which [`Home::keep_cluster`] gives its name when it is complete.
    ///
    /// What an earlier, broken-off attempt has left is removed.
    pub(super) fn new_cluster(&self) -> Result<PathBuf, StartError> {
        let folder = self.folder.join("cluster.new");
        gone(fs::remove_dir_all(&folder)).map_err(StartError::io("removing", &folder))?;
        make(&folder, 0o700, self.account)?;
        Ok(folder)
    }

    /// Takes what [`Home::new_cluster`] has prepared as the cluster.
    pub(super) fn keep_cluster(&self, new: &Path) -> Result<(), StartError> {
        fs::rename(new, self.cluster()).map_err(StartError::io("renaming", new))
    }

    /// Removes what a killed predecessor has left of its claims: its number may belong to another process by now, and
    /// PostgreSQL would then refuse to start.
    pub(super) fn clear_claims(&self) -> Result<(), StartError> {
        let socket = format!(".s.PGSQL.{PORT}");
        let socket_files =
            [socket.clone(), format!("{socket}.lock")].map(|name| self.socket_folder.join(name));
        for file in [self.cluster().join("postmaster.pid")].into_iter().chain(socket_files) {
            gone(fs::remove_file(&file)).map_err(StartError::io("removing", &file))?;
        }
        Ok(())
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // Closing is not enough: a child of another thread, just forked, has the file open until it runs its program.
        let _ = self.lock.unlock();
        if !self.socket_folder.starts_with(&self.folder) {
            let _ = fs::remove_dir(&self.socket_folder);
        }
    }
}

/// Takes it for a removal that there was nothing to remove.
fn gone(removed: io::Result<()>) -> io::Result<()> {
    removed.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

/// Makes `wanted` where it is missing and returns its real path.
fn prepare(wanted: &Path) -> Result<PathBuf, StartError> {
    DirBuilder::new().recursive(true).mode(0o711).create(wanted).map_err(StartError::io("making", wanted))?;
    let folder = wanted.canonicalize().map_err(StartError::io("finding", wanted))?;
    let empty = fs::read_dir(&folder).map_err(StartError::io("reading", &folder))?.next().is_none();
    if empty || folder.join(LOCK).is_file() { Ok(folder) } else { Err(StartError::Foreign { folder }) }
}

/// Whether the server's `user` can get to `folder`; lets it pass through the folder itself.
fn admits(user: Account, folder: &Path) -> Result<bool, StartError> {
    let mode = fs::metadata(folder).map_err(StartError::io("reading", folder))?.mode();
    if mode & 0o111 != 0o111 {
        let passable = Permissions::from_mode(mode & 0o7777 | 0o111);
        fs::set_permissions(folder, passable).map_err(StartError::io("changing", folder))?;
    }
    user.reaches(folder).map_err(StartError::io("reading", folder))
}

/// A folder for temporary files that `user` can reach, always the same one for `unreachable`.
///
/// `/var/tmp` comes first because it survives a restart of the machine.
fn substitute(user: Account, unreachable: &Path) -> Result<PathBuf, StartError> {
    for parent in [Path::new("/var/tmp").to_owned(), std::env::temp_dir(), "/tmp".into()] {
        if user.reaches(&parent).unwrap_or(false) {
            let folder = parent.join(format!("smartline-data-{}", digest(unreachable)));
            make_own(&folder, 0o711, None)?;
            return folder
                .canonicalize()
                .map_err(StartError::io("finding", &folder))
                .and_then(|folder| prepare(&folder));
        }
    }
    Err(StartError::Unreachable { folder: unreachable.to_owned(), uid: user.uid })
}

/// Where the socket goes: into the cluster, or into a folder with a short name where that path is too long.
fn socket_folder(cluster: &Path, account: Option<Account>) -> Result<PathBuf, StartError> {
    let fits = |folder: &Path| folder.join(format!(".s.PGSQL.{PORT}")).as_os_str().len() <= LONGEST_SOCKET;
    if fits(cluster) {
        return Ok(cluster.to_owned());
    }
    let name = format!("smartline-{}", digest(cluster));
    let reached = |parent: &Path| account.is_none_or(|user| user.reaches(parent).unwrap_or(false));
    let short = [std::env::temp_dir(), "/tmp".into()]
        .into_iter()
        .find(|parent| fits(&parent.join(&name)) && reached(parent));
    let folder = short.unwrap_or_else(|| "/tmp".into()).join(name);
    make_own(&folder, 0o700, account)?;
    Ok(folder)
}

/// Makes `folder` in a place where everybody may write; one that exists already must belong to us.
fn make_own(folder: &Path, mode: u32, account: Option<Account>) -> Result<(), StartError> {
    match fs::symlink_metadata(folder) {
        Err(_) => make(folder, mode, account),
        Ok(there) => {
            let owners = [Some(rustix::process::geteuid().as_raw()), account.map(|account| account.uid)];
            let ours = there.is_dir() && owners.contains(&Some(there.uid()));
            if ours { Ok(()) } else { Err(StartError::Foreign { folder: folder.to_owned() }) }
        }
    }
}

fn make(folder: &Path, mode: u32, account: Option<Account>) -> Result<(), StartError> {
    DirBuilder::new().mode(mode).create(folder).map_err(StartError::io("making", folder))?;
    account.map_or(Ok(()), |account| account.give(folder)).map_err(StartError::io("handing over", folder))
}

/// Sixteen hexadecimal digits that stand for `path`.
fn digest(path: &Path) -> String {
    let hash = Sha256::digest(path.as_os_str().as_bytes());
    let start = hash.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    format!("{start:016x}")
}

/// Takes the lock of `folder` and notes our number in it, for whoever comes second.
fn lock(folder: &Path) -> Result<File, StartError> {
    let path = folder.join(LOCK);
    let file = File::options().read(true).write(true).create(true).truncate(false).open(&path);
    let mut file = file.map_err(StartError::io("opening", &path))?;
    let deadline = Instant::now() + LOCK_PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => thread::sleep(PAUSE),
            Err(TryLockError::WouldBlock) => {
                let holder = fs::read_to_string(&path).ok().and_then(|number| number.trim().parse().ok());
                return Err(StartError::InUse { folder: folder.to_owned(), holder });
            }
            Err(TryLockError::Error(error)) => return Err(StartError::io("locking", &path)(error)),
        }
    }
    let note = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    note.map_err(StartError::io("writing", &path))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_something_else_in_it_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("thesis.txt"), "years of work").unwrap();
        assert!(matches!(Home::open(folder.path()), Err(StartError::Foreign { .. })));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn one_holder_at_a_time() {
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        let first = Home::open(folder.path()).unwrap();
        let Err(StartError::InUse { holder, .. }) = Home::open(folder.path()) else { panic!("taken twice") };
        assert_eq!(holder, Some(std::process::id()));
        drop(first);
        Home::open(folder.path()).unwrap();
    }

    #[test]
    fn a_long_path_gets_a_short_socket() {
        let cluster = |length: usize| PathBuf::from(format!("/{}", "x".repeat(length - 1)));
        let name = "/.s.PGSQL.5432".len();
        let fitting = cluster(LONGEST_SOCKET - name);
        assert_eq!(socket_folder(&fitting, None).unwrap(), fitting);
        let long = cluster(LONGEST_SOCKET - name + 1);
        let short = socket_folder(&long, None).unwrap();
        assert!(short.as_os_str().len() + name <= LONGEST_SOCKET, "{short:?}");
        assert_eq!(fs::metadata(&short).unwrap().mode() & 0o777, 0o700);
        assert_eq!(socket_folder(&long, None).unwrap(), short, "the same one next time");
        fs::remove_dir(&short).unwrap();
        std::os::unix::fs::symlink("/", &short).unwrap();
        assert!(
            matches!(socket_folder(&long, None), Err(StartError::Foreign { .. })),
            "a link laid out for us"
        );
        fs::remove_file(&short).unwrap();
    }
}
