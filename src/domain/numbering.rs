//! Whose a number is: the numbering plans of the world, as far as a line has to know them before it dials.
//!
//! A table of our own, made from the metadata that telephones are made with: the crate that reads the whole of them takes
//! a quarter of a second for its first number, and brings twenty more (docs/dependencies.md). Whether a number is
//! connected is for the carrier to know.

mod table;

use table::{AREAS, COSTLY, PLANS};

/// The region of a number, as ISO 3166-1 alpha-2; none for what no plan has. `digits` is E.164 without `+`.
///
/// The North American plan is many countries: 809 is the Dominican Republic's. A beginning that several regions share,
/// such as that of free calls, is the largest one's.
pub(super) fn region(digits: &str) -> Option<&'static str> {
    if let Some(national) = digits.strip_prefix('1') {
        let area = national.get(..3).filter(|_| national.len() == 10)?;
        let of = |(_, areas): &&(&str, &str)| areas.split(' ').any(|known| known == area);
        return AREAS.iter().find(of).map(|(region, _)| *region);
    }
    let plans = PLANS.iter().filter(|(prefix, ..)| digits.starts_with(prefix));
    let (_, region, lengths) = plans.max_by_key(|(prefix, ..)| prefix.len())?;
    (lengths.checked_shr(u32::try_from(digits.len()).ok()?)? & 1 == 1).then_some(*region)
}

/// Whether calls to it are charged for more than the call: premium, shared-cost and personal numbers.
pub(super) fn is_costly(digits: &str) -> bool {
    COSTLY.iter().any(|prefix| digits.starts_with(prefix))
}

/// Whether any number is of this region.
pub(crate) fn is_region(name: &str) -> bool {
    AREAS.iter().any(|(region, _)| *region == name) || PLANS.iter().any(|(_, region, _)| *region == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f15_the_region_is_told_by_the_area_and_not_by_the_one() {
        for (digits, expected) in [
            ("14155550142", Some("US")),
            ("16045550142", Some("CA")),
            ("18095550142", Some("DO")),
            ("18765550142", Some("JM")),
            ("16495550142", Some("TC")),
            ("12685550142", Some("AG")),
            ("12425550142", Some("BS")),
            ("17875550142", Some("PR")),
            ("18005550142", Some("US")),
            ("12115550142", None),
            ("1415555014", None),
            ("442079460018", Some("GB")),
            ("441534960018", Some("JE")),
            ("61255501234", Some("AU")),
            ("77172550142", Some("KZ")),
            ("74955550142", Some("RU")),
            ("4930555", Some("DE")),
            ("442079460018018", None),
            ("999123456", None),
            ("", None),
        ] {
            assert_eq!(region(digits), expected, "{digits}");
        }
        assert!(is_region("US") && is_region("DO") && is_region("XK") && !is_region("ZZ"));
    }

    #[test]
    fn f16_costly_ranges_are_known_in_every_country() {
        for digits in [
            "19005550142",
            "15005550142",
            "449098790018",
            "448443960018",
            "447055550142",
            "33899550142",
            "491805550142",
            "499005550142",
            "611900550142",
            "81990555014",
        ] {
            assert!(is_costly(digits), "{digits}");
        }
        for digits in
            ["14155550142", "18005550142", "442079460018", "447700900018", "33155501423", "491715550142"]
        {
            assert!(!is_costly(digits), "{digits}");
        }
    }
}
