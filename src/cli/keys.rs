//! `smartline keys`: the keys of the API.

use chrono::TimeDelta;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::{
    database,
    error::{Error, note, print},
};
use crate::{
    access::{self, Scope, keys},
    domain::{clock::Clock, id::KeyId},
};

/// Create, list and revoke keys of the API
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  smartline keys create --name dashboard --scope read --scope billing:read --days 90
  smartline keys list
  smartline keys revoke key_01kxyz…")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
    /// Write the result as JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make a key and show it, this once
    Create {
        /// What it is for
        #[arg(long)]
        name: String,
        /// What it may be used for; may be given several times
        #[arg(long = "scope", value_name = "SCOPE", default_value = "read")]
        scopes: Vec<Scope>,
        /// After how many days it ends; never, if not given
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..=3650))]
        days: Option<u32>,
    },
    /// Show all keys, never their secrets
    List,
    /// End a key at once
    Revoke {
        /// key_…
        id: String,
    },
}

/// Does one of the three.
pub(super) async fn run(args: Args, clock: &dyn Clock) -> Result<(), Error> {
    let mut db = database::connect().await?;
    let now = clock.now();
    match args.command {
        Command::Create { name, scopes, days } => {
            let expires_at = days.map(|days| now + TimeDelta::days(days.into()));
            let made = keys::create(&mut db, &name, &scopes, expires_at, now).await;
            let (id, secret) = made.map_err(Error::because)?;
            let names: Vec<_> = scopes.iter().map(|scope| scope.name()).collect();
            let detail = json!({ "name": name, "scopes": names });
            let id = id.to_string();
            access::audit(&mut db, now, "command line", "keys.create", &id, detail)
                .await
                .map_err(Error::because)?;
            if args.json {
                let key = secret.expose_secret();
                return print(
                    &json!({ "id": id, "key": key, "scopes": names, "expires_at": expires_at }).to_string(),
                );
            }
            note(&format!("{id}; the key is shown this once:"));
            print(secret.expose_secret())
        }
        Command::List => {
            let keys = keys::list(&mut db).await.map_err(Error::because)?;
            if keys.is_empty() {
                note("no key was made; SMARTLINE_API_KEY is none of these");
            }
            for key in keys {
                let id = KeyId::from(key.id);
                if args.json {
                    let mut shown = serde_json::to_value(&key).map_err(Error::because)?;
                    shown["id"] = id.to_string().into();
                    print(&shown.to_string())?;
                    continue;
                }
                let state = match (key.revoked_at, key.expires_at) {
                    (Some(_), _) => "revoked",
                    (None, Some(end)) if end <= now => "expired",
                    _ => "good",
                };
                let used = key
                    .last_used_at
                    .map_or("never used".to_owned(), |at| format!("used {}", at.format("%F %R")));
                print(&format!(
                    "{id}  …{}  {state}  {}  {used}  {}",
                    key.hint,
                    key.scopes.join(","),
                    key.name
                ))?;
            }
            Ok(())
        }
        Command::Revoke { id } => {
            let key: KeyId =
                id.parse().map_err(|_| Error::Usage(format!("{id} is no id of a key (key_…)")))?;
            if !keys::revoke(&mut db, key, now).await.map_err(Error::because)? {
                return Err(Error::Failed(format!("there is no good key {id}")));
            }
            access::audit(&mut db, now, "command line", "keys.revoke", &id, json!({}))
                .await
                .map_err(Error::because)?;
            print(&format!("{id} is revoked"))
        }
    }
}
