//! A headless Chromium, driven through chromedriver by the W3C protocol, which is JSON over plain HTTP.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, MutexGuard};

use crate::house::eventually;

/// One browser at a time: several would only wait for each other's processors.
static TURN: Mutex<()> = Mutex::const_new(());

/// How Chromium is started: as root without its sandbox, and without anything that asks other hosts.
const FLAGS: [&str; 13] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--font-render-hinting=none",
    "--lang=en-US",
];

/// axe, an accessibility engine; see `tests/axe/README.md`.
const AXE: &str = include_str!("../../axe/axe.min.js");

/// A browser with a fresh profile.
pub(crate) struct Browser {
    driver: Child,
    at: SocketAddr,
    session: String,
    _profile: TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Browser {
    pub(crate) async fn open() -> Self {
        let turn = TURN.lock().await;
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|fault| panic!("chromedriver: {fault}; script/test installs it, or: apt-get install chromium chromium-driver"));
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = loop {
            let line = lines.next_line().await.unwrap().expect("chromedriver tells its port");
            if let Some((_, rest)) = line.split_once("successfully on port ") {
                break rest.trim_end_matches('.').parse::<u16>().unwrap();
            }
        };
        let at = SocketAddr::from(([127, 0, 0, 1], port));
        let profile = tempfile::tempdir().unwrap();
        let mut flags: Vec<String> = FLAGS.iter().map(|flag| (*flag).to_owned()).collect();
        flags.push(format!("--user-data-dir={}", profile.path().display()));
        let capabilities = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": flags },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
            "timeouts": { "script": 10_000, "pageLoad": 10_000 },
        } } });
        let mut browser = Self { driver, at, session: String::new(), _profile: profile, _turn: turn };
        let made = browser.ask("POST", "/session", capabilities).await;
        browser.session = format!("/session/{}", made["sessionId"].as_str().unwrap());
        browser.screen(1440, 900).await;
        browser
    }

    /// Ends the browser.
    pub(crate) async fn close(mut self) {
        self.command("DELETE", "", Value::Null).await;
        self.driver.kill().await.unwrap();
    }

    async fn ask(&self, method: &str, path: &str, body: Value) -> Value {
        let body = if method == "POST" { body.to_string() } else { String::new() };
        let (status, answer) = exchange(self.at, method, path, &body).await;
        let value = serde_json::from_slice::<Value>(&answer).unwrap()["value"].take();
        assert_eq!(status, 200, "{method} {path}: {} {}", value["error"], value["message"]);
        value
    }

    async fn command(&self, method: &str, path: &str, body: Value) -> Value {
        self.ask(method, &format!("{}{path}", self.session), body).await
    }

    /// A command of Chromium's own protocol.
    pub(crate) async fn chromium(&self, command: &str, params: Value) -> Value {
        self.command("POST", "/goog/cdp/execute", json!({ "cmd": command, "params": params })).await
    }

    /// Sets the size of the window, in CSS pixels.
    pub(crate) async fn screen(&self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.chromium("Emulation.setDeviceMetricsOverride", size).await;
    }

    pub(crate) async fn go(&self, url: &str) {
        self.command("POST", "/url", json!({ "url": url })).await;
    }

    /// Path, query and fragment of the page.
    pub(crate) async fn here(&self) -> String {
        let url = self.command("GET", "/url", Value::Null).await;
        let url = url.as_str().unwrap();
        url.find("/console").map_or(url, |at| &url[at..]).to_owned()
    }

    /// Runs a script in the page; what it returns must be JSON.
    pub(crate) async fn run(&self, script: &str) -> Value {
        self.command("POST", "/execute/sync", json!({ "script": script, "args": [] })).await
    }

    /// The text that a person sees in the first element of this kind.
    pub(crate) async fn text(&self, selector: &str) -> String {
        let script = format!("return document.querySelector({}).innerText", json!(selector));
        self.run(&script).await.as_str().unwrap_or_default().to_owned()
    }

    pub(crate) async fn count(&self, selector: &str) -> u64 {
        let script = format!("return document.querySelectorAll({}).length", json!(selector));
        self.run(&script).await.as_u64().unwrap()
    }

    async fn element(&self, selector: &str) -> String {
        let found =
            self.command("POST", "/element", json!({ "using": "css selector", "value": selector })).await;
        found.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned()
    }

    /// Presses an element as a mouse would; fails where it cannot be seen.
    pub(crate) async fn click(&self, selector: &str) {
        let element = self.element(selector).await;
        self.command("POST", &format!("/element/{element}/click"), json!({})).await;
    }

    /// Presses the first thing to press that can be seen and bears these words.
    pub(crate) async fn click_on(&self, words: &str) {
        let mark = format!(
            "const named = [...document.querySelectorAll('a, button, summary')].find((one) => one.checkVisibility()
                 && [one.innerText.trim(), one.getAttribute('aria-label')].includes({}));
             named?.setAttribute('data-pressed', 'yes');
             return named !== undefined",
            json!(words)
        );
        assert_eq!(self.run(&mark).await, json!(true), "nothing to press is called {words}");
        self.click("[data-pressed]").await;
    }

    pub(crate) async fn write(&self, selector: &str, text: &str) {
        let element = self.element(selector).await;
        self.command("POST", &format!("/element/{element}/value"), json!({ "text": text })).await;
    }

    /// Presses keys one after the other, wherever the focus is.
    pub(crate) async fn press(&self, keys: &str) {
        let strokes: Vec<Value> = keys
            .chars()
            .flat_map(|key| {
                [json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key })]
            })
            .collect();
        let actions = json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": strokes }] });
        self.command("POST", "/actions", actions).await;
    }

    /// Waits until the script returns something true, and returns it.
    pub(crate) async fn until(&self, script: &str) -> Value {
        eventually(script, || async {
            let value = self.run(script).await;
            (!matches!(value, Value::Null | Value::Bool(false))).then_some(value)
        })
        .await
    }

    /// Opens another tab and goes on there. Gives the one before, for [`switch`](Self::switch).
    pub(crate) async fn tab(&self) -> String {
        let before = self.command("GET", "/window", Value::Null).await;
        let opened = self.command("POST", "/window/new", json!({ "type": "tab" })).await;
        self.switch(opened["handle"].as_str().unwrap()).await;
        before.as_str().unwrap().to_owned()
    }

    /// Goes on in this tab; gives the one before.
    pub(crate) async fn switch(&self, tab: &str) -> String {
        let before = self.command("GET", "/window", Value::Null).await;
        self.command("POST", "/window", json!({ "handle": tab })).await;
        before.as_str().unwrap_or_default().to_owned()
    }

    /// Has a script run before those of every page that is loaded from now on.
    pub(crate) async fn before_pages(&self, script: &str) {
        self.chromium("Page.addScriptToEvaluateOnNewDocument", json!({ "source": script })).await;
    }

    /// Presses the tabulator until the focus is on something with this name.
    pub(crate) async fn tab_to(&self, name: &str) {
        let here = "const at = document.activeElement; return (at.getAttribute('aria-label') || at.innerText || at.name || '').trim()";
        for _ in 0..120 {
            self.press("\u{e004}").await;
            if self.run(here).await == json!(name) {
                return;
            }
        }
        panic!("the tabulator comes to nothing that is called {name}");
    }

    /// What the browser complained of since it was last asked: errors, warnings, breaches of the policy.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let log = self.command("POST", "/se/log", json!({ "type": "browser" })).await;
        let entries = log.as_array().unwrap().iter();
        entries.map(|entry| format!("{}: {}", entry["level"], entry["message"])).collect()
    }

    /// The URLs that were asked for since this was last asked.
    pub(crate) async fn requests(&self) -> Vec<String> {
        let log = self.command("POST", "/se/log", json!({ "type": "performance" })).await;
        let messages = log.as_array().unwrap().iter().map(|entry| {
            serde_json::from_str::<Value>(entry["message"].as_str().unwrap()).unwrap()["message"].take()
        });
        let asked = messages.filter(|message| message["method"] == "Network.requestWillBeSent");
        asked.map(|message| message["params"]["request"]["url"].as_str().unwrap().to_owned()).collect()
    }

    /// What axe finds against WCAG 2.2 AA: rule, how bad, and the first place.
    pub(crate) async fn faults_of_access(&self) -> Vec<String> {
        self.run(&format!("{AXE}; return true")).await;
        let script = "const done = arguments[arguments.length - 1];
            axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })
               .then((found) => done(found.violations.map((one) => `${one.id} (${one.impact}): ${one.nodes.length} × ${one.nodes[0].html.slice(0, 200)} ${one.nodes[0].failureSummary}`)))
               .catch((fault) => done([String(fault)]));";
        let found = self.command("POST", "/execute/async", json!({ "script": script, "args": [] })).await;
        found.as_array().unwrap().iter().map(|fault| fault.as_str().unwrap().to_owned()).collect()
    }

    /// The whole page as a PNG.
    pub(crate) async fn picture(&self, whole: bool) -> Vec<u8> {
        let picture = self
            .chromium("Page.captureScreenshot", json!({ "format": "png", "captureBeyondViewport": whole }))
            .await;
        STANDARD.decode(picture["data"].as_str().unwrap()).unwrap()
    }

    /// Lets the page settle: fonts loaded and drawn.
    pub(crate) async fn settle(&self) {
        self.until("return document.readyState === 'complete' && document.fonts.status === 'loaded'").await;
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
}

/// Asks chromedriver, whose headers have no blank behind the colon, so that the tests' own strict client will not do.
async fn exchange(at: SocketAddr, method: &str, path: &str, body: &str) -> (u16, Vec<u8>) {
    let mut stream = TcpStream::connect(at).await.unwrap();
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {at}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).await.unwrap();
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_ascii_lowercase()),
        }
    }
    let status = lines[0].split(' ').nth(1).unwrap().parse().unwrap();
    let length = lines.iter().find_map(|line| line.strip_prefix("content-length:")).unwrap();
    let mut answer = vec![0; length.trim().parse().unwrap()];
    reader.read_exact(&mut answer).await.unwrap();
    (status, answer)
}
