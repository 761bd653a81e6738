//! `smartline docs`: the reference pages that are written from the code, for this very version.

use super::{
    doctor,
    error::{Error, print},
};
use crate::{config, http};

/// Print a reference page of this version
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  smartline docs configuration
  smartline docs env-example > .env")]
pub(super) struct Args {
    /// Which page
    page: Page,
}

/// The pages.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Page {
    /// Every variable, as a table
    Configuration,
    /// Every variable, as a `.env` file in which nothing is set
    EnvExample,
    /// Every finding of `smartline doctor`
    Doctor,
    /// Every error code and what to do about it
    Errors,
    /// The API, as a document in the form `OpenAPI` 3.1
    Openapi,
}

/// Prints a page.
pub(super) fn run(args: &Args) -> Result<(), Error> {
    let text = match args.page {
        Page::Configuration => config::table::reference_page(),
        Page::EnvExample => config::table::env_example(),
        Page::Doctor => doctor::reference_page(),
        Page::Errors => http::problem::reference_page(),
        Page::Openapi => http::api::openapi::text(),
    };
    print(text.trim_end())
}

/// Prints the API's document.
pub(super) fn openapi() -> Result<(), Error> {
    print(http::api::openapi::text().trim_end())
}
