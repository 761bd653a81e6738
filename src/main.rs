//! SmartLine.
fn main() {}
