//! One study: what its headers said, its series, its objects. Holds patient data: no `Debug`.

use std::collections::BTreeMap;

use dokuei_keys::id::{Digest, ObjectDigest, ParcelId, SiteId};
use dokuei_protocol::case::terms::Modality;
use dokuei_protocol::study::manifest::{Manifest, ManifestEntry, ManifestReference, ObjectClass};
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::dicom::header::Header;
use crate::dicom::uid;
use crate::parcels::SealedObject;
use crate::studies::attributes::Attributes;
use crate::studies::patient::Patient;
use crate::studies::seen::Seen;

/// Form of stored studies. A change needs a new number and a migration.
pub const STUDY_VERSION: u8 = 1;
/// Further patients that are remembered of a study: two that contradict each other are enough to hold it back, and
/// these do not fit without two such.
const OTHER_PATIENTS: usize = 8;

/// A study in one parcel.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Study {
    /// [`STUDY_VERSION`].
    #[n(0)]
    pub version: u8,
    /// Its parcel.
    #[n(1)]
    pub parcel: ParcelId,
    /// Study Instance UID.
    #[n(2)]
    pub uid: String,
    /// Patient and study attributes of its first object.
    #[n(3)]
    pub attributes: Attributes,
    /// Its series, in order of appearance.
    #[n(4)]
    pub series: Vec<Series>,
    /// Its objects, in order of arrival.
    #[n(5)]
    pub objects: Vec<StudyObject>,
    /// When its first object came, milliseconds since the epoch.
    #[n(6)]
    pub first_at: u64,
    /// When its last object came.
    #[n(7)]
    pub last_at: u64,
    /// Set when it is closed: what a grant says of its manifest.
    #[n(8)]
    pub manifest: Option<ManifestReference>,
    /// Set when its sealed objects were removed: the digest of the images that it had.
    #[n(9)]
    pub removed: Option<Digest>,
    /// Whom objects name otherwise than the first does, the first [`OTHER_PATIENTS`] of these.
    #[n(10)]
    #[cbor(default, skip_if = "Vec::is_empty")]
    pub others: Vec<Patient>,
}

/// One series.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Series {
    /// Series Instance UID.
    #[n(0)]
    pub uid: String,
    /// Modality (0008,0060).
    #[n(1)]
    pub modality: String,
    /// Series Number (0020,0011).
    #[n(2)]
    pub number: Option<i32>,
    /// Series Description (0008,103E), as it came.
    #[n(3)]
    pub description: ByteVec,
    /// Number of objects.
    #[n(4)]
    pub objects: u32,
}

/// One object.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct StudyObject {
    /// Its slot in the parcel.
    #[n(0)]
    pub slot: u32,
    /// SOP Instance UID.
    #[n(1)]
    pub sop_instance: String,
    /// SOP Class UID.
    #[n(2)]
    pub sop_class: String,
    /// Position of its series.
    #[n(3)]
    pub series: u16,
    /// Bytes of the sealed plaintext (head and data set).
    #[n(4)]
    pub length: u64,
    /// Keyed digest of the sealed plaintext.
    #[n(5)]
    pub digest: ObjectDigest,
    /// BLAKE3 of the data set, which anybody who has the image can compute.
    #[n(6)]
    pub content: Digest,
    /// What it is.
    #[n(7)]
    pub class: ObjectClass,
    /// Instance Number (0020,0013).
    #[n(8)]
    pub number: Option<i32>,
    /// What the check before sending needs; none when it came before that was kept.
    #[n(9)]
    pub seen: Option<Seen>,
}

/// One image of so many goes ahead of the others of its series: enough to see what was examined, and how.
const OVERVIEW: usize = 8;

/// How early an object is of use to whoever reads: the less, the earlier. `before` are the images of its series before it.
fn usefulness(class: ObjectClass, before: usize) -> u8 {
    match class {
        ObjectClass::Key | ObjectClass::Document => 0,
        ObjectClass::Localizer => 1,
        ObjectClass::Image if before.is_multiple_of(OVERVIEW) => 2,
        ObjectClass::Image => 3,
        ObjectClass::Other => 4,
    }
}

impl Study {
    /// A study of which nothing has arrived.
    pub fn begun(parcel: ParcelId, uid: &str, at: u64) -> Study {
        Study {
            version: STUDY_VERSION,
            parcel,
            uid: uid.to_owned(),
            attributes: Attributes::default(),
            series: Vec::new(),
            objects: Vec::new(),
            first_at: at,
            last_at: at,
            manifest: None,
            removed: None,
            others: Vec::new(),
        }
    }

    /// Its sealed objects are removed: what it was about stays known, so that a late report version can
    /// be told to be about it.
    pub fn put_away(&mut self) {
        self.removed = Some(self.images_digest());
        self.objects = Vec::new();
    }

    /// Adds an object that is sealed and durable.
    pub fn add(
        &mut self,
        header: &Header,
        slot: u32,
        sealed: SealedObject,
        content: Digest,
        at: u64,
    ) {
        if self.objects.is_empty() {
            self.attributes = Attributes::of(header);
        }
        self.note_patient(header);
        let series = self.series_of(header);
        self.series[series].objects += 1;
        self.objects.push(StudyObject {
            slot,
            sop_instance: header.sop_instance().as_str().to_owned(),
            sop_class: header.sop_class().as_str().to_owned(),
            series: series as u16,
            length: sealed.length,
            digest: sealed.digest,
            content,
            class: class_of(header),
            number: header.instance_number(),
            seen: Some(Seen::of(header)),
        });
        self.last_at = at;
    }

    /// Remembers whom an object names, when the first one names somebody else or otherwise.
    fn note_patient(&mut self, header: &Header) {
        let identity = [
            dicom_dictionary_std::tags::PATIENT_ID,
            dicom_dictionary_std::tags::ISSUER_OF_PATIENT_ID,
        ];
        if identity
            .iter()
            .all(|tag| header.raw(*tag) == self.attributes.value(*tag))
        {
            return;
        }
        let patient = Patient::of(&Attributes::of(header));
        let is_new = !self.patients().contains(&patient) && !patient.id.is_empty();
        if is_new && self.others.len() < OTHER_PATIENTS {
            self.others.push(patient);
        }
    }

    /// Everybody whom its objects name; one when all is well.
    pub fn patients(&self) -> Vec<Patient> {
        let first = Patient::of(&self.attributes);
        [first]
            .into_iter()
            .chain(self.others.iter().cloned())
            .collect()
    }

    /// The object with this SOP Instance UID.
    pub fn object(&self, sop_instance: &str) -> Option<&StudyObject> {
        self.objects
            .iter()
            .find(|object| object.sop_instance == sop_instance)
    }

    /// The object in a slot, if it has this SOP Instance UID.
    pub fn at(&self, slot: u32, sop_instance: &str) -> Option<&StudyObject> {
        let mut objects = self.objects.iter();
        objects.find(|object| object.slot == slot && object.sop_instance == sop_instance)
    }

    /// The manifest, what is most useful first: documents and key objects, localizers, every [`OVERVIEW`]th image of each
    /// series, then the other images, each series in the order of its instance numbers, and whatever is none of these.
    pub fn manifest(&self, site: SiteId, commitment: Digest) -> Manifest {
        let mut objects: Vec<&StudyObject> = self.objects.iter().collect();
        objects.sort_by_key(|object| (object.series, object.number, object.slot));
        let mut images = BTreeMap::<u16, usize>::new();
        let mut ranked: Vec<(u8, &StudyObject)> = objects
            .into_iter()
            .map(|object| {
                let before = match object.class {
                    ObjectClass::Image => images.entry(object.series).or_default(),
                    _ => &mut 0,
                };
                let rank = usefulness(object.class, *before);
                *before += 1;
                (rank, object)
            })
            .collect();
        ranked.sort_by_key(|(rank, _)| *rank);
        Manifest {
            parcel: self.parcel,
            site,
            commitment,
            objects: ranked
                .into_iter()
                .map(|(_, object)| object)
                .map(|object| ManifestEntry {
                    slot: object.slot,
                    length: object.length,
                    digest: object.digest,
                    series: object.series,
                    class: object.class,
                })
                .collect(),
        }
    }

    /// The modality that most objects have.
    pub fn modality(&self) -> Modality {
        let most = self
            .series
            .iter()
            .filter(|series| !is_secondary(&series.modality))
            .max_by_key(|series| series.objects);
        let code = most
            .or(self.series.first())
            .map_or("", |series| series.modality.as_str());
        Modality::from_code(code).unwrap_or(Modality::Other)
    }

    /// Bytes of all data sets with their heads.
    pub fn bytes(&self) -> u64 {
        self.objects.iter().map(|object| object.length).sum()
    }

    /// SHA-256 over the sorted lines `SOP Instance UID, space, BLAKE3 of the data set in hexadecimal,
    /// line feed`: names exactly these images, and can be computed by whoever holds them.
    pub fn images_digest(&self) -> Digest {
        let objects = self.objects.iter();
        let computed =
            || images_digest(objects.map(|object| (object.sop_instance.as_str(), object.content)));
        self.removed.unwrap_or_else(computed)
    }

    fn series_of(&mut self, header: &Header) -> usize {
        let uid = header.series().as_str();
        if let Some(at) = self.series.iter().position(|series| series.uid == uid) {
            return at;
        }
        self.series.push(Series {
            uid: uid.to_owned(),
            modality: header.modality().unwrap_or_default().to_owned(),
            number: header.series_number(),
            description: header
                .raw(dicom_dictionary_std::tags::SERIES_DESCRIPTION)
                .unwrap_or_default()
                .to_vec()
                .into(),
            objects: 0,
        });
        self.series.len() - 1
    }
}

/// The digest that names a set of images; see [`Study::images_digest`].
pub fn images_digest<'a>(images: impl Iterator<Item = (&'a str, Digest)>) -> Digest {
    let mut lines: Vec<String> = images
        .map(|(instance, content)| format!("{instance} {content}\n"))
        .collect();
    lines.sort_unstable();
    Digest::of(lines.concat().as_bytes())
}

fn is_secondary(modality: &str) -> bool {
    matches!(modality, "SR" | "PR" | "KO" | "DOC" | "SEG" | "OT" | "")
}

fn class_of(header: &Header) -> ObjectClass {
    let image_type = header
        .raw(dicom_dictionary_std::tags::IMAGE_TYPE)
        .unwrap_or_default();
    let localizer = image_type
        .split(|byte| *byte == b'\\')
        .any(|value| value.trim_ascii() == b"LOCALIZER");
    let class = header.sop_class();
    if localizer {
        ObjectClass::Localizer
    } else if *class == uid::KEY_OBJECT_SELECTION_STORAGE || header.modality() == Some("PR") {
        ObjectClass::Key
    } else if *class == uid::ENCAPSULATED_PDF_STORAGE || header.modality() == Some("SR") {
        ObjectClass::Document
    } else if header.image().rows.is_some() {
        ObjectClass::Image
    } else {
        ObjectClass::Other
    }
}
