//! Command sets (PS3.7 section 6.3.1) as they are read: group 0000, always Implicit VR Little Endian.

use super::element;
use crate::dicom::pdu::uid::uid_field;
use crate::dicom::pdu::{AeTitle, LinkFault};

/// The longest command set taken. C-STORE needs about 200 bytes; the longest the standard can
/// build out of its own elements stays below 2 KiB.
pub(crate) const COMMAND_LIMIT: usize = 16 * 1024;

/// Command fields (PS3.7 annex E.1).
pub(crate) mod field {
    pub(crate) const C_STORE_RQ: u16 = 0x0001;
    pub(crate) const C_STORE_RSP: u16 = 0x8001;
    pub(crate) const C_GET_RQ: u16 = 0x0010;
    pub(crate) const C_FIND_RQ: u16 = 0x0020;
    pub(crate) const C_FIND_RSP: u16 = 0x8020;
    pub(crate) const C_MOVE_RQ: u16 = 0x0021;
    pub(crate) const C_MOVE_RSP: u16 = 0x8021;
    pub(crate) const C_ECHO_RQ: u16 = 0x0030;
    pub(crate) const C_ECHO_RSP: u16 = 0x8030;
    pub(crate) const N_EVENT_REPORT_RQ: u16 = 0x0100;
    pub(crate) const N_EVENT_REPORT_RSP: u16 = 0x8100;
    pub(crate) const N_ACTION_RQ: u16 = 0x0130;
    pub(crate) const N_ACTION_RSP: u16 = 0x8130;
    pub(crate) const C_CANCEL_RQ: u16 = 0x0FFF;
    /// Set in every response.
    pub(crate) const RESPONSE: u16 = 0x8000;
}

/// A UID element of a command set.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum UidElement {
    /// Not there.
    Absent,
    /// There, but not of the grammar; what it held was not kept.
    Invalid,
    /// There.
    Valid(String),
}

impl UidElement {
    fn read(value: &[u8]) -> Self {
        match uid_field(value) {
            Some(uid) => UidElement::Valid(uid.to_owned()),
            None => UidElement::Invalid,
        }
    }

    /// The UID, if it is one.
    pub(crate) fn valid(&self) -> Option<&str> {
        match self {
            UidElement::Valid(uid) => Some(uid),
            UidElement::Absent | UidElement::Invalid => None,
        }
    }
}

/// How many sub-operations of a C-MOVE or C-GET there are left and were done (PS3.7 section 9.1.3).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Not in every response.
    pub(crate) remaining: Option<u16>,
    pub(crate) completed: u16,
    pub(crate) failed: u16,
    pub(crate) warning: u16,
}

/// The elements of a command set that concern the services spoken here.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) field: u16,
    pub(crate) message_id: Option<u16>,
    pub(crate) responded_message_id: Option<u16>,
    /// Affected SOP Class UID; of an N-ACTION the requested one.
    pub(crate) sop_class: UidElement,
    /// Affected SOP Instance UID; of an N-ACTION the requested one.
    pub(crate) sop_instance: UidElement,
    pub(crate) status: Option<u16>,
    pub(crate) has_data_set: bool,
    /// Where a C-MOVE is to send; nothing when it is no AE title.
    pub(crate) move_destination: Option<AeTitle>,
    /// Action Type ID of an N-ACTION, Event Type ID of an N-EVENT-REPORT.
    pub(crate) type_id: Option<u16>,
    pub(crate) counts: Counts,
}

impl Command {
    /// Decode a whole command set.
    ///
    /// # Errors
    /// Which rule it breaks: an element cut short, an element of another group, a wrong length,
    /// or no command field or data set type.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, &'static str> {
        let mut field = None;
        let mut data_set_type = None;
        let mut command = Command {
            field: 0,
            message_id: None,
            responded_message_id: None,
            sop_class: UidElement::Absent,
            sop_instance: UidElement::Absent,
            status: None,
            has_data_set: false,
            move_destination: None,
            type_id: None,
            counts: Counts::default(),
        };
        let mut rest = bytes;
        while !rest.is_empty() {
            let (number, value, behind) = split_element(rest)?;
            rest = behind;
            match number {
                element::AFFECTED_SOP_CLASS | element::REQUESTED_SOP_CLASS => {
                    command.sop_class = UidElement::read(value);
                }
                element::AFFECTED_SOP_INSTANCE | element::REQUESTED_SOP_INSTANCE => {
                    command.sop_instance = UidElement::read(value);
                }
                element::MOVE_DESTINATION => command.move_destination = title(value),
                element::EVENT_TYPE | element::ACTION_TYPE => {
                    command.type_id = Some(short(value)?);
                }
                element::REMAINING => command.counts.remaining = Some(short(value)?),
                element::COMPLETED => command.counts.completed = short(value)?,
                element::FAILED => command.counts.failed = short(value)?,
                element::WARNING => command.counts.warning = short(value)?,
                element::COMMAND_FIELD => field = Some(short(value)?),
                element::MESSAGE_ID => command.message_id = Some(short(value)?),
                element::RESPONDED_MESSAGE_ID => {
                    command.responded_message_id = Some(short(value)?);
                }
                element::DATA_SET_TYPE => data_set_type = Some(short(value)?),
                element::STATUS => command.status = Some(short(value)?),
                // The rest (group length, priority, move originator, comments) does not change
                // what is to be done, and a peer's comment may name a patient.
                _irrelevant => {}
            }
        }
        command.field = field.ok_or("a command set has no command field")?;
        let data_set_type = data_set_type.ok_or("a command set has no data set type")?;
        command.has_data_set = data_set_type != element::NO_DATA_SET;
        Ok(command)
    }
}

impl Command {
    /// The status of a response, which must have this command field and be to the request `message_id`.
    ///
    /// # Errors
    /// It is to another request, or has no status.
    pub(crate) fn status_of(&self, expected: u16, message_id: u16) -> Result<u16, LinkFault> {
        if self.field != expected || self.responded_message_id != Some(message_id) {
            return Err(LinkFault::Message("a response is to another request"));
        }
        self.status
            .ok_or(LinkFault::Message("a response has no status"))
    }
}

/// Element number and value of the first element, and what is behind it.
fn split_element(bytes: &[u8]) -> Result<(u16, &[u8], &[u8]), &'static str> {
    const CUT: &str = "an element of a command set is cut short";
    let (header, rest) = bytes.split_first_chunk::<8>().ok_or(CUT)?;
    let [g0, g1, e0, e1, l0, l1, l2, l3] = *header;
    if (g0, g1) != (0, 0) {
        return Err("a command set has an element outside group 0000");
    }
    let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    let (value, behind) = rest.split_at_checked(length).ok_or(CUT)?;
    Ok((u16::from_le_bytes([e0, e1]), value, behind))
}

/// An unsigned short value.
fn short(value: &[u8]) -> Result<u16, &'static str> {
    match *value {
        [low, high] => Ok(u16::from_le_bytes([low, high])),
        _ => Err("a number in a command set is not two bytes"),
    }
}

/// An AE title, padded with spaces or with NULs.
fn title(value: &[u8]) -> Option<AeTitle> {
    let text = std::str::from_utf8(value).ok()?;
    text.trim_end_matches('\0').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dicom::dimse::message::{Answer, echo_request, response, store_request};
    use proptest::prelude::*;

    #[test]
    fn a_store_request_is_read_back() {
        let bytes = store_request(7, "1.2.840.10008.5.1.4.1.1.2", "1.2.3", None);
        assert_eq!(
            u32::from_le_bytes(bytes[8..12].try_into().unwrap()) as usize,
            bytes.len() - 12
        );
        let command = Command::decode(&bytes).ok().unwrap();
        assert_eq!(command.field, field::C_STORE_RQ);
        assert_eq!(command.message_id, Some(7));
        assert_eq!(command.sop_class.valid(), Some("1.2.840.10008.5.1.4.1.1.2"));
        assert_eq!(command.sop_instance.valid(), Some("1.2.3"));
        assert!(command.has_data_set);
    }

    #[test]
    fn a_response_carries_status_and_message_id() {
        let request = Command::decode(&store_request(9, "1.2", "1.2.3", None))
            .ok()
            .unwrap();
        let bytes = response(&request, &Answer::failure(0xA700, Some("disk full")));
        assert_eq!(bytes.len() % 2, 0);
        let answer = Command::decode(&bytes).ok().unwrap();
        assert_eq!(answer.field, field::C_STORE_RSP);
        assert_eq!(answer.status, Some(0xA700));
        assert_eq!(answer.responded_message_id, Some(9));
        assert!(!answer.has_data_set);
    }

    #[test]
    fn broken_command_sets_are_named() {
        let good = echo_request(1);
        assert!(Command::decode(&good[..good.len() - 1]).is_err());
        assert!(Command::decode(&[]).is_err());
        let mut foreign = good.clone();
        foreign[12] = 8;
        assert!(Command::decode(&foreign).is_err());
        let mut endless = good;
        endless[16..20].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(Command::decode(&endless).is_err());
    }

    #[test]
    fn a_hostile_uid_is_not_kept() {
        let bytes = store_request(1, "1.2", "../../etc/passwd", None);
        let command = Command::decode(&bytes).ok().unwrap();
        assert!(command.sop_instance == UidElement::Invalid);
        let answer = Command::decode(&response(&command, &Answer::status(0x0117)))
            .ok()
            .unwrap();
        assert!(answer.sop_instance == UidElement::Absent);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
            if let Ok(command) = Command::decode(&bytes) {
                prop_assert!(bytes.len() >= 20);
                prop_assert!(command.sop_instance.valid().is_none_or(|u| u.len() <= 64));
            }
        }
    }
}
