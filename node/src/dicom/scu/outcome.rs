//! What became of the objects, and what ended a sending.

use std::fmt;
use std::io;
use std::sync::Arc;

use crate::dicom::dimse::StatusMeaning;
use crate::dicom::pdu::{LinkFault, Rejection};

/// A destination could not be used: blame lies there, or on the line between.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ScuFault {
    /// No TCP connection.
    #[error("cannot connect to {host} port {port}: {source}; check address, port and firewall")]
    Unreachable {
        /// Host as configured.
        host: String,
        /// Port.
        port: u16,
        /// What the system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// A-ASSOCIATE-RJ.
    #[error("the destination rejected the association: {0}")]
    Rejected(Rejection),
    /// The association broke.
    #[error("{0}")]
    Link(Arc<LinkFault>),
    /// The destination does not accept the Verification SOP class.
    #[error("the destination does not offer C-ECHO")]
    EchoNotOffered,
    /// C-ECHO was answered with a failure.
    #[error("the destination answered C-ECHO with status {0:04X}")]
    EchoFailed(u16),
}

impl From<LinkFault> for ScuFault {
    fn from(fault: LinkFault) -> Self {
        ScuFault::Link(Arc::new(fault))
    }
}

/// What became of one object.
#[derive(Debug, Clone)]
pub enum Delivery {
    /// Stored.
    Stored,
    /// Stored, with a warning status to record.
    StoredWithWarning {
        /// Status (0000,0900).
        status: u16,
    },
    /// Refused.
    Refused {
        /// Status (0000,0900).
        status: u16,
        /// Whether the same object may be accepted later.
        for_now: bool,
    },
    /// The destination does not take this SOP class in this transfer syntax; nothing was sent.
    NotAccepted {
        /// SOP Class UID.
        sop_class: String,
        /// Transfer Syntax UID.
        transfer_syntax: String,
    },
    /// The object could not be read here.
    Unreadable(Arc<io::Error>),
    /// The association broke while it was under way: the destination may or may not have it.
    Interrupted(Arc<LinkFault>),
    /// The sending ended before its turn.
    NotAttempted,
}

impl Delivery {
    /// Whether the destination says that it has it.
    pub fn is_stored(&self) -> bool {
        matches!(self, Delivery::Stored | Delivery::StoredWithWarning { .. })
    }

    /// Whether sending the same object again may help.
    pub fn may_retry(&self) -> bool {
        match self {
            Delivery::Refused { for_now, .. } => *for_now,
            Delivery::Interrupted(_) | Delivery::NotAttempted => true,
            Delivery::Stored
            | Delivery::StoredWithWarning { .. }
            | Delivery::NotAccepted { .. }
            | Delivery::Unreadable(_) => false,
        }
    }
}

impl From<StatusMeaning> for Delivery {
    fn from(meaning: StatusMeaning) -> Self {
        match meaning {
            StatusMeaning::Stored => Delivery::Stored,
            StatusMeaning::StoredWithWarning(status) => Delivery::StoredWithWarning { status },
            StatusMeaning::RefusedForNow(status) => Delivery::Refused {
                status,
                for_now: true,
            },
            StatusMeaning::RefusedForGood(status) => Delivery::Refused {
                status,
                for_now: false,
            },
        }
    }
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Delivery::Stored => f.write_str("stored"),
            Delivery::StoredWithWarning { status } => {
                write!(f, "stored, with warning status {status:04X}")
            }
            Delivery::Refused { status, for_now } => {
                let then = if *for_now {
                    "try again later"
                } else {
                    "it will refuse it again"
                };
                write!(
                    f,
                    "the destination refused it with status {status:04X}; {then}"
                )
            }
            Delivery::NotAccepted {
                sop_class,
                transfer_syntax,
            } => write!(
                f,
                "destination does not accept {sop_class} in {transfer_syntax}"
            ),
            Delivery::Unreadable(why) => write!(f, "it could not be read here: {why}"),
            Delivery::Interrupted(why) => write!(f, "interrupted: {why}"),
            Delivery::NotAttempted => f.write_str("not attempted"),
        }
    }
}

/// What became of one object, as reported while the sending goes on. Has no `Debug`: the instance
/// UID leads to a patient.
#[derive(Clone)]
pub struct Outcome {
    /// Its place in the source, from 0.
    pub index: u64,
    /// Its SOP Instance UID.
    pub sop_instance: String,
    /// What became of it.
    pub delivery: Delivery,
}

/// How a sending ended.
#[derive(Debug, Clone)]
pub enum Ended {
    /// Every object of the source had its turn.
    Complete,
    /// The caller asked to stop.
    Cancelled,
    /// The destination could not be used any further.
    GaveUp(ScuFault),
}

/// A sending in figures.
#[derive(Debug, Clone)]
pub struct Summary {
    /// Objects the destination says it has.
    pub stored: u64,
    /// Objects taken from the source that it does not have.
    pub not_stored: u64,
    /// Associations opened.
    pub associations: u64,
    /// How it ended.
    pub ended: Ended,
}
