//! The part of an image that is shown, and how large (PS3.18 §8.3.5.1.3).

use minicbor::{Decode, Encode};

use super::Raster;
use crate::pixels::error::DecodeError;

/// A part of an image, in its own pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Region {
    /// The first column.
    #[n(0)]
    pub x: u16,
    /// The first row.
    #[n(1)]
    pub y: u16,
    /// Columns; a negative number mirrors left and right, none stands for all that are left.
    #[n(2)]
    pub width: Option<i32>,
    /// Rows; a negative number turns upside down, none stands for all that are left.
    #[n(3)]
    pub height: Option<i32>,
}

/// Where a picture must fit in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Viewport {
    /// Its width in pixels.
    #[n(0)]
    pub width: u16,
    /// Its height in pixels.
    #[n(1)]
    pub height: u16,
    /// The part of the image; without one, all of it.
    #[n(2)]
    pub region: Option<Region>,
}

impl Viewport {
    /// Reads `vw,vh` or `vw,vh,sx,sy,sw,sh`; of the last four each may be empty.
    #[must_use]
    pub fn parse(words: &str) -> Option<Viewport> {
        let words: Vec<&str> = words.split(',').map(str::trim).collect();
        let (size, region) = words.split_at_checked(2)?;
        let side = |word: &str| word.parse().ok().filter(|side: &u16| *side > 0);
        let start = |word: &str| match word {
            "" => Some(0),
            word => word.parse().ok(),
        };
        let length = |word: &str| match word {
            "" => Some(None),
            word => word.parse().ok().filter(|length| *length != 0).map(Some),
        };
        let region = match *region {
            [] => None,
            [x, y, width, height] => Some(Region {
                x: start(x)?,
                y: start(y)?,
                width: length(width)?,
                height: length(height)?,
            }),
            _ => return None,
        };
        Some(Viewport {
            width: side(size[0])?,
            height: side(size[1])?,
            region,
        })
    }
}

/// One direction: which source samples make each of the target's.
struct Axis {
    start: usize,
    length: usize,
    mirrored: bool,
}

impl Axis {
    fn new(start: u16, length: Option<i32>, whole: usize) -> Option<Axis> {
        let start = usize::from(start);
        let left = whole.checked_sub(start).filter(|left| *left > 0)?;
        let asked = length.map(|length| usize::try_from(length.unsigned_abs()));
        let asked = asked.map_or(Ok(left), |length| length).ok()?;
        Some(Axis {
            start,
            length: asked.min(left),
            mirrored: length.is_some_and(|length| length < 0),
        })
    }

    /// For each of `target` samples its sources and their weights, of 65536 in all: an average when there are more
    /// sources than targets, else between two.
    fn weights(&self, target: usize) -> Vec<Vec<(usize, u64)>> {
        let place = |at: usize| match self.mirrored {
            true => self.start + self.length - 1 - at,
            false => self.start + at,
        };
        let one = |at: usize| match target < self.length {
            true => covered(at, self.length, target),
            false => between(at, self.length, target),
        };
        (0..target)
            .map(|at| {
                one(at)
                    .into_iter()
                    .map(|(at, weight)| (place(at), weight))
                    .collect()
            })
            .collect()
    }
}

/// The sources that a smaller target's sample covers, each by how much of it.
fn covered(at: usize, length: usize, target: usize) -> Vec<(usize, u64)> {
    // In units of 1/target of a source sample.
    let (begin, end) = (at * length, (at + 1) * length);
    let sources = begin / target..end.div_ceil(target);
    let mut left = 65536;
    let last = sources.end - 1;
    sources
        .map(|source| {
            let from = begin.max(source * target);
            let to = end.min((source + 1) * target);
            let weight = match source == last {
                true => left,
                false => ((to - from) * 65536 / length) as u64,
            };
            left -= weight;
            (source, weight)
        })
        .collect()
}

/// The two sources around the middle of a larger target's sample.
fn between(at: usize, length: usize, target: usize) -> Vec<(usize, u64)> {
    // The middle of the target's sample in 1/65536 of a source sample, from the middle of the first.
    let middle = ((2 * at + 1) * length * 32768 / target).saturating_sub(32768);
    let source = (middle >> 16).min(length - 1);
    let next = (source + 1).min(length - 1);
    let weight = (middle & 0xFFFF) as u64;
    vec![(source, 65536 - weight), (next, weight)]
}

/// The picture for a viewport: as large as fits in, its proportions kept.
pub(super) fn shown(raster: &Raster, viewport: &Viewport) -> Result<Raster, DecodeError> {
    let region = viewport.region.unwrap_or(Region {
        x: 0,
        y: 0,
        width: None,
        height: None,
    });
    let across = Axis::new(region.x, region.width, raster.width);
    let down = Axis::new(region.y, region.height, raster.height);
    let (across, down) = across.zip(down).ok_or(DecodeError::TooLarge)?;
    let (room_width, room_height) = (usize::from(viewport.width), usize::from(viewport.height));
    // Which side is the tighter one, without fractions.
    let by_width = room_width * down.length <= room_height * across.length;
    let (width, height) = match by_width {
        true => (room_width, room_width * down.length / across.length),
        false => (room_height * across.length / down.length, room_height),
    };
    let (width, height) = (width.max(1), height.max(1));
    Ok(scaled(
        raster,
        &across.weights(width),
        &down.weights(height),
    ))
}

/// First across, then down; only rows that are shown are worked on.
fn scaled(raster: &Raster, across: &[Vec<(usize, u64)>], down: &[Vec<(usize, u64)>]) -> Raster {
    let samples = raster.samples;
    let row = |row: usize| -> Vec<u64> {
        let begin = row * raster.width * samples;
        let source = &raster.bytes[begin..begin + raster.width * samples];
        across
            .iter()
            .flat_map(|weights| {
                (0..samples).map(move |sample| {
                    let of = |(at, weight): &(usize, u64)| {
                        u64::from(source[at * samples + sample]) * weight
                    };
                    weights.iter().map(of).sum()
                })
            })
            .collect()
    };
    let mut bytes = Vec::with_capacity(across.len() * down.len() * samples);
    for weights in down {
        let mut line = vec![0_u64; across.len() * samples];
        for (at, weight) in weights {
            for (sum, value) in line.iter_mut().zip(row(*at)) {
                *sum += value * weight;
            }
        }
        let rounded = line.iter().map(|sum| (sum + (1 << 31)) >> 32);
        bytes.extend(rounded.map(|value| u8::try_from(value).unwrap_or(u8::MAX)));
    }
    Raster {
        width: across.len(),
        height: down.len(),
        samples,
        bytes,
    }
}
