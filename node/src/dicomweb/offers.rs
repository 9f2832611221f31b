//! Which media types are given and taken, asked of what decides it: the conformance statement is compared with this.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};

use super::frames::label;
use super::kept::{OCTETS, kind_of};
use super::media::accepted;
use super::pictures::form;
use super::{find, retrieve, store, ups};
use crate::dicom::scanner::TransferSyntax;
use crate::dicom::uid::Uid;
use crate::pixels::QUALITY;

/// How frames that are not compressed are given.
const NATIVE: &str = "1.2.840.10008.1.2.1";

/// What is asked for, or sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Answers to searches, and metadata.
    Search,
    /// Objects of a study or series.
    Objects,
    /// One instance.
    Instance,
    /// Frames that are not compressed.
    Frames,
    /// Pictures of several frames.
    Pictures,
    /// A picture of one.
    Picture,
    /// Objects that are sent here.
    Sent,
    /// Workitems that are sent here.
    Workitem,
}

/// Whether this media type is given, or taken where it is sent.
pub fn offers(resource: Resource, media_type: &str) -> bool {
    let ranges = accepted(media_type);
    match resource {
        Resource::Search => find::takes_json(&ranges),
        Resource::Objects => !retrieve::ways(&ranges, false).is_empty(),
        Resource::Instance => !retrieve::ways(&ranges, true).is_empty(),
        Resource::Frames => label(&ranges, (OCTETS, Some(NATIVE)), (true, true)).is_some(),
        Resource::Pictures => form(&ranges, QUALITY, false).is_some(),
        Resource::Picture => form(&ranges, QUALITY, true).is_some(),
        Resource::Sent => {
            let with_boundary = HeaderValue::from_str(&format!("{media_type}; boundary=b"));
            let headers = with_boundary.map(|kind| HeaderMap::from_iter([(CONTENT_TYPE, kind)]));
            headers.is_ok_and(|headers| store::multipart(&headers).is_ok())
        }
        Resource::Workitem => ups::is_data_set(media_type),
    }
}

/// The media type of frames that are kept in a transfer syntax, by its UID.
pub fn frames_as(transfer_syntax: &Uid) -> &'static str {
    kind_of(&TransferSyntax::from(transfer_syntax.clone()))
}
