//! Who is let in, and what is kept.

use dokuei_keys::secret::Secret32;

use super::*;
use crate::language::assert_both;
use crate::studies::register::tests::until;
use scope::Scope;

struct House {
    _folder: tempfile::TempDir,
    store: Store,
    open_intake: bool,
}

impl House {
    fn new() -> House {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("x.redb")).unwrap();
        House {
            _folder: folder,
            store,
            open_intake: true,
        }
    }

    fn open(&self) -> Entities {
        let storage = StorageKey::from_secret(Secret32::from_bytes([7; 32]));
        let means = Means {
            ae_title: "DOKUEI".parse().unwrap(),
            open_intake: self.open_intake,
            identity: None,
            transcoding: None,
        };
        Entities::open(self.store.clone(), storage, means).unwrap()
    }
}

fn caller(name: &str, ae_title: &str, network: &str) -> Caller {
    Caller {
        name: name.to_owned(),
        ae_title: ae_title.to_owned(),
        networks: vec![network.to_owned()],
        certificate: None,
        may_store: true,
        may_query: true,
        scope: Scope::Own,
    }
}

fn destination(name: &str, ae_title: &str) -> Destination {
    Destination {
        name: name.to_owned(),
        host: "192.0.2.1".to_owned(),
        port: 104,
        ae_title: ae_title.to_owned(),
        tls: None,
        retry: Retry::default(),
    }
}

fn admitted(
    entities: &Entities,
    title: &str,
    address: &str,
    certificate: Option<[u8; 32]>,
) -> Result<Option<String>, Refusal> {
    let (title, address) = (title.parse().unwrap(), address.parse().unwrap());
    entities
        .admit(&title, address, certificate)
        .map(|permission| permission.caller)
}

#[test]
fn without_callers_the_house_may_send_and_nobody_may_ask() {
    let mut house = House::new();
    let entities = house.open();
    assert!(entities.is_open());
    let title = "CT1".parse().unwrap();
    let let_in = entities
        .admit(&title, "192.168.1.9".parse().unwrap(), None)
        .unwrap();
    assert_eq!(let_in, Permission::to_send());
    assert!(let_in.may_store && !let_in.may_query && !let_in.may_commit());
    let outside = admitted(&entities, "CT1", "203.0.113.9", None);
    assert_eq!(outside, Err(Refusal::NotOfTheHouse));
    house.open_intake = false;
    let closed = admitted(&house.open(), "CT1", "127.0.0.1", None);
    assert_eq!(closed, Err(Refusal::IntakeClosed));
}

#[test]
fn with_callers_only_they_are_let_in_by_title_and_address() {
    let house = House::new();
    let entities = house.open();
    entities
        .add_caller(caller("CT", "CT1", "192.168.1.0/24"))
        .unwrap();
    let title = "CT1".parse().unwrap();
    let permission = entities
        .admit(&title, "::ffff:192.168.1.9".parse().unwrap(), None)
        .unwrap();
    assert!(permission.may_query && permission.may_commit());
    assert_eq!(
        (permission.caller.as_deref(), permission.scope),
        (Some("CT"), Scope::Own)
    );
    assert_eq!(
        admitted(&entities, "CT2", "192.168.1.9", None),
        Err(Refusal::UnknownTitle)
    );
    assert_eq!(
        admitted(&entities, "CT1", "192.168.2.9", None),
        Err(Refusal::WrongAddress)
    );
    // Without the last one everybody may send: only if that is meant.
    let refused = entities.remove_caller("CT", false).unwrap_err();
    assert_eq!(refused.code, "opens-intake");
    assert!(!entities.is_open());
    entities.remove_caller("CT", true).unwrap();
    assert!(entities.is_open());
}

#[test]
fn a_caller_with_a_certificate_must_show_it() {
    let house = House::new();
    let entities = house.open();
    let mut pinned = caller("CT", "CT1", "192.168.1.0/24");
    pinned.certificate = Some([1; 32]);
    entities.add_caller(pinned).unwrap();
    let come = |certificate| admitted(&entities, "CT1", "192.168.1.9", certificate);
    assert_eq!(come(None), Err(Refusal::NoCertificate));
    let shown = [2; 32];
    assert_eq!(come(Some(shown)), Err(Refusal::WrongCertificate { shown }));
    assert_eq!(come(Some([1; 32])), Ok(Some("CT".to_owned())));
    assert!(entities.is_pinned(&[1; 32]) && !entities.is_pinned(&shown));
    // The same title from the same place, for a device without TLS: each is who it shows to be.
    entities
        .add_caller(caller("OLD", "CT1", "192.168.1.9"))
        .unwrap();
    let come = |certificate| admitted(&entities, "CT1", "192.168.1.9", certificate);
    assert_eq!(come(Some([1; 32])), Ok(Some("CT".to_owned())));
    assert_eq!(come(None), Ok(Some("OLD".to_owned())));
}

#[test]
fn what_was_added_is_there_after_a_restart_and_what_was_removed_is_not() {
    let house = House::new();
    let entities = house.open();
    let one = entities
        .add_caller(caller("CT", "CT1", "192.168.1.9"))
        .unwrap();
    entities
        .add_caller(caller("MR", "MR1", "192.168.1.10"))
        .unwrap();
    entities.remove_caller("MR", false).unwrap();
    let to = entities
        .add_destination(destination("PACS", "ARC"))
        .unwrap();
    drop(entities);
    let again = house.open();
    assert_eq!(again.callers(), [one]);
    assert_eq!(again.destinations(), [to]);
    let route = again.destination_by_ae("ARC").unwrap();
    assert_eq!((route.name.as_str(), route.destination.port), ("PACS", 104));
    assert!(again.destination_by_ae("arc").is_none());
    again.remove_destination("PACS").unwrap();
    assert!(again.destination("PACS").is_none());
}

#[test]
fn what_cannot_be_told_apart_is_not_added() {
    let house = House::new();
    let entities = house.open();
    entities
        .add_caller(caller("CT", "CT1", "192.168.1.0/24"))
        .unwrap();
    entities
        .add_destination(destination("PACS", "ARC"))
        .unwrap();
    let failures = [
        entities
            .add_caller(caller("CT", "CT9", "192.168.9.9"))
            .map(drop),
        entities
            .add_caller(caller("X", "CT1", "192.168.1.9"))
            .map(drop),
        entities.add_destination(destination("PACS", "X")).map(drop),
        entities.add_destination(destination("X", "ARC")).map(drop),
        entities.remove_caller("X", true).map(drop),
        entities.remove_destination("X").map(drop),
    ];
    let codes: Vec<String> = failures
        .into_iter()
        .map(|failure| {
            let failure = failure.unwrap_err();
            assert_both(&failure.message);
            failure.code.into_owned()
        })
        .collect();
    let expected = [
        "entity-exists",
        "entity-ambiguous",
        "entity-exists",
        "entity-ambiguous",
        "no-caller",
        "no-destination",
    ];
    assert_eq!(codes, expected);
    assert_eq!(
        (entities.callers().len(), entities.destinations().len()),
        (1, 1)
    );
}

#[test]
fn nobody_who_calls_waits_for_what_is_added_or_removed() {
    let house = House::new();
    let entities = house.open();
    entities
        .add_caller(caller("ct", "CT", "192.0.2.0/24"))
        .unwrap();
    entities
        .add_destination(destination("pacs", "PACS"))
        .unwrap();
    let admitted = |title: &str| {
        let address = "192.0.2.7".parse().unwrap();
        entities
            .admit(&title.parse().unwrap(), address, None)
            .is_ok()
    };
    std::thread::scope(|scope| {
        let added = house.store.stalled(|| {
            let added = scope.spawn(|| {
                entities
                    .add_caller(caller("mr", "MR", "192.0.2.0/24"))
                    .is_ok()
            });
            until(|| entities.0.changing.try_lock().is_err());
            assert!(admitted("CT") && !admitted("MR"));
            assert!(entities.destination("pacs").is_some() && entities.callers().len() == 1);
            added
        });
        assert!(added.join().unwrap());
        let removed = house.store.stalled(|| {
            let removed = scope.spawn(|| entities.remove_destination("pacs").is_ok());
            until(|| entities.0.changing.try_lock().is_err());
            assert!(admitted("MR") && entities.destination_by_ae("PACS").is_some());
            removed
        });
        assert!(removed.join().unwrap());
    });
    assert!(entities.destination("pacs").is_none());
}
