//! The user that the server runs as where we are root, since PostgreSQL refuses to run as root.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// The accounts that are tried, best first: the one that PostgreSQL's packages make, then the one that owns nothing.
const NAMES: [&str; 2] = ["postgres", "nobody"];

/// Where a system lists neither of [`NAMES`]: the number that `nobody` has on most of them.
const OVERFLOW: Account = Account { uid: 65534, gid: 65534 };

/// A user and its first group, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) uid: u32,
    gid: u32,
}

impl Account {
    /// The account for a server whose cluster lies in `cluster`; none where we are not root and need no other.
    ///
    /// A cluster keeps the owner that it has, so that a package which adds a `postgres` user later changes nothing.
    pub(super) fn for_cluster(cluster: &Path) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        match fs::metadata(cluster) {
            Ok(made) if made.uid() != 0 => Some(Self { uid: made.uid(), gid: made.gid() }),
            _ => Some(Self::from_passwd(&fs::read_to_string("/etc/passwd").unwrap_or_default())),
        }
    }

    /// The first of [`NAMES`] that `passwd`, the text of `/etc/passwd`, lists and that is not root itself.
    fn from_passwd(passwd: &str) -> Self {
        let find = |name: &str| passwd.lines().find_map(|line| Self::from_line(line, name));
        NAMES.into_iter().find_map(find).unwrap_or(OVERFLOW)
    }

    fn from_line(line: &str, name: &str) -> Option<Self> {
        let mut fields = line.split(':');
        let (user, _password, uid, gid) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        let account = Self { uid: number(uid)?, gid: number(gid)? };
        (user == name && account.uid != 0).then_some(account)
    }

    /// Lets `command` run as this user.
    ///
    /// Naming the user also empties the list of supplementary groups, as the standard library does for a parent that is
    /// root; a test looks at the running server.
    pub(super) fn put_on(self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }

    /// Hands the file or folder `path` over to this user.
    pub(super) fn give(self, path: &Path) -> io::Result<()> {
        chown(path, Some(self.uid), Some(self.gid))
    }

    /// Whether this user can pass through `folder` and every folder above it, by their mode bits.
    ///
    /// A checkout under root's own home cannot be reached, for instance. `folder` is absolute and free of links.
    pub(super) fn reaches(self, folder: &Path) -> io::Result<bool> {
        for step in folder.ancestors() {
            if !self.may_pass(&fs::metadata(step)?) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn may_pass(self, folder: &Metadata) -> bool {
        let needed = match (folder.uid() == self.uid, folder.gid() == self.gid) {
            (true, _) => 0o100,
            (false, true) => 0o010,
            (false, false) => 0o001,
        };
        folder.mode() & needed != 0
    }
}

/// A user or group number as it stands in `/etc/passwd`; macOS writes `nobody` as -2.
fn number(text: &str) -> Option<u32> {
    text.parse::<u32>().ok().or_else(|| text.parse::<i32>().ok().map(i32::cast_unsigned))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_account_comes_from_passwd() {
        let root = "root:x:0:0:root:/root:/bin/sh\n";
        let nobody = "nobody:x:99:98:nobody:/:/bin/false\n";
        let postgres = "postgres:x:101:104:PostgreSQL:/var/lib/postgresql:/bin/bash\n";
        for (case, passwd, uid, gid) in [
            ("postgres first", format!("{root}{nobody}{postgres}"), 101, 104),
            ("else nobody", format!("{root}{nobody}"), 99, 98),
            (
                "macOS",
                "nobody:*:-2:-2:Unprivileged:/var/empty:/usr/bin/false".into(),
                u32::MAX - 1,
                u32::MAX - 1,
            ),
            ("a postgres that is root", format!("postgres:x:0:0::/:/bin/sh\n{nobody}"), 99, 98),
            ("a longer name", "postgres2:x:7:7::/:/bin/sh".into(), 65534, 65534),
            ("nothing readable", "postgres:x".into(), 65534, 65534),
        ] {
            assert_eq!(Account::from_passwd(&passwd), Account { uid, gid }, "{case}");
        }
    }

    #[test]
    fn a_private_folder_above_is_noticed() {
        let stranger = Account { uid: 12345, gid: 12345 };
        let top = tempfile::tempdir_in("/tmp").unwrap();
        let top = top.path().canonicalize().unwrap();
        let inner = top.join("inner");
        fs::create_dir(&inner).unwrap();
        for (mode, reached) in [(0o700, false), (0o710, false), (0o711, true)] {
            fs::set_permissions(&top, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(stranger.reaches(&inner).unwrap(), reached, "{mode:o}");
        }
    }
}
