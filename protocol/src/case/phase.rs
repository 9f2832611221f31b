//! The phases of a case with one reader. Each is a value that holds everything that led to it, and
//! each step consumes the phase before: a reading without a grant, or a grant without a booking,
//! cannot be written down.

use dokuei_keys::id::{DocumentId, PersonId};

use crate::case::event::{
    CaseOffer, CustodyReceipt, DeclineReason, Grant, Quote, ReaderEvent, ReleaseReason,
    RequesterEvent, WithdrawalReason,
};
use crate::case::report::{Reception, ReportIssued, ReportStatus, Versions};

/// On offer; the reader has not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    /// The offer.
    pub offer: CaseOffer,
}

/// The reader promised to read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quoted {
    /// Before.
    pub offered: Offered,
    /// The proposal that carried the quote.
    pub document: DocumentId,
    /// The promise.
    pub quote: Quote,
}

/// This reader and no other reads the case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booked {
    /// Before.
    pub quoted: Quoted,
}

/// The reader holds the key; the study is on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandingOver {
    /// Before.
    pub booked: Booked,
    /// The key.
    pub grant: Grant,
}

/// The reader holds every object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Before.
    pub handing_over: HandingOver,
    /// The reader's word for it.
    pub receipt: CustodyReceipt,
}

/// A person is reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// Before.
    pub received: Received,
    /// Who.
    pub by: PersonId,
}

/// At least one report version is signed. Whether that is a preliminary, a final, a delivered or
/// an acknowledged report is said by [`Reported::standing`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reported {
    /// Before.
    pub claimed: Claimed,
    /// The versions.
    pub versions: Versions,
}

/// Where the newest report version stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// A preliminary report; the final one is awaited.
    Preliminary,
    /// The newest version is final (or an addendum and the like) and on its way.
    Final,
    /// Verified and stored at the requester.
    Delivered,
    /// Read by a doctor.
    Acknowledged,
    /// No version verified at the requester; another one is awaited.
    Rejected,
}

impl Reported {
    /// Where the newest version stands.
    pub fn standing(&self) -> Standing {
        let Some(newest) = self.versions.newest() else {
            return Standing::Rejected;
        };
        if newest.issued.status == ReportStatus::Preliminary {
            return Standing::Preliminary;
        }
        match newest.reception {
            Reception::Issued | Reception::Rejected => Standing::Final,
            Reception::Delivered => Standing::Delivered,
            Reception::Acknowledged => Standing::Acknowledged,
        }
    }
}

/// Everything is done. A later addendum opens it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Before.
    pub reported: Reported,
}

/// How it ended without a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// The reader declined.
    Declined(DeclineReason),
    /// The requester took it back.
    Withdrawn(WithdrawalReason),
    /// Nobody took it in time.
    Expired,
    /// The reader gave the booking back.
    Released(ReleaseReason),
    /// Another reader was booked.
    NotChosen,
}

/// Where a case stands between its requester and one reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// On offer.
    Offered(Offered),
    /// Promised.
    Quoted(Quoted),
    /// Booked.
    Booked(Booked),
    /// On its way.
    HandingOver(HandingOver),
    /// There.
    Received(Received),
    /// Being read.
    Claimed(Claimed),
    /// Reported.
    Reported(Box<Reported>),
    /// Done.
    Closed(Box<Closed>),
    /// Ended without a report.
    Ended(Ending),
}

/// The event cannot happen in this phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this cannot happen now")]
pub struct OutOfPlace;

impl Phase {
    /// The phase after an event of the requester, admissions apart.
    ///
    /// # Errors
    /// [`OutOfPlace`] when the event does not fit the phase.
    pub fn after_requester(self, event: &RequesterEvent) -> Result<Phase, OutOfPlace> {
        match (self, event) {
            (Phase::Quoted(quoted), RequesterEvent::Booked(document))
                if quoted.document == *document =>
            {
                Ok(Phase::Booked(Booked { quoted }))
            }
            (Phase::Booked(booked), RequesterEvent::Granted(grant)) => {
                Ok(Phase::HandingOver(HandingOver {
                    booked,
                    grant: grant.as_ref().clone(),
                }))
            }
            (Phase::Offered(_) | Phase::Quoted(_), RequesterEvent::Expired) => {
                Ok(Phase::Ended(Ending::Expired))
            }
            (Phase::Offered(_) | Phase::Quoted(_), RequesterEvent::NotChosen) => {
                Ok(Phase::Ended(Ending::NotChosen))
            }
            (phase, RequesterEvent::Withdrawn(reason)) if phase.may_withdraw() => {
                Ok(Phase::Ended(Ending::Withdrawn(*reason)))
            }
            (Phase::Reported(reported), event) => reported.after_requester(event),
            (Phase::Ended(_), RequesterEvent::Offered(offer)) => Ok(Phase::Offered(Offered {
                offer: offer.clone(),
            })),
            _ => Err(OutOfPlace),
        }
    }

    /// The phase after a proposal of the reader takes effect.
    ///
    /// # Errors
    /// [`OutOfPlace`] when the event does not fit the phase.
    pub fn after_reader(
        self,
        document: DocumentId,
        event: &ReaderEvent,
    ) -> Result<Phase, OutOfPlace> {
        match (self, event) {
            (Phase::Offered(offered), ReaderEvent::Quoted(quote)) => Ok(Phase::Quoted(Quoted {
                offered,
                document,
                quote: quote.clone(),
            })),
            (Phase::Offered(_) | Phase::Quoted(_), ReaderEvent::Declined(reason)) => {
                Ok(Phase::Ended(Ending::Declined(*reason)))
            }
            (Phase::HandingOver(handing_over), ReaderEvent::Received(receipt))
                if receipt.is_for(&handing_over.grant.manifest) =>
            {
                Ok(Phase::Received(Received {
                    handing_over,
                    receipt: receipt.clone(),
                }))
            }
            (Phase::Received(received), ReaderEvent::Claimed(by)) => {
                Ok(Phase::Claimed(Claimed { received, by: *by }))
            }
            (
                Phase::Booked(_) | Phase::HandingOver(_) | Phase::Received(_) | Phase::Claimed(_),
                ReaderEvent::Released(reason),
            ) => Ok(Phase::Ended(Ending::Released(*reason))),
            (Phase::Claimed(claimed), ReaderEvent::Reported(issued)) => Reported {
                claimed,
                versions: Versions::default(),
            }
            .with(issued),
            (Phase::Reported(reported), ReaderEvent::Reported(issued)) => reported.with(issued),
            (Phase::Closed(closed), ReaderEvent::Reported(issued)) => closed.reported.with(issued),
            _ => Err(OutOfPlace),
        }
    }

    /// The offer that it goes back to, until the case has ended.
    pub fn offer(&self) -> Option<&CaseOffer> {
        match self {
            Phase::Offered(offered) => Some(&offered.offer),
            Phase::Quoted(quoted) => Some(&quoted.offered.offer),
            phase => phase.booking().map(|booked| &booked.quoted.offered.offer),
        }
    }

    /// Whether a reader is bound to read the case.
    pub fn is_booked(&self) -> bool {
        self.booking().is_some()
    }

    /// The booking, from the moment it was made and for as long as it holds.
    pub fn booking(&self) -> Option<&Booked> {
        match self {
            Phase::Booked(booked) => Some(booked),
            Phase::HandingOver(handing_over) => Some(&handing_over.booked),
            Phase::Received(received) => Some(&received.handing_over.booked),
            Phase::Claimed(claimed) => Some(&claimed.received.handing_over.booked),
            Phase::Reported(reported) => Some(&reported.claimed.received.handing_over.booked),
            Phase::Closed(closed) => Some(&closed.reported.claimed.received.handing_over.booked),
            Phase::Offered(_) | Phase::Quoted(_) | Phase::Ended(_) => None,
        }
    }

    /// The grant of the study, for as long as the reader may hold it.
    pub fn grant(&self) -> Option<&Grant> {
        match self {
            Phase::HandingOver(handing_over) => Some(&handing_over.grant),
            Phase::Received(received) => Some(&received.handing_over.grant),
            Phase::Claimed(claimed) => Some(&claimed.received.handing_over.grant),
            Phase::Reported(reported) => Some(&reported.claimed.received.handing_over.grant),
            Phase::Closed(closed) => Some(&closed.reported.claimed.received.handing_over.grant),
            Phase::Offered(_) | Phase::Quoted(_) | Phase::Booked(_) | Phase::Ended(_) => None,
        }
    }

    /// The report versions, when there are any.
    pub fn versions(&self) -> Option<&Versions> {
        match self {
            Phase::Reported(reported) => Some(&reported.versions),
            Phase::Closed(closed) => Some(&closed.reported.versions),
            _ => None,
        }
    }

    /// The report versions before the next one; none while none may be written.
    pub fn versions_so_far(&self) -> Option<Versions> {
        match self {
            Phase::Received(_) | Phase::Claimed(_) => Some(Versions::default()),
            Phase::Reported(_) | Phase::Closed(_) => self.versions().cloned(),
            Phase::Offered(_)
            | Phase::Quoted(_)
            | Phase::Booked(_)
            | Phase::HandingOver(_)
            | Phase::Ended(_) => None,
        }
    }

    /// Whether the requester may take the case back by itself: until somebody reads it.
    pub fn may_withdraw(&self) -> bool {
        matches!(
            self,
            Phase::Offered(_)
                | Phase::Quoted(_)
                | Phase::Booked(_)
                | Phase::HandingOver(_)
                | Phase::Received(_)
        )
    }

    /// Whether somebody reads the case and no final report is signed: until then a reader may be asked to stop.
    pub fn is_being_read(&self) -> bool {
        match self {
            Phase::Claimed(_) => true,
            Phase::Reported(reported) => {
                let mut versions = reported.versions.all().iter();
                versions.all(|version| version.issued.status == ReportStatus::Preliminary)
            }
            Phase::Offered(_)
            | Phase::Quoted(_)
            | Phase::Booked(_)
            | Phase::HandingOver(_)
            | Phase::Received(_)
            | Phase::Closed(_)
            | Phase::Ended(_) => false,
        }
    }

    /// Whether earlier studies may go to the reader: from the grant of the study until a final report is signed.
    pub fn takes_priors(&self) -> bool {
        matches!(self, Phase::HandingOver(_) | Phase::Received(_)) || self.is_being_read()
    }

    /// Whether nothing more is owed by either side.
    pub fn is_over(&self) -> bool {
        matches!(self, Phase::Closed(_) | Phase::Ended(_))
    }

    /// The word for it, as programs read it.
    pub fn code(&self) -> &'static str {
        match self {
            Phase::Offered(_) => "offered",
            Phase::Quoted(_) => "quoted",
            Phase::Booked(_) => "booked",
            Phase::HandingOver(_) => "handing-over",
            Phase::Received(_) => "received",
            Phase::Claimed(_) => "claimed",
            Phase::Reported(reported) => match reported.standing() {
                Standing::Preliminary => "preliminary",
                Standing::Final => "final",
                Standing::Delivered => "delivered",
                Standing::Acknowledged => "acknowledged",
                Standing::Rejected => "report-rejected",
            },
            Phase::Closed(_) => "closed",
            Phase::Ended(Ending::Declined(_)) => "declined",
            Phase::Ended(Ending::Withdrawn(_)) => "withdrawn",
            Phase::Ended(Ending::Expired) => "expired",
            Phase::Ended(Ending::Released(_)) => "released",
            Phase::Ended(Ending::NotChosen) => "not-chosen",
        }
    }
}

impl Reported {
    fn with(mut self, issued: &ReportIssued) -> Result<Phase, OutOfPlace> {
        self.versions.add(issued.clone()).map_err(|_| OutOfPlace)?;
        Ok(Phase::Reported(Box::new(self)))
    }

    fn after_requester(mut self, event: &RequesterEvent) -> Result<Phase, OutOfPlace> {
        let follows = match event {
            RequesterEvent::Delivered(version) => {
                self.versions.receive(*version, Reception::Delivered)
            }
            RequesterEvent::Acknowledged(version) => {
                self.versions.receive(*version, Reception::Acknowledged)
            }
            RequesterEvent::ReportRejected(version) => {
                self.versions.receive(*version, Reception::Rejected)
            }
            RequesterEvent::Closed if self.standing() == Standing::Acknowledged => {
                return Ok(Phase::Closed(Box::new(Closed { reported: self })));
            }
            _ => false,
        };
        if follows {
            Ok(Phase::Reported(Box::new(self)))
        } else {
            Err(OutOfPlace)
        }
    }
}
