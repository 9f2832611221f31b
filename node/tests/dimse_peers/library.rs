//! `dicom-ul` as the other side: its reading and writing of PDUs against ours.

use std::net::TcpListener;
use std::ops::ControlFlow;

use dicom_ul::association::client::ClientAssociationOptions;
use dicom_ul::association::server::ServerAssociationOptions;
use dicom_ul::pdu::{PDataValueType, Pdu, PresentationContextResultReason};
use dokuei_node::dicom::scu::{Delivery, store};

use crate::memory::{self, Memory};
use crate::object::*;
use crate::raw;
use crate::send::destination;

#[test]
fn its_requestor_understands_our_answer() {
    let memory = Memory::new();
    let scp = memory::start(&memory);
    let mut association = ClientAssociationOptions::new()
        .calling_ae_title("LIBRARY")
        .called_ae_title("DOKUEI")
        .max_pdu_length(16384)
        .with_presentation_context(CT, vec![JPEG_2000, EXPLICIT])
        .with_presentation_context("1.2.840.10008.5.1.4.31", vec![IMPLICIT])
        .establish(scp.local_addr())
        .unwrap();
    let contexts = association.presentation_contexts().to_vec();
    assert_eq!(contexts.len(), 1, "{contexts:?}");
    assert_eq!(
        contexts[0].reason,
        PresentationContextResultReason::Acceptance
    );
    assert_eq!(contexts[0].transfer_syntax, JPEG_2000);
    assert_eq!(association.acceptor_max_pdu_length(), 131_072);
    association.send(&Pdu::ReleaseRQ).unwrap();
    assert_eq!(association.receive().unwrap(), Pdu::ReleaseRP);
}

#[test]
fn its_acceptor_understands_our_request_and_our_pdus_fit_it() {
    const LARGEST: u32 = 4096;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = listener.local_addr().unwrap();
    let object = Object::new(CT, EXPLICIT, 5, 200);
    let expected = object.data_set.clone();
    let acceptor = std::thread::spawn(move || {
        let options = ServerAssociationOptions::new()
            .ae_title("ARCHIVE")
            .max_pdu_length(LARGEST)
            .with_abstract_syntax(CT);
        let mut association = options.establish(listener.accept().unwrap().0).unwrap();
        let mut data_set = Vec::new();
        loop {
            match association.receive().unwrap() {
                Pdu::PData { data } => {
                    for value in data {
                        if value.value_type == PDataValueType::Data {
                            data_set.extend_from_slice(&value.data);
                            if value.is_last {
                                let response = raw::command(&[
                                    (0x0100, &[0x01, 0x80]),
                                    (0x0120, &[1, 0]),
                                    (0x0800, &[1, 1]),
                                    (0x0900, &[0x06, 0xB0]),
                                ]);
                                let pdu =
                                    raw::data(value.presentation_context_id, true, true, &response);
                                let mut unread = pdu.as_slice();
                                let pdu = dicom_ul::pdu::read_pdu(&mut unread, 16384, true);
                                association.send(&pdu.unwrap().unwrap()).unwrap();
                            }
                        }
                    }
                }
                Pdu::ReleaseRQ => {
                    association.send(&Pdu::ReleaseRP).unwrap();
                    return data_set;
                }
                other => panic!("{}", other.short_description()),
            }
        }
    });
    let mut deliveries = Vec::new();
    store(
        &destination(to),
        [object.boxed()].into_iter(),
        &mut |outcome| {
            deliveries.push(outcome.delivery);
            ControlFlow::Continue(())
        },
    );
    assert!(matches!(
        deliveries[..],
        [Delivery::StoredWithWarning { status: 0xB006 }]
    ));
    assert!(acceptor.join().unwrap() == expected);
}
