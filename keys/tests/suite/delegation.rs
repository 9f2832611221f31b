//! The chain from a site's root down, and who may take keys back.

use dokuei_keys::{
    Delegation, NodeId, PersonId, PersonRole, Refused, Revocation, Signed, SigningKey,
    SiteIdentity, Subject, UnixSeconds, Why,
};

use crate::sample::{DAY, NOW, Site, certificate_content, signing_key, validity};

fn why<T>(refused: Result<T, Refused>) -> Why {
    refused.err().expect("accepted").why()
}

fn delegate(site: &Site, signer: &SigningKey, subject: Subject) -> Vec<u8> {
    let content = Delegation {
        site: site.id(),
        subject,
        validity: validity(90),
        serial: 1,
    };
    Signed::sign(content, signer).unwrap().bytes().to_vec()
}

fn node() -> Subject {
    Subject::Node(NodeId::from(signing_key(3).public()))
}

fn reader(licence_until: Option<UnixSeconds>) -> Subject {
    Subject::Person {
        id: PersonId::from(signing_key(4).public()),
        name: "読影 花子".into(),
        role: PersonRole::Reader,
        licence: "医籍 第000000号; 放射線診断専門医".into(),
        licence_until,
    }
}

#[test]
fn a_certificate_is_checked_down_from_its_own_root() {
    let clinic = Site::clinic();
    let identity = clinic.identity();
    assert_eq!(identity.site(), clinic.id());
    assert_eq!(identity.name(), "海辺クリニック");
    assert_eq!(
        (identity.root(), identity.key()),
        (&clinic.root.public(), &clinic.key.public())
    );

    let bytes = clinic.certificate.bytes();
    let validity = identity.validity();
    assert!(SiteIdentity::check(bytes, validity.from).is_ok());
    let before = UnixSeconds(validity.from.0 - 1);
    assert_eq!(why(SiteIdentity::check(bytes, before)), Why::NotYetValid);
    assert_eq!(
        why(SiteIdentity::check(bytes, validity.until)),
        Why::Expired
    );
}

#[test]
fn a_certificate_by_another_root_is_refused() {
    let clinic = Site::clinic();
    let content = certificate_content(
        "海辺クリニック",
        &clinic.root.public(),
        &clinic.key.public(),
    );
    for other in [&clinic.key, &signing_key(9)] {
        let forged = Signed::sign(content.clone(), other).unwrap();
        assert_eq!(why(SiteIdentity::check(forged.bytes(), NOW)), Why::OtherKey);
    }
}

#[test]
fn nodes_persons_and_logs_are_kept_apart() {
    let clinic = Site::clinic();
    let identity = clinic.identity();
    let log = Subject::Log(signing_key(5).public());
    let documents = [node(), reader(None), log].map(|s| delegate(&clinic, &clinic.key, s));
    let [node, person, log] = &documents;

    let checked = identity.node(node, NOW).unwrap();
    assert_eq!(
        (checked.id, checked.site),
        (signing_key(3).public().into(), clinic.id())
    );
    let checked = identity.person(person, NOW).unwrap();
    assert_eq!(checked.id.key().unwrap(), signing_key(4).public());
    assert_eq!(
        (checked.name.as_str(), checked.role),
        ("読影 花子", PersonRole::Reader)
    );
    assert_eq!(identity.log(log, NOW).unwrap().key, signing_key(5).public());

    for (at, bytes) in documents.iter().enumerate() {
        let as_node = identity.node(bytes, NOW).is_ok();
        let as_person = identity.person(bytes, NOW).is_ok();
        let as_log = identity.log(bytes, NOW).is_ok();
        assert_eq!([as_node, as_person, as_log], [at == 0, at == 1, at == 2]);
    }
    assert_eq!(why(identity.node(person, NOW)), Why::OtherSubject);
}

#[test]
fn delegations_by_others_or_for_others_are_refused() {
    let (clinic, hospital) = (Site::clinic(), Site::hospital());
    let identity = clinic.identity();
    for signer in [&clinic.root, &hospital.key, &signing_key(3)] {
        let bytes = delegate(&clinic, signer, node());
        assert_eq!(why(identity.node(&bytes, NOW)), Why::OtherKey);
    }
    let for_hospital = delegate(&hospital, &clinic.key, node());
    assert_eq!(why(identity.node(&for_hospital, NOW)), Why::OtherSite);
    let bytes = delegate(&clinic, &clinic.key, node());
    let late = UnixSeconds(NOW.0 + 90 * DAY);
    assert_eq!(why(identity.node(&bytes, late)), Why::Expired);
    assert_eq!(why(identity.node(&bytes, UnixSeconds(0))), Why::NotYetValid);
}

#[test]
fn a_licence_is_named_and_in_force() {
    let clinic = Site::clinic();
    let identity = clinic.identity();
    let until = delegate(&clinic, &clinic.key, reader(Some(NOW)));
    assert_eq!(why(identity.person(&until, NOW)), Why::LicenceExpired);
    assert!(identity.person(&until, UnixSeconds(NOW.0 - 1)).is_ok());

    for (role, without) in [
        (PersonRole::Reader, false),
        (PersonRole::AttendingDoctor, false),
        (PersonRole::Technologist, true),
        (PersonRole::Administrator, true),
    ] {
        let content = Delegation {
            site: clinic.id(),
            subject: Subject::Person {
                id: signing_key(4).public().into(),
                name: "無名".into(),
                role,
                licence: String::new(),
                licence_until: None,
            },
            validity: validity(90),
            serial: 1,
        };
        assert_eq!(
            Signed::sign(content, &clinic.key).is_ok(),
            without,
            "{role:?}"
        );
    }
}

#[test]
fn weak_keys_are_refused_at_enrolment() {
    let clinic = Site::clinic();
    // The neutral element, a point of order 2, one of order 8, and one with y ≥ p.
    let order_8 = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a";
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let mut above = [0xff; 32];
    above[0] = 0xee;
    above[31] = 0x7f;
    let mut minus_one = [0xff; 32];
    minus_one[0] = 0xec;
    minus_one[31] = 0x7f;
    let order_8 = crate::hex::hex(order_8).try_into().unwrap();
    for weak in [neutral, minus_one, above, order_8, [0; 32]] {
        let content = |subject| Delegation {
            site: clinic.id(),
            subject,
            validity: validity(1),
            serial: 1,
        };
        let node = content(Subject::Node(NodeId::from_bytes(weak)));
        assert_eq!(why(Signed::sign(node, &clinic.key)), Why::WeakKey);
        assert!(dokuei_keys::PublicKey::from_bytes(&weak).is_err());
    }
}

#[test]
fn revocation_by_root_or_site_key_only() {
    let (clinic, hospital) = (Site::clinic(), Site::hospital());
    let identity = clinic.identity();
    let revoke = |site: &Site, revoked: &SigningKey, signer: &SigningKey| {
        let content = Revocation {
            site: site.id(),
            revoked: revoked.public(),
            since: NOW,
        };
        Signed::sign(content, signer).unwrap().bytes().to_vec()
    };
    let node = signing_key(3);
    for signer in [&clinic.root, &clinic.key] {
        let checked = identity
            .revocation(&revoke(&clinic, &node, signer))
            .unwrap();
        assert!(checked.content().covers(&node.public(), NOW));
        assert!(
            !checked
                .content()
                .covers(&node.public(), UnixSeconds(NOW.0 - 1))
        );
        assert!(!checked.content().covers(&clinic.key.public(), NOW));
    }
    assert!(
        identity
            .revocation(&revoke(&clinic, &clinic.root, &clinic.root))
            .is_ok()
    );
    let by_site_key = revoke(&clinic, &clinic.root, &clinic.key);
    assert_eq!(why(identity.revocation(&by_site_key)), Why::NotRevocable);
    let by_node = revoke(&clinic, &clinic.key, &node);
    assert_eq!(why(identity.revocation(&by_node)), Why::OtherKey);
    let elsewhere = revoke(&hospital, &node, &clinic.key);
    assert_eq!(why(identity.revocation(&elsewhere)), Why::OtherSite);
}
