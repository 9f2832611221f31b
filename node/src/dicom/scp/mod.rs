//! The receiving side: C-ECHO and C-STORE for whatever a modality or archive sends.
//!
//! Every Storage SOP Class of the standard is accepted (see [`crate::dicom::dimse::Service`]), in
//! the first transfer syntax the requestor offers: nothing is re-encoded, the data set's bytes are
//! handed to the [`Intake`] as they came. Other services are refused per presentation context.
//! One thread serves one association; their number is bounded, in all and per address.

mod admission;
mod association;
mod config;
mod intake;
mod listener;
mod negotiation;
mod notice;
mod shared;
mod store;

pub use config::{Accept, Called, Calling, Limits, ScpConfig, ScpError, TlsDoor};
pub use intake::{Caller, Incoming, Intake, ObjectWriter};
pub use listener::Scp;
pub use notice::Notice;
