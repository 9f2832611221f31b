//! What is known of a study while its objects arrive in any order: of each object a few hundred bytes,
//! so that memory does not depend on how large its headers are.

use std::collections::BTreeMap;

use dokuei_keys::id::{Digest, ParcelId};
use dokuei_protocol::study::manifest::ManifestEntry;

use crate::dicom::header::Header;
use crate::parcels::SealedObject;
use crate::studies::study::{Series, Study, StudyObject};

/// The objects of one study that were verified, by position in the manifest.
pub(crate) struct Gathered {
    parcel: ParcelId,
    uid: Option<String>,
    objects: BTreeMap<usize, StudyObject>,
    /// Series by UID: its number in `series`.
    numbers: BTreeMap<String, u16>,
    /// The series as the first of its objects describes it, and where that one is.
    series: Vec<(usize, Series)>,
    /// The first object so far, as a study of nothing else, for its attributes.
    first: Option<(usize, Study)>,
}

impl Gathered {
    /// Nothing yet.
    pub(crate) fn new(parcel: ParcelId) -> Gathered {
        Gathered {
            parcel,
            uid: None,
            objects: BTreeMap::new(),
            numbers: BTreeMap::new(),
            series: Vec::new(),
            first: None,
        }
    }

    /// Whether an object is of the study that the first object was of.
    pub(crate) fn is_of_it(&self, header: &Header) -> bool {
        let uid = self.uid.as_deref();
        uid.is_none_or(|uid| uid == header.study().as_str())
    }

    /// Adds an object. `content` is the BLAKE3 of its data set.
    pub(crate) fn add(
        &mut self,
        position: usize,
        entry: &ManifestEntry,
        header: &Header,
        content: Digest,
    ) {
        self.uid
            .get_or_insert_with(|| header.study().as_str().to_owned());
        let mut alone = Study::begun(self.parcel, header.study().as_str(), 0);
        let sealed = SealedObject {
            length: entry.length,
            digest: entry.digest,
        };
        alone.add(header, entry.slot, sealed, content, 0);
        if let (Some(mut object), Some(series)) = (alone.objects.pop(), alone.series.pop()) {
            object.series = self.number(position, series);
            self.objects.insert(position, object);
        }
        if self.first.as_ref().is_none_or(|(at, _)| position < *at) {
            self.first = Some((position, alone));
        }
    }

    fn number(&mut self, position: usize, series: Series) -> u16 {
        match self.numbers.get(&series.uid) {
            Some(number) => {
                let (first, known) = &mut self.series[usize::from(*number)];
                if position < *first {
                    *first = position;
                    *known = series;
                }
                *number
            }
            None => {
                let number = self.series.len() as u16;
                self.numbers.insert(series.uid.clone(), number);
                self.series.push((position, series));
                number
            }
        }
    }

    /// The study, as it would be had its objects come in the order of the manifest; none when nothing
    /// has come.
    pub(crate) fn study(self, at: u64) -> Option<Study> {
        let (_, mut study) = self.first?;
        let mut order: Vec<usize> = (0..self.series.len()).collect();
        order.sort_by_key(|number| self.series[*number].0);
        let mut places = vec![0u16; order.len()];
        for (place, number) in order.iter().enumerate() {
            places[*number] = place as u16;
        }
        let series = order.iter().map(|number| self.series[*number].1.clone());
        study.series = series
            .map(|series| Series {
                objects: 0,
                ..series
            })
            .collect();
        for mut object in self.objects.into_values() {
            object.series = places[usize::from(object.series)];
            study.series[usize::from(object.series)].objects += 1;
            study.objects.push(object);
        }
        (study.first_at, study.last_at) = (at, at);
        Some(study)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dicom::part10::scan_file;
    use dokuei_keys::id::ObjectDigest;
    use dokuei_protocol::study::manifest::ObjectClass;

    const FILES: [&[u8]; 3] = [
        include_bytes!("../../../tests/fixtures/ct-3slice/01.dcm"),
        include_bytes!("../../../tests/fixtures/ct-3slice/02.dcm"),
        include_bytes!("../../../tests/fixtures/ct-3slice/03.dcm"),
    ];

    fn gathered(order: [usize; 3]) -> Study {
        let mut gathered = Gathered::new(ParcelId::from_bytes([1; 32]));
        for position in order {
            let header = scan_file(FILES[position], None).unwrap().header;
            assert!(gathered.is_of_it(&header));
            let entry = ManifestEntry {
                slot: position as u32 + 7,
                length: 5,
                digest: ObjectDigest::from_bytes([position as u8; 32]),
                series: 0,
                class: ObjectClass::Image,
            };
            gathered.add(position, &entry, &header, Digest::of(FILES[position]));
        }
        gathered.study(99).unwrap()
    }

    #[test]
    fn the_order_of_arrival_makes_no_difference() {
        let mut expected: Option<Study> = None;
        for (position, file) in FILES.into_iter().enumerate() {
            let header = scan_file(file, None).unwrap().header;
            let study = expected.get_or_insert_with(|| {
                Study::begun(ParcelId::from_bytes([1; 32]), header.study().as_str(), 99)
            });
            let sealed = SealedObject {
                length: 5,
                digest: ObjectDigest::from_bytes([position as u8; 32]),
            };
            study.add(&header, position as u32 + 7, sealed, Digest::of(file), 99);
        }
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
            assert!(expected == Some(gathered(order)), "{order:?}");
        }
    }
}
