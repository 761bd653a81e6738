//! The inbox: every verified event, once, with the answer that was given.

mod ledger;
pub(crate) mod partitions;
pub(crate) mod rejections;
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the intake will use it; tests and the fuzz target do already")
)]
pub(crate) mod spool;
mod stored;

pub(crate) use ledger::{Appended, append, forget_answers};
pub(crate) use stored::masked;
