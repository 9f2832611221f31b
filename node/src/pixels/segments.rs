//! Segmented palettes: tables written as pieces that are copied, drawn as a line, or repeated (PS3.3 §C.7.9.2).

/// Segments that are followed in one table: each makes at least one entry of at most 65536, and a repetition names
/// at most so many.
const SEGMENTS_MAX: usize = 1 << 16;

/// The table that segments of 16-bit words make, if it has exactly `count` entries.
pub(super) fn expanded(words: &[u16], count: usize) -> Option<Vec<u16>> {
    let mut table = Vec::with_capacity(count);
    let mut at = 0;
    let mut left = SEGMENTS_MAX;
    while at < words.len() {
        at = match *words.get(at..at + 2)? {
            [2, segments] => {
                let [low, high] = *words.get(at + 2..at + 4)? else {
                    return None;
                };
                // The offset is in bytes from the beginning of the table.
                let offset = usize::from(low) | usize::from(high) << 16;
                let mut from = offset / 2;
                for _ in 0..segments {
                    left = left.checked_sub(1)?;
                    from = plain(words, from, count, &mut table)?;
                }
                at + 4
            }
            // Padding of the value to an even length in words of bytes.
            [0, 0] => at + 2,
            _ => {
                left = left.checked_sub(1)?;
                plain(words, at, count, &mut table)?
            }
        };
    }
    (table.len() == count).then_some(table)
}

/// Adds a segment that is no repetition, and says where the next one begins.
fn plain(words: &[u16], at: usize, count: usize, table: &mut Vec<u16>) -> Option<usize> {
    let [kind, length] = *words.get(at..at.checked_add(2)?)? else {
        return None;
    };
    let length = usize::from(length);
    if length == 0 || table.len() + length > count {
        return None;
    }
    match kind {
        0 => {
            let values = words.get(at + 2..at + 2 + length)?;
            table.extend_from_slice(values);
            Some(at + 2 + length)
        }
        1 => {
            let begin = i64::from(*table.last()?);
            let end = i64::from(*words.get(at + 2)?);
            let steps = i64::try_from(length).ok()?;
            for step in 1..=steps {
                let value = begin + (2 * (end - begin) * step + steps).div_euclid(2 * steps);
                table.push(u16::try_from(value).ok()?);
            }
            Some(at + 3)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pieces_make_a_table() {
        // Copied: 10, 20; a line to 40 in two steps; both segments again.
        let words = [0, 2, 10, 20, 1, 2, 40, 2, 2, 0, 0];
        let whole = [10, 20, 30, 40, 10, 20, 30, 40];
        assert_eq!(expanded(&words, 8).as_deref(), Some(&whole[..]));
        assert_eq!(expanded(&words, 7), None);
        assert_eq!(expanded(&words[..7], 4).as_deref(), Some(&whole[..4]));
        assert_eq!(expanded(&[1, 2, 40], 2), None);
    }

    proptest! {
        #[test]
        fn nothing_makes_more_than_was_announced(
            words in prop::collection::vec(0..4_u16, 0..60),
            count in 1..40_usize,
        ) {
            if let Some(table) = expanded(&words, count) {
                prop_assert_eq!(table.len(), count);
            }
        }
    }
}
