//! Who speaks to this node from inside the house, and what of it they may see.

pub mod scope;

pub use scope::{Domain, Scope};
