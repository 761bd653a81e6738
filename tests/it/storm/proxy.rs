//! A way to PostgreSQL that understands what goes through, and breaks at a chosen message.
//!
//! Source: PostgreSQL documentation, "Frontend/Backend Protocol": a message is a letter, its length as four bytes that count
//! themselves, and the rest; only the first one of a connection has no letter.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::task::JoinSet;

use crate::house::cluster;

/// What happens to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The connection is cut, and the server never sees it.
    CutBefore,
    /// The server works on it, and the connection is cut before its reply: a commit may have been done.
    CutAfter,
    /// The server does not see it, and the client gets an error with this SQLSTATE.
    Error(&'static str),
}

/// The proxy. It ends when it is dropped.
pub(super) struct Proxy {
    address: SocketAddr,
    plan: Arc<Mutex<Plan>>,
    connections: Arc<Mutex<JoinSet<()>>>,
    _accepting: JoinSet<()>,
}

/// The fault that is to come, and what came of it.
#[derive(Default)]
struct Plan {
    /// Parts of statements that are let through and not counted.
    spared: &'static [&'static str],
    /// The fault, and how many messages go through before it.
    next: Option<(Fault, usize)>,
    /// Statements that were on their way while a fault was to come.
    seen: BTreeSet<String>,
    /// Statements that a fault hit.
    hit: BTreeSet<String>,
}

impl Plan {
    /// The fault for a message of this statement, if its turn has come.
    fn on(&mut self, statement: &str) -> Option<Fault> {
        if self.spared.iter().any(|part| statement.contains(part)) {
            return None;
        }
        let (fault, before) = self.next.take()?;
        self.seen.insert(statement.to_owned());
        if before > 0 {
            self.next = Some((fault, before - 1));
            return None;
        }
        self.hit.insert(statement.to_owned());
        Some(fault)
    }
}

impl Proxy {
    /// A proxy before the tests' server. It lets everything through at first, and always what contains one of `spared`.
    pub(super) async fn open(spared: &'static [&'static str]) -> Self {
        let server = cluster().await.connect_options("postgres");
        let socket = server.get_socket().unwrap().join(format!(".s.PGSQL.{}", server.get_port()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let plan = Arc::new(Mutex::new(Plan { spared, ..Plan::default() }));
        let connections = Arc::<Mutex<JoinSet<()>>>::default();
        let mut accepting = JoinSet::new();
        let (its_plan, open) = (Arc::clone(&plan), Arc::clone(&connections));
        accepting.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = UnixStream::connect(&socket).await else { continue };
                open.lock().unwrap().spawn(Conversation::new(client, server, Arc::clone(&its_plan)).run());
            }
        });
        Self { address, plan, connections, _accepting: accepting }
    }

    /// The URL of `database`, through this proxy.
    pub(super) async fn url(&self, database: &str) -> String {
        let options = cluster().await.connect_options(database);
        format!("postgres://{}@{}/{database}?sslmode=disable", options.get_username(), self.address)
    }

    /// Lets a fault come after so many more messages that belong to a statement (Parse, Bind, Execute or Query).
    pub(super) fn arm(&self, fault: Fault, after: usize) {
        self.plan.lock().unwrap().next = Some((fault, after));
    }

    /// Takes the fault back; tells whether it had come.
    pub(super) fn disarm(&self) -> bool {
        self.plan.lock().unwrap().next.take().is_none()
    }

    /// Cuts every connection, so that the next statement is sent on a fresh one.
    pub(super) async fn cut(&self) {
        let mut open = std::mem::take(&mut *self.connections.lock().unwrap());
        open.shutdown().await;
    }

    /// The statements that were seen while a fault was to come, and those of them that one has hit.
    pub(super) fn statements(&self) -> (BTreeSet<String>, BTreeSet<String>) {
        let plan = self.plan.lock().unwrap();
        (plan.seen.clone(), plan.hit.clone())
    }
}

/// What is being done to a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Through,
    /// Replies are swallowed; the connection is cut when the server has done its work.
    Mute,
    /// Messages are swallowed up to the next Sync, whose reply is preceded by an error.
    Refusing(&'static str),
}

/// One connection of the service, and the one to the server that belongs to it.
struct Conversation {
    client: TcpStream,
    server: UnixStream,
    plan: Arc<Mutex<Plan>>,
    mode: Mode,
    /// Whether the first message, which has no letter, is through.
    started: bool,
    /// Syncs and queries that the server has not answered with `ReadyForQuery` yet.
    unanswered: usize,
    /// Statements by their names, and the one that the unnamed portal executes.
    prepared: HashMap<Vec<u8>, String>,
    portal: String,
}

impl Conversation {
    fn new(client: TcpStream, server: UnixStream, plan: Arc<Mutex<Plan>>) -> Self {
        let (mode, started, unanswered) = (Mode::Through, false, 1);
        let (prepared, portal) = (HashMap::new(), String::new());
        Self { client, server, plan, mode, started, unanswered, prepared, portal }
    }

    /// Carries messages both ways until an end hangs up or a fault cuts it. Dropping both ends cuts.
    async fn run(mut self) {
        let _ = self.client.set_nodelay(true);
        let (mut asked, mut answered) = (BytesMut::new(), BytesMut::new());
        loop {
            let read = tokio::select! {
                read = self.client.read_buf(&mut asked) => read,
                read = self.server.read_buf(&mut answered) => read,
            };
            if !read.is_ok_and(|read| read > 0) {
                return;
            }
            while let Some(message) = take_message(&mut asked, self.started) {
                self.started = true;
                if self.ask(message).await.is_none() {
                    return;
                }
            }
            while let Some(message) = take_message(&mut answered, true) {
                if self.answer(message).await.is_none() {
                    return;
                }
            }
        }
    }

    /// Handles a message of the client; none where the connection is to be cut.
    async fn ask(&mut self, message: Bytes) -> Option<()> {
        let letter = message[0];
        let ends = matches!(letter, b'S' | b'Q');
        if matches!(self.mode, Mode::Refusing(_)) && !ends {
            return Some(());
        }
        let fault = self.statement(&message).and_then(|statement| self.plan.lock().unwrap().on(&statement));
        let message = match fault {
            None => message,
            Some(Fault::CutBefore) => return None,
            Some(Fault::CutAfter) => {
                self.mode = Mode::Mute;
                message
            }
            // The server itself raises it, so that the transaction is in the state that belongs to it.
            Some(Fault::Error(code)) if letter == b'Q' => raise(code),
            Some(Fault::Error(code)) => {
                self.mode = Mode::Refusing(code);
                return Some(());
            }
        };
        self.unanswered += usize::from(ends);
        self.server.write_all(&message).await.ok()
    }

    /// Handles a message of the server.
    async fn answer(&mut self, message: Bytes) -> Option<()> {
        let ready = message[0] == b'Z';
        self.unanswered -= usize::from(ready && self.unanswered > 0);
        let done = ready && self.unanswered == 0;
        match self.mode {
            Mode::Mute if done => return None,
            Mode::Mute => return Some(()),
            Mode::Refusing(code) if done => {
                self.mode = Mode::Through;
                self.client.write_all(&error(code)).await.ok()?;
            }
            Mode::Refusing(_) | Mode::Through => {}
        }
        self.client.write_all(&message).await.ok()
    }

    /// The statement that a message belongs to; none for messages of other kinds.
    fn statement(&mut self, message: &Bytes) -> Option<String> {
        let mut texts = message[5.min(message.len())..].split(|byte| *byte == 0);
        match message[0] {
            b'Q' => Some(text(texts.next()?)),
            b'P' => {
                let name = texts.next()?.to_vec();
                let statement = text(texts.next()?);
                self.prepared.insert(name, statement.clone());
                Some(statement)
            }
            b'B' => {
                let _portal = texts.next()?;
                self.portal = self.prepared.get(texts.next()?).cloned().unwrap_or_default();
                Some(self.portal.clone())
            }
            b'E' => Some(self.portal.clone()),
            _ => None,
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

/// The next whole message; the first of a connection has no letter.
fn take_message(bytes: &mut BytesMut, has_letter: bool) -> Option<Bytes> {
    let start = usize::from(has_letter);
    let mut length = bytes.get(start..start + 4)?;
    let whole = start + usize::try_from(length.get_u32()).unwrap();
    (bytes.len() >= whole).then(|| bytes.split_to(whole).freeze())
}

fn message(letter: u8, content: &[u8]) -> Bytes {
    let mut message = BytesMut::new();
    message.put_u8(letter);
    message.put_u32(u32::try_from(content.len() + 4).unwrap());
    message.put_slice(content);
    message.freeze()
}

/// An `ErrorResponse`.
fn error(code: &str) -> Bytes {
    message(b'E', format!("SERROR\0VERROR\0C{code}\0Minjected by a test\0\0").as_bytes())
}

/// A query that fails with this code.
fn raise(code: &str) -> Bytes {
    let query =
        format!("DO $$ BEGIN RAISE EXCEPTION 'injected by a test' USING ERRCODE = '{code}'; END $$\0");
    message(b'Q', query.as_bytes())
}
