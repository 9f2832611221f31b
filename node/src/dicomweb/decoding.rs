//! Answers for which frames are decoded: one frame after the other goes through a decoder, and out.

use std::io::{self, Write as _};

use http::StatusCode;
use http::header::CONTENT_LENGTH;
use tokio::runtime::Handle;

use super::Web;
use super::answer::{Answer, Refusal, set, warn};
use super::body::Pipe;
use super::image::{Frames, NoFrame};
use super::piped::piped;
use super::related::Related;
use super::turns::with_turn;
use crate::dicom::uid::EXPLICIT_VR_LITTLE_ENDIAN;
use crate::language::{Explain as _, Message};
use crate::pixels::{DecodeError, Decoders, Image, Rendering};
use crate::say;

/// What is made of each frame.
#[derive(Clone, Copy)]
pub(super) enum Made {
    /// Its samples, uncompressed.
    Samples,
    /// A picture.
    Picture(Rendering),
}

/// Frames to be decoded for one answer.
pub(super) struct Decoding {
    pub frames: Frames,
    pub made: Made,
    /// In one multipart body; else the one frame is the whole body.
    pub multipart: bool,
    /// Where the instance can be had.
    pub at: String,
    pub tag: String,
    /// What of the request was not done.
    pub warning: Option<String>,
}

impl Web {
    /// Answers with what decoders make of frames. Once the answer has begun, a frame that cannot be decoded cuts it off.
    pub(super) async fn decoded(
        &self,
        visitor: &str,
        mut decoding: Decoding,
    ) -> Result<Answer, Refusal> {
        let turn = self.turns.to_decode(visitor, decoding.memory()?).await?;
        let decoders = self.decoders.clone();
        let first = move || {
            let first = decoding.make(0, &decoders).map_err(undecodable)?;
            Ok((decoding, decoders, first))
        };
        let ((decoding, decoders, first), turn) = with_turn(turn, first).await?;
        let related = Related::new(decoding.multipart);
        let kind = related.kind(&decoding.kind());
        let length = (!related.is_multipart()).then_some(first.len());
        let (tag, warning) = (decoding.tag.clone(), decoding.warning.clone());
        let mut answer = piped(&kind, Some(&tag), turn, move |out| {
            decoding.stream(first, &decoders, &related, out)
        });
        if let Some(length) = length {
            set(&mut answer, CONTENT_LENGTH, &length.to_string());
        }
        if let Some(warning) = warning {
            warn(&mut answer, &warning);
        }
        Ok(answer)
    }
}

impl Decoding {
    /// Most bytes that one frame of it takes in memory here, compressed and decoded.
    fn memory(&self) -> Result<u64, Refusal> {
        let image = self.frames.image(0);
        let image = image.map_err(|error| undecodable(error.into()))?;
        Ok(self.frames.longest() + self.made_bytes(&image))
    }

    fn made_bytes(&self, image: &Image) -> u64 {
        let picture = |rendering: Rendering| match rendering.viewport {
            Some(viewport) => u64::from(viewport.width) * u64::from(viewport.height),
            None => image.pixels(),
        };
        match self.made {
            Made::Samples => image.frame_bytes(),
            Made::Picture(rendering) => 3 * picture(rendering),
        }
    }

    /// The media type of what is made.
    fn kind(&self) -> String {
        match self.made {
            Made::Samples => format!(
                "application/octet-stream; transfer-syntax={}",
                EXPLICIT_VR_LITTLE_ENDIAN.as_str()
            ),
            Made::Picture(rendering) => rendering.format.media_type().to_owned(),
        }
    }

    /// Makes what is asked of the frame at this place. Blocks.
    fn make(&mut self, at: usize, decoders: &Decoders) -> Result<Vec<u8>, NoFrame> {
        let image = self.frames.image(at)?;
        let source = self.frames.source(at)?;
        let made = self.made;
        let making = async {
            Ok(match made {
                Made::Samples => decoders.frame(&image, &source).await?.bytes,
                Made::Picture(rendering) => {
                    decoders.render(&image, &source, rendering).await?.bytes
                }
            })
        };
        Handle::current().block_on(making)
    }

    fn stream(
        mut self,
        first: Vec<u8>,
        decoders: &Decoders,
        related: &Related,
        pipe: &mut Pipe,
    ) -> io::Result<()> {
        let mut made = Some(first);
        for at in 0..self.frames.count() {
            let bytes = match made.take() {
                Some(first) => first,
                None => self.made_now(at, decoders)?,
            };
            let (kind, place) = (self.kind(), self.place(at));
            related.begin((&kind, Some(bytes.len() as u64), &place), pipe)?;
            pipe.write_all(&bytes)?;
        }
        related.end(pipe)
    }

    /// Makes one in an answer that has begun.
    fn made_now(&mut self, at: usize, decoders: &Decoders) -> io::Result<Vec<u8>> {
        let made = self.make(at, decoders);
        made.map_err(|error| io::Error::other(undecodable(error).why.en))
    }

    fn place(&self, at: usize) -> String {
        let number = self.frames.number(at).unwrap_or_default();
        let instance = &self.at;
        match self.made {
            Made::Samples => format!("{instance}/frames/{number}"),
            Made::Picture(_) => format!("{instance}/frames/{number}/rendered"),
        }
    }
}

/// The answer to a request for a frame that is not to be had.
pub(super) fn undecodable(error: NoFrame) -> Refusal {
    let error = match error {
        NoFrame::Refused(refusal) => return refusal,
        NoFrame::NoImage => return Refusal::not_acceptable(no_image()),
        NoFrame::Undecodable(error) => error,
    };
    let status = match error {
        DecodeError::Unsupported => StatusCode::NOT_ACCEPTABLE,
        DecodeError::Description | DecodeError::Damaged => StatusCode::CONFLICT,
        DecodeError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        DecodeError::NoFrame => StatusCode::NOT_FOUND,
        DecodeError::Ended => StatusCode::INTERNAL_SERVER_ERROR,
        DecodeError::Late => StatusCode::GATEWAY_TIMEOUT,
        DecodeError::Busy | DecodeError::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    };
    let why = say!(
        "画像を返せません：{why}。",
        "The image cannot be given: {why}.";
        why = error.message()
    );
    Refusal::new(status, why)
}

fn no_image() -> Message {
    say!(
        "このオブジェクトには画像がありません。内容は metadata で取得してください。",
        "This object holds no image. What it says is in its metadata."
    )
}
