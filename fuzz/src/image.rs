//! What a decoder must know of an image, and where its frames lie (`pixels/attributes`, `pixels/frames`).

use dicom_dictionary_std::tags;
use dokuei_node::dicom::dataset::{Bounds, read};
use dokuei_node::dicom::scanner::Encoding;
use dokuei_node::pixels::frames::{NativeFrame, Offsets, fragments};
use dokuei_node::pixels::{Codec, Document, FRAME_BYTES_MAX, Image, LUT_ENTRIES_MAX, Voi};

const CODECS: [Codec; 4] = [
    Codec::NativeLittle,
    Codec::NativeBigWords,
    Codec::Rle,
    Codec::JpegLs,
];

/// An image is within the bounds of a decoder, its frames lie inside its value and do not overlap.
///
/// The first two bytes of an input are the codec and the number of frames, the rest is a data set.
pub fn check(data: &[u8]) {
    let Some(([codec, frames], bytes)) = data.split_first_chunk::<2>() else {
        return;
    };
    let codec = CODECS[usize::from(codec & 3)];
    let frames = u32::from(*frames);
    let Ok(set) = read(&mut &*bytes, Encoding::ExplicitLittle, &Bounds::IDENTIFIER) else {
        return;
    };
    let value = set.bytes(tags::PIXEL_DATA).unwrap_or_default();
    if let Some(document) = Document::of(&set, value.len() as u64) {
        assert!(document.bytes <= value.len() as u64);
        assert!(document.media_type.is_ascii() && document.media_type.contains('/'));
    }
    let table = set.bytes(tags::EXTENDED_OFFSET_TABLE).unwrap_or_default();
    for offsets in [Offsets::basic(table), Offsets::extended(table)] {
        ranges(value, &offsets, frames);
    }
    for number in 0..frames.min(3) {
        let Ok(image) = Image::read(&set, codec, number) else {
            continue;
        };
        assert!(image.check().is_ok() && image.frame_bytes() <= FRAME_BYTES_MAX);
        if let Voi::Table(table) = &image.voi {
            assert!((1..=LUT_ENTRIES_MAX).contains(&table.entries.len()));
        }
        if let Ok(found) = NativeFrame::find(&image, number, frames, value.len() as u64) {
            let range = found.bytes.start as usize..found.bytes.end as usize;
            let frame = found.aligned(&value[range.clone()]);
            assert_eq!(frame.len(), range.len());
        }
    }
}

/// All fragments of these lengths belong to a frame, and those of a frame follow those of the one before.
fn ranges(value: &[u8], offsets: &Offsets, frames: u32) {
    let lengths: Vec<u32> = value.iter().map(|byte| u32::from(*byte)).collect();
    let begins = |at: usize| value[at] & 1 == 1;
    if let Ok(found) = fragments(&lengths, offsets, frames, begins) {
        assert_eq!(found.len(), frames as usize);
        let mut next = 0;
        for range in found {
            assert!(range.start == next && range.end > next);
            next = range.end;
        }
        assert_eq!(next, lengths.len());
    }
}
