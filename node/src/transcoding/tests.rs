//! Objects that are not compressed, written anew: nothing is lost, and numbers keep their values. Those that are
//! compressed need the built program's children, and are tested with it.

use std::io::{self, Read, Write as _};

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;

use super::*;
use crate::dicom::dataset::{Bounds, DataSet, Element, Value, read, write};

const BIG: &str = "1.2.840.10008.1.2.2";
const DEFLATED: &str = "1.2.840.10008.1.2.1.99";
const PADDING: Tag = Tag(0xFFFC, 0xFFFC);

/// An object in memory.
struct Held {
    transfer_syntax: String,
    bytes: Vec<u8>,
}

impl Outgoing for Held {
    fn sop_class(&self) -> &'static str {
        "1.2.840.10008.5.1.4.1.1.2"
    }

    fn sop_instance(&self) -> &'static str {
        "1.2.3"
    }

    fn transfer_syntax(&self) -> &str {
        &self.transfer_syntax
    }

    fn open(&mut self) -> io::Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(self.bytes.as_slice()))
    }
}

/// A transcoder whose decoders cannot be started, and its runtime.
fn transcoder() -> (tokio::runtime::Runtime, Transcoder) {
    transcoder_by(crate::pixels::Plan {
        program: "/nonexistent".into(),
        ..crate::pixels::Plan::this_program()
    })
}

/// The same with decoders of this plan.
fn transcoder_by(plan: crate::pixels::Plan) -> (tokio::runtime::Runtime, Transcoder) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let transcoder = Transcoder::new(Decoders::new(plan), runtime.handle().clone());
    (runtime, transcoder)
}

fn brought(
    transfer_syntax: &str,
    bytes: &[u8],
    into: &str,
) -> Result<Vec<u8>, Option<Untranscoded>> {
    let (_runtime, transcoder) = transcoder();
    let mut held = Held {
        transfer_syntax: transfer_syntax.to_owned(),
        bytes: bytes.to_vec(),
    };
    let why = |error: io::Error| {
        let inside = error.get_ref();
        inside.and_then(|inside| inside.downcast_ref().cloned())
    };
    let mut out = Vec::new();
    let mut source = transcoder.open(&mut held, into, &|| true).map_err(why)?;
    source.read_to_end(&mut out).map_err(why)?;
    Ok(out)
}

/// A data set with numbers of every width, nested, with pixels of an odd number of bytes' worth of words, and something
/// behind them.
fn sample() -> DataSet {
    let mut inner = DataSet::default();
    inner.put_short(tags::ROWS, 0x0102);
    inner.put_text(tags::PATIENT_COMMENTS, VR::LT, &"x".repeat(70_000));
    let mut all = DataSet::default();
    all.put_text(tags::PATIENT_NAME, VR::PN, "YAMADA^TARO");
    all.put_items(tags::REFERENCED_STUDY_SEQUENCE, vec![inner.clone(), inner]);
    all.put_short(tags::ROWS, 3);
    all.put_short(tags::COLUMNS, 3);
    all.put_short(tags::BITS_ALLOCATED, 16);
    all.put_bytes(tags::SLICE_LOCATION_VECTOR, VR::FD, 1.5_f64.to_le_bytes());
    all.put_bytes(Tag(0x0009, 0x0010), VR::LO, *b"SOMEBODY");
    all.put_bytes(Tag(0x0009, 0x1001), VR::UN, [1, 2, 3, 4]);
    all.put_bytes(tags::PIXEL_DATA, VR::OW, (0..18).collect::<Vec<u8>>());
    all.put_bytes(PADDING, VR::OB, [0xAA; 6]);
    all
}

fn encoding(syntax: &str) -> Encoding {
    TransferSyntax::from(syntax.parse::<Uid>().unwrap()).encoding()
}

fn bytes_in(syntax: &str, data_set: &DataSet) -> Vec<u8> {
    let plain = write(data_set, encoding(syntax));
    match syntax {
        DEFLATED => {
            let mut out = flate2::write::DeflateEncoder::new(Vec::new(), Default::default());
            out.write_all(&plain).unwrap();
            out.finish().unwrap()
        }
        _ => plain,
    }
}

/// What a data set says, whatever it is written in.
fn said(syntax: &str, bytes: &[u8]) -> DataSet {
    let bounds = Bounds {
        bulk_from: u64::MAX,
        ..Bounds::IDENTIFIER
    };
    read(&mut &*bytes, encoding(syntax), &bounds).unwrap()
}

fn assert_same(left: &DataSet, right: &DataSet) {
    let tags = |set: &DataSet| set.elements().iter().map(|one| one.tag).collect::<Vec<_>>();
    assert_eq!(tags(left), tags(right));
    for (one, other) in left.elements().iter().zip(right.elements()) {
        match (&one.value, &other.value) {
            (Value::Items(one), Value::Items(other)) => {
                assert_eq!(one.len(), other.len());
                one.iter()
                    .zip(other)
                    .for_each(|(one, other)| assert_same(one, other));
            }
            (one_value, other_value) => assert!(one_value == other_value, "{}", one.tag),
        }
    }
}

#[test]
fn uncompressed_objects_keep_every_value() {
    let sample = sample();
    for kept in [EXPLICIT, IMPLICIT, BIG, DEFLATED] {
        for into in [EXPLICIT, IMPLICIT] {
            let made = brought(kept, &bytes_in(kept, &sample), into);
            let made = made.unwrap_or_else(|_| panic!("{kept} into {into}"));
            assert_same(&said(into, &made), &said(kept, &bytes_in(kept, &sample)));
            // Written as plainly as it can be: once more changes nothing.
            if kept != into {
                assert!(
                    made == write(&said(into, &made), encoding(into)),
                    "{kept} into {into}"
                );
            }
        }
    }
}

#[test]
fn words_and_bytes_of_big_endian_pixels_come_in_the_right_order() {
    let pixels = |bits: u16, vr: VR| {
        let mut image = DataSet::default();
        image.put_short(tags::BITS_ALLOCATED, bits);
        // As written by hand: the writer turns words around itself.
        let mut bytes = write(&image, Encoding::ExplicitBig);
        bytes.extend([0x7F, 0xE0, 0x00, 0x10]);
        bytes.extend(vr.to_string().as_bytes());
        bytes.extend([0, 0, 0, 0, 0, 4, 1, 2, 3, 4]);
        let made = brought(BIG, &bytes, IMPLICIT).unwrap_or_else(|_| panic!("{bits}"));
        made[made.len() - 4..].to_vec()
    };
    assert_eq!(pixels(16, VR::OW), [2, 1, 4, 3]);
    assert_eq!(pixels(8, VR::OW), [2, 1, 4, 3]);
    assert_eq!(pixels(8, VR::OB), [1, 2, 3, 4]);
}

#[test]
fn objects_without_pixels_and_with_odd_ones() {
    let mut report = sample();
    report.take(tags::PIXEL_DATA);
    report.take(PADDING);
    let made = brought(
        EXPLICIT,
        &write(&report, Encoding::ExplicitLittle),
        IMPLICIT,
    );
    let made = made.unwrap_or_else(|_| panic!("a report"));
    assert_same(&said(IMPLICIT, &made), &report);

    // A length that should be even, and is not.
    let mut bytes = Vec::new();
    bytes.extend(b"\xE0\x7F\x10\0OB\0\0\x03\0\0\0\x01\x02\x03");
    let made = brought(EXPLICIT, &bytes, IMPLICIT).unwrap_or_else(|_| panic!("odd"));
    assert_eq!(made, b"\xE0\x7F\x10\0\x04\0\0\0\x01\x02\x03\0");
}

#[test]
fn what_is_damaged_or_in_no_known_form_is_refused_with_its_reason() {
    let cut = &write(&sample(), Encoding::ExplicitLittle)[..2000];
    let why = brought(EXPLICIT, cut, IMPLICIT).err().flatten().unwrap();
    assert!(!why.for_now && !why.to_string().is_empty());
    // Fragments where the transfer syntax has none, and the other way round.
    let mut fragments = b"\xE0\x7F\x10\0OB\0\0\xFF\xFF\xFF\xFF".to_vec();
    fragments.extend(b"\xFE\xFF\0\xE0\0\0\0\0\xFE\xFF\xDD\xE0\0\0\0\0");
    let jpeg = "1.2.840.10008.1.2.4.70";
    let native = write(&sample(), Encoding::ExplicitLittle);
    for (syntax, bytes) in [(EXPLICIT, &fragments), (jpeg, &native)] {
        let why = brought(syntax, bytes, IMPLICIT).err().flatten().unwrap();
        assert!(why.to_string().contains("damaged"), "{why}");
    }
    let (_runtime, transcoder) = transcoder();
    for (kept, ways) in [
        (EXPLICIT, 1),
        (IMPLICIT, 1),
        (BIG, 2),
        (DEFLATED, 2),
        (jpeg, 2),
        ("1.2.840.10008.1.2.4.102", 0),
        ("1.2.840.113619.5.2", 0),
        ("", 0),
        ("nonsense", 0),
    ] {
        assert_eq!(transcoder.ways(kept).len(), ways, "{kept}");
    }
}

#[test]
fn what_nobody_wants_any_more_waits_for_no_decoder_and_no_turn() {
    // A decoder that says nothing for longer than any test may take.
    let (_runtime, transcoder) = transcoder_by(crate::pixels::Plan {
        program: "/bin/sleep".into(),
        arguments: vec!["3600".to_owned()],
        deadline: Duration::from_secs(3600),
        ..crate::pixels::Plan::this_program()
    });
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/dicom/objects/MR_small_RLE.dcm"
    );
    let file = std::fs::read(path).unwrap();
    let meta = u32::from_le_bytes(file[140..144].try_into().unwrap()) as usize;
    let mut held = Held {
        transfer_syntax: "1.2.840.10008.1.2.5".to_owned(),
        bytes: file[144 + meta..].to_vec(),
    };
    let asked = std::sync::atomic::AtomicUsize::new(0);
    let is_wanted = || asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) < 2;
    for turns in [HEADERS_AT_ONCE, 0] {
        let taken = Arc::clone(&transcoder.headers);
        let _taken = taken.try_acquire_many_owned(turns as u32).unwrap();
        asked.store(0, std::sync::atomic::Ordering::Relaxed);
        let opened = transcoder.open(&mut held, EXPLICIT, &is_wanted);
        let error = opened.err().unwrap();
        let why = error.get_ref().unwrap().downcast_ref::<Untranscoded>();
        assert!(why.unwrap().for_now);
        assert_eq!(asked.load(std::sync::atomic::Ordering::Relaxed), 3);
    }
}

#[test]
fn more_frames_than_there_can_be_cost_nothing() {
    let mut header = DataSet::default();
    header.put_text(tags::NUMBER_OF_FRAMES, VR::IS, "4294967295");
    let mut bytes = write(&header, Encoding::ExplicitLittle);
    bytes.extend(b"\xE0\x7F\x10\0OB\0\0\xFF\xFF\xFF\xFF");
    bytes.extend(b"\xFE\xFF\0\xE0\0\0\0\0\xFE\xFF\xDD\xE0\0\0\0\0");
    let why = brought("1.2.840.10008.1.2.5", &bytes, EXPLICIT);
    let why = why.err().flatten().unwrap();
    assert!(!why.for_now, "{why}");
}

#[test]
fn fragments_in_a_place_where_nobody_knows_them_are_not_lost_silently() {
    let mut bytes = b"\x09\0\x10\0LO\x04\0ABCD\x09\0\x01\x10OB\0\0\xFF\xFF\xFF\xFF".to_vec();
    bytes.extend(b"\xFE\xFF\0\xE0\x02\0\0\0\x01\x02\xFE\xFF\xDD\xE0\0\0\0\0");
    assert!(brought(EXPLICIT, &bytes, IMPLICIT).is_err());
    let kept = Element {
        tag: tags::PATIENT_ID,
        vr: VR::LO,
        value: Value::Bytes(b"P1".to_vec()),
    };
    let kept: DataSet = [kept].into_iter().collect();
    assert!(brought(EXPLICIT, &write(&kept, Encoding::ExplicitLittle), IMPLICIT).is_ok());
}
