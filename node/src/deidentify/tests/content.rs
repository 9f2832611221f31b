//! Structured reports: numbers, codes and references stay, what people wrote only as known words.

use super::*;

const DOSE: &str = "1.2.840.10008.5.1.4.1.1.88.67";

fn item(kind: &str) -> DataSet {
    let mut item = DataSet::default();
    item.put_text(tags::RELATIONSHIP_TYPE, VR::CS, "CONTAINS");
    item.put_text(tags::VALUE_TYPE, VR::CS, kind);
    item.put_items(
        tags::CONCEPT_NAME_CODE_SEQUENCE,
        vec![code("DCM", "Comment")],
    );
    item
}

fn code(scheme: &str, meaning: &str) -> DataSet {
    let mut code = DataSet::default();
    code.put_text(tags::CODE_VALUE, VR::SH, "121106");
    code.put_text(tags::CODING_SCHEME_DESIGNATOR, VR::SH, scheme);
    code.put_bytes(tags::CODE_MEANING, VR::LO, meaning);
    code
}

fn text(value: &[u8]) -> DataSet {
    let mut item = item("TEXT");
    item.put_bytes(tags::TEXT_VALUE, VR::UT, value);
    item
}

/// A report about a patient of this name.
fn report(charset: &str, name: &[u8]) -> DataSet {
    let mut person = item("PNAME");
    person.put_bytes(tags::PERSON_NAME, VR::PN, name);
    let mut date = item("DATE");
    date.put_bytes(tags::DATE, VR::DA, "19771224");
    let mut uid = item("UIDREF");
    uid.put_bytes(tags::UID, VR::UI, "1.2.392.777.9");
    let mut number = item("NUM");
    let mut measured = DataSet::default();
    measured.put_text(tags::NUMERIC_VALUE, VR::DS, "12.5");
    number.put_items(tags::MEASURED_VALUE_SEQUENCE, vec![measured]);
    let mut coded = item("CODE");
    let codes = vec![code("LOCAL", "SECRET"), code("DCM", "Chest")];
    coded.put_items(tags::CONCEPT_CODE_SEQUENCE, codes);
    let mut reference = DataSet::default();
    reference.put_bytes(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, "1.2.392.777.5");
    let mut image = item("IMAGE");
    image.put_items(tags::REFERENCED_SOP_SEQUENCE, vec![reference]);
    let mut container = item("CONTAINER");
    let said = [name, b" no contrast SECRET"].concat();
    let inner = vec![
        text(&said),
        text(b"Chest CT"),
        person,
        date,
        uid,
        number,
        coded,
        image,
    ];
    container.put_items(tags::CONTENT_SEQUENCE, inner);
    let mut set = DataSet::default();
    object(&mut set, DOSE, charset);
    for (tag, uid) in [
        (tags::SOP_INSTANCE_UID, "1.2.392.777.1"),
        (tags::STUDY_INSTANCE_UID, "1.2.392.777.2"),
        (tags::SERIES_INSTANCE_UID, "1.2.392.777.3"),
    ] {
        set.put_bytes(tag, VR::UI, uid);
    }
    set.put_bytes(tags::PATIENT_NAME, VR::PN, name);
    set.put_text(tags::VERIFICATION_FLAG, VR::CS, "VERIFIED");
    let mut observer = DataSet::default();
    observer.put_bytes(tags::VERIFYING_OBSERVER_NAME, VR::PN, name);
    set.put_items(tags::VERIFYING_OBSERVER_SEQUENCE, vec![observer]);
    set.put_text(tags::VALUE_TYPE, VR::CS, "CONTAINER");
    set.put_items(tags::CONTENT_SEQUENCE, vec![container]);
    set
}

fn cleaned(set: &DataSet) -> Result<DataSet, Refusal> {
    let options = Options {
        clean_structured: true,
        ..Options::default()
    };
    let input = write(set, Encoding::ExplicitLittle);
    let (out, _) = made(&input, &EXPLICIT_VR_LITTLE_ENDIAN, &options)?;
    for mark in MARKS {
        assert!(!found(&out, mark), "{}", String::from_utf8_lossy(mark));
    }
    Ok(tree(&out, Encoding::ExplicitLittle))
}

#[test]
fn numbers_codes_and_references_stay_and_what_people_wrote_does_not() {
    for (charset, name) in NAMES {
        let report = cleaned(&report(charset, name)).ok().unwrap();
        let items = report.items(tags::CONTENT_SEQUENCE)[0].items(tags::CONTENT_SEQUENCE);
        let values: Vec<&str> = items
            .iter()
            .map(|item| item.code(tags::TEXT_VALUE))
            .collect();
        // Of a text with unknown words nothing stays: "contrast" would say the opposite.
        assert_eq!(values[..2], ["REMOVED", "CHEST CT"]);
        assert_eq!(items[2].code(tags::PERSON_NAME), "REMOVED");
        let measured = &items[5].items(tags::MEASURED_VALUE_SEQUENCE)[0];
        assert_eq!(measured.code(tags::NUMERIC_VALUE), "12.5");
        let codes = items[6].items(tags::CONCEPT_CODE_SEQUENCE);
        let meanings: Vec<&str> = codes
            .iter()
            .map(|code| code.code(tags::CODE_MEANING))
            .collect();
        assert_eq!(meanings, ["REMOVED", "Chest"]);
        let reference = &items[7].items(tags::REFERENCED_SOP_SEQUENCE)[0];
        assert!(
            reference
                .code(tags::REFERENCED_SOP_INSTANCE_UID)
                .starts_with("2.25.")
        );
        assert_eq!(report.code(tags::VERIFICATION_FLAG), "UNVERIFIED");
        assert!(report.element(tags::VERIFYING_OBSERVER_SEQUENCE).is_none());
        let codes = report.items(tags::DEIDENTIFICATION_METHOD_CODE_SEQUENCE);
        assert_eq!(codes[1].code(tags::CODE_VALUE), "113104");
    }
}

#[test]
fn a_report_with_an_item_that_is_not_known_stays_here() {
    let mut set = report("", b"SECRETNAME");
    let mut items = set.items(tags::CONTENT_SEQUENCE).to_vec();
    items.push(item("TABLE"));
    set.put_items(tags::CONTENT_SEQUENCE, items);
    assert!(matches!(cleaned(&set), Err(Refusal::Text)));
}
