//! One association from its request to its end.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::admission::Place;
use super::commitment::Debts;
use super::negotiation::{Agreement, NotLetIn, admit, negotiate};
use super::shared::Shared;
use super::{Caller, Notice};
use crate::dicom::dimse::command::Command;
use crate::dicom::pdu::associate::AssociateRequest;
use crate::dicom::pdu::link::TcpLink;
use crate::dicom::pdu::reader::{Arrival, PduReader};
use crate::dicom::pdu::watch::Watch;
use crate::dicom::pdu::writer;
use crate::dicom::pdu::{Foreign, LinkFault, PduFault, PduKind, Phase, Rejection, RejectionReason};
use crate::entities::Permission;

/// Waiting for the peer to take our last words while we stop: a round trip on the LAN, many times over.
const PARTING: Duration = Duration::from_millis(100);

/// Through which port a connection came.
#[derive(Clone, Copy)]
pub(super) enum Door<'d> {
    /// The one for plain DICOM.
    Plain,
    /// The one for TLS.
    Tls(&'d Arc<rustls::ServerConfig>),
}

/// One connection.
pub(super) struct Association<'s> {
    pub(super) shared: &'s Shared,
    pub(super) reader: PduReader<TcpLink>,
    place: &'s Place,
    /// An object is under way.
    pub(super) in_object: bool,
    address: SocketAddr,
    /// Of the last request of ours.
    message_id: u16,
    /// What storage commitment owes the peer.
    pub(super) debts: Debts,
    /// Cancels that came for what was not under way.
    pub(super) strays: u32,
}

/// Serve one connection to its end. `crowded`: there is no place, only say so.
pub(super) fn serve(
    socket: TcpStream,
    address: SocketAddr,
    place: &Place,
    crowded: bool,
    shared: &Shared,
    door: Door<'_>,
) {
    let Ok(mut link) = TcpLink::new(socket) else {
        // The peer left between connecting and being served: nothing was asked of us.
        return;
    };
    let limits = &shared.config.limits;
    let patience = if crowded {
        limits.closing
    } else {
        limits.negotiation
    };
    // One deadline for TLS and the request behind it.
    let mut watch = Watch::stoppable(patience, Phase::Negotiation);
    let agreed = match door {
        Door::Plain => Ok(()),
        Door::Tls(config) => link.accept_tls(config, &mut watch, &shared.stopping),
    };
    let mut association = Association {
        shared,
        place,
        reader: PduReader::new(link, watch, Some(Arc::clone(&shared.stopping))),
        in_object: false,
        address,
        message_id: 0,
        debts: Debts::default(),
        strays: 0,
    };
    let mut caller = None;
    let served = agreed.and_then(|()| association.run(crowded, &mut caller));
    if let Err(fault) = served {
        association.end(&fault, caller.as_ref());
    }
    if let Some(caller) = &caller {
        shared.intake.left(caller);
    }
    association.postpone_debts();
    let closing = if shared.stopping.load(Ordering::Relaxed) {
        limits.closing.min(PARTING)
    } else {
        limits.closing
    };
    association.reader.into_source().close(closing);
}

impl Association<'_> {
    fn run(&mut self, crowded: bool, caller: &mut Option<Caller>) -> Result<(), LinkFault> {
        let request = self.request()?;
        let caller = caller.insert(Caller {
            calling_ae: request.calling.clone(),
            called_ae: request.called.clone(),
            address: self.address,
            permission: Permission::nothing(),
        });
        let (called, calling) = (request.called.clone(), request.calling.clone());
        if crowded {
            // The listener has already said that there is a crowd.
            let why = Rejection::transient(RejectionReason::LocalLimit);
            return self.send(&why.encode());
        }
        let certificate = self.reader.source_mut().certificate();
        let address = self.address.ip().to_canonical();
        match admit(&request, &self.shared.config, address, certificate) {
            Err(why) => {
                self.announce_rejection(caller, &why);
                self.send(&why.rejection().encode())
            }
            Ok(permission) => {
                caller.permission = permission;
                let caller = &*caller;
                let offers = self.shared.services.offers(caller);
                let agreement = negotiate(request, &self.shared.config, offers);
                if agreement.contexts.is_empty() {
                    self.shared.announce(&Notice::NothingAccepted { caller });
                }
                self.send(&agreement.answer.encode(&called, &calling))?;
                self.converse(caller, &agreement)
            }
        }
    }

    fn announce_rejection(&self, caller: &Caller, why: &NotLetIn) {
        self.shared.announce(&match why {
            NotLetIn::Request(why) => Notice::Rejected { caller, why: *why },
            NotLetIn::Caller(why) => Notice::NotLetIn { caller, why },
        });
    }

    /// The association request.
    fn request(&mut self) -> Result<AssociateRequest, LinkFault> {
        match self.reader.next()? {
            Arrival::Associate(PduKind::AssociateRequest, body) => {
                Ok(AssociateRequest::decode(body)?)
            }
            other => Err(other.unexpected("before the association")),
        }
    }

    /// Messages until the peer releases the association.
    fn converse(&mut self, caller: &Caller, agreement: &Agreement) -> Result<(), LinkFault> {
        loop {
            if self.shared.stopping.load(Ordering::Relaxed) {
                return Err(LinkFault::Stopping);
            }
            self.pay(agreement)?;
            self.place.rest();
            let idle = self.shared.config.limits.idle;
            self.reader
                .set_watch(Watch::stoppable(idle, Phase::Message));
            let Some((context, command)) = self.next_command(agreement)? else {
                return self.send(&writer::release(PduKind::ReleaseReply));
            };
            self.place.work();
            self.obey(caller, agreement, context, &command)?;
        }
    }

    /// The next whole command set and its context; nothing when the peer releases.
    pub(super) fn next_command(
        &mut self,
        agreement: &Agreement,
    ) -> Result<Option<(u8, Command)>, LinkFault> {
        let rate = self.shared.config.limits.rate;
        let is_open = |context: u8| agreement.contexts.contains_key(&context);
        self.reader.command(is_open, Some(rate))
    }

    pub(super) fn next_message_id(&mut self) -> u16 {
        self.message_id = self.message_id.checked_add(1).unwrap_or(1);
        self.message_id
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<(), LinkFault> {
        let mut watch = Watch::flow(self.shared.config.limits.rate);
        self.reader.source_mut().send(bytes, &mut watch)
    }

    /// A connection that we cut ourselves reads like one that the peer closed.
    fn own_doing<'f>(&self, fault: &'f LinkFault) -> &'f LinkFault {
        match fault {
            LinkFault::Closed if self.shared.stopping.load(Ordering::Relaxed) => {
                &LinkFault::Stopping
            }
            LinkFault::Closed if self.place.is_lost() => &LinkFault::GaveWay,
            other => other,
        }
    }

    /// Tell the peer and the operator why the association ends.
    fn end(&mut self, fault: &LinkFault, caller: Option<&Caller>) {
        if let Some(abort) = fault.abort() {
            // The peer may be gone already; the operator is told either way.
            let _gone = self.send(&writer::abort(abort));
        }
        // A connection that never said a word is a port check, or was cut in a crowd of such.
        let has_spoken = self.reader.has_received() || self.reader.source_mut().has_received();
        let silent = matches!(fault, LinkFault::Closed) && !has_spoken;
        let fault = self.own_doing(fault);
        // A stop is the operator's own; only what it cost is worth a line.
        let stopped = matches!(fault, LinkFault::Stopping) && !self.in_object;
        if !silent && !stopped {
            self.shared.announce(&self.farewell(fault, caller));
        }
    }

    /// What the operator is told of the end.
    fn farewell<'n>(&self, fault: &'n LinkFault, caller: Option<&'n Caller>) -> Notice<'n> {
        let address = self.address;
        match fault {
            LinkFault::Pdu(PduFault::Foreign(Foreign::Tls)) => Notice::SpeaksTls {
                address,
                tls_port: self.shared.ports().tls,
            },
            LinkFault::Pdu(PduFault::Foreign(Foreign::Plain)) => Notice::SpeaksPlain {
                address,
                plain_port: self.shared.ports().plain,
            },
            why => Notice::Cut {
                address,
                calling_ae: caller.map(|c| &c.calling_ae),
                in_object: self.in_object,
                why,
            },
        }
    }
}
