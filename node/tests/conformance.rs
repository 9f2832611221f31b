//! Holds the tables of the conformance statement against the program, so that it cannot age silently.

use dicom_core::Tag;
use dicom_core::dictionary::{DataDictionary as _, DataDictionaryEntry as _};
use dicom_dictionary_std::StandardDataDictionary;
use dokuei_node::deidentify::is_looked_through;
use dokuei_node::dicom::dimse::{
    COMMITMENT, Model, QueryStatus, Service, StoreStatus, VERIFICATION, Verdict,
};
use dokuei_node::dicom::pdu::{ADVERTISED_PDU, CONTEXT_LIMIT};
use dokuei_node::dicom::scp::{Limits, PLAIN_TRANSFER_SYNTAXES};
use dokuei_node::dicom::scu::{SYNTAXES, Timeouts};
use dokuei_node::dicom::uid::Uid;
use dokuei_node::dicomweb;
use dokuei_node::dicomweb::offers::{Resource, frames_as, offers};
use dokuei_node::index::answers::{OF_PATIENT, OF_STUDY};
use dokuei_node::pixels::Codec;

const STATEMENT: &str = include_str!("../../docs/CONFORMANCE.md");

/// What the standard registers, by UID and name (PS3.6 annex A, edition 2025).
const STORAGE_CLASSES: &str = include_str!("data/dicom/storage-classes.txt");
/// The same of transfer syntaxes.
const TRANSFER_SYNTAXES: &str = include_str!("data/dicom/transfer-syntaxes.txt");

fn registered(list: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    list.lines().filter_map(|line| line.split_once(' '))
}

/// The lines of a table of the statement, below its head.
fn said(name: &str) -> Vec<String> {
    let begin = format!("<!-- table: {name} -->");
    let (_, after) = STATEMENT
        .split_once(&begin)
        .unwrap_or_else(|| panic!("the statement has no table {name}"));
    let lines = after.lines().skip_while(|line| !line.starts_with("|--"));
    let rows = lines
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .map(str::to_owned);
    rows.collect()
}

/// Every table row of the program must be one of the statement, and the other way round.
fn compare(name: &str, done: &[String]) {
    let said = said(name);
    let missing: Vec<&String> = done.iter().filter(|row| !said.contains(row)).collect();
    let stale: Vec<&String> = said.iter().filter(|row| !done.contains(row)).collect();
    assert!(
        missing.is_empty() && stale.is_empty(),
        "docs/CONFORMANCE.md, table {name}\nmissing: {missing:#?}\nno longer so: {stale:#?}"
    );
}

fn models() -> [(Model, &'static str); 3] {
    [
        (Model::PatientRoot, "Patient Root"),
        (Model::StudyRoot, "Study Root"),
        (Model::PatientStudyOnly, "Patient/Study Only"),
    ]
}

#[test]
fn the_services_are_those_that_are_offered() {
    let row = |name: &str, uid: &str, scu: bool, scp: bool| {
        let word = |is: bool| if is { "yes" } else { "no" };
        format!("| {name} | `{uid}` | {} | {} |", word(scu), word(scp))
    };
    assert_eq!(Service::of(VERIFICATION), Service::Verification);
    assert_eq!(Service::of(COMMITMENT), Service::Commitment);
    let mut rows = vec![
        row("Verification", VERIFICATION, true, true),
        row("Storage Commitment Push Model", COMMITMENT, true, true),
    ];
    for (model, name) in models() {
        // Calling, studies of the archive are found and moved in the study root.
        let calls = model == Model::StudyRoot;
        let (find, transfer) = (model.find_class(), model.move_class());
        assert_eq!(Service::of(find), Service::Find(model));
        assert_eq!(Service::of(transfer), Service::Move(model));
        let get = format!("{}3", transfer.trim_end_matches('2'));
        assert_eq!(Service::of(&get), Service::Get(model));
        rows.push(row(&format!("{name} – FIND"), find, calls, true));
        rows.push(row(&format!("{name} – MOVE"), transfer, calls, true));
        rows.push(row(&format!("{name} – GET"), &get, false, true));
    }
    compare("services", &rows);
}

#[test]
fn the_storage_classes_are_those_that_are_taken() {
    let (mut taken, mut others) = (Vec::new(), Vec::new());
    for (uid, name) in registered(STORAGE_CLASSES) {
        let row = format!("| `{uid}` | {name} |");
        match Service::of(uid) {
            Service::Storage => taken.push(row),
            _ => others.push(row),
        }
    }
    assert!(taken.len() > 150);
    compare("storage-classes", &taken);
    compare("storage-refused", &others);
}

#[test]
fn the_transfer_syntaxes_are_those_of_each_role() {
    let yes = |is: bool| if is { "yes" } else { "no" };
    let rows = registered(TRANSFER_SYNTAXES).map(|(text, name)| {
        let uid = Uid::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"));
        let (decoded, made_anew) = (Codec::of(&uid).is_some(), is_looked_through(&uid));
        let frames = frames_as(&uid);
        let (decoded, made_anew) = (yes(decoded), yes(made_anew));
        format!("| `{text}` | {name} | {decoded} | `{frames}` | {made_anew} |")
    });
    compare("transfer-syntaxes", &rows.collect::<Vec<_>>());
    let called = PLAIN_TRANSFER_SYNTAXES.map(|(uid, _)| format!("| SCP | `{uid}` |"));
    let calling = SYNTAXES.map(|(uid, _)| format!("| SCU | `{uid}` |"));
    compare("plain-syntaxes", &[&called[..], &calling].concat());
}

#[test]
fn the_media_types_are_those_that_are_offered() {
    let multipart = |kind: &str| format!("multipart/related; type=\"{kind}\"");
    let plain = [
        "application/dicom",
        "application/dicom+json",
        "application/dicom+xml",
        "application/json",
        "application/octet-stream",
        "application/pdf",
        "image/gif",
        "image/jp2",
        "image/jpeg",
        "image/png",
        "multipart/form-data",
        "text/xml",
        "video/mp4",
    ];
    let all = plain.iter().map(|kind| (*kind).to_owned());
    let all: Vec<String> = all.chain(plain.map(multipart)).collect();
    let resources = [
        (Resource::Search, "searches, metadata: given"),
        (Resource::Objects, "objects of a study or series: given"),
        (Resource::Instance, "one instance: given"),
        (Resource::Frames, "uncompressed frames: given"),
        (Resource::Picture, "rendered, thumbnail, one frame: given"),
        (Resource::Pictures, "rendered, several frames: given"),
        (Resource::Sent, "STOW-RS: taken"),
        (Resource::Workitem, "UPS-RS: taken"),
    ];
    let rows = resources.iter().flat_map(|(resource, words)| {
        let offered = all.iter().filter(|kind| offers(*resource, kind));
        offered.map(move |kind| format!("| {words} | `{kind}` |"))
    });
    compare("media-types", &rows.collect::<Vec<_>>());
}

#[test]
fn the_levels_and_their_unique_keys_are_those_that_are_known() {
    let rows = models().into_iter().flat_map(|(model, name)| {
        model.levels().iter().map(move |level| {
            let known = StandardDataDictionary.by_tag(level.unique_key());
            let key = known.map(|entry| entry.alias()).unwrap_or("?");
            format!("| {name} | {} | {key} |", level.code())
        })
    });
    compare("query-levels", &rows.collect::<Vec<_>>());
}

#[test]
fn the_statuses_are_those_that_are_sent() {
    let stored = [
        (StoreStatus::OutOfResources, "out of resources: try later"),
        (
            StoreStatus::DataSetMismatch,
            "data set does not match SOP class or instance",
        ),
        (
            StoreStatus::CannotUnderstand,
            "data set cannot be understood",
        ),
        (StoreStatus::ProcessingFailure, "processing failure"),
        (
            StoreStatus::DuplicateInstance,
            "stored already, with other content: set aside for a person",
        ),
        (
            StoreStatus::InvalidInstance,
            "SOP Instance UID breaks the rules for UIDs",
        ),
        (StoreStatus::SopClassNotSupported, "SOP class not supported"),
        (StoreStatus::NotAuthorised, "caller not authorised to store"),
    ];
    let rows = stored.map(|(status, words)| format!("| {:04X} | {words} |", status.code()));
    compare("store-statuses", &rows);
    let queried = [
        (QueryStatus::OutOfResources, "out of resources"),
        (
            QueryStatus::CannotPerform,
            "sub-operations cannot be performed",
        ),
        (
            QueryStatus::UnknownDestination,
            "move destination not registered",
        ),
        (
            QueryStatus::IdentifierMismatch,
            "identifier does not match SOP class",
        ),
        (QueryStatus::UnableToProcess, "unable to process"),
        (QueryStatus::NotAuthorised, "caller not authorised"),
    ];
    let rows = queried.map(|(status, words)| {
        let (find, retrieve) = (status.code(false), status.code(true));
        format!("| {find:04X} | {retrieve:04X} | {words} |")
    });
    compare("query-statuses", &rows);
    let reasons = [
        (Verdict::UNKNOWN, "not here, or not for this caller"),
        (Verdict::OTHER_CLASS, "here with another SOP class"),
        (Verdict::PROCESSING_FAILURE, "cannot be said at this moment"),
    ];
    let rows = reasons.map(|(verdict, words)| match verdict {
        Verdict::Failed(reason) => format!("| {reason:04X} | {words} |"),
        Verdict::Kept => panic!("no failure: {words}"),
    });
    compare("commitment-reasons", &rows);
}

#[test]
fn the_attributes_are_those_that_are_answered() {
    let row = |tag: &Tag, level: &str| {
        let known = StandardDataDictionary.by_tag(*tag);
        let name = known.map(|entry| entry.alias()).unwrap_or("?");
        let (group, element) = (tag.group(), tag.element());
        format!("| ({group:04X},{element:04X}) | {name} | {level} |")
    };
    let patient = OF_PATIENT.iter().map(|tag| row(tag, "patient"));
    let study = OF_STUDY.iter().map(|tag| row(tag, "study"));
    compare("study-keys", &patient.chain(study).collect::<Vec<_>>());
    let web = [
        (&dicomweb::OF_STUDY[..], "study"),
        (&dicomweb::OF_SERIES[..], "series"),
        (&dicomweb::OF_INSTANCE[..], "instance"),
    ];
    let rows = web
        .iter()
        .flat_map(|(tags, level)| tags.iter().map(|tag| row(tag, level)));
    compare("qido-attributes", &rows.collect::<Vec<_>>());
}

#[test]
fn the_limits_are_those_that_are_set() {
    let limits = Limits::default();
    let calling = Timeouts::default();
    let rows = [
        format!(
            "| Associations accepted at once | {} |",
            limits.associations
        ),
        format!("| of these from one address | {} |", limits.per_address),
        format!("| Maximum PDU length received, bytes | {ADVERTISED_PDU} |"),
        format!("| Presentation contexts of one association | {CONTEXT_LIMIT} |"),
        format!(
            "| ARTIM timer, accepting, s | {} |",
            limits.negotiation.as_secs()
        ),
        format!(
            "| Idle association ends after, s | {} |",
            limits.idle.as_secs()
        ),
        format!(
            "| Calling: TCP connection, s | {} |",
            calling.connection.as_secs()
        ),
        format!(
            "| Calling: answer to the association request, s | {} |",
            calling.negotiation.as_secs()
        ),
        format!("| Calling: response, s | {} |", calling.response.as_secs()),
    ];
    compare("limits", &rows);
}
