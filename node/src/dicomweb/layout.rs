//! Where the frames of an object lie, remembered: a viewer asks for one frame after the other, and the header of an object
//! with many frames has some megabytes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dokuei_keys::id::ParcelId;

use super::headed::Headed;
use crate::dicom::scanner::TransferSyntax;
use crate::index::holdings::Instance;
use crate::transcoding::ranges::{self, Range, RangeError, Ranges};

/// Bytes of all layouts that are remembered: those of a hundred objects with a thousand fragments each, and of every slice of
/// some studies.
const BYTES: usize = 8 * 1024 * 1024;
/// Layouts that are remembered. The one that was not used for longest makes room, and all are looked through for it.
const LAYOUTS: usize = 2_048;
/// Frames of an object whose layout is made whole: what an image of a whole slide has more is found anew each time, lest an
/// object of empty fragments makes this node hold some hundred bytes for each.
const FRAMES: u32 = 65_536;
/// Bytes of one without its ranges, and of its place in the map.
const EMPTY_BYTES: usize = 512;

/// Where the frames of one object lie, as they are kept.
pub(super) struct Layout {
    pub syntax: TransferSyntax,
    /// In which groups bytes are turned around to be little endian.
    pub swap: usize,
    frames: Frames,
}

enum Frames {
    /// One after the other: the first of them, how many there are, and where the value ends.
    Native { first: Range, count: u32, end: u64 },
    /// Each in its fragments.
    Encapsulated(Vec<Ranges>),
    /// Likewise, of too many those that were asked for.
    Asked(BTreeMap<u32, Ranges>),
}

impl Layout {
    /// Reads where the frames of an object lie whose header was read, at least those of these numbers.
    ///
    /// # Errors
    /// [`RangeError`].
    pub(super) fn read(headed: &mut Headed, numbers: &[u32]) -> Result<Layout, RangeError> {
        let swap = ranges::swap_width(&headed.header, headed.encoding());
        let place = ranges::pixels(&headed.header).ok_or(RangeError::None)?;
        let (plain, header) = (&mut headed.plain, &headed.header);
        let frames = match place.length {
            Some(length) => {
                let first = ranges::frames(plain, header, Some(&[1]))?;
                let first = first.first().and_then(|ranges| ranges.first());
                Frames::Native {
                    first: *first.ok_or(RangeError::None)?,
                    count: ranges::frame_count(header),
                    end: place.offset.saturating_add(length),
                }
            }
            None if ranges::frame_count(header) > FRAMES => {
                let found = ranges::frames(plain, header, Some(numbers))?;
                Frames::Asked(numbers.iter().copied().zip(found).collect())
            }
            None => Frames::Encapsulated(ranges::frames(plain, header, None)?),
        };
        Ok(Layout {
            syntax: headed.syntax.clone(),
            swap,
            frames,
        })
    }

    /// The bytes of a frame, counted from 1.
    ///
    /// # Errors
    /// [`RangeError`].
    pub(super) fn ranges(&self, number: u32) -> Result<Ranges, RangeError> {
        let before = number.checked_sub(1).ok_or(RangeError::None)?;
        match &self.frames {
            Frames::Encapsulated(all) => {
                let ranges = all.get(before as usize).ok_or(RangeError::None)?;
                Ok(ranges.clone())
            }
            Frames::Asked(some) => some.get(&number).cloned().ok_or(RangeError::None),
            Frames::Native { count, .. } if number > *count => Err(RangeError::None),
            Frames::Native { first, end, .. } => {
                let offset = first.length.checked_mul(u64::from(before));
                let offset = offset.and_then(|offset| offset.checked_add(first.offset));
                let fits = |offset: &u64| {
                    let frame_end = offset.checked_add(first.length);
                    frame_end.is_some_and(|frame_end| frame_end <= *end)
                };
                let offset = offset.filter(fits).ok_or(RangeError::Contradiction)?;
                Ok(vec![Range { offset, ..*first }])
            }
        }
    }

    /// Bytes that it takes; none when it is of no use to the next request.
    fn bytes(&self) -> Option<usize> {
        let ranges = match &self.frames {
            Frames::Asked(_) => return None,
            Frames::Native { .. } => 0,
            Frames::Encapsulated(all) => {
                let of_one =
                    |ranges: &Ranges| size_of::<Ranges>() + ranges.capacity() * size_of::<Range>();
                all.iter().map(of_one).sum()
            }
        };
        Some(EMPTY_BYTES + ranges)
    }
}

/// The layouts that were used last.
#[derive(Default)]
pub(super) struct Layouts(Mutex<Held>);

#[derive(Default)]
struct Held {
    /// By parcel and slot, whose content never changes; each with when it was used, and its bytes.
    all: BTreeMap<(ParcelId, u32), (Arc<Layout>, u64, usize)>,
    bytes: usize,
    uses: u64,
}

impl Layouts {
    /// The layout of an object, when it is remembered.
    pub(super) fn known(&self, instance: &Instance) -> Option<Arc<Layout>> {
        let mut held = self.lock();
        held.uses += 1;
        let now = held.uses;
        let (layout, used, _) = held.all.get_mut(&(instance.parcel, instance.slot))?;
        *used = now;
        Some(Arc::clone(layout))
    }

    /// Remembers one, unless it alone would take a quarter of the room.
    pub(super) fn remember(&self, instance: &Instance, layout: &Arc<Layout>) {
        let bytes = layout.bytes().filter(|bytes| *bytes <= BYTES / 4);
        let Some(bytes) = bytes else {
            return;
        };
        let mut held = self.lock();
        while held.bytes + bytes > BYTES || held.all.len() >= LAYOUTS {
            let oldest = held.all.iter().min_by_key(|(_, (_, used, _))| *used);
            let Some(key) = oldest.map(|(key, _)| *key) else {
                break;
            };
            if let Some((_, _, old)) = held.all.remove(&key) {
                held.bytes -= old;
            }
        }
        held.uses += 1;
        let entry = (Arc::clone(layout), held.uses, bytes);
        held.bytes += bytes;
        let before = held.all.insert((instance.parcel, instance.slot), entry);
        if let Some((_, _, before)) = before {
            held.bytes -= before;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use dokuei_keys::id::{Digest, SiteId};

    use super::*;
    use crate::dicom::uid::EXPLICIT_VR_LITTLE_ENDIAN;

    fn layout(frames: Frames) -> Arc<Layout> {
        Arc::new(Layout {
            syntax: TransferSyntax::from(EXPLICIT_VR_LITTLE_ENDIAN.clone()),
            swap: 1,
            frames,
        })
    }

    fn fragments(count: u64) -> Frames {
        let range = |at| Range {
            offset: at * 100,
            length: 100,
        };
        Frames::Encapsulated((0..count).map(|at| vec![range(at)]).collect())
    }

    fn instance(slot: u32) -> Instance {
        Instance {
            parcel: ParcelId::from_bytes([1; 32]),
            institution: SiteId::from_bytes([2; 32]),
            slot,
            study: String::new(),
            series: String::new(),
            sop_instance: String::new(),
            sop_class: String::new(),
            content: Digest::from_bytes([3; 32]),
            series_number: 0,
        }
    }

    #[test]
    fn frames_lie_where_the_layout_says() {
        let first = Range {
            offset: 1_000,
            length: 50,
        };
        let native = layout(Frames::Native {
            first,
            count: 4,
            end: 1_150,
        });
        let third = native.ranges(3).ok().unwrap();
        assert_eq!((third[0].offset, third[0].length), (1_100, 50));
        assert!(matches!(native.ranges(4), Err(RangeError::Contradiction)));
        for none in [0, 5] {
            assert!(matches!(native.ranges(none), Err(RangeError::None)));
        }
        let all = layout(fragments(3));
        let asked = layout(Frames::Asked([(7, all.ranges(1).ok().unwrap())].into()));
        assert!(asked.ranges(7).is_ok() && asked.ranges(1).is_err());
        assert_eq!(asked.bytes(), None, "it is not remembered");
        let kept = layout(fragments(2));
        assert_eq!(kept.ranges(2).ok().unwrap()[0].offset, 100);
        assert!(matches!(kept.ranges(3), Err(RangeError::None)));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_last_used_stays() {
        let layouts = Layouts::default();
        for slot in 1..=200 {
            layouts.remember(&instance(slot), &layout(fragments(4_000)));
            assert!(layouts.known(&instance(1)).is_some(), "{slot}");
        }
        assert!(layouts.lock().bytes <= BYTES && layouts.lock().bytes > BYTES / 2);
        assert!(layouts.known(&instance(2)).is_none());
        assert!(layouts.known(&instance(200)).is_some());
        layouts.remember(&instance(9_000), &layout(fragments(100_000)));
        assert!(layouts.known(&instance(9_000)).is_none(), "it is too large");
        for slot in 1..=2 * LAYOUTS as u32 {
            layouts.remember(&instance(slot), &layout(fragments(1)));
        }
        let held = layouts.lock();
        assert!(held.all.len() <= LAYOUTS);
        let sum: usize = held.all.values().map(|(_, _, bytes)| bytes).sum();
        assert_eq!(held.bytes, sum);
    }
}
