//! A case as its requester holds it: one study, one thread for each reader that was asked.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use dokuei_keys::id::{DocumentId, SiteId};

use crate::case::CaseId;
use crate::case::cancel::Cancel;
use crate::case::event::{CaseOffer, Link, RequesterEvent};
use crate::case::phase::{Ending, OutOfPlace, Phase};
use crate::case::priors::PriorsThere;
use crate::case::terms::CaseTerms;
use crate::case::thread::Thread;
use crate::partner::agreement::Naming;
use crate::study::manifest::ManifestReference;
use crate::time::Timestamp;

/// What has become of the sealed study of a case at one site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Keeping {
    /// Its key is kept, as far as it ever came here.
    #[default]
    Kept,
    /// Its key is destroyed; its files are still to go.
    KeyDestroyed,
    /// Nothing of it lies here any more.
    Removed,
}

/// A case that this site asked to have read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The case.
    pub case: CaseId,
    /// The sealed study.
    pub manifest: ManifestReference,
    /// What is asked for.
    pub terms: CaseTerms,
    /// When it was opened.
    pub opened: Timestamp,
    /// Under which name it is sealed.
    pub naming: Naming,
    /// Whether the check before sending was passed.
    pub checked: bool,
    /// What has become of the sealed study here.
    pub keeping: Keeping,
    /// One thread for each reader asked.
    pub threads: BTreeMap<SiteId, Thread>,
    /// Whether a reader gave it back after it was booked, not because it was asked to, and nobody was booked since.
    pub given_back: bool,
    /// The request to the booked reader to stop; kept until the case is offered again.
    pub cancel: Option<Cancel>,
    /// The earlier studies of its patient.
    pub priors: PriorsThere,
}

impl Request {
    /// Takes a link of this site's own. Whether it is to go out: nothing more of a torn chain does.
    ///
    /// # Errors
    /// [`OutOfPlace`] when it does not follow; nothing changes.
    pub fn link(&mut self, id: DocumentId, link: &Link) -> Result<bool, OutOfPlace> {
        let thread = match self.threads.entry(link.reader) {
            Entry::Occupied(mut thread) => {
                thread.get_mut().append(id, link)?;
                thread.into_mut()
            }
            Entry::Vacant(place) => place.insert(Thread::open(id, link)?),
        };
        if let RequesterEvent::Offered(_) = &link.event {
            self.cancel = None;
            self.priors.end();
        }
        if let RequesterEvent::Booked(_) | RequesterEvent::Withdrawn(_) = &link.event {
            self.given_back = false;
        }
        if let (RequesterEvent::Admitted(_), Phase::Ended(Ending::Released(_))) =
            (&link.event, thread.phase())
        {
            self.given_back = self.cancel.is_none();
        }
        let goes_out = !thread.is_torn();
        if self.is_over() {
            self.priors.end();
        }
        Ok(goes_out)
    }

    /// The thread of the booked reader.
    pub fn booked(&self) -> Option<&Thread> {
        self.threads
            .values()
            .find(|thread| thread.phase().is_booked())
    }

    /// Whether its node is to find out which earlier studies there are: they travel under the patient's name, so a study
    /// under a pseudonym has none.
    pub fn wants_priors(&self) -> bool {
        let may_come = |phase: &Phase| match phase {
            Phase::Offered(_) | Phase::Quoted(_) | Phase::Booked(_) => true,
            phase => phase.takes_priors(),
        };
        self.priors.list.is_none()
            && self.naming == Naming::Identified
            && self.keeping == Keeping::Kept
            && self.cancel.is_none()
            && self.threads.values().any(|thread| may_come(thread.phase()))
    }

    /// The thread of the reader to whom priors may go now.
    pub fn takes_priors(&self) -> Option<&Thread> {
        let thread = self.booked().filter(|_| self.cancel.is_none())?;
        let takes = thread.phase().takes_priors() && !thread.is_torn();
        (takes && self.naming == Naming::Identified).then_some(thread)
    }

    /// Whether the case can be offered to this site now: checked, nobody booked, and no offer of it
    /// open there.
    pub fn may_offer_to(&self, site: SiteId) -> bool {
        let free = self.threads.get(&site).is_none_or(|thread| {
            matches!(thread.phase(), Phase::Ended(_))
                && thread.has_room_for_offer()
                && !thread.is_torn()
        });
        self.checked && self.booked().is_none() && free
    }

    /// The offer to make, open until `until`.
    pub fn offer(&self, agreement: DocumentId, until: Timestamp) -> CaseOffer {
        CaseOffer {
            terms: self.terms.clone(),
            agreement,
            until,
        }
    }

    /// Whether every thread is over, and there is at least one.
    pub fn is_over(&self) -> bool {
        !self.threads.is_empty() && self.threads.values().all(|thread| thread.phase().is_over())
    }

    /// The thread that says where it stands: that of the booked reader, or one that is open, or the
    /// one in which something happened last.
    pub fn foremost(&self) -> Option<&Thread> {
        let open = self
            .threads
            .values()
            .find(|thread| !thread.phase().is_over());
        self.booked().or(open).or_else(|| {
            let threads = self.threads.values();
            threads.max_by_key(|thread| thread.timeline().last().map(|last| last.at))
        })
    }

    /// The word for where it stands.
    pub fn code(&self) -> &'static str {
        match self.foremost() {
            Some(thread) => thread.phase().code(),
            None if self.checked => "checked",
            None => "draft",
        }
    }
}
