//! COSE_Sign1: our framing against the `coset` library, both ways, and every variation that is not ours.

use coset::cbor::value::Value;
use coset::iana::Algorithm;
use coset::{AsCborValue as _, CborSerializable as _, CoseSign1, CoseSign1Builder, HeaderBuilder};
use dokuei_keys::cbor::encode;
use dokuei_keys::{Delegation, Document, Label, NodeId, Refused, Signed, SiteId, Subject, peek};

use crate::documents::node_delegation;
use crate::sample::{Site, signing_key};

const CONTENT_TYPE: &str = "application/vnd.dokuei.delegation+cbor;v=1";

fn verify(clinic: &Site, bytes: &[u8]) -> Result<Signed<Delegation>, Refused> {
    Signed::verify(bytes, &clinic.key.public())
}

/// The delegation's document as `coset` writes it, with the header and label given.
fn by_coset(clinic: &Site, header: coset::Header, label: Label, payload: Vec<u8>) -> CoseSign1 {
    CoseSign1Builder::new()
        .protected(header)
        .payload(payload)
        .create_signature(label.as_bytes(), |message| {
            clinic.key.sign(message).to_vec()
        })
        .build()
}

fn header(clinic: &Site) -> HeaderBuilder {
    HeaderBuilder::new()
        .algorithm(Algorithm::EdDSA)
        .content_type(CONTENT_TYPE.to_owned())
        .key_id(clinic.key.public().as_bytes().to_vec())
}

#[test]
fn coset_reads_and_verifies_ours() {
    let clinic = Site::clinic();
    let ours = node_delegation(&clinic);
    let theirs = CoseSign1::from_slice(ours.bytes()).unwrap();
    assert_eq!(theirs.protected.header, header(&clinic).build());
    assert!(theirs.unprotected.is_empty());
    assert_eq!(theirs.payload, Some(encode(ours.content())));
    theirs
        .verify_signature(Label::Delegation.as_bytes(), |signature, message| {
            let signature = signature.try_into().unwrap();
            clinic.key.public().verify(message, signature)
        })
        .unwrap();
}

#[test]
fn we_read_and_verify_cosets_and_the_bytes_are_the_same() {
    let clinic = Site::clinic();
    let ours = node_delegation(&clinic);
    let payload = encode(ours.content());
    let theirs = by_coset(&clinic, header(&clinic).build(), Label::Delegation, payload);
    let bytes = theirs.to_vec().unwrap();
    assert_eq!(bytes, ours.bytes());
    assert_eq!(verify(&clinic, &bytes).unwrap(), ours);
}

/// A validly signed document that differs from ours in one thing of the frame.
#[test]
fn other_headers_are_refused_although_validly_signed() {
    let clinic = Site::clinic();
    let payload = encode(node_delegation(&clinic).content());
    let kid = clinic.key.public().as_bytes().to_vec();
    let other_kid = signing_key(9).public().as_bytes().to_vec();
    let plain = || HeaderBuilder::new().algorithm(Algorithm::EdDSA);
    let typed = |text: &str| plain().content_type(text.to_owned()).key_id(kid.clone());
    let headers = [
        HeaderBuilder::new().build(),
        plain().build(),
        plain().content_type(CONTENT_TYPE.to_owned()).build(),
        plain().key_id(kid.clone()).build(),
        HeaderBuilder::new()
            .algorithm(Algorithm::ES256)
            .content_type(CONTENT_TYPE.to_owned())
            .key_id(kid.clone())
            .build(),
        header(&clinic).key_id(other_kid).build(),
        header(&clinic).key_id(kid[..31].to_vec()).build(),
        header(&clinic).value(99, Value::Bool(true)).build(),
        header(&clinic)
            .add_critical(coset::iana::HeaderParameter::Alg)
            .build(),
        header(&clinic).iv(vec![0; 8]).build(),
        typed("application/vnd.dokuei.revocation+cbor;v=1").build(),
        typed("application/vnd.dokuei.delegation+cbor;v=2").build(),
        typed("application/vnd.dokuei.delegation+cbor;v=01").build(),
        typed("application/vnd.dokuei.delegation+cbor;v=+1").build(),
        typed("application/vnd.dokuei.delegation+cbor;v=65537").build(),
        typed("application/vnd.dokuei.delegation+cbor").build(),
        typed("application/vnd.dokuei.Delegation+cbor;v=1").build(),
        typed("application/vnd.dokuei.+cbor;v=1").build(),
        typed("application/cbor").build(),
    ];
    for header in headers {
        let shown = format!("{header:?}");
        let bytes = by_coset(&clinic, header, Label::Delegation, payload.clone());
        assert!(
            verify(&clinic, &bytes.to_vec().unwrap()).is_err(),
            "{shown}"
        );
    }
}

#[test]
fn other_frames_are_refused_although_validly_signed() {
    let clinic = Site::clinic();
    let ours = node_delegation(&clinic);
    let good = CoseSign1::from_slice(ours.bytes()).unwrap();
    let parts = |change: &dyn Fn(&mut Vec<Value>)| {
        let mut parts = good.clone().to_cbor_value().unwrap().into_array().unwrap();
        change(&mut parts);
        let mut bytes = Vec::new();
        coset::cbor::ser::into_writer(&Value::Array(parts), &mut bytes).unwrap();
        bytes
    };
    assert_eq!(parts(&|_| ()), ours.bytes());
    let tagged = [&[0xd2], ours.bytes()].concat();
    let indefinite = [&[0x9f], &ours.bytes()[1..], &[0xff]].concat();
    let unprotected = Value::Map(vec![(Value::from(4), Value::Bytes(vec![1]))]);
    for bytes in [
        tagged,
        indefinite,
        parts(&|p| p[1] = unprotected.clone()),
        parts(&|p| p[0] = Value::Map(vec![])),
        parts(&|p| p[2] = Value::Null),
        parts(&|p| drop(p.pop())),
        parts(&|p| p.push(Value::Null)),
        parts(&|p| p.swap(2, 3)),
        parts(&|p| p[3] = Value::Bytes(vec![0; 64])),
        parts(&|p| p[3] = Value::Bytes(vec![0; 63])),
        parts(&|p| p[3] = Value::Bytes(vec![0; 65])),
    ] {
        assert!(verify(&clinic, &bytes).is_err());
    }
}

#[test]
fn a_signature_for_another_label_is_refused() {
    let clinic = Site::clinic();
    let payload = encode(node_delegation(&clinic).content());
    for label in Label::ALL {
        let bytes = by_coset(&clinic, header(&clinic).build(), *label, payload.clone());
        let verified = verify(&clinic, &bytes.to_vec().unwrap());
        assert_eq!(verified.is_ok(), *label == Delegation::LABEL, "{label:?}");
    }
}

/// The old signature over a payload in which one field was changed alone.
#[test]
fn each_signed_field_changed_alone_is_refused() {
    let clinic = Site::clinic();
    let ours = node_delegation(&clinic);
    let good = CoseSign1::from_slice(ours.bytes()).unwrap();
    let changes: [&dyn Fn(&mut Delegation); 6] = [
        &|d| d.site = SiteId::from_bytes([1; 32]),
        &|d| d.subject = Subject::Node(NodeId::from(signing_key(9).public())),
        &|d| d.subject = Subject::Log(signing_key(3).public()),
        &|d| d.validity.from.0 -= 1,
        &|d| d.validity.until.0 += 1,
        &|d| d.serial += 1,
    ];
    for (number, change) in changes.iter().enumerate() {
        let mut content = ours.content().clone();
        change(&mut content);
        let mut forged = good.clone();
        forged.payload = Some(encode(&content));
        let refused = verify(&clinic, &forged.to_vec().unwrap()).unwrap_err();
        assert_eq!(
            refused.why(),
            dokuei_keys::Why::Signature,
            "change {number}"
        );
    }
}

/// Payloads that are validly signed, but not the one encoding of a delegation.
#[test]
fn other_payloads_are_refused_although_validly_signed() {
    let clinic = Site::clinic();
    let payload = encode(node_delegation(&clinic).content());
    assert_eq!(payload[0], 0xa4, "a map of four");
    let with = |head: u8, tail: &[u8]| {
        let mut bytes = payload.clone();
        bytes[0] = head;
        bytes.extend(tail);
        bytes
    };
    for (bytes, reason) in [
        (with(0xa5, &[0x04, 0x00]), "a field more"),
        (with(0xa5, &[0x03, 0x02]), "a field twice"),
        (with(0xa5, &[0x20, 0x00]), "a negative key"),
        (with(0xa3, &[]), "a field fewer, and bytes after"),
        (with(0xbf, &[0xff]), "an indefinite map"),
        (payload[..payload.len() - 2].to_vec(), "cut off"),
        (
            [&payload[..payload.len() - 1], &[0x18, 0x02]].concat(),
            "a long head",
        ),
        (
            [&payload[..payload.len() - 1], &[0xf9, 0x40, 0x00]].concat(),
            "a float",
        ),
        (
            [&payload[..payload.len() - 1], &[0xc1, 0x02]].concat(),
            "a tag",
        ),
        ([&payload[..payload.len() - 1], &[0xf6]].concat(), "null"),
        (vec![], "nothing"),
    ] {
        let document = by_coset(&clinic, header(&clinic).build(), Label::Delegation, bytes);
        let bytes = document.to_vec().unwrap();
        assert!(verify(&clinic, &bytes).is_err(), "{reason}");
        assert!(peek(&bytes).is_ok(), "{reason}: the header is the same");
    }
}
