//! This site's own archive: received studies and reports go there, bytes unchanged where it takes them so. What it takes
//! only in another transfer syntax is noted as such ([`Form`]).

mod ahead;
mod commitment;
mod confirmed;
mod fetching;
mod priors;

use std::io::{self, Cursor, Read};
use std::ops::ControlFlow;
use std::sync::Arc;

use dokuei_keys::id::{ParcelId, SiteId};
use dokuei_keys::secret::ContentKey;

use crate::config::Archive;
use crate::dicom::pdu::AeTitle;
use crate::dicom::scu::{self, Delivery, Destination, Ended, Outgoing, Timeouts, Transcoding};
use crate::language::{Explain, Message, displayed_in_english};
use crate::parcels::{ObjectHead, OpenedObject, Parcels};
use crate::say;
use crate::studies::study::Study;
use crate::transfer::progress::Progress;

pub use ahead::{Storing, StoringAhead};
pub use commitment::Asked;
pub use confirmed::{Confirmed, Form};
pub use fetching::{Ended as FetchEnded, Fetched, Fetching, Wish, fetch_study};
pub use priors::{Answered, Prior, priors};

/// Sends to the archive.
#[derive(Clone)]
pub struct Archiver {
    destination: Destination,
    /// Where the archive can commit to what it keeps.
    asked: Option<Asked>,
}

/// The archive did not take everything.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It cannot be reached, or broke off.
    Unreachable(Message),
    /// It refused an object.
    Refused(Message),
    /// It took everything, and does not answer for it.
    NotCommitted(Message),
    /// A sealed object here cannot be opened.
    Unreadable,
}

impl Explain for ArchiveError {
    fn message(&self) -> Message {
        match self {
            ArchiveError::Unreachable(why) => say!(
                "自施設の PACS に送れません: {why}。PACS が動いていること、PACS にこのノードの AE タイトルが登録されていることを確認してください",
                "the archive cannot be reached or broke off: {why}; check that it runs and knows this node's AE title";
                why = why.clone()
            ),
            ArchiveError::Refused(why) => say!(
                "自施設の PACS がオブジェクトを受け取りません: {why}。PACS の受信設定を確認してください",
                "the archive refused an object: {why}; check what it accepts";
                why = why.clone()
            ),
            ArchiveError::NotCommitted(why) => say!(
                "自施設の PACS が保管を確認しません: {why}。保管確認（Storage Commitment）に対応していない PACS では archive.commitment を false にしてください",
                "the archive does not commit to what it took: {why}; where it cannot, set archive.commitment to false";
                why = why.clone()
            ),
            ArchiveError::Unreadable => say!(
                "このノードに保存された画像を開けません。ディスクを確認してください",
                "a sealed object of this node cannot be opened: check the disk"
            ),
        }
    }
}

displayed_in_english!(ArchiveError);

impl Archiver {
    /// Sends to this archive as `calling_ae`. None when a title is not one.
    pub fn new(archive: &Archive, calling_ae: &str) -> Option<Archiver> {
        let destination = Destination {
            host: archive.host.clone(),
            port: archive.port,
            called_ae: archive.ae_title.parse::<AeTitle>().ok()?,
            calling_ae: calling_ae.parse::<AeTitle>().ok()?,
            timeouts: Timeouts::default(),
            tls: None,
            breaker: None,
            transcoding: None,
        };
        let asked = archive.commitment.then(Asked::default);
        Some(Archiver { destination, asked })
    }

    /// The same, bringing what it does not take as it is into what it takes.
    pub fn transcoding(mut self, by: Arc<dyn Transcoding>) -> Archiver {
        self.destination.transcoding = Some(by);
        self
    }

    /// Where the archive is, and as whom it is called.
    pub fn destination(&self) -> &Destination {
        &self.destination
    }

    /// Where the archive's answers for what it keeps are heard, if it is asked for them.
    pub fn answers(&self) -> Option<Asked> {
        self.asked.clone()
    }

    /// Sends what the archive has not confirmed of a study, and has it answer for the whole where it can.
    ///
    /// # Errors
    /// [`ArchiveError`]; what was taken by then is taken and noted.
    pub fn store_study(
        &self,
        parcels: &Parcels,
        key: &ContentKey,
        site: SiteId,
        study: &Study,
        confirmed: &Confirmed,
        progress: &Progress,
    ) -> Result<(), ArchiveError> {
        let left: Vec<usize> = (0..study.objects.len())
            .filter(|position| !confirmed.has(*position))
            .collect();
        let objects = left.iter().map(|position| {
            let slot = study.objects[*position].slot;
            let opened = Sealed::open(parcels, key, study.parcel, site, slot);
            Box::new(opened) as Box<dyn Outgoing>
        });
        self.send(objects, &|index, form| {
            if let Some(position) = left.get(index as usize) {
                ahead::note(confirmed, (*position, form), progress);
            }
        })?;
        match &self.asked {
            Some(asked) => asked.commit(&self.destination, study, confirmed),
            None => Ok(()),
        }
    }

    /// Sends one object that is at hand.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn store_object(&self, head: ObjectHead, data_set: Vec<u8>) -> Result<(), ArchiveError> {
        let object = AtHand { head, data_set };
        let objects = std::iter::once(Box::new(object) as Box<dyn Outgoing>);
        self.send(objects, &|_, _| {})
    }

    /// Sends objects as they come; `is_ready` says whether there is one, `stored` is told the number
    /// of each that the archive has, and its form there. What it does not take is not told apart here.
    fn send_arriving<'a>(
        &self,
        objects: impl Iterator<Item = Box<dyn Outgoing + 'a>>,
        is_ready: &dyn Fn() -> bool,
        stored: &dyn Fn(u64, Form),
    ) -> Ended {
        let mut report = |outcome: scu::Outcome| {
            if outcome.delivery.is_stored() {
                stored(outcome.index, form(&outcome));
            }
            ControlFlow::Continue(())
        };
        scu::store_arriving(&self.destination, objects, is_ready, &mut report).ended
    }

    fn send<'a>(
        &self,
        objects: impl Iterator<Item = Box<dyn Outgoing + 'a>>,
        stored: &dyn Fn(u64, Form),
    ) -> Result<(), ArchiveError> {
        let mut failure = None;
        let summary = scu::store(&self.destination, objects, &mut |outcome| {
            if outcome.delivery.is_stored() {
                stored(outcome.index, form(&outcome));
            } else if failure.is_none() {
                failure = Some(failed(&outcome.delivery));
            }
            ControlFlow::Continue(())
        });
        match (summary.ended, failure) {
            (Ended::GaveUp(fault), _) => Err(ArchiveError::Unreachable(fault.message())),
            (_, Some(failure)) => Err(failure),
            (Ended::Complete | Ended::Cancelled, None) => Ok(()),
        }
    }
}

/// In which form the archive took an object.
fn form(outcome: &scu::Outcome) -> Form {
    match outcome.brought_into {
        Some(_) => Form::Transcoded,
        None => Form::AsSealed,
    }
}

fn failed(delivery: &Delivery) -> ArchiveError {
    match delivery {
        Delivery::NotTranscoded { .. } => ArchiveError::Refused(delivery.message()),
        Delivery::Unreadable { .. } => ArchiveError::Unreadable,
        other if other.may_retry() => ArchiveError::Unreachable(other.message()),
        other => ArchiveError::Refused(other.message()),
    }
}

/// A sealed object, opened when its turn comes.
struct Sealed<'a> {
    parcels: &'a Parcels,
    key: &'a ContentKey,
    parcel: ParcelId,
    site: SiteId,
    slot: u32,
    head: ObjectHead,
}

impl<'a> Sealed<'a> {
    /// An object whose head cannot be read has no UIDs and fails when it is opened.
    fn open(
        parcels: &'a Parcels,
        key: &'a ContentKey,
        parcel: ParcelId,
        site: SiteId,
        slot: u32,
    ) -> Sealed<'a> {
        let head = OpenedObject::open(parcels, key, parcel, site, slot)
            .ok()
            .and_then(|mut object| ObjectHead::read(&mut object).ok().flatten());
        let none = ObjectHead {
            sop_class: String::new(),
            sop_instance: String::new(),
            transfer_syntax: String::new(),
        };
        Sealed {
            parcels,
            key,
            parcel,
            site,
            slot,
            head: head.unwrap_or(none),
        }
    }
}

impl Outgoing for Sealed<'_> {
    fn sop_class(&self) -> &str {
        &self.head.sop_class
    }

    fn sop_instance(&self) -> &str {
        &self.head.sop_instance
    }

    fn transfer_syntax(&self) -> &str {
        &self.head.transfer_syntax
    }

    fn open(&mut self) -> io::Result<Box<dyn Read + Send + '_>> {
        let damaged = |error: &dyn std::fmt::Display| {
            io::Error::new(io::ErrorKind::InvalidData, error.to_string())
        };
        let opened = OpenedObject::open(self.parcels, self.key, self.parcel, self.site, self.slot);
        let mut object = opened.map_err(|error| damaged(&error))?.undigested();
        match ObjectHead::read(&mut object)? {
            Some(_) => Ok(Box::new(object)),
            None => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

struct AtHand {
    head: ObjectHead,
    data_set: Vec<u8>,
}

impl Outgoing for AtHand {
    fn sop_class(&self) -> &str {
        &self.head.sop_class
    }

    fn sop_instance(&self) -> &str {
        &self.head.sop_instance
    }

    fn transfer_syntax(&self) -> &str {
        &self.head.transfer_syntax
    }

    fn open(&mut self) -> io::Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(Cursor::new(&self.data_set)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::assert_explained;

    #[test]
    fn every_trouble_is_told_in_both_languages() {
        let refused = |for_now| Delivery::Refused {
            status: 0xA900,
            for_now,
        };
        let errors = [
            failed(&refused(true)),
            failed(&refused(false)),
            ArchiveError::NotCommitted(Message::new("答えがない", "no answer")),
            ArchiveError::Unreadable,
        ];
        assert_explained(errors.iter().map(|error| error as &dyn Explain));
        let told = errors[1].to_string();
        assert!(told.contains("A900"), "{told}");
    }
}
