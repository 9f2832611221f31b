//! The seams between the receiving side and what lies here: for query, retrieve and commitment.

use std::ops::ControlFlow;

use super::Caller;
use crate::dicom::dataset::DataSet;
use crate::dicom::dimse::{Level, Model, QueryFailure};
use crate::dicom::pdu::AeTitle;
use crate::dicom::scu::{Destination, Outgoing};

/// An object that a C-MOVE or C-GET is to send.
pub type Selected = Box<dyn Outgoing + Send>;

/// An instance whose keeping is asked for. Has no `Debug`: the instance UID leads to a patient.
#[derive(Clone, PartialEq, Eq)]
pub struct Reference {
    /// Referenced SOP Class UID.
    pub sop_class: String,
    /// Referenced SOP Instance UID.
    pub sop_instance: String,
}

/// Whether an instance is kept (PS3.4 section J.3.3, PS3.3 section C.14.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is durable here.
    Kept,
    /// 0112: it is not here, or not for this caller.
    Unknown,
    /// 0119: it is here with another SOP class.
    OtherClass,
    /// 0110: it cannot be said at this moment.
    ProcessingFailure,
}

impl Verdict {
    /// Failure Reason (0008,1197); none when it is kept.
    pub fn failure_reason(self) -> Option<u16> {
        match self {
            Verdict::Kept => None,
            Verdict::Unknown => Some(0x0112),
            Verdict::OtherClass => Some(0x0119),
            Verdict::ProcessingFailure => Some(0x0110),
        }
    }
}

/// What lies here. Called from several threads at once; each call answers for what this caller may
/// see, and for nothing else.
pub trait Holdings: Send + Sync {
    /// Whether this caller may ask at all. Of whom may not, no presentation context for query,
    /// retrieve or commitment is accepted.
    fn serves(&self, caller: &Caller) -> bool;

    /// Give each match of `identifier` at `level` to `answer`, until that breaks off (the caller
    /// cancelled or left). Unique keys above the level have been checked. A match holds the keys
    /// that were asked for, as far as they are supported, and its own character set; level and
    /// retrieve AE title are added by the receiving side.
    ///
    /// # Errors
    /// The status to answer with.
    fn find(
        &self,
        caller: &Caller,
        model: Model,
        level: Level,
        identifier: &DataSet,
        answer: &mut dyn FnMut(DataSet) -> ControlFlow<()>,
    ) -> Result<(), QueryFailure>;

    /// The objects that `identifier` names at `level`; its unique key may be a list of UIDs. None is
    /// no failure.
    ///
    /// # Errors
    /// The status to answer with.
    fn select(
        &self,
        caller: &Caller,
        level: Level,
        identifier: &DataSet,
    ) -> Result<Vec<Selected>, QueryFailure>;

    /// Whether each of these instances is kept here; one verdict each, in order.
    fn commits(&self, caller: &Caller, references: &[Reference]) -> Vec<Verdict>;
}

/// Where objects may be sent on request.
pub trait Destinations: Send + Sync {
    /// The destination of this AE title.
    fn named(&self, title: &AeTitle) -> Option<Destination>;
}
