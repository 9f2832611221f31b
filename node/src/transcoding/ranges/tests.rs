//! Frames and values among the bytes of data sets.

use super::*;

fn encapsulated(fragments: &[&[u8]], table: &[u32]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut item = |content: &[u8]| {
        bytes.extend_from_slice(&ITEM);
        bytes.extend_from_slice(&(content.len() as u32).to_le_bytes());
        bytes.extend_from_slice(content);
    };
    item(
        &table
            .iter()
            .flat_map(|offset| offset.to_le_bytes())
            .collect::<Vec<_>>(),
    );
    fragments.iter().for_each(|fragment| item(fragment));
    bytes.extend_from_slice(&DELIMITER);
    bytes.extend_from_slice(&[0; 4]);
    bytes
}

fn header(frames: &str, length: Option<u64>) -> DataSet {
    let mut header = DataSet::default();
    header.put_text(tags::NUMBER_OF_FRAMES, dicom_core::VR::IS, frames);
    header.put(crate::dicom::dataset::Element {
        tag: tags::PIXEL_DATA,
        vr: dicom_core::VR::OB,
        value: Value::Bulk(Bulk { offset: 0, length }),
    });
    header
}

fn contents(bytes: &[u8], header: &DataSet, wanted: &[u32]) -> Result<Vec<Vec<u8>>, RangeError> {
    let mut plain = Plain::new(bytes, Encoding::ExplicitLittle);
    let found = frames(&mut plain, header, Some(wanted))?;
    let content = |ranges: &Ranges| {
        let pieces = ranges.iter().map(|range| {
            let mut out = Vec::new();
            let mut plain = Plain::new(bytes, Encoding::ExplicitLittle);
            plain.copy(*range, 1, &mut out).unwrap();
            out
        });
        pieces.collect::<Vec<_>>().concat()
    };
    Ok(found.iter().map(content).collect())
}

#[test]
fn frames_are_found_among_fragments() {
    let (one, two) = (b"\xff\xd8\xff1".as_slice(), b"\xff\xd8\xff2".as_slice());
    for (fragments, table, count, wanted, found) in [
        (
            vec![one, two],
            vec![],
            "2",
            vec![2, 1],
            vec![two.to_vec(), one.to_vec()],
        ),
        (
            vec![one, two],
            vec![],
            "1",
            vec![1],
            vec![[one, two].concat()],
        ),
        (
            vec![one, b"rest", two],
            vec![],
            "2",
            vec![1],
            vec![[one, b"rest"].concat()],
        ),
        (
            vec![b"aa", b"bb", b"cc"],
            vec![0, 20],
            "2",
            vec![1, 2],
            vec![b"aabb".to_vec(), b"cc".to_vec()],
        ),
    ] {
        let bytes = encapsulated(&fragments, &table);
        let content = contents(&bytes, &header(count, None), &wanted).unwrap();
        assert_eq!(content, found);
    }
    let bytes = encapsulated(&[b"aa", b"bb", b"cc"], &[0, 3]);
    let told = contents(&bytes, &header("2", None), &[1]);
    assert!(matches!(told, Err(RangeError::Contradiction)));
    assert!(matches!(
        contents(&bytes, &header("3", None), &[4]),
        Err(RangeError::None)
    ));
    let cut = contents(&bytes[..30], &header("3", None), &[1]);
    assert!(matches!(cut, Err(RangeError::Unreadable(_))));
}

#[test]
fn native_frames_lie_one_after_the_other() {
    let mut header = header("3", Some(12));
    header.put_short(tags::ROWS, 2);
    header.put_short(tags::COLUMNS, 1);
    header.put_short(tags::BITS_ALLOCATED, 16);
    let bytes: Vec<u8> = (0..12).collect();
    let content = contents(&bytes, &header, &[3, 1]).unwrap();
    assert_eq!(content, [vec![8, 9, 10, 11], vec![0, 1, 2, 3]]);
    header.put_short(tags::BITS_ALLOCATED, 1);
    assert!(matches!(
        contents(&bytes, &header, &[1]),
        Err(RangeError::InsideByte)
    ));
    header.put_short(tags::BITS_ALLOCATED, 64);
    assert!(matches!(
        contents(&bytes, &header, &[1]),
        Err(RangeError::Contradiction)
    ));
}

#[test]
fn colour_for_every_fourth_pixel_takes_half_as_much_again() {
    let mut header = header("2", Some(48));
    header.put_short(tags::ROWS, 4);
    header.put_short(tags::COLUMNS, 4);
    header.put_short(tags::BITS_ALLOCATED, 8);
    header.put_short(tags::SAMPLES_PER_PIXEL, 3);
    let photometric = tags::PHOTOMETRIC_INTERPRETATION;
    header.put_text(photometric, dicom_core::VR::CS, "YBR_PARTIAL_420");
    let bytes: Vec<u8> = (0..48).collect();
    let content = contents(&bytes, &header, &[2]).unwrap();
    assert_eq!(content, [(24..48).collect::<Vec<u8>>()]);
}

#[test]
fn what_headers_and_tables_claim_costs_nothing() {
    let mut header = header("4294967295", None);
    assert_eq!(all_frames(&header), Err(DecodeError::TooLarge));
    header.put_text(tags::NUMBER_OF_FRAMES, dicom_core::VR::IS, "3");
    assert_eq!(all_frames(&header), Ok(vec![1, 2, 3]));
    // A table of a gigabyte, of which not even the first bytes are read.
    let mut bytes = ITEM.to_vec();
    bytes.extend_from_slice(&0x4000_0000_u32.to_le_bytes());
    let told = contents(&bytes, &header, &[1]);
    assert!(matches!(told, Err(RangeError::Contradiction)));
}

#[test]
fn what_lies_behind_is_not_taken_for_what_lies_ahead() {
    let bytes: Vec<u8> = (0..12).collect();
    let mut plain = Plain::new(bytes.as_slice(), Encoding::ExplicitLittle);
    let mut copied = |offset| {
        let mut out = Vec::new();
        let range = Range { offset, length: 2 };
        plain.copy(range, 1, &mut out).map(|()| out)
    };
    assert_eq!(copied(4).unwrap(), [4, 5]);
    assert_eq!(copied(6).unwrap(), [6, 7]);
    let behind = copied(4).unwrap_err();
    assert_eq!(behind.kind(), io::ErrorKind::InvalidInput);
}
