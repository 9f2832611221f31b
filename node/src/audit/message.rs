//! Events as messages of PS3.15: the schema of §A.5.1, filled as the tables of §A.5.3 demand.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use super::Source;
use super::codes::{self, Code, coded};
use super::event::{Access, Alert, Event, Kind, Outcome, Place, Query, Subject, Transfer, Who};
use super::participants::{medium, participant};
use super::xml::Element;

/// Bytes of a query that a message keeps: 10.7 KiB in base64, a third of what every collector takes. Identifiers have
/// some hundred.
const QUERY_BYTES: usize = 8 * 1024;
/// AuditSourceTypeCode: an application server process (§A.5.1.2.1).
const APPLICATION_SERVER: &str = "4";

impl Outcome {
    fn indicator(self) -> &'static str {
        match self {
            Outcome::Success => "0",
            Outcome::Minor => "4",
            Outcome::Serious => "8",
            Outcome::Major => "12",
        }
    }
}

impl Access {
    fn action(self) -> &'static str {
        match self {
            Access::Report | Access::Create => "C",
            Access::Read => "R",
            Access::Update => "U",
            Access::Delete => "D",
        }
    }
}

impl Alert {
    fn code(self) -> Code {
        match self {
            Alert::NodeAuthentication => codes::NODE_AUTHENTICATION,
            Alert::SecurityConfiguration => codes::SECURITY_CONFIGURATION,
            Alert::RestrictedFunction => codes::RESTRICTED_FUNCTION,
            Alert::RecordingStopped => codes::RECORDING_STOPPED,
        }
    }
}

/// The parts of a message that differ from event to event.
struct Parts {
    event: Code,
    action: &'static str,
    kind: Option<Code>,
    participants: Vec<Element>,
    objects: Vec<Element>,
}

/// The message of an event, as an XML document of at most 32 KiB.
pub(super) fn document(event: &Event, source: &Source) -> String {
    let parts = parts(&event.kind, source);
    let at = i64::try_from(event.at).unwrap_or_default();
    let at = Timestamp::from_millisecond(at).unwrap_or_default();
    let identification = Element::new("EventIdentification")
        .with("EventActionCode", parts.action)
        .with("EventDateTime", &at.to_string())
        .with("EventOutcomeIndicator", event.outcome.indicator())
        .child(coded("EventID", parts.event))
        .children(parts.kind.map(|kind| coded("EventTypeCode", kind)));
    let reported = Element::new("AuditSourceIdentification")
        .with("AuditEnterpriseSiteID", &source.site_name)
        .with("AuditSourceID", &source.id)
        .child(Element::new("AuditSourceTypeCode").with("csd-code", APPLICATION_SERVER));
    Element::new("AuditMessage")
        .child(identification)
        .children(parts.participants)
        .child(reported)
        .children(parts.objects)
        .document()
}

fn parts(kind: &Kind, source: &Source) -> Parts {
    match kind {
        Kind::ApplicationStarted => activity(codes::APPLICATION_START, source),
        Kind::ApplicationStopped => activity(codes::APPLICATION_STOP, source),
        Kind::TransferBegan(transfer) => {
            transferring((codes::BEGIN_TRANSFERRING, "E"), transfer, source)
        }
        // The receiver is this node for what comes in, and it holds nothing twice; of others it does not know.
        Kind::Transferred(transfer) if transfer.to == Who::ThisNode => {
            transferring((codes::INSTANCES_TRANSFERRED, "C"), transfer, source)
        }
        Kind::Transferred(transfer) => {
            transferring((codes::INSTANCES_TRANSFERRED, "R"), transfer, source)
        }
        Kind::Accessed { by, how, subject } => Parts {
            event: codes::INSTANCES_ACCESSED,
            action: how.action(),
            kind: (*how == Access::Report).then_some(codes::REPORT_SIGNED),
            participants: vec![participant(by, source, true, &[])],
            objects: objects(subject),
        },
        Kind::StudyDeleted { by, subject } => Parts {
            event: codes::STUDY_DELETED,
            action: "D",
            kind: None,
            participants: vec![participant(by, source, true, &[])],
            objects: objects(subject),
        },
        Kind::Exported { to, by, subject } => exported(to, by.as_ref(), subject, source),
        Kind::Imported { from, by, subject } => imported(from, by.as_ref(), subject, source),
        Kind::Queried { by, query } => queried(by, query, source),
        Kind::Alert {
            what,
            by,
            about,
            description,
        } => alert(*what, by.as_ref(), (about, description), source),
        Kind::LoggedIn(who) => person(codes::USER_AUTHENTICATION, codes::LOGIN, who, source),
        Kind::LoggedOut(who) => person(codes::USER_AUTHENTICATION, codes::LOGOUT, who, source),
        Kind::Attached(who) => entry(codes::ATTACH, who, source),
        Kind::Detached(who) => entry(codes::DETACH, who, source),
    }
}

fn activity(kind: Code, source: &Source) -> Parts {
    let started = participant(&Who::ThisNode, source, false, &[codes::APPLICATION]);
    Parts {
        event: codes::APPLICATION_ACTIVITY,
        action: "E",
        kind: Some(kind),
        participants: vec![started],
        objects: Vec::new(),
    }
}

fn transferring(
    (event, action): (Code, &'static str),
    transfer: &Transfer,
    source: &Source,
) -> Parts {
    let Transfer {
        from,
        to,
        asked,
        subject,
    } = transfer;
    // Whoever sends by C-STORE on its own account has asked for it. Of a C-GET it is the receiver, of a C-MOVE often a
    // third.
    let receiver_asked = asked.as_ref() == Some(to);
    let mut participants = vec![
        participant(from, source, asked.is_none(), &[codes::SOURCE]),
        participant(to, source, receiver_asked, &[codes::DESTINATION]),
    ];
    let third = asked.iter().filter(|_| !receiver_asked);
    participants.extend(third.map(|who| participant(who, source, true, &[])));
    Parts {
        event,
        action,
        kind: None,
        participants,
        objects: objects(subject),
    }
}

fn exported(to: &Place, by: Option<&Who>, subject: &Subject, source: &Source) -> Parts {
    let remote = remote(to).map(|who| participant(&who, source, false, &[codes::DESTINATION]));
    let person = by.map(|who| participant(who, source, true, &[codes::SOURCE]));
    let node = participant(&Who::ThisNode, source, by.is_none(), &[codes::SOURCE]);
    let mut participants: Vec<Element> = remote.into_iter().chain(person).collect();
    participants.extend([node, medium(to, true)]);
    Parts {
        event: codes::EXPORT,
        action: "R",
        kind: None,
        participants,
        objects: objects(subject),
    }
}

fn imported(from: &Place, by: Option<&Who>, subject: &Subject, source: &Source) -> Parts {
    let person = by.map(|who| participant(who, source, true, &[codes::DESTINATION]));
    let node = participant(&Who::ThisNode, source, by.is_none(), &[codes::DESTINATION]);
    let remote = remote(from).map(|who| participant(&who, source, false, &[codes::SOURCE]));
    let mut participants: Vec<Element> = person.into_iter().collect();
    participants.extend([node, medium(from, false)]);
    participants.extend(remote);
    Parts {
        event: codes::IMPORT,
        action: "C",
        kind: None,
        participants,
        objects: objects(subject),
    }
}

fn remote(place: &Place) -> Option<Who> {
    match place {
        Place::Partner { site, name } => Some(Who::Partner {
            site: site.clone(),
            name: name.clone(),
        }),
        Place::Media(_) => None,
    }
}

fn queried(by: &Who, query: &Query, source: &Source) -> Parts {
    let asked = query
        .identifier
        .get(..QUERY_BYTES)
        .unwrap_or(&query.identifier);
    let syntax = query.transfer_syntax.as_ref();
    let object = Element::new("ParticipantObjectIdentification")
        .with("ParticipantObjectID", &query.sop_class)
        .with("ParticipantObjectTypeCode", "2")
        .with("ParticipantObjectTypeCodeRole", "3")
        .child(coded("ParticipantObjectIDTypeCode", codes::SOP_CLASS_UID))
        .child(Element::new("ParticipantObjectQuery").whole_text(STANDARD.encode(asked)))
        .children(syntax.map(|syntax| detail("TransferSyntax", syntax)));
    Parts {
        event: codes::QUERY,
        action: "E",
        kind: None,
        participants: vec![
            participant(by, source, true, &[codes::SOURCE]),
            participant(&Who::ThisNode, source, false, &[codes::DESTINATION]),
        ],
        objects: vec![object],
    }
}

fn alert(
    what: Alert,
    by: Option<&Who>,
    (about, description): (&str, &str),
    source: &Source,
) -> Parts {
    let reporter = participant(&Who::ThisNode, source, true, &[]);
    let performer = by.map(|who| participant(who, source, false, &[]));
    let object = Element::new("ParticipantObjectIdentification")
        .with("ParticipantObjectID", about)
        .with("ParticipantObjectTypeCode", "2")
        .with("ParticipantObjectTypeCodeRole", "13")
        .child(coded("ParticipantObjectIDTypeCode", codes::NODE_ID))
        .child(Element::new("ParticipantObjectName").text(about))
        .child(detail("Alert Description", description));
    Parts {
        event: codes::SECURITY_ALERT,
        action: "E",
        kind: Some(what.code()),
        participants: std::iter::once(reporter).chain(performer).collect(),
        objects: vec![object],
    }
}

fn person(event: Code, kind: Code, who: &Who, source: &Source) -> Parts {
    Parts {
        event,
        action: "E",
        kind: Some(kind),
        participants: vec![
            participant(who, source, true, &[]),
            participant(&Who::ThisNode, source, false, &[]),
        ],
        objects: Vec::new(),
    }
}

fn entry(kind: Code, who: &Who, source: &Source) -> Parts {
    Parts {
        event: codes::NETWORK_ENTRY,
        action: "E",
        kind: Some(kind),
        participants: vec![participant(who, source, false, &[])],
        objects: Vec::new(),
    }
}

/// The study, if it is known, and its patient.
fn objects(subject: &Subject) -> Vec<Element> {
    let study = (!subject.study.is_empty()).then(|| study(subject));
    study.into_iter().chain([patient(subject)]).collect()
}

fn study(subject: &Subject) -> Element {
    let accession = (!subject.accession.is_empty())
        .then(|| Element::new("Accession").with("Number", &subject.accession));
    let classes = subject.classes.iter().map(|(uid, count)| {
        Element::new("SOPClass")
            .with("UID", uid)
            .with("NumberOfInstances", &count.to_string())
    });
    // SOPClass must be there when anything else is (§A.5.2): an accession number alone does not suffice.
    let described = (!subject.classes.is_empty()).then(|| {
        Element::new("ParticipantObjectDescription")
            .children(accession)
            .children(classes)
    });
    let name = match subject.description.is_empty() {
        true => &subject.study,
        false => &subject.description,
    };
    Element::new("ParticipantObjectIdentification")
        .with("ParticipantObjectID", &subject.study)
        .with("ParticipantObjectTypeCode", "2")
        .with("ParticipantObjectTypeCodeRole", "3")
        .child(coded("ParticipantObjectIDTypeCode", codes::STUDY_UID))
        .child(Element::new("ParticipantObjectName").text(name))
        .children(described)
}

/// The patient: the ID as HL7 writes it with its issuer (`ID^^^ISSUER`), because an ID alone is nobody's.
fn patient(subject: &Subject) -> Element {
    let id = match &subject.patient {
        Some(patient) if patient.issuer.is_empty() => patient.id.clone(),
        Some(patient) => format!("{}^^^{}", patient.id, patient.issuer),
        None => String::new(),
    };
    let or_unknown = |text: &str| match text.is_empty() {
        true => "UNKNOWN".to_owned(),
        false => text.to_owned(),
    };
    Element::new("ParticipantObjectIdentification")
        .with("ParticipantObjectID", &or_unknown(&id))
        .with("ParticipantObjectTypeCode", "1")
        .with("ParticipantObjectTypeCodeRole", "1")
        .child(coded("ParticipantObjectIDTypeCode", codes::PATIENT_NUMBER))
        .child(Element::new("ParticipantObjectName").text(&or_unknown(&subject.name)))
}

/// A detail; its value is encoded as the schema has it, bounded like other values.
fn detail(kind: &str, value: &str) -> Element {
    // 180 bytes are 240 characters in base64, below the bound of a value: nothing is cut in its middle.
    let bytes = value.as_bytes();
    let bytes = bytes.get(..180).unwrap_or(bytes);
    Element::new("ParticipantObjectDetail")
        .with("type", kind)
        .with("value", &STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests;
