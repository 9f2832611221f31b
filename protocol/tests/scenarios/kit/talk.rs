//! What people say to their sites, in one line each.

use dokuei_keys::delegation::PersonRole;
use dokuei_keys::id::{DocumentId, ObjectDigest, ParcelId, PersonId};
use dokuei_keys::sealed;
use dokuei_keys::secret::{ContentKey, Secret32};
use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::check::{Check, Concern, Word};
use dokuei_protocol::case::report::ReportStatus;
use dokuei_protocol::case::terms::{CaseTerms, Modality, Priority, Specialty};
use dokuei_protocol::effect::{Answer, CannotDo};
use dokuei_protocol::input::{Command, IssueReport, OpenCase};
use dokuei_protocol::partner::agreement::Naming;
use dokuei_protocol::partner::announcement::OfferSlot;
use dokuei_protocol::service::views::{CaseView, Waiting};
use dokuei_protocol::study::manifest::ManifestReference;
use dokuei_protocol::time::Span;

use super::{CLINIC, Site, World};

/// CT of the chest, up to urgent, so many a day, within eight hours.
pub(crate) fn slot(per_day: u16) -> OfferSlot {
    OfferSlot {
        modality: Modality::Ct,
        specialty: Specialty::Chest,
        priority: Priority::Urgent,
        per_day,
        hours: 8,
    }
}

/// A sealed parcel of three objects, as a signed document names it, and its key.
pub(crate) fn parcel(number: u8) -> (ManifestReference, ContentKey) {
    sealed_as([number; 32])
}

fn sealed_as(name: [u8; 32]) -> (ManifestReference, ContentKey) {
    let parcel = ParcelId::from_bytes(name);
    let key = ContentKey::from_secret(Secret32::from_bytes(name.map(|byte| byte ^ 0xff)));
    let manifest = ManifestReference {
        parcel,
        commitment: sealed::commitment(&key, &parcel),
        digest: ObjectDigest::from_bytes(name),
        length: 300,
        objects: 3,
        bytes: 1_000_000,
    };
    (manifest, key)
}

impl World {
    /// The two people are on the telephone; afterwards an agreement is in force.
    pub(crate) fn pair_up(&mut self, inviter: usize, accepter: usize) {
        let secret = self.invitation(inviter);
        let paired = self.accept(inviter, accepter, &secret);
        assert_eq!(paired, Ok(Answer::Paired(self.id(inviter))));
    }

    pub(crate) fn invitation(&mut self, inviter: usize) -> String {
        self.invitation_to(inviter, Naming::Identified)
    }

    /// An invitation to an agreement that wants this of studies.
    pub(crate) fn invitation_to(&mut self, inviter: usize, naming: Naming) -> String {
        let command = Command::Invite {
            addresses: vec![self.sites[inviter].name.to_owned()],
            retention_days: 30,
            naming,
        };
        match self.ask(inviter, command) {
            Ok(Answer::Invited { secret, .. }) => secret,
            other => panic!("no invitation: {other:?}"),
        }
    }

    pub(crate) fn accept(
        &mut self,
        inviter: usize,
        accepter: usize,
        secret: &str,
    ) -> Result<Answer, CannotDo> {
        let own = vec![self.sites[accepter].name.to_owned()];
        self.ask(accepter, Command::AnnounceAddresses(own))?;
        let command = Command::Accept {
            addresses: vec![self.sites[inviter].name.to_owned()],
            secret: secret.to_owned(),
        };
        self.ask(accepter, command)
    }

    /// The clinic opens a case of chest CT for one reader.
    pub(crate) fn open(&mut self, to: usize) -> CaseId {
        self.open_for(&[to])
    }

    /// The clinic opens a case of chest CT for some readers.
    pub(crate) fn open_for(&mut self, to: &[usize]) -> CaseId {
        match self.open_as(Modality::Ct, to) {
            Ok(Answer::Opened(case)) => case,
            other => panic!("not opened: {other:?}"),
        }
    }

    pub(crate) fn open_as(&mut self, modality: Modality, to: &[usize]) -> Result<Answer, CannotDo> {
        let command = self.opening(modality, to);
        self.ask(CLINIC, command)
    }

    /// The clinic opens a case of chest CT whose study is sealed under this name.
    pub(crate) fn open_named(&mut self, naming: Naming, to: usize) -> Result<Answer, CannotDo> {
        let mut command = self.opening(Modality::Ct, &[to]);
        if let Command::OpenCase(open) = &mut command {
            open.naming = naming;
        }
        self.ask(CLINIC, command)
    }

    pub(crate) fn opening(&self, modality: Modality, to: &[usize]) -> Command {
        let number = u8::try_from(self.sites[CLINIC].content.len()).unwrap() + 1;
        let (manifest, key) = parcel(number);
        Command::OpenCase(Box::new(OpenCase {
            terms: CaseTerms {
                modality,
                specialty: Specialty::Chest,
                priority: Priority::Routine,
                objects: manifest.objects,
                bytes: manifest.bytes,
                due: self.now.after(Span::DAY),
                addition_to: None,
            },
            manifest,
            key,
            naming: Naming::Identified,
            check: checked(),
            to: to.iter().map(|reader| self.id(*reader)).collect(),
        }))
    }

    pub(crate) fn offer_again(&mut self, case: CaseId, to: usize) -> Result<Answer, CannotDo> {
        let to = vec![self.id(to)];
        self.ask(CLINIC, Command::Offer { case, to })
    }

    /// The reader at `site`.
    pub(crate) fn person(site: usize) -> PersonId {
        PersonId::from(Site::person_key(site, PersonRole::Reader).public())
    }

    /// The delegation of somebody at `site`.
    pub(crate) fn delegation(&self, site: usize, role: PersonRole) -> Vec<u8> {
        self.sites[site].delegate(site, role)
    }

    pub(crate) fn claim(&mut self, site: usize, case: CaseId) -> Result<Answer, CannotDo> {
        let delegation = self.delegation(site, PersonRole::Reader);
        self.ask(site, Command::Claim { case, delegation })
    }

    /// Issues the next version, whatever it must be numbered.
    pub(crate) fn report(
        &mut self,
        site: usize,
        case: CaseId,
        status: ReportStatus,
    ) -> Result<Answer, CannotDo> {
        let command = self.issuing(site, case, status)?;
        self.ask(site, command)
    }

    pub(crate) fn issuing(
        &self,
        site: usize,
        case: CaseId,
        status: ReportStatus,
    ) -> Result<Command, CannotDo> {
        let next = self.sites[site].service.next_version(case, status)?;
        let (manifest, key) = sealed_as(case.as_bytes().map(|byte| byte ^ next.version as u8));
        Ok(Command::IssueReport(Box::new(IssueReport {
            case,
            version: next.version,
            status,
            predecessor: next.predecessor,
            report: report_id(next.version),
            delegation: self.delegation(site, PersonRole::Reader),
            manifest,
            key,
        })))
    }

    pub(crate) fn acknowledge(&mut self, case: CaseId, version: u32) -> Result<Answer, CannotDo> {
        self.ask(CLINIC, Command::Acknowledge(case, version))
    }

    pub(crate) fn view(&self, site: usize, case: CaseId) -> CaseView {
        let view = self.sites[site].service.case_view(case);
        view.unwrap_or_else(|| panic!("{} does not know the case", self.sites[site].name))
    }

    /// The word for where a case stands at a site.
    pub(crate) fn phase(&self, site: usize, case: CaseId) -> &'static str {
        self.view(site, case).phase
    }

    pub(crate) fn waiting(&self, site: usize, case: CaseId) -> Waiting {
        self.view(site, case).waiting
    }

    /// What happened to a case, as a site tells it.
    pub(crate) fn story(&self, site: usize, case: CaseId) -> Vec<&'static str> {
        let timeline = self.view(site, case).timeline;
        timeline.iter().map(|line| line.what).collect()
    }

    /// What happened to a case with one reader, as the clinic tells it.
    pub(crate) fn story_with(&self, reader: usize, case: CaseId) -> Vec<&'static str> {
        let request = &self.sites[CLINIC].service.state().requests[&case];
        let timeline = request.threads[&self.id(reader)].timeline();
        timeline.iter().map(|line| line.what).collect()
    }

    /// From the offer to the study in the reader's archive.
    pub(crate) fn bring_to_reader(&mut self, reader: usize) -> CaseId {
        let case = self.open(reader);
        self.settle();
        assert_eq!(self.phase(reader, case), "received");
        case
    }

    /// A few minutes, enough for every first retry.
    pub(crate) fn settle(&mut self) {
        self.sleep(Span::MINUTE.times(10));
    }
}

/// The signed report that version `version` of any case carries in these scenarios.
pub(crate) fn report_id(version: u32) -> DocumentId {
    DocumentId::of(&version.to_be_bytes())
}

/// A check that holds nothing back, with everything that a record of one can carry.
fn checked() -> Check {
    let mut check = Check::default();
    check.found(Concern::TextLikely, 3);
    check.despite = Some(Word::Intended);
    check
}
