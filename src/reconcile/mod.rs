//! Reconciling: what the providers' own lists know and no webhook brought is taken in, under the label `recovered`.
//!
//! Each list is read page by page. A row becomes the event that its webhook would have been, under the same key, so
//! that nothing is counted twice whichever of the two comes first; the worker does the rest. A page's events and the
//! place where the next page begins are committed together: a run that ends early is gone on with by the next.

mod compare;
mod cursor;
mod list;
mod page;
mod plivo;
mod remote;
mod report;
mod stripe;
#[cfg(test)]
mod tests;
mod twilio;
mod window;

use chrono::{DateTime, Utc};
use sqlx::{Acquire as _, PgConnection};

pub(crate) use report::{Compared, LeftOut, Report};
pub(crate) use window::LONGEST;

use self::{
    cursor::Cursor,
    list::List,
    page::Page,
    remote::{Failure, Remote},
    report::MOST_DIFFERENCES,
    window::Window,
};
use crate::{
    config::{Api, Apis},
    domain::clock::Clock,
    inbox::{partitions, recovered},
    provider::Provider,
};

/// Held by the one run that there may be; it goes with the connection.
const LOCK_SQL: &str = "SELECT pg_try_advisory_lock(hashtext('smartline.reconcile'))";

/// What is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wish {
    /// Only this provider.
    pub(crate) provider: Option<Provider>,
    /// From when on, at most [`LONGEST`] ago. Otherwise from where the last run ended, with some overlap.
    pub(crate) since: Option<DateTime<Utc>>,
    /// Whether to look only.
    pub(crate) dry_run: bool,
}

/// Why a pass ended early.
enum Stop {
    Failure(Failure),
    Database(sqlx::Error),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<sqlx::Error> for Stop {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

/// Compares every list that can be asked for, and takes in what is missing. `tell` hears of each page. `None` where
/// another run is at it: the connection is used for nothing else, and closed afterwards.
///
/// # Errors
/// What the database raises. A provider that fails is no error: it stands in the report.
pub(crate) async fn run(
    db: &mut PgConnection,
    apis: &Apis,
    clock: &dyn Clock,
    wish: Wish,
    mut tell: impl FnMut(&Compared) + Send,
) -> sqlx::Result<Option<Report>> {
    if !sqlx::query_scalar::<_, bool>(LOCK_SQL).fetch_one(&mut *db).await? {
        return Ok(None);
    }
    if !wish.dry_run {
        partitions::ensure(&mut *db, clock.now()).await?;
    }
    let mut report =
        Report { dry_run: wish.dry_run, lists: Vec::new(), left_out: left_out(apis, wish.provider) };
    for list in List::ALL {
        let provider = list.provider();
        if wish.provider.is_some_and(|wanted| wanted != provider) || !apis.missing(provider).is_empty() {
            continue;
        }
        let api = apis.of(provider);
        for account in &api.accounts {
            let run = Run { db: &mut *db, clock, list, account, wish };
            report.lists.push(run.compared(api, &mut tell).await?);
        }
    }
    Ok(Some(report))
}

/// Those of the wanted providers, or of all, that cannot be asked, and why.
pub(crate) fn left_out(apis: &Apis, wanted: Option<Provider>) -> Vec<LeftOut> {
    let wanted = Provider::ALL.into_iter().filter(|provider| wanted.is_none_or(|wanted| wanted == *provider));
    let lacking =
        wanted.map(|provider| LeftOut { provider: provider.name(), missing: apis.missing(provider) });
    lacking.filter(|left_out| !left_out.missing.is_empty()).collect()
}

/// One list of one account.
struct Run<'a> {
    db: &'a mut PgConnection,
    clock: &'a dyn Clock,
    list: List,
    account: &'a str,
    wish: Wish,
}

impl Run<'_> {
    /// Goes on with the pass that was not finished, if it is about what is wanted, and then through the rest.
    async fn compared(
        mut self,
        api: &Api,
        tell: &mut (impl FnMut(&Compared) + Send),
    ) -> sqlx::Result<Compared> {
        let mut cursor = Cursor::load(&mut *self.db, self.list, self.account).await?;
        let mut wanted = Window::wanted(self.clock.now(), self.wish.since, cursor.done_until);
        let mut compared = self.nothing_yet(wanted);
        let ended = async {
            let http = remote::client(&api.base)?;
            let pace = self.list.pace();
            let mut remote = Remote::new(&http, self.list.provider(), api, self.account, self.clock, pace);
            let under_way = cursor.under_way.take().filter(|_| !self.wish.dry_run);
            if let Some((window, page)) = under_way.filter(|(window, _)| window.since <= wanted.since) {
                compared.since = window.since;
                let mut pass = Pass { window, cursor: &mut cursor, compared: &mut compared };
                self.go_through(&mut pass, page, &mut remote, tell).await?;
                wanted = wanted.after(window);
            }
            if !wanted.is_empty() {
                let first = self.list.first(self.account, wanted);
                let mut pass = Pass { window: wanted, cursor: &mut cursor, compared: &mut compared };
                self.go_through(&mut pass, first, &mut remote, tell).await?;
            }
            Ok(())
        };
        match ended.await {
            Ok(()) => {}
            Err(Stop::Failure(failure)) => compared.failed = Some(failure.to_string()),
            Err(Stop::Database(error)) => return Err(error),
        }
        Ok(compared)
    }

    fn nothing_yet(&self, window: Window) -> Compared {
        Compared {
            provider: self.list.provider().name(),
            account: self.account.to_owned(),
            list: self.list.name(),
            since: window.since,
            until: window.until,
            rows: 0,
            missing: 0,
            differing: 0,
            waiting: 0,
            taken_in: 0,
            differences: Vec::new(),
            failed: None,
        }
    }

    /// Page after page, from this one to the last. Where the provider does not know the page any more, once from the
    /// first on.
    async fn go_through(
        &mut self,
        pass: &mut Pass<'_>,
        page: String,
        remote: &mut Remote<'_>,
        tell: &mut (impl FnMut(&Compared) + Send),
    ) -> Result<(), Stop> {
        let first = self.list.first(self.account, pass.window);
        let (mut next, mut begun_anew) = (Some(page), false);
        while let Some(page) = next {
            let body = match remote.get(&page).await {
                Err(Failure::NoSuchPage(_)) if page != first && !begun_anew => {
                    begun_anew = true;
                    next = Some(first.clone());
                    continue;
                }
                body => body?,
            };
            let read = self.list.read(self.account, pass.window, &body, self.clock.now())?;
            if read.next.as_ref() == Some(&page) {
                return Err(Failure::Unreadable("the next page is the same one").into());
            }
            next = self.take(pass, read).await?;
            tell(pass.compared);
        }
        Ok(())
    }

    /// Compares a page and keeps what it brings, together with where the next one begins.
    async fn take(&mut self, pass: &mut Pass<'_>, page: Page) -> sqlx::Result<Option<String>> {
        let Page { rows, told, next } = page;
        let findings = compare::compare(&mut *self.db, told).await?;
        pass.cursor.advance(pass.window, next.as_deref());
        if !self.wish.dry_run {
            let mut transaction = self.db.begin().await?;
            pass.compared.taken_in += recovered::keep(&mut transaction, &findings.events).await?;
            pass.cursor.save(&mut *transaction, self.list, self.account, self.clock.now()).await?;
            transaction.commit().await?;
        }
        let compared = &mut *pass.compared;
        compared.rows += rows;
        compared.missing += findings.missing;
        compared.waiting += findings.waiting;
        compared.differing += findings.differences.len();
        let room = MOST_DIFFERENCES - compared.differences.len();
        compared.differences.extend(findings.differences.into_iter().take(room));
        Ok(next)
    }
}

/// A walk through a list.
struct Pass<'a> {
    window: Window,
    cursor: &'a mut Cursor,
    compared: &'a mut Compared,
}
