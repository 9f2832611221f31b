//! Going along with what happens while a node runs: on the network, and in the intake.

use std::sync::Arc;
use std::time::Duration;

use dokuei_keys::id::NodeId;
use dokuei_protocol::input::Input;
use dokuei_protocol::service::Halt;
use dokuei_protocol::study::ahead::ReadyPacks;
use dokuei_protocol::time::Timestamp;
use tokio::sync::mpsc::Receiver;
use tokio::sync::oneshot;

use crate::ahead::{Coming, Ready, Telling};
use crate::clock::now;
use crate::network::NetworkEvent;
use crate::runtime::absences::Absences;
use crate::runtime::desk::Desk;
use crate::runtime::dispatch::Tickets;
use crate::runtime::hands::Hands;
use crate::runtime::ports::Ports;
use crate::runtime::trail::Strangers;
use crate::studies::intake::StudyIntake;

/// How often the quiet period of arriving studies is looked at.
const QUIET_LOOK: Duration = Duration::from_millis(500);

/// Goes along with what happens while the node runs: on the network, in the intake, and with what an earlier run left.
pub(super) fn follow(
    hands: &Hands,
    (events, ready): (Receiver<NetworkEvent>, Ready),
    tickets: Tickets,
) -> Absences {
    let (ports, desk) = (&hands.ports, &hands.desk);
    let absences = Absences::default();
    let told = (absences.clone(), Strangers::new(hands.audit.clone()));
    let hears = (desk.clone(), ports.coming.clone());
    tokio::spawn(network_events(events, hears, tickets, told));
    let watched = (Arc::clone(ports), Arc::clone(&hands.intake), desk.clone());
    tokio::spawn(watch_intake(watched, hands.config.quiet_seconds));
    tokio::spawn(ports.coming.clone().sweep());
    if let Some(to) = hands.config.send_ahead_to.clone() {
        let telling = Telling {
            register: ports.register.clone(),
            network: ports.network.clone(),
            desk: desk.clone(),
            ready,
            to,
        };
        tokio::spawn(telling.run());
    }
    absences
}

async fn network_events(
    mut events: Receiver<NetworkEvent>,
    (desk, coming): (Desk, Coming),
    tickets: Tickets,
    (absences, mut strangers): (Absences, Strangers),
) {
    while let Some(event) = events.recv().await {
        let input = match event {
            NetworkEvent::Connected { node, path } => {
                tracing::info!(target: "dokuei::network", ?node, %path, "connected");
                absences.came(node);
                Input::Connected(node)
            }
            NetworkEvent::Disconnected { node, why } => {
                tracing::info!(target: "dokuei::network", ?node, why, "disconnected");
                absences.went(node, Timestamp(now()));
                Input::Disconnected(node)
            }
            NetworkEvent::Ready { from, said, answer } => {
                hear_ready((&desk, &coming), from, &said, answer).await;
                continue;
            }
            NetworkEvent::TurnedAway { from, why } => {
                strangers.came(from, &why);
                continue;
            }
            NetworkEvent::Document {
                from,
                bytes,
                answer,
                ..
            } => Input::DocumentArrived {
                ticket: tickets.document(answer),
                node: from,
                bytes,
            },
            NetworkEvent::Sync {
                from,
                request,
                answer,
            } => Input::SyncAsked {
                ticket: tickets.frame(answer),
                node: from,
                bytes: request,
            },
            NetworkEvent::Pairing {
                from, frame, reply, ..
            } => Input::PairingCalled {
                ticket: tickets.frame(reply),
                node: from,
                frame,
            },
        };
        desk.tell(input).await;
    }
}

/// Closes studies that are quiet, and stops the intake of a data folder that is older than what partners hold.
async fn watch_intake(
    (ports, intake, desk): (Arc<Ports>, Arc<StudyIntake>, Desk),
    quiet_seconds: u64,
) {
    let mut look = tokio::time::interval(QUIET_LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        look.tick().await;
        let Ok(halt) = desk.ask(|service| service.halt()).await else {
            return;
        };
        intake.halt(matches!(halt, Some(Halt::Older(_))));
        let register = ports.register.clone();
        let since = now().saturating_sub(quiet_seconds.saturating_mul(1000));
        match tokio::task::spawn_blocking(move || register.close_quiet(since)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                tracing::error!(target: "dokuei::studies", "a study cannot be closed: {error}")
            }
            Err(_) => return,
        }
    }
}

/// Hears what a partner has ready ahead of a grant. What it does not get an answer to, it keeps.
async fn hear_ready(
    (desk, coming): (&Desk, &Coming),
    node: NodeId,
    said: &[u8],
    answer: oneshot::Sender<Vec<u8>>,
) {
    let Some(ready) = ReadyPacks::from_bytes(said) else {
        return;
    };
    let from = desk.ask(move |service| service.takes_ahead_of(node)).await;
    if let Ok(Some(from)) = from
        && coming.hear(from, node, ready)
    {
        // Whoever asked may have gone.
        let _ = answer.send(Vec::new());
    }
}
