//! Whose the studies are that an import brings: judged object by object before it is taken in, and as a whole at the end.
//! Holds patient data: no `Debug`.

use std::collections::{BTreeMap, BTreeSet};

use dokuei_keys::id::ParcelId;

use super::{Imports, Standing};
use crate::dicom::header::Header;
use crate::studies::attributes::Attributes;
use crate::studies::head::Head;
use crate::studies::identity::{Agreement, Identity};
use crate::studies::patient::{Patient, are_several};
use crate::studies::person::Person;
use crate::studies::persons::Persons;
use crate::studies::register::{Register, RegisterError};

/// Identities of one study that are remembered. A study whose objects name more than so many goes to a person, whatever
/// they are.
const IDENTITIES: usize = 16;

/// The judgement on one import.
pub struct Judgement<'a> {
    imports: &'a Imports,
    register: &'a Register,
    persons: &'a Persons,
    receipt: ParcelId,
    arriving: BTreeMap<String, Arriving>,
}

/// What objects of a study say, those that came so far.
struct Arriving {
    standing: Standing,
    identities: Vec<Identity>,
    /// There were more than are remembered.
    more: bool,
}

impl<'a> Judgement<'a> {
    /// The judgement that goes into this receipt.
    pub fn new(
        (imports, register, persons): (&'a Imports, &'a Register, &'a Persons),
        receipt: ParcelId,
    ) -> Judgement<'a> {
        Judgement {
            imports,
            register,
            persons,
            receipt,
            arriving: BTreeMap::new(),
        }
    }

    /// Hears of an object before it is taken in. Its study is known only while every object names the patient whom what
    /// was here before names; else it is held, and a crash lets nothing slip.
    ///
    /// # Errors
    /// [`RegisterError`]: the object must not be taken in. [`RegisterError::Arriving`] when it would be mixed with images
    /// that arrive just now.
    pub fn hear(&mut self, header: &Header) -> Result<(), RegisterError> {
        let uid = header.study().as_str();
        let identity = Identity::of(&Attributes::of(header));
        let standing = match self.arriving.get(uid) {
            Some(known) if known.identities.contains(&identity) => return Ok(()),
            Some(known) if known.standing == Standing::Held => Standing::Held,
            _ if self.is_of_what_is_here(uid, &identity)? => Standing::Known,
            _ => Standing::Held,
        };
        let before = self.arriving.get(uid).map(|known| &known.standing);
        if before != Some(&standing) {
            self.stand(uid, &standing)?;
        }
        let arriving = self.arriving.entry(uid.to_owned());
        let arriving = arriving.or_insert_with(|| Arriving {
            standing: standing.clone(),
            identities: Vec::new(),
            more: false,
        });
        arriving.standing = standing;
        match arriving.identities.len() < IDENTITIES {
            true => arriving.identities.push(identity),
            false => arriving.more = true,
        }
        Ok(())
    }

    /// Whether the study is here, not in question, and of the patient whom an object names.
    fn is_of_what_is_here(&self, uid: &str, identity: &Identity) -> Result<bool, RegisterError> {
        if self.imports.is_undecided(uid) {
            return Ok(false);
        }
        let here = self.identities_of(uid)?;
        Ok(!here.is_empty() && here.iter().all(|own| are_one(own, identity)))
    }

    /// Whom the parts of a study that are here name first.
    fn identities_of(&self, uid: &str) -> Result<Vec<Identity>, RegisterError> {
        let heads = self.heads_of(uid)?.into_iter();
        Ok(heads
            .map(|head| Identity::of(&head.study.attributes))
            .collect())
    }

    /// Writes down how a study stands before more of it is taken in. What is held goes into parcels of its own, so that it
    /// can be removed without the rest.
    fn stand(&self, uid: &str, standing: &Standing) -> Result<(), RegisterError> {
        let before = || {
            if *standing != Standing::Held {
                return Ok(Vec::new());
            }
            let before = self.register.parcels_of(uid);
            for parcel in &before {
                self.register.close(parcel)?;
            }
            Ok(before)
        };
        self.imports
            .stand(&self.receipt, (uid, standing.clone()), before)
    }

    /// Lets go of the studies whose patient is certain: every object agrees by two identifiers with those expected, or with
    /// a study that is here and not itself in question, and nothing contradicts. `under` gives the studies that are here
    /// under one of these patient IDs.
    ///
    /// # Errors
    /// [`RegisterError`].
    pub fn settle(
        &self,
        expected: Option<(String, Identity)>,
        under: impl FnOnce(&BTreeSet<&str>) -> Vec<String>,
    ) -> Result<(), RegisterError> {
        let mut known = match expected {
            Some(expected) => vec![expected],
            None => self.named_by(under(&self.ids()))?,
        };
        known.retain(|(uid, _)| !self.imports.is_undecided(uid));
        for (uid, arriving) in &self.arriving {
            // Of what was refused altogether nothing is in question.
            let is_held = arriving.standing == Standing::Held && self.imports.is_undecided(uid);
            if !is_held || arriving.more {
                continue;
            }
            let mut own = self.identities_of(uid)?;
            own.extend(arriving.identities.iter().cloned());
            let Some(matched) = matched(&own, &self.patients_of(uid)?, &known) else {
                continue;
            };
            self.persons.attribute(uid, self.person_of(matched)?)?;
            self.imports.change(&self.receipt, |import| {
                let studies = import.studies.iter_mut();
                let held =
                    studies.filter(|study| study.uid == *uid && study.standing == Standing::Held);
                held.for_each(|study| study.standing = Standing::Matched(matched.to_owned()));
            })?;
        }
        Ok(())
    }

    /// The patient IDs that arrived.
    fn ids(&self) -> BTreeSet<&str> {
        let arriving = self.arriving.values();
        let identities = arriving.flat_map(|arriving| &arriving.identities);
        identities
            .map(|identity| identity.patient.id.as_str())
            .collect()
    }

    /// What names the patients of these studies.
    fn named_by(&self, uids: Vec<String>) -> Result<Vec<(String, Identity)>, RegisterError> {
        let mut known = Vec::new();
        for uid in uids {
            let identities = self.identities_of(&uid)?.into_iter();
            known.extend(identities.map(|identity| (uid.clone(), identity)));
        }
        Ok(known)
    }

    fn patients_of(&self, uid: &str) -> Result<Vec<Patient>, RegisterError> {
        let heads = self.heads_of(uid)?.into_iter();
        Ok(heads.flat_map(|head| head.study.patients()).collect())
    }

    /// What is listed of the parts of a study that are here.
    fn heads_of(&self, uid: &str) -> Result<Vec<Head>, RegisterError> {
        let parts = self.register.parcels_of(uid).into_iter();
        let heads = parts.map(|parcel| self.register.head(&parcel));
        heads.filter_map(Result::transpose).collect()
    }

    /// Whose a study here is.
    fn person_of(&self, uid: &str) -> Result<Option<Person>, RegisterError> {
        let first = self.heads_of(uid)?.into_iter().next();
        Ok(first.map(|head| self.persons.of(uid, &head.study.attributes)))
    }
}

/// Whether two objects of one study name one patient.
fn are_one(one: &Identity, other: &Identity) -> bool {
    one == other || one.agreement(other) == Agreement::Same
}

/// The known study of whose patient everything is that names `own` and `patients`; none when that is not certain.
fn matched<'a>(
    own: &[Identity],
    patients: &[Patient],
    known: &'a [(String, Identity)],
) -> Option<&'a str> {
    let first = own.first()?;
    let contradicted = own.iter().any(|one| {
        let mut known = known.iter();
        known.any(|(_, other)| one.agreement(other) == Agreement::Contradicts)
    });
    if contradicted || are_several(patients) || !own.iter().all(|one| are_one(first, one)) {
        return None;
    }
    let found = known.iter().find(|(_, other)| {
        own.iter()
            .all(|one| one.agreement(other) == Agreement::Same)
    });
    found.map(|(uid, _)| uid.as_str())
}
