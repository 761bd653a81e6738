//! `smartline why`: what was decided for a call, and on what grounds.

use super::{
    database,
    error::{Error, print},
};
use crate::lines::desk::why;

/// Tell why a call went as it did: each guard and test with what it saw
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  smartline why call_01m85fhqndetat1nd9f5v2e8yj
  smartline why CAc93bf9a243a391a65da5b60116ee9a5c --json")]
pub(super) struct Args {
    /// The call, by our id or the provider's
    call: String,
    /// Write it as JSON, as the API does
    #[arg(long)]
    json: bool,
}

/// Tells it.
pub(super) async fn run(args: Args) -> Result<(), Error> {
    let mut db = database::connect().await?;
    let decisions = why::of_call(&mut db, &args.call).await.map_err(Error::because)?;
    if decisions.is_empty() {
        return Err(Error::Failed("nothing was decided for such a call, or there is none".to_owned()));
    }
    if args.json {
        return print(&why::shown(&decisions, true).to_string());
    }
    for why::Decided { at, event, decision } in &decisions {
        print(&format!("{}  event {event}, flow version {}", at.format("%F %T%.3f"), decision.version))?;
        for guard in &decision.guards {
            let sign = if guard.passed { "passed " } else { "stopped" };
            print(&format!("  guard  {sign}  {}: {}", guard.guard, guard.saw))?;
        }
        for test in &decision.tests {
            let sign = if test.holds { "holds  " } else { "no     " };
            print(&format!("  test   {sign}  {}: {} ({})", test.step, test.test, test.saw))?;
        }
        if !decision.path.is_empty() {
            print(&format!("  steps           {}", decision.path.join(" → ")))?;
        }
        for owed in &decision.owed {
            print(&format!("  owes            {} {}", owed.kind(), owed.key()))?;
        }
        if let Some(outcome) = &decision.outcome {
            print(&format!("  outcome         {outcome}"))?;
        }
        if let Some(cause) = &decision.cause {
            print(&format!("  instead of the flow, because: {cause}"))?;
        }
    }
    Ok(())
}
