//! The head of the files we write (PS3.10 §7.1).

use super::{PREAMBLE_BYTES, PREFIX};
use crate::dicom::uid::{IMPLEMENTATION_CLASS, Uid};
use dicom_core::Tag;
use dicom_dictionary_std::tags;

/// Our Implementation Version Name (PS3.7 §D.3.3.2), at most 16 characters.
pub const IMPLEMENTATION_VERSION: &str = concat!("DOKUEI_", env!("CARGO_PKG_VERSION"));

/// The head of a DICOM file: zeroed preamble, prefix and file meta information. Append the data set
/// as it was received, and the file is one of PS3.10.
#[must_use]
pub fn file_head(sop_class: &Uid, sop_instance: &Uid, transfer_syntax: &Uid) -> Vec<u8> {
    let mut group = Vec::new();
    let mut element = |tag: Tag, vr: &[u8; 2], value: &[u8]| {
        group.extend_from_slice(&tag.0.to_le_bytes());
        group.extend_from_slice(&tag.1.to_le_bytes());
        group.extend_from_slice(vr);
        // Every value is at most 64 bytes, or the two of the version.
        let length = value.len() as u16;
        if vr == b"OB" {
            group.extend_from_slice(&[0, 0]);
            group.extend_from_slice(&u32::from(length).to_le_bytes());
        } else {
            group.extend_from_slice(&length.to_le_bytes());
        }
        group.extend_from_slice(value);
    };
    let mut version = IMPLEMENTATION_VERSION.as_bytes().to_vec();
    if version.len() % 2 == 1 {
        version.push(b' ');
    }
    element(tags::FILE_META_INFORMATION_VERSION, b"OB", &[0, 1]);
    element(
        tags::MEDIA_STORAGE_SOP_CLASS_UID,
        b"UI",
        &sop_class.to_value(),
    );
    element(
        tags::MEDIA_STORAGE_SOP_INSTANCE_UID,
        b"UI",
        &sop_instance.to_value(),
    );
    element(
        tags::TRANSFER_SYNTAX_UID,
        b"UI",
        &transfer_syntax.to_value(),
    );
    element(
        tags::IMPLEMENTATION_CLASS_UID,
        b"UI",
        &IMPLEMENTATION_CLASS.to_value(),
    );
    element(tags::IMPLEMENTATION_VERSION_NAME, b"SH", &version);
    let mut head = vec![0; PREAMBLE_BYTES];
    head.extend_from_slice(PREFIX);
    head.extend_from_slice(b"\x02\0\0\0UL\x04\0");
    head.extend_from_slice(&(group.len() as u32).to_le_bytes());
    head.extend_from_slice(&group);
    head
}
