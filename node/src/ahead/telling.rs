//! Telling the partner that most likely reads a study how much of it is ready, while it still arrives.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dokuei_keys::id::{NodeId, ParcelId};
use dokuei_protocol::study::ahead::ReadyPacks;
use dokuei_protocol::study::plan::TransferPlan;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::ahead::Ready;
use crate::network::{Network, SyncError};
use crate::runtime::desk::Desk;
use crate::studies::register::Register;

/// Time between two looks while objects come: some packs of a fast modality, and a message that costs nothing beside them.
const PACE: Duration = Duration::from_millis(100);
/// What could not be told is tried again after this.
const AGAIN: Duration = Duration::from_secs(2);

/// Closed studies that are kept in mind while they cannot be told.
const CLOSED: usize = 16;

/// Tells one partner, by its name, what is ready of everything that arrives.
pub struct Telling {
    /// What arrives.
    pub register: Register,
    /// How it is told.
    pub network: Network,
    /// Who says whether it may be.
    pub desk: Desk,
    /// What may be fetched then.
    pub ready: Ready,
    /// The partner's name.
    pub to: String,
}

/// What was told of parcels that are not told whole yet.
#[derive(Default)]
struct Told {
    /// Packs, by the parcels that still take objects.
    open: BTreeMap<ParcelId, u32>,
    /// What its partner does not want.
    refused: BTreeSet<ParcelId>,
    /// What is to be told once more, with all of its packs.
    closed: Vec<ParcelId>,
}

impl Telling {
    /// Tells it as long as the node runs.
    pub async fn run(self) {
        let mut told = Told::default();
        let mut grown = self.register.grown();
        let mut again = interval(AGAIN);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                changed = grown.changed() => match changed {
                    Ok(()) => sleep(PACE).await,
                    Err(_) => return,
                },
                _ = again.tick() => {}
            }
            grown.borrow_and_update();
            let to = self.to.clone();
            match self
                .desk
                .ask(move |service| service.goes_ahead_to(&to))
                .await
            {
                Ok(Some((_, node))) => self.look(&mut told, node).await,
                Ok(None) => {}
                Err(_) => return,
            }
        }
    }

    /// Tells what is new by now.
    async fn look(&self, told: &mut Told, node: NodeId) {
        let arriving = self.register.settled();
        let is_open = |parcel: &ParcelId| arriving.iter().any(|(open, _)| open == parcel);
        let closed = told.open.extract_if(.., |parcel, _| !is_open(parcel));
        told.closed.extend(closed.map(|(parcel, _)| parcel));
        told.refused.retain(is_open);
        for (parcel, objects) in arriving {
            let plan = TransferPlan::of(objects);
            // The last one may still get more.
            let packs = plan.packs().saturating_sub(1);
            let before = told.open.get(&parcel).copied().unwrap_or(0);
            if packs <= before || told.refused.contains(&parcel) {
                continue;
            }
            match self.tell(node, parcel, plan, packs).await {
                Ok(()) => drop(told.open.insert(parcel, packs)),
                Err(SyncError::Refused) => {
                    told.open.remove(&parcel);
                    told.refused.insert(parcel);
                }
                // Said with the next look.
                Err(_) => {}
            }
        }
        for parcel in std::mem::take(&mut told.closed) {
            if self.tell_whole(node, parcel).await.is_err() {
                told.closed.push(parcel);
            }
        }
        // Whatever is not told goes with its grant.
        let most = told.closed.len().saturating_sub(CLOSED);
        told.closed.drain(..most);
    }

    /// Tells that all of a closed study is ready.
    ///
    /// # Errors
    /// When it has to be said again.
    async fn tell_whole(&self, node: NodeId, parcel: ParcelId) -> Result<(), SyncError> {
        let objects = self.register.look(&parcel, |study| {
            let objects = study.objects.iter();
            objects.map(|object| (object.slot, object.length)).collect()
        });
        let plan = TransferPlan::of(objects.unwrap_or_default());
        let packs = plan.packs();
        if packs == 0 {
            return Ok(());
        }
        match self.tell(node, parcel, plan, packs).await {
            Err(SyncError::Refused) => Ok(()),
            told => told,
        }
    }

    async fn tell(
        &self,
        node: NodeId,
        parcel: ParcelId,
        plan: TransferPlan,
        packs: u32,
    ) -> Result<(), SyncError> {
        self.ready.put(node, parcel, plan, packs);
        let said = ReadyPacks { parcel, packs }.to_bytes();
        self.network.tell_ready(node, &said).await
    }
}
