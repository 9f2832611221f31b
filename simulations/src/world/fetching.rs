//! Bulk transfer and archives: studies by their real transfer plan, over streams that break.

use dokuei_keys::id::{NodeId, ParcelId, SiteId};
use dokuei_keys::secret::ContentKey;
use dokuei_protocol::case::event::Grant;
use dokuei_protocol::effect::Permit;
use dokuei_protocol::input::{Job, Outcome, Trouble};
use dokuei_protocol::study::manifest::Manifest;
use dokuei_protocol::study::plan::TransferPlan;
use dokuei_protocol::time::Span;

use super::World;
use super::agenda::{Event, Token};
use super::site::Work;
use crate::checks::Violation;
use crate::parcel;
use crate::tally::Group;

/// Streams that a study is fetched over.
const STREAMS: u16 = 2;
/// Packs that are written before they are flushed together.
const FLUSH_EVERY: usize = 3;

/// A study on its way.
pub(crate) struct Fetch {
    /// What it is fetched for.
    pub(crate) job: Job,
    /// Where it lies.
    pub(crate) peer: usize,
    from: SiteId,
    grant: Grant,
    key: ContentKey,
    plan: Option<TransferPlan>,
    /// Milliseconds that a pack takes, at most.
    pace: u64,
}

impl World {
    pub(super) fn fetch_study(
        &mut self,
        site: usize,
        job: Job,
        node: NodeId,
        from: SiteId,
        grant: Grant,
        key: ContentKey,
    ) -> Result<(), Violation> {
        let Some(peer) = self.site_at(node) else {
            return Err(Violation::new("grants", "a study is fetched from nowhere"));
        };
        let fetch = Fetch {
            job,
            peer,
            from,
            grant,
            key,
            plan: None,
            pace: self.pace(),
        };
        let token = self.work(site, Work::Study(Box::new(fetch)));
        let takes = self.chance.between(20, 2_000);
        self.put(Span(takes), Event::Begin { site, token });
        Ok(())
    }

    /// A few lines are so slow that a study takes the better part of an hour.
    fn pace(&mut self) -> u64 {
        match self.chance.below(6) {
            0 if !self.is_calm() => 300_000,
            1 => 20_000,
            _ => 800,
        }
    }

    fn fetch(&mut self, site: usize, token: Token) -> Option<&mut Fetch> {
        let process = self.sites[site].process.as_mut()?;
        match process.work.get_mut(&token)? {
            Work::Study(fetch) => Some(fetch),
            _ => None,
        }
    }

    /// Whether a parcel can be fetched from a peer now; if not, why.
    fn may_fetch(&self, site: usize, peer: usize, parcel: ParcelId) -> Result<(), Trouble> {
        if self.connection(site, peer).is_none() {
            return Err(Trouble::PartnerUnreachable);
        }
        let permit = Permit {
            node: self.sites[site].node,
            parcel,
        };
        let process = self.sites[peer].process.as_ref();
        if process.is_some_and(|process| process.permits.contains(&permit)) {
            Ok(())
        } else {
            Err(Trouble::NotPermitted)
        }
    }

    /// The manifest has arrived, or not: what is missing is asked for.
    pub(super) fn begin_fetch(&mut self, site: usize, token: Token) -> Result<(), Violation> {
        let Some(fetch) = self.fetch(site, token) else {
            return Ok(());
        };
        let (peer, parcel) = (fetch.peer, fetch.grant.manifest.parcel);
        if let Err(trouble) = self.may_fetch(site, peer, parcel) {
            return self.end(site, token, Outcome::Failed(trouble));
        }
        let manifest = self.sites[peer].store.studies.get(&parcel).cloned();
        let marks = self.sites[site].store.marks(parcel);
        let spoilt = self.chance.per_mille(self.weather.damaged / 10);
        let Some(manifest) = manifest else {
            return Err(Violation::new(
                "custody",
                "a study is gone from who sealed it",
            ));
        };
        let Some(fetch) = self.fetch(site, token) else {
            return Ok(());
        };
        if spoilt || !is_granted(&manifest, fetch) {
            self.tally.count(Group::Faults, "studies unreadable");
            return self.end(site, token, Outcome::Impossible);
        }
        let mut plan = TransferPlan::new(&manifest);
        for pack in marks {
            plan.hold(pack);
        }
        fetch.plan = Some(plan);
        for stream in 0..STREAMS {
            self.ask_pack(site, token, stream);
        }
        self.check_complete(site, token)
    }

    fn ask_pack(&mut self, site: usize, token: Token, stream: u16) {
        let lost = self.chance.percent(self.weather.loss / 2);
        let pace = self.fetch(site, token).map_or(0, |fetch| fetch.pace);
        let takes = self.chance.between(20, pace.max(20));
        let Some(plan) = self
            .fetch(site, token)
            .and_then(|fetch| fetch.plan.as_mut())
        else {
            return;
        };
        let pack = plan.ask(stream);
        if pack.is_some() {
            self.put(
                Span(takes),
                Event::Pack {
                    site,
                    token,
                    stream,
                    pack,
                    lost,
                },
            );
        }
    }

    /// A pack has arrived, or its stream broke.
    pub(super) fn pack(
        &mut self,
        site: usize,
        token: Token,
        stream: u16,
        pack: Option<u32>,
        lost: bool,
    ) -> Result<(), Violation> {
        let Some(fetch) = self.fetch(site, token) else {
            return Ok(());
        };
        let (peer, parcel) = (fetch.peer, fetch.grant.manifest.parcel);
        if let Err(trouble) = self.may_fetch(site, peer, parcel) {
            self.tally.count(Group::Faults, "transfers broken");
            return self.end(site, token, Outcome::Failed(trouble));
        }
        let damaged = self.chance.per_mille(self.weather.damaged);
        let Some(plan) = self
            .fetch(site, token)
            .and_then(|fetch| fetch.plan.as_mut())
        else {
            return Ok(());
        };
        match pack {
            Some(_) if lost => {
                plan.stream_lost(stream);
                self.tally.count(Group::Faults, "streams broken");
            }
            Some(pack) => {
                let completed = plan.hold(pack);
                let store = &mut self.sites[site].store;
                store.write_pack(parcel, pack);
                self.tally.count(Group::Traffic, "packs");
                match completed.first() {
                    Some(position) if damaged => self.spoil(site, token, parcel, *position),
                    Some(_) => self.sites[site].store.flush(parcel),
                    None if self.sites[site].store.unflushed(parcel) >= FLUSH_EVERY => {
                        self.sites[site].store.flush(parcel);
                    }
                    None => {}
                }
            }
            None => {}
        }
        self.ask_pack(site, token, stream);
        self.check_complete(site, token)
    }

    /// An object does not match its digest: all of it is fetched again.
    fn spoil(&mut self, site: usize, token: Token, parcel: ParcelId, position: usize) {
        self.tally.count(Group::Faults, "objects damaged");
        let Some(plan) = self
            .fetch(site, token)
            .and_then(|fetch| fetch.plan.as_mut())
        else {
            return;
        };
        plan.discard_object(position);
        let packs = plan.packs_of(position);
        self.sites[site].store.forget_packs(parcel, packs);
    }

    fn check_complete(&mut self, site: usize, token: Token) -> Result<(), Violation> {
        let Some(fetch) = self.fetch(site, token) else {
            return Ok(());
        };
        let parcel = fetch.grant.manifest.parcel;
        if fetch.plan.as_ref().is_none_or(|plan| !plan.is_complete()) {
            return Ok(());
        }
        self.sites[site].store.whole(parcel);
        self.tally.count(Group::Traffic, "studies fetched");
        self.end(site, token, Outcome::Done)
    }

    /// A report has arrived, is verified and put into the archive; or not.
    pub(super) fn fetch_report(&mut self, site: usize, token: Token) -> Result<(), Violation> {
        let process = self.sites[site].process.as_ref();
        let Some(Work::Report { peer, case, issued }) =
            process.and_then(|process| process.work.get(&token))
        else {
            return Ok(());
        };
        let (peer, case, issued) = (*peer, *case, issued.clone());
        let parcel = issued.grant.manifest.parcel;
        if let Err(trouble) = self.may_fetch(site, peer, parcel) {
            return self.end(site, token, Outcome::Failed(trouble));
        }
        let Some(report) = self.sites[peer].store.reports.get(&parcel).cloned() else {
            return Err(Violation::new(
                "custody",
                "a report is gone from who sealed it",
            ));
        };
        let said = (report.case, report.version, report.status, report.report);
        if said != (case, issued.version, issued.status, issued.report) {
            return Err(Violation::new(
                "reports",
                "another report than was issued is fetched",
            ));
        }
        if let Some(trouble) = self.archive_trouble(site) {
            return self.end(site, token, Outcome::Failed(trouble));
        }
        if self.chance.per_mille(self.weather.damaged) {
            self.tally
                .count(Group::Faults, "reports that do not verify");
            return self.end(site, token, Outcome::Impossible);
        }
        let archive = &mut self.sites[site].archive;
        archive.store_report(case, issued.version, issued.status)?;
        self.tally.count(Group::Traffic, "reports fetched");
        self.end(site, token, Outcome::Done)
    }

    /// The archive takes a study; or not.
    pub(super) fn shelve(&mut self, site: usize, token: Token) -> Result<(), Violation> {
        let process = self.sites[site].process.as_ref();
        let work = process.and_then(|process| process.work.get(&token));
        let Some(Work::Shelve { name, .. }) = work else {
            return Ok(());
        };
        let name = *name;
        if let Some(trouble) = self.archive_trouble(site) {
            return self.end(site, token, Outcome::Failed(trouble));
        }
        self.sites[site].archive.store_study(name);
        self.end(site, token, Outcome::Done)
    }

    /// A study's objects go from the disk; or not, this time. Nobody may be fetching them.
    pub(super) fn clear(&mut self, site: usize, token: Token) -> Result<(), Violation> {
        let process = self.sites[site].process.as_ref();
        let work = process.and_then(|process| process.work.get(&token));
        let Some(Work::Clear { job, parcel }) = work else {
            return Ok(());
        };
        let (job, parcel) = (*job, *parcel);
        let works = process
            .into_iter()
            .flat_map(|process| process.work.values());
        let in_use = |work: &Work| match (work, job) {
            (Work::Study(fetch), _) => fetch.grant.manifest.parcel == parcel,
            (Work::Shelve { job, .. }, Job::RemoveStudy(case)) => *job == Job::StoreStudy(case),
            (Work::Shelve { job, .. }, Job::RemovePrior(case, parcel)) => {
                *job == Job::StorePrior(case, parcel)
            }
            _ => false,
        };
        if works.into_iter().any(in_use) {
            let what = format!("{job:?}: a study is removed while it is in use");
            return Err(Violation::new("retention", what));
        }
        if self.chance.percent(10) {
            return self.end(site, token, Outcome::Failed(Trouble::Disk));
        }
        self.sites[site].store.discard(parcel);
        self.tally.count(Group::Traffic, "studies removed");
        self.end(site, token, Outcome::Done)
    }

    pub(super) fn archive_trouble(&mut self, site: usize) -> Option<Trouble> {
        if self.sites[site].archive.down {
            return Some(Trouble::ArchiveUnreachable);
        }
        if self.chance.per_mille(self.weather.refused) {
            self.tally.count(Group::Faults, "archive refusals");
            return Some(Trouble::ArchiveRefused);
        }
        None
    }
}

/// Whether a manifest is the one that was granted, as a node checks it.
fn is_granted(manifest: &Manifest, fetch: &Fetch) -> bool {
    manifest.check(&fetch.grant.manifest, fetch.from).is_ok()
        && parcel::digest(&fetch.key, manifest) == fetch.grant.manifest.digest
}
