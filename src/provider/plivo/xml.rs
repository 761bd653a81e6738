//! Verbs as Plivo XML.
