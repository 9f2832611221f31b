//! Receiving one parcel: the manifest first, then whatever is missing of its objects, until every
//! one is here, verified and durable.

use std::fs::File;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use dokuei_compression::Effort;
use dokuei_keys::id::{NodeId, ParcelId, SiteId};
use dokuei_keys::sealed::sealed_len;
use dokuei_keys::secret::ContentKey;
use dokuei_protocol::limits;
use dokuei_protocol::study::manifest::{MANIFEST_SLOT, Manifest, ManifestReference};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::ahead::Coming;
use crate::archive::StoringAhead;
use crate::clock::now;
use crate::disk::Room;
use crate::language::{Explain, Message, displayed_in_english};
use crate::network::{FetchError, Fetched, Network, ParcelSink, Part, RangeRequest};
use crate::parcels::{OpenError, Parcels};
use crate::say;
use crate::studies::study::Study;
use crate::transfer::asking::{Asking, ask};
use crate::transfer::counts::Counts;
use crate::transfer::known::Known;
use crate::transfer::precedence::Underway;
use crate::transfer::progress::Progress;
use crate::transfer::sink::{Arriving, Content, Listed, TransferSink};

/// Streams of one transfer.
const STREAMS: usize = 8;
/// Rounds in which damaged or refused objects are asked for again before the transfer is given up
/// for this time.
const ROUNDS: usize = 3;

/// A parcel to receive.
pub struct Receiving {
    /// The network.
    pub network: Network,
    /// Where parcels lie.
    pub parcels: Parcels,
    /// Who sealed it.
    pub from: SiteId,
    /// Who has it.
    pub node: NodeId,
    /// What was granted.
    pub manifest: ManifestReference,
    /// What it holds.
    pub content: Content,
    /// Its content key.
    pub key: ContentKey,
    /// Where progress is shown.
    pub progress: Arc<Progress>,
    /// Where verified objects go at once: into the archive.
    pub onward: Option<Arc<StoringAhead>>,
    /// Where verified objects of a study are listed at once.
    pub listed: Option<Listed>,
    /// Where objects of a study may lie already.
    pub known: Option<Arc<Known>>,
    /// Its place among the transfers from this partner; none for what is too small to wait for.
    pub underway: Option<Underway>,
    /// What may have come of it ahead of its grant.
    pub ahead: Option<Coming>,
    /// Room on the disk, where it stops at a reserve; a report goes on as long as there is any.
    pub room: Option<Room>,
}

/// A parcel that was received whole. What it cost stays counted in its folder until its receiver has noted it.
pub struct Received {
    /// Its manifest.
    pub manifest: Manifest,
    /// What the headers of a study's objects say.
    pub study: Option<Study>,
    /// Where it lies.
    pub folder: PathBuf,
}

/// What is not as it was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// An object differs from the manifest.
    Object,
    /// The manifest is longer than any.
    ManifestTooLong,
    /// The manifest differs from the grant.
    Manifest,
    /// It holds objects of more than one study.
    Mixed,
}

/// A parcel could not be received.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// What the partner hands out is not what it granted.
    Damaged(Damage),
    /// The partner does not hand it out.
    NotPermitted,
    /// So little came that other partners' studies go first.
    Slow,
    /// The connection failed.
    Network(FetchError),
    /// Something is still missing.
    Incomplete,
    /// This node's disk failed.
    Disk(#[from] io::Error),
}

impl Explain for Damage {
    fn message(&self) -> Message {
        match self {
            Damage::Object => say!(
                "画像が目録と一致しません",
                "an object differs from the manifest"
            ),
            Damage::ManifestTooLong => {
                say!("目録が長すぎます", "its list of objects is too long")
            }
            Damage::Manifest => say!(
                "目録が付与の内容と一致しません",
                "its list of objects differs from the grant"
            ),
            Damage::Mixed => say!(
                "複数の検査の画像が混ざっています",
                "it holds objects of more than one study"
            ),
        }
    }
}

impl Explain for ReceiveError {
    fn message(&self) -> Message {
        match self {
            ReceiveError::Damaged(damage) => say!(
                "届いたデータが付与された内容と違います（{why}）。相手施設に再送を依頼してください",
                "what arrived is not what was granted ({why}): ask the partner to send the study again";
                why = damage.message()
            ),
            ReceiveError::NotPermitted => say!(
                "相手施設がまだデータを渡していません",
                "the partner does not hand the parcel out (yet)"
            ),
            ReceiveError::Slow => say!(
                "相手施設からほとんどデータが届かないため、ほかの施設の検査を先に受信しています。届いた分は残してあり、後で続けます",
                "so little came from the partner that other partners' studies go first; what came stays, and it goes on later"
            ),
            ReceiveError::Network(error) => error.message(),
            ReceiveError::Incomplete => {
                say!("一部のデータが届いていません", "some of it did not arrive")
            }
            ReceiveError::Disk(error) => say!(
                "このノードのディスクに保存できません（{why}）。空き容量を確認してください",
                "this node's disk failed or is full ({why}): make room";
                why = error.message()
            ),
        }
    }
}

displayed_in_english!(ReceiveError);

impl Receiving {
    /// Receives the parcel, continuing where an earlier run stopped.
    ///
    /// # Errors
    /// [`ReceiveError`]; what arrived by then stays for the next time.
    pub async fn run(self) -> Result<Received, ReceiveError> {
        let parcel = self.manifest.parcel;
        self.parcels.create(&parcel)?;
        let manifest = self.manifest().await?;
        if let Some(ahead) = &self.ahead {
            ahead.finish(&parcel).await;
        }
        let folder = self.parcels.folder_of(&parcel);
        let arriving = Arriving {
            parcels: self.parcels.clone(),
            site: self.from,
            key: self.key.duplicate(),
            content: self.content,
            room: self.room.clone(),
            listed: self.listed.clone(),
            onward: self.onward.clone(),
            known: self.known.clone(),
        };
        let progress = Arc::clone(&self.progress);
        let sink = blocking(move || {
            let counts = Counts::open(&folder)?;
            let sink = TransferSink::new(arriving, manifest, counts, progress);
            sink.take_up().map(|()| sink)
        })
        .await?;
        let sink = Arc::new(sink);
        self.fetch(&sink).await?;
        let folder = self.parcels.folder_of(&parcel);
        let lies = folder.clone();
        blocking(move || make_durable(&lies)).await?;
        let manifest = sink.manifest.clone();
        let sink = Arc::into_inner(sink).ok_or(ReceiveError::Incomplete)?;
        let study = sink.into_verified(now());
        let study = study.ok_or(ReceiveError::Incomplete)?;
        Ok(Received {
            manifest,
            study,
            folder,
        })
    }

    async fn missing(&self, sink: &Arc<TransferSink>) -> Result<Vec<RangeRequest>, ReceiveError> {
        let effort = match self.network.is_near(&self.node) {
            true => Effort::Fast,
            false => Effort::Dense,
        };
        let sink = Arc::clone(sink);
        let missing = blocking(move || {
            sink.take_known()?;
            sink.missing(effort)
        });
        Ok(missing.await?)
    }

    async fn fetch(&self, sink: &Arc<TransferSink>) -> Result<(), ReceiveError> {
        let (mut rounds, mut may_end_early) = (ROUNDS, true);
        while rounds > 0 {
            let missing = self.missing(sink).await?;
            if sink.is_mixed() {
                return Err(ReceiveError::Damaged(Damage::Mixed));
            }
            if missing.is_empty() && !sink.is_waiting() {
                return Ok(());
            }
            let (fetched, opened) =
                tokio::join!(self.fetch_packs(missing, sink), open_waiting(sink));
            opened?;
            if sink.not_permitted() {
                return Err(ReceiveError::NotPermitted);
            }
            fetched?;
            // One may end when it turns out that some of the study lies here already: nothing went wrong in it.
            match may_end_early && sink.is_known_found() {
                true => may_end_early = false,
                false => rounds -= 1,
            }
        }
        match (self.missing(sink).await?.is_empty(), sink.is_damaged()) {
            (true, _) if sink.is_mixed() => Err(ReceiveError::Damaged(Damage::Mixed)),
            (true, _) => Ok(()),
            (false, true) => Err(ReceiveError::Damaged(Damage::Object)),
            (false, false) => Err(ReceiveError::Incomplete),
        }
    }

    async fn fetch_packs(
        &self,
        missing: Vec<RangeRequest>,
        sink: &Arc<TransferSink>,
    ) -> Result<Fetched, ReceiveError> {
        if missing.is_empty() {
            return Ok(Fetched::default());
        }
        let (streams, asked) = mpsc::channel(1);
        let asking = Asking::new(streams, sink.settled());
        let asking = ask(missing, asking, self.underway.as_ref());
        let asking = sink.gives_way.run_until_cancelled(asking);
        let fetch = self
            .network
            .fetch(self.node, asked, STREAMS, Arc::clone(sink) as _);
        let fetch = async {
            tokio::pin!(fetch);
            tokio::select! {
                fetched = &mut fetch => fetched,
                _ = asking => fetch.await,
                // What is on its way comes, and no more is asked for until what lies here is taken.
                () = sink.known_found() => fetch.await,
            }
        };
        let received = || self.progress.received.load(Ordering::Relaxed);
        self.unless_slow(fetch, received, &sink.gives_way).await
    }

    /// Lets a fetch go on until it ends, or brings so little that others' go first: then it is told by `gives_way` to end.
    async fn unless_slow(
        &self,
        fetch: impl Future<Output = Result<Fetched, FetchError>>,
        received: impl Fn() -> u64,
        gives_way: &CancellationToken,
    ) -> Result<Fetched, ReceiveError> {
        let slow = async {
            match &self.underway {
                Some(underway) => underway.outstayed(received).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(fetch);
        tokio::select! {
            fetched = &mut fetch => fetched.map_err(ReceiveError::Network),
            () = slow => {
                gives_way.cancel();
                // Not before it has ended: nothing may be written when another attempt begins.
                drop(fetch.await);
                Err(ReceiveError::Slow)
            }
        }
    }

    /// The manifest, from disk when an earlier run left it there.
    async fn manifest(&self) -> Result<Manifest, ReceiveError> {
        if let Ok(manifest) = self.open_manifest() {
            return Ok(manifest);
        }
        if self.manifest.length > limits::MANIFEST_BYTES as u64 {
            return Err(ReceiveError::Damaged(Damage::ManifestTooLong));
        }
        let range = RangeRequest {
            parcel: self.manifest.parcel.to_bytes(),
            part: Part::Object(MANIFEST_SLOT),
            offset: 0,
            length: sealed_len(self.manifest.length),
        };
        let lies = self.parcels.file_of(&self.manifest.parcel, MANIFEST_SLOT);
        let carried = self.parcels.carried(&self.manifest.parcel);
        if std::fs::rename(carried.join(MANIFEST_SLOT.to_string()), lies).is_ok()
            && let Ok(manifest) = self.open_manifest()
        {
            return Ok(manifest);
        }
        let sink = Arc::new(ManifestSink::new(&self.parcels, &self.manifest.parcel)?);
        let fetch = self
            .network
            .fetch(self.node, vec![range], 1, Arc::clone(&sink) as _);
        let received = || sink.received.load(Ordering::Relaxed);
        let fetched = self.unless_slow(fetch, received, &sink.gives_way).await;
        if sink.refused.load(Ordering::Relaxed) {
            return Err(ReceiveError::NotPermitted);
        }
        fetched?;
        self.open_manifest().map_err(|error| match error {
            OpenError::Disk(error) => ReceiveError::Disk(error),
            OpenError::Damaged => ReceiveError::Damaged(Damage::Manifest),
        })
    }

    fn open_manifest(&self) -> Result<Manifest, OpenError> {
        self.parcels
            .open_manifest(&self.key, &self.manifest, self.from)
    }
}

struct ManifestSink {
    file: File,
    refused: AtomicBool,
    received: AtomicU64,
    gives_way: CancellationToken,
}

impl ManifestSink {
    fn new(parcels: &Parcels, parcel: &ParcelId) -> io::Result<ManifestSink> {
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .open(parcels.file_of(parcel, MANIFEST_SLOT))?;
        Ok(ManifestSink {
            file,
            refused: AtomicBool::new(false),
            received: AtomicU64::new(0),
            gives_way: CancellationToken::new(),
        })
    }
}

impl ParcelSink for ManifestSink {
    fn write(&self, _: &RangeRequest, at: u64, bytes: &[u8]) -> io::Result<()> {
        if self.gives_way.is_cancelled() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        self.received
            .fetch_add(bytes.len() as u64, Ordering::Relaxed);
        std::os::unix::fs::FileExt::write_all_at(&self.file, bytes, at)
    }

    fn finished(&self, _: &RangeRequest, outcome: crate::network::RangeOutcome) -> io::Result<()> {
        if matches!(outcome, crate::network::RangeOutcome::Refused(_)) {
            self.refused.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Opens the packs that are here, with a thread for each of two cores.
async fn open_waiting(sink: &Arc<TransferSink>) -> io::Result<()> {
    let open = || {
        let sink = Arc::clone(sink);
        blocking(move || sink.open_waiting())
    };
    let (one, other) = tokio::join!(open(), open());
    one.and(other)
}

/// Makes everything in a folder durable, with one call for the whole file system: it costs less than
/// one for each of a thousand files.
fn make_durable(folder: &Path) -> io::Result<()> {
    rustix::fs::syncfs(File::open(folder)?)?;
    Ok(())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err(io::Error::other("a worker of this node failed")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::assert_explained;

    #[test]
    fn every_error_is_told_in_both_languages() {
        let errors = [
            ReceiveError::Damaged(Damage::Object),
            ReceiveError::Damaged(Damage::ManifestTooLong),
            ReceiveError::Damaged(Damage::Manifest),
            ReceiveError::Damaged(Damage::Mixed),
            ReceiveError::NotPermitted,
            ReceiveError::Slow,
            ReceiveError::Network(FetchError::Interrupted),
            ReceiveError::Incomplete,
            ReceiveError::Disk(io::ErrorKind::StorageFull.into()),
        ];
        assert_explained(errors.iter().map(|error| error as &dyn Explain));
    }
}
