//! WADO-RS: frames and long values of one instance, as they are kept (PS3.18 sections 10.4.1.1.5 and 10.4.1.1.6); frames
//! for who takes them uncompressed only go through a decoder.

use std::io;
use std::sync::Arc;

use super::answer::{Answer, Refusal};
use super::body::Pipe;
use super::decoding::{Decoding, Made, undecodable};
use super::find::selection;
use super::headed::Headed;
use super::image::Frames;
use super::kept::{Kept, OCTETS, kept_syntax, kept_value, kind_of, layout_of};
use super::layout::{Layout, Layouts};
use super::media::MediaType;
use super::piped::piped;
use super::related::Related;
use super::retrieve::{content_tag, is_known, lost, made_tag, open, unchanged};
use super::route::What;
use super::turns::with_turn;
use super::{Asked, Web};
use crate::dicom::dataset::Bounds;
use crate::dicom::scanner::TransferSyntax;
use crate::dicom::uid::EXPLICIT_VR_LITTLE_ENDIAN;
use crate::index::holdings::{Holdings, Instance};
use crate::say;
use crate::transcoding::ranges::{Plain, Ranges};

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

impl Label {
    /// What distinguishes answers of this form from others at the same address.
    fn form(&self) -> String {
        let (kind, syntax) = (&self.kind, self.syntax.as_deref().unwrap_or_default());
        let multipart = if self.multipart { 'm' } else { 's' };
        format!("{multipart}-{kind}-{syntax}")
    }
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
    /// Where the reading stands.
    plain: Plain<'static>,
    /// Bytes of each part, and where it can be had.
    parts: Vec<(Ranges, String)>,
    swap: usize,
    label: Label,
    related: Related,
}

enum Found {
    Unchanged(String),
    Parts(Box<Prepared>, String),
    Decoded(Box<Decoding>),
}

impl Web {
    /// Answers with frames, or with a long value.
    pub(super) async fn parts(&self, asked: Asked) -> Result<Answer, Refusal> {
        let turn = self.turns.to_read(&asked.visitor).await?;
        let (holdings, visitor) = (self.holdings.clone(), asked.visitor.clone());
        let layouts = Arc::clone(&self.layouts);
        let prepare = move || prepare(holdings, &layouts, &asked);
        let (found, turn) = with_turn(turn, prepare).await?;
        match found {
            Found::Unchanged(tag) => Ok(unchanged(&tag)),
            Found::Parts(prepared, tag) => {
                let kind = prepared.kind();
                Ok(piped(&kind, Some(&tag), turn, move |out| {
                    prepared.stream(out)
                }))
            }
            Found::Decoded(decoding) => {
                // Others may read while this waits for a decoder.
                drop(turn);
                self.decoded(&visitor, *decoding).await
            }
        }
    }
}

fn prepare(holdings: Holdings, layouts: &Layouts, asked: &Asked) -> Result<Found, Refusal> {
    let found = holdings.instances(&asked.scope, &selection(&asked.resource.place));
    let instance = found.into_iter().next().ok_or_else(Refusal::not_found)?;
    let at = address(asked, &instance);
    let (kept, plain) = match &asked.resource.what {
        What::Frames(numbers) => {
            let label = |syntax: &TransferSyntax| {
                let kept = (kind_of(syntax), kept_syntax(syntax));
                let form = (numbers.len() == 1, true);
                label(&asked.accepts(), (kept.0, Some(&kept.1)), form)
            };
            let known = layouts.known(&instance);
            let is_decoded =
                |layout: &Arc<Layout>| label(&layout.syntax).is_some_and(|label| label.decoded);
            if let Some(layout) = known.filter(|layout| !is_decoded(layout)) {
                let opened = open(&holdings, &instance).map_err(|error| lost(&error))?;
                let opened = opened.ok_or_else(Refusal::not_found)?;
                let plain = Plain::of(opened.data_set, layout.syntax.encoding());
                (Kept::frames(&layout, numbers, &at)?, plain)
            } else {
                let mut headed = Headed::read(&holdings, &instance, &Bounds::IMAGE)?;
                let label = label(&headed.syntax);
                let layout = match &label {
                    Some(label) if label.decoded => None,
                    Some(_) | None => layout_of(&mut headed, (&instance, numbers), layouts)?,
                };
                match (layout, label) {
                    (Some(layout), _) => (Kept::frames(&layout, numbers, &at)?, headed.plain),
                    (None, Some(label)) if label.kind == OCTETS => {
                        return decoded(asked, (&holdings, &instance), headed, (numbers, label));
                    }
                    (None, _) => {
                        let (kind, syntax) = (kind_of(&headed.syntax), kept_syntax(&headed.syntax));
                        return Err(Refusal::not_acceptable(wrong_form(kind, Some(&syntax))));
                    }
                }
            }
        }
        What::Bulk(path) => {
            // Within the bounds of metadata, which named the value.
            let mut headed = Headed::read(&holdings, &instance, &Bounds::HEADER)?;
            let kept = kept_value(&mut headed, &path.join("/"), &at)?;
            (kept, headed.plain)
        }
        _ => return Err(Refusal::not_found()),
    };
    ready(asked, (holdings, instance), kept, plain)
}

/// Parts as the client takes them.
fn ready(
    asked: &Asked,
    (holdings, instance): (Holdings, Instance),
    kept: Kept,
    plain: Plain<'static>,
) -> Result<Found, Refusal> {
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
    let tag = content_tag(&instance, &label.form());
    if is_known(asked, &tag) {
        return Ok(Found::Unchanged(tag));
    }
    let prepared = Prepared {
        holdings,
        instance,
        plain,
        parts,
        swap,
        related: Related::new(label.multipart),
        label,
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
    let tag = made_tag(instance, if label.multipart { "dm" } else { "ds" });
    if is_known(asked, &tag) {
        return Ok(Found::Unchanged(tag));
    }
    let frames = Frames::find((holdings, instance), headed, numbers).map_err(undecodable)?;
    Ok(Found::Decoded(Box::new(Decoding {
        frames,
        made: Made::Samples,
        multipart: label.multipart,
        at: address(asked, instance),
        tag,
        warning: None,
    })))
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

impl Prepared {
    fn kind(&self) -> String {
        self.related.kind(&self.part_type())
    }

    fn part_type(&self) -> String {
        let kind = &self.label.kind;
        match &self.label.syntax {
            Some(syntax) => format!("{kind}; transfer-syntax={syntax}"),
            None => kind.clone(),
        }
    }

    fn stream(mut self, pipe: &mut Pipe) -> io::Result<()> {
        for (ranges, place) in &self.parts {
            let length = ranges.iter().map(|range| range.length).sum();
            let head = (&*self.part_type(), Some(length), &**place);
            self.related.begin(head, pipe)?;
            for range in ranges {
                // Parts come in the order in which they were asked for.
                if range.offset < self.plain.position() {
                    self.plain = self.opened()?;
                }
                self.plain.copy(*range, self.swap, pipe)?;
            }
        }
        self.related.end(pipe)
    }

    fn opened(&self) -> io::Result<Plain<'static>> {
        let opened = open(&self.holdings, &self.instance);
        let opened = opened.map_err(io::Error::other)?;
        let opened = opened.ok_or(io::ErrorKind::NotFound)?;
        Ok(Plain::of(opened.data_set, self.plain.encoding()))
    }
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
