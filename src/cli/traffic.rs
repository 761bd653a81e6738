//! `smartline dev --traffic`: made-up requests of all three providers, really signed and sent through the real endpoints,
//! so that there is something to look at from the first minute.

use std::time::Duration;

use chrono::TimeDelta;
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};

use super::{
    client::{Client, NoReply, Reply},
    error::{Error, note},
    known::Known,
    sign::fresh,
};
use crate::{
    domain::clock::Clock,
    provider::{Endpoint, Provider, plivo},
    samples::{
        Mark, STRIPE_TYPES, Story,
        request::{Draft, Headers},
    },
};

/// How long after one request the next one comes, in seconds: from the first to the second.
const PAUSE: (u64, u64) = (3, 8);

/// How old the stale request's signature is.
const STALE: TimeDelta = TimeDelta::minutes(6);

/// Customers, calls of each carrier, and texts of each, that have been before.
const CUSTOMERS: u32 = 5;
const CALLS: u32 = 8;
const TEXTS: u32 = 5;

/// Whoever makes the requests.
pub(super) struct Traffic<'a> {
    pub(super) client: Client,
    /// The service, which is also what is signed.
    pub(super) origin: String,
    pub(super) known: Known,
    pub(super) clock: &'a dyn Clock,
    /// Keeps the stories of one run apart from those of others.
    pub(super) run: String,
}

/// A request that is refused, and what is wrong with it.
struct Refused {
    what: &'static str,
    draft: Draft,
    headers: Headers,
}

impl Traffic<'_> {
    /// What has been before, one of each kind of failure, and then one request after the other for ever.
    pub(super) async fn run(&self) {
        match self.opening().await {
            Ok((kept, refused)) => note(&format!(
                "Traffic: {kept} made-up requests were kept and {refused} refused on purpose; more every few seconds\n"
            )),
            Err(error) => note(&format!("Traffic: {error}")),
        }
        for number in 0_u32.. {
            self.clock.wait(self.pause(number)).await;
            if let Err(error) = self.next(number).await {
                note(&format!("Traffic: {error}"));
            }
        }
    }

    /// How many were kept, and how many refused.
    async fn opening(&self) -> Result<(usize, usize), Error> {
        let mut kept = 0;
        for (endpoint, kind, story) in self.history() {
            let reply = self.send(endpoint, kind, &story).await?;
            kept += usize::from(reply.status < 300);
        }
        let mut refused = 0;
        for Refused { what, draft, headers } in self.failures()? {
            let reply = self.client.post(&draft, &headers).await?;
            let (code, body) = (reply.code().unwrap_or_default(), reply.json());
            let request = body["request_id"].as_str().unwrap_or_default();
            note(&format!(
                "Refused on purpose, {what}: {} {code}  why: smartline explain {request}",
                reply.status
            ));
            refused += usize::from(reply.status == 401);
        }
        Ok((kept, refused))
    }

    /// Whole stories, oldest first.
    fn history(&self) -> Vec<(Endpoint, &'static str, Story)> {
        let mut all = Vec::new();
        for customer in 0..CUSTOMERS {
            let story = self.story(
                &format!("customer:{customer}"),
                TimeDelta::hours(5 * i64::from(CUSTOMERS - customer)),
            );
            // The last of them are new: they have not failed to pay yet.
            let kinds = if customer < 2 { &STRIPE_TYPES[..] } else { &STRIPE_TYPES[..2] };
            all.extend(
                kinds.iter().map(|kind| {
                    (Endpoint::Stripe, *kind, Story { fresh: fresh(self.clock), ..story.clone() })
                }),
            );
        }
        for call in 0..CALLS {
            let story = self.story(&format!("call:{call}"), TimeDelta::minutes(40 * i64::from(CALLS - call)));
            let both = [
                [Endpoint::TwilioVoice, Endpoint::TwilioStatus],
                [Endpoint::PlivoAnswer, Endpoint::PlivoHangup],
            ];
            all.extend(both.into_iter().flatten().map(|endpoint| (endpoint, "", story.clone())));
        }
        for text in 0..TEXTS {
            let story = self.story(&format!("text:{text}"), TimeDelta::minutes(50 * i64::from(TEXTS - text)));
            all.extend(
                [Endpoint::TwilioSms, Endpoint::PlivoSms].map(|endpoint| (endpoint, "", story.clone())),
            );
        }
        all
    }

    /// One of each kind.
    fn failures(&self) -> Result<Vec<Refused>, Error> {
        let story = self.story("refused", TimeDelta::zero());
        let secret = |provider| self.known.need_secret(provider);
        let draft = |endpoint| Self::draft(endpoint, STRIPE_TYPES[0], &story, &self.origin);
        let sign = |draft: &Draft, secret: &SecretString, age: TimeDelta| {
            draft.sign(secret, self.clock.now() - age, &fresh(self.clock).simple().to_string())
        };
        let now = TimeDelta::zero();
        let forged = draft(Endpoint::TwilioVoice);
        let mixed_up = draft(Endpoint::TwilioSms);
        let stale = draft(Endpoint::Stripe);
        let without_nonce = draft(Endpoint::PlivoAnswer);
        let other_url = self.origin.replacen("http://", "https://", 1);
        let elsewhere = Self::draft(Endpoint::TwilioStatus, "", &story, &other_url);
        let mut changed = draft(Endpoint::Stripe);
        let changed_headers = sign(&changed, &secret(Provider::Stripe)?, now)?;
        changed.body.push(b'\n');
        let nonceless: Headers = sign(&without_nonce, &secret(Provider::Plivo)?, now)?
            .into_iter()
            .filter(|(name, _)| *name != plivo::V3_NONCE)
            .collect();
        Ok(vec![
            Refused {
                what: "forged",
                headers: sign(&forged, &SecretString::from("forged"), now)?,
                draft: forged,
            },
            Refused {
                what: "another provider's secret",
                headers: sign(&mixed_up, &secret(Provider::Plivo)?, now)?,
                draft: mixed_up,
            },
            Refused {
                what: "signed 6 minutes ago",
                headers: sign(&stale, &secret(Provider::Stripe)?, STALE)?,
                draft: stale,
            },
            Refused { what: "a header left out", headers: nonceless, draft: without_nonce },
            Refused {
                what: "signed for another URL",
                headers: sign(&elsewhere, &secret(Provider::Twilio)?, now)?,
                draft: elsewhere,
            },
            Refused { what: "changed on its way", headers: changed_headers, draft: changed },
        ])
    }

    /// The calls, texts and payments go round; what belongs together comes one after the other.
    async fn next(&self, number: u32) -> Result<Reply, Error> {
        let (round, place) = (number / 8, number % 8);
        let kind = |nth: u32| STRIPE_TYPES[usize::try_from((2 * round + nth) % 6).unwrap_or(0)];
        let (endpoint, kind, seed) = match place {
            0 => (Endpoint::TwilioVoice, "", format!("round:{round}")),
            1 => (Endpoint::Stripe, kind(0), format!("buyer:{}", round / 3)),
            2 => (Endpoint::PlivoAnswer, "", format!("round:{round}:plivo")),
            3 => (Endpoint::TwilioStatus, "", format!("round:{round}")),
            4 => (Endpoint::TwilioSms, "", format!("round:{round}")),
            5 => (Endpoint::PlivoHangup, "", format!("round:{round}:plivo")),
            6 => (Endpoint::PlivoSms, "", format!("round:{round}:plivo")),
            _ => (Endpoint::Stripe, kind(1), format!("buyer:{}", round / 3)),
        };
        self.send(endpoint, kind, &self.story(&seed, TimeDelta::zero())).await
    }

    /// Between the two bounds, as the number will have it.
    fn pause(&self, number: u32) -> Duration {
        let digest = Sha256::digest(format!("{}:{number}", self.run));
        Duration::from_secs(PAUSE.0 + u64::from(digest[0]) % (PAUSE.1 - PAUSE.0 + 1))
    }

    fn story(&self, seed: &str, ago: TimeDelta) -> Story {
        Story {
            seed: format!("{}:{seed}", self.run),
            fresh: fresh(self.clock),
            mark: Mark::None,
            at: self.clock.now() - ago,
            twilio_account: None,
            plivo_account: None,
        }
    }

    fn draft(endpoint: Endpoint, kind: &str, story: &Story, origin: &str) -> Draft {
        let sample = if endpoint == Endpoint::Stripe { story.stripe(kind) } else { story.callback(endpoint) };
        Draft::new(endpoint, origin, sample.format(), sample.body())
    }

    async fn send(&self, endpoint: Endpoint, kind: &str, story: &Story) -> Result<Reply, Error> {
        let draft = Self::draft(endpoint, kind, story, &self.origin);
        let secret = self.known.need_secret(endpoint.provider())?;
        let headers = draft.sign(&secret, self.clock.now(), &fresh(self.clock).simple().to_string())?;
        let sent: Result<Reply, NoReply> = self.client.post(&draft, &headers).await;
        Ok(sent?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::standin::{Fault, SECRET, Standin, Still};

    fn traffic(standin: &Standin, known: Known) -> Traffic<'static> {
        Traffic {
            client: Client::new(&standin.origin).unwrap(),
            origin: standin.origin.clone(),
            known,
            clock: &Still,
            run: "test".to_owned(),
        }
    }

    #[tokio::test]
    async fn what_has_been_and_what_comes_is_taken() {
        let standin = Standin::start(Fault::None).await;
        let traffic = traffic(&standin, Standin::known());
        for (endpoint, kind, story) in traffic.history() {
            assert_eq!(
                traffic.send(endpoint, kind, &story).await.unwrap().status / 100,
                2,
                "{endpoint} {kind}"
            );
        }
        for number in 0..24 {
            assert_eq!(traffic.next(number).await.unwrap().status / 100, 2, "{number}");
            assert!((3..=8).contains(&traffic.pause(number).as_secs()));
        }
        let taken = standin.taken.lock().unwrap();
        assert!(
            taken.len() > 60 && taken.values().all(|times| *times == 1),
            "each is another one: {taken:?}"
        );
    }

    #[tokio::test]
    async fn each_failure_is_one() {
        let standin = Standin::start(Fault::None).await;
        let known = Known::only([
            ("STRIPE_WEBHOOK_SECRET", SECRET),
            ("TWILIO_AUTH_TOKEN", SECRET),
            ("PLIVO_AUTH_TOKEN", "another"),
        ]);
        let traffic = traffic(&standin, known);
        let failures = traffic.failures().unwrap();
        assert_eq!(failures.len(), 6);
        for Refused { what, draft, headers } in failures {
            assert_eq!(traffic.client.post(&draft, &headers).await.unwrap().status, 401, "{what}");
        }
    }
}
