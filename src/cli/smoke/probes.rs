//! The requests that each endpoint is tried with.

use chrono::TimeDelta;
use secrecy::SecretString;

use super::{
    Smoke,
    report::{Report, Row},
};
use crate::{
    cli::{client::Reply, error::Error, sign::fresh, verdict::Expected},
    provider::{Endpoint, explain::secret_variable},
    samples::{
        Mark, Story,
        request::{Draft, Headers},
    },
};

/// A stranger's page: `dev` takes unsigned requests of this machine, but none that a web page elsewhere makes.
const OUTSIDER: (&str, &str) = ("origin", "https://outsider.invalid");

/// How long ago the stale request was signed.
const STALE: TimeDelta = TimeDelta::minutes(6);

/// A path with one wrong letter, and the one that was meant.
const MISSPELT: (&str, Endpoint) = ("/webhooks/twilio/voise", Endpoint::TwilioVoice);

impl Smoke<'_> {
    /// Tries all endpoints and then a wrong path.
    ///
    /// # Errors
    /// [`Error::Output`] when nobody reads the report.
    pub(super) async fn probe_all(&self, report: &mut Report) -> Result<(), Error> {
        for endpoint in Endpoint::ALL {
            self.probe(endpoint, report).await?;
        }
        report.add(self.wrong_path().await)
    }

    async fn probe(&self, endpoint: Endpoint, report: &mut Report) -> Result<(), Error> {
        let draft = self.draft(endpoint);
        if let Some(secret) = self.known.secret(endpoint.provider()) {
            self.genuine(&draft, &secret, report).await?;
        } else {
            let name = secret_variable(endpoint.provider());
            let how = format!("{name} is not at hand: set it, write it into .env or use --secret-stdin");
            report.add(Row::skipped(endpoint.name(), &how))?;
        }
        let forged = self.sign(&draft, &SecretString::from("forged"), TimeDelta::zero())?;
        let expected = Expected::Refused("signature_mismatch");
        report.add(self.row("forged request", &draft, &forged, expected).await)?;
        let unsigned = vec![(OUTSIDER.0, OUTSIDER.1.to_owned())];
        let expected = Expected::Refused("signature_missing");
        report.add(self.row("unsigned request", &draft, &unsigned, expected).await)
    }

    /// The good request, the same again, and for Stripe an old one.
    async fn genuine(&self, draft: &Draft, secret: &SecretString, report: &mut Report) -> Result<(), Error> {
        let headers = self.sign(draft, secret, TimeDelta::zero())?;
        let first = self.send("signed request", draft, &headers, Expected::Taken).await;
        let second = self.send("same request again", draft, &headers, Expected::Taken).await;
        let same = match (&first, &second) {
            ((_, Some(first)), (_, Some(second))) => {
                (first.status, &first.body) == (second.status, &second.body)
            }
            _ => true, // at least one has failed, and its row says why
        };
        report.add(first.0)?;
        report.add(if same { second.0 } else { second.0.failed("the second answer is not the first") })?;
        if draft.endpoint == Endpoint::Stripe {
            let stale = self.sign(draft, secret, STALE)?;
            let expected = Expected::Refused("timestamp_out_of_tolerance");
            report.add(self.row("request signed 6 min ago", draft, &stale, expected).await)?;
        }
        Ok(())
    }

    fn draft(&self, endpoint: Endpoint) -> Draft {
        let story = Story {
            seed: self.seed.clone(),
            fresh: fresh(self.clock),
            mark: Mark::Smoke,
            at: self.clock.now(),
            twilio_account: self.known.first("TWILIO_ACCOUNT_SID").map(str::to_owned),
            plivo_account: self.known.first("PLIVO_AUTH_ID").map(str::to_owned),
        };
        let sample = story.callback(endpoint);
        Draft::new(endpoint, &self.target.public, sample.format(), sample.body())
    }

    fn sign(&self, draft: &Draft, secret: &SecretString, age: TimeDelta) -> Result<Headers, Error> {
        Ok(draft.sign(secret, self.clock.now() - age, &fresh(self.clock).simple().to_string())?)
    }

    async fn row(&self, what: &str, draft: &Draft, headers: &Headers, expected: Expected) -> Row {
        self.send(what, draft, headers, expected).await.0
    }

    async fn send(
        &self,
        what: &str,
        draft: &Draft,
        headers: &Headers,
        expected: Expected,
    ) -> (Row, Option<Reply>) {
        let name = draft.endpoint.name();
        match self.client.post(draft, headers).await {
            Err(cause) => (Row::new(name, None, Err(format!("{what}: {cause}"))), None),
            Ok(reply) => {
                let event = reply.event.as_deref().map(|event| format!("  {event}")).unwrap_or_default();
                let verdict = match expected.judge(draft.endpoint, &reply) {
                    Ok(words) => Ok(format!("{what} {words}{event}")),
                    Err(cause) => Err(format!("{what}: {cause}")),
                };
                (Row::new(name, Some(&reply), verdict), Some(reply))
            }
        }
    }

    /// A path with a slip is answered with 404, JSON, and the path that was meant.
    async fn wrong_path(&self) -> Row {
        let (path, meant) = MISSPELT;
        let mut draft = self.draft(meant);
        draft.url = format!("{}{path}", self.target.public);
        let reply = match self.client.post(&draft, &Vec::new()).await {
            Ok(reply) => reply,
            Err(cause) => return Row::new("wrong path", None, Err(cause.to_string())),
        };
        let named = reply.json().to_string().contains(meant.path());
        let verdict = match (reply.status, reply.code()) {
            (404, Some(_)) if named => Ok(format!("{path} answered with {}", meant.path())),
            (404, Some(_)) => Err(format!("the answer does not name {}", meant.path())),
            (404, None) => Err("the answer is no problem document with a code".into()),
            _ => Err("expected 404".into()),
        };
        Row::new("wrong path", Some(&reply), verdict)
    }
}
