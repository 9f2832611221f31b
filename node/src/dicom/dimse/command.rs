//! Command sets (PS3.7 section 6.3.1): group 0000, always Implicit VR Little Endian.

use crate::dicom::pdu::uid::uid_field;

/// The longest command set taken. C-STORE needs about 200 bytes; the longest the standard can
/// build out of its own elements stays below 2 KiB.
pub(crate) const COMMAND_LIMIT: usize = 16 * 1024;

/// Command fields (PS3.7 annex E.1).
pub(crate) mod field {
    pub(crate) const C_STORE_RQ: u16 = 0x0001;
    pub(crate) const C_STORE_RSP: u16 = 0x8001;
    pub(crate) const C_ECHO_RQ: u16 = 0x0030;
    pub(crate) const C_ECHO_RSP: u16 = 0x8030;
    pub(crate) const C_CANCEL_RQ: u16 = 0x0FFF;
    /// Set in every response.
    pub(crate) const RESPONSE: u16 = 0x8000;
}

/// Element numbers of group 0000.
mod element {
    pub(super) const GROUP_LENGTH: u16 = 0x0000;
    pub(super) const AFFECTED_SOP_CLASS: u16 = 0x0002;
    pub(super) const COMMAND_FIELD: u16 = 0x0100;
    pub(super) const MESSAGE_ID: u16 = 0x0110;
    pub(super) const RESPONDED_MESSAGE_ID: u16 = 0x0120;
    pub(super) const PRIORITY: u16 = 0x0700;
    pub(super) const DATA_SET_TYPE: u16 = 0x0800;
    pub(super) const STATUS: u16 = 0x0900;
    pub(super) const ERROR_COMMENT: u16 = 0x0902;
    pub(super) const AFFECTED_SOP_INSTANCE: u16 = 0x1000;
}

/// Command Data Set Type: no data set follows (PS3.7 annex E.1). Any other value: one follows.
const NO_DATA_SET: u16 = 0x0101;
const DATA_SET_FOLLOWS: u16 = 0x0001;
const MEDIUM_PRIORITY: u16 = 0x0000;

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

/// The elements of a command set that concern C-ECHO and C-STORE.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) field: u16,
    pub(crate) message_id: Option<u16>,
    pub(crate) responded_message_id: Option<u16>,
    pub(crate) sop_class: UidElement,
    pub(crate) sop_instance: UidElement,
    pub(crate) status: Option<u16>,
    pub(crate) has_data_set: bool,
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
        };
        let mut rest = bytes;
        while !rest.is_empty() {
            let (number, value, behind) = split_element(rest)?;
            rest = behind;
            match number {
                element::AFFECTED_SOP_CLASS => command.sop_class = UidElement::read(value),
                element::AFFECTED_SOP_INSTANCE => command.sop_instance = UidElement::read(value),
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
        command.has_data_set = data_set_type != NO_DATA_SET;
        Ok(command)
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

/// Collects elements in ascending order and puts the group length in front.
struct Encoder(Vec<u8>);

impl Encoder {
    fn new() -> Self {
        Encoder(Vec::with_capacity(256))
    }

    fn element(mut self, number: u16, value: &[u8], padding: u8) -> Self {
        let length = value.len() + value.len() % 2;
        self.0.extend_from_slice(&[0, 0]);
        self.0.extend_from_slice(&number.to_le_bytes());
        self.0.extend_from_slice(&(length as u32).to_le_bytes());
        self.0.extend_from_slice(value);
        if value.len() % 2 == 1 {
            self.0.push(padding);
        }
        self
    }

    fn short(self, number: u16, value: u16) -> Self {
        self.element(number, &value.to_le_bytes(), 0)
    }

    fn uid(self, number: u16, value: &str) -> Self {
        self.element(number, value.as_bytes(), 0)
    }

    fn optional_uid(self, number: u16, value: Option<&str>) -> Self {
        match value {
            Some(uid) => self.uid(number, uid),
            None => self,
        }
    }

    fn finish(self) -> Vec<u8> {
        let length = (self.0.len() as u32).to_le_bytes();
        let mut whole = Encoder(Vec::with_capacity(self.0.len() + 12));
        whole = whole.element(element::GROUP_LENGTH, &length, 0);
        whole.0.extend_from_slice(&self.0);
        whole.0
    }
}

/// C-ECHO-RQ for the Verification SOP Class.
pub(crate) fn echo_request(message_id: u16) -> Vec<u8> {
    Encoder::new()
        .uid(element::AFFECTED_SOP_CLASS, super::VERIFICATION)
        .short(element::COMMAND_FIELD, field::C_ECHO_RQ)
        .short(element::MESSAGE_ID, message_id)
        .short(element::DATA_SET_TYPE, NO_DATA_SET)
        .finish()
}

/// C-STORE-RQ with medium priority; a data set follows.
pub(crate) fn store_request(message_id: u16, sop_class: &str, sop_instance: &str) -> Vec<u8> {
    Encoder::new()
        .uid(element::AFFECTED_SOP_CLASS, sop_class)
        .short(element::COMMAND_FIELD, field::C_STORE_RQ)
        .short(element::MESSAGE_ID, message_id)
        .short(element::PRIORITY, MEDIUM_PRIORITY)
        .short(element::DATA_SET_TYPE, DATA_SET_FOLLOWS)
        .uid(element::AFFECTED_SOP_INSTANCE, sop_instance)
        .finish()
}

/// The response to `request` with `status` and, for a failure, an error comment (VR LO).
pub(crate) fn response(request: &Command, status: u16, comment: Option<&str>) -> Vec<u8> {
    let mut encoder = Encoder::new()
        .optional_uid(element::AFFECTED_SOP_CLASS, request.sop_class.valid())
        .short(element::COMMAND_FIELD, request.field | field::RESPONSE)
        .short(
            element::RESPONDED_MESSAGE_ID,
            request.message_id.unwrap_or(0),
        )
        .short(element::DATA_SET_TYPE, NO_DATA_SET)
        .short(element::STATUS, status);
    if let Some(text) = comment {
        encoder = encoder.element(element::ERROR_COMMENT, text.as_bytes(), b' ');
    }
    encoder
        .optional_uid(element::AFFECTED_SOP_INSTANCE, request.sop_instance.valid())
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_store_request_is_read_back() {
        let bytes = store_request(7, "1.2.840.10008.5.1.4.1.1.2", "1.2.3");
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
        let request = Command::decode(&store_request(9, "1.2", "1.2.3"))
            .ok()
            .unwrap();
        let bytes = response(&request, 0xA700, Some("disk full"));
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
        let bytes = store_request(1, "1.2", "../../etc/passwd");
        let command = Command::decode(&bytes).ok().unwrap();
        assert!(command.sop_instance == UidElement::Invalid);
        let answer = Command::decode(&response(&command, 0x0117, None))
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
