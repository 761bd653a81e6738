//! `smartline sign`: what a provider would put into its headers, for a request of one's own.

use std::{
    fmt::Write as _,
    fs,
    io::{self, Read as _},
    process::ExitCode,
};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use uuid::Uuid;

use super::{
    error::{Error, note, print},
    known::{self, Known},
    shell::quote,
    target::Target,
};
use crate::{
    domain::{clock::Clock, id::RequestId},
    provider::{Endpoint, Provider},
    samples::request::{self, Draft, Format, Headers},
};

/// Sign a webhook request as its provider would, and print the headers
///
/// The secret is read from `STRIPE_WEBHOOK_SECRET`, `TWILIO_AUTH_TOKEN` or `PLIVO_AUTH_TOKEN`.
/// A Stripe signature holds for 5 minutes.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    before_help = "\
Examples:
  smartline sign twilio voice -d From=+14155550142 -d To=+14155550100 -d CallSid=CA1 --curl | sh
  smartline sign stripe --data-raw @event.json --curl"
)]
pub(super) struct Args {
    /// Who would send the request
    #[arg(value_parser = provider_parser())]
    provider: Provider,
    /// The webhook path below the provider's; none for Stripe
    #[arg(value_parser = PossibleValuesParser::new(["voice", "status", "sms", "answer", "hangup"]))]
    endpoint: Option<String>,
    /// The URL to sign, or its origin alone [default: `PUBLIC_URL`, else port 8080 here]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// A parameter of the body, letter by letter: a + is a + (repeatable)
    #[arg(short = 'd', long = "data", value_name = "NAME=VALUE", conflicts_with = "data_raw")]
    data: Vec<String>,
    /// The exact body; @FILE reads a file, @- stdin
    #[arg(long, value_name = "BODY", allow_hyphen_values = true)]
    data_raw: Option<String>,
    /// Send JSON instead of a form (Stripe: always)
    #[arg(long)]
    json: bool,
    /// Plivo's nonce [default: a fresh one]
    #[arg(long, value_name = "TEXT")]
    nonce: Option<String>,
    /// Print a whole curl command
    #[arg(long)]
    curl: bool,
    /// Read the secret from stdin
    #[arg(long)]
    secret_stdin: bool,
    #[command(flatten)]
    known: known::Options,
}

/// A provider by its name, with a suggestion for a slip.
pub(super) fn provider_parser() -> impl TypedValueParser<Value = Provider> {
    PossibleValuesParser::new(Provider::ALL.map(Provider::name)).try_map(|name| {
        Provider::ALL.into_iter().find(|provider| provider.name() == name).ok_or("is no provider")
    })
}

/// Signs one request with the present time and prints the result.
///
/// # Errors
/// [`Error::Usage`] where the words do not fit together, [`Error::Failed`] without a secret.
pub(super) fn run(args: &Args, clock: &dyn Clock) -> Result<ExitCode, Error> {
    let mut known = Known::read(&args.known)?;
    if args.secret_stdin {
        if args.data_raw.as_deref() == Some("@-") {
            return Err(Error::Usage("stdin can hold the secret or the body, not both".into()));
        }
        known = known.with_given(known::secret_from_stdin(args.provider)?);
    }
    let (draft, known) = draft(args, known)?;
    let at = clock.now();
    let nonce = args.nonce.clone().unwrap_or_else(|| fresh(clock).simple().to_string());
    let headers = draft.sign(&known.need_secret(args.provider)?, at, &nonce)?;
    if args.curl {
        print(&curl(&draft, &headers)?)?;
    } else {
        note(&format!("note: for POST {} with {}", draft.url, draft.content_type()));
        for (name, value) in &headers {
            print(&format!("{name}: {value}"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// 74 bits of chance and the time.
pub(super) fn fresh(clock: &dyn Clock) -> Uuid {
    RequestId::new(clock.now()).uuid()
}

/// The request that the words describe.
fn draft(args: &Args, known: Known) -> Result<(Draft, Known), Error> {
    let endpoint = endpoint(args.provider, args.endpoint.as_deref())?;
    let format = if args.json || endpoint == Endpoint::Stripe { Format::Json } else { Format::Form };
    let body = body(args, endpoint, format)?;
    // A URL with a path is taken as it is; an origin is that of the service.
    let whole = args.url.as_deref().filter(|url| super::target::origin(url).is_err());
    let origin = if whole.is_some() { None } else { args.url.as_deref() };
    let Some(url) = whole else {
        let (target, known) = Target::settle(origin, origin, known)?;
        return Ok((Draft::new(endpoint, &target.public, format, body), known));
    };
    let parsed = url::Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    if parsed.is_none_or(|url| url.fragment().is_some()) {
        return Err(Error::Usage(format!("{url} is no http or https URL without fragment")));
    }
    let known = if super::target::is_local(url) { known } else { known.without_dev() };
    Ok((Draft::to_url(endpoint, url.to_owned(), format, body), known))
}

/// The endpoint that two words name.
///
/// # Errors
/// [`Error::Usage`] with the words that would fit.
fn endpoint(provider: Provider, word: Option<&str>) -> Result<Endpoint, Error> {
    let path = match word {
        Some(word) => format!("/webhooks/{}/{word}", provider.name()),
        None => format!("/webhooks/{}", provider.name()),
    };
    Endpoint::of_path(&path).ok_or_else(|| {
        Error::Usage(match provider {
            Provider::Stripe => "Stripe has one endpoint: write `smartline sign stripe`".into(),
            Provider::Twilio => "write `smartline sign twilio` with voice, status or sms".into(),
            Provider::Plivo => "write `smartline sign plivo` with answer, hangup or sms".into(),
        })
    })
}

fn body(args: &Args, endpoint: Endpoint, format: Format) -> Result<Vec<u8>, Error> {
    if let Some(raw) = &args.data_raw {
        return match raw.strip_prefix('@') {
            Some("-") => {
                let mut body = Vec::new();
                let read = io::stdin().lock().read_to_end(&mut body);
                read.map_err(|cause| Error::Failed(format!("cannot read stdin: {cause}")))?;
                Ok(body)
            }
            Some(file) => {
                fs::read(file).map_err(|cause| Error::Failed(format!("cannot read {file}: {cause}")))
            }
            None => Ok(raw.clone().into_bytes()),
        };
    }
    if endpoint == Endpoint::Stripe {
        return Err(Error::Usage("give Stripe's event with --data-raw BODY, @FILE or @-".into()));
    }
    let pairs = args.data.iter().map(|pair| {
        let (name, value) = pair.split_once('=').ok_or_else(|| {
            Error::Usage(format!(
                "`{pair}` is no parameter: write -d NAME=VALUE, or -d NAME= for an empty one"
            ))
        })?;
        Ok((name.to_owned(), value.to_owned()))
    });
    let fields: Vec<_> = pairs.collect::<Result<_, Error>>()?;
    Ok(match format {
        Format::Form => request::form(&fields),
        Format::Json => request::json(&fields),
    })
}

/// The whole command for a POSIX shell. The body is spelled out: curl's own encoding of fields is not ours.
fn curl(draft: &Draft, headers: &Headers) -> Result<String, Error> {
    let body = std::str::from_utf8(&draft.body).ok().filter(|body| !body.contains('\0'));
    let body = body.ok_or_else(|| {
        Error::Usage("the body is no text, so no command line can hold it: leave --curl out".into())
    })?;
    let globs = if draft.url.contains(['[', ']', '{', '}']) { " --globoff" } else { "" };
    let mut command = format!("curl -sS{globs} -X POST {}", quote(&draft.url));
    let content_type = [("content-type", draft.content_type().to_owned())];
    for (name, value) in content_type.iter().chain(headers) {
        let _ = write!(command, " \\\n  -H {}", quote(&format!("{name}: {value}")));
    }
    let _ = write!(command, " \\\n  --data-raw {}", quote(body));
    Ok(command)
}

#[cfg(test)]
mod tests;
