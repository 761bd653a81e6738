//! What only `dev` and the tests need: a PostgreSQL of their own.
//!
//! [`postgres`] starts, watches and stops it, as [`options`] say; the other rooms are its parts. [`find`] looks for the server's programs,
//! [`install`] and [`error`] tell what to do, [`home`] is the folder with the cluster, [`account`] the user that the server
//! runs as where we are root, [`process`] the running server. [`database`] keeps the data of `dev` apart from real
//! data, [`secrets`] are its throw-away secrets, and [`seed`] gives it lines to call.

mod account;
pub(crate) mod database;
pub(crate) mod error;
mod find;
mod home;
mod install;
pub(crate) mod options;
pub(crate) mod postgres;
mod process;
pub(crate) mod secrets;
pub(crate) mod seed;
#[cfg(test)]
mod tests;
