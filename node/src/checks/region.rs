//! Regions of the body, coarse enough to tell a chest from a knee.

macro_rules! regions {
    ($($(#[$item:meta])* $variant:ident = $code:literal),+ $(,)?) => {
        /// A region of the body.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Region { $($(#[$item])* $variant),+ }

        impl Region {
            /// Every region.
            pub const ALL: &'static [Region] = &[$(Region::$variant),+];

            /// The code people write on the command line.
            pub fn code(self) -> &'static str {
                match self { $(Region::$variant => $code),+ }
            }
        }
    };
}

regions! {
    /// Head and brain.
    Head = "head",
    /// Neck.
    Neck = "neck",
    /// Chest, heart and great vessels.
    Chest = "chest",
    /// Breast.
    Breast = "breast",
    /// Abdomen.
    Abdomen = "abdomen",
    /// Pelvis.
    Pelvis = "pelvis",
    /// Spine.
    Spine = "spine",
    /// Shoulder to fingers.
    UpperLimb = "upper-limb",
    /// Hip to toes.
    LowerLimb = "lower-limb",
    /// All of it.
    WholeBody = "whole-body",
}

use Region::{Abdomen, Breast, Chest, Head, LowerLimb, Neck, Pelvis, Spine, UpperLimb, WholeBody};

/// Codes of Body Part Examined (PS3.16 Annex L), without blanks, and the regions each covers.
const CODES: &[(&[&str], &[Region])] = &[
    (
        &[
            "HEAD",
            "BRAIN",
            "SKULL",
            "ORBIT",
            "EYE",
            "EAR",
            "IAC",
            "SELLA",
            "SINUS",
            "PARANASALSINUS",
            "JAW",
            "MANDIBLE",
            "MAXILLA",
            "TMJ",
            "FACE",
            "NOSE",
            "ZYGOMA",
            "TEETH",
        ],
        &[Head],
    ),
    (&["HEADNECK"], &[Head, Neck]),
    (
        &[
            "NECK",
            "CAROTID",
            "THYROID",
            "LARYNX",
            "PHARYNX",
            "NASOPHARYNX",
        ],
        &[Neck],
    ),
    (&["NECKCHEST"], &[Neck, Chest]),
    (&["NECKCHESTABDOMEN"], &[Neck, Chest, Abdomen]),
    (&["NECKCHESTABDPELV"], &[Neck, Chest, Abdomen, Pelvis]),
    (
        &[
            "CHEST",
            "LUNG",
            "HEART",
            "CORONARYARTERY",
            "AORTA",
            "MEDIASTINUM",
            "RIB",
            "STERNUM",
            "THORAX",
            "THORACICAORTA",
            "BRONCHUS",
            "ESOPHAGUS",
        ],
        &[Chest],
    ),
    (&["CHESTABDOMEN"], &[Chest, Abdomen]),
    (&["CHESTABDPELVIS"], &[Chest, Abdomen, Pelvis]),
    (&["BREAST"], &[Breast]),
    (
        &[
            "ABDOMEN",
            "LIVER",
            "KIDNEY",
            "PANCREAS",
            "SPLEEN",
            "GALLBLADDER",
            "BILEDUCT",
            "STOMACH",
            "COLON",
            "SMALLBOWEL",
            "DUODENUM",
            "ADRENAL",
            "ABDOMINALAORTA",
            "RETROPERITONEUM",
        ],
        &[Abdomen],
    ),
    (&["ABDOMENPELVIS"], &[Abdomen, Pelvis]),
    (
        &[
            "PELVIS", "BLADDER", "UTERUS", "OVARY", "PROSTATE", "RECTUM", "SCROTUM", "TESTIS",
            "SIJOINT", "SACRUM", "COCCYX",
        ],
        &[Pelvis],
    ),
    (
        &[
            "SPINE",
            "CSPINE",
            "TSPINE",
            "LSPINE",
            "SSPINE",
            "CTSPINE",
            "TLSPINE",
            "LSSPINE",
            "WHOLESPINE",
        ],
        &[Spine],
    ),
    (
        &[
            "SHOULDER",
            "CLAVICLE",
            "SCAPULA",
            "ACJOINT",
            "SCJOINT",
            "HUMERUS",
            "UPPERARM",
            "ARM",
            "ELBOW",
            "FOREARM",
            "RADIUS",
            "ULNA",
            "RADIUSULNA",
            "WRIST",
            "HAND",
            "FINGER",
            "THUMB",
            "UPPEREXTREMITY",
            "AXILLA",
        ],
        &[UpperLimb],
    ),
    (
        &[
            "HIP",
            "FEMUR",
            "THIGH",
            "KNEE",
            "PATELLA",
            "LEG",
            "TIBIA",
            "FIBULA",
            "TIBIAFIBULA",
            "ANKLE",
            "CALCANEUS",
            "HEEL",
            "FOOT",
            "TOE",
            "LOWERLEG",
            "LOWEREXTREMITY",
        ],
        &[LowerLimb],
    ),
    (&["WHOLEBODY"], &[WholeBody]),
];

impl Region {
    /// The region with this code.
    pub fn from_code(code: &str) -> Option<Region> {
        let all = Region::ALL.iter().copied();
        let mut found = all.filter(|region| region.code().eq_ignore_ascii_case(code));
        found.next()
    }

    /// Whether images of this Body Part Examined show it; none when the code is not known. What lies at a border,
    /// as hip and pelvis do, counts for both.
    pub(super) fn is_shown_by(self, body_part: &str) -> Option<bool> {
        let letters = body_part.chars().filter(char::is_ascii_alphanumeric);
        let code: String = letters.collect::<String>().to_ascii_uppercase();
        let known = CODES.iter().find(|(codes, _)| codes.contains(&&*code))?;
        let borders = matches!((self, &*code), (Pelvis, "HIP") | (LowerLimb, "PELVIS"));
        let covers = |region| known.1.contains(&region);
        Some(borders || covers(self) || covers(WholeBody))
    }
}
