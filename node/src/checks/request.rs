//! What the images are held against: the side and the region that the request names.

use dokuei_protocol::case::check::Concern;

use crate::checks::{Observed, Region, Whole};
use crate::language::{Message, word};
use crate::say;
use crate::studies::seen::Side;

/// What a request says of the part of the body. It stays at this site: the offer carries the specialty.
#[derive(Clone, Copy, Default)]
pub struct Wanted {
    /// The region.
    pub region: Option<Region>,
    /// The side.
    pub side: Option<Side>,
}

impl Wanted {
    pub(super) fn look(&self, all: &[Whole<'_>], observed: &mut Observed) {
        self.look_for_other_half(all, observed);
        for whole in all {
            let (mut other_side, mut no_side, mut other_region, mut no_region) = (0, 0, 0, 0);
            for image in whole.images() {
                let seen = image.seen.as_ref();
                if let Some(wanted) = self.side {
                    match seen.and_then(|seen| seen.side) {
                        None => no_side += 1,
                        Some(side) => other_side += usize::from(!fits(wanted, side)),
                    }
                }
                if let Some(wanted) = self.region {
                    let part = seen.and_then(|seen| seen.body_part.as_deref());
                    match part.and_then(|part| wanted.is_shown_by(part)) {
                        None => no_region += 1,
                        Some(shown) => other_region += usize::from(!shown),
                    }
                }
            }
            let found = [
                (Concern::OtherSide, other_side),
                (Concern::SideUnknown, no_side),
                (Concern::OtherRegion, other_region),
                (Concern::RegionUnknown, no_region),
            ];
            for (concern, count) in found.into_iter().filter(|(_, count)| *count > 0) {
                observed.found(concern, count);
                observed.remark(concern, whole.series.number, self.wanted(concern, count));
            }
        }
    }

    /// A request for both sides is not met by images of one.
    fn look_for_other_half(&self, all: &[Whole<'_>], observed: &mut Observed) {
        if self.side != Some(Side::Both) {
            return;
        }
        let images = all.iter().flat_map(Whole::images);
        let sides: Vec<Side> = images
            .filter_map(|image| image.seen.as_ref()?.side)
            .collect();
        let Some(first) = sides.first() else {
            return;
        };
        if *first == Side::Both || sides.iter().any(|side| side != first) {
            return;
        }
        observed.found(Concern::OtherSide, sides.len());
        observed.remark(
            Concern::OtherSide,
            None,
            say!("{only}だけ（依頼は両側）", "{only} only (asked for: both)"; only = word(first.code())),
        );
    }

    fn wanted(&self, concern: Concern, count: usize) -> Message {
        let asked = match concern {
            Concern::OtherRegion | Concern::RegionUnknown => {
                self.region.map(|region| word(region.code()))
            }
            _ => self.side.map(|side| word(side.code())),
        };
        say!("{count} 枚（依頼は{asked}）", "{count} images (asked for: {asked})"; asked = asked.unwrap_or_default())
    }
}

/// Whether an image of one side belongs to a request for another: one of both sides shows each.
fn fits(wanted: Side, shown: Side) -> bool {
    shown == Side::Both || wanted == Side::Both || wanted == shown
}
