//! dev
pub(crate) mod database;
