//! Verbs as TwiML.
