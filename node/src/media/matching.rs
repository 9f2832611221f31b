//! Whether two studies are of one patient. An ID alone never says so: another hospital gives the same one to somebody
//! else. Holds patient data: no `Debug`.

use std::collections::BTreeSet;

use dicom_dictionary_std::tags;

use crate::dicom::charset::PersonName;
use crate::dicom::dataset::DataSet;
use crate::studies::attributes::Attributes;
use crate::studies::patient::Patient;

/// What identifies a patient.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// ID and issuer.
    pub patient: Patient,
    /// The name in each of its component groups, ready to compare.
    names: BTreeSet<String>,
    /// Patient's Birth Date (0010,0030), its digits.
    birth_date: String,
}

/// How two identities lie to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// ID with issuer, and name or birth date: one patient.
    Same,
    /// Not enough to say.
    Unsure,
    /// ID with issuer agree, and the birth dates differ: somebody must look.
    Contradicts,
}

impl Identity {
    /// The identity that these attributes name.
    pub fn of(attributes: &Attributes) -> Identity {
        Identity::named(
            Patient::of(attributes),
            attributes.name(tags::PATIENT_NAME),
            &attributes.text(tags::PATIENT_BIRTH_DATE),
        )
    }

    /// The identity that an answer to a query names.
    pub fn answered(answer: &DataSet) -> Identity {
        let text = |tag| answer.text(tag).trim().to_owned();
        let patient = Patient {
            id: text(tags::PATIENT_ID),
            issuer: text(tags::ISSUER_OF_PATIENT_ID),
        };
        let name = answer.names(tags::PATIENT_NAME).into_iter().next();
        let birth_date = text(tags::PATIENT_BIRTH_DATE);
        Identity::named(patient, name.unwrap_or_default(), &birth_date)
    }

    fn named(patient: Patient, name: PersonName, birth_date: &str) -> Identity {
        let groups = [name.alphabetic, name.ideographic, name.phonetic];
        let comparable = |text: &str| {
            let letters = text.chars().filter(|letter| !letter.is_whitespace());
            letters.flat_map(char::to_lowercase).collect::<String>()
        };
        let names = groups.iter().map(|group| comparable(&group.display()));
        Identity {
            patient,
            names: names.filter(|name| !name.is_empty()).collect(),
            birth_date: birth_date.chars().filter(char::is_ascii_digit).collect(),
        }
    }

    /// Compares two identities by two identifiers.
    pub fn agreement(&self, other: &Identity) -> Agreement {
        if self.patient.id.is_empty() || self.patient != other.patient {
            return Agreement::Unsure;
        }
        match (
            self.birth_dates_agree(other),
            self.names.is_disjoint(&other.names),
        ) {
            (Some(true), _) | (None, false) => Agreement::Same,
            (Some(false), _) => Agreement::Contradicts,
            (None, true) => Agreement::Unsure,
        }
    }

    /// The same within one institution, whose archive may not tell who issued its IDs: then the ID makes one patient
    /// only together with the name and the birth date.
    pub fn agreement_in_one_house(&self, other: &Identity) -> Agreement {
        let (own, theirs) = (&self.patient, &other.patient);
        let one_is_silent = own.issuer.is_empty() != theirs.issuer.is_empty();
        if !one_is_silent || own.id.is_empty() || own.id != theirs.id {
            return self.agreement(other);
        }
        match self.birth_dates_agree(other) {
            Some(true) if !self.names.is_disjoint(&other.names) => Agreement::Same,
            Some(false) => Agreement::Contradicts,
            Some(true) | None => Agreement::Unsure,
        }
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
            names: names.iter().map(|name| (*name).to_owned()).collect(),
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
