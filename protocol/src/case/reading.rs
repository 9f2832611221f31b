//! A case as its reader holds it.

use dokuei_keys::id::ParcelId;

use crate::case::report::ReportSealed;
use crate::case::request::Keeping;
use crate::case::thread::Thread;
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
        }
    }

    /// What the requester's clock says by now, at least: a promise is judged by that clock, which
    /// may be days ahead of this site's.
    pub fn requester_time(&self, now: Timestamp) -> Timestamp {
        let (theirs, ours) = self.heard;
        now.max(theirs.after(now.since(ours)))
    }
}
