//! What every object of a series said in its header, kept beside the sealed objects: once as data
//! sets, for queries, and once as JSON, for metadata. Both are derived, can be made again at any time,
//! and are sealed under the key of their parcel, so that they go when that goes.
//!
//! A file holds, sealed: how many objects are given in short (u32), their slots (u32 each); how many are left out (u32),
//! their slots; then, compressed, for each of the others: its slot (u32), the length (u32), the bytes; numbers in little
//! endian. The form is in the file's name.
//!
//! An object whose header cannot be read as a tree is given in short: by what was noted of it when it came. One that
//! cannot be read at all is left out, and tried again whenever the file is read: all is read anew once it is there.

use std::fs;
use std::io::{self, Read, Write as _};
use std::path::PathBuf;

use dicom_core::{Tag, VR};
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
use crate::studies::study::StudyObject;

/// How hard headers are pressed: they repeat each other, and the fastest level finds that.
const LEVEL: i32 = 1;
/// Longest record: a header within [`Bounds::HEADER`], as JSON up to four times as long.
const RECORD_BYTES: usize = 128 * 1024 * 1024;
/// Longest file: the headers of a series as they are kept. A thousand slices have some 100 KiB.
const FILE_BYTES: u64 = 64 * 1024 * 1024;
/// Pressed bytes from which on objects are given in short: what those take fits into the rest of a file.
const PRESSED_BYTES: usize = 48 * 1024 * 1024;

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

/// What was noted of the objects of a series when they came.
pub struct NotedSeries {
    /// Its objects, in the order in which they are shown.
    pub objects: Vec<StudyObject>,
    /// What all of them say of patient, study and series.
    pub shared: DataSet,
}

/// What of the objects of a series is lacking in its headers.
#[derive(Clone, Default)]
pub struct Gaps {
    /// Slots of the objects that are given in short.
    pub short: Vec<u32>,
    /// Slots of those that cannot be read and are left out.
    pub left_out: Vec<u32>,
}

impl Gaps {
    fn put(&self, out: &mut Vec<u8>) {
        for slots in [&self.short, &self.left_out] {
            let count = u32::try_from(slots.len()).unwrap_or(u32::MAX);
            out.extend_from_slice(&count.to_le_bytes());
            out.extend(slots.iter().flat_map(|slot| slot.to_le_bytes()));
        }
    }

    /// Those at the beginning of a file, and what stands behind them.
    fn split_from(bytes: &[u8]) -> Option<(Gaps, &[u8])> {
        let (short, rest) = slots(bytes)?;
        let (left_out, rest) = slots(rest)?;
        Some((Gaps { short, left_out }, rest))
    }
}

fn slots(bytes: &[u8]) -> Option<(Vec<u32>, &[u8])> {
    let (count, rest) = bytes.split_first_chunk::<4>()?;
    let count = u32::from_le_bytes(*count) as usize;
    let (slots, rest) = rest.split_at_checked(count.checked_mul(4)?)?;
    let slots = slots.as_chunks::<4>().0.iter();
    Some((slots.map(|slot| u32::from_le_bytes(*slot)).collect(), rest))
}

/// The headers of one series, pressed.
pub struct SeriesHeaders {
    /// What is lacking of them.
    pub gaps: Gaps,
    /// Why the first of those that are left out is.
    pub why: Option<OpenError>,
    data_sets: Vec<u8>,
    metadata: Vec<u8>,
}

/// The pressed headers of a kind.
#[derive(Default)]
pub struct Pressed {
    /// What is lacking of them.
    pub gaps: Gaps,
    /// Why the first of those that are left out is.
    pub why: Option<OpenError>,
    records: Vec<u8>,
}

impl Pressed {
    /// Objects of which nothing can be read.
    pub fn unreadable(slots: Vec<u32>, why: OpenError) -> Pressed {
        Pressed {
            gaps: Gaps {
                short: Vec::new(),
                left_out: slots,
            },
            why: Some(why),
            records: Vec::new(),
        }
    }

    /// Bytes of what is pressed.
    pub fn bytes(&self) -> usize {
        self.records.len()
    }

    /// The records, one after another.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn records(&self) -> io::Result<Records<'_>> {
        zstd::stream::read::Decoder::new(self.records.as_slice()).map(Records)
    }
}

impl SeriesPlace<'_> {
    fn file(&self, kind: Kind) -> PathBuf {
        let name = match kind {
            Kind::DataSets => format!("headers-2-{}", self.series),
            Kind::Metadata => format!("metadata-2-{}", self.series),
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

    /// What is kept of the series; none when it is not kept, or is not what was kept, or when an object can be read again
    /// that is left out of it.
    pub fn kept(&self, kind: Kind) -> Option<Pressed> {
        let file = self.file(kind);
        let length = fs::metadata(&file).ok()?.len();
        if length > FILE_BYTES {
            return None;
        }
        let sealed = fs::read(&file).ok()?;
        let plain = sealed::open(self.key, &self.context(kind), &sealed).ok()?;
        let (gaps, records) = Gaps::split_from(&plain)?;
        let mut why = None;
        for slot in &gaps.left_out {
            match self.header(*slot) {
                Ok(_) => return None,
                Err(error) => why = why.or(Some(error)),
            }
        }
        Some(Pressed {
            gaps,
            why,
            records: records.to_vec(),
        })
    }

    /// Keeps the headers. What is not written whole is not used: a reader finds it not to be what was
    /// sealed.
    ///
    /// # Errors
    /// As the file system says.
    pub fn keep(&self, headers: &SeriesHeaders) -> io::Result<()> {
        for (kind, records) in [
            (Kind::DataSets, &headers.data_sets),
            (Kind::Metadata, &headers.metadata),
        ] {
            let mut salt = [0; 24];
            chance().fill_bytes(&mut salt);
            let mut plain = Vec::with_capacity(records.len());
            headers.gaps.put(&mut plain);
            plain.extend_from_slice(records);
            let sealed = sealed::seal(self.key, &self.context(kind), salt, &plain)
                .map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
            if sealed.len() as u64 <= FILE_BYTES {
                fs::write(self.file(kind), sealed)?;
            }
        }
        Ok(())
    }

    /// Reads the headers of these objects.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn read(&self, noted: &NotedSeries) -> io::Result<SeriesHeaders> {
        let (mut data_sets, mut metadata) = (press()?, press()?);
        let (mut gaps, mut why) = (Gaps::default(), None);
        for object in &noted.objects {
            let pressed = data_sets.get_ref().len().max(metadata.get_ref().len());
            let read = match pressed < PRESSED_BYTES {
                true => self.header(object.slot),
                false => Ok(None),
            };
            let data_set = match read {
                Ok(data_set) => data_set,
                Err(error) => {
                    gaps.left_out.push(object.slot);
                    why = why.or(Some(error));
                    continue;
                }
            };
            let whole = data_set.map(|data_set| Record::of(&data_set));
            let record = match whole.filter(Record::fits) {
                Some(record) => record,
                None => {
                    gaps.short.push(object.slot);
                    Record::of(&in_short(noted, object))
                }
            };
            put(&mut data_sets, object.slot, &record.bytes)?;
            put(&mut metadata, object.slot, &record.text)?;
        }
        Ok(SeriesHeaders {
            gaps,
            why,
            data_sets: data_sets.finish()?,
            metadata: metadata.finish()?,
        })
    }

    /// The header of one object, with the transfer syntax in which it is here (0008,3002); none when it
    /// is larger than is shown, or does not say before its pixels which object it is.
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
                let says_which = OF_OBJECT.iter().all(|tag| !data_set.code(*tag).is_empty());
                Ok(says_which.then_some(data_set))
            }
            Err(ReadError::Io(error)) => Err(error.into()),
            // The scanner let it through; a tree of it would be larger than one may be.
            Err(ReadError::Malformed(_) | ReadError::TooLarge) => Ok(None),
        }
    }
}

/// A header as it is kept.
struct Record {
    /// As a data set.
    bytes: Vec<u8>,
    /// As JSON.
    text: Vec<u8>,
}

impl Record {
    fn of(data_set: &DataSet) -> Record {
        let mut text = Vec::new();
        json::write(data_set, &mut text);
        Record {
            bytes: dataset::write(data_set, Encoding::ExplicitLittle),
            text,
        }
    }

    /// Whether it can be read again: bytes that are no text take five times as many in JSON.
    fn fits(&self) -> bool {
        self.bytes.len().max(self.text.len()) <= RECORD_BYTES
    }
}

/// What says which object it is and where it is filed.
const OF_OBJECT: [Tag; 4] = [
    tags::SOP_CLASS_UID,
    tags::SOP_INSTANCE_UID,
    tags::STUDY_INSTANCE_UID,
    tags::SERIES_INSTANCE_UID,
];

/// What is said of an object whose header is not shown.
fn in_short(noted: &NotedSeries, object: &StudyObject) -> DataSet {
    let mut short = noted.shared.clone();
    short.put_text(tags::SOP_CLASS_UID, VR::UI, &object.sop_class);
    short.put_text(tags::SOP_INSTANCE_UID, VR::UI, &object.sop_instance);
    if let Some(number) = object.number {
        short.put_text(tags::INSTANCE_NUMBER, VR::IS, &number.to_string());
    }
    short
}

impl SeriesHeaders {
    /// The pressed headers of a kind.
    pub fn of(self, kind: Kind) -> Pressed {
        Pressed {
            gaps: self.gaps,
            why: self.why,
            records: match kind {
                Kind::DataSets => self.data_sets,
                Kind::Metadata => self.metadata,
            },
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
