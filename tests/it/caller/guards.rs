//! Any flow that can be used, and any caller: both carriers agree, every document is valid, and the call ends.
