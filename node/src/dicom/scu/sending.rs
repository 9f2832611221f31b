//! Sends one object: the command and the data set, streamed through one buffer.

use std::io::{self, ErrorKind, Read};

use super::association::Association;
use super::store::Outgoing;
use crate::dicom::dimse::command::field;
use crate::dicom::dimse::message::{self, Originator};
use crate::dicom::pdu::watch::{MinimumRate, Watch};
use crate::dicom::pdu::writer::{chunk_length, data_header, put_command};
use crate::dicom::pdu::{LinkFault, PDU_HEADER, Phase, VALUE_HEADER};

/// How much is gathered before it is written: several PDUs to a destination that takes small ones,
/// so that the number of system calls does not depend on it.
const GATHERED: usize = 256 * 1024;

/// How long to look for an A-ABORT that explains a connection that broke while sending.
const LAST_WORDS: std::time::Duration = std::time::Duration::from_secs(1);

/// Why an object was not answered.
pub(in crate::dicom) enum SendFault {
    /// It could not be read, and nothing of it was sent: the association is as before.
    Unreadable(io::Error),
    /// It could not be read to its end: the association must be aborted.
    CutShort(io::Error),
    /// The association broke.
    Link(LinkFault),
}

/// Gathers PDUs of one data set.
struct Outbox<'a> {
    bytes: &'a mut Vec<u8>,
    context: u8,
    /// Bytes of data in a full PDU.
    chunk: usize,
    /// A byte read to learn whether there is more, and not yet sent.
    ahead: Option<u8>,
}

impl Outbox<'_> {
    /// Append the next PDU of `data`; answers whether it is the last.
    fn append(&mut self, data: &mut dyn Read) -> io::Result<bool> {
        let head = self.bytes.len();
        self.bytes
            .extend_from_slice(&[0; PDU_HEADER + VALUE_HEADER]);
        let begin = self.bytes.len();
        self.bytes.extend(self.ahead.take());
        let wanted = self.chunk - (self.bytes.len() - begin);
        // The buffer has room for a whole chunk: this reads into it directly.
        data.take(wanted as u64).read_to_end(self.bytes)?;
        let length = self.bytes.len() - begin;
        if length == self.chunk {
            self.ahead = one_byte(data)?;
        }
        let is_last = self.ahead.is_none();
        let header = data_header(self.context, false, is_last, length as u32);
        if let Some(place) = self.bytes.get_mut(head..begin) {
            place.copy_from_slice(&header);
        }
        Ok(is_last)
    }
}

/// The next byte, if there is one.
fn one_byte(data: &mut dyn Read) -> io::Result<Option<u8>> {
    let mut byte = [0];
    loop {
        match data.read(&mut byte) {
            Ok(0) => return Ok(None),
            Ok(_) => return Ok(Some(byte[0])),
            Err(why) if why.kind() == ErrorKind::Interrupted => {}
            Err(why) => return Err(why),
        }
    }
}

/// How an object goes out.
pub(in crate::dicom) struct Way {
    pub(in crate::dicom) context: u8,
    pub(in crate::dicom) message_id: u16,
    /// Longest P-DATA-TF body the peer takes.
    pub(in crate::dicom) largest_pdu: u32,
    pub(in crate::dicom) rate: MinimumRate,
}

/// Writes bytes to the peer, within what a watch allows.
pub(in crate::dicom) type Send<'s> = dyn FnMut(&[u8], &mut Watch) -> Result<(), LinkFault> + 's;

/// Send the C-STORE-RQ of `object` and its data set by `send`. `buffer` is reused from object to object.
pub(in crate::dicom) fn stream(
    send: &mut Send<'_>,
    way: &Way,
    originator: Option<&Originator>,
    object: &mut dyn Outgoing,
    buffer: &mut Vec<u8>,
) -> Result<(), SendFault> {
    let (class, instance) = (object.sop_class(), object.sop_instance());
    let command = message::store_request(way.message_id, class, instance, originator);
    let chunk = chunk_length(way.largest_pdu);
    buffer.clear();
    // Beyond what is gathered: the last PDU, and the few bytes `read_to_end` likes to see free.
    buffer.reserve(GATHERED + chunk + 1024);
    put_command(buffer, way.context, &command, way.largest_pdu);
    let mut outbox = Outbox {
        bytes: buffer,
        context: way.context,
        chunk,
        ahead: None,
    };
    let mut data = object.open().map_err(SendFault::Unreadable)?;
    let mut watch = Watch::flow(way.rate);
    let mut sent = false;
    loop {
        let is_last = match outbox.append(&mut *data) {
            Ok(is_last) => is_last,
            Err(why) if sent => return Err(SendFault::CutShort(why)),
            Err(why) => return Err(SendFault::Unreadable(why)),
        };
        if is_last || outbox.bytes.len() >= GATHERED {
            send(outbox.bytes, &mut watch).map_err(SendFault::Link)?;
            outbox.bytes.clear();
            sent = true;
        }
        if is_last {
            return Ok(());
        }
    }
}

impl Association {
    /// Send `object` on `context` and wait for its status.
    pub(super) fn store(
        &mut self,
        context: u8,
        originator: Option<&Originator>,
        object: &mut dyn Outgoing,
        buffer: &mut Vec<u8>,
    ) -> Result<u16, SendFault> {
        let way = Way {
            context,
            message_id: self.next_message_id(),
            largest_pdu: self.largest_pdu,
            rate: self.timeouts.rate,
        };
        let link = self.reader.source_mut();
        let mut send = |bytes: &[u8], watch: &mut Watch| link.send(bytes, watch);
        match stream(&mut send, &way, originator, object, buffer) {
            Err(SendFault::Link(fault)) => Err(SendFault::Link(self.last_words(fault))),
            Err(other) => Err(other),
            Ok(()) => self
                .response(context, field::C_STORE_RSP, way.message_id)
                .map_err(SendFault::Link),
        }
    }

    /// A connection that closed while we were writing may have an A-ABORT waiting to be read.
    fn last_words(&mut self, fault: LinkFault) -> LinkFault {
        if !matches!(fault, LinkFault::Closed) {
            return fault;
        }
        let watch = Watch::within(LAST_WORDS, Phase::Response);
        self.reader.set_watch(watch);
        match self.reader.next() {
            Err(LinkFault::Aborted(abort)) => LinkFault::Aborted(abort),
            Ok(_) | Err(_) => fault,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Read `data` into PDUs of at most `chunk` bytes; answers each PDU's length and last flag.
    fn pdus(data: &[u8], chunk: usize) -> Vec<(usize, bool)> {
        let mut bytes = Vec::new();
        let mut outbox = Outbox {
            bytes: &mut bytes,
            context: 1,
            chunk,
            ahead: None,
        };
        let mut rest = data;
        while !outbox.append(&mut rest).unwrap() {}
        let mut found = Vec::new();
        let mut payload = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let item = u32::from_be_bytes(bytes[at + 6..at + 10].try_into().unwrap()) as usize;
            let pdu = u32::from_be_bytes(bytes[at + 2..at + 6].try_into().unwrap()) as usize;
            assert_eq!(pdu, item + 4);
            payload.extend_from_slice(&bytes[at + 12..at + 10 + item]);
            found.push((item - 2, bytes[at + 11] & 2 != 0));
            at += 6 + pdu;
        }
        assert_eq!(payload, data);
        found
    }

    #[test]
    fn the_last_fragment_is_marked_whatever_the_length() {
        assert_eq!(pdus(&[], 8), [(0, true)]);
        assert_eq!(pdus(&[1; 6], 8), [(6, true)]);
        assert_eq!(pdus(&[1; 8], 8), [(8, true)]);
        assert_eq!(pdus(&[1; 10], 8), [(8, false), (2, true)]);
        assert_eq!(pdus(&[1; 16], 8), [(8, false), (8, true)]);
    }
}
