//! Messages as they are read out of PDUs, at either side of an association: whole command sets and small data sets, within
//! bounds; of large data sets one part after another.

use std::io::Read;

use super::command::{COMMAND_LIMIT, Command};
use crate::dicom::pdu::reader::{Arrival, Fragment, PduReader};
use crate::dicom::pdu::watch::{MinimumRate, Watch};
use crate::dicom::pdu::{LinkFault, PduFault, PduKind};

/// Fragments of one command set: senders use one; the smallest PDU we agree to needs ten. Bounds the empty fragments a
/// peer may send.
const COMMAND_FRAGMENTS: usize = 256;

/// Longest data set that is read whole: identifiers with lists of ten thousand UIDs are below this.
const DATA_SET_LIMIT: usize = 1024 * 1024;

impl<R: Read> PduReader<R> {
    /// The next whole command set and its context, which must be one of those that are open; nothing when the peer
    /// releases. From its first part on a peer that is in the middle of it must keep to `rate`, where one is given.
    ///
    /// # Errors
    /// The peer's fault, its silence, or the network; the association is over.
    pub(crate) fn command(
        &mut self,
        is_open: impl Fn(u8) -> bool,
        rate: Option<MinimumRate>,
    ) -> Result<Option<(u8, Command)>, LinkFault> {
        let mut gathered = Vec::new();
        let mut begun = None;
        for _ in 0..COMMAND_FRAGMENTS {
            let fragment = match self.next()? {
                Arrival::Fragment(fragment) => fragment,
                Arrival::ReleaseRequest if begun.is_none() => return Ok(None),
                other => return Err(other.unexpected("between messages")),
            };
            let context = fragment.context;
            if !fragment.is_command {
                return Err(LinkFault::Message("a data set came without a command"));
            }
            if !is_open(context) {
                return Err(LinkFault::Message(
                    "a command came on a context that is not open",
                ));
            }
            let is_first = begun.is_none();
            if *begun.get_or_insert(context) != context {
                return Err(LinkFault::Message(
                    "a command set changes its context midway",
                ));
            }
            if gathered.len() + fragment.data.len() > COMMAND_LIMIT {
                return Err(LinkFault::Message("a command set is longer than 16 KiB"));
            }
            gathered.extend_from_slice(fragment.data);
            if fragment.is_last {
                let command = Command::decode(&gathered).map_err(LinkFault::Message)?;
                return Ok(Some((context, command)));
            }
            if let Some(rate) = rate.filter(|_| is_first) {
                self.set_watch(Watch::flow(rate));
            }
        }
        Err(LinkFault::Message(
            "a command set comes in more than 256 fragments",
        ))
    }

    /// The next part of the data set on `context`.
    ///
    /// # Errors
    /// As of [`PduReader::command`].
    pub(crate) fn data_fragment(&mut self, context: u8) -> Result<Fragment<'_>, LinkFault> {
        match self.next()? {
            Arrival::Fragment(fragment) if fragment.is_command => Err(LinkFault::Message(
                "a command came in the middle of a data set",
            )),
            Arrival::Fragment(fragment) if fragment.context != context => Err(wrong_context()),
            Arrival::Fragment(fragment) => Ok(fragment),
            other => Err(other.unexpected("in the middle of a data set")),
        }
    }

    /// A small data set on `context`, whole.
    ///
    /// # Errors
    /// As of [`PduReader::command`].
    pub(crate) fn whole_data_set(&mut self, context: u8) -> Result<Vec<u8>, LinkFault> {
        let mut whole = Vec::new();
        loop {
            let fragment = self.data_fragment(context)?;
            if whole.len() + fragment.data.len() > DATA_SET_LIMIT {
                return Err(LinkFault::Message(
                    "the data set of a message is longer than 1 MiB",
                ));
            }
            whole.extend_from_slice(fragment.data);
            if fragment.is_last {
                return Ok(whole);
            }
        }
    }
}

/// A data set on another context than its command.
pub(crate) fn wrong_context() -> LinkFault {
    LinkFault::Pdu(PduFault::Malformed {
        kind: PduKind::Data,
        what: "a data set comes on another context than its command",
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::dicom::dimse::command::field;
    use crate::dicom::dimse::message::echo_request;
    use crate::dicom::pdu::Phase;
    use crate::dicom::pdu::writer::{self, put_command, put_data_set};

    /// Looks at what is read out of these bytes.
    fn reading<T>(bytes: &[u8], look: impl FnOnce(&mut PduReader<&[u8]>) -> T) -> T {
        let watch = Watch::within(Duration::from_secs(60), Phase::Message);
        look(&mut PduReader::new(bytes, watch, None))
    }

    fn command(bytes: &[u8]) -> Result<Option<(u8, Command)>, LinkFault> {
        reading(bytes, |reader| reader.command(|context| context == 1, None))
    }

    fn why<T>(read: Result<T, LinkFault>) -> &'static str {
        match read {
            Err(LinkFault::Message(why)) => why,
            Err(LinkFault::Pdu(PduFault::Malformed { what, .. })) => what,
            Err(LinkFault::Pdu(PduFault::Unexpected { during, .. })) => during,
            Err(other) => panic!("{other:?}"),
            Ok(_) => panic!("it was read"),
        }
    }

    /// A value of its own PDU.
    fn part(context: u8, control: u8, bytes: &[u8]) -> Vec<u8> {
        let mut pdu = vec![4, 0];
        pdu.extend_from_slice(&(bytes.len() as u32 + 6).to_be_bytes());
        pdu.extend_from_slice(&(bytes.len() as u32 + 2).to_be_bytes());
        pdu.extend_from_slice(&[context, control]);
        pdu.extend_from_slice(bytes);
        pdu
    }

    const COMMAND: u8 = 1;
    const LAST: u8 = 2;

    #[test]
    fn a_command_set_is_read_in_one_part_or_many() {
        let echo = echo_request(7);
        for largest in [16 * 1024, 20] {
            let mut pdus = Vec::new();
            put_command(&mut pdus, 1, &echo, largest);
            let (context, command) = command(&pdus).ok().flatten().unwrap();
            assert_eq!((context, command.field), (1, field::C_ECHO_RQ));
            assert_eq!(command.message_id, Some(7));
        }
        let release = writer::release(PduKind::ReleaseRequest);
        assert!(matches!(command(&release), Ok(None)));
    }

    #[test]
    fn what_is_no_command_set_is_named() {
        let echo = echo_request(7);
        let half = part(1, COMMAND, &echo[..20]);
        let then = |rest: Vec<u8>| [half.clone(), rest].concat();
        let empty = part(1, COMMAND, &[]);
        for (bytes, expected) in [
            (part(1, LAST, &echo), "without a command"),
            (part(3, COMMAND | LAST, &echo), "not open"),
            (then(part(3, COMMAND | LAST, &echo[20..])), "not open"),
            (then(part(1, LAST, &echo[20..])), "without a command"),
            (part(1, COMMAND, &[0; COMMAND_LIMIT + 1]), "16 KiB"),
            (empty.repeat(COMMAND_FRAGMENTS), "256 fragments"),
            (
                then(writer::release(PduKind::ReleaseRequest).to_vec()),
                "between messages",
            ),
        ] {
            let why = why(command(&bytes));
            assert!(why.contains(expected), "{why}");
        }
        let changed = then(part(3, COMMAND | LAST, &echo[20..]));
        let read = reading(&changed, |reader| reader.command(|_| true, None));
        assert!(why(read).contains("midway"));
        assert!(matches!(command(&half), Err(LinkFault::Closed)));
    }

    #[test]
    fn a_small_data_set_is_read_whole_and_a_large_one_is_not() {
        let whole = |bytes: &[u8]| reading(bytes, |reader| reader.whole_data_set(1));
        let mut pdus = Vec::new();
        put_data_set(&mut pdus, 1, &[7; 100], 40);
        assert!(whole(&pdus).is_ok_and(|bytes| bytes == [7; 100]));
        assert!(why(whole(&part(3, LAST, &[]))).contains("another context"));
        assert!(why(whole(&part(1, COMMAND, &[]))).contains("a command came"));
        let release = writer::release(PduKind::ReleaseRequest);
        assert!(why(whole(&release)).contains("in the middle"));
        let piece = part(1, 0, &[0; 64 * 1024]);
        assert!(why(whole(&piece.repeat(17))).contains("1 MiB"));
    }
}
