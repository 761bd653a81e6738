//! Every finding that `doctor` may have. `docs/doctor.md` is written from it.

use std::fmt::Write as _;

/// A kind of finding.
#[derive(Debug)]
pub(super) struct Entry {
    /// `E` stops something, `W` will, `N` is to be known.
    pub(super) code: &'static str,
    pub(super) title: &'static str,
    pub(super) effect: &'static str,
    pub(super) fix: &'static str,
}

macro_rules! catalogue {
    ($($code:literal $title:literal { $effect:literal } { $fix:literal })*) => {
        /// All of them, by group.
        pub(super) const CATALOGUE: &[Entry] = &[$(Entry { code: $code, title: $title, effect: $effect, fix: $fix }),*];
    };
}

catalogue! {
    "E101" "DATABASE_URL is not set" { "`serve` does not start." } {
        "Set it to postgres://user:password@host:5432/database; to try SmartLine, run `smartline dev`."
    }
    "E102" "A variable is malformed" { "`serve` does not start." } {
        "The finding says what is wrong and where the right value is to be found."
    }
    "W103" "A provider is not configured" { "Its endpoints answer 503 config_missing; the others work." } {
        "Set the variables that the finding names, or leave the provider out."
    }
    "N104" "A variable for acting is not set" {
        "Requests are verified all the same; reconcile, setup and some of these checks leave the provider out."
    } { "Set it, if you want them." }
    "W105" "SMARTLINE_API_KEY is not set" { "The API is open to created keys alone, /metrics to this machine alone." } {
        "Set it to a long random text, or make keys with `smartline keys create`."
    }
    "W106" "A variable that nobody reads" { "What it was meant to set is not set." } {
        "Compare its name with the nearest one; docs/configuration.md has all of them."
    }
    "W107" "The public URL is this machine" { "No provider can call it." } {
        "Set PUBLIC_URL to the address under which the providers call this service."
    }
    "E201" "A provider does not take the key" { "Its API cannot be asked; for Twilio and Plivo the same token verifies webhooks." } {
        "Copy the key again from the provider's console, where it may have been rolled."
    }
    "E202" "A provider's API does not answer" { "It cannot be told whether its side is set rightly." } {
        "Look at this machine's way to the internet, or run with --offline."
    }
    "W203" "A key may not do what is asked" { "It cannot be told whether the provider's side is set rightly." } {
        "Give the restricted key the right to read webhook endpoints: Stripe Dashboard, Developers, API keys."
    }
    "W210" "A Twilio number or app calls another address" { "Its calls or texts do not come here, or not by POST." } {
        "Run `smartline setup twilio`; it shows what differs, and --apply mends it."
    }
    "W211" "A TwiML app stands in for a number's own URLs" { "The number's own URLs are ignored." } {
        "Set TWILIO_APP_SID to that app, or take the app off the number in Twilio's Console."
    }
    "W212" "A trunk stands in for a number's voice URLs" { "The number's calls go to the trunk and not here." } {
        "Take the number off the trunk in Twilio's Console, if its calls are to come here."
    }
    "W213" "The configured TwiML app does not exist" { "Every request with an app is flagged other_app." } {
        "Correct TWILIO_APP_SID, or unset it."
    }
    "E220" "Stripe has no endpoint for this service" { "No payment, subscription or invoice is ever heard of." } {
        "Run `smartline setup stripe --apply`; it makes one and shows its secret."
    }
    "E221" "Stripe's endpoint is disabled" { "No event comes, and none is made up for later." } {
        "Run `smartline setup stripe --apply`, then `smartline reconcile` for what was missed."
    }
    "W221" "Stripe's endpoint has other events" { "Some of the six are missing, or others come that nothing is made of." } {
        "Run `smartline setup stripe --apply`."
    }
    "W222" "Several endpoints of Stripe have the same URL" { "Each event comes once for each, signed with several secrets." } {
        "Delete all but one in Stripe's Dashboard, and keep its secret in STRIPE_WEBHOOK_SECRET."
    }
    "W223" "An endpoint of Stripe calls a path that is none" { "Its deliveries get 404." } {
        "Correct its URL in Stripe's Dashboard, or delete it."
    }
    "W224" "Stripe's endpoint has another API version" { "Events may have a shape that is read less well." } {
        "Make a new endpoint: delete the old one, then `smartline setup stripe --apply`."
    }
    "W230" "Plivo's application calls other addresses" { "Calls or texts do not come here, or not by POST." } {
        "Run `smartline setup plivo`; it shows what differs, and --apply mends it."
    }
    "W231" "A Plivo number is bound to another application" { "Its calls and texts do not come here." } {
        "Run `smartline setup plivo --number …`."
    }
    "W232" "The configured Plivo application does not exist" { "Setup cannot mend it." } {
        "Correct PLIVO_APP_ID, or unset it."
    }
    "N301" "This is Render" {
        "A free instance sleeps after about 15 minutes without requests, and waking it may take longer than Twilio waits \
         (15 s); which plan it is cannot be seen from inside."
    } { "Use a paid plan for calls; set SMARTLINE_RECONCILE=on for what is missed while asleep." }
    "W302" "The clock is off by more than a minute" { "At five minutes every event of Stripe is refused." } {
        "Set the machine's clock by NTP."
    }
    "E302" "The clock is off by more than five minutes" { "Every event of Stripe is refused as too old or from the future." } {
        "Set the machine's clock by NTP."
    }
    "E303" "The public URL does not answer as this service" { "Providers' requests do not arrive." } {
        "Start the service, or correct PUBLIC_URL; `smartline smoke` tries every endpoint."
    }
    "E401" "The database does not answer" {
        "Calls are answered and spooled to disk; Stripe gets 503; nothing is worked on."
    } { "Look at the database and at DATABASE_URL." }
    "E402" "PostgreSQL is older than 14" { "Migrations or statements may fail." } { "Upgrade it." }
    "E403" "Migrations are missing" { "The service is not ready." } { "Run `smartline migrate`." }
    "E404" "The database is one of `smartline dev`" { "`serve` does not start: it may hold unsigned events." } {
        "Use another database."
    }
    "E405" "fsync is off" { "When the server's machine goes down, everything may be lost or damaged." } {
        "Set fsync = on."
    }
    "E406" "full_page_writes is off" { "When the server's machine goes down, pages may be damaged." } {
        "Set full_page_writes = on, unless the host stores pages in another way."
    }
    "W407" "synchronous_commit is off" {
        "Events are kept all the same, since intake sets it on for itself; other changes of the last moments may be lost."
    } { "Set synchronous_commit = on." }
    "E408" "Room for events ends within a month" { "After that nothing can be kept." } {
        "Restart the service, which makes room; if it stays so, its log says why."
    }
    "W409" "There are dead letters" { "Some events were given up, and nothing was made of them." } {
        "See `smartline dead-letters`, mend the cause, then `smartline replay --dead --yes`."
    }
    "W410" "Events wait longer than two minutes" { "Tables and the API lag behind." } {
        "Is a service running on this database? Its log says what the worker does."
    }
    "E501" "The spool cannot be written" { "While the database is away, calls get an apology and are not kept." } {
        "Make SMARTLINE_SPOOL_DIR a folder that this user alone may write to."
    }
    "W502" "The spool lies on a disk that a deploy throws away" { "What waits in it is lost with the next deploy." } {
        "Attach a disk on Render, and set SMARTLINE_SPOOL_DIR to a folder on it."
    }
    "N503" "Something waits in the spool" { "It is kept and comes into the database when that is back." } {
        "Nothing, if the service runs and the database is there: it drains by itself."
    }
}

/// The one with this code.
pub(super) fn entry(code: &str) -> Option<&'static Entry> {
    CATALOGUE.iter().find(|entry| entry.code.eq_ignore_ascii_case(code))
}

/// The groups, by the first digit of their codes.
pub(super) const GROUPS: [(&str, char); 5] =
    [("environment", '1'), ("providers", '2'), ("runtime", '3'), ("database", '4'), ("spool", '5')];

/// The group that a code belongs to.
pub(super) fn group(code: &str) -> &'static str {
    let digit = code.chars().nth(1);
    GROUPS.iter().find(|(_, first)| digit == Some(*first)).map_or("environment", |(name, _)| name)
}

/// The text of `docs/doctor.md`.
pub(crate) fn reference_page() -> String {
    let mut text = String::from(
        "# Findings of `smartline doctor`\n\n\
         `E` stops something now, `W` is likely to, `N` is to be known. `smartline doctor --explain CODE` prints the same.\n\
         Exit codes: 0 no error, 1 an error, 2 wrong usage, 3 warnings alone with `--strict`. This page is written from\n\
         the catalogue in `src/cli/doctor/catalogue.rs`.\n",
    );
    for (name, _) in GROUPS {
        let _ = write!(
            text,
            "\n## {}{}\n\n| code | what | effect | fix |\n|---|---|---|---|\n",
            name[..1].to_uppercase(),
            &name[1..]
        );
        for Entry { code, title, effect, fix } in CATALOGUE.iter().filter(|entry| group(entry.code) == name) {
            let _ = writeln!(text, "| `{code}` | {title} | {effect} | {fix} |");
        }
    }
    text
}
