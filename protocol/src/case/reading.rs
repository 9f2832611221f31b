//! A case as its reader holds it.

use std::collections::BTreeSet;

use dokuei_keys::id::{DocumentId, ParcelId};

use crate::case::cancel::Cancel;
use crate::case::priors::PriorsHere;
use crate::case::report::ReportSealed;
use crate::case::request::Keeping;
use crate::case::thread::Thread;
use crate::limits;
use crate::time::Timestamp;

/// A case that this site was asked to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The chain, as the requester ordered it.
    pub thread: Thread,
    /// Whether every object of the study is here and matches its digest.
    pub arrived: bool,
    /// Whether the study is in this site's own archive.
    pub stored: bool,
    /// The newest link's time, by the requester's clock and by this site's when it arrived.
    pub heard: (Timestamp, Timestamp),
    /// The parcel that was granted last.
    pub parcel: Option<ParcelId>,
    /// What has become of it here.
    pub keeping: Keeping,
    /// When this site last quoted, by its own clock.
    pub quoted: Option<Timestamp>,
    /// A report version that waits for the requester's key to seal for.
    pub sealed: Option<ReportSealed>,
    /// When the requester's node refused a proposal, by this site's clock, if no link came since.
    pub refused: Option<Timestamp>,
    /// The requester's request to stop, until it offers the case again.
    pub cancel: Option<Cancel>,
    /// Every such request that was taken: at most one for each booking, and the chain bounds those.
    pub cancels: BTreeSet<DocumentId>,
    /// The earlier studies of its patient.
    pub priors: PriorsHere,
}

impl Reading {
    /// A reading at its beginning, from the time of its first link by both clocks.
    pub fn new(thread: Thread, heard: (Timestamp, Timestamp)) -> Reading {
        Reading {
            thread,
            arrived: false,
            stored: false,
            heard,
            parcel: None,
            keeping: Keeping::Kept,
            quoted: None,
            sealed: None,
            refused: None,
            cancel: None,
            cancels: BTreeSet::new(),
            priors: PriorsHere::default(),
        }
    }

    /// Whether it may be told of priors, ask for them and take them now.
    pub fn takes_priors(&self) -> bool {
        self.thread.phase().takes_priors()
            && self.thread.expected().takes_priors()
            && self.cancel.is_none()
            && self.keeping == Keeping::Kept
    }

    /// Notes that the requester's node refused a proposal.
    pub fn refused(&mut self, proposal: DocumentId, at: Timestamp) {
        self.thread.refuse(proposal);
        self.refused = Some(at);
        self.drop_unfit();
    }

    /// When this site says by itself again what was refused.
    pub fn says_again(&self) -> Option<Timestamp> {
        self.refused.map(|at| at.after(limits::REFUSED_AGAIN))
    }

    /// Whether it says nothing by itself now: the requester has just refused the like.
    pub fn keeps_quiet(&self, now: Timestamp) -> bool {
        let (refused, again) = (self.refused, self.says_again());
        refused.is_some_and(|at| at <= now) && again.is_some_and(|again| now < again)
    }

    /// Drops a report version that waits and cannot be issued any more: its booking is over, or it
    /// does not follow the newest version.
    pub fn drop_unfit(&mut self) {
        let fits = |sealed: &ReportSealed| {
            let versions = self.thread.expected().versions_so_far();
            versions.is_some_and(|versions| {
                versions.may_follow(sealed.status).is_ok()
                    && versions.next() == (sealed.version, sealed.predecessor)
            })
        };
        if self.sealed.as_ref().is_some_and(|sealed| !fits(sealed)) {
            self.sealed = None;
        }
    }

    /// What the requester's clock says by now, at least: a promise is judged by that clock, which
    /// may be days ahead of this site's.
    pub fn requester_time(&self, now: Timestamp) -> Timestamp {
        let (theirs, ours) = self.heard;
        now.max(theirs.after(now.since(ours)))
    }
}
