//! What every request passes before its handler, in the order of `http::router`.

mod client;
mod log;
mod refusals;
mod rules;

pub(super) use client::{client_address, said_by_proxy};
pub(super) use log::{security_headers, trace};
pub(super) use refusals::refusals;
pub(super) use rules::{allow_list, https};
