//! The check before sending (検像): what can be told from the headers of a study. What follows from it is
//! [`dokuei_protocol::case::check`]'s to say.

mod completeness;
mod region;
mod request;
mod spacing;
mod words;

use std::collections::BTreeMap;

use dokuei_protocol::case::check::{Check, Concern};
use dokuei_protocol::study::manifest::ObjectClass;

use crate::language::Message;
use crate::studies::seen::Text;
use crate::studies::study::{Series, Study, StudyObject};

pub use region::Region;
pub use request::Wanted;
pub use words::{concern, verdict};

/// Places that are named one by one: more are a broken export, and are counted.
const REMARKS: usize = 50;

/// What is known beside the headers.
#[derive(Clone, Copy, Default)]
pub struct Circumstances {
    /// Patients that images of the study name, when they contradict each other; otherwise zero.
    pub patients: u32,
    /// Whether nobody has decided yet which patient it is of.
    pub is_undecided: bool,
    /// Objects that came under the UID of another one with other content.
    pub conflicts: u32,
}

/// What a check saw. Holds no patient data.
#[derive(Clone, Default)]
pub struct Observed {
    /// In classes and counts.
    pub check: Check,
    /// In places: the first [`REMARKS`].
    pub remarks: Vec<Remark>,
}

/// One place that somebody should look at.
#[derive(Clone)]
pub struct Remark {
    /// What it is about.
    pub concern: Concern,
    /// Series Number (0020,0011), when there is one and it is about one series.
    pub series: Option<i32>,
    /// The place.
    pub place: Message,
}

impl Observed {
    fn found(&mut self, concern: Concern, count: usize) {
        self.check
            .found(concern, u32::try_from(count).unwrap_or(u32::MAX));
    }

    fn remark(&mut self, concern: Concern, series: Option<i32>, place: Message) {
        if self.remarks.len() < REMARKS {
            self.remarks.push(Remark {
                concern,
                series,
                place,
            });
        }
    }
}

/// One series with its objects from every part of the study.
struct Whole<'a> {
    series: &'a Series,
    objects: Vec<&'a StudyObject>,
}

impl Whole<'_> {
    /// Its images, localizers and documents apart.
    fn images(&self) -> impl Iterator<Item = &StudyObject> {
        let objects = self.objects.iter().copied();
        objects.filter(|object| object.class == ObjectClass::Image)
    }
}

/// Looks through a study, all of whose parts are given: what a reader needs is the whole. Parts that are removed
/// hold no objects; without them nothing can be said to be missing.
pub fn observe(parts: &[Study], wanted: &Wanted, circumstances: Circumstances) -> Observed {
    let mut observed = Observed::default();
    let mut by_uid: BTreeMap<&str, Whole<'_>> = BTreeMap::new();
    for part in parts {
        for object in &part.objects {
            let Some(series) = part.series.get(usize::from(object.series)) else {
                continue;
            };
            let whole = by_uid.entry(&series.uid).or_insert_with(|| Whole {
                series,
                objects: Vec::new(),
            });
            whole.objects.push(object);
        }
    }
    let mut all: Vec<Whole<'_>> = by_uid.into_values().collect();
    all.sort_by_key(|whole| whole.series.number);
    observed.found(Concern::SeveralPatients, circumstances.patients as usize);
    observed.found(
        Concern::PatientUndecided,
        usize::from(circumstances.is_undecided),
    );
    observed.found(
        Concern::ConflictingObjects,
        circumstances.conflicts as usize,
    );
    if parts.iter().all(|part| part.removed.is_none()) {
        spacing::look(&all, &mut observed);
        completeness::look(&all, &mut observed);
    }
    wanted.look(&all, &mut observed);
    look_for_text(&all, &mut observed);
    let unseen = all.iter().flat_map(|whole| &whole.objects);
    let unseen = unseen.filter(|object| object.seen.is_none()).count();
    observed.found(Concern::NotExamined, unseen);
    observed
}

fn look_for_text(all: &[Whole<'_>], observed: &mut Observed) {
    let objects = all.iter().flat_map(|whole| &whole.objects);
    for text in objects.filter_map(|object| object.seen.as_ref()?.text) {
        let concern = match text {
            Text::Declared => Concern::TextDeclared,
            Text::Screen => Concern::TextOnScreen,
            Text::Film => Concern::TextOnFilm,
            Text::Document => Concern::TextInDocument,
            Text::Likely => Concern::TextLikely,
        };
        observed.found(concern, 1);
    }
}

#[cfg(test)]
mod tests;
