//! `smartline login-link`: a link that signs in to the console, once.

use secrecy::ExposeSecret as _;
use serde_json::json;

use super::{
    database,
    error::{Error, note, print},
    known::{self, Known},
    target::{on_this_machine, origin},
};
use crate::{
    access::{self, Scope, sessions},
    domain::clock::Clock,
};

/// Print a link that signs in to the console once, within ten minutes
///
/// The link's token stands behind the `#`, which browsers send to nobody.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    before_help = "\
Examples:
  smartline login-link
  smartline login-link --scope read --scope billing:read"
)]
pub(super) struct Args {
    /// What it may be used for; may be given several times
    #[arg(long = "scope", value_name = "SCOPE", default_value = "admin")]
    scopes: Vec<Scope>,
    /// Where the console is [default: the first `PUBLIC_URL`, else port 8080 here]
    #[arg(long, value_name = "ORIGIN")]
    url: Option<String>,
    /// Write the result as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    known: known::Options,
}

/// Makes a link and prints it.
pub(super) async fn run(args: Args, clock: &dyn Clock) -> Result<(), Error> {
    let known = Known::read(&args.known)?;
    let at = match &args.url {
        Some(url) => origin(url)?,
        None => known
            .first("PUBLIC_URL")
            .map_or_else(|| on_this_machine(&known), |url| url.trim_end_matches('/').to_owned()),
    };
    let mut db = database::connect().await?;
    let now = clock.now();
    let token = sessions::link(&mut db, &args.scopes, now).await.map_err(Error::because)?;
    let names: Vec<_> = args.scopes.iter().map(|scope| scope.name()).collect();
    access::audit(&mut db, now, "command line", "console.login_link", "console", json!({ "scopes": names }))
        .await
        .map_err(Error::because)?;
    let link = link(&at, token.expose_secret());
    if args.json {
        return print(
            &json!({ "link": link, "scopes": names, "expires_at": now + sessions::LINK }).to_string(),
        );
    }
    note(&format!("signs in once, within {} minutes:", sessions::LINK.num_minutes()));
    print(&link)
}

/// The link of a token.
pub(super) fn link(origin: &str, token: &str) -> String {
    format!("{origin}/console#t={token}")
}
