//! A webhook request as a provider would make it: a body of its kind, and the headers that sign it.

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};

use crate::provider::{Endpoint, Params, Provider, mac, plivo, stripe, twilio};

/// Names and values of a form, in order.
pub(crate) type Fields = [(String, String)];

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `application/json`.
    Json,
}

/// A request before it is signed.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    /// Which of the seven paths it is for.
    pub(crate) endpoint: Endpoint,
    /// The URL that is signed, with its query.
    pub(crate) url: String,
    /// How the body is written.
    pub(crate) format: Format,
    /// The exact bytes.
    pub(crate) body: Vec<u8>,
}

/// JSON that Plivo could not sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body is no JSON object, and Plivo signs nothing else")]
pub(crate) struct NoObject;

/// Header names, in lower case, and their values.
pub(crate) type Headers = Vec<(&'static str, String)>;

impl Draft {
    /// A request to `endpoint` of the service that is publicly at `origin`.
    pub(crate) fn new(endpoint: Endpoint, origin: &str, format: Format, body: Vec<u8>) -> Self {
        Self::to_url(endpoint, format!("{origin}{}", endpoint.path()), format, body)
    }

    /// A request to `url`. Twilio covers a JSON body by its SHA-256 in the query, so that is added to the URL.
    pub(crate) fn to_url(endpoint: Endpoint, mut url: String, format: Format, body: Vec<u8>) -> Self {
        if endpoint.provider() == Provider::Twilio && format == Format::Json {
            let separator = if url.contains('?') { '&' } else { '?' };
            url = format!("{url}{separator}bodySHA256={}", mac::hex(&Sha256::digest(&body)));
        }
        Self { endpoint, url, format, body }
    }

    /// Path and query, as they stand in the request line.
    pub(crate) fn path_and_query(&self) -> &str {
        let after_scheme = self.url.find("://").map_or(0, |at| at + 3);
        self.url[after_scheme..].find('/').map_or("/", |slash| &self.url[after_scheme + slash..])
    }

    /// The value of `Content-Type`.
    pub(crate) fn content_type(&self) -> &'static str {
        match self.format {
            Format::Form => "application/x-www-form-urlencoded",
            Format::Json => "application/json",
        }
    }

    /// The headers that sign this request. `at` is when (Stripe), `nonce` makes it single (Plivo).
    ///
    /// # Errors
    /// [`NoObject`] where Plivo could not sign the body.
    pub(crate) fn sign(
        &self,
        secret: &SecretString,
        at: DateTime<Utc>,
        nonce: &str,
    ) -> Result<Headers, NoObject> {
        let params = match (self.endpoint.provider(), self.format) {
            (Provider::Stripe, _) | (Provider::Twilio, Format::Json) => Params::default(),
            (_, Format::Form) => Params::from_form(&self.body),
            (Provider::Plivo, Format::Json) => Params::from_json(&self.body).ok_or(NoObject)?,
        };
        Ok(match self.endpoint.provider() {
            Provider::Stripe => vec![(stripe::HEADER, stripe::sign(secret, at, &self.body))],
            Provider::Twilio => vec![(twilio::HEADER, twilio::sign(secret, &self.url, &params))],
            Provider::Plivo => vec![
                (plivo::V3, plivo::sign_v3(secret, &self.url, &params, nonce)),
                (plivo::V3_NONCE, nonce.to_owned()),
            ],
        })
    }
}

/// Writes a form. A plus of a value stays a plus, so it is escaped.
pub(crate) fn form(fields: &Fields) -> Vec<u8> {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish().into_bytes()
}

/// Writes a JSON object whose members are texts.
pub(crate) fn json(fields: &Fields) -> Vec<u8> {
    let members = fields.iter().map(|(name, value)| (name.clone(), value.as_str().into()));
    serde_json::Value::Object(members.collect()).to_string().into_bytes()
}

#[cfg(test)]
pub(crate) mod tests {
    use axum::http::{HeaderMap, HeaderValue, Method, header::CONTENT_TYPE};

    use super::*;
    use crate::provider::{Received, Reject, Unsigned, plivo::Plivo, stripe::Stripe, twilio::Twilio, verify};

    /// Asks the service's own verification whether a signed draft is genuine.
    pub(crate) fn verified(
        draft: &Draft,
        headers: &Headers,
        secret: &SecretString,
        at: DateTime<Utc>,
    ) -> Result<(), Reject> {
        let mut map = HeaderMap::new();
        map.insert(CONTENT_TYPE, HeaderValue::from_static(draft.content_type()));
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        let origin = draft.url.strip_suffix(draft.path_and_query()).unwrap();
        let received = Received {
            endpoint: draft.endpoint,
            method: Method::POST,
            origins: [origin.to_owned()].into(),
            path_and_query: draft.path_and_query().to_owned(),
            headers: map,
            body: draft.body.clone().into(),
            at,
            unsigned: Unsigned::Refused,
        };
        judge(secret, received)
    }

    /// Runs [`verify`] for whichever provider the endpoint is of.
    pub(crate) fn judge(secret: &SecretString, received: Received) -> Result<(), Reject> {
        let secrets = vec![secret.clone()];
        match received.endpoint.provider() {
            Provider::Stripe => verify(&Stripe { secrets }, received).map(drop),
            Provider::Twilio => {
                verify(&Twilio { tokens: secrets, accounts: vec![], apps: vec![] }, received).map(drop)
            }
            Provider::Plivo => verify(&Plivo { tokens: secrets, accounts: vec![] }, received).map(drop),
        }
    }

    #[test]
    fn every_kind_of_draft_verifies_and_no_other_secret_does() {
        let at = DateTime::from_timestamp(1_760_000_000, 0).unwrap();
        let (secret, other) = (SecretString::from("secret"), SecretString::from("other"));
        let fields = [("From", "+14155550142"), ("Body", "a+b & c='d'"), ("Empty", ""), ("ž", "🐎")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        for endpoint in Endpoint::ALL {
            for (format, body) in [(Format::Form, form(&fields)), (Format::Json, json(&fields))] {
                for query in ["", "?t=abc&b=1%2B1&a="] {
                    let url = format!("https://line.example.com{}{query}", endpoint.path());
                    let draft = Draft::to_url(endpoint, url, format, body.clone());
                    let headers = draft.sign(&secret, at, "nonce").unwrap();
                    let case = format!("{endpoint} {format:?} {query}");
                    assert_eq!(verified(&draft, &headers, &secret, at), Ok(()), "{case}");
                    assert!(verified(&draft, &headers, &other, at).is_err(), "{case}");
                }
            }
        }
        let list = Draft::new(Endpoint::PlivoAnswer, "https://a.example", Format::Json, b"[1]".to_vec());
        assert!(list.sign(&secret, at, "nonce").is_err());
    }

    #[test]
    fn a_plus_is_a_plus() {
        let fields = [("From".to_owned(), "+1 555".to_owned())];
        assert_eq!(form(&fields), b"From=%2B1+555");
        assert_eq!(json(&fields), br#"{"From":"+1 555"}"#);
    }
}
