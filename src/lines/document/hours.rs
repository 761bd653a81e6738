//! Opening hours: half-open spans of a week in a time zone, less the days that are closed.

use chrono::{
    DateTime, Datelike as _, Days, NaiveDate, NaiveTime, Offset as _, TimeDelta, TimeZone as _,
    Timelike as _, Utc,
};
use chrono_tz::Tz;

/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// The days as they are written.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// How far ahead the next opening is looked for.
const HORIZON: u64 = 370;

/// Opening hours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hours {
    zone: Tz,
    /// Day of the week from Monday, first minute, and the minute after the last; none goes past midnight.
    spans: Vec<(u8, u16, u16)>,
    closed: Vec<NaiveDate>,
}

impl Hours {
    /// Reads a zone's name, spans such as `mon-fri 09:00-17:00`, and dates such as `2026-12-25`.
    ///
    /// # Errors
    /// All that cannot be understood: the field, and why.
    pub(crate) fn read(
        zone: &str,
        open: &[String],
        closed: &[String],
    ) -> Result<Self, Vec<(String, String)>> {
        let mut faults = Vec::new();
        let zone = zone.parse::<Tz>().unwrap_or_else(|_| {
            faults
                .push(("zone".to_owned(), format!("`{zone}` is no IANA time zone such as America/New_York")));
            Tz::UTC
        });
        let mut spans = Vec::new();
        for (index, text) in open.iter().enumerate() {
            match read_span(text) {
                Ok(read) => spans.extend(read),
                Err(why) => faults.push((format!("open[{index}]"), format!("`{text}` {why}"))),
            }
        }
        let mut days = Vec::new();
        for (index, text) in closed.iter().enumerate() {
            match NaiveDate::parse_from_str(text, "%Y-%m-%d") {
                Ok(day) => days.push(day),
                Err(_) => faults
                    .push((format!("closed[{index}]"), format!("`{text}` is no date such as 2026-12-25"))),
            }
        }
        spans.sort_unstable();
        spans.dedup();
        days.sort_unstable();
        days.dedup();
        if faults.is_empty() { Ok(Self { zone, spans, closed: days }) } else { Err(faults) }
    }

    /// The spans and the dates in the one form that reads back as the same: neighbouring days with the same times together,
    /// and what goes past midnight as one.
    pub(crate) fn written(&self) -> (Vec<String>, Vec<String>) {
        let mut left = self.spans.clone();
        let mut nights = Vec::new();
        for &(day, from, to) in &self.spans {
            let after = left.iter().position(|&(next, begin, end)| {
                next == (day + 1) % 7 && begin == 0 && end < from && to == DAY && day != next
            });
            let Some(after) = after else { continue };
            if let Some(before) = left.iter().position(|span| *span == (day, from, to)) {
                nights.push((day, from, left[after].2));
                left.remove(after.max(before));
                left.remove(after.min(before));
            }
        }
        left.extend(nights);
        left.sort_unstable();
        let mut runs: Vec<(u8, u8, u16, u16)> = Vec::new();
        for (day, from, to) in left {
            match runs.iter_mut().find(|run| (run.1 + 1, run.2, run.3) == (day, from, to)) {
                Some(run) => run.1 = day,
                None => runs.push((day, day, from, to)),
            }
        }
        let time = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        let name = |day: u8| DAYS.get(usize::from(day)).copied().unwrap_or_default();
        let open = runs.into_iter().map(|(first, last, from, to)| {
            let days = if first == last {
                name(first).to_owned()
            } else {
                format!("{}-{}", name(first), name(last))
            };
            format!("{days} {}-{}", time(from), time(to))
        });
        (open.collect(), self.closed.iter().map(|day| day.format("%Y-%m-%d").to_string()).collect())
    }

    /// Whether they are open at that moment, and why not where a holiday closes them.
    pub(crate) fn at(&self, moment: DateTime<Utc>) -> Openness {
        let local = moment.with_timezone(&self.zone);
        if self.closed.contains(&local.date_naive()) {
            return Openness::Holiday(local.date_naive());
        }
        let minute = u16::try_from(local.hour() * 60 + local.minute()).unwrap_or(0);
        let day = local.weekday().num_days_from_monday();
        let open =
            self.spans.iter().any(|&(of, from, to)| u32::from(of) == day && (from..to).contains(&minute));
        if open { Openness::Open } else { Openness::Closed }
    }

    /// The next moment, not before `moment`, at which they are open; none within a year.
    pub(crate) fn next_open(&self, moment: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if self.at(moment) == Openness::Open {
            return Some(moment);
        }
        let today = moment.with_timezone(&self.zone).date_naive();
        let days = (0..HORIZON).filter_map(|ahead| today.checked_add_days(Days::new(ahead)));
        days.flat_map(|day| self.openings(day))
            .filter(|at| *at > moment && self.at(*at) == Openness::Open)
            .min_by_key(|at| *at)
    }

    /// The beginnings of the day's spans. One that falls into the hour that spring takes begins when the hour is over.
    fn openings(&self, day: NaiveDate) -> Vec<DateTime<Utc>> {
        let of_day =
            self.spans.iter().filter(|(of, ..)| u32::from(*of) == day.weekday().num_days_from_monday());
        of_day
            .filter_map(|&(_, from, _)| {
                let time = NaiveTime::from_num_seconds_from_midnight_opt(u32::from(from) * 60, 0)?;
                let local = day.and_time(time);
                let found = self.zone.from_local_datetime(&local).earliest();
                found.or_else(|| self.zone.from_local_datetime(&(local + TimeDelta::hours(1))).earliest())
            })
            .map(|at| at.to_utc())
            .collect()
    }

    /// The next two moments at which the clock of the zone is changed; fewer where it is not.
    pub(crate) fn changes_of_the_clock(&self, from: DateTime<Utc>) -> Vec<DateTime<Utc>> {
        let offset = |at: DateTime<Utc>| at.with_timezone(&self.zone).offset().fix();
        let day = |ahead: u64| from + TimeDelta::days(i64::try_from(ahead).unwrap_or(0));
        let days = (0..2 * HORIZON).filter(|ahead| offset(day(*ahead)) != offset(day(ahead + 1)));
        days.take(2)
            .map(|ahead| {
                // Between these two moments, to the minute.
                let (mut before, mut after) = (day(ahead).timestamp() / 60, day(ahead + 1).timestamp() / 60);
                let old = offset(day(ahead));
                while after - before > 1 {
                    let middle = i64::midpoint(before, after);
                    let is_old = offset(DateTime::from_timestamp(middle * 60, 0).unwrap_or(from)) == old;
                    if is_old { before = middle } else { after = middle }
                }
                DateTime::from_timestamp(after * 60, 0).unwrap_or(from)
            })
            .collect()
    }

    /// A moment as the clock of the zone shows it.
    pub(crate) fn local(&self, at: DateTime<Utc>) -> String {
        at.with_timezone(&self.zone).format("%a %Y-%m-%d %H:%M").to_string()
    }

    /// The zone's name.
    pub(crate) fn zone(&self) -> &'static str {
        self.zone.name()
    }
}

/// Whether hours are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Openness {
    Open,
    Closed,
    /// Closed all day.
    Holiday(NaiveDate),
}

/// Reads `mon-fri 09:00-17:00`; what goes past midnight is split.
fn read_span(text: &str) -> Result<Vec<(u8, u16, u16)>, &'static str> {
    const FORM: &str = "is not of the form `mon-fri 09:00-17:00`";
    let (days, times) = text.split_once(' ').ok_or(FORM)?;
    let (first, last) = days.split_once('-').unwrap_or((days, days));
    let (first, last) = (day(first).ok_or(FORM)?, day(last).ok_or(FORM)?);
    let (from, to) = times.trim().split_once('-').ok_or(FORM)?;
    let (from, to) = (minute(from).ok_or(FORM)?, minute(to).ok_or(FORM)?);
    if from == to || from == DAY {
        return Err("has no length; a whole day is 00:00-24:00");
    }
    let mut spans = Vec::new();
    for of in (0..7).map(|ahead| (first + ahead) % 7) {
        if from < to {
            spans.push((of, from, to));
        } else {
            spans.push((of, from, DAY));
            spans.push(((of + 1) % 7, 0, to));
        }
        if of == last {
            break;
        }
    }
    spans.retain(|(_, from, to)| from < to);
    Ok(spans)
}

fn day(name: &str) -> Option<u8> {
    let day = DAYS.iter().position(|day| day.eq_ignore_ascii_case(name))?;
    u8::try_from(day).ok()
}

/// `09:00` to `24:00`, in minutes from midnight.
fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let plain = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    let (hour, minute): (u16, u16) =
        (plain(hour).then(|| hour.parse().ok())??, plain(minute).then(|| minute.parse().ok())??);
    let at = hour * 60 + minute;
    (minute < 60 && at <= DAY).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(zone: &str, open: &[&str], closed: &[&str]) -> Hours {
        let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        Hours::read(zone, &owned(open), &owned(closed)).unwrap()
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn open_and_closed() {
        let office = hours("America/New_York", &["mon-fri 09:00-17:00", "sat 10:00-14:00"], &["2026-12-25"]);
        let bar = hours("Europe/Berlin", &["fri-sat 20:00-02:00"], &[]);
        let always = hours("UTC", &["mon-sun 00:00-24:00"], &[]);
        for (case, hours, moment, expected) in [
            ("first minute", &office, "2026-11-23T14:00:00Z", Openness::Open),
            ("before it", &office, "2026-11-23T13:59:59Z", Openness::Closed),
            ("the end is closed", &office, "2026-11-23T22:00:00Z", Openness::Closed),
            ("summer time", &office, "2026-07-06T13:00:00Z", Openness::Open),
            ("Saturday", &office, "2026-11-28T15:00:00Z", Openness::Open),
            ("Sunday", &office, "2026-11-29T15:00:00Z", Openness::Closed),
            ("holiday", &office, "2026-12-25T15:00:00Z", Openness::Holiday("2026-12-25".parse().unwrap())),
            ("after midnight", &bar, "2026-11-29T00:30:00Z", Openness::Open),
            ("and no longer", &bar, "2026-11-29T01:00:00Z", Openness::Closed),
            ("the night before", &bar, "2026-11-27T00:30:00Z", Openness::Closed),
            ("always", &always, "2026-11-29T23:59:59Z", Openness::Open),
        ] {
            assert_eq!(hours.at(at(moment)), expected, "{case}");
        }
    }

    #[test]
    fn the_next_opening_over_both_changes_of_the_clock() {
        let office = hours("America/New_York", &["mon-fri 09:00-17:00"], &["2026-12-25"]);
        let night = hours("America/New_York", &["sun 02:30-05:00"], &[]);
        for (case, hours, moment, expected) in [
            ("open", &office, "2026-11-23T14:30:00Z", Some("2026-11-23T14:30:00Z")),
            ("over a weekend", &office, "2026-11-20T23:00:00Z", Some("2026-11-23T14:00:00Z")),
            ("into summer time", &office, "2026-03-06T23:00:00Z", Some("2026-03-09T13:00:00Z")),
            ("into winter time", &office, "2026-10-30T22:00:00Z", Some("2026-11-02T14:00:00Z")),
            ("over a holiday", &office, "2026-12-24T23:00:00Z", Some("2026-12-28T14:00:00Z")),
            ("in the hour that is missing", &night, "2026-03-08T05:00:00Z", Some("2026-03-08T07:30:00Z")),
            ("never", &hours_never(), "2026-03-08T05:00:00Z", None),
        ] {
            assert_eq!(hours.next_open(at(moment)), expected.map(at), "{case}");
        }
    }

    fn hours_never() -> Hours {
        hours("UTC", &[], &[])
    }

    #[test]
    fn hours_are_written_in_one_way() {
        for (open, expected) in [
            (
                &["sat 10:00-14:00", "mon-fri 09:00-17:00", "wed 09:00-17:00"][..],
                &["mon-fri 09:00-17:00", "sat 10:00-14:00"][..],
            ),
            (&["fri-sat 20:00-02:00"], &["fri-sat 20:00-02:00"]),
            (&["fri 20:00-24:00", "sat 00:00-02:00"], &["fri 20:00-02:00"]),
            (&["mon-sun 00:00-24:00"], &["mon-sun 00:00-24:00"]),
            (&["sun 22:00-06:00"], &["sun 22:00-06:00"]),
            (&["sun-mon 22:00-06:00"], &["mon 22:00-06:00", "sun 22:00-06:00"]),
            (
                &["mon 08:00-12:00", "mon 13:00-17:00", "tue 08:00-12:00"],
                &["mon-tue 08:00-12:00", "mon 13:00-17:00"],
            ),
            (&[], &[]),
        ] {
            let read = hours("UTC", open, &["2027-01-01", "2026-12-25", "2027-01-01"]);
            let (open, closed) = read.written();
            assert_eq!(open, expected);
            assert_eq!(closed, ["2026-12-25", "2027-01-01"]);
            assert_eq!(Hours::read("UTC", &open, &closed), Ok(read));
        }
    }

    #[test]
    fn what_cannot_be_understood_is_named() {
        for (zone, open, closed, field) in [
            ("New York", "mon 09:00-17:00", "2026-12-25", "zone"),
            ("UTC", "monday 09:00-17:00", "2026-12-25", "open[0]"),
            ("UTC", "mon 9-17", "2026-12-25", "open[0]"),
            ("UTC", "mon 09:00-25:00", "2026-12-25", "open[0]"),
            ("UTC", "mon 09:00-24:01", "2026-12-25", "open[0]"),
            ("UTC", "mon 09:00-09:00", "2026-12-25", "open[0]"),
            ("UTC", "mon", "2026-12-25", "open[0]"),
            ("UTC", "mon 09:00-17:00", "2026-02-30", "closed[0]"),
        ] {
            let faults = Hours::read(zone, &[open.to_owned()], &[closed.to_owned()]).unwrap_err();
            assert_eq!(faults.len(), 1, "{faults:?}");
            assert_eq!(faults[0].0, field, "{faults:?}");
        }
    }
}
