//! Bytes as samples of planes, and back.

use crate::block::{Colours, Form};
use crate::residual::Depth;

/// What turns a byte, and the upper one of two, of a sample without a sign into one with a sign of the same order.
const FLIP: u16 = 0x8000;

/// Puts the samples of bytes, as many as the form says, into planes, one colour behind the other, and finds how many zeros
/// stand behind each.
pub(crate) fn read(bytes: &[u8], form: &mut Form, plane: &mut Vec<i16>) {
    plane.clear();
    match form.depth {
        Depth::Eight => {
            let flip = if form.is_signed { 0 } else { (FLIP >> 8) as u8 };
            let sample = |byte: &u8| i16::from((byte ^ flip) as i8);
            match form.colours {
                Colours::One => plane.extend(bytes.iter().map(sample)),
                _ => {
                    let (places, _) = bytes.as_chunks::<3>();
                    for colour in 0..3 {
                        plane.extend(places.iter().map(|place| sample(&place[colour])));
                    }
                }
            }
        }
        Depth::Sixteen => read_sixteen(bytes, form, plane),
    }
}

/// Makes of planes what the form says: colours differences from others, strips differences from those before them.
pub(crate) fn relate(plane: &mut [i16], form: &Form) {
    if form.colours == Colours::ThreeFromSecond {
        from_second(plane, form.depth);
    }
    differ(plane, form);
}

fn read_sixteen(bytes: &[u8], form: &mut Form, plane: &mut Vec<i16>) {
    let raw = |two: &[u8; 2]| match form.is_big_endian {
        true => u16::from_be_bytes(*two),
        false => u16::from_le_bytes(*two),
    };
    match form.colours {
        Colours::One => {
            let (places, _) = bytes.as_chunks::<2>();
            plane.extend(places.iter().map(|two| raw(two) as i16));
        }
        _ => {
            let (places, _) = bytes.as_chunks::<6>();
            for colour in 0..3 {
                let sample =
                    |place: &[u8; 6]| raw(&[place[2 * colour], place[2 * colour + 1]]) as i16;
                plane.extend(places.iter().map(sample));
            }
        }
    }
    let any = plane.iter().fold(0, |any, sample| any | sample);
    form.shift = any.trailing_zeros() % i16::BITS;
    match (form.is_signed, form.shift) {
        (true, 0) => {}
        (true, shift) => plane.iter_mut().for_each(|sample| *sample >>= shift),
        (false, shift) => {
            let flipped = |sample: i16| ((sample as u16 >> shift) ^ FLIP) as i16;
            plane
                .iter_mut()
                .for_each(|sample| *sample = flipped(*sample));
        }
    }
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

pub(crate) fn cut(sample: i16, depth: Depth) -> i16 {
    match depth {
        Depth::Eight => i16::from(sample as i8),
        Depth::Sixteen => sample,
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
    let (flip, shift) = (if form.is_signed { 0 } else { FLIP }, form.shift);
    let eight = |sample: u16| (sample ^ (flip >> 8)) as u8;
    let sixteen = |sample: u16| {
        let raw = (sample ^ flip) << shift;
        match form.is_big_endian {
            true => raw.to_be_bytes(),
            false => raw.to_le_bytes(),
        }
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
            zeros in 0..16_u32,
        ) {
            let shape = Shape::new(5, 2, 3).unwrap();
            let mut form = Form {
                shape,
                depth: if is_eight { Depth::Eight } else { Depth::Sixteen },
                is_big_endian,
                is_signed,
                colours: [Colours::One, Colours::Three, Colours::ThreeFromSecond][colours],
                predictor: Predictor::Median,
                shift: 0,
                differs: vec![false, differs[1], differs[2]],
            };
            let mut bytes: Vec<u8> = noise.iter().copied().chain([3, 250]).cycle().take(form.length()).collect();
            if !is_eight {
                for two in bytes.chunks_exact_mut(2) {
                    let sample = u16::from_be_bytes([two[0], two[1]]) << zeros;
                    two.copy_from_slice(&if is_big_endian { sample.to_be_bytes() } else { sample.to_le_bytes() });
                }
            }
            let mut plane = Vec::new();
            read(&bytes, &mut form, &mut plane);
            relate(&mut plane, &form);
            assert!(is_eight || form.shift >= zeros || form.shift == 0);
            let mut plane: Vec<u16> = plane.into_iter().map(|sample| sample as u16).collect();
            let mut back = vec![7];
            write(&mut plane, &form, &mut back);
            assert_eq!(back[1..], bytes);
        }
    }
}
