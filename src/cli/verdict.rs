//! Whether an answer is the one that a webhook must get.

use super::client::Reply;
use crate::provider::Endpoint;

/// What a request should be answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// Taken: 2xx, with the document that the endpoint owes.
    Taken,
    /// Refused with 401 and this code.
    Refused(&'static str),
}

impl Expected {
    /// Compares the answer; both sides are words for a person, the second says what is wrong.
    ///
    /// # Errors
    /// When the answer is another one.
    pub(super) fn judge(self, endpoint: Endpoint, reply: &Reply) -> Result<String, String> {
        match self {
            Self::Taken => taken(endpoint, reply),
            Self::Refused(code) => refused(code, reply),
        }
    }
}

/// Judges the answer to a genuine request. Call control and texts are owed XML, Stripe JSON, the others nothing.
fn taken(endpoint: Endpoint, reply: &Reply) -> Result<String, String> {
    let owes_document = match endpoint {
        Endpoint::TwilioStatus | Endpoint::PlivoHangup => false,
        Endpoint::Stripe
        | Endpoint::TwilioVoice
        | Endpoint::TwilioSms
        | Endpoint::PlivoAnswer
        | Endpoint::PlivoSms => true,
    };
    if reply.status != 200 && (owes_document || reply.status != 204) {
        return Err(format!("expected 200, not {}{}", told(reply), suspicion(reply)));
    }
    if reply.body.is_empty() && !owes_document {
        return Ok("taken, nothing to say".into());
    }
    if endpoint == Endpoint::Stripe {
        return match reply.json() {
            serde_json::Value::Null => Err("expected JSON, and the body is none".into()),
            _ => Ok("taken, JSON".into()),
        };
    }
    xml(reply)
}

/// Parses a document of call control: the root is `Response` and the media type says that it is XML.
fn xml(reply: &Reply) -> Result<String, String> {
    if !matches!(reply.media_type.as_str(), "text/xml" | "application/xml") {
        return Err(format!("expected text/xml, not `{}`", reply.media_type));
    }
    let text = std::str::from_utf8(&reply.body).map_err(|_| "the XML is not UTF-8".to_owned())?;
    let document = roxmltree::Document::parse(text).map_err(|cause| format!("broken XML: {cause}"))?;
    match document.root_element().tag_name().name() {
        "Response" => Ok(format!("taken, XML, root Response, {} bytes", text.len())),
        other => Err(format!("expected the root Response, not {other}")),
    }
}

fn refused(code: &str, reply: &Reply) -> Result<String, String> {
    let problem = reply.json();
    let right = reply.status == 401
        && problem.get("code").is_some_and(|given| given == code)
        && problem.get("status").is_some_and(|status| status == 401);
    if !right {
        return Err(format!("expected 401 {code}, not {}", told(reply)));
    }
    match reply.media_type.as_str() {
        "application/problem+json" => Ok(format!("refused ({code})")),
        other => Err(format!("refused ({code}), but as `{other}` instead of application/problem+json")),
    }
}

/// Status and code of an answer that was not expected, and what would mend it, whatever was sent.
fn told(reply: &Reply) -> String {
    let code = reply.code();
    let advice = match code.as_deref() {
        Some("config_missing") => ": the service lacks this provider's secret or its PUBLIC_URL",
        Some("rate_limited") => ": too many refusals from here, run it again later",
        _ => "",
    };
    let wait = reply.retry_after.map(|seconds| format!(" (retry after {seconds} s)")).unwrap_or_default();
    format!("{}{}{wait}{advice}", reply.status, code.map(|code| format!(" {code}")).unwrap_or_default())
}

/// Why a request that was meant to be genuine may have been refused.
fn suspicion(reply: &Reply) -> &'static str {
    match reply.code().as_deref() {
        Some("signature_mismatch") => {
            ": is the secret the service's own, and is its PUBLIC_URL the one signed here (--public-url)?"
        }
        Some("timestamp_out_of_tolerance") => {
            ": this machine's clock and the service's differ by over 5 minutes"
        }
        Some("account_mismatch") => ": set TWILIO_ACCOUNT_SID or PLIVO_AUTH_ID as the service has it",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn reply(status: u16, media_type: &str, body: &str) -> Reply {
        Reply {
            status,
            took: Duration::from_millis(1),
            media_type: media_type.into(),
            retry_after: None,
            event: None,
            body: body.to_owned().into(),
        }
    }

    #[test]
    fn taken_means_the_document_that_is_owed() {
        for (case, endpoint, reply, right) in [
            ("voice", Endpoint::TwilioVoice, reply(200, "text/xml", "<Response/>"), true),
            ("voice without document", Endpoint::TwilioVoice, reply(204, "", ""), false),
            ("empty voice", Endpoint::PlivoAnswer, reply(200, "text/xml", ""), false),
            ("another root", Endpoint::PlivoAnswer, reply(200, "text/xml", "<Answer/>"), false),
            ("broken", Endpoint::TwilioSms, reply(200, "text/xml", "<Response>"), false),
            (
                "blank before the declaration",
                Endpoint::TwilioSms,
                reply(200, "text/xml", " <?xml version=\"1.0\"?><Response/>"),
                false,
            ),
            ("as text", Endpoint::PlivoSms, reply(200, "text/plain", "<Response/>"), false),
            ("status", Endpoint::TwilioStatus, reply(204, "", ""), true),
            (
                "hangup with document",
                Endpoint::PlivoHangup,
                reply(200, "application/xml", "<Response/>"),
                true,
            ),
            ("hangup redirected", Endpoint::PlivoHangup, reply(302, "", ""), false),
            ("payment", Endpoint::Stripe, reply(200, "application/json", "{}"), true),
            ("payment without JSON", Endpoint::Stripe, reply(200, "text/html", "ok"), false),
        ] {
            let verdict = Expected::Taken.judge(endpoint, &reply);
            assert_eq!(verdict.is_ok(), right, "{case}: {verdict:?}");
        }
    }

    #[test]
    fn refused_means_that_status_code_and_type() {
        const PROBLEM: &str = "application/problem+json";
        let expected = Expected::Refused("signature_missing");
        for (case, reply, right) in [
            ("right", reply(401, PROBLEM, r#"{"status":401,"code":"signature_missing"}"#), true),
            ("taken", reply(200, "text/xml", "<Response/>"), false),
            ("another status", reply(403, PROBLEM, r#"{"status":403,"code":"signature_missing"}"#), false),
            (
                "another status inside",
                reply(401, PROBLEM, r#"{"status":400,"code":"signature_missing"}"#),
                false,
            ),
            ("another code", reply(401, PROBLEM, r#"{"status":401,"code":"signature_mismatch"}"#), false),
            ("no code", reply(401, PROBLEM, r#"{"status":401}"#), false),
            ("another type", reply(401, "text/plain", r#"{"status":401,"code":"signature_missing"}"#), false),
        ] {
            let verdict = expected.judge(Endpoint::TwilioVoice, &reply);
            assert_eq!(verdict.is_ok(), right, "{case}: {verdict:?}");
        }
        let closed = reply(503, PROBLEM, r#"{"status":503,"code":"config_missing"}"#);
        let cause = expected.judge(Endpoint::Stripe, &closed).unwrap_err();
        assert!(cause.contains("not 503 config_missing: the service lacks"), "{cause}");
    }
}
