//! What a line does, explained and tried: why a call went as it did, a flow walked without a carrier, and the word of an
//! agent about the call that it was handed.

use axum::{
    Json,
    body::{Body, Bytes},
    extract::State as Extract,
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    body::{JSON, Wrong, is_of, members},
    caller::Reader,
    path::Path,
};
use crate::{
    access::Scope,
    domain::phone::Phone,
    http::{error::Error, metrics::bearer, problem::Code, state::State, verified::read as read_body},
    lines::{
        desk::{self, capability, why},
        document::{
            Flow,
            check::check,
            read::{Fault, read},
        },
        engine::{Caller, Profile},
        simulate::{self, Input, Simulated, begun, default_flow},
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
    body: Body,
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
    let body = read_body(body, state.limits.body_bytes, state.limits.body).await?;
    is_of(JSON, &headers)?;
    let (given, mut wrong) = (members(&body)?, Wrong::default());
    if given.get("do").and_then(Value::as_str) != Some("ring") {
        wrong.note("do", "it is not `ring`, the one thing that can be asked for");
    }
    let target = given.get("target").and_then(Value::as_str).unwrap_or_default();
    if target.is_empty()
        || target.len() > 40
        || !target.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
    {
        wrong.note("target", "it is no name: a person whom the step may have rung, and never a number");
    }
    wrong.told()?;
    desk::keep_wish(&state.db, provider, call, turn, target, state.clock.now()).await?;
    state.desk.wished(&crate::lines::key_of(provider, call), turn, target);
    Ok((StatusCode::ACCEPTED, Json(json!({ "object": "directive", "do": "ring", "target": target }))))
}

/// A flow, that of a line or one that is given, and who is to try it when.
struct Scene {
    flow: Flow,
    profile: Profile,
    caller: Caller,
    provider: Provider,
    now: DateTime<Utc>,
}

impl Scene {
    /// As a body says, which may have `more` fields besides. `wrong` is what was found in those.
    ///
    /// # Errors
    /// All that is wrong with the fields, or with the flow; 403 where it would show whom a line rings.
    fn read(
        state: &State,
        reader: &Reader,
        given: &Map<String, Value>,
        more: &[&str],
        mut wrong: Wrong,
    ) -> Result<Self, Error> {
        const FIELDS: [&str; 5] = ["line", "toml", "provider", "caller", "at"];
        let known = [&FIELDS, more].concat();
        for name in given.keys().filter(|name| !known.contains(&name.as_str())) {
            wrong.note(name, &format!("it is not known; there are {}", known.join(", ")));
        }
        let text = |name: &str| given.get(name).and_then(Value::as_str);
        if text("line").is_some() {
            reader.needs(Scope::PiiRead)?; // its documents name whom the line rings
        }
        for name in known.iter().filter(|name| **name != "inputs") {
            if given.contains_key(*name) && text(name).is_none() {
                wrong.note(name, "it is of another type");
            }
        }
        let provider = match text("provider") {
            None => None,
            Some(name) => {
                let named = Provider::CARRIERS.into_iter().find(|one| one.name() == name);
                wrong.keep(named.ok_or_else(|| Fault::new("provider", "it is neither twilio nor plivo")))
            }
        };
        let at = text("at").and_then(|at| {
            let read = DateTime::parse_from_rfc3339(at);
            wrong.keep(read.map_err(|_| Fault::new("at", "it is no RFC 3339 time")))
        });
        wrong.told()?;
        let (flow, profile) = flow_of(state, text("line"), text("toml"))?;
        let other = || cannot(Fault::new("provider", "it is none of the flow's `providers`"));
        let provider = flow.carrier(provider).ok_or_else(other)?;
        let caller = simulate::caller(text("caller").unwrap_or(simulate::CALLER));
        Ok(Self { flow, profile, caller, provider, now: at.map_or(state.clock.now(), |at| at.to_utc()) })
    }
}

/// `POST /api/v1/flows/simulate`: walks a flow by what a caller does.
pub(super) async fn simulate(
    Extract(state): Extract<State>,
    reader: Reader,
    body: Bytes,
) -> Result<impl IntoResponse, Error> {
    reader.needs(Scope::Read)?;
    let (given, mut wrong) = (members(&body)?, Wrong::default());
    let inputs: Vec<Input> = given.get("inputs").map_or_else(Vec::new, |inputs| {
        let read = serde_json::from_value(inputs.clone());
        let read = read.map_err(|error| Fault::new("inputs", format!("they are no list of inputs: {error}")));
        wrong.keep(read).unwrap_or_default()
    });
    if inputs.len() > INPUTS {
        wrong.note("inputs", "there are more than 100");
    }
    let Scene { flow, profile, caller, provider, now } =
        Scene::read(&state, &reader, &given, &["text", "inputs"], wrong)?;
    let mut call = Simulated::new(&flow, profile, caller, provider, now);
    let mut steps = vec![match given.get("text").and_then(Value::as_str) {
        Some(body) => call.text(body),
        None => call.call(),
    }];
    for (place, input) in inputs.iter().enumerate() {
        match call.go_on(input) {
            Some(shown) => steps.push(shown),
            None if *input == Input::HangUp => break,
            None => return Err(cannot(Fault::new(format!("inputs[{place}]"), "it cannot happen there"))),
        }
    }
    let over = call.is_over();
    Ok(Json(json!({ "object": "simulation", "data": steps, "over": over })))
}

/// `POST /api/v1/flows/preview`: what a step comes to on both carriers; without a name, every step.
pub(super) async fn preview(
    Extract(state): Extract<State>,
    reader: Reader,
    body: Bytes,
) -> Result<impl IntoResponse, Error> {
    reader.needs(Scope::Read)?;
    let given = members(&body)?;
    let Scene { flow, profile, caller, provider, now } =
        Scene::read(&state, &reader, &given, &["step"], Wrong::default())?;
    let only = given.get("step").and_then(Value::as_str);
    if only.is_some_and(|name| !flow.steps.contains_key(name)) {
        return Err(cannot(Fault::new("step", "the flow has no step of this name")));
    }
    let names = flow.steps.keys().filter(|name| only.is_none_or(|only| only == name.as_str()));
    let data = names.map(|name| {
        let (start, shown) = begun(&flow, name, profile.clone(), caller.clone(), provider, now);
        let mut told = json!(shown);
        (told["step"], told["start"]) = (json!(name), json!(start));
        told
    });
    Ok(Json(json!({ "object": "preview", "data": data.collect::<Vec<_>>() })))
}

/// What can be read, and not be done.
fn cannot(fault: Fault) -> Error {
    Error::Faulty { faults: vec![fault] }
}

fn flow_of(state: &State, line: Option<&str>, toml: Option<&str>) -> Result<(Flow, Profile), Error> {
    let (mut flow, mut profile) = (default_flow().clone(), simulate::line());
    if let Some(line) = line {
        let number = Phone::read(line);
        let found = Provider::CARRIERS;
        let line = found.into_iter().find_map(|provider| state.lines.line(provider, &number));
        let line = line.ok_or_else(|| cannot(Fault::new("line", "there is no line with this number")))?;
        if let Some(version) = line.flow_version.and_then(|id| state.lines.version(id)) {
            flow = version.flow.clone();
        }
        profile = desk::profile(Some(&line), &number);
    }
    if let Some(toml) = toml {
        let told = |faults: Vec<Fault>| {
            let inside = |fault: Fault| {
                let place = if fault.place.is_empty() { String::new() } else { format!(".{}", fault.place) };
                Fault::new(format!("toml{place}"), fault.problem)
            };
            Error::Faulty { faults: faults.into_iter().map(inside).collect() }
        };
        flow = read(toml).map_err(told)?;
        let findings = check(&flow);
        if !findings.faults.is_empty() {
            return Err(told(findings.faults));
        }
    }
    Ok((flow, profile))
}
