//! The console in a real browser, and its rules where no browser is needed.

mod browser;
mod day;
mod editor;
mod lines;
mod live;
mod pages;
mod phone;
mod pictures;
mod reading;
mod signing;
mod speed;

use serde_json::Value;

use crate::house::{House, Plan};
use crate::wire::{Ask, Reply};
use crate::worker::smartline;
use browser::Browser;

/// The first admin key.
const ADMIN: &str = "the-first-admin-key-of-the-house";

fn plan() -> Plan {
    Plan::new().set("SMARTLINE_API_KEY", ADMIN)
}

async fn open() -> House {
    House::build(plan()).await
}

/// The address of a page.
fn at(house: &House, path: &str) -> String {
    format!("http://{}{path}", house.address)
}

/// A link that signs in, for these scopes.
async fn link(house: &House, scopes: &[&str]) -> String {
    let url = format!("http://{}", house.address);
    let mut arguments = vec!["login-link", "--json", "--url", url.as_str()];
    arguments.extend(scopes.iter().flat_map(|scope| ["--scope", scope]));
    let output = smartline(house, &arguments).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let made: Value = serde_json::from_slice(&output.stdout).unwrap();
    made["link"].as_str().unwrap().to_owned()
}

/// Signs a browser in by a link.
async fn sign_in(browser: &Browser, house: &House, scopes: &[&str]) {
    browser.go(&link(house, scopes).await).await;
    browser.until("return document.querySelector('.rail') !== null").await;
}

/// A session without a browser.
struct Session {
    cookie: String,
    /// What every form carries.
    form: String,
}

/// A form of the sign-in page, as a browser sends it.
fn sign_in_form(fields: &[(&str, &str)]) -> Ask {
    Ask::post("/console/sign-in").form(fields).header("Sec-Fetch-Site", "same-origin")
}

/// The value of the session's cookie, as `name=value`.
fn cookie(reply: &Reply) -> Option<String> {
    let set = reply.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
    let mut cookies = set.map(|(_, value)| value.split(';').next().unwrap().to_owned());
    cookies.find(|cookie| cookie.starts_with("smartline_session=") && !cookie.ends_with('='))
}

impl Session {
    /// Signs in by a link for these scopes.
    async fn open(house: &House, scopes: &[&str]) -> Self {
        let link = link(house, scopes).await;
        let token = link.split_once("#t=").unwrap().1;
        house.clock.advance(std::time::Duration::from_secs(13)); // a try comes back every twelve seconds
        let reply = house.ask(&sign_in_form(&[("link", token)])).await;
        assert_eq!(reply.status, 303, "{}", reply.text());
        let cookie = cookie(&reply).unwrap();
        let mut session = Self { cookie, form: String::new() };
        let page = session.get(house, "/console/setup").await;
        let text = page.text();
        let start = text.find("name=\"form\" value=\"").unwrap() + "name=\"form\" value=\"".len();
        text[start..].split('"').next().unwrap().clone_into(&mut session.form);
        session
    }

    async fn get(&self, house: &House, path: &str) -> Reply {
        house.ask(&Ask::get(path).header("Cookie", &self.cookie)).await
    }

    /// A form of one of our pages.
    fn form(&self, path: &str, fields: &[(&str, &str)]) -> Ask {
        let fields = [&[("form", self.form.as_str())], fields].concat();
        Ask::post(path).form(&fields).header("Cookie", &self.cookie).header("Sec-Fetch-Site", "same-origin")
    }
}
