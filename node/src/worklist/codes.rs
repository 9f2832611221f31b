//! Coded terms of workitems (PS3.16, and this program's own for what DICOM has no code for).

use dicom_core::VR;
use dicom_dictionary_std::tags;
use dokuei_protocol::case::event::WithdrawalReason;
use dokuei_protocol::case::terms::Priority;

use super::item::Work;
use crate::dicom::dataset::DataSet;

/// Coding scheme of this program's own terms.
pub(super) const OWN: &str = "99DOKUEI";

/// A code sequence's item.
pub(super) fn item(value: &str, scheme: &str, meaning: &str) -> DataSet {
    let mut code = DataSet::default();
    code.put_text(tags::CODE_VALUE, VR::SH, value);
    code.put_text(tags::CODING_SCHEME_DESIGNATOR, VR::SH, scheme);
    code.put_text(tags::CODE_MEANING, VR::LO, meaning);
    code
}

/// The scheduled workitem code (PS3.16 context group 9231).
pub(super) fn of_work(work: Work) -> DataSet {
    match work {
        Work::Reading => item("110005", "DCM", "Interpretation"),
        Work::Version(..) => item("128001", "DCM", "Add Addendum to Report"),
    }
}

/// Scheduled Procedure Step Priority (0074,1200) of a priority. It has three terms, and its middle one is what is meant
/// when nothing is: the ordinary case. The case's own word stands in the label.
pub(super) fn of_priority(priority: Priority) -> &'static str {
    match priority {
        Priority::Stat | Priority::Urgent => "HIGH",
        Priority::Routine => "MEDIUM",
    }
}

/// The priority that a client means.
pub(super) fn priority(term: &str) -> Option<Priority> {
    match term {
        "HIGH" => Some(Priority::Stat),
        "MEDIUM" | "LOW" => Some(Priority::Routine),
        _ => None,
    }
}

/// Why a reader gives a workitem back, from a discontinuation reason (PS3.16 context group 9301): quality or competence;
/// otherwise the shift has ended.
pub(super) fn release(code: &str) -> &'static str {
    match code {
        // Interpretation requires specialist expertise.
        "110532" => "outside-competence",
        // Insufficient quality for interpretation.
        "110531" => "image-quality",
        _ => "shift-ended",
    }
}

/// Why a requester takes a case back, from a discontinuation reason (PS3.16 context group 9300).
pub(super) fn withdrawal(code: &str) -> &'static str {
    match code {
        // Incorrect procedure ordered, duplicate order, incorrect side ordered, incorrect worklist entry selected.
        "110502" | "110510" | "110512" | "110514" => "sent-in-error",
        _ => "not-needed",
    }
}

/// Why a reader is asked to stop: a discontinuation reason (PS3.16 context group 9300), and the case's own word.
pub(super) fn discontinued(reason: WithdrawalReason) -> (DataSet, &'static str) {
    let unspecified = || item("110513", "DCM", "Discontinued for unspecified reason");
    match reason {
        WithdrawalReason::NotNeeded => (unspecified(), "not-needed"),
        WithdrawalReason::ReadElsewhere => (unspecified(), "read-elsewhere"),
        WithdrawalReason::SentInError => {
            let code = item("110514", "DCM", "Incorrect worklist entry selected");
            (code, "sent-in-error")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ordinary_stays_ordinary_and_what_is_urgent_urgent() {
        for given in Priority::ALL {
            let meant = priority(of_priority(*given)).unwrap();
            assert_eq!(meant == Priority::Routine, *given == Priority::Routine);
        }
        assert_eq!(priority("LOW"), Some(Priority::Routine));
        assert_eq!(priority("high"), None);
    }
}
