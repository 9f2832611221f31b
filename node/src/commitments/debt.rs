//! One answer that is owed, as its row is kept.

use dokuei_keys::id::Digest;
use minicbor::{Decode, Encode};

use crate::dicom::dimse::{Committed, Reference, Verdict};
use crate::dicom::scp::Owed;

/// An answer that is owed. Its UIDs lead to a patient: no `Debug`.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Debt {
    /// AE title of whom it is owed to.
    #[n(0)]
    pub to: String,
    /// Transaction UID (0008,1195) of the request.
    #[n(1)]
    pub transaction: String,
    /// What was asked for.
    #[n(2)]
    pub instances: Vec<Judged>,
    /// When it was asked, milliseconds since the epoch.
    #[n(3)]
    pub since: u64,
}

/// One instance, and the verdict on it.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct Judged {
    /// SOP Class UID.
    #[n(0)]
    pub sop_class: String,
    /// SOP Instance UID.
    #[n(1)]
    pub sop_instance: String,
    /// Failure Reason (0008,1197); none when it is kept.
    #[n(2)]
    pub failure: Option<u16>,
}

impl Debt {
    /// What is owed since `since`.
    pub fn of(owed: &Owed, since: u64) -> Debt {
        let judged = |(reference, verdict): &(Reference, Verdict)| Judged {
            sop_class: reference.sop_class.clone(),
            sop_instance: reference.sop_instance.clone(),
            failure: match verdict {
                Verdict::Kept => None,
                Verdict::Failed(reason) => Some(*reason),
            },
        };
        Debt {
            to: owed.to.as_str().to_owned(),
            transaction: owed.committed.transaction.clone(),
            instances: owed.committed.verdicts.iter().map(judged).collect(),
            since,
        }
    }

    /// What is to be said.
    pub fn committed(&self) -> Committed {
        let verdict = |judged: &Judged| {
            let reference = Reference {
                sop_class: judged.sop_class.clone(),
                sop_instance: judged.sop_instance.clone(),
            };
            let failed = judged.failure.map(Verdict::Failed);
            (reference, failed.unwrap_or(Verdict::Kept))
        };
        Committed {
            transaction: self.transaction.clone(),
            verdicts: self.instances.iter().map(verdict).collect(),
        }
    }

    /// The key of its row: whom it is owed to, and for which request.
    pub fn key(&self) -> [u8; 32] {
        let named = format!("{}\n{}", self.to, self.transaction);
        *Digest::of(named.as_bytes()).as_bytes()
    }
}
