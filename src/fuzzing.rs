//! One function for each parser of strangers' bytes. Each takes any bytes, must not panic, and asserts what always
//! holds. `fuzz/` drives them with random input, `tests/it/corpus.rs` with the committed inputs.
//!
//! Inputs of several parts are lines: the first ones are headers or a query, what is left is the body. A new parser
//! gets a function here, a line in [`TARGETS`], a file in `fuzz/fuzz_targets` and inputs in `fuzz/corpus`.
//!
//! The same door lets `bench/` time the check of a request: [`check`]; and tests hold answers against what the carriers take:
//! [`voice_document`], [`leg_document`], [`text_document`]. And it lets it time what a flow costs: [`Conversation`].

use std::{collections::BTreeSet, fmt::Write as _, net::IpAddr, sync::Arc};

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header::CONTENT_TYPE};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::{
    config::Proxy,
    domain::phone::Phone,
    http::middleware::{came_by_http, client_of},
    inbox::{
        entry::Entry,
        spool::record::{self, Progress, Records},
    },
    lines::{
        document::{self, Flow},
        engine::{self, Caller, Event, Facts, Profile, Start},
        rendered,
        safe::Signer,
        token::{Position, TokenKeys},
    },
    provider::{
        Endpoint, Envelope, Params, Provider, Received, Reject, Unsigned, Webhook,
        plivo::{self, Plivo},
        stripe::{self, Stripe},
        twilio::{self, Twilio},
        verify,
        xml::grammar::{self, Grammar, Kind},
    },
};

/// What takes the bytes.
pub type Target = fn(&[u8]);

/// Every target by name.
pub const TARGETS: [(&str, Target); 13] = [
    ("params", params),
    ("phone", phone),
    ("plivo_callback", plivo_callback),
    ("plivo_v2", plivo_v2),
    ("plivo_v3", plivo_v3),
    ("position_token", position_token),
    ("proxy_headers", proxy_headers),
    ("spool_record", spool_record),
    ("spooled_entry", spooled_entry),
    ("stripe_event", stripe_event),
    ("stripe_signature", stripe_signature),
    ("twilio_callback", twilio_callback),
    ("twilio_signature", twilio_signature),
];

/// The secret of every provider here: random bytes do not hit upon its codes.
pub const SECRET: &str = "a secret that no input knows";
/// Likewise of a segment of the spool.
const SALT: Uuid = Uuid::from_u128(0x5eed);
/// The public origin here, which Twilio and Plivo sign.
pub const ORIGIN: &str = "https://line.example";
/// The time here, in seconds since 1970.
pub const NOW: i64 = 1_760_000_000;
const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

fn at() -> DateTime<Utc> {
    DateTime::from_timestamp(NOW, 0).unwrap_or_default()
}

/// Header line, body.
pub fn stripe_signature(bytes: &[u8]) {
    let (header, body) = line(bytes);
    let provider = Stripe { secrets: vec![SECRET.into()] };
    let request = || post(Endpoint::Stripe, JSON, body);
    if let Some(received) = with(request(), stripe::HEADER, header) {
        refused(&provider, received);
    }
    // Beside a good signature the input can spoil it only by another `t`.
    let own = stripe::sign(&SecretString::from(SECRET), request().at, body);
    if let Some(received) = with(request(), stripe::HEADER, &[own.as_bytes(), b",", header].concat()) {
        let text = String::from_utf8_lossy(header);
        let another = text.split(',').any(|element| element.trim().starts_with("t="));
        let ascii = header.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
        assert_eq!(verify(&provider, received).is_ok(), ascii && !another);
    }
}

/// The check of a request's signature and age, to be repeated; it tells whether the request was found genuine. `None`
/// for a path that no provider calls, or a value that fits no header.
#[must_use]
pub fn check(path: &str, signature: &[(&'static str, &str)], body: &[u8]) -> Option<Box<dyn Fn() -> bool>> {
    let endpoint = Endpoint::of_path(path)?;
    let content_type = if endpoint == Endpoint::Stripe { JSON } else { FORM };
    let mut received = post(endpoint, content_type, body);
    for (name, value) in signature {
        received = with(received, name, value.as_bytes())?;
    }
    Some(match endpoint.provider() {
        Provider::Stripe => check_of(Stripe { secrets: vec![SECRET.into()] }, received),
        Provider::Twilio => check_of(twilio(), received),
        Provider::Plivo => check_of(plivo(), received),
    })
}

fn check_of<W: Webhook + 'static>(provider: W, received: Received) -> Box<dyn Fn() -> bool> {
    Box::new(move || provider.check(&received).is_ok())
}

/// Whether `twilio` or `plivo` takes the document as call control, and the caller is left with something at its end.
///
/// # Errors
/// The place of the first fault, and what should be there.
pub fn voice_document(provider: &str, document: &str) -> Result<(), String> {
    answer(provider, Kind::Call, document)
}

/// The same of what whoever is rung for a caller hears before they are connected.
///
/// # Errors
/// As [`voice_document`].
pub fn leg_document(provider: &str, document: &str) -> Result<(), String> {
    answer(provider, Kind::Leg, document)
}

/// The same of what answers a text.
///
/// # Errors
/// As [`voice_document`].
pub fn text_document(provider: &str, document: &str) -> Result<(), String> {
    answer(provider, Kind::Reply, document)
}

fn answer(provider: &str, kind: Kind, document: &str) -> Result<(), String> {
    let grammar: &Grammar = match provider {
        "twilio" => &twilio::grammar::GRAMMAR,
        "plivo" => &plivo::grammar::GRAMMAR,
        other => return Err(format!("{other} is no carrier")),
    };
    let most = grammar::FLOW_BYTES;
    if document.len() > most {
        return Err(format!("has {} bytes, at most {most} are planned for", document.len()));
    }
    grammar::check(grammar, kind, document)
}

/// What keeps a flow from being used on any line, its documents for both carriers included; each fault with its place; none where nothing does.
#[must_use]
pub fn flow_faults(toml: &str) -> Vec<String> {
    let faults = match document::read::read(toml) {
        Ok(flow) => {
            let mut faults = document::check::check(&flow).faults;
            if faults.is_empty() {
                let profile = Profile::bare(Phone::read("+14155550199"));
                for provider in Provider::CARRIERS {
                    faults.extend(rendered::faults(&flow, &profile, provider));
                }
            }
            faults
        }
        Err(faults) => faults,
    };
    faults.iter().map(ToString::to_string).collect()
}

/// A token; it may be of the right form, but no input knows the key.
pub fn position_token(bytes: &[u8]) {
    let keys = TokenKeys::new(&[SecretString::from(SECRET)]);
    let text = String::from_utf8_lossy(bytes);
    assert!(keys.open(&text, "CA1", at()).is_err());
    let position = Position { flow_version: 0, step: 2, edge: 0, attempt: 0, turn: 1 };
    let own = keys.sign(&position, &text, at());
    assert_eq!(keys.open(&own, &text, at()), Ok(position), "a call may be named in any way");
}

/// A body.
pub fn stripe_event(bytes: &[u8]) {
    named::<Stripe>(&post(Endpoint::Stripe, JSON, bytes));
}

/// Header line, query line, body.
pub fn twilio_signature(bytes: &[u8]) {
    let (header, rest) = line(bytes);
    let (query, body) = line(rest);
    let provider = twilio();
    let form = asked(post(Endpoint::TwilioVoice, FORM, body), query);
    let json = asked(post(Endpoint::TwilioStatus, JSON, body), query);
    let get = Received { method: Method::GET, ..asked(post(Endpoint::TwilioSms, FORM, b""), query) };
    for received in [form.clone(), json, get] {
        if let Some(received) = with(received, twilio::HEADER, header) {
            refused(&provider, received);
        }
    }
    let token = SecretString::from(SECRET);
    if has_field(body) {
        let own = twilio::sign(&token, &url(&form), &Params::from_form(body));
        taken(&provider, with(form, twilio::HEADER, own.as_bytes()));
    }
    let mut signed = String::from("bodySHA256=");
    for byte in Sha256::digest(body) {
        let _ = write!(signed, "{byte:02x}");
    }
    let query = format!("{signed}&{}", String::from_utf8_lossy(query));
    let json = asked(post(Endpoint::TwilioVoice, JSON, body), query.as_bytes());
    let own = twilio::sign(&token, &url(&json), &Params::default());
    taken(&provider, with(json, twilio::HEADER, own.as_bytes()));
}

/// Signature line, nonce line, query line, body.
pub fn plivo_v3(bytes: &[u8]) {
    const NONCE: &str = "05429567804466091622";
    let (header, rest) = line(bytes);
    let (nonce, rest) = line(rest);
    let (query, body) = line(rest);
    let provider = plivo();
    let form = asked(post(Endpoint::PlivoAnswer, FORM, body), query);
    let json = asked(post(Endpoint::PlivoSms, JSON, body), query);
    let get = Received { method: Method::GET, ..asked(post(Endpoint::PlivoHangup, FORM, b""), query) };
    for received in [&form, &json, &get] {
        for name in [plivo::V3, "x-plivo-signature-ma-v3"] {
            let signed = with(received.clone(), name, header);
            if let Some(received) = signed.and_then(|received| with(received, plivo::V3_NONCE, nonce)) {
                refused(&provider, received);
            }
        }
    }
    let from_form = has_field(body).then(|| (form, Params::from_form(body)));
    let from_json = Params::from_json(body).filter(|params| !params.is_empty()).map(|params| (json, params));
    for (received, params) in [from_form, from_json, Some((get, Params::default()))].into_iter().flatten() {
        let own = plivo::sign_v3(&SecretString::from(SECRET), &url(&received), &params, NONCE);
        let list = [header, b", ", own.as_bytes()].concat();
        let ascii = header.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
        let signed = with(received, plivo::V3, if ascii { &list } else { own.as_bytes() });
        taken(&provider, signed.and_then(|received| with(received, plivo::V3_NONCE, NONCE.as_bytes())));
    }
}

/// Signature line, nonce line, body.
pub fn plivo_v2(bytes: &[u8]) {
    let (header, rest) = line(bytes);
    let (nonce, body) = line(rest);
    for endpoint in [Endpoint::PlivoSms, Endpoint::PlivoAnswer] {
        for name in ["x-plivo-signature-v2", "x-plivo-signature-ma-v2"] {
            let signed = with(post(endpoint, FORM, body), name, header);
            if let Some(received) =
                signed.and_then(|received| with(received, "x-plivo-signature-v2-nonce", nonce))
            {
                refused(&plivo(), received);
            }
        }
    }
}

/// A form, a query or a JSON object: what was read can be written and is read again alike.
pub fn params(bytes: &[u8]) {
    let read = Params::from_form(bytes);
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(read.sorted());
    assert_eq!(Params::from_query(&form.finish()).sorted(), read.sorted());
    assert_eq!(read.is_empty(), !has_field(bytes));

    if let Some(read) = Params::from_json(bytes) {
        let members: Vec<String> = read
            .sorted()
            .into_iter()
            .map(|(name, value)| format!("{}:{}", serde_json::json!(name), serde_json::json!(value)))
            .collect();
        let again = Params::from_json(format!("{{{}}}", members.join(",")).as_bytes());
        assert_eq!(again.map(|again| again.sorted() == read.sorted()), Some(true));
        assert!(read.sorted().iter().all(|(name, _)| read.get(name).is_some()));
    }
}

/// One letter for the endpoint, query line, body.
pub fn twilio_callback(bytes: &[u8]) {
    callback::<Twilio>(bytes, [Endpoint::TwilioVoice, Endpoint::TwilioStatus, Endpoint::TwilioSms]);
}

/// One letter for the endpoint, query line, body.
pub fn plivo_callback(bytes: &[u8]) {
    callback::<Plivo>(bytes, [Endpoint::PlivoAnswer, Endpoint::PlivoHangup, Endpoint::PlivoSms]);
}

/// A phone number as text.
pub fn phone(bytes: &[u8]) {
    let phone = Phone::read(&String::from_utf8_lossy(bytes));
    assert_eq!(Phone::read(phone.as_str()), phone, "reading twice changes nothing");
    if phone.is_full_number() {
        assert_eq!(Phone::read(phone.without_plus()), phone, "with and without plus it is one number");
        assert!((8..=16).contains(&phone.as_str().len()) && phone.as_str().starts_with('+'));
    }
}

/// Two header lines. What a client invents changes nothing of what a trusted proxy adds: at the end of the last line, or
/// as a line of its own.
pub fn proxy_headers(bytes: &[u8]) {
    let (first, second) = line(bytes);
    let peer = IpAddr::from([198, 51, 100, 1]);
    let added = [b"192.0.2.7".as_slice(), b" 192.0.2.7, 10.0.0.1 "];
    let on_a_line = added.map(|added| vec![first.to_vec(), [second, b",", added].concat()]);
    let on_its_own = added.map(|added| vec![first.to_vec(), second.to_vec(), added.to_vec()]);
    for (hops, lines) in (1..).zip(on_a_line).chain((1..).zip(on_its_own)) {
        if let Some(headers) = repeated("x-forwarded-for", &lines) {
            assert_eq!(client_of(Proxy::None, &headers, peer), peer);
            assert_eq!(client_of(Proxy::Render, &headers, peer), peer);
            assert_eq!(client_of(Proxy::Hops(hops), &headers, peer), IpAddr::from([192, 0, 2, 7]));
            let beyond = client_of(Proxy::Hops(hops + 1), &headers, peer);
            assert_eq!(beyond, beyond.to_canonical());
        }
    }
    if let Some(headers) = repeated("cf-connecting-ip", &[first, second, b"2001:db8::7"]) {
        let client = client_of(Proxy::Render, &headers, peer);
        assert_eq!(Ok(client), "2001:db8::7".parse());
    }
    if let Some(headers) = repeated("x-forwarded-proto", &[first.to_vec(), [second, b",https"].concat()]) {
        assert!(!came_by_http(Proxy::None, &headers) && !came_by_http(Proxy::Hops(1), &headers));
    }
}

/// Two bytes for a place, a segment of the spool.
///
/// No input knows the salt, so it holds no record. Its lines are written as records, too: all of them are read, those
/// before the place also when the rest is cut off or overwritten there, and never one that was not written.
pub fn spool_record(bytes: &[u8]) {
    let (place, input) = bytes.split_at(bytes.len().min(2));
    assert_eq!(spooled(input), Vec::<Vec<u8>>::new());

    let lines: Vec<&[u8]> = input.split(|byte| *byte == b'\n').collect();
    let (mut whole, mut ends) = (Vec::new(), Vec::new());
    for line in &lines {
        let offset = whole.len() as u64;
        record::write(&mut whole, SALT, offset, line);
        ends.push(whole.len());
    }
    assert_eq!(spooled(&whole), lines);

    let place = place.iter().fold(0, |place, byte| place << 8 | usize::from(*byte)) % whole.len();
    let before = ends.iter().filter(|end| **end <= place).count();
    assert_eq!(spooled(&whole[..place]), lines[..before]);
    let mut spoiled = whole;
    for (byte, by) in spoiled[place..].iter_mut().zip(input) {
        *byte = *by;
    }
    let read = spooled(&spoiled);
    let mut written = lines.iter();
    assert!(read.iter().all(|record| written.any(|line| line == record)), "in order, and none but these");
    assert!(read.len() >= before && read[..before] == lines[..before]);
}

/// Head line, body, answer: read as a record with the length of its head before it, and as it stands.
///
/// An entry that is read can be written, and is read again alike.
pub fn spooled_entry(bytes: &[u8]) {
    let (head, rest) = line(bytes);
    let length = u32::try_from(head.len()).unwrap_or(u32::MAX).to_be_bytes();
    for record in [bytes, &[&length, head, rest].concat()] {
        if let Ok(entry) = Entry::from_record(record) {
            let written = entry.to_record();
            let again = Entry::from_record(&written).map(|entry| entry.to_record());
            assert_eq!(again.ok(), Some(written));
        }
    }
}

/// Every record of a segment. Each byte of it is accounted for.
fn spooled(segment: &[u8]) -> Vec<Vec<u8>> {
    let records = Records { source: segment, salt: SALT, end: segment.len() as u64 };
    let (read, progress) =
        records.read(Progress::default(), usize::MAX, usize::MAX).expect("memory does not fail");
    let whole: u64 = read.iter().map(|record| record::HEAD + record.len() as u64).sum();
    assert_eq!(whole + progress.damaged + progress.torn, segment.len() as u64);
    assert!(records.count().is_ok_and(|count| count >= progress.records));
    read
}

fn twilio() -> Twilio {
    Twilio { tokens: vec![SECRET.into()], accounts: Vec::new(), apps: Vec::new() }
}

fn plivo() -> Plivo {
    Plivo { tokens: vec![SECRET.into()], accounts: Vec::new() }
}

fn callback<W: Webhook<Message = Params>>(bytes: &[u8], endpoints: [Endpoint; 3]) {
    let (first, rest) = bytes.split_first().unwrap_or((&b'a', b""));
    let (query, body) = line(rest);
    let endpoint = endpoints[usize::from(*first) % endpoints.len()];
    named::<W>(&asked(post(endpoint, JSON, body), query));
    let get = Received { method: Method::GET, ..asked(post(endpoint, FORM, b""), query) };
    named::<W>(&get);

    let form = asked(post(endpoint, FORM, body), query);
    let given = named::<W>(&form);
    let params = Params::from_form(body);
    let fields = params.sorted();
    let names: BTreeSet<&str> = fields.iter().map(|(name, _)| *name).collect();
    if names.len() == fields.len() && has_field(body) {
        let mut turned = form_urlencoded::Serializer::new(String::new());
        turned.extend_pairs(fields.into_iter().rev());
        let turned = Received { body: turned.finish().into(), ..form };
        assert_eq!(named::<W>(&turned), given, "the order of fields is not signed and means nothing");
    }
}

/// The envelope, which can be stored and is the same each time.
fn named<W: Webhook>(received: &Received) -> Envelope {
    let envelope = W::envelope(received, &W::read(received));
    assert_eq!(envelope, W::envelope(received, &W::read(received)));
    let texts = [Some(&envelope.identity.external_id), Some(&envelope.kind), envelope.subject.as_ref()];
    for text in texts.into_iter().flatten() {
        assert!(text.len() <= 800 && !text.contains(char::is_control), "{text:?} fits no index");
    }
    assert!(!envelope.identity.external_id.is_empty() && !envelope.kind.is_empty());
    envelope
}

fn refused<W: Webhook>(provider: &W, received: Received) {
    match verify(provider, received) {
        Ok(_) => panic!("bytes without the secret were taken for genuine"),
        Err(Reject::Malformed(_) | Reject::Account(_)) => {
            panic!("refused for what comes after the signature")
        }
        Err(_) => {}
    }
}

/// `None` is an input that fits no header.
fn taken<W: Webhook>(provider: &W, received: Option<Received>) {
    if let Some(reject) = received.and_then(|received| verify(provider, received).err()) {
        panic!("genuine, but refused: {reject}");
    }
}

fn has_field(form: &[u8]) -> bool {
    form.iter().any(|byte| *byte != b'&')
}

/// The first line without its end, and what follows.
fn line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let mut parts = bytes.splitn(2, |byte| *byte == b'\n');
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
}

fn post(endpoint: Endpoint, content_type: &'static str, body: &[u8]) -> Received {
    Received {
        endpoint,
        method: Method::POST,
        origins: Arc::from([ORIGIN.to_owned()]),
        path_and_query: endpoint.path().to_owned(),
        headers: HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]),
        body: Bytes::copy_from_slice(body).into(),
        at: at(),
        unsigned: Unsigned::Refused,
    }
}

fn asked(mut received: Received, query: &[u8]) -> Received {
    received.path_and_query = format!("{}?{}", received.path_and_query, String::from_utf8_lossy(query));
    received
}

/// With one more header; `None` where HTTP allows no such value.
fn with(mut received: Received, name: &'static str, value: &[u8]) -> Option<Received> {
    received.headers.append(name, HeaderValue::from_bytes(value).ok()?);
    Some(received)
}

/// A header of several lines; `None` where HTTP allows no such value.
fn repeated(name: &'static str, lines: &[impl AsRef<[u8]>]) -> Option<HeaderMap> {
    let values = lines.iter().map(|line| HeaderValue::from_bytes(line.as_ref()).ok());
    values.map(|value| Some((HeaderName::from_static(name), value?))).collect()
}

fn url(received: &Received) -> String {
    format!("{ORIGIN}{}", received.path_and_query)
}

/// A flow of ten steps, asked for the answer to a new call: what it costs outside verification and database.
pub struct Conversation {
    flow: Flow,
    profile: Profile,
    caller: Caller,
    keys: TokenKeys,
}

impl Default for Conversation {
    /// Nine steps that do not wait, tests and opening hours among them, and a question.
    ///
    /// # Panics
    /// When the flow is none.
    fn default() -> Self {
        let mut flow = "schema = 1\nstart = { call = \"s0\" }\n[hours.office]\nzone = \"America/New_York\"\n\
                        open = [\"mon-fri 09:00-17:00\", \"sat 10:00-14:00\"]\nclosed = [\"2026-12-25\"]\n"
            .to_owned();
        for step in 0..9 {
            let next = step + 1;
            let _ = match step % 3 {
                0 => writeln!(
                    flow,
                    "[steps.s{step}]\ndo = \"say\"\ntext = \"Hello {{caller.name|there}}, {{line.name|us}}.\"\nnext = \"s{next}\""
                ),
                1 => writeln!(
                    flow,
                    "[steps.s{step}]\ndo = \"route\"\nwhen = [{{ if = {{ open = \"office\", caller = \"tag:vip\" }}, go = \"s9\" }}]\nelse = \"s{next}\""
                ),
                _ => writeln!(
                    flow,
                    "[steps.s{step}]\ndo = \"text\"\nbody = \"Thanks, {{caller.name|you}}.\"\nnext = \"s{next}\""
                ),
            };
        }
        flow += "[steps.s9]\ndo = \"ask\"\ntext = \"Press 1.\"\nspeech = true\nchoose = { 1 = \"s9\" }\n";
        let flow = document::read::read(&flow).unwrap_or_else(|faults| panic!("{faults:?}"));
        Self {
            flow,
            profile: Profile::bare(Phone::read("+14155550199")),
            caller: Caller { number: Some(Phone::read("+14155550100")), ..Caller::default() },
            keys: TokenKeys::new(&[SecretString::from(SECRET)]),
        }
    }
}

impl Conversation {
    /// The answer: decided and rendered.
    ///
    /// # Panics
    /// When the document is too long.
    #[must_use]
    pub fn answer(&self) -> String {
        let now = DateTime::<Utc>::from_timestamp(NOW, 0).unwrap_or_default();
        let (vars, open, answered) = Default::default();
        let facts = Facts {
            now,
            line: &self.profile,
            caller: &self.caller,
            call: "CA1",
            capability: "",
            vars: &vars,
            open: &open,
            body: None,
            answered: &answered,
            noticed: false,
            may_text: true,
            relays: true,
            limits_streams: false,
        };
        let at = Position { flow_version: 1, step: 0, edge: 0, attempt: 0, turn: 0 };
        let signer = Signer { keys: &self.keys, id: "CA1", now };
        let turn = engine::step(&self.flow, at, &facts, Event::Begins(Start::Call), &signer);
        assert_eq!(turn.path.len(), 10, "every step is run");
        twilio::twiml::render(&turn.verbs, ORIGIN).unwrap_or_else(|error| panic!("{error}"))
    }
}
