//! `dev`'s throw-away secrets: made once per data folder, and left where `send` and `sign` find them.

use std::{
    fs,
    io::{self, Write as _},
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use crate::config::Environment;

/// The file in the data folder, in the form of a `.env` file.
pub(crate) const FILE: &str = "dev.env";

/// The secrets of one data folder.
pub(crate) struct DevSecrets(Environment);

impl DevSecrets {
    /// Reads the folder's secrets, makes those that are missing, and notes the address at which `dev` listens, and the
    /// database that commands are to use meanwhile, where it is a private one.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub(crate) fn of(data_dir: &Path, address: SocketAddr, private: Option<&str>) -> io::Result<Self> {
        fs::create_dir_all(data_dir)?;
        let file = data_dir.join(FILE);
        let old = Environment::default()
            .and_file(&file)
            .map_err(|fault| io::Error::new(io::ErrorKind::InvalidData, fault))?;
        let keep = |name: &str, prefix: &str| {
            old.get(name).map_or_else(|| format!("{prefix}{}", random_hex()), str::to_owned)
        };
        let port = address.port();
        let mut secrets = vec![
            ("STRIPE_WEBHOOK_SECRET", keep("STRIPE_WEBHOOK_SECRET", "whsec_")),
            ("TWILIO_AUTH_TOKEN", keep("TWILIO_AUTH_TOKEN", "")),
            ("PLIVO_AUTH_TOKEN", keep("PLIVO_AUTH_TOKEN", "")),
            ("SMARTLINE_API_KEY", keep("SMARTLINE_API_KEY", "sl_dev_")),
            ("PUBLIC_URL", format!("http://{address},http://localhost:{port}")),
        ];
        secrets.extend(private.map(|url| ("DATABASE_URL", url.to_owned())));
        write(&file, &secrets)?;
        Ok(Self(secrets.iter().map(|(name, value)| (*name, value.as_str())).collect()))
    }

    /// They as an environment.
    pub(crate) fn environment(&self) -> &Environment {
        &self.0
    }
}

/// Writes the file anew, readable for its owner alone.
fn write(file: &Path, secrets: &[(&str, String)]) -> io::Result<()> {
    let new = file.with_extension("new");
    let _ = fs::remove_file(&new);
    let mut out = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    writeln!(
        out,
        "# Throw-away secrets of `smartline dev`, and its database. Commands in the folder above read them."
    )?;
    for (name, value) in secrets {
        writeln!(out, "{name}={value}")?;
    }
    fs::rename(new, file)
}

/// 128 random bits. A UUIDv4 has 122 of them, from the system's generator.
fn random_hex() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}
