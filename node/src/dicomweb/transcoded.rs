//! WADO-RS: one instance in Explicit VR Little Endian that is kept otherwise, brought into it as objects are for
//! destinations ([`crate::transcoding`]).

use std::io::{self, Write as _};

use http::header::CONTENT_TYPE;

use super::Web;
use super::answer::{Answer, Refusal, set};
use super::begun::{Begun, begun};
use super::body::Pipe;
use super::decoding::undecodable;
use super::piped::validated;
use super::related::Related;
use super::retrieve::made_tag;
use super::turns::Turn;
use crate::dicom::part10::file_head;
use crate::dicom::scanner::Encoding;
use crate::dicom::scp::Selected;
use crate::dicom::uid::{EXPLICIT_VR_LITTLE_ENDIAN, Uid};
use crate::index::holdings::{Holdings, Instance};
use crate::transcoding::{Plan, Transcoder};

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

/// An instance on its way into another transfer syntax.
pub(super) struct Transcoded {
    transcoder: Transcoder,
    object: Selected,
    plan: Plan,
    /// Its file up to the first byte of its data set.
    head: Vec<u8>,
    form: Form,
}

impl Transcoded {
    /// Reads an instance as far as its pixels. Blocks.
    ///
    /// # Errors
    /// When it cannot be read, or not be brought into that form.
    pub(super) fn plan(
        transcoder: Transcoder,
        holdings: &Holdings,
        instance: Instance,
        form: Form,
    ) -> Result<Transcoded, Refusal> {
        let uid = |text: &str| Uid::parse_lenient(text.as_bytes()).map_err(|_| Refusal::failed());
        let (class, own) = (uid(&instance.sop_class)?, uid(&instance.sop_instance)?);
        let head = file_head(&class, &own, &EXPLICIT_VR_LITTLE_ENDIAN);
        let mut object = holdings.outgoing(instance);
        let plan = transcoder.plan(&mut *object, Encoding::ExplicitLittle);
        Ok(Transcoded {
            plan: plan.map_err(|error| undecodable(error.into()))?,
            transcoder,
            object,
            head,
            form,
        })
    }

    /// Answers with it, as soon as the first frame that is decoded is there.
    async fn answered(self, turn: impl Send + 'static) -> Result<Answer, Refusal> {
        let related = Related::new(self.form.multipart);
        let (kind, tag) = (related.kind(KIND), self.form.tag.clone());
        let write = move |pipe: &mut Pipe, begun: &mut Begun| self.write(&related, pipe, begun);
        let mut answer = begun(turn, write).await?;
        set(&mut answer, CONTENT_TYPE, &kind);
        validated(&mut answer, Some(&tag));
        Ok(answer)
    }

    fn write(mut self, related: &Related, pipe: &mut Pipe, begun: &mut Begun) -> io::Result<()> {
        let source = self.transcoder.begin(self.plan, &mut *self.object, None);
        let mut source = match source {
            Ok(source) => source,
            Err(error) => return begun.refuse(undecodable(error.into())),
        };
        begun.go_on(None);
        related.begin((KIND, None, &self.form.at), pipe)?;
        pipe.write_all(&self.head)?;
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
        if !transcoded.plan.decodes() {
            return transcoded.answered(turn).await;
        }
        // Others may read while this waits for a decoder.
        drop(turn);
        let memory = transcoded.plan.memory();
        let memory = memory.map_err(|error| undecodable(error.into()))?;
        let turn = self.turns.to_decode(visitor, memory).await?;
        transcoded.answered(turn).await
    }
}
