//! WADO-RS: one instance in Explicit VR Little Endian that is kept otherwise, brought into it as objects are for
//! destinations ([`crate::transcoding`]).

use std::io::{self, Write as _};

use http::header::CONTENT_TYPE;

use super::Web;
use super::answer::{Answer, Refusal, set};
use super::begun::{Begun, begun};
use super::body::Pipe;
use super::decoding::undecodable;
use super::limits::READ_BYTES;
use super::piped::validated;
use super::related::Related;
use super::retrieve::made_tag;
use super::turns::{Turn, with_turn};
use crate::dicom::part10::file_head;
use crate::dicom::scanner::Encoding;
use crate::dicom::scp::Selected;
use crate::dicom::uid::{EXPLICIT_VR_LITTLE_ENDIAN, Uid};
use crate::index::holdings::{Holdings, Instance};
use crate::transcoding::{ALWAYS, Plan, Transcoder};

/// The media type of what is given here.
const KIND: &str = "application/dicom; transfer-syntax=1.2.840.10008.1.2.1";

/// How an instance is given.
pub(super) struct Form {
    /// In a multipart body of one part; else it is the whole body.
    pub multipart: bool,
    /// Where it can be had.
    pub at: String,
    /// What changes when the answer would.
    pub tag: String,
}

impl Form {
    /// The form of the answer with this instance.
    pub(super) fn new(instance: &Instance, at: String, multipart: bool) -> Form {
        let tag = made_tag(instance, if multipart { "tm" } else { "ts" });
        Form { multipart, at, tag }
    }
}

/// An instance that is to be given in another transfer syntax.
pub(super) struct Untouched {
    pub transcoder: Transcoder,
    pub holdings: Holdings,
    pub instance: Instance,
    pub form: Form,
}

/// An instance on its way into it.
pub(super) struct Transcoded {
    of: Untouched,
    object: Selected,
    plan: Plan,
}

impl Untouched {
    /// Reads the instance as far as its pixels. Blocks.
    ///
    /// # Errors
    /// When it cannot be read, or not be brought into that form.
    pub(super) fn read(self) -> Result<Transcoded, Refusal> {
        let mut object = self.holdings.outgoing(self.instance.clone());
        let plan = self
            .transcoder
            .plan(&mut *object, Encoding::ExplicitLittle, ALWAYS);
        Ok(Transcoded {
            plan: plan.map_err(|error| undecodable(error.into()))?,
            of: self,
            object,
        })
    }

    /// Its file up to the first byte of its data set.
    fn head(&self) -> io::Result<Vec<u8>> {
        let Instance {
            sop_class,
            sop_instance,
            ..
        } = &self.instance;
        let uid = |text: &str| Uid::parse_lenient(text.as_bytes());
        let (class, own) = (uid(sop_class), uid(sop_instance));
        let uids = class.ok().zip(own.ok());
        let (class, own) = uids.ok_or(io::ErrorKind::InvalidData)?;
        Ok(file_head(&class, &own, &EXPLICIT_VR_LITTLE_ENDIAN))
    }
}

impl Transcoded {
    /// Forgets what was read.
    fn put_back(self) -> Untouched {
        self.of
    }

    /// Answers with it, as soon as the first frame that is decoded is there.
    async fn answered(self, turn: impl Send + 'static) -> Result<Answer, Refusal> {
        let related = Related::new(self.of.form.multipart);
        let (kind, tag) = (related.kind(KIND), self.of.form.tag.clone());
        let write = move |pipe: &mut Pipe, begun: &mut Begun| self.write(&related, pipe, begun);
        let mut answer = begun(turn, write).await?;
        set(&mut answer, CONTENT_TYPE, &kind);
        validated(&mut answer, Some(&tag));
        Ok(answer)
    }

    fn write(mut self, related: &Related, pipe: &mut Pipe, begun: &mut Begun) -> io::Result<()> {
        let head = self.of.head()?;
        let transcoder = &self.of.transcoder;
        let source = transcoder.begin(self.plan, &mut *self.object, None, ALWAYS);
        let mut source = match source {
            Ok(source) => source,
            Err(error) => return begun.refuse(undecodable(error.into())),
        };
        begun.go_on(None);
        related.begin((KIND, None, &self.of.form.at), pipe)?;
        pipe.write_all(&head)?;
        io::copy(&mut source, pipe)?;
        related.end(pipe)
    }
}

impl Web {
    /// Answers with an instance in another transfer syntax; what was read of it was read during `turn`.
    pub(super) async fn transcoded(
        &self,
        visitor: &str,
        transcoded: Transcoded,
        turn: Turn,
    ) -> Result<Answer, Refusal> {
        let memory = transcoded.plan.memory();
        let memory = memory.map_err(|error| undecodable(error.into()))?;
        let is_small = memory <= READ_BYTES;
        if is_small && !transcoded.plan.decodes() {
            return transcoded.answered(turn).await;
        }
        // Others may read while this waits; and what is large waits where it is kept, and not in memory.
        drop(turn);
        let read: Box<dyn FnOnce() -> Result<Transcoded, Refusal> + Send> = match is_small {
            true => Box::new(|| Ok(transcoded)),
            false => {
                let untouched = transcoded.put_back();
                Box::new(|| untouched.read())
            }
        };
        let turn = self.turns.to_decode(visitor, memory).await?;
        let (transcoded, turn) = with_turn(turn, read).await?;
        transcoded.answered(turn).await
    }
}
