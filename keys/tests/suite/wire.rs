//! The bytes as they go over the wire and onto the disk. A changed snapshot needs a new version of its kind.

use dokuei_keys::envelope::wrap;
use dokuei_keys::keyfile::{Cost, seal_secrets};
use dokuei_keys::pairing::{PairingRole, PairingSecret, pairing_tag};
use dokuei_keys::sealed::{commitment, object_digest_key, seal};
use dokuei_keys::{
    Delegation, Document, ObjectHasher, PersonRole, Revocation, Secret32, Signed, SigningKey,
    StorageKey, Subject, UnixSeconds,
};
use insta::assert_snapshot;

use crate::documents::node_delegation;
use crate::hex::dump;
use crate::sample::{
    NOW, SAMPLE_SALT, Site, content_key, grant_context, prekey_secret, rng, seal_context,
    signing_key, validity,
};

fn signed_bytes<T: Document>(content: T, key: &SigningKey) -> String {
    dump(Signed::sign(content, key).unwrap().bytes())
}

#[test]
fn site_certificate() {
    assert_snapshot!(dump(Site::clinic().certificate.bytes()));
}

#[test]
fn delegation_to_a_node() {
    assert_snapshot!(dump(node_delegation(&Site::clinic()).bytes()));
}

#[test]
fn delegation_to_a_person() {
    let clinic = Site::clinic();
    let content = Delegation {
        site: clinic.id(),
        subject: Subject::Person {
            id: signing_key(4).public().into(),
            name: "読影 花子".into(),
            role: PersonRole::Reader,
            licence: "放射線診断専門医".into(),
            licence_until: Some(UnixSeconds(1_900_000_000)),
        },
        validity: validity(90),
        serial: 3,
    };
    assert_snapshot!(signed_bytes(content, &clinic.key));
}

#[test]
fn delegation_to_a_log() {
    let clinic = Site::clinic();
    let content = Delegation {
        site: clinic.id(),
        subject: Subject::Log(signing_key(5).public()),
        validity: validity(3_000),
        serial: 4,
    };
    assert_snapshot!(signed_bytes(content, &clinic.key));
}

#[test]
fn revocation() {
    let clinic = Site::clinic();
    let content = Revocation {
        site: clinic.id(),
        revoked: signing_key(3).public(),
        since: NOW,
    };
    assert_snapshot!(signed_bytes(content, &clinic.root));
}

#[test]
fn prekey() {
    let hospital = Site::hospital();
    let content = prekey_secret(0x31).prekey(hospital.id(), validity(7));
    assert_snapshot!(signed_bytes(content, &hospital.key));
}

#[test]
fn wrapped_key() {
    let key = content_key(0x21);
    let prekey = prekey_secret(0x31).prekey(Site::hospital().id(), validity(7));
    let wrapped = wrap(&key, &prekey, &grant_context(&key), &mut rng(1)).unwrap();
    assert_snapshot!(dump(&dokuei_keys::cbor::encode(&wrapped)));
}

#[test]
fn sealed_object_commitment_and_digest() {
    let (key, context) = (content_key(0x21), seal_context());
    let plain = b"one object of a study";
    let sealed = seal(&key, &context, SAMPLE_SALT, plain).unwrap();
    let digest_key = object_digest_key(&key, &context.parcel);
    assert_snapshot!(format!(
        "sealed\n{}\ncommitment\n{}\ndigest\n{}",
        dump(&sealed),
        commitment(&key, &context.parcel),
        ObjectHasher::digest(&digest_key, plain),
    ));
}

#[test]
fn row_and_content_key_at_rest() {
    let key = StorageKey::from_secret(Secret32::from_bytes([0x61; 32]));
    let row = key
        .seal_row("studies", b"row key", b"a row", &mut rng(1))
        .unwrap();
    let parcel = seal_context().parcel;
    let wrapped = key
        .wrap_content_key(&parcel, &content_key(0x21), &mut rng(2))
        .unwrap();
    assert_snapshot!(format!("row\n{}\nkey\n{}", dump(&row), dump(&wrapped)));
}

#[test]
fn key_file() {
    let cost = Cost::new(64, 2, 1).unwrap();
    let file = seal_secrets(b"the secrets", b"passphrase", cost, &mut rng(1)).unwrap();
    assert_snapshot!(dump(&file));
}

#[test]
fn pairing() {
    let code = PairingSecret::from_rng(&mut rng(1));
    let tag = |role| dump(&pairing_tag(&code, role, b"transcript"));
    assert_snapshot!(format!(
        "{code}\n{}\n{}",
        tag(PairingRole::Inviter),
        tag(PairingRole::Accepter)
    ));
}
