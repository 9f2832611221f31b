//! A chest CT that is of nobody: ellipses with smooth borders, and the grained noise of a reconstruction.

use dokuei_compression::Layout;

const SIDE: usize = 512;
const SLICES: usize = 24;
/// Hounsfield units by which the fine grain varies, so that a slice becomes about as small as one of a real thin-slice
/// chest CT does: 2.7 times by JPEG-LS.
const GRAIN: f32 = 75.0;
/// The same of the coarse grain.
const COARSE: f32 = 6.0;

/// Value, centre, half axes (x, y, z), in parts of half a side.
const ORGANS: [(f32, [f32; 3], [f32; 3]); 9] = [
    (40.0, [0.0, 0.0, 0.5], [0.95, 0.74, 4.0]),
    (-850.0, [-0.36, -0.05, 0.35], [0.27, 0.36, 0.6]),
    (-850.0, [0.36, -0.05, 0.35], [0.27, 0.36, 0.6]),
    (60.0, [0.08, -0.12, 0.45], [0.2, 0.22, 0.4]),
    (70.0, [-0.35, -0.05, 0.95], [0.4, 0.38, 0.35]),
    (300.0, [0.0, 0.45, 0.5], [0.1, 0.11, 4.0]),
    (180.0, [-0.02, 0.22, 0.5], [0.05, 0.05, 4.0]),
    (90.0, [-0.3, -0.2, 0.4], [0.03, 0.02, 0.2]),
    (90.0, [0.33, 0.1, 0.4], [0.02, 0.03, 0.25]),
];

/// Signed samples of two bytes.
pub(crate) fn study() -> (Layout, Vec<u8>) {
    let layout = Layout {
        width: SIDE as u32,
        rows: SIDE as u32,
        bytes: 2,
        colours: 1,
        is_signed: true,
        is_big_endian: false,
    };
    let mut random = Random(0x5EED);
    let slices = (0..SLICES).map(|slice| slice as f32 / SLICES as f32);
    let samples = slices.flat_map(|z| samples(&mut random, z));
    (layout, samples.flat_map(i16::to_le_bytes).collect())
}

fn samples(random: &mut Random, z: f32) -> Vec<i16> {
    let place = |at: usize| at as f32 / (SIDE as f32 / 2.0) - 1.0;
    let mut image = vec![-1000.0_f32; SIDE * SIDE];
    for (value, centre, axes) in ORGANS {
        let here = 1.0 - ((z - centre[2]) / axes[2]).powi(2);
        for (at, sample) in image.iter_mut().enumerate() {
            let (x, y) = (place(at % SIDE), place(at / SIDE));
            let from_centre =
                ((x - centre[0]) / axes[0]).powi(2) + ((y - centre[1]) / axes[1]).powi(2);
            if from_centre < here {
                *sample = value;
            }
        }
    }
    let image = blurred(image, 1);
    let fine = evened(blurred(random.field(), 1));
    let coarse = evened(blurred(random.field(), SIDE / 40));
    let sample = |at: usize| {
        let (x, y) = (place(at % SIDE), place(at / SIDE));
        let inside = if image[at] > -900.0 { 1.0 } else { 0.0 };
        let grain = GRAIN * fine[at] * (0.8 + 0.2 * inside) + COARSE * coarse[at] * inside;
        let is_outside = x * x + y * y > 1.0;
        let value = if is_outside {
            -1024.0
        } else {
            image[at] + grain
        };
        value.round().clamp(-1024.0, 3071.0) as i16
    };
    (0..SIDE * SIDE).map(sample).collect()
}

/// Twice the mean of 2 · `reach` samples, along rows and columns.
fn blurred(image: Vec<f32>, reach: usize) -> Vec<f32> {
    let mut image = image;
    for (step, line) in [(1, SIDE), (SIDE, 1), (1, SIDE), (SIDE, 1)] {
        let before = image.clone();
        let at = |row: usize, place: isize| {
            before[row * line + place.clamp(0, SIDE as isize - 1) as usize * step]
        };
        for row in 0..SIDE {
            let reach = reach as isize;
            let mut sum: f32 = (-reach..reach).map(|place| at(row, place)).sum();
            for place in 0..SIDE as isize {
                image[row * line + place as usize * step] = sum / (2 * reach) as f32;
                sum += at(row, place + reach) - at(row, place - reach);
            }
        }
    }
    image
}

/// As much as that its deviation is 1.
fn evened(image: Vec<f32>) -> Vec<f32> {
    let deviation = (image.iter().map(|one| one * one).sum::<f32>() / image.len() as f32).sqrt();
    image.into_iter().map(|one| one / deviation).collect()
}

/// xorshift64, G. Marsaglia 2003.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Samples about 0, the sum of four even ones each.
    fn field(&mut self) -> Vec<f32> {
        let mut even = || (self.next() >> 40) as f32 / (1 << 24) as f32 - 0.5;
        (0..SIDE * SIDE)
            .map(|_| (0..4).map(|_| even()).sum())
            .collect()
    }
}
