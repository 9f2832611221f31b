//! What identifies a patient, and whether two studies are of one. An ID alone never says so: another hospital gives the
//! same one to somebody else. Holds patient data: no `Debug`.

use dicom_dictionary_std::tags;

use crate::dicom::charset::PersonName;
use crate::dicom::charset::matching::folded;
use crate::dicom::dataset::DataSet;
use crate::studies::attributes::Attributes;
use crate::studies::patient::Patient;

/// What identifies a patient.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// ID and issuer.
    pub patient: Patient,
    /// The name in its three component groups (PS3.5 section 6.2), ready to compare; empty where there is none.
    pub(super) names: [String; 3],
    /// Patient's Birth Date (0010,0030), its digits.
    pub(super) birth_date: String,
}

/// How two identities lie to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// One patient: ID with issuer, and name or birth date; where an issuer is missing, ID, name and birth date.
    Same,
    /// Not enough to say.
    Unsure,
    /// The IDs agree, and the birth dates differ: somebody must look.
    Contradicts,
}

impl Identity {
    /// The identity that these attributes name.
    pub fn of(attributes: &Attributes) -> Identity {
        Identity::named(
            Patient::of(attributes),
            folded(&attributes.name(tags::PATIENT_NAME)),
            &attributes.text(tags::PATIENT_BIRTH_DATE),
        )
    }

    /// The identity that a data set names: an object, or an answer to a query.
    pub fn of_data_set(data_set: &DataSet) -> Identity {
        let text = |tag| data_set.text(tag).trim().to_owned();
        let patient = Patient {
            id: text(tags::PATIENT_ID),
            issuer: text(tags::ISSUER_OF_PATIENT_ID),
        };
        let name: Option<PersonName> = data_set.names(tags::PATIENT_NAME).into_iter().next();
        let names = folded(&name.unwrap_or_default());
        Identity::named(patient, names, &text(tags::PATIENT_BIRTH_DATE))
    }

    /// The identity of a patient with a name as [`folded`] gives it.
    pub fn named(patient: Patient, names: [String; 3], birth_date: &str) -> Identity {
        Identity {
            patient,
            names,
            birth_date: birth_date.chars().filter(char::is_ascii_digit).collect(),
        }
    }

    /// Compares two identities by two identifiers.
    pub fn agreement(&self, other: &Identity) -> Agreement {
        match self.patient == other.patient {
            true => self.agreement_under_one_id(other),
            false => Agreement::Unsure,
        }
    }

    /// The same within one institution, whose archive may not tell who issued its IDs.
    pub fn agreement_in_one_house(&self, other: &Identity) -> Agreement {
        let (own, theirs) = (&self.patient, &other.patient);
        let one_is_silent = own.issuer.is_empty() || theirs.issuer.is_empty();
        match own.id == theirs.id && (one_is_silent || own.issuer == theirs.issuer) {
            true => self.agreement_under_one_id(other),
            false => Agreement::Unsure,
        }
    }

    /// What name and birth date say when the IDs are the same. Without an issuer on both sides they may be two
    /// hospitals' IDs: then both must agree.
    fn agreement_under_one_id(&self, other: &Identity) -> Agreement {
        if self.patient.id.is_empty() {
            return Agreement::Unsure;
        }
        let is_issued = !self.patient.issuer.is_empty() && !other.patient.issuer.is_empty();
        match (self.birth_dates_agree(other), self.shares_name(other)) {
            (Some(false), _) => Agreement::Contradicts,
            (Some(true), true) => Agreement::Same,
            (Some(true), false) | (None, true) if is_issued => Agreement::Same,
            (Some(true), false) | (None, _) => Agreement::Unsure,
        }
    }

    /// The name in the first group that has one; none when no group has.
    pub(super) fn name(&self) -> Option<&str> {
        let mut written = self.names.iter().filter(|name| !name.is_empty());
        written.next().map(String::as_str)
    }

    /// Whether one of the ways in which the name is written agrees.
    fn shares_name(&self, other: &Identity) -> bool {
        let mut written = self.names.iter().filter(|name| !name.is_empty());
        written.any(|name| other.names.contains(name))
    }

    /// Whether the birth dates agree; none where one is missing.
    fn birth_dates_agree(&self, other: &Identity) -> Option<bool> {
        let dates = [&self.birth_date, &other.birth_date];
        let both = dates.iter().all(|date| !date.is_empty());
        both.then(|| dates[0] == dates[1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(id: &str, issuer: &str, names: &[&str], birth_date: &str) -> Identity {
        Identity {
            patient: Patient {
                id: id.to_owned(),
                issuer: issuer.to_owned(),
            },
            names: [0, 1, 2].map(|at| names.get(at).copied().unwrap_or_default().to_owned()),
            birth_date: birth_date.to_owned(),
        }
    }

    #[test]
    fn two_identifiers_make_one_patient() {
        let here = identity("1", "A", &["yamadatarou", "山田太郎"], "19700101");
        let agrees = |other: Identity| here.agreement(&other);
        assert_eq!(agrees(identity("1", "A", &[], "19700101")), Agreement::Same);
        assert_eq!(
            agrees(identity("1", "A", &["山田太郎"], "")),
            Agreement::Same
        );
        // Married, and moved: the date still agrees.
        assert_eq!(
            agrees(identity("1", "A", &["satou"], "19700101")),
            Agreement::Same
        );
    }

    #[test]
    fn an_id_alone_or_one_of_another_issuer_says_nothing() {
        let here = identity("1", "A", &["yamadatarou"], "19700101");
        for other in [
            identity("1", "A", &[], ""),
            identity("1", "B", &["yamadatarou"], "19700101"),
            identity("1", "", &["yamadatarou"], "19700101"),
            identity("2", "A", &["yamadatarou"], "19700101"),
            identity("", "", &["yamadatarou"], "19700101"),
        ] {
            assert_eq!(here.agreement(&other), Agreement::Unsure);
        }
        let nameless = identity("", "", &["yamadatarou"], "19700101");
        assert_eq!(nameless.agreement(&nameless.clone()), Agreement::Unsure);
    }

    #[test]
    fn another_birth_date_contradicts_whatever_the_name() {
        let here = identity("1", "A", &["yamadatarou"], "19700101");
        let other = identity("1", "A", &["yamadatarou"], "19700102");
        assert_eq!(here.agreement(&other), Agreement::Contradicts);
    }

    #[test]
    fn without_an_issuer_name_and_birth_date_must_both_agree() {
        let here = identity("1", "", &["yamada tarou", "山田 太郎"], "19700101");
        for agreement in [Identity::agreement, Identity::agreement_in_one_house] {
            let agrees =
                |names: &[&str], date: &str| agreement(&here, &identity("1", "", names, date));
            assert_eq!(agrees(&["", "山田 太郎"], "19700101"), Agreement::Same);
            assert_eq!(agrees(&["", "山田 太郎"], ""), Agreement::Unsure);
            assert_eq!(agrees(&["satou"], "19700101"), Agreement::Unsure);
            assert_eq!(agrees(&[], "19700101"), Agreement::Unsure);
            assert_eq!(agrees(&["satou"], "19700102"), Agreement::Contradicts);
        }
    }

    #[test]
    fn an_archive_that_tells_no_issuer_must_agree_on_name_and_birth_date() {
        let here = identity("1", "A", &["yamadatarou", "山田太郎"], "19700101");
        let agrees = |id: &str, names: &[&str], date: &str| {
            here.agreement_in_one_house(&identity(id, "", names, date))
        };
        assert_eq!(agrees("1", &["山田太郎"], "19700101"), Agreement::Same);
        assert_eq!(agrees("1", &["satou"], "19700101"), Agreement::Unsure);
        assert_eq!(agrees("1", &["山田太郎"], ""), Agreement::Unsure);
        assert_eq!(
            agrees("1", &["山田太郎"], "19700102"),
            Agreement::Contradicts
        );
        assert_eq!(agrees("2", &["山田太郎"], "19700101"), Agreement::Unsure);
        let elsewhere = identity("1", "B", &["山田太郎"], "19700101");
        assert_eq!(here.agreement_in_one_house(&elsewhere), Agreement::Unsure);
    }
}
