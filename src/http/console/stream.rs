//! Tells open pages that there is something new, as server-sent events. A page then asks for its own rows again: so they
//! are filtered, masked and written by the one code that does so.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::State as Extract,
    http::{HeaderName, header},
    response::{
        IntoResponse as _, Response,
        sse::{Event, Sse},
    },
};
use futures_util::stream;
use tokio::time::Instant;
use uuid::Uuid;

use super::visitor::Visitor;
use crate::{
    access::Scope,
    domain::id,
    http::{error::Error, state::State},
    inbox::live,
};

/// How often it is looked for what no event tells of: refusals, and how far the worker is.
const LOOK: Duration = Duration::from_secs(1);

/// After how long a stream ends, so that whoever was signed out learns of it. The page comes back by itself.
const LONGEST: Duration = Duration::from_mins(15);

const BESIDES_SQL: &str = "
SELECT (SELECT id FROM rejections ORDER BY id DESC LIMIT 1),
       (SELECT count(*) FROM (SELECT FROM event_work WHERE dead_at IS NULL LIMIT 1001) waiting)";

/// The newest refusal, and how many events wait.
type Besides = (Option<Uuid>, i64);

struct Watch {
    state: State,
    tidings: live::Watch,
    besides: Option<Besides>,
    /// When to show that it is still there.
    beat: Instant,
    end: Instant,
}

/// `GET /console/stream`.
pub(super) async fn stream(Extract(state): Extract<State>, visitor: Visitor) -> Result<Response, Error> {
    visitor.needs(Scope::Read)?;
    // Beyond this the database is away.
    let watching = tokio::time::timeout(state.limits.answer, state.live.watch()).await;
    let tidings = watching.map_err(|_| sqlx::Error::PoolTimedOut)?.ok_or(Error::TooManyStreams)?;
    let now = Instant::now();
    let watch =
        Watch { beat: now + state.limits.heartbeat, state, tidings, besides: None, end: now + LONGEST };
    let events = stream::unfold(watch, |mut watch| async move {
        let event = watch.next().await?;
        Some((Ok::<_, Infallible>(event), watch))
    });
    let headers = [
        (header::CACHE_CONTROL, "no-store, no-transform"),
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, Sse::new(events)).into_response())
}

impl Watch {
    /// Waits until there is something new; `None` where the stream ends. The first answer comes at once.
    async fn next(&mut self) -> Option<Event> {
        if self.besides.is_none() {
            self.besides = Some(self.look().await.unwrap_or_default());
            return Some(Event::default().comment("SmartLine"));
        }
        loop {
            tokio::select! {
                () = self.state.stop.cancelled() => return None,
                () = tokio::time::sleep_until(self.end) => return None,
                () = tokio::time::sleep_until(self.beat) => {
                    self.beat = Instant::now() + self.state.limits.heartbeat;
                    return Some(Event::default().comment(""));
                }
                told = self.tidings.next() => {
                    let newest = *told?.last()?;
                    return Some(news().id(id::shown("event_", newest)));
                }
                () = tokio::time::sleep(LOOK) => {
                    // While the database is away there is nothing new, and the page's own request tells why.
                    let Ok(besides) = self.look().await else { continue };
                    if self.besides.replace(besides) != Some(besides) {
                        return Some(news());
                    }
                }
            }
        }
    }

    async fn look(&self) -> sqlx::Result<Besides> {
        sqlx::query_as(BESIDES_SQL).fetch_one(&self.state.db).await
    }
}

fn news() -> Event {
    Event::default().event("news").data("new") // without data a browser tells nobody
}
