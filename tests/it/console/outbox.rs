//! What is owed to the outside: shown, tried again and cancelled.

use super::{Session, day, open};

#[tokio::test]
async fn what_is_owed_says_why_it_waits_and_can_be_tried_again_or_cancelled() {
    let house = open().await;
    day::owed(&house).await;
    let session = Session::open(&house, &[]).await;
    let list = session.get(&house, "/console/outbox").await;
    for word in ["Done", "Waiting", "In doubt", "Held back", "Failed", "quiet_hours"] {
        assert!(list.text().contains(word), "{word}");
    }
    assert!(!list.text().contains("+14155550142"), "masked");
    let overview = session.get(&house, "/console").await;
    assert!(
        overview.text().contains("1 thing owed to the outside failed")
            && overview.text().contains("1 text is in doubt"),
        "{}",
        overview.text()
    );

    let page_of = async |number: usize, kind: &str| {
        let found = session.get(&house, &format!("/console/search?q=call:twilio:CA{number}:{kind}:0")).await;
        found.header("location").unwrap().to_owned()
    };
    let failed = page_of(5, "flow").await;
    let page = session.get(&house, &failed).await;
    for words in ["The provider refused it with its error 30003", "The provider asked to wait", "Try again"] {
        assert!(page.text().contains(words), "{words}: {}", page.text());
    }
    assert!(!page.text().contains("Sorry that we missed you"), "masked");
    let whole = house.ask(&session.form(&failed, &[])).await;
    assert!(whole.text().contains("Sorry that we missed you") && whole.text().contains("+14155550142"));
    let doubtful = session.get(&house, &page_of(3, "notice").await).await;
    assert!(
        !doubtful.text().contains(">Cancel<") && !doubtful.text().contains("Try again"),
        "it may have been sent"
    );

    let state = async |number: usize| -> String {
        let find = "SELECT state FROM outbox WHERE key LIKE 'call:twilio:CA' || $1 || ':%'";
        sqlx::query_scalar(find).bind(number.to_string()).fetch_one(&house.db).await.unwrap()
    };
    let waiting = page_of(2, "missed").await;
    for (path, expected) in
        [(format!("{waiting}/cancel"), "cancelled"), (format!("{waiting}/retry"), "waiting")]
    {
        assert_eq!(house.ask(&session.form(&path, &[])).await.status, 303);
        assert_eq!(state(2).await, expected);
    }
    assert_eq!(house.ask(&session.form(&format!("{failed}/retry"), &[])).await.status, 303);
    assert_eq!(house.ask(&session.form(&format!("{failed}/retry"), &[])).await.status, 303);
    assert_eq!(state(5).await, "waiting");
    let deeds: i64 = sqlx::query_scalar("SELECT count(*) FROM audit WHERE action LIKE 'outbox.%'")
        .fetch_one(&house.db)
        .await
        .unwrap();
    assert_eq!(deeds, 3, "a second press does nothing, and is not written down");

    let viewer = Session::open(&house, &["read"]).await;
    assert!(!viewer.get(&house, &failed).await.text().contains("Cancel"));
    assert_eq!(house.ask(&viewer.form(&format!("{failed}/cancel"), &[])).await.status, 403);
    house.close().await;
}
