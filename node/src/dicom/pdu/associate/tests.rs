use super::*;
use crate::dicom::pdu::proposals::{Extended, Role};
use proptest::prelude::*;

fn request() -> AssociateRequest {
    let context = |id, syntax: &str| ProposedContext {
        id,
        abstract_syntax: syntax.to_owned(),
        transfer_syntaxes: vec!["1.2.840.10008.1.2.4.90".into(), "1.2.840.10008.1.2".into()],
    };
    let contexts = vec![context(1, "1.2.840.10008.1.1"), context(255, "1.2.3")];
    let (called, calling) = ("ARCHIVE".parse().unwrap(), "CT1".parse().unwrap());
    let mut request = AssociateRequest::new(called, calling, contexts);
    request.proposals = proposals();
    request
}

fn proposals() -> Proposals {
    Proposals {
        roles: vec![Role {
            sop_class: "1.2.3".to_owned(),
            is_scu: false,
            is_scp: true,
        }],
        extended: vec![Extended {
            sop_class: "1.2.4".to_owned(),
            information: vec![1, 0, 1],
        }],
        window: Some((0, 8)),
    }
}

fn accept() -> AssociateAccept {
    let context = |id, result, syntax: Option<&str>| AnsweredContext {
        id,
        result,
        transfer_syntax: syntax.map(str::to_owned),
    };
    AssociateAccept {
        contexts: vec![
            context(1, ContextResult::Accepted, Some("1.2.840.10008.1.2")),
            context(3, ContextResult::TransferSyntaxesNotSupported, None),
        ],
        maximum_length: 16_384,
        proposals: proposals(),
    }
}

fn accept_body() -> Vec<u8> {
    let titles = request();
    accept().encode(&titles.called, &titles.calling)[6..].to_vec()
}

#[test]
fn a_request_is_read_back() {
    let bytes = request().encode();
    assert_eq!(AssociateRequest::decode(&bytes[6..]), Ok(request()));
}

#[test]
fn an_answer_is_read_back_whatever_its_rejected_contexts_hold() {
    let body = accept_body();
    assert_eq!(AssociateAccept::decode(&body), Ok(accept()));
    // The same without the meaningless sub-item of the rejected context.
    let item = [0x21, 0, 0, 8, 3, 0, 4, 0, 0x40, 0, 0, 0];
    let at = body.windows(12).position(|w| w == item).unwrap();
    let mut shorter = body.clone();
    shorter.drain(at + 8..at + 12);
    shorter[at + 3] = 4;
    assert_eq!(AssociateAccept::decode(&shorter), Ok(accept()));
}

#[test]
fn unknown_items_are_skipped() {
    let mut body = request().encode()[6..].to_vec();
    body.extend_from_slice(&[0x77, 0, 0, 3, 1, 2, 3]);
    assert_eq!(AssociateRequest::decode(&body), Ok(request()));
}

#[test]
fn contradictions_are_named() {
    let fault = |change: &dyn Fn(&mut AssociateRequest)| {
        let mut request = request();
        change(&mut request);
        match AssociateRequest::decode(&request.encode()[6..]) {
            Err(PduFault::Malformed { what, .. }) => what,
            other => panic!("{other:?}"),
        }
    };
    assert!(fault(&|r| r.contexts.clear()).contains("no presentation context"));
    assert!(fault(&|r| r.contexts[0].id = 2).contains("even"));
    assert!(fault(&|r| r.contexts[0].id = 255).contains("twice"));
    assert!(fault(&|r| r.contexts[0].abstract_syntax = "x".into()).contains("UID"));
    assert!(fault(&|r| r.contexts[0].transfer_syntaxes.clear()).contains("no transfer syntax"));
    let many = vec!["1.2".to_owned(); TRANSFER_SYNTAX_LIMIT + 1];
    assert!(fault(&|r| r.contexts[0].transfer_syntaxes.clone_from(&many)).contains("128"));
    assert!(fault(&|r| r.application_context.clear()).contains("UID"));
    assert!(fault(&|r| r.proposals.roles[0].sop_class.clear()).contains("UID"));
    let role = proposals().roles.remove(0);
    assert!(fault(&|r| r.proposals.roles = vec![role.clone(); 129]).contains("128 roles"));
}

#[test]
fn every_prefix_is_refused_or_lacks_only_whole_items() {
    let body = request().encode()[6..].to_vec();
    for length in 0..body.len() {
        // Cut between two items it is a shorter request with the default maximum length.
        if let Ok(shorter) = AssociateRequest::decode(&body[..length]) {
            assert_eq!(shorter.maximum_length, UNSTATED_MAXIMUM);
        }
    }
    let body = accept_body();
    for length in 0..68 {
        assert!(AssociateAccept::decode(&body[..length]).is_err());
    }
}

proptest! {
    #[test]
    fn damaged_pdus_are_read_or_refused(at in 0usize..400, value in any::<u8>()) {
        let mut body = request().encode()[6..].to_vec();
        let place = at % body.len();
        body[place] = value;
        if let Ok(read) = AssociateRequest::decode(&body) {
            prop_assert!(read.contexts.len() <= crate::dicom::pdu::CONTEXT_LIMIT);
        }
        let mut body = accept_body();
        let place = at % body.len();
        body[place] = value;
        if let Ok(read) = AssociateAccept::decode(&body) {
            prop_assert!(read.contexts.len() <= 2);
        }
    }

    #[test]
    fn any_items_are_read_or_refused(items in proptest::collection::vec(any::<u8>(), 0..600)) {
        let mut body = request().encode()[6..74].to_vec();
        body.extend_from_slice(&items);
        if let Ok(read) = AssociateRequest::decode(&body) {
            prop_assert!(!read.contexts.is_empty());
        }
    }
}
