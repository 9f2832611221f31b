//! The service an abstract syntax belongs to (PS3.4 annexes A, B, C, J and GG, PS3.6 annex A).

use super::Model;

/// Verification SOP Class.
pub const VERIFICATION: &str = "1.2.840.10008.1.1";

/// The root of the Storage SOP Classes. New classes are registered here with every edition of the
/// standard, so a modality newer than this program is understood; a table would age.
const STORAGE_ROOT: &str = "1.2.840.10008.5.1.4.1.1.";

/// Classes under that root that are not Storage: Protocol Approval query/retrieve (200.4–6) and
/// the Inventory services (201.2–6).
const NOT_STORAGE: [&str; 8] = [
    "200.4", "200.5", "200.6", "201.2", "201.3", "201.4", "201.5", "201.6",
];

/// Storage SOP Classes of patients' objects registered elsewhere: RT Beams Delivery Instruction
/// and RT Brachy Application Setup Delivery Instruction.
const STORAGE_ELSEWHERE: [&str; 2] = ["1.2.840.10008.5.1.4.34.7", "1.2.840.10008.5.1.4.34.10"];

/// Storage Commitment Push Model SOP Class, and its one instance.
pub const COMMITMENT: &str = "1.2.840.10008.1.20.1";
/// The well-known instance of Storage Commitment Push (PS3.4 section J.3).
pub const COMMITMENT_INSTANCE: &str = "1.2.840.10008.1.20.1.1";

/// The root of the query and retrieve classes: the model, then 1 (find), 2 (move) or 3 (get).
const QUERY_ROOT: &str = "1.2.840.10008.5.1.4.1.2.";

/// The root of all UIDs the standard itself registers.
const STANDARD_ROOT: &str = "1.2.840.10008.";

/// What an abstract syntax asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// C-ECHO.
    Verification,
    /// C-STORE of a standard SOP class.
    Storage,
    /// C-FIND of an information model.
    Find(Model),
    /// C-MOVE of an information model.
    Move(Model),
    /// C-GET of an information model.
    Get(Model),
    /// Storage Commitment Push.
    Commitment,
    /// A class of a manufacturer: storage by custom, but nothing says so.
    Private,
    /// Any other service of the standard: worklist, print, and storage of objects that belong to no patient (hanging protocols, colour palettes, implant
    /// templates), which no study can carry.
    Other,
}

impl Service {
    /// The service of `abstract_syntax`, a UID.
    pub fn of(abstract_syntax: &str) -> Self {
        if abstract_syntax == VERIFICATION {
            return Service::Verification;
        }
        if abstract_syntax == COMMITMENT {
            return Service::Commitment;
        }
        if let Some(rest) = abstract_syntax.strip_prefix(QUERY_ROOT) {
            return Service::of_query(rest);
        }
        if let Some(rest) = abstract_syntax.strip_prefix(STORAGE_ROOT) {
            return if NOT_STORAGE.contains(&rest) {
                Service::Other
            } else {
                Service::Storage
            };
        }
        if STORAGE_ELSEWHERE.contains(&abstract_syntax) {
            Service::Storage
        } else if abstract_syntax.starts_with(STANDARD_ROOT) {
            Service::Other
        } else {
            Service::Private
        }
    }

    /// The service of a query or retrieve class, named below [`QUERY_ROOT`].
    fn of_query(rest: &str) -> Self {
        let Some((root, operation)) = rest.split_once('.') else {
            return Service::Other;
        };
        let model = match root {
            "1" => Model::PatientRoot,
            "2" => Model::StudyRoot,
            "3" => Model::PatientStudyOnly,
            _ => return Service::Other,
        };
        match operation {
            "1" => Service::Find(model),
            "2" => Service::Move(model),
            "3" => Service::Get(model),
            _ => Service::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dicom_dictionary_std::uids;

    #[test]
    fn storage_classes_are_told_from_other_services() {
        for class in [
            uids::CT_IMAGE_STORAGE,
            uids::MR_IMAGE_STORAGE,
            uids::ENCAPSULATED_PDF_STORAGE,
            uids::COMPUTED_RADIOGRAPHY_IMAGE_STORAGE,
            uids::INVENTORY_STORAGE,
            uids::RT_BEAMS_DELIVERY_INSTRUCTION_STORAGE,
        ] {
            assert_eq!(Service::of(class), Service::Storage, "{class}");
        }
        for class in [
            uids::INVENTORY_FIND,
            uids::PROTOCOL_APPROVAL_INFORMATION_MODEL_GET,
            uids::COMPOSITE_INSTANCE_ROOT_RETRIEVE_GET,
            uids::MODALITY_WORKLIST_INFORMATION_MODEL_FIND,
            uids::HANGING_PROTOCOL_STORAGE,
            uids::MEDIA_STORAGE_DIRECTORY_STORAGE,
        ] {
            assert_eq!(Service::of(class), Service::Other, "{class}");
        }
        assert_eq!(Service::of(VERIFICATION), Service::Verification);
        assert_eq!(Service::of("1.3.12.2.1107.5.9.1"), Service::Private);
    }

    #[test]
    fn query_retrieve_and_commitment_are_known() {
        let expected = [
            (
                uids::PATIENT_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_FIND,
                Service::Find(Model::PatientRoot),
            ),
            (
                uids::STUDY_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_MOVE,
                Service::Move(Model::StudyRoot),
            ),
            (
                uids::STUDY_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_GET,
                Service::Get(Model::StudyRoot),
            ),
            (
                "1.2.840.10008.5.1.4.1.2.3.1",
                Service::Find(Model::PatientStudyOnly),
            ),
            (uids::STORAGE_COMMITMENT_PUSH_MODEL, Service::Commitment),
            ("1.2.840.10008.5.1.4.1.2.2.9", Service::Other),
        ];
        for (class, service) in expected {
            assert_eq!(Service::of(class), service, "{class}");
        }
        for model in [
            Model::PatientRoot,
            Model::StudyRoot,
            Model::PatientStudyOnly,
        ] {
            assert_eq!(Service::of(model.find_class()), Service::Find(model));
            assert_eq!(Service::of(model.move_class()), Service::Move(model));
        }
    }
}
