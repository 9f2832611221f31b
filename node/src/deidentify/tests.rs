//! Objects made anew: nothing of anybody survives, and what should stay stays.

mod content;
mod pixels;

use std::io::Write as _;

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use dokuei_keys::id::SiteId;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use proptest::prelude::*;

use super::{Cleaned, Dates, Method, Options, Refusal, Regions, Secret, table};
use crate::dicom::dataset::{Bounds, DataSet, Value, by_dictionary, read, write};
use crate::dicom::scanner::{Encoding, TransferSyntax};
use crate::dicom::uid::{
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN, JPEG_BASELINE, Uid,
};
use crate::pixels::{Decoders, Plan};

const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
const ENHANCED_CT: &str = "1.2.840.10008.5.1.4.1.1.2.1";
/// Names as each set writes them: its Specific Character Set, and 山田 (or its like) in it.
const NAMES: [(&str, &[u8]); 5] = [
    ("", b"SECRETNAME"),
    ("\\ISO 2022 IR 87", b"\x1b$B;3ED\x1b(B"),
    ("ISO_IR 192", "山田太郎".as_bytes()),
    ("ISO_IR 13", b"\xD4\xCF\xC0\xDE\xC0\xDB\xB3"),
    ("GB18030", b"\xC9\xBD\xCC\xEF\xCC\xAB\xC0\xC9"),
];

/// What stands in each value that is planted, besides the name: none of it may come out.
const MARKS: [&[u8]; 5] = [b"SECRET", b"19771224", b"1.2.392.777.", b"-77.47", b"077Y"];
/// A time of day stays one when dates move.
const TIME: &[u8] = b"112233.445566";

/// A value of a VR that is found again.
fn canary(vr: VR, name: &[u8]) -> Vec<u8> {
    match vr {
        VR::DA => b"19771224".to_vec(),
        VR::TM => TIME.to_vec(),
        VR::DT => [b"19771224", TIME].concat(),
        VR::AS => b"077Y".to_vec(),
        VR::UI => b"1.2.392.777.1".to_vec(),
        VR::IS | VR::DS => b"-77.4711".to_vec(),
        VR::CS => b"SECRET_CODE".to_vec(),
        VR::US | VR::SS => vec![0xDE, 0xAD],
        VR::UL | VR::SL | VR::FL | VR::AT => vec![0xDE, 0xAD, 0xBE, 0xEF],
        _ => [name, b"-SECRET"].concat(),
    }
}

/// Every attribute of the table but sequences, and what is in no table.
fn attributes(name: &[u8]) -> DataSet {
    let mut set = DataSet::default();
    let mut plant = |tag, vr| set.put_bytes(tag, vr, canary(vr, name));
    let all = table::tags().filter(|tag| tag.group() >= 8 && tag.group() < 0x7FE0);
    for tag in all.filter(|tag| *tag != tags::ENCAPSULATED_DOCUMENT) {
        match by_dictionary(tag, false) {
            VR::SQ => {}
            // Newer than the dictionary.
            VR::UN => plant(tag, VR::LO),
            vr => plant(tag, vr),
        }
    }
    plant(Tag(0x0009, 0x0010), VR::LO);
    plant(Tag(0x0009, 0x1001), VR::LO);
    // No attribute of the standard, as far as anybody here knows.
    plant(Tag(0x0008, 0xFFF1), VR::LO);
    plant(Tag(0x6000, 0x3000), VR::OW);
    plant(Tag(0x6000, 0x4000), VR::LT);
    plant(Tag(0x5000, 0x3000), VR::OW);
    // Not in the table, and yet nothing that may stay.
    plant(tags::RETRIEVE_URL, VR::UR);
    plant(tags::TEXT_VALUE, VR::UT);
    set
}

fn object(set: &mut DataSet, class: &str, charset: &str) {
    set.put_bytes(tags::SPECIFIC_CHARACTER_SET, VR::CS, charset.as_bytes());
    set.put_bytes(tags::SOP_CLASS_UID, VR::UI, class);
    set.put_short(tags::ROWS, 2);
    set.put_short(tags::COLUMNS, 2);
    set.put_short(tags::BITS_ALLOCATED, 16);
    set.put_bytes(tags::SLICE_THICKNESS, VR::DS, "1.25");
}

const PIXELS: [u8; 8] = [1, 2, 3, 4, 5, 6, 7, 8];

/// The bytes of an object, with something behind its pixels.
fn bytes(set: &DataSet, encoding: Encoding) -> Vec<u8> {
    let mut set = set.clone();
    set.put_bytes(tags::PIXEL_DATA, VR::OW, PIXELS);
    set.put_bytes(Tag(0x7FE1, 0x0010), VR::LO, "SECRETBEHIND");
    write(&set, encoding)
}

/// Makes an object anew, with these rules.
fn made_with(
    bytes: &[u8],
    syntax: &Uid,
    options: &Options,
    regions: &Regions,
) -> Result<(Vec<u8>, String), Refusal> {
    let secret = Secret::from_bytes([7; 32]);
    let decoders = Decoders::new(Plan::this_program());
    let method = Method {
        options,
        secret: &secret,
        site: SiteId::from_bytes([1; 32]),
        said: None,
        regions,
        decoders: &decoders,
    };
    let syntax = TransferSyntax::from(syntax.clone());
    let cleaned = Cleaned::begin(Box::new(bytes), &syntax, method)?;
    let written = cleaned.head.transfer_syntax.clone();
    let mut out = Vec::new();
    cleaned.write(&mut out)?;
    Ok((out, written))
}

fn made(bytes: &[u8], syntax: &Uid, options: &Options) -> Result<(Vec<u8>, String), Refusal> {
    made_with(bytes, syntax, options, &Regions::default())
}

fn tree(bytes: &[u8], encoding: Encoding) -> DataSet {
    let bounds = Bounds {
        bulk_from: u64::MAX,
        header_only: false,
        ..Bounds::HEADER
    };
    read(&mut &bytes[..], encoding, &bounds).ok().unwrap()
}

fn found(bytes: &[u8], canary: &[u8]) -> bool {
    bytes.windows(canary.len()).any(|window| window == canary)
}

fn planted(class: &str, (charset, name): (&str, &[u8])) -> DataSet {
    let mut set = attributes(name);
    let mut few = DataSet::default();
    for (tag, vr) in [
        (tags::PATIENT_NAME, VR::PN),
        (tags::STUDY_DATE, VR::DA),
        (tags::STUDY_DESCRIPTION, VR::LO),
    ] {
        few.put_bytes(tag, vr, canary(vr, name));
    }
    for tag in
        table::tags().filter(|tag| by_dictionary(*tag, false) == VR::SQ && tag.group() < 0x7FE0)
    {
        set.put_items(tag, vec![few.clone()]);
    }
    // What the table does not name stays, and is cleaned at every depth.
    let mut inner = attributes(name);
    inner.put_items(tags::FRAME_CONTENT_SEQUENCE, vec![attributes(name)]);
    set.put_items(
        tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE,
        vec![inner, attributes(name)],
    );
    set.put_items(tags::SOURCE_IMAGE_SEQUENCE, vec![attributes(name)]);
    set.put_items(Tag(0x0009, 0x1002), vec![attributes(name)]);
    object(&mut set, class, charset);
    set
}

#[test]
fn nothing_that_was_planted_comes_out() {
    for class in [CT, ENHANCED_CT] {
        for (charset, name) in NAMES {
            let input = bytes(&planted(class, (charset, name)), Encoding::ExplicitLittle);
            assert!(
                MARKS
                    .iter()
                    .chain([&TIME, &name])
                    .all(|mark| found(&input, mark))
            );
            for options in [Options::default(), shifting()] {
                let (out, _) = made(&input, &EXPLICIT_VR_LITTLE_ENDIAN, &options)
                    .ok()
                    .unwrap();
                for mark in MARKS.iter().chain([&name]) {
                    let shown = String::from_utf8_lossy(mark);
                    assert!(!found(&out, mark), "{shown} with {charset}");
                }
                assert!(options.dates == Dates::Shift || !found(&out, TIME));
                let again = tree(&out, Encoding::ExplicitLittle);
                assert_eq!(again.code(tags::SPECIFIC_CHARACTER_SET), charset);
                assert_eq!(again.bytes(tags::PIXEL_DATA), Some(&PIXELS[..]));
                assert_eq!(again.code(tags::SLICE_THICKNESS), "1.25");
                assert_eq!(
                    again.items(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE).len(),
                    2
                );
            }
        }
    }
}

fn shifting() -> Options {
    Options {
        dates: Dates::Shift,
        clean_descriptors: true,
        ..Options::default()
    }
}

#[test]
fn every_encoding_goes_through_and_a_deflated_one_is_written_plainly() {
    let set = planted(CT, NAMES[0]);
    let plain = |encoding, syntax: &Uid| {
        made(&bytes(&set, encoding), syntax, &Options::default())
            .ok()
            .unwrap()
    };
    let (little, _) = plain(Encoding::ExplicitLittle, &EXPLICIT_VR_LITTLE_ENDIAN);
    let little = tree(&little, Encoding::ExplicitLittle);
    let (big, written) = plain(Encoding::ExplicitBig, &EXPLICIT_VR_BIG_ENDIAN);
    assert_eq!(written, EXPLICIT_VR_BIG_ENDIAN.as_str());
    assert!(tree(&big, Encoding::ExplicitBig) == little);
    let (implicit, written) = plain(Encoding::ImplicitLittle, &IMPLICIT_VR_LITTLE_ENDIAN);
    assert_eq!(written, IMPLICIT_VR_LITTLE_ENDIAN.as_str());
    assert!(
        tree(&implicit, Encoding::ImplicitLittle).code(tags::PATIENT_ID)
            == little.code(tags::PATIENT_ID)
    );

    let mut deflated = DeflateEncoder::new(Vec::new(), Compression::fast());
    deflated
        .write_all(&bytes(&set, Encoding::ExplicitLittle))
        .unwrap();
    let deflated = deflated.finish().unwrap();
    let (out, written) = made(
        &deflated,
        &DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
        &Options::default(),
    )
    .ok()
    .unwrap();
    assert_eq!(written, EXPLICIT_VR_LITTLE_ENDIAN.as_str());
    assert!(tree(&out, Encoding::ExplicitLittle) == little);
}

#[test]
fn fragments_go_through_and_say_no_more_than_the_picture() {
    let set = planted(CT, NAMES[0]);
    let mut input = write(&set, Encoding::ExplicitLittle);
    input.extend_from_slice(b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\0\0\0\0");
    input.extend_from_slice(
        b"\xfe\xff\0\xe0\x16\0\0\0\xFF\xD8\xFF\xFE\0\x08YAMADA\xFF\xDA\0\x04abcdef",
    );
    input.extend_from_slice(b"\xfe\xff\xdd\xe0\0\0\0\0\xfc\xff\xfc\xffOB\0\0\x06\0\0\0SECRET");
    let (out, written) = made(&input, &JPEG_BASELINE, &Options::default())
        .ok()
        .unwrap();
    assert_eq!(written, JPEG_BASELINE.as_str());
    assert!(!found(&out, b"YAMADA") && !found(&out, b"SECRET"));
    assert!(out.ends_with(b"\0\x04abcdef\xfe\xff\xdd\xe0\0\0\0\0"));
}

#[test]
fn uids_stay_together_and_other_secrets_give_others() {
    let mut one = DataSet::default();
    one.put_bytes(tags::SOP_INSTANCE_UID, VR::UI, "1.2.3.4");
    one.put_bytes(tags::STUDY_INSTANCE_UID, VR::UI, "1.2.3");
    one.put_bytes(tags::SERIES_INSTANCE_UID, VR::UI, "1.2.3.1");
    one.put_text(tags::PATIENT_ID, VR::LO, "4711");
    let mut reference = DataSet::default();
    reference.put_bytes(tags::REFERENCED_SOP_CLASS_UID, VR::UI, CT);
    reference.put_bytes(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, "1.2.3.4");
    one.put_items(tags::SOURCE_IMAGE_SEQUENCE, vec![reference]);
    object(&mut one, CT, "");
    let input = bytes(&one, Encoding::ExplicitLittle);
    let run = |options: &Options| {
        made(&input, &EXPLICIT_VR_LITTLE_ENDIAN, options)
            .ok()
            .unwrap()
            .0
    };
    let out = run(&Options::default());
    assert_eq!(out, run(&Options::default()));
    let set = tree(&out, Encoding::ExplicitLittle);
    let item = &set.items(tags::SOURCE_IMAGE_SEQUENCE)[0];
    assert_eq!(
        item.code(tags::REFERENCED_SOP_INSTANCE_UID),
        set.code(tags::SOP_INSTANCE_UID)
    );
    assert_eq!(item.code(tags::REFERENCED_SOP_CLASS_UID), CT);
    let secret = Secret::from_bytes([7; 32]);
    assert_eq!(
        secret.uid(b"1.2.3"),
        set.code(tags::STUDY_INSTANCE_UID).as_bytes()
    );
    assert_eq!(set.code(tags::PATIENT_IDENTITY_REMOVED), "YES");
    let codes = set.items(tags::DEIDENTIFICATION_METHOD_CODE_SEQUENCE);
    assert_eq!(
        (codes.len(), codes[0].code(tags::CODE_VALUE)),
        (1, "113100")
    );
    let kept = Options {
        keep_uids: true,
        ..Options::default()
    };
    let set = tree(&run(&kept), Encoding::ExplicitLittle);
    assert_eq!(set.code(tags::SOP_INSTANCE_UID), "1.2.3.4");
    assert_ne!(set.code(tags::PATIENT_ID), "4711");
}

#[test]
fn options_keep_what_they_say_and_no_more() {
    let mut set = DataSet::default();
    set.put_bytes(tags::SOP_INSTANCE_UID, VR::UI, "1.2.3.4");
    set.put_bytes(tags::STUDY_INSTANCE_UID, VR::UI, "1.2.3");
    set.put_bytes(tags::SERIES_INSTANCE_UID, VR::UI, "1.2.3.1");
    set.put_text(tags::STUDY_DATE, VR::DA, "20260301");
    set.put_text(tags::STUDY_TIME, VR::TM, "SECRET");
    set.put_text(tags::PATIENT_SEX, VR::CS, "F");
    set.put_text(tags::INSTITUTION_NAME, VR::LO, "A Clinic");
    set.put_text(tags::STUDY_DESCRIPTION, VR::LO, "Chest CT, Dr. Yamada");
    let mut giver = DataSet::default();
    giver.put_text(tags::LOCAL_NAMESPACE_ENTITY_ID, VR::UT, "A Giver");
    giver.put_text(tags::CODE_VALUE, VR::SH, "A Giver");
    set.put_items(tags::ISSUER_OF_PATIENT_ID_QUALIFIERS_SEQUENCE, vec![giver]);
    set.put_text(Tag(0x0043, 0x0010), VR::LO, "GEMS_PARM_01");
    set.put_text(Tag(0x0043, 0x1027), VR::SH, "1.375:1");
    set.put_text(Tag(0x0043, 0x1028), VR::LO, "SECRET");
    object(&mut set, CT, "");
    let input = bytes(&set, Encoding::ExplicitLittle);
    let run = |options: &Options| {
        let (out, _) = made(&input, &EXPLICIT_VR_LITTLE_ENDIAN, options)
            .ok()
            .unwrap();
        assert!(!found(&out, b"SECRET") && !found(&out, b"Yamada"));
        tree(&out, Encoding::ExplicitLittle)
    };
    let basic = run(&Options::default());
    let givers = basic.element(tags::ISSUER_OF_PATIENT_ID_QUALIFIERS_SEQUENCE);
    assert!(
        givers.is_none_or(|givers| matches!(&givers.value, Value::Items(all) if all.is_empty()))
    );
    for tag in [
        tags::STUDY_DATE,
        tags::PATIENT_SEX,
        tags::INSTITUTION_NAME,
        tags::STUDY_DESCRIPTION,
    ] {
        assert_eq!(basic.code(tag), "", "{tag}");
    }
    assert!(basic.element(Tag(0x0043, 0x0010)).is_none());
    assert_eq!(
        basic.code(tags::LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED),
        "REMOVED"
    );
    let all = Options {
        dates: Dates::Shift,
        keep_characteristics: true,
        keep_institution: true,
        keep_safe_private: true,
        clean_descriptors: true,
        ..Options::default()
    };
    let kept = run(&all);
    let moved = kept.code(tags::STUDY_DATE);
    assert!(
        moved.len() == 8 && moved < "20250302" && moved > "2015",
        "{moved}"
    );
    assert_eq!(kept.code(tags::PATIENT_SEX), "F");
    assert_eq!(kept.code(tags::INSTITUTION_NAME), "A Clinic");
    assert_eq!(kept.code(tags::STUDY_DESCRIPTION), "CHEST CT");
    assert_eq!(kept.code(Tag(0x0043, 0x1027)), "1.375:1");
    let full = Options {
        dates: Dates::Keep,
        ..Options::default()
    };
    assert_eq!(run(&full).code(tags::STUDY_DATE), "20260301");
}

#[test]
fn what_cannot_be_made_safe_is_refused() {
    let set = planted(CT, NAMES[0]);
    let whole = bytes(&set, Encoding::ExplicitLittle);
    let refused = |bytes: &[u8], syntax: &Uid| made(bytes, syntax, &Options::default()).err();
    let behind = b"SECRETBEHIND".len() + 8;
    let broken = &whole[..whole.len() - behind - 2];
    assert!(matches!(
        refused(broken, &EXPLICIT_VR_LITTLE_ENDIAN),
        Some(Refusal::Io(_))
    ));
    assert!(matches!(
        refused(&whole[..500], &EXPLICIT_VR_LITTLE_ENDIAN),
        Some(Refusal::Unreadable(_))
    ));
    let film: Uid = "1.2.840.10008.1.2.4.100".parse().unwrap();
    assert!(matches!(refused(&whole, &film), Some(Refusal::Encoding(_))));
    let mut small = set.clone();
    small.put_short(tags::ROWS, 1);
    let small = bytes(&small, Encoding::ExplicitLittle);
    assert!(matches!(
        refused(&small, &EXPLICIT_VR_LITTLE_ENDIAN),
        Some(Refusal::PixelsTooLong)
    ));
    let mut report = set;
    report.put_bytes(tags::SOP_CLASS_UID, VR::UI, "1.2.840.10008.5.1.4.1.1.88.11");
    let report = bytes(&report, Encoding::ExplicitLittle);
    assert!(matches!(
        refused(&report, &EXPLICIT_VR_LITTLE_ENDIAN),
        Some(Refusal::Text)
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever stands in a header: it is refused, or every element that comes out is known and of its kind.
    #[test]
    fn any_header_is_refused_or_made_anew(
        elements in proptest::collection::vec((any::<u16>(), any::<u16>(), any::<usize>(), proptest::collection::vec(any::<u8>(), 0..20)), 0..40),
    ) {
        const VRS: [VR; 8] = [VR::LO, VR::UI, VR::DA, VR::OB, VR::UN, VR::US, VR::PN, VR::UT];
        let mut set = DataSet::default();
        for (group, number, vr, value) in elements {
            // Of the groups that hold attributes, and of any other.
            let group = if vr % 2 == 0 { [0x0008, 0x0010, 0x0018, 0x0020, 0x0040][usize::from(group) % 5] } else { group };
            if group < 0x7FE0 && group != 0x0028 {
                set.put_bytes(Tag(group, number), VRS[vr % VRS.len()], value);
            }
        }
        for tag in [tags::SOP_INSTANCE_UID, tags::STUDY_INSTANCE_UID, tags::SERIES_INSTANCE_UID] {
            set.put_bytes(tag, VR::UI, "1.2.3");
        }
        object(&mut set, CT, "");
        if let Ok((out, _)) = made(&bytes(&set, Encoding::ExplicitLittle), &EXPLICIT_VR_LITTLE_ENDIAN, &Options::default()) {
            for element in tree(&out, Encoding::ExplicitLittle).elements() {
                let known = by_dictionary(element.tag, false);
                prop_assert!(element.tag.group() % 2 == 0 && known != VR::UN, "{}", element.tag);
                prop_assert!(matches!(element.value, Value::Items(_)) == (known == VR::SQ));
            }
        }
    }
}
