//! A carrier to try a line with: asks this service as Twilio or Plivo would, reads the document that comes back, and does
//! what it says.
//!
//! It knows the carriers' published behaviour and none of the service's own mind: nothing of flows, steps or tables. A
//! call of it is whatever [`walk`] makes of a document and of what its people do; who sends the requests is a
//! [`walk::Service`]. Nobody's phone rings.

pub(crate) mod document;
mod told;
pub(crate) mod walk;

pub(crate) use told::{Heard, Rung};

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::{
    domain::phone::Phone,
    provider::{Endpoint, Params, Provider, plivo, twilio},
};

/// How far a call's id may be from now for a new one to begin with it, in seconds: a page may have lain open for a day.
const FRESH_S: i64 = 86_400;

/// The account that a request names where none is configured. Source: the providers' docs, form of their ids.
const TWILIO_ACCOUNT: &str = "AC00000000000000000000000000000000";
const PLIVO_ACCOUNT: &str = "MA000000000000000000";

/// A call, as all its requests name it.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) provider: Provider,
    /// Of the carrier's own form, with a UUIDv7 inside: it tells when the call began.
    pub(crate) id: String,
    /// Twilio's account SID or Plivo's auth ID; none names one that nobody has.
    pub(crate) account: Option<String>,
    /// E.164 with `+`, or `anonymous`.
    pub(crate) from: String,
    /// The line.
    pub(crate) to: Phone,
}

/// The id of a call or text, as its carrier writes it. `prefix` is what Twilio puts in front.
pub(crate) fn id(provider: Provider, prefix: &str, id: Uuid) -> String {
    match provider {
        Provider::Plivo => id.to_string(),
        _ => format!("{prefix}{}", id.simple()),
    }
}

/// The carrier and the UUID of an id that [`id`] made; none for any other, such as a real call's.
pub(crate) fn read_id(prefix: &str, text: &str) -> Option<(Provider, Uuid)> {
    let (provider, inner) = match text.strip_prefix(prefix) {
        Some(rest) => (Provider::Twilio, rest),
        None => (Provider::Plivo, text),
    };
    let inner = Uuid::parse_str(inner).ok().filter(|inner| inner.get_version_num() == 7)?;
    (id(provider, prefix, inner) == text).then_some((provider, inner))
}

/// When a UUIDv7 was made, to the millisecond.
pub(crate) fn made_at(id: Uuid) -> DateTime<Utc> {
    crate::domain::id::EventId::from(id).time()
}

/// Whether something new may begin with this id now.
pub(crate) fn is_fresh(id: Uuid, now: DateTime<Utc>) -> bool {
    (now - made_at(id)).num_seconds().abs() <= FRESH_S
}

impl Call {
    /// When it began.
    pub(crate) fn began(&self) -> Option<DateTime<Utc>> {
        read_id("CA", &self.id).map(|(_, id)| made_at(id))
    }

    /// Another id of this call's, always the same for the same `of`: what is sent twice is the same request.
    fn derived(&self, prefix: &str, of: &str) -> String {
        let digest = Sha256::digest(format!("{}:{prefix}:{of}", self.id));
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        id(self.provider, prefix, uuid::Builder::from_random_bytes(bytes).into_uuid())
    }

    fn account(&self) -> String {
        let made_up = if self.provider == Provider::Plivo { PLIVO_ACCOUNT } else { TWILIO_ACCOUNT };
        self.account.clone().unwrap_or_else(|| made_up.to_owned())
    }

    /// A number as this carrier writes it.
    fn number(&self, number: &str) -> String {
        let bare = if self.provider == Provider::Plivo { number.trim_start_matches('+') } else { number };
        bare.to_owned()
    }
}

/// Names and values of a form, in order.
type Fields = Vec<(&'static str, String)>;

/// A request before it is signed.
#[derive(Clone)]
pub(crate) struct Request {
    endpoint: Endpoint,
    /// The position token; none for what begins.
    token: Option<String>,
    fields: Fields,
}

/// A request as it is sent.
pub(crate) struct Signed {
    pub(crate) path_and_query: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// A form.
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// The same, really signed as its provider signs. `origin` is the public one, `nonce` makes it single (Plivo).
    pub(crate) fn signed(&self, origin: &str, secret: &SecretString, nonce: &str) -> Signed {
        let query = self.token.as_ref().map(|token| format!("?t={token}")).unwrap_or_default();
        let path_and_query = format!("{}{query}", self.endpoint.path());
        let url = format!("{origin}{path_and_query}");
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.fields).finish();
        let params = Params::from_form(form.as_bytes());
        let headers = match self.endpoint.provider() {
            Provider::Plivo => vec![
                (plivo::V3, plivo::sign_v3(secret, &url, &params, nonce)),
                (plivo::V3_NONCE, nonce.to_owned()),
            ],
            _ => vec![(twilio::HEADER, twilio::sign(secret, &url, &params))],
        };
        Signed { path_and_query, headers, body: form.into_bytes() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_id_of_its_own_is_read() {
        let now = DateTime::from_timestamp(1_794_744_000, 0).unwrap();
        let own = crate::domain::id::EventId::new(now).uuid();
        for (provider, prefix) in
            [(Provider::Twilio, "CA"), (Provider::Plivo, "CA"), (Provider::Twilio, "SM")]
        {
            assert_eq!(read_id(prefix, &id(provider, prefix, own)), Some((provider, own)));
        }
        assert!(made_at(own) == now && is_fresh(own, now));
        assert!(!is_fresh(own, now + chrono::TimeDelta::days(2)));
        for other in [
            "CAc93bf9a243a391a65da5b60116ee9a5c",
            "2e3f209d-4f2b-4346-a7dd-e08e3c9585f1",
            "CA",
            "",
            &own.simple().to_string(),
        ] {
            assert_eq!(read_id("CA", other), None, "{other}");
        }
    }

    #[test]
    fn what_is_told_twice_is_told_alike() {
        let call = |provider| Call {
            provider,
            id: id(provider, "CA", crate::domain::id::EventId::new(DateTime::UNIX_EPOCH).uuid()),
            account: None,
            from: "+14155550100".to_owned(),
            to: Phone::read("+14155550199"),
        };
        for provider in [Provider::Twilio, Provider::Plivo] {
            let call = call(provider);
            assert_eq!(call.derived("RE", "T1"), call.derived("RE", "T1"));
            assert_ne!(call.derived("RE", "T1"), call.derived("RE", "T2"));
            assert_ne!(call.derived("RE", "T1"), call.derived("CA", "T1"));
            assert_eq!(read_id("RE", &call.derived("RE", "T1")), None, "and begins nothing");
        }
    }
}
