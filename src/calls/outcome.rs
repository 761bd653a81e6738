//! What became of a call, decided when it is over.

use super::row::{Call, is_taken};

/// The call with its outcome.
pub(super) fn decided(mut call: Call) -> Call {
    let heard = if call.closed_by_sweeper { Some("unknown") } else { outcome(&call) };
    let texted = call.texted_back == Some(true) && heard.is_some_and(is_missed);
    call.outcome = if texted { Some("text-back") } else { heard }.map(str::to_owned);
    call
}

/// Whether nobody spoke to the caller, who left nothing either.
pub(super) fn is_missed(outcome: &str) -> bool {
    matches!(outcome, "missed" | "abandoned" | "text-back")
}

/// One word for the whole call; none while it goes on. Decided anew with each event, since a recording may be told of
/// after the end.
///
/// Source of the statuses: Twilio docs, "Call resource"; Plivo docs, "Call status".
fn outcome(call: &Call) -> Option<&'static str> {
    if !call.ended {
        return None;
    }
    if call.dialled.as_deref().is_some_and(is_taken) {
        return Some("answered");
    }
    if call.recording_s.is_some_and(|seconds| seconds > 0) {
        return Some("voicemail");
    }
    match call.decided.as_deref() {
        Some("suspended") => return Some("suspended"),
        Some("rejected") => return Some("rejected"),
        Some("agent") => return Some("agent"),
        _ => {}
    }
    let outbound = call.direction.as_deref() == Some("outbound");
    let hung_up_by_caller = match &call.hung_up_by {
        Some(who) => who.eq_ignore_ascii_case("caller"),
        // Twilio does not say who hung up: whoever the line has not hung up on has done so.
        None => call.provider == "twilio" && call.flow_version.is_some(),
    };
    let status = match call.status.as_str() {
        "busy" if outbound => "no-answer",
        status => status,
    };
    Some(match status {
        "completed" if outbound && call.duration_s.is_none_or(|seconds| seconds > 0) => "answered",
        "completed" if hung_up_by_caller && !outbound => "abandoned",
        // The line spoke, and the caller left nothing; or nobody took a call of ours.
        "completed" | "no-answer" | "timeout" => "missed",
        "canceled" | "cancel" => "abandoned",
        "busy" | "rejected" => "rejected",
        "failed" => "failed",
        _ => "unknown",
    })
}
