//! Signed documents: what verifies, and that nothing else does.

use dokuei_keys::delegation::SITE_KEY_LIFE;
use dokuei_keys::signed::recorded;
use dokuei_keys::{
    Delegation, Document, DocumentId, NodeId, Prekey, Refused, Revocation, Signed, SiteCertificate,
    Subject, Why, peek,
};

use crate::sample::{DAY, NOW, Site, certificate_content, prekey_secret, signing_key, validity};

/// A delegation to a node, by the clinic.
pub(crate) fn node_delegation(clinic: &Site) -> Signed<Delegation> {
    let content = Delegation {
        site: clinic.id(),
        subject: Subject::Node(NodeId::from(signing_key(3).public())),
        validity: validity(90),
        serial: 2,
    };
    Signed::sign(content, &clinic.key).unwrap()
}

fn why<T>(refused: Result<T, Refused>) -> Why {
    let Err(refused) = refused else {
        panic!("accepted");
    };
    assert_eq!(refused.to_string(), "refused");
    refused.why()
}

#[test]
fn a_document_verifies_with_its_exact_bytes() {
    let clinic = Site::clinic();
    let signed = node_delegation(&clinic);
    let verified = Signed::<Delegation>::verify(signed.bytes(), &clinic.key.public()).unwrap();
    assert_eq!(verified, signed);
    assert_eq!(verified.content(), signed.content());
    assert_eq!(verified.id(), DocumentId::of(signed.bytes()));
    assert_eq!(verified.signer(), &clinic.key.public());
    let header = peek(signed.bytes()).unwrap();
    assert_eq!(
        (header.kind.as_str(), header.version, header.key),
        ("delegation", 1, clinic.key.public())
    );
    let shown = format!("{verified:?}");
    assert!(
        shown.starts_with("Signed<delegation>(DocumentId("),
        "{shown}"
    );
}

#[test]
fn another_key_or_kind_is_refused() {
    let clinic = Site::clinic();
    let signed = node_delegation(&clinic);
    let other = signing_key(9).public();
    assert_eq!(
        why(Signed::<Delegation>::verify(signed.bytes(), &other)),
        Why::OtherKey
    );
    let key = clinic.key.public();
    assert_eq!(
        why(Signed::<Revocation>::verify(signed.bytes(), &key)),
        Why::OtherKind
    );
}

#[test]
fn every_flipped_bit_is_refused() {
    let clinic = Site::clinic();
    let signed = node_delegation(&clinic);
    for at in 0..signed.bytes().len() {
        for bit in 0..8 {
            let mut bytes = signed.bytes().to_vec();
            bytes[at] ^= 1 << bit;
            let refused = Signed::<Delegation>::verify(&bytes, &clinic.key.public());
            assert!(refused.is_err(), "byte {at} bit {bit}");
        }
    }
}

#[test]
fn every_prefix_and_extension_is_refused() {
    let clinic = Site::clinic();
    let signed = node_delegation(&clinic);
    let key = clinic.key.public();
    for length in 0..signed.bytes().len() {
        assert!(Signed::<Delegation>::verify(&signed.bytes()[..length], &key).is_err());
        assert!(peek(&signed.bytes()[..length]).is_err());
    }
    for extra in 0..=255 {
        let longer = [signed.bytes(), &[extra]].concat();
        assert_eq!(
            why(Signed::<Delegation>::verify(&longer, &key)),
            Why::TrailingBytes
        );
    }
}

#[test]
fn length_is_refused_before_anything_else() {
    let clinic = Site::clinic();
    let huge = vec![0xff; Delegation::MAX_BYTES + 1];
    let max = Delegation::MAX_BYTES;
    let refused = Signed::<Delegation>::verify(&huge, &clinic.key.public());
    assert_eq!(why(refused), Why::TooLong { max });
}

#[test]
fn the_largest_of_each_kind_fits_its_bound() {
    let clinic = Site::clinic();
    let name = "あ".repeat(42);
    let mut content = certificate_content(&name, &clinic.root.public(), &clinic.key.public());
    content.serial = u64::MAX;
    content.validity.from.0 = u64::MAX - SITE_KEY_LIFE;
    content.validity.until.0 = u64::MAX;
    assert!(Signed::sign(content, &clinic.root).is_ok());
    let person = Delegation {
        site: clinic.id(),
        subject: Subject::Person {
            id: signing_key(4).public().into(),
            name,
            role: dokuei_keys::PersonRole::Reader,
            licence: "x".repeat(64),
            licence_until: Some(dokuei_keys::UnixSeconds(u64::MAX)),
        },
        validity: dokuei_keys::Validity {
            from: dokuei_keys::UnixSeconds(u64::MAX - DAY),
            until: dokuei_keys::UnixSeconds(u64::MAX),
        },
        serial: u64::MAX,
    };
    assert!(Signed::sign(person, &clinic.key).is_ok());
    let mut prekey = prekey_secret(6).prekey(clinic.id(), validity(7));
    prekey.validity.from.0 = u64::MAX - DAY;
    prekey.validity.until.0 = u64::MAX;
    assert!(Signed::sign(prekey, &clinic.key).is_ok());
    let revocation = Revocation {
        site: clinic.id(),
        revoked: clinic.key.public(),
        since: dokuei_keys::UnixSeconds(u64::MAX),
    };
    assert!(Signed::sign(revocation, &clinic.key).is_ok());
}

#[test]
fn contents_against_the_rules_are_neither_signed_nor_verified() {
    let clinic = Site::clinic();
    let (root, key) = (clinic.root.public(), clinic.key.public());
    let good = certificate_content("海辺クリニック", &root, &key);
    assert!(Signed::sign(good.clone(), &clinic.root).is_ok());
    let bad = |change: &dyn Fn(&mut SiteCertificate)| {
        let mut content = good.clone();
        change(&mut content);
        why(Signed::sign(content, &clinic.root))
    };
    assert_eq!(bad(&|c| c.name = String::new()), Why::Text("name"));
    assert_eq!(bad(&|c| c.name = "  ".into()), Why::Text("name"));
    assert_eq!(bad(&|c| c.name = "a\nb".into()), Why::Text("name"));
    assert_eq!(bad(&|c| c.name = "a\u{202e}b".into()), Why::Text("name"));
    assert_eq!(bad(&|c| c.name = "あ".repeat(43)), Why::Text("name"));
    assert_eq!(
        bad(&|c| c.site = Site::hospital().id()),
        Why::OtherIdentifier
    );
    assert_eq!(
        bad(&|c| c.validity.until = c.validity.from),
        Why::EmptyValidity
    );
    let seconds = SITE_KEY_LIFE;
    assert_eq!(
        bad(&|c| c.validity.until = c.validity.from.after(seconds + 1)),
        Why::LifeTooLong { seconds }
    );
}

#[test]
fn a_prekey_must_be_well_formed() {
    let hospital = Site::hospital();
    let good = prekey_secret(6).prekey(hospital.id(), validity(7));
    let signed = Signed::sign(good.clone(), &hospital.key).unwrap();
    let verified = hospital
        .identity()
        .verify::<Prekey>(signed.bytes())
        .unwrap();
    assert_eq!(verified.content(), &good);

    let mut renamed = good.clone();
    renamed.id = prekey_secret(7).id();
    assert_eq!(
        why(Signed::sign(renamed, &hospital.key)),
        Why::OtherIdentifier
    );

    // ML-KEM coefficients at or above the modulus (FIPS 203 §7.2).
    let mut outside = good.clone();
    outside.public[..384].fill(0xff);
    outside.id = dokuei_keys::PrekeyId::of(&outside.public);
    assert_eq!(why(Signed::sign(outside, &hospital.key)), Why::WeakKey);

    let mut long = good;
    long.validity.until = long.validity.until.after(1);
    assert_eq!(
        why(Signed::sign(long, &hospital.key)),
        Why::LifeTooLong { seconds: 7 * DAY }
    );
}

#[test]
fn garbage_is_refused_by_every_reader() {
    let clinic = Site::clinic();
    for length in [0, 1, 2, 64, 300] {
        for fill in [0x00, 0x84, 0x9f, 0xff] {
            let bytes = vec![fill; length];
            assert!(peek(&bytes).is_err());
            assert!(dokuei_keys::SiteIdentity::check(&bytes, NOW).is_err());
            assert!(clinic.identity().node(&bytes, NOW).is_err());
            assert!(clinic.identity().revocation(&bytes).is_err());
        }
    }
}

/// What a site wrote down itself is read back without the key, but with every other check.
#[test]
fn recorded_documents_read_back() {
    let clinic = Site::clinic();
    let signed = node_delegation(&clinic);
    assert_eq!(
        recorded::<Delegation>(signed.bytes()).unwrap(),
        *signed.content()
    );
    assert_eq!(why(recorded::<Revocation>(signed.bytes())), Why::OtherKind);
    for length in 0..signed.bytes().len() {
        assert!(recorded::<Delegation>(&signed.bytes()[..length]).is_err());
    }
    let max = Delegation::MAX_BYTES;
    assert_eq!(
        why(recorded::<Delegation>(&vec![0; max + 1])),
        Why::TooLong { max }
    );
}
