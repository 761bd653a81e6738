//! The one list of environment variables. `.env.example` and `docs/configuration.md` are written from it, and a test
//! holds them to it.

use std::fmt::Write as _;

use super::Environment;

/// One environment variable.
pub(crate) struct Variable {
    /// Its name.
    pub(crate) name: &'static str,
    /// What needs it.
    pub(crate) needed_for: &'static str,
    /// What it is and where to find it, in one or two sentences.
    pub(crate) about: &'static str,
    /// A value of the right shape that is nobody's; empty for none.
    pub(crate) example: &'static str,
    /// What holds where it is unset.
    pub(crate) default: &'static str,
}

/// Every variable that is read.
pub(crate) const VARIABLES: &[Variable] = &[
    Variable {
        name: "DATABASE_URL",
        needed_for: "serve, migrate",
        about: "The PostgreSQL database, version 14 or later. On Render the blueprint fills it in.",
        example: "postgres://smartline:password@127.0.0.1:5432/smartline",
        default: "none: serve does not start without it",
    },
    Variable {
        name: "PUBLIC_URL",
        needed_for: "/webhooks/twilio/*, /webhooks/plivo/*",
        about: "The address under which the providers call this service, without a path: it is part of what they \
                sign. Several, separated by commas, while a domain moves.",
        example: "https://line.example.com",
        default: "RENDER_EXTERNAL_URL, which Render sets",
    },
    Variable {
        name: "STRIPE_WEBHOOK_SECRET",
        needed_for: "/webhooks/stripe",
        about: "The endpoint's signing secret: Stripe Dashboard, Developers, Webhooks, your endpoint. Several, \
                separated by commas, during a rotation or beside `stripe listen`.",
        example: "whsec_0123456789abcdef0123456789abcdef",
        default: "none: the endpoint answers 503",
    },
    Variable {
        name: "STRIPE_API_KEY",
        needed_for: "reconcile, setup, doctor",
        about: "A restricted key: Stripe Dashboard, Developers, API keys. It must be able to read events for reconcile, to read \
                webhook endpoints for doctor and to write them for setup, and nothing else. Twilio and Plivo are asked with \
                the account and token of their webhooks.",
        example: "rk_live_0123456789abcdef",
        default: "none: Stripe is left out",
    },
    Variable {
        name: "TWILIO_ACCOUNT_SID",
        needed_for: "refusing other accounts, sending, reconcile",
        about: "Twilio Console, Account Info. Requests that name another account are refused. Several are allowed; texts \
                are sent in the name of the first.",
        example: "AC00000000000000000000000000000000",
        default: "none: any account whose token matches",
    },
    Variable {
        name: "TWILIO_AUTH_TOKEN",
        needed_for: "/webhooks/twilio/*, sending, reconcile",
        about: "Twilio Console, Account Info: the primary auth token, which signs. Several, separated by commas, for \
                subaccounts and while a token is rotated; the first also signs the links in answers.",
        example: "0123456789abcdef0123456789abcdef",
        default: "none: the endpoints answer 503",
    },
    Variable {
        name: "TWILIO_APP_SID",
        needed_for: "flagging other apps, setup",
        about: "Twilio Console, Voice, TwiML Apps, if you use one. A request of another app is kept and flagged.",
        example: "AP00000000000000000000000000000000",
        default: "none",
    },
    Variable {
        name: "PLIVO_AUTH_ID",
        needed_for: "refusing other accounts, sending, reconcile",
        about: "Plivo Console, overview. Requests that name another account are refused. Several are allowed; texts are \
                sent in the name of the first.",
        example: "MAXXXXXXXXXXXXXXXXXX",
        default: "none: any account whose token matches",
    },
    Variable {
        name: "PLIVO_AUTH_TOKEN",
        needed_for: "/webhooks/plivo/*, sending, reconcile",
        about: "Plivo Console, overview. Several, separated by commas, for subaccounts and while a token is rotated; \
                the first also signs the links in answers.",
        example: "0123456789abcdef0123456789abcdef01234567",
        default: "none: the endpoints answer 503",
    },
    Variable {
        name: "PLIVO_APP_ID",
        needed_for: "setup",
        about: "Plivo Console, Voice, Applications: the application that your numbers use, and that setup mends. No \
                callback that Plivo documents names an application, so nothing can be flagged by it.",
        example: "12345678901234567",
        default: "none",
    },
    Variable {
        name: "SMARTLINE_API_KEY",
        needed_for: "/api/v1, and /metrics from other machines",
        about: "The first admin key, sent as `Authorization: Bearer`; `smartline keys create` makes others. It is taken \
                as it is; the blueprint generates one.",
        example: "",
        default: "none: only keys that were created; /metrics answers only this machine",
    },
    Variable {
        name: "HOST",
        needed_for: "listening",
        about: "The IP address to listen on.",
        example: "127.0.0.1",
        default: "127.0.0.1; 0.0.0.0 on Render",
    },
    Variable {
        name: "PORT",
        needed_for: "listening",
        about: "The port to listen on, 1 to 65535. Render sets it.",
        example: "8080",
        default: "8080",
    },
    Variable {
        name: "SMARTLINE_TRUSTED_PROXY_HOPS",
        needed_for: "the client's address behind proxies",
        about: "How many proxies of yours stand before the service, 1 to 9: the client is that entry of \
                X-Forwarded-For, counted from the right.",
        example: "1",
        default: "none: the peer's own address; on Render its proxy's CF-Connecting-IP",
    },
    Variable {
        name: "SMARTLINE_ALLOW_STRIPE",
        needed_for: "an optional source list",
        about: "Networks that Stripe calls from, as CIDR, separated by commas. Others are refused, or only reported \
                if the list begins with `report:`. No substitute for the signature.",
        example: "report:192.0.2.0/24,2001:db8::/32",
        default: "none: any source",
    },
    Variable {
        name: "SMARTLINE_ALLOW_TWILIO",
        needed_for: "an optional source list",
        about: "The same for Twilio.",
        example: "",
        default: "none: any source",
    },
    Variable {
        name: "SMARTLINE_ALLOW_PLIVO",
        needed_for: "an optional source list",
        about: "The same for Plivo.",
        example: "",
        default: "none: any source",
    },
    Variable {
        name: "SMARTLINE_SPOOL_DIR",
        needed_for: "keeping calls while the database is away",
        about: "A folder for the service alone, made where it is missing: what came while PostgreSQL was away waits \
                there. It is only as durable as its disk: on a host that throws the disk away at each deploy (Render), \
                attach one and name a folder on it.",
        example: "/var/lib/smartline/spool",
        default: "smartline-spool in the folder that the service runs in",
    },
    Variable {
        name: "SMARTLINE_MEDIA_DIR",
        needed_for: "keeping recordings and pictures here",
        about: "A folder for the service alone, made where it is missing: recordings and pictures that callers leave are \
                fetched into it, and deleted from it when their time is over. Several processes need one folder that all \
                of them see.",
        example: "/var/lib/smartline/media",
        default: "none: they stay at the provider, and only where they lie is noted",
    },
    Variable {
        name: "SMARTLINE_RETENTION_DAYS",
        needed_for: "removing old events",
        about: "Events are kept for so many days, then removed month by month: a month goes when its last day is that \
                old. What makes a replay known is kept for ever.",
        example: "400",
        default: "none: events are kept for ever",
    },
    Variable {
        name: "SMARTLINE_RECONCILE",
        needed_for: "asking the providers what did not come",
        about: "`on`: at start and hourly the service asks the providers' APIs for what happened, and takes in what is missing, \
                as `smartline reconcile` does. It also looks whether their consoles still lead here, and the overview tells.",
        example: "on",
        default: "off",
    },
    Variable {
        name: "STRIPE_API_BASE",
        needed_for: "reconcile through a proxy, tests",
        about: "Where Stripe's API is: https, or http on this machine, without a path.",
        example: "https://api.stripe.com",
        default: "https://api.stripe.com",
    },
    Variable {
        name: "TWILIO_API_BASE",
        needed_for: "sending and reconcile in another region, tests",
        about: "Where Twilio's API is, the same way.",
        example: "https://api.dublin.ie1.twilio.com",
        default: "https://api.twilio.com",
    },
    Variable {
        name: "PLIVO_API_BASE",
        needed_for: "sending and reconcile through a proxy, tests",
        about: "Where Plivo's API is, the same way.",
        example: "https://api.plivo.com",
        default: "https://api.plivo.com",
    },
    Variable {
        name: "SMARTLINE_LOG",
        needed_for: "more or fewer log lines",
        about: "A level (error, warn, info, debug) or a filter such as `info,sqlx=debug`.",
        example: "info",
        default: "info,sqlx=warn",
    },
    Variable {
        name: "SMARTLINE_POSTGRES_BIN",
        needed_for: "dev, where PostgreSQL's programs are in an unusual place",
        about: "The folder that holds initdb and postgres.",
        example: "/usr/lib/postgresql/17/bin",
        default: "PATH and the usual places",
    },
];

/// The names of the variables that have a value.
pub(super) fn set(environment: &Environment) -> Vec<&'static str> {
    VARIABLES.iter().map(|variable| variable.name).filter(|name| environment.get(name).is_some()).collect()
}

/// The text of `.env.example`: safe to copy as it is, since nothing is set in it.
pub(crate) fn env_example() -> String {
    let mut text = String::from(
        "# Every variable that SmartLine reads. Copy to .env, remove the # of what you set. `serve` reads .env,\n\
         # `dev` never does. Written from the table in src/config/table.rs.\n",
    );
    for variable in VARIABLES {
        let _ = write!(text, "\n# {}\n", wrap(variable.about));
        let _ = writeln!(text, "# Needed for: {}. Default: {}.", variable.needed_for, variable.default);
        let _ = writeln!(text, "#{}={}", variable.name, variable.example);
    }
    text
}

/// The text of `docs/configuration.md`.
pub(crate) fn reference_page() -> String {
    let mut text = String::from(
        "# Configuration\n\n\
         Everything comes from the environment; `serve` also reads a `.env` file in its folder, where the environment\n\
         does not set the same name. A blank value counts as unset. A malformed one stops the start, and all faults\n\
         are told at once. This page is written from the table in `src/config/table.rs`.\n\n\
         | variable | needed for | what it is | default |\n|---|---|---|---|\n",
    );
    for Variable { name, needed_for, about, default, .. } in VARIABLES {
        let _ = writeln!(text, "| `{name}` | {needed_for} | {about} | {default} |");
    }
    text
}

/// Breaks a paragraph into comment lines of at most 110 characters.
fn wrap(paragraph: &str) -> String {
    let mut text = String::new();
    let mut width = 0;
    for word in paragraph.split_whitespace() {
        if width > 0 && width + word.len() > 106 {
            text.push_str("\n# ");
            width = 0;
        } else if width > 0 {
            text.push(' ');
            width += 1;
        }
        text.push_str(word);
        width += word.len();
    }
    text
}
