//! A client that sends exactly the bytes it is told to, and reads an answer without repairing it.

use std::net::SocketAddr;
use std::time::Duration;

use roxmltree::Document;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Longest wait for an answer; beyond it the service is stuck.
const PATIENCE: Duration = Duration::from_secs(15);

/// A request to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Ask {
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Self { method: method.to_owned(), target: target.to_owned(), headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    pub(crate) fn post(target: &str) -> Self {
        Self::new("POST", target)
    }

    /// Adds a header, also where there is one of this name.
    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Sets a header in place of any of this name.
    pub(crate) fn replaced(self, name: &str, value: impl Into<String>) -> Self {
        self.without(name).header(name, value)
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(given, _)| !given.eq_ignore_ascii_case(name));
        self
    }

    /// A body as it is, with its type.
    pub(crate) fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.replaced("Content-Type", content_type)
    }

    pub(crate) fn json(self, body: impl Into<Vec<u8>>) -> Self {
        self.body("application/json", body)
    }

    /// A form as it is written on the wire.
    pub(crate) fn raw_form(self, body: impl Into<Vec<u8>>) -> Self {
        self.body("application/x-www-form-urlencoded", body)
    }

    /// A form of these fields, every byte but letters and digits escaped.
    pub(crate) fn form(self, fields: &[(&str, &str)]) -> Self {
        self.raw_form(urlencoded(fields))
    }

    /// The bytes on the wire. Host and Content-Length are added unless they are set; an unset Content-Length is also
    /// left out beside a Transfer-Encoding.
    pub(crate) fn bytes(&self, address: SocketAddr) -> Vec<u8> {
        let has = |name: &str| self.headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        let mut add = |name: &str, value: &str| head.extend([name, ": ", value, "\r\n"]);
        if !has("Host") {
            add("Host", &address.to_string());
        }
        for (name, value) in &self.headers {
            add(name, value);
        }
        if !has("Content-Length") && !has("Transfer-Encoding") && self.method != "GET" {
            add("Content-Length", &self.body.len().to_string());
        }
        head.push_str("\r\n");
        [head.as_bytes(), &self.body].concat()
    }
}

/// Fields as a form or query, every byte but letters and digits escaped.
pub(crate) fn urlencoded(fields: &[(&str, &str)]) -> String {
    let escaped = |text: &str| {
        let plain = |byte: u8| {
            if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
        };
        text.bytes().map(plain).collect::<String>()
    };
    let pairs: Vec<_> =
        fields.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect();
    pairs.join("&")
}

/// The service's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(given, _)| given.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|fault| panic!("{fault}: {self:?}"))
    }

    /// The document of a 200 answer, read by a real parser.
    pub(crate) fn xml(&self) -> Document<'_> {
        assert_eq!(
            (self.status, self.header("content-type")),
            (200, Some("text/xml; charset=utf-8")),
            "{self:?}"
        );
        assert!(self.text().starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>"), "{self:?}");
        let document = Document::parse(self.text()).unwrap();
        assert_eq!(document.root_element().tag_name().name(), "Response");
        document
    }

    /// The names of the document's verbs, in order.
    pub(crate) fn verbs(&self) -> Vec<String> {
        let document = self.xml();
        let verbs = document.root_element().children().filter(roxmltree::Node::is_element);
        verbs.map(|verb| verb.tag_name().name().to_owned()).collect()
    }

    /// An attribute of the document's first such verb.
    pub(crate) fn attribute(&self, verb: &str, name: &str) -> String {
        let document = self.xml();
        let verb = document.descendants().find(|node| node.has_tag_name(verb));
        verb.and_then(|verb| verb.attribute(name))
            .unwrap_or_else(|| panic!("no {name} in {self:?}"))
            .to_owned()
    }

    /// What a refusal says, without what names this one.
    pub(crate) fn problem_but_for_its_ids(&self) -> Value {
        let mut problem = self.json();
        for id in ["request_id", "instance"] {
            problem.as_object_mut().unwrap().remove(id).unwrap();
        }
        problem
    }

    /// The code of a refusal, after a look at what all refusals have in common.
    pub(crate) fn code(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status, "{problem}");
        assert_eq!(problem["request_id"].as_str(), self.header("x-request-id"), "{problem}");
        let code = problem["code"].as_str().unwrap();
        let instance = problem["instance"].as_str().unwrap();
        assert!(instance.ends_with(self.header("x-request-id").unwrap()), "{instance}");
        for said in ["title", "detail"] {
            assert!(problem[said].as_str().is_some_and(|said| !said.is_empty()), "{problem}");
        }
        if ["parameter_invalid", "fields_invalid"].contains(&code) {
            let fields = problem["fields"].as_array().unwrap();
            assert!(
                !fields.is_empty()
                    && fields.iter().all(|field| field["name"].is_string() && field["reason"].is_string())
            );
        }
        let page = problem["type"].as_str().unwrap();
        assert!(page.ends_with(&format!("/docs/errors/{code}")), "{page}");
        code.to_owned()
    }
}

/// A connection to the service.
pub(crate) struct Connection {
    stream: TcpStream,
    address: SocketAddr,
    /// What was read beyond the last answer.
    rest: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, address, rest: Vec::new() }
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn ask(&mut self, ask: &Ask) -> Reply {
        let bytes = ask.bytes(self.address);
        self.exchange(&bytes, ask.method != "HEAD").await
    }

    /// Sends bytes, while it reads the answer: a service may refuse a body before it is all there.
    async fn exchange(&mut self, bytes: &[u8], has_body: bool) -> Reply {
        let (mut reader, mut writer) = self.stream.split();
        let send = async {
            let _ = writer.write_all(bytes).await; // refused early, which the answer tells
            std::future::pending::<()>().await;
        };
        tokio::select! {
            reply = read_reply(&mut reader, &mut self.rest, has_body) => reply.expect("an answer"),
            () = send => unreachable!("it waits for ever"),
        }
    }

    /// Sends bytes as they are.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// The next answer; none where the service hangs up instead.
    pub(crate) async fn reply(&mut self) -> Option<Reply> {
        read_reply(&mut self.stream, &mut self.rest, true).await
    }

    /// Waits until the service hangs up; panics where it sends anything more.
    pub(crate) async fn hung_up(&mut self) {
        assert!(self.reply().await.is_none(), "the service answers in place of hanging up");
    }
}

async fn read_reply(
    stream: &mut (impl tokio::io::AsyncRead + Unpin),
    rest: &mut Vec<u8>,
    has_body: bool,
) -> Option<Reply> {
    tokio::time::timeout(PATIENCE, async {
        let head_end = loop {
            if let Some(end) = rest.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            if !read_more(stream, rest).await {
                assert!(rest.is_empty(), "half an answer: {}", String::from_utf8_lossy(rest));
                return None;
            }
        };
        let head = String::from_utf8(rest.drain(..head_end).collect()).unwrap();
        let (status, headers) = parse_head(&head);
        let mut reply = Reply { status, headers, body: Vec::new() };
        assert_eq!(reply.header("transfer-encoding"), None, "answers say their length: {reply:?}");
        let length = reply.header("content-length").map_or(0, |length| length.parse().unwrap());
        if has_body {
            while rest.len() < length {
                assert!(read_more(stream, rest).await, "the answer breaks off: {reply:?}");
            }
            reply.body = rest.drain(..length).collect();
        }
        Some(reply)
    })
    .await
    .expect("an answer in time")
}

/// Whether anything came; a connection that is reset is at its end, too.
async fn read_more(stream: &mut (impl tokio::io::AsyncRead + Unpin), rest: &mut Vec<u8>) -> bool {
    let mut buffer = [0; 4096];
    let read = stream.read(&mut buffer).await.unwrap_or(0);
    rest.extend(&buffer[..read]);
    read > 0
}

fn parse_head(head: &str) -> (u16, Vec<(String, String)>) {
    let mut lines = head.trim_end().split("\r\n");
    let status = lines.next().unwrap().strip_prefix("HTTP/1.1 ").unwrap();
    let headers = lines.map(|line| line.split_once(": ").unwrap());
    (status[..3].parse().unwrap(), headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}
