//! What this machine knows of the service that a command talks to: its secrets and public URL.

use std::{
    fmt,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use secrecy::SecretString;

use super::error::{Error, note};
use crate::{
    config::Environment,
    dev::secrets,
    provider::{Provider, explain::secret_variable},
};

/// Where `dev` keeps its things, unless told otherwise.
pub(super) const DATA_DIR: &str = ".smartline";

/// Where secrets come from.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Take unset variables from dev.env in this folder, for a service on this machine
    #[arg(long, value_name = "DIR", default_value = DATA_DIR)]
    data_dir: PathBuf,
}

/// Variables from up to three places; the first that has one is right.
pub(super) struct Known {
    /// From stdin.
    given: Environment,
    /// From the environment and `.env`.
    own: Environment,
    /// From `dev`'s file.
    dev: Environment,
    dev_file: PathBuf,
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Known(masked, {})", self.dev_file.display())
    }
}

impl Known {
    /// Reads the environment, `.env` and `dev`'s file.
    ///
    /// # Errors
    /// When one of the two files cannot be understood.
    pub(super) fn read(options: &Options) -> Result<Self, Error> {
        let file = |environment: Environment, path: &Path| {
            environment.and_file(path).map_err(|fault| Error::Failed(fault.to_string()))
        };
        let dev_file = options.data_dir.join(secrets::FILE);
        let own = file(Environment::of_process(), Path::new(".env"))?;
        let dev = file(Environment::default(), &dev_file)?;
        Ok(Self { given: Environment::default(), own, dev, dev_file })
    }

    /// Knows these variables alone.
    pub(super) fn of(own: Environment) -> Self {
        let (given, dev) = Default::default();
        Self { given, own, dev, dev_file: PathBuf::new() }
    }

    /// Puts these variables before all others.
    pub(super) fn with_given(self, given: Environment) -> Self {
        Self { given, ..self }
    }

    /// Forgets what `dev` left behind: its secrets are nobody else's.
    pub(super) fn without_dev(self) -> Self {
        Self { dev: Environment::default(), ..self }
    }

    /// The items of a variable, which may be a comma list; none where it is unset.
    pub(super) fn list(&self, name: &str) -> Vec<&str> {
        let value = self.given.get(name).or_else(|| self.own.get(name)).or_else(|| self.dev.get(name));
        value.unwrap_or_default().split(',').map(str::trim).filter(|item| !item.is_empty()).collect()
    }

    /// The first item of a variable.
    pub(super) fn first(&self, name: &str) -> Option<&str> {
        self.list(name).first().copied()
    }

    /// What `provider` signs with, if it is at hand.
    pub(super) fn secret(&self, provider: Provider) -> Option<SecretString> {
        self.first(secret_variable(provider)).map(Into::into)
    }

    /// Says which of these providers' secrets are `dev`'s, if any.
    pub(super) fn tell_dev(&self, providers: &[Provider]) {
        let names = providers.iter().map(|&provider| secret_variable(provider));
        let of_dev = |name: &&str| {
            self.dev.get(name).is_some() && self.given.get(name).is_none() && self.own.get(name).is_none()
        };
        let names: Vec<_> = names.filter(of_dev).collect();
        if !names.is_empty() {
            let file = self.dev_file.display();
            note(&format!("note: {} as `smartline dev` made it, from {file}", names.join(", ")));
        }
    }

    /// What `provider` signs with. Says so when it is `dev`'s.
    ///
    /// # Errors
    /// [`Error::Failed`], with the ways to give it, where it is not at hand.
    pub(super) fn need_secret(&self, provider: Provider) -> Result<SecretString, Error> {
        self.tell_dev(&[provider]);
        self.secret(provider).ok_or_else(|| {
            let name = secret_variable(provider);
            Error::Failed(format!(
                "{name} is not set: set it, write it into .env, or pipe it in with --secret-stdin; for a service on \
                 this machine, `smartline dev` makes one"
            ))
        })
    }
}

/// Reads the one secret that stdin holds, without the line end.
///
/// # Errors
/// [`Error::Failed`] where stdin holds nothing or several lines.
pub(super) fn secret_from_stdin(provider: Provider) -> Result<Environment, Error> {
    let text = read_stdin()?;
    let secret = text.trim();
    if secret.is_empty() || secret.contains(char::is_whitespace) {
        return Err(Error::Failed("--secret-stdin wants one secret on stdin, and nothing else".into()));
    }
    Ok([(secret_variable(provider), secret)].into())
}

/// Reads `NAME=value` lines from stdin; blank lines and those that begin with `#` are passed over.
///
/// # Errors
/// [`Error::Failed`] where a line is neither.
pub(super) fn variables_from_stdin() -> Result<Environment, Error> {
    variables(&read_stdin()?)
}

fn variables(text: &str) -> Result<Environment, Error> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let pairs: Option<Vec<_>> = lines.map(|line| line.split_once('=')).collect();
    let pairs = pairs.ok_or_else(|| Error::Failed("--secret-stdin wants lines of NAME=value".into()))?;
    Ok(pairs.into_iter().map(|(name, value)| (name.trim(), value.trim())).collect())
}

fn read_stdin() -> Result<String, Error> {
    let mut text = String::new();
    match io::stdin().lock().read_to_string(&mut text) {
        Ok(_) => Ok(text),
        Err(cause) => Err(Error::Failed(format!("cannot read stdin: {cause}"))),
    }
}

#[cfg(test)]
impl Known {
    /// Knows only these.
    pub(super) fn only<const N: usize>(own: [(&str, &str); N]) -> Self {
        Self::of(own.into())
    }

    /// Knows these as well, from `dev`.
    pub(super) fn and_dev<const N: usize>(self, dev: [(&str, &str); N]) -> Self {
        Self { dev: dev.into(), ..self }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn stdin_before_environment_before_dev() {
        let name = "TWILIO_AUTH_TOKEN";
        let dev = [(name, "dev"), ("PUBLIC_URL", "http://127.0.0.1:8080")];
        let mut known = Known::only([(name, " own1 , own2")]).and_dev(dev);
        let secret = |known: &Known| known.secret(Provider::Twilio).unwrap().expose_secret().to_owned();
        assert_eq!(secret(&known), "own1");
        assert_eq!(known.first("PUBLIC_URL"), Some("http://127.0.0.1:8080"));
        known.own = Environment::default();
        assert_eq!(secret(&known), "dev");
        let known = known.with_given([(name, "given")].into());
        assert_eq!(secret(&known), "given");
        let known = known.with_given(Environment::default()).without_dev();
        let error = known.need_secret(Provider::Twilio).unwrap_err().to_string();
        assert!(error.starts_with("TWILIO_AUTH_TOKEN is not set"), "{error}");
    }

    #[test]
    fn a_later_dev_is_read_from_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(secrets::FILE), "PLIVO_AUTH_TOKEN=made-by-dev\n").unwrap();
        let known = Known::read(&Options { data_dir: folder.path().to_owned() }).unwrap();
        assert_eq!(known.dev.get("PLIVO_AUTH_TOKEN"), Some("made-by-dev"));
    }

    #[test]
    fn variables_as_lines() {
        let read = variables("# mine\n\nA=b=c \n B = d\n").unwrap();
        assert_eq!((read.get("A"), read.get("B")), (Some("b=c"), Some("d")));
        assert!(variables("secret-alone").is_err());
    }
}
