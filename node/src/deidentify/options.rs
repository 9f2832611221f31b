//! What of an object may stay: the options of PS3.15 sections E.3.1 to E.3.12, by their codes (PS3.16 CID 7050).

use serde::{Deserialize, Serialize};

const BASIC_PROFILE: u32 = 113_100;
const CLEAN_PIXELS: u32 = 113_101;
const CLEAN_STRUCTURED: u32 = 113_104;
const CLEAN_DESCRIPTORS: u32 = 113_105;
const FULL_DATES: u32 = 113_106;
const MODIFIED_DATES: u32 = 113_107;
const PATIENT_CHARACTERISTICS: u32 = 113_108;
const DEVICE_IDENTITY: u32 = 113_109;
const UIDS: u32 = 113_110;
const SAFE_PRIVATE: u32 = 113_111;
const INSTITUTION_IDENTITY: u32 = 113_112;

/// What becomes of dates and times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dates {
    /// Removed, emptied or replaced, as the Basic Profile says.
    #[default]
    Remove,
    /// Kept (113106).
    Keep,
    /// Moved into the past by a number of days, the same for everything of one patient (113107).
    Shift,
}

/// What an option does to an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Treatment {
    /// K.
    Keep,
    /// C.
    Clean,
}

/// The chosen options. None: the Basic Profile alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// Dates and times.
    #[serde(default)]
    pub dates: Dates,
    /// UIDs stay (113110).
    #[serde(default)]
    pub keep_uids: bool,
    /// Sex, age, size, weight and the like stay (113108).
    #[serde(default)]
    pub keep_characteristics: bool,
    /// The device may be recognised (113109).
    #[serde(default)]
    pub keep_device: bool,
    /// The institution may be recognised (113112).
    #[serde(default)]
    pub keep_institution: bool,
    /// Private attributes that the standard knows to be safe stay (113111).
    #[serde(default)]
    pub keep_safe_private: bool,
    /// Descriptions stay as far as they are made of known words (113105).
    #[serde(default)]
    pub clean_descriptors: bool,
    /// Structured reports stay as far as they are made of numbers, codes, references and known words (113104).
    #[serde(default)]
    pub clean_structured: bool,
    /// Where devices write into their pictures is made black, by the rules that the site keeps (113101).
    #[serde(default)]
    pub clean_pixels: bool,
    /// A person has looked at the pixels and found nothing written in them that names anybody.
    #[serde(default)]
    pub pixels_seen: bool,
}

impl Options {
    /// What these options do to an attribute for which the table lists `known`; none: nothing. Whatever is a date is
    /// decided by the option on dates alone, and cleaning wins over keeping.
    pub(super) fn treatment(&self, known: &[(u32, Treatment)]) -> Option<Treatment> {
        let is_date = |code: u32| matches!(code, FULL_DATES | MODIFIED_DATES);
        let of_dates = known.iter().any(|(code, _)| is_date(*code));
        let counts = |code: u32| (!of_dates || is_date(code)) && self.has(code);
        let chosen = known.iter().filter(|(code, _)| counts(*code));
        let mut treatments = chosen.map(|(_, treatment)| *treatment);
        let first = treatments.next()?;
        let cleaned = first == Treatment::Clean || treatments.any(|one| one == Treatment::Clean);
        Some(if cleaned {
            Treatment::Clean
        } else {
            Treatment::Keep
        })
    }

    fn has(&self, code: u32) -> bool {
        match code {
            CLEAN_STRUCTURED => self.clean_structured,
            CLEAN_DESCRIPTORS => self.clean_descriptors,
            FULL_DATES => self.dates == Dates::Keep,
            MODIFIED_DATES => self.dates == Dates::Shift,
            PATIENT_CHARACTERISTICS => self.keep_characteristics,
            DEVICE_IDENTITY => self.keep_device,
            UIDS => self.keep_uids,
            SAFE_PRIVATE => self.keep_safe_private,
            INSTITUTION_IDENTITY => self.keep_institution,
            BASIC_PROFILE => true,
            _ => false,
        }
    }

    /// What was done, as De-identification Method Code Sequence (0012,0064) says it: code and meaning. `blanked` says that
    /// parts of the pixels were made black.
    pub(super) fn method(&self, blanked: bool) -> Vec<(u32, &'static str)> {
        const MEANINGS: [(u32, &str); 11] = [
            (BASIC_PROFILE, "Basic Application Confidentiality Profile"),
            (CLEAN_PIXELS, "Clean Pixel Data Option"),
            (CLEAN_STRUCTURED, "Clean Structured Content Option"),
            (CLEAN_DESCRIPTORS, "Clean Descriptors Option"),
            (
                FULL_DATES,
                "Retain Longitudinal Temporal Information Full Dates Option",
            ),
            (
                MODIFIED_DATES,
                "Retain Longitudinal Temporal Information Modified Dates Option",
            ),
            (
                PATIENT_CHARACTERISTICS,
                "Retain Patient Characteristics Option",
            ),
            (DEVICE_IDENTITY, "Retain Device Identity Option"),
            (UIDS, "Retain UIDs Option"),
            (SAFE_PRIVATE, "Retain Safe Private Option"),
            (INSTITUTION_IDENTITY, "Retain Institution Identity Option"),
        ];
        let all = MEANINGS.into_iter();
        let applies = |code: u32| self.has(code) || blanked && code == CLEAN_PIXELS;
        all.filter(|(code, _)| applies(*code)).collect()
    }

    /// Longitudinal Temporal Information Modified (0028,0303).
    pub(super) fn temporal(&self) -> &'static str {
        match self.dates {
            Dates::Remove => "REMOVED",
            Dates::Keep => "UNMODIFIED",
            Dates::Shift => "MODIFIED",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_follow_the_option_on_dates_alone() {
        let calibration = [
            (FULL_DATES, Treatment::Keep),
            (MODIFIED_DATES, Treatment::Clean),
            (DEVICE_IDENTITY, Treatment::Keep),
        ];
        let mut options = Options {
            keep_device: true,
            ..Options::default()
        };
        assert_eq!(options.treatment(&calibration), None);
        options.dates = Dates::Shift;
        assert_eq!(options.treatment(&calibration), Some(Treatment::Clean));
        options.dates = Dates::Keep;
        assert_eq!(options.treatment(&calibration), Some(Treatment::Keep));
    }

    #[test]
    fn the_method_names_what_was_chosen() {
        let codes = |options: &Options| {
            options
                .method(false)
                .iter()
                .map(|(code, _)| *code)
                .collect::<Vec<_>>()
        };
        assert_eq!(codes(&Options::default()), [113_100]);
        let shifted = Options {
            dates: Dates::Shift,
            keep_uids: true,
            ..Options::default()
        };
        assert_eq!(codes(&shifted), [113_100, 113_107, 113_110]);
        assert_eq!(shifted.temporal(), "MODIFIED");
        assert!(
            shifted
                .method(true)
                .iter()
                .all(|(_, meaning)| meaning.len() <= 64)
        );
    }
}
