//! Whom an object is of: what tells patients apart. Holds patient data: no `Debug`.

use dicom_dictionary_std::tags;
use minicbor::{Decode, Encode};

use crate::studies::attributes::Attributes;

/// A patient as an object names them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(map)]
pub struct Patient {
    /// Patient ID (0010,0020), as people read it; empty when the object has none.
    #[n(0)]
    pub id: String,
    /// Issuer of Patient ID (0010,0021), as people read it; empty when the object has none.
    #[n(1)]
    pub issuer: String,
}

impl Patient {
    /// The patient that these attributes name.
    pub fn of(attributes: &Attributes) -> Patient {
        Patient {
            id: attributes.text(tags::PATIENT_ID),
            issuer: attributes.text(tags::ISSUER_OF_PATIENT_ID),
        }
    }

    /// Whether these are two patients: other IDs, or one ID given by two issuers. An object without an ID, or
    /// without an issuer, contradicts nobody.
    pub fn contradicts(&self, other: &Patient) -> bool {
        let both = |one: &str, two: &str| !one.is_empty() && !two.is_empty();
        both(&self.id, &other.id)
            && (self.id != other.id
                || (both(&self.issuer, &other.issuer) && self.issuer != other.issuer))
    }
}

/// Whether two of these contradict each other.
pub fn are_several(patients: &[Patient]) -> bool {
    patients.iter().enumerate().any(|(at, one)| {
        patients[at + 1..]
            .iter()
            .any(|other| one.contradicts(other))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patient(id: &str, issuer: &str) -> Patient {
        Patient {
            id: id.to_owned(),
            issuer: issuer.to_owned(),
        }
    }

    #[test]
    fn patients_are_told_apart_by_id_and_issuer() {
        let several = |known: &[(&str, &str)]| {
            let patients: Vec<Patient> = known.iter().map(|(id, by)| patient(id, by)).collect();
            are_several(&patients)
        };
        assert!(several(&[("1", ""), ("2", "")]));
        assert!(several(&[("1", "A"), ("1", "B")]));
        assert!(several(&[("1", "A"), ("1", ""), ("1", "B")]));
        assert!(!several(&[]));
        assert!(!several(&[("1", "A"), ("1", "A")]));
        assert!(!several(&[("1", "A"), ("1", ""), ("", "B")]));
    }
}
