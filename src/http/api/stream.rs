//! `GET /api/v1/stream`: kept events as they come, as server-sent events, with the filters of their list.
//!
//! Every message is an event as its list shows it, under its id. Whoever comes back with that id in `Last-Event-ID` gets
//! what was told after it. Where this process does not remember having told it (it was restarted, or another one has),
//! what was kept in the ten seconds before it comes once more: doubled rather than missed.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    fmt::Write as _,
};

use axum::{
    body::{Body, Bytes},
    extract::{RawQuery, State as Extract},
    http::{HeaderMap, HeaderName, header},
    response::{IntoResponse as _, Response},
};
use futures_util::stream::unfold;
use serde_json::Value;
use tokio::time::Instant;
use uuid::Uuid;

use super::{body::Wrong, caller::Reader, query::Wanted, resources};
use crate::{
    domain::id,
    http::{error::Error, state::State},
    inbox::live::Watch,
    lines::document::read::Fault,
    provider::Params,
};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// How long a reader waits before it comes back, in milliseconds.
const RETRY_MS: u32 = 2_000;

/// Events that are read at once.
const STEP: i64 = 100;

/// Events that are remembered, since they may be told a second time.
const REMEMBERED: usize = 10_000;

/// How far behind the last event a resumed stream begins that this process has not told itself.
const OVERLAP_MS: u128 = 10_000;

/// The stream.
pub(super) async fn stream(
    Extract(state): Extract<State>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    reader: Reader,
) -> Result<Response, Error> {
    let events = resources::find("events")?;
    reader.needs(events.scope)?;
    let (wanted, last) = wanted(&headers, query.as_deref().unwrap_or_default())?;
    if let Some(scope) = wanted.scope() {
        reader.needs(scope)?;
    }
    let feed = Feed::open(state, reader, wanted, last).await?;
    let body = unfold(feed, |mut feed| async {
        let chunk = feed.next().await?;
        Some((Ok::<_, std::convert::Infallible>(chunk), feed))
    });
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store, no-transform"),
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, Body::from_stream(body)).into_response())
}

/// What is asked for: the filters of the list of events, a time to begin at, and the last event that was seen.
fn wanted(headers: &HeaderMap, query: &str) -> Result<(Wanted, Option<Uuid>), Error> {
    let events = resources::find("events")?;
    let read = |name: &str, text: &str| {
        id::read(events.prefix, text).map_err(|_| Fault::new(name, "it is no id of an event"))
    };
    let (mut wanted, mut last, mut wrong) = (Wanted::all(events), None, Wrong::default());
    let params = Params::from_query(query);
    let params = params.sorted();
    wrong.note_twice(params.iter().map(|(name, _)| *name));
    for (name, value) in params {
        match name {
            "last_event_id" => last = wrong.keep(read(name, value)),
            "limit" | "starting_after" | "ending_before" | "created[lt]" | "created[lte]" => {
                wrong.note(name, "a stream has no end and no pages");
            }
            _ => {
                wrong.keep(wanted.set(name, value, 1));
            }
        }
    }
    // A reader of server-sent events that comes back knows better than the address it was given.
    if let Some(value) = headers.get(LAST_EVENT_ID).filter(|value| !value.is_empty()) {
        last = wrong.keep(read("Last-Event-ID", value.to_str().unwrap_or_default()));
    }
    wrong.told().map(|()| (wanted, last))
}

/// One stream on its way.
struct Feed {
    state: State,
    reader: Reader,
    wanted: Wanted,
    watch: Watch,
    progress: Progress,
    /// Whether there is something to be read that lies before the first tidings.
    past: bool,
    /// What was told and not yet read.
    told: VecDeque<Uuid>,
    /// What may be told a second time.
    sent: BTreeSet<Uuid>,
    /// When to show that it is still there.
    beat: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Start,
    UnderWay,
    /// It has said goodbye.
    End,
}

impl Feed {
    async fn open(
        state: State,
        reader: Reader,
        mut wanted: Wanted,
        last: Option<Uuid>,
    ) -> Result<Self, Error> {
        // Beyond this the database is away.
        let watching = tokio::time::timeout(state.limits.answer, state.live.watch()).await;
        let watch = watching.map_err(|_| sqlx::Error::PoolTimedOut)?.ok_or(Error::TooManyStreams)?;
        wanted.limit = STEP;
        let told = last.and_then(|last| watch.after(last));
        let past = told.is_none() && (last.is_some() || wanted.has_beginning());
        wanted.go_on_above(last.map_or(Uuid::nil(), earlier));
        let told = VecDeque::from(told.unwrap_or_default());
        let sent = told.iter().copied().collect();
        let beat = Instant::now() + state.limits.heartbeat;
        Ok(Self { state, reader, wanted, watch, progress: Progress::Start, past, told, sent, beat })
    }

    /// What is sent next; the first of it is there at once.
    async fn next(&mut self) -> Option<Bytes> {
        match self.progress {
            Progress::Start => {
                self.progress = Progress::UnderWay;
                return Some(format!(": SmartLine\nretry: {RETRY_MS}\n\n").into());
            }
            Progress::UnderWay => {}
            Progress::End => return None,
        }
        match self.step().await {
            Ok(bytes) => Some(bytes),
            Err(why) => {
                self.progress = Progress::End;
                Some(format!(": {why}\nretry: {RETRY_MS}\n\n").into())
            }
        }
    }

    /// The next events, or a sign of life.
    ///
    /// # Errors
    /// Why the stream ends.
    async fn step(&mut self) -> Result<Bytes, &'static str> {
        loop {
            if self.state.stop.is_cancelled() {
                return Err("the service stops");
            }
            if Instant::now() >= self.beat {
                return self.sign_of_life().await;
            }
            let rows = if self.past {
                self.read_past().await
            } else if !self.told.is_empty() {
                self.read_told().await
            } else {
                self.wait().await?;
                continue;
            };
            let rows = rows.map_err(|error| {
                tracing::warn!(%error, "a stream ends: events could not be read");
                "the database does not answer"
            })?;
            if !rows.is_empty() {
                return Ok(self.messages(rows));
            }
        }
    }

    /// Until there are tidings, it is time for a sign of life, or the service stops.
    async fn wait(&mut self) -> Result<(), &'static str> {
        tokio::select! {
            () = self.state.stop.cancelled() => {}
            () = tokio::time::sleep_until(self.beat) => {}
            tidings = self.watch.next() => {
                let tidings = tidings.ok_or("too much has waited; come back for it")?;
                self.told.extend(tidings.iter().filter(|id| !self.sent.contains(id)));
            }
        }
        Ok(())
    }

    async fn sign_of_life(&mut self) -> Result<Bytes, &'static str> {
        self.beat = Instant::now() + self.state.limits.heartbeat;
        match self.reader.is_still_good(&self.state).await {
            Ok(false) => Err("the key is no longer good"),
            _ => Ok(Bytes::from_static(b": still here\n\n")),
        }
    }

    /// The next rows of what lies before the first tidings.
    async fn read_past(&mut self) -> sqlx::Result<Vec<Value>> {
        let rows: Vec<Value> =
            self.wanted.rows().fetch_all(&self.state.db).await?.into_iter().map(|row| row.0).collect();
        let full = i64::try_from(rows.len()).is_ok_and(|count| count > self.wanted.limit);
        let last = match rows.last().and_then(row_id) {
            Some(last) if full => Some(last),
            _ if self.wanted.looks() => self.wanted.looked_to().fetch_optional(&self.state.db).await?,
            _ => None,
        };
        match last {
            Some(last) => self.wanted.go_on_above(last),
            None => self.past = false,
        }
        self.sent.extend(rows.iter().filter_map(row_id));
        while self.sent.len() > REMEMBERED {
            self.sent.pop_first();
        }
        Ok(rows)
    }

    /// The next rows of what was told, in that order: whoever comes back is found a place in it.
    async fn read_told(&mut self) -> sqlx::Result<Vec<Value>> {
        let step = usize::try_from(STEP).unwrap_or(1).min(self.told.len());
        let ids: Vec<Uuid> = self.told.drain(..step).collect();
        let rows = self.wanted.among(&ids).fetch_all(&self.state.db).await?;
        let mut rows: HashMap<Uuid, Value> =
            rows.into_iter().filter_map(|row| Some((row_id(&row.0)?, row.0))).collect();
        Ok(ids.iter().filter_map(|id| rows.remove(id)).collect())
    }

    fn messages(&self, rows: Vec<Value>) -> Bytes {
        let people = self.reader.sees_people();
        let mut text = String::new();
        for row in rows {
            let shown = self.wanted.resource.shown(row, people);
            let id = shown["id"].as_str().unwrap_or_default();
            let _ = write!(text, "id: {id}\nevent: event.kept\ndata: {shown}\n\n");
        }
        text.into()
    }
}

fn row_id(row: &Value) -> Option<Uuid> {
    row["id"].as_str().and_then(|id| Uuid::parse_str(id).ok())
}

/// The same id, a while earlier.
fn earlier(id: Uuid) -> Uuid {
    Uuid::from_u128(id.as_u128().saturating_sub(OVERLAP_MS << 80))
}
