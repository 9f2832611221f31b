//! Failures of query, retrieve and their sub-operations (PS3.4 sections C.4.1.1.4, C.4.2.1.5, C.4.3.1.4).

use dicom_core::Tag;

use super::status::{code, sendable};
use crate::language::{Explain, Message, displayed_in_english};
use crate::say;

/// The status of a C-FIND, C-MOVE or C-GET that failed at our side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueryStatus {
    /// A700 (find), A701 (retrieve: matches cannot be counted): out of resources.
    OutOfResources,
    /// A702: sub-operations cannot be performed.
    CannotPerform,
    /// A801: the destination of a C-MOVE is not known.
    UnknownDestination,
    /// A900: the identifier does not match the SOP class.
    IdentifierMismatch,
    /// C000: unable to process.
    UnableToProcess,
    /// 0124: the caller is not authorised.
    NotAuthorised,
}

impl QueryStatus {
    /// The value of Status (0000,0900); a C-MOVE or C-GET is a retrieval.
    pub fn code(self, is_retrieval: bool) -> u16 {
        match self {
            QueryStatus::OutOfResources if is_retrieval => code::CANNOT_COUNT,
            QueryStatus::OutOfResources => code::OUT_OF_RESOURCES,
            QueryStatus::CannotPerform => code::CANNOT_PERFORM,
            QueryStatus::UnknownDestination => code::UNKNOWN_DESTINATION,
            QueryStatus::IdentifierMismatch => code::DATA_SET_MISMATCH,
            QueryStatus::UnableToProcess => code::CANNOT_UNDERSTAND,
            QueryStatus::NotAuthorised => code::NOT_AUTHORISED,
        }
    }
}

/// A C-FIND, C-MOVE or C-GET that is answered with a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub struct QueryFailure {
    status: QueryStatus,
    comment: &'static str,
    japanese: &'static str,
    offending: Option<Tag>,
}

impl QueryFailure {
    /// A failure with `comment` for the caller, a fixed text of at most 64 printable ASCII
    /// characters (VR LO), and the same in Japanese for people at this site.
    pub const fn new(status: QueryStatus, comment: &'static str, japanese: &'static str) -> Self {
        QueryFailure {
            status,
            comment,
            japanese,
            offending: None,
        }
    }

    /// With the element of the identifier that made it fail.
    #[must_use]
    pub const fn at(self, offending: Tag) -> Self {
        QueryFailure {
            offending: Some(offending),
            ..self
        }
    }

    /// The status.
    pub fn status(&self) -> QueryStatus {
        self.status
    }

    /// The Error Comment (0000,0902), if it may be sent.
    pub fn comment(&self) -> Option<&'static str> {
        sendable(self.comment)
    }

    /// The Offending Element (0000,0901), where there is one.
    pub fn offending(&self) -> Option<Tag> {
        self.offending
    }
}

impl Explain for QueryFailure {
    fn message(&self) -> Message {
        let why = Message::new(self.japanese, self.comment);
        match self.offending {
            Some(tag) => say!("{why}（要素 {tag}）", "{why} (element {tag})"; why = why),
            None => why,
        }
    }
}

displayed_in_english!(QueryFailure);

#[cfg(test)]
mod tests {
    use super::*;
    use dicom_dictionary_std::tags;

    #[test]
    fn statuses_are_those_of_the_standard() {
        assert_eq!(QueryStatus::OutOfResources.code(false), 0xA700);
        assert_eq!(QueryStatus::OutOfResources.code(true), 0xA701);
        assert_eq!(QueryStatus::UnknownDestination.code(true), 0xA801);
        let failure =
            QueryFailure::new(QueryStatus::IdentifierMismatch, "no level", "レベルがない");
        let failure = failure.at(tags::QUERY_RETRIEVE_LEVEL);
        assert_eq!(failure.to_string(), "no level (element (0008,0052))");
        crate::language::assert_explained([&failure as &dyn Explain]);
    }
}
