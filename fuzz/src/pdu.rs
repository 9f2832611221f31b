//! What comes over a connection of the upper layer (`dicom/pdu`).

use std::io::{self, Read};

use dokuei_node::dicom::pdu::stream::{Arrival, acceptance_again, header, listen, request_again};
use dokuei_node::dicom::pdu::{AeTitle, PduFault, PduKind};

/// The same is heard in whatever pieces the bytes come, no more than came, and an association PDU that was written again is
/// written the same ever after.
pub fn check(data: &[u8]) {
    let whole = heard(data, data.len().max(1));
    let piece = if data.len() <= 2048 { 1 } else { 61 };
    let pieces = heard(data, piece);
    assert!(whole == pieces, "pieces of {piece}");
    let bytes: usize = whole.0.iter().map(|one| one.bytes.len()).sum();
    assert!(bytes <= data.len(), "more is heard than came");
    for one in &whole.0 {
        match one.kind {
            PduKind::AssociateRequest => restated(&one.bytes, &request_again),
            PduKind::AssociateAccept => restated(&one.bytes, &acceptance),
            _ => {}
        }
    }
}

/// A PDU, or all that came of a value.
#[derive(PartialEq)]
struct Heard {
    kind: PduKind,
    /// Context, whether it is of a command, whether it is complete.
    value: Option<(u8, bool, bool)>,
    bytes: Vec<u8>,
}

fn heard(data: &[u8], piece: usize) -> (Vec<Heard>, String) {
    let mut all: Vec<Heard> = Vec::new();
    let mut source = Pieces { data, piece };
    let fault = listen(&mut source, &mut |arrival| {
        let (kind, value, bytes) = match arrival {
            Arrival::Fragment(part) => {
                let value = (part.context, part.is_command, part.is_last);
                (PduKind::Data, Some(value), part.data)
            }
            Arrival::Associate(kind, body) => (kind, None, body),
            Arrival::ReleaseRequest => (PduKind::ReleaseRequest, None, &[][..]),
            Arrival::ReleaseReply => (PduKind::ReleaseReply, None, &[][..]),
        };
        // A value comes in as many parts as it was read in.
        let open = all.last_mut().filter(|last| {
            let goes_on = |(context, command, last): (u8, bool, bool)| {
                value.is_some_and(|new| (new.0, new.1) == (context, command)) && !last
            };
            last.value.is_some_and(goes_on)
        });
        match open {
            Some(open) => {
                open.bytes.extend_from_slice(bytes);
                open.value = value;
            }
            None => all.push(Heard {
                kind,
                value,
                bytes: bytes.to_vec(),
            }),
        }
    });
    (all, format!("{fault:?}"))
}

/// Reads the body of an association PDU and writes the PDU.
type Again = dyn Fn(&[u8]) -> Result<Vec<u8>, PduFault>;

fn acceptance(body: &[u8]) -> Result<Vec<u8>, PduFault> {
    let title: AeTitle = "ANY".parse().unwrap();
    acceptance_again(body, &title, &title)
}

fn restated(body: &[u8], again: &Again) {
    let Ok(once) = again(body) else {
        return;
    };
    let (head, rest) = once.split_first_chunk::<6>().unwrap();
    let (_, length) = header(*head).unwrap_or_else(|why| panic!("written, but not taken: {why}"));
    assert_eq!(length as usize, rest.len());
    let twice = again(rest).unwrap_or_else(|why| panic!("written, but not read: {why}"));
    assert!(once == twice, "written otherwise");
}

/// Gives its bytes in pieces.
struct Pieces<'a> {
    data: &'a [u8],
    piece: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len().min(self.piece);
        self.data.read(&mut buffer[..room])
    }
}
