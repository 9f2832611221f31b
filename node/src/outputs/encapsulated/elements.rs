//! Writing a data set in Explicit VR Little Endian (PS3.5 section 7.1.2, annex A.2).

use std::collections::BTreeMap;

use super::Tag;

/// Elements in tag order; later values of a tag replace earlier ones.
#[derive(Default)]
pub(super) struct DataSet(BTreeMap<Tag, ([u8; 2], Vec<u8>)>);

/// Items of one sequence, already encoded, with explicit lengths.
#[derive(Default)]
pub(super) struct Items(Vec<u8>);

impl Items {
    pub(super) fn push(&mut self, item: DataSet) {
        let body = item.encoded();
        self.0.extend_from_slice(&[0xFE, 0xFF, 0x00, 0xE0]);
        self.0.extend_from_slice(&length(body.len()).to_le_bytes());
        self.0.extend_from_slice(&body);
    }
}

impl DataSet {
    /// An ASCII value.
    pub(super) fn text(&mut self, tag: Tag, vr: [u8; 2], value: &str) {
        self.bytes(tag, vr, value.as_bytes());
    }

    /// A value in its final encoding; odd lengths are padded as the VR wants.
    pub(super) fn bytes(&mut self, tag: Tag, vr: [u8; 2], value: &[u8]) {
        let mut value = value.to_vec();
        if value.len() % 2 == 1 {
            value.push(match &vr {
                b"UI" | b"OB" => 0,
                _ => b' ',
            });
        }
        self.0.insert(tag, (vr, value));
    }

    /// A UL value.
    pub(super) fn number(&mut self, tag: Tag, value: usize) {
        self.bytes(tag, *b"UL", &length(value).to_le_bytes());
    }

    pub(super) fn sequence(&mut self, tag: Tag, items: Items) {
        self.0.insert(tag, (*b"SQ", items.0));
    }

    pub(super) fn encoded(self) -> Vec<u8> {
        let size = self.0.values().map(|(_, value)| value.len() + 12).sum();
        let mut out = Vec::with_capacity(size);
        for (tag, (vr, value)) in self.0 {
            out.extend_from_slice(&tag.0.to_le_bytes());
            out.extend_from_slice(&tag.1.to_le_bytes());
            out.extend_from_slice(&vr);
            match (&vr, u16::try_from(value.len())) {
                (b"OB" | b"SQ", _) | (_, Err(_)) => {
                    out.extend_from_slice(&[0, 0]);
                    out.extend_from_slice(&length(value.len()).to_le_bytes());
                }
                (_, Ok(short)) => out.extend_from_slice(&short.to_le_bytes()),
            }
            out.extend_from_slice(&value);
        }
        out
    }
}

/// Lengths here are bounded far below 4 GiB by the limits of the parent module.
fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX - 1)
}
