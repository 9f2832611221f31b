//! Bytes as samples of planes, and back.

use crate::block::{Colours, Form};
use crate::residual::{Depth, cut};
use crate::scale::Scale;

/// What makes of a sample one without a sign of the same order, where it has one.
fn sign(form: &Form) -> u16 {
    match (form.is_signed, form.depth) {
        (false, _) => 0,
        (true, Depth::Eight) => 0x80,
        (true, Depth::Sixteen) => 0x8000,
    }
}

/// Puts the samples of bytes, as many as the form says, into planes, one colour behind the other, and finds their scale.
/// Whether they look like a drawing.
pub(crate) fn read(bytes: &[u8], form: &mut Form, plane: &mut Vec<i16>) -> bool {
    plane.clear();
    let sign = sign(form);
    match (form.depth, form.colours) {
        (Depth::Eight, Colours::One) => {
            plane.extend(bytes.iter().map(|byte| (u16::from(*byte) ^ sign) as i16));
        }
        (Depth::Eight, _) => {
            let (places, _) = bytes.as_chunks::<3>();
            for colour in 0..3 {
                let sample = |place: &[u8; 3]| (u16::from(place[colour]) ^ sign) as i16;
                plane.extend(places.iter().map(sample));
            }
        }
        (Depth::Sixteen, _) => match form.is_big_endian {
            true => read_sixteen(
                bytes,
                form,
                |two| (u16::from_be_bytes(two) ^ sign) as i16,
                plane,
            ),
            false => read_sixteen(
                bytes,
                form,
                |two| (u16::from_le_bytes(two) ^ sign) as i16,
                plane,
            ),
        },
    }
    let found = Scale::of(plane, form.depth);
    found.scale.apply(plane, form.depth);
    form.scale = found.scale;
    found.is_drawing
}

fn read_sixteen(bytes: &[u8], form: &Form, sample: impl Fn([u8; 2]) -> i16, plane: &mut Vec<i16>) {
    if form.colours == Colours::One {
        let (places, _) = bytes.as_chunks::<2>();
        plane.extend(places.iter().map(|two| sample(*two)));
        return;
    }
    let (places, _) = bytes.as_chunks::<6>();
    for colour in 0..3 {
        let two = |place: &[u8; 6]| [place[2 * colour], place[2 * colour + 1]];
        plane.extend(places.iter().map(|place| sample(two(place))));
    }
}

/// Makes of planes what the form says: colours differences from others, strips differences from those before them.
pub(crate) fn relate(plane: &mut [i16], form: &Form) {
    if form.colours == Colours::ThreeFromSecond {
        from_second(plane, form.depth);
    }
    differ(plane, form);
}

/// The colours of planes: G, R − G, B − G.
fn from_second(plane: &mut [i16], depth: Depth) {
    let third = plane.len() / 3;
    let (first, others) = plane.split_at_mut(third);
    let (second, third) = others.split_at_mut(third);
    for ((r, g), b) in first.iter_mut().zip(second).zip(third) {
        let less = |colour: i16| cut(colour.wrapping_sub(*g), depth);
        let (red, blue) = (less(*r), less(*b));
        (*r, *g, *b) = (*g, red, blue);
    }
}

fn to_three(plane: &mut [u16]) {
    let third = plane.len() / 3;
    let (first, others) = plane.split_at_mut(third);
    let (second, third) = others.split_at_mut(third);
    for ((g, r), b) in first.iter_mut().zip(second).zip(third) {
        let green = *g;
        (*g, *r, *b) = (r.wrapping_add(green), green, b.wrapping_add(green));
    }
}

/// Makes strips differences from those before them, the last first.
fn differ(plane: &mut [i16], form: &Form) {
    let of_strip = form.shape.of_strip();
    for plane in plane.chunks_exact_mut(form.shape.samples()) {
        for (strip, differs) in form.differs.iter().enumerate().rev() {
            let (before, after) = plane.split_at_mut(strip * of_strip);
            let before = before.rchunks_exact(of_strip).next();
            if let (true, Some(before)) = (*differs, before) {
                for (sample, before) in after.iter_mut().zip(before) {
                    *sample = cut(sample.wrapping_sub(*before), form.depth);
                }
            }
        }
    }
}

fn sum_up(plane: &mut [u16], form: &Form) {
    let of_strip = form.shape.of_strip();
    for plane in plane.chunks_exact_mut(form.shape.samples()) {
        for (strip, differs) in form.differs.iter().enumerate() {
            let (before, after) = plane.split_at_mut(strip * of_strip);
            let before = before.rchunks_exact(of_strip).next();
            if let (true, Some(before)) = (*differs, before) {
                for (sample, before) in after.iter_mut().zip(before) {
                    *sample = cut(sample.wrapping_add(*before) as i16, form.depth) as u16;
                }
            }
        }
    }
}

/// Appends the bytes of planes. What is not of the depth is cut off.
pub(crate) fn write(plane: &mut [u16], form: &Form, out: &mut Vec<u8>) {
    sum_up(plane, form);
    if form.colours == Colours::ThreeFromSecond {
        to_three(plane);
    }
    form.scale.undo(plane);
    let sign = sign(form);
    let eight = |sample: u16| (sample ^ sign) as u8;
    let sixteen = |sample: u16| match form.is_big_endian {
        true => (sample ^ sign).to_be_bytes(),
        false => (sample ^ sign).to_le_bytes(),
    };
    let (begin, third) = (out.len(), plane.len() / 3);
    out.resize(begin + form.length(), 0);
    let out = out.get_mut(begin..).unwrap_or_default();
    let colour = |colour: usize| plane.get(colour * third..).unwrap_or_default();
    let three = || colour(0).iter().zip(colour(1)).zip(colour(2));
    match (form.depth, form.colours) {
        (Depth::Eight, Colours::One) => {
            out.iter_mut()
                .zip(&*plane)
                .for_each(|(out, sample)| *out = eight(*sample));
        }
        (Depth::Sixteen, Colours::One) => {
            let (places, _) = out.as_chunks_mut::<2>();
            places
                .iter_mut()
                .zip(&*plane)
                .for_each(|(out, sample)| *out = sixteen(*sample));
        }
        (Depth::Eight, _) => {
            let (places, _) = out.as_chunks_mut::<3>();
            for (out, ((r, g), b)) in places.iter_mut().zip(three()) {
                *out = [eight(*r), eight(*g), eight(*b)];
            }
        }
        (Depth::Sixteen, _) => {
            let (places, _) = out.as_chunks_mut::<6>();
            for (out, ((r, g), b)) in places.iter_mut().zip(three()) {
                let (r, g, b) = (sixteen(*r), sixteen(*g), sixteen(*b));
                *out = [r[0], r[1], g[0], g[1], b[0], b[1]];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::residual::Predictor;
    use crate::shape::Shape;

    proptest::proptest! {
        #[test]
        fn any_bytes_come_back(
            noise: Vec<u8>, differs: [bool; 3], is_big_endian: bool, is_signed: bool, is_eight: bool, colours in 0..3_usize,
            step in 1..2_000_u16,
        ) {
            let shape = Shape::new(5, 2, 3).unwrap();
            let mut form = Form {
                shape,
                depth: if is_eight { Depth::Eight } else { Depth::Sixteen },
                is_big_endian,
                is_signed,
                colours: [Colours::One, Colours::Three, Colours::ThreeFromSecond][colours],
                predictor: Predictor::Median,
                scale: Scale::plain(Depth::Eight),
                differs: vec![false, differs[1], differs[2]],
            };
            let mut bytes: Vec<u8> = noise.iter().copied().chain([3, 250]).cycle().take(form.length()).collect();
            if !is_eight {
                for two in bytes.chunks_exact_mut(2) {
                    let sample = (u16::from_be_bytes([two[0], two[1]]) / step).wrapping_mul(step);
                    two.copy_from_slice(&if is_big_endian { sample.to_be_bytes() } else { sample.to_le_bytes() });
                }
            }
            let mut plane = Vec::new();
            read(&bytes, &mut form, &mut plane);
            relate(&mut plane, &form);
            let mut plane: Vec<u16> = plane.into_iter().map(|sample| sample as u16).collect();
            let mut back = vec![7];
            write(&mut plane, &form, &mut back);
            assert_eq!(back[1..], bytes);
        }
    }
}
