//! The headers of one series, out of what is kept of them or out of its objects. An object that cannot be read costs
//! itself and nothing else.

use dokuei_keys::id::{ParcelId, SiteId};

use super::answers;
use super::catalogue::Entry;
use super::complaints::Complaint;
use super::headers::{Gaps, Kind, NotedSeries, Pressed, SeriesPlace};
use super::holdings::{FindError, Holdings};
use crate::parcels::OpenError;

/// Objects that an answer does not show as they should be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lacking {
    /// Given in short: their headers cannot be shown.
    pub short: usize,
    /// Left out: they cannot be read.
    pub left_out: usize,
}

impl Lacking {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Lacking) -> Lacking {
        Lacking {
            short: self.short + other.short,
            left_out: self.left_out + other.left_out,
        }
    }

    /// Whether nothing is lacking.
    #[must_use]
    pub fn is_nothing(self) -> bool {
        self == Lacking::default()
    }
}

impl Holdings {
    /// The pressed headers of a series in one parcel: kept ones, or read now, and kept when the parcel
    /// takes no more.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) fn pressed(
        &self,
        institution: SiteId,
        place: (ParcelId, u16),
        kind: Kind,
    ) -> Result<Pressed, FindError> {
        let (parcel, series) = place;
        let key = match self.key(&parcel) {
            Ok(Some(key)) => key,
            Ok(None) => return Ok(Pressed::default()),
            Err(error @ OpenError::Damaged) => {
                let noted = self.noted(place).map(|(noted, _)| noted.objects);
                let objects = noted.unwrap_or_default().into_iter();
                let slots = objects.map(|object| object.slot).collect();
                return Ok(self.told(place, Pressed::unreadable(slots, error)));
            }
            Err(error) => return Err(error.into()),
        };
        let at = SeriesPlace {
            parcels: self.0.register.parcels(),
            parcel,
            site: institution,
            key: &key,
            series,
        };
        if let Some(kept) = at.kept(kind) {
            return Ok(self.told(place, kept));
        }
        // Asked before: what is whole now was noted whole, while what becomes whole meanwhile was not.
        let was_whole = self.0.granted.is_whole(&parcel);
        let Some((noted, is_closed)) = self.noted(place) else {
            return Ok(Pressed::default());
        };
        let headers = at.read(&noted)?;
        // What was removed while it was read is not missing: its time here is over.
        if headers.why.is_some() && matches!(self.key(&parcel), Ok(None)) {
            return Ok(Pressed::default());
        }
        // Of a study that still arrives there will be more.
        if (is_closed || was_whole)
            && let Err(error) = at.keep(&headers)
        {
            tracing::warn!(target: "dokuei::index", "headers are not kept and will be read again: {error}");
        }
        Ok(self.told(place, headers.of(kind)))
    }

    /// Writes the headers of a closed study where they are not written; of one that is not here, nothing.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) fn prepare(&self, parcel: &ParcelId) -> Result<(), FindError> {
        let granted = self.0.granted.case_of(parcel).map(|(_, from)| from);
        let institution = granted.unwrap_or(self.0.site);
        let series = self.look(parcel, |study| study.series.len());
        let numbers = (0..u16::MAX).take(series.unwrap_or_default());
        for number in numbers {
            self.pressed(institution, (*parcel, number), Kind::DataSets)?;
        }
        Ok(())
    }

    /// What was noted of a series when it came, and whether its parcel is closed; none when it is not here.
    pub(super) fn noted(&self, (parcel, series): (ParcelId, u16)) -> Option<(NotedSeries, bool)> {
        self.look(&parcel, |study| {
            let objects = study.objects.iter();
            let of_series = objects.filter(|object| object.series == series);
            let mut objects: Vec<_> = of_series.cloned().collect();
            objects.sort_by_key(|object| (object.number, object.slot));
            let noted = NotedSeries {
                objects,
                shared: answers::noted(study, series),
            };
            (noted, study.manifest.is_some())
        })
    }

    /// The same, after the log was told once of what is lacking.
    fn told(&self, place: (ParcelId, u16), pressed: Pressed) -> Pressed {
        let (parcel, series) = place;
        let is_new = |complaint| self.0.complaints.is_new(complaint, place);
        let Gaps { short, left_out } = &pressed.gaps;
        if !short.is_empty() && is_new(Complaint::Short) {
            let count = short.len();
            tracing::warn!(target: "dokuei::index", %parcel, series, count, "the headers of objects cannot be shown: what was noted when they came is given instead");
        }
        if let Some(error) = &pressed.why
            && is_new(Complaint::LeftOut)
        {
            let count = left_out.len();
            tracing::error!(target: "dokuei::index", %parcel, series, count, "objects cannot be read and are left out of searches and metadata: {error}");
        }
        pressed
    }
}

/// Where the series of a study lie: parcel and number in it, with their UIDs.
pub(super) fn places(entry: &Entry) -> impl Iterator<Item = ((ParcelId, u16), String)> + '_ {
    entry.parts.iter().flat_map(|part| {
        let numbered = (0..).zip(&part.series);
        numbered.map(|(number, series)| ((part.parcel, number), series.uid.to_string()))
    })
}
