//! Finding out which earlier studies there are of a case's patient: those that lie here, and those that this site's archive
//! knows. Only what is certainly of the same patient is listed; what may be is counted.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dokuei_keys::id::ParcelId;
use dokuei_keys::secret::ContentKey;
use dokuei_protocol::case::CaseId;
use dokuei_protocol::input::{Command, Outcome, Trouble};
use dokuei_protocol::limits;
use dokuei_protocol::study::manifest::ObjectClass;

use super::list::{ArchiveAsked, Entry, List, seal};
use super::on_a_thread;
use crate::archive::{Answered, priors};
use crate::dicom::scu::{Destination, ScuFault};
use crate::entities::Scope;
use crate::index::catalogue::Entry as Listed;
use crate::runtime::desk::Desk;
use crate::runtime::ports::Ports;
use crate::studies::identity::{Agreement, Identity};
use crate::studies::patient::{Patient, are_several};

/// Studies here under one patient ID that are looked at, the newest.
const HERE: usize = 1_000;
/// Pauses before an archive that could not be asked is asked again: a restart of it is waited for, and not more. The
/// study is on its way meanwhile.
const PAUSES: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(20)];
/// Modalities that say that there is a report (PS3.3 section C.7.3.1.1.1).
const REPORTS: [&str; 2] = ["SR", "DOC"];

/// Finds out which earlier studies there are of the patient of a case, whose study is in `parcel`, and tells the service.
pub async fn list(
    ports: Arc<Ports>,
    desk: Desk,
    case: CaseId,
    (parcel, key): (ParcelId, ContentKey),
) -> Outcome {
    // Turns end only with the node.
    let _turn = ports.arriving.priors.listing.acquire().await;
    let made = make(&ports, parcel).await;
    let offered = made.entries.len();
    let (archive, unsure) = (made.archive.code(), made.unsure);
    let Some(sealed) = seal(&made, case, (parcel, &key), ports.site) else {
        tracing::error!(target: "dokuei::priors", %case, "a list of priors could not be sealed");
        return Outcome::Failed(Trouble::Disk);
    };
    match desk.command(Command::ListPriors(case, sealed)).await {
        Ok(Ok(_)) => {
            tracing::info!(target: "dokuei::priors", %case, offered, unsure, archive, "priors are listed");
            Outcome::Done
        }
        // The case has gone on meanwhile, and nothing is owed any more.
        Ok(Err(_)) => Outcome::Done,
        Err(_) => Outcome::Failed(Trouble::Disk),
    }
}

async fn make(ports: &Arc<Ports>, parcel: ParcelId) -> List {
    let known = tokio::task::block_in_place(|| Known::of(ports, parcel));
    let Some(known) = known else {
        return List::empty(ArchiveAsked::NotAsked);
    };
    let (archive, answered) = match &ports.archiver {
        None => (ArchiveAsked::None, None),
        Some(archiver) => match ask(archiver.destination(), &known).await {
            Some(answered) => (ArchiveAsked::Answered, Some(answered)),
            None => (ArchiveAsked::Failed, None),
        },
    };
    tokio::task::block_in_place(|| joined(ports, &known, archive, answered))
}

/// The patient whose priors are looked for.
#[derive(Clone)]
struct Known {
    study: String,
    identity: Identity,
}

impl Known {
    /// Whom a study of this site names; none when its images name several, or nobody, or another one than a person said.
    fn of(ports: &Ports, parcel: ParcelId) -> Option<Known> {
        let look = |study: &crate::studies::study::Study| Known {
            study: study.uid.clone(),
            identity: Identity::of(&study.attributes),
        };
        let known = ports.register.look(&parcel, look)?;
        // Of whom a person said that a study is which names somebody else, the archive knows by no ID that it names.
        let is_said = ports.persons.said_of(&known.study).is_some();
        let is_known = !known.identity.patient.id.is_empty() && !is_said;
        (is_known && !are_several(&patients_of(ports, &known.study))).then_some(known)
    }
}

/// Everybody whom images of a study of this site name, in whichever part of it.
pub(super) fn patients_of(ports: &Ports, uid: &str) -> Vec<Patient> {
    let parts = ports.register.parcels_of(uid).into_iter();
    let heads = parts.filter_map(|parcel| ports.register.head(&parcel).ok().flatten());
    heads.flat_map(|head| head.study.patients()).collect()
}

/// What the archive answers; none when it could not be asked.
async fn ask(archive: &Destination, known: &Known) -> Option<Answered> {
    let mut pauses = PAUSES.iter();
    loop {
        let (archive, known) = (archive.clone(), known.clone());
        let asked = on_a_thread(move |_| priors(&archive, &known.identity, &known.study)).await?;
        let fault: ScuFault = match asked {
            Ok(answered) => return Some(answered),
            Err(fault) => fault,
        };
        tracing::warn!(target: "dokuei::priors", "the archive could not be asked for priors: {fault}");
        let pause = pauses.next().filter(|_| fault.may_pass())?;
        tokio::time::sleep(*pause).await;
    }
}

/// One list of what lies here and what the archive has.
fn joined(ports: &Ports, known: &Known, archive: ArchiveAsked, answered: Option<Answered>) -> List {
    let mut unsure = 0;
    let mut entries = BTreeMap::new();
    for listed in listed_here(ports, known) {
        match judged(ports, known, &listed) {
            Agreement::Same => {
                entries.extend(entry(ports, &listed).map(|entry| (entry.uid.clone(), entry)));
            }
            Agreement::Unsure => unsure += 1,
            Agreement::Contradicts => {}
        }
    }
    let here = entries.len();
    let mut more = answered.as_ref().is_some_and(|answered| answered.more);
    for prior in answered.into_iter().flat_map(|answered| answered.priors) {
        let known_here = entries.get_mut(&prior.uid);
        match (prior.agreement, known_here) {
            (Agreement::Same, Some(entry)) => {
                entry.objects = entry.objects.max(prior.objects);
                entry.report |= has_report(&prior.modalities);
            }
            (Agreement::Same, None) => {
                let entry = Entry {
                    uid: prior.uid.clone(),
                    date: prior.date,
                    time: prior.time,
                    report: has_report(&prior.modalities),
                    modalities: prior.modalities,
                    region: String::new(),
                    description: prior.description,
                    objects: prior.objects,
                    here: 0,
                };
                entries.insert(prior.uid, entry.cut());
            }
            (Agreement::Unsure, None) => unsure += 1,
            // The archive and this node do not say the same of it.
            (Agreement::Unsure | Agreement::Contradicts, Some(_)) => {
                entries.remove(&prior.uid);
                unsure += 1;
            }
            (Agreement::Contradicts, None) => {}
        }
    }
    let mut entries: Vec<Entry> = entries.into_values().collect();
    entries.sort_by_key(|entry| Reverse((entry.date.clone(), entry.time.clone())));
    let most = usize::from(limits::PRIORS);
    more |= entries.len() > most || here >= HERE;
    entries.truncate(most);
    List {
        archive,
        unsure,
        more,
        entries,
    }
}

fn has_report(modalities: &str) -> bool {
    modalities
        .split([' ', '\\'])
        .any(|code| REPORTS.contains(&code))
}

/// The other studies of this site under the patient's ID.
fn listed_here(ports: &Ports, known: &Known) -> Vec<Arc<Listed>> {
    ports.holdings.studies(&Scope::Own, HERE, |other| {
        *other.key.uid != *known.study
            && other.attributes.text(tags::PATIENT_ID) == known.identity.patient.id
    })
}

/// Whether a study here is of the patient: it must be one person's by the key that says so everywhere, and two identifiers
/// must agree.
fn judged(ports: &Ports, known: &Known, listed: &Listed) -> Agreement {
    let own = ports.holdings.with_uid(&Scope::Own, &known.study);
    let is_one_person = own.first().is_some_and(|own| listed.is_of(&own.person()));
    let agreement = known
        .identity
        .agreement_in_one_house(&Identity::of(&listed.attributes));
    let several = are_several(&patients_of(ports, &listed.key.uid));
    match agreement {
        Agreement::Same if !is_one_person || several => Agreement::Unsure,
        agreement => agreement,
    }
}

/// What is said of a study here; none when nothing of it is left but its name.
fn entry(ports: &Ports, listed: &Listed) -> Option<Entry> {
    let register = &ports.register;
    let parcels = register.parcels_of(&listed.key.uid).into_iter();
    let counted = parcels.filter_map(|parcel| {
        register.look(&parcel, |study| {
            let mut objects = study.objects.iter();
            let report = objects.any(|object| object.class == ObjectClass::Document);
            (study.objects.len(), report)
        })
    });
    let (objects, report) = counted.fold((0, false), |(sum, any), (objects, report)| {
        (sum + objects, any || report)
    });
    let here = u32::try_from(objects).ok().filter(|here| *here > 0)?;
    let text = |tag: Tag| listed.attributes.text(tag);
    let mut modalities: Vec<String> = Vec::new();
    for series in listed.series() {
        let modality = String::from(series.modality);
        if !modalities.contains(&modality) {
            modalities.push(modality);
        }
    }
    let entry = Entry {
        uid: listed.key.uid.to_string(),
        date: text(tags::STUDY_DATE),
        time: text(tags::STUDY_TIME),
        modalities: modalities.join(" "),
        region: text(tags::BODY_PART_EXAMINED),
        description: text(tags::STUDY_DESCRIPTION),
        objects: Some(here),
        here,
        report,
    };
    Some(entry.cut())
}
