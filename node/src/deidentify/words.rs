//! Descriptions as far as they are made of known words (option 113105). What is not known goes, so that no name can
//! stay because nobody knew it for one.

/// Words that say what was examined and how. Whoever has one for a name is not known by it among the others.
const WORDS: [&str; 95] = [
    "ABDOMEN",
    "ADC",
    "ANGIO",
    "ANKLE",
    "AORTA",
    "AP",
    "ARTERIAL",
    "AX",
    "AXIAL",
    "BODY",
    "BONE",
    "BRAIN",
    "BREAST",
    "CARDIAC",
    "CEREBRAL",
    "CERVICAL",
    "CHEST",
    "CONTRAST",
    "COR",
    "CORONAL",
    "CORONARY",
    "CT",
    "CTA",
    "CXR",
    "DELAYED",
    "DIFFUSION",
    "DUAL",
    "DWI",
    "DYNAMIC",
    "ECG",
    "ELBOW",
    "ENERGY",
    "ENHANCED",
    "EPI",
    "FACE",
    "FAST",
    "FAT",
    "FEMUR",
    "FILTER",
    "FLAIR",
    "FOOT",
    "GRE",
    "HAND",
    "HEAD",
    "HEART",
    "HELICAL",
    "HIP",
    "KIDNEY",
    "KNEE",
    "LAT",
    "LATERAL",
    "LEFT",
    "LIVER",
    "LOCALIZER",
    "LUMBAR",
    "LUNG",
    "MEDIASTINUM",
    "MIP",
    "MPR",
    "MR",
    "MRA",
    "MRI",
    "NATIVE",
    "NECK",
    "NON",
    "ORBIT",
    "PA",
    "PANCREAS",
    "PELVIS",
    "PERFUSION",
    "PET",
    "PHASE",
    "PLAIN",
    "PORTAL",
    "PROSTATE",
    "RECON",
    "RIGHT",
    "SAG",
    "SAGITTAL",
    "SCOUT",
    "SE",
    "SHOULDER",
    "SINUS",
    "SKULL",
    "SPINE",
    "STANDARD",
    "STIR",
    "SUPINE",
    "THIN",
    "THORAX",
    "TOF",
    "TRACE",
    "TSE",
    "VENOUS",
    "WRIST",
];
/// Japanese terms, and the words above that stand for them: what is written is ASCII in every character set.
const TERMS: [(&str, &str); 24] = [
    ("頭部", "HEAD"),
    ("頸部", "NECK"),
    ("頚部", "NECK"),
    ("胸部", "CHEST"),
    ("腹部", "ABDOMEN"),
    ("骨盤", "PELVIS"),
    ("脊椎", "SPINE"),
    ("頸椎", "CERVICAL SPINE"),
    ("頚椎", "CERVICAL SPINE"),
    ("腰椎", "LUMBAR SPINE"),
    ("心臓", "HEART"),
    ("冠動脈", "CORONARY"),
    ("大動脈", "AORTA"),
    ("肝臓", "LIVER"),
    ("膵臓", "PANCREAS"),
    ("腎臓", "KIDNEY"),
    ("膝", "KNEE"),
    ("肩", "SHOULDER"),
    ("単純", "PLAIN"),
    ("造影", "CONTRAST"),
    ("動脈相", "ARTERIAL PHASE"),
    ("門脈相", "PORTAL PHASE"),
    ("平衡相", "DELAYED PHASE"),
    ("乳腺", "BREAST"),
];
/// Longest result: that of an LO value (PS3.5 section 6.2).
const CHARACTERS: usize = 64;

/// The known words of a description, in ASCII; empty when there are none.
pub(super) fn known(description: &str) -> String {
    let mut kept = String::new();
    for piece in description.split(|letter: char| !letter.is_alphanumeric()) {
        match piece.is_ascii() {
            true => put(
                &mut kept,
                WORDS
                    .iter()
                    .find(|word| word.eq_ignore_ascii_case(piece))
                    .copied(),
            ),
            false => terms(piece).for_each(|word| put(&mut kept, Some(word))),
        }
    }
    kept
}

/// A text that is made of known words wholly, in ASCII; none when there is anything else in it, a number for instance.
pub(super) fn all_known(text: &str) -> Option<String> {
    let mut kept = Vec::new();
    for piece in text.split(|letter: char| !letter.is_alphanumeric()) {
        let known = WORDS.iter().find(|word| word.eq_ignore_ascii_case(piece));
        match known {
            Some(word) => kept.push(*word),
            None => {
                let mut rest = piece;
                while !rest.is_empty() {
                    let (term, word) = longest(rest)?;
                    kept.push(word);
                    rest = &rest[term.len()..];
                }
            }
        }
    }
    (!kept.is_empty()).then(|| kept.join(" "))
}

/// The longest term with which a text begins, and what stands for it.
fn longest(text: &str) -> Option<(&'static str, &'static str)> {
    let here = TERMS.iter().filter(|(term, _)| text.starts_with(term));
    here.max_by_key(|(term, _)| term.len()).copied()
}

/// The terms of a text that has no spaces, each with the longest that stands there.
fn terms(text: &str) -> impl Iterator<Item = &'static str> + '_ {
    let mut rest = text;
    std::iter::from_fn(move || {
        while let Some(first) = rest.chars().next() {
            if let Some((term, word)) = longest(rest) {
                rest = &rest[term.len()..];
                return Some(word);
            }
            rest = &rest[first.len_utf8()..];
        }
        None
    })
}

fn put(kept: &mut String, word: Option<&str>) {
    let Some(word) = word.filter(|word| kept.len() + 1 + word.len() <= CHARACTERS) else {
        return;
    };
    if !kept.is_empty() {
        kept.push(' ');
    }
    kept.push_str(word);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_words_stay_and_names_go() {
        assert_eq!(known("Chest CT^Dr. Yamada 03-1234-5678"), "CHEST CT");
        assert_eq!(known("山田太郎様 胸部CT造影"), "CHEST CONTRAST");
        assert_eq!(known("腰椎MRI"), "LUMBAR SPINE");
        assert_eq!(known("TARO HANAKO"), "");
        assert!(known(&"CHEST ".repeat(100)).len() <= 64);
    }

    #[test]
    fn a_text_is_known_wholly_or_not_at_all() {
        assert_eq!(
            all_known("Chest CT, contrast."),
            Some("CHEST CT CONTRAST".to_owned())
        );
        assert_eq!(
            all_known("胸部造影 CT"),
            Some("CHEST CONTRAST CT".to_owned())
        );
        for other in ["no contrast", "造影なし", "Chest CT 3", "", " - "] {
            assert_eq!(all_known(other), None, "{other}");
        }
    }

    #[test]
    fn the_words_are_in_order_and_stand_for_terms() {
        assert!(WORDS.is_sorted());
        let mut of_terms = TERMS.iter().flat_map(|(_, words)| words.split(' '));
        assert!(of_terms.all(|word| WORDS.contains(&word)));
    }
}
