//! A site's own archive (PACS): a system of its own that can be down or refuse, and keeps what it took.

use std::collections::{BTreeMap, BTreeSet};

use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::report::ReportStatus;

use crate::checks::Violation;

/// What the archive holds.
#[derive(Default)]
pub(crate) struct Archive {
    /// Whether it answers.
    pub(crate) down: bool,
    studies: BTreeSet<CaseId>,
    reports: BTreeMap<(CaseId, u32), ReportStatus>,
}

impl Archive {
    /// Takes a study. One that is there already stays as it is.
    pub(crate) fn store_study(&mut self, case: CaseId) {
        self.studies.insert(case);
    }

    /// Whether it holds a study.
    pub(crate) fn has_study(&self, case: CaseId) -> bool {
        self.studies.contains(&case)
    }

    /// Takes a report version.
    ///
    /// # Errors
    /// [`Violation`] when it is a preliminary that would come to lie over a final, or another report
    /// than the one held under its number.
    pub(crate) fn store_report(
        &mut self,
        case: CaseId,
        version: u32,
        status: ReportStatus,
    ) -> Result<(), Violation> {
        let held = self.reports.range((case, 0)..=(case, u32::MAX));
        let mut later = held.filter(|((_, number), _)| *number > version);
        if status == ReportStatus::Preliminary
            && later.any(|(_, status)| *status != ReportStatus::Preliminary)
        {
            return Err(Violation::new(
                "reports",
                format!("preliminary {version} of {case:?} was stored over a later version"),
            ));
        }
        match self.reports.insert((case, version), status) {
            Some(other) if other != status => Err(Violation::new(
                "reports",
                format!("version {version} of {case:?} was stored as two things"),
            )),
            _ => Ok(()),
        }
    }

    /// Whether it holds a report version.
    pub(crate) fn has_report(&self, case: CaseId, version: u32) -> bool {
        self.reports.contains_key(&(case, version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preliminary_over_a_final_is_noticed() {
        let (mut archive, case) = (Archive::default(), CaseId::from_bytes([1; 32]));
        assert!(
            archive
                .store_report(case, 2, ReportStatus::Preliminary)
                .is_ok()
        );
        assert!(
            archive
                .store_report(case, 2, ReportStatus::Preliminary)
                .is_ok(),
            "again"
        );
        assert!(archive.store_report(case, 3, ReportStatus::Final).is_ok());
        assert!(
            archive
                .store_report(case, 1, ReportStatus::Preliminary)
                .is_err()
        );
        assert!(
            archive
                .store_report(case, 3, ReportStatus::Addendum)
                .is_err()
        );
    }
}
