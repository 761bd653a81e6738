//! Fetching a recording or picture: from allowed hosts only, no larger than allowed, onto the disk as it comes.

use std::{
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::{
    StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION, RETRY_AFTER},
};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use url::Url;
use uuid::Uuid;

use super::{
    hosts::{self, Reach},
    http,
    media::{File, Wanted},
    remote::Remote,
};
use crate::{domain::id::MediaId, provider::Provider};

/// Longest time for a file. An hour's recording is some 30 MB.
const DEADLINE: Duration = Duration::from_mins(5);

/// Largest recording: four hours of it.
const RECORDING_BYTES: u64 = 128 << 20;

/// Largest picture or the like; carriers take 5 MB.
const MEDIA_BYTES: u64 = 16 << 20;

/// Why a file was not fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It never will be.
    Never { status: Option<StatusCode>, why: &'static str },
    /// It may be later.
    Later { status: Option<StatusCode>, why: String, wait: Option<Duration> },
}

/// Fetches files into a folder.
#[derive(Clone)]
pub(crate) struct Fetcher {
    remote: Remote,
    folder: PathBuf,
}

impl Fetcher {
    /// Into `folder`, which is made where it is missing.
    pub(crate) fn new(remote: Remote, folder: PathBuf) -> Self {
        Self { remote, folder }
    }

    /// Fetches a file; it has its name when all of it is on the disk.
    ///
    /// # Errors
    /// [`Failure`].
    pub(crate) async fn fetch(&self, wanted: &Wanted<'_>, id: MediaId) -> Result<File, Failure> {
        let url = Url::parse(wanted.url).map_err(|_| never("not_an_address"))?;
        let url = with_suffix(wanted, url);
        let mut response = self.ask(wanted.provider, url).await?;
        let media_type = media_type(wanted, &response)?;
        let most = if wanted.kind == "recording" { RECORDING_BYTES } else { MEDIA_BYTES };
        let announced = response.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        if announced.and_then(|bytes| bytes.parse::<u64>().ok()).is_some_and(|bytes| bytes > most) {
            return Err(never("too_large"));
        }
        let name = id.to_string();
        let mut writing = Writing::open(&self.folder, &name).map_err(|error| disk(&error))?;
        while let Some(chunk) =
            response.chunk().await.map_err(|error| later(None, http::root(&error), None))?
        {
            writing.bytes += chunk.len() as u64;
            if writing.bytes > most {
                return Err(never("too_large"));
            }
            writing.hash.update(&chunk);
            writing.file.write_all(&chunk).map_err(|error| disk(&error))?;
        }
        writing.finish(name, media_type).await
    }

    /// Asks for it, and where it is sent elsewhere, there: once, and without the token.
    async fn ask(&self, provider: Provider, url: Url) -> Result<reqwest::Response, Failure> {
        let api = self.remote.api(provider);
        let reach = hosts::reach(provider, &api.base, &url).ok_or(never("host_not_allowed"))?;
        let secrets: &[SecretString] = if reach == Reach::Own { &api.secrets } else { &[] };
        let mut response = self.once(provider, &url, secrets.first()).await?;
        for secret in secrets.iter().skip(1) {
            if response.status() != StatusCode::UNAUTHORIZED {
                break;
            }
            response = self.once(provider, &url, Some(secret)).await?;
        }
        if !response.status().is_redirection() {
            return judged(response);
        }
        let target = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let target =
            target.and_then(|target| url.join(target).ok()).ok_or(never("redirect_not_understood"))?;
        hosts::reach(provider, &api.base, &target).ok_or(never("redirect_not_allowed"))?;
        let response = self.once(provider, &target, None).await?;
        if response.status().is_redirection() {
            return Err(never("redirected_twice"));
        }
        judged(response)
    }

    async fn once(
        &self,
        provider: Provider,
        url: &Url,
        secret: Option<&SecretString>,
    ) -> Result<reqwest::Response, Failure> {
        let client = http::client(url.as_str(), DEADLINE).map_err(|why| later(None, why, None))?;
        let request = client.get(url.clone());
        let request = match secret {
            Some(secret) => request.basic_auth(self.remote.account(provider), Some(secret.expose_secret())),
            None => request,
        };
        request.send().await.map_err(|error| later(None, http::root(&error), None))
    }
}

/// Twilio's recordings come as MP3 where the address says so, a tenth of what the other form takes.
fn with_suffix(wanted: &Wanted<'_>, mut url: Url) -> Url {
    let path = url.path();
    if wanted.provider == Provider::Twilio && wanted.kind == "recording" && !path.contains('.') {
        let path = format!("{path}.mp3");
        url.set_path(&path);
    }
    url
}

/// Reads the status.
fn judged(response: reqwest::Response) -> Result<reqwest::Response, Failure> {
    let status = response.status();
    match status.as_u16() {
        200 => Ok(response),
        // A recording may be told of a moment before it can be had.
        404 => Err(later(Some(status), "not_there".to_owned(), None)),
        429 | 500.. => {
            let wait = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
            let wait = wait.and_then(|seconds| seconds.trim().parse().ok()).map(Duration::from_secs);
            Err(later(Some(status), "the provider is busy, or broken".to_owned(), wait))
        }
        _ => Err(Failure::Never { status: Some(status), why: "refused" }),
    }
}

/// The type that the answer names, if it is one that is kept.
fn media_type(wanted: &Wanted<'_>, response: &reqwest::Response) -> Result<String, Failure> {
    let named =
        response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let named = named.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let plain = named.len() <= 100
        && named.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/.+-".contains(&byte));
    let bytes = matches!(named.as_str(), "application/octet-stream" | "binary/octet-stream");
    let kept = match wanted.kind {
        "recording" => bytes || named.starts_with("audio/"),
        _ => {
            bytes
                || ["image/", "audio/", "video/"].iter().any(|kind| named.starts_with(kind))
                || matches!(named.as_str(), "application/pdf" | "text/vcard" | "text/x-vcard" | "text/plain")
        }
    };
    if plain && kept { Ok(named) } else { Err(never("type_not_allowed")) }
}

/// A file while it is written. Dropped before its end, it is removed.
struct Writing {
    folder: PathBuf,
    path: PathBuf,
    file: std::fs::File,
    bytes: u64,
    hash: Sha256,
    is_done: bool,
}

impl Writing {
    fn open(folder: &Path, name: &str) -> std::io::Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        // A name of its own: whoever has lost the claim may still be writing.
        let path = folder.join(format!("{name}-{}.part", Uuid::new_v4().simple()));
        let file = std::fs::File::options().write(true).create_new(true).mode(0o600).open(&path)?;
        let folder = folder.to_owned();
        Ok(Self { folder, path, file, bytes: 0, hash: Sha256::new(), is_done: false })
    }

    /// Returns when the file would survive a loss of power.
    async fn finish(mut self, name: String, media_type: String) -> Result<File, Failure> {
        let (from, folder, bytes) = (self.path.clone(), self.folder.clone(), self.bytes);
        let sha256 = self.hash.finalize_reset().into();
        let file = self.file.try_clone().map_err(|error| disk(&error))?;
        let to = folder.join(&name);
        let finished = tokio::task::spawn_blocking(move || {
            file.sync_all()?;
            std::fs::rename(from, to)?;
            std::fs::File::open(folder)?.sync_all()
        });
        match finished.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(disk(&error)),
            Err(_) => return Err(later(None, "the disk".to_owned(), None)),
        }
        self.is_done = true;
        Ok(File { name, bytes, sha256, media_type })
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if !self.is_done {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Removes what was cut off a day ago or longer: the process died.
pub(crate) fn sweep(folder: &Path, now: DateTime<Utc>) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.path().extension().is_some_and(|part| part == "part")) {
        let changed = entry.metadata().and_then(|metadata| metadata.modified()).map(DateTime::<Utc>::from);
        if changed.is_ok_and(|changed| now - changed > TimeDelta::days(1)) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn never(why: &'static str) -> Failure {
    Failure::Never { status: None, why }
}

fn later(status: Option<StatusCode>, why: String, wait: Option<Duration>) -> Failure {
    Failure::Later { status, why, wait }
}

fn disk(error: &std::io::Error) -> Failure {
    later(None, format!("the disk: {}", error.kind()), None)
}
