//! Taking back what the journal tells of.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{Entry, Journal, State, changes, send, told};
use crate::{
    cli::error::{Error, note, print},
    config::Apis,
    consoles::{Account, Act, Field, Step, Trouble},
    domain::clock::Clock,
    provider::Provider,
};

/// Shows or puts back the former values, the last change first. What was changed by others since is left as it is.
///
/// # Errors
/// [`Error::Failed`] where the journal or a provider cannot be read.
pub(super) async fn run(
    apis: &Apis,
    journal: &Journal,
    apply: bool,
    json: bool,
    clock: &dyn Clock,
) -> Result<ExitCode, Error> {
    let (mut steps, mut left) = (Vec::new(), Vec::new());
    for entry in journal.to_undo()? {
        let Some(step) = entry.step.undone(entry.created.as_deref()) else {
            left.push(format!(
                "{}: its API offers no way back; see to it in the provider's console",
                entry.step.what
            ));
            continue;
        };
        let failed =
            |trouble: Trouble| Error::Failed(format!("{}: {trouble}; nothing was changed", step.what));
        if still_ours(apis, &step).await.map_err(failed)? {
            steps.push((entry, step));
        } else {
            left.push(format!("{}: it was changed or removed since, so it is left as it is", step.what));
        }
    }
    if !json {
        for (_, step) in &steps {
            print(&told(step))?;
        }
        for left in &left {
            note(&format!("note: {left}"));
        }
    }
    if apply {
        for (entry, step) in &steps {
            let failed = |trouble: Trouble| {
                Error::Failed(format!("{}: {trouble}; the same command goes on there", step.what))
            };
            send(apis, step).await.map_err(failed)?;
            journal.write(&Entry { at: clock.now(), state: State::Undone, ..entry.clone() })?;
        }
    }
    if json {
        let steps: Vec<&Step> = steps.iter().map(|(_, step)| step).collect();
        print(&json!({"undone": apply, "steps": steps, "left": left}).to_string())?;
    } else {
        let what = changes(steps.len());
        note(&if apply {
            format!("{what} taken back")
        } else {
            format!("{what}: --undo --apply takes back")
        });
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether what `setup` wrote still stands there.
async fn still_ours(apis: &Apis, step: &Step) -> Result<bool, Trouble> {
    let provider = Provider::ALL.into_iter().find(|provider| provider.name() == step.provider);
    let provider = provider.ok_or(Trouble::Unreadable("the journal names no provider"))?;
    let mut account = Account::new(provider, apis.of(provider), &step.account)?;
    match account.get(&step.path).await {
        Ok(_) if step.act == Act::Delete => Ok(true),
        Ok(row) => Ok(step.fields.iter().all(|field| present(&row, field) == field.before)),
        Err(Trouble::Unknown(_)) => Ok(false),
        Err(trouble) => Err(trouble),
    }
}

/// What stands in a field now. APIs are written to and read under different names.
fn present(row: &Value, field: &Field) -> Option<String> {
    let snake = field.name.chars().enumerate().fold(String::new(), |mut name, (place, letter)| {
        if letter.is_ascii_uppercase() && place > 0 {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
        name
    });
    match snake.as_str() {
        "enabled_events[]" => {
            let mut events: Vec<&str> =
                row["enabled_events"].as_array()?.iter().filter_map(Value::as_str).collect();
            events.sort_unstable();
            Some(events.join(","))
        }
        "disabled" => Some((row["status"] == "disabled").to_string()),
        "app_id" => row["application"].as_str()?.trim_end_matches('/').rsplit('/').next().map(str::to_owned),
        name => row[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned),
    }
}
