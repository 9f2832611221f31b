//! An intake that keeps objects in memory, fails where told to, and remembers every notice.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use dokuei_node::dicom::dimse::{StoreFailure, StoreStatus};
use dokuei_node::dicom::pdu::MinimumRate;
use dokuei_node::dicom::scp::{
    Accept, Caller, Incoming, Intake, Limits, Notice, ObjectWriter, Scp, ScpConfig,
};

use crate::object::Object;

/// How long a test waits for what must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const DISK_FULL: StoreFailure = StoreFailure::new(
    StoreStatus::OutOfResources,
    "disk full at the clinic",
    "満杯",
);

/// Where the intake fails.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failing {
    Never,
    AtBegin(StoreFailure),
    /// After this many bytes.
    AtWrite(usize, StoreFailure),
    AtCommit(StoreFailure),
}

#[derive(Default)]
pub(crate) struct Seen {
    /// By SOP Instance UID.
    pub(crate) kept: BTreeMap<String, Object>,
    pub(crate) callers: Vec<Caller>,
    pub(crate) notices: Vec<String>,
    pub(crate) begun: usize,
    pub(crate) dropped: usize,
}

pub(crate) struct Memory {
    seen: Mutex<Seen>,
    changed: Condvar,
    failing: Mutex<Failing>,
}

impl Memory {
    pub(crate) fn new() -> Arc<Self> {
        Self::failing(Failing::Never)
    }

    pub(crate) fn failing(failing: Failing) -> Arc<Self> {
        Arc::new(Memory {
            seen: Mutex::default(),
            changed: Condvar::new(),
            failing: Mutex::new(failing),
        })
    }

    pub(crate) fn set_failing(&self, failing: Failing) {
        *self.failing.lock().unwrap() = failing;
    }

    pub(crate) fn seen<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.seen.lock().unwrap())
    }

    fn change(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().unwrap());
        self.changed.notify_all();
    }

    /// Wait until `condition` holds.
    pub(crate) fn wait_until(&self, what: &str, condition: impl Fn(&Seen) -> bool) {
        let seen = self.seen.lock().unwrap();
        let (seen, result) = self
            .changed
            .wait_timeout_while(seen, PATIENCE, |seen| !condition(seen))
            .unwrap();
        assert!(
            !result.timed_out(),
            "{what} did not happen; notices: {:?}",
            seen.notices
        );
    }

    /// Wait for a notice with `text` in it.
    pub(crate) fn wait_for_notice(&self, text: &str) {
        self.wait_until(text, |seen| seen.notices.iter().any(|n| n.contains(text)));
    }

    /// Whether exactly `objects` were kept, byte for byte.
    pub(crate) fn assert_kept(&self, objects: &[Object]) {
        self.seen(|seen| {
            assert_eq!(
                seen.kept.len(),
                objects.len(),
                "notices: {:?}",
                seen.notices
            );
            for object in objects {
                let kept = &seen.kept[&object.sop_instance];
                assert_eq!(kept.sop_class, object.sop_class);
                assert_eq!(kept.transfer_syntax, object.transfer_syntax);
                assert!(
                    kept.data_set == object.data_set,
                    "{} differs",
                    object.sop_instance
                );
            }
        });
    }
}

impl Intake for Memory {
    fn begin(&self, object: Incoming<'_>) -> Result<Box<dyn ObjectWriter + '_>, StoreFailure> {
        self.change(|seen| {
            seen.begun += 1;
            seen.callers.push(object.caller.clone());
        });
        let failing = *self.failing.lock().unwrap();
        if let Failing::AtBegin(failure) = failing {
            return Err(failure);
        }
        Ok(Box::new(Writing {
            memory: self,
            failing,
            committed: false,
            object: Object {
                sop_class: object.sop_class.to_owned(),
                sop_instance: object.sop_instance.to_owned(),
                transfer_syntax: object.transfer_syntax.to_owned(),
                data_set: Vec::new(),
            },
        }))
    }

    fn echo(&self, caller: &Caller) -> bool {
        self.change(|seen| seen.callers.push(caller.clone()));
        *self.failing.lock().unwrap() == Failing::Never
    }

    fn notice(&self, notice: &Notice<'_>) {
        self.change(|seen| seen.notices.push(notice.to_string()));
    }
}

struct Writing<'m> {
    memory: &'m Memory,
    failing: Failing,
    committed: bool,
    object: Object,
}

impl ObjectWriter for Writing<'_> {
    fn write(&mut self, data: &[u8]) -> Result<(), StoreFailure> {
        assert!(!data.is_empty());
        self.object.data_set.extend_from_slice(data);
        match self.failing {
            Failing::AtWrite(after, failure) if self.object.data_set.len() > after => Err(failure),
            _ => Ok(()),
        }
    }

    fn commit(mut self: Box<Self>) -> Result<(), StoreFailure> {
        if let Failing::AtCommit(failure) = self.failing {
            return Err(failure);
        }
        self.committed = true;
        let object = self.object.clone();
        self.memory.change(|seen| {
            seen.kept.insert(object.sop_instance.clone(), object);
        });
        Ok(())
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        if !self.committed {
            self.memory.change(|seen| seen.dropped += 1);
        }
    }
}

/// Limits with short waits, so that what must time out does so within a test.
pub(crate) fn hasty() -> Limits {
    Limits {
        negotiation: Duration::from_millis(1200),
        idle: Duration::from_millis(1200),
        rate: MinimumRate {
            window: Duration::from_millis(800),
            bytes_per_second: 50_000,
        },
        closing: Duration::from_millis(300),
        ..Limits::default()
    }
}

/// A configuration on a free loopback port.
pub(crate) fn config(limits: Limits) -> ScpConfig {
    ScpConfig {
        address: ([127, 0, 0, 1], 0).into(),
        tls: None,
        ae_title: "DOKUEI".parse().unwrap(),
        accept: Accept::default(),
        limits,
    }
}

/// A receiving side with default limits.
pub(crate) fn start(intake: &Arc<Memory>) -> Scp {
    start_with(config(Limits::default()), intake)
}

pub(crate) fn start_with(config: ScpConfig, intake: &Arc<Memory>) -> Scp {
    Scp::start(config, Arc::clone(intake) as Arc<dyn Intake>).unwrap()
}
