//! Why cases ended without a report, or are to end, in words.

use dokuei_protocol::case::cancel::{Cancel, Told};
use dokuei_protocol::case::event::{DeclineReason, ReleaseReason, WithdrawalReason};
use dokuei_protocol::case::phase::Ending;
use dokuei_protocol::case::terms::CaseTerms;
use dokuei_protocol::partner::announcement::{CapacityOffer, OfferSlot};
use dokuei_protocol::service::views::Side;

use crate::language::{Message, word};
use crate::say;

/// Why a case ended with one reader. `terms` is what was asked for and `capacity` what that reader announces now, as far
/// as they are known here.
pub(super) fn ending(
    ending: Ending,
    terms: Option<&CaseTerms>,
    capacity: Option<&CapacityOffer>,
) -> Message {
    match ending {
        Ending::Declined(DeclineReason::NotOffered) => not_offered(terms, capacity),
        Ending::Declined(DeclineReason::Full) => say!(
            "その日の読影枠が埋まっています",
            "the places of that day are taken"
        ),
        Ending::Declined(DeclineReason::ByHand) => {
            say!("相手施設の人が断りました", "a person there declined")
        }
        Ending::Declined(DeclineReason::NoAgreement) => say!(
            "両施設の間に有効な契約がありません",
            "no agreement between the two sites is in force"
        ),
        Ending::Withdrawn(reason) => withdrawal(reason),
        Ending::Expired => say!(
            "期限までに引き受けがありませんでした",
            "nobody took it in time"
        ),
        Ending::Released(ReleaseReason::ShiftEnded) => say!("勤務終了", "the shift ended"),
        Ending::Released(ReleaseReason::OutsideCompetence) => {
            say!("専門外", "outside the reader's competence")
        }
        Ending::Released(ReleaseReason::ImageQuality) => {
            say!("画質不足", "the images do not allow a reading")
        }
        Ending::Released(ReleaseReason::Unreadable) => say!(
            "届いた鍵または画像を開けません",
            "what was granted cannot be opened"
        ),
        Ending::NotChosen => say!("他施設に決定", "another site was booked"),
    }
}

fn withdrawal(reason: WithdrawalReason) -> Message {
    match reason {
        WithdrawalReason::NotNeeded => say!("不要になった", "not needed any more"),
        WithdrawalReason::SentInError => say!("誤送信", "sent in error"),
        WithdrawalReason::ReadElsewhere => say!("他施設で読影済み", "read elsewhere"),
    }
}

/// That a reader was asked to stop, as each side reads it.
pub(super) fn asked_to_stop(cancel: &Cancel, side: Side) -> Message {
    let why = withdrawal(cancel.reason);
    match (side, cancel.told) {
        (Side::Reader, _) => say!(
            "依頼施設が読影の中止を求めています（{why}）。「dokuei case release」で返却するか、そのまま読影してください",
            "the requester asks you to stop ({why}): give it back with 'dokuei case release', or read on";
            why = why
        ),
        (Side::Requester, Told::OnItsWay) => say!(
            "読影の中止を依頼しましたが（{why}）、相手施設にまだ届いていません。急ぐときは電話してください",
            "the partner is asked to stop ({why}), but has not received that yet: call them if it is urgent";
            why = why
        ),
        (Side::Requester, Told::Told) => say!(
            "読影の中止を依頼し（{why}）、相手施設に届きました。続けるかどうかは相手施設が決めます",
            "the partner is asked to stop ({why}) and has received that: it may stop or read on";
            why = why
        ),
        (Side::Requester, Told::Refused) => say!(
            "読影の中止の依頼（{why}）を相手施設のノードが受け取りません。電話してください",
            "the partner's node does not take the request to stop ({why}): call them";
            why = why
        ),
    }
}

/// What of the terms the reader does not offer: the first of modality, sub-specialty and priority that none of its lines
/// covers.
fn not_offered(terms: Option<&CaseTerms>, capacity: Option<&CapacityOffer>) -> Message {
    match (terms, capacity) {
        (Some(terms), Some(capacity)) => not_offered_by(terms, &capacity.slots),
        (Some(_) | None, Some(_) | None) => nothing_offered(),
    }
}

fn nothing_offered() -> Message {
    say!(
        "相手施設の読影枠にありません",
        "the partner does not offer to read this"
    )
}

fn not_offered_by(terms: &CaseTerms, offered: &[OfferSlot]) -> Message {
    let mut slots: Vec<&OfferSlot> = offered.iter().collect();
    slots.retain(|slot| slot.modality == terms.modality);
    let modality = terms.modality.code();
    if slots.is_empty() {
        return say!(
            "相手施設の読影枠にない種別です（{modality}）",
            "the partner does not read this modality ({modality})"
        );
    }
    slots.retain(|slot| slot.specialty == terms.specialty);
    let specialty = word(terms.specialty.code());
    if slots.is_empty() {
        return say!(
            "相手施設の {modality} の読影枠にない専門領域です（{specialty}）",
            "the partner does not read {modality} of this specialty ({specialty})";
            specialty = specialty
        );
    }
    slots.retain(|slot| terms.priority <= slot.priority);
    let priority = word(terms.priority.code());
    if slots.is_empty() {
        return say!(
            "相手施設の {modality} の読影枠にない優先度です（{priority}）",
            "the partner does not read {modality} at this priority ({priority})";
            priority = priority
        );
    }
    nothing_offered()
}

#[cfg(test)]
mod tests {
    use dokuei_keys::id::DocumentId;
    use dokuei_protocol::case::terms::{Modality, Priority, Specialty};
    use dokuei_protocol::time::Timestamp;

    use super::*;
    use crate::language::assert_both;

    fn terms(modality: Modality, specialty: Specialty, priority: Priority) -> CaseTerms {
        CaseTerms {
            modality,
            specialty,
            priority,
            objects: 1,
            bytes: 1,
            due: Timestamp(1),
            addition_to: None,
        }
    }

    #[test]
    fn every_ending_is_told_in_both_languages() {
        let endings = [
            Ending::Declined(DeclineReason::NotOffered),
            Ending::Declined(DeclineReason::Full),
            Ending::Declined(DeclineReason::ByHand),
            Ending::Declined(DeclineReason::NoAgreement),
            Ending::Withdrawn(WithdrawalReason::NotNeeded),
            Ending::Withdrawn(WithdrawalReason::SentInError),
            Ending::Withdrawn(WithdrawalReason::ReadElsewhere),
            Ending::Expired,
            Ending::Released(ReleaseReason::ShiftEnded),
            Ending::Released(ReleaseReason::OutsideCompetence),
            Ending::Released(ReleaseReason::ImageQuality),
            Ending::Released(ReleaseReason::Unreadable),
            Ending::NotChosen,
        ];
        for how in endings {
            assert_both(&ending(how, None, None));
        }
    }

    #[test]
    fn a_request_to_stop_is_told_in_both_languages() {
        for side in [Side::Requester, Side::Reader] {
            for told in [Told::OnItsWay, Told::Told, Told::Refused] {
                let cancel = Cancel {
                    document: DocumentId::from_bytes([1; 32]),
                    at: Timestamp(1),
                    reason: WithdrawalReason::NotNeeded,
                    told,
                };
                assert_both(&asked_to_stop(&cancel, side));
            }
        }
    }

    #[test]
    fn what_is_not_offered_is_named() {
        let slots = [OfferSlot {
            modality: Modality::Ct,
            specialty: Specialty::General,
            priority: Priority::Routine,
            per_day: 1,
            hours: 24,
        }];
        let said = |terms: &CaseTerms| not_offered_by(terms, &slots).en;
        let (general, routine) = (Specialty::General, Priority::Routine);
        assert!(said(&terms(Modality::Mr, general, routine)).contains("modality (MR)"));
        assert!(said(&terms(Modality::Ct, Specialty::Neuro, routine)).contains("specialty"));
        assert!(said(&terms(Modality::Ct, general, Priority::Stat)).contains("priority (stat)"));
        assert!(said(&terms(Modality::Ct, general, routine)).contains("does not offer"));
    }
}
