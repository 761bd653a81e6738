//! What the program writes down: one line a request, and nothing of what people say, whom they call, or any secret.

use std::net::SocketAddr;
use std::process::{Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use crate::house::{Database, ORIGIN, PLIVO_TOKEN, STRIPE_SECRET, TWILIO_TOKEN, eventually};
use crate::wire::{Ask, Connection, Reply};

/// Everything in the requests below that no line may hold.
const PRIVATE: [&str; 17] = [
    "4155550",
    "555-0142",
    "ladder",
    "secret-in-a-query",
    "secret-in-a-header",
    "secret-in-a-path",
    "evt_private",
    "cus_private",
    "Ada Lovelace",
    "ada@example.com",
    "?",
    "recordings.example.com",
    "forged-signature",
    STRIPE_SECRET,
    TWILIO_TOKEN,
    PLIVO_TOKEN,
    "postgres://",
];

/// The program with these variables alone.
fn smartline(arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smartline"));
    command.args(arguments).env_clear().envs(variables.iter().copied());
    // A folder without a `.env` of whoever runs the tests.
    command.current_dir(env!("CARGO_TARGET_TMPDIR"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Ends it as a host does, and gives what it wrote.
async fn terminate(service: Child) -> Output {
    let pid = rustix::process::Pid::from_raw(i32::try_from(service.id().unwrap()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    service.wait_with_output().await.unwrap()
}

/// An address that nobody listens on. Below the range from which the system gives ports to the other tests, so that
/// none of them takes it before the program does.
pub(crate) async fn free_port() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + u16::try_from(std::process::id() % 1000).unwrap() * 10;
    loop {
        let address = SocketAddr::from(([127, 0, 0, 1], first + NEXT.fetch_add(1, Ordering::Relaxed)));
        if TcpListener::bind(address).await.is_ok() {
            return address;
        }
    }
}

async fn ready(address: SocketAddr) {
    eventually("the program is ready", || async {
        tokio::net::TcpStream::connect(address).await.ok()?;
        let reply = Connection::open(address).await.ask(&Ask::get("/readyz")).await;
        (reply.status == 200).then_some(())
    })
    .await;
}

/// The machine's time, in Unix seconds.
#[expect(clippy::disallowed_methods, reason = "the program under test has the machine's clock")]
pub(crate) fn now() -> i64 {
    chrono::Utc::now().timestamp()
}

/// Requests that are full of what is private: good, doubled, forged, lost, malformed.
fn requests() -> Vec<Ask> {
    let people = [
        ("From", "+14155550142"),
        ("To", "+14155550199"),
        ("CallerName", "Ada Lovelace"),
        ("RecordingUrl", "https://recordings.example.com/1"),
    ];
    let with = |more: [(&'static str, &'static str); 2]| [&people[..], &more].concat();
    let query = "?q=secret-in-a-query&from=%2B14155550142";
    let voice = Ask::post(&format!("/webhooks/twilio/voice{query}"))
        .form(&with([("CallSid", "CA1"), ("Digits", "4155550")]));
    let text = with([("MessageSid", "SM1"), ("Body", "the ladder is mine, call 555-0142")]);
    let sms = Ask::post("/webhooks/twilio/sms").form(&text);
    let plivo = with([("MessageUUID", "m1"), ("Text", "the ladder is mine")]);
    let plivo = Ask::post(&format!("/webhooks/plivo/sms{query}")).form(&plivo);
    let stripe = r#"{"id":"evt_private","type":"invoice.paid","data":{"object":{"customer":"cus_private",
                     "customer_email":"ada@example.com","customer_name":"Ada Lovelace"}}}"#;
    let stripe = Ask::post("/webhooks/stripe").json(stripe);
    let headers = |ask: Ask| {
        ask.header("Authorization", "Bearer secret-in-a-header")
            .header("Cookie", "session=secret-in-a-header")
            .header("X-Forwarded-For", "+14155550142")
            .header("User-Agent", "secret-in-a-header")
    };
    let signed = [
        voice.clone().by_twilio(),
        sms.clone().by_twilio(),
        plivo.clone().by_plivo(),
        stripe.clone().by_stripe_at(now()),
        Ask::get(&format!("/webhooks/twilio/status{query}")).by_twilio(),
    ];
    let mut all = [&signed[..], &signed[..]].concat(); // each twice: duplicates are told of as well
    for ask in [voice, sms, plivo, stripe.clone()] {
        all.push(ask.clone());
        for name in ["Stripe-Signature", "X-Twilio-Signature", "X-Plivo-Signature-V3"] {
            all.push(
                ask.clone().header(name, "t=1,v1=forged-signature").header("X-Plivo-Signature-V3-Nonce", "1"),
            );
        }
    }
    all.push(stripe.by_stripe_at(now() - 1000));
    for path in
        ["/secret-in-a-path/+14155550142", "/webhooks/twilio/voice/secret-in-a-path", "/healthz", "/readyz"]
    {
        all.push(Ask::get(&format!("{path}{query}")));
        all.push(Ask::new("PROPFIND", &format!("{path}{query}")));
    }
    all.into_iter().map(headers).collect()
}

/// `serve` on this database, port and level.
async fn serve(database: &Database, address: SocketAddr, level: &str) -> Command {
    let (url, port) = (database.url().await, address.port().to_string());
    smartline(
        &["serve"],
        &[
            ("DATABASE_URL", &url),
            ("PUBLIC_URL", ORIGIN),
            ("STRIPE_WEBHOOK_SECRET", STRIPE_SECRET),
            ("TWILIO_AUTH_TOKEN", TWILIO_TOKEN),
            ("PLIVO_AUTH_TOKEN", PLIVO_TOKEN),
            ("SMARTLINE_API_KEY", "secret-in-a-header"),
            ("SMARTLINE_ALLOW_PLIVO", "report:192.0.2.0/24"),
            ("PORT", &port),
            ("SMARTLINE_LOG", level),
        ],
    )
}

/// Runs `serve`, sends everything, and gives the answers and the lines.
async fn run(level: &str) -> (Vec<Reply>, String) {
    let database = Database::empty().await;
    let address = free_port().await;
    let mut command = serve(&database, address, level).await;
    // Into a file: a pipe that nobody reads is full at 64 KiB, and takes no more.
    let log = tempfile::NamedTempFile::new().unwrap();
    let service = command.stderr(log.reopen().unwrap()).spawn().unwrap();
    ready(address).await;
    let mut replies = Vec::new();
    for ask in requests() {
        replies.push(Connection::open(address).await.ask(&ask).await);
    }
    let output = terminate(service).await;
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    database.remove().await;
    (replies, std::fs::read_to_string(log.path()).unwrap())
}

#[tokio::test]
async fn no_line_holds_a_number_a_text_a_query_or_a_secret() {
    for level in ["info", "debug"] {
        let (_, log) = run(level).await;
        assert!(log.lines().count() > 30, "{log}");
        for private in PRIVATE {
            let line = log.lines().find(|line| line.contains(private));
            assert_eq!(line, None, "{private} at level {level}");
        }
        assert!(!log.contains('\u{1b}'), "no terminal codes where there is no terminal");
    }
}

#[tokio::test]
async fn a_log_that_nobody_reads_keeps_no_caller_waiting() {
    /// What Linux lets wait in a pipe.
    const PIPE_BYTES: usize = 64 * 1024;
    let database = Database::empty().await;
    let address = free_port().await;
    let service = serve(&database, address, "info").await.spawn().unwrap();
    ready(address).await;
    let mut connection = Connection::open(address).await;
    let mut least_bytes = 0;
    for number in 0.. {
        let ask =
            Ask::post("/webhooks/twilio/voice").form(&[("CallSid", &format!("CA{number}"))]).by_twilio();
        assert_eq!(connection.ask(&ask).await.status, 200, "{number}");
        least_bytes += 256; // of the line, which names the event, the request and more
        if least_bytes > 2 * PIPE_BYTES {
            break;
        }
    }
    let output = terminate(service).await; // from here on somebody reads
    assert!(output.status.success());
    assert!(output.stderr.len() > PIPE_BYTES, "the pipe was full: {}", output.stderr.len());
    database.remove().await;
}

#[tokio::test]
async fn each_request_has_one_line_with_its_id_and_outcome() {
    let (replies, log) = run("info,smartline=debug").await; // health pages are told of at debug
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect();
    let told = |message: &str| lines.iter().filter(|line| line["message"] == message).count();
    assert_eq!((told("starting"), told("ready"), told("stopped")), (1, 1, 1), "{log}");
    for reply in &replies {
        let id = reply.header("x-request-id").unwrap();
        let own: Vec<_> = lines.iter().filter(|line| line["request.id"] == id).collect();
        assert_eq!(own.len(), 1, "{reply:?}: {own:?}");
        let line = own[0];
        assert_eq!(line["status"], reply.status, "{line}");
        assert!(line["duration_ms"].is_number(), "{line}");
        if line["endpoint"] == "health" && reply.status != 405 {
            continue;
        }
        if reply.status == 200 {
            assert_eq!(line["event.id"].as_str(), reply.header("x-smartline-event"), "{line}");
            assert!(["kept", "duplicate"].contains(&line["outcome"].as_str().unwrap()), "{line}");
            assert!(line["signed_by"].is_string() && line["store_ms"].is_number(), "{line}");
        } else {
            assert_eq!(line["code"].as_str(), Some(reply.code().as_str()), "{line}");
            assert!(line["cause"].is_string(), "the exact cause: {line}");
        }
    }
}

#[tokio::test]
async fn faults_of_the_configuration_are_told_all_at_once_and_without_a_value() {
    let mut command = smartline(
        &["serve"],
        &[
            ("DATABASE_URL", "mysql://user:hush-database@db.example.com/x"),
            ("PUBLIC_URL", "https://hush.example.com/path"),
            ("STRIPE_WEBHOOK_SECRET", "sk_live_hush"),
            ("TWILIO_AUTH_TOKEN", "\"hush-twilio\""),
            ("TWILIO_ACCOUNT_SID", "hush-account"),
            ("PLIVO_AUTH_TOKEN", "hush plivo"),
            ("SMARTLINE_API_KEY", "hush key"),
            ("HOST", "hush.host"),
            ("PORT", "hush-port"),
            ("SMARTLINE_TRUSTED_PROXY_HOPS", "hush-hops"),
            ("SMARTLINE_ALLOW_STRIPE", "hush-list"),
        ],
    );
    let output = command.output().await.unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    for variable in [
        "DATABASE_URL",
        "PUBLIC_URL",
        "STRIPE_WEBHOOK_SECRET",
        "TWILIO_AUTH_TOKEN",
        "TWILIO_ACCOUNT_SID",
        "PLIVO_AUTH_TOKEN",
        "SMARTLINE_API_KEY",
        "HOST",
        "PORT",
        "SMARTLINE_TRUSTED_PROXY_HOPS",
        "SMARTLINE_ALLOW_STRIPE",
    ] {
        let line = told.lines().position(|line| line.trim_start().starts_with(&format!("{variable}: ")));
        let line = line.unwrap_or_else(|| panic!("{variable} is not told of:\n{told}"));
        let fix = told.lines().nth(line + 1).unwrap();
        assert!(fix.trim_start().starts_with("fix: "), "{variable}: {fix}");
    }
    assert!(told.contains("11 faults"), "{told}");
    assert!(!told.contains("hush"), "{told}");
}

#[tokio::test]
async fn a_database_of_dev_ends_serve_with_the_reason() {
    let database = Database::empty().await;
    let db = database.pool().await;
    sqlx::raw_sql("CREATE TABLE smartline_dev (made_at timestamptz NOT NULL)").execute(&db).await.unwrap();
    let (url, port) = (database.url().await, free_port().await.port().to_string());
    let output = smartline(&["serve"], &[("DATABASE_URL", &url), ("PORT", &port)]).output().await.unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("smartline dev"), "{told}");
    assert!(!told.contains("panicked"), "{told}");
    db.close().await;
    database.remove().await;
}
