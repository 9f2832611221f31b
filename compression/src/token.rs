//! Numbers as tokens with bits behind them: numbers below 16 are tokens of their own, larger ones share one with those of
//! about the same size, which the bits tell apart.

/// Number of tokens.
pub(crate) const TOKENS: usize = 40;
/// Numbers that are tokens of their own.
const PLAIN: u16 = 16;

/// The token of a number.
#[inline(always)]
pub(crate) fn token(number: u16) -> u8 {
    if number < PLAIN {
        return number as u8;
    }
    // The exponent and the first bit behind it: two tokens for each power of two, from the 16th on.
    ((f32::from(number).to_bits() >> 22) - 246) as u8
}

/// How many bits stand behind a token.
#[inline(always)]
pub(crate) fn bits_behind(token: u8) -> u32 {
    match token.checked_sub(PLAIN as u8) {
        Some(beyond) => u32::from(beyond) / 2 + 3,
        None => 0,
    }
}

/// The least number of a token.
#[inline(always)]
pub(crate) fn least(token: u8) -> u16 {
    match bits_behind(token) {
        0 => u16::from(token),
        bits => (2 + u16::from(token & 1)) << bits,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_in_its_token() {
        let mut before = 0;
        for number in 0..=u16::MAX {
            let token = token(number);
            assert!(token == before || token == before + 1);
            before = token;
            let beyond = u32::from(number) - u32::from(least(token));
            assert!(beyond < 1 << bits_behind(token), "{number}");
        }
        assert_eq!(usize::from(before) + 1, TOKENS);
    }
}
