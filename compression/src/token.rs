//! Numbers as tokens with bits behind them: numbers below 16 are tokens of their own, larger ones share one with those of
//! about the same size, which the bits tell apart.

/// Number of tokens.
pub(crate) const TOKENS: usize = 40;
/// Places of a table that has one for each token, a power of two.
pub(crate) const PLACES: usize = 64;
/// Numbers that are tokens of their own.
const PLAIN: u8 = 16;

/// The token of a number.
#[inline(always)]
pub(crate) fn token(number: u16) -> u16 {
    // The exponent and the first bit behind it: two tokens for each power of two. Below 16 that is no less than the number
    // itself, or, of 0, negative and so large.
    let half_powers = (f32::from(number).to_bits() >> 22) as u16;
    number.min(half_powers.wrapping_sub(246))
}

/// How many bits stand behind a token.
const fn bits_behind(token: u8) -> u32 {
    match token.checked_sub(PLAIN) {
        Some(beyond) => beyond as u32 / 2 + 3,
        None => 0,
    }
}

/// The least number of a token.
const fn least(token: u8) -> u32 {
    match bits_behind(token) {
        0 => token as u32,
        bits => (2 + (token as u32 & 1)) << bits,
    }
}

/// Of each token how many bits stand behind it, and from the 16th bit on its least number.
pub(crate) const TABLE: [u32; PLACES] = {
    let mut table = [0; PLACES];
    let mut token = 0;
    while token < TOKENS {
        table[token] = bits_behind(token as u8) | least(token as u8) << 16;
        token += 1;
    }
    table
};

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
            let (bits, least) = (bits_behind(token as u8), least(token as u8));
            let beyond = u32::from(number) - least;
            assert!(beyond < 1 << bits, "{number}");
            assert_eq!(beyond, u32::from(number) & ((1 << bits) - 1));
        }
        assert_eq!(usize::from(before) + 1, TOKENS);
    }
}
