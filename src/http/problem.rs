//! The catalogue of refusals: what a sender is told, and what the documentation says of it. `docs/errors.md` is
//! written from it.

use std::fmt::Write as _;

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

/// A refusal, before it has become a response.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    /// Which one.
    pub(crate) code: Code,
    /// Members beside the standard ones, e.g. `fields`.
    pub(crate) more: Map<String, Value>,
}

impl Problem {
    /// The body: RFC 9457 problem JSON, whose type is the page at `origin` that explains it, and whose instance is the page
    /// of the console that tells of a refusal which was noted. Within one code it is always the same but for the request id,
    /// and for what `more` adds from the sender's own request.
    pub(crate) fn body(&self, origin: &str, request_id: &str) -> Value {
        let entry = self.code.entry();
        let mut body = json!({
            "type": format!("{origin}{}", page_of(entry.code)),
            "title": entry.title,
            "status": entry.status,
            "code": entry.code,
            "detail": entry.detail,
            "instance": format!("{origin}/console/refused/{request_id}"),
            "request_id": request_id,
        });
        if self.code.is_for_clients() {
            body["hint"] = entry.fix.into();
        }
        if let Value::Object(members) = &mut body {
            members.extend(self.more.clone());
        }
        body
    }
}

/// Where the page of a code is.
pub(crate) fn page_of(code: &str) -> String {
    format!("/docs/errors/{code}")
}

impl From<Code> for Problem {
    fn from(code: Code) -> Self {
        Self { code, more: Map::new() }
    }
}

/// A line of the catalogue.
pub(crate) struct Entry {
    pub(crate) code: &'static str,
    pub(crate) status: u16,
    pub(crate) title: &'static str,
    /// For whoever reads the provider's log. Tells no more than the sender knew.
    pub(crate) detail: &'static str,
    /// For the operator; stands in the documentation.
    pub(crate) fix: &'static str,
}

macro_rules! catalogue {
    ($($variant:ident $code:literal $status:literal $title:literal { $detail:literal } { $fix:literal })*) => {
        /// The stable codes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Code { $(#[doc = $title] $variant,)* }

        impl Code {
            /// Every code, in the order of the documentation.
            pub(crate) const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its line of the catalogue.
            pub(crate) fn entry(self) -> Entry {
                match self {
                    $(Self::$variant => Entry {
                        code: $code, status: $status, title: $title, detail: $detail, fix: $fix,
                    },)*
                }
            }
        }
    };
}

catalogue! {
    SignatureMissing "signature_missing" 401 "The request carries no signature" {
        "This endpoint takes requests that the provider has signed. This one has no signature header."
    } {
        "If the provider sent it, a proxy strips headers. If you sent it by hand, sign it: `smartline sign … --curl` \
         prints the signed command. `smartline dev` takes unsigned requests from the same machine."
    }
    SignatureMismatch "signature_mismatch" 401 "The signature does not match" {
        "No configured secret made this signature for this address and content."
    } {
        "Compare PUBLIC_URL with the URL in the provider's console, letter by letter; then the secret: Stripe's is the \
         endpoint's own (or that of `stripe listen`), Twilio's and Plivo's the primary auth token of the account that \
         owns the number. `smartline explain req_…`, with the request_id of the answer, tries what may have been \
         different and names the one change that would have matched."
    }
    TimestampOutOfTolerance "timestamp_out_of_tolerance" 401 "The signature is too old or from the future" {
        "The signed time is more than 300 seconds away from now."
    } {
        "Set the machine's clock by NTP. A request that was recorded and sent again is refused for this reason, too."
    }
    AccountMismatch "account_mismatch" 401 "The request is of another account" {
        "The request names an account that is not configured here."
    } {
        "Add the account to TWILIO_ACCOUNT_SID or PLIVO_AUTH_ID (commas between), or point that account elsewhere."
    }
    KeyRequired "key_required" 401 "A key is needed" {
        "From elsewhere than its own machine, the service shows this to the holder of its key alone."
    } {
        "Send SMARTLINE_API_KEY as `Authorization: Bearer …`, or ask from the machine itself, by a loopback address and \
         past any proxy. The log line of the request names the exact cause, such as a SMARTLINE_API_KEY that is not set."
    }
    ScopeMissing "scope_missing" 403 "The key may not do this" {
        "The key is good, but lacks the scope that the answer names."
    } {
        "Make a key that has it: `smartline keys create --scope …`. A key's scopes cannot be changed."
    }
    ParameterInvalid "parameter_invalid" 400 "A parameter is not understood" {
        "The answer lists in `fields` each parameter or member of the body that is wrong, and what is wrong with it."
    } {
        "Compare them with the reference at /api/v1/openapi.json. Unknown parameters are refused, since a filter that is \
         passed over would show too much."
    }
    FieldsInvalid "fields_invalid" 422 "What was sent has faults" {
        "It can be read, and not be done. The answer lists in `fields` what is wrong and where."
    } {
        "Mend every entry of `fields`: `name` says where, `reason` what. `smartline flow check FILE` tells the same of a \
         flow before it is sent."
    }
    InTheWay "in_the_way" 409 "What is there already is in the way" {
        "The answer says in `reason` what is in the way."
    } {
        "Look at what is there: a line has one number at one provider, and what was never published cannot be taken back."
    }
    ChangedMeanwhile "changed_meanwhile" 412 "It has changed since it was read" {
        "If-Match names another state than the present one. Nothing was changed."
    } {
        "Read it again, look at what has changed, and send the change with the new ETag."
    }
    IdempotencyKeyInUse "idempotency_key_in_use" 409 "The same request is under way" {
        "A request with this Idempotency-Key has not been answered yet."
    } {
        "Send it again in a second: it gets the answer of the first."
    }
    IdempotencyKeyReused "idempotency_key_reused" 422 "The Idempotency-Key belongs to another request" {
        "Within 24 hours a key stands for one request: the same path and the same body."
    } {
        "Make a new key for each request, and use it again only to repeat that one."
    }
    TooManyStreams "too_many_streams" 503 "Too many streams are open" {
        "One process serves 32 streams at a time."
    } {
        "Close streams that nobody looks at, or ask the lists now and then."
    }
    NoSuchObject "no_such_object" 404 "There is no such thing" {
        "The path is right, but what it names is not here."
    } {
        "Compare the id. What retention has removed is gone."
    }
    FormRefused "form_refused" 403 "The form was not sent from a page of the console" {
        "Nothing was changed. Open the page again, and press the button there."
    } {
        "It was sent by another site, or from a page that was open since before you signed in again. Behind a proxy, \
         PUBLIC_URL must be the address in the browser."
    }
    KeyRateLimited "key_rate_limited" 429 "This key asks too much" {
        "A key may ask 50 times a second, and 100 times at once."
    } {
        "Wait as long as Retry-After says; ask for longer pages."
    }
    DatabaseUnavailable "database_unavailable" 503 "The database does not answer" {
        "What is asked for lies in the database, which did not answer in time."
    } {
        "Look at the database; the log line of the request names the cause. Calls and texts are answered meanwhile."
    }
    ConfigMissing "config_missing" 503 "The endpoint is not configured" {
        "The secret that this endpoint needs is not set, so nothing can be verified."
    } {
        "Set the variables that the start names in its log, and restart."
    }
    BodyTooLarge "body_too_large" 413 "The body is too large" {
        "The body is larger than 1 MiB."
    } {
        "No provider sends such a body. Look at who does."
    }
    BodyTimeout "body_timeout" 408 "The body did not arrive in time" {
        "The whole body must arrive within 15 seconds."
    } {
        "Look at the network between the provider and the service."
    }
    UnsupportedMediaType "unsupported_media_type" 415 "The body is of a type that is not taken here" {
        "Send a webhook's form or JSON, or the API's JSON, uncompressed, with its Content-Type; a GET has no body."
    } {
        "To the API: `curl --json`, or the header `Content-Type: application/json`. Providers send webhooks as they should by \
         themselves; a proxy may be compressing or rewriting bodies."
    }
    BodyMalformed "body_malformed" 400 "The body cannot be read" {
        "The body is not what its Content-Type says."
    } {
        "Send valid JSON. Of the webhooks only unsigned requests to `smartline dev` are held to this; a genuine one is \
         kept as it is."
    }
    BadRequest "bad_request" 400 "The body is framed wrongly" {
        "The body is not framed as its Transfer-Encoding says, or broke off."
    } {
        "No provider sends such a body. Look at the network between the provider and the service."
    }
    RateLimited "rate_limited" 429 "Too many refused requests" {
        "Too many requests from this address were refused. Correctly signed ones are never limited."
    } {
        "Mend what was refused before: the log names each cause. Behind a proxy, set SMARTLINE_TRUSTED_PROXY_HOPS, or \
         all clients share the proxy's budget."
    }
    SourceNotAllowed "source_not_allowed" 403 "The source address is not on the list" {
        "This endpoint only takes requests from listed networks."
    } {
        "Add the provider's network to SMARTLINE_ALLOW_*, or write `report:` before the list to only log outsiders."
    }
    HttpsRequired "https_required" 403 "The endpoint needs https" {
        "The request came over plain http. Call the https address."
    } {
        "Write https:// in the provider's console."
    }
    NotFound "not_found" 404 "Nothing is here" {
        "This path is not served."
    } {
        "Compare the path with the seven webhook paths; the answer names the nearest."
    }
    MethodNotAllowed "method_not_allowed" 405 "The method is not allowed" {
        "This path answers the methods in the Allow header."
    } {
        "Set the method to POST in the provider's console."
    }
    Overloaded "overloaded" 503 "Too much at once" {
        "Nothing was stored. Send it again later."
    } {
        "More requests wait to be kept than may: the machine or the database is too small for this load. Calls go first, \
         and Stripe sends the event again by itself."
    }
    Unavailable "unavailable" 503 "The event cannot be kept right now" {
        "Nothing was stored. Send it again later."
    } {
        "The database did not answer in time; the log names the cause. Stripe sends the event again by itself."
    }
    Internal "internal" 500 "Something went wrong here" {
        "The request failed for a reason of our own."
    } {
        "Search the log for the request id, and report it as a bug."
    }
}

impl Code {
    /// Its HTTP status.
    pub(crate) fn status(self) -> StatusCode {
        StatusCode::from_u16(self.entry().status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Whether what mends it is for whoever asks the API, and so stands in the answer as well.
    fn is_for_clients(self) -> bool {
        matches!(
            self,
            Self::ScopeMissing
                | Self::ParameterInvalid
                | Self::FieldsInvalid
                | Self::InTheWay
                | Self::ChangedMeanwhile
                | Self::IdempotencyKeyInUse
                | Self::IdempotencyKeyReused
                | Self::TooManyStreams
                | Self::NoSuchObject
                | Self::KeyRateLimited
        )
    }

    /// Whether it says that a signature was missing, wrong or too old.
    pub(crate) fn is_of_a_signature(self) -> bool {
        matches!(self, Self::SignatureMissing | Self::SignatureMismatch | Self::TimestampOutOfTolerance)
    }

    /// The code that has this name; [`Code::Internal`] for a name that has none.
    pub(crate) fn named(name: &str) -> Self {
        Self::ALL.iter().copied().find(|code| code.entry().code == name).unwrap_or(Self::Internal)
    }
}

/// What an operator is to do about the code with this name.
pub(crate) fn fix_of(code: &str) -> &'static str {
    Code::named(code).entry().fix
}

/// The text of `docs/errors.md`.
pub(crate) fn reference_page() -> String {
    let mut text = String::from(
        "# Errors\n\n\
         Every refusal is RFC 9457 problem JSON with a stable `code` and a `request_id` that stands in the log line\n\
         with the exact cause; its `type` leads to the same text as here, at `/docs/errors/…` of the service, and its\n\
         `instance` to the console's page of the refusal, where it was noted. What is wrong with what was sent stands in\n\
         `fields`, all of it, each with `name` and `reason`. Within one code the body is otherwise always the same, so that\n\
         it tells an attacker nothing. This page is written from the catalogue in `src/http/problem.rs`.\n",
    );
    for code in Code::ALL {
        let Entry { code, status, title, detail, fix } = code.entry();
        let _ = write!(text, "\n## `{code}`\n\n**{status}** {title}. {detail}\n\n{fix}\n");
    }
    text
}
