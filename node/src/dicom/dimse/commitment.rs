//! Data sets of Storage Commitment Push (PS3.4 annex J): what is asked for, and what is answered.

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;

use super::status::code;
use crate::dicom::dataset::DataSet;
use crate::dicom::pdu::uid::is_uid;

/// Action Type ID: request storage commitment.
pub(crate) const REQUEST: u16 = 1;
/// Event Type ID: everything is kept.
const ALL_KEPT: u16 = 1;
/// Event Type ID: some is not.
const SOME_FAILED: u16 = 2;
/// Failure Reason where an answer names none: processing failure.
const UNNAMED: u16 = code::PROCESSING_FAILURE;

/// An instance whose keeping is asked for. Has no `Debug`: the instance UID leads to a patient.
#[derive(Clone, PartialEq, Eq)]
pub struct Reference {
    /// Referenced SOP Class UID.
    pub sop_class: String,
    /// Referenced SOP Instance UID.
    pub sop_instance: String,
}

/// Whether an instance is kept (PS3.3 section C.14.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is durable.
    Kept,
    /// It is not, with this Failure Reason (0008,1197).
    Failed(u16),
}

impl Verdict {
    /// It is not here, or not for this caller.
    pub const UNKNOWN: Verdict = Verdict::Failed(code::NO_SUCH_INSTANCE);
    /// It is here with another SOP class.
    pub const OTHER_CLASS: Verdict = Verdict::Failed(code::CLASS_INSTANCE_CONFLICT);
    /// It cannot be said at this moment.
    pub const PROCESSING_FAILURE: Verdict = Verdict::Failed(code::PROCESSING_FAILURE);
}

/// The answer to one request for commitment.
#[derive(Clone, PartialEq, Eq)]
pub struct Committed {
    /// Transaction UID (0008,1195): names the request.
    pub transaction: String,
    /// What was asked for, and the verdict on each.
    pub verdicts: Vec<(Reference, Verdict)>,
}

/// What a request for commitment says.
pub(crate) fn request(transaction: &str, references: &[Reference]) -> DataSet {
    let mut data_set = DataSet::default();
    data_set.put_text(tags::TRANSACTION_UID, VR::UI, transaction);
    let items = references.iter().map(item).collect();
    data_set.put_items(tags::REFERENCED_SOP_SEQUENCE, items);
    data_set
}

/// Read a request; nothing when an identifier is missing or is none.
pub(crate) fn read_request(data_set: &DataSet) -> Option<(String, Vec<Reference>)> {
    let references = references(data_set, tags::REFERENCED_SOP_SEQUENCE)?;
    let transaction = uid(data_set, tags::TRANSACTION_UID)?;
    (!references.is_empty()).then_some((transaction, references))
}

impl Committed {
    /// Whether everything is kept.
    pub fn is_whole(&self) -> bool {
        self.verdicts
            .iter()
            .all(|(_, verdict)| *verdict == Verdict::Kept)
    }

    /// Its Event Type ID.
    pub(crate) fn event(&self) -> u16 {
        if self.is_whole() {
            ALL_KEPT
        } else {
            SOME_FAILED
        }
    }

    /// What the event report says; `title` is where the instances can be retrieved.
    pub(crate) fn report(&self, title: &str) -> DataSet {
        let (mut kept, mut failed) = (Vec::new(), Vec::new());
        for (reference, verdict) in &self.verdicts {
            let mut item = item(reference);
            match verdict {
                Verdict::Kept => kept.push(item),
                Verdict::Failed(reason) => {
                    item.put_short(tags::FAILURE_REASON, *reason);
                    failed.push(item);
                }
            }
        }
        let mut data_set = DataSet::default();
        data_set.put_text(tags::RETRIEVE_AE_TITLE, VR::AE, title);
        data_set.put_text(tags::TRANSACTION_UID, VR::UI, &self.transaction);
        // A sequence without items may not be sent (PS3.4 table J.3-2).
        if !kept.is_empty() {
            data_set.put_items(tags::REFERENCED_SOP_SEQUENCE, kept);
        }
        if !failed.is_empty() {
            data_set.put_items(tags::FAILED_SOP_SEQUENCE, failed);
        }
        data_set
    }

    /// Read an event report; nothing when an identifier is missing or is none.
    pub(crate) fn read(data_set: &DataSet) -> Option<Committed> {
        let kept = references(data_set, tags::REFERENCED_SOP_SEQUENCE)?;
        let failed = references(data_set, tags::FAILED_SOP_SEQUENCE)?;
        let reasons = data_set.items(tags::FAILED_SOP_SEQUENCE).iter();
        let reasons = reasons.map(|item| item.short(tags::FAILURE_REASON).unwrap_or(UNNAMED));
        let failed = failed.into_iter().zip(reasons.map(Verdict::Failed));
        let kept = kept.into_iter().map(|one| (one, Verdict::Kept));
        Some(Committed {
            transaction: uid(data_set, tags::TRANSACTION_UID)?,
            verdicts: kept.chain(failed).collect(),
        })
    }
}

fn item(reference: &Reference) -> DataSet {
    let mut item = DataSet::default();
    item.put_text(tags::REFERENCED_SOP_CLASS_UID, VR::UI, &reference.sop_class);
    item.put_text(
        tags::REFERENCED_SOP_INSTANCE_UID,
        VR::UI,
        &reference.sop_instance,
    );
    item
}

/// The references of a sequence; nothing when one is not whole.
fn references(data_set: &DataSet, sequence: Tag) -> Option<Vec<Reference>> {
    let items = data_set.items(sequence).iter();
    items
        .map(|item| {
            Some(Reference {
                sop_class: uid(item, tags::REFERENCED_SOP_CLASS_UID)?,
                sop_instance: uid(item, tags::REFERENCED_SOP_INSTANCE_UID)?,
            })
        })
        .collect()
}

fn uid(data_set: &DataSet, tag: Tag) -> Option<String> {
    let text = data_set.code(tag);
    is_uid(text).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(instance: &str) -> Reference {
        Reference {
            sop_class: "1.2.840.10008.5.1.4.1.1.2".to_owned(),
            sop_instance: instance.to_owned(),
        }
    }

    #[test]
    fn a_request_and_its_answer_are_read_back() {
        let references = [reference("1.2.3"), reference("1.2.4")];
        let (transaction, read) = read_request(&request("1.9", &references)).unwrap();
        assert_eq!(transaction, "1.9");
        assert!(read == references);
        let mut committed = Committed {
            transaction,
            verdicts: read.into_iter().map(|one| (one, Verdict::Kept)).collect(),
        };
        assert_eq!(committed.event(), 1);
        committed.verdicts[1].1 = Verdict::UNKNOWN;
        assert_eq!(committed.event(), 2);
        assert!(Committed::read(&committed.report("DOKUEI")) == Some(committed));
    }

    #[test]
    fn requests_that_name_nothing_are_none() {
        assert!(read_request(&request("1.9", &[])).is_none());
        assert!(read_request(&request("", &[reference("1.2")])).is_none());
        assert!(read_request(&request("1.9", &[reference("../x")])).is_none());
        assert!(read_request(&DataSet::default()).is_none());
    }
}
