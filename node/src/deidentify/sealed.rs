//! Objects of this site's own studies, opened for being made anew; and their copies, sealed as studies of their own.

use std::io::{self, BufWriter, Write};

use dokuei_keys::id::ParcelId;

use super::object::{Cleaned, Method};
use super::pseudonyms::Original;
use super::refusal::Refusal;
use crate::dicom::dimse::StoreFailure;
use crate::dicom::scanner::TransferSyntax;
use crate::dicom::scp::ObjectWriter;
use crate::dicom::uid::Uid;
use crate::language::{Explain, Message, displayed_in_english};
use crate::parcels::{ObjectHead, OpenError, OpenedObject};
use crate::say;
use crate::studies::intake::{ArrivingObject, StudyIntake};
use crate::studies::register::{Register, RegisterError};
use crate::studies::study::StudyObject;

/// Bytes sealed at a time.
const PIECE: usize = 256 * 1024;

/// Opens a sealed object and makes its header anew.
///
/// # Errors
/// Why the object must stay here.
pub(super) fn begin<'a>(
    register: &Register,
    parcel: &ParcelId,
    object: &StudyObject,
    method: Method<'a>,
) -> Result<Cleaned<'a>, Refusal> {
    let unreadable = |error: OpenError| match error {
        OpenError::Disk(error) => error,
        OpenError::Damaged => io::ErrorKind::InvalidData.into(),
    };
    let key = register
        .key(parcel)
        .ok_or(io::ErrorKind::NotFound)
        .map_err(io::Error::from)?;
    let opened = OpenedObject::open(
        register.parcels(),
        &key,
        *parcel,
        register.site(),
        object.slot,
    );
    let mut opened = opened.map_err(unreadable)?;
    let head = ObjectHead::read(&mut opened)?.ok_or(Refusal::Nameless)?;
    let syntax = uid(&head.transfer_syntax)?;
    Cleaned::begin(Box::new(opened), &TransferSyntax::from(syntax), method)
}

pub(super) fn uid(text: &str) -> Result<Uid, Refusal> {
    Uid::parse_lenient(text.as_bytes()).map_err(|_| Refusal::Nameless)
}

/// A study was not copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// Objects that must stay here: how many, and why the first.
    Refused(usize, Refusal),
    /// The node takes nothing in now.
    NotTaken(StoreFailure),
    /// What was copied earlier cannot be closed.
    Register(RegisterError),
}

impl Explain for CopyError {
    fn message(&self) -> Message {
        match self {
            CopyError::Refused(count, why) => say!(
                "仮名にできないオブジェクトが {count} 件あります（{why}）",
                "{count} objects cannot be made pseudonymous ({why})";
                why = why.message()
            ),
            CopyError::NotTaken(failure) => failure.message(),
            CopyError::Register(error) => error.message(),
        }
    }
}

displayed_in_english!(CopyError);

/// One part of a study that can be copied, object by object, into a study of its own, sealed like any that arrives.
pub struct Copying<'a> {
    /// The way back. It is to be kept before anything is sealed: a copy without one is nobody's.
    pub original: Original,
    register: &'a Register,
    parcel: ParcelId,
    objects: Vec<StudyObject>,
    method: Method<'a>,
}

impl<'a> Copying<'a> {
    /// Looks through a part; none when it is not here.
    ///
    /// # Errors
    /// [`CopyError`] when one of its objects must stay.
    pub fn begin(
        register: &'a Register,
        parcel: &ParcelId,
        purpose: &str,
        method: Method<'a>,
    ) -> Result<Option<Copying<'a>>, CopyError> {
        let part = register.look(parcel, |study| {
            (
                study.uid.clone(),
                study.objects.clone(),
                study.attributes.clone(),
            )
        });
        let Some((uid, objects, attributes)) = part else {
            return Ok(None);
        };
        let refused = objects
            .iter()
            .filter_map(|object| begin(register, parcel, object, method).err());
        let mut refused: Vec<Refusal> = refused.collect();
        if let Some(first) = (!refused.is_empty()).then(|| refused.swap_remove(0)) {
            return Err(CopyError::Refused(refused.len() + 1, first));
        }
        let pseudonym = method.secret.pseudonym(&method.person(&uid, &attributes));
        let mut original = Original::new(purpose, pseudonym, &uid, attributes);
        objects
            .iter()
            .for_each(|object| original.note(&object.sop_instance));
        Ok(Some(Copying {
            original,
            register,
            parcel: *parcel,
            objects,
            method,
        }))
    }

    /// Seals the copy: all of it, or nothing.
    ///
    /// # Errors
    /// [`CopyError`].
    pub fn seal(&self, intake: &StudyIntake) -> Result<(), CopyError> {
        let uid = self.method.study(&self.original.study);
        let before = self.register.parcels_of(&uid);
        for parcel in &before {
            // Parts of their own can be removed without what was copied earlier.
            self.register.close(parcel).map_err(CopyError::Register)?;
        }
        let sealed = self.objects.iter().try_for_each(|object| {
            let cleaned = begin(self.register, &self.parcel, object, self.method)
                .map_err(|why| CopyError::Refused(1, why))?;
            seal(intake, cleaned)
        });
        if sealed.is_err() {
            let half_made = self.register.parcels_of(&uid).into_iter();
            for parcel in half_made.filter(|parcel| !before.contains(parcel)) {
                if let Err(error) = self.register.remove(&parcel) {
                    tracing::error!(target: "dokuei::deidentify", %parcel, "a half-made copy cannot be removed: {error}");
                }
            }
        }
        sealed
    }
}

fn seal(intake: &StudyIntake, cleaned: Cleaned<'_>) -> Result<(), CopyError> {
    let arriving = intake
        .object(cleaned.head.clone())
        .map_err(CopyError::NotTaken)?;
    let sealing = Sealing {
        arriving: Box::new(arriving),
        failure: None,
    };
    let mut sealing = BufWriter::with_capacity(PIECE, sealing);
    let written = cleaned
        .write(&mut sealing)
        .and_then(|()| Ok(sealing.flush()?));
    let (mut sealing, _) = sealing.into_parts();
    if let Some(failure) = sealing.failure.take() {
        return Err(CopyError::NotTaken(failure));
    }
    written.map_err(|why| CopyError::Refused(1, why))?;
    sealing.arriving.commit().map_err(CopyError::NotTaken)
}

/// An arriving object as something to write into.
struct Sealing<'a> {
    arriving: Box<ArrivingObject<'a>>,
    failure: Option<StoreFailure>,
}

impl Write for Sealing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.arriving.write(bytes) {
            Ok(()) => Ok(bytes.len()),
            Err(failure) => {
                self.failure = Some(failure);
                Err(io::ErrorKind::Other.into())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::assert_explained;

    #[test]
    fn why_nothing_was_copied_is_told_in_both_languages() {
        let all = [
            CopyError::Refused(2, Refusal::Text),
            CopyError::Register(RegisterError::Full),
        ];
        assert_explained(all.iter().map(|error| error as &dyn Explain));
    }
}
