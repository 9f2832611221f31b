//! WADO-RS: frames and long values of one instance, as they are kept (PS3.18 sections 10.4.1.1.5 and 10.4.1.1.6); frames
//! for who takes them uncompressed only go through a decoder.

use std::io::{self, Write as _};

use http::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};

use super::answer::{Answer, Refusal, set};
use super::body::{Body, Pipe};
use super::decoding::{Decoding, Made, undecodable};
use super::find::selection;
use super::headed::Headed;
use super::image::Frames;
use super::media::MediaType;
use super::ranges::{self, Plain, RangeError, Ranges};
use super::retrieve::{boundary, content_tag, entity_tag, is_known, open, unchanged};
use super::route::What;
use super::turns::{Turn, blocking};
use super::{Asked, Web};
use crate::dicom::dataset::Bounds;
use crate::dicom::scanner::{Encoding, TransferSyntax};
use crate::dicom::uid::EXPLICIT_VR_LITTLE_ENDIAN;
use crate::index::holdings::{Holdings, Instance};
use crate::say;

pub(super) const OCTETS: &str = "application/octet-stream";

/// Media types of compressed frames, by transfer syntax (PS3.18 tables 8.7.3-2 and following).
const COMPRESSED: [(&str, &str); 22] = [
    ("1.2.840.10008.1.2.4.50", "image/jpeg"),
    ("1.2.840.10008.1.2.4.51", "image/jpeg"),
    ("1.2.840.10008.1.2.4.57", "image/jpeg"),
    ("1.2.840.10008.1.2.4.70", "image/jpeg"),
    ("1.2.840.10008.1.2.4.80", "image/jls"),
    ("1.2.840.10008.1.2.4.81", "image/jls"),
    ("1.2.840.10008.1.2.4.90", "image/jp2"),
    ("1.2.840.10008.1.2.4.91", "image/jp2"),
    ("1.2.840.10008.1.2.4.92", "image/jpx"),
    ("1.2.840.10008.1.2.4.93", "image/jpx"),
    ("1.2.840.10008.1.2.4.201", "image/jphc"),
    ("1.2.840.10008.1.2.4.202", "image/jphc"),
    ("1.2.840.10008.1.2.4.203", "image/jphc"),
    ("1.2.840.10008.1.2.5", "image/dicom-rle"),
    ("1.2.840.10008.1.2.4.100", "video/mpeg2"),
    ("1.2.840.10008.1.2.4.101", "video/mpeg2"),
    ("1.2.840.10008.1.2.4.102", "video/mp4"),
    ("1.2.840.10008.1.2.4.103", "video/mp4"),
    ("1.2.840.10008.1.2.4.104", "video/mp4"),
    ("1.2.840.10008.1.2.4.105", "video/mp4"),
    ("1.2.840.10008.1.2.4.107", "video/H265"),
    ("1.2.840.10008.1.2.4.108", "video/H265"),
];

/// How parts are labelled, and whether they come in one multipart body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Label {
    multipart: bool,
    kind: String,
    /// The transfer syntax of frames.
    syntax: Option<String>,
    /// They are decoded: the client takes them uncompressed and not as they are kept.
    decoded: bool,
}

/// The label of what is kept as `kept` (a media type and transfer syntax) for a client that takes these ranges; none
/// when it takes nothing of that kind. `one` says that there is one part, `decodes` that it may be decoded.
pub(super) fn label(
    ranges: &[MediaType],
    kept: (&str, Option<&str>),
    (one, decodes): (bool, bool),
) -> Option<Label> {
    let (kind, syntax) = kept;
    ranges.iter().find_map(|range| {
        let multipart = range.takes("multipart/related");
        let inner = match (multipart, range.parameter("type")) {
            (true, Some(inner)) => MediaType::parse(inner)?,
            (true, None) => MediaType::parse("*/*")?,
            (false, _) if one => range.clone(),
            (false, _) => return None,
        };
        let wanted = range.parameter("transfer-syntax");
        // Octets without a transfer syntax are not compressed (PS3.18 section 8.7.3.3.2).
        let is_plain = syntax.is_none_or(|syntax| syntax == EXPLICIT_VR_LITTLE_ENDIAN.as_str());
        let takes_syntax = |by_default| match wanted {
            Some("*") => true,
            Some(wanted) => syntax.is_none_or(|syntax| syntax == wanted),
            None => by_default,
        };
        let is_decoded = wanted.is_none_or(|wanted| wanted == EXPLICIT_VR_LITTLE_ENDIAN.as_str());
        let (kind, decoded) = if inner.takes(kind) && takes_syntax(true) {
            (kind, false)
        } else if inner.takes(OCTETS) && takes_syntax(is_plain) {
            (OCTETS, false)
        } else if decodes && inner.takes(OCTETS) && is_decoded {
            (OCTETS, true)
        } else {
            return None;
        };
        Some(Label {
            multipart,
            kind: kind.to_owned(),
            syntax: syntax.map(str::to_owned),
            decoded,
        })
    })
}

/// Parts of one object that are ready to be streamed.
struct Prepared {
    holdings: Holdings,
    instance: Instance,
    encoding: Encoding,
    /// Bytes of each part, and where it can be had.
    parts: Vec<(Ranges, String)>,
    swap: usize,
    label: Label,
    boundary: String,
}

enum Found {
    Unchanged(String),
    Parts(Box<Prepared>, String),
    Decoded(Box<Decoding>),
}

impl Web {
    /// Answers with frames, or with a long value.
    pub(super) async fn parts(&self, asked: Asked) -> Result<Answer, Refusal> {
        let turn = self.turns.to_read().await?;
        let holdings = self.holdings.clone();
        match blocking(move || prepare(holdings, &asked)).await? {
            Found::Unchanged(tag) => Ok(unchanged(&tag)),
            Found::Parts(prepared, tag) => Ok(prepared.streamed(&tag, turn)),
            Found::Decoded(decoding) => {
                // Others may read while this waits for a decoder.
                drop(turn);
                self.decoded(*decoding).await
            }
        }
    }
}

/// What is asked of an object: bytes of each part with where it can be had, the media type and transfer syntax in which
/// they are kept, and how its numbers are turned around.
struct Kept {
    parts: Vec<(Ranges, String)>,
    kind: String,
    syntax: Option<String>,
    swap: usize,
}

fn prepare(holdings: Holdings, asked: &Asked) -> Result<Found, Refusal> {
    let found = holdings.instances(&asked.scope, &selection(&asked.resource.place));
    let instance = found.into_iter().next().ok_or_else(Refusal::not_found)?;
    let mut headed = Headed::read(&holdings, &instance, &Bounds::IMAGE)?;
    let at = address(asked, &instance);
    let kept = match &asked.resource.what {
        What::Frames(numbers) => {
            let (kind, syntax) = (kind_of(&headed.syntax), kept_syntax(&headed.syntax));
            let form = (numbers.len() == 1, true);
            let label = label(&asked.accepts(), (kind, Some(&syntax)), form);
            let parts = match &label {
                Some(label) if label.decoded => None,
                Some(_) | None => kept_frames(&mut headed, numbers, &at)?,
            };
            match (parts, label) {
                (Some(parts), _) => Kept {
                    parts,
                    kind: kind.to_owned(),
                    syntax: Some(syntax),
                    swap: ranges::swap_width(&headed.header, headed.encoding()),
                },
                (None, Some(label)) if label.kind == OCTETS => {
                    return decoded(asked, (&holdings, &instance), headed, (numbers, label));
                }
                (None, _) => return Err(Refusal::not_acceptable(wrong_form(kind, Some(&syntax)))),
            }
        }
        What::Bulk(path) => kept_value(&mut headed, &path.join("/"), &at)?,
        _ => return Err(Refusal::not_found()),
    };
    let Kept {
        parts,
        kind,
        syntax,
        swap,
    } = kept;
    let form = (parts.len() == 1, false);
    let label = label(&asked.accepts(), (&kind, syntax.as_deref()), form);
    let label =
        label.ok_or_else(|| Refusal::not_acceptable(wrong_form(&kind, syntax.as_deref())))?;
    let tag = entity_tag(&instance, label.multipart);
    if is_known(asked, &tag) {
        return Ok(Found::Unchanged(tag));
    }
    let prepared = Prepared {
        holdings,
        instance,
        encoding: headed.encoding(),
        parts,
        swap,
        label,
        boundary: boundary(),
    };
    Ok(Found::Parts(Box::new(prepared), tag))
}

/// Frames that are given decoded.
fn decoded(
    asked: &Asked,
    (holdings, instance): (&Holdings, &Instance),
    headed: Headed,
    (numbers, label): (&[u32], Label),
) -> Result<Found, Refusal> {
    let tag = content_tag(instance, if label.multipart { "dm" } else { "ds" });
    if is_known(asked, &tag) {
        return Ok(Found::Unchanged(tag));
    }
    let frames = Frames::find((holdings, instance), headed, numbers).map_err(undecodable)?;
    Ok(Found::Decoded(Box::new(Decoding {
        frames,
        made: Made::Samples,
        object: None,
        multipart: label.multipart,
        at: address(asked, instance),
        tag,
        warning: None,
    })))
}

/// Frames as they are kept; none when they begin inside of bytes, as decoded ones do not.
fn kept_frames(
    headed: &mut Headed,
    numbers: &[u32],
    at: &str,
) -> Result<Option<Vec<(Ranges, String)>>, Refusal> {
    let found = match ranges::frames(&mut headed.plain, &headed.header, Some(numbers)) {
        Err(RangeError::InsideByte) => return Ok(None),
        found => found.map_err(|error| unfit(&error))?,
    };
    let named = found.into_iter().zip(numbers);
    let named = named.map(|(ranges, number)| (ranges, format!("{at}/frames/{number}")));
    Ok(Some(named.collect()))
}

/// A long value, by its place.
fn kept_value(headed: &mut Headed, place: &str, at: &str) -> Result<Kept, Refusal> {
    let here = format!("{at}/bulkdata/{place}");
    match ranges::named(place).ok_or_else(Refusal::not_found)? {
        (offset, Some(length)) => {
            let kind = ranges::document_type(&headed.header);
            Ok(Kept {
                parts: vec![(vec![ranges::Range { offset, length }], here)],
                kind: kind.unwrap_or_else(|| OCTETS.to_owned()),
                syntax: None,
                swap: 1,
            })
        }
        (_, None) => {
            let found = ranges::frames(&mut headed.plain, &headed.header, None);
            let found = found.map_err(|error| unfit(&error))?.into_iter();
            Ok(Kept {
                parts: found.map(|ranges| (ranges, here.clone())).collect(),
                kind: kind_of(&headed.syntax).to_owned(),
                syntax: Some(kept_syntax(&headed.syntax)),
                swap: 1,
            })
        }
    }
}

/// The transfer syntax in which frames are given as they are kept: native pixels in little endian, whatever they are
/// kept as.
fn kept_syntax(syntax: &TransferSyntax) -> String {
    match syntax.has_native_pixels() {
        true => EXPLICIT_VR_LITTLE_ENDIAN.as_str().to_owned(),
        false => syntax.uid().as_str().to_owned(),
    }
}

/// Where an instance can be had.
pub(super) fn address(asked: &Asked, instance: &Instance) -> String {
    let root = asked.root();
    let Instance {
        study,
        series,
        sop_instance,
        ..
    } = instance;
    format!("{root}/studies/{study}/series/{series}/instances/{sop_instance}")
}

pub(super) fn kind_of(syntax: &TransferSyntax) -> &'static str {
    let mut known = COMPRESSED.iter();
    known
        .find(|(uid, _)| *uid == syntax.uid().as_str())
        .map_or(OCTETS, |(_, kind)| *kind)
}

impl Prepared {
    fn streamed(self: Box<Self>, tag: &str, turn: Turn) -> Answer {
        let (body, pipe) = Body::piped();
        let mut answer = Response::new(body);
        let Label {
            multipart, kind, ..
        } = &self.label;
        let whole = match multipart {
            true => format!(
                "multipart/related; type=\"{kind}\"; boundary={}",
                self.boundary
            ),
            false => self.part_type(),
        };
        set(&mut answer, CONTENT_TYPE, &whole);
        set(&mut answer, CACHE_CONTROL, "private, no-cache");
        set(&mut answer, ETAG, tag);
        tokio::task::spawn_blocking(move || {
            let _turn = turn;
            if let Err(error) = self.stream(pipe) {
                tracing::debug!(target: "dokuei::web", "an answer was cut off: {error}");
            }
        });
        answer
    }

    fn part_type(&self) -> String {
        let kind = &self.label.kind;
        match &self.label.syntax {
            Some(syntax) => format!("{kind}; transfer-syntax={syntax}"),
            None => kind.clone(),
        }
    }

    fn stream(&self, mut pipe: Pipe) -> io::Result<()> {
        let mut plain = self.plain()?;
        for (ranges, place) in &self.parts {
            if self.label.multipart {
                let (boundary, kind) = (&self.boundary, self.part_type());
                let length: u64 = ranges.iter().map(|range| range.length).sum();
                write!(
                    pipe,
                    "\r\n--{boundary}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nContent-Location: {place}\r\n\r\n"
                )?;
            }
            for range in ranges {
                // Parts come in the order in which they were asked for.
                if range.offset < plain.position() {
                    plain = self.plain()?;
                }
                plain.copy(*range, self.swap, &mut pipe)?;
            }
        }
        if self.label.multipart {
            write!(pipe, "\r\n--{}--\r\n", self.boundary)?;
        }
        pipe.finish()
    }

    fn plain(&self) -> io::Result<Plain<'static>> {
        let opened = open(&self.holdings, &self.instance);
        let opened = opened.map_err(io::Error::other)?;
        let opened = opened.ok_or(io::ErrorKind::NotFound)?;
        Ok(Plain::new(opened.data_set, self.encoding))
    }
}

fn unfit(error: &RangeError) -> Refusal {
    match error {
        RangeError::None => Refusal::not_found(),
        RangeError::Contradiction => Refusal::new(http::StatusCode::CONFLICT, contradiction()),
        RangeError::InsideByte => Refusal::not_acceptable(inside_byte()),
        RangeError::Unreadable(error) => {
            tracing::error!(target: "dokuei::web", "an object cannot be read: {error}");
            Refusal::failed()
        }
    }
}

fn contradiction() -> crate::language::Message {
    say!(
        "この画像の画素データは、画像の記述と合っていません。",
        "The pixel data of this object does not go with its description."
    )
}

fn inside_byte() -> crate::language::Message {
    say!(
        "この画像のフレームはバイトの途中で始まるため、そのままでは返せません。",
        "The frames of this object begin inside of bytes and cannot be given as they are."
    )
}

fn wrong_form(kind: &str, syntax: Option<&str>) -> crate::language::Message {
    let syntax = syntax.unwrap_or("*");
    say!(
        "この形式では返せません。保存されている形式は {kind}; transfer-syntax={syntax} です（transfer-syntax=* なら返せます）。",
        "It cannot be given in this form. It is kept as {kind}; transfer-syntax={syntax}; ask with transfer-syntax=*."
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dicomweb::media::accepted;

    #[test]
    fn frames_are_labelled_as_the_client_takes_them() {
        let rle = ("image/dicom-rle", Some("1.2.840.10008.1.2.5"));
        let native = (OCTETS, Some("1.2.840.10008.1.2.1"));
        let of = |accept: &str, kept, one| {
            let label = label(&accepted(accept), kept, (one, true));
            label.map(|label| (label.multipart, label.kind))
        };
        let octets = |multipart| Some((multipart, OCTETS.to_owned()));
        let is_decoded = |accept: &str| {
            let label = label(&accepted(accept), rle, (true, true));
            label.is_some_and(|label| label.decoded)
        };
        let viewer = "multipart/related; type=application/octet-stream; transfer-syntax=*";
        assert_eq!(of(viewer, rle, true), octets(true));
        assert_eq!(of(viewer, native, false), octets(true));
        let uncompressed = "multipart/related; type=\"application/octet-stream\"";
        assert_eq!(of(uncompressed, native, true), octets(true));
        assert_eq!(of(uncompressed, rle, true), octets(true));
        assert!(is_decoded(uncompressed) && is_decoded(OCTETS));
        let of_value = label(
            &accepted("application/octet-stream, */*"),
            rle,
            (true, false),
        );
        assert!(of_value.is_some_and(|label| !label.decoded && label.kind == rle.0));
        let explicit =
            "multipart/related; type=application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1";
        assert!(is_decoded(explicit) && !is_decoded(viewer) && !is_decoded("*/*"));
        let kept = Some((true, "image/dicom-rle".to_owned()));
        assert_eq!(
            of("multipart/related; type=image/dicom-rle", rle, true),
            kept
        );
        assert_eq!(of("*/*", rle, true), kept);
        assert_eq!(of("image/jpeg", rle, true), None);
        let single = Some((false, "image/dicom-rle".to_owned()));
        assert_eq!(of("image/*", rle, true), single);
        assert_eq!(of("image/*", rle, false), None);
        assert_eq!(of(OCTETS, native, true), octets(false));
        let other = "multipart/related; type=application/octet-stream; transfer-syntax=1.2.840.10008.1.2.4.50";
        assert_eq!(of(other, native, true), None);
    }
}
