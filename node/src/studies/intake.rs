//! Taking objects in: each is scanned, hashed and sealed while it arrives, and confirmed to its
//! sender only when it is durable.

use std::sync::atomic::{AtomicBool, Ordering};

use dicom_dictionary_std::tags;
use dokuei_keys::id::Digest;

use crate::audit::Audit;
use crate::audit::associations::Associations;
use crate::chance::chance;
use crate::clock::now;
use crate::dicom::dimse::{StoreFailure, StoreStatus};
use crate::dicom::header::Header;
use crate::dicom::scanner::{Limits, Scanner, TransferSyntax};
use crate::dicom::scp::{Caller, Incoming, Intake, Notice, ObjectWriter};
use crate::dicom::uid::Uid;
use crate::disk::Room;
use crate::parcels::{ObjectHead, SealedObject, SealingObject};
use crate::studies::likeness::{Likeness, NotNow, Sealed, likeness};
use crate::studies::quarantine::{Conflict, Taken, Why};
use crate::studies::register::{Added, HeldObject, Place, Register, RegisterError};
use crate::transcoding::Transcoder;

/// Bytes of a data set that are held in memory until its Study Instance UID has gone by. Headers
/// before it are a few kilobytes; private ones of old scanners reach some hundred. Every association may hold so much,
/// and the values that the scanner keeps.
const HELD_BYTES: usize = 1024 * 1024;

const FULL: StoreFailure = StoreFailure::new(
    StoreStatus::OutOfResources,
    "disk full: make room on the node",
    "ノードのディスクの空き容量が足りません。不要なファイルを削除してください",
);
const FAILED: StoreFailure = StoreFailure::new(
    StoreStatus::OutOfResources,
    "the node cannot write to its disk",
    "ノードがディスクに書き込めません。ディスクを確認してください",
);
const HALTED: StoreFailure = StoreFailure::new(
    StoreStatus::OutOfResources,
    "node stopped: its data folder is an older copy",
    "データフォルダが古い複製のため、ノードは停止しています",
);
const BUSY: StoreFailure = StoreFailure::new(
    StoreStatus::OutOfResources,
    "too many studies at once",
    "同時に受信中の検査が多すぎます。少し待ってから送り直してください",
);
const CONFLICT: StoreFailure = StoreFailure::new(
    StoreStatus::DuplicateInstance,
    "same SOP Instance UID, other content",
    "同じ SOP Instance UID で内容の違う画像が既にあるため、隔離しました",
);
const OF_ANOTHER_STUDY: StoreFailure = StoreFailure::new(
    StoreStatus::DuplicateInstance,
    "same SOP Instance UID is in another study",
    "同じ SOP Instance UID の画像が別の検査に既にあるため、隔離しました",
);
const LOSSY: StoreFailure = StoreFailure::new(
    StoreStatus::DuplicateInstance,
    "same UID: one of the two is compressed with loss",
    "同じ画像が既にあり、どちらか一方が非可逆圧縮のため、隔離しました",
);
const UNCOMPARED: StoreFailure = StoreFailure::new(
    StoreStatus::DuplicateInstance,
    "same UID in another coding, cannot be compared",
    "同じ SOP Instance UID の画像が別の圧縮方式で既にあり、比べられないため、隔離しました",
);
const NOT_KEPT: StoreFailure = StoreFailure::new(
    StoreStatus::DuplicateInstance,
    "same SOP Instance UID; not kept: too many are set aside",
    "同じ SOP Instance UID の画像が既にあります。隔離した画像が上限に達しているため、保存していません",
);
const COMING: StoreFailure = StoreFailure::new(
    StoreStatus::OutOfResources,
    "the same object is being written: send it again",
    "同じ画像を書き込み中です。少し待ってから送り直してください",
);
const NOT_NOW: StoreFailure = StoreFailure::new(
    StoreStatus::OutOfResources,
    "cannot be compared now with the one here: send it again",
    "既にある画像と、今は比べられません。少し待ってから送り直してください",
);
const REMOVING: StoreFailure = StoreFailure::new(
    StoreStatus::OutOfResources,
    "study is being removed here: send it again",
    "同じ検査をここで消去中です。少し待ってから送り直してください",
);
const MALFORMED: StoreFailure = StoreFailure::new(
    StoreStatus::CannotUnderstand,
    "data set is malformed: see the node's log",
    "DICOM データの形式に誤りがあります",
);
const MISMATCH: StoreFailure = StoreFailure::new(
    StoreStatus::DataSetMismatch,
    "data set is not the announced object",
    "送信時に告げられたものと違うオブジェクトです",
);
const NO_STUDY: StoreFailure = StoreFailure::new(
    StoreStatus::CannotUnderstand,
    "no Study Instance UID near the beginning",
    "検査を識別する Study Instance UID が見つかりません",
);

/// Hears the Study Instance UID of each object that is kept before its sender is told so, and says whether they may be.
pub type Witness = Box<dyn Fn(&str) -> Result<bool, RegisterError> + Send + Sync>;

/// Takes objects into the register.
pub struct StudyIntake {
    pub(super) register: Register,
    room: Room,
    halted: AtomicBool,
    associations: Associations,
    witness: Option<Witness>,
    pub(super) transcoder: Option<Transcoder>,
}

impl StudyIntake {
    /// An intake into this register, as long as the disk has room.
    pub fn new(register: Register, room: Room) -> StudyIntake {
        StudyIntake {
            register,
            room,
            halted: AtomicBool::new(false),
            associations: Associations::new(Audit::default()),
            witness: None,
            transcoder: None,
        }
    }

    /// The same, telling with this transcoder an image in another coding from another image. Then objects must be
    /// committed outside of the runtime's tasks.
    #[must_use]
    pub fn comparing(self, transcoder: Transcoder) -> StudyIntake {
        StudyIntake {
            transcoder: Some(transcoder),
            ..self
        }
    }

    /// The same, confirming nothing to a sender that this witness has not heard.
    #[must_use]
    pub fn witnessed(self, witness: Witness) -> StudyIntake {
        StudyIntake {
            witness: Some(witness),
            ..self
        }
    }

    /// Whether a sender may be told that an object of this study is kept.
    fn may_confirm(&self, study: &Uid) -> Result<(), StoreFailure> {
        let Some(witness) = &self.witness else {
            return Ok(());
        };
        match witness(study.as_str()).map_err(|error| failure(&error))? {
            true => Ok(()),
            false => Err(REMOVING),
        }
    }

    /// The same, telling this trail what modalities send.
    #[must_use]
    pub fn audited(self, audit: Audit) -> StudyIntake {
        StudyIntake {
            associations: Associations::new(audit),
            ..self
        }
    }

    /// Whether objects are taken: the disk has room beyond its reserve, and the node is not halted.
    pub fn is_open(&self) -> bool {
        self.room.is_left() && !self.halted.load(Ordering::Relaxed)
    }

    /// Stops the intake, or lets it go on. A data folder that is about to be replaced takes nothing that would be lost
    /// with it.
    pub fn halt(&self, halted: bool) {
        self.halted.store(halted, Ordering::Relaxed);
    }

    /// Registers an object that is sealed and durable, or sets it aside.
    fn register(
        &self,
        place: &Place,
        header: &Header,
        (sealed, content): (SealedObject, Digest),
    ) -> Result<(), StoreFailure> {
        let register = &self.register;
        let added = register.add(place, header, (sealed, content), now());
        let file = register.parcels().file_of(&place.parcel, place.slot);
        let added = added.map_err(|error| {
            // Its sender is told that it is not here: a start must not find it.
            let _ = std::fs::remove_file(&file);
            failure(&error)
        })?;
        let twin = match added {
            Added::New => return Ok(()),
            Added::Same => return std::fs::remove_file(file).map_err(|error| disk(&error)),
            Added::Conflict(twin) => twin,
        };
        let likeness = match twin.study == header.study().as_str() {
            true => self.likeness(&twin, place),
            false => Ok(Likeness::Different),
        };
        let Ok(likeness) = likeness else {
            tracing::warn!(target: "dokuei::intake", parcel = %twin.parcel, "an image came again and cannot be compared now: it is to be sent again");
            std::fs::remove_file(file).map_err(|error| disk(&error))?;
            return Err(NOT_NOW);
        };
        let (conflict, refusal) = match likeness {
            Likeness::Same => {
                tracing::info!(target: "dokuei::intake", parcel = %twin.parcel, "an image came again in another coding: the first stays");
                // What a crash left is set aside before it can be compared.
                let settled = register.quarantine().discard_content(content);
                settled.map_err(|error| failure(&error))?;
                return std::fs::remove_file(file).map_err(|error| disk(&error));
            }
            Likeness::Lossy => (Why::Lossy.into(), LOSSY),
            Likeness::Unknown => (Why::Unknown.into(), UNCOMPARED),
            Likeness::Different => {
                let refusal = match twin.study == header.study().as_str() {
                    true => CONFLICT,
                    false => OF_ANOTHER_STUDY,
                };
                (Conflict::with(twin, header.study().as_str()), refusal)
            }
        };
        let aside = register.set_aside(place, header, content, conflict, now());
        Err(match aside.map_err(|error| failure(&error))? {
            Taken::Aside => refusal,
            Taken::Full => NOT_KEPT,
            Taken::Coming => COMING,
        })
    }

    /// What an object at a place is to another one of its study and UID.
    fn likeness(&self, twin: &HeldObject, place: &Place) -> Result<Likeness, NotNow> {
        let register = &self.register;
        let Some(transcoder) = &self.transcoder else {
            return Ok(Likeness::Different);
        };
        // Its study goes just now, or its key cannot be read.
        let twin = register.sealed(twin).ok_or(NotNow)?;
        let sealed = Sealed {
            file: register.parcels().file_of(&place.parcel, place.slot),
            key: place.key.duplicate(),
            parcel: place.parcel,
            site: register.site(),
            slot: place.slot,
        };
        likeness(transcoder, [&twin, &sealed])
    }

    /// Begins an object.
    ///
    /// # Errors
    /// The status for the sender.
    pub fn object(&self, head: ObjectHead) -> Result<ArrivingObject<'_>, StoreFailure> {
        if !self.room.is_left() {
            return Err(FULL);
        }
        if self.halted.load(Ordering::Relaxed) {
            return Err(HALTED);
        }
        let syntax = Uid::parse_lenient(head.transfer_syntax.as_bytes()).map_err(|_| MALFORMED)?;
        Ok(ArrivingObject {
            intake: self,
            caller: None,
            is_sent: false,
            scanner: Some(Scanner::new(
                TransferSyntax::from(syntax),
                Limits::default(),
            )),
            content: blake3::Hasher::new(),
            held: head.to_bytes(),
            head,
            place: None,
            sealing: None,
        })
    }
}

impl Intake for StudyIntake {
    fn begin(&self, object: Incoming<'_>) -> Result<Box<dyn ObjectWriter + '_>, StoreFailure> {
        let head = ObjectHead {
            sop_class: object.sop_class.to_owned(),
            sop_instance: object.sop_instance.to_owned(),
            transfer_syntax: object.transfer_syntax.to_owned(),
        };
        let mut arriving = self.object(head)?.sent();
        arriving.caller = Some(object.caller.clone());
        Ok(Box::new(arriving))
    }

    fn echo(&self, _: &Caller) -> bool {
        true
    }

    fn notice(&self, notice: &Notice<'_>) {
        notice.log();
        self.associations.notice(notice);
    }

    fn left(&self, caller: &Caller) {
        self.associations.left(caller);
    }
}

/// An object on its way in. Dropped without `commit`, it has never been here.
pub struct ArrivingObject<'a> {
    intake: &'a StudyIntake,
    /// Who sends it over DICOM.
    caller: Option<Caller>,
    /// Whether somebody sends it who is told that it is kept; nobody sends what is imported.
    is_sent: bool,
    head: ObjectHead,
    scanner: Option<Scanner>,
    content: blake3::Hasher,
    held: Vec<u8>,
    place: Option<Place>,
    sealing: Option<SealingObject>,
}

impl ArrivingObject<'_> {
    /// The same, sent by somebody who is told that it is kept and may remove theirs.
    #[must_use]
    pub fn sent(mut self) -> Self {
        self.is_sent = true;
        self
    }

    /// Begins to seal with what was held, once it is known which study the object belongs to.
    fn begin_sealing(&mut self) -> Result<(), StoreFailure> {
        let study = self
            .scanner
            .as_ref()
            .and_then(|scanner| scanner.seen(tags::STUDY_INSTANCE_UID))
            .and_then(|value| Uid::parse_lenient(value).ok());
        let Some(study) = study else {
            return Ok(());
        };
        let place = self
            .intake
            .register
            .place(&study, now())
            .map_err(|error| failure(&error))?;
        let begun = SealingObject::begin(
            self.intake.register.parcels(),
            &place.key,
            place.parcel,
            self.intake.register.site(),
            place.slot,
            &mut chance(),
        );
        let sealing = match begun {
            Ok(mut sealing) => sealing.write(&self.held).map(|()| sealing),
            Err(error) => Err(error),
        };
        self.held = Vec::new();
        match sealing {
            Ok(sealing) => {
                (self.place, self.sealing) = (Some(place), Some(sealing));
                Ok(())
            }
            Err(error) => {
                self.intake.register.give_back(&place);
                Err(disk(&error))
            }
        }
    }

    /// Seals the next bytes, or holds them as long as nobody knows which study they belong to.
    fn keep(&mut self, data: &[u8]) -> Result<(), StoreFailure> {
        if self.place.is_none() {
            self.begin_sealing()?;
        }
        match &mut self.sealing {
            Some(sealing) => sealing.write(data).map_err(|error| disk(&error)),
            None if self.place.is_some() => Err(FAILED),
            None if self.held.len() + data.len() > HELD_BYTES => Err(NO_STUDY),
            None => {
                self.held.extend_from_slice(data);
                Ok(())
            }
        }
    }
}

impl ObjectWriter for ArrivingObject<'_> {
    fn write(&mut self, data: &[u8]) -> Result<(), StoreFailure> {
        if let Some(Err(malformed)) = self.scanner.as_mut().map(|scanner| scanner.push(data)) {
            return Err(MALFORMED.because(malformed));
        }
        self.content.update(data);
        self.keep(data)
    }

    fn commit(mut self: Box<Self>) -> Result<(), StoreFailure> {
        let scanned = self.scanner.take().ok_or(FAILED)?.finish();
        let header = scanned.map_err(|malformed| MALFORMED.because(malformed))?;
        let announced = [&self.head.sop_class, &self.head.sop_instance];
        if announced != [header.sop_class().as_str(), header.sop_instance().as_str()] {
            return Err(MISMATCH);
        }
        let Some(place) = &self.place else {
            return Err(NO_STUDY);
        };
        let sealed = self.sealing.take().ok_or(FAILED)?.finish();
        let sealed = sealed.map_err(|error| disk(&error))?;
        let content = Digest::from_bytes(*self.content.finalize().as_bytes());
        self.intake.register(place, &header, (sealed, content))?;
        if self.is_sent {
            self.intake.may_confirm(header.study())?;
        }
        if let Some(caller) = &self.caller {
            self.intake.associations.stored(caller, &header);
        }
        Ok(())
    }
}

impl Drop for ArrivingObject<'_> {
    fn drop(&mut self) {
        // Its file goes before others may close the study.
        drop(self.sealing.take());
        if let Some(place) = &self.place {
            self.intake.register.give_back(place);
        }
    }
}

fn failure(error: &RegisterError) -> StoreFailure {
    tracing::error!(target: "dokuei::intake", "{error}");
    match error {
        RegisterError::Full => BUSY,
        RegisterError::Disk(error) => disk(error),
        RegisterError::Store(_)
        | RegisterError::Unknown
        | RegisterError::Arriving
        | RegisterError::Damaged => FAILED,
    }
}

fn disk(error: &std::io::Error) -> StoreFailure {
    tracing::error!(target: "dokuei::intake", "an object cannot be stored: {error}");
    if error.kind() == std::io::ErrorKind::StorageFull {
        FULL
    } else {
        FAILED
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::{Explain, assert_explained};

    #[test]
    fn every_refusal_fits_its_element_and_is_told_in_both_languages() {
        let all = [
            FULL,
            FAILED,
            BUSY,
            NOT_NOW,
            NOT_KEPT,
            COMING,
            REMOVING,
            CONFLICT,
            OF_ANOTHER_STUDY,
            LOSSY,
            UNCOMPARED,
            MALFORMED,
            MISMATCH,
            NO_STUDY,
        ];
        assert_explained(all.iter().map(|failure| failure as &dyn Explain));
        assert!(all.iter().all(|failure| failure.comment().is_some()));
    }
}
