//! SmartLine.
fn main(){}
