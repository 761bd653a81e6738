//! How somebody wants to see the console: theme and time zone, kept in cookies, so that the first byte of a page has them.

use axum::http::{HeaderMap, header};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;

/// Cookies, without anything secret.
pub(super) const THEME: &str = "smartline_theme";
pub(super) const ZONE: &str = "smartline_zone";
pub(super) const KEYS: &str = "smartline_keys";

/// Light or dark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Theme {
    /// As the system has it.
    #[default]
    System,
    Light,
    Dark,
}

impl Theme {
    pub(super) const ALL: [Self; 3] = [Self::System, Self::Light, Self::Dark];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// The theme of that name; the system's for any other.
    pub(super) fn named(name: &str) -> Self {
        Self::ALL.into_iter().find(|theme| theme.name() == name).unwrap_or_default()
    }
}

/// Somebody's choices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Manner {
    pub(super) theme: Theme,
    pub(super) zone: Tz,
    /// Whether single keys do something. Source: WCAG 2.2, 2.1.4.
    pub(super) keys: bool,
}

impl Default for Manner {
    fn default() -> Self {
        Self { theme: Theme::default(), zone: Tz::UTC, keys: true }
    }
}

impl Manner {
    /// As the cookies say; what they do not say, or say wrongly, is as it comes.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        Self {
            theme: cookie(headers, THEME).map(Theme::named).unwrap_or_default(),
            zone: cookie(headers, ZONE).and_then(zone).unwrap_or(Tz::UTC),
            keys: cookie(headers, KEYS) != Some("off"),
        }
    }

    /// A moment in this zone, by a format of chrono's.
    pub(super) fn format(self, at: DateTime<Utc>, format: &str) -> String {
        at.with_timezone(&self.zone).format(format).to_string()
    }

    /// `UTC`, `CET`, or an offset where the zone has no letters.
    pub(super) fn zone_word(self, at: DateTime<Utc>) -> String {
        self.format(at, "%Z")
    }
}

/// A zone by its name, such as `Europe/Berlin`.
pub(super) fn zone(name: &str) -> Option<Tz> {
    name.parse().ok()
}

/// The value of the first cookie of this name.
pub(super) fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.into_iter().find(|(given, _)| *given == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(cookies: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::COOKIE, cookies.parse().unwrap())])
    }

    #[test]
    fn cookies_say_how() {
        let at = DateTime::from_timestamp(1_794_744_000, 0).unwrap();
        let manner = Manner::of(&headers(
            "a=b; smartline_theme=dark; smartline_zone=Europe/Berlin; smartline_keys=off",
        ));
        assert_eq!((manner.theme, manner.keys), (Theme::Dark, false));
        assert_eq!(manner.format(at, "%R %Z"), "13:00 CET");
        let odd = Manner::of(&headers("smartline_theme=pink; smartline_zone=Moon/Base"));
        assert_eq!(odd, Manner::default());
        assert_eq!(cookie(&headers("xsmartline_theme=dark"), THEME), None);
    }
}
