//! `/rendered` of what is no image: a document is given as it is (PS3.18 section 10.4.1.1.3). Pictures of images are made
//! where frames are decoded; until that is at hand here, asking for one is refused in words.

use std::io;

use dicom_dictionary_std::tags;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use http::{Response, StatusCode};

use super::answer::{Answer, Refusal, set};
use super::body::Body;
use super::find::selection;
use super::ranges::{Plain, Range, document_type};
use super::retrieve::{OpenObject, entity_tag, is_known, lost, open, unchanged};
use super::turns::blocking;
use super::{Asked, Web};
use crate::dicom::dataset::{DataSet, Value};
use crate::dicom::scanner::{Encoding, TransferSyntax};
use crate::dicom::uid::Uid;
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
}

impl Web {
    /// Answers with the document in an instance.
    pub(super) async fn rendered(&self, asked: Asked) -> Result<Answer, Refusal> {
        let turn = self.turns.to_read().await?;
        let holdings = self.holdings.clone();
        let (prepared, tag) = match blocking(move || prepare(holdings, &asked)).await? {
            Found::Unchanged(tag) => return Ok(unchanged(&tag)),
            Found::Document(prepared, tag) => (prepared, tag),
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
    let objects = holdings.instances(&asked.scope, &selection(&asked.resource.place));
    let instance = objects.into_iter().next().ok_or_else(Refusal::not_found)?;
    let opened = open(&holdings, &instance).map_err(|error| lost(&error))?;
    let OpenObject { head, data_set } = opened.ok_or_else(Refusal::not_found)?;
    let syntax = Uid::parse_lenient(head.transfer_syntax.as_bytes());
    let encoding = TransferSyntax::from(syntax.map_err(|_| Refusal::failed())?).encoding();
    let header = Plain::new(data_set, encoding).header(encoding);
    let header = header.map_err(|error| {
        tracing::error!(target: "dokuei::web", "an object cannot be read: {error}");
        Refusal::failed()
    })?;
    let is_one = asked.resource.place.instance.is_some();
    let document = content(&header)
        .filter(|_| is_one)
        .zip(document_type(&header));
    let (content, kind) =
        document.ok_or_else(|| Refusal::new(StatusCode::NOT_IMPLEMENTED, no_pictures()))?;
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

fn no_pictures() -> crate::language::Message {
    say!(
        "画像の表示用変換はまだできません。フレームを transfer-syntax=* で取得してください。",
        "Pictures of images are not made yet. Ask for frames with transfer-syntax=*."
    )
}

fn only(kind: &str) -> crate::language::Message {
    say!(
        "この文書は {kind} でだけ返せます。",
        "This document can be given as {kind} only."
    )
}
