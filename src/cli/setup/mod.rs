//! `smartline setup`: the providers' consoles, set by their APIs. A plan first, then `--apply`, and a journal to take it
//! back by.

mod journal;
mod undo;

use std::{
    fs,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use reqwest::Method;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::{
    error::{Error, note, print},
    sign::{fresh, provider_parser},
    target::is_local,
};
use crate::{
    config::{Apis, Environment},
    consoles::{self, Account, Act, Numbers, Payload, Plan, Side, Step, Trouble, Wanted},
    domain::clock::Clock,
    lines,
    provider::{Provider, plivo, twilio},
};
use journal::{Entry, Journal, State};

/// Set the providers' consoles to call this service: a plan first, and a way back
///
/// Shows what would change, and --apply does it.
/// Stripe: one endpoint with exactly the six events; its secret is shown once. Twilio: the URLs of
/// the numbers, and of the TwiML app in `TWILIO_APP_SID`. Plivo: one application, and the numbers
/// bound to it. Keys come from the environment and `.env`; what stood there before goes into the
/// journal, and --undo --apply puts it back.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    before_help = "\
Examples:
  smartline setup --all                                      what would change
  smartline setup stripe --apply --env-file .env             the secret goes into .env
  smartline setup twilio --number +14155550142 --apply
  smartline setup --undo --apply                             as it was before",
    after_help = lines::NO_EMERGENCY
)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub(super) struct Args {
    /// Which providers
    #[arg(value_parser = provider_parser(), required_unless_present_any = ["all", "undo", "documents"], conflicts_with_all = ["all", "undo"])]
    provider: Vec<Provider>,
    /// Every provider whose keys are set
    #[arg(long)]
    all: bool,
    /// Write the changes; otherwise they are only shown
    #[arg(long)]
    apply: bool,
    /// Take back what the journal tells of
    #[arg(long)]
    undo: bool,
    /// A number to set, as +14155550142 or by its id (repeatable)
    #[arg(long, value_name = "NUMBER")]
    number: Vec<String>,
    /// Set every number of the account
    #[arg(long, conflicts_with = "number")]
    all_numbers: bool,
    /// The service's public origin [default: `PUBLIC_URL`]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Where a call goes when its URL fails [default: the same URL once more]
    #[arg(long, value_name = "URL")]
    fallback_url: Option<String>,
    /// Append Stripe's new secret to this file instead of printing it
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
    /// Touch nothing that is live: only a test key of Stripe may be used
    #[arg(long)]
    test_mode: bool,
    /// Where former values are kept
    #[arg(long, value_name = "FILE", default_value = "smartline-setup.jsonl")]
    journal: PathBuf,
    /// Print a document for each provider that a host elsewhere can answer calls with
    #[arg(long, conflicts_with_all = ["all", "apply", "undo"])]
    documents: bool,
    /// Write the result as JSON
    #[arg(long)]
    json: bool,
}

/// Shows or makes the changes.
///
/// # Errors
/// [`Error::Failed`] without keys, without network, or where the public URL cannot be called. Nothing is changed then.
pub(super) async fn run(args: Args, clock: &dyn Clock) -> Result<ExitCode, Error> {
    if args.documents {
        return documents();
    }
    let environment = Environment::of_process().and_file(Path::new(".env")).map_err(Error::because)?;
    let apis = Apis::read(&environment).map_err(Error::because)?;
    let journal = Journal::at(&args.journal);
    if args.undo {
        return undo::run(&apis, &journal, args.apply, args.json, clock).await;
    }
    let providers = wanted_providers(&args, &apis)?;
    guard(&args, &apis, &providers)?;
    let origin = origin(args.url.as_deref(), &environment)?;
    let mut plans = Vec::new();
    for provider in providers {
        let wanted = wanted(&args, &apis, provider, &origin);
        plans.extend(read(&apis, provider, &wanted).await?);
    }
    let steps: Vec<Step> = plans.iter().flat_map(|(_, plan)| plan.steps.clone()).collect();
    if !args.json {
        for (account, plan) in &plans {
            show(account, plan)?;
        }
        note(lines::NO_EMERGENCY);
    }
    if !args.apply {
        if args.json {
            print(&report(&origin, &plans, false, None).to_string())?;
        } else if steps.is_empty() {
            note("everything is as it should be");
        } else {
            note(&format!(
                "{}: --apply writes {}",
                changes(steps.len()),
                if steps.len() == 1 { "it" } else { "them" }
            ));
        }
        return Ok(ExitCode::SUCCESS);
    }
    choose_numbers(&args, &steps)?;
    let secret = apply(&apis, &journal, &steps, clock).await?;
    let kept = secret.map(|secret| hand_over(&args, &environment, &secret)).transpose()?.flatten();
    if args.json {
        print(&report(&origin, &plans, true, kept.as_deref()).to_string())?;
    } else if !steps.is_empty() {
        note(&format!("{} made; `smartline setup --undo` shows how to take them back", changes(steps.len())));
    }
    Ok(ExitCode::SUCCESS)
}

fn changes(count: usize) -> String {
    format!("{count} change{}", if count == 1 { "" } else { "s" })
}

/// A document that needs neither this service nor its database.
fn documents() -> Result<ExitCode, Error> {
    let verbs = lines::safe::goodbye();
    let unable = |_| Error::Failed("the document is too long".to_owned());
    print("Twilio: Console, TwiML Bins, Create; then its URL as --fallback-url")?;
    print(&twilio::twiml::render(&verbs, "").map_err(unable)?)?;
    print("\nPlivo: on any static host, as text/xml; then its URL as --fallback-url")?;
    print(&plivo::xml::render(&verbs, "").map_err(unable)?)?;
    Ok(ExitCode::SUCCESS)
}

/// Those that were named, or all that can be asked.
fn wanted_providers(args: &Args, apis: &Apis) -> Result<Vec<Provider>, Error> {
    let lacking = |provider: Provider| {
        let missing = apis.missing(provider);
        (!missing.is_empty()).then(|| {
            let verb = if missing.len() == 1 { "is" } else { "are" };
            format!("{}: {} {verb} not set", provider.name(), missing.join(" and "))
        })
    };
    let named = if args.all { Provider::ALL.to_vec() } else { args.provider.clone() };
    let (out, able): (Vec<Provider>, Vec<Provider>) =
        named.into_iter().partition(|provider| lacking(*provider).is_some());
    let out: Vec<String> = out.into_iter().filter_map(lacking).collect();
    if able.is_empty() || !(args.all || out.is_empty()) {
        return Err(Error::Failed(format!("{}; nothing was changed", out.join("; "))));
    }
    for left_out in &out {
        note(&format!("note: left out is {left_out}"));
    }
    Ok(able)
}

/// `--test-mode` keeps live things safe.
fn guard(args: &Args, apis: &Apis, providers: &[Provider]) -> Result<(), Error> {
    if !args.test_mode {
        return Ok(());
    }
    if let Some(carrier) = providers.iter().find(|provider| **provider != Provider::Stripe) {
        return Err(Error::Failed(format!(
            "--test-mode: {} has no test mode for numbers, they are all live",
            carrier.name()
        )));
    }
    if apis.of(Provider::Stripe).accounts.iter().any(|mode| mode == "live") {
        Err(Error::Failed("--test-mode: STRIPE_API_KEY is a live key".to_owned()))
    } else {
        Ok(())
    }
}

/// The public origin, if providers can call it.
pub(super) fn origin(given: Option<&str>, environment: &Environment) -> Result<String, Error> {
    let configured = environment.get("PUBLIC_URL").or_else(|| environment.get("RENDER_EXTERNAL_URL"));
    let first = given.or_else(|| configured?.split(',').map(str::trim).find(|url| !url.is_empty()));
    let Some(first) = first else {
        return Err(Error::Failed("PUBLIC_URL is not set: set it, or give --url https://…".to_owned()));
    };
    let origin = super::target::origin(first)?;
    if is_local(&origin) {
        return Err(Error::Failed(format!(
            "{origin} is this machine: no provider can call it; nothing was changed"
        )));
    }
    if !origin.starts_with("https://") {
        return Err(Error::Failed(format!(
            "{origin} is http, which lets anyone on the way read along; nothing was changed"
        )));
    }
    Ok(origin)
}

fn wanted(args: &Args, apis: &Apis, provider: Provider, origin: &str) -> Wanted {
    let numbers = if args.number.is_empty() { Numbers::All } else { Numbers::These(args.number.clone()) };
    Wanted { fallback: args.fallback_url.clone(), numbers, ..Wanted::all(apis.of(provider), origin) }
}

/// What each account of a provider holds.
async fn read(apis: &Apis, provider: Provider, wanted: &Wanted) -> Result<Vec<(String, Plan)>, Error> {
    let api = apis.of(provider);
    // A second account of Plivo would get a second application; one is enough.
    let accounts = if provider == Provider::Plivo { &api.accounts[..1] } else { &api.accounts[..] };
    let sides = consoles::read(provider, api, accounts, wanted).await.into_iter();
    sides
        .map(|Side { account, plan, .. }| {
            let title = format!("{} {account}", provider.name());
            match plan {
                Ok(plan) => Ok((title, plan)),
                Err(trouble) => Err(Error::Failed(format!("{title}: {trouble}; nothing was changed"))),
            }
        })
        .collect()
}

fn show(account: &str, plan: &Plan) -> Result<(), Error> {
    print(account)?;
    for step in &plan.steps {
        print(&told(step))?;
    }
    for fine in &plan.fine {
        print(&format!("  = {fine}"))?;
    }
    for remark in &plan.remarks {
        print(&format!("  ! {}  [{}]", remark.text, remark.code))?;
    }
    Ok(())
}

/// A step as lines: what, and each field with its former value.
fn told(step: &Step) -> String {
    let sign = match step.act {
        Act::Create => '+',
        Act::Change => '~',
        Act::Delete => '-',
    };
    let fields = step.fields.iter().map(|field| match &field.before {
        Some(before) => format!("\n      {:<22} {before} → {}", field.name, field.after),
        None => format!("\n      {:<22} {}", field.name, field.after),
    });
    format!("  {sign} {}{}", step.what, fields.collect::<String>())
}

fn report(origin: &str, plans: &[(String, Plan)], applied: bool, secret: Option<&str>) -> Value {
    let all = |of: fn(&Plan) -> Value| {
        plans
            .iter()
            .flat_map(|(_, plan)| of(plan).as_array().cloned().unwrap_or_default())
            .collect::<Vec<_>>()
    };
    json!({
        "public_url": origin,
        "applied": applied,
        "steps": all(|plan| json!(plan.steps)),
        "remarks": all(|plan| json!(plan.remarks)),
        "fine": all(|plan| json!(plan.fine)),
        "env": secret.map(|secret| json!({"STRIPE_WEBHOOK_SECRET": secret})),
    })
}

/// Which numbers are changed must have been said.
fn choose_numbers(args: &Args, steps: &[Step]) -> Result<(), Error> {
    let numbers = steps.iter().filter(|step| step.what.starts_with("number ")).count();
    if numbers > 0 && args.number.is_empty() && !args.all_numbers {
        return Err(Error::Usage(format!(
            "{numbers} numbers would change: say --all-numbers, or which by --number; nothing was changed"
        )));
    }
    Ok(())
}

/// Makes the changes one after the other, each in the journal before it is sent. What Stripe shows once comes back.
async fn apply(
    apis: &Apis,
    journal: &Journal,
    steps: &[Step],
    clock: &dyn Clock,
) -> Result<Option<SecretString>, Error> {
    let (mut secret, mut application) = (None, None);
    for (done, step) in steps.iter().enumerate() {
        let mut step = step.clone();
        for field in &mut step.fields {
            if let (consoles::plivo::NEW, Some(made)) = (field.after.as_str(), &application) {
                field.after.clone_from(made);
            }
        }
        let mut entry = Entry {
            id: fresh(clock).simple().to_string(),
            at: clock.now(),
            state: State::Begun,
            created: None,
            step,
        };
        journal.write(&entry)?;
        let answer = send(apis, &entry.step).await.map_err(|trouble| {
            let (what, left) = (&entry.step.what, steps.len() - done);
            Error::Failed(format!(
                "{what}: {trouble}; {} made before it, {left} left: the same command goes on there",
                changes(done)
            ))
        })?;
        entry.state = State::Done;
        if entry.step.act == Act::Create {
            entry.created = answer["id"].as_str().or_else(|| answer["app_id"].as_str()).map(str::to_owned);
            application = answer["app_id"].as_str().map(str::to_owned);
            secret = answer["secret"].as_str().map(SecretString::from).or(secret);
        }
        journal.write(&entry)?;
    }
    Ok(secret)
}

/// Sends one change, in the form that its provider reads.
async fn send(apis: &Apis, step: &Step) -> Result<Value, Trouble> {
    let provider = Provider::ALL.into_iter().find(|provider| provider.name() == step.provider);
    let provider = provider.ok_or(Trouble::Unreadable("the journal names no provider"))?;
    let mut account = Account::new(provider, apis.of(provider), &step.account)?;
    if step.act == Act::Delete {
        // Plivo would delete the numbers' endpoints along with their application.
        let payload = if provider == Provider::Plivo {
            Payload::Json(json!({"cascade": false}))
        } else {
            Payload::Nothing
        };
        return account.send(Method::DELETE, &step.path, &payload).await;
    }
    let fields = step.fields.iter().map(|field| (field.name.clone(), field.after.clone()));
    let payload = match provider {
        Provider::Plivo => Payload::Json(fields.map(|(name, value)| (name, Value::String(value))).collect()),
        Provider::Twilio => Payload::Form(fields.collect()),
        Provider::Stripe => Payload::Form(
            fields
                .flat_map(|(name, value)| match name.strip_suffix("[]") {
                    Some(_) => {
                        value.split(',').map(|item| (name.clone(), item.to_owned())).collect::<Vec<_>>()
                    }
                    None => vec![(name, value)],
                })
                .collect(),
        ),
    };
    account.send(Method::POST, &step.path, &payload).await
}

/// Gives the secret to its reader: into the file, or as a line of its own; JSON holds it otherwise.
fn hand_over(args: &Args, environment: &Environment, secret: &SecretString) -> Result<Option<String>, Error> {
    let line = format!("STRIPE_WEBHOOK_SECRET={}", secret.expose_secret());
    if environment.get("STRIPE_WEBHOOK_SECRET").is_some() {
        note(
            "note: STRIPE_WEBHOOK_SECRET is set already: write the new secret after the old one, with a comma between",
        );
    }
    if let Some(file) = &args.env_file {
        let append = || -> std::io::Result<()> {
            // A last line without its end must not run into ours.
            let open = fs::read(file).unwrap_or_default().last().is_some_and(|last| *last != b'\n');
            let mut out = fs::OpenOptions::new().create(true).append(true).mode(0o600).open(file)?;
            writeln!(out, "{}{line}", if open { "\n" } else { "" })?;
            out.sync_data()
        };
        match append() {
            Ok(()) => {
                note(&format!("STRIPE_WEBHOOK_SECRET was appended to {}", file.display()));
                return Ok(None);
            }
            // Stripe shows it once, so it must not be lost.
            Err(cause) => note(&format!("cannot write {}: {cause}; here it is", file.display())),
        }
    } else if args.json {
        return Ok(Some(secret.expose_secret().to_owned()));
    }
    print(&line)?;
    Ok(None)
}
