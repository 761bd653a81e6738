//! Lines and their flows, put where the service finds them.

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::House;

/// What a line is called where a test does not say.
pub(crate) const NAME: &str = "Harbor Dental";

/// A line to be set up.
pub(crate) struct NewLine<'a> {
    /// `twilio` or `plivo`.
    pub(crate) provider: &'a str,
    /// E.164.
    pub(crate) number: &'a str,
    pub(crate) name: &'a str,
    pub(crate) account: Option<&'a str>,
    /// TOML; none leaves it with the built-in default.
    pub(crate) flow: Option<&'a str>,
    pub(crate) settings: Value,
}

impl House {
    /// Sets up lines; whoever calls from now on reaches them.
    pub(crate) async fn set_up(&self, lines: &[NewLine<'_>]) {
        for line in lines {
            let version = match line.flow {
                Some(flow) => Some(self.publish(flow).await),
                None => None,
            };
            let insert = "
INSERT INTO lines (id, provider, number, name, account, flow_version, zone, country, language, state, settings, created_at,
                   changed_at)
VALUES ($1, $2, $3, $4, $5, $6, 'America/New_York', 'US', 'en-US', 'on', $7, now(), now())";
            let id = Uuid::now_v7();
            sqlx::query(insert)
                .bind(id)
                .bind(line.provider)
                .bind(line.number)
                .bind(line.name)
                .bind(line.account)
                .bind(version)
                .bind(&line.settings)
                .execute(&self.db)
                .await
                .unwrap();
            let publish =
                "INSERT INTO publications (line, flow_version, at, actor) VALUES ($1, $2, now(), 'test')";
            let publish = sqlx::query(publish).bind(id).bind(version);
            publish.execute(&self.db).await.unwrap();
        }
        self.app.lines_caught_up().await.unwrap();
    }

    /// Keeps a flow as the first version of a new one.
    async fn publish(&self, toml: &str) -> i64 {
        let flow = Uuid::now_v7();
        let insert = "INSERT INTO flows (id, name, created_at) VALUES ($1, $2, now())";
        sqlx::query(insert).bind(flow).bind(flow.to_string()).execute(&self.db).await.unwrap();
        let insert = "
INSERT INTO flow_versions (flow, number, doc, sha256, created_at, created_by) VALUES ($1, 1, $2, $3, now(), 'test')
RETURNING id";
        let digest = Sha256::digest(toml.as_bytes()).to_vec();
        sqlx::query_scalar(insert).bind(flow).bind(toml).bind(digest).fetch_one(&self.db).await.unwrap()
    }

    /// Lets the lines of an owner (an account, or `line:` and an id) know somebody.
    pub(crate) async fn knows(&self, owner: &str, number: &str, name: Option<&str>, blocked: bool) {
        let insert = "
INSERT INTO contacts (id, owner, number, name, blocked, created_at, changed_at) VALUES ($1, $2, $3, $4, $5, now(), now())";
        let insert =
            sqlx::query(insert).bind(Uuid::now_v7()).bind(owner).bind(number).bind(name).bind(blocked);
        insert.execute(&self.db).await.unwrap();
        self.app.lines_caught_up().await.unwrap();
    }

    /// Has everything about the lines read anew: what an account has paid is no change of a line.
    pub(crate) async fn lines_changed(&self) {
        let touch = "UPDATE lines SET changed_at = now()";
        sqlx::query(touch).execute(&self.db).await.unwrap();
        self.app.lines_caught_up().await.unwrap();
    }
}
