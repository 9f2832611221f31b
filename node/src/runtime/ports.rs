//! What the jobs of studies and reports work with.

use std::sync::Arc;

use dokuei_keys::id::{NodeId, SiteId};
use dokuei_keys::secret::{ContentKey, StorageKey};
use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::event::Grant;
use dokuei_protocol::case::report::ReportIssued;
use dokuei_protocol::input::{Outcome, Trouble};

use crate::archive::{ArchiveError, Archiver};
use crate::language::Explain as _;
use crate::network::Network;
use crate::reports::reception::{self, ReceptionError};
use crate::runtime::troubles::Troubles;
use crate::store::Store;
use crate::studies::granted::GrantedStudies;
use crate::studies::register::Register;
use crate::transfer::Content;
use crate::transfer::progress::Transfers;
use crate::transfer::receive::{ReceiveError, Receiving};

/// The ports of one node.
pub struct Ports {
    /// This site.
    pub site: SiteId,
    /// The studies of this site's modalities.
    pub register: Register,
    /// The studies that partners granted.
    pub granted: GrantedStudies,
    /// The store.
    pub store: Store,
    /// What rows are sealed under.
    pub storage: StorageKey,
    /// The network.
    pub network: Network,
    /// This site's archive, if it has one.
    pub archiver: Option<Archiver>,
    /// What is on its way.
    pub transfers: Transfers,
    /// Why the last attempts failed.
    pub troubles: Troubles,
}

impl Ports {
    /// Fetches and verifies a granted study.
    pub async fn receive_study(
        self: Arc<Self>,
        case: CaseId,
        from: SiteId,
        node: NodeId,
        grant: Grant,
        key: ContentKey,
    ) -> Outcome {
        match self.study(case, from, node, grant, key).await {
            Ok(()) => {
                self.troubles.clear(&case);
                Outcome::Done
            }
            Err(error) => {
                tracing::warn!(target: "dokuei::transfer", %case, "a study could not be received: {error}");
                self.troubles.note(case, error.message());
                outcome_of(&error)
            }
        }
    }

    async fn study(
        &self,
        case: CaseId,
        from: SiteId,
        node: NodeId,
        grant: Grant,
        key: ContentKey,
    ) -> Result<(), ReceiveError> {
        let receiving = Receiving {
            network: self.network.clone(),
            parcels: self.register.parcels().clone(),
            from,
            node,
            manifest: grant.manifest,
            content: Content::Study,
            key,
            progress: self.transfers.begin(case),
        };
        let received = receiving.run().await?;
        self.granted.keep(case, from, received)
    }

    /// Puts a received study into the archive.
    pub async fn store_study(
        self: Arc<Self>,
        case: CaseId,
        from: SiteId,
        grant: Grant,
        key: ContentKey,
    ) -> Outcome {
        let Some(archiver) = self.archiver.clone() else {
            return Outcome::Failed(Trouble::NoArchive);
        };
        let Some(study) = self.granted.study(case) else {
            return Outcome::Failed(Trouble::Disk);
        };
        let parcels = self.register.parcels().clone();
        let progress = self.transfers.begin_storing(case, study.objects.len());
        let stored = tokio::task::spawn_blocking(move || {
            archiver.store_study(
                &parcels,
                &key,
                from,
                &study,
                grant.manifest.parcel,
                &progress,
            )
        })
        .await;
        match stored {
            Ok(Ok(())) => {
                self.troubles.clear(&case);
                Outcome::Done
            }
            Ok(Err(error)) => {
                tracing::warn!(target: "dokuei::archive", %case, "{error}");
                self.troubles.note(case, error.message());
                archive_outcome(&error)
            }
            Err(_) => Outcome::Failed(Trouble::Disk),
        }
    }

    /// Fetches a report version, verifies it, and puts it into the archive.
    pub async fn receive_report(
        self: Arc<Self>,
        case: CaseId,
        from: SiteId,
        node: NodeId,
        issued: ReportIssued,
        key: ContentKey,
    ) -> Outcome {
        match reception::receive(&self, case, from, node, &issued, key).await {
            Ok(()) => {
                self.troubles.clear(&case);
                Outcome::Done
            }
            Err(error) => {
                let version = issued.version;
                self.troubles.note(case, error.message());
                tracing::warn!(target: "dokuei::report", %case, version, "a report could not be received: {error}");
                match error {
                    ReceptionError::Receive(error) => outcome_of(&error),
                    ReceptionError::NotAuthentic(_) => Outcome::Impossible,
                    ReceptionError::Archive(error) => archive_outcome(&error),
                    ReceptionError::NoArchive => Outcome::Failed(Trouble::NoArchive),
                    ReceptionError::Disk(_) => Outcome::Failed(Trouble::Disk),
                }
            }
        }
    }
}

fn archive_outcome(error: &ArchiveError) -> Outcome {
    Outcome::Failed(match error {
        ArchiveError::Unreachable(_) => Trouble::ArchiveUnreachable,
        ArchiveError::Refused(_) => Trouble::ArchiveRefused,
        ArchiveError::Unreadable => Trouble::Disk,
    })
}

fn outcome_of(error: &ReceiveError) -> Outcome {
    match error {
        ReceiveError::Damaged(_) => Outcome::Impossible,
        ReceiveError::NotPermitted => Outcome::Failed(Trouble::NotPermitted),
        ReceiveError::Network(_) | ReceiveError::Incomplete => {
            Outcome::Failed(Trouble::PartnerUnreachable)
        }
        ReceiveError::Disk(_) => Outcome::Failed(Trouble::Disk),
    }
}
