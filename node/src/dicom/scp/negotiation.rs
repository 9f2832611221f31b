//! Answers an association request (PS3.8 section 7.1.1, PS3.7 annex D.3).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::config::{Accept, Called, ScpConfig};
use super::services::Offers;
use crate::dicom::dimse::Service;
use crate::dicom::pdu::associate::{
    AnsweredContext, AssociateAccept, AssociateRequest, ContextResult, ProposedContext,
};
use crate::dicom::pdu::proposals::{Extended, Proposals, Role};
use crate::dicom::pdu::writer::largest_pdu;
use crate::dicom::pdu::{
    ADVERTISED_PDU, APPLICATION_CONTEXT, Rejection, RejectionReason, SMALLEST_PEER_PDU,
};
use crate::dicom::scanner::Encoding;
use crate::entities::{Permission, Refusal};

/// The root of the transfer syntaxes the standard registers.
const STANDARD_TRANSFER_SYNTAXES: &str = "1.2.840.10008.1.2";

/// The transfer syntaxes that identifiers and other small data sets are read and written in.
pub const PLAIN_TRANSFER_SYNTAXES: [(&str, Encoding); 3] = [
    ("1.2.840.10008.1.2", Encoding::ImplicitLittle),
    ("1.2.840.10008.1.2.1", Encoding::ExplicitLittle),
    ("1.2.840.10008.1.2.2", Encoding::ExplicitBig),
];

/// Those of them into which every object can be brought, the most wanted first.
const LITTLE_ENDIAN: [&str; 2] = ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"];

/// Operations at a time, whatever is proposed: the next request waits in the socket.
const ONE_AT_A_TIME: (u16, u16) = (1, 1);

/// A context messages may come on.
pub(super) struct OpenContext {
    pub(super) abstract_syntax: String,
    pub(super) transfer_syntax: String,
    /// The requestor of the association takes requests of ours on it.
    pub(super) requestor_is_scp: bool,
}

impl OpenContext {
    /// How its small data sets are encoded.
    pub(super) fn encoding(&self) -> Encoding {
        let syntax = &self.transfer_syntax;
        let known = PLAIN_TRANSFER_SYNTAXES
            .iter()
            .find(|(uid, _)| uid == syntax);
        known.map_or(Encoding::ExplicitLittle, |(_, encoding)| *encoding)
    }
}

/// What was agreed.
pub(super) struct Agreement {
    /// By presentation context identifier.
    pub(super) contexts: BTreeMap<u8, OpenContext>,
    /// Longest P-DATA-TF body to send.
    pub(super) largest_pdu: u32,
    /// The answer to send.
    pub(super) answer: AssociateAccept,
}

/// Judge the contexts of a `request` that was let in, by what its caller is offered.
pub(super) fn negotiate(
    request: AssociateRequest,
    config: &ScpConfig,
    offers: Offers,
) -> Agreement {
    let mut contexts = BTreeMap::new();
    let mut answers = Vec::with_capacity(request.contexts.len());
    let accepted = request.contexts.iter().filter(|proposed| {
        judge_context(proposed, &config.accept, offers) == ContextResult::Accepted
    });
    let classes: Vec<&str> = accepted
        .map(|proposed| proposed.abstract_syntax.as_str())
        .collect();
    let granted = grant(&request.proposals, &classes, offers);
    let is_scp = |class: &str| granted.role(class).is_some_and(|role| role.is_scp);
    let mut given = Given::of(&request.contexts);
    for proposed in request.contexts {
        // Into what objects are given back is for us to choose, among what the requestor takes.
        let chosen = match offers.transcoding && is_scp(&proposed.abstract_syntax) {
            true => given.choose(&proposed),
            false => choose_transfer_syntax(&proposed),
        };
        let result = judge_context(&proposed, &config.accept, offers);
        answers.push(AnsweredContext {
            id: proposed.id,
            result,
            transfer_syntax: chosen.map(str::to_owned),
        });
        if let (ContextResult::Accepted, Some(syntax)) = (result, chosen) {
            let class = &proposed.abstract_syntax;
            let open = OpenContext {
                transfer_syntax: syntax.to_owned(),
                requestor_is_scp: is_scp(class),
                abstract_syntax: proposed.abstract_syntax,
            };
            contexts.insert(proposed.id, open);
        }
    }
    Agreement {
        contexts,
        largest_pdu: largest_pdu(request.maximum_length),
        answer: AssociateAccept {
            contexts: answers,
            maximum_length: ADVERTISED_PDU,
            proposals: granted,
        },
    }
}

/// Pairs of class and transfer syntax that are open for objects that are given back.
struct Given(BTreeSet<(String, String)>);

impl Given {
    /// What will be open whatever is chosen, since nothing else is proposed.
    fn of(contexts: &[ProposedContext]) -> Given {
        let single = contexts.iter().filter_map(|proposed| {
            let [only] = proposed.transfer_syntaxes.as_slice() else {
                return None;
            };
            Some((proposed.abstract_syntax.clone(), only.clone()))
        });
        Given(single.collect())
    }

    /// One transfer syntax of each class is uncompressed, if that can be: every object can be brought into it. Beside
    /// it, as many others as there are contexts for, in the order in which the requestor proposes them.
    fn choose<'p>(&mut self, proposed: &'p ProposedContext) -> Option<&'p str> {
        let class = &proposed.abstract_syntax;
        let is_open = |syntax: &str| self.0.contains(&(class.clone(), syntax.to_owned()));
        let offered = || proposed.transfer_syntaxes.iter().map(String::as_str);
        let plain = LITTLE_ENDIAN.into_iter();
        let mut wanted = plain.filter(|syntax| offered().any(|one| one == *syntax));
        let plain = wanted
            .next()
            .filter(|_| !LITTLE_ENDIAN.into_iter().any(is_open));
        let plain = plain.and_then(|plain| offered().find(|one| *one == plain));
        let other = || {
            let standard = |one: &&str| one.starts_with(STANDARD_TRANSFER_SYNTAXES);
            offered().find(|one| standard(one) && !is_open(one))
        };
        let chosen = plain.or_else(other);
        let chosen = chosen.or_else(|| choose_transfer_syntax(proposed))?;
        self.0.insert((class.clone(), chosen.to_owned()));
        Some(chosen)
    }
}

/// What is granted of what was proposed for accepted classes. What is not answered stays at its default.
fn grant(proposed: &Proposals, accepted: &[&str], offers: Offers) -> Proposals {
    let is_accepted = |class: &str| accepted.contains(&class);
    let roles = proposed
        .roles
        .iter()
        .filter(|role| is_accepted(&role.sop_class));
    let roles = roles.map(|role| {
        let may_take = match Service::of(&role.sop_class) {
            Service::Storage | Service::Private => offers.query,
            Service::Commitment => offers.hearing,
            _ => false,
        };
        Role {
            sop_class: role.sop_class.clone(),
            is_scu: role.is_scu,
            is_scp: role.is_scp && may_take,
        }
    });
    let extended = proposed.extended.iter().filter(|extended| {
        let is_query = matches!(
            Service::of(&extended.sop_class),
            Service::Find(_) | Service::Move(_) | Service::Get(_)
        );
        is_query && is_accepted(&extended.sop_class)
    });
    let extended = extended.map(|extended| {
        // Nothing of it is done: a key that is left out above the level is taken without it, and keys of a level below
        // its own say nothing of a study (PS3.4 section C.5.1.1).
        let information = vec![0; extended.information.len()];
        Extended {
            sop_class: extended.sop_class.clone(),
            information,
        }
    });
    Proposals {
        roles: roles.collect(),
        extended: extended.collect(),
        window: proposed.window.map(|_| ONE_AT_A_TIME),
    }
}

/// Why an association is rejected.
pub(super) enum NotLetIn {
    /// The request cannot be answered, or calls another.
    Request(Rejection),
    /// Who calls is not let in.
    Caller(Refusal),
}

impl NotLetIn {
    /// The rejection to send. Who is not let in is not told why: that is for the operator.
    pub(super) fn rejection(&self) -> Rejection {
        match self {
            NotLetIn::Request(rejection) => *rejection,
            NotLetIn::Caller(_) => Rejection::permanent(RejectionReason::CallingAeTitle),
        }
    }
}

/// Judge who calls, from `address` and having shown `certificate`.
///
/// # Errors
/// Why it is not let in.
pub(super) fn admit(
    request: &AssociateRequest,
    config: &ScpConfig,
    address: IpAddr,
    certificate: Option<[u8; 32]>,
) -> Result<Permission, NotLetIn> {
    judge_request(request, config).map_err(NotLetIn::Request)?;
    let calling = &config.accept.calling;
    calling
        .admit(&request.calling, address, certificate)
        .map_err(NotLetIn::Caller)
}

fn judge_request(request: &AssociateRequest, config: &ScpConfig) -> Result<(), Rejection> {
    if !request.speaks_version_1() {
        return Err(Rejection::permanent(RejectionReason::ProtocolVersion));
    }
    if request.application_context != APPLICATION_CONTEXT {
        return Err(Rejection::permanent(RejectionReason::ApplicationContext));
    }
    if config.accept.called == Called::Ours && request.called != config.ae_title {
        return Err(Rejection::permanent(RejectionReason::CalledAeTitle));
    }
    if (1..SMALLEST_PEER_PDU).contains(&request.maximum_length) {
        return Err(Rejection::permanent(RejectionReason::Other(1, 1)));
    }
    Ok(())
}

fn judge_context(proposed: &ProposedContext, accept: &Accept, offers: Offers) -> ContextResult {
    let is_offered = match Service::of(&proposed.abstract_syntax) {
        Service::Verification | Service::Storage => true,
        Service::Private => accept.private_classes.takes(&proposed.abstract_syntax),
        Service::Find(_) | Service::Get(_) => offers.query,
        Service::Move(_) => offers.forwarding,
        Service::Commitment => offers.commitment || offers.hearing,
        Service::Other => false,
    };
    if !is_offered {
        ContextResult::AbstractSyntaxNotSupported
    } else if choose_transfer_syntax(proposed).is_none() {
        ContextResult::TransferSyntaxesNotSupported
    } else {
        ContextResult::Accepted
    }
}

/// Of a class whose objects are stored: the first offered transfer syntax of the standard; the first of
/// all when every one is private. The requestor's order is its preference, usually the encoding the
/// object already has. Of other services the first that is read here.
fn choose_transfer_syntax(proposed: &ProposedContext) -> Option<&str> {
    let mut offered = proposed.transfer_syntaxes.iter();
    match Service::of(&proposed.abstract_syntax) {
        Service::Find(_) | Service::Move(_) | Service::Get(_) | Service::Commitment => {
            let plain =
                |syntax: &String| PLAIN_TRANSFER_SYNTAXES.iter().any(|(uid, _)| uid == syntax);
            offered.find(|syntax| plain(syntax)).map(String::as_str)
        }
        Service::Verification | Service::Storage | Service::Private | Service::Other => {
            let standard = offered.find(|s| s.starts_with(STANDARD_TRANSFER_SYNTAXES));
            standard
                .or(proposed.transfer_syntaxes.first())
                .map(String::as_str)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dicom::scp::{Limits, PrivateClasses};
    use std::collections::BTreeSet;

    const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
    const IMPLICIT: &str = "1.2.840.10008.1.2";
    const J2K: &str = "1.2.840.10008.1.2.4.90";
    const GE_PRIVATE: &str = "1.2.840.113619.5.2";

    fn config() -> ScpConfig {
        ScpConfig {
            address: ([127, 0, 0, 1], 0).into(),
            tls: None,
            ae_title: "DOKUEI".parse().unwrap(),
            accept: Accept::default(),
            limits: Limits::default(),
        }
    }

    fn request(contexts: &[(u8, &str, &[&str])]) -> AssociateRequest {
        let contexts = contexts
            .iter()
            .map(|(id, syntax, transfer)| ProposedContext {
                id: *id,
                abstract_syntax: (*syntax).to_owned(),
                transfer_syntaxes: transfer.iter().map(|t| (*t).to_owned()).collect(),
            });
        let (called, calling) = ("ANY-SCP".parse().unwrap(), "CT1".parse().unwrap());
        AssociateRequest::new(called, calling, contexts.collect())
    }

    #[test]
    fn every_storage_context_is_accepted_in_its_first_transfer_syntax() {
        let agreement = negotiate(
            request(&[
                (1, CT, &[J2K, IMPLICIT]),
                (3, "1.2.840.10008.1.1", &[IMPLICIT]),
                (5, "1.2.840.10008.5.1.4.1.2.2.1", &[IMPLICIT]),
                (7, "1.3.12.2.1107.5.9.1", &[IMPLICIT]),
                (9, CT, &[GE_PRIVATE, IMPLICIT]),
                (11, CT, &[GE_PRIVATE]),
            ]),
            &config(),
            Offers::default(),
        );
        let results: Vec<_> = agreement
            .answer
            .contexts
            .iter()
            .map(|c| c.result as u8)
            .collect();
        assert_eq!(results, [0, 0, 3, 3, 0, 0]);
        assert_eq!(agreement.contexts[&1].transfer_syntax, J2K);
        assert_eq!(agreement.contexts[&9].transfer_syntax, IMPLICIT);
        assert_eq!(agreement.contexts[&11].transfer_syntax, GE_PRIVATE);
        assert!(!agreement.contexts.contains_key(&5));
    }

    #[test]
    fn of_what_a_requestor_takes_back_one_transfer_syntax_is_uncompressed() {
        const EXPLICIT: &str = "1.2.840.10008.1.2.1";
        let chosen = |contexts: &[(u8, &str, &[&str])], transcoding| {
            let mut request = request(contexts);
            request.proposals.roles = vec![Role {
                sop_class: CT.to_owned(),
                is_scu: false,
                is_scp: true,
            }];
            let offers = Offers {
                query: true,
                transcoding,
                ..Offers::default()
            };
            let agreement = negotiate(request, &config(), offers);
            let open = agreement.contexts.into_values();
            open.map(|open| open.transfer_syntax).collect::<Vec<_>>()
        };
        let several: [(u8, &str, &[&str]); 1] = [(1, CT, &[J2K, IMPLICIT, EXPLICIT])];
        assert_eq!(chosen(&several, true), [EXPLICIT]);
        assert_eq!(chosen(&several, false), [J2K]);
        let beside: [(u8, &str, &[&str]); 3] = [
            (1, CT, &[J2K, EXPLICIT]),
            (3, CT, &[IMPLICIT]),
            (5, CT, &[EXPLICIT, J2K]),
        ];
        assert_eq!(chosen(&beside, true), [J2K, IMPLICIT, EXPLICIT]);
        assert_eq!(chosen(&[(1, CT, &[J2K])], true), [J2K]);
    }

    #[test]
    fn private_classes_are_taken_where_the_site_says_so() {
        let taken = |classes: PrivateClasses| {
            let mut config = config();
            config.accept.private_classes = classes;
            let offered = [
                (1, "1.3.12.2.1107.5.9.1", &[IMPLICIT][..]),
                (3, "1.2.392.200036.9125.1.1.2", &[IMPLICIT]),
                (5, "1.2.840.10008.1.40", &[IMPLICIT]),
            ];
            let agreement = negotiate(request(&offered), &config, Offers::default());
            agreement.contexts.into_keys().collect::<BTreeSet<u8>>()
        };
        let these = PrivateClasses::These(vec!["1.3.12.2.1107.5.9.1".to_owned()]);
        assert_eq!(taken(PrivateClasses::None), BTreeSet::new());
        assert_eq!(taken(these), BTreeSet::from([1]));
        assert_eq!(taken(PrivateClasses::All), BTreeSet::from([1, 3]));
    }

    #[test]
    fn strangers_are_rejected_with_the_reason() {
        let reason = |change: &dyn Fn(&mut ScpConfig, &mut AssociateRequest)| {
            let (mut config, mut request) = (config(), request(&[(1, CT, &[IMPLICIT])]));
            change(&mut config, &mut request);
            let judged = admit(&request, &config, [127, 0, 0, 1].into(), None);
            judged.err().map(|why| why.rejection().reason)
        };
        assert_eq!(reason(&|_, _| {}), None);
        assert_eq!(
            reason(&|c, _| c.accept.called = Called::Ours),
            Some(RejectionReason::CalledAeTitle)
        );
        assert_eq!(
            reason(&|_, r| r.application_context = "1.2.3".to_owned()),
            Some(RejectionReason::ApplicationContext)
        );
        assert_eq!(
            reason(&|_, r| r.protocol_version = 2),
            Some(RejectionReason::ProtocolVersion)
        );
        assert_eq!(
            reason(&|_, r| r.maximum_length = 100),
            Some(RejectionReason::Other(1, 1))
        );
    }
}
