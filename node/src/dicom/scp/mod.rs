//! The receiving side: C-ECHO and C-STORE for whatever a modality or archive sends, C-FIND, C-MOVE and
//! C-GET for whoever may ask.
//!
//! Every Storage SOP Class of the standard is accepted (see [`crate::dicom::dimse::Service`]), in
//! the first transfer syntax the requestor offers: the data set's bytes are handed to the [`Intake`] as they came, and go
//! out again as they are stored wherever they are taken so ([`crate::dicom::scu::Transcoding`]). Other services are refused
//! per presentation context.
//! One thread serves one association; their number is bounded, in all and per address. One operation is
//! under way in an association at a time.

mod admission;
mod association;
mod attempts;
mod commitment;
mod config;
mod dispatch;
mod find;
mod forward;
mod get;
mod giving;
mod handing;
mod holdings;
mod identifier;
mod intake;
mod listener;
mod negotiation;
mod notice;
mod operation;
mod services;
mod shared;
mod store;
mod tally;

pub use config::{Accept, Called, Calling, Limits, PrivateClasses, ScpConfig, ScpError, TlsDoor};
pub use holdings::{
    Answers, Commitments, Counted, Destinations, Holdings, Owed, Recipient, Route, Selected,
};
pub use intake::{Caller, Incoming, Intake, ObjectWriter};
pub use listener::Scp;
pub use negotiation::PLAIN_TRANSFER_SYNTAXES;
pub use notice::{Notice, Operation};
pub use services::Services;
