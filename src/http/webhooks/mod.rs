//! The seven endpoints: each makes the finished answer, has it kept with the event, and gives it.

mod carrier;
mod keep;
pub(super) mod plivo;
pub(super) mod stripe;
pub(super) mod twilio;

pub(super) use keep::usual;
