//! The inbox: every verified event, once, with the answer that was given.

mod ledger;
pub(crate) mod partitions;
pub(crate) mod rejections;
mod stored;

pub(crate) use ledger::{Appended, append, forget_answers};
pub(crate) use stored::masked;
