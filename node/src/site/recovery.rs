//! The recovery sheet: the root key on paper. Whoever holds it speaks for the institution, so it is
//! printed, locked away and removed from the disk.

use dokuei_keys::id::{Digest, SiteId};
use dokuei_keys::secret::Secret32;
use dokuei_keys::signing::SigningKey;
use zeroize::Zeroizing;

use crate::language::Failure;
use crate::say;

/// Crockford's base 32: no I, L, O, U, so that a hand-copied code is read back right.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Characters of a code: 52 for the 256 bits, 4 to find a mistake.
const CHARACTERS: usize = 56;

/// What stands before the institution's name on the sheet.
const INSTITUTION: &str = "施設 / institution : ";

/// The root seed as a code of 14 groups of four, the last of which is a check.
pub fn code(seed: &Secret32) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(70));
    for (at, value) in values(seed.expose()).chain(check(seed)).enumerate() {
        if at > 0 && at % 4 == 0 {
            text.push(if at % 28 == 0 { '\n' } else { '-' });
        }
        text.push(char::from(ALPHABET[usize::from(value)]));
    }
    text
}

/// Reads a code back; case, spaces, hyphens and line ends do not count, O is 0, I and L are 1.
pub fn read(text: &str) -> Option<Secret32> {
    let mut digits = Zeroizing::new(Vec::with_capacity(CHARACTERS));
    for character in text
        .chars()
        .filter(|character| !character.is_whitespace() && *character != '-')
    {
        let upper = match character.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        };
        digits.push(
            ALPHABET
                .iter()
                .position(|letter| char::from(*letter) == upper)? as u8,
        );
    }
    if digits.len() != CHARACTERS {
        return None;
    }
    let mut bytes = Zeroizing::new([0u8; 32]);
    for (at, digit) in digits[..52].iter().enumerate() {
        for bit in 0..5 {
            let position = at * 5 + bit;
            let set = digit >> (4 - bit) & 1;
            if position < 256 {
                bytes[position / 8] |= set << (7 - position % 8);
            } else if set == 1 {
                return None;
            }
        }
    }
    let seed = Secret32::from_bytes(*bytes);
    check(&seed)
        .eq(digits[52..].iter().copied())
        .then_some(seed)
}

/// The root key from what a person typed or scanned: the code alone, or the whole sheet with the code in it.
///
/// # Errors
/// When there is no code in it, or a character is wrong.
pub fn root(text: &str) -> Result<SigningKey, Failure> {
    let lines: Vec<&str> = text.lines().collect();
    let seed = read(text).or_else(|| lines.windows(2).find_map(|two| read(&two.join("-"))));
    seed.map(SigningKey::from_seed).ok_or_else(|| {
        Failure::new(
            "wrong-code",
            say!(
                "復旧シートのコードが正しくありません。14 組の 4 文字を、もう一度紙と見比べてください。",
                "This is not the code of a recovery sheet: compare its 14 groups of four with the paper."
            ),
        )
    })
}

/// The institution's name, when the whole sheet was given and not its code alone.
pub fn institution(text: &str) -> Option<&str> {
    let line = text.lines().find_map(|line| line.strip_prefix(INSTITUTION));
    line.map(str::trim).filter(|name| !name.is_empty())
}

/// The recovery sheet is another site's.
pub fn other_site() -> Failure {
    Failure::new(
        "other-sheet",
        say!(
            "この復旧シートは別の施設のものです。シートの施設 ID を「dokuei status」の施設 ID と比べてください。",
            "This recovery sheet belongs to another site: compare its site id with the one that 'dokuei status' shows."
        ),
    )
}

/// The sheet to print.
pub fn sheet(site: SiteId, name: &str, seed: &Secret32) -> Zeroizing<String> {
    let code = code(seed);
    Zeroizing::new(format!(
        "dokuei 復旧シート / recovery sheet\n\
         ==================================\n\n\
         {INSTITUTION}{name}\n\
         施設 ID / site     : {site}\n\n\
         このコードを持つ人は施設を名乗れます。印刷して金庫に保管し、このファイルは削除してください。\n\
         Whoever holds this code can speak for the institution. Print it, lock it away, remove this file.\n\n\
         {}\n\n\
         用途: 施設鍵の更新と失効。ノードの運転には不要です。\n\
         Needed to renew or revoke the site key; not needed to run the node.\n",
        code.as_str()
    ))
}

fn values(bytes: &[u8; 32]) -> impl Iterator<Item = u8> + '_ {
    (0..52).map(|at| {
        (0..5).fold(0, |value, bit| {
            let position = at * 5 + bit;
            let set = if position < 256 {
                bytes[position / 8] >> (7 - position % 8) & 1
            } else {
                0
            };
            value << 1 | set
        })
    })
}

fn check(seed: &Secret32) -> impl Iterator<Item = u8> + use<> {
    let digest = Digest::of(seed.expose());
    let first = u32::from_be_bytes([
        0,
        digest.as_bytes()[0],
        digest.as_bytes()[1],
        digest.as_bytes()[2],
    ]);
    (0..4).map(move |at| (first >> (19 - 5 * at) & 31) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_reads_back_however_it_is_copied() {
        let seed = Secret32::from_bytes(std::array::from_fn(|at| (at * 37) as u8));
        let text = code(&seed);
        assert_eq!(read(&text).unwrap().expose(), seed.expose());
        let copied = text
            .to_lowercase()
            .replace('-', " ")
            .replace('0', "o")
            .replace('1', "l");
        assert_eq!(read(&copied).unwrap().expose(), seed.expose());
    }

    #[test]
    fn the_root_is_read_from_the_code_or_from_the_whole_sheet() {
        let seed = Secret32::from_bytes([0x33; 32]);
        let key = SigningKey::from_seed(seed.duplicate()).public();
        let sheet = sheet(SiteId::of(&key), "架空診療所", &seed);
        assert_eq!(root(&sheet).unwrap().public(), key);
        assert_eq!(root(&code(&seed)).unwrap().public(), key);
        assert_eq!(institution(&sheet), Some("架空診療所"));
        assert_eq!(institution(&code(&seed)), None);
        assert!(root("no code at all\nand no code here").is_err());
    }

    #[test]
    fn a_wrong_character_is_found() {
        let seed = Secret32::from_bytes([0x5a; 32]);
        let text = code(&seed).to_string();
        let mut found = 0;
        for (at, character) in text
            .char_indices()
            .filter(|(_, character)| character.is_ascii_alphanumeric())
        {
            let other = if character == '7' { '8' } else { '7' };
            let mut wrong = text.clone();
            wrong.replace_range(at..=at, &other.to_string());
            found += usize::from(read(&wrong).is_none());
        }
        assert_eq!(found, CHARACTERS);
        assert!(read(&text[1..]).is_none());
    }
}
