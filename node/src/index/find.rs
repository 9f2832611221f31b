//! Answering queries.

use std::collections::BTreeSet;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

use dicom_dictionary_std::tags;
use dokuei_keys::id::ParcelId;

use super::answers;
use super::catalogue::{Entry, Portion, Reach, Stretch};
use super::headers::{Kind, Pressed, data_set};
use super::holdings::{FindError, Holdings, Level};
use super::series::{Lacking, places};
use super::words::WORDS;
use crate::dicom::dataset::DataSet;
use crate::dicom::matching::Keys;
use crate::entities::Scope;

/// Studies that a query is answered from at a time, and those that are looked at for them: some milliseconds.
const PORTION: Reach = Reach {
    found: 256,
    looked_at: 1024,
};

/// Objects that are looked at between two looks at whoever asks: some milliseconds.
const OBJECTS_AT_A_TIME: usize = 256;

/// What a query finds.
pub enum Found<'a> {
    /// A match: everything that is known of it, and the study that it is of; none for a patient.
    Match(DataSet, Option<&'a Entry>),
    /// So many objects are not shown as they should be, or not at all. The log knows which.
    Lacking(Lacking),
    /// Nothing for a while: whoever does not wait any more can break off.
    InVain,
}

/// Who takes what is found, until it breaks off.
pub type Answer<'a> = dyn FnMut(Found<'_>) -> ControlFlow<()> + 'a;

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
                answers::patients(&entries, &mut |patient| answer(Found::Match(patient, None)));
                return Ok(());
            }
            return self.answer_for(&entries, level, &below, answer).map(drop);
        }
        if let Some(entries) = self.studies_of_few(scope, &of_study) {
            return self.answer_for(&entries, level, &below, answer).map(drop);
        }
        self.in_portions(scope, &of_study, answer, |found, answer| {
            self.answer_for(&found, level, &below, answer)
        })
        .map(drop)
    }

    /// Gives the studies that match to `take`, newest first, in portions: whoever asks for a hundred of a hundred thousand
    /// waits for a hundred. Ends when that or `answer`, which is told between them, breaks off.
    fn in_portions(
        &self,
        scope: &Scope,
        keys: &Keys,
        answer: &mut Answer<'_>,
        mut take: impl FnMut(Vec<Arc<Entry>>, &mut Answer<'_>) -> Result<ControlFlow<()>, FindError>,
    ) -> Result<ControlFlow<()>, FindError> {
        let days = keys.days(tags::STUDY_DATE).unwrap_or(Stretch::ANY);
        let mut after: Option<Arc<Entry>> = None;
        loop {
            let stretch = Stretch {
                after: after.as_ref(),
                days: days.clone(),
                reach: PORTION,
            };
            let wanted = |entry: &Entry| keys.match_with(entry);
            let Portion { found, reached } = self.studies_of(&stretch, scope, wanted);
            let flow = take(found, answer)?;
            if flow.is_break() || reached.is_none() {
                return Ok(flow);
            }
            if answer(Found::InVain).is_break() {
                return Ok(ControlFlow::Break(()));
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
    ) -> Result<Option<Vec<Arc<Entry>>>, FindError> {
        let mut all = Vec::new();
        let flow = self.in_portions(scope, keys, answer, |found, _| {
            all.extend(found);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(flow.is_continue().then_some(all))
    }

    /// The studies that match, where a key says so much of a name, number or modality that few can.
    fn studies_of_few(&self, scope: &Scope, keys: &Keys) -> Option<Vec<Arc<Entry>>> {
        let wanted = |entry: &Entry| keys.match_with(entry);
        let mut texts = keys.certain_texts(&WORDS).into_iter();
        texts.find_map(|text| self.studies_holding(&text, scope, wanted))
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
                Level::Patient | Level::Study => {
                    answer(Found::Match(answers::study(entry), Some(entry)))
                }
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
            None => match self.studies_of_few(scope, keys) {
                Some(found) => found,
                None => match self.every_study(scope, keys, answer)? {
                    Some(found) => found,
                    None => return Ok(None),
                },
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
            let known = answers::series(entry, &series, first);
            // Each is read from the disk.
            let found = match keys.match_with(&known) {
                true => Found::Match(known, Some(entry)),
                false => Found::InVain,
            };
            if answer(found).is_break() {
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
            let left_out = self.asked_for(place, keys, &pressed.gaps.left_out);
            let mut flow = lacking(0, left_out, answer);
            for (index, record) in headers(&pressed).enumerate() {
                if flow.is_continue() && index % OBJECTS_AT_A_TIME == 0 {
                    flow = answer(Found::InVain);
                }
                if flow.is_break() {
                    return Ok(flow);
                }
                let Ok((slot, mut known)) = record else {
                    // One at the least: what comes behind it is not found either.
                    flow = lacking(0, 1, answer);
                    break;
                };
                answers::put_said(&mut known, entry);
                let is_new = seen.insert(known.code(tags::SOP_INSTANCE_UID).to_owned());
                if is_new && keys.match_with(&known) {
                    let short = usize::from(pressed.gaps.short.contains(&slot));
                    flow = lacking(short, 0, answer);
                    if flow.is_continue() {
                        flow = answer(Found::Match(known, Some(entry)));
                    }
                }
            }
            if flow.is_break() {
                return Ok(flow);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// How many of the objects in these slots a query may ask for.
    fn asked_for(&self, place: (ParcelId, u16), keys: &Keys, slots: &[u32]) -> usize {
        match keys.uids(tags::SOP_INSTANCE_UID) {
            Some(uids) if !slots.is_empty() => {
                let noted = self.noted(place).map(|(noted, _)| noted.objects);
                let objects = noted.unwrap_or_default().into_iter();
                let asked = objects
                    .filter(|one| slots.contains(&one.slot) && uids.contains(&one.sop_instance));
                asked.count()
            }
            Some(_) | None => slots.len(),
        }
    }

    /// What the first object of a series says that can be shown; else what was noted of the series when it came.
    fn first_header(&self, entry: &Entry, series: &str) -> Result<DataSet, FindError> {
        let mut noted = None;
        for (place, _) in places(entry).filter(|(_, uid)| uid == series) {
            let pressed = self.pressed(entry.key.institution, place, Kind::DataSets)?;
            let is_whole = |(slot, _): &(u32, DataSet)| !pressed.gaps.short.contains(slot);
            if let Some((_, header)) = headers(&pressed).map_while(Result::ok).find(is_whole) {
                return Ok(header);
            }
            noted = noted.or_else(|| self.noted(place));
        }
        Ok(noted.map(|(noted, _)| noted.shared).unwrap_or_default())
    }
}

/// Tells of what is lacking, if anything is.
fn lacking(short: usize, left_out: usize, answer: &mut Answer<'_>) -> ControlFlow<()> {
    let lacking = Lacking { short, left_out };
    match lacking.is_nothing() {
        true => ControlFlow::Continue(()),
        false => answer(Found::Lacking(lacking)),
    }
}

/// The headers in pressed records, each with its object's slot.
fn headers(pressed: &Pressed) -> impl Iterator<Item = io::Result<(u32, DataSet)>> {
    let (records, broken) = match pressed.records() {
        Ok(records) => (Some(records), None),
        Err(error) => (None, Some(Err(error))),
    };
    let read = |record: io::Result<(u32, Vec<u8>)>| {
        let (slot, record) = record?;
        Ok((slot, data_set(&record)?))
    };
    records.into_iter().flatten().map(read).chain(broken)
}

/// Whether a query names a patient by an ID alone, which may be several people's.
fn is_by_id(keys: &Keys) -> bool {
    keys.is_exact(tags::PATIENT_ID) && !keys.constrain_by(tags::ISSUER_OF_PATIENT_ID)
}
