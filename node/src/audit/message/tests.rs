use super::super::syslog::MESSAGE_BYTES;
use super::*;
use crate::studies::patient::Patient;

const AT: u64 = 1_800_000_000_123;

fn source() -> Source {
    Source {
        id: "dokuei@node".to_owned(),
        site_name: "架空診療所".to_owned(),
        ae_title: "CLINIC".to_owned(),
        host: "node".to_owned(),
        process: "4711".to_owned(),
    }
}

fn modality() -> Who {
    Who::Entity {
        title: "CT1".to_owned(),
        host: "192.0.2.7".to_owned(),
    }
}

fn person() -> Who {
    Who::Person {
        id: "reader".to_owned(),
        name: "架空 読影".to_owned(),
        address: Some("192.0.2.9".parse().unwrap()),
    }
}

fn hospital() -> Place {
    Place::Partner {
        site: "02".repeat(32),
        name: "架空大学病院".to_owned(),
    }
}

fn subject() -> Subject {
    Subject {
        patient: Some(Patient {
            id: "0123".to_owned(),
            issuer: "架空診療所".to_owned(),
        }),
        name: "TEST^FORM=試験^書式".to_owned(),
        study: "1.2.3".to_owned(),
        description: "胸部 CT".to_owned(),
        accession: "A1".to_owned(),
        classes: [("1.2.840.10008.5.1.4.1.1.2".to_owned(), 3)].into(),
    }
}

fn transfer(from: Who, to: Who) -> Transfer {
    Transfer {
        from,
        to,
        asked: None,
        subject: subject(),
    }
}

/// What a C-GET gives back, and what a C-MOVE has sent to another.
fn retrieved() -> [Kind; 2] {
    let viewer = Who::Entity {
        title: "VIEWER".to_owned(),
        host: "192.0.2.8".to_owned(),
    };
    let given = Transfer {
        asked: Some(viewer.clone()),
        ..transfer(Who::ThisNode, viewer.clone())
    };
    let moved = Transfer {
        asked: Some(viewer),
        ..transfer(Who::ThisNode, modality())
    };
    [Kind::Transferred(given), Kind::Transferred(moved)]
}

fn query() -> Query {
    Query {
        sop_class: "1.2.840.10008.5.1.4.1.2.2.1".to_owned(),
        identifier: b"\x10\x00\x20\x00LO\x04\x000123".to_vec(),
        transfer_syntax: Some("1.2.840.10008.1.2.1".to_owned()),
    }
}

/// One of each of what happens to studies, those that differ by who takes part more than once.
fn of_studies() -> Vec<Kind> {
    let (to, from) = (hospital(), Place::Media("file:///media/cd".to_owned()));
    let archive = Who::Entity {
        title: "PACS".to_owned(),
        host: "pacs.example".to_owned(),
    };
    let accessed = |how| Kind::Accessed {
        by: person(),
        how,
        subject: subject(),
    };
    let exported = |to: &Place, by| Kind::Exported {
        to: to.clone(),
        by,
        subject: subject(),
    };
    let imported = |from: &Place, by, subject| Kind::Imported {
        from: from.clone(),
        by,
        subject,
    };
    vec![
        Kind::TransferBegan(transfer(modality(), Who::ThisNode)),
        Kind::Transferred(transfer(modality(), Who::ThisNode)),
        Kind::Transferred(transfer(Who::ThisNode, archive)),
        accessed(Access::Report),
        accessed(Access::Read),
        Kind::StudyDeleted {
            by: Who::ThisNode,
            subject: subject(),
        },
        exported(&to, None),
        exported(&from, Some(person())),
        imported(&to, None, subject()),
        imported(&from, Some(person()), Subject::default()),
    ]
}

/// And of everything else.
fn of_the_node() -> Vec<Kind> {
    let partner = Who::Partner {
        site: "02".repeat(32),
        name: "架空大学病院".to_owned(),
    };
    vec![
        Kind::ApplicationStarted,
        Kind::ApplicationStopped,
        Kind::Queried {
            by: modality(),
            query: query(),
        },
        Kind::Alert {
            what: Alert::NodeAuthentication,
            by: Some(modality()),
            about: "192.0.2.7".to_owned(),
            description: "an unknown calling AE title was refused".to_owned(),
        },
        Kind::Alert {
            what: Alert::RecordingStopped,
            by: None,
            about: "dokuei".to_owned(),
            description: "3 audit messages were dropped because too many waited".to_owned(),
        },
        Kind::LoggedIn(person()),
        Kind::LoggedOut(person()),
        Kind::Attached(partner.clone()),
        Kind::Detached(partner),
    ]
}

/// The end-to-end tests hold these against the schema of PS3.15 §A.5.1.
#[test]
fn each_event_has_its_message() {
    let all = of_studies().into_iter().chain(of_the_node());
    let documents = all.chain(retrieved()).map(|kind| {
        let failed = matches!(kind, Kind::Alert { .. });
        let outcome = if failed {
            Outcome::Minor
        } else {
            Outcome::Success
        };
        document(&Event::at(AT, kind).with(outcome), &source())
    });
    let all: Vec<String> = documents.collect();
    insta::assert_snapshot!("audit-messages", all.join("\n"));
}

#[test]
fn hostile_values_make_no_other_message_and_fit() {
    let hostile = "\"'<&>\u{0}\u{1B}]]>\u{FFFE}\n\\u{1B}山".repeat(2_000);
    let mut worst = subject();
    worst.name = hostile.clone();
    worst.description = hostile.clone();
    worst.accession = hostile.clone();
    worst.study = hostile.clone();
    worst.patient = Some(Patient {
        id: "\"".repeat(10_000),
        issuer: hostile.clone(),
    });
    for number in 0..1_000 {
        worst.count(&format!("1.2.840.{number:056}"));
    }
    let who = Who::Entity {
        title: "\"".repeat(10_000),
        host: hostile.clone(),
    };
    let mut source = source();
    source.site_name = "\"".repeat(10_000);
    let largest = Query {
        sop_class: hostile.clone(),
        identifier: vec![0xFF; 1 << 20],
        transfer_syntax: Some(hostile.clone()),
    };
    for kind in [
        Kind::TransferBegan(Transfer {
            from: who.clone(),
            to: who.clone(),
            asked: None,
            subject: worst.clone(),
        }),
        Kind::Exported {
            to: Place::Partner {
                site: hostile.clone(),
                name: hostile.clone(),
            },
            by: Some(who.clone()),
            subject: worst,
        },
        Kind::Queried {
            by: who.clone(),
            query: largest,
        },
        Kind::Alert {
            what: Alert::NodeAuthentication,
            by: Some(who),
            about: hostile.clone(),
            description: hostile.clone(),
        },
    ] {
        let document = document(&Event::at(AT, kind), &source);
        // The header has some 400 bytes.
        assert!(document.len() + 400 < MESSAGE_BYTES, "{}", document.len());
        assert!(!document.chars().any(char::is_control));
        assert_eq!(document.matches("<AuditMessage>").count(), 1);
        assert_eq!(document.matches("</AuditMessage>").count(), 1);
    }
}
