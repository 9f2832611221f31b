//! The site's log: every record, each bound to the one before.

pub mod entry;
