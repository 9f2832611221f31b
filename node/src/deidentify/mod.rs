//! Objects without whom they are of: PS3.15 annex E, Basic Profile and options. Fails closed: what is not known to be
//! made safe wholly is not written, with the reason.

mod blanking;
mod content;
pub mod export;
mod fragments;
mod gate;
mod object;
mod options;
pub mod pseudonyms;
mod refusal;
mod regions;
mod rules;
pub mod sealed;
mod secret;
mod table;
#[cfg(test)]
mod tests;
mod values;
mod words;

pub use object::{Cleaned, Method, is_looked_through};
pub use options::{Dates, Options};
pub use refusal::Refusal;
pub use regions::Regions;
pub use secret::Secret;
