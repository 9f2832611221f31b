//! Gaps between slices.

use std::collections::BTreeMap;

use dokuei_protocol::case::check::Concern;

use crate::checks::{Observed, Whole};
use crate::say;
use crate::studies::seen::Place;

/// Slices from which a usual distance can be told: three distances have a middle.
const SLICES: usize = 4;
/// Orientations of one series that are looked at. A series with more is no stack of slices but turns around an axis.
const ORIENTATIONS: usize = 64;
/// Cosines of one orientation differ by less, in millionths: a tenth of a degree.
const COSINE: i32 = 2_000;
/// Images closer than this, in micrometres, lie at one position: time series, echoes, several reconstructions.
const TOGETHER: f64 = 50.0;

/// A slice: its place along the normal, micrometres, and its Instance Number (0020,0013).
#[derive(Clone, Copy)]
struct Slice {
    along: f64,
    number: Option<i32>,
    acquisition: Option<i32>,
}

/// A place where slices are missing.
struct Gap {
    before: Slice,
    after: Slice,
    /// The usual distance there, micrometres.
    usual: f64,
}

pub(super) fn look(all: &[Whole<'_>], observed: &mut Observed) {
    for whole in all {
        for stack in stacks(whole) {
            for gap in gaps(stack) {
                observed.found(Concern::SliceGap, 1);
                let (before, after) = (name(gap.before), name(gap.after));
                let distance = (gap.after.along - gap.before.along) / 1000.0;
                let usual = gap.usual / 1000.0;
                observed.remark(
                    Concern::SliceGap,
                    whole.series.number,
                    say!(
                        "画像 {before} と {after} の間（間隔 {distance:.1} mm、通常 {usual:.1} mm）",
                        "between image {before} and {after} ({distance:.1} mm, usually {usual:.1} mm)"
                    ),
                );
            }
        }
    }
}

fn name(slice: Slice) -> String {
    slice
        .number
        .map_or_else(|| "?".to_owned(), |number| number.to_string())
}

/// The stacks of a series: slices of one orientation, and of one acquisition where each of these is a stack of its own.
fn stacks(whole: &Whole<'_>) -> Vec<Vec<Slice>> {
    let mut oriented: Vec<(Place, Vec<Slice>)> = Vec::new();
    for image in whole.images() {
        let Some(seen) = &image.seen else {
            continue;
        };
        let Some(place) = seen.place else {
            continue;
        };
        let known = oriented
            .iter()
            .position(|(first, _)| is_parallel(first, &place));
        let at = known.unwrap_or(oriented.len());
        if known.is_none() {
            if oriented.len() == ORIENTATIONS {
                return Vec::new();
            }
            oriented.push((place, Vec::new()));
        }
        let slice = Slice {
            along: along(&oriented[at].0, &place),
            number: image.number,
            acquisition: seen.acquisition,
        };
        oriented[at].1.push(slice);
    }
    oriented
        .into_iter()
        .flat_map(|(_, slices)| by_acquisition(slices))
        .collect()
}

fn by_acquisition(slices: Vec<Slice>) -> Vec<Vec<Slice>> {
    let mut groups: BTreeMap<Option<i32>, Vec<Slice>> = BTreeMap::new();
    for slice in &slices {
        groups.entry(slice.acquisition).or_default().push(*slice);
    }
    let groups: Vec<Vec<Slice>> = groups.into_values().map(positions).collect();
    match groups.iter().all(|group| group.len() >= SLICES) {
        true => groups,
        false => vec![positions(slices)],
    }
}

fn is_parallel(one: &Place, other: &Place) -> bool {
    let pairs = one.orientation.iter().zip(other.orientation);
    pairs
        .into_iter()
        .all(|(one, other)| (one - other).abs() <= COSINE)
}

/// How far a position lies along the normal of an orientation, micrometres.
fn along(orientation: &Place, place: &Place) -> f64 {
    let [a, b, c, d, e, f] = orientation
        .orientation
        .map(|cosine| f64::from(cosine) / 1_000_000.0);
    let [x, y, z] = place.position.map(f64::from);
    (b * f - c * e) * x + (c * d - a * f) * y + (a * e - b * d) * z
}

/// One slice for each position, in order.
fn positions(mut slices: Vec<Slice>) -> Vec<Slice> {
    slices.sort_by(|one, other| one.along.total_cmp(&other.along));
    slices.dedup_by(|next, kept| next.along - kept.along <= TOGETHER);
    slices
}

fn gaps(positions: Vec<Slice>) -> Vec<Gap> {
    if positions.len() < SLICES {
        return Vec::new();
    }
    let pairs = || positions.windows(2).map(|pair| (pair[0], pair[1]));
    let mut distances: Vec<f64> = pairs()
        .map(|(before, after)| after.along - before.along)
        .collect();
    distances.sort_by(f64::total_cmp);
    let usual = distances[(distances.len() - 1) / 2];
    pairs()
        .filter(|(before, after)| after.along - before.along > 1.5 * usual)
        .map(|(before, after)| Gap {
            before,
            after,
            usual,
        })
        .collect()
}
