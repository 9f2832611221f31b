//! Statuses of C-STORE (PS3.4 annex B.2.3, PS3.7 annex C).

use crate::dicom::scanner::Malformed;
use crate::language::{Explain, Message, displayed_in_english};
use crate::say;

/// The status of a C-STORE that failed at our side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreStatus {
    /// A700: out of resources; the sender may try again later.
    OutOfResources,
    /// A900: the data set does not match the SOP class.
    DataSetMismatch,
    /// C000: the data set cannot be understood.
    CannotUnderstand,
    /// 0110: processing failed.
    ProcessingFailure,
    /// 0111: an instance with this UID is stored already, with other content.
    DuplicateInstance,
    /// 0117: the SOP instance UID breaks the rules for UIDs.
    InvalidInstance,
    /// 0122: the SOP class is not supported.
    SopClassNotSupported,
    /// 0124: the sender is not authorised.
    NotAuthorised,
}

impl StoreStatus {
    /// The value of Status (0000,0900).
    pub fn code(self) -> u16 {
        match self {
            StoreStatus::OutOfResources => 0xA700,
            StoreStatus::DataSetMismatch => 0xA900,
            StoreStatus::CannotUnderstand => 0xC000,
            StoreStatus::ProcessingFailure => 0x0110,
            StoreStatus::DuplicateInstance => 0x0111,
            StoreStatus::InvalidInstance => 0x0117,
            StoreStatus::SopClassNotSupported => 0x0122,
            StoreStatus::NotAuthorised => 0x0124,
        }
    }
}

/// Longest Error Comment (0000,0902): VR LO.
const COMMENT_LIMIT: usize = 64;

/// A C-STORE that is answered with a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub struct StoreFailure {
    status: StoreStatus,
    comment: &'static str,
    japanese: &'static str,
    found: Option<Malformed>,
}

impl StoreFailure {
    /// A failure with `comment` for the sender's operator, and the same in Japanese for people at
    /// this site. The comment is a fixed text, so that no patient data can get into it; of anything
    /// but 1–64 printable ASCII characters without backslash (VR LO) only the status is sent.
    pub const fn new(status: StoreStatus, comment: &'static str, japanese: &'static str) -> Self {
        StoreFailure {
            status,
            comment,
            japanese,
            found: None,
        }
    }

    /// With what was found in the object, for people at this site.
    pub fn because(self, found: Malformed) -> Self {
        StoreFailure {
            found: Some(found),
            ..self
        }
    }

    /// The status.
    pub fn status(&self) -> StoreStatus {
        self.status
    }

    /// The Error Comment (0000,0902), if it may be sent.
    pub fn comment(&self) -> Option<&'static str> {
        sendable(self.comment)
    }
}

/// `comment`, if it fits the element: 1–64 printable ASCII characters without backslash.
pub(super) fn sendable(comment: &'static str) -> Option<&'static str> {
    let fits = (1..=COMMENT_LIMIT).contains(&comment.len());
    let printable = comment
        .bytes()
        .all(|b| (0x20..0x7f).contains(&b) && b != b'\\');
    (fits && printable).then_some(comment)
}

impl Explain for StoreFailure {
    fn message(&self) -> Message {
        let code = format!("{:04X}", self.status.code());
        let why = match &self.found {
            Some(found) => found.message(),
            None => Message::new(self.japanese, self.comment),
        };
        say!("{why}（DICOM 状態 {code}）", "{why} (DICOM status {code})"; why = why)
    }
}

displayed_in_english!(StoreFailure);

/// What a C-STORE status from another SCP means for the object that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusMeaning {
    /// Stored.
    Stored,
    /// Stored, with a warning to record (B000 elements coerced, B006 elements discarded, B007 data
    /// set does not match SOP class, and the general warnings).
    StoredWithWarning(u16),
    /// Not stored; the same object may be accepted later (out of resources, processing failure).
    RefusedForNow(u16),
    /// Not stored; the same object will be refused again.
    RefusedForGood(u16),
}

/// Judge the Status (0000,0900) of a C-STORE-RSP (PS3.4 table B.2-1, PS3.7 annex C).
pub fn judge_store_status(status: u16) -> StatusMeaning {
    match status {
        0x0000 => StatusMeaning::Stored,
        0x0001 | 0x0107 | 0x0116 | 0xB000..=0xBFFF => StatusMeaning::StoredWithWarning(status),
        // 0110 processing failure and 0213 resource limitation name the moment, not the object.
        0xA700..=0xA7FF | 0x0110 | 0x0213 => StatusMeaning::RefusedForNow(status),
        _any_other_failure => StatusMeaning::RefusedForGood(status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_judged_by_the_tables() {
        assert_eq!(judge_store_status(0), StatusMeaning::Stored);
        for warning in [0xB000, 0xB006, 0xB007] {
            assert_eq!(
                judge_store_status(warning),
                StatusMeaning::StoredWithWarning(warning)
            );
        }
        for retry in [0xA700, 0xA7FF, 0x0110] {
            assert_eq!(
                judge_store_status(retry),
                StatusMeaning::RefusedForNow(retry)
            );
        }
        for last in [
            0xA900, 0xC000, 0xCFFF, 0x0122, 0x0124, 0x0111, 0x0117, 0xFE00,
        ] {
            assert_eq!(
                judge_store_status(last),
                StatusMeaning::RefusedForGood(last)
            );
        }
    }

    #[test]
    fn only_a_comment_that_fits_the_element_is_sent() {
        let comment = |text| StoreFailure::new(StoreStatus::OutOfResources, text, "満杯").comment();
        assert_eq!(comment("disk full"), Some("disk full"));
        for text in ["", "満杯", "a\\b", "a\nb"] {
            assert_eq!(comment(text), None);
        }
        const LONG: &str = "0123456789012345678901234567890123456789012345678901234567890123+";
        assert_eq!(LONG.len(), 65);
        assert_eq!(comment(LONG), None);
        assert_eq!(comment(&LONG[..64]), Some(&LONG[..64]));
    }
}
