//! SmartLine.
