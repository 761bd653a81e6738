//! What happened, in plain words.

use super::parts::{Row, Tone};
use crate::provider::{Endpoint, RECOVERED};

/// A kind of event in a few words.
pub(super) fn kind(kind: &str) -> &str {
    match kind {
        "checkout.session.completed" => "Checkout completed",
        "customer.subscription.created" => "Subscription started",
        "customer.subscription.updated" => "Subscription changed",
        "customer.subscription.deleted" => "Subscription ended",
        "invoice.payment_succeeded" | "invoice.paid" => "Payment received",
        "invoice.payment_failed" => "Payment failed",
        "twilio.voice" | "plivo.answer" => "Call asks what to do",
        "twilio.call.status" | "twilio.status" => "Call status",
        "plivo.hangup" => "Call hung up",
        "twilio.sms" | "plivo.sms" => "Text came in",
        "twilio.message.status" | "plivo.message.status" => "Text delivery",
        "twilio.recording" | "plivo.recording" => "Recording ready",
        "twilio.transcription" => "Transcription",
        "twilio.stream" => "Audio stream",
        _ => kind,
    }
}

/// The headline of an event: who said what of whom, and what we made of it.
pub(super) fn headline(row: &Row) -> String {
    let provider = super::parts::capital(row.text("provider"));
    let said = match row.text("type") {
        "checkout.session.completed" => format!("{provider} says that a customer has completed a checkout."),
        "customer.subscription.created" => format!("{provider} says that a subscription has started."),
        "customer.subscription.updated" => format!("{provider} says that a subscription has changed."),
        "customer.subscription.deleted" => format!("{provider} says that a subscription has ended."),
        "invoice.payment_succeeded" | "invoice.paid" => format!("{provider} says that an invoice was paid."),
        "invoice.payment_failed" => format!("{provider} says that a payment has failed."),
        "twilio.voice" | "plivo.answer" => format!("{provider} asked what to do with a call, and was told."),
        "twilio.call.status" | "twilio.status" => format!("{provider} tells how a call is going."),
        "plivo.hangup" => format!("{provider} says that a call has ended."),
        "twilio.sms" | "plivo.sms" => format!("{provider} brought a text."),
        "twilio.message.status" | "plivo.message.status" => {
            format!("{provider} tells how far a text of ours has come.")
        }
        "twilio.recording" | "plivo.recording" => format!("{provider} has a recording ready."),
        "twilio.transcription" => format!("{provider} has written down what was said."),
        "twilio.stream" => format!("{provider} tells of an audio stream."),
        other => format!("{provider} sent {other}, which is kept; no table is made of it."),
    };
    match row.text("signed_by") {
        "unsigned" => {
            format!("{said} Nobody signed this: it was sent from this machine to the development service.")
        }
        "simulated" => format!("{said} It was made up by this console, and really signed."),
        RECOVERED => format!("{said} No webhook brought it; it was found in the provider's list later."),
        _ => said,
    }
}

/// How far an event can be trusted.
pub(super) fn trust(signed_by: &str) -> (Tone, &'static str) {
    match signed_by {
        "unsigned" => (Tone::Warn, "Unsigned"),
        "simulated" => (Tone::Wait, "Simulated"),
        RECOVERED => (Tone::Plain, "Recovered"),
        _ => (Tone::Good, "Verified"),
    }
}

/// Where the work on an event stands.
pub(super) fn work(state: &str) -> (Tone, &'static str) {
    match state {
        "dead" => (Tone::Bad, "Given up"),
        "retrying" => (Tone::Warn, "Retrying"),
        "waiting" => (Tone::Wait, "Waiting"),
        _ => (Tone::Good, "Done"),
    }
}

/// What a flag means.
pub(super) fn flag(flag: &str) -> &str {
    match flag {
        "other_app" => "It names another app than the configured one.",
        "by_get" => "It came by GET: set the method to POST in the provider's console.",
        _ => flag,
    }
}

/// How a signature of this provider is made.
pub(super) fn scheme(endpoint: &str) -> &'static str {
    match endpoint.split('/').next().unwrap_or_default() {
        "stripe" => "HMAC-SHA256 over the time and the raw body, in Stripe-Signature",
        "twilio" => "HMAC-SHA1 over the URL and every parameter, in X-Twilio-Signature",
        _ => "HMAC-SHA256 over the URL, a nonce and every parameter, in X-Plivo-Signature-V3",
    }
}

/// Why a request was refused, in a sentence, and what would mend it.
pub(super) fn refusal(code: &str, cause: &str, endpoint: &str) -> (String, String) {
    let provider = super::parts::capital(endpoint.split('/').next().unwrap_or_default());
    let signs_address = provider != "Stripe";
    let sentence = match code {
        "signature_missing" => {
            format!("It carried no {provider} signature, so nothing shows that {provider} sent it.")
        }
        "signature_mismatch" if signs_address => {
            "It was signed, but not with a token of ours for an address of ours.".to_owned()
        }
        "signature_mismatch" => "It was signed, but with none of the configured signing secrets.".to_owned(),
        "timestamp_out_of_tolerance" => {
            "The signature is right in form, but was made too long ago, or lies in the future.".to_owned()
        }
        "account_mismatch" => {
            "The signature is right, but the request is about an account that is not configured.".to_owned()
        }
        "config_missing" => {
            format!("There is no secret for {provider} here, so nothing of it can be verified.")
        }
        "unsupported_media_type" => "Its body is of a type that no signature covers.".to_owned(),
        "key_required" => "Somebody asked for the figures without the key.".to_owned(),
        "method_not_allowed" => "It came by a method that this path does not answer.".to_owned(),
        "not_found" => format!("{provider} signed it, as it seems, and called a path that is none."),
        "body_too_large" => "Its body was larger than any provider sends.".to_owned(),
        "source_not_allowed" => format!("It did not come from a network on the list for {provider}."),
        _ => "It was refused.".to_owned(),
    };
    let fix = match code {
        "signature_missing" => {
            "Sent by hand? Sign it with `smartline sign`. If the provider did send it, a proxy strips headers."
        }
        "signature_mismatch" if cause.contains("PUBLIC_URL") => {
            "Compare PUBLIC_URL with the address in the provider's console letter by letter, then the auth token."
        }
        "signature_mismatch" if cause.contains("STRIPE") => {
            "Copy the endpoint's own signing secret (whsec_…) into STRIPE_WEBHOOK_SECRET. `stripe listen` has one of its own; both may stand there."
        }
        "signature_mismatch" => "The cause above names what is wrong with the signature itself.",
        "timestamp_out_of_tolerance" => {
            "Set this machine's clock by NTP. A recorded request that is sent again is refused for this, too."
        }
        "account_mismatch" => {
            "Add the account to TWILIO_ACCOUNT_SID or PLIVO_AUTH_ID, or point that account elsewhere."
        }
        "config_missing" => "Set the variables that Setup names, and restart.",
        "not_found" => "Copy the address from Setup into the provider's console.",
        "method_not_allowed" => "Set the method to POST in the provider's console.",
        "source_not_allowed" => "Add the network to SMARTLINE_ALLOW_…, or write report: before the list.",
        _ => "The error page of the documentation says more about this code.",
    };
    (sentence, fix.to_owned())
}

/// Something owed, in a few words.
pub(super) fn owed(row: &Row) -> &'static str {
    match (row.text("kind"), row.text("reason")) {
        ("text", "missed") => "Text after a missed call",
        ("text", "notice") => "Notice to the owner",
        ("text", "agent") => "An agent's answer",
        ("text", "confirmation") => "Confirmation of an opt-out",
        ("text", _) => "Text of a flow",
        ("end_call", _) => "End of a call",
        ("fetch_recording", _) => "Recording to fetch",
        ("fetch_media", _) => "Picture to fetch",
        ("delete_recording", _) => "File to delete at the provider",
        _ => "Line that is not registered",
    }
}

/// Where something owed stands.
pub(super) fn owed_state(row: &Row) -> (Tone, &'static str) {
    match row.text("state") {
        "waiting" if row.some("doubt_since").is_some() => (Tone::Warn, "In doubt"),
        "waiting" => (Tone::Wait, "Waiting"),
        "done" => (Tone::Good, "Done"),
        "refused" => (Tone::Plain, "Held back"),
        "cancelled" => (Tone::Plain, "Cancelled"),
        _ => (Tone::Bad, "Failed"),
    }
}

/// Why something owed waits, was held back or failed, in a sentence. `docs/operations.md` has the same.
pub(super) fn owed_why(row: &Row) -> String {
    let Some(why) = row.some("why") else {
        let word = match row.text("state") {
            "done" => "It is done.",
            "cancelled" => "Somebody cancelled it, or it is no longer owed.",
            _ => "It is done as soon as it is due.",
        };
        return word.to_owned();
    };
    let is_dead = row.text("state") == "dead";
    let sentence = match why {
        "busy" | "unreached" | "failed" if is_dead => {
            "The provider could not do it, however often it was asked."
        }
        "busy" | "unreached" | "failed" => {
            "The provider could not do it; it is tried again, after a longer wait each time."
        }
        "in_doubt" if is_dead => {
            "Nobody knows whether it was sent, and the provider's list could not be read: look there. A new try asks the list first."
        }
        "in_doubt" => {
            "Nobody knows whether it was taken. It is looked up in the provider's list before it is sent again."
        }
        "quiet_hours" => "It waits for 08:00–21:00 where the line is and wherever the recipient may be.",
        "pace" => "One text a second leaves a number.",
        "ledger_behind" => "Events are not worked on yet: among them may be an opt-out.",
        "not_configured" => "The provider's account or token is not set here.",
        "token_refused" => "The provider does not take the token that is set here.",
        "opted_out" => "The recipient wants no texts.",
        "opt_out_suspected" => "The recipient seems to want no texts: read what they wrote.",
        "confirmed" => "The recipient has had the one confirmation.",
        "hourly_cap" => "Five automated texts within an hour are the most, or twenty notices to an owner.",
        "not_registered" => "Missed calls are answered by text only from a line whose setting a2p is on.",
        "too_late" => "It was owed too long ago.",
        "own_line" | "not_a_number_to_text" => "There is nobody to be written to at that number.",
        "zone_unknown" | "no_decent_hour" => {
            "There is no hour that is decent everywhere the recipient may be."
        }
        "tries" => "It was tried as often as it may be.",
        "no longer owed" => "What it was owed for did not happen.",
        code if is_dead => {
            return format!("The provider refused it with its error {code}; it is not tried again.");
        }
        other => return format!("It waits: {other}."),
    };
    sentence.to_owned()
}

/// A call's outcome.
pub(super) fn outcome(row: &Row) -> (Tone, &'static str) {
    match row.some("outcome") {
        Some("answered") => (Tone::Good, "Answered"),
        Some("agent") => (Tone::Good, "Agent"),
        Some("text-back") => (Tone::Good, "Texted back"),
        Some("voicemail") => (Tone::Good, "Voicemail"),
        Some("missed") => (Tone::Warn, "Missed"),
        Some("abandoned") => (Tone::Warn, "Abandoned"),
        Some("rejected") => (Tone::Warn, "Rejected"),
        Some("suspended") => (Tone::Warn, "Suspended"),
        Some("failed") => (Tone::Bad, "Failed"),
        Some(_) => (Tone::Plain, "Unknown"),
        None => (Tone::Wait, "Going on"),
    }
}

/// A text's delivery.
pub(super) fn delivery(status: &str) -> (Tone, String) {
    let tone = match status {
        "delivered" | "received" | "read" => Tone::Good,
        "failed" | "undelivered" | "rejected" | "canceled" => Tone::Bad,
        "unknown" => Tone::Plain,
        _ => Tone::Wait,
    };
    (tone, super::parts::capital(status))
}

/// A subscription's status.
pub(super) fn subscription(status: &str) -> (Tone, String) {
    let tone = match status {
        "active" | "trialing" => Tone::Good,
        "past_due" | "incomplete" | "paused" => Tone::Warn,
        "unpaid" | "canceled" | "incomplete_expired" => Tone::Bad,
        _ => Tone::Plain,
    };
    (tone, super::parts::capital(&status.replace('_', " ")))
}

/// An invoice's status.
pub(super) fn invoice(row: &Row) -> (Tone, String) {
    let status = row.text("status");
    let tone = match status {
        "paid" => Tone::Good,
        _ if row.some("failed_at").is_some() && !row.truth("paid") => {
            return (Tone::Bad, "Payment failed".to_owned());
        }
        "open" | "draft" => Tone::Wait,
        "uncollectible" => Tone::Bad,
        _ => Tone::Plain,
    };
    (tone, super::parts::capital(status))
}

/// An endpoint for people: `Twilio voice`.
pub(super) fn endpoint(endpoint: Endpoint) -> String {
    super::parts::capital(&endpoint.name().replace('/', " "))
}
