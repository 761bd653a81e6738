//! Sample lines for a fresh database of `dev`, so that there is something to call.

use chrono::TimeDelta;
use sqlx::PgConnection;

use crate::{
    domain::clock::Clock,
    lines::{
        document::read::read,
        line::Asked,
        manage::{self, Refused, Target},
    },
};

/// The flows that come with the source.
const FLOWS: [(&str, &str); 6] = [
    ("agent", include_str!("../../examples/flows/agent.toml")),
    ("default", include_str!("../../examples/flows/default.toml")),
    ("keywords", include_str!("../../examples/flows/keywords.toml")),
    ("office", include_str!("../../examples/flows/office.toml")),
    ("ring-group", include_str!("../../examples/flows/ring-group.toml")),
    ("voicemail", include_str!("../../examples/flows/voicemail.toml")),
];

/// The lines: provider, number, name, and what they do.
const LINES: [(&str, &str, &str, &str); 3] = [
    ("twilio", "+14155550190", "Harbor Dental", "office"),
    ("plivo", "+14155550191", "Harbor Sailing", "ring-group"),
    ("twilio", "+14155550192", "Harbor Books", "keywords"),
];

/// Adds them where there is no line and no flow yet; tells whether it did.
///
/// # Errors
/// What the database raises.
pub(crate) async fn fresh(db: &mut PgConnection, clock: &dyn Clock) -> Result<bool, Refused> {
    if !manage::is_empty(db).await? {
        return Ok(false);
    }
    let asked = Asked { by: "smartline dev", at: clock.now() };
    for (name, text) in FLOWS {
        let flow = read(text).map_err(Refused::Faults)?;
        manage::add_flow(db, name, asked).await?;
        manage::push(db, name, &flow, asked).await?;
    }
    for (place, (provider, number, name, flow)) in (1..).zip(LINES) {
        // Ids carry their time, and lists go by it.
        let asked = Asked { at: asked.at + TimeDelta::milliseconds(place), ..asked };
        let given = serde_json::json!({
            "provider": provider, "number": number, "name": name, "zone": "America/Los_Angeles",
        });
        let given = given.as_object().cloned().unwrap_or_default();
        manage::add(db, given, asked).await?;
        manage::publish(db, number, Target::Flow(flow, None), asked).await?;
    }
    Ok(true)
}
