//! `smartline tail`: kept events as they come, from any service, and handed on to another one if asked.

mod sse;
#[cfg(test)]
mod tests;

use std::{
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{
    client::{Client, NoReply},
    error::{Error, note, print_to},
    known::{self, Known},
    reconcile::Since,
    sign::fresh,
    target::{self, Target},
};
use crate::{
    domain::clock::Clock,
    provider::Endpoint,
    samples::request::{Draft, Format},
};

/// Longest silence: the service says every 15 s that it is still there.
const SILENCE: Duration = Duration::from_secs(45);

/// How long to wait before coming back where the service has not said.
const PAUSE: Duration = Duration::from_secs(2);

/// Show events as they come, and hand them on if asked
///
/// Reads the API's stream with the key in `SMARTLINE_API_KEY`. When it breaks off, the reason is told
/// and it goes on after the last event. --forward signs each anew for the other service, with the
/// secrets in the environment or of `dev` in this folder. Bodies need a key with `pii:read`.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    before_help = "\
Examples:
  smartline tail
  smartline tail --url https://line.example.com --since 10m --filter provider=stripe --body
  smartline tail --url https://line.example.com --forward http://localhost:8080"
)]
pub(super) struct Args {
    /// The service to watch [default: the one on this machine]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// A filter of the list of events, such as `provider=stripe` (repeatable)
    #[arg(long, value_name = "NAME=VALUE")]
    filter: Vec<String>,
    /// Begin with what came since: 90m, 36h, 7d or a date
    #[arg(long, value_name = "DURATION|DATE")]
    since: Option<Since>,
    /// Show the body of each
    #[arg(long)]
    body: bool,
    /// Show what each was answered
    #[arg(long)]
    response: bool,
    /// Hand each on to this service, signed anew
    #[arg(long, value_name = "URL")]
    forward: Option<String>,
    /// End after so many events
    #[arg(long, value_name = "COUNT")]
    limit: Option<u64>,
    /// Write each as a line of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    known: known::Options,
}

/// Watches until the limit is reached, or for ever.
///
/// # Errors
/// [`Error::Failed`] without a key, or where the service refuses: coming back would not help.
pub(super) async fn run(args: Args, clock: &dyn Clock) -> Result<ExitCode, Error> {
    let (origin, key) = target::of_api(args.url.as_deref(), Known::read(&args.known)?)?;
    let forward = match &args.forward {
        Some(url) => Some(Forward::to(url, Known::read(&args.known)?)?),
        None => None,
    };
    let client = Client::new(&origin)?;
    let mut tail = Tail {
        path: path(&args, clock)?,
        args,
        client,
        key,
        forward,
        clock,
        last: None,
        seen: 0,
        pause: PAUSE,
    };
    tail.watch(&mut io::stdout()).await
}

/// Path and query of the stream.
fn path(args: &Args, clock: &dyn Clock) -> Result<String, Error> {
    let query = narrowed(&args.filter, args.since, clock)?.finish();
    Ok(if query.is_empty() { "/api/v1/stream".to_owned() } else { format!("/api/v1/stream?{query}") })
}

/// The filters of a list as the query of it.
///
/// # Errors
/// [`Error::Usage`] for what is no `NAME=VALUE`.
pub(super) fn narrowed(
    filters: &[String],
    since: Option<Since>,
    clock: &dyn Clock,
) -> Result<form_urlencoded::Serializer<'static, String>, Error> {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for filter in filters {
        let (name, value) = filter
            .split_once('=')
            .ok_or_else(|| Error::Usage(format!("`{filter}` is no filter: write --filter NAME=VALUE")))?;
        query.append_pair(name, value);
    }
    if let Some(since) = since {
        query.append_pair("created[gte]", &since.at(clock.now()).to_rfc3339());
    }
    Ok(query)
}

/// Another service, and what it is signed for.
struct Forward {
    client: Client,
    target: Target,
    known: Known,
}

impl Forward {
    fn to(url: &str, known: Known) -> Result<Self, Error> {
        let (target, known) = Target::settle(Some(url), None, known)?;
        Ok(Self { client: Client::new(&target.origin)?, target, known })
    }
}

/// Someone who watches.
struct Tail<'c> {
    args: Args,
    client: Client,
    key: String,
    path: String,
    forward: Option<Forward>,
    clock: &'c dyn Clock,
    /// The event that was seen last.
    last: Option<String>,
    seen: u64,
    /// How long to wait before coming back.
    pause: Duration,
}

/// Why a stream broke off.
enum Drop {
    /// Coming back may help.
    Back(String),
    /// It would not.
    Final(Error),
    /// Enough was seen.
    Done,
}

impl From<Error> for Drop {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

impl Tail<'_> {
    async fn watch(&mut self, out: &mut dyn Write) -> Result<ExitCode, Error> {
        loop {
            match self.once(out).await {
                Err(Drop::Done) => return Ok(ExitCode::SUCCESS),
                Err(Drop::Final(error)) => return Err(error),
                Err(Drop::Back(why)) => {
                    let place = self.last.as_ref().map_or(String::new(), |last| format!(", after {last}"));
                    note(&format!("broken off: {why}; coming back in {} s{place}", self.pause.as_secs_f32()));
                    self.clock.wait(self.pause).await;
                }
                Ok(never) => match never {},
            }
        }
    }

    /// Reads one stream to its end.
    async fn once(&mut self, out: &mut dyn Write) -> Result<std::convert::Infallible, Drop> {
        let back = |error: NoReply| Drop::Back(error.to_string());
        // What came before the last event was asked for once and is here.
        let mut response =
            self.client.open(&self.path, &self.key, self.last.as_deref()).await.map_err(back)?;
        let status = response.status().as_u16();
        if status != 200 {
            let body = response.bytes().await.unwrap_or_default();
            return Err(refusal(status, &serde_json::from_slice(&body).unwrap_or_default()));
        }
        let (mut reader, mut why) = (sse::Reader::default(), "the connection ended".to_owned());
        loop {
            let piece = match tokio::time::timeout(SILENCE, response.chunk()).await {
                Ok(Ok(Some(piece))) => piece,
                Ok(Ok(None)) => return Err(Drop::Back(why)),
                Ok(Err(_)) => return Err(Drop::Back("the connection broke".to_owned())),
                Err(_) => return Err(Drop::Back(format!("nothing came for {} s", SILENCE.as_secs()))),
            };
            let blocks = reader.take(&piece).ok_or_else(|| Drop::Back("an event does not end".to_owned()))?;
            for block in blocks {
                self.pause = block.retry.unwrap_or(self.pause);
                why = block
                    .comment
                    .filter(|comment| comment != "SmartLine" && comment != "still here")
                    .unwrap_or(why);
                if let (Some(id), Some(data)) = (block.id, block.data) {
                    self.show(out, &data).await?;
                    self.last = Some(id);
                    self.seen += 1;
                    if self.args.limit.is_some_and(|limit| self.seen >= limit) {
                        return Err(Drop::Done);
                    }
                }
            }
        }
    }

    /// One event: its row, and what was asked for besides.
    async fn show(&self, out: &mut dyn Write, data: &str) -> Result<(), Error> {
        let mut event: Value = serde_json::from_str(data)
            .map_err(|_| Error::Failed("an event of the stream is no JSON".to_owned()))?;
        let id = event["id"].as_str().unwrap_or_default().to_owned();
        let whole = if self.args.body || self.args.response || self.forward.is_some() {
            self.whole(&id).await?
        } else {
            Value::Null
        };
        let result = match &self.forward {
            Some(forward) => Some(self.hand_on(forward, &whole).await),
            None => None,
        };
        if self.args.json {
            if self.args.body || self.args.response {
                event = whole;
            }
            if let Some(result) = result {
                event["forwarded"] = result;
            }
            return print_to(out, &event.to_string());
        }
        print_to(out, &row(&event))?;
        if self.args.body {
            print_to(out, &indented(&whole["body"]))?;
        }
        if self.args.response {
            print_to(
                out,
                &format!(
                    "    answered {} {}",
                    whole["answer"]["status"],
                    whole["answer"]["content_type"].as_str().unwrap_or("")
                ),
            )?;
            print_to(out, &indented(&whole["answer"]))?;
        }
        if let Some(result) = result {
            print_to(out, &outcome(&id, &result))?;
        }
        Ok(())
    }

    /// The event with its request and answer.
    async fn whole(&self, id: &str) -> Result<Value, Error> {
        let reply = self.client.get_as(&format!("/api/v1/events/{id}"), &self.key).await?;
        match reply.status {
            200 => Ok(reply.json()),
            status => Err(Error::Failed(format!("{id} cannot be read: {}", said(status, &reply.json())))),
        }
    }

    /// Sends it to the other service as its provider would.
    async fn hand_on(&self, forward: &Forward, whole: &Value) -> Value {
        let sent = async {
            let draft = draft(whole, &forward.target.public)?;
            let secret = forward.known.need_secret(draft.endpoint.provider())?;
            let headers = draft.sign(&secret, self.clock.now(), &fresh(self.clock).simple().to_string())?;
            let reply = forward.client.post(&draft, &headers).await?;
            Ok::<_, Error>(
                json!({"url": forward.target.origin, "status": reply.status, "ms": reply.millis(), "event": reply.event}),
            )
        };
        sent.await.unwrap_or_else(|error| json!({"url": forward.target.origin, "error": error.to_string()}))
    }
}

/// Why the service does not give a stream.
fn refusal(status: u16, problem: &Value) -> Drop {
    let said = said(status, problem);
    match status {
        404 => Drop::Final(Error::Failed(format!("{said}: this service has no stream, it is older"))),
        429 | 500.. => Drop::Back(said),
        _ => Drop::Final(Error::Failed(format!("the service refuses: {said}"))),
    }
}

/// What a refusal says.
pub(super) fn said(status: u16, problem: &Value) -> String {
    let code = problem["code"].as_str().unwrap_or_default();
    let fields = problem["fields"].as_array().into_iter().flatten();
    let fields = fields.map(|field| {
        let of = |name: &str| field[name].as_str().unwrap_or_default();
        format!(", {}: {}", of("name"), of("reason"))
    });
    let more = ["reason", "scope"].iter().filter_map(|name| Some(format!(", {}", problem[*name].as_str()?)));
    format!("{status} {code}{}", more.chain(fields).collect::<String>())
}

/// An event as one line.
fn row(event: &Value) -> String {
    let of = |name: &str| event[name].as_str().unwrap_or_default();
    let time = of("received_at").get(11..19).unwrap_or_default();
    let flags: Vec<&str> =
        event["flags"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let label = match of("signed_by") {
        label @ ("unsigned" | "simulated") => format!(" {label}"),
        _ => String::new(),
    };
    let flags = if flags.is_empty() { String::new() } else { format!(" {}", flags.join(",")) };
    format!("{time}  {:<15} {:<32} {}  {}{label}{flags}", of("endpoint"), of("type"), of("id"), of("subject"))
}

/// Content as text, below its row.
fn indented(content: &Value) -> String {
    let text = match (content["text"].as_str(), content["base64"].is_string(), content["bytes"].as_u64()) {
        (Some(text), ..) => text.to_owned(),
        (None, true, Some(bytes)) => format!("({bytes} bytes that are no text)"),
        (None, false, Some(bytes)) => format!("({bytes} bytes; the key may not see them: it lacks pii:read)"),
        _ => "(none)".to_owned(),
    };
    let lines: Vec<String> =
        text.lines().map(|line| format!("    {}", line.replace(char::is_control, "\u{fffd}"))).collect();
    lines.join("\n")
}

fn outcome(id: &str, result: &Value) -> String {
    let url = result["url"].as_str().unwrap_or_default();
    match result["error"].as_str() {
        Some(error) => format!("    → {url}  not handed on: {error}  {id}"),
        None => format!("    → {url}  {}  {} ms  {id}", result["status"], result["ms"]),
    }
}

/// The request of an event, for a service that is publicly at `origin`.
fn draft(whole: &Value, origin: &str) -> Result<Draft, Error> {
    let failed = |what: &str| Error::Failed(what.to_owned());
    let endpoint =
        whole["endpoint"].as_str().and_then(|name| Endpoint::of_path(&format!("/webhooks/{name}")));
    let endpoint = endpoint.ok_or_else(|| failed("its endpoint is none of the seven"))?;
    let body = whole["body"]["base64"]
        .as_str()
        .ok_or_else(|| failed("the key may not see the body: it lacks pii:read"))?;
    let body = STANDARD.decode(body).map_err(|_| failed("its body cannot be read"))?;
    let path = whole["path"].as_str().unwrap_or(endpoint.path());
    let is_type =
        |header: &Value| header[0].as_str().is_some_and(|name| name.eq_ignore_ascii_case("content-type"));
    let headers = whole["headers"].as_array();
    let json = headers
        .into_iter()
        .flatten()
        .find(|header| is_type(header))
        .is_some_and(|header| header[1].as_str().unwrap_or_default().contains("json"));
    let format = if json || endpoint == Endpoint::Stripe { Format::Json } else { Format::Form };
    // Its query is as it was signed, a digest of the body included.
    Ok(Draft { endpoint, url: format!("{origin}{path}"), format, body })
}
