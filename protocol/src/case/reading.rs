//! A case as its reader holds it.

use crate::case::phase::Phase;
use crate::case::thread::Thread;

/// A case that this site was asked to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The chain, as the requester ordered it.
    pub thread: Thread,
    /// Whether every object of the study is here and matches its digest.
    pub arrived: bool,
    /// Whether the study is in this site's own archive.
    pub stored: bool,
}

impl Reading {
    /// A reading at its beginning.
    pub fn new(thread: Thread) -> Reading {
        Reading {
            thread,
            arrived: false,
            stored: false,
        }
    }

    /// Whether it takes one of the places of the day it was offered: from quote to release.
    pub fn takes_place(&self) -> bool {
        !matches!(self.thread.expected(), Phase::Offered(_) | Phase::Ended(_))
    }
}
