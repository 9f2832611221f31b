//! The worklist: cases as unified procedure steps (PS3.4 annex CC). A workitem is a view of a case, and what changes it
//! is the command that the command line gives as well. Nothing in here speaks HTTP.

mod attributes;
mod codes;
mod events;
mod index;
mod item;
pub mod kept;
mod moving;
mod order;
#[cfg(test)]
mod phases;
mod refused;
mod search;
mod state;
mod subscriptions;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, Weak};

use dicom_dictionary_std::tags;
use dokuei_keys::id::{PersonId, SiteId};
use dokuei_keys::secret::StorageKey;
use dokuei_protocol::case::CaseId;
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

use self::attributes::Around;
pub use self::events::Channel;
use self::events::Ears;
use self::index::Index;
use self::item::{Facts, Item};
use self::kept::Kept;
pub use self::moving::Moved;
pub use self::refused::Refused;
pub use self::search::Search;
pub use self::subscriptions::{FILTERED, GLOBAL};
use crate::dicom::dataset::DataSet;
use crate::dicomweb::{domain_token, root_of};
use crate::entities::scope::{Domain, Scope};
use crate::runtime::hands::Hands;
use crate::say;
use crate::site::people;
use crate::store::Store;
use crate::studies::register::RegisterError;
use crate::studies::study::Study;

/// Who asks.
#[derive(Clone)]
pub struct Who {
    /// What they may see.
    pub scope: Scope,
    /// The domain to which answers are limited, by its token.
    pub domain: Option<String>,
    /// A name that nobody else has.
    pub id: String,
    /// The name under which they were let in.
    pub name: String,
    /// Whether it is a program, which may name the reader for whom it claims; a person claims for themselves.
    pub is_program: bool,
    /// Where DICOMweb begins for them.
    pub root: String,
}

/// The worklist of one node. Clones share it.
#[derive(Clone)]
pub struct Worklist(Arc<Shared>);

struct Shared {
    site: SiteId,
    hands: OnceLock<Weak<Hands>>,
    kept: Kept,
    store: Store,
    index: Index,
    grown: watch::Sender<u64>,
    ears: Ears,
    /// One change at a time: each looks where the workitem stands before it changes anything.
    changing: Mutex<()>,
}

/// A workitem with its attributes.
struct Found {
    item: Item,
    set: DataSet,
}

impl Worklist {
    /// Opens what is kept. It answers once a node is attached.
    ///
    /// # Errors
    /// [`RegisterError`] when a row cannot be opened.
    pub fn open(
        store: &Store,
        storage: impl FnOnce() -> StorageKey,
        site: SiteId,
    ) -> Result<Worklist, RegisterError> {
        Ok(Worklist(Arc::new(Shared {
            site,
            hands: OnceLock::new(),
            kept: Kept::open(store.clone(), storage())?,
            store: store.clone(),
            index: Index::default(),
            grown: watch::Sender::new(0),
            ears: Ears::default(),
            changing: Mutex::default(),
        })))
    }

    /// Where the loop says that there are new records.
    pub fn grown(&self) -> watch::Sender<u64> {
        self.0.grown.clone()
    }

    /// Lets it see and move the cases of a node. Needs a tokio runtime.
    pub fn attach(&self, hands: &Arc<Hands>, ended: CancellationToken) {
        // A node is attached once, when it starts.
        let _ = self.0.hands.set(Arc::downgrade(hands));
        tokio::spawn(events::watch(self.clone(), ended));
    }

    /// The attributes of the workitems that match, the oldest case first, and whether there are more.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn search(&self, who: &Who, search: Search) -> Result<(Vec<DataSet>, bool), Refused> {
        let (worklist, who) = (self.clone(), who.clone());
        let facts = self.facts().await?;
        let node = self.node()?;
        blocking(move || {
            let names = worklist.names(&node)?;
            let items = facts.iter().flat_map(|facts| worklist.items(facts));
            let visible = items.filter(|item| worklist.may_see(&node, &who, item));
            let sets = visible.map(|item| worklist.set(&node, &who, &names, &item));
            let matching = sets.filter(|set| search.keys.match_with(set));
            let mut found: Vec<DataSet> = matching
                .skip(search.offset)
                .take(search.limit.saturating_add(1))
                .collect();
            let has_more = found.len() > search.limit;
            found.truncate(search.limit);
            Ok((found, has_more))
        })
        .await
    }

    /// The attributes of one workitem.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn retrieve(&self, who: &Who, uid: &str) -> Result<DataSet, Refused> {
        self.found(who, uid).await.map(|found| found.set)
    }

    async fn found(&self, who: &Who, uid: &str) -> Result<Found, Refused> {
        let item = self.item(uid).await?.ok_or(Refused::Unknown)?;
        let node = self.node()?;
        let (worklist, who) = (self.clone(), who.clone());
        blocking(move || {
            if !worklist.may_see(&node, &who, &item) {
                return Err(Refused::Unknown);
            }
            let set = worklist.set(&node, &who, &worklist.names(&node)?, &item);
            Ok(Found { item, set })
        })
        .await
    }

    /// The workitem with this UID, whoever may see it.
    async fn item(&self, uid: &str) -> Result<Option<Item>, Refused> {
        let Some(case) = self.case_of(uid).await? else {
            return Ok(None);
        };
        let items = self.items_of(case).await?;
        Ok(items.into_iter().find(|item| item.uid == uid))
    }

    /// The workitems of a case.
    async fn items_of(&self, case: CaseId) -> Result<Vec<Item>, Refused> {
        let desk = &self.node()?.desk;
        let facts = desk.ask(move |service| Facts::one(service, case)).await?;
        Ok(facts.map_or_else(Vec::new, |facts| self.items(&facts)))
    }

    async fn facts(&self) -> Result<Vec<Facts>, Refused> {
        let facts = self.node()?.desk.ask(Facts::all).await?;
        Ok(facts)
    }

    fn node(&self) -> Result<Arc<Hands>, Refused> {
        let node = self.0.hands.get().and_then(Weak::upgrade);
        node.ok_or_else(|| {
            Refused::Failed(say!(
                "ノードは起動中か停止中です。",
                "The node is starting or stopping."
            ))
        })
    }

    fn items(&self, facts: &Facts) -> Vec<Item> {
        facts.items(self.0.site, &self.0.kept)
    }

    /// Whose patient a workitem is about; nothing while the study is not here.
    fn domain(&self, node: &Hands, item: &Item) -> Option<Domain> {
        let institution = self.institution(item)?;
        look(node, item, |study| domain_of(institution, study))
    }

    /// Whose study it is.
    fn institution(&self, item: &Item) -> Option<SiteId> {
        match item.is_read_here() {
            true => item.view.partner,
            false => Some(self.0.site),
        }
    }

    /// Where the study of a workitem is fetched.
    fn root(&self, node: &Hands, who: &Who, item: &Item, study: &Study) -> String {
        match self.institution(item).filter(|_| who.domain.is_none()) {
            Some(institution) => root_of(
                &who.root,
                &node.ports.holdings,
                (&who.scope, self.0.site),
                (institution, &study.uid),
            ),
            None => who.root.clone(),
        }
    }

    fn may_see(&self, node: &Hands, who: &Who, item: &Item) -> bool {
        who.may_see(self.domain(node, item).as_ref(), self.0.site)
    }

    /// The names of this site's people.
    fn names(&self, node: &Hands) -> Result<BTreeMap<PersonId, String>, Refused> {
        let people = people::all(&node.folder, self.0.site)?;
        Ok(people
            .into_iter()
            .map(|person| (person.id, person.name))
            .collect())
    }

    fn set(
        &self,
        node: &Hands,
        who: &Who,
        names: &BTreeMap<PersonId, String>,
        item: &Item,
    ) -> DataSet {
        let reader = || item.reader.and_then(|id| names.get(&id).cloned());
        let case = item.view.case;
        let kept = |version: &u32| match node.ports.reports.of((case, *version)) {
            Ok(report) => report,
            Err(error) => {
                tracing::warn!(target: "dokuei::worklist", %case, version, "a report is not referred to: {error}");
                None
            }
        };
        let reports: Vec<Study> = item.reports.iter().filter_map(kept).collect();
        let of = |study: Option<&Study>| {
            let root = study.or(reports.first());
            let root = root.map(|study| self.root(node, who, item, study));
            let around = Around {
                study,
                root: root.as_deref().unwrap_or(&who.root),
                reports: &reports,
                reader: reader(),
            };
            attributes::of(item, &around)
        };
        look(node, item, |study| of(Some(study))).unwrap_or_else(|| of(None))
    }
}

impl Who {
    /// As whom somebody subscribes under an AE title: a title alone would let everybody end everybody's subscriptions. No
    /// name holds a line end.
    fn subscriber(&self, title: &str) -> String {
        format!("{}\n{title}", self.id)
    }

    /// Whether something about a patient of this domain is theirs to see; nothing is known of a study that is not here
    /// yet, and only who sees everything sees that.
    pub fn may_see(&self, domain: Option<&Domain>, own: SiteId) -> bool {
        match domain {
            Some(domain) => {
                let is_asked = |wanted: &String| domain_token(domain) == *wanted;
                self.scope.contains(domain, own) && self.domain.as_ref().is_none_or(is_asked)
            }
            None => self.scope == Scope::All && self.domain.is_none(),
        }
    }
}

/// The domain of a study of an institution.
fn domain_of(institution: SiteId, study: &Study) -> Domain {
    Domain {
        institution,
        issuer: study.attributes.text(tags::ISSUER_OF_PATIENT_ID),
    }
}

/// Looks at the study of a workitem, as far as this site has it.
fn look<T>(node: &Hands, item: &Item, look: impl FnOnce(&Study) -> T) -> Option<T> {
    match &item.parcel {
        Some(parcel) => node.ports.register.look(parcel, look),
        None => node.ports.granted.look_at(item.view.case, look),
    }
}

/// Runs what reads files or many studies away from the runtime's tasks.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refused> + Send + 'static,
) -> Result<T, Refused> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| {
        Refused::Failed(say!(
            "ノードの内部で失敗しました。",
            "The node failed at it."
        ))
    })?
}
