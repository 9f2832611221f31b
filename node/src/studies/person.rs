//! Who a study's patient is: the key by which studies are put together as one person's. Holds patient data: no `Debug`.

use dokuei_keys::id::SiteId;
use minicbor::{Decode, Encode};

use crate::studies::identity::Identity;
use crate::studies::patient::Patient;

/// A person. What has the same key is shown, searched and de-identified as one person's, and so an ID alone is never
/// enough: with its issuer it is one person's at an institution; without, only together with name and birth date; and
/// where these are missing, too, nobody can tell, and the study is a person of its own.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(map)]
pub struct Person {
    /// The institution that has the study.
    #[n(0)]
    institution: SiteId,
    #[n(1)]
    who: Who,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
enum Who {
    /// An ID with its issuer.
    #[n(0)]
    Issued(#[n(0)] Patient),
    /// An ID of which nobody says who issued it.
    #[n(1)]
    Named {
        #[n(0)]
        id: String,
        #[n(1)]
        birth_date: String,
        #[n(2)]
        name: String,
    },
    /// Whoever this study is of, by its Study Instance UID.
    #[n(2)]
    OfStudy(#[n(0)] String),
}

impl Person {
    /// The person whom a study of an institution names.
    pub fn of(institution: SiteId, study: &str, identity: &Identity) -> Person {
        let patient = &identity.patient;
        let is_known = !identity.birth_date.is_empty() && identity.name().is_some();
        match (patient.id.is_empty(), patient.issuer.is_empty()) {
            (false, false) => Person::said(institution, patient, identity),
            (false, true) if is_known => Person::said(institution, patient, identity),
            _ => Person::of_study(institution, study),
        }
    }

    /// The patient of whom a person said that a study is, which names `identity`.
    pub fn said(institution: SiteId, patient: &Patient, identity: &Identity) -> Person {
        let who = match patient.issuer.is_empty() {
            false => Who::Issued(patient.clone()),
            true => Who::Named {
                id: patient.id.clone(),
                birth_date: identity.birth_date.clone(),
                name: identity.name().unwrap_or_default().to_owned(),
            },
        };
        Person { institution, who }
    }

    /// Whoever this study is of, and no other.
    pub fn of_study(institution: SiteId, study: &str) -> Person {
        Person {
            institution,
            who: Who::OfStudy(study.to_owned()),
        }
    }

    /// ID and issuer, which may be empty; none of a person of one study.
    pub fn patient(&self) -> Option<(&str, &str)> {
        match &self.who {
            Who::Issued(patient) => Some((&patient.id, &patient.issuer)),
            Who::Named { id, .. } => Some((id, "")),
            Who::OfStudy(_) => None,
        }
    }

    /// What tells them from every other person of the institution, so that something can be derived from it.
    pub fn parts(&self) -> Vec<&[u8]> {
        let parts = match &self.who {
            Who::Issued(patient) => vec![&patient.issuer, &patient.id],
            Who::Named {
                id,
                birth_date,
                name,
            } => return ["", id, birth_date, name].map(str::as_bytes).to_vec(),
            Who::OfStudy(uid) => return ["", "", uid].map(str::as_bytes).to_vec(),
        };
        parts.into_iter().map(|part| part.as_bytes()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SITE: SiteId = SiteId::from_bytes([1; 32]);

    fn identity(id: &str, issuer: &str, name: &str, birth_date: &str) -> Identity {
        let patient = Patient {
            id: id.to_owned(),
            issuer: issuer.to_owned(),
        };
        Identity::named(
            patient,
            [name.to_owned(), String::new(), String::new()],
            birth_date,
        )
    }

    fn is_one(one: &Identity, other: &Identity) -> bool {
        Person::of(SITE, "1.1", one) == Person::of(SITE, "1.2", other)
    }

    #[test]
    fn an_id_with_its_issuer_is_one_person() {
        let here = identity("1", "A", "yamada", "19700101");
        assert!(is_one(&here, &identity("1", "A", "", "")));
        assert!(!is_one(&here, &identity("1", "B", "yamada", "19700101")));
        assert!(!is_one(&here, &identity("1", "", "yamada", "19700101")));
        let elsewhere = SiteId::from_bytes([2; 32]);
        assert!(Person::of(SITE, "1", &here) != Person::of(elsewhere, "1", &here));
    }

    #[test]
    fn an_id_without_issuer_needs_name_and_birth_date() {
        let here = identity("1", "", "yamada", "19700101");
        assert!(is_one(&here, &here));
        for other in [
            identity("2", "", "yamada", "19700101"),
            identity("1", "", "satou", "19700101"),
            identity("1", "", "yamada", "19700102"),
        ] {
            assert!(!is_one(&here, &other));
        }
        for too_little in [
            identity("1", "", "yamada", ""),
            identity("1", "", "", "19700101"),
            identity("1", "", "", ""),
            identity("", "", "yamada", "19700101"),
            identity("", "A", "yamada", "19700101"),
        ] {
            assert!(!is_one(&too_little, &too_little));
        }
    }

    #[test]
    fn what_is_derived_from_differs_from_person_to_person() {
        let mut parts: Vec<Vec<Vec<u8>>> = [
            identity("1", "A", "n", "1"),
            identity("1", "", "n", "1"),
            identity("1", "", "n", "2"),
            identity("", "", "", ""),
        ]
        .iter()
        .map(|one| Person::of(SITE, "1", one))
        .map(|person| person.parts().into_iter().map(<[u8]>::to_vec).collect())
        .collect();
        parts.sort();
        parts.dedup();
        assert_eq!(parts.len(), 4);
    }
}
