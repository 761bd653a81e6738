//! A house whose lines follow a flow, one at each carrier.

use std::time::Duration;

use serde_json::{Value, json};

use super::Carrier;
use crate::house::{House, NAME, NewLine, Plan};
use crate::project_file;

/// Our number at a carrier.
pub(crate) fn number(carrier: Carrier) -> &'static str {
    match carrier {
        Carrier::Twilio => "+14155550198",
        Carrier::Plivo => "+14155550199",
    }
}

/// Two lines with the same flow and settings.
pub(crate) struct Stage {
    pub(crate) house: House,
}

impl Stage {
    /// With this flow, or with none.
    pub(crate) async fn open(flow: Option<&str>, settings: Value) -> Self {
        Self::built(Plan::new(), flow, settings).await
    }

    /// In a house of another kind.
    pub(crate) async fn built(plan: Plan, flow: Option<&str>, settings: Value) -> Self {
        let stage = Self { house: House::build(plan).await };
        stage.set_up(flow, settings).await;
        stage
    }

    /// With a flow of `examples/flows`.
    pub(crate) async fn bundled(name: &str, settings: Value) -> Self {
        Self::open(Some(&project_file(&format!("examples/flows/{name}.toml"))), settings).await
    }

    async fn set_up(&self, flow: Option<&str>, settings: Value) {
        let line = |carrier: Carrier| NewLine {
            provider: carrier.name(),
            number: number(carrier),
            name: NAME,
            account: None,
            flow,
            settings: settings.clone(),
        };
        self.house.set_up(&Carrier::ALL.map(line)).await;
    }

    /// The clock begins on a Sunday; 27 hours later the office is open.
    pub(crate) fn monday(&self) {
        self.house.clock.advance(Duration::from_hours(27));
    }

    /// Works on all that was told, and asserts that both calls came to this.
    pub(crate) async fn came_to(&self, outcome: &str) {
        self.work().await;
        let last = "
SELECT DISTINCT ON (provider) provider, outcome FROM calls WHERE parent IS NULL ORDER BY provider, id DESC";
        let outcomes: Vec<(String, Option<String>)> =
            sqlx::query_as(last).fetch_all(&self.house.db).await.unwrap();
        let expected = ["plivo", "twilio"].map(|name| (name.to_owned(), Some(outcome.to_owned())));
        assert_eq!(outcomes, expected);
    }

    pub(crate) async fn work(&self) {
        while self.house.app.work_once().await.unwrap() > 0 {}
    }

    /// The texts that are owed, as reason, addressee and words: the same for both lines, and here told once.
    pub(crate) async fn owed(&self) -> Vec<(String, String, String)> {
        self.work().await;
        let [twilio, plivo] = Carrier::ALL;
        let (twilio, plivo) = (self.owed_by(twilio).await, self.owed_by(plivo).await);
        assert_eq!(twilio, plivo);
        twilio
    }

    async fn owed_by(&self, carrier: Carrier) -> Vec<(String, String, String)> {
        let texts = "
SELECT reason, contact, owed->>'body' FROM outbox WHERE kind = 'text' AND line = $1 AND state <> 'cancelled'
ORDER BY reason, contact, owed->>'body'";
        sqlx::query_as(texts).bind(number(carrier)).fetch_all(&self.house.db).await.unwrap()
    }

    pub(crate) async fn close(self) {
        self.house.close().await;
    }
}

/// Nothing is set.
pub(crate) fn plain() -> Value {
    json!({})
}
