//! What the log was told of series that are not shown whole: of each once, however often it is asked for.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use dokuei_keys::id::ParcelId;

/// Series that are remembered. With more than these a disk is broken, and may be told of again.
const REMEMBERED: usize = 4_096;

/// What is wrong with a series.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Complaint {
    /// Some of its objects are given in short.
    Short,
    /// Some of its objects cannot be read and are left out.
    LeftOut,
}

/// The series that the log was told of.
#[derive(Default)]
pub(super) struct Complaints(Mutex<BTreeSet<(Complaint, ParcelId, u16)>>);

impl Complaints {
    /// Whether this is new of a series: its parcel, and its number in that.
    pub(super) fn is_new(&self, complaint: Complaint, (parcel, series): (ParcelId, u16)) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= REMEMBERED {
            told.clear();
        }
        told.insert((complaint, parcel, series))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_told_once_and_no_more_are_remembered_than_fit() {
        let complaints = Complaints::default();
        let place = |series| (ParcelId::from_bytes([1; 32]), series);
        assert!(complaints.is_new(Complaint::Short, place(0)));
        assert!(!complaints.is_new(Complaint::Short, place(0)));
        assert!(complaints.is_new(Complaint::LeftOut, place(0)));
        for series in 1..=u16::try_from(REMEMBERED).unwrap() {
            complaints.is_new(Complaint::Short, place(series));
        }
        assert!(complaints.0.lock().unwrap().len() <= REMEMBERED);
    }
}
