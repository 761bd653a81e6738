//! `smartline completions` and `smartline man`: written from the options themselves, so that they cannot be wrong.

use std::io;

use clap::Command;
use clap_complete::Shell;

use super::error::Error;

/// Print completions for a shell
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  source <(smartline completions bash)
  smartline completions fish > ~/.config/fish/completions/smartline.fish")]
pub(super) struct CompletionsArgs {
    /// Which shell
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(["bash", "zsh", "fish"]))]
    shell: String,
}

/// Print the manual page, of everything or of one command
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  smartline man | man -l -
  smartline man setup | man -l -")]
pub(super) struct ManArgs {
    /// Which command
    command: Option<String>,
}

/// Prints completions of all commands.
///
/// # Errors
/// [`Error::Output`] when nobody reads on.
pub(super) fn completions(args: &CompletionsArgs, mut cli: Command) -> Result<(), Error> {
    let shell = match args.shell.as_str() {
        "bash" => Shell::Bash,
        "zsh" => Shell::Zsh,
        _ => Shell::Fish,
    };
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut cli, "smartline", &mut text);
    write(&text)
}

/// Prints a manual page.
///
/// # Errors
/// [`Error::Usage`] for a command that there is not, [`Error::Output`] when nobody reads on.
pub(super) fn man(args: &ManArgs, mut cli: Command) -> Result<(), Error> {
    cli.build();
    let command = match &args.command {
        None => cli,
        Some(name) => {
            let names: Vec<String> =
                cli.get_subcommands().map(|command| command.get_name().to_owned()).collect();
            cli.find_subcommand(name).cloned().ok_or_else(|| {
                let near = super::near::nearest(name, &names, 1).join("");
                Error::Usage(format!("there is no command '{name}'; near it is '{near}'"))
            })?
        }
    };
    let mut text = Vec::new();
    clap_mangen::Man::new(command).render(&mut text)?;
    write(&text)
}

fn write(text: &[u8]) -> Result<(), Error> {
    use io::Write as _;
    let mut out = io::stdout().lock();
    out.write_all(text)?;
    Ok(out.flush()?)
}
