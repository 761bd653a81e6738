//! Signing in, by a key or a one-time link, and out again. A wrong key, an expired one and a used link all get the same
//! words.

use axum::{
    extract::{FromRequestParts as _, RawQuery, Request, State as Extract},
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::Response,
};
use maud::{Markup, html};
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::{
    flash::{self, Flash},
    icons,
    manner::Manner,
    page,
    visitor::{self, Posted, Visitor, from_our_page, next_of, see_other},
    way::Way,
};
use crate::{
    access::{
        self, Caller, Scope, keys,
        sessions::{self, Browser, Warrant},
    },
    domain::id::SessionId,
    http::{error::Error, middleware::client_of, server::Peer, state::State},
    provider::Params,
};

/// Why nobody is signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum No {
    /// The key or link is not good.
    NotGood,
    /// The key is good for other things.
    LacksScope,
    /// Too many tries; seconds to wait.
    TooMany(u64),
}

impl No {
    fn status(self) -> StatusCode {
        match self {
            Self::NotGood => StatusCode::UNAUTHORIZED,
            Self::LacksScope => StatusCode::FORBIDDEN,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    fn text(self) -> String {
        match self {
            Self::NotGood => {
                "That did not work: the key or link is unknown, used, expired or revoked.".to_owned()
            }
            Self::LacksScope => {
                "This key is good, but lacks the scope read, which the console needs.".to_owned()
            }
            Self::TooMany(seconds) => format!("Too many tries from your address. Wait {seconds} seconds."),
        }
    }
}

/// `GET /console/sign-in`.
pub(super) async fn form(
    Extract(state): Extract<State>,
    RawQuery(query): RawQuery,
    mut parts: Parts,
) -> Result<Response, Error> {
    let next = next_of(&Params::from_query(query.as_deref().unwrap_or_default()));
    match Way::of(&state, &parts) {
        Way::Clear => {
            Ok(page::bare(Manner::of(&parts.headers), StatusCode::FORBIDDEN, "Use https", &in_the_clear()))
        }
        _ if Visitor::from_request_parts(&mut parts, &state).await.is_ok() => Ok(see_other(&next)),
        _ => Ok(shown(&parts.headers, &next, None)),
    }
}

fn shown(headers: &HeaderMap, next: &str, no: Option<No>) -> Response {
    let status = no.map_or(StatusCode::OK, No::status);
    page::bare(
        Manner::of(headers),
        status,
        "Sign in",
        &html! {
            (page::brand())
            h1 { "Sign in" }
            @if let Some(no) = no {
                p.notice.bad role="alert" { (icons::alert()) span { (no.text()) } }
            }
            form #sign-in method="post" action="/console/sign-in" {
                input type="hidden" name="next" value=(next);
                input #link type="hidden" name="link" value="";
                input type="text" name="username" value="console" autocomplete="username" hidden; // for password managers
            label for="key" { "API key" }
                input #key type="password" name="key" autocomplete="current-password" spellcheck="false" autofocus
                      placeholder="sl_…" aria-describedby="key-help";
                p #key-help.hint { "SMARTLINE_API_KEY, or a key made by " code { "smartline keys create" } "." }
                button.primary type="submit" { "Sign in" }
            }
            p.hint.foot { "No key at hand? On the machine that runs the service, " code { "smartline login-link" }
                " prints a link that signs you in once." }
        },
    )
}

fn in_the_clear() -> Markup {
    html! {
        (page::brand())
        h1 { "The console needs https" }
        p { "You came by http over a network, where anybody on the way could read your key. " }
        p.hint { "Set " code { "PUBLIC_URL" } " to the https address of this service and use that, or open the console on the "
            "machine itself, by " code { "http://localhost" } "." }
    }
}

/// `POST /console/sign-in`.
pub(super) async fn sign_in(Extract(state): Extract<State>, request: Request) -> Result<Response, Error> {
    let (parts, body) = request.into_parts();
    from_our_page(&state, &parts)?;
    let way = Way::of(&state, &parts);
    if way == Way::Clear {
        return Ok(page::bare(
            Manner::of(&parts.headers),
            StatusCode::FORBIDDEN,
            "Use https",
            &in_the_clear(),
        ));
    }
    let browser = browser(&state, &parts);
    let params = visitor::form(body).await?;
    let next = next_of(&params);
    let now = state.clock.now();
    let warrant = match state.console.tries.count(browser.client) {
        Err(seconds) => Err(No::TooMany(seconds)),
        Ok(()) => warrant(&state, &params).await?,
    };
    let warrant = match warrant {
        Ok(warrant) if warrant.caller.may(Scope::Read) => warrant,
        Ok(_) => return Ok(shown(&parts.headers, &next, Some(No::LacksScope))),
        Err(no) => return Ok(shown(&parts.headers, &next, Some(no))),
    };
    let (session, token) = sessions::create(&state.db, &warrant, &browser, now).await?;
    access::audit(&state.db, now, &warrant.caller.name, "console.sign_in", &session.to_string(), json!({}))
        .await?;
    let cookie = format!(
        "{}={}; Max-Age={}; HttpOnly{}",
        way.cookie(),
        token.expose_secret(),
        sessions::WHOLE.num_seconds(),
        way.attributes()
    );
    let mut response = see_other(&next);
    flash::put(&mut response, &cookie);
    Ok(response)
}

/// Whose key or link the form holds.
async fn warrant(state: &State, params: &Params) -> Result<Result<Warrant, No>, Error> {
    let now = state.clock.now();
    if let Some(link) = params.first_of(&["link"]) {
        return Ok(sessions::use_link(&state.db, link, now).await?.ok_or(No::NotGood));
    }
    let key = params.get("key").unwrap_or_default().trim();
    if let Some(own) = state.api_key.as_ref().filter(|own| own.is(key.as_bytes())) {
        let caller = Caller { name: "SMARTLINE_API_KEY".to_owned(), scopes: vec![Scope::Admin] };
        return Ok(Ok(Warrant { caller, key: None, admin: Some(own.mark()) }));
    }
    let caller = keys::find(&state.db, key.as_bytes(), now).await?;
    Ok(caller.map(|caller| Warrant { key: caller.name.parse().ok(), caller, admin: None }).ok_or(No::NotGood))
}

fn browser(state: &State, parts: &Parts) -> Browser {
    let peer =
        parts.extensions.get::<Peer>().map_or(std::net::IpAddr::from([0, 0, 0, 0]), |peer| peer.0.ip());
    let name = parts.headers.get(header::USER_AGENT).and_then(|name| name.to_str().ok()).unwrap_or("unknown");
    Browser { client: client_of(state.proxy, &parts.headers, peer), name: name.to_owned() }
}

/// `POST /console/sign-out`: this browser, another one, or all.
pub(super) async fn sign_out(Extract(state): Extract<State>, posted: Posted) -> Result<Response, Error> {
    let Posted { visitor, params } = posted;
    let own = visitor.signed.session;
    match params.get("which").unwrap_or("this") {
        "this" => drop(sessions::end(&state.db, own).await?),
        "all" => {
            visitor.needs(Scope::Admin)?;
            let detail = json!({ "sessions": sessions::end_all(&state.db).await? });
            visitor.audit(&state.db, "console.sign_out_all", "all", detail).await?;
        }
        other => {
            visitor.needs(Scope::Admin)?;
            let other: SessionId =
                other.parse().map_err(|_| Error::NotFound("no such sign-in".to_owned()))?;
            let ended = sessions::end(&state.db, other).await?;
            visitor.audit(&state.db, "console.sign_out", &other.to_string(), json!({})).await?;
            if other != own {
                let flash = if ended { Flash::SessionEnded } else { Flash::NothingChanged };
                return Ok(flash.on(visitor.way, see_other("/console/settings#sign-ins")));
            }
        }
    }
    let mut response = see_other("/console/sign-in");
    let way = visitor.way;
    flash::put(&mut response, &format!("{}=; Max-Age=0; HttpOnly{}", way.cookie(), way.attributes()));
    Ok(response)
}
