//! The supervisor with real servers: each test starts at least one.

#![expect(clippy::disallowed_methods, reason = "tests are told by the environment where the programs are")]

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgPool};
use tempfile::TempDir;

use super::account::Account;
use super::database::{ClaimError, claim, is_dev};
use super::error::StartError;
use super::find;
use super::options::PrivateOptions;
use super::postgres::{PrivatePostgres, serves};

/// Where [`hold_a_server`] is told the data folder.
const HELD: &str = "SMARTLINE_TEST_HELD_DATA_DIR";

/// How long something that must happen is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

fn folder() -> TempDir {
    tempfile::tempdir_in("/tmp").unwrap()
}

fn options(data_dir: &Path) -> PrivateOptions {
    let wheel = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/postgres");
    let programs = std::env::var_os("SMARTLINE_POSTGRES_BIN").map(Into::into);
    PrivateOptions { durable: false, programs, caches: vec![wheel], ..PrivateOptions::new(data_dir) }
}

async fn start(data_dir: &Path) -> PrivatePostgres {
    PrivatePostgres::start(options(data_dir)).await.unwrap()
}

/// The number of the server's process.
fn server(data_dir: &Path) -> i32 {
    let text = fs::read_to_string(data_dir.join("cluster/postmaster.pid")).unwrap();
    text.lines().next().unwrap().parse().unwrap()
}

/// Whether process `pid` is a server for `data_dir`.
fn runs(pid: i32, data_dir: &Path) -> bool {
    serves(pid, &data_dir.canonicalize().unwrap().join("cluster"))
}

async fn one(options: &PgConnectOptions, sql: &'static str) -> i64 {
    let mut connection = options.connect().await.unwrap();
    sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
}

#[tokio::test]
async fn the_cluster_is_kept_and_held_by_one() {
    let data = folder();
    let first = start(data.path()).await;
    first.ensure_database("odd \" näme").await.unwrap();
    first.ensure_database("odd \" näme").await.unwrap();
    let url: PgConnectOptions = first.url("odd \" näme").parse().unwrap();
    assert_eq!(one(&url, "WITH made AS (SELECT 7::bigint) SELECT * FROM made").await, 7);
    let mut connection = first.connect_options("odd \" näme").connect().await.unwrap();
    sqlx::query("CREATE TABLE kept AS SELECT 8::bigint AS number").execute(&mut connection).await.unwrap();

    let refused = PrivatePostgres::start(options(data.path())).await.unwrap_err();
    let ours = std::process::id();
    assert!(matches!(refused, StartError::InUse { holder: Some(holder), .. } if holder == ours), "{refused}");

    // The connection is still open: stopping in order does not wait for it.
    first.stop().await;
    let again = start(data.path()).await;
    assert_eq!(one(&again.connect_options("odd \" näme"), "SELECT number FROM kept").await, 8);
    again.stop().await;

    fs::write(data.path().join("cluster/PG_VERSION"), "99\n").unwrap();
    let refused = PrivatePostgres::start(options(data.path())).await.unwrap_err();
    assert!(matches!(refused, StartError::OtherVersion { made_by: 99, .. }), "{refused}");
}

#[tokio::test]
async fn settings_do_not_come_from_outside() {
    let data = folder();
    let postgres = start(data.path()).await;
    let mut connection = postgres.connect_options("postgres").connect().await.unwrap();
    for (setting, expected) in [
        ("listen_addresses", ""),
        ("server_encoding", "UTF8"),
        ("lc_messages", "C"),
        ("TimeZone", "UTC"),
        ("fsync", "off"),
        ("unix_socket_permissions", "0700"),
    ] {
        let value: String = sqlx::query_scalar("SELECT current_setting($1)")
            .bind(setting)
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert_eq!(value, expected, "{setting}");
    }
}

#[tokio::test]
async fn a_killed_server_recovers() {
    let data = folder();
    let durable = PrivateOptions { durable: true, ..options(data.path()) };
    let postgres = PrivatePostgres::start(durable.clone()).await.unwrap();
    let mut connection = postgres.connect_options("postgres").connect().await.unwrap();
    sqlx::query("CREATE TABLE kept AS SELECT 9::bigint AS number").execute(&mut connection).await.unwrap();
    kill_process(Pid::from_raw(server(data.path())).unwrap(), Signal::KILL).unwrap();
    drop(postgres);
    assert!(data.path().join("cluster/postmaster.pid").exists(), "a killed server leaves its claim");

    let again = PrivatePostgres::start(durable).await.unwrap();
    assert_eq!(one(&again.connect_options("postgres"), "SELECT number FROM kept").await, 9);
}

/// A session of a killed server may take a moment to end; until then PostgreSQL refuses to start.
#[tokio::test]
async fn the_sessions_of_a_killed_server_are_waited_for() {
    let data = folder();
    let postgres = start(data.path()).await;
    let mut connection = postgres.connect_options("postgres").connect().await.unwrap();
    let session: i32 =
        sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut connection).await.unwrap();
    let session = Pid::from_raw(session).unwrap();
    kill_process(session, Signal::STOP).unwrap();
    kill_process(Pid::from_raw(server(data.path())).unwrap(), Signal::KILL).unwrap();
    drop(postgres);

    let refused = async {
        let log = data.path().join("server.log");
        let mut ending = File::options().append(true).open(&log).unwrap();
        loop {
            let refused = fs::read_to_string(&log).unwrap_or_default().contains("is still in use");
            // The log is theirs as well, and what they end with may be a long statement.
            ending.write_all(&b"STATEMENT:  SELECT\n".repeat(50)).unwrap();
            if refused {
                break;
            }
            tokio::task::yield_now().await;
        }
        kill_process(session, Signal::CONT).unwrap();
    };
    let again = PrivatePostgres::start(options(data.path()));
    let (again, ()) = tokio::time::timeout(PATIENCE, async { tokio::join!(again, refused) }).await.unwrap();
    again.unwrap();
}

#[tokio::test]
async fn a_claim_with_a_strangers_number_is_no_obstacle() {
    let data = folder();
    start(data.path()).await.stop().await;
    let cluster = data.path().canonicalize().unwrap().join("cluster");
    // PostgreSQL would take a process of its own user for a server, but neither its parent nor another user's.
    let mut stranger = Command::new("cat");
    stranger.current_dir("/").stdin(Stdio::piped());
    if let Some(account) = Account::for_cluster(&cluster) {
        account.put_on(&mut stranger);
    }
    let mut stranger = stranger.spawn().unwrap();
    let claim = format!("{}\n{}\n", stranger.id(), cluster.display());
    fs::write(data.path().join("cluster/postmaster.pid"), &claim).unwrap();
    fs::write(data.path().join("cluster/.s.PGSQL.5432.lock"), &claim).unwrap();
    start(data.path()).await;
    assert!(stranger.try_wait().unwrap().is_none(), "left alone");
    drop(stranger.stdin.take());
    stranger.wait().unwrap();
}

/// Not a test: the process that `a_killed_owner_leaves_no_server` kills.
#[tokio::test]
#[ignore = "run by another test, in a process of its own"]
async fn hold_a_server() {
    let Some(data_dir) = std::env::var_os(HELD) else { return };
    let _postgres = start(Path::new(&data_dir)).await;
    println!("\nstarted");
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_killed_owner_leaves_no_server() {
    let data = folder();
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "dev::tests::hold_a_server", "--ignored", "--nocapture"])
        .env(HELD, data.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(owner.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line == "started"));
    let left = server(data.path());
    assert!(runs(left, data.path()));

    let refused = PrivatePostgres::start(options(data.path())).await.unwrap_err();
    assert!(
        matches!(refused, StartError::InUse { holder: Some(holder), .. } if holder == owner.id()),
        "{refused}"
    );

    owner.kill().unwrap();
    owner.wait().unwrap();
    if cfg!(target_os = "linux") {
        let deadline = Instant::now() + PATIENCE;
        while runs(left, data.path()) {
            assert!(Instant::now() < deadline, "the server outlives its owner");
        }
    }
    let again = start(data.path()).await;
    assert!(!runs(left, data.path()));
    again.stop().await;
}

#[tokio::test]
async fn a_server_without_an_owner_is_stopped_first() {
    let data = folder();
    start(data.path()).await.stop().await;
    let cluster = data.path().canonicalize().unwrap().join("cluster");
    let account = Account::for_cluster(&cluster);
    let programs = find::programs(&options(data.path()), account, None).unwrap();
    let mut command = Command::new(programs.postgres());
    command.arg("-D").arg(&cluster).args(["-c", "listen_addresses="]).arg("-k").arg(&cluster);
    command.current_dir("/").stderr(Stdio::piped());
    if let Some(account) = account {
        account.put_on(&mut command);
    }
    let mut orphan = command.spawn().unwrap();
    let mut lines = BufReader::new(orphan.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("ready to accept connections")));

    // `orphan` ends, yet stays a zombie until we ask for it: its number is still taken.
    let postgres = start(data.path()).await;
    assert!(orphan.try_wait().unwrap().is_some_and(|status| status.success()), "stopped in order");
    assert_eq!(one(&postgres.connect_options("postgres"), "SELECT 1::bigint").await, 1);
}

#[tokio::test]
async fn a_long_path_is_no_obstacle() {
    let data = folder();
    let long = data.path().join("a".repeat(90)).join("b".repeat(90));
    fs::create_dir_all(&long).unwrap();
    let postgres = start(&long).await;
    let url: PgConnectOptions = postgres.url("postgres").parse().unwrap();
    assert_eq!(one(&url, "SELECT 1::bigint").await, 1);
    let socket = url.get_socket().unwrap().to_owned();
    assert!(socket.exists());
    postgres.stop().await;
    assert!(!socket.exists(), "the folder of the socket is removed");
}

/// As root the server runs as somebody else with no further groups, and else as we do.
#[tokio::test]
#[cfg(target_os = "linux")]
async fn the_server_is_never_root() {
    let data = folder();
    let _postgres = start(data.path()).await;
    let status = fs::read_to_string(format!("/proc/{}/status", server(data.path()))).unwrap();
    let line =
        |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    let uid = fs::metadata(data.path().join("cluster")).unwrap().uid();
    assert_ne!(uid, 0);
    assert_eq!(line("Uid:"), format!("{uid}\t{uid}\t{uid}\t{uid}"));
    if geteuid().is_root() {
        assert_eq!(line("Groups:"), "");
    } else {
        assert_eq!(uid, geteuid().as_raw());
    }
}

/// Below a folder that is private to root, the data goes elsewhere; any other user has the folder that was named.
#[tokio::test]
async fn a_private_folder_of_root_is_replaced() {
    let private = folder();
    fs::set_permissions(private.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let wanted = private.path().join("data");
    let postgres = start(&wanted).await;
    let used = postgres.data_dir().to_owned();
    assert_eq!(one(&postgres.connect_options("postgres"), "SELECT 1::bigint").await, 1);
    postgres.stop().await;
    let again = start(&wanted).await;
    assert_eq!(again.data_dir(), used, "the same one next time");
    again.stop().await;
    assert_eq!(used == wanted.canonicalize().unwrap(), !geteuid().is_root());
    fs::remove_dir_all(used).unwrap();
}

#[tokio::test]
async fn dev_claims_only_what_is_empty_or_its_own() {
    let data = folder();
    let postgres = start(data.path()).await;
    let fresh = async |name: &str| {
        postgres.ensure_database(name).await.unwrap();
        PgPool::connect_with(postgres.connect_options(name)).await.unwrap()
    };
    let empty = fresh("empty").await;
    assert!(!is_dev(&empty).await.unwrap());
    let (one, two) = tokio::join!(claim(&empty), claim(&empty));
    assert!(one.is_ok() && two.is_ok(), "two at once: {one:?}, {two:?}");
    sqlx::query("CREATE TABLE later (id int)").execute(&empty).await.unwrap();
    claim(&empty).await.unwrap();
    assert!(is_dev(&empty).await.unwrap());

    for (case, make) in [
        ("table", "CREATE TABLE calls (id int)"),
        ("view", "CREATE VIEW seen AS SELECT 1"),
        ("other_schema", "CREATE SCHEMA pages CREATE TABLE texts (id int)"),
    ] {
        let used = fresh(case).await;
        sqlx::query(make).execute(&used).await.unwrap();
        assert!(matches!(claim(&used).await, Err(ClaimError::InUse { .. })), "{case}");
        assert!(!is_dev(&used).await.unwrap(), "{case}: a refusal leaves no mark");
    }
}
