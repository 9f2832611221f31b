//! Matching of decoded text: single values and wildcards (PS3.4 §C.2.2.2.1 and §C.2.2.2.4).
//!
//! Text matches character by character, after decoding, and as it was written: the standard wants it case-sensitive. A
//! person's name may be matched without regard to case, position, accent and other ways to encode the same letters
//! (§C.2.2.2.1), and a Japanese name needs that: one person is ﾔﾏﾀﾞ in the old devices' half width, ヤマダ in the ward's
//! system and やまだ in the query. So names are compared in the form that [`fold`] gives them, on both sides.
//!
//! A comparison costs at most the pattern's length times the text's, whatever the pattern: there is one place to go back
//! to, the latest `*`. Patterns are at most [`PATTERN_CHARS`] long, texts as long as the scanner keeps.

use std::str::Chars;

use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};

use super::person_name::{NameGroup, PersonName};

/// Longest pattern, in characters. Of the types that are matched, PN is the longest with three groups of 64 (PS3.5
/// §6.2); a longer pattern is none, and matches nothing.
pub const PATTERN_CHARS: usize = 1024;

const DECOMPOSE: DecomposingNormalizerBorrowed<'static> = DecomposingNormalizerBorrowed::new_nfkd();
const COMPOSE: ComposingNormalizerBorrowed<'static> = ComposingNormalizerBorrowed::new_nfkc();

/// The form in which names are compared. It makes the same of
///
/// - upper and lower case, letters with and without accents (Müller, MULLER; Tarō, Taro);
/// - full and half width, and other compatibility forms (Unicode NFKC: Ａ and A, ﾀﾞ and ダ, 神 and 神);
/// - katakana and hiragana, small kana and large ones, which old devices did not tell apart (ｼﾞﾕﾝ, ジュン, じゅん);
/// - the long-vowel mark and all that is typed in its place: hyphens, dashes, the minus sign;
/// - `^` between components, and spaces of any kind and number; at the ends there is none.
#[must_use]
pub fn fold(text: &str) -> String {
    let apart: String = text.chars().map(joined_marks).collect();
    // Letter by letter: what a letter becomes must not depend on its neighbours, which a wildcard may hide.
    let letters = DECOMPOSE.normalize(&apart);
    let lower = letters.chars().flat_map(char::to_lowercase);
    // Small kana become large ones before marks are joined to them: of a small つ there is no voiced form, of a large one there is.
    let plain: String = lower
        .filter(|char| !is_accent(*char))
        .map(fold_char)
        .collect();
    let mut folded = String::with_capacity(plain.len());
    for char in COMPOSE.normalize(&plain).chars() {
        if char != ' ' || !folded.ends_with(' ') {
            folded.push(char);
        }
    }
    folded.trim_matches(' ').to_owned()
}

/// The voiced sound marks of JIS X 0208, which stand for themselves, as those that join the kana before.
fn joined_marks(char: char) -> char {
    match char {
        '\u{309B}' => '\u{3099}',
        '\u{309C}' => '\u{309A}',
        other => other,
    }
}

/// Accents of alphabets. The voiced sound marks of kana are not among them: they make another sound.
fn is_accent(char: char) -> bool {
    matches!(char, '\u{300}'..='\u{36F}')
}

fn fold_char(char: char) -> char {
    let hiragana = match char {
        // The katakana stand in the order of the hiragana, 60 (hex) further on.
        '\u{30A1}'..='\u{30F6}' | '\u{30FD}'..='\u{30FE}' => {
            char::from_u32(u32::from(char) - 0x60).unwrap_or(char)
        }
        other => other,
    };
    match hiragana {
        'ぁ' => 'あ',
        'ぃ' => 'い',
        'ぅ' => 'う',
        'ぇ' => 'え',
        'ぉ' => 'お',
        'っ' => 'つ',
        'ゃ' => 'や',
        'ゅ' => 'ゆ',
        'ょ' => 'よ',
        'ゎ' => 'わ',
        '\u{3095}' => 'か',
        '\u{3096}' => 'け',
        // Long vowel, hyphens, dashes, minus; box drawing, which input methods offer among them.
        'ー' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{2500}' => '-',
        '^' => ' ',
        space if space.is_whitespace() => ' ',
        other => other,
    }
}

/// What stands around a value among others, for [`TextPattern::certain`] and [`NamePattern::certain`].
pub const BOUND: char = '\n';

/// A pattern: `*` stands for any characters or none, `?` for exactly one.
#[derive(Clone, PartialEq, Eq)]
struct Pattern(Vec<char>);

impl Pattern {
    fn new(text: &str) -> Option<Self> {
        let chars: Vec<char> = text.chars().take(PATTERN_CHARS + 1).collect();
        (chars.len() <= PATTERN_CHARS).then_some(Self(chars))
    }

    fn matches(&self, text: &str) -> bool {
        wildcard(&self.0, text)
    }

    /// The longest text that is in everything of this pattern, with [`BOUND`] where it begins or ends the value; empty
    /// when there is none. Without what one repertoire has in the place of another's letter (PS3.3 §C.12.1.1.2:
    /// ISO-IR 14), and without spaces at its ends, which may be absent where a component is.
    fn certain(&self) -> String {
        if self.0.is_empty() {
            return String::new();
        }
        let bound = [BOUND];
        let bounded: Vec<char> = [&bound, self.0.as_slice(), &bound].concat();
        let parts = bounded.split(|char| {
            let is_other = char.is_control() && *char != BOUND;
            is_other || matches!(char, '*' | '?' | '~' | '\u{203E}' | '\\' | '¥')
        });
        let texts = parts.map(|part| part.iter().collect::<String>().trim_matches(' ').to_owned());
        texts
            .filter(|text| text.chars().any(|char| char != BOUND))
            .max_by_key(String::len)
            .unwrap_or_default()
    }

    /// As [`Pattern::matches`], for folded names: a last component that may be anything may be absent.
    fn matches_name(&self, name: &str) -> bool {
        let shorter = self
            .0
            .strip_suffix(&[' ', '*'])
            .filter(|rest| !rest.is_empty());
        wildcard(&self.0, name) || shorter.is_some_and(|rest| wildcard(rest, name))
    }
}

/// Whether the text is of the pattern, in at most `pattern.len() * text.len()` steps.
fn wildcard(pattern: &[char], text: &str) -> bool {
    let (mut at, mut rest) = (0, text.chars());
    // After the latest `*`, and how far it reaches in the text.
    let mut star: Option<(usize, Chars<'_>)> = None;
    loop {
        let mut after = rest.clone();
        let Some(char) = after.next() else {
            break;
        };
        match pattern.get(at) {
            Some('*') => {
                at += 1;
                star = Some((at, rest.clone()));
            }
            Some(expected) if *expected == '?' || *expected == char => {
                (at, rest) = (at + 1, after);
            }
            Some(_) | None => {
                let Some((begin, reach)) = &mut star else {
                    return false;
                };
                reach.next();
                (at, rest) = (*begin, reach.clone());
            }
        }
    }
    let rest = pattern.get(at..).unwrap_or_default();
    rest.iter().all(|left| *left == '*')
}

/// A key for text that is no name: AE, CS, LO, LT, SH, ST, UC, UR, UT. Case counts, spaces at the ends do not.
///
/// Has no `Debug`: it may hold what names a patient.
#[derive(Clone, PartialEq, Eq)]
pub struct TextPattern(Option<Pattern>);

impl TextPattern {
    /// The pattern of one decoded key value. An empty one is universal (PS3.4 §C.2.2.2.3).
    #[must_use]
    pub fn new(key: &str) -> Self {
        Self(Pattern::new(key.trim_matches(' ')))
    }

    /// Whether a decoded value matches.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        let Some(pattern) = &self.0 else {
            return false;
        };
        pattern.0.is_empty() || pattern.matches(value.trim_matches(' '))
    }

    /// A text that is in every value that matches, if [`BOUND`] stands before and behind it; empty when there is none.
    #[must_use]
    pub fn certain(&self) -> String {
        self.0.as_ref().map(Pattern::certain).unwrap_or_default()
    }
}

/// A key for a person's name. Has no `Debug`: it holds what names a patient.
#[derive(Clone, PartialEq, Eq)]
pub struct NamePattern(Option<NameKey>);

#[derive(Clone, PartialEq, Eq)]
enum NameKey {
    /// Any of the three groups.
    Any(Pattern),
    /// Alphabetic, ideographic, phonetic, each in its place.
    Each([Pattern; 3]),
}

impl NamePattern {
    /// The pattern of one decoded key value: [`PersonName::to_value`] of what a DIMSE identifier holds, or the text of a
    /// query as it is. Without `=` any of a name's three groups may match; with `=` each group that the key has must
    /// match in its place. An empty key is universal.
    #[must_use]
    pub fn new(key: &str) -> Self {
        if key.chars().nth(PATTERN_CHARS).is_some() {
            return Self(None);
        }
        if !key.contains('=') {
            return Self(Pattern::new(&fold(key)).map(NameKey::Any));
        }
        let mut groups = key.splitn(3, '=').map(fold);
        let mut next = || Pattern::new(&groups.next().unwrap_or_default());
        let (alphabetic, ideographic, phonetic) = (next(), next(), next());
        let each = alphabetic.zip(ideographic).zip(phonetic);
        Self(each.map(|((first, second), third)| NameKey::Each([first, second, third])))
    }

    /// A text that is in one of the [`folded`] groups of every name that matches, if [`BOUND`] stands before and behind
    /// each; empty when there is none.
    #[must_use]
    pub fn certain(&self) -> String {
        let patterns = match &self.0 {
            None => &[],
            Some(NameKey::Any(pattern)) => std::slice::from_ref(pattern),
            Some(NameKey::Each(patterns)) => patterns.as_slice(),
        };
        let texts = patterns.iter().map(Pattern::certain);
        texts.max_by_key(String::len).unwrap_or_default()
    }

    /// Whether a name matches.
    #[must_use]
    pub fn matches(&self, name: &PersonName) -> bool {
        self.matches_folded(folded(name).each_ref().map(String::as_str))
    }

    /// Whether a name matches whose groups were [`folded`] before.
    #[must_use]
    pub fn matches_folded(&self, groups: [&str; 3]) -> bool {
        let group_matches =
            |pattern: &Pattern, group: &str| pattern.0.is_empty() || pattern.matches_name(group);
        match &self.0 {
            None => false,
            Some(NameKey::Any(pattern)) => groups.iter().any(|group| group_matches(pattern, group)),
            Some(NameKey::Each(patterns)) => {
                let mut pairs = patterns.iter().zip(groups);
                pairs.all(|(pattern, group)| group_matches(pattern, group))
            }
        }
    }
}

/// The three groups of a name in the form that [`fold`] gives them, for names that are matched often.
#[must_use]
pub fn folded(name: &PersonName) -> [String; 3] {
    let groups: [&NameGroup; 3] = [&name.alphabetic, &name.ideographic, &name.phonetic];
    groups.map(|group| fold(&group.to_value()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dicom::charset::CharacterSets;

    fn name(value: &str) -> PersonName {
        let sets = CharacterSets::read(b"ISO_IR 192");
        sets.decode_person_names(value.as_bytes()).remove(0)
    }

    const YAMADA: &str = "Yamada^Tarou=山田^太郎=やまだ^たろう";

    #[test]
    fn one_name_in_many_spellings_is_one() {
        for (one, other) in [
            ("YAMADA^TARO", "yamada  taro"),
            ("ﾔﾏﾀﾞ^ﾀﾛｳ", "やまだ　たろう"),
            ("ヤマタ゛", "ﾔﾏﾀﾞ"),
            ("ｼﾞﾕﾝ", "じゅん"),
            ("サトー", "ｻﾄｰ"),
            ("サトー", "さと-"),
            ("サト−", "サト―"),
            ("Ｙａｍａｄａ", "yamada"),
            ("Tarō", "TARO"),
            ("Müller", "MULLER"),
            ("\u{FA19}田", "神田"),
            ("홍^길동", "\u{1112}\u{1169}\u{11BC} 길동"),
            ("ΔΙΟΝΥΣΙΟΣ", "διονυσιοσ"),
            ("  山田 ^ ", "山田"),
        ] {
            assert_eq!(fold(one), fold(other), "{one} {other}");
        }
        for (one, other) in [
            ("はは", "ばば"),
            ("ハハ", "パパ"),
            ("山田", "山口"),
            ("", "x"),
        ] {
            assert_ne!(fold(one), fold(other), "{one} {other}");
        }
    }

    #[test]
    fn folding_twice_is_folding_once() {
        for text in [
            YAMADA,
            "ｶﾞｷﾞ゛ー",
            "ǅ ﷺ ﬃ İ",
            "A\u{301}^\u{3000}^B",
            "ｯﾞ ッ゛ ｬﾞﾞ ヷヴヵ゛",
        ] {
            let once = fold(text);
            assert_eq!(fold(&once), once, "{text}");
        }
    }

    #[test]
    fn a_key_without_equals_matches_any_group() {
        for key in [
            "",
            "*",
            "YAMADA*",
            "山田*",
            "山田^太郎",
            "ﾔﾏﾀﾞ*",
            "ヤマダ　タロウ",
            "*太郎",
            "？田*",
            "??^??",
            "山＊",
        ] {
            assert!(NamePattern::new(key).matches(&name(YAMADA)), "{key}");
        }
        for key in ["山", "太郎*", "田中*", "山田^?", "Yamada", "?"] {
            assert!(!NamePattern::new(key).matches(&name(YAMADA)), "{key}");
        }
    }

    #[test]
    fn a_key_with_equals_matches_group_by_group() {
        for key in [
            "=山田*",
            "yamada*=山田*=ヤマダ*",
            "==やまだ^たろう",
            "Yamada*=",
            "=",
            "*=*=*",
        ] {
            assert!(NamePattern::new(key).matches(&name(YAMADA)), "{key}");
        }
        for key in ["山田*=", "=やまだ*", "==山田*", "yamada*=田中*"] {
            assert!(!NamePattern::new(key).matches(&name(YAMADA)), "{key}");
        }
    }

    #[test]
    fn a_component_that_may_be_anything_may_be_absent() {
        assert!(NamePattern::new("山田^*").matches(&name("=山田")));
        assert!(!NamePattern::new("山田^*").matches(&name("=山田原^太郎")));
        assert!(NamePattern::new("*").matches(&name("")));
        assert!(!NamePattern::new("?*").matches(&name("")));
    }

    #[test]
    fn text_is_matched_as_it_is_written() {
        let matches = |key: &str, value: &str| TextPattern::new(key).matches(value);
        assert!(matches(" 胸部 CT ", "胸部 CT"));
        assert!(matches("胸?CT*", "胸部CT 造影"));
        assert!(matches("", "x") && matches("*", ""));
        assert!(!matches("abc", "ABC"));
        assert!(!matches("胸部CT", "胸部ＣＴ"));
        assert!(!matches("?", ""));
    }

    #[test]
    fn stars_without_end_cost_no_more_than_the_product() {
        // A matcher that tries every star anew would not come back from this.
        let key = "*a".repeat(PATTERN_CHARS / 2 - 1) + "b";
        let value = "a".repeat(64 * 1024);
        assert!(!TextPattern::new(&key).matches(&value));
        assert!(!NamePattern::new(&key).matches(&name(&value)));
    }

    proptest::proptest! {
        #[test]
        fn any_name_is_found_by_itself_and_by_its_beginning(text in r"[\p{L}\p{M}\p{N}\p{S} ^&&[^=*?\\]]{1,40}") {
            let name = name(&text);
            let whole = name.to_value();
            assert!(NamePattern::new(&whole).matches(&name));
            let first = fold(&whole).chars().next();
            let beginning: String = first.into_iter().chain(['*']).collect();
            assert!(NamePattern::new(&beginning).matches(&name));
        }

        #[test]
        fn what_is_certain_of_a_key_is_in_all_that_matches(key in r"[ab山ﾔ~^ *?=]{0,8}", value in r"[ab山ﾔ~^ =]{0,12}") {
            let name = name(&value);
            let key = NamePattern::new(&key);
            if key.matches(&name) {
                let [first, second, third] = folded(&name);
                assert!(format!("\n{first}\n{second}\n{third}\n").contains(&key.certain()));
            }
        }

        #[test]
        fn no_key_breaks_the_matcher(key in ".{0,60}", bytes: Vec<u8>) {
            let names = CharacterSets::read(b"ISO 2022 IR 13").decode_person_names(&bytes);
            for name in &names {
                let _ = NamePattern::new(&key).matches(name);
                let _ = NamePattern::new(&name.to_value()).matches(name);
            }
        }
    }

    #[test]
    fn a_pattern_that_is_too_long_matches_nothing() {
        let key = "*".repeat(PATTERN_CHARS + 1);
        assert!(!TextPattern::new(&key).matches("x"));
        assert!(!NamePattern::new(&key).matches(&name("x")));
        assert!(TextPattern::new(&key[1..]).matches("x"));
    }
}
