//! Tells open pages that there is something new, as server-sent events. A page then asks for its own rows again: so they
//! are filtered, masked and written by the one code that does so.

use std::{convert::Infallible, time::Duration};

use axum::{
    Extension,
    extract::State as Extract,
    http::header,
    response::{
        IntoResponse as _, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::stream;
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

use super::visitor::Visitor;
use crate::{
    access::Scope,
    domain::id,
    http::{error::Error, problem::Code, server::Stop, state::State},
};

/// How often the database is looked at.
const LOOK: Duration = Duration::from_millis(400);

/// How often a quiet stream says that it lives: proxies close what says nothing.
const ALIVE: Duration = Duration::from_secs(15);

/// After how long a stream ends, so that whoever was signed out learns of it. The page asks again by itself.
const LONGEST: u32 = 15 * 60 * 1000 / 400;

const NEWEST_SQL: &str = "
SELECT (SELECT id FROM events ORDER BY id DESC LIMIT 1), (SELECT id FROM rejections ORDER BY id DESC LIMIT 1),
       (SELECT count(*) FROM (SELECT FROM event_work WHERE dead_at IS NULL LIMIT 1001) waiting)";

/// What pages may show: the newest event and refusal, and how much waits.
type Newest = (Option<Uuid>, Option<Uuid>, i64);

struct Watch {
    state: State,
    stop: Stop,
    seen: Option<Newest>,
    looks: u32,
    _slot: OwnedSemaphorePermit,
}

/// `GET /console/stream`.
pub(super) async fn stream(
    Extract(state): Extract<State>,
    Extension(stop): Extension<Stop>,
    visitor: Visitor,
) -> Result<Response, Error> {
    visitor.needs(Scope::Read)?;
    let slot = std::sync::Arc::clone(&state.console.streams).try_acquire_owned();
    let slot = slot.map_err(|_| Error::Refused(Code::Overloaded, "too many streams are open".to_owned()))?;
    let watch = Watch { state, stop, seen: None, looks: 0, _slot: slot };
    let events = stream::unfold(watch, |mut watch| async move {
        let event = watch.next().await?;
        Some((Ok::<_, Infallible>(event), watch))
    });
    let headers = [
        (header::CACHE_CONTROL, "no-store, no-transform"),
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE))).into_response())
}

impl Watch {
    /// Waits until there is something new; `None` where the stream ends.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if self.seen.is_some() {
                tokio::select! {
                    () = self.stop.0.cancelled() => return None,
                    () = tokio::time::sleep(LOOK) => {}
                }
            }
            self.looks += 1;
            if self.looks > LONGEST {
                return None;
            }
            // While the database is away there is nothing new, and the page's own request tells why.
            let Ok(newest) = sqlx::query_as::<_, Newest>(NEWEST_SQL).fetch_one(&self.state.db).await else {
                self.seen.get_or_insert_default();
                continue;
            };
            if self.seen != Some(newest) {
                self.seen = Some(newest);
                let name = newest.0.map_or_else(|| "none".to_owned(), |event| id::shown("event_", event));
                return Some(Event::default().event("news").id(name).data(newest.2.to_string()));
            }
        }
    }
}
