//! Frames that are no good: one refused request each, within bounds, and the decoders work on.

use std::io::Write as _;

use dokuei_node::pixels::{Codec, DecodeError, Decoders, Image, Plan};

use crate::object::Object;
use crate::{decoders, file, grey, plan};

/// An object of each codec.
const ONE_OF_EACH: [&str; 7] = [
    "MR_small_RLE.dcm",
    "JPEG-LL.dcm",
    "JPGExtended.dcm",
    "SC_rgb_small_odd_jpeg.dcm",
    "JLSL_16_15_1_1F.dcm",
    "MR_small_jp2klossless.dcm",
    "GDCMJ2K_TextGBR.dcm",
];

fn first_frame(name: &str) -> (Image, Vec<u8>) {
    let object = Object::open(&file(name));
    let image = object.image(0).unwrap();
    let source = object.source(&image, 0).unwrap();
    (image, source)
}

/// Shows that a small good frame is still decoded.
async fn works(decoders: &Decoders) {
    let image = grey(Codec::NativeLittle, 1, 3, 8);
    let frame = decoders.frame(&image, &[1, 2, 3]).await.unwrap();
    assert!(frame.bytes == [1, 2, 3]);
}

#[tokio::test]
async fn absurd_sizes_are_refused_before_anything_starts() {
    let nowhere = Decoders::new(Plan {
        program: "/nowhere/at/all".into(),
        ..plan()
    });
    for (rows, columns) in [(65535, 65535), (16384, 8193)] {
        let image = grey(Codec::Jpeg2000, rows, columns, 16);
        assert_eq!(
            nowhere.frame(&image, &[]).await.err(),
            Some(DecodeError::TooLarge)
        );
    }
    for image in [
        grey(Codec::Rle, 0, 5, 8),
        Image {
            bits_stored: 17,
            ..grey(Codec::Rle, 5, 5, 16)
        },
        Image {
            bits_allocated: 24,
            ..grey(Codec::Rle, 5, 5, 16)
        },
        Image {
            samples: 3,
            ..grey(Codec::Rle, 5, 5, 16)
        },
        Image {
            high_bit: 3,
            ..grey(Codec::Rle, 5, 5, 16)
        },
    ] {
        assert_eq!(
            nowhere.frame(&image, &[]).await.err(),
            Some(DecodeError::Description)
        );
    }
    let small = grey(Codec::Rle, 5, 5, 16);
    assert_eq!(
        nowhere.frame(&small, &[]).await.err(),
        Some(DecodeError::Unavailable)
    );
}

#[tokio::test]
async fn a_stream_that_is_another_image_than_announced_is_refused() {
    let decoders = decoders();
    for name in ONE_OF_EACH {
        let (image, source) = first_frame(name);
        assert!(decoders.frame(&image, &source).await.is_ok(), "{name}");
        for lied in [
            Image {
                rows: image.rows + 1,
                ..image.clone()
            },
            Image {
                columns: image.columns * 2,
                ..image.clone()
            },
        ] {
            let answer = decoders.frame(&lied, &source).await.err();
            assert_eq!(answer, Some(DecodeError::Damaged), "{name}");
        }
    }
    works(&decoders).await;
}

/// A header that says 65500 × 65500 costs nothing: it is not the image.
#[tokio::test]
async fn a_header_with_an_absurd_size_is_not_followed() {
    let decoders = decoders();
    for (name, marker, at) in [("JPEG-LL.dcm", 0xC3, 5), ("JLSL_16_15_1_1F.dcm", 0xF7, 5)] {
        let (image, mut source) = first_frame(name);
        let header = source
            .windows(2)
            .position(|pair| pair == [0xFF, marker])
            .unwrap();
        source[header + at..header + at + 4].copy_from_slice(&[0xFF, 0xDC, 0xFF, 0xDC]);
        assert_eq!(
            decoders.frame(&image, &source).await.err(),
            Some(DecodeError::Damaged)
        );
    }
    let (image, mut source) = first_frame("MR_small_jp2klossless.dcm");
    // Tiles of one pixel, of which all but the first are missing: what comes back is no more than a frame.
    source[24..28].copy_from_slice(&1_u32.to_be_bytes());
    source[28..32].copy_from_slice(&1_u32.to_be_bytes());
    if let Ok(frame) = decoders.frame(&image, &source).await {
        assert_eq!(frame.bytes.len() as u64, image.frame_bytes());
    }
    works(&decoders).await;
}

#[tokio::test]
async fn cut_and_changed_streams_are_refused_or_decoded_and_harm_nobody() {
    let decoders = decoders();
    for name in ONE_OF_EACH {
        let (image, source) = first_frame(name);
        for cut in [0, 1, 2, 10, source.len() / 3, source.len() / 2] {
            let answer = decoders.frame(&image, &source[..cut]).await.map(|_| ());
            // libjpeg's descendants fill what is missing of a picture with grey.
            let allowed = answer.is_err() || image.codec == Codec::Jpeg;
            assert!(allowed, "{name} cut at {cut}");
        }
        // A number that is different in each run would make failures that nobody can repeat.
        let mut chance = 12345_u32;
        for _ in 0..8 {
            let mut changed = source.clone();
            for _ in 0..4 {
                chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let at = chance as usize % changed.len();
                changed[at] = (chance >> 24) as u8;
            }
            if let Ok(frame) = decoders.frame(&image, &changed).await {
                assert_eq!(frame.bytes.len() as u64, image.frame_bytes());
            }
        }
    }
    works(&decoders).await;
}

#[tokio::test]
async fn bombs_make_no_more_than_a_frame() {
    let decoders = decoders();
    let image = grey(Codec::Deflate, 64, 64, 8);
    let mut bomb = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..64 {
        bomb.write_all(&vec![0; 1 << 20]).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    let frame = decoders.frame(&image, &bomb).await.unwrap();
    assert_eq!(frame.bytes.len(), 64 * 64);
    let mut endless = vec![0; 64];
    endless[0] = 1;
    endless[4] = 64;
    endless.resize(4 << 20, 128);
    let image = grey(Codec::Rle, 64, 64, 8);
    assert_eq!(
        decoders.frame(&image, &endless).await.err(),
        Some(DecodeError::Damaged)
    );
    works(&decoders).await;
}
