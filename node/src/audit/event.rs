//! What is told to the audit trail. Holds patient data: no `Debug`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use dicom_dictionary_std::tags;

use crate::clock::now;
use crate::dicom::header::Header;
use crate::studies::attributes::Attributes;
use crate::studies::patient::Patient;
use crate::studies::study::Study;

/// SOP classes of one study that a message names, and so the most it holds of anything that repeats: real studies have
/// below ten.
const CLASSES: usize = 48;

/// Something that happened, as auditors of DICOM systems know it (PS3.15 §A.5.3).
#[derive(Clone, PartialEq, Eq)]
pub struct Event {
    /// When, milliseconds since the epoch.
    pub at: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// What it was.
    pub kind: Kind,
}

/// EventOutcomeIndicator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It succeeded; of an alert: it informs.
    Success,
    /// A minor failure; of an alert: it was kept from doing harm.
    Minor,
    /// A serious failure; of an alert: the same, and worth a look.
    Serious,
    /// A major failure; of an alert: it may have done harm.
    Major,
}

/// The events, each a table of PS3.15 §A.5.3.
#[derive(Clone, PartialEq, Eq)]
pub enum Kind {
    /// The node started (§A.5.3.1).
    ApplicationStarted,
    /// The node stops (§A.5.3.1).
    ApplicationStopped,
    /// Instances of one study begin to go from one to another inside this site (§A.5.3.3).
    TransferBegan(Transfer),
    /// They have gone, as many as the subject's classes count (§A.5.3.7).
    Transferred(Transfer),
    /// Somebody viewed, made or changed instances of a study (§A.5.3.6).
    Accessed {
        /// Who.
        by: Who,
        /// What they did.
        how: Access,
        /// Whose, and which study.
        subject: Subject,
    },
    /// A whole study was deleted (§A.5.3.8).
    StudyDeleted {
        /// Who did it.
        by: Who,
        /// Whose, and which study.
        subject: Subject,
    },
    /// A study left this site, for a partner or on a medium (§A.5.3.4).
    Exported {
        /// Where it went.
        to: Place,
        /// The person who asked for it, where one is known.
        by: Option<Who>,
        /// Whose, and which study.
        subject: Subject,
    },
    /// A study came into this site, from a partner or a medium (§A.5.3.5).
    Imported {
        /// Where it came from.
        from: Place,
        /// The person who asked for it, where one is known.
        by: Option<Who>,
        /// Whose, and which study.
        subject: Subject,
    },
    /// A query was received (§A.5.3.10).
    Queried {
        /// Who asked.
        by: Who,
        /// What.
        query: Query,
    },
    /// Something that concerns security (§A.5.3.11).
    Alert {
        /// Which kind.
        what: Alert,
        /// Who did it, where that is known.
        by: Option<Who>,
        /// What it is about: a host, a file, a partner's id.
        about: String,
        /// What happened, in English.
        description: String,
    },
    /// A person logged in, or could not (§A.5.3.12).
    LoggedIn(Who),
    /// A person logged out (§A.5.3.12).
    LoggedOut(Who),
    /// A partner's node came into reach (§A.5.3.9).
    Attached(Who),
    /// A partner's node left (§A.5.3.9).
    Detached(Who),
}

/// Instances of one study on their way.
#[derive(Clone, PartialEq, Eq)]
pub struct Transfer {
    /// Who sends.
    pub from: Who,
    /// Who receives.
    pub to: Who,
    /// Who asked for it, where that is not who sends.
    pub asked: Option<Who>,
    /// Whose, and which study.
    pub subject: Subject,
}

/// What was done with instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A reader read them and signed a report.
    Report,
    /// They were made.
    Create,
    /// They were looked at.
    Read,
    /// They were changed.
    Update,
    /// Some of a study's were deleted.
    Delete,
}

/// Kinds of alerts: those of CID 403 (PS3.16) that occur here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alert {
    /// Somebody was not who they must be to be let in.
    NodeAuthentication,
    /// Who or what is trusted was changed.
    SecurityConfiguration,
    /// Somebody tried what they may not.
    RestrictedFunction,
    /// Messages of this trail are missing.
    RecordingStopped,
}

/// A query as it was received.
#[derive(Clone, PartialEq, Eq)]
pub struct Query {
    /// The SOP class asked.
    pub sop_class: String,
    /// The identifier's data set, or the query's text. What is beyond 8 KiB is left out.
    pub identifier: Vec<u8>,
    /// The transfer syntax of a data set; none of a text.
    pub transfer_syntax: Option<String>,
}

/// Somebody who takes part.
#[derive(Clone, PartialEq, Eq)]
pub enum Who {
    /// This node.
    ThisNode,
    /// An application entity of this site.
    Entity {
        /// Its AE title.
        title: String,
        /// Its host: an address or a name.
        host: String,
    },
    /// A partner's node.
    Partner {
        /// The site's id, in hexadecimal.
        site: String,
        /// The site's name.
        name: String,
    },
    /// A person, or a program that acts for one.
    Person {
        /// Their id here: a log-in name, or the id of a key.
        id: String,
        /// Their name, where it is known.
        name: String,
        /// From where they act.
        address: Option<IpAddr>,
    },
}

/// Outside of this site.
#[derive(Clone, PartialEq, Eq)]
pub enum Place {
    /// A partner.
    Partner {
        /// The site's id, in hexadecimal.
        site: String,
        /// The site's name.
        name: String,
    },
    /// A CD or DVD, a USB stick, a folder or an archive of files, by its place.
    Media(String),
}

/// A patient and one study of theirs.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Subject {
    /// The patient ID, and who issued it.
    pub patient: Option<Patient>,
    /// The patient's name as text of PN.
    pub name: String,
    /// Study Instance UID; may be empty when only the patient is known.
    pub study: String,
    /// Study Description.
    pub description: String,
    /// Accession Number.
    pub accession: String,
    /// SOP Class UID → how many instances.
    pub classes: BTreeMap<String, u32>,
}

impl Event {
    /// Something that has just succeeded.
    #[must_use]
    pub fn now(kind: Kind) -> Event {
        Event::at(now(), kind)
    }

    /// Something that succeeded at `at`, milliseconds since the epoch.
    #[must_use]
    pub fn at(at: u64, kind: Kind) -> Event {
        Event {
            at,
            outcome: Outcome::Success,
            kind,
        }
    }

    /// The same, ended otherwise.
    #[must_use]
    pub fn with(self, outcome: Outcome) -> Event {
        Event { outcome, ..self }
    }
}

impl Subject {
    /// A study as it lies here, with all its instances.
    #[must_use]
    pub fn of(study: &Study) -> Subject {
        let mut subject = Subject::named(&study.attributes, &study.uid);
        for object in &study.objects {
            subject.count(&object.sop_class);
        }
        subject
    }

    /// The patient and study that an object names, without instances.
    #[must_use]
    pub fn of_object(header: &Header) -> Subject {
        Subject::named(&Attributes::of(header), header.study().as_str())
    }

    /// The patient and study that these attributes name, without instances.
    #[must_use]
    pub fn named(attributes: &Attributes, study: &str) -> Subject {
        Subject {
            patient: Some(Patient::of(attributes)),
            name: attributes.name(tags::PATIENT_NAME).to_value(),
            study: study.to_owned(),
            description: attributes.text(tags::STUDY_DESCRIPTION),
            accession: attributes.text(tags::ACCESSION_NUMBER),
            classes: BTreeMap::new(),
        }
    }

    /// Counts an instance of this class. Beyond [`CLASSES`] further ones are not told apart.
    pub fn count(&mut self, sop_class: &str) {
        self.count_many(sop_class, 1);
    }

    /// Counts so many instances of this class; likewise.
    pub fn count_many(&mut self, sop_class: &str, instances: u32) {
        if let Some(count) = self.classes.get_mut(sop_class) {
            *count = count.saturating_add(instances);
        } else if self.classes.len() < CLASSES {
            self.classes.insert(sop_class.to_owned(), instances);
        }
    }
}
