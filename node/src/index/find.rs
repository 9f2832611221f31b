//! Answering queries.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use dicom_dictionary_std::tags;

use super::answers;
use super::catalogue::{Entry, Portion, Reach};
use super::headers::{Kind, Records, data_set};
use super::holdings::{FindError, Holdings, Level, places};
use crate::dicom::dataset::DataSet;
use crate::dicom::dimse::Looked;
use crate::dicom::matching::Keys;
use crate::entities::Scope;

/// Studies that a query is answered from at a time, and those that are looked at for them: some milliseconds.
const PORTION: Reach = Reach {
    found: 256,
    looked_at: 1024,
};

/// Objects that are looked at between two looks at whoever asks: some milliseconds.
const OBJECTS_AT_A_TIME: usize = 256;

/// Whoever is told the matches.
type Answer<'a> = dyn FnMut(Looked) -> ControlFlow<()> + 'a;

impl Holdings {
    /// Gives everything that is known of each match to `answer`, newest studies first, until that
    /// breaks off. Between matches, however few there are, it is told every few milliseconds that the search goes on.
    ///
    /// # Errors
    /// [`FindError`].
    pub fn find(
        &self,
        scope: &Scope,
        level: Level,
        keys: &Keys,
        answer: &mut Answer<'_>,
    ) -> Result<(), FindError> {
        let (of_study, below) = keys.clone().partition(answers::is_of_study);
        let is_of_few = of_study.uids(tags::STUDY_INSTANCE_UID).is_some() || is_by_id(&of_study);
        if level == Level::Patient || is_of_few {
            let Some(entries) = self.entries(scope, &of_study, level, answer)? else {
                return Ok(());
            };
            if level == Level::Patient {
                answers::patients(&entries, answer);
                return Ok(());
            }
            return self.answer_for(&entries, level, &below, answer).map(drop);
        }
        // In portions: whoever asks for a hundred of a hundred thousand waits for a hundred.
        let mut after: Option<Arc<Entry>> = None;
        loop {
            let wanted = |entry: &Entry| of_study.match_with(entry);
            let Portion { found, reached } =
                self.studies_after(after.as_ref(), scope, PORTION, wanted);
            if self.answer_for(&found, level, &below, answer)?.is_break()
                || reached.is_none()
                || answer(Looked::InVain).is_break()
            {
                return Ok(());
            }
            after = reached;
        }
    }

    /// Every study whose patient and study attributes match; none when `answer` breaks off.
    fn every_study(
        &self,
        scope: &Scope,
        keys: &Keys,
        answer: &mut Answer<'_>,
    ) -> Option<Vec<Arc<Entry>>> {
        let mut all = Vec::new();
        let mut after: Option<Arc<Entry>> = None;
        loop {
            let wanted = |entry: &Entry| keys.match_with(entry);
            let portion = self.studies_after(after.as_ref(), scope, PORTION, wanted);
            all.extend(portion.found);
            if portion.reached.is_none() {
                return Some(all);
            }
            if answer(Looked::InVain).is_break() {
                return None;
            }
            after = portion.reached;
        }
    }

    /// Answers with what matches in these studies.
    fn answer_for(
        &self,
        entries: &[Arc<Entry>],
        level: Level,
        below: &Keys,
        answer: &mut Answer<'_>,
    ) -> Result<ControlFlow<()>, FindError> {
        for entry in entries {
            let flow = match level {
                Level::Patient | Level::Study => answer(Looked::Match(answers::study(entry))),
                Level::Series => self.find_series(entry, below, answer)?,
                Level::Instance => self.find_instances(entry, below, answer)?,
            };
            if flow.is_break() {
                return Ok(flow);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The studies whose patient and study attributes match; none when `answer` breaks off. Below their own level one of
    /// each UID: what two institutions have of a study is never mixed.
    pub(super) fn entries(
        &self,
        scope: &Scope,
        keys: &Keys,
        level: Level,
        answer: &mut Answer<'_>,
    ) -> Result<Option<Vec<Arc<Entry>>>, FindError> {
        let uids = keys.uids(tags::STUDY_INSTANCE_UID);
        let mut found: Vec<Arc<Entry>> = match uids {
            Some(uids) => uids
                .iter()
                .flat_map(|uid| self.with_uid(scope, uid))
                .filter(|entry| keys.match_with(entry.as_ref()))
                .collect(),
            None => match self.every_study(scope, keys, answer) {
                Some(found) => found,
                None => return Ok(None),
            },
        };
        let domains = || {
            found
                .iter()
                .map(|entry| entry.domain())
                .collect::<BTreeSet<_>>()
        };
        // Patients are listed one by one, each with its issuer.
        let mixes = level > Level::Patient && uids.is_none() && is_by_id(keys);
        if mixes && domains().len() > 1 {
            return Err(FindError::SeveralIssuers);
        }
        if level > Level::Study {
            let mut seen = BTreeSet::new();
            found.retain(|entry| seen.insert(entry.key.uid.to_string()));
        }
        Ok(Some(found))
    }

    fn find_series(
        &self,
        entry: &Entry,
        keys: &Keys,
        answer: &mut Answer<'_>,
    ) -> Result<ControlFlow<()>, FindError> {
        for series in entry.series() {
            let listed = keys.uids(tags::SERIES_INSTANCE_UID);
            if listed.is_some_and(|uids| uids.iter().all(|uid| **uid != *series.uid)) {
                continue;
            }
            let first = self.first_header(entry, &series.uid)?;
            let known = answers::series(entry, &series, first.unwrap_or_default());
            // Each is read from the disk.
            let looked = match keys.match_with(&known) {
                true => Looked::Match(known),
                false => Looked::InVain,
            };
            if answer(looked).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn find_instances(
        &self,
        entry: &Entry,
        keys: &Keys,
        answer: &mut Answer<'_>,
    ) -> Result<ControlFlow<()>, FindError> {
        let listed = keys.uids(tags::SERIES_INSTANCE_UID);
        let mut seen = BTreeSet::new();
        for (place, series) in places(entry) {
            if listed.is_some_and(|uids| !uids.contains(&series)) {
                continue;
            }
            let pressed = self.pressed(entry.key.institution, place, Kind::DataSets)?;
            for (index, record) in Records::new(&pressed)?.enumerate() {
                if index % OBJECTS_AT_A_TIME == 0 && answer(Looked::InVain).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                let mut known = data_set(&record?.1)?;
                answers::put_said(&mut known, entry);
                let is_new = seen.insert(known.code(tags::SOP_INSTANCE_UID).to_owned());
                let is_match = is_new && keys.match_with(&known);
                if is_match && answer(Looked::Match(known)).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn first_header(&self, entry: &Entry, series: &str) -> Result<Option<DataSet>, FindError> {
        for (place, _) in places(entry).filter(|(_, uid)| uid == series) {
            let pressed = self.pressed(entry.key.institution, place, Kind::DataSets)?;
            if let Some(record) = Records::new(&pressed)?.next() {
                return Ok(Some(data_set(&record?.1)?));
            }
        }
        Ok(None)
    }
}

/// Whether a query names a patient by an ID alone, which may be several people's.
fn is_by_id(keys: &Keys) -> bool {
    keys.is_exact(tags::PATIENT_ID) && !keys.constrain_by(tags::ISSUER_OF_PATIENT_ID)
}
