//! Sequences within sequences, in every way they can be written, and what they may not smuggle.

use crate::dataset::{DataSet, Form, ITEM, ITEM_END, SEQUENCE, SEQUENCE_END, UNDEFINED};
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dokuei_node::dicom::scanner::DEPTH_MAX;

const FORMS: [Form; 3] = [Form::Implicit, Form::Explicit, Form::Big];

/// Sequences of undefined length, `depth` within each other.
fn undefined(form: Form, depth: usize) -> DataSet {
    let mut data_set = DataSet::identified(form);
    for _ in 0..depth {
        data_set = data_set
            .head(SEQUENCE, b"SQ", UNDEFINED)
            .mark(ITEM, UNDEFINED);
    }
    for _ in 0..depth {
        data_set = data_set.mark(ITEM_END, 0).mark(SEQUENCE_END, 0);
    }
    data_set
}

/// Sequences of defined length, `depth` within each other.
fn defined(form: Form, depth: usize) -> DataSet {
    let mut inner = DataSet::new(form);
    for _ in 0..depth {
        let length = u32::try_from(inner.bytes.len()).unwrap();
        inner = DataSet::new(form)
            .head(SEQUENCE, b"SQ", length + 8)
            .mark(ITEM, length)
            .raw(&inner.bytes);
    }
    DataSet::identified(form).raw(&inner.bytes)
}

#[test]
fn depth_is_bounded_however_it_is_written() {
    for form in FORMS {
        for nest in [undefined, defined] {
            assert_eq!(nest(form, DEPTH_MAX).outcome(), "carried");
            assert_eq!(nest(form, DEPTH_MAX + 1).outcome(), "too-deep");
            assert_eq!(nest(form, 5000).outcome(), "too-deep");
        }
    }
}

#[test]
fn un_of_undefined_length_is_an_implicit_sequence() {
    let private = Tag(0x0099, 0x1001);
    let inner = DataSet::new(Form::Implicit)
        .mark(ITEM, UNDEFINED)
        .element(tags::PATIENT_ID, b"LO", b"1234")
        .head(SEQUENCE, b"SQ", UNDEFINED)
        .mark(ITEM, UNDEFINED)
        .mark(ITEM_END, 0)
        .mark(SEQUENCE_END, 0)
        .mark(ITEM_END, 0)
        .mark(SEQUENCE_END, 0);
    for form in [Form::Explicit, Form::Big] {
        // The next element shows that the outer form is back.
        let data_set = DataSet::identified(form)
            .head(private, b"UN", UNDEFINED)
            .raw(&inner.bytes)
            .short(tags::ROWS, 7);
        let header = data_set.scan().unwrap();
        assert_eq!(header.image().rows, Some(7));
        assert_eq!(header.raw(tags::PATIENT_ID), None);
    }
}

#[test]
fn what_is_nested_is_not_taken_for_the_object_itself() {
    for form in FORMS {
        let header = DataSet::identified(form)
            .head(SEQUENCE, b"SQ", UNDEFINED)
            .mark(ITEM, UNDEFINED)
            .element(tags::SOP_INSTANCE_UID, b"UI", b"9.9.9\0")
            .element(tags::PATIENT_ID, b"LO", b"OTHER ")
            .element(tags::PATIENT_NAME, b"PN", b"OTHER ")
            .mark(ITEM_END, 0)
            .mark(SEQUENCE_END, 0)
            .scan()
            .unwrap();
        assert_eq!(header.sop_instance().as_str(), "1.2.3.4");
        assert_eq!(header.raw(tags::PATIENT_ID), None);
        assert_eq!(header.raw(tags::PATIENT_NAME), None);
    }
}

#[test]
fn bytes_of_a_value_are_not_read_as_elements() {
    // The private value looks like a Patient ID and like delimiters.
    let disguised = DataSet::new(Form::Explicit).mark(SEQUENCE_END, 0).element(
        tags::PATIENT_ID,
        b"LO",
        b"OTHER ",
    );
    let header = DataSet::identified(Form::Explicit)
        .element(Tag(0x0099, 0x1001), b"UN", &disguised.bytes)
        .scan()
        .unwrap();
    assert_eq!(header.raw(tags::PATIENT_ID), None);
}

#[test]
fn icons_may_be_encapsulated() {
    let header = DataSet::identified(Form::Explicit)
        .head(tags::ICON_IMAGE_SEQUENCE, b"SQ", UNDEFINED)
        .mark(ITEM, UNDEFINED)
        .head(tags::PIXEL_DATA, b"OB", UNDEFINED)
        .mark(ITEM, 0)
        .mark(ITEM, 4)
        .raw(&[1, 2, 3, 4])
        .mark(SEQUENCE_END, 0)
        .mark(ITEM_END, 0)
        .mark(SEQUENCE_END, 0)
        .short(Tag(0x7FDF, 0x0010), 1)
        .scan()
        .unwrap();
    assert_eq!(header.findings().count(), 0);
}
