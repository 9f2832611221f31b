//! Objects in another transfer syntax than they are kept in, for destinations that take no other: uncompressed ones are
//! written anew, the frames of compressed ones are decoded, by [`Decoders`] and never here. What is kept is not touched.
//!
//! Bounded in memory: headers are read a few at a time, and of pixels one frame is held for each object on its way,
//! out of one allowance for all of them ([`ALLOWANCE_MIB`]).

pub(crate) mod frames;
pub(crate) mod header;
pub(crate) mod ranges;
pub(crate) mod recoded;
#[cfg(test)]
mod tests;

pub(crate) use recoded::Plan;

use std::fmt;
use std::io::{self, Read};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::dicom::scanner::{Encoding, TransferSyntax};
use crate::dicom::scu::{IsWanted, Outgoing, Transcoding, Untranscoded};
use crate::dicom::uid::{EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, Uid};
use crate::language::Explain as _;
use crate::pixels::{Codec, DecodeError, Decoders, Image};
use frames::FrameError;
use ranges::Plain;
use recoded::Recoded;

/// MiB of headers, compressed and decoded frames of all objects that are on their way: a mammogram, or a hundred slices.
/// An object that needs more is sent while no other is being transcoded.
pub const ALLOWANCE_MIB: u32 = 64;

/// Headers that are read and written anew at once: as trees the largest ones take some 100 MiB. Nobody waits for a
/// destination meanwhile, only for the disk.
const HEADERS_AT_ONCE: usize = 2;

/// How long an object waits for its turn, and for a decoder, before it is sent later instead.
const PATIENCE: Duration = Duration::from_secs(60);

/// Of what is wanted until it is there.
pub(crate) const ALWAYS: &IsWanted<'static> = &|| true;
/// How often whoever waits is asked whether the object is still wanted: well inside the 100 ms in which a cancel is obeyed.
const GLANCE: Duration = Duration::from_millis(20);

/// When decoders that have too much to do are asked again.
const ASKED_AGAIN: Duration = Duration::from_millis(250);

const EXPLICIT: &str = "1.2.840.10008.1.2.1";
const IMPLICIT: &str = "1.2.840.10008.1.2";

/// Brings objects into another transfer syntax. Clones share its bounds.
#[derive(Clone)]
pub struct Transcoder {
    decoders: Decoders,
    runtime: Handle,
    headers: Arc<Semaphore>,
    allowance: Arc<Semaphore>,
    patience: Duration,
}

impl fmt::Debug for Transcoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transcoder").finish_non_exhaustive()
    }
}

impl Transcoder {
    /// Decodes with these decoders, which run on this runtime.
    #[must_use]
    pub fn new(decoders: Decoders, runtime: Handle) -> Transcoder {
        Transcoder {
            decoders,
            runtime,
            headers: Arc::new(Semaphore::new(HEADERS_AT_ONCE)),
            allowance: Arc::new(Semaphore::new(ALLOWANCE_MIB as usize)),
            patience: PATIENCE,
        }
    }

    /// The same, for whom objects wait no longer than this.
    #[must_use]
    pub fn within(&self, patience: Duration) -> Transcoder {
        Transcoder {
            patience,
            ..self.clone()
        }
    }

    /// The decoders it asks.
    #[must_use]
    pub fn decoders(&self) -> &Decoders {
        &self.decoders
    }

    /// Waits for `done` as long as it is wanted; what is not wanted any longer is late, and dropped. Blocks, and so must be
    /// called outside of the runtime's tasks.
    fn wait<T>(
        &self,
        is_wanted: &IsWanted<'_>,
        done: impl Future<Output = T>,
    ) -> Result<T, DecodeError> {
        self.runtime.block_on(async {
            let mut done = pin!(done);
            loop {
                match tokio::time::timeout(GLANCE, &mut done).await {
                    Ok(done) => return Ok(done),
                    Err(_) if is_wanted() => {}
                    Err(_) => return Err(DecodeError::Late),
                }
            }
        })
    }

    /// Waits for so much of a bound.
    fn acquire(
        &self,
        of: &Arc<Semaphore>,
        many: u32,
        is_wanted: &IsWanted<'_>,
    ) -> Result<OwnedSemaphorePermit, DecodeError> {
        let acquired = async {
            let waiting = Arc::clone(of).acquire_many_owned(many);
            tokio::time::timeout(self.patience, waiting).await
        };
        let acquired = self.wait(is_wanted, acquired)?;
        acquired.ok().and_then(Result::ok).ok_or(DecodeError::Busy)
    }

    /// A turn to read a header as a tree. Blocks.
    ///
    /// # Errors
    /// [`DecodeError::Busy`], and [`DecodeError::Late`] when it is not wanted any more.
    pub(crate) fn turn(
        &self,
        is_wanted: &IsWanted<'_>,
    ) -> Result<OwnedSemaphorePermit, DecodeError> {
        self.acquire(&self.headers, 1, is_wanted)
    }

    /// So many bytes of the allowance, or all of it. Blocks.
    ///
    /// # Errors
    /// Likewise.
    pub(crate) fn allowance(
        &self,
        bytes: u64,
        is_wanted: &IsWanted<'_>,
    ) -> Result<OwnedSemaphorePermit, DecodeError> {
        let wanted = u32::try_from(bytes.div_ceil(1 << 20)).unwrap_or(ALLOWANCE_MIB);
        self.acquire(&self.allowance, wanted.clamp(1, ALLOWANCE_MIB), is_wanted)
    }

    /// The samples of one frame. Blocks.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub(crate) fn decode(
        &self,
        image: &Image,
        source: &[u8],
        is_wanted: &IsWanted<'_>,
    ) -> Result<Vec<u8>, DecodeError> {
        let begun = Instant::now();
        let decoding = async {
            loop {
                match self.decoders.frame(image, source).await {
                    Err(DecodeError::Busy) if begun.elapsed() < self.patience => {
                        tokio::time::sleep(ASKED_AGAIN).await;
                    }
                    done => return done,
                }
            }
        };
        Ok(self.wait(is_wanted, decoding)??.bytes)
    }

    fn recoded<'o>(
        &'o self,
        object: &'o mut dyn Outgoing,
        into: &str,
        is_wanted: &'o IsWanted<'o>,
    ) -> Result<Recoded<'o>, FrameError> {
        let into = match into {
            IMPLICIT => Encoding::ImplicitLittle,
            EXPLICIT => Encoding::ExplicitLittle,
            _ => return Err(DecodeError::Unsupported.into()),
        };
        let plan = self.plan(object, into, is_wanted)?;
        let held = self.allowance(plan.memory()?, is_wanted)?;
        self.begin(plan, object, Some(held), is_wanted)
    }

    /// How an object is brought into another encoding. Blocks.
    ///
    /// # Errors
    /// [`FrameError`].
    pub(crate) fn plan(
        &self,
        object: &mut dyn Outgoing,
        into: Encoding,
        is_wanted: &IsWanted<'_>,
    ) -> Result<Plan, FrameError> {
        let syntax = Uid::parse_lenient(object.transfer_syntax().as_bytes());
        let syntax = TransferSyntax::from(syntax.map_err(|_| DecodeError::Unsupported)?);
        let _turn = self.turn(is_wanted)?;
        Plan::read(object, &syntax, into)
    }

    /// Begins to bring an object into it. Whoever `held` no memory out of the allowance for deliveries answers for
    /// [`Plan::memory`] itself. Blocks.
    ///
    /// # Errors
    /// [`FrameError`].
    pub(crate) fn begin<'o>(
        &'o self,
        plan: Plan,
        object: &'o mut dyn Outgoing,
        held: Option<OwnedSemaphorePermit>,
        is_wanted: &'o IsWanted<'o>,
    ) -> Result<Recoded<'o>, FrameError> {
        let source = object.open();
        let source = source.map_err(|error| FrameError::Unreadable(error.into()))?;
        let plain = Plain::new(source, plan.from());
        Recoded::begin((self, is_wanted), plan, plain, held)
    }
}

impl Transcoding for Transcoder {
    fn ways(&self, transfer_syntax: &str) -> &'static [&'static str] {
        let Ok(uid) = Uid::parse_lenient(transfer_syntax.as_bytes()) else {
            return &[];
        };
        match Codec::of(&uid) {
            Some(_) if uid == EXPLICIT_VR_LITTLE_ENDIAN => &[IMPLICIT],
            Some(_) if uid == IMPLICIT_VR_LITTLE_ENDIAN => &[EXPLICIT],
            Some(_) => &[EXPLICIT, IMPLICIT],
            None => &[],
        }
    }

    fn open<'o>(
        &'o self,
        object: &'o mut dyn Outgoing,
        into: &str,
        is_wanted: &'o IsWanted<'o>,
    ) -> io::Result<Box<dyn Read + Send + 'o>> {
        match self.recoded(object, into, is_wanted) {
            Ok(recoded) => Ok(Box::new(recoded)),
            Err(error) => Err(failure(error)),
        }
    }
}

/// Why an object is not to be had in another transfer syntax, for who sends it.
fn failure(error: FrameError) -> io::Error {
    let (why, for_now) = match error {
        FrameError::Unreadable(crate::dicom::dataset::ReadError::Io(error)) => return error,
        FrameError::Unreadable(error) => (error.message(), false),
        FrameError::NoImage => (DecodeError::NoFrame.message(), false),
        FrameError::Undecodable(error) => {
            let for_now = matches!(
                error,
                DecodeError::Busy | DecodeError::Unavailable | DecodeError::Late
            );
            (error.message(), for_now)
        }
    };
    io::Error::other(Untranscoded { why, for_now })
}
