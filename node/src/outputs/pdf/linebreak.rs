//! Where a line may end: Japanese text breaks almost anywhere, with exceptions (禁則処理).
//!
//! The rules are those of JIS X 4051 / JLREQ for line starts, line ends and inseparable pairs, and
//! of UAX #14 for Latin words. A character that may not start a line takes the one before it along
//! (追い出し). A word wider than the line is broken where it must be.

use std::ops::Range;

use super::shaping::Shaped;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Hangs at the end of a line.
    Space,
    /// Never separated from its neighbours.
    Glue,
    /// Invisible permission to break after it.
    Permission,
    /// Opening brackets: never at the end of a line.
    Opening,
    /// Closing brackets, stops, commas, small kana, prolonged sound marks: never at the start.
    NotAtStart,
    /// ASCII stops and closing brackets: as above, and they stick to a following word.
    LatinStop,
    /// Currency and similar signs: stay with the number behind them.
    Prefix,
    /// Per cent, degrees and similar signs: stay with the number before them.
    Suffix,
    /// Two-em dashes and leaders: a pair is not separated.
    Leader,
    /// `-` and `/` inside words.
    Joint,
    /// Latin, Greek and Cyrillic letters and digits.
    Word,
    /// Everything else: breakable on both sides.
    Ideograph,
}

const NOT_AT_START: &str = "」』）］｝〕〉》】〗〙｠»”’〟、。，．：；！？‼⁇⁈⁉・゠‐–〜～ー々〻ゝゞヽヾ〆\
    ぁぃぅぇぉっゃゅょゎゕゖァィゥェォッャュョヮヵヶㇰㇱㇲㇳㇴㇵㇶㇷㇸㇹㇺㇻㇼㇽㇾㇿ\
    ｡｣､･ｧｨｩｪｫｬｭｮｯｰﾞﾟ";
const OPENING: &str = "([{「『（［｛〔〈《【〖〘｟«“‘〝｢";
const LATIN_STOP: &str = ")]},.:;!?\"'";
const PREFIX: &str = "¥￥$＄£￡€№#＃@±+×÷";
const SUFFIX: &str = "%％‰°℃℉′″¢￠㎜㎝㎞㎎㎏㏄㎡㎖㎗ℓ㍉㌢㌔㌘";
const LEADER: &str = "…‥—―─";

/// Units that stay on the line of their number when one space is between them.
const UNITS: &[&str] = &[
    "mm", "cm", "m", "µm", "μm", "ml", "mL", "L", "cc", "mg", "g", "kg", "ng/mL", "mg/dL", "HU",
    "s", "ms", "sec", "min", "mGy", "Gy", "mSv", "MBq", "kV", "mAs", "T", "mmHg", "SUV",
];

fn class(character: char) -> Class {
    match character {
        ' ' | '\u{3000}' | '\t' => Class::Space,
        '\u{00A0}' | '\u{202F}' | '\u{2060}' => Class::Glue,
        '\u{200B}' => Class::Permission,
        '-' | '/' => Class::Joint,
        _ if LATIN_STOP.contains(character) => Class::LatinStop,
        _ if OPENING.contains(character) => Class::Opening,
        _ if NOT_AT_START.contains(character) => Class::NotAtStart,
        _ if PREFIX.contains(character) => Class::Prefix,
        _ if SUFFIX.contains(character) => Class::Suffix,
        _ if LEADER.contains(character) => Class::Leader,
        _ if is_word(character) => Class::Word,
        _ => Class::Ideograph,
    }
}

fn is_word(character: char) -> bool {
    character.is_ascii_graphic()
        || matches!(character, '\u{00A1}'..='\u{058F}' | '\u{1E00}'..='\u{1FFF}')
            && character.is_alphanumeric()
}

/// A line as clusters of the shaped paragraph, without the spaces it ends with.
pub(super) struct Line {
    pub(super) clusters: Range<usize>,
}

/// Break a paragraph into lines of at most `width` points at `size` points per em.
///
/// Every line but the last holds at least one cluster, so the number of lines is bounded by the
/// length of the text. An empty paragraph is one empty line.
pub(super) fn break_lines(shaped: &Shaped, size: f32, width: f32) -> Vec<Line> {
    let classes: Vec<Class> = (0..shaped.clusters.len())
        .map(|i| shaped.character(i).map_or(Class::Ideograph, class))
        .collect();
    let mut lines = Vec::new();
    let mut start = 0;
    let mut used = 0.0;
    let mut allowed: Option<usize> = None;
    let mut at = 0;
    while let Some(cluster) = shaped.clusters.get(at) {
        if at > start && may_break(shaped, &classes, at) {
            allowed = Some(at);
        }
        let advance = cluster.advance * size;
        let hangs = classes.get(at) == Some(&Class::Space);
        // A hundredth of a point absorbs the rounding of summed advances.
        if used + advance > width + 0.01 && !hangs && at > start {
            let end = allowed.unwrap_or(at);
            lines.push(line(&classes, start..end));
            start = end;
            at = end;
            used = 0.0;
            allowed = None;
            continue;
        }
        used += advance;
        at += 1;
    }
    lines.push(line(&classes, start..shaped.clusters.len()));
    lines
}

fn line(classes: &[Class], clusters: Range<usize>) -> Line {
    let trailing = classes
        .get(clusters.clone())
        .unwrap_or_default()
        .iter()
        .rev()
        .take_while(|class| **class == Class::Space)
        .count();
    Line {
        clusters: clusters.start..clusters.end - trailing,
    }
}

/// Whether a line may end before cluster `at` (which is not the first).
fn may_break(shaped: &Shaped, classes: &[Class], at: usize) -> bool {
    let class_at = |i: usize| classes.get(i).copied().unwrap_or(Class::Ideograph);
    let (before, after) = (class_at(at - 1), class_at(at));
    match (before, after) {
        (
            _,
            Class::Space | Class::Glue | Class::NotAtStart | Class::LatinStop | Class::Permission,
        ) => false,
        (Class::Glue | Class::Opening, _) => false,
        (Class::Permission, _) => true,
        (Class::Space, Class::Suffix) => false,
        (Class::Space, _) => !is_number_and_unit(shaped, classes, at),
        (_, Class::Suffix) => false,
        (Class::Prefix, Class::Word) => false,
        (Class::Leader, Class::Leader) => shaped.character(at - 1) != shaped.character(at),
        (Class::LatinStop, Class::Word | Class::Joint | Class::Prefix) => false,
        (Class::Word, Class::Word | Class::Joint | Class::Prefix) => false,
        (Class::Word, Class::Opening) => !shaped.character(at).is_some_and(|c| c.is_ascii()),
        (Class::Joint, Class::Word) => is_between_words(shaped, at),
        (Class::Joint, Class::Joint | Class::Prefix) => false,
        (
            Class::NotAtStart
            | Class::LatinStop
            | Class::Prefix
            | Class::Suffix
            | Class::Leader
            | Class::Joint
            | Class::Word
            | Class::Ideograph,
            _,
        ) => true,
    }
}

/// `follow-up` may be broken behind its hyphen, `2024-01-15`, `T1-2` and `-5` may not.
fn is_between_words(shaped: &Shaped, at: usize) -> bool {
    let letter = |i: usize| shaped.character(i).is_some_and(char::is_alphabetic);
    at >= 3 && letter(at - 3) && letter(at - 2) && letter(at) && letter(at + 1)
}

/// `12 mm`: the cluster before the single space is a digit and a unit follows.
fn is_number_and_unit(shaped: &Shaped, classes: &[Class], at: usize) -> bool {
    if at < 2 || !shaped.character(at - 2).is_some_and(|c| c.is_ascii_digit()) {
        return false;
    }
    let word: String = (at..shaped.clusters.len())
        .take(6)
        .take_while(|i| matches!(classes.get(*i), Some(Class::Word | Class::Joint)))
        .filter_map(|i| shaped.character(i))
        .collect();
    UNITS.contains(&word.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outputs::pdf::faces::{Faces, Weight};
    use crate::outputs::pdf::shaping::shape;

    /// Lines of `text` when `ems` full-width characters fit.
    fn broken(text: &str, ems: f32) -> Vec<String> {
        let shaped = shape(&Faces::load().unwrap(), text, Weight::Regular);
        break_lines(&shaped, 10.0, ems * 10.0)
            .iter()
            .map(|line| {
                shaped.clusters[line.clusters.clone()]
                    .iter()
                    .map(|cluster| &shaped.text[cluster.text.clone()])
                    .collect()
            })
            .collect()
    }

    #[test]
    fn breaks_between_kanji_at_the_width() {
        assert_eq!(
            broken("右上葉に結節を認める", 4.0),
            ["右上葉に", "結節を認", "める"]
        );
    }

    #[test]
    fn a_full_stop_never_starts_a_line() {
        assert_eq!(
            broken("結節を認める。次に", 6.0),
            ["結節を認め", "る。次に"]
        );
        assert_eq!(
            broken("結節、肺炎、胸水", 2.0),
            ["結", "節、", "肺", "炎、", "胸水"]
        );
    }

    #[test]
    fn small_kana_and_sound_marks_never_start_a_line() {
        assert_eq!(broken("ウィルヒョウ", 2.0), ["ウィ", "ル", "ヒョ", "ウ"]);
        assert_eq!(broken("造影シート", 3.0), ["造影", "シート"]);
        assert_eq!(broken("造影ｼﾞ", 2.5), ["造影", "ｼﾞ"]);
        assert_eq!(broken("日時々刻", 2.0), ["日", "時々", "刻"]);
    }

    #[test]
    fn brackets_stay_with_what_they_enclose() {
        assert_eq!(broken("所見「あり」と", 3.0), ["所見", "「あ", "り」と"]);
        assert_eq!(broken("単純CT（造影）", 4.0), ["単純CT", "（造影）"]);
    }

    #[test]
    fn latin_words_are_kept_whole_and_spaces_hang() {
        assert_eq!(
            broken("No acute intracranial hemorrhage.", 8.0),
            ["No acute", "intracranial", "hemorrhage."]
        );
        assert_eq!(broken("脳のMRIで", 3.0), ["脳の", "MRIで"]);
    }

    #[test]
    fn a_word_wider_than_the_line_is_broken() {
        let lines = broken("Pneumonoultramicroscopicsilicovolcanoconiosis", 6.0);
        assert!(lines.len() > 2, "{lines:?}");
        assert_eq!(
            lines.concat(),
            "Pneumonoultramicroscopicsilicovolcanoconiosis"
        );
    }

    #[test]
    fn numbers_keep_their_signs_and_units() {
        assert_eq!(broken("径12 mmの", 3.4), ["径", "12 mm", "の"]);
        assert_eq!(broken("約50%である", 2.2), ["約", "50%", "であ", "る"]);
        assert_eq!(broken("大きさ12×8 cm", 4.7), ["大きさ", "12×8 cm"]);
        assert_eq!(broken("撮影2024-01-15", 4.0), ["撮影", "2024-01", "-15"]);
    }

    #[test]
    fn hyphens_between_words_may_end_a_line() {
        assert_eq!(
            broken("recommend follow-up", 6.3),
            ["recommend", "follow-up"]
        );
        assert_eq!(broken("in follow-up", 5.2), ["in follow-", "up"]);
    }

    #[test]
    fn leaders_are_not_separated() {
        assert_eq!(broken("所見……なし", 3.0), ["所見", "……な", "し"]);
    }

    #[test]
    fn indents_are_kept_and_an_empty_paragraph_is_one_line() {
        assert_eq!(broken("　所見", 8.0), ["　所見"]);
        assert_eq!(broken("", 8.0), [""]);
        assert_eq!(broken("   ", 8.0), [""]);
    }
}
