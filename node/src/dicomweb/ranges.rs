//! Bytes of a data set that a client names, and what they are.

use dicom_dictionary_std::tags;

use super::media::MediaType;
use crate::dicom::dataset::DataSet;
use crate::dicom::uid::trim_padding;
pub(super) use crate::transcoding::ranges::{
    Plain, Range, RangeError, Ranges, all_frames, frame_count, frames, pixels, swap_width,
};

/// The range that a metadata answer named: `offset-length`, or the offset alone of a run of fragments.
pub(super) fn named(text: &str) -> Option<(u64, Option<u64>)> {
    let (offset, length) = match text.split_once('-') {
        Some((offset, length)) => (offset, Some(length.parse().ok()?)),
        None => (text, None),
    };
    Some((offset.parse().ok()?, length))
}

/// The media type of an object's encapsulated document (0042,0012), when it has one.
pub(super) fn document_type(header: &DataSet) -> Option<String> {
    let kind = header.bytes(tags::MIME_TYPE_OF_ENCAPSULATED_DOCUMENT)?;
    let kind = std::str::from_utf8(trim_padding(kind)).ok()?.trim();
    MediaType::parse(kind).map(|kind| kind.essence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_named() {
        assert_eq!(named("12-34"), Some((12, Some(34))));
        assert_eq!(named("12"), Some((12, None)));
        for wrong in ["", "a", "1-", "-1", "1-2-3"] {
            assert_eq!(named(wrong), None, "{wrong}");
        }
    }
}
