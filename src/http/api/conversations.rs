//! What a line does, explained and tried: why a call went as it did, a flow walked without a carrier, and the word of an
//! agent about the call that it was handed.

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State as Extract},
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    body::{bad, members},
    caller::Reader,
};
use crate::{
    access::Scope,
    domain::phone::Phone,
    http::{error::Error, metrics::bearer, problem::Code, state::State},
    lines::{
        desk::{self, capability, why},
        document::{Flow, check::check, read::read},
        engine::{Caller, Profile},
        is_withheld,
        simulate::{Input, Simulated, default_flow},
        token::TokenKeys,
    },
    provider::Provider,
};

/// Most inputs of a simulated call.
const INPUTS: usize = 100;

/// `GET /api/v1/calls/{id}/why`.
pub(super) async fn why(
    Extract(state): Extract<State>,
    Path(call): Path<String>,
    reader: Reader,
) -> Result<impl IntoResponse, Error> {
    reader.needs(Scope::Read)?;
    let mut db = state.db.acquire().await?;
    let decisions = why::of_call(&mut db, &call).await?;
    if decisions.is_empty() {
        return Err(Error::NotFound("no such call, or nothing was decided for it".to_owned()));
    }
    Ok(Json(why::shown(&decisions, reader.sees_people())))
}

/// `POST /api/v1/calls/{id}/directive`: an agent that was handed the call says whom it wants rung when it gives it back. The
/// bearer is the capability that stood in the path of its address, good for this call and this time alone.
pub(super) async fn directive(
    Extract(state): Extract<State>,
    Path(call): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<impl IntoResponse, Error> {
    let refused = || Error::Refused(Code::KeyRequired, "no capability of this call".to_owned());
    let shown = bearer(&headers).ok_or_else(refused)?;
    let keys = [(Provider::Twilio, &state.token_keys.twilio), (Provider::Plivo, &state.token_keys.plivo)];
    // Plivo takes letters and digits alone for what an agent is told, so that its ids come back without their hyphens.
    let hyphenated = Uuid::try_parse(&call).map(|id| id.to_string()).ok();
    let ids = [Some(call), hyphenated];
    let named = ids.iter().flatten().find_map(|id| {
        keys.into_iter().find_map(|(provider, keys): (Provider, &TokenKeys)| {
            Some((provider, id.as_str(), capability::opened(keys, id, shown)?))
        })
    });
    let (provider, call, turn) = named.ok_or_else(refused)?;
    let given = members(&body)?;
    if given.get("do").and_then(Value::as_str) != Some("ring") {
        return Err(bad("do", "it is not `ring`, the one thing that can be asked for"));
    }
    let target = given.get("target").and_then(Value::as_str).unwrap_or_default();
    if target.is_empty()
        || target.len() > 40
        || !target.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
    {
        return Err(bad("target", "it is no name: a person whom the step may have rung, and never a number"));
    }
    desk::keep_wish(&state.db, provider, call, turn, target, state.clock.now()).await?;
    state.desk.wished(&crate::lines::key_of(provider, call), turn, target);
    Ok((StatusCode::ACCEPTED, Json(json!({ "object": "directive", "do": "ring", "target": target }))))
}

/// `POST /api/v1/flows/simulate`: walks a flow, that of a line or one that is given, by what a caller does.
pub(super) async fn simulate(
    Extract(state): Extract<State>,
    reader: Reader,
    body: Bytes,
) -> Result<impl IntoResponse, Error> {
    reader.needs(Scope::Read)?;
    let given = members(&body)?;
    for name in given.keys() {
        if !["line", "toml", "provider", "caller", "text", "at", "inputs"].contains(&name.as_str()) {
            return Err(bad(
                name,
                "it is not known; there are line, toml, provider, caller, text, at and inputs",
            ));
        }
    }
    let text = |name: &str| given.get(name).and_then(Value::as_str);
    if text("line").is_some() {
        reader.needs(Scope::PiiRead)?; // its documents name whom the line rings
    }
    let provider = match text("provider") {
        None => None,
        Some("twilio") => Some(Provider::Twilio),
        Some("plivo") => Some(Provider::Plivo),
        Some(_) => return Err(bad("provider", "it is neither twilio nor plivo")),
    };
    let now = match text("at") {
        None => state.clock.now(),
        Some(at) => chrono::DateTime::parse_from_rfc3339(at)
            .map_err(|_| bad("at", "it is no RFC 3339 time"))?
            .to_utc(),
    };
    let (flow, profile) = flow_of(&state, text("line"), text("toml"))?;
    let provider =
        flow.carrier(provider).ok_or_else(|| bad("provider", "it is none of the flow's `providers`"))?;
    let number = Phone::read(text("caller").unwrap_or("+14155550100"));
    let caller = Caller {
        number: (!is_withheld(&number)).then_some(number),
        seen: Some(0),
        calls_today: Some(0),
        ..Caller::default()
    };
    let inputs: Vec<Input> = match given.get("inputs") {
        None => Vec::new(),
        Some(inputs) => serde_json::from_value(inputs.clone())
            .map_err(|error| bad("inputs", &format!("they are no list of inputs: {error}")))?,
    };
    if inputs.len() > INPUTS {
        return Err(bad("inputs", "there are more than 100"));
    }
    let mut call = Simulated::new(&flow, profile, caller, provider, now);
    let mut steps = vec![match text("text") {
        Some(body) => call.text(body),
        None => call.call(),
    }];
    for (place, input) in inputs.iter().enumerate() {
        match call.go_on(input) {
            Some(shown) => steps.push(shown),
            None if *input == Input::HangUp => break,
            None => return Err(bad(&format!("inputs[{place}]"), "it cannot happen there")),
        }
    }
    let over = call.is_over();
    Ok(Json(json!({ "object": "simulation", "data": steps, "over": over })))
}

fn flow_of(state: &State, line: Option<&str>, toml: Option<&str>) -> Result<(Flow, Profile), Error> {
    let (mut flow, mut profile) = (default_flow().clone(), Profile::bare(Phone::read("+14155550199")));
    if let Some(line) = line {
        let number = Phone::read(line);
        let found = Provider::CARRIERS;
        let line = found.into_iter().find_map(|provider| state.lines.line(provider, &number));
        let line = line.ok_or_else(|| bad("line", "there is no line with this number"))?;
        if let Some(version) = line.flow_version.and_then(|id| state.lines.version(id)) {
            flow = version.flow.clone();
        }
        profile = desk::profile(Some(&line), &number);
    }
    if let Some(toml) = toml {
        let told = |faults: &[crate::lines::document::read::Fault]| {
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            bad("toml", &faults.join("; "))
        };
        flow = read(toml).map_err(|faults| told(&faults))?;
        let findings = check(&flow);
        if !findings.faults.is_empty() {
            return Err(told(&findings.faults));
        }
    }
    Ok((flow, profile))
}
