//! Pixel data against its description and its transfer syntax.

use crate::dataset::{DataSet, Form, ITEM, SEQUENCE_END, UNDEFINED};
use dicom_dictionary_std::tags;

struct Image {
    rows: u16,
    columns: u16,
    frames: &'static [u8],
    samples: u16,
    photometric: &'static [u8],
    bits: u16,
}

const PLAIN: Image = Image {
    rows: 3,
    columns: 5,
    frames: b"",
    samples: 1,
    photometric: b"MONOCHROME2 ",
    bits: 16,
};

fn described(form: Form, image: &Image) -> DataSet {
    DataSet::identified(form)
        .short(tags::SAMPLES_PER_PIXEL, image.samples)
        .element(tags::PHOTOMETRIC_INTERPRETATION, b"CS", image.photometric)
        .element(tags::NUMBER_OF_FRAMES, b"IS", image.frames)
        .short(tags::ROWS, image.rows)
        .short(tags::COLUMNS, image.columns)
        .short(tags::BITS_ALLOCATED, image.bits)
}

fn outcome(image: &Image, pixels: usize) -> String {
    described(Form::Big, image)
        .element(tags::PIXEL_DATA, b"OW", &vec![0; pixels])
        .outcome()
}

#[test]
fn native_pixels_are_compared_with_their_description() {
    assert_eq!(outcome(&PLAIN, 30), "carried");
    assert_eq!(outcome(&PLAIN, 28), "carried pixel-data-short");
    assert_eq!(outcome(&PLAIN, 32), "carried pixel-data-long");
    let frames = Image {
        frames: b"2 ",
        ..PLAIN
    };
    assert_eq!(outcome(&frames, 60), "carried");
    let odd = Image { bits: 8, ..PLAIN };
    assert_eq!(outcome(&odd, 16), "carried");
    let single_bits = Image {
        bits: 1,
        frames: b"3 ",
        ..PLAIN
    };
    assert_eq!(outcome(&single_bits, 6), "carried");
    let colour = Image {
        samples: 3,
        photometric: b"RGB ",
        bits: 8,
        ..PLAIN
    };
    assert_eq!(outcome(&colour, 46), "carried");
    let subsampled = Image {
        columns: 4,
        photometric: b"YBR_FULL_422",
        ..colour
    };
    assert_eq!(outcome(&subsampled, 24), "carried");
}

#[test]
fn an_impossible_description_is_refused() {
    let huge = Image {
        rows: 65535,
        columns: 65535,
        frames: b"2147483647",
        ..PLAIN
    };
    assert_eq!(outcome(&huge, 2), "pixel-description");
    let large = Image {
        rows: 30000,
        columns: 30000,
        ..PLAIN
    };
    assert_eq!(outcome(&large, 2), "carried pixel-data-short");
}

#[test]
fn what_cannot_be_read_is_noted_and_not_compared() {
    let frames = Image {
        frames: b"1A",
        ..PLAIN
    };
    assert_eq!(outcome(&frames, 2), "carried value-unreadable");
    let rows_as_long = DataSet::identified(Form::Explicit)
        .element(tags::ROWS, b"UL", &[0xFF; 4])
        .element(tags::COLUMNS, b"UL", &[0xFF; 4])
        .element(tags::PIXEL_DATA, b"OW", &[0; 2]);
    assert_eq!(
        rows_as_long.outcome(),
        "carried value-unreadable value-unreadable"
    );
}

#[test]
fn fragments_belong_to_encapsulated_syntaxes() {
    let fragments = described(Form::Explicit, &PLAIN)
        .head(tags::PIXEL_DATA, b"OB", UNDEFINED)
        .mark(ITEM, 0)
        .mark(ITEM, 6)
        .raw(b"\xFE\xFF\xDD\xE0\0\0")
        .mark(SEQUENCE_END, 0);
    assert_eq!(fragments.outcome(), "carried pixel-encoding");
}

#[test]
fn lying_fragments_are_refused() {
    let fragments = described(Form::Explicit, &PLAIN)
        .head(tags::PIXEL_DATA, b"OB", UNDEFINED)
        .mark(ITEM, 0)
        .mark(ITEM, 4_000_000_000)
        .raw(&[0; 4]);
    assert_eq!(fragments.outcome(), "length-beyond-end");
    let unknown_length = fragments.scan_structure().err().unwrap();
    assert_eq!(unknown_length.kind.code(), "truncated");
}

#[test]
fn two_pixel_data_are_noted() {
    let twice = described(Form::Explicit, &PLAIN)
        .element(tags::PIXEL_DATA, b"OW", &[0; 30])
        .element(tags::PIXEL_DATA, b"OW", &[0; 30]);
    assert_eq!(twice.outcome(), "carried out-of-order duplicate");
}
