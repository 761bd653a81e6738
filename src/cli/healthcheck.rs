//! `smartline healthcheck`: the container's health check, without a shell or curl in the image.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    process::ExitCode,
    time::Duration,
};

use super::{client::Client, error::Error};
use crate::config::Environment;

/// Longest wait for an answer.
const DEADLINE: Duration = Duration::from_secs(5);

/// Ask the service on this machine whether it is alive
///
/// GETs /healthz at PORT (default 8080) and HOST, where that is a specific address (default
/// 127.0.0.1). Exits with 0 on 200 within 5 s, else with 1 and one line that says why.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    before_help = "\
Examples:
  smartline healthcheck
  PORT=10000 smartline healthcheck"
)]
pub(super) struct Args {}

/// Asks once.
///
/// # Errors
/// [`Error::Failed`] for anything but 200 in time.
pub(super) async fn run(_args: Args) -> Result<ExitCode, Error> {
    let environment = Environment::of_process()
        .and_file(Path::new(".env"))
        .map_err(|fault| Error::Failed(fault.to_string()))?;
    let origin = format!("http://{}", address(&environment)?);
    let reply = Client::new(&origin)?.get("/healthz", DEADLINE).await?;
    match reply.status {
        200 => Ok(ExitCode::SUCCESS),
        other => Err(Error::Failed(format!("{origin}/healthz answered {other}"))),
    }
}

/// Where `serve` listens with this environment, as seen from the same machine.
fn address(environment: &Environment) -> Result<SocketAddr, Error> {
    let port = environment.get("PORT").unwrap_or("8080");
    let port = port.parse().map_err(|_| Error::Failed("PORT is no port".into()))?;
    let host = environment.get("HOST").unwrap_or("127.0.0.1");
    let host = match host.parse() {
        Ok(IpAddr::V4(Ipv4Addr::UNSPECIFIED)) => Ipv4Addr::LOCALHOST.into(),
        Ok(IpAddr::V6(Ipv6Addr::UNSPECIFIED)) => Ipv6Addr::LOCALHOST.into(),
        Ok(specific) => specific,
        Err(_) => return Err(Error::Failed("HOST is no IP address".into())),
    };
    Ok(SocketAddr::new(host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_seen_from_inside() {
        for (host, port, expected) in [
            ("", "", Some("127.0.0.1:8080")),
            ("0.0.0.0", "10000", Some("127.0.0.1:10000")),
            ("::", "80", Some("[::1]:80")),
            ("192.0.2.7", "80", Some("192.0.2.7:80")),
            ("localhost", "80", None),
            ("", "http", None),
        ] {
            let address = address(&[("HOST", host), ("PORT", port)].into());
            assert_eq!(address.ok().map(|address| address.to_string()).as_deref(), expected, "{host} {port}");
        }
    }
}
