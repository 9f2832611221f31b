//! Command sets as they are written.

use super::command::{Command, Counts, field};
use super::element;
use super::status::code;
use crate::dicom::pdu::AeTitle;

const MEDIUM_PRIORITY: u16 = 0x0000;

/// Whose C-MOVE an object is sent for.
#[derive(Clone)]
pub(crate) struct Originator {
    /// Who asked for it.
    pub(crate) title: AeTitle,
    /// In which of its messages.
    pub(crate) message_id: u16,
}

/// What a response says.
#[derive(Clone, Default)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    /// Group and element that made it fail.
    pub(crate) offending: Option<(u16, u16)>,
    /// VR LO.
    pub(crate) comment: Option<&'a str>,
    pub(crate) counts: Option<Counts>,
    pub(crate) has_data_set: bool,
}

impl<'a> Answer<'a> {
    /// Only a status.
    pub(crate) fn status(status: u16) -> Self {
        Answer::failure(status, None)
    }

    /// A status and, for a failure, an error comment.
    pub(crate) fn failure(status: u16, comment: Option<&'a str>) -> Self {
        Answer {
            status,
            comment,
            ..Answer::default()
        }
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

    fn title(self, number: u16, title: &AeTitle) -> Self {
        self.element(number, title.as_str().as_bytes(), b' ')
    }

    fn counts(self, counts: Counts) -> Self {
        let encoder = match counts.remaining {
            Some(remaining) => self.short(element::REMAINING, remaining),
            None => self,
        };
        encoder
            .short(element::COMPLETED, counts.completed)
            .short(element::FAILED, counts.failed)
            .short(element::WARNING, counts.warning)
    }

    fn finish(self) -> Vec<u8> {
        let length = (self.0.len() as u32).to_le_bytes();
        let mut whole = Encoder(Vec::with_capacity(self.0.len() + 12));
        whole = whole.element(element::GROUP_LENGTH, &length, 0);
        whole.0.extend_from_slice(&self.0);
        whole.0
    }
}

/// The command set that tells the sender of this one of success.
///
/// # Errors
/// The rule that the command set breaks.
pub fn acknowledged(command_set: &[u8]) -> Result<Vec<u8>, &'static str> {
    let command = Command::decode(command_set)?;
    Ok(response(&command, &Answer::status(code::SUCCESS)))
}

/// C-ECHO-RQ for the Verification SOP Class.
pub(crate) fn echo_request(message_id: u16) -> Vec<u8> {
    Encoder::new()
        .uid(element::AFFECTED_SOP_CLASS, super::VERIFICATION)
        .short(element::COMMAND_FIELD, field::C_ECHO_RQ)
        .short(element::MESSAGE_ID, message_id)
        .short(element::DATA_SET_TYPE, element::NO_DATA_SET)
        .finish()
}

/// C-STORE-RQ with medium priority; a data set follows.
pub(crate) fn store_request(
    message_id: u16,
    sop_class: &str,
    sop_instance: &str,
    originator: Option<&Originator>,
) -> Vec<u8> {
    let encoder = Encoder::new()
        .uid(element::AFFECTED_SOP_CLASS, sop_class)
        .short(element::COMMAND_FIELD, field::C_STORE_RQ)
        .short(element::MESSAGE_ID, message_id)
        .short(element::PRIORITY, MEDIUM_PRIORITY)
        .short(element::DATA_SET_TYPE, element::DATA_SET_FOLLOWS)
        .uid(element::AFFECTED_SOP_INSTANCE, sop_instance);
    match originator {
        Some(originator) => encoder
            .title(element::MOVE_ORIGINATOR, &originator.title)
            .short(element::MOVE_ORIGINATOR_MESSAGE_ID, originator.message_id),
        None => encoder,
    }
    .finish()
}

/// C-FIND-RQ; its identifier follows.
pub(crate) fn find_request(message_id: u16, sop_class: &str) -> Vec<u8> {
    Encoder::new()
        .uid(element::AFFECTED_SOP_CLASS, sop_class)
        .short(element::COMMAND_FIELD, field::C_FIND_RQ)
        .short(element::MESSAGE_ID, message_id)
        .short(element::PRIORITY, MEDIUM_PRIORITY)
        .short(element::DATA_SET_TYPE, element::DATA_SET_FOLLOWS)
        .finish()
}

/// C-MOVE-RQ to `destination`; its identifier follows.
pub(crate) fn move_request(message_id: u16, sop_class: &str, destination: &AeTitle) -> Vec<u8> {
    Encoder::new()
        .uid(element::AFFECTED_SOP_CLASS, sop_class)
        .short(element::COMMAND_FIELD, field::C_MOVE_RQ)
        .short(element::MESSAGE_ID, message_id)
        .title(element::MOVE_DESTINATION, destination)
        .short(element::PRIORITY, MEDIUM_PRIORITY)
        .short(element::DATA_SET_TYPE, element::DATA_SET_FOLLOWS)
        .finish()
}

/// C-CANCEL-RQ of the request `message_id`.
pub(crate) fn cancel_request(message_id: u16) -> Vec<u8> {
    Encoder::new()
        .short(element::COMMAND_FIELD, field::C_CANCEL_RQ)
        .short(element::RESPONDED_MESSAGE_ID, message_id)
        .short(element::DATA_SET_TYPE, element::NO_DATA_SET)
        .finish()
}

/// N-ACTION-RQ of `action` on an instance; its information follows.
pub(crate) fn action_request(
    message_id: u16,
    sop_class: &str,
    sop_instance: &str,
    action: u16,
) -> Vec<u8> {
    Encoder::new()
        .uid(element::REQUESTED_SOP_CLASS, sop_class)
        .short(element::COMMAND_FIELD, field::N_ACTION_RQ)
        .short(element::MESSAGE_ID, message_id)
        .short(element::DATA_SET_TYPE, element::DATA_SET_FOLLOWS)
        .uid(element::REQUESTED_SOP_INSTANCE, sop_instance)
        .short(element::ACTION_TYPE, action)
        .finish()
}

/// N-EVENT-REPORT-RQ of `event` of an instance; its information follows.
pub(crate) fn event_request(
    message_id: u16,
    sop_class: &str,
    sop_instance: &str,
    event: u16,
) -> Vec<u8> {
    Encoder::new()
        .uid(element::AFFECTED_SOP_CLASS, sop_class)
        .short(element::COMMAND_FIELD, field::N_EVENT_REPORT_RQ)
        .short(element::MESSAGE_ID, message_id)
        .short(element::DATA_SET_TYPE, element::DATA_SET_FOLLOWS)
        .uid(element::AFFECTED_SOP_INSTANCE, sop_instance)
        .short(element::EVENT_TYPE, event)
        .finish()
}

/// The response to `request`.
pub(crate) fn response(request: &Command, answer: &Answer<'_>) -> Vec<u8> {
    let data_set_type = if answer.has_data_set {
        element::DATA_SET_FOLLOWS
    } else {
        element::NO_DATA_SET
    };
    let mut encoder = Encoder::new()
        .optional_uid(element::AFFECTED_SOP_CLASS, request.sop_class.valid())
        .short(element::COMMAND_FIELD, request.field | field::RESPONSE)
        .short(
            element::RESPONDED_MESSAGE_ID,
            request.message_id.unwrap_or(0),
        )
        .short(element::DATA_SET_TYPE, data_set_type)
        .short(element::STATUS, answer.status);
    if let Some((group, number)) = answer.offending {
        let tag = [group.to_le_bytes(), number.to_le_bytes()].concat();
        encoder = encoder.element(element::OFFENDING_ELEMENT, &tag, 0);
    }
    if let Some(text) = answer.comment {
        encoder = encoder.element(element::ERROR_COMMENT, text.as_bytes(), b' ');
    }
    encoder = encoder.optional_uid(element::AFFECTED_SOP_INSTANCE, request.sop_instance.valid());
    encoder = match (request.field, request.type_id) {
        (field::N_EVENT_REPORT_RQ, Some(event)) => encoder.short(element::EVENT_TYPE, event),
        (field::N_ACTION_RQ, Some(action)) => encoder.short(element::ACTION_TYPE, action),
        _ => encoder,
    };
    match answer.counts {
        Some(counts) => encoder.counts(counts),
        None => encoder,
    }
    .finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Command {
        Command::decode(bytes).ok().unwrap()
    }

    #[test]
    fn requests_are_read_back() {
        let to: AeTitle = "READER".parse().unwrap();
        let asked = read(&move_request(3, "1.2", &to));
        assert_eq!(asked.field, field::C_MOVE_RQ);
        assert_eq!(asked.move_destination, Some(to));
        assert!(asked.has_data_set);
        let cancel = read(&cancel_request(3));
        assert_eq!(
            (cancel.field, cancel.responded_message_id),
            (0x0FFF, Some(3))
        );
        assert!(!cancel.has_data_set);
        for (bytes, expected) in [
            (action_request(5, "1.2", "1.2.1", 1), field::N_ACTION_RQ),
            (
                event_request(5, "1.2", "1.2.1", 2),
                field::N_EVENT_REPORT_RQ,
            ),
        ] {
            let request = read(&bytes);
            assert_eq!(request.field, expected);
            assert_eq!(request.sop_class.valid(), Some("1.2"));
            assert_eq!(request.sop_instance.valid(), Some("1.2.1"));
            let answer = read(&response(&request, &Answer::status(0)));
            assert_eq!(answer.field, expected | field::RESPONSE);
            assert_eq!(answer.type_id, request.type_id);
            assert_eq!(answer.sop_instance.valid(), Some("1.2.1"));
        }
    }

    #[test]
    fn sub_operations_and_the_offending_element_are_told() {
        let request = read(&find_request(1, "1.2"));
        let counts = Counts {
            remaining: Some(4),
            completed: 3,
            failed: 2,
            warning: 1,
        };
        let told = response(
            &request,
            &Answer {
                status: 0xB000,
                offending: Some((0x0008, 0x0052)),
                counts: Some(counts),
                ..Answer::default()
            },
        );
        assert!(told.windows(4).any(|bytes| bytes == [0x08, 0, 0x52, 0]));
        assert!(read(&told).counts == counts);
    }
}
