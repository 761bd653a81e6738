//! What Twilio and Plivo have in common: a person waits for call control, which must come within 3 s whatever fails.

use std::panic::{AssertUnwindSafe, catch_unwind};

use axum::response::Response;
use bytes::Bytes;
use futures_util::FutureExt as _;

use super::keep::{self, EMPTY};
use crate::{
    domain::{phone::Phone, verb::Verb},
    http::{
        error::{Error, panic_text},
        state::{Outcome, State},
        verified::Configured,
    },
    inbox::NotKept,
    lines::{
        Call, Decided, Message,
        desk::Told,
        is_withheld,
        safe::{self, Signer},
        token::TokenKeys,
    },
    provider::{Answer, Params, Verified},
};

/// A provider of calls and texts.
pub(super) trait Carrier: Configured<Message = Params> {
    /// What a new call or the next step of one says.
    fn call(delivery: &Verified<Self>) -> Call;

    /// What a text says.
    fn message(delivery: &Verified<Self>) -> Message;

    /// What a callback tells that the next step of its call should know: the call's id, and what.
    fn told(delivery: &Verified<Self>) -> Option<(String, Told)>;

    /// The keys of its position tokens.
    fn keys(state: &State) -> &TokenKeys;

    /// Writes verbs in the provider's XML, with links back to `origin`; `None` where the document would be too long.
    fn render(verbs: &[Verb], origin: &str) -> Option<String>;
}

/// Answers a call. From here on nothing but valid call control leaves: not on an error, a panic or a slow database.
pub(super) async fn answer_call<W: Carrier>(state: &State, delivery: &Verified<W>) -> Response {
    let call = W::call(delivery);
    let now = delivery.received().at;
    let safe = || {
        let document = catch_unwind(AssertUnwindSafe(|| {
            let signer = Signer { keys: W::keys(state), id: &call.id, now };
            W::render(&safe::document(&signer), delivery.origin())
        }));
        if document.is_err() {
            state.metrics.requests.panicked();
        }
        let goodbye = || W::render(&safe::goodbye(), "").unwrap_or_else(|| EMPTY.to_owned());
        Answer::xml(document.ok().flatten().unwrap_or_else(goodbye))
    };
    let decide = Box::pin(state.desk.answer_call(W::keys(state), &call, now)); // see `answer`
    let remember = |decided: &Decided| state.desk.kept_call(&call, decided, now);
    let contact = pseudonym::<W>(state, call.contact());
    answer(state, delivery, contact, decide, remember, safe).await.unwrap_or_else(|_| {
        // Only V2, which no voice path takes, can be refused after its verification.
        keep::respond(safe(), Outcome { label: "safe_document", ..Outcome::default() })
    })
}

/// Answers a text, or stays silent where that cannot be kept: a text that is answered twice is worse than one that is
/// not answered.
///
/// # Errors
/// When the nonce was another request's.
pub(super) async fn answer_text<W: Carrier>(
    state: &State,
    delivery: &Verified<W>,
) -> Result<Response, Error> {
    let message = W::message(delivery);
    let now = delivery.received().at;
    let decide = Box::pin(state.desk.answer_text(W::keys(state), &message, now)); // see `answer`
    let remember = |decided: &Decided| state.desk.kept_text(&message, decided, now);
    let contact = pseudonym::<W>(state, &message.from);
    answer(state, delivery, contact, decide, remember, || Answer::xml(EMPTY)).await
}

/// Takes what only informs: kept, then 200; 503 where it cannot be kept.
///
/// # Errors
/// When it cannot be kept.
pub(super) async fn note<W: Carrier>(state: &State, delivery: &Verified<W>) -> Result<Response, Error> {
    let work = keep::keep(state, delivery, Answer::xml(EMPTY), Answer::xml(EMPTY), None);
    let (answer, outcome) = keep::within(state.limits.answer, work).await?;
    if let Some((call, told)) = W::told(delivery) {
        state.desk.informed(delivery.received().endpoint.provider(), &call, told);
    }
    Ok(keep::respond(answer, outcome))
}

/// What stands for a caller in the log; none for one who tells no number.
fn pseudonym<W: Carrier>(state: &State, number: &Phone) -> Option<String> {
    if is_withheld(number) { None } else { W::keys(state).pseudonym(number) }
}

/// Decides, renders, keeps, remembers; on any failure but a refusal the safe answer leaves instead, and the log says why.
///
/// `decide` comes boxed: each future that holds it in here would have room for it twice, once as it is handed over and once
/// as it waits. So an answer in the making took 13 kB, which were copied several times.
async fn answer<W: Carrier>(
    state: &State,
    delivery: &Verified<W>,
    contact: Option<String>,
    decide: impl Future<Output = Decided>,
    remember: impl Fn(&Decided),
    safe: impl Fn() -> Answer,
) -> Result<Response, Error> {
    let work = async {
        if state.intake.turns_away_call(delivery.envelope().identity.key) {
            return Err(NotKept::Overloaded.into());
        }
        let mut decided = decide.await;
        decided.decision.ends = matches!(decided.verbs.last(), Some(Verb::Hangup | Verb::Refuse(_)));
        let document = W::render(&decided.verbs, delivery.origin());
        let too_long = document.is_none().then_some("the document is too long");
        let cause = decided.cause.or(too_long);
        let answer = document.map_or_else(&safe, |xml| Answer::xml(Bytes::from(xml)));
        let decision = decided.decision.to_json();
        let (answer, mut outcome) = keep::keep(state, delivery, answer, Answer::xml(EMPTY), decision).await?;
        if outcome.label != "duplicate" {
            remember(&decided);
        }
        outcome.cause = cause.map(str::to_owned);
        Ok((answer, outcome))
    };
    let work = AssertUnwindSafe(keep::within(state.limits.answer, work)).catch_unwind();
    let mut crowded = false;
    let cause = match work.await {
        Ok(Ok((answer, outcome))) => return Ok(keep::respond(answer, Outcome { contact, ..outcome })),
        Ok(Err(Error::NotKept(why))) => {
            crowded = why == NotKept::Overloaded;
            Error::from(why).to_string()
        }
        Ok(Err(refusal)) => return Err(refusal),
        Err(panic) => {
            state.metrics.requests.panicked();
            format!("panic: {}", panic_text(panic.as_ref()))
        }
    };
    let outcome = Outcome {
        label: "safe_document",
        cause: Some(cause),
        crowded,
        contact,
        ..keep::outcome_of(delivery)
    };
    Ok(keep::respond(safe(), outcome))
}

#[cfg(test)]
mod tests;
