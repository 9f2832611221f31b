//! What all associations of one receiving side share.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::forward::Senders;
use super::{Intake, Notice, ScpConfig, Services};

/// Notices about connections passed on in one `NOTICE_WINDOW`: enough for a bad afternoon, too few
/// to fill a disk. Whoever can connect can cause them.
const NOTICE_LIMIT: u64 = 100;

/// The stretch of time that `NOTICE_LIMIT` counts for.
const NOTICE_WINDOW: Duration = Duration::from_secs(60);

/// The configuration, the intake, and the way to the operator.
pub(super) struct Shared {
    pub(super) config: ScpConfig,
    pub(super) intake: Arc<dyn Intake>,
    pub(super) services: Services,
    pub(super) senders: Arc<Senders>,
    pub(super) stopping: Arc<AtomicBool>,
    announced: Mutex<Announced>,
    ports: Ports,
}

/// The ports that are listened on.
#[derive(Clone, Copy)]
pub(super) struct Ports {
    pub(super) plain: u16,
    pub(super) tls: Option<u16>,
}

/// Notices of the current window.
struct Announced {
    since: Instant,
    count: u64,
}

impl Shared {
    pub(super) fn new(
        config: ScpConfig,
        intake: Arc<dyn Intake>,
        services: Services,
        stopping: Arc<AtomicBool>,
        ports: Ports,
    ) -> Self {
        Shared {
            config,
            intake,
            services,
            senders: Arc::default(),
            stopping,
            announced: Mutex::new(Announced {
                since: Instant::now(),
                count: 0,
            }),
            ports,
        }
    }

    /// The ports that are listened on.
    pub(super) fn ports(&self) -> Ports {
        self.ports
    }

    /// Pass on a notice about a connection, or only count it when there are too many.
    pub(super) fn announce(&self, notice: &Notice<'_>) {
        let (suppressed, passes) = {
            // Two numbers: a panic elsewhere leaves them usable.
            let mut announced = self
                .announced
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            announced.count_one()
        };
        if suppressed > 0 {
            self.intake
                .notice(&Notice::Suppressed { count: suppressed });
        }
        if passes {
            self.intake.notice(notice);
        }
    }
}

impl Announced {
    /// How many of an earlier window were held back, and whether the present one may pass.
    fn count_one(&mut self) -> (u64, bool) {
        let mut suppressed = 0;
        if self.since.elapsed() >= NOTICE_WINDOW {
            suppressed = self.count.saturating_sub(NOTICE_LIMIT);
            self.since = Instant::now();
            self.count = 0;
        }
        self.count = self.count.saturating_add(1);
        (suppressed, self.count <= NOTICE_LIMIT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_told_in_one_line() {
        let mut announced = Announced {
            since: Instant::now(),
            count: 0,
        };
        let passed = (0..1000).filter(|_| announced.count_one().1).count();
        assert_eq!(passed as u64, NOTICE_LIMIT);
        announced.since = Instant::now().checked_sub(NOTICE_WINDOW).unwrap();
        assert_eq!(announced.count_one(), (1000 - NOTICE_LIMIT, true));
        assert_eq!(announced.count_one(), (0, true));
    }
}
