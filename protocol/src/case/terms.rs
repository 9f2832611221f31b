//! What is asked for, in classes that say nothing of the person examined.

use minicbor::{Decode, Encode};

use crate::case::CaseId;
use crate::time::Timestamp;

macro_rules! classes {
    ($(#[$doc:meta])* $name:ident { $($(#[$item:meta])* $n:literal $variant:ident = $code:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
        #[cbor(index_only)]
        pub enum $name { $($(#[$item])* #[n($n)] $variant),+ }

        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// The code people write in configuration and on the command line.
            pub fn code(self) -> &'static str {
                match self { $($name::$variant => $code),+ }
            }

            /// The value with this code, whatever the case of its letters.
            pub fn from_code(code: &str) -> Option<$name> {
                Self::ALL.iter().copied().find(|value| value.code().eq_ignore_ascii_case(code))
            }
        }
    };
}

pub(crate) use classes;

classes! {
    /// Modality, by the codes of DICOM (0008,0060).
    Modality {
        /// Computed tomography.
        0 Ct = "CT",
        /// Magnetic resonance.
        1 Mr = "MR",
        /// Computed radiography.
        2 Cr = "CR",
        /// Digital radiography.
        3 Dx = "DX",
        /// Mammography.
        4 Mg = "MG",
        /// Ultrasound.
        5 Us = "US",
        /// Nuclear medicine.
        6 Nm = "NM",
        /// Positron emission tomography.
        7 Pt = "PT",
        /// Angiography.
        8 Xa = "XA",
        /// Fluoroscopy.
        9 Rf = "RF",
        /// Anything else.
        10 Other = "OT",
    }
}

classes! {
    /// Sub-specialty of a reader.
    Specialty {
        /// General radiology.
        0 General = "general",
        /// Brain and spine.
        1 Neuro = "neuro",
        /// Head and neck.
        2 HeadNeck = "head-neck",
        /// Chest.
        3 Chest = "chest",
        /// Heart and great vessels.
        4 Cardiac = "cardiac",
        /// Breast.
        5 Breast = "breast",
        /// Abdomen.
        6 Abdomen = "abdomen",
        /// Urinary tract.
        7 Urology = "urology",
        /// Gynaecology.
        8 Gynaecology = "gynaecology",
        /// Bone and soft tissue.
        9 Musculoskeletal = "musculoskeletal",
        /// Children.
        10 Paediatric = "paediatric",
        /// Nuclear medicine and PET.
        11 Nuclear = "nuclear",
        /// Emergency and trauma.
        12 Emergency = "emergency",
    }
}

classes! {
    /// How soon.
    Priority {
        /// In the agreed ordinary time.
        0 Routine = "routine",
        /// Before routine cases.
        1 Urgent = "urgent",
        /// At once.
        2 Stat = "stat",
    }
}

/// What a requester asks for.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct CaseTerms {
    /// Main modality of the study.
    #[n(0)]
    pub modality: Modality,
    /// Sub-specialty wanted.
    #[n(1)]
    pub specialty: Specialty,
    /// How soon.
    #[n(2)]
    pub priority: Priority,
    /// Number of objects in the study.
    #[n(3)]
    pub objects: u32,
    /// Plaintext bytes of the study.
    #[n(4)]
    pub bytes: u64,
    /// When the report is needed.
    #[n(5)]
    pub due: Timestamp,
    /// The earlier case of the same study, when these are images that came after it was sent.
    #[n(6)]
    pub addition_to: Option<CaseId>,
}
