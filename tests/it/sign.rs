//! The providers' signatures, written a second time from their documentation, so that an error of the verifier is not
//! repeated by what tests it. Nothing here is taken from the service.
//!
//! Sources: Stripe docs, "Verify webhook signatures"; Twilio docs, "Webhooks security"; Plivo docs, "Signature
//! validation". The triples in the tests below were published with the providers' libraries.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use crate::house::{NOW, ORIGIN, PLIVO_TOKEN, STRIPE_SECRET, TWILIO_TOKEN};
use crate::wire::Ask;

impl Ask {
    /// Signs as Stripe does, now.
    pub(crate) fn by_stripe(self) -> Self {
        self.by_stripe_at(NOW)
    }

    /// Signs as Stripe does, at that second.
    pub(crate) fn by_stripe_at(self, at: i64) -> Self {
        let signature = stripe(STRIPE_SECRET, at, &self.body);
        self.replaced("Stripe-Signature", signature)
    }

    /// Signs as Twilio does: a form by its fields, JSON by its digest in the query.
    pub(crate) fn by_twilio(self) -> Self {
        self.by_twilio_with(TWILIO_TOKEN, ORIGIN)
    }

    /// The same with another token or for another origin.
    pub(crate) fn by_twilio_with(mut self, token: &str, origin: &str) -> Self {
        let fields = if self.is_json() {
            let separator = if self.target.contains('?') { '&' } else { '?' };
            self.target =
                format!("{}{separator}bodySHA256={}", self.target, hex(&Sha256::digest(&self.body)));
            Vec::new()
        } else {
            fields(&self.body)
        };
        let signature = twilio(token, &format!("{origin}{}", self.target), fields);
        self.replaced("X-Twilio-Signature", signature)
    }

    /// Signs as Plivo does in its third version: form fields, the members of a JSON object, or the query of a GET.
    pub(crate) fn by_plivo(self) -> Self {
        self.by_plivo_with("X-Plivo-Signature-V3", PLIVO_TOKEN, "05429567804466091622")
    }

    /// The same in another header, with another token or nonce.
    pub(crate) fn by_plivo_with(self, header: &str, token: &str, nonce: &str) -> Self {
        let fields = if self.is_json() { members(&self.body) } else { fields(&self.body) };
        let signature = plivo_v3(token, &format!("{ORIGIN}{}", self.target), fields, nonce);
        self.replaced(header, signature).replaced("X-Plivo-Signature-V3-Nonce", nonce)
    }

    /// Signs as Plivo does in its second version, in that header.
    pub(crate) fn by_plivo_v2(self, header: &str, nonce: &str) -> Self {
        let signature = plivo_v2(PLIVO_TOKEN, &format!("{ORIGIN}{}", self.target), nonce);
        self.replaced(header, signature).replaced("X-Plivo-Signature-V2-Nonce", nonce)
    }

    fn is_json(&self) -> bool {
        self.headers.iter().any(|(name, value)| name == "Content-Type" && value.contains("json"))
    }
}

type Fields = Vec<(String, String)>;

/// `t=<seconds>,v1=<hex>` over seconds, a full stop and the body.
pub(crate) fn stripe(secret: &str, at: i64, body: &[u8]) -> String {
    let text = [at.to_string().as_bytes(), b".", body].concat();
    format!("t={at},v1={}", hex(&sha256_mac(secret, &text)))
}

/// The URL, then each distinct field in order, name and value without anything between.
pub(crate) fn twilio(token: &str, url: &str, mut fields: Fields) -> String {
    fields.sort();
    fields.dedup();
    let mut mac = Hmac::<Sha1>::new_from_slice(token.as_bytes()).unwrap();
    mac.update(url.as_bytes());
    for (name, value) in fields {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    STANDARD.encode(mac.finalize().into_bytes())
}

/// The URL with its query decoded and in order, the fields in order, the nonce; see the table in Plivo's libraries for
/// the signs between them.
pub(crate) fn plivo_v3(token: &str, url: &str, mut given: Fields, nonce: &str) -> String {
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let mut query = fields(query.as_bytes());
    query.sort();
    given.sort();
    let query: Vec<_> = query.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut text = base.to_owned();
    if !query.is_empty() || !given.is_empty() {
        text.push('?');
    }
    text.push_str(&query.join("&"));
    if !query.is_empty() && !given.is_empty() {
        text.push('.');
    }
    for (name, value) in given {
        text.push_str(&name);
        text.push_str(&value);
    }
    STANDARD.encode(sha256_mac(token, format!("{text}.{nonce}").as_bytes()))
}

/// The URL without its query, and the nonce: neither parameters nor body.
pub(crate) fn plivo_v2(token: &str, url: &str, nonce: &str) -> String {
    let base = url.split('?').next().unwrap();
    STANDARD.encode(sha256_mac(token, format!("{base}{nonce}").as_bytes()))
}

fn sha256_mac(key: &str, text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The fields of a form or query: `+` is a blank, `%` and two digits a byte, a name may go without `=`.
fn fields(text: &[u8]) -> Fields {
    let pairs = text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let cut = pair.iter().position(|byte| *byte == b'=');
            let (name, value) = cut.map_or((pair, &b""[..]), |cut| (&pair[..cut], &pair[cut + 1..]));
            (decoded(name), decoded(value))
        })
        .collect()
}

fn decoded(text: &[u8]) -> String {
    let digit = |at: usize| text.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut bytes = Vec::new();
    let mut at = 0;
    while at < text.len() {
        match (text[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(u8::try_from(high * 16 + low).unwrap());
                at += 2;
            }
            (b'+', ..) => bytes.push(b' '),
            (byte, ..) => bytes.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The top level of a JSON object: text as it is, anything else as JSON writes it.
fn members(body: &[u8]) -> Fields {
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(body).unwrap();
    object
        .into_iter()
        .map(|(name, value)| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            (name, text)
        })
        .collect()
}

#[test]
fn the_signer_agrees_with_published_triples() {
    let form =
        b"CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&From=%2B14158675309&To=%2B18005551212";
    let url = "https://mycompany.com/myapp.php?foo=1&bar=2";
    assert_eq!(twilio("12345", url, fields(form)), "RSOYDt4T1cUTdK1PDd93/VVr8B8=");

    let leg = "3e82ae9d-2c78-4d85-b1a4-6eae7dbafb36";
    let form = format!(
        "Direction=outbound&From=19792014278&ALegUUID={leg}&CallStatus=in-progress&BillRate=0.002\
         &ParentAuthID=MANWVLYTK4ZWU1YTY4QA\
         &To=sip%3APlivoSignature382029104058171078704104%40phone-qa.voice.plivodev.com\
         &ALegRequestUUID={leg}&CallUUID={leg}&RequestUUID={leg}\
         &SIP-H-To=%3Csip%3APlivoSignature382029104058171078704104%4052.9.11.55%3Btransport%3Dudp%3E%3Btag%3D1\
         &SessionStart=2020-04-08+11%3A34%3A33.238707&Event=StartApp"
    );
    let (token, nonce) = ("Y2Q2ZDgxZmY5YWRiOTI5YmQ1Njg0MTAxZWIyOTc4", "31627761595286130198");
    let base = "https://plivobin.non-prod.plivops.com/api/v1/validate_signature03.xml";
    for (case, query, expected) in [
        ("with a query", "/?a=b&c=d", "k7Pusd4OxCIjR5IfA9iedDNu/h/gbdYqdzG/MiYtd1c="),
        ("without", "", "iAjE5QqI37mbkYe4w3jTMudqEzbDufdqi7sYwTu64e0="),
    ] {
        let url = format!("{base}{query}");
        assert_eq!(plivo_v3(token, &url, fields(form.as_bytes()), nonce), expected, "{case}");
    }
    // A GET has them all in the query.
    let url = format!("{base}?{form}");
    assert_eq!(plivo_v3(token, &url, Vec::new(), nonce), "i/MQsaQSAd6fiKhOh2qeeeLHZ9faldADSb3/7+Akfbc=");
    let signature = plivo_v2("my_auth_token", "https://answer.url:8000", "12345");
    assert_eq!(signature, "Gm7Z7AGBmf5JpSHrtUmeofrGyA4xV0ZiV0rH8JPXWGU=");

    // Stripe publishes none; this one is from `openssl dgst -sha256 -hmac`.
    assert_eq!(
        stripe("whsec_test", 1_760_000_000, br#"{"id":"evt_1"}"#),
        "t=1760000000,v1=66e880d7175fffb43ce10c4e14db1cfb230c8804b5aafb116affbc9a836c7690"
    );
}
