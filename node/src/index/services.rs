//! What lies here, for application entities: C-FIND, C-MOVE, C-GET and storage commitment.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::io::{self, ErrorKind, Read};
use std::ops::ControlFlow;
use std::sync::Arc;

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;

use super::answers::is_of_study;
use super::catalogue::Entry;
use super::find::Found;
use super::holdings::{FindError, Holdings, Instance};
use crate::dicom::dataset::{DataSet, Element, Value};
use crate::dicom::dimse::{Level, Looked, Model, QueryFailure, QueryStatus, Reference, Verdict};
use crate::dicom::matching::Keys;
use crate::dicom::scp::{self, Caller, Selected};
use crate::dicom::scu::Outgoing;
use crate::entities::Scope;
use crate::parcels::{ObjectHead, OpenedObject};

/// Objects of one retrieval: its responses count them in 16 bits.
const OBJECTS: usize = 65_535;

/// Attributes that say which studies a retrieval means.
const OF_STUDY: [Tag; 3] = [
    tags::PATIENT_ID,
    tags::ISSUER_OF_PATIENT_ID,
    tags::STUDY_INSTANCE_UID,
];

const TOO_MANY_KEYS: QueryFailure = QueryFailure::new(
    QueryStatus::UnableToProcess,
    "the identifier has too many keys",
    "検索条件の項目が多すぎます",
);
const SEVERAL_ISSUERS: QueryFailure = QueryFailure::new(
    QueryStatus::UnableToProcess,
    "the ID is of several issuers: ask with its issuer",
    "この患者 ID は複数の発行者にあります。発行者（Issuer of Patient ID）を指定してください",
)
.at(tags::ISSUER_OF_PATIENT_ID);
const UNREADABLE: QueryFailure = QueryFailure::new(
    QueryStatus::UnableToProcess,
    "the node cannot read what it keeps",
    "このノードに保存されたデータを読めません。ディスクを確認してください",
);
const TOO_MANY_OBJECTS: QueryFailure = QueryFailure::new(
    QueryStatus::OutOfResources,
    "more than 65535 objects: retrieve fewer at a time",
    "65535 件を超えるため、分けて取得してください",
);

impl From<FindError> for QueryFailure {
    fn from(error: FindError) -> QueryFailure {
        match error {
            FindError::SeveralIssuers => SEVERAL_ISSUERS,
            FindError::Unreadable(why) => {
                tracing::warn!(target: "dokuei::index", "a query is not answered: {why}");
                UNREADABLE
            }
        }
    }
}

impl Holdings {
    /// An object as it is sent.
    pub fn outgoing(&self, instance: Instance) -> Selected {
        Box::new(Stored::new(self.clone(), instance))
    }
}

impl scp::Holdings for Holdings {
    fn find(
        &self,
        caller: &Caller,
        _model: Model,
        level: Level,
        identifier: &DataSet,
        answer: &mut dyn FnMut(Looked) -> ControlFlow<()>,
    ) -> Result<(), QueryFailure> {
        let keys = Keys::read(identifier).ok_or(TOO_MANY_KEYS)?;
        let scope = &caller.permission.scope;
        let mut asked = |found: Found<'_>| match found {
            Found::Match(known, _) => answer(Looked::Match(reduced(&known, identifier, level))),
            // The log knows; the statuses of C-FIND have no word for it (PS3.4 table C.4-1).
            Found::Lacking(_) => ControlFlow::Continue(()),
            Found::InVain => answer(Looked::InVain),
        };
        Ok(Holdings::find(self, scope, level, &keys, &mut asked)?)
    }

    fn select(
        &self,
        caller: &Caller,
        level: Level,
        identifier: &DataSet,
    ) -> Result<Vec<Selected>, QueryFailure> {
        let scope = &caller.permission.scope;
        // A key that is left out, or above the level, leaves the choice open.
        let listed = |at: Level| {
            let uids = identifier.code(at.unique_key());
            let is_given = level >= at && !uids.is_empty();
            is_given.then(|| uids.split('\\').map(str::trim).collect::<BTreeSet<_>>())
        };
        let (series, instances) = (listed(Level::Series), listed(Level::Instance));
        let is_listed = |wanted: &Option<BTreeSet<&str>>, uid: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted.contains(uid))
        };
        let mut all = Vec::new();
        for entry in studies(self, scope, identifier)? {
            all.extend(self.objects_of(&entry, |instance| {
                is_listed(&series, &instance.series)
                    && is_listed(&instances, &instance.sop_instance)
            }));
            if all.len() > OBJECTS {
                return Err(TOO_MANY_OBJECTS);
            }
        }
        let all = all.into_iter();
        Ok(all.map(|instance| self.outgoing(instance)).collect())
    }

    fn commits(&self, caller: &Caller, references: &[Reference]) -> Vec<Verdict> {
        let mut parcels = BTreeSet::new();
        let mut judge = |wanted: &Reference| match self
            .held(&caller.permission.scope, &wanted.sop_instance)
        {
            Ok(Some(held)) if held.class == wanted.sop_class => {
                parcels.insert(held.parcel);
                Verdict::Kept
            }
            Ok(Some(_)) => Verdict::OTHER_CLASS,
            Ok(None) => Verdict::UNKNOWN,
            Err(error) => {
                tracing::error!(target: "dokuei::index", "storage commitment cannot be answered: {error}");
                Verdict::PROCESSING_FAILURE
            }
        };
        let mut verdicts: Vec<Verdict> = references.iter().map(&mut judge).collect();
        // Whoever hears that an object is kept removes theirs: so it is written down first.
        if !self.promise(parcels) {
            for verdict in verdicts
                .iter_mut()
                .filter(|verdict| **verdict == Verdict::Kept)
            {
                *verdict = Verdict::PROCESSING_FAILURE;
            }
        }
        verdicts
    }
}

/// The studies that a retrieval means: those that it names, of the patient that it names. Of a study that two institutions
/// have here, one is meant; and an ID alone may be several people's.
fn studies(
    holdings: &Holdings,
    scope: &Scope,
    identifier: &DataSet,
) -> Result<Vec<Arc<Entry>>, QueryFailure> {
    let elements = identifier.elements().iter();
    let named: DataSet = elements
        .filter(|element| OF_STUDY.contains(&element.tag))
        .cloned()
        .collect();
    let keys = Keys::read(&named).ok_or(TOO_MANY_KEYS)?;
    let mut whatever = |_: Found<'_>| ControlFlow::Continue(());
    let found = holdings.entries(scope, &keys, Level::Series, &mut whatever)?;
    let found = found.unwrap_or_default();
    let domains: BTreeSet<_> = found.iter().map(|entry| entry.domain()).collect();
    if keys.uids(tags::STUDY_INSTANCE_UID).is_none() && domains.len() > 1 {
        return Err(SEVERAL_ISSUERS);
    }
    Ok(found)
}

/// Of what is known, what was asked for. What could be known and is not, is there without a value (PS3.4 section C.4.1.1.3.2).
fn reduced(known: &DataSet, identifier: &DataSet, level: Level) -> DataSet {
    let elements = known.elements().iter();
    let asked = elements.filter(|element| {
        identifier.element(element.tag).is_some()
            || element.tag == tags::SPECIFIC_CHARACTER_SET
            || element.tag == level.unique_key()
    });
    let mut said: DataSet = asked.cloned().collect();
    // Of series and instances every attribute before the pixels is known.
    let could_be_known = |tag: Tag| {
        tag.element() != 0
            && tag != tags::SPECIFIC_CHARACTER_SET
            && (level > Level::Study || is_of_study(tag))
    };
    for key in identifier.elements() {
        if known.element(key.tag).is_none() && could_be_known(key.tag) {
            said.put(Element {
                tag: key.tag,
                vr: key.vr,
                value: match key.vr {
                    VR::SQ => Value::Items(Vec::new()),
                    _ => Value::Bytes(Vec::new()),
                },
            });
        }
    }
    said
}

/// An object that is to be sent as it is stored; it is looked into when its turn comes near.
struct Stored {
    holdings: Holdings,
    instance: Instance,
    transfer_syntax: OnceCell<String>,
}

impl Stored {
    fn new(holdings: Holdings, instance: Instance) -> Stored {
        Stored {
            holdings,
            instance,
            transfer_syntax: OnceCell::new(),
        }
    }

    /// Its head, and what follows: its data set.
    fn opened(&self) -> io::Result<(ObjectHead, OpenedObject)> {
        let opened = self.holdings.open(&self.instance);
        let mut object = opened
            .map_err(io::Error::other)?
            .ok_or(ErrorKind::NotFound)?;
        let head = ObjectHead::read(&mut object)?.ok_or(ErrorKind::InvalidData)?;
        Ok((head, object))
    }
}

impl Outgoing for Stored {
    fn sop_class(&self) -> &str {
        &self.instance.sop_class
    }

    fn sop_instance(&self) -> &str {
        &self.instance.sop_instance
    }

    fn study(&self) -> Option<&str> {
        Some(&self.instance.study)
    }

    /// An object that cannot be read has none, and fails when it is sent.
    fn transfer_syntax(&self) -> &str {
        self.transfer_syntax.get_or_init(|| {
            let opened = self.opened();
            opened.map_or_else(|_| String::new(), |(head, _)| head.transfer_syntax)
        })
    }

    fn open(&mut self) -> io::Result<Box<dyn Read + Send + '_>> {
        self.opened()
            .map(|(_, object)| Box::new(object) as Box<dyn Read + Send>)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::{Explain, assert_explained};

    #[test]
    fn only_what_was_asked_for_is_said() {
        let mut known = DataSet::default();
        for tag in [tags::PATIENT_ID, tags::STUDY_DATE] {
            known.put_text(tag, VR::LO, "X ");
        }
        known.put_text(tags::STUDY_INSTANCE_UID, VR::UI, "1.2");
        known.put_text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192");
        let mut asked = DataSet::default();
        asked.put_text(tags::STUDY_DATE, VR::DA, "");
        asked.put_text(tags::STUDY_ID, VR::SH, "");
        asked.put_text(tags::BODY_PART_EXAMINED, VR::CS, "");
        let said = reduced(&known, &asked, Level::Study);
        let tags: Vec<Tag> = said.elements().iter().map(|element| element.tag).collect();
        assert_eq!(
            tags,
            [
                tags::SPECIFIC_CHARACTER_SET,
                tags::STUDY_DATE,
                tags::STUDY_INSTANCE_UID,
                // It could be known, and is not.
                tags::STUDY_ID,
            ]
        );
        assert_eq!(said.bytes(tags::STUDY_ID), Some(&b""[..]));
        // What is not known of any study is left out, and said to be so by the status.
        assert!(said.element(tags::BODY_PART_EXAMINED).is_none());
        let of_series = reduced(&known, &asked, Level::Series);
        let empty = Some(&b""[..]);
        assert_eq!(of_series.bytes(tags::BODY_PART_EXAMINED), empty);
    }

    #[test]
    fn failures_are_told_in_both_languages() {
        let all = [TOO_MANY_KEYS, SEVERAL_ISSUERS, UNREADABLE, TOO_MANY_OBJECTS];
        assert_explained(all.iter().map(|failure| failure as &dyn Explain));
        assert!(all.iter().all(|failure| failure.comment().is_some()));
    }
}
