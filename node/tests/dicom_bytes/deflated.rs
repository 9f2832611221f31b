//! Deflated data sets: inflated piece by piece, within bounds.

use crate::dataset::{DataSet, Form, transfer_syntax};
use dicom_dictionary_std::tags;
use dokuei_node::dicom::scanner::{Limits, Malformed, MalformedKind, Scanner};
use flate2::Compression;
use flate2::write::DeflateEncoder;
use std::io::Write;

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A well-formed object with this many zeros for pixels.
fn object(zeros: usize) -> Vec<u8> {
    DataSet::identified(Form::Explicit)
        .element(tags::PIXEL_DATA, b"OB", &vec![0; zeros])
        .bytes
}

/// Scans deflated bytes in pieces; gives the kind of the refusal, and how many bytes were taken.
fn scan(bytes: &[u8], piece: usize, limits: Limits) -> (Option<MalformedKind>, usize) {
    let mut scanner = Scanner::new(transfer_syntax("1.2.840.10008.1.2.1.99"), limits);
    let mut taken = 0;
    for piece in bytes.chunks(piece) {
        taken += piece.len();
        if let Err(malformed) = scanner.push(piece) {
            return (Some(malformed.kind), taken);
        }
    }
    (
        scanner
            .finish()
            .err()
            .map(|malformed: Malformed| malformed.kind),
        taken,
    )
}

#[test]
fn an_object_of_zeros_is_carried_while_it_is_small() {
    let bytes = deflate(&object(4 << 20));
    for piece in [1, 100, bytes.len()] {
        assert_eq!(scan(&bytes, piece, Limits::default()).0, None);
    }
}

#[test]
fn a_well_formed_bomb_is_refused_by_its_ratio() {
    let bytes = deflate(&object(64 << 20));
    let (kind, taken) = scan(&bytes, 512, Limits::default());
    assert_eq!(kind, Some(MalformedKind::InflateRatio));
    assert!(
        taken < bytes.len() / 3,
        "{taken} of {} bytes were taken",
        bytes.len()
    );
}

#[test]
fn output_is_bounded_whatever_the_ratio() {
    let limits = Limits {
        inflated_bytes: 1 << 20,
        ..Limits::default()
    };
    assert_eq!(scan(&deflate(&object(1 << 19)), 4096, limits).0, None);
    let (kind, _) = scan(&deflate(&object(1 << 21)), 4096, limits);
    assert_eq!(kind, Some(MalformedKind::InflateTooLarge));
}

#[test]
fn broken_and_cut_streams_are_refused() {
    let whole = deflate(&object(1000));
    for cut in 0..whole.len() {
        let (kind, _) = scan(&whole[..cut], 16, Limits::default());
        assert_eq!(kind, Some(MalformedKind::Truncated), "{cut} bytes");
    }
    let (kind, _) = scan(&[0xFF; 64], 16, Limits::default());
    assert_eq!(kind, Some(MalformedKind::InflateBroken));
}

#[test]
fn one_byte_of_padding_is_due_and_more_is_noted() {
    for (padding, findings) in [(0, 0), (1, 0), (2, 1), (1000, 1)] {
        let mut bytes = deflate(&object(10));
        bytes.extend(vec![0; padding]);
        let mut scanner =
            Scanner::new(transfer_syntax("1.2.840.10008.1.2.1.99"), Limits::default());
        scanner.push(&bytes).unwrap();
        assert_eq!(
            scanner.finish().unwrap().findings().count(),
            findings,
            "{padding}"
        );
    }
}

#[test]
fn what_is_inside_is_checked_like_anything_else() {
    let lying = DataSet::identified(Form::Explicit).head(tags::PIXEL_DATA, b"OB", 4_000_000_000);
    let (kind, _) = scan(&deflate(&lying.bytes), 16, Limits::default());
    assert_eq!(kind, Some(MalformedKind::Truncated));
}
