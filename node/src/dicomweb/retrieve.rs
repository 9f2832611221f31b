//! WADO-RS: the objects of a study, a series or one instance, as they came, streamed from their sealed parcels
//! (PS3.18 section 10.4).

use std::io::{self, Write as _};

use http::StatusCode;
use http::header::IF_NONE_MATCH;

use super::answer::{Answer, Refusal, plain};
use super::body::Pipe;
use super::find::selection;
use super::frames::address;
use super::media::MediaType;
use super::piped::{piped, validated};
use super::related::Related;
use super::transcoded::{Form, Transcoded, Untouched};
use super::turns::{Turn, with_turn};
use super::{Asked, Web};
use crate::dicom::part10::file_head;
use crate::dicom::uid::{EXPLICIT_VR_LITTLE_ENDIAN, Uid};
use crate::index::holdings::{Holdings, Instance};
use crate::parcels::{ObjectHead, OpenError, OpenedObject};
use crate::say;
use crate::transcoding::Transcoder;

/// The media type of objects.
const DICOM: &str = "application/dicom";

/// A way in which the client takes objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    /// In one multipart body; else one object as the whole body.
    multipart: bool,
    /// The transfer syntax; none: any.
    syntax: Option<String>,
}

impl Taken {
    fn takes(&self, syntax: &str) -> bool {
        self.syntax.as_ref().is_none_or(|wanted| wanted == syntax)
    }
}

/// The ways in which objects are taken, the most wanted first. `one` says that there is exactly one object.
pub(super) fn ways(ranges: &[MediaType], one: bool) -> Vec<Taken> {
    let way = |range: &MediaType| {
        let multipart = range.takes("multipart/related");
        let of_dicom = range
            .parameter("type")
            .is_none_or(|kind| MediaType::parse(kind).is_some_and(|kind| kind.takes(DICOM)));
        if !(multipart && of_dicom || one && range.takes(DICOM)) {
            return None;
        }
        let syntax = range.parameter("transfer-syntax");
        Some(Taken {
            multipart,
            syntax: syntax.filter(|syntax| *syntax != "*").map(str::to_owned),
        })
    };
    let ways: Vec<Taken> = ranges.iter().filter_map(way).collect();
    let Some(first) = ways.first().map(|way| way.multipart) else {
        return ways;
    };
    // One answer has one form.
    ways.into_iter()
        .filter(|way| way.multipart == first)
        .collect()
}

/// Objects that are ready to be streamed.
struct Prepared {
    holdings: Holdings,
    /// Each with where it can be had.
    objects: Vec<(Instance, String)>,
    related: Related,
    /// Some were left out: the client does not take them as they are.
    partial: bool,
}

/// One object, opened behind its head.
pub(super) struct OpenObject {
    pub head: ObjectHead,
    pub data_set: OpenedObject,
}

impl Web {
    /// Answers with objects.
    pub(super) async fn retrieve(&self, asked: Asked) -> Result<Answer, Refusal> {
        let turn = self.turns.to_read(&asked.visitor).await?;
        let (holdings, visitor) = (self.holdings.clone(), asked.visitor.clone());
        let transcoder = self.transcoder.clone();
        let prepare = move || prepare(holdings, transcoder, &asked);
        let (found, turn) = with_turn(turn, prepare).await?;
        match found {
            Found::Unchanged(tag) => Ok(unchanged(&tag)),
            Found::Objects(prepared, tag) => Ok(prepared.streamed(tag.as_deref(), turn)),
            Found::Transcoded(transcoded) => self.transcoded(&visitor, *transcoded, turn).await,
        }
    }
}

enum Found {
    Unchanged(String),
    Objects(Prepared, Option<String>),
    Transcoded(Box<Transcoded>),
}

fn prepare(holdings: Holdings, transcoder: Transcoder, asked: &Asked) -> Result<Found, Refusal> {
    let place = &asked.resource.place;
    let mut objects = holdings.instances(&asked.scope, &selection(place));
    if objects.is_empty() {
        return Err(Refusal::not_found());
    }
    let one = place.instance.is_some();
    let ways = ways(&asked.accepts(), one);
    let Some(first) = ways.first() else {
        return Err(Refusal::not_acceptable(wrong_media(one)));
    };
    let multipart = first.multipart;
    let asked_for = objects.len();
    if ways.iter().all(|way| way.syntax.is_some()) {
        let uncompressed = EXPLICIT_VR_LITTLE_ENDIAN;
        let is_transcoded = one && ways.iter().any(|way| way.takes(uncompressed.as_str()));
        let instance = objects.first().cloned();
        objects = match (taken(&holdings, objects, &ways), instance) {
            (Err(refusal), Some(instance))
                if refusal.status == StatusCode::NOT_ACCEPTABLE && is_transcoded =>
            {
                let form = Form::new(&instance, address(asked, &instance), multipart);
                if is_known(asked, &form.tag) {
                    return Ok(Found::Unchanged(form.tag));
                }
                let untouched = Untouched {
                    transcoder,
                    holdings,
                    instance,
                    form,
                };
                return Ok(Found::Transcoded(Box::new(untouched.read()?)));
            }
            (taken, _) => taken?,
        };
    }
    let (tag, is_known) = match objects.as_slice() {
        [only] if one => {
            let tag = content_tag(only, if multipart { "m" } else { "s" });
            let is_known = is_known(asked, &tag);
            (Some(tag), is_known)
        }
        _ => (None, false),
    };
    match tag {
        Some(tag) if is_known => Ok(Found::Unchanged(tag)),
        tag => {
            let prepared = Prepared {
                partial: objects.len() < asked_for,
                related: Related::new(multipart),
                objects: objects
                    .into_iter()
                    .map(|object| {
                        let at = address(asked, &object);
                        (object, at)
                    })
                    .collect(),
                holdings,
            };
            Ok(Found::Objects(prepared, tag))
        }
    }
}

/// The objects that the client takes as they are.
fn taken(
    holdings: &Holdings,
    objects: Vec<Instance>,
    ways: &[Taken],
) -> Result<Vec<Instance>, Refusal> {
    let (mut fit, mut others) = (Vec::new(), std::collections::BTreeSet::new());
    for object in objects {
        let opened = open(holdings, &object).map_err(|error| lost(&error))?;
        let Some(opened) = opened else {
            continue;
        };
        let syntax = opened.head.transfer_syntax;
        if ways.iter().any(|way| way.takes(&syntax)) {
            fit.push(object);
        } else {
            others.insert(syntax);
        }
    }
    if fit.is_empty() {
        let kept: Vec<String> = others.into_iter().collect();
        return Err(match kept.is_empty() {
            true => Refusal::not_found(),
            false => Refusal::not_acceptable(wrong_syntax(&kept.join(", "))),
        });
    }
    Ok(fit)
}

/// Opens an object and reads its head. None when its time here is over.
pub(super) fn open(
    holdings: &Holdings,
    instance: &Instance,
) -> Result<Option<OpenObject>, OpenError> {
    let Some(mut data_set) = holdings.open(instance)? else {
        return Ok(None);
    };
    let head = ObjectHead::read(&mut data_set).map_err(OpenError::from)?;
    let head = head.ok_or(OpenError::Damaged)?;
    Ok(Some(OpenObject { head, data_set }))
}

impl Prepared {
    fn streamed(self, tag: Option<&str>, turn: Turn) -> Answer {
        let kind = self.related.kind(DICOM);
        let partial = self.partial;
        let mut answer = piped(&kind, tag, turn, move |out| self.stream(out));
        if partial {
            *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
        }
        answer
    }

    fn stream(&self, pipe: &mut Pipe) -> io::Result<()> {
        for (object, place) in &self.objects {
            match open(&self.holdings, object) {
                Ok(Some(opened)) => self.write(pipe, place, opened)?,
                // Its time here ended while the answer was under way.
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(target: "dokuei::web", "an object cannot be given out: {error}");
                    return Err(io::ErrorKind::InvalidData.into());
                }
            }
        }
        self.related.end(pipe)
    }

    fn write(&self, pipe: &mut Pipe, place: &str, opened: OpenObject) -> io::Result<()> {
        let OpenObject { head, mut data_set } = opened;
        let kind = format!("{DICOM}; transfer-syntax={}", head.transfer_syntax);
        self.related.begin((&kind, None, place), pipe)?;
        let uid = |text: &str| {
            Uid::parse_lenient(text.as_bytes()).map_err(|_| io::ErrorKind::InvalidData)
        };
        let (class, instance) = (uid(&head.sop_class)?, uid(&head.sop_instance)?);
        pipe.write_all(&file_head(&class, &instance, &uid(&head.transfer_syntax)?))?;
        while let Some(piece) = data_set.piece()? {
            pipe.pass(piece)?;
        }
        Ok(())
    }
}

/// What changes when the answer with an object in a form of this name would. Weak: boundaries differ each time.
pub(super) fn content_tag(object: &Instance, form: &str) -> String {
    let content = object.content.to_string();
    format!("W/\"{}{form}\"", content.get(..32).unwrap_or_default())
}

/// The same for what is made of an object here, which another version of this program may make differently.
pub(super) fn made_tag(object: &Instance, form: &str) -> String {
    content_tag(object, &format!("{form}-{}", env!("CARGO_PKG_VERSION")))
}

pub(super) fn is_known(asked: &Asked, tag: &str) -> bool {
    let known = asked.headers.get_all(IF_NONE_MATCH).iter();
    known
        .filter_map(|header| header.to_str().ok())
        .flat_map(|header| header.split(','))
        .any(|known| matches!(known.trim(), "*") || known.trim() == tag)
}

pub(super) fn unchanged(tag: &str) -> Answer {
    let mut answer = plain(StatusCode::NOT_MODIFIED, DICOM, Vec::new());
    validated(&mut answer, Some(tag));
    answer
}

pub(super) fn lost(error: &OpenError) -> Refusal {
    tracing::error!(target: "dokuei::web", "an object cannot be given out: {error}");
    Refusal::failed()
}

fn wrong_media(one: bool) -> crate::language::Message {
    let also = if one { ", application/dicom" } else { "" };
    say!(
        "この形式では返せません。返せるのは multipart/related; type=\"application/dicom\"{also} です。",
        "The objects cannot be given in this form, but as multipart/related; type=\"application/dicom\"{also}."
    )
}

fn wrong_syntax(kept: &str) -> crate::language::Message {
    say!(
        "この転送構文では返せません。保存されている転送構文は {kept} です（transfer-syntax=* なら返せます）。",
        "The objects cannot be given in this transfer syntax. They are kept as {kept}; ask with transfer-syntax=*."
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dicomweb::media::accepted;

    fn ways_of(accept: &str, one: bool) -> Vec<Taken> {
        ways(&accepted(accept), one)
    }

    #[test]
    fn the_form_follows_what_is_accepted() {
        let way = |multipart, syntax: Option<&str>| Taken {
            multipart,
            syntax: syntax.map(str::to_owned),
        };
        for (accept, one, wanted) in [
            ("*/*", true, vec![way(true, None)]),
            ("multipart/related", false, vec![way(true, None)]),
            (
                "multipart/related; type=\"application/dicom\"; transfer-syntax=*",
                false,
                vec![way(true, None)],
            ),
            (
                "multipart/related; type=application/dicom; transfer-syntax=1.2.3, multipart/related; type=application/dicom; transfer-syntax=1.2.4; q=0.5",
                false,
                vec![way(true, Some("1.2.3")), way(true, Some("1.2.4"))],
            ),
            ("application/dicom", true, vec![way(false, None)]),
            ("application/dicom", false, vec![]),
            ("application/dicom+json", true, vec![]),
            ("multipart/related; type=\"image/jpeg\"", true, vec![]),
            (
                "text/html,application/xhtml+xml,*/*;q=0.8",
                true,
                vec![way(true, None)],
            ),
        ] {
            assert_eq!(ways_of(accept, one), wanted, "{accept}");
        }
    }
}
