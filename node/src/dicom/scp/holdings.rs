//! The seams between the receiving side and what lies here: for query, retrieve and commitment.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::Caller;
use crate::dicom::dataset::DataSet;
use crate::dicom::dimse::{Committed, Level, Looked, Model, QueryFailure, Reference, Verdict};
use crate::dicom::pdu::AeTitle;
use crate::dicom::scu::{Destination, Ended, Outgoing, ScuFault};

/// An object that a C-MOVE or C-GET is to send.
pub type Selected = Box<dyn Outgoing + Send>;

/// Who is given what a retrieval selected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// Its AE title.
    pub title: AeTitle,
    /// Its address or host name.
    pub host: String,
}

/// Objects of a retrieval: SOP Class UID → how many, by Study Instance UID. Has one entry for each study and class.
pub type Counted = BTreeMap<String, BTreeMap<String, u32>>;

/// What lies here. Called from several threads at once; each call answers for what this caller may
/// see, and for nothing else.
pub trait Holdings: Send + Sync {
    /// Whether this caller may ask at all. Of whom may not, no presentation context for query or
    /// retrieve is accepted.
    fn serves(&self, caller: &Caller) -> bool {
        caller.permission.may_query
    }

    /// Give each match of `identifier` at `level` to `answer`, until that breaks off (the caller
    /// cancelled or left); while there is none, tell it every few milliseconds. Unique keys above the level have been checked. A match holds the keys
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
        answer: &mut dyn FnMut(Looked) -> ControlFlow<()>,
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

    /// Objects that were selected begin to go to `to`: how many of which class, by study.
    fn begins(&self, _caller: &Caller, _to: &Recipient, _objects: &Counted) {}

    /// They have gone, however it ended: of those that were selected, how many of which class arrived.
    fn ended(&self, _caller: &Caller, _to: &Recipient, _objects: &Counted, _arrived: &Counted) {}

    /// Whether each of these instances is kept here; one verdict each, in order.
    fn commits(&self, caller: &Caller, references: &[Reference]) -> Vec<Verdict>;
}

/// Where objects may be sent on request.
pub trait Destinations: Send + Sync {
    /// The way to the destination of this AE title.
    fn named(&self, title: &AeTitle) -> Option<Arc<dyn Route>>;
}

/// The way to a destination, which says how often it may be tried.
pub trait Route: Send + Sync {
    /// Where it leads, for whoever tries once.
    fn destination(&self) -> &Destination;

    /// Tries `work` until it comes off, as often as the destination says and as long as `is_wanted`, which is asked
    /// between attempts at least every 100 ms. Blocks; a fault that another attempt would not mend ends it. Gives the
    /// fault of the last attempt.
    fn attempt(
        &self,
        is_wanted: &dyn Fn() -> bool,
        work: &mut dyn FnMut(&Destination) -> Result<(), ScuFault>,
    ) -> Ended;
}

/// A destination of which nothing else is said is tried once.
impl Route for Destination {
    fn destination(&self) -> &Destination {
        self
    }

    fn attempt(
        &self,
        is_wanted: &dyn Fn() -> bool,
        work: &mut dyn FnMut(&Destination) -> Result<(), ScuFault>,
    ) -> Ended {
        match is_wanted() {
            true => work(self).map_or_else(Ended::GaveUp, |()| Ended::Complete),
            false => Ended::Cancelled,
        }
    }
}

/// An answer to a request for commitment that a caller is owed. Has no `Debug`: its UIDs lead to a patient.
#[derive(Clone, PartialEq, Eq)]
pub struct Owed {
    /// Whose it is.
    pub to: AeTitle,
    /// What it says.
    pub committed: Committed,
}

/// Keeps what is owed until it is delivered. Called from several threads at once.
pub trait Commitments: Send + Sync {
    /// Whether this caller may have commitment.
    fn serves(&self, caller: &Caller) -> bool {
        caller.permission.may_commit()
    }

    /// Note durably what is owed, before the request is answered; it is then delivered over the association
    /// that asked, until [`Commitments::postpone`] says otherwise.
    ///
    /// # Errors
    /// It cannot be kept; the request is answered with a failure.
    fn owe(&self, owed: &Owed) -> Result<(), QueryFailure>;

    /// It was delivered.
    fn settle(&self, owed: &Owed);

    /// It could not be delivered over the association that asked: a new one is needed.
    fn postpone(&self, owed: &Owed);
}

/// Hears what an archive answers to a request of ours, over an association that it opened.
pub trait Answers: Send + Sync {
    /// The answer of who calls; whether it was one that is waited for.
    fn heard(&self, caller: &Caller, committed: Committed) -> bool;
}
