//! What must hold after every step, each rule in its own file, and what must hold at the end.
//!
//! The rules read what sites have committed ([`crate::chronicle::Fact`]) and what their nodes are
//! told to do, never the protocol's own conclusions where they can be drawn again.

pub(crate) mod booking;
pub(crate) mod bounds;
pub(crate) mod cancelling;
pub(crate) mod chains;
pub(crate) mod custody;
#[cfg(test)]
pub(crate) mod forged;
pub(crate) mod grants;
pub(crate) mod liveness;
pub(crate) mod logs;
pub(crate) mod places;
pub(crate) mod priors;
pub(crate) mod readers;
pub(crate) mod reports;
pub(crate) mod retention;
pub(crate) mod returns;
pub(crate) mod secrets;
pub(crate) mod waiting;

use std::fmt;

use dokuei_keys::id::SiteId;
use dokuei_protocol::time::Timestamp;

use crate::chronicle::Fact;

/// A rule that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    /// The rule.
    pub(crate) rule: &'static str,
    /// What happened.
    pub(crate) what: String,
}

impl Violation {
    /// A violation of `rule`.
    pub(crate) fn new(rule: &'static str, what: impl Into<String>) -> Violation {
        Violation {
            rule,
            what: what.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.what)
    }
}

/// The rules that are kept up from fact to fact.
#[derive(Default)]
pub(crate) struct Checks {
    booking: booking::Booking,
    cancelling: cancelling::Cancelling,
    chains: chains::Chains,
    custody: custody::Custody,
    /// Who may be given what.
    pub(crate) grants: grants::Grants,
    logs: logs::Logs,
    /// What sites offer and promise.
    pub(crate) places: places::Places,
    /// Which priors may go to whom.
    pub(crate) priors: priors::Priors,
    reports: reports::Reports,
    retention: retention::Retention,
    /// What was given back.
    pub(crate) returns: returns::Returns,
}

impl Checks {
    /// Takes a fact that `site` has just committed at the moment `at` of its own clock.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub(crate) fn observe(
        &mut self,
        site: SiteId,
        at: Timestamp,
        fact: &Fact,
    ) -> Result<(), Violation> {
        self.returns.observe(site, fact);
        self.chains.observe(site, fact)?;
        self.booking.observe(site, fact)?;
        self.cancelling.observe(site, fact)?;
        self.grants.observe(site, at, fact)?;
        self.priors.observe(site, fact)?;
        self.reports.observe(site, fact)?;
        self.places.observe(site, at, fact)?;
        self.retention.observe(site, at, fact)?;
        self.custody.observe(site, fact)
    }

    /// Takes an entry that `site` has just committed.
    ///
    /// # Errors
    /// When it does not continue the log.
    pub(crate) fn entry(&mut self, site: SiteId, entry: &[u8]) -> Result<(), Violation> {
        self.logs.entry(site, entry)
    }

    /// Compares what a site's disk holds after a start with what it acknowledged before.
    ///
    /// # Errors
    /// When something acknowledged is gone.
    pub(crate) fn restarted(&self, site: SiteId, facts: &[Fact]) -> Result<(), Violation> {
        self.custody.restarted(site, facts)
    }
}
