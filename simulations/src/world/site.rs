//! A site: its keys, its people, its disk and archive, and its node while that runs.

use std::collections::{BTreeMap, BTreeSet};

use dokuei_keys::delegation::{Delegation, PersonRole, SiteCertificate, Subject};
use dokuei_keys::error::Refused;
use dokuei_keys::id::{NodeId, ParcelId, PersonId, SiteId};
use dokuei_keys::secret::Secret32;
use dokuei_keys::signed::{self, Signed};
use dokuei_keys::signing::SigningKey;
use dokuei_keys::time::{UnixSeconds, Validity};
use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::event::{Link, Proposal};
use dokuei_protocol::case::priors::{PriorAnswer, PriorsOffer, PriorsRequest};
use dokuei_protocol::case::report::ReportIssued;
use dokuei_protocol::effect::Permit;
use dokuei_protocol::input::{Job, Ticket};
use dokuei_protocol::partner::announcement::OfferSlot;
use dokuei_protocol::service::{Identity, Quoting, Service};
use dokuei_protocol::state::State;
use dokuei_protocol::time::{Span, Timestamp};

use super::agenda::Token;
use super::fetching::Fetch;
use crate::archive::Archive;
use crate::chance::Chance;
use crate::store::Store;

/// A site.
pub(crate) struct Site {
    /// What it is called.
    pub(crate) name: String,
    /// Its name among sites.
    pub(crate) id: SiteId,
    /// Its node.
    pub(crate) node: NodeId,
    /// Whom it wants as partners.
    pub(crate) wanted: BTreeSet<usize>,
    /// Whether it asks for readings.
    pub(crate) asks: bool,
    /// What it reads; nothing when it does not.
    pub(crate) slots: Vec<OfferSlot>,
    /// How it answers offers.
    pub(crate) quoting: Quoting,
    /// Milliseconds that its clock is ahead.
    pub(crate) ahead: i64,
    /// Its disk.
    pub(crate) store: Store,
    /// Its archive.
    pub(crate) archive: Archive,
    /// Its node, while it runs.
    pub(crate) process: Option<Process>,
    /// What the state must be after the next start.
    pub(crate) expected: Option<State>,
    /// Its people.
    pub(crate) staff: Staff,
    keys: Keys,
}

/// The people of a site.
pub(crate) struct Staff {
    /// Who reads.
    pub(crate) reader_id: PersonId,
    /// Their delegation.
    pub(crate) reader: Vec<u8>,
    /// Who sends studies and may read none.
    pub(crate) technologist_id: PersonId,
    /// Their delegation.
    pub(crate) technologist: Vec<u8>,
    /// Whether nobody reads any more once it is calm.
    pub(crate) reader_leaves: bool,
    /// Whether no doctor reads reports any more once it is calm.
    pub(crate) doctor_leaves: bool,
}

struct Keys {
    root: Secret32,
    site: Secret32,
    serial: u64,
    /// When the certificate runs out.
    until: UnixSeconds,
    certificate: Vec<u8>,
    delegation: Vec<u8>,
}

/// A running node: everything in here is gone when it stops.
pub(crate) struct Process {
    /// The service.
    pub(crate) service: Service,
    /// Who may connect.
    pub(crate) admitted: BTreeSet<NodeId>,
    /// Who may fetch what.
    pub(crate) permits: BTreeSet<Permit>,
    /// Until when strangers may call, by the site's clock.
    pub(crate) pairing_until: Option<Timestamp>,
    /// What is under way.
    pub(crate) work: BTreeMap<Token, Work>,
    /// Who waits for the answer to a ticket.
    pub(crate) askers: BTreeMap<Ticket, Asker>,
    /// With whom it believes to be connected, over which connection.
    pub(crate) believes: BTreeMap<usize, u32>,
    /// Which wake-up counts.
    pub(crate) generation: u64,
}

/// Something under way in a node.
pub(crate) enum Work {
    /// A document is on its way.
    Send { peer: usize, job: Job },
    /// Announcements are asked for.
    Sync { peer: usize },
    /// An inviter is called.
    Call,
    /// A study is fetched.
    Study(Box<Fetch>),
    /// A study is put into the archive, under the name of its case or of its own.
    Shelve { job: Job, name: CaseId },
    /// A study is removed.
    Clear { job: Job, parcel: ParcelId },
    /// Priors are listed, or one is found.
    Priors(Job),
    /// A report is fetched.
    Report {
        peer: usize,
        case: CaseId,
        issued: Box<ReportIssued>,
    },
}

/// Who waits for the answer to a ticket.
#[derive(Clone, Copy)]
pub(crate) enum Asker {
    /// A sender of a document.
    Sender {
        peer: usize,
        token: Token,
        epoch: Option<u32>,
        forged: bool,
    },
    /// Somebody who asks for announcements.
    Sync {
        peer: usize,
        token: Token,
        epoch: Option<u32>,
    },
    /// A stranger.
    Caller { peer: usize, token: Token },
    /// A person who invites another site.
    Inviter { accepter: usize },
    /// A person.
    Person,
}

impl Work {
    /// The job that ends with it.
    pub(crate) fn job(&self) -> Option<Job> {
        match self {
            Work::Send { job, .. } => Some(*job),
            Work::Study(fetch) => Some(fetch.job),
            Work::Shelve { job, .. } | Work::Clear { job, .. } | Work::Priors(job) => Some(*job),
            Work::Report { case, issued, .. } => Some(Job::ReceiveReport(*case, issued.version)),
            Work::Sync { .. } | Work::Call => None,
        }
    }

    /// The peer it needs.
    pub(crate) fn peer(&self) -> Option<usize> {
        match self {
            Work::Send { peer, .. } | Work::Sync { peer } | Work::Report { peer, .. } => {
                Some(*peer)
            }
            Work::Study(fetch) => Some(fetch.peer),
            Work::Call | Work::Shelve { .. } | Work::Clear { .. } | Work::Priors(_) => None,
        }
    }
}

impl Process {
    fn new(service: Service) -> Process {
        Process {
            service,
            admitted: BTreeSet::new(),
            permits: BTreeSet::new(),
            pairing_until: None,
            work: BTreeMap::new(),
            askers: BTreeMap::new(),
            believes: BTreeMap::new(),
            generation: 0,
        }
    }
}

impl Site {
    /// A site with fresh keys, certified `before` now for a year and a day.
    ///
    /// # Errors
    /// None: what is signed here keeps its limits.
    pub(crate) fn new(
        chance: &mut Chance,
        index: usize,
        now: Timestamp,
        before: Span,
    ) -> Result<Site, Refused> {
        let [root, site, node] = [(); 3].map(|()| SigningKey::from_seed(chance.secret()));
        let [reader, technologist] =
            [(); 2].map(|()| PersonId::from(SigningKey::from_seed(chance.secret()).public()));
        let id = SiteId::of(&root.public());
        let node = NodeId::from(node.public());
        let name = format!("site {index}");
        let keys = Keys {
            root: root.seed(),
            site: site.seed(),
            serial: 0,
            until: UnixSeconds(0),
            certificate: Vec::new(),
            delegation: Vec::new(),
        };
        let mut made = Site {
            name,
            id,
            node,
            wanted: BTreeSet::new(),
            asks: false,
            slots: Vec::new(),
            quoting: Quoting::Automatic,
            ahead: 0,
            store: Store::default(),
            archive: Archive::default(),
            process: None,
            expected: None,
            staff: Staff {
                reader_id: reader,
                reader: Vec::new(),
                technologist_id: technologist,
                technologist: Vec::new(),
                reader_leaves: chance.percent(15),
                doctor_leaves: chance.percent(15),
            },
            keys,
        };
        made.certify(now, before)?;
        Ok(made)
    }

    /// Another certificate by the root, with the same keys, valid from `before` now for a year and a day.
    ///
    /// # Errors
    /// None: what is signed here keeps its limits.
    pub(crate) fn certify(&mut self, now: Timestamp, before: Span) -> Result<(), Refused> {
        let root = SigningKey::from_seed(self.keys.root.duplicate());
        let key = SigningKey::from_seed(self.keys.site.duplicate());
        let from = UnixSeconds(now.0.saturating_sub(before.0) / 1000);
        let validity = Validity::starting(from, 366 * Span::DAY.0 / 1000);
        let serial = self.keys.serial + 1;
        let certificate = SiteCertificate {
            site: self.id,
            root: root.public(),
            name: self.name.clone(),
            key: key.public(),
            validity,
            serial,
        };
        let delegate = |subject| {
            let delegation = Delegation {
                site: self.id,
                subject,
                validity,
                serial,
            };
            Signed::sign(delegation, &key).map(|signed| signed.bytes().to_vec())
        };
        let node = delegate(Subject::Node(self.node))?;
        let reader = delegate(person(self.staff.reader_id, PersonRole::Reader))?;
        let technologist = person(self.staff.technologist_id, PersonRole::Technologist);
        let technologist = delegate(technologist)?;
        self.keys.serial = serial;
        self.keys.until = validity.until;
        self.keys.certificate = Signed::sign(certificate, &root)?.bytes().to_vec();
        self.keys.delegation = node;
        (self.staff.reader, self.staff.technologist) = (reader, technologist);
        Ok(())
    }

    /// Whether its certificate runs out within `ahead`: the warning that a person follows.
    pub(crate) fn is_running_out(&self, now: Timestamp, ahead: Span) -> bool {
        self.keys.until.0 * 1000 < now.0.saturating_add(ahead.0)
    }

    /// A node that has just been started: its service knows nothing yet.
    pub(crate) fn boot(&self, seed: &Secret32) -> Process {
        let identity = Identity {
            site: self.id,
            certificate: self.keys.certificate.clone(),
            node: self.keys.delegation.clone(),
            node_id: self.node,
            key: SigningKey::from_seed(self.keys.site.duplicate()),
        };
        Process::new(Service::new(identity, self.quoting, seed))
    }

    /// The same document about a case, signed by this site instead; none for other documents.
    pub(crate) fn sign_again(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let key = SigningKey::from_seed(self.keys.site.duplicate());
        if let Ok(link) = signed::recorded::<Link>(bytes) {
            return Some(Signed::sign(link, &key).ok()?.bytes().to_vec());
        }
        if let Ok(offer) = signed::recorded::<PriorsOffer>(bytes) {
            return Some(Signed::sign(offer, &key).ok()?.bytes().to_vec());
        }
        if let Ok(request) = signed::recorded::<PriorsRequest>(bytes) {
            return Some(Signed::sign(request, &key).ok()?.bytes().to_vec());
        }
        if let Ok(answer) = signed::recorded::<PriorAnswer>(bytes) {
            return Some(Signed::sign(answer, &key).ok()?.bytes().to_vec());
        }
        let proposal = signed::recorded::<Proposal>(bytes).ok()?;
        Some(Signed::sign(proposal, &key).ok()?.bytes().to_vec())
    }

    /// Where its node is reached.
    pub(crate) fn address(&self) -> String {
        self.name.clone()
    }

    /// The service, while the node runs.
    pub(crate) fn service(&self) -> Option<&Service> {
        self.process.as_ref().map(|process| &process.service)
    }
}

fn person(id: PersonId, role: PersonRole) -> Subject {
    Subject::Person {
        id,
        name: "person".to_owned(),
        role,
        licence: "1".to_owned(),
        licence_until: None,
    }
}
