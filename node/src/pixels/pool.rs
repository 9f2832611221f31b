//! The decoders of a node: a few warm children, each with one request at a time.

use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::pixels::child;
use crate::pixels::error::DecodeError;
use crate::pixels::image::{Image, Photometric, SOURCE_BYTES_MAX};
use crate::pixels::rendering::{Picture, Rendering};
use crate::pixels::wire::{self, ANSWER_HEAD_BYTES, Head, Task};

/// Requests that may wait for a child, for each child: a viewer asks for a screen of thumbnails or a few slices ahead
/// at once, and what waits longer than this is better asked for again. One more is refused ([`DecodeError::Busy`]):
/// each waiting request holds a compressed frame in memory.
pub const WAITING_PER_CHILD: usize = 16;

/// Longest time a child may take for a request, in which it must also be read and answered. The largest frames take a
/// few seconds on one core; a node with a busy disk is slower.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// The program that decodes, and how many of them there may be.
#[derive(Clone)]
pub struct Plan {
    /// The program. Its children get no environment.
    pub program: std::path::PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Most children at once.
    pub children: usize,
    /// How long a request may take.
    pub deadline: Duration,
}

impl Plan {
    /// This program as it runs now, even after its file was replaced by an update; a child for each core.
    #[must_use]
    pub fn this_program() -> Plan {
        Plan {
            program: "/proc/self/exe".into(),
            arguments: vec![child::COMMAND.to_owned()],
            children: std::thread::available_parallelism().map_or(1, usize::from),
            deadline: DEADLINE,
        }
    }
}

/// A decoded frame. It shows a patient: no `Debug`.
pub struct Frame {
    /// What its samples mean: chrominance is at every pixel, and JPEG 2000's transforms are undone.
    pub photometric: Photometric,
    /// Pixel after pixel (Planar Configuration 0), little endian, each sample in its allocated bits; pixels of one bit
    /// eight a byte, the first in the lowest bit.
    pub bytes: Vec<u8>,
}

/// Decodes in separate processes. Clones share the same children.
#[derive(Clone)]
pub struct Decoders {
    shared: Arc<Shared>,
}

struct Shared {
    plan: Plan,
    /// A permit for each child that may work.
    working: Semaphore,
    /// Requests that have a permit or wait for one.
    present: AtomicUsize,
    /// Children that have nothing to do: at most as many as there are permits.
    idle: Mutex<Vec<Working>>,
}

/// A child and its pipes. Dropped, it is killed.
struct Working {
    child: Child,
    requests: ChildStdin,
    answers: ChildStdout,
}

/// A request that is counted.
struct Present<'a>(&'a AtomicUsize);

impl Drop for Present<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Decoders {
    /// Decoders by this plan. Children start when they are needed.
    #[must_use]
    pub fn new(plan: Plan) -> Decoders {
        let children = plan.children.clamp(1, Semaphore::MAX_PERMITS);
        Decoders {
            shared: Arc::new(Shared {
                working: Semaphore::new(children),
                present: AtomicUsize::new(0),
                idle: Mutex::new(Vec::new()),
                plan: Plan { children, ..plan },
            }),
        }
    }

    /// Decodes one frame: `source` is its compressed bytes, all fragments of it in order (see
    /// [`crate::pixels::frames`]), or its part of native pixel data.
    ///
    /// # Errors
    /// [`DecodeError`], for this request alone.
    pub async fn frame(&self, image: &Image, source: &[u8]) -> Result<Frame, DecodeError> {
        image.check()?;
        let bytes = self.ask(image, Task::Frame, source, image.frame_bytes());
        let bytes = bytes.await?;
        // Shorter is no frame: a child that says so is not to be believed.
        if u64::try_from(bytes.len()) != Ok(image.frame_bytes()) {
            return Err(DecodeError::Ended);
        }
        Ok(Frame {
            photometric: image.photometric.decoded(),
            bytes,
        })
    }

    /// Makes a picture of one frame.
    ///
    /// # Errors
    /// [`DecodeError`], for this request alone.
    pub async fn render(
        &self,
        image: &Image,
        source: &[u8],
        rendering: Rendering,
    ) -> Result<Picture, DecodeError> {
        image.check()?;
        let most = rendering.bytes_max(image)?;
        let media_type = rendering.format.media_type();
        let bytes = self
            .ask(image, Task::Render(rendering), source, most)
            .await?;
        Ok(Picture { media_type, bytes })
    }

    async fn ask(
        &self,
        image: &Image,
        task: Task,
        source: &[u8],
        most: u64,
    ) -> Result<Vec<u8>, DecodeError> {
        if u64::try_from(source.len()).is_ok_and(|length| length > SOURCE_BYTES_MAX) {
            return Err(DecodeError::TooLarge);
        }
        let image = image.clone();
        let head = wire::head(&Head { image, task }, source.len())?;
        let _present = self.enter()?;
        let permit = self.shared.working.acquire().await;
        let _permit = permit.map_err(|_| DecodeError::Unavailable)?;
        let idle = self.idle().pop();
        // One that ended while it had nothing to do, by its age for instance, is replaced.
        let mut working = match idle.and_then(Working::alive) {
            Some(working) => working,
            None => self.start()?,
        };
        let conversation = working.converse(&head, source, most);
        let answer = timeout(self.shared.plan.deadline, conversation).await;
        match answer {
            Ok(Ok(answer)) => {
                self.idle().push(working);
                answer
            }
            // What is dropped here is killed: nothing that it might still say is read.
            Ok(Err(Broken)) => Err(DecodeError::Ended),
            Err(_) => Err(DecodeError::Late),
        }
    }

    fn enter(&self) -> Result<Present<'_>, DecodeError> {
        let present = &self.shared.present;
        let most = self.shared.plan.children * (1 + WAITING_PER_CHILD);
        let entered = present.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| {
            (now < most).then_some(now + 1)
        });
        match entered {
            Ok(_) => Ok(Present(present)),
            Err(_) => Err(DecodeError::Busy),
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Working>> {
        let idle = self.shared.idle.lock();
        idle.unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self) -> Result<Working, DecodeError> {
        let Plan {
            program, arguments, ..
        } = &self.shared.plan;
        let child = Command::new(program)
            .args(arguments)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        let mut child = child.map_err(|error| {
            tracing::error!(%error, "no decoder could be started");
            DecodeError::Unavailable
        })?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (requests, answers) = pipes.ok_or(DecodeError::Unavailable)?;
        Ok(Working {
            child,
            requests,
            answers,
        })
    }
}

/// The child ended, or says what no child says.
struct Broken;

impl From<std::io::Error> for Broken {
    fn from(_: std::io::Error) -> Broken {
        Broken
    }
}

impl Working {
    /// This child, if it has not ended.
    fn alive(mut self) -> Option<Working> {
        matches!(self.child.try_wait(), Ok(None)).then_some(self)
    }

    /// One request and its answer, which is at most `most` bytes long.
    async fn converse(
        &mut self,
        head: &[u8],
        source: &[u8],
        most: u64,
    ) -> Result<Result<Vec<u8>, DecodeError>, Broken> {
        self.requests.write_all(head).await?;
        self.requests.write_all(source).await?;
        self.requests.flush().await?;
        let mut answer = [0; ANSWER_HEAD_BYTES];
        self.answers.read_exact(&mut answer).await?;
        let (code, length) = wire::answer_head(answer);
        match code {
            0 if length <= most => {}
            0 => return Err(Broken),
            code if length == 0 => return Ok(Err(DecodeError::coded(code))),
            _ => return Err(Broken),
        }
        let length = usize::try_from(length).map_err(|_| Broken)?;
        let mut bytes = vec![0; length];
        self.answers.read_exact(&mut bytes).await?;
        Ok(Ok(bytes))
    }
}
