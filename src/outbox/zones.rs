//! Where a number is likely to be, as time zones: a number tells a country, and in North America a region. Where several
//! zones are possible all of them count, so that what waits for a decent hour waits for one in each.
//!
//! Sources: NANPA, "Area codes by state"; ITU-T E.164, list of assigned country codes; IANA time zone database. Where a
//! country spans many zones its outermost ones stand for all.

use chrono_tz::Tz;
use chrono_tz::{
    Africa::{Accra, Algiers, Cairo, Casablanca, Johannesburg, Lagos, Nairobi, Tunis},
    America::{
        Adak, Anchorage, Anguilla, Antigua, Argentina::Buenos_Aires, Asuncion, Barbados, Bogota, Cancun,
        Caracas, Cayman, Chicago, Costa_Rica, Curacao, Denver, Dominica, Edmonton, El_Salvador, Grand_Turk,
        Grenada, Guatemala, Guayaquil, Guyana, Halifax, Jamaica, Kentucky::Louisville, La_Paz, Lima,
        Los_Angeles, Lower_Princes, Managua, Mexico_City, Moncton, Montevideo, Montserrat, New_York, Noronha,
        Panama, Phoenix, Port_of_Spain, Puerto_Rico, Regina, Rio_Branco, Santiago, Santo_Domingo, St_Johns,
        St_Kitts, St_Lucia, St_Thomas, St_Vincent, Tegucigalpa, Tijuana, Toronto, Tortola, Vancouver,
        Whitehorse, Winnipeg,
    },
    Asia::{
        Almaty, Amman, Baghdad, Bahrain, Bangkok, Beirut, Colombo, Dhaka, Dubai, Ho_Chi_Minh, Hong_Kong,
        Jakarta, Jayapura, Jerusalem, Kamchatka, Karachi, Kathmandu, Kolkata, Kuala_Lumpur, Kuwait, Macau,
        Manila, Qatar, Riyadh, Seoul, Shanghai, Singapore, Taipei, Tbilisi, Tokyo, Urumqi, Yerevan,
    },
    Atlantic::{Azores, Bermuda, Canary, Reykjavik},
    Australia::{Perth, Sydney},
    Europe::{
        Amsterdam, Athens, Belgrade, Berlin, Bratislava, Brussels, Bucharest, Budapest, Chisinau, Copenhagen,
        Dublin, Helsinki, Istanbul, Kaliningrad, Kyiv, Lisbon, Ljubljana, London, Luxembourg, Madrid, Malta,
        Oslo, Paris, Prague, Riga, Rome, Sarajevo, Sofia, Stockholm, Tallinn, Vienna, Vilnius, Warsaw,
        Zagreb, Zurich,
    },
    Indian::Mauritius,
    Pacific::{Auckland, Chatham, Easter, Galapagos, Guam, Honolulu, Pago_Pago},
};

/// Regions of the North American plan: their area codes, and their zones.
const AREAS: &[(&[u16], &[Tz])] = &[
    (
        &[
            201, 202, 203, 207, 212, 215, 216, 220, 223, 227, 229, 234, 239, 240, 252, 267, 272, 276, 283,
            301, 302, 304, 305, 315, 321, 324, 326, 329, 330, 332, 336, 339, 347, 351, 352, 363, 380, 386,
            401, 404, 407, 410, 412, 413, 419, 434, 436, 440, 443, 445, 470, 472, 475, 478, 484, 508, 513,
            516, 518, 540, 551, 561, 567, 570, 571, 582, 585, 603, 607, 609, 610, 614, 617, 624, 631, 640,
            645, 646, 656, 667, 678, 680, 681, 686, 689, 703, 704, 706, 716, 717, 718, 724, 727, 728, 732,
            740, 743, 754, 757, 762, 770, 771, 772, 774, 781, 786, 802, 803, 804, 813, 814, 821, 826, 828,
            835, 838, 839, 843, 845, 848, 854, 856, 857, 860, 862, 863, 864, 865, 878, 904, 908, 910, 912,
            914, 917, 919, 929, 934, 937, 941, 943, 948, 954, 959, 973, 978, 980, 984,
        ],
        &[New_York],
    ),
    (
        &[231, 248, 260, 269, 313, 317, 463, 502, 517, 586, 616, 679, 734, 765, 810, 859, 947, 989],
        &[New_York, Louisville],
    ),
    // Both sides of a border: Indiana, Kentucky, Michigan's north, Tennessee, Florida's west.
    (&[219, 270, 364, 423, 448, 574, 606, 812, 850, 906, 930, 931], &[New_York, Chicago]),
    (
        &[
            205, 210, 214, 217, 218, 224, 225, 228, 251, 254, 256, 262, 274, 281, 309, 312, 314, 318, 319,
            320, 325, 327, 331, 334, 337, 346, 353, 361, 402, 405, 409, 414, 417, 430, 447, 457, 464, 469,
            471, 479, 501, 504, 507, 512, 515, 531, 534, 539, 557, 563, 572, 573, 580, 601, 608, 612, 615,
            618, 621, 629, 630, 636, 641, 651, 659, 660, 662, 682, 708, 712, 713, 715, 726, 730, 731, 737,
            763, 769, 773, 779, 806, 815, 816, 817, 830, 832, 847, 861, 870, 872, 901, 903, 913, 918, 920,
            924, 936, 938, 940, 945, 952, 956, 972, 975, 979, 985,
        ],
        &[Chicago],
    ),
    // Nebraska, Kansas, the Dakotas, Texas' west.
    (&[308, 316, 432, 605, 620, 701, 785], &[Chicago, Denver]),
    (&[303, 307, 385, 406, 435, 505, 575, 719, 720, 748, 801, 915, 970, 983], &[Denver]),
    (&[480, 520, 602, 623], &[Phoenix]),
    (&[928], &[Phoenix, Denver]),
    // Idaho, Oregon's east, Nevada's north.
    (&[208, 458, 541, 775, 986], &[Denver, Los_Angeles]),
    (
        &[
            206, 209, 213, 253, 279, 310, 323, 341, 350, 357, 360, 369, 408, 415, 424, 425, 442, 503, 509,
            510, 530, 559, 562, 564, 619, 626, 628, 650, 657, 661, 669, 702, 707, 714, 725, 738, 747, 760,
            805, 818, 820, 831, 837, 840, 858, 909, 916, 925, 949, 951, 971,
        ],
        &[Los_Angeles],
    ),
    (&[907], &[Anchorage, Adak]),
    (&[808], &[Honolulu]),
    (&[787, 939], &[Puerto_Rico]),
    (&[340], &[St_Thomas]),
    (&[670, 671], &[Guam]),
    (&[684], &[Pago_Pago]),
    // Canada.
    (&[709, 879], &[St_Johns, Halifax]),
    (&[782, 902], &[Halifax]),
    (&[428, 506], &[Moncton]),
    (&[367, 418, 581], &[Toronto, Halifax]),
    (
        &[
            226, 249, 263, 289, 343, 354, 365, 382, 387, 416, 437, 438, 450, 468, 514, 519, 548, 579, 613,
            647, 683, 705, 742, 753, 819, 873, 905, 942,
        ],
        &[Toronto],
    ),
    (&[807], &[Toronto, Winnipeg]),
    (&[204, 431, 584], &[Winnipeg]),
    (&[306, 474, 639], &[Regina, Edmonton]),
    (&[368, 403, 587, 780, 825], &[Edmonton]),
    (&[236, 250, 257, 604, 672, 778], &[Vancouver, Edmonton]),
    (&[867], &[Whitehorse, Toronto]),
    // The Caribbean.
    (&[264], &[Anguilla]),
    (&[268], &[Antigua]),
    (&[242], &[New_York]), // the Bahamas keep New York's time
    (&[246], &[Barbados]),
    (&[441], &[Bermuda]),
    (&[284], &[Tortola]),
    (&[345], &[Cayman]),
    (&[767], &[Dominica]),
    (&[809, 829, 849], &[Santo_Domingo]),
    (&[473], &[Grenada]),
    (&[658, 876], &[Jamaica]),
    (&[664], &[Montserrat]),
    (&[721], &[Lower_Princes]),
    (&[869], &[St_Kitts]),
    (&[758], &[St_Lucia]),
    (&[784], &[St_Vincent]),
    (&[868], &[Port_of_Spain]),
    (&[649], &[Grand_Turk]),
];

/// Where an area code says nothing, such as a new or a toll-free one: from Newfoundland to Hawaii.
const NORTH_AMERICA: &[Tz] = &[St_Johns, New_York, Los_Angeles, Anchorage, Honolulu];

/// Countries by their calling code.
const COUNTRIES: &[(&str, &[Tz])] = &[
    ("7", &[Kaliningrad, Almaty, Kamchatka]),
    ("20", &[Cairo]),
    ("27", &[Johannesburg]),
    ("30", &[Athens]),
    ("31", &[Amsterdam]),
    ("32", &[Brussels]),
    ("33", &[Paris]),
    ("34", &[Madrid, Canary]),
    ("36", &[Budapest]),
    ("39", &[Rome]),
    ("40", &[Bucharest]),
    ("41", &[Zurich]),
    ("43", &[Vienna]),
    ("44", &[London]),
    ("45", &[Copenhagen]),
    ("46", &[Stockholm]),
    ("47", &[Oslo]),
    ("48", &[Warsaw]),
    ("49", &[Berlin]),
    ("51", &[Lima]),
    ("52", &[Cancun, Mexico_City, Tijuana]),
    ("54", &[Buenos_Aires]),
    ("55", &[Noronha, Rio_Branco]),
    ("56", &[Santiago, Easter]),
    ("57", &[Bogota]),
    ("58", &[Caracas]),
    ("60", &[Kuala_Lumpur]),
    ("61", &[Sydney, Perth]),
    ("62", &[Jakarta, Jayapura]),
    ("63", &[Manila]),
    ("64", &[Auckland, Chatham]),
    ("65", &[Singapore]),
    ("66", &[Bangkok]),
    ("81", &[Tokyo]),
    ("82", &[Seoul]),
    ("84", &[Ho_Chi_Minh]),
    ("86", &[Shanghai, Urumqi]),
    ("90", &[Istanbul]),
    ("91", &[Kolkata]),
    ("92", &[Karachi]),
    ("94", &[Colombo]),
    ("212", &[Casablanca]),
    ("213", &[Algiers]),
    ("216", &[Tunis]),
    ("230", &[Mauritius]),
    ("233", &[Accra]),
    ("234", &[Lagos]),
    ("254", &[Nairobi]),
    ("351", &[Lisbon, Azores]),
    ("352", &[Luxembourg]),
    ("353", &[Dublin]),
    ("354", &[Reykjavik]),
    ("356", &[Malta]),
    ("358", &[Helsinki]),
    ("359", &[Sofia]),
    ("370", &[Vilnius]),
    ("371", &[Riga]),
    ("372", &[Tallinn]),
    ("373", &[Chisinau]),
    ("374", &[Yerevan]),
    ("380", &[Kyiv]),
    ("381", &[Belgrade]),
    ("385", &[Zagreb]),
    ("386", &[Ljubljana]),
    ("387", &[Sarajevo]),
    ("420", &[Prague]),
    ("421", &[Bratislava]),
    ("502", &[Guatemala]),
    ("503", &[El_Salvador]),
    ("504", &[Tegucigalpa]),
    ("505", &[Managua]),
    ("506", &[Costa_Rica]),
    ("507", &[Panama]),
    ("591", &[La_Paz]),
    ("592", &[Guyana]),
    ("593", &[Guayaquil, Galapagos]),
    ("595", &[Asuncion]),
    ("598", &[Montevideo]),
    ("599", &[Curacao]),
    ("852", &[Hong_Kong]),
    ("853", &[Macau]),
    ("880", &[Dhaka]),
    ("886", &[Taipei]),
    ("961", &[Beirut]),
    ("962", &[Amman]),
    ("964", &[Baghdad]),
    ("965", &[Kuwait]),
    ("966", &[Riyadh]),
    ("971", &[Dubai]),
    ("972", &[Jerusalem]),
    ("973", &[Bahrain]),
    ("974", &[Qatar]),
    ("977", &[Kathmandu]),
    ("995", &[Tbilisi]),
];

/// The zones in which whoever has this number (E.164) may be; none where its country is not in the table.
pub(crate) fn of(number: &str) -> &'static [Tz] {
    let digits = number.trim_start_matches('+');
    if let Some(rest) = digits.strip_prefix('1') {
        let area: Option<u16> = rest.get(..3).and_then(|area| area.parse().ok());
        let known = AREAS.iter().find(|(codes, _)| area.is_some_and(|area| codes.contains(&area)));
        return known.map_or(NORTH_AMERICA, |(_, zones)| zones);
    }
    // No calling code is the beginning of another.
    COUNTRIES.iter().find(|(code, _)| digits.starts_with(code)).map_or(&[], |(_, zones)| zones)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_number_tells_where_it_may_be() {
        for (number, zones) in [
            ("+12125550100", &[New_York][..]),
            ("+14155550100", &[Los_Angeles]),
            ("+18505550100", &[New_York, Chicago]),
            ("+18085550100", &[Honolulu]),
            ("+18005550100", NORTH_AMERICA),
            ("+1", NORTH_AMERICA),
            ("+18765550100", &[Jamaica]),
            ("+442079460018", &[London]),
            ("+61255501234", &[Sydney, Perth]),
            ("+6799999999", &[]),
            ("anonymous", &[]),
            ("", &[]),
        ] {
            assert_eq!(of(number), zones, "{number}");
        }
    }

    #[test]
    fn each_code_stands_once_and_hides_no_other() {
        let mut areas = BTreeSet::new();
        for (codes, _) in AREAS {
            for code in *codes {
                assert!((201..=989).contains(code) && areas.insert(code), "{code}");
            }
        }
        assert!(areas.len() > 400, "{}", areas.len());
        for (code, zones) in COUNTRIES {
            assert!(!zones.is_empty(), "{code}");
            let hidden = COUNTRIES.iter().find(|(other, _)| other != code && code.starts_with(other));
            assert_eq!(hidden, None, "{code}");
        }
    }
}
