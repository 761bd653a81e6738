//! The one writer of XML.
