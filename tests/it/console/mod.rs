//! The console in a real browser, and its rules where no browser is needed.
//!
//! | what a browser must show | tests |
//! |---|---|
//! | 1 no error, no breach of the policy, nothing from elsewhere | `pages::{an_empty,a_full}_console_is_without_fault_in_both_themes` |
//! | 2 sign-in by key and link, once, for a time, out everywhere, and back to where one was going | `signing::{a_key_signs_in…, a_link_signs_in_once…, a_session_ends…, five_tries…}` |
//! | 3 a row within a second, and no jump | `live::a_request_shows_within_a_second…` |
//! | 4 a stream that is cut; a tab that is hidden | `outage::{a_stream_that_is_cut…, a_tab_that_nobody_sees…}` |
//! | 5 filters and the address | `live::the_address_is_the_state` |
//! | 6 each kind of failure in a sentence | `reading::every_refusal_says_why…` |
//! | 7 the copied command | `reading::the_copied_command_works` |
//! | 8 replay: one, all that match, stopped half-way | `reading::{a_replay_is_done_once…, all_that_match…, a_replay_is_stopped_half_way}` |
//! | 9 hostile payloads | `reading::hostile_payloads_are_inert_and_whole` |
//! | 10 the browser phone | `phone` |
//! | 11 the checklist turns | `reading::the_checklist_turns…`, `setup::an_endpoint_waits_works_drifts_and_works_again` |
//! | 12 masked, revealed, written down; roles | `reading::people_are_masked…`, `signing::what_a_role_may_not_do…` |
//! | 13 axe, keys alone, 200 %, 360 px | `pages::{an_empty,a_full}_console…`, `live::{the_keyboard_alone_will_do, five_tasks…}`, `pages::nothing_runs_out_of_a_narrow_page` |
//! | 14 empty, 100 000 events, no database, a restart | `pages::an_empty_console…`, `outage::{a_hundred_thousand…, a_page_that_is_open…, a_restart…}`, `pages::without_the_database_pages_say_so` |
//! | 15 theme, motion, time zone | `manner::{no_page_flashes…, nothing_moves…, times_are_those…}`, `pages::theme_and_zone_are_there…` |
//! | 16 a double press | `reading::a_replay_is_done_once…` |
//! | 17 two tabs | `manner::two_tabs_have_each_their_own_filter` |
//! | 18 a form from elsewhere | `signing::a_form_from_elsewhere_changes_nothing` |
//!
//! The first minute of somebody who has read nothing is `newcomer`. What is owed is in `outbox`, lines and flows in `lines`; `speed` measures and `pictures` shows, both by hand.

mod browser;
mod day;
mod editor;
mod lines;
mod live;
mod manner;
mod newcomer;
mod outage;
mod outbox;
mod pages;
mod phone;
mod pictures;
mod reading;
mod setup;
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
