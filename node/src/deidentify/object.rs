//! One object made anew: its header as a tree that the rules have gone through, its pixels as a stream. The file meta
//! information, the preamble, and whatever follows the pixel data are never carried.

use std::io::{self, Read, Write};

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use dokuei_keys::id::SiteId;
use flate2::read::DeflateDecoder;

use super::blanking::Blanking;
use super::content;
use super::fragments::{copy, copy_fragments};
use super::gate::{self, Passed};
use super::options::Options;
use super::refusal::Refusal;
use super::regions::{Rectangle, Regions};
use super::rules::Rules;
use super::secret::Secret;
use crate::dicom::charset::encode;
use crate::dicom::dataset::{Bounds, DataSet, Element, Value, read, write};
use crate::dicom::scanner::{Encoding, INFLATED_BYTES_MAX, TransferSyntax};
use crate::dicom::uid::{
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN, RLE_LOSSLESS, Uid,
};
use crate::parcels::ObjectHead;
use crate::pixels::{DecodeError, Decoders};
use crate::studies::attributes::Attributes;
use crate::studies::identity::Identity;
use crate::studies::person::Person;

/// The whole header is kept, long values included, so that nothing goes through that was not looked at.
const BOUNDS: Bounds = Bounds {
    bulk_from: u64::MAX,
    ..Bounds::HEADER
};
/// Root of the encapsulated transfer syntaxes.
const ENCAPSULATED: &str = "1.2.840.10008.1.2.4.";

/// How objects are made anew.
#[derive(Clone, Copy)]
pub struct Method<'a> {
    /// The chosen options.
    pub options: &'a Options,
    /// What UIDs, pseudonyms and dates are derived from.
    pub secret: &'a Secret,
    /// The site whose objects they are.
    pub site: SiteId,
    /// Of whom it was said that the study is; none: whom each object names.
    pub said: Option<&'a Person>,
    /// Where devices write into their pictures.
    pub regions: &'a Regions,
    /// What opens compressed pixels that are made black in places.
    pub decoders: &'a Decoders,
}

impl Method<'_> {
    /// Whom a study with these attributes is of.
    pub fn person(&self, study: &str, attributes: &Attributes) -> Person {
        self.put_to(study, || Identity::of(attributes))
    }

    fn put_to(&self, study: &str, named: impl FnOnce() -> Identity) -> Person {
        match self.said {
            Some(said) => said.clone(),
            None => Person::of(self.site, study, &named()),
        }
    }

    /// The Study Instance UID that a study has now.
    pub fn study(&self, uid: &str) -> String {
        match self.options.keep_uids {
            true => uid.to_owned(),
            false => String::from_utf8_lossy(&self.secret.uid(uid.as_bytes())).into_owned(),
        }
    }
}

/// An object whose header is made anew, and whose pixels are still to come. Holds an unread rest of the original.
pub struct Cleaned<'a> {
    /// Which object it is now, and how it is written.
    pub head: ObjectHead,
    /// Its Study Instance UID now.
    pub study: String,
    /// Whom it was of.
    pub person: Person,
    source: Box<dyn Read + 'a>,
    header: DataSet,
    encoding: Encoding,
    pixels: Option<Pixels<'a>>,
}

struct Pixels<'a> {
    tag: Tag,
    vr: VR,
    length: Option<u64>,
    blanking: Option<Box<Blanking<'a>>>,
}

impl<'a> Cleaned<'a> {
    /// Reads the header of a data set written in `syntax` and makes it anew.
    ///
    /// # Errors
    /// Why the object must stay here.
    pub fn begin(
        source: Box<dyn Read + 'a>,
        syntax: &TransferSyntax,
        method: Method<'a>,
    ) -> Result<Cleaned<'a>, Refusal> {
        let (mut source, mut encoding, mut written) = plain(source, syntax)?;
        let mut header = read(&mut source, encoding, &BOUNDS)?;
        let mut pixels = take_pixels(&mut header)?;
        let passed = gate::pass(&header, method.options, method.regions)?;
        let study = header.code(tags::STUDY_INSTANCE_UID);
        let person = method.put_to(study, || Identity::of_data_set(&header));
        let rules = Rules {
            options: method.options,
            secret: method.secret,
            strict: passed.strict,
            person: &person,
        };
        let mut cleaned = rules.apply(&header);
        if passed.structured {
            content::clean(&mut cleaned, &header);
        }
        mark(&mut cleaned, method, &person, &passed);
        if let Some(pixels) = &mut pixels
            && !passed.blank.is_empty()
        {
            let decoded = pixels.blank(&header, &written, passed.blank, method.decoders)?;
            if let Some(blanking) = decoded {
                blanking.describe(&mut cleaned, &written);
                (encoding, written) = (Encoding::ExplicitLittle, EXPLICIT_VR_LITTLE_ENDIAN);
            }
        }
        if has_long_value(&cleaned) {
            return Err(Refusal::LongValue);
        }
        let uid = |tag| Some(cleaned.code(tag).to_owned()).filter(|uid| !uid.is_empty());
        let (class, instance) = (uid(tags::SOP_CLASS_UID), uid(tags::SOP_INSTANCE_UID));
        let (study, series) = (
            uid(tags::STUDY_INSTANCE_UID),
            uid(tags::SERIES_INSTANCE_UID),
        );
        let (Some(sop_class), Some(sop_instance), Some(study), Some(_)) =
            (class, instance, study, series)
        else {
            return Err(Refusal::Nameless);
        };
        Ok(Cleaned {
            head: ObjectHead {
                sop_class,
                sop_instance,
                transfer_syntax: written.as_str().to_owned(),
            },
            study,
            person,
            source,
            header: cleaned,
            encoding,
            pixels,
        })
    }

    /// Writes the data set.
    ///
    /// # Errors
    /// When the pixels break off or cannot be written; what is written then is no object.
    pub fn write(mut self, out: &mut dyn Write) -> Result<(), Refusal> {
        out.write_all(&write(&self.header, self.encoding))?;
        let Some(Pixels {
            tag,
            vr,
            length,
            blanking,
        }) = self.pixels
        else {
            return Ok(());
        };
        // The head of an empty value of this kind, with the length that it has.
        let mut head = DataSet::default();
        head.put_bytes(tag, vr, Vec::new());
        let mut head = write(&head, self.encoding);
        head.truncate(head.len() - 4);
        let stated = length.map_or(u32::MAX, |length| length as u32);
        head.extend(match self.encoding {
            Encoding::ExplicitBig => stated.to_be_bytes(),
            _ => stated.to_le_bytes(),
        });
        out.write_all(&head)?;
        match (length, blanking) {
            (_, Some(blanking)) => blanking.write(&mut self.source, out),
            (Some(length), None) => Ok(copy(&mut self.source, out, length)?),
            (None, None) => copy_fragments(&mut self.source, out, &self.head.transfer_syntax),
        }
    }
}

/// The data set as it can be looked through: inflated where it is deflated; with the syntax that the new one is
/// written in.
fn plain<'a>(
    source: Box<dyn Read + 'a>,
    syntax: &TransferSyntax,
) -> Result<(Box<dyn Read + 'a>, Encoding, Uid), Refusal> {
    let uid = syntax.uid();
    let native = [
        IMPLICIT_VR_LITTLE_ENDIAN,
        EXPLICIT_VR_LITTLE_ENDIAN,
        EXPLICIT_VR_BIG_ENDIAN,
        RLE_LOSSLESS,
    ];
    if native.contains(uid) || is_known_coding(uid) {
        return Ok((source, syntax.encoding(), uid.clone()));
    }
    if *uid == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN {
        let inflated = DeflateDecoder::new(source).take(INFLATED_BYTES_MAX);
        return Ok((
            Box::new(inflated),
            Encoding::ExplicitLittle,
            EXPLICIT_VR_LITTLE_ENDIAN,
        ));
    }
    Err(Refusal::Encoding(uid.as_str().to_owned()))
}

/// JPEG, JPEG-LS, JPEG 2000 and HTJ2K: pictures whose comments are known. Films and what refers elsewhere are not.
fn is_known_coding(uid: &Uid) -> bool {
    let coded = uid
        .as_str()
        .strip_prefix(ENCAPSULATED)
        .and_then(|number| number.parse::<u16>().ok());
    matches!(
        coded,
        Some(50 | 51 | 57 | 70 | 80 | 81 | 90..=93 | 201..=203)
    )
}

/// Whether objects in a transfer syntax can be looked through.
pub fn is_looked_through(syntax: &Uid) -> bool {
    plain(Box::new(io::empty()), &TransferSyntax::from(syntax.clone())).is_ok()
}

/// Takes the pixel data out of the header: what is not picture is refused.
fn take_pixels<'a>(header: &mut DataSet) -> Result<Option<Pixels<'a>>, Refusal> {
    let picture = picture_bytes(header);
    let all = [
        tags::PIXEL_DATA,
        tags::FLOAT_PIXEL_DATA,
        tags::DOUBLE_FLOAT_PIXEL_DATA,
    ];
    let Some(element) = all.into_iter().find_map(|tag| header.take(tag)) else {
        return Ok(None);
    };
    let Value::Bulk(place) = element.value else {
        return Err(Refusal::LongValue);
    };
    // One byte is padding; a picture whose colours are sampled sparsely is shorter.
    if place
        .length
        .is_some_and(|length| length > picture.saturating_add(1))
    {
        return Err(Refusal::PixelsTooLong);
    }
    Ok(Some(Pixels {
        tag: element.tag,
        vr: element.vr,
        length: place.length,
        blanking: None,
    }))
}

impl<'a> Pixels<'a> {
    /// Plans to make parts of them black. Gives what is done when they come out decoded.
    fn blank(
        &mut self,
        header: &DataSet,
        syntax: &Uid,
        parts: Vec<Rectangle>,
        decoders: &'a Decoders,
    ) -> Result<Option<&Blanking<'a>>, Refusal> {
        if self.tag != tags::PIXEL_DATA {
            return Err(DecodeError::Unsupported.into());
        }
        let kept = (self.vr, self.length);
        let blanking = Blanking::plan(header, syntax, kept, parts, decoders)?;
        self.length = Some(blanking.length().ok_or(DecodeError::TooLarge)?);
        if blanking.decodes() {
            self.vr = blanking.vr();
        }
        let blanking = self.blanking.insert(Box::new(blanking));
        Ok(Some(&**blanking).filter(|blanking| blanking.decodes()))
    }
}

/// Bytes of the picture that a header describes.
fn picture_bytes(header: &DataSet) -> u64 {
    let number = |tag, otherwise| u64::from(header.short(tag).unwrap_or(otherwise));
    let frames = header
        .code(tags::NUMBER_OF_FRAMES)
        .parse::<u64>()
        .unwrap_or(1);
    let pixels =
        number(tags::ROWS, 0) * number(tags::COLUMNS, 0) * number(tags::SAMPLES_PER_PIXEL, 1);
    let bits = pixels
        .saturating_mul(frames)
        .saturating_mul(number(tags::BITS_ALLOCATED, 16));
    bits.div_ceil(8)
}

/// Says whom the object stands for, and what was done (PS3.15 section E.1.1).
fn mark(header: &mut DataSet, method: Method<'_>, person: &Person, passed: &Passed) {
    let options = method.options;
    let pseudonym = method.secret.pseudonym(person);
    header.put_text(tags::PATIENT_ID, VR::LO, &pseudonym);
    header.put_text(tags::PATIENT_NAME, VR::PN, &pseudonym);
    header.put_text(tags::PATIENT_IDENTITY_REMOVED, VR::CS, "YES");
    header.put_text(
        tags::DEIDENTIFICATION_METHOD,
        VR::LO,
        "DICOM PS3.15 Annex E, by dokuei",
    );
    let codes = options
        .method(!passed.blank.is_empty())
        .into_iter()
        .map(|(code, meaning)| {
            let mut item = DataSet::default();
            item.put_text(tags::CODE_VALUE, VR::SH, &code.to_string());
            item.put_text(tags::CODING_SCHEME_DESIGNATOR, VR::SH, "DCM");
            item.put_bytes(tags::CODE_MEANING, VR::LO, encode(meaning));
            item
        });
    header.put_items(tags::DEIDENTIFICATION_METHOD_CODE_SEQUENCE, codes.collect());
    header.put_text(
        tags::LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED,
        VR::CS,
        options.temporal(),
    );
    if passed.seen {
        header.put_text(tags::BURNED_IN_ANNOTATION, VR::CS, "NO");
    }
}

/// Whether something was not read.
fn has_long_value(data_set: &DataSet) -> bool {
    data_set
        .elements()
        .iter()
        .any(|element: &Element| match &element.value {
            Value::Bulk(_) => true,
            Value::Items(items) => items.iter().any(has_long_value),
            Value::Bytes(_) => false,
        })
}
