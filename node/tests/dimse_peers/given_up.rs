//! C-GET that is cancelled, or whose requestor leaves, while an object waits for a decoder.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use dicom_core::VR;
use dicom_dictionary_std::tags;
use dicom_ul::pdu::{PDataValueType, Pdu};
use dokuei_node::dicom::dataset;
use dokuei_node::dicom::scanner::Encoding;
use dokuei_node::dicom::scp::Scp;
use dokuei_node::dicom::scu::{IsWanted, Outgoing, Transcoding};

use crate::commit::until;
use crate::memory::PATIENCE;
use crate::object::*;
use crate::query::{cancel_request, last_status};
use crate::raw::{self, Peer, value_of};
use crate::shelf::{self, STUDY, Shelf, identifier};

const STUDY_ROOT_GET: &str = "1.2.840.10008.5.1.4.1.2.2.3";

/// More than is gathered before something is sent.
const BEGINNING: usize = 512 * 1024;

/// Decoders that have everything else to do.
#[derive(Debug, Default)]
struct Stuck {
    /// Bytes of an object before they are.
    beginning: usize,
    asked: AtomicUsize,
    released: AtomicBool,
    given_up: AtomicBool,
}

impl Stuck {
    /// Waits as long as it is wanted, and until it is released.
    fn wait(&self, is_wanted: &IsWanted<'_>) -> io::Result<()> {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until && !self.released.load(Ordering::Acquire) {
            if !is_wanted() {
                self.given_up.store(true, Ordering::Release);
                return Err(io::Error::other("not wanted"));
            }
            self.asked.fetch_add(1, Ordering::Release);
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Acquire)
    }
}

impl Transcoding for Stuck {
    fn ways(&self, _transfer_syntax: &str) -> &'static [&'static str] {
        &[IMPLICIT]
    }

    fn open<'o>(
        &'o self,
        _object: &'o mut dyn Outgoing,
        _into: &str,
        is_wanted: &'o IsWanted<'o>,
    ) -> io::Result<Box<dyn Read + Send + 'o>> {
        if self.beginning == 0 {
            self.wait(is_wanted)?;
        }
        Ok(Box::new(Halting {
            by: self,
            is_wanted,
            left: self.beginning,
        }))
    }
}

/// An object that comes so far, and no further before its decoder is released.
struct Halting<'o> {
    by: &'o Stuck,
    is_wanted: &'o IsWanted<'o>,
    left: usize,
}

impl Read for Halting<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            self.by.wait(self.is_wanted)?;
        }
        let count = out.len().min(self.left);
        out[..count].fill(0);
        self.left -= count;
        Ok(count)
    }
}

/// A C-GET, message 5, of two objects; the first waits for its decoder.
fn waiting(beginning: usize) -> (Scp, Arc<Stuck>, Peer) {
    let stuck = Arc::new(Stuck {
        beginning,
        ..Stuck::default()
    });
    let objects = [0, 1].map(|number| Object::new(CT, JPEG_LOSSLESS, number, 8));
    let by = Arc::clone(&stuck) as Arc<dyn Transcoding>;
    let (scp, ..) = shelf::start_transcoding(Shelf::of_objects(&objects), by);
    let request = raw::request_storing(&[STUDY_ROOT_GET, CT], &[CT]);
    let mut peer = Peer::associate_by(scp.local_addr(), &request);
    let command = raw::command(&[
        (0x0002, STUDY_ROOT_GET.as_bytes()),
        (0x0100, &[0x10, 0]),
        (0x0110, &[5, 0]),
        (0x0700, &[0, 0]),
        (0x0800, &[1, 0]),
    ]);
    let keys = [(tags::STUDY_INSTANCE_UID, VR::UI, STUDY)];
    let identifier = dataset::write(&identifier("STUDY", &keys), Encoding::ImplicitLittle);
    peer.send(&raw::data(1, true, true, &command));
    peer.send(&raw::data(1, false, true, &identifier));
    until("a wait for a decoder", || stuck.asked() > 0);
    (scp, stuck, peer)
}

#[test]
fn a_cancel_is_obeyed_while_an_object_waits_for_its_decoder() {
    let (_scp, stuck, mut peer) = waiting(0);
    peer.send(&cancel_request(5));
    assert_eq!(last_status(&mut peer), (0xFE00, 0));
    assert!(stuck.given_up.load(Ordering::Acquire));
}

#[test]
fn an_object_that_nobody_waits_for_any_more_is_given_up() {
    for beginning in [0, BEGINNING] {
        let (_scp, stuck, peer) = waiting(beginning);
        drop(peer);
        until("the end", || stuck.given_up.load(Ordering::Acquire));
    }
}

#[test]
fn an_object_that_has_begun_is_ended_before_a_cancel_is_obeyed() {
    let (_scp, stuck, mut peer) = waiting(BEGINNING);
    peer.send(&cancel_request(5));
    let asked = stuck.asked();
    until("a look at the cancel", || stuck.asked() > asked + 50);
    stuck.released.store(true, Ordering::Release);
    let mut message_id = None;
    let mut length = 0;
    loop {
        let Some(Pdu::PData { data }) = peer.receive() else {
            panic!("no object");
        };
        let value = &data[0];
        if value.value_type == PDataValueType::Command {
            message_id = value_of(&value.data, 0x0110);
            continue;
        }
        length += value.data.len();
        if value.is_last {
            break;
        }
    }
    assert_eq!(length, BEGINNING);
    let stored = raw::command(&[
        (0x0002, CT.as_bytes()),
        (0x0100, &[0x01, 0x80]),
        (0x0120, &message_id.unwrap()),
        (0x0800, &[1, 1]),
        (0x0900, &[0, 0]),
    ]);
    peer.send(&raw::data(3, true, true, &stored));
    assert_eq!(last_status(&mut peer), (0xFE00, 0));
    assert!(!stuck.given_up.load(Ordering::Acquire));
}
