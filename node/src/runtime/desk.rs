//! THE loop: next input or wake-up → handle → commit → perform. It runs in a thread of its own, so
//! that the commit blocks nobody else; everybody else holds a [`Desk`].

use std::time::Duration;

use dokuei_keys::secret::StorageKey;
use dokuei_protocol::effect::{Answer, CannotDo, Effect, SecretChange, Step};
use dokuei_protocol::input::{Command, Input, Ticket};
use dokuei_protocol::service::Service;
use dokuei_protocol::time::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::audit::Audit;
use crate::chance::chance;
use crate::runtime::dispatch::Dispatch;
use crate::runtime::kept::KeptSecret;
use crate::runtime::trail;
use crate::store::{Change, Rows, Store, StoreError, sealed};

/// Inputs that may wait. Senders wait when it is full.
const QUEUE: usize = 1_024;
/// How long the loop waits before it tries a failed commit again.
const COMMIT_AGAIN: Duration = Duration::from_secs(1);

type Question = Box<dyn FnOnce(&Service) + Send>;

enum Message {
    Input(Input),
    Command(Command, oneshot::Sender<Result<Answer, CannotDo>>),
    Ask(Question),
}

/// A handle to the loop. Clones are handles to the same.
#[derive(Clone)]
pub struct Desk(mpsc::Sender<Message>);

/// The loop has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the node is stopping")]
pub struct Stopping;

impl Desk {
    /// Tells the service what happened.
    pub async fn tell(&self, input: Input) {
        // Inputs after the end of the loop have nobody to decide about them.
        let _ = self.0.send(Message::Input(input)).await;
    }

    /// Tells the service what happened, from a blocking thread.
    pub fn tell_blocking(&self, input: Input) {
        let _ = self.0.blocking_send(Message::Input(input));
    }

    /// Gives a command and waits for its answer.
    ///
    /// # Errors
    /// [`Stopping`] when the loop has ended.
    pub async fn command(&self, command: Command) -> Result<Result<Answer, CannotDo>, Stopping> {
        let (reply, answer) = oneshot::channel();
        self.0
            .send(Message::Command(command, reply))
            .await
            .map_err(|_| Stopping)?;
        answer.await.map_err(|_| Stopping)
    }

    /// Looks at the service.
    ///
    /// # Errors
    /// [`Stopping`] when the loop has ended.
    pub async fn ask<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Service) -> T + Send + 'static,
    ) -> Result<T, Stopping> {
        let (reply, answer) = oneshot::channel();
        let question = Box::new(move |service: &Service| drop(reply.send(look(service))));
        self.0
            .send(Message::Ask(question))
            .await
            .map_err(|_| Stopping)?;
        answer.await.map_err(|_| Stopping)
    }
}

/// A desk and the end of its queue.
pub struct Inbox(mpsc::Receiver<Message>);

/// Makes a desk; the loop is started with [`Loop::start`].
pub fn desk() -> (Desk, Inbox) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    (Desk(sender), Inbox(receiver))
}

/// The loop with all it needs.
pub struct Loop {
    /// Decides.
    pub service: Service,
    /// Keeps.
    pub store: Store,
    /// Seals secrets that are kept.
    pub storage: StorageKey,
    /// Seals prekeys that are kept.
    pub prekeys: StorageKey,
    /// Performs.
    pub dispatch: Dispatch,
    /// What comes in.
    pub inbox: Inbox,
    /// Hears of new records.
    pub audit: Audit,
    /// Hears of new records as well: how many there are.
    pub grown: watch::Sender<u64>,
}

impl Loop {
    /// Starts the loop in its own thread. It ends when every desk is dropped or the store closes. What it gives is
    /// cancelled then, and when the thread panics.
    ///
    /// # Errors
    /// When no thread can be had.
    pub fn start(self) -> std::io::Result<CancellationToken> {
        let ended = CancellationToken::new();
        let guard = ended.clone().drop_guard();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()?;
        std::thread::Builder::new()
            .name("service".to_owned())
            .spawn(move || {
                runtime.block_on(self.run());
                drop(guard);
            })?;
        Ok(ended)
    }

    async fn run(mut self) {
        let mut sequence = self.service.state().head().length;
        let mut wake = None;
        let mut step = self.service.resume(now());
        loop {
            let Ok(next) = self.finish(step, &mut sequence).await else {
                return;
            };
            wake = next.or(wake);
            step = match self.next(wake).await {
                Some(Message::Input(input)) => self.service.handle(input, now()),
                Some(Message::Command(command, reply)) => {
                    let ticket: Ticket = self.dispatch.await_answer(reply);
                    self.service.handle(Input::Command(ticket, command), now())
                }
                Some(Message::Ask(question)) => {
                    question(&self.service);
                    Step::default()
                }
                None => return,
            };
        }
    }

    /// The next message, or a tick when the time has come. `None` at the end.
    async fn next(&mut self, wake: Option<Timestamp>) -> Option<Message> {
        let Some(wake) = wake else {
            return self.inbox.0.recv().await;
        };
        let pause = Duration::from_millis(wake.0.saturating_sub(now().0));
        match tokio::time::timeout(pause, self.inbox.0.recv()).await {
            Ok(message) => message,
            Err(_) => Some(Message::Input(Input::Tick)),
        }
    }

    /// Commits a step, then performs its effects. While the disk is full nothing is decided, and
    /// nothing decided is lost: the commit is tried until it succeeds.
    async fn finish(
        &mut self,
        step: Step,
        sequence: &mut u64,
    ) -> Result<Option<Timestamp>, StoreError> {
        loop {
            let Some(change) = self.change(&step, *sequence) else {
                return Err(StoreError::Closed);
            };
            match self.store.commit(change) {
                Ok(()) => break,
                Err(StoreError::Closed) => return Err(StoreError::Closed),
                Err(error) => {
                    tracing::error!(target: "dokuei::store", "{error}");
                    tokio::time::sleep(COMMIT_AGAIN).await;
                }
            }
        }
        if !step.records.is_empty() {
            trail::remember(&self.audit, &self.dispatch.ports, &step);
            *sequence += step.records.len() as u64;
            self.audit.records_grew(*sequence);
            self.grown.send_replace(*sequence);
        }
        let mut wake = None;
        for effect in step.effects {
            match effect {
                Effect::Wake(at) => wake = Some(at),
                other => self.dispatch.perform(other).await,
            }
        }
        Ok(wake)
    }

    fn change(&self, step: &Step, first: u64) -> Option<Change> {
        let mut change = Change {
            entries: (first..).zip(step.records.iter().cloned()).collect(),
            ..Change::default()
        };
        for secret in &step.secrets {
            match secret {
                SecretChange::KeepPrekey(kept) => {
                    let (key, secret) = (kept.id.as_bytes(), KeptSecret::of(kept));
                    let row = sealed::seal(&self.prekeys, Rows::Prekeys, key, &secret).ok()?;
                    change.puts.push((Rows::Prekeys, key.to_vec(), row));
                }
                SecretChange::DestroyPrekey(id) => change
                    .removals
                    .push((Rows::Prekeys, id.as_bytes().to_vec())),
                SecretChange::DestroyContentKey(parcel) => change
                    .removals
                    .push((Rows::ContentKeys, parcel.as_bytes().to_vec())),
                SecretChange::KeepContentKey(parcel, key) => {
                    let row = self
                        .storage
                        .wrap_content_key(parcel, key, &mut chance())
                        .ok()?;
                    change
                        .puts
                        .push((Rows::ContentKeys, parcel.as_bytes().to_vec(), row));
                }
            }
        }
        Some(change)
    }
}

/// The time by this machine's clock.
pub fn now() -> Timestamp {
    Timestamp(crate::clock::now())
}
