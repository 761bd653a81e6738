//! Words that every floor shares: ids, phone numbers, time, what a line says. No I/O and no provider's spelling.

pub(crate) mod clock;
pub(crate) mod id;
pub(crate) mod numbering;
pub(crate) mod phone;
pub(crate) mod verb;
