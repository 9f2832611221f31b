//! A destination that takes objects, refuses them, aborts or falls silent, as its mood is.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::object::EXPLICIT;
use crate::raw;

/// What it does with one C-STORE.
pub(crate) enum Mood {
    Says(u16),
    Aborts,
    IsSilent,
}

/// A destination that accepts context 1 in Explicit VR Little Endian.
pub(crate) struct Moody {
    pub(crate) address: SocketAddr,
    /// How often each object came.
    came: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Moody {
    /// Asks `mood` about each object that comes: its UID, and how often it has come, this time counted.
    pub(crate) fn start(mood: impl Fn(&str, usize) -> Mood + Send + Sync + 'static) -> Moody {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let came: Arc<Mutex<BTreeMap<String, usize>>> = Arc::default();
        let (counted, mood) = (Arc::clone(&came), Arc::new(mood));
        // It ends with the test's process.
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let (counted, mood) = (Arc::clone(&counted), Arc::clone(&mood));
                std::thread::spawn(move || serve(socket, &counted, &*mood));
            }
        });
        Moody { address, came }
    }

    pub(crate) fn came(&self) -> BTreeMap<String, usize> {
        self.came.lock().unwrap().clone()
    }
}

/// The next PDU: its kind and body. Nothing once the other side has gone.
fn pdu(socket: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let mut header = [0; 6];
    socket.read_exact(&mut header).ok()?;
    let length = u32::from_be_bytes(header[2..6].try_into().unwrap()) as usize;
    let mut body = vec![0; length];
    socket.read_exact(&mut body).ok()?;
    Some((header[0], body))
}

/// An association answered without being read carefully.
pub(crate) fn accept_association(socket: &mut TcpStream) {
    pdu(socket).unwrap();
    let accept = dicom_ul::pdu::AssociationAC {
        protocol_version: 1,
        calling_ae_title: "CLINIC".to_owned(),
        called_ae_title: "DOKUEI".to_owned(),
        application_context_name: "1.2.840.10008.3.1.1.1".to_owned(),
        presentation_contexts: vec![dicom_ul::pdu::PresentationContextResult {
            id: 1,
            reason: dicom_ul::pdu::PresentationContextResultReason::Acceptance,
            transfer_syntax: EXPLICIT.to_owned(),
        }],
        user_variables: vec![dicom_ul::pdu::UserVariableItem::MaxLength(16384)],
    };
    socket.write_all(&raw::encode(&accept.into())).unwrap();
}

fn serve(
    mut socket: TcpStream,
    came: &Mutex<BTreeMap<String, usize>>,
    mood: &dyn Fn(&str, usize) -> Mood,
) {
    accept_association(&mut socket);
    let mut asked = (String::new(), Vec::new());
    while let Some((kind, body)) = pdu(&mut socket) {
        if kind == 5 {
            let _gone = socket.write_all(&[6, 0, 0, 0, 0, 4, 0, 0, 0, 0]);
            return;
        }
        let (flags, bytes) = (body[5], &body[6..]);
        if flags & 1 == 1 {
            let instance = raw::value_of(bytes, 0x1000).unwrap();
            let instance = String::from_utf8(instance).unwrap();
            asked = (
                instance.trim_end_matches('\0').to_owned(),
                raw::value_of(bytes, 0x0110).unwrap(),
            );
        }
        if flags != 2 {
            continue;
        }
        let (instance, message) = &asked;
        let count = {
            let mut came = came.lock().unwrap();
            let count = came.entry(instance.clone()).or_default();
            *count += 1;
            *count
        };
        match mood(instance, count) {
            Mood::Says(status) => {
                let response = raw::command(&[
                    (0x0100, &[0x01, 0x80]),
                    (0x0120, message),
                    (0x0800, &[1, 1]),
                    (0x0900, &status.to_le_bytes()),
                ]);
                let response = raw::data(1, true, true, &response);
                socket.write_all(&response).unwrap();
            }
            Mood::Aborts => {
                let _gone = socket.write_all(&[7, 0, 0, 0, 0, 4, 0, 0, 0, 0]);
                return;
            }
            Mood::IsSilent => {
                // Until the other side has had enough.
                while pdu(&mut socket).is_some() {}
                return;
            }
        }
    }
}
