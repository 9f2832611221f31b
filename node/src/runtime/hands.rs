//! What people's requests about cases, studies and people are worked with: the parts of a running node that the command
//! line's answers and the worklist share. They hold these and not the node, which has the doors behind which they stand.

use std::sync::Arc;

use crate::audit::Audit;
use crate::config::Config;
use crate::runtime::desk::Desk;
use crate::runtime::ports::Ports;
use crate::site::SiteFolder;
use crate::site::keys::SiteKeys;
use crate::studies::intake::StudyIntake;

/// The parts of a running node with which cases, studies and people are worked.
pub struct Hands {
    /// Its folder.
    pub folder: SiteFolder,
    /// Its configuration.
    pub config: Config,
    /// Its keys.
    pub keys: SiteKeys,
    /// The loop.
    pub desk: Desk,
    /// What jobs work with.
    pub ports: Arc<Ports>,
    /// Takes studies in.
    pub intake: Arc<StudyIntake>,
    /// The audit trail.
    pub audit: Audit,
}
