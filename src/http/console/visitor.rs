//! Who asks for a page: the session behind the cookie, and the proof that a form was sent from a page of ours.

use axum::{
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::SecretString;
use serde_json::Value;
use sqlx::PgExecutor;

use super::{
    flash::Flash,
    manner::{Manner, cookie},
    way::Way,
};
use crate::{
    access::{
        self, Scope,
        sessions::{self, SignedIn},
    },
    config::ApiKey,
    http::{
        error::Error,
        problem::Code,
        state::{Door, State},
    },
    provider::Params,
};

/// Largest form, in bytes.
const FORM_BYTES: usize = 64 << 10;

/// Somebody who is signed in, and how they ask.
pub(super) struct Visitor {
    pub(super) signed: SignedIn,
    /// What every form carries.
    pub(super) form: String,
    pub(super) manner: Manner,
    pub(super) way: Way,
    /// Path and query of this page.
    pub(super) here: String,
    pub(super) now: DateTime<Utc>,
    pub(super) flash: Option<Flash>,
    /// Whether this is `dev`.
    pub(super) dev: bool,
    /// The public address, or else the machine's.
    pub(super) host: String,
}

impl Visitor {
    pub(super) fn may(&self, scope: Scope) -> bool {
        self.signed.caller.may(scope)
    }

    /// # Errors
    /// 403 that names the scope which is lacking.
    pub(super) fn needs(&self, scope: Scope) -> Result<(), Error> {
        if self.may(scope) { Ok(()) } else { Err(Error::ScopeMissing(scope)) }
    }

    /// Writes down what they did.
    ///
    /// # Errors
    /// What the database raises.
    pub(super) async fn audit(
        &self,
        db: impl PgExecutor<'_>,
        action: &str,
        subject: &str,
        detail: Value,
    ) -> sqlx::Result<()> {
        access::audit(db, self.now, &self.signed.caller.name, action, subject, detail).await
    }

    /// One word for what they may do.
    pub(super) fn role(&self) -> &'static str {
        if self.may(Scope::Admin) {
            "Admin"
        } else if self.may(Scope::EventsReplay) || self.may(Scope::LinesWrite) {
            "Operator"
        } else {
            "Viewer"
        }
    }
}

impl FromRequestParts<State> for Visitor {
    type Rejection = Response;

    /// Sends whoever is not signed in to the sign-in page, and from there back here.
    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Response> {
        let way = Way::of(state, parts);
        let here = parts.uri.path_and_query().map_or("/console", |path| path.as_str()).to_owned();
        let token = cookie(&parts.headers, way.cookie()).filter(|_| way != Way::Clear);
        let signed = match token {
            Some(token) => {
                let mark = state.api_key.as_ref().map(ApiKey::mark);
                let found = sessions::find(&state.db, token, mark, state.clock.now()).await;
                found.map_err(|error| Error::from(error).into_response())?
            }
            None => None,
        };
        let (Some(signed), Some(token)) = (signed, token) else {
            return Err(to_sign_in(&here, &parts.method));
        };
        let origin =
            state.origins.first().map(|origin| origin.split_once("://").map_or("", |(_, host)| host));
        Ok(Self {
            signed,
            form: sessions::form_token(&SecretString::from(token.to_owned())),
            manner: Manner::of(&parts.headers),
            way,
            here,
            now: state.clock.now(),
            flash: Flash::of(&parts.headers),
            dev: state.door == Door::Dev,
            host: origin.unwrap_or("no public URL").to_owned(),
        })
    }
}

/// To the sign-in page. The browser keeps a link's token, which is behind the `#`, on the way there.
fn to_sign_in(here: &str, method: &Method) -> Response {
    let next = if *method == Method::GET { here } else { "/console" };
    if next == "/console" {
        return see_other("/console/sign-in");
    }
    see_other(&format!("/console/sign-in?next={}", utf8_percent_encode(next, NON_ALPHANUMERIC)))
}

/// Sends the browser elsewhere, to a path of ours.
pub(super) fn see_other(path: &str) -> Response {
    let location = HeaderValue::from_str(path).unwrap_or(HeaderValue::from_static("/console"));
    (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
}

/// A path of the console to go to, as a form or query names it; anything else is the overview. A second slash or a
/// backslash would lead to another host.
pub(super) fn next_of(params: &Params) -> String {
    let next = params.get("next").unwrap_or_default();
    let ours = next == "/console" || next.starts_with("/console/") || next.starts_with("/console?");
    let plain = next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if ours && plain && !next.starts_with("/console/sign-") { next.to_owned() } else { "/console".to_owned() }
}

/// A form that somebody who is signed in has sent from a page of ours.
pub(super) struct Posted {
    pub(super) visitor: Visitor,
    pub(super) params: Params,
}

impl FromRequest<State> for Posted {
    type Rejection = Response;

    async fn from_request(request: Request, state: &State) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        from_our_page(state, &parts).map_err(IntoResponse::into_response)?;
        let visitor = Visitor::from_request_parts(&mut parts, state).await?;
        let params = form(body).await.map_err(IntoResponse::into_response)?;
        let shown = params.get("form").unwrap_or_default();
        if !bool::from(subtle::ConstantTimeEq::ct_eq(shown.as_bytes(), visitor.form.as_bytes())) {
            let cause = "the form does not carry the session's token".to_owned();
            return Err(Error::Refused(Code::FormRefused, cause).into_response());
        }
        Ok(Self { visitor, params })
    }
}

/// A look at the page of one thing: as everybody sees it or, by a form that its page has sent, with people's data.
pub(super) struct Look {
    pub(super) visitor: Visitor,
    /// Whether people's data are shown. Whoever asks may see them.
    pub(super) reveals: bool,
}

impl Look {
    /// Writes down that people's data were shown, if they were.
    ///
    /// # Errors
    /// What the database raises.
    pub(super) async fn note(&self, state: &State, subject: &str, detail: Value) -> sqlx::Result<()> {
        if self.reveals {
            self.visitor.audit(&state.db, "pii.reveal", subject, detail).await?;
        }
        Ok(())
    }
}

impl FromRequest<State> for Look {
    type Rejection = Response;

    async fn from_request(request: Request, state: &State) -> Result<Self, Response> {
        if *request.method() == Method::POST {
            let Posted { visitor, .. } = Posted::from_request(request, state).await?;
            visitor.needs(Scope::PiiRead).map_err(IntoResponse::into_response)?;
            return Ok(Self { visitor, reveals: true });
        }
        let (mut parts, _) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, state).await?;
        Ok(Self { visitor, reveals: false })
    }
}

/// Reads a form's body.
///
/// # Errors
/// 413 where it is too large.
pub(super) async fn form(body: axum::body::Body) -> Result<Params, Error> {
    let bytes = axum::body::to_bytes(body, FORM_BYTES).await;
    let bytes = bytes.map_err(|error| Error::Refused(Code::BodyTooLarge, error.to_string()))?;
    Ok(Params::from_form(&bytes))
}

/// Whether a page of this very console sent the form. Browsers say so in `Sec-Fetch-Site`; those that do not must name
/// the page's origin.
///
/// # Errors
/// 403.
pub(super) fn from_our_page(state: &State, parts: &Parts) -> Result<(), Error> {
    let refused = |cause: &str| Err(Error::Refused(Code::FormRefused, cause.to_owned()));
    if let Some(site) = one(&parts.headers, "sec-fetch-site") {
        return if site == "same-origin" { Ok(()) } else { refused("the form comes from another site") };
    }
    let Some(origin) = one(&parts.headers, "origin") else {
        return refused("the form does not say which page it comes from");
    };
    let host = one(&parts.headers, "host").unwrap_or_default();
    let ours = match Way::of(state, parts) {
        Way::Loopback => origin == format!("http://{host}"),
        Way::Https | Way::Clear => state.origins.iter().any(|own| own.eq_ignore_ascii_case(origin)),
    };
    if ours { Ok(()) } else { refused("the form comes from a page of another origin") }
}

/// The value of a header that comes once.
fn one<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let (value, None) = (values.next()?, values.next()) else { return Some("") };
    Some(value.to_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_on_stays_in_the_console() {
        for (next, expected) in [
            ("/console/events?type=x&a=b", "/console/events?type=x&a=b"),
            ("/console", "/console"),
            ("/console?x=1", "/console?x=1"),
            ("", "/console"),
            ("//evil.example", "/console"),
            ("https://evil.example/console/", "/console"),
            ("/console\\evil", "/console"),
            ("/console/\r\nSet-Cookie: a=b", "/console"),
            ("/consolex", "/console"),
            ("/console/sign-out", "/console"),
            ("/webhooks/stripe", "/console"),
        ] {
            let params = Params::from_iter([("next".to_owned(), next.to_owned())]);
            assert_eq!(next_of(&params), expected, "{next:?}");
        }
    }
}
