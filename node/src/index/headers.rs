//! What every object of a series said in its header, kept beside the sealed objects: once as data
//! sets, for queries, and once as JSON, for metadata. Both are derived, can be made again at any time,
//! and are sealed under the key of their parcel, so that they go when that goes.
//!
//! A file holds, sealed and compressed, for each object: its slot (u32), the length (u32), the bytes;
//! numbers in little endian. The form is in the file's name.

use std::fs;
use std::io::{self, Read, Write as _};
use std::path::PathBuf;

use dicom_core::VR;
use dicom_dictionary_std::tags;
use dokuei_keys::id::{ParcelId, SiteId};
use dokuei_keys::sealed::{self, SealContext};
use dokuei_keys::secret::ContentKey;
use rand_core::Rng as _;

use crate::chance::chance;
use crate::dicom::dataset::{self, Bounds, DataSet, ReadError, json};
use crate::dicom::scanner::{Encoding, TransferSyntax};
use crate::dicom::uid::Uid;
use crate::parcels::{ObjectHead, OpenError, OpenedObject, Parcels};

/// How hard headers are pressed: they repeat each other, and the fastest level finds that.
const LEVEL: i32 = 1;
/// Longest record: a header within [`Bounds::HEADER`], as JSON up to four times as long.
const RECORD_BYTES: usize = 128 * 1024 * 1024;
/// Longest file: the headers of a series as they are kept. A thousand slices have some 100 KiB.
const FILE_BYTES: u64 = 64 * 1024 * 1024;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Data sets in Explicit VR Little Endian, without what is long.
    DataSets,
    /// JSON objects, in which [`json::BASE`] stands for the base of the object's URIs.
    Metadata,
}

/// Where a series lies: one parcel, and the series' number in it.
pub struct SeriesPlace<'a> {
    /// The parcels.
    pub parcels: &'a Parcels,
    /// Which.
    pub parcel: ParcelId,
    /// Who sealed it.
    pub site: SiteId,
    /// Its key.
    pub key: &'a ContentKey,
    /// Number of the series in the parcel.
    pub series: u16,
}

/// The headers of one series, pressed.
pub struct SeriesHeaders {
    data_sets: Vec<u8>,
    metadata: Vec<u8>,
}

impl SeriesPlace<'_> {
    fn file(&self, kind: Kind) -> PathBuf {
        let name = match kind {
            Kind::DataSets => format!("headers-1-{}", self.series),
            Kind::Metadata => format!("metadata-1-{}", self.series),
        };
        self.parcels.folder_of(&self.parcel).join(name)
    }

    /// Objects have lower slots, so that nothing can be taken for the other.
    fn context(&self, kind: Kind) -> SealContext {
        let number = u32::from(self.series) * 2 + u32::from(kind == Kind::Metadata);
        SealContext {
            parcel: self.parcel,
            site: self.site,
            slot: u32::MAX - number,
        }
    }

    /// What is kept of the series; none when it is not kept, or is not what was kept.
    pub fn kept(&self, kind: Kind) -> Option<Vec<u8>> {
        let file = self.file(kind);
        let length = fs::metadata(&file).ok()?.len();
        if length > FILE_BYTES {
            return None;
        }
        let sealed = fs::read(&file).ok()?;
        sealed::open(self.key, &self.context(kind), &sealed).ok()
    }

    /// Keeps the headers. What is not written whole is not used: a reader finds it not to be what was
    /// sealed.
    ///
    /// # Errors
    /// As the file system says.
    pub fn keep(&self, headers: &SeriesHeaders) -> io::Result<()> {
        for (kind, plain) in [
            (Kind::DataSets, &headers.data_sets),
            (Kind::Metadata, &headers.metadata),
        ] {
            let mut salt = [0; 24];
            chance().fill_bytes(&mut salt);
            let sealed = sealed::seal(self.key, &self.context(kind), salt, plain)
                .map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
            if sealed.len() as u64 <= FILE_BYTES {
                fs::write(self.file(kind), sealed)?;
            }
        }
        Ok(())
    }

    /// Reads the headers of these slots from the sealed objects.
    ///
    /// # Errors
    /// When one is damaged or the disk fails.
    pub fn read(&self, slots: &[u32]) -> Result<SeriesHeaders, OpenError> {
        let (mut data_sets, mut metadata) = (press()?, press()?);
        let mut text = Vec::new();
        for slot in slots {
            let Some(data_set) = self.header(*slot)? else {
                continue;
            };
            let bytes = dataset::write(&data_set, Encoding::ExplicitLittle);
            put(&mut data_sets, *slot, &bytes)?;
            text.clear();
            json::write(&data_set, &mut text);
            put(&mut metadata, *slot, &text)?;
        }
        Ok(SeriesHeaders {
            data_sets: data_sets.finish()?,
            metadata: metadata.finish()?,
        })
    }

    /// The header of one object, with the transfer syntax in which it is here (0008,3002); none when it
    /// is larger than is shown.
    fn header(&self, slot: u32) -> Result<Option<DataSet>, OpenError> {
        let mut opened = OpenedObject::open(self.parcels, self.key, self.parcel, self.site, slot)?;
        let head = ObjectHead::read(&mut opened)?.ok_or(OpenError::Damaged)?;
        let uid = Uid::parse(head.transfer_syntax.as_bytes()).map_err(|_| OpenError::Damaged)?;
        let syntax = TransferSyntax::from(uid);
        match dataset::read(&mut opened, syntax.encoding(), &Bounds::HEADER) {
            Ok(mut data_set) => {
                data_set.put_text(
                    tags::AVAILABLE_TRANSFER_SYNTAX_UID,
                    VR::UI,
                    &head.transfer_syntax,
                );
                Ok(Some(data_set))
            }
            Err(ReadError::Io(error)) => Err(error.into()),
            // The scanner let it through; a tree of it would be larger than one may be.
            Err(ReadError::Malformed(_) | ReadError::TooLarge) => Ok(None),
        }
    }
}

impl SeriesHeaders {
    /// The pressed records of a kind.
    pub fn of(self, kind: Kind) -> Vec<u8> {
        match kind {
            Kind::DataSets => self.data_sets,
            Kind::Metadata => self.metadata,
        }
    }
}

type Press = zstd::stream::write::Encoder<'static, Vec<u8>>;

fn press() -> io::Result<Press> {
    zstd::stream::write::Encoder::new(Vec::new(), LEVEL)
}

fn put(press: &mut Press, slot: u32, record: &[u8]) -> io::Result<()> {
    let length = u32::try_from(record.len()).map_err(io::Error::other)?;
    press.write_all(&slot.to_le_bytes())?;
    press.write_all(&length.to_le_bytes())?;
    press.write_all(record)
}

/// The records of one kind, one after another.
pub struct Records<'a>(zstd::stream::read::Decoder<'static, io::BufReader<&'a [u8]>>);

impl<'a> Records<'a> {
    /// Reads pressed records.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn new(pressed: &'a [u8]) -> io::Result<Records<'a>> {
        zstd::stream::read::Decoder::new(pressed).map(Records)
    }
}

impl Iterator for Records<'_> {
    type Item = io::Result<(u32, Vec<u8>)>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut head = [0; 8];
        match self.0.read_exact(&mut head) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return None,
            Err(error) => return Some(Err(error)),
            Ok(()) => {}
        }
        let [s0, s1, s2, s3, l0, l1, l2, l3] = head;
        let slot = u32::from_le_bytes([s0, s1, s2, s3]);
        let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        if length > RECORD_BYTES {
            return Some(Err(io::ErrorKind::InvalidData.into()));
        }
        let mut record = vec![0; length];
        Some(self.0.read_exact(&mut record).map(|()| (slot, record)))
    }
}

/// The data set of a record.
///
/// # Errors
/// When it is none.
pub fn data_set(record: &[u8]) -> io::Result<DataSet> {
    let bounds = Bounds {
        header_only: false,
        ..Bounds::HEADER
    };
    dataset::read(
        &mut io::Cursor::new(record),
        Encoding::ExplicitLittle,
        &bounds,
    )
    .map_err(|_| io::ErrorKind::InvalidData.into())
}
