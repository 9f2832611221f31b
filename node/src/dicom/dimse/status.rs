//! Statuses (PS3.7 annex C, PS3.4 annexes B.2.3, C.4, J.3): every value that is said or heard here, and what those of
//! C-STORE mean.

use crate::dicom::scanner::Malformed;
use crate::language::{Explain, Message, displayed_in_english};
use crate::say;

/// Values of Status (0000,0900) that are said or heard here.
pub(crate) mod code {
    pub(crate) const SUCCESS: u16 = 0x0000;
    /// Of several things done, some were done with a warning.
    pub(crate) const SUB_OPERATION_WARNING: u16 = 0x0001;
    /// Attributes were left out.
    pub(crate) const ATTRIBUTE_LIST_ERROR: u16 = 0x0107;
    pub(crate) const PROCESSING_FAILURE: u16 = 0x0110;
    pub(crate) const DUPLICATE_INSTANCE: u16 = 0x0111;
    pub(crate) const NO_SUCH_INSTANCE: u16 = 0x0112;
    pub(crate) const INVALID_ARGUMENT: u16 = 0x0115;
    /// Attributes have values out of range.
    pub(crate) const VALUE_OUT_OF_RANGE: u16 = 0x0116;
    pub(crate) const INVALID_INSTANCE: u16 = 0x0117;
    pub(crate) const CLASS_INSTANCE_CONFLICT: u16 = 0x0119;
    pub(crate) const SOP_CLASS_NOT_SUPPORTED: u16 = 0x0122;
    pub(crate) const NO_SUCH_ACTION: u16 = 0x0123;
    pub(crate) const NOT_AUTHORISED: u16 = 0x0124;
    pub(crate) const UNRECOGNISED_OPERATION: u16 = 0x0211;
    pub(crate) const RESOURCE_LIMITATION: u16 = 0x0213;
    /// Out of resources, with whatever the last two digits say.
    pub(crate) const OUT_OF_RESOURCES: u16 = 0xA700;
    /// Of a retrieval: the matches cannot be counted.
    pub(crate) const CANNOT_COUNT: u16 = 0xA701;
    /// Of a retrieval: no sub-operation can be performed.
    pub(crate) const CANNOT_PERFORM: u16 = 0xA702;
    pub(crate) const OUT_OF_RESOURCES_LAST: u16 = 0xA7FF;
    /// Of a C-MOVE: the destination is not known.
    pub(crate) const UNKNOWN_DESTINATION: u16 = 0xA801;
    /// The data set, or the identifier, does not match the SOP class.
    pub(crate) const DATA_SET_MISMATCH: u16 = 0xA900;
    /// The first of the service's own warnings.
    pub(crate) const WARNING_FIRST: u16 = 0xB000;
    /// Of a retrieval: it is over, and some sub-operations failed.
    pub(crate) const SOME_FAILED: u16 = 0xB000;
    pub(crate) const WARNING_LAST: u16 = 0xBFFF;
    /// The data set cannot be understood, or the request not be processed.
    pub(crate) const CANNOT_UNDERSTAND: u16 = 0xC000;
    /// It ended since it was cancelled.
    pub(crate) const CANCELLED: u16 = 0xFE00;
    pub(crate) const PENDING: u16 = 0xFF00;
    /// Pending; some of the optional keys asked for are not supported.
    pub(crate) const PENDING_WITHOUT_SOME_KEYS: u16 = 0xFF01;
}

/// Whether more answers follow.
pub(crate) fn is_pending(status: u16) -> bool {
    matches!(status, code::PENDING | code::PENDING_WITHOUT_SOME_KEYS)
}

/// Whether a failure names the moment, and not what was asked for: the same may come off later.
pub(crate) fn is_for_now(status: u16) -> bool {
    matches!(
        status,
        code::OUT_OF_RESOURCES
            ..=code::OUT_OF_RESOURCES_LAST | code::PROCESSING_FAILURE | code::RESOURCE_LIMITATION
    )
}

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
            StoreStatus::OutOfResources => code::OUT_OF_RESOURCES,
            StoreStatus::DataSetMismatch => code::DATA_SET_MISMATCH,
            StoreStatus::CannotUnderstand => code::CANNOT_UNDERSTAND,
            StoreStatus::ProcessingFailure => code::PROCESSING_FAILURE,
            StoreStatus::DuplicateInstance => code::DUPLICATE_INSTANCE,
            StoreStatus::InvalidInstance => code::INVALID_INSTANCE,
            StoreStatus::SopClassNotSupported => code::SOP_CLASS_NOT_SUPPORTED,
            StoreStatus::NotAuthorised => code::NOT_AUTHORISED,
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
        code::SUCCESS => StatusMeaning::Stored,
        code::SUB_OPERATION_WARNING | code::ATTRIBUTE_LIST_ERROR | code::VALUE_OUT_OF_RANGE => {
            StatusMeaning::StoredWithWarning(status)
        }
        code::WARNING_FIRST..=code::WARNING_LAST => StatusMeaning::StoredWithWarning(status),
        failure if is_for_now(failure) => StatusMeaning::RefusedForNow(status),
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
