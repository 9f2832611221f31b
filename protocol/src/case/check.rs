//! The check before sending (検像): what was found in a study, and whether it may be sent so.
//!
//! Classes and counts only. Nothing here says whose study it is, or what its images show.

use minicbor::{Decode, Encode};

use crate::case::terms::classes;

classes! {
    /// What can be found. The order is that in which people should look at it.
    Concern {
        /// Images of one study name different patients.
        0 SeveralPatients = "several-patients",
        /// It came on a medium, and nobody has decided yet which patient it is of.
        1 PatientUndecided = "patient-undecided",
        /// Objects came whose UID another object with other content has.
        2 ConflictingObjects = "conflicting-objects",
        /// Between two images lies more than one and a half times the usual distance.
        3 SliceGap = "slice-gap",
        /// Fewer images are here than they themselves say there are.
        4 MissingImages = "missing-images",
        /// Fewer series are here than their images say there are.
        5 MissingSeries = "missing-series",
        /// Images show another side than the request asks for.
        6 OtherSide = "other-side",
        /// Images show another region than the request asks for.
        7 OtherRegion = "other-region",
        /// Instance numbers are not consecutive.
        8 NumbersSkipped = "numbers-skipped",
        /// The request names a side, and images do not.
        9 SideUnknown = "side-unknown",
        /// The request names a region, and images do not.
        10 RegionUnknown = "region-unknown",
        /// Images say of themselves that text is burned in.
        11 TextDeclared = "text-declared",
        /// Captured screens: whatever stood on the screen stands in the pixels.
        12 TextOnScreen = "text-on-screen",
        /// Scanned films and paper.
        13 TextOnFilm = "text-on-film",
        /// Documents as pages.
        14 TextInDocument = "text-in-document",
        /// Kinds of images in which equipment usually writes names: ultrasound, and secondary captures.
        15 TextLikely = "text-likely",
        /// Images that could not be looked at: they came before this program kept what the check needs.
        16 NotExamined = "not-examined",
    }
}

classes! {
    /// Why a person sends a study that is held back.
    Word {
        /// The images are as they were meant to be.
        0 Intended = "intended",
        /// What is missing cannot be had again.
        1 NotRepeatable = "not-repeatable",
        /// The reading cannot wait.
        2 Urgent = "urgent",
    }
}

/// What a finding, or a whole check, leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Sent.
    Pass,
    /// Sent; whoever sends it is told.
    Warn,
    /// Not sent without a person's word.
    Hold,
    /// Not sent, whatever anybody says.
    Refuse,
}

impl Verdict {
    /// The word for it, as programs read it.
    pub fn code(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Warn => "warn",
            Verdict::Hold => "hold",
            Verdict::Refuse => "refuse",
        }
    }
}

impl Concern {
    /// What it leads to. What may be missing or be the wrong side or region costs a reading, so a person
    /// has to say that it is meant; what may show a name goes to a partner who is told the name anyway.
    pub fn verdict(self) -> Verdict {
        match self {
            Concern::SeveralPatients | Concern::PatientUndecided => Verdict::Refuse,
            Concern::ConflictingObjects
            | Concern::SliceGap
            | Concern::MissingImages
            | Concern::MissingSeries
            | Concern::OtherSide
            | Concern::OtherRegion => Verdict::Hold,
            Concern::NumbersSkipped
            | Concern::SideUnknown
            | Concern::RegionUnknown
            | Concern::TextDeclared
            | Concern::TextOnScreen
            | Concern::TextOnFilm
            | Concern::TextInDocument
            | Concern::TextLikely
            | Concern::NotExamined => Verdict::Warn,
        }
    }
}

/// One thing that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Finding {
    /// What.
    #[n(0)]
    pub concern: Concern,
    /// How many images, series or places it is about.
    #[n(1)]
    pub count: u32,
}

/// What was found in a study before it was sent, and the word of the person who sends it nevertheless.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Check {
    /// What was found, each [`Concern`] at most once, in their order. None: all is well.
    #[n(0)]
    findings: Vec<Finding>,
    /// Why it is sent although it would be held back.
    #[n(1)]
    pub despite: Option<Word>,
}

impl Check {
    /// Adds to what was found; nothing when `count` is zero.
    pub fn found(&mut self, concern: Concern, count: u32) {
        if count == 0 {
            return;
        }
        match self
            .findings
            .binary_search_by_key(&concern, |finding| finding.concern)
        {
            Ok(at) => self.findings[at].count = self.findings[at].count.saturating_add(count),
            Err(at) => self.findings.insert(at, Finding { concern, count }),
        }
    }

    /// What was found.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The gravest of what was found, whatever a person says.
    pub fn verdict(&self) -> Verdict {
        let all = self.findings.iter();
        all.map(|finding| finding.concern.verdict())
            .max()
            .unwrap_or(Verdict::Pass)
    }

    /// Whether the study may be sent: nothing holds it back, or a person has given their word and nothing
    /// stands against that.
    pub fn may_be_sent(&self) -> bool {
        match self.verdict() {
            Verdict::Pass | Verdict::Warn => true,
            Verdict::Hold => self.despite.is_some(),
            Verdict::Refuse => false,
        }
    }
}
