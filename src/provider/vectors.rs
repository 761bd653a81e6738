//! The vectors in `tests/vectors`: requests with the verdicts of the providers' official libraries.

use std::{collections::BTreeMap, sync::Arc};

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use chrono::DateTime;
use serde::Deserialize;

use super::{
    Endpoint, Received, Unsigned,
    testing::{NOW, encode, plivo, stripe, twilio, verdict},
};

/// Where the libraries disagree (`either`), we refuse.
const DECIDED: [(&str, &str, &str); 5] = [
    (
        "stripe-d-025",
        "timestamp_out_of_tolerance",
        "a clock is wrong either way: 300 s ahead as well as behind",
    ),
    ("stripe-d-026", "signature_mismatch", "Stripe writes lower-case hex, so nothing else is genuine"),
    (
        "twilio-d-007",
        "signature_mismatch",
        "the raw query is what was signed; re-encoding it would be a guess",
    ),
    ("plivo-d-009", "signature_missing", "V1 is withdrawn and counts for nothing"),
    ("plivo-d-026", "signature_mismatch", "V2 leaves the parameters open, so a voice path takes V3 alone"),
];

#[derive(Deserialize)]
struct Vector {
    id: String,
    scheme: String,
    #[serde(alias = "auth_token")]
    secret: String,
    url: String,
    method: String,
    headers: BTreeMap<String, String>,
    content_type: Option<String>,
    body: String,
    /// Clock at which the verdict holds; Stripe alone has one.
    now: Option<i64>,
    /// What the library was handed beside the URL of a GET; on the wire it stands in the query.
    #[serde(default)]
    params: BTreeMap<String, String>,
    expect: String,
    reason: String,
}

impl Vector {
    /// The verdict of this house.
    fn verdict(&self) -> &'static str {
        let received = self.received();
        match received.endpoint {
            Endpoint::Stripe => verdict(&stripe(&[&self.secret]), received),
            Endpoint::TwilioVoice | Endpoint::TwilioStatus | Endpoint::TwilioSms => {
                verdict(&twilio(&[&self.secret]), received)
            }
            Endpoint::PlivoAnswer | Endpoint::PlivoHangup | Endpoint::PlivoSms => {
                verdict(&plivo(&[&self.secret]), received)
            }
        }
    }

    fn received(&self) -> Received {
        let host = self.url.find("://").unwrap() + 3;
        let path = self.url[host..].find('/').map_or(self.url.len(), |slash| host + slash);
        let mut path_and_query = self.url[path..].to_owned();
        if !self.params.is_empty() {
            path_and_query.push(if path_and_query.contains('?') { '&' } else { '?' });
            let params: Vec<_> = self.params.clone().into_iter().collect();
            path_and_query += &encode(&params);
        }
        let mut headers = HeaderMap::new();
        let content_type = self.content_type.iter().map(|value| ("content-type", value));
        let own = self.headers.iter().map(|(name, value)| (name.as_str(), value));
        for (name, value) in own.chain(content_type) {
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        Received {
            endpoint: self.endpoint(path_and_query.split('?').next().unwrap()),
            method: Method::from_bytes(self.method.as_bytes()).unwrap(),
            origins: Arc::from([self.url[..path].to_owned()]),
            path_and_query,
            headers,
            body: self.body.clone().into(),
            at: DateTime::from_timestamp(self.now.unwrap_or(NOW), 0).unwrap(),
            unsigned: Unsigned::Refused,
        }
    }

    /// The endpoint of the path; the libraries' own examples have foreign paths and get the one that takes the scheme.
    fn endpoint(&self, path: &str) -> Endpoint {
        Endpoint::of_path(path).unwrap_or(match self.scheme.as_str() {
            "v1" => Endpoint::Stripe,
            "plivo-v2" => Endpoint::PlivoSms,
            scheme if scheme.starts_with("plivo") => Endpoint::PlivoAnswer,
            _ => Endpoint::TwilioVoice,
        })
    }
}

#[test]
fn every_vector_holds() {
    let mut decided = Vec::new();
    for (file, count) in [
        (include_str!("../../tests/vectors/stripe.json"), 28),
        (include_str!("../../tests/vectors/twilio.json"), 26),
        (include_str!("../../tests/vectors/plivo.json"), 26),
    ] {
        let vectors: Vec<Vector> = serde_json::from_str(file).unwrap();
        assert_eq!(vectors.len(), count);
        for vector in vectors {
            let (id, verdict) = (vector.id.as_str(), vector.verdict());
            match vector.expect.as_str() {
                "accept" => assert_eq!(verdict, "ok", "{id}: {}", vector.reason),
                "reject" => assert_ne!(verdict, "ok", "{id}: {}", vector.reason),
                "either" => {
                    let (_, code, why) = DECIDED.iter().find(|(known, ..)| *known == id).unwrap();
                    assert_eq!(verdict, *code, "{id}: {why}");
                    decided.push(id.to_owned());
                }
                other => panic!("{id} expects {other}"),
            }
        }
    }
    assert_eq!(decided, DECIDED.map(|(id, ..)| id), "every decision is about a vector");
}
