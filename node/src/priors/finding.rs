//! Finding a prior that a reader asked for: here, or at this site's archive. Whatever the list said, the images themselves
//! have to say that they are of the same patient before any of them is handed over.

use std::sync::Arc;

use dokuei_keys::id::ParcelId;
use dokuei_keys::secret::ContentKey;
use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::priors::{PriorList, PriorRefusal};
use dokuei_protocol::input::{Command, Outcome, Trouble};
use dokuei_protocol::limits;
use dokuei_protocol::study::manifest::ManifestReference;

use super::list::{Entry, open};
use super::listing::patients_of;
use super::on_a_thread;
use crate::archive::fetch_study;
use crate::entities::Scope;
use crate::runtime::desk::Desk;
use crate::runtime::ports::Ports;
use crate::studies::identity::{Agreement, Identity};
use crate::studies::patient::are_several;

/// A prior to find.
pub struct Sought {
    /// The case.
    pub case: CaseId,
    /// Its number in the list.
    pub number: u16,
    /// The list, sealed.
    pub list: PriorList,
    /// The case's study.
    pub parcel: ParcelId,
    /// The content key that the list is sealed under.
    pub key: ContentKey,
    /// How often it was tried in vain.
    pub failures: u32,
}

/// The parcels of a prior with their keys, or why there are none.
type Found = Result<Vec<(ManifestReference, ContentKey)>, PriorRefusal>;

/// Finds a prior, and tells the service.
pub async fn find(ports: Arc<Ports>, desk: Desk, sought: Sought) -> Outcome {
    let (case, number) = (sought.case, sought.number);
    let sealed = (sought.parcel, &sought.key);
    let list = open(&sought.list, case, sealed, ports.site);
    let entry = list
        .as_ref()
        .and_then(|list| list.numbered(number))
        .cloned();
    let found = match entry {
        None => Err(PriorRefusal::NotKept),
        Some(entry) => match fetch_if_needed(&ports, &entry, sought.failures).await {
            Fetch::Again(trouble) => return Outcome::Failed(trouble),
            Fetch::Over(refusal) => {
                let here = tokio::task::block_in_place(|| take(&ports, sought.parcel, &entry.uid));
                // Why nothing came from the archive says more than that nothing is here.
                match (here, refusal) {
                    (Err(PriorRefusal::NotKept), Some(refusal)) => Err(refusal),
                    (here, _) => here,
                }
            }
        },
    };
    if let Err(why) = &found {
        let why = why.code();
        tracing::warn!(target: "dokuei::priors", %case, number, why, "a prior that was asked for is not handed over");
    }
    let told = Command::FoundPrior {
        case,
        number,
        found,
    };
    match desk.command(told).await {
        // Refused, the case has gone on meanwhile, and nothing is owed any more.
        Ok(_) => Outcome::Done,
        Err(_) => Outcome::Failed(Trouble::Disk),
    }
}

/// What came of asking the archive.
enum Fetch {
    /// It could not be asked: later again.
    Again(Trouble),
    /// It was asked, or needed not be; why it did not send, if so.
    Over(Option<PriorRefusal>),
}

/// Has the archive send what is not here of a study.
async fn fetch_if_needed(ports: &Arc<Ports>, entry: &Entry, failures: u32) -> Fetch {
    let here = count(ports, &entry.uid);
    let is_whole = here > 0 && entry.objects.is_none_or(|objects| here >= objects as usize);
    let Some(archiver) = ports.archiver.as_ref().filter(|_| !is_whole) else {
        return Fetch::Over((here == 0).then_some(PriorRefusal::NotKept));
    };
    if entry
        .objects
        .is_some_and(|objects| objects as usize > limits::OBJECTS)
    {
        return Fetch::Over(Some(PriorRefusal::TooLarge));
    }
    // Turns end only with the node.
    let _turn = ports.arriving.priors.finding.acquire().await;
    if !ports.room.is_left() {
        return Fetch::Again(Trouble::Disk);
    }
    let (archive, uid) = (archiver.destination().clone(), entry.uid.clone());
    let fetched = on_a_thread(move |wanted| fetch_study(&archive, &uid, wanted)).await;
    match fetched {
        None => Fetch::Again(Trouble::Disk),
        Some(Ok(said)) => {
            let failed = said.failed;
            if failed > 0 {
                tracing::warn!(target: "dokuei::priors", failed, "the archive did not send all of a prior");
            }
            Fetch::Over(Some(PriorRefusal::NotSent))
        }
        Some(Err(fault)) => {
            tracing::warn!(target: "dokuei::priors", "a prior was not fetched from the archive: {fault}");
            match fault.may_pass() && failures < limits::PRIOR_TRIES {
                true => Fetch::Again(Trouble::ArchiveUnreachable),
                false => Fetch::Over(Some(PriorRefusal::NotSent)),
            }
        }
    }
}

/// Objects of a study that lie here.
fn count(ports: &Ports, uid: &str) -> usize {
    let parts = ports.register.parcels_of(uid).into_iter();
    parts
        .filter_map(|parcel| ports.register.look(&parcel, |study| study.objects.len()))
        .sum()
}

/// Whether two studies here are one person's by the key that says so everywhere: it knows what people have said of studies
/// from media, and those of which they have yet to. Nobody can say it of a study of which other contents were set aside.
fn is_one_person(ports: &Ports, own: &str, other: &str) -> bool {
    let of = |uid: &str| ports.holdings.with_uid(&Scope::Own, uid).into_iter().next();
    let is_doubted = ports.register.quarantine().count_of(other) > 0;
    let (Some(own), Some(other)) = (of(own), of(other)) else {
        return false;
    };
    other.is_of(&own.person()) && !is_doubted
}

/// Closes what lies here of a study and takes its keys, when its images say that they are of the patient of the study in
/// `of`.
fn take(ports: &Ports, of: ParcelId, uid: &str) -> Found {
    let register = &ports.register;
    let look =
        |study: &crate::studies::study::Study| (study.uid.clone(), Identity::of(&study.attributes));
    let (own, patient) = register.look(&of, look).ok_or(PriorRefusal::NotKept)?;
    let mut parts = Vec::new();
    for parcel in register.parcels_of(uid) {
        let held = register.look(&parcel, |study| {
            (!study.objects.is_empty()).then(|| Identity::of(&study.attributes))
        });
        // What was put away says nothing, and has nothing to give.
        let (Some(identity), Some(_)) = (held.flatten(), register.key(&parcel)) else {
            continue;
        };
        parts.push((parcel, identity));
    }
    if parts.is_empty() || own == uid {
        return Err(PriorRefusal::NotKept);
    }
    if !is_one_person(ports, &own, uid) {
        return Err(PriorRefusal::NotSamePatient);
    }
    let mut everybody = patients_of(ports, uid);
    everybody.push(patient.patient.clone());
    let same = |identity: &Identity| patient.agreement_in_one_house(identity) == Agreement::Same;
    if are_several(&everybody) || !parts.iter().all(|(_, identity)| same(identity)) {
        return Err(PriorRefusal::NotSamePatient);
    }
    if parts.len() > limits::PRIOR_PARTS {
        return Err(PriorRefusal::TooLarge);
    }
    let mut taken = Vec::with_capacity(parts.len());
    for (parcel, _) in parts {
        let closed = register.close(&parcel).map_err(|error| {
            tracing::error!(target: "dokuei::priors", "a prior cannot be closed: {error}");
            PriorRefusal::NotKept
        })?;
        let key = register.key(&parcel).ok_or(PriorRefusal::NotKept)?;
        taken.push((closed, key));
    }
    Ok(taken)
}
