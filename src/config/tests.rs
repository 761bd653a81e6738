//! Tables of environments and what becomes of them.

use std::fmt::Write as _;

use super::*;

const GOOD: [(&str, &str); 5] = [
    ("DATABASE_URL", "postgres://line:secret@127.0.0.1/line"),
    ("PUBLIC_URL", "https://line.example.com"),
    ("STRIPE_WEBHOOK_SECRET", "whsec_one,whsec_two"),
    ("TWILIO_AUTH_TOKEN", "0123456789abcdef0123456789abcdef"),
    ("PLIVO_AUTH_TOKEN", "0123456789abcdef0123456789abcdef"),
];

/// The good environment, with one variable set otherwise.
fn read_with(name: &str, value: &str) -> Result<Config, Faults> {
    let others = GOOD.into_iter().filter(|(good, _)| *good != name);
    Config::read(&others.chain([(name, value)]).collect())
}

#[test]
fn a_full_environment() {
    let config = Config::read(&GOOD.into_iter().collect()).unwrap();
    assert_eq!(*config.origins, ["https://line.example.com"]);
    assert_eq!(config.providers.stripe.as_ref().unwrap().secrets.len(), 2);
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.proxy, Proxy::None);
    for provider in Provider::ALL {
        assert!(config.providers.missing(provider).is_empty());
    }
    assert!(!format!("{config:?}").contains("whsec_"), "secrets do not print");
}

#[test]
fn a_missing_or_blank_secret_closes_its_endpoints_alone() {
    for value in ["", "  ", "\n"] {
        let config = read_with("STRIPE_WEBHOOK_SECRET", value).unwrap();
        assert_eq!(config.providers.missing(Provider::Stripe), ["STRIPE_WEBHOOK_SECRET"]);
        assert!(config.providers.missing(Provider::Twilio).is_empty());
        let config = read_with("PUBLIC_URL", value).unwrap();
        assert!(config.providers.missing(Provider::Stripe).is_empty(), "Stripe signs no URL");
        assert!(!config.providers.missing(Provider::Plivo).is_empty());
    }
}

#[test]
fn render() {
    let mut environment: Vec<_> = GOOD.into_iter().filter(|(name, _)| *name != "PUBLIC_URL").collect();
    environment.extend([
        ("RENDER", "true"),
        ("RENDER_EXTERNAL_URL", "https://x.onrender.com"),
        ("PORT", "10000"),
    ]);
    let config = Config::read(&environment.into_iter().collect()).unwrap();
    assert_eq!(*config.origins, ["https://x.onrender.com"]);
    assert_eq!(config.listen.to_string(), "0.0.0.0:10000");
    assert_eq!(config.proxy, Proxy::Render);
}

#[test]
fn good_values() {
    for (name, value) in [
        ("PUBLIC_URL", "https://a.example, https://B.example:8443/"),
        ("PUBLIC_URL", "http://127.0.0.1:8080"),
        ("PUBLIC_URL", "http://localhost:8080"),
        ("TWILIO_ACCOUNT_SID", "AC00000000000000000000000000000000"),
        ("PLIVO_AUTH_ID", "MAXXXXXXXXXXXXXXXXXX,SAXXXXXXXXXXXXXXXXXX"),
        ("HOST", "::1"),
        ("SMARTLINE_TRUSTED_PROXY_HOPS", "2"),
        ("SMARTLINE_RETENTION_DAYS", "1"),
        ("SMARTLINE_RETENTION_DAYS", "36500"),
        ("SMARTLINE_ALLOW_TWILIO", "192.0.2.0/24, 2001:db8::/32,198.51.100.7"),
        ("SMARTLINE_ALLOW_STRIPE", "report:192.0.2.0/24"),
        ("SMARTLINE_API_KEY", "taken+as/it=is"),
        ("STRIPE_API_KEY", "rk_live_0123456789abcdef"),
        ("STRIPE_API_KEY", "sk_test_0123456789abcdef"),
        ("SMARTLINE_RECONCILE", "on"),
        ("SMARTLINE_RECONCILE", "off"),
        ("TWILIO_API_BASE", "https://api.dublin.ie1.twilio.com/"),
        ("PLIVO_API_BASE", "http://127.0.0.1:4010"),
    ] {
        assert!(read_with(name, value).is_ok(), "{name}={value}");
    }
    let config = read_with("PUBLIC_URL", "https://a.example, https://B.example:8443/").unwrap();
    assert_eq!(
        *config.origins,
        ["https://a.example", "https://B.example:8443"],
        "written as it was, without slash"
    );
    let list = read_with("SMARTLINE_ALLOW_STRIPE", "report:192.0.2.0/24").unwrap();
    assert!(!list.allow.stripe.unwrap().enforced);
}

#[test]
fn each_fault_names_its_variable_and_never_its_value() {
    for (name, value, problem) in [
        ("DATABASE_URL", "", "is not set"),
        ("DATABASE_URL", "mysql://line:tell-no-one@host/line", "is no PostgreSQL URL"),
        ("DATABASE_URL", "postgres://line:tell-no-one@ho st:port/line", "cannot be read"),
        ("PUBLIC_URL", "line.example.com/tell-no-one", "is no URL"),
        ("PUBLIC_URL", "http://line.example.com", "is http"),
        ("PUBLIC_URL", "ftp://line.example.com", "is not https"),
        ("PUBLIC_URL", "https://line.example.com/tell-no-one", "has a path"),
        ("PUBLIC_URL", "https://line.example.com?tell-no-one", "has a query"),
        ("PUBLIC_URL", "https://me:tell-no-one@line.example.com", "holds a user name"),
        ("STRIPE_WEBHOOK_SECRET", "sk_live_tell-no-one", "is an API key"),
        ("STRIPE_WEBHOOK_SECRET", "pk_live_tell-no-one", "is a publishable key"),
        ("STRIPE_WEBHOOK_SECRET", "tell-no-one", "is no signing secret"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_", "is no signing secret"),
        ("STRIPE_WEBHOOK_SECRET", "\"whsec_tell-no-one\"", "holds a quotation mark"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_tell no-one", "holds a blank"),
        ("STRIPE_WEBHOOK_SECRET", " , ,", "holds only commas"),
        ("TWILIO_ACCOUNT_SID", "SK00000000000000000000000000000000", "is no SID"),
        ("TWILIO_AUTH_TOKEN", "AC00000000000000000000000000000000", "is an account SID"),
        ("TWILIO_AUTH_TOKEN", "tell-nö-one", "holds a character that is not printable"),
        ("TWILIO_APP_SID", "tell-no-one", "is no SID"),
        ("PLIVO_AUTH_ID", "tell-no-one", "is no Auth ID"),
        ("PLIVO_AUTH_TOKEN", "MAXXXXXXXXXXXXXXXXXX", "is an Auth ID"),
        ("PLIVO_APP_ID", "tell-no-one", "is no application id"),
        ("SMARTLINE_API_KEY", "tell no-one", "holds a blank"),
        ("STRIPE_API_KEY", "whsec_tell-no-one", "is a signing secret"),
        ("STRIPE_API_KEY", "pk_live_tell-no-one", "is a publishable key"),
        ("STRIPE_API_KEY", "sk_org_tell-no-one", "is no API key of one account"),
        ("STRIPE_API_KEY", "rk_live_tell no-one", "holds a blank"),
        ("SMARTLINE_RECONCILE", "tell", "is neither on nor off"),
        ("STRIPE_API_BASE", "http://tell-no-one.example", "is http"),
        ("TWILIO_API_BASE", "https://api.twilio.com/tell-no-one", "has a path"),
        ("PLIVO_API_BASE", "https://me:tell-no-one@api.plivo.com", "holds a user name"),
        ("HOST", "localhost", "is no IP address"),
        ("PORT", "0", "is no port"),
        ("PORT", "65536", "is no port"),
        ("SMARTLINE_TRUSTED_PROXY_HOPS", "all", "is no number of proxies"),
        ("SMARTLINE_RETENTION_DAYS", "0", "is no number of days"),
        ("SMARTLINE_RETENTION_DAYS", "36501", "is no number of days"),
        ("SMARTLINE_RETENTION_DAYS", "1 year", "is no number of days"),
        ("SMARTLINE_ALLOW_PLIVO", "everyone", "is no list of networks"),
    ] {
        let text = read_with(name, value).unwrap_err().to_string();
        assert!(text.contains(&format!("{name}: {problem}")), "{name}={value} gave {text}");
        assert!(!text.contains("tell"), "{name} shows its value: {text}");
        assert!(text.contains("fix: "));
    }
}

#[test]
fn all_faults_are_told_at_once() {
    let faults =
        Config::read(&Environment::from([("PORT", "x"), ("HOST", "x"), ("PUBLIC_URL", "x")])).unwrap_err();
    let variables: Vec<_> = faults.0.iter().map(|fault| fault.variable).collect();
    assert_eq!(variables, ["DATABASE_URL", "PUBLIC_URL", "HOST", "PORT"]);
}

#[test]
fn a_file_adds_what_the_environment_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(".env");
    let mut text = String::new();
    writeln!(text, "# a comment\nPORT=1111\nHOST='127.0.0.2'\nTWILIO_AUTH_TOKEN=\"with space\"").unwrap();
    std::fs::write(&file, text).unwrap();
    let environment = Environment::from([("PORT", "2222")]).and_file(&file).unwrap();
    assert_eq!(environment.get("PORT"), Some("2222"));
    assert_eq!(environment.get("HOST"), Some("127.0.0.2"));
    assert_eq!(environment.get("TWILIO_AUTH_TOKEN"), Some("with space"));
    std::fs::write(&file, "PORT=1111\nTOKEN=\"tell no one\n").unwrap();
    let fault = Environment::default().and_file(&file).map(|_| ()).unwrap_err().to_string();
    assert!(fault.contains("line 2") && !fault.contains("tell"), "{fault}");
    assert!(Environment::default().and_file(&folder.path().join("none")).is_ok());
}

#[test]
fn an_api_that_cannot_be_asked_says_what_it_lacks() {
    for (name, value, provider, missing) in [
        ("PORT", "1", Provider::Stripe, &["STRIPE_API_KEY"][..]),
        ("STRIPE_API_KEY", "rk_live_0123456789abcdef", Provider::Stripe, &[]),
        ("PORT", "1", Provider::Twilio, &["TWILIO_ACCOUNT_SID"]),
        ("TWILIO_AUTH_TOKEN", "", Provider::Twilio, &["TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN"]),
        ("PLIVO_AUTH_ID", "MAXXXXXXXXXXXXXXXXXX", Provider::Plivo, &[]),
    ] {
        let config = read_with(name, value).unwrap();
        assert_eq!(config.apis.missing(provider), missing, "{name}={value}");
        assert!(!config.reconcile);
    }
    let test = read_with("STRIPE_API_KEY", "rk_test_0123456789abcdef").unwrap();
    assert_eq!(test.apis.of(Provider::Stripe).accounts, ["test"]);
    assert!(!format!("{test:?}").contains("rk_test"), "secrets do not print");
}
