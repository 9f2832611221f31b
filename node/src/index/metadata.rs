//! Metadata of a selection: what is lacking of it is known before the first byte of an answer.

use std::collections::BTreeMap;
use std::io;

use dokuei_keys::id::{ParcelId, SiteId};

use super::headers::{Kind, Pressed};
use super::holdings::{FindError, Holdings, Instance, Selection};
use super::series::Lacking;
use crate::dicom::dataset::json;
use crate::entities::Scope;

/// Pressed bytes that are held between counting and writing: of a thousand slices these are some 100 KiB. What is more is
/// opened a second time instead.
const HELD_BYTES: usize = 16 * 1024 * 1024;

/// The metadata of a selection, ready to be written.
pub struct Metadata {
    holdings: Holdings,
    institution: SiteId,
    study: String,
    series: Vec<SeriesMetadata>,
    lacking: Lacking,
}

/// What of a series is asked for.
struct SeriesMetadata {
    place: (ParcelId, u16),
    uid: String,
    /// Slots and UIDs of its objects.
    wanted: BTreeMap<u32, String>,
    /// None when it is read again.
    pressed: Option<Pressed>,
}

impl Holdings {
    /// The metadata of a selection; none when nothing of it is here.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn metadata(
        &self,
        scope: &Scope,
        selection: &Selection,
    ) -> Result<Option<Metadata>, FindError> {
        let Some(entry) = self.with_uid(scope, &selection.study).into_iter().next() else {
            return Ok(None);
        };
        let mut of_series: BTreeMap<(ParcelId, u16), Vec<Instance>> = BTreeMap::new();
        for instance in self.selected(&entry, selection) {
            let place = (instance.parcel, instance.series_number);
            of_series.entry(place).or_default().push(instance);
        }
        if of_series.is_empty() {
            return Ok(None);
        }
        let institution = entry.key.institution;
        let (mut series, mut lacking, mut held) = (Vec::new(), Lacking::default(), 0);
        let oldest_first = |parcel: &ParcelId| {
            let mut parts = entry.parts.iter();
            parts.position(|part| part.parcel == *parcel)
        };
        let mut of_series: Vec<_> = of_series.into_iter().collect();
        of_series.sort_by_key(|((parcel, number), _)| (oldest_first(parcel), *number));
        for (place, instances) in of_series {
            // The series' number says so only as long as the study is whole, or is not.
            let uid = instances.first().map(|one| one.series.clone());
            let uid = uid.unwrap_or_default();
            let wanted = instances.into_iter();
            let wanted: BTreeMap<u32, String> = wanted
                .map(|instance| (instance.slot, instance.sop_instance))
                .collect();
            let pressed = self.pressed(institution, place, Kind::Metadata)?;
            let count = |slots: &[u32]| {
                slots
                    .iter()
                    .filter(|slot| wanted.contains_key(slot))
                    .count()
            };
            lacking = lacking.and(Lacking {
                short: count(&pressed.gaps.short),
                left_out: count(&pressed.gaps.left_out),
            });
            held += pressed.bytes();
            series.push(SeriesMetadata {
                place,
                uid,
                wanted,
                pressed: (held <= HELD_BYTES).then_some(pressed),
            });
        }
        Ok(Some(Metadata {
            holdings: self.clone(),
            institution,
            study: selection.study.clone(),
            series,
            lacking,
        }))
    }
}

impl Metadata {
    /// What is lacking of it.
    pub fn lacking(&self) -> Lacking {
        self.lacking
    }

    /// Whether none of its objects can be read.
    pub fn is_unreadable(&self) -> bool {
        let wanted: usize = self.series.iter().map(|series| series.wanted.len()).sum();
        wanted == self.lacking.left_out
    }

    /// Writes it, one JSON object after another with commas between. `base` stands in front of `/studies/…` in its URIs.
    /// Returns how many objects there were.
    ///
    /// # Errors
    /// When the store cannot be read, or `out` takes no more.
    pub fn write(self, base: &str, out: &mut dyn io::Write) -> Result<usize, FindError> {
        let mut written = 0;
        for SeriesMetadata {
            place,
            uid,
            wanted,
            pressed,
        } in self.series
        {
            let pressed = match pressed {
                Some(pressed) => pressed,
                None => self
                    .holdings
                    .pressed(self.institution, place, Kind::Metadata)?,
            };
            for record in pressed.records()? {
                let (slot, text) = record?;
                let Some(own) = wanted.get(&slot) else {
                    continue;
                };
                if written > 0 {
                    out.write_all(b",")?;
                }
                let study = &self.study;
                let uri = format!("{base}/studies/{study}/series/{uid}/instances/{own}");
                put_based(&text, &uri, out)?;
                written += 1;
            }
        }
        Ok(written)
    }
}

/// Writes a JSON object with `uri` in the place of [`json::BASE`].
fn put_based(text: &[u8], uri: &str, out: &mut dyn io::Write) -> io::Result<()> {
    let mut pieces = text.split(|byte| *byte == json::BASE);
    out.write_all(pieces.next().unwrap_or_default())?;
    for piece in pieces {
        out.write_all(uri.as_bytes())?;
        out.write_all(piece)?;
    }
    Ok(())
}
