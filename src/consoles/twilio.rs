//! Twilio's numbers and TwiML apps.
//!
//! Source: Twilio docs, "`IncomingPhoneNumber` resource", "Applications resource": an app's URLs stand in for those of the
//! number that has it, and a trunk's for both.

use serde_json::Value;

use super::{Account, Act, Field, Plan, Step, Trouble, Wanted, account::text, differing, masked};
use crate::provider::Endpoint::{TwilioSms, TwilioStatus, TwilioVoice};

/// Compares numbers and the configured app with what is wanted.
///
/// # Errors
/// Why they could not be read.
pub(super) async fn plan(account: &mut Account<'_>, wanted: &Wanted) -> Result<Plan, Trouble> {
    let base = format!("/2010-04-01/Accounts/{}", account.name);
    let mut plan = Plan::default();
    let step = |what: String, path: String, fields| Step {
        provider: "twilio".to_owned(),
        account: account.name.to_owned(),
        what,
        code: "W210".to_owned(),
        act: Act::Change,
        path,
        fields,
    };
    let numbers = account
        .all(&format!("{base}/IncomingPhoneNumbers.json?PageSize=100"), "incoming_phone_numbers")
        .await?;
    for row in &numbers {
        let (number, id) =
            (text(row, "phone_number").unwrap_or_default(), text(row, "sid").unwrap_or_default());
        plan.numbers.push(number.to_owned());
        if !wanted.numbers.hold(number, id) {
            continue;
        }
        if let Some(trunk) = text(row, "trunk_sid") {
            plan.remark(
                "W212",
                format!(
                    "number {} belongs to the trunk {trunk}, so its voice URLs are not asked",
                    masked(number)
                ),
            );
        }
        let (voice, sms) =
            (goes_to_app(&mut plan, row, "voice", wanted), goes_to_app(&mut plan, row, "sms", wanted));
        let can = |what: &str| row["capabilities"][what].as_bool().unwrap_or(true);
        let mut fields = Vec::new();
        if can("voice") && !voice && text(row, "trunk_sid").is_none() {
            fields.extend(voice_fields(row, wanted));
        }
        if can("sms") && !sms {
            fields.extend(sms_fields(row, wanted));
        }
        plan.compare(step(
            format!("number {number}"),
            format!("{base}/IncomingPhoneNumbers/{id}.json"),
            fields,
        ));
    }
    if let Some(app) = &wanted.app {
        let path = format!("{base}/Applications/{app}.json");
        match account.get(&path).await {
            Ok(row) => {
                let fields = voice_fields(&row, wanted).into_iter().chain(sms_fields(&row, wanted)).collect();
                plan.compare(step(format!("TwiML app {app}"), path, fields));
            }
            Err(Trouble::Unknown(_)) => {
                plan.remark("W213", format!("TWILIO_APP_SID names {app}, which this account does not have"));
            }
            Err(trouble) => return Err(trouble),
        }
    }
    Ok(plan)
}

/// Whether an app stands in for the number's own URLs; told where it is not the one of this service.
fn goes_to_app(plan: &mut Plan, row: &Value, kind: &str, wanted: &Wanted) -> bool {
    let Some(app) = text(row, &format!("{kind}_application_sid")) else { return false };
    if wanted.app.as_deref() != Some(app) {
        let number = masked(text(row, "phone_number").unwrap_or_default());
        plan.remark(
            "W211",
            format!("number {number} has the TwiML app {app} for {kind}, so its own URLs are ignored: set TWILIO_APP_SID to it, or take the app off the number"),
        );
    }
    true
}

fn voice_fields(row: &Value, wanted: &Wanted) -> Vec<Field> {
    let (voice, status, fallback) =
        (wanted.url(TwilioVoice), wanted.url(TwilioStatus), wanted.fallback_of(TwilioVoice));
    fields(
        row,
        &[
            ("VoiceUrl", "voice_url", &voice),
            ("VoiceMethod", "voice_method", "POST"),
            ("VoiceFallbackUrl", "voice_fallback_url", &fallback),
            ("VoiceFallbackMethod", "voice_fallback_method", "POST"),
            ("StatusCallback", "status_callback", &status),
            ("StatusCallbackMethod", "status_callback_method", "POST"),
        ],
    )
}

fn sms_fields(row: &Value, wanted: &Wanted) -> Vec<Field> {
    let sms = wanted.url(TwilioSms);
    fields(
        row,
        &[
            ("SmsUrl", "sms_url", &sms),
            ("SmsMethod", "sms_method", "POST"),
            ("SmsFallbackUrl", "sms_fallback_url", &sms),
            ("SmsFallbackMethod", "sms_fallback_method", "POST"),
        ],
    )
}

fn fields(row: &Value, all: &[(&str, &str, &str)]) -> Vec<Field> {
    all.iter().filter_map(|(name, column, after)| differing(name, text(row, column), after)).collect()
}
