//! The browser phone: calls and texts a line through the service's own endpoints.
//!
//! A press makes real requests, signed as Twilio or Plivo signs, and sends them through the service's own webhook handlers:
//! they are verified, kept and answered like any other, and labelled `simulated` for ever, so that nothing is sent to
//! anybody and no figure counts them. The phone holds nothing itself: the page's address names the call, and where the call
//! stands is read back from the events that were kept. So a page can be loaded again, sent to a colleague, or pressed
//! twice.

mod endpoints;
mod page;
mod story;

use std::sync::Arc;

use axum::{
    extract::{Path, RawQuery, State as Extract},
    response::Response,
};
use serde_json::json;
use uuid::Uuid;

use self::{
    endpoints::{Endpoints, Fault},
    story::{Story, Talk},
};
use super::{
    lines::PATH,
    visitor::{Posted, Visitor, see_other},
};
use crate::{
    access::Scope,
    carrier::{
        self, Call,
        walk::{self, Deed},
    },
    domain::{id::EventId, phone::Phone},
    http::{error::Error, state::State},
    lines::{line::Line, simulate::CALLER},
    provider::{Params, Provider},
};

/// How a caller is written who withholds their number.
const WITHHELD: &str = "anonymous";

/// Longest words that are said or written, in characters.
const LONGEST: usize = 400;

/// What the page shows of the phone.
struct Handset<'a> {
    line: &'a Line,
    /// Who calls, as the form has it.
    from: String,
    provider: Provider,
    story: Option<Story>,
    talk: Option<Talk>,
    /// Why nothing came of the last press.
    trouble: Option<String>,
}

/// The line of that name, as this service has it in memory.
///
/// # Errors
/// That there is none.
fn line_of(state: &State, name: &str) -> Result<Arc<Line>, Error> {
    let line = state.lines.all().into_iter().find(|line| line.id.to_string() == name);
    line.ok_or_else(|| Error::NotFound("no such line".to_owned()))
}

impl<'a> Handset<'a> {
    /// The phone as the page's address says.
    ///
    /// # Errors
    /// That there is no such call, and what the database raises.
    async fn read(state: &State, line: &'a Line, query: &str, visitor: &Visitor) -> Result<Self, Error> {
        let params = Params::from_query(query);
        let mut phone = Self {
            line,
            from: params.get("from").filter(|from| caller(from).is_some()).unwrap_or(CALLER).to_owned(),
            provider: named(params.get("carrier")).unwrap_or(line.provider),
            story: None,
            talk: None,
            trouble: None,
        };
        if !visitor.may(Scope::PiiRead) {
            return Ok(phone);
        }
        if let Some(id) = params.get("call") {
            let story = Story::read(state, id, visitor.now).await?;
            let story = story.filter(|story| story.call.to == line.number);
            let story = story.ok_or_else(|| Error::NotFound("no such call of the phone".to_owned()))?;
            phone.from.clone_from(&story.call.from);
            phone.provider = story.call.provider;
            phone.story = Some(story);
        }
        if let Some(id) = params.get("text").and_then(|id| Uuid::parse_str(id).ok()) {
            let call =
                call_of(state, line, &Beginning { id, provider: phone.provider, from: phone.from.clone() });
            phone.talk = Some(Talk::read(state, call, id, visitor.now).await?);
        }
        Ok(phone)
    }
}

/// The provider of that name that brings calls.
fn named(name: Option<&str>) -> Option<Provider> {
    [Provider::Twilio, Provider::Plivo].into_iter().find(|provider| Some(provider.name()) == name)
}

/// Who may seem to call: a number that nobody has, so that nothing that is made up is ever about a person; or nobody.
fn caller(text: &str) -> Option<String> {
    let phone = Phone::read(text);
    if text.trim().eq_ignore_ascii_case(WITHHELD) {
        return Some(WITHHELD.to_owned());
    }
    phone.is_fictional().then(|| phone.as_str().to_owned())
}

/// The account that requests name: the first that is configured.
fn account_of(state: &State, provider: Provider) -> Option<String> {
    let providers = &state.providers;
    let account = match provider {
        Provider::Plivo => providers.plivo.as_ref().and_then(|plivo| plivo.accounts.first()),
        _ => providers.twilio.as_ref().and_then(|twilio| twilio.accounts.first()),
    };
    account.cloned()
}

fn call_of(state: &State, line: &Line, begun: &Beginning) -> Call {
    let Beginning { id, provider, from } = begun;
    Call {
        provider: *provider,
        id: carrier::id(*provider, "CA", *id),
        account: account_of(state, *provider),
        from: from.clone(),
        to: line.number.clone(),
    }
}

/// A deed, as a button names it: `press:1`, `wait`; what is typed stands in a field of its own.
fn deed(params: &Params) -> Option<Deed> {
    let text = params.get("do")?;
    let (word, rest) = text.split_once(':').unwrap_or((text, ""));
    let field = match word {
        "press" => "keys",
        _ => "words",
    };
    let rest = if rest.is_empty() { params.get(field).unwrap_or_default() } else { rest };
    let rest: String = rest.trim().chars().take(LONGEST).collect();
    Some(match word {
        "press"
            if !rest.is_empty() && rest.bytes().all(|key| key.is_ascii_digit() || b"*#".contains(&key)) =>
        {
            Deed::Press(rest)
        }
        "say" if !rest.is_empty() => Deed::Say(rest),
        "wait" => Deed::Wait,
        "answer" => Deed::Answer,
        "busy" => Deed::Busy,
        "machine" => Deed::Machine,
        "message" => Deed::Message,
        "agent" => Deed::Agent,
        "hangup" => Deed::HangUp,
        _ => return None,
    })
}

/// Whoever uses the phone: it changes what is kept, and shows whom the line rings.
///
/// # Errors
/// 403 that names the scope which is lacking.
fn allowed(visitor: &Visitor) -> Result<(), Error> {
    visitor.needs(Scope::LinesWrite)?;
    visitor.needs(Scope::PiiRead)
}

/// What a form begins something with: a fresh id, the carrier and the caller.
struct Beginning {
    id: Uuid,
    provider: Provider,
    from: String,
}

impl Beginning {
    /// # Errors
    /// 400 that names the field which makes no sense; a caller who is somebody's number is told as trouble.
    fn read(params: &Params, now: chrono::DateTime<chrono::Utc>) -> Result<Result<Self, String>, Error> {
        let odd = |name: &str| Error::Parameter(name.to_owned(), "it is none".to_owned());
        let id = params.get("id").and_then(|id| Uuid::parse_str(id).ok()).ok_or_else(|| odd("id"))?;
        if id.get_version_num() != 7 || !carrier::is_fresh(id, now) {
            return Err(odd("id"));
        }
        let provider = named(params.get("carrier")).ok_or_else(|| odd("carrier"))?;
        let from = params.get("from").unwrap_or(CALLER);
        let Some(from) = caller(from) else {
            return Ok(Err(format!(
                "The phone calls from numbers that nobody has: 555-0100 to 555-0199 of any North American area, such as {CALLER}; British drama numbers, such as +447700900123; or {WITHHELD}."
            )));
        };
        Ok(Ok(Self { id, provider, from }))
    }
}

/// `GET /console/lines/{id}`: what a line says, and the phone to try it.
pub(super) async fn show(
    Extract(state): Extract<State>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    visitor: Visitor,
) -> Result<Response, Error> {
    visitor.needs(Scope::Read)?;
    let line = line_of(&state, &name)?;
    let handset = Handset::read(&state, &line, query.as_deref().unwrap_or_default(), &visitor).await?;
    Ok(page::page(&state, &visitor, &handset))
}

/// `POST /console/lines/{id}/call`: a call comes in. Pressed twice, it is the same call.
pub(super) async fn begin(
    Extract(state): Extract<State>,
    Path(name): Path<String>,
    posted: Posted,
) -> Result<Response, Error> {
    let Posted { visitor, params } = posted;
    allowed(&visitor)?;
    let line = line_of(&state, &name)?;
    let begun = match Beginning::read(&params, visitor.now)? {
        Ok(begun) => begun,
        Err(trouble) => return told(&state, &visitor, &line, "", trouble).await,
    };
    let call = call_of(&state, &line, &begun);
    let service = match Endpoints::of(&state, begun.provider) {
        Ok(service) => service,
        Err(fault) => return told(&state, &visitor, &line, "", fault.to_string()).await,
    };
    let detail = json!({ "line": name, "carrier": begun.provider.name() });
    visitor.audit(&state.db, "phone.call", &call.id, detail).await?;
    let query = format!("call={}", call.id);
    after(&state, &visitor, &line, &query, walk::begin(&call, &service).await).await
}

/// `POST /console/lines/{id}/call/{call}`: somebody does something. `after` names the event that the page had last: a press
/// on an older page, such as the second of a double one, changes nothing.
pub(super) async fn go_on(
    Extract(state): Extract<State>,
    Path((name, id)): Path<(String, String)>,
    posted: Posted,
) -> Result<Response, Error> {
    let Posted { visitor, params } = posted;
    allowed(&visitor)?;
    let line = line_of(&state, &name)?;
    let story = Story::read(&state, &id, visitor.now).await?.filter(|story| story.call.to == line.number);
    let story = story.ok_or_else(|| Error::NotFound("no such call of the phone".to_owned()))?;
    let query = format!("call={}", story.call.id);
    let deed = deed(&params);
    let is_news =
        params.get("after") == story.last().map(|event| EventId::from(event).to_string()).as_deref();
    let (Some(deed), Some(verbs), true, false) = (deed, story.verbs(), is_news, story.is_over()) else {
        return Ok(see_other(&format!("{PATH}/{name}?{query}#phone")));
    };
    let call = Call { account: account_of(&state, story.call.provider), ..story.call.clone() };
    let done = match Endpoints::of(&state, call.provider) {
        Ok(service) => walk::act(&call, verbs, &deed, &service).await,
        Err(fault) => Err(fault),
    };
    after(&state, &visitor, &line, &query, done).await
}

/// `POST /console/lines/{id}/text`: a text comes in. Sent twice, it is the same text.
pub(super) async fn text(
    Extract(state): Extract<State>,
    Path(name): Path<String>,
    posted: Posted,
) -> Result<Response, Error> {
    let Posted { visitor, params } = posted;
    allowed(&visitor)?;
    let line = line_of(&state, &name)?;
    let begun = match Beginning::read(&params, visitor.now)? {
        Ok(begun) => begun,
        Err(trouble) => return told(&state, &visitor, &line, "", trouble).await,
    };
    let body: String = params.get("body").unwrap_or_default().trim().chars().take(LONGEST).collect();
    let nth = params.get("nth").and_then(|nth| nth.parse().ok()).unwrap_or(0);
    let call = call_of(&state, &line, &begun);
    let query = format!(
        "text={}&carrier={}&from={}",
        begun.id,
        begun.provider.name(),
        percent_encoding::utf8_percent_encode(&begun.from, percent_encoding::NON_ALPHANUMERIC)
    );
    if body.is_empty() {
        return Ok(see_other(&format!("{PATH}/{name}?{query}#texts")));
    }
    let Some(id) = story::text_id(begun.provider, begun.id, nth) else {
        let trouble = "This conversation is long enough: begin another.".to_owned();
        return told(&state, &visitor, &line, &query, trouble).await;
    };
    let done = match Endpoints::of(&state, begun.provider) {
        Ok(service) => walk::text(&call, &id, &body, &service).await,
        Err(fault) => Err(fault),
    };
    after(&state, &visitor, &line, &query, done).await
}

/// On to the page that shows what came of it, or the same page with what went wrong.
async fn after(
    state: &State,
    visitor: &Visitor,
    line: &Line,
    query: &str,
    done: Result<(), Fault>,
) -> Result<Response, Error> {
    let place = if query.starts_with("text=") { "texts" } else { "phone" };
    match done {
        Ok(()) => Ok(see_other(&format!("{PATH}/{}?{query}#{place}", line.id))),
        Err(fault) => told(state, visitor, line, query, fault.to_string()).await,
    }
}

async fn told(
    state: &State,
    visitor: &Visitor,
    line: &Line,
    query: &str,
    trouble: String,
) -> Result<Response, Error> {
    // What was to begin may not have: then the page shows the phone as it is without.
    let phone = Handset::read(state, line, query, visitor).await;
    let phone = match phone {
        Err(Error::NotFound(_)) => Handset::read(state, line, "", visitor).await,
        read => read,
    };
    Ok(page::page(state, visitor, &Handset { trouble: Some(trouble), ..phone? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_button_says_is_done() {
        for (form, expected) in [
            ("do=press:1", Some(Deed::Press("1".to_owned()))),
            ("do=press&keys=12%23", Some(Deed::Press("12#".to_owned()))),
            ("do=press", None),
            ("do=press:one", None),
            ("do=say&words=+good+day+", Some(Deed::Say("good day".to_owned()))),
            ("do=say&words=", None),
            ("do=wait", Some(Deed::Wait)),
            ("do=hangup", Some(Deed::HangUp)),
            ("do=dance", None),
            ("", None),
        ] {
            assert_eq!(deed(&Params::from_query(form)), expected, "{form}");
        }
    }

    #[test]
    fn nobody_calls_who_is_somebody() {
        assert_eq!(caller("+1 415 555 0123").as_deref(), Some("+14155550123"));
        assert_eq!(caller("Anonymous").as_deref(), Some("anonymous"));
        for number in ["+14155551234", "", "+442079461000", "sip:ada@example.com"] {
            assert_eq!(caller(number), None, "{number}");
        }
    }
}
