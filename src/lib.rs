//! SmartLine.

mod dev;

pub use dev::database::{ClaimError, claim, is_dev};
pub use dev::error::StartError;
pub use dev::postgres::{PrivateOptions, PrivatePostgres};
