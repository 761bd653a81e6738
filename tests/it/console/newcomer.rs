//! Somebody who has read nothing: from the printed link to a call, a refused request understood and a replay, by what the
//! pages say alone.

use serde_json::json;

use crate::caller::Stage;

use super::{browser::Browser, day, link, plan};

/// Somebody who presses what they read, and counts.
struct Newcomer {
    browser: Browser,
    presses: u32,
}

impl Newcomer {
    /// Presses what is called so, and waits for what it leads to.
    async fn presses(&mut self, words: &str, until: &str) {
        self.browser.click_on(words).await;
        self.presses += 1;
        self.browser.until(until).await;
    }
}

/// That the page has this head.
fn head(words: &str) -> String {
    format!("return document.querySelector('h1')?.innerText === {}", json!(words))
}

#[tokio::test]
async fn a_call_a_refusal_understood_and_a_replay_without_a_word_of_help() {
    let office = crate::project_file("examples/flows/office.toml");
    let stage = Stage::built(plan(), Some(&office), json!({ "notify": "+14155550150" })).await;
    stage.monday();
    let house = &stage.house;
    day::text(house, 1, "+14155550142", "Are you open?").await;
    day::refused(house).await;
    stage.work().await;
    let mut newcomer = Newcomer { browser: Browser::open().await, presses: 1 };
    newcomer.browser.go(&link(house, &[]).await).await;
    newcomer.browser.until(&head("Overview")).await;

    let turns = |count: u32| format!("return document.querySelectorAll('#phone .turn').length === {count}");
    newcomer.presses("Lines", &head("Lines")).await;
    newcomer.presses("Harbor Dental", &head("Harbor Dental")).await;
    newcomer.presses("Call", &turns(1)).await;
    let said = newcomer.browser.text("#phone .talk-list").await;
    assert!(said.contains("For directions press 2."), "{said}");
    newcomer.presses("2", &turns(2)).await;
    newcomer.browser.until("return document.querySelector('#phone .count').innerText === 'Call over'").await;
    let said = newcomer.browser.text("#phone .talk-list").await;
    assert!(said.contains("We are at 1 Harbor Street, beside the ferry."), "{said}");

    newcomer.presses("Refused", &head("Refused")).await;
    newcomer
        .presses(
            "It was signed, but not with a token of ours for an address of ours.",
            &head("The signature does not match"),
        )
        .await;
    let page = newcomer.browser.text("main").await;
    assert!(
        page.contains("It would match if PUBLIC_URL were https://old.example.com."),
        "the one change: {page}"
    );

    newcomer.presses("Events", &head("Events")).await;
    newcomer.presses("Text came in", &head("Text came in")).await;
    newcomer.presses("Replay", "return document.querySelector('.notice') !== null").await;
    let told = newcomer.browser.text(".notice").await;
    assert!(told.contains("One event is back in the queue"), "{told}");
    let armed = "SELECT count(*) FROM event_work JOIN events ON id = event_id WHERE external_id LIKE 'SM%'";
    let armed: i64 = sqlx::query_scalar(armed).fetch_one(&house.db).await.unwrap();
    assert_eq!(armed, 1, "it is worked on again");

    assert_eq!(newcomer.presses, 10);
    assert_eq!(newcomer.browser.complaints().await, Vec::<String>::new());
    newcomer.browser.close().await;
    stage.close().await;
}
