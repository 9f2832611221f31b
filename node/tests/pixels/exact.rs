//! What is decoded is what pydicom with libjpeg, OpenJPEG and CharLS decodes.

use std::io::Read as _;

use dokuei_node::pixels::{Codec, Frame, Image, Photometric};

use crate::object::Object;
use crate::{colour, decoders, digest, file, grey, table};

async fn decoded(name: &str, number: u32) -> (Image, Frame) {
    let object = Object::open(&file(name));
    let image = object.image(number).unwrap();
    let source = object.source(&image, number).unwrap();
    let frame = decoders().frame(&image, &source).await;
    (
        image,
        frame.unwrap_or_else(|error| panic!("{name}: {error}")),
    )
}

#[tokio::test]
async fn every_codec_gives_the_reference_bit_by_bit() {
    for line in table("frames.tsv") {
        let [name, number, expected] = line.as_slice() else {
            panic!("{line:?}");
        };
        let (_, frame) = decoded(name, number.parse().unwrap()).await;
        assert_eq!(&digest(&frame.bytes), expected, "{name} {number}");
    }
}

#[tokio::test]
async fn jpeg_ls_is_what_charls_decodes() {
    let decoders = decoders();
    for line in table("charls.tsv") {
        let [name, rows, columns, samples, bits, expected] = line.as_slice() else {
            panic!("{line:?}");
        };
        let number = |text: &String| text.parse::<u16>().unwrap();
        let (rows, columns, bits) = (number(rows), number(columns), number(bits) as u8);
        let image = match number(samples) {
            1 => grey(Codec::JpegLs, rows, columns, bits),
            _ => colour(Codec::JpegLs, rows, columns, bits),
        };
        let source = std::fs::read(file(name)).unwrap();
        let frame = decoders.frame(&image, &source).await.unwrap();
        assert_eq!(&digest(&frame.bytes), expected, "{name}");
    }
}

/// The largest difference between samples of this many bytes.
fn difference(left: &[u8], right: &[u8], bytes: usize) -> i64 {
    assert_eq!(left.len(), right.len());
    let value = |sample: &[u8]| {
        let sample = sample.iter().rev();
        sample.fold(0_i64, |value, byte| value << 8 | i64::from(*byte))
    };
    let pairs = left.chunks(bytes).zip(right.chunks(bytes));
    pairs
        .map(|(left, right)| (value(left) - value(right)).abs())
        .max()
        .unwrap()
}

#[tokio::test]
async fn lossy_jpeg_is_within_one_of_the_reference() {
    for (name, photometric) in [
        ("SC_jpeg_no_color_transform", Photometric::Rgb),
        ("JPGExtended", Photometric::Monochrome2),
    ] {
        let (image, frame) = decoded(&format!("{name}.dcm"), 0).await;
        let packed = std::fs::read(file(&format!("{name}.reference.zlib"))).unwrap();
        let mut reference = Vec::new();
        flate2::read::ZlibDecoder::new(&packed[..])
            .read_to_end(&mut reference)
            .unwrap();
        let difference = difference(&frame.bytes, &reference, image.sample_bytes());
        assert!(difference <= 1, "{name}: {difference}");
        assert_eq!(frame.photometric, photometric);
    }
    // A scan header with zeros where others write the whole spectrum changes nothing else.
    let (_, zeros) = decoded("JPEG-lossy.dcm", 0).await;
    let (_, whole) = decoded("JPGExtended.dcm", 0).await;
    assert!(difference(&zeros.bytes, &whole.bytes, 2) <= 1);
}

#[tokio::test]
async fn one_bit_frames_are_the_same_deflated_and_run_length_coded() {
    for number in 0..3 {
        let (_, deflated) = decoded("liver_deflate.dcm", number).await;
        let (_, packed) = decoded("liver_rle.dcm", number).await;
        assert!(deflated.bytes == packed.bytes, "{number}");
        assert!(deflated.bytes.iter().any(|byte| *byte != 0) || number > 0);
    }
}
