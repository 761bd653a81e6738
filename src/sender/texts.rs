//! Texts: asked whether they may be sent, sent, and looked up where nobody knows whether they were.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::StatusCode;
use sqlx::{PgConnection, types::Uuid};

use super::{
    Attempt, Sender,
    rules::{ANSWER, COUNTED, Facts, Verdict, judge},
};
use crate::{
    calls,
    domain::phone::Phone,
    inbox::{self, recovered},
    lines::{self, line::OptOutScope},
    messages,
    outbox::{
        Reason, Text,
        api::{self, Answer, Listed},
        queue::{self, Claimed, End, Lane},
    },
    provider::{Endpoint, Recovered},
};

/// How long a provider may take to list a text that it has taken.
pub(super) const SETTLING: TimeDelta = TimeDelta::seconds(30);

/// How far apart a line's texts are sent. Source: Twilio docs, "Long code messages": one a second.
const PACE: TimeDelta = TimeDelta::seconds(1);

/// How old an event may be that nobody has worked on, before the ledger counts as behind.
const BEHIND: TimeDelta = TimeDelta::seconds(5);

/// Most pages of a provider's list that are looked through.
const PAGES: usize = 25;

/// Errors of Twilio that pass: its queue for the number is full, too many at a time. Source: Twilio docs, errors 21611,
/// 14107.
const PASSING: [&str; 2] = ["21611", "14107"];

/// Longest time that a request of another process may be under way.
const UNDER_WAY: TimeDelta = TimeDelta::minutes(1);

/// How long it is waited for.
const MOMENT: TimeDelta = TimeDelta::seconds(10);

impl Sender {
    /// Sends a text, if it may be sent now and was not sent before.
    pub(super) async fn text(&self, claimed: &Claimed, text: &Text) -> sqlx::Result<()> {
        if let Some(since) = claimed.doubt_since
            && self.settled_by_list(claimed, text, since).await?
        {
            return Ok(());
        }
        if claimed.tries >= Lane::Words.tries() {
            return self.without_try(claimed, &End::Dead("tries".to_owned())).await;
        }
        let Some(id) = self.allowed(claimed, text).await? else { return Ok(()) };
        let attempt = Attempt { claimed, id, lane: Lane::Words };
        let request = api::send(text, self.remote.account(text.provider), self.remote.origin());
        match self.remote.ask(text.provider, &request).await {
            Answer::Refused { status, code: Some(code) } if PASSING.contains(&code.as_str()) => {
                self.note(&attempt, &Answer::Busy { status, wait: None }).await
            }
            Answer::Refused { status, code: Some(code) } if code == api::OPTED_OUT => {
                self.opted_out(&attempt, text, status).await
            }
            Answer::Refused { status, code: Some(code) } if api::is_unregistered(text.provider, &code) => {
                let mut transaction = self.db.begin().await?;
                lines::table::unregister(&mut transaction, text.provider, &text.line, self.clock.now())
                    .await?;
                transaction.commit().await?;
                self.told_unregistered(claimed).await;
                self.end(&attempt, "refused", Some(status.as_u16()), Some(&code), &End::Dead(code.clone()))
                    .await
            }
            answer => self.note(&attempt, &answer).await,
        }
    }

    /// Asks all rules and takes the line's turn. Gives the attempt where the text may go out now; it is in doubt from then
    /// on.
    async fn allowed(&self, claimed: &Claimed, text: &Text) -> sqlx::Result<Option<Uuid>> {
        let now = self.clock.now();
        let mut transaction = self.db.begin().await?;
        queue::lock(&mut *transaction, &text.to).await?;
        let facts = self.facts(&mut transaction, claimed, text, now).await?;
        let mut verdict = judge(text, &facts);
        if verdict == Verdict::Send {
            let line = format!("{}:{}", text.provider.name(), text.line);
            if let Some(next) = queue::take_turn(&mut transaction, &line, PACE, now).await? {
                verdict = Verdict::Wait(next, "pace");
            }
        }
        let attempt = match verdict {
            Verdict::Send => queue::begin(&mut transaction, claimed, true, now).await?,
            Verdict::Wait(until, why) => {
                queue::postpone(&mut *transaction, claimed, until, why, false).await?;
                None
            }
            Verdict::Refuse(why) => {
                let end = End::Refused(why);
                queue::settle(&mut *transaction, claimed, &end, now).await?;
                self.tell(claimed, &end);
                None
            }
        };
        transaction.commit().await?;
        Ok(attempt)
    }

    async fn facts(
        &self,
        db: &mut PgConnection,
        claimed: &Claimed,
        text: &Text,
        now: DateTime<Utc>,
    ) -> sqlx::Result<Facts> {
        let (line, contact) = (text.line.as_str(), text.to.as_str());
        let known = self.lines.line(text.provider, &Phone::read(line));
        let settings = known.as_ref().map(|line| line.settings.clone()).unwrap_or_default();
        let scope = known.as_ref().map(|known| match settings.opt_out_scope {
            OptOutScope::Line => vec![line.to_owned()],
            OptOutScope::Account => {
                let all = self.lines.all().into_iter();
                // Lines that nobody pays for are one owner's.
                let same = all.filter(|other| other.account == known.account);
                same.map(|line| line.number.as_str().to_owned()).collect()
            }
        });
        let consent = messages::consent(&mut *db, line, contact, scope.as_deref()).await?;
        let sent = queue::sent_since(&mut *db, contact, now - COUNTED, claimed.id).await?;
        let told = messages::texted_since(&mut *db, contact, now - COUNTED).await?;
        let unnamed = sent.iter().filter(|sent| sent.key.is_none()).count();
        let named: BTreeSet<&String> =
            sent.iter().filter_map(|sent| sent.key.as_ref()).chain(&told).collect();
        let confirmed = sent.iter().any(|sent| {
            sent.reason == Reason::Confirmation.name()
                && consent.opted_out.is_some_and(|since| sent.at >= since)
        });
        let heard = messages::heard_since(&mut *db, line, contact, now - ANSWER).await?
            || calls::heard_since(&mut *db, line, contact, now - ANSWER).await?;
        let oldest = inbox::queue::oldest(&mut *db).await?;
        Ok(Facts {
            now,
            owed_at: claimed.id.time(),
            consent,
            is_behind: oldest.is_some_and(|oldest| now - oldest > BEHIND),
            sent: named.len() + unnamed,
            confirmed,
            heard,
            is_own: self.lines.all().iter().any(|line| line.number.as_str() == contact),
            a2p: settings.a2p,
            quiet: settings.quiet_hours,
            zone: known.map(|line| line.zone),
        })
    }

    /// Looks whether a text that is in doubt was taken. Tells whether that settles it for now.
    async fn settled_by_list(
        &self,
        claimed: &Claimed,
        text: &Text,
        since: DateTime<Utc>,
    ) -> sqlx::Result<bool> {
        let listed = self.listed(text, since).await;
        let now = self.clock.now();
        let mut transaction = self.db.begin().await?;
        queue::lock(&mut *transaction, &text.to).await?;
        let (outcome, status, end) = match listed {
            // A text of another try may be in the list before its id is known.
            Ok(_)
                if queue::is_under_way(&mut *transaction, &text.to, claimed.id, now - UNDER_WAY).await? =>
            {
                queue::postpone(&mut *transaction, claimed, now + MOMENT, "in_doubt", true).await?;
                transaction.commit().await?;
                return Ok(true);
            }
            Ok(mut listed) => {
                let ids: Vec<String> = listed.iter().map(|listed| listed.id.clone()).collect();
                let known = queue::known(&mut *transaction, &text.to, &ids).await?;
                listed.retain(|listed| !known.contains(&listed.id));
                listed.sort_by_key(|listed| !listed.same_words);
                let Some(found) = listed.into_iter().next() else { return Ok(false) };
                ("found", Some(200), Some(End::Done(Some(found.id))))
            }
            Err(status) => {
                let last = claimed.tries + 1 >= Lane::Words.tries();
                let status = status.map(|status| status.as_u16());
                ("in_doubt", status, last.then(|| End::Dead("in_doubt".to_owned())))
            }
        };
        let Some(attempt) = queue::begin(&mut transaction, claimed, false, now).await? else {
            return Ok(true);
        };
        queue::attempted(&mut *transaction, attempt, outcome, status, None, now).await?;
        if let Some(end) = &end {
            queue::settle(&mut *transaction, claimed, end, now).await?;
        } else {
            let due = now + queue::wait(claimed.id, claimed.tries).max(SETTLING);
            queue::postpone(&mut *transaction, claimed, due, "in_doubt", true).await?;
        }
        transaction.commit().await?;
        match end {
            Some(end) => self.tell(claimed, &end),
            None => self.metrics.outbox.tried(claimed.owed.kind(), "in_doubt"),
        }
        Ok(true)
    }

    /// The texts in the provider's list that may be this one; what it answered where it cannot be read to its end.
    async fn listed(&self, text: &Text, since: DateTime<Utc>) -> Result<Vec<Listed>, Option<StatusCode>> {
        let account = self.remote.account(text.provider);
        let mut listed: Vec<Listed> = Vec::new();
        let mut next = Some(api::look_up(text, account, since));
        for _ in 0..PAGES {
            let Some(request) = next else { break };
            let body = match self.remote.ask(text.provider, &request).await {
                Answer::Done { body, .. } => body,
                Answer::Refused { status, .. } | Answer::Busy { status, .. } => return Err(Some(status)),
                Answer::Unknown { status, .. } => return Err(status),
                Answer::Unreached { .. } => return Err(None),
            };
            let page = api::page(text, account, since, &body).ok_or(None)?;
            listed.extend(page.listed);
            next = page.next;
        }
        // There may be more than can be looked through.
        if next.is_none() { Ok(listed) } else { Err(None) }
    }

    /// The provider knows that the contact wants no texts. That is kept as the delivery report that says the same, of which
    /// the ledger is made; so it is there after a rebuild, too.
    async fn opted_out(&self, attempt: &Attempt<'_>, text: &Text, status: StatusCode) -> sqlx::Result<()> {
        let now = self.clock.now();
        let event = report(text, &attempt.claimed.id.to_string(), self.remote.account(text.provider), now);
        let end = End::Refused("opted_out");
        let mut transaction = self.db.begin().await?;
        recovered::keep(&mut transaction, &[event]).await?;
        let (status, code) = (Some(status.as_u16()), Some(api::OPTED_OUT));
        queue::attempted(&mut *transaction, attempt.id, "refused", status, code, now).await?;
        queue::settle(&mut *transaction, attempt.claimed, &end, now).await?;
        transaction.commit().await?;
        self.intake.tell_kept();
        self.tell(attempt.claimed, &end);
        Ok(())
    }
}

/// The delivery report that a refusal for an opt-out would have been; the text has no id at the provider, and so ours.
fn report(text: &Text, id: &str, account: &str, now: DateTime<Utc>) -> Recovered {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs([
        ("MessageSid", id),
        ("AccountSid", account),
        ("From", &text.line),
        ("To", &text.to),
        ("MessageStatus", "failed"),
        ("ErrorCode", api::OPTED_OUT),
    ]);
    Recovered::new(Endpoint::TwilioStatus, form.finish().into(), now, Some(now))
}
