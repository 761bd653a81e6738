//! `smartline explain`: why a request was refused, from what was written down of it or from the request itself.

use std::{
    fs,
    io::{self, Read as _},
    path::PathBuf,
    process::ExitCode,
};

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::{
    database,
    error::{Error, note, print},
    known::{self, Known},
};
use crate::{
    domain::{clock::Clock, id::RequestId},
    http::problem::fix_of,
    inbox::rejections,
    provider::{
        Endpoint, Provider, Received, Reject, SignedBy, Unsigned,
        explain::{Secrets, explain, secret_variable, told},
        plivo::Plivo,
        stripe::Stripe,
        twilio::Twilio,
        verify,
    },
};

/// Tell why a request was refused, and the one change that would mend it
///
/// By the id that its sender was told (`req_…`), from what was written down; or from the whole
/// request: a file as HTTP writes it, - for stdin, or its headers and body. Secrets and `PUBLIC_URL`
/// come from the environment and `.env`. Exits with 1 if nothing explains it.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    before_help = "\
Examples:
  smartline explain req_01k9z6m4x8q0v3t5n7w2y1b9cd
  smartline explain request.txt
  smartline explain --headers h.txt --body body.bin --url https://line.example.com/webhooks/stripe"
)]
pub(super) struct Args {
    /// A request's id, a file that holds the whole request, or - for stdin
    #[arg(value_name = "REQUEST", required_unless_present = "headers", conflicts_with_all = ["headers", "body"])]
    request: Option<String>,
    /// A file with a header on each line
    #[arg(long, value_name = "FILE", requires = "url")]
    headers: Option<PathBuf>,
    /// A file with the exact bytes of the body [default: none]
    #[arg(long, value_name = "FILE", requires = "headers")]
    body: Option<PathBuf>,
    /// Where it came to; tried as `PUBLIC_URL` as well
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// The method of --headers
    #[arg(long, value_name = "METHOD", default_value = "POST")]
    method: Method,
    /// When it came, such as `2026-11-01T08:00:00Z` [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<DateTime<Utc>>,
    /// Write the result as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    known: known::Options,
}

/// Explains one request.
///
/// # Errors
/// [`Error::Usage`] where no request is given, [`Error::Failed`] where it cannot be read.
pub(super) async fn run(args: Args, clock: &dyn Clock) -> Result<ExitCode, Error> {
    if let Some(id) = args.request.as_deref().filter(|text| text.starts_with("req_")) {
        return stored(id, args.json).await;
    }
    let pasted = match (&args.request, &args.headers) {
        (Some(file), _) => whole(&bytes_of(file)?)?,
        (None, Some(file)) => Pasted {
            method: args.method.clone(),
            target: args.url.clone().unwrap_or_default(),
            headers: headers(&String::from_utf8_lossy(&bytes_of(&file.display().to_string())?))?,
            body: args
                .body
                .as_ref()
                .map(|file| bytes_of(&file.display().to_string()))
                .transpose()?
                .unwrap_or_default(),
        },
        (None, None) => {
            return Err(Error::Usage("give a request's id, or a file that holds a request".into()));
        }
    };
    let known = Known::read(&args.known)?;
    let at = args.at.unwrap_or_else(|| clock.now());
    let verdict = judge(pasted, args.url.as_deref(), &known, at)?;
    print(&if args.json { verdict.as_json().to_string() } else { verdict.as_text() })?;
    Ok(if verdict.is_explained() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What was written down of a refused request.
async fn stored(id: &str, json: bool) -> Result<ExitCode, Error> {
    let request: RequestId = id
        .parse()
        .map_err(|_| Error::Usage(format!("{id} is no id of a request: those have 26 letters after req_")))?;
    let mut db = database::connect().await?;
    let found = rejections::find(&mut db, request).await;
    let found = found.map_err(|error| Error::Failed(format!("the database: {error}")))?;
    let Some(found) = found else {
        return Err(Error::Failed(format!(
            "no refusal {id} is written down: it was not refused, or is too old, or was one too many of its minute; the \
             log has every one: search it for {id}"
        )));
    };
    let fix = fix_of(&found.code);
    if json {
        let mut value = serde_json::to_value(&found).map_err(Error::because)?;
        value["id"] = id.into();
        value["fix"] = fix.into();
        print(&value.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    print(&format!(
        "{id}  {}  {} /webhooks/{} from {}",
        found.at.format("%F %T UTC"),
        found.method,
        found.endpoint,
        found.client
    ))?;
    print(&format!("told     {}", found.code))?;
    let told = told(&found.cause);
    print(&format!("cause    {}", told.map_or(found.cause.as_str(), |told| told.cause)))?;
    if let Some(told) = told {
        print(&format!("found    {}", told.found))?;
    }
    print(&format!("fix      {}", told.map_or(fix, |told| told.fix)))?;
    for (name, value) in &found.headers.0 {
        print(&format!("header   {name}: {value}"))?;
    }
    note("the body is never kept: with the whole request at hand, `smartline explain FILE` tries more");
    Ok(ExitCode::SUCCESS)
}

/// A request as somebody has it before them.
#[derive(Debug, PartialEq)]
struct Pasted {
    method: Method,
    /// A path with its query, or a whole URL.
    target: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

fn bytes_of(file: &str) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let read = match file {
        "-" => io::stdin().lock().read_to_end(&mut bytes).map(drop),
        file => fs::read(file).map(|read| bytes = read),
    };
    read.map_err(|cause| Error::Failed(format!("cannot read {file}: {cause}")))?;
    Ok(bytes)
}

/// Reads a request as it goes over the wire; lines may end in LF alone.
fn whole(bytes: &[u8]) -> Result<Pasted, Error> {
    let broken = || {
        Error::Failed(
            "it is no HTTP request: write `POST /webhooks/… HTTP/1.1`, headers, an empty line, the body"
                .to_owned(),
        )
    };
    let end = |mark: &[u8]| {
        bytes.windows(mark.len()).position(|window| window == mark).map(|at| (at, at + mark.len()))
    };
    let ends = [end(b"\r\n\r\n"), end(b"\n\n")];
    let (head_end, body_start) = ends.into_iter().flatten().min().unwrap_or((bytes.len(), bytes.len()));
    let head = String::from_utf8_lossy(&bytes[..head_end]);
    let (line, rest) = head.split_once('\n').unwrap_or((&head, ""));
    let mut words = line.split_whitespace();
    let method = words
        .next()
        .and_then(|word| word.parse().ok())
        .filter(|method| [Method::GET, Method::POST].contains(method));
    let target = words.next().filter(|word| word.starts_with('/') || word.contains("://"));
    let (method, target) = method.zip(target).ok_or_else(broken)?;
    Ok(Pasted {
        method,
        target: target.to_owned(),
        headers: headers(rest)?,
        body: bytes[body_start..].to_vec(),
    })
}

/// A header on each line; what `curl -v` writes before each is passed over.
fn headers(text: &str) -> Result<HeaderMap, Error> {
    let mut all = HeaderMap::new();
    for line in text.lines().map(|line| line.trim_start_matches("> ").trim()).filter(|line| !line.is_empty())
    {
        let header = line.split_once(':').and_then(|(name, value)| {
            let name = HeaderName::from_bytes(name.trim().as_bytes()).ok()?;
            Some((name, HeaderValue::from_str(value.trim()).ok()?))
        });
        let (name, value) =
            header.ok_or_else(|| Error::Failed("a line of the headers is no `Name: value`".to_owned()))?;
        all.append(name, value);
    }
    Ok(all)
}

/// What came out.
struct Verdict {
    endpoint: Endpoint,
    url: String,
    result: Result<String, Reject>,
    explanation: Option<crate::provider::explain::Explanation>,
}

/// Checks the request as the service would, and looks for what would have matched.
fn judge(pasted: Pasted, url: Option<&str>, known: &Known, at: DateTime<Utc>) -> Result<Verdict, Error> {
    let (origin, target) = parted(&pasted.target);
    let came_to = url.and_then(|url| parted(url).0).or(origin).map(str::to_owned);
    let path_and_query = target.to_owned();
    let path = target.split('?').next().unwrap_or_default().to_owned();
    let endpoint = Endpoint::of_path(&path).or_else(|| by_headers(&pasted.headers)).ok_or_else(|| {
        Error::Usage(format!(
            "{path} is none of the seven webhook paths, and no header tells whose request it is"
        ))
    })?;
    let mut origins: Vec<String> =
        known.list("PUBLIC_URL").into_iter().map(|url| url.trim_end_matches('/').to_owned()).collect();
    if origins.is_empty() {
        origins.extend(known.list("RENDER_EXTERNAL_URL").into_iter().map(str::to_owned));
    }
    if origins.is_empty() {
        origins.extend(came_to.clone());
    }
    if origins.is_empty() && endpoint.provider() != Provider::Stripe {
        return Err(Error::Usage("PUBLIC_URL is not set: give the URL with --url https://…".into()));
    }
    let all = |provider| {
        known.list(secret_variable(provider)).into_iter().map(SecretString::from).collect::<Vec<_>>()
    };
    let secrets =
        Secrets { stripe: all(Provider::Stripe), twilio: all(Provider::Twilio), plivo: all(Provider::Plivo) };
    known.need_secret(endpoint.provider())?;
    let received = Received {
        endpoint,
        method: pasted.method,
        origins: origins.into(),
        path_and_query,
        headers: pasted.headers,
        body: pasted.body.into(),
        at,
        unsigned: Unsigned::Refused,
    };
    let shown = format!(
        "{}{path}",
        came_to.as_deref().or(received.origins.first().map(String::as_str)).unwrap_or_default()
    );
    let result = check(&secrets, known, received.clone());
    let puzzling =
        result.as_ref().is_err_and(|reject| reject.is_puzzling() || matches!(reject, Reject::MediaType(_)));
    let hosts: Vec<String> =
        came_to.into_iter().chain(known.list("RENDER_EXTERNAL_URL").into_iter().map(str::to_owned)).collect();
    let explanation = puzzling.then(|| explain(&secrets, &hosts, &received));
    Ok(Verdict { endpoint, url: shown, result, explanation })
}

/// The origin of a URL, and what follows it; a path alone has no origin.
fn parted(url: &str) -> (Option<&str>, &str) {
    let Some(scheme) = url.find("://") else { return (None, url) };
    let end = url[scheme + 3..].find(['/', '?']).map_or(url.len(), |at| scheme + 3 + at);
    (Some(&url[..end]), &url[end..])
}

fn by_headers(headers: &HeaderMap) -> Option<Endpoint> {
    let named = |begin: &str| headers.keys().any(|name| name.as_str().starts_with(begin));
    [
        ("stripe-signature", Endpoint::Stripe),
        ("x-twilio-signature", Endpoint::TwilioVoice),
        ("x-plivo-signature", Endpoint::PlivoAnswer),
    ]
    .into_iter()
    .find_map(|(begin, endpoint)| named(begin).then_some(endpoint))
}

/// The check of the service: which secret matched, or why none did.
fn check(secrets: &Secrets, known: &Known, received: Received) -> Result<String, Reject> {
    let list = |name| known.list(name).into_iter().map(str::to_owned).collect::<Vec<_>>();
    let by = |signed_by: SignedBy| signed_by.to_string();
    match received.endpoint.provider() {
        Provider::Stripe => verify(&Stripe { secrets: secrets.stripe.clone() }, received)
            .map(|verified| by(verified.signed_by())),
        Provider::Twilio => {
            let twilio = Twilio {
                tokens: secrets.twilio.clone(),
                accounts: list("TWILIO_ACCOUNT_SID"),
                apps: list("TWILIO_APP_SID"),
            };
            verify(&twilio, received).map(|verified| by(verified.signed_by()))
        }
        Provider::Plivo => {
            let plivo = Plivo { tokens: secrets.plivo.clone(), accounts: list("PLIVO_AUTH_ID") };
            verify(&plivo, received).map(|verified| by(verified.signed_by()))
        }
    }
}

impl Verdict {
    /// Whether it matches, or it is known why not.
    fn is_explained(&self) -> bool {
        match (&self.result, &self.explanation) {
            (Ok(_), _) | (Err(_), None) => true,
            (Err(_), Some(explanation)) => !explanation.changes.is_empty(),
        }
    }

    fn fix(&self) -> Option<String> {
        let reject = self.result.as_ref().err()?;
        Some(match &self.explanation {
            Some(explanation) => explanation.fix(),
            None => fix_of(reject.code()).to_owned(),
        })
    }

    fn as_text(&self) -> String {
        let request = format!("{} request to {}", self.endpoint.provider().name(), self.url);
        let Err(reject) = &self.result else {
            return format!("{request}: genuine, signed by {}", self.result.as_deref().unwrap_or_default());
        };
        let mut text = format!("{request}: refused with {}\ncause    {reject}", reject.code());
        if let Some(explanation) = &self.explanation {
            text = format!("{text}\nfound    {explanation}");
        }
        format!("{text}\nfix      {}", self.fix().unwrap_or_default())
    }

    fn as_json(&self) -> Value {
        let explanation = self.explanation.as_ref();
        let changes: Vec<Value> = explanation
            .into_iter()
            .flat_map(|explanation| &explanation.changes)
            .map(|change| json!({"kind": change.kind, "would_match_if": change.would, "fix": change.fix}))
            .collect();
        json!({
            "endpoint": self.endpoint.name(),
            "url": self.url,
            "genuine": self.result.is_ok(),
            "signed_by": self.result.as_ref().ok(),
            "code": self.result.as_ref().err().map(Reject::code),
            "cause": self.result.as_ref().err().map(ToString::to_string),
            "changes": changes,
            "variants_tried": explanation.map(|explanation| explanation.tried),
            "fix": self.fix(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::standin::{SECRET, Standin, now},
        samples::request::{Draft, Format, form},
    };

    const ORIGIN: &str = "https://line.example.com";

    /// A call, signed for `origin`, as text that came to the line.
    fn request(origin: &str, line_end: &str) -> Vec<u8> {
        let fields = [("From", "+14155550142"), ("CallSid", "CA1")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let draft = Draft::new(Endpoint::TwilioVoice, origin, Format::Form, form(&fields));
        let headers = draft.sign(&SECRET.into(), now(), "nonce").unwrap();
        let mut text = format!(
            "POST /webhooks/twilio/voice HTTP/1.1{line_end}Content-Type: {}{line_end}",
            draft.content_type()
        );
        for (name, value) in headers {
            text = format!("{text}{name}: {value}{line_end}");
        }
        [text.as_bytes(), line_end.as_bytes(), &draft.body].concat()
    }

    fn verdict(bytes: &[u8], url: Option<&str>, public: &str) -> Verdict {
        let known = Standin::known().with_given([("PUBLIC_URL", public)].into());
        judge(whole(bytes).unwrap(), url, &known, now()).unwrap()
    }

    #[test]
    fn a_pasted_request() {
        for (case, origin, url, public, says, explained) in [
            ("genuine", ORIGIN, None, ORIGIN, "genuine, signed by TWILIO_AUTH_TOKEN[0]", true),
            ("only --url", ORIGIN, Some(ORIGIN), "", "genuine", true),
            (
                "a whole --url",
                ORIGIN,
                Some("https://line.example.com/webhooks/twilio/voice"),
                "",
                "genuine",
                true,
            ),
            (
                "http",
                "http://line.example.com",
                None,
                ORIGIN,
                "if PUBLIC_URL were http://line.example.com\nfix      the provider's console has",
                true,
            ),
            (
                "--url is right",
                "https://b.example",
                Some("https://b.example"),
                ORIGIN,
                "if PUBLIC_URL were https://b.example\n",
                true,
            ),
            ("elsewhere", "https://c.example", None, ORIGIN, "found    none of ", false),
        ] {
            for line_end in ["\n", "\r\n"] {
                let verdict = verdict(&request(origin, line_end), url, public);
                let text = verdict.as_text();
                assert!(text.contains(says), "{case}: {text}");
                assert_eq!(verdict.is_explained(), explained, "{case}");
                assert_eq!(verdict.as_json()["genuine"], verdict.result.is_ok(), "{case}");
                assert!(!verdict.as_json().to_string().contains(SECRET), "{case}");
            }
        }
    }

    #[test]
    fn what_is_no_request_is_said_to_be_none() {
        for odd in
            ["", "hello", "DELETE / HTTP/1.1\n\n", "POST x HTTP/1.1\n\n", "POST / HTTP/1.1\nno header\n\n"]
        {
            assert!(whole(odd.as_bytes()).is_err(), "{odd}");
        }
        let known = Standin::known().with_given([("PUBLIC_URL", ORIGIN)].into());
        let elsewhere = whole(b"POST /elsewhere HTTP/1.1\nHost: x\n\n").unwrap();
        assert!(judge(elsewhere, None, &known, now()).is_err());
        let unsigned = whole(b"POST /webhooks/stripe HTTP/1.1\n\n{}").unwrap();
        let text = judge(unsigned, None, &known, now()).unwrap().as_text();
        assert!(text.contains("signature_missing") && text.contains("sign it"), "{text}");
    }
}
