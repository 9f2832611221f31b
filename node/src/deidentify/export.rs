//! A study of this site, object by object, into a folder of de-identified files. File names are numbers.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use dokuei_keys::id::ParcelId;

use super::object::Method;
use super::pseudonyms::Original;
use super::refusal::Refusal;
use super::sealed::{begin, uid};
use crate::dicom::part10::file_head;
use crate::language::{Explain, Message, displayed_in_english};
use crate::say;
use crate::studies::register::Register;
use crate::studies::study::StudyObject;

/// Objects whose refusal is told one by one: a study of more is told by the first of them and their number.
const NAMED: usize = 1_000;

/// What became of an export.
pub struct Exported {
    /// Objects that were written.
    pub written: usize,
    /// Objects that were not.
    pub refused: usize,
    /// The first [`NAMED`] of these: SOP Instance UID, and why.
    pub reasons: Vec<(String, Message)>,
    /// What stands for the patients.
    pub pseudonyms: BTreeSet<String>,
    /// The way back from each Study Instance UID that was written.
    pub originals: Vec<(String, Original)>,
}

/// Nothing was exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// No such study of this site, or its images are removed.
    Unknown,
    /// The folder holds something.
    NotEmpty,
    /// The folder cannot be used, or there is no room in it.
    Folder(#[from] io::Error),
}

impl Explain for ExportError {
    fn message(&self) -> Message {
        match self {
            ExportError::Unknown => say!(
                "その検査はこの施設にないか、画像が保存期間を過ぎて削除されています。他施設から預かった検査は書き出せません",
                "this site has no such study, or its images are removed; studies of other sites are not exported"
            ),
            ExportError::NotEmpty => say!(
                "出力先のフォルダが空ではありません。新しいフォルダを指定してください",
                "the output folder is not empty: give a new one"
            ),
            ExportError::Folder(error) => say!(
                "出力先のフォルダに書き込めません（{why}）",
                "the output folder cannot be written: {why}";
                why = error.message()
            ),
        }
    }
}

displayed_in_english!(ExportError);

/// Writes a study of this site into a folder, which is made when there is none. `purpose` is noted in the way back.
///
/// # Errors
/// [`ExportError`]. An object that is refused is no error.
pub fn export(
    register: &Register,
    uid: &str,
    folder: &Path,
    purpose: &str,
    method: Method<'_>,
) -> Result<Exported, ExportError> {
    let parcels = register.parcels_of(uid);
    if !parcels.iter().any(|parcel| register.key(parcel).is_some()) {
        return Err(ExportError::Unknown);
    }
    std::fs::create_dir_all(folder)?;
    if std::fs::read_dir(folder)?.next().is_some() {
        return Err(ExportError::NotEmpty);
    }
    let mut export = Export {
        register,
        folder,
        method,
        done: Exported {
            written: 0,
            refused: 0,
            reasons: Vec::new(),
            pseudonyms: BTreeSet::new(),
            originals: Vec::new(),
        },
    };
    for parcel in parcels {
        let part = register.look(&parcel, |study| {
            (study.objects.clone(), study.attributes.clone())
        });
        let Some((objects, attributes)) = part else {
            continue;
        };
        let pseudonym = method.secret.pseudonym(&method.person(uid, &attributes));
        let mut original = Original::new(purpose, pseudonym, uid, attributes);
        let before = export.done.written;
        for object in &objects {
            export.object(&parcel, object)?;
            original.note(&object.sop_instance);
        }
        if export.done.written > before {
            let pseudonymous = method.study(uid);
            export.done.keep(pseudonymous, original);
        }
    }
    File::open(folder)?.sync_all()?;
    Ok(export.done)
}

struct Export<'a> {
    register: &'a Register,
    folder: &'a Path,
    method: Method<'a>,
    done: Exported,
}

impl Export<'_> {
    /// Writes one object, or notes why it is not.
    fn object(&mut self, parcel: &ParcelId, object: &StudyObject) -> Result<(), ExportError> {
        let number = self.done.written + 1;
        let unfinished = self.folder.join(format!("{number:06}.part"));
        match self.write(parcel, object, &unfinished) {
            Ok(pseudonym) => {
                std::fs::rename(&unfinished, self.folder.join(format!("{number:06}.dcm")))?;
                self.done.written = number;
                self.done.pseudonyms.insert(pseudonym);
            }
            Err(why) => {
                match std::fs::remove_file(&unfinished) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(error.into());
                    }
                    _ => {}
                }
                // A full disk refuses every object that is left.
                if let Refusal::Io(error) = &why
                    && error.kind() == io::ErrorKind::StorageFull
                {
                    return Err(io::Error::from(io::ErrorKind::StorageFull).into());
                }
                self.done.refused += 1;
                if self.done.reasons.len() < NAMED {
                    let instance = object.sop_instance.clone();
                    self.done.reasons.push((instance, why.message().sentence()));
                }
            }
        }
        Ok(())
    }

    /// Writes one file. Gives what stands for its patient.
    fn write(
        &self,
        parcel: &ParcelId,
        object: &StudyObject,
        path: &Path,
    ) -> Result<String, Refusal> {
        let cleaned = begin(self.register, parcel, object, self.method)?;
        let (class, instance) = (
            uid(&cleaned.head.sop_class)?,
            uid(&cleaned.head.sop_instance)?,
        );
        let syntax = uid(&cleaned.head.transfer_syntax)?;
        let pseudonym = self.method.secret.pseudonym(&cleaned.person);
        let file = File::options().write(true).create_new(true).open(path)?;
        let mut file = BufWriter::new(file);
        file.write_all(&file_head(&class, &instance, &syntax))?;
        cleaned.write(&mut file)?;
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        Ok(pseudonym)
    }
}

impl Exported {
    /// Notes the way back; the parts of a study have one.
    fn keep(&mut self, pseudonymous: String, original: Original) {
        match self
            .originals
            .iter_mut()
            .find(|(uid, _)| *uid == pseudonymous)
        {
            Some((_, known)) => original
                .instances
                .iter()
                .for_each(|instance| known.note(instance)),
            None => self.originals.push((pseudonymous, original)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::assert_explained;

    #[test]
    fn what_stops_an_export_is_told_in_both_languages() {
        let all = [
            ExportError::Unknown,
            ExportError::NotEmpty,
            ExportError::Folder(io::ErrorKind::PermissionDenied.into()),
        ];
        assert_explained(all.iter().map(|error| error as &dyn Explain));
    }
}
