//! Identifiers of queries and retrievals (PS3.4 section C.4): bytes from outside, read within bounds.

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use super::association::Association;
use super::dispatch::Request;
use super::negotiation::OpenContext;
use crate::dicom::dataset::{self, Bounds, DataSet};
use crate::dicom::dimse::{Level, Model, QueryFailure, QueryStatus};
use crate::dicom::pdu::LinkFault;
use crate::dicom::pdu::uid::is_uid;

const NOTHING: QueryFailure = QueryFailure::new(
    QueryStatus::UnableToProcess,
    "the request has no data set",
    "要求にデータがありません",
);
const UNREADABLE: QueryFailure = QueryFailure::new(
    QueryStatus::UnableToProcess,
    "the identifier cannot be read",
    "検索条件（Identifier）を読み取れません",
);
const NO_LEVEL: QueryFailure = QueryFailure::new(
    QueryStatus::IdentifierMismatch,
    "no Query/Retrieve Level of this information model",
    "検索レベル（Query/Retrieve Level）がないか、この情報モデルにありません",
);
const NO_STUDY: QueryFailure = QueryFailure::new(
    QueryStatus::IdentifierMismatch,
    "the study is not named by its UID",
    "検査が Study Instance UID で指定されていません",
);
const NOTHING_NAMED: QueryFailure = QueryFailure::new(
    QueryStatus::IdentifierMismatch,
    "the unique key of the level names nothing",
    "取得するものが一意キーで指定されていません",
);

/// What an identifier is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// C-FIND: the unique key of the level is matched.
    Query,
    /// C-MOVE, C-GET: it names what to send.
    Retrieval,
}

/// An identifier that keeps the rules of its information model.
pub(super) struct Identifier {
    pub(super) level: Level,
    pub(super) keys: DataSet,
}

impl Association<'_> {
    /// Read the identifier of `request` and judge it.
    pub(super) fn identifier(
        &mut self,
        request: &Request<'_>,
        model: Model,
        purpose: Purpose,
    ) -> Result<Result<Identifier, QueryFailure>, LinkFault> {
        let keys = self.read_data_set(request)?;
        Ok(keys.and_then(|keys| {
            let level = judge(&keys, model, purpose)?;
            Ok(Identifier { level, keys })
        }))
    }

    /// Read the data set of `request`, whole.
    pub(super) fn read_data_set(
        &mut self,
        request: &Request<'_>,
    ) -> Result<Result<DataSet, QueryFailure>, LinkFault> {
        if !request.command.has_data_set {
            return Ok(Err(NOTHING));
        }
        let bytes = self.whole_data_set(request.context)?;
        let read = dataset::read(
            &mut bytes.as_slice(),
            request.open.encoding(),
            &Bounds::IDENTIFIER,
        );
        Ok(read.map_err(|_why| UNREADABLE))
    }
}

impl OpenContext {
    /// `data_set` as it goes over this context.
    pub(super) fn encode(&self, data_set: &DataSet) -> Vec<u8> {
        dataset::write(data_set, self.encoding())
    }
}

/// Its level, if the identifier keeps the rules (PS3.4 sections C.4.1.2.1 and C.4.2.2.1), as far as they are needed: of
/// the unique keys above the level many callers leave some out. A query without one is about all of that level, whether
/// relational queries were agreed on or not; a retrieval must say of which study, which says of which patient.
fn judge(keys: &DataSet, model: Model, purpose: Purpose) -> Result<Level, QueryFailure> {
    let named = keys
        .bytes(tags::QUERY_RETRIEVE_LEVEL)
        .and_then(Level::parse);
    let level = named
        .filter(|level| model.levels().contains(level))
        .ok_or(NO_LEVEL.at(tags::QUERY_RETRIEVE_LEVEL))?;
    if purpose == Purpose::Retrieval {
        if level > Level::Study && !is_uid(keys.code(tags::STUDY_INSTANCE_UID)) {
            return Err(NO_STUDY.at(tags::STUDY_INSTANCE_UID));
        }
        if !names(keys, level.unique_key()) {
            return Err(NOTHING_NAMED.at(level.unique_key()));
        }
    }
    Ok(level)
}

/// Whether a unique key names something: one patient, or UIDs.
fn names(keys: &DataSet, key: Tag) -> bool {
    match key {
        tags::PATIENT_ID => {
            let value = keys.bytes(key).unwrap_or_default().trim_ascii();
            !value.is_empty() && !value.iter().any(|byte| b"*?\\".contains(byte))
        }
        _ => keys.code(key).split('\\').all(|uid| is_uid(uid.trim())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dicom_core::VR;

    fn keys(values: &[(Tag, VR, &str)]) -> DataSet {
        let mut keys = DataSet::default();
        for (tag, vr, value) in values {
            keys.put_text(*tag, *vr, value);
        }
        keys
    }

    fn level(text: &str) -> (Tag, VR, &str) {
        (tags::QUERY_RETRIEVE_LEVEL, VR::CS, text)
    }

    #[test]
    fn the_level_belongs_to_the_model() {
        let at = |model, text: &str| judge(&keys(&[level(text)]), model, Purpose::Query);
        assert_eq!(at(Model::StudyRoot, "STUDY"), Ok(Level::Study));
        assert_eq!(at(Model::PatientRoot, "PATIENT"), Ok(Level::Patient));
        for (model, text) in [
            (Model::StudyRoot, "PATIENT"),
            (Model::PatientStudyOnly, "SERIES"),
            (Model::StudyRoot, ""),
            (Model::StudyRoot, "FRAME"),
        ] {
            let refused = at(model, text).unwrap_err();
            assert_eq!(refused.offending(), Some(tags::QUERY_RETRIEVE_LEVEL));
        }
    }

    #[test]
    fn a_query_may_leave_out_what_is_above_its_level() {
        for study in ["", "1.2*", "1.2\\1.3", "*", "1.2.3"] {
            let keys = keys(&[level("SERIES"), (tags::STUDY_INSTANCE_UID, VR::UI, study)]);
            for model in [Model::StudyRoot, Model::PatientRoot] {
                let judged = judge(&keys, model, Purpose::Query);
                assert_eq!(judged, Ok(Level::Series), "{study}");
            }
        }
    }

    #[test]
    fn a_retrieval_names_what_it_wants() {
        let study = |value: &str| {
            let keys = keys(&[level("STUDY"), (tags::STUDY_INSTANCE_UID, VR::UI, value)]);
            judge(&keys, Model::StudyRoot, Purpose::Retrieval).is_ok()
        };
        assert!(study("1.2.3"));
        assert!(study("1.2.3\\1.2.4"));
        for value in ["", "*", "1.2.3\\", "1.2.?"] {
            assert!(!study(value), "{value}");
        }
        // A study says of which patient it is.
        let of_study = |study: &str| {
            let keys = keys(&[
                level("SERIES"),
                (tags::STUDY_INSTANCE_UID, VR::UI, study),
                (tags::SERIES_INSTANCE_UID, VR::UI, "1.2.4"),
            ]);
            judge(&keys, Model::PatientRoot, Purpose::Retrieval)
        };
        assert_eq!(of_study("1.2.3"), Ok(Level::Series));
        for study in ["", "*", "1.2.3\\1.2.5"] {
            let refused = of_study(study).unwrap_err();
            assert_eq!(refused.offending(), Some(tags::STUDY_INSTANCE_UID));
            assert_eq!(refused.status(), QueryStatus::IdentifierMismatch);
        }
    }
}
