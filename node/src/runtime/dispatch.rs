//! Effect → port. One match, nothing decided.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use dokuei_keys::id::{NodeId, ParcelId, SiteId};
use dokuei_keys::secret::ContentKey;
use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::event::Grant;
use dokuei_protocol::case::priors::lies_as;
use dokuei_protocol::case::terms::Priority;
use dokuei_protocol::effect::{Answer, CannotDo, DocumentAnswer, Effect, Member, Permit, Shared};
use dokuei_protocol::input::{Input, Job, Outcome, Ticket, Trouble};
use dokuei_protocol::time::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::network::{self, Address, Network, SendError};
use crate::priors::{self, Sought};
use crate::reports::reception::IssuedReport;
use crate::runtime::desk::{Desk, now};
use crate::runtime::ports::Ports;

/// Seconds after which a partner may send a document again that could not be taken yet.
const LATER_SECONDS: u32 = 2;

/// Somebody who waits for the service's answer.
enum Waiting {
    Command(oneshot::Sender<Result<Answer, CannotDo>>),
    Document(oneshot::Sender<network::Answer>),
    Frame(oneshot::Sender<Vec<u8>>),
}

/// Who waits under which ticket. Clones share it.
#[derive(Clone, Default)]
pub struct Tickets(Arc<Mutex<(u64, BTreeMap<Ticket, Waiting>)>>);

impl Tickets {
    fn put(&self, waiting: Waiting) -> Ticket {
        let mut tickets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tickets.0 += 1;
        let ticket = Ticket(tickets.0);
        tickets.1.insert(ticket, waiting);
        ticket
    }

    fn take(&self, ticket: Ticket) -> Option<Waiting> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .1
            .remove(&ticket)
    }

    /// A ticket for a document that waits for its answer.
    pub fn document(&self, answer: oneshot::Sender<network::Answer>) -> Ticket {
        self.put(Waiting::Document(answer))
    }

    /// A ticket for bytes that wait for their answer.
    pub fn frame(&self, answer: oneshot::Sender<Vec<u8>>) -> Ticket {
        self.put(Waiting::Frame(answer))
    }
}

/// Who may fetch what. Clones share it.
#[derive(Clone, Default)]
pub struct Permits(Arc<RwLock<BTreeSet<Permit>>>);

impl Permits {
    /// Whether this node may fetch this parcel.
    pub fn allow(&self, node: NodeId, parcel: ParcelId) -> bool {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(&Permit { node, parcel })
    }

    fn replace(&self, permits: Vec<Permit>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = permits.into_iter().collect();
    }
}

/// Performs effects.
pub struct Dispatch {
    /// Where results go.
    pub desk: Desk,
    /// Where work runs.
    pub runtime: Handle,
    /// Who waits.
    pub tickets: Tickets,
    /// Who may fetch.
    pub permits: Permits,
    /// The network.
    pub network: Network,
    /// What studies and reports need.
    pub ports: Arc<Ports>,
}

impl Dispatch {
    /// A ticket for a command that waits for its answer.
    pub fn await_answer(&self, reply: oneshot::Sender<Result<Answer, CannotDo>>) -> Ticket {
        self.tickets.put(Waiting::Command(reply))
    }

    /// Performs one effect. Who may connect is in force when this returns, so that whatever follows
    /// can count on it: an invitation's code is read out only when the door is open. Everything that
    /// takes longer goes on by itself.
    pub async fn perform(&self, effect: Effect) {
        match effect {
            Effect::Bar(nodes) => self.network.bar(nodes).await,
            Effect::Admit(members) => self.admit(members).await,
            Effect::Permit(permits) => self.permits.replace(permits),
            Effect::OpenPairing(until) => self.open_pairing(until).await,
            Effect::ClosePairing => self.network.close_pairing().await,
            Effect::AnswerPairing(ticket, frame) | Effect::AnswerSync(ticket, frame) => {
                self.answer_frame(ticket, frame)
            }
            Effect::CallInviter { addresses, frame } => self.call_inviter(&addresses, frame),
            Effect::Send {
                to,
                node,
                id,
                bytes,
            } => self.send(to, node, id, bytes),
            Effect::AnswerDocument(ticket, answer) => self.answer_document(ticket, answer),
            Effect::AskSync(node, request) => self.ask_sync(node, request),
            Effect::Answer(ticket, answer) => {
                if let Some(Waiting::Command(reply)) = self.tickets.take(ticket) {
                    let _ = reply.send(answer);
                }
            }
            Effect::Wake(_) => {}
            Effect::ReceiveStudy {
                case,
                from,
                node,
                priority,
                grant,
                key,
                shared,
            } => self.receive_study((case, priority), from, node, (grant, key), shared),
            Effect::StoreStudy {
                case,
                from,
                grant,
                key,
            } => self.store_study(case, from, grant, key),
            Effect::RemoveStudy { case, parcel } => self.remove_study(case, parcel),
            effect @ (Effect::ListPriors { .. }
            | Effect::FindPrior { .. }
            | Effect::ReceivePrior { .. }
            | Effect::StorePrior { .. }
            | Effect::RemovePrior { .. }) => self.perform_priors(effect),
            Effect::ReceiveReport {
                case,
                from,
                node,
                issued,
                revocations,
                key,
            } => {
                let report = IssuedReport {
                    case,
                    from,
                    node,
                    issued,
                    revocations,
                };
                self.receive_report(report, key);
            }
        }
    }

    fn receive_study(
        &self,
        (case, priority): (CaseId, Priority),
        from: SiteId,
        node: NodeId,
        granted: (Grant, ContentKey),
        shared: Shared,
    ) {
        let ports = Arc::clone(&self.ports);
        self.job(Job::ReceiveStudy(case), async move {
            let owed = ports.receive_study((case, priority), from, node, granted, shared);
            // Large: with all that a transfer needs.
            Box::pin(owed).await
        });
    }

    fn store_study(&self, case: CaseId, from: SiteId, grant: Grant, key: ContentKey) {
        let ports = Arc::clone(&self.ports);
        self.job(Job::StoreStudy(case), async move {
            ports.store_study(case, from, grant, key).await
        });
    }

    fn remove_study(&self, case: CaseId, parcel: ParcelId) {
        let ports = Arc::clone(&self.ports);
        self.job(Job::RemoveStudy(case), async move {
            ports.remove_study(case, parcel).await
        });
    }

    /// Performs an effect of priors. A parcel of a prior lies here under a name of its own, where the study of a case lies
    /// under its case's.
    fn perform_priors(&self, effect: Effect) {
        let (ports, desk) = (Arc::clone(&self.ports), self.desk.clone());
        match effect {
            Effect::ListPriors { case, parcel, key } => {
                let job = Job::ListPriors(case);
                self.job(job, priors::list(ports, desk, case, (parcel, key)));
            }
            Effect::FindPrior {
                case,
                number,
                list,
                parcel,
                key,
                failures,
            } => {
                let sought = Sought {
                    case,
                    number,
                    list,
                    parcel,
                    key,
                    failures,
                };
                self.job(
                    Job::FindPrior(case, number),
                    priors::find(ports, desk, sought),
                );
            }
            Effect::ReceivePrior {
                case,
                from,
                node,
                priority,
                grant,
                key,
                shared,
            } => {
                let parcel = grant.manifest.parcel;
                let as_study = (lies_as(case, parcel), priority);
                let owed = ports.receive_study(as_study, from, node, (grant, key), shared);
                self.job(Job::ReceivePrior(case, parcel), owed);
            }
            Effect::StorePrior {
                case,
                from,
                grant,
                key,
            } => {
                let parcel = grant.manifest.parcel;
                let owed = ports.store_study(lies_as(case, parcel), from, grant, key);
                self.job(Job::StorePrior(case, parcel), owed);
            }
            Effect::RemovePrior { case, parcel } => {
                let owed = ports.remove_study(lies_as(case, parcel), parcel);
                self.job(Job::RemovePrior(case, parcel), owed);
            }
            // The others are performed by who calls this.
            _ => {}
        }
    }

    fn spawn_network<F: Future<Output = ()> + Send + 'static>(
        &self,
        work: impl FnOnce(Network) -> F,
    ) {
        self.runtime.spawn(work(self.network.clone()));
    }

    fn job(&self, job: Job, work: impl Future<Output = Outcome> + Send + 'static) {
        let desk = self.desk.clone();
        self.runtime.spawn(async move {
            let outcome = work.await;
            desk.tell(Input::JobEnded(job, outcome)).await;
        });
    }

    async fn open_pairing(&self, until: Timestamp) {
        let open_for = Duration::from_millis(until.0.saturating_sub(now().0));
        self.network.open_pairing(Instant::now() + open_for).await;
    }

    fn receive_report(&self, report: IssuedReport, key: ContentKey) {
        let ports = Arc::clone(&self.ports);
        let job = Job::ReceiveReport(report.case, report.issued.version);
        self.job(job, async move { ports.receive_report(report, key).await });
    }

    async fn admit(&self, members: Vec<Member>) {
        let members: Vec<network::Member> = members
            .into_iter()
            .map(|member| {
                let addresses: Vec<Address> = member
                    .addresses
                    .iter()
                    .filter_map(|address| address.parse().ok())
                    .collect();
                network::Member {
                    node: member.node,
                    outbound: !addresses.is_empty(),
                    addresses,
                }
            })
            .collect();
        self.network.set_members(members).await;
    }

    fn answer_frame(&self, ticket: Ticket, frame: Option<Vec<u8>>) {
        if let (Some(Waiting::Frame(reply)), Some(frame)) = (self.tickets.take(ticket), frame) {
            let _ = reply.send(frame);
        }
    }

    fn answer_document(&self, ticket: Ticket, answer: DocumentAnswer) {
        let answer = match answer {
            DocumentAnswer::Accepted => network::Answer::Accepted,
            DocumentAnswer::Later => network::Answer::Later {
                seconds: LATER_SECONDS,
            },
            DocumentAnswer::Refused => network::Answer::Refused,
        };
        if let Some(Waiting::Document(reply)) = self.tickets.take(ticket) {
            let _ = reply.send(answer);
        }
    }

    fn call_inviter(&self, addresses: &[String], frame: Vec<u8>) {
        let addresses: Vec<Address> = addresses
            .iter()
            .filter_map(|address| address.parse().ok())
            .collect();
        let desk = self.desk.clone();
        self.spawn_network(|network| async move {
            let called = async {
                let mut conversation = network.pair(&addresses).await?;
                let answer = conversation.exchange(&frame).await?;
                Ok::<_, network::PairError>((conversation.node(), answer))
            };
            match called.await {
                Ok((node, frame)) => desk.tell(Input::PairingAnswered { node, frame }).await,
                Err(error) => {
                    tracing::warn!(target: "dokuei::network", "{error}");
                    desk.tell(Input::PairingFailed).await;
                }
            }
        });
    }

    fn send(&self, to: SiteId, node: NodeId, id: dokuei_keys::id::DocumentId, bytes: Vec<u8>) {
        // Handed over here, not in the task: documents to one node go out in the order of the effects.
        let sending = self.network.send_document(node, id.to_bytes(), bytes);
        self.job(Job::Send(to, id), async move {
            match sending.await {
                Ok(network::Answer::Accepted) => Outcome::Done,
                Ok(network::Answer::Refused) | Err(SendError::TooLarge) => Outcome::Impossible,
                Ok(network::Answer::Later { .. }) | Err(SendError::Busy) => {
                    Outcome::Failed(Trouble::PartnerBusy)
                }
                Err(
                    SendError::NotConnected
                    | SendError::NotAMember
                    | SendError::Unanswered
                    | SendError::Stopped,
                ) => Outcome::Failed(Trouble::PartnerUnreachable),
            }
        });
    }

    fn ask_sync(&self, node: NodeId, request: Vec<u8>) {
        let desk = self.desk.clone();
        self.spawn_network(move |network| async move {
            match network.sync(node, &request).await {
                Ok(bytes) => desk.tell(Input::SyncAnswered { node, bytes }).await,
                Err(error) => {
                    tracing::debug!(target: "dokuei::network", "a partner's announcements could not be asked for: {error}");
                    desk.tell(Input::SyncFailed(node)).await;
                }
            }
        });
    }
}
