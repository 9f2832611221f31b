//! One line for the operator about an association that did not go as it should.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::Caller;
use crate::dicom::dimse::StoreFailure;
use crate::dicom::pdu::{AeTitle, LinkFault, Rejection, RejectionReason};

/// What happened. Holds titles, addresses, SOP classes and causes, never an instance or a patient.
#[derive(Debug)]
pub enum Notice<'a> {
    /// An association request was rejected.
    Rejected {
        /// Who asked.
        caller: &'a Caller,
        /// Why.
        why: Rejection,
    },
    /// No presentation context of an association could be accepted.
    NothingAccepted {
        /// Who asked.
        caller: &'a Caller,
    },
    /// An association ended before it was released.
    Cut {
        /// The peer.
        address: SocketAddr,
        /// Its title, once it named one.
        calling_ae: Option<&'a AeTitle>,
        /// Whether an object was under way; it was not stored.
        in_object: bool,
        /// Why.
        why: &'a LinkFault,
    },
    /// An object was answered with a failure.
    ObjectRefused {
        /// Who sent it.
        caller: &'a Caller,
        /// Its SOP class, where it named one.
        sop_class: Option<&'a str>,
        /// Status and comment.
        failure: StoreFailure,
    },
    /// A connection was turned away because too many are open.
    Crowded {
        /// The peer.
        address: IpAddr,
        /// Whether the limit is the one of its address.
        per_address: bool,
    },
    /// Notices about connections that were not passed on, for their number.
    Suppressed {
        /// How many.
        count: u64,
    },
    /// Connections could not be accepted: the system is out of descriptors or threads.
    Exhausted {
        /// What the system said.
        why: &'a std::io::Error,
    },
}

impl fmt::Display for Notice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::Rejected { caller, why } => write_rejected(f, caller, *why),
            Notice::NothingAccepted { caller } => write!(
                f,
                "association from {} at {}: none of the services it asks for is offered here \
                 (C-ECHO and C-STORE are)",
                caller.calling_ae,
                caller.address.ip()
            ),
            Notice::Cut {
                address,
                calling_ae,
                in_object,
                why,
            } => {
                f.write_str("association ")?;
                if let Some(title) = calling_ae {
                    write!(f, "from {title} ")?;
                }
                write!(f, "at {} cut", address.ip())?;
                if *in_object {
                    f.write_str(" in the middle of an object, which was not stored")?;
                }
                write!(f, ": {why}")
            }
            Notice::ObjectRefused {
                caller,
                sop_class,
                failure,
            } => write!(
                f,
                "object of SOP class {} from {} at {} refused with {failure}",
                sop_class.unwrap_or("(none named)"),
                caller.calling_ae,
                caller.address.ip()
            ),
            Notice::Crowded {
                address,
                per_address,
            } => {
                let limit = if *per_address {
                    "its address has the most associations allowed"
                } else {
                    "the most associations allowed are open"
                };
                write!(f, "connection from {address} turned away: {limit}")
            }
            Notice::Suppressed { count } => write!(
                f,
                "{count} more DICOM connections went wrong in the last minute and are not listed"
            ),
            Notice::Exhausted { why } => write!(
                f,
                "DICOM connections cannot be accepted: {why}; raise the limits on open files and \
                 threads"
            ),
        }
    }
}

fn write_rejected(f: &mut fmt::Formatter<'_>, caller: &Caller, why: Rejection) -> fmt::Result {
    write!(
        f,
        "association from {} at {} to {} rejected: {why}",
        caller.calling_ae,
        caller.address.ip(),
        caller.called_ae
    )?;
    match why.reason {
        RejectionReason::CalledAeTitle => {
            f.write_str("; correct the called AE title at the sender, or accept any here")
        }
        RejectionReason::CallingAeTitle => {
            f.write_str("; add it to the accepted calling AE titles if it is yours")
        }
        RejectionReason::ApplicationContext
        | RejectionReason::ProtocolVersion
        | RejectionReason::TemporaryCongestion
        | RejectionReason::LocalLimit
        | RejectionReason::Other(..) => Ok(()),
    }
}
