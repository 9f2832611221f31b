//! `/rendered` and `/thumbnail`: a document is given as it is (PS3.18 section 10.4.1.1.3), of an image there are pictures
//! (`pictures`).

use std::io;

use dicom_dictionary_std::tags;

use super::answer::{Answer, Refusal};
use super::decoding::{Decoding, Made, undecodable};
use super::find::selection;
use super::frames::address;
use super::headed::Headed;
use super::image::Frames;
use super::media::shown_as;
use super::pictures::{Wanted, candidates, numbers};
use super::piped::piped;
use super::retrieve::{content_tag, is_known, open, unchanged};
use super::route::What;
use super::turns::with_turn;
use super::{Asked, Web};
use crate::dicom::dataset::{Bounds, DataSet, Value};
use crate::dicom::scanner::Encoding;
use crate::index::holdings::{Holdings, Instance};
use crate::pixels::Document;
use crate::say;
use crate::transcoding::ranges::{Plain, Range};

/// A document that is ready to be given out.
struct Prepared {
    holdings: Holdings,
    instance: Instance,
    encoding: Encoding,
    kind: &'static str,
    content: Content,
}

/// The bytes of a document.
enum Content {
    Here(Vec<u8>),
    There(Range),
}

enum Found {
    Unchanged(String),
    Document(Box<Prepared>, String),
    Pictures(Box<Decoding>),
}

impl Web {
    /// Answers with the document in an instance, or with pictures of frames.
    pub(super) async fn rendered(&self, asked: Asked) -> Result<Answer, Refusal> {
        let turn = self.turns.to_read(&asked.visitor).await?;
        let (holdings, visitor) = (self.holdings.clone(), asked.visitor.clone());
        let (found, turn) = with_turn(turn, move || prepare(holdings, &asked)).await?;
        match found {
            Found::Unchanged(tag) => Ok(unchanged(&tag)),
            Found::Document(prepared, tag) => {
                let kind = prepared.kind;
                Ok(piped(kind, Some(&tag), turn, move |out| {
                    prepared.write(out)
                }))
            }
            Found::Pictures(decoding) => {
                // Others may read while this waits for a decoder.
                drop(turn);
                self.decoded(&visitor, *decoding).await
            }
        }
    }
}

fn prepare(holdings: Holdings, asked: &Asked) -> Result<Found, Refusal> {
    let one = asked.resource.place.instance.is_some();
    let objects = holdings.instances(&asked.scope, &selection(&asked.resource.place));
    let mut refusal = Refusal::not_found();
    for instance in candidates(objects, one) {
        let headed = match Headed::read(&holdings, &instance, &Bounds::IMAGE) {
            Ok(headed) => headed,
            // Another series may be whole.
            Err(error) => {
                refusal = error;
                continue;
            }
        };
        if asked.resource.what == What::Rendered
            && one
            && let Some(document) = document(&headed.header)
        {
            let encoding = headed.encoding();
            return document_of(asked, (holdings, instance), encoding, document);
        }
        let numbers = numbers(&asked.resource.what, &headed.header);
        match Frames::find((&holdings, &instance), headed, &numbers) {
            Ok(frames) => return pictures_of(asked, &instance, frames, &numbers),
            // Another series may have an image.
            Err(error) => refusal = undecodable(error),
        }
    }
    Err(refusal)
}

fn pictures_of(
    asked: &Asked,
    instance: &Instance,
    frames: Frames,
    numbers: &[u32],
) -> Result<Found, Refusal> {
    let wanted = Wanted::read(asked, numbers.len())?;
    let tag = wanted.tag(instance, numbers);
    if is_known(asked, &tag) {
        return Ok(Found::Unchanged(tag));
    }
    Ok(Found::Pictures(Box::new(Decoding {
        frames,
        made: Made::Picture(wanted.rendering),
        multipart: wanted.multipart,
        at: address(asked, instance),
        tag,
        warning: wanted.warning,
    })))
}

fn document_of(
    asked: &Asked,
    (holdings, instance): (Holdings, Instance),
    encoding: Encoding,
    (content, kind): (Content, &'static str),
) -> Result<Found, Refusal> {
    if !asked.accepts().iter().any(|range| range.takes(kind)) {
        return Err(Refusal::not_acceptable(only(kind)));
    }
    let tag = content_tag(&instance, &format!("s-{kind}"));
    if is_known(asked, &tag) {
        return Ok(Found::Unchanged(tag));
    }
    let prepared = Prepared {
        holdings,
        instance,
        encoding,
        kind,
        content,
    };
    Ok(Found::Document(Box::new(prepared), tag))
}

/// The document in an object, without the padding that follows it, and as what it is sent.
fn document(header: &DataSet) -> Option<(Content, &'static str)> {
    let value = &header.element(tags::ENCAPSULATED_DOCUMENT)?.value;
    let length = match value {
        Value::Bytes(bytes) => bytes.len() as u64,
        Value::Bulk(place) => place.length?,
        Value::Items(_) => return None,
    };
    let Document { media_type, bytes } = Document::of(header, length)?;
    let content = match value {
        Value::Bulk(place) => Content::There(Range {
            offset: place.offset,
            length: bytes,
        }),
        Value::Bytes(all) => {
            let most = usize::try_from(bytes).unwrap_or(usize::MAX);
            Content::Here(all.iter().copied().take(most).collect())
        }
        Value::Items(_) => return None,
    };
    Some((content, shown_as(&media_type)))
}

impl Prepared {
    fn write(&self, out: &mut dyn io::Write) -> io::Result<()> {
        match &self.content {
            Content::Here(bytes) => out.write_all(bytes),
            Content::There(range) => {
                let opened = open(&self.holdings, &self.instance).map_err(io::Error::other)?;
                let opened = opened.ok_or(io::ErrorKind::NotFound)?;
                Plain::of(opened.data_set, self.encoding).copy(*range, 1, out)
            }
        }
    }
}

fn only(kind: &str) -> crate::language::Message {
    say!(
        "この文書は {kind} でだけ返せます。",
        "This document can be given as {kind} only."
    )
}
