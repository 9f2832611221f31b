//! Why something cannot be done with a workitem.

use crate::control::answers::stopping;
use crate::language::{Explain as _, Failure, Message};
use crate::runtime::desk::Stopping;
use crate::store::StoreError;
use crate::studies::register::RegisterError;

/// Why something cannot be done with a workitem.
pub enum Refused {
    /// The request itself is wrong.
    Malformed(Message),
    /// There is no such workitem, or whoever asks may not see it.
    Unknown,
    /// It does not fit where the workitem stands: what the standard calls it (a status of PS3.4 section CC.2 and its
    /// words, for programs), and why for people.
    Conflict(&'static str, Message),
    /// As many are kept as may be.
    Full(Message),
    /// The node failed at it.
    Failed(Message),
}

impl From<Stopping> for Refused {
    fn from(_: Stopping) -> Refused {
        Refused::Failed(stopping().message)
    }
}

impl From<RegisterError> for Refused {
    fn from(error: RegisterError) -> Refused {
        let why = error.message().sentence();
        match error {
            RegisterError::Full => Refused::Full(why),
            RegisterError::Arriving
            | RegisterError::Unknown
            | RegisterError::Disk(_)
            | RegisterError::Store(_)
            | RegisterError::Damaged => Refused::Failed(why),
        }
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Refused {
        RegisterError::from(error).into()
    }
}

impl From<Failure> for Refused {
    /// What the case machine, or the check before sending, does not let happen now.
    fn from(failure: Failure) -> Refused {
        Refused::Conflict(
            "The submitted request is inconsistent with the current state of the UPS Instance",
            failure.message,
        )
    }
}
