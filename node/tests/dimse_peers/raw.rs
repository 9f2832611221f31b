//! A peer that writes bytes as it likes. Association PDUs are made by `dicom-ul`, so that both
//! sides of a conversation are not ours.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use dicom_ul::pdu::{
    AssociationRQ, Pdu, PresentationContextProposed, UserVariableItem, read_pdu, write_pdu,
};

use crate::memory::PATIENCE;

pub(crate) struct Peer {
    pub(crate) socket: TcpStream,
    arrived: Vec<u8>,
}

impl Peer {
    pub(crate) fn connect(to: SocketAddr) -> Self {
        let socket = TcpStream::connect(to).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Peer {
            socket,
            arrived: Vec::new(),
        }
    }

    /// Connect, and propose one context per abstract syntax (identifiers 1, 3, …) in Implicit VR.
    pub(crate) fn associate(to: SocketAddr, abstract_syntaxes: &[&str]) -> Self {
        Peer::associate_by(to, &request(abstract_syntaxes))
    }

    /// Connect with this association request.
    pub(crate) fn associate_by(to: SocketAddr, request: &[u8]) -> Self {
        let mut peer = Peer::connect(to);
        peer.send(request);
        match peer.receive() {
            Some(Pdu::AssociationAC(_)) => peer,
            other => panic!("no association: {other:?}"),
        }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).unwrap();
    }

    /// The next PDU; nothing at the end of the connection.
    pub(crate) fn receive(&mut self) -> Option<Pdu> {
        loop {
            let mut unread = self.arrived.as_slice();
            if let Some(pdu) = read_pdu(&mut unread, 1 << 20, true).unwrap() {
                let rest = unread.to_vec();
                self.arrived = rest;
                return Some(pdu);
            }
            let mut buffer = [0; 4096];
            match self.socket.read(&mut buffer) {
                Ok(0) => return None,
                Ok(count) => self.arrived.extend_from_slice(&buffer[..count]),
                Err(e) if e.kind() == ErrorKind::ConnectionReset => return None,
                Err(e) => panic!("nothing came: {e}"),
            }
        }
    }

    /// The association must end with an A-ABORT and the end of the connection.
    pub(crate) fn assert_aborted(&mut self) {
        match self.receive() {
            Some(Pdu::AbortRQ { .. }) => assert!(self.receive().is_none()),
            other => panic!("not aborted: {other:?}"),
        }
    }

    /// A single read with a short wait finds the connection still open and silent.
    pub(crate) fn is_silent(&mut self) -> bool {
        let short = Some(Duration::from_millis(50));
        self.socket.set_read_timeout(short).unwrap();
        let read = self.socket.read(&mut [0]);
        self.socket.set_read_timeout(Some(PATIENCE)).unwrap();
        matches!(read, Err(e) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&e.kind()))
    }
}

/// An association request, encoded by `dicom-ul`.
pub(crate) fn request(abstract_syntaxes: &[&str]) -> Vec<u8> {
    request_storing(abstract_syntaxes, &[])
}

/// The same of one who stores what is of these classes, for C-GET.
pub(crate) fn request_storing(abstract_syntaxes: &[&str], stored: &[&str]) -> Vec<u8> {
    let contexts = (1..=u8::MAX).step_by(2).zip(abstract_syntaxes);
    let presentation_contexts = contexts
        .map(|(id, syntax)| PresentationContextProposed {
            id,
            abstract_syntax: (*syntax).to_owned(),
            transfer_syntaxes: vec!["1.2.840.10008.1.2".to_owned()],
        })
        .collect();
    encode(&Pdu::AssociationRQ(AssociationRQ {
        protocol_version: 1,
        calling_ae_title: "RAW".to_owned(),
        called_ae_title: "DOKUEI".to_owned(),
        application_context_name: "1.2.840.10008.3.1.1.1".to_owned(),
        presentation_contexts,
        user_variables: [
            UserVariableItem::MaxLength(16384),
            UserVariableItem::ImplementationClassUID("1.2.3".to_owned()),
        ]
        .into_iter()
        .chain(stored.iter().map(|class| role(class)))
        .collect(),
    }))
}

/// The role of an SCP for a class (PS3.7 section D.3.3.4).
fn role(sop_class: &str) -> UserVariableItem {
    let mut item = (sop_class.len() as u16).to_be_bytes().to_vec();
    item.extend_from_slice(sop_class.as_bytes());
    item.extend_from_slice(&[0, 1]);
    UserVariableItem::Unknown(0x54, item)
}

pub(crate) fn encode(pdu: &Pdu) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_pdu(&mut bytes, pdu).unwrap();
    bytes
}

/// A P-DATA-TF with one value.
pub(crate) fn data(context: u8, is_command: bool, is_last: bool, bytes: &[u8]) -> Vec<u8> {
    let mut pdu = vec![4, 0];
    pdu.extend_from_slice(&(bytes.len() as u32 + 6).to_be_bytes());
    pdu.extend_from_slice(&(bytes.len() as u32 + 2).to_be_bytes());
    pdu.extend_from_slice(&[context, u8::from(is_command) | u8::from(is_last) << 1]);
    pdu.extend_from_slice(bytes);
    pdu
}

/// A command set out of (element, value) in the order given, without a group length.
pub(crate) fn command(elements: &[(u16, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (element, value) in elements {
        bytes.extend_from_slice(&[0, 0]);
        bytes.extend_from_slice(&element.to_le_bytes());
        bytes.extend_from_slice(&(value.len() as u32).to_le_bytes());
        bytes.extend_from_slice(value);
    }
    bytes
}

/// C-STORE-RQ 1 for a class and instance.
pub(crate) fn store_request(sop_class: &str, sop_instance: &str) -> Vec<u8> {
    let elements: [(u16, &[u8]); 6] = [
        (0x0002, sop_class.as_bytes()),
        (0x0100, &[0x01, 0x00]),
        (0x0110, &[1, 0]),
        (0x0700, &[0, 0]),
        (0x0800, &[1, 0]),
        (0x1000, sop_instance.as_bytes()),
    ];
    command(&elements)
}

/// The value of an element of group 0000 in a command set.
pub(crate) fn value_of(command: &[u8], wanted: u16) -> Option<Vec<u8>> {
    let mut at = 0;
    while at < command.len() {
        let element = u16::from_le_bytes(command[at + 2..at + 4].try_into().unwrap());
        let length = u32::from_le_bytes(command[at + 4..at + 8].try_into().unwrap()) as usize;
        if element == wanted {
            return Some(command[at + 8..at + 8 + length].to_vec());
        }
        at += 8 + length;
    }
    None
}

/// Status of the response in a P-DATA-TF.
pub(crate) fn status_of(pdu: Option<Pdu>) -> u16 {
    let Some(Pdu::PData { data }) = pdu else {
        panic!("no response: {pdu:?}");
    };
    let status = value_of(&data[0].data, 0x0900).expect("a response has a status");
    u16::from_le_bytes([status[0], status[1]])
}
