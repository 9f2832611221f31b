//! `/rendered` and `/thumbnail`: a document is given as it is (PS3.18 section 10.4.1.1.3), of an image there are pictures
//! (`pictures`).

use std::io;

use dicom_dictionary_std::tags;
use http::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};

use super::answer::{Answer, Refusal, set};
use super::body::Body;
use super::decoding::{Decoding, Made, undecodable};
use super::find::selection;
use super::frames::address;
use super::headed::Headed;
use super::image::Frames;
use super::pictures::{Wanted, candidates, numbers};
use super::ranges::{Plain, Range, document_type};
use super::retrieve::{entity_tag, is_known, open, unchanged};
use super::route::What;
use super::turns::blocking;
use super::{Asked, Web};
use crate::dicom::dataset::{Bounds, DataSet, Value};
use crate::dicom::scanner::Encoding;
use crate::index::holdings::{Holdings, Instance};
use crate::say;

/// A document that is ready to be given out.
struct Prepared {
    holdings: Holdings,
    instance: Instance,
    encoding: Encoding,
    kind: String,
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
        let turn = self.turns.to_read().await?;
        let holdings = self.holdings.clone();
        let (prepared, tag) = match blocking(move || prepare(holdings, &asked)).await? {
            Found::Unchanged(tag) => return Ok(unchanged(&tag)),
            Found::Document(prepared, tag) => (prepared, tag),
            Found::Pictures(decoding) => {
                // Others may read while this waits for a decoder.
                drop(turn);
                return self.decoded(*decoding).await;
            }
        };
        let (body, mut pipe) = Body::piped();
        let mut answer = Response::new(body);
        set(&mut answer, CONTENT_TYPE, &prepared.kind);
        set(&mut answer, CACHE_CONTROL, "private, no-cache");
        set(&mut answer, ETAG, &tag);
        tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let written = prepared.write(&mut pipe).and_then(|()| pipe.finish());
            if let Err(error) = written {
                tracing::debug!(target: "dokuei::web", "an answer was cut off: {error}");
            }
        });
        Ok(answer)
    }
}

fn prepare(holdings: Holdings, asked: &Asked) -> Result<Found, Refusal> {
    let one = asked.resource.place.instance.is_some();
    let objects = holdings.instances(&asked.scope, &selection(&asked.resource.place));
    let mut refusal = Refusal::not_found();
    for instance in candidates(objects, one) {
        let headed = Headed::read(&holdings, &instance, &Bounds::IMAGE)?;
        if asked.resource.what == What::Rendered && one {
            let document = content(&headed.header).zip(document_type(&headed.header));
            if let Some(document) = document {
                let encoding = headed.encoding();
                return document_of(asked, (holdings, instance), encoding, document);
            }
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
        object: None,
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
    (content, kind): (Content, String),
) -> Result<Found, Refusal> {
    if !asked.accepts().iter().any(|range| range.takes(&kind)) {
        return Err(Refusal::not_acceptable(only(&kind)));
    }
    let tag = entity_tag(&instance, false);
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

/// The document in an object, without the padding that follows it.
fn content(header: &DataSet) -> Option<Content> {
    let length = header.bytes(tags::ENCAPSULATED_DOCUMENT_LENGTH);
    let length = length.and_then(|bytes| bytes.first_chunk().copied().map(u32::from_le_bytes));
    let length = length.map_or(u64::MAX, u64::from);
    match &header.element(tags::ENCAPSULATED_DOCUMENT)?.value {
        Value::Bytes(bytes) => {
            let most = usize::try_from(length).unwrap_or(usize::MAX);
            Some(Content::Here(bytes.iter().copied().take(most).collect()))
        }
        Value::Bulk(place) => Some(Content::There(Range {
            offset: place.offset,
            length: place.length?.min(length),
        })),
        Value::Items(_) => None,
    }
}

impl Prepared {
    fn write(&self, out: &mut dyn io::Write) -> io::Result<()> {
        match &self.content {
            Content::Here(bytes) => out.write_all(bytes),
            Content::There(range) => {
                let opened = open(&self.holdings, &self.instance).map_err(io::Error::other)?;
                let opened = opened.ok_or(io::ErrorKind::NotFound)?;
                Plain::new(opened.data_set, self.encoding).copy(*range, 1, out)
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
