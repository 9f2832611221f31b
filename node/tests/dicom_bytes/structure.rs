//! The structure of a data set: lengths, delimiters, order, ends.

use crate::dataset::{
    DataSet, Form, ITEM, ITEM_END, SEQUENCE, SEQUENCE_END, UNDEFINED, transfer_syntax,
};
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dokuei_node::dicom::scanner::{FINDINGS_MAX, Limits, MalformedKind, Scanner, VALUE_BYTES_MAX};

const FORMS: [Form; 3] = [Form::Implicit, Form::Explicit, Form::Big];

/// The code of the refusal of a data set that arrives in pieces and whose length is not known.
fn refusal(data_set: &DataSet) -> Option<&'static str> {
    data_set
        .scan_structure()
        .err()
        .map(|malformed| malformed.kind.code())
}

#[test]
fn lengths_may_not_lie() {
    for form in FORMS {
        let plain = DataSet::identified(form);
        let beyond_end = plain.clone().head(tags::PIXEL_DATA, b"OW", 10).raw(&[0; 9]);
        assert_eq!(beyond_end.outcome(), "length-beyond-end");
        assert_eq!(refusal(&beyond_end), Some("truncated"));

        // The item says 8 bytes, the element in it 4 after its head of 8.
        let beyond_item = plain
            .clone()
            .head(SEQUENCE, b"SQ", 20)
            .mark(ITEM, 8)
            .element(tags::ROWS, b"UL", &[0; 4]);
        assert_eq!(refusal(&beyond_item), Some("length-beyond-parent"));

        // The item is longer than its sequence.
        let beyond_sequence = plain
            .clone()
            .head(SEQUENCE, b"SQ", 16)
            .mark(ITEM, 9)
            .raw(&[0; 9]);
        assert_eq!(refusal(&beyond_sequence), Some("length-beyond-parent"));

        // Four bytes are left in the item: no head fits.
        let rest = plain
            .head(SEQUENCE, b"SQ", 22)
            .mark(ITEM, 14)
            .element(tags::ROWS, b"US", &[0; 2])
            .raw(&[0; 4]);
        assert_eq!(refusal(&rest), Some("length-beyond-parent"));
    }
}

#[test]
fn what_is_opened_must_be_closed() {
    for form in FORMS {
        let open = DataSet::identified(form).head(SEQUENCE, b"SQ", UNDEFINED);
        assert_eq!(refusal(&open), Some("truncated"));
        let open = open.mark(ITEM, UNDEFINED);
        assert_eq!(refusal(&open), Some("truncated"));
        let open = open.short(tags::ROWS, 1).mark(ITEM_END, 0);
        assert_eq!(refusal(&open), Some("truncated"));
        assert_eq!(open.mark(SEQUENCE_END, 0).outcome(), "carried");
        for cut in 1..8 {
            let mut short = DataSet::identified(form).short(tags::ROWS, 1);
            short.bytes.truncate(short.bytes.len() - cut);
            assert_eq!(refusal(&short), Some("truncated"));
        }
    }
}

#[test]
fn delimiters_stand_where_they_belong() {
    for form in FORMS {
        let plain = DataSet::identified(form);
        let sequence = plain.clone().head(SEQUENCE, b"SQ", UNDEFINED);
        let item = sequence.clone().mark(ITEM, UNDEFINED);
        let cases = [
            (plain.clone().mark(ITEM, 0), "unexpected-delimiter"),
            (plain.clone().mark(ITEM_END, 0), "unexpected-delimiter"),
            (plain.clone().mark(SEQUENCE_END, 0), "unexpected-delimiter"),
            (plain.mark(Tag(0xFFFE, 0x0001), 0), "unexpected-delimiter"),
            (sequence.clone().mark(ITEM_END, 0), "unexpected-delimiter"),
            (sequence.clone().mark(SEQUENCE_END, 2), "delimiter-length"),
            (sequence.short(tags::ROWS, 1), "item-expected"),
            (item.clone().mark(SEQUENCE_END, 0), "unexpected-delimiter"),
            (item.clone().mark(ITEM, 0), "unexpected-delimiter"),
            (item.mark(ITEM_END, UNDEFINED), "delimiter-length"),
        ];
        for (data_set, code) in cases {
            assert_eq!(refusal(&data_set), Some(code));
        }
    }
}

#[test]
fn sequences_of_either_length_hold_items_of_either_length() {
    for form in FORMS {
        let undefined = DataSet::identified(form)
            .head(SEQUENCE, b"SQ", UNDEFINED)
            .mark(ITEM, 10)
            .short(tags::ROWS, 1)
            .mark(ITEM, 0)
            .mark(ITEM, UNDEFINED)
            .short(tags::ROWS, 1)
            .mark(ITEM_END, 0)
            .mark(SEQUENCE_END, 0);
        assert_eq!(undefined.outcome(), "carried");
        let defined = DataSet::identified(form)
            .head(SEQUENCE, b"SQ", 44)
            .mark(ITEM, 10)
            .short(tags::ROWS, 1)
            .mark(ITEM, UNDEFINED)
            .short(tags::ROWS, 1)
            .mark(ITEM_END, 0)
            .element(tags::PIXEL_DATA, b"OW", b"");
        assert_eq!(defined.outcome(), "carried");
        assert_eq!(
            DataSet::identified(form).head(SEQUENCE, b"SQ", 0).outcome(),
            "carried"
        );
    }
}

#[test]
fn undefined_length_is_for_sequences_and_pixels() {
    for vr in [b"UT", b"UC", b"ZZ"] {
        let data_set = DataSet::identified(Form::Explicit)
            .head(tags::TEXT_VALUE, vr, UNDEFINED)
            .mark(SEQUENCE_END, 0);
        assert_eq!(refusal(&data_set), Some("undefined-length"));
    }
    let fragment = DataSet::identified(Form::Explicit)
        .head(tags::PIXEL_DATA, b"OB", UNDEFINED)
        .mark(ITEM, UNDEFINED);
    assert_eq!(refusal(&fragment), Some("fragment-length"));
}

#[test]
fn vr_fields_are_read_as_devices_write_them() {
    let unknown = DataSet::identified(Form::Explicit).element(tags::ROWS, b"ZZ", &[1, 0]);
    assert_eq!(unknown.outcome(), "carried unknown-vr");
    let spaces = DataSet::identified(Form::Explicit).element(tags::ROWS, b"  ", &[1, 0]);
    assert_eq!(spaces.outcome(), "carried unprintable-vr");
    assert_eq!(spaces.scan().unwrap().image().rows, Some(1));
    let control = DataSet::identified(Form::Explicit).element(tags::ROWS, b"\0\x01", &[1, 0]);
    assert_eq!(refusal(&control), Some("invalid-vr"));
}

#[test]
fn groups_of_commands_and_files_are_refused() {
    for form in FORMS {
        for tag in [Tag(0x0000, 0x0100), Tag(0x0002, 0x0010)] {
            let data_set = DataSet::identified(form).short(tag, 1);
            assert_eq!(refusal(&data_set), Some("reserved-group"));
        }
        assert!(refusal(&DataSet::new(form).raw(&[0; 8])).is_some());
        assert_eq!(refusal(&DataSet::new(form)), Some("empty"));
    }
}

#[test]
fn zeros_after_the_last_element_are_carried_and_nothing_else_is() {
    for form in FORMS {
        for count in [1, 7, 8, 9, 1000] {
            let padded = DataSet::identified(form).raw(&vec![0; count]);
            assert_eq!(padded.outcome(), "carried trailing-zeros", "{count}");
        }
        let dirty = DataSet::identified(form).raw(&[0; 100]).raw(&[1]);
        assert_eq!(refusal(&dirty), Some("reserved-group"));
        let seven = DataSet::identified(form).raw(&[0, 0, 0, 1]);
        assert_eq!(refusal(&seven), Some("truncated"));
    }
}

#[test]
fn the_announced_total_must_be_what_comes() {
    let data_set = DataSet::identified(Form::Explicit);
    let exact = data_set.bytes.len() as u64;
    let kinds = [exact - 1, exact, exact + 1].map(|total| {
        let mut scanner = data_set.scanner(Limits::for_total(total));
        let pushed = scanner.push(&data_set.bytes);
        pushed
            .and_then(|()| scanner.finish().map(drop))
            .err()
            .map(|malformed| malformed.kind)
    });
    let expected = [
        Some(MalformedKind::LengthBeyondEnd),
        None,
        Some(MalformedKind::Truncated),
    ];
    assert_eq!(kinds, expected);
}

#[test]
fn elements_are_counted() {
    let limits = Limits {
        elements: 10,
        ..Limits::default()
    };
    let mut data_set = DataSet::new(Form::Explicit);
    for _ in 0..10 {
        data_set = data_set.short(tags::SMALLEST_IMAGE_PIXEL_VALUE, 1);
    }
    assert!(data_set.scanner(limits).push(&data_set.bytes).is_ok());
    let data_set = data_set.short(tags::SMALLEST_IMAGE_PIXEL_VALUE, 1);
    let malformed = data_set.scanner(limits).push(&data_set.bytes).unwrap_err();
    assert_eq!(malformed.kind, MalformedKind::TooManyElements);
    assert_eq!(malformed.offset, 100);
}

#[test]
fn findings_are_bounded_but_counted() {
    let mut data_set = DataSet::identified(Form::Implicit);
    for _ in 0..500 {
        data_set = data_set.element(tags::SMALLEST_IMAGE_PIXEL_VALUE, b"US", &[1]);
    }
    let header = data_set.scan().unwrap();
    assert_eq!(header.findings().as_slice().len(), FINDINGS_MAX);
    // 500 of odd length, 499 of them not in ascending order.
    assert_eq!(header.findings().count(), 999);
}

#[test]
fn a_refusal_lasts() {
    let mut scanner = Scanner::new(Form::Explicit.transfer_syntax(), Limits::default());
    let first = scanner.push(&[0; 8]).unwrap_err();
    let good = DataSet::identified(Form::Explicit);
    assert_eq!(scanner.push(&good.bytes), Err(first));
    assert_eq!(scanner.finish().unwrap_err(), first);
}

#[test]
fn kept_values_are_bounded() {
    let long = vec![b' '; VALUE_BYTES_MAX as usize + 2];
    let described = DataSet::new(Form::Implicit)
        .element(tags::STUDY_DESCRIPTION, b"LO", &long)
        .scan_structure()
        .unwrap();
    assert_eq!(described.value(tags::STUDY_DESCRIPTION), None);
    assert_eq!(
        described.findings().as_slice()[0].kind.code(),
        "value-too-long"
    );
    let named = DataSet::new(Form::Implicit).element(tags::PATIENT_ID, b"LO", &long);
    assert_eq!(refusal(&named), Some("identity-too-long"));
}

#[test]
fn unknown_transfer_syntaxes_are_read_as_explicit_little_endian() {
    let data_set = DataSet::identified(Form::Explicit);
    let mut scanner = Scanner::new(transfer_syntax("1.2.3.4.5"), Limits::default());
    scanner.push(&data_set.bytes).unwrap();
    let header = scanner.finish().unwrap();
    assert_eq!(
        header.findings().as_slice()[0].kind.code(),
        "unknown-transfer-syntax"
    );
}
