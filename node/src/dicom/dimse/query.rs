//! Information models of query and retrieve (PS3.4 annex C.6), their levels and unique keys.

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use crate::dicom::dataset::DataSet;

/// What whoever waits for the matches of a query is told. Has no `Debug`: a match names a patient.
pub enum Looked {
    /// A match.
    Match(DataSet),
    /// Nothing was found for a while, and the search goes on: whoever waits may have left.
    InVain,
}

/// An information model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// Patient, study, series, instance.
    PatientRoot,
    /// Study (with its patient), series, instance.
    StudyRoot,
    /// Patient and study only: retired, still asked for.
    PatientStudyOnly,
}

/// A level of an information model, from the top.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// PATIENT
    Patient,
    /// STUDY
    Study,
    /// SERIES
    Series,
    /// IMAGE
    Instance,
}

impl Model {
    /// The SOP class of its C-FIND.
    pub fn find_class(self) -> &'static str {
        match self {
            Model::PatientRoot => "1.2.840.10008.5.1.4.1.2.1.1",
            Model::StudyRoot => "1.2.840.10008.5.1.4.1.2.2.1",
            Model::PatientStudyOnly => "1.2.840.10008.5.1.4.1.2.3.1",
        }
    }

    /// The SOP class of its C-MOVE.
    pub fn move_class(self) -> &'static str {
        match self {
            Model::PatientRoot => "1.2.840.10008.5.1.4.1.2.1.2",
            Model::StudyRoot => "1.2.840.10008.5.1.4.1.2.2.2",
            Model::PatientStudyOnly => "1.2.840.10008.5.1.4.1.2.3.2",
        }
    }

    /// Its levels, from the top.
    pub fn levels(self) -> &'static [Level] {
        match self {
            Model::PatientRoot => &[Level::Patient, Level::Study, Level::Series, Level::Instance],
            Model::StudyRoot => &[Level::Study, Level::Series, Level::Instance],
            Model::PatientStudyOnly => &[Level::Patient, Level::Study],
        }
    }
}

impl Level {
    /// The level that Query/Retrieve Level (0008,0052) names; case and padding do not matter.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let levels = [Level::Patient, Level::Study, Level::Series, Level::Instance];
        let text = value.trim_ascii();
        let text = text.strip_suffix(b"\0").unwrap_or(text);
        levels
            .into_iter()
            .find(|level| text.eq_ignore_ascii_case(level.code().as_bytes()))
    }

    /// Its value of Query/Retrieve Level (0008,0052).
    pub fn code(self) -> &'static str {
        match self {
            Level::Patient => "PATIENT",
            Level::Study => "STUDY",
            Level::Series => "SERIES",
            Level::Instance => "IMAGE",
        }
    }

    /// Its unique key.
    pub fn unique_key(self) -> Tag {
        match self {
            Level::Patient => tags::PATIENT_ID,
            Level::Study => tags::STUDY_INSTANCE_UID,
            Level::Series => tags::SERIES_INSTANCE_UID,
            Level::Instance => tags::SOP_INSTANCE_UID,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_read_however_it_is_padded() {
        assert_eq!(Level::parse(b"STUDY "), Some(Level::Study));
        assert_eq!(Level::parse(b"image\0"), Some(Level::Instance));
        assert_eq!(Level::parse(b"IMAGE"), Some(Level::Instance));
        assert_eq!(Level::parse(b"FRAME"), None);
        assert_eq!(Level::parse(b""), None);
        for level in Model::PatientRoot.levels() {
            assert_eq!(Level::parse(level.code().as_bytes()), Some(*level));
        }
    }
}
