//! What studies are mostly looked for by, of all of them in one piece of memory: names, IDs, accession numbers, modalities.
//! Reading through it costs less than going to every study. Holds patient data: no `Debug`.

use std::sync::Arc;

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use memchr::memmem;

use super::entry::Entry;
use crate::dicom::charset::matching::BOUND;
use crate::dicom::matching::{Subject, texts};

/// Whose values the words are.
pub(super) const WORDS: [Tag; 4] = [tags::PATIENT_NAME, TEXTS[0], TEXTS[1], TEXTS[2]];
const TEXTS: [Tag; 3] = [
    tags::PATIENT_ID,
    tags::ACCESSION_NUMBER,
    tags::MODALITIES_IN_STUDY,
];

/// Places that nothing stands in any more, beyond as many as there are studies, before all is written anew.
const IDLE: usize = 1024;

/// The words of all studies.
#[derive(Default)]
pub(super) struct Words {
    text: String,
    /// Where the words of each study begin, and whose they are; nobody's once it is gone.
    places: Vec<(usize, Option<Arc<Entry>>)>,
    gone: usize,
}

/// Where the words of a study stand.
#[derive(Clone, Copy)]
pub(super) struct Place(usize);

impl Words {
    /// Writes down the words of a study that is not here.
    pub(super) fn add(&mut self, entry: &Arc<Entry>) -> Place {
        let words = of(entry);
        if self.text.capacity() - self.text.len() < words.len() {
            // Not to twice as much: that would be megabytes of nothing.
            self.text.reserve_exact(words.len() + self.text.len() / 8);
        }
        self.places.push((self.text.len(), Some(Arc::clone(entry))));
        self.text.push_str(&words);
        Place(self.places.len() - 1)
    }

    /// Puts a study where another state of it was.
    pub(super) fn replace(&mut self, place: Place, entry: &Arc<Entry>) -> Place {
        if self.text.get(self.range(place)) == Some(of(entry).as_str()) {
            self.set(place, Some(Arc::clone(entry)));
            return place;
        }
        self.forget(place);
        self.add(entry)
    }

    /// Forgets a study.
    pub(super) fn forget(&mut self, place: Place) {
        self.set(place, None);
        self.gone += 1;
    }

    /// Whether more is idle than in use: then it is time to write all anew.
    pub(super) fn are_mostly_idle(&self) -> bool {
        self.gone > self.places.len() / 2 + IDLE
    }

    /// The studies one of whose words holds this text, and possibly others; nothing where they are more than `most`.
    pub(super) fn holding(&self, text: &str, most: usize) -> Option<Vec<&Arc<Entry>>> {
        let finder = memmem::Finder::new(text);
        let mut found = Vec::new();
        let mut from = 0;
        while let Some(at) = finder.find(self.text.as_bytes().get(from..)?) {
            let place = self
                .places
                .partition_point(|(begin, _)| *begin <= from + at)
                .checked_sub(1)?;
            found.extend(self.places.get(place).and_then(|(_, entry)| entry.as_ref()));
            if found.len() > most {
                return None;
            }
            from = self.range(Place(place)).end;
        }
        Some(found)
    }

    /// Number of places.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    fn range(&self, Place(place): Place) -> std::ops::Range<usize> {
        let begin = |place: usize| {
            self.places
                .get(place)
                .map_or(self.text.len(), |(at, _)| *at)
        };
        begin(place)..begin(place + 1)
    }

    fn set(&mut self, Place(place): Place, entry: Option<Arc<Entry>>) {
        if let Some((_, known)) = self.places.get_mut(place) {
            *known = entry;
        }
    }
}

/// The words of one study, as keys are compared with them.
fn of(entry: &Entry) -> String {
    let mut words = String::from(BOUND);
    for group in entry.folded_name(tags::PATIENT_NAME).unwrap_or_default() {
        words.push_str(group);
        words.push(BOUND);
    }
    for tag in TEXTS {
        for text in texts(entry, tag) {
            words.push_str(text.trim_matches(' '));
            words.push(BOUND);
        }
    }
    words
}
