//! STOW-RS: objects come in as the parts of one multipart body, each through the same gate as a C-STORE
//! (PS3.18 section 10.5).

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderMap};
use hyper::body::Incoming;
use tokio::sync::mpsc;

use super::answer::{Answer, Refusal};
use super::domains::root_of;
use super::find::must_take_json;
use super::incoming::next_frame;
use super::limits::{PARTS, PIECES, SLOW_AFTER, SLOWEST, STALL_TIME};
use super::media::MediaType;
use super::multipart::{Event, Multipart, MultipartError, PartHead};
use super::stow_answer::{Failed, Outcome, Stored};
use super::trail::Arrivals;
use super::turns::blocking;
use super::{Asked, Web};
use crate::dicom::dimse::{StoreFailure, StoreStatus};
use crate::dicom::part10::FileScanner;
use crate::dicom::scanner::{Limits, Malformed};
use crate::dicom::scp::ObjectWriter as _;
use crate::dicom::uid::Uid;
use crate::entities::Scope;
use crate::parcels::ObjectHead;
use crate::say;
use crate::studies::intake::{ArrivingObject, StudyIntake};

/// Bytes of a file that are held until it has said which object it is.
const HELD: usize = 1024 * 1024;
/// Most bytes that the intake takes at a time.
const WRITTEN: usize = 256 * 1024;

const MALFORMED: StoreFailure = StoreFailure::new(
    StoreStatus::CannotUnderstand,
    "no DICOM object, or a malformed one",
    "DICOM データではないか、形式に誤りがあります",
);
const ELSEWHERE: StoreFailure = StoreFailure::new(
    StoreStatus::DataSetMismatch,
    "not of the study in the address",
    "アドレスの検査のものではありません",
);
const OTHER_MEDIA: StoreFailure = StoreFailure::new(
    StoreStatus::CannotUnderstand,
    "not application/dicom",
    "application/dicom ではありません",
);
const CUT_OFF: StoreFailure = StoreFailure::new(
    StoreStatus::CannotUnderstand,
    "the body ended before its last boundary",
    "本文が最後の境界の前で終わっています",
);

impl Web {
    /// Takes objects in.
    pub(super) async fn store(
        &self,
        asked: Asked,
        incoming: &mut Incoming,
    ) -> Result<Answer, Refusal> {
        if !asked.stores || matches!(asked.scope, Scope::Domain(_)) {
            return Err(Refusal::forbidden(limited()));
        }
        must_take_json(&asked)?;
        let multipart = multipart(&asked.headers)?;
        let turn = self.turns.to_store(&asked.visitor).await?;
        let (sender, receiver) = mpsc::channel(PIECES);
        let intake = Arc::clone(&self.intake);
        let study = asked.resource.place.study.clone();
        let arrivals = Arrivals::new(Arc::clone(&self.trail), asked.by.clone());
        let storing = blocking(move || {
            let _turn = turn;
            Storing::new(&intake, study, arrivals).run(multipart, receiver)
        });
        let (passed, stored) = tokio::join!(pass_on(incoming, sender), storing);
        let mut outcome = stored?;
        if !passed {
            return Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, too_slow()));
        }
        if outcome.is_empty() {
            outcome.note(Err(Failed {
                part: String::new(),
                named: None,
                why: CUT_OFF,
            }));
        }
        // What is stored is this site's own.
        let visitor = (&asked.scope, self.site);
        let root = |study: &Uid| {
            let study = (self.site, study.as_str());
            root_of(&asked.root(), &self.holdings, visitor, study)
        };
        Ok(outcome.answer(root, asked.resource.place.study.as_ref()))
    }
}

/// The reader of the body that the head announces.
pub(super) fn multipart(headers: &HeaderMap) -> Result<Multipart, Refusal> {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(MediaType::parse);
    let wrong = || Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, wrong_media());
    let kind = kind.ok_or_else(wrong)?;
    let of_dicom = kind
        .parameter("type")
        .is_none_or(|kind| kind.eq_ignore_ascii_case("application/dicom"));
    if kind.essence != "multipart/related" || !of_dicom {
        return Err(wrong());
    }
    let boundary = kind.parameter("boundary").unwrap_or_default();
    Multipart::new(boundary).map_err(|_| Refusal::bad_request(no_boundary()))
}

/// Passes the body on as it comes; whether all of it came in time.
async fn pass_on(incoming: &mut Incoming, to: mpsc::Sender<Result<Bytes, Gone>>) -> bool {
    let (began, mut taken, mut waited) = (Instant::now(), 0_u64, Duration::ZERO);
    loop {
        let asked = Instant::now();
        let frame = tokio::time::timeout(STALL_TIME, next_frame(incoming)).await;
        waited += asked.elapsed();
        let data = match frame {
            Ok(None) => return true,
            Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
            // Nobody hears the answer to what was cut off; the part that is open never was here.
            Ok(Some(Err(_))) | Err(_) => {
                let _ = to.send(Err(Gone)).await;
                return false;
            }
        };
        taken += data.len() as u64;
        let slow = began.elapsed() > SLOW_AFTER && taken / waited.as_secs().max(1) < SLOWEST;
        if slow {
            let _ = to.send(Err(Gone)).await;
            return false;
        }
        // A worker that stopped reads no more: the rest is read and thrown away, so that the client hears why.
        if !data.is_empty() {
            let _ = to.send(Ok(data)).await;
        }
    }
}

/// The client went away, or was too slow.
struct Gone;

/// Why the reading of a body stops.
enum Stop {
    Broken(MultipartError),
    TooMany,
}

impl From<MultipartError> for Stop {
    fn from(error: MultipartError) -> Stop {
        Stop::Broken(error)
    }
}

/// One request that is being stored.
struct Storing<'a> {
    intake: &'a StudyIntake,
    study: Option<Uid>,
    outcome: Outcome,
    arrivals: Arrivals,
    parts: usize,
    part: Option<Part<'a>>,
}

/// One part: its object on its way in, or why it is not taken.
enum Part<'a> {
    Arriving(Box<Arriving<'a>>),
    Refused(Named, StoreFailure),
}

/// The class and instance that an object names itself, once it has.
type Named = Option<(Uid, Uid)>;

struct Arriving<'a> {
    scanner: FileScanner,
    named: Named,
    /// What came before it was known which object it is.
    held: Vec<u8>,
    object: Option<Box<ArrivingObject<'a>>>,
}

impl<'a> Storing<'a> {
    fn new(intake: &'a StudyIntake, study: Option<Uid>, arrivals: Arrivals) -> Storing<'a> {
        Storing {
            intake,
            study,
            outcome: Outcome::default(),
            arrivals,
            parts: 0,
            part: None,
        }
    }

    fn run(
        mut self,
        mut multipart: Multipart,
        mut body: mpsc::Receiver<Result<Bytes, Gone>>,
    ) -> Result<Outcome, Refusal> {
        while let Some(Ok(bytes)) = body.blocking_recv() {
            let pushed = multipart.push(&bytes, &mut |event| self.take(event));
            if let Err(stop) = pushed {
                self.stop(&stop);
                return Ok(self.outcome);
            }
        }
        if let Err(error) = multipart.finish() {
            self.stop(&Stop::Broken(error));
        }
        Ok(self.outcome)
    }

    fn stop(&mut self, stop: &Stop) {
        let why = match stop {
            Stop::Broken(MultipartError::Truncated | MultipartError::Boundary) => CUT_OFF,
            Stop::Broken(MultipartError::Head) => MALFORMED,
            Stop::TooMany => StoreFailure::new(
                StoreStatus::OutOfResources,
                "too many parts in one request",
                "1 回の要求の部品数が多すぎます",
            ),
        };
        let named = match self.part.take() {
            Some(Part::Arriving(arriving)) => arriving.named,
            Some(Part::Refused(named, _)) => named,
            None => None,
        };
        let part = self.name();
        self.outcome.note(Err(Failed { part, named, why }));
    }

    fn take(&mut self, event: Event<'_>) -> Result<(), Stop> {
        match event {
            Event::Begin(head) => {
                self.parts += 1;
                if self.parts > PARTS {
                    return Err(Stop::TooMany);
                }
                self.part = Some(begin(&head));
            }
            Event::Data(data) => {
                let (intake, part) = (self.intake, self.part.take());
                self.part = part.map(|part| part.write(intake, data));
            }
            Event::End => {
                if let Some(part) = self.part.take() {
                    let stored = part.finish(self.study.as_ref(), &mut self.arrivals);
                    let part = self.name();
                    let stored = stored.map_err(|(named, why)| Failed { part, named, why });
                    self.outcome.note(stored);
                }
            }
        }
        Ok(())
    }

    /// The part that is open, as people count.
    fn name(&self) -> String {
        format!("part {}", self.parts)
    }
}

fn begin<'a>(head: &PartHead) -> Part<'a> {
    let kind = head.field("content-type").and_then(MediaType::parse);
    // Some clients name no type: what is in the part says what it is.
    if kind.is_some_and(|kind| {
        !kind.takes("application/dicom") && !kind.takes("application/octet-stream")
    }) {
        return Part::Refused(None, OTHER_MEDIA);
    }
    Part::Arriving(Box::new(Arriving {
        scanner: FileScanner::new(Limits::default()),
        named: None,
        held: Vec::new(),
        object: None,
    }))
}

impl<'a> Part<'a> {
    fn write(self, intake: &'a StudyIntake, data: &[u8]) -> Part<'a> {
        match self {
            Part::Refused(named, failure) => Part::Refused(named, failure),
            Part::Arriving(mut arriving) => match arriving.write(intake, data) {
                Ok(()) => Part::Arriving(arriving),
                Err(failure) => Part::Refused(arriving.named, failure),
            },
        }
    }

    fn finish(
        self,
        study: Option<&Uid>,
        arrivals: &mut Arrivals,
    ) -> Result<Stored, (Named, StoreFailure)> {
        match self {
            Part::Refused(named, failure) => Err((named, failure)),
            Part::Arriving(arriving) => {
                let named = arriving.named.clone();
                let stored = arriving.finish(study, arrivals);
                stored.map_err(|failure| (named, failure))
            }
        }
    }
}

impl<'a> Arriving<'a> {
    fn write(&mut self, intake: &'a StudyIntake, data: &[u8]) -> Result<(), StoreFailure> {
        self.scanner.push(data).map_err(malformed)?;
        match &mut self.object {
            Some(object) => object.write(data),
            None => {
                if self.held.len() + data.len() > HELD {
                    return Err(MALFORMED);
                }
                self.held.extend_from_slice(data);
                self.begin(intake)
            }
        }
    }

    /// Begins the object once the file has said which one it is.
    fn begin(&mut self, intake: &'a StudyIntake) -> Result<(), StoreFailure> {
        let Some((transfer_syntax, sop_class, sop_instance, offset)) = self.scanner.identity()
        else {
            return Ok(());
        };
        self.named = Some((sop_class.clone(), sop_instance.clone()));
        let head = ObjectHead {
            sop_class: sop_class.as_str().to_owned(),
            sop_instance: sop_instance.as_str().to_owned(),
            transfer_syntax: transfer_syntax.as_str().to_owned(),
        };
        let mut object = Box::new(intake.object(head)?.sent());
        let held = std::mem::take(&mut self.held);
        let data_set = held.get(offset..).unwrap_or_default();
        data_set
            .chunks(WRITTEN)
            .try_for_each(|piece| object.write(piece))?;
        self.object = Some(object);
        Ok(())
    }

    fn finish(self, study: Option<&Uid>, arrivals: &mut Arrivals) -> Result<Stored, StoreFailure> {
        let scanned = self.scanner.finish().map_err(malformed)?;
        let header = &scanned.header;
        if study.is_some_and(|study| study != header.study()) {
            return Err(ELSEWHERE);
        }
        let object = self.object.ok_or(MALFORMED)?;
        object.commit()?;
        arrivals.stored(header);
        Ok(Stored {
            class: header.sop_class().clone(),
            instance: header.sop_instance().clone(),
            study: header.study().clone(),
            series: header.series().clone(),
        })
    }
}

fn malformed(found: Malformed) -> StoreFailure {
    MALFORMED.because(found)
}

fn limited() -> crate::language::Message {
    say!(
        "検査を保存する権限がありません。「dokuei dicom token add --store」などで付与してください。",
        "This token, certificate or account may not store studies. Make one with --store, as in 'dokuei dicom token add --store'."
    )
}

fn wrong_media() -> crate::language::Message {
    say!(
        "受け取れるのは multipart/related; type=\"application/dicom\" です。",
        "What is taken is multipart/related; type=\"application/dicom\"."
    )
}

fn no_boundary() -> crate::language::Message {
    say!(
        "Content-Type に正しい boundary がありません。",
        "Content-Type has no valid boundary."
    )
}

fn too_slow() -> crate::language::Message {
    say!(
        "本文が途中で止まったか、遅すぎます。",
        "The body stopped on its way, or is too slow."
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::{Explain, assert_explained};

    #[test]
    fn every_refusal_of_a_part_is_told_in_both_languages() {
        let all = [MALFORMED, ELSEWHERE, OTHER_MEDIA, CUT_OFF];
        assert_explained(all.iter().map(|failure| failure as &dyn Explain));
        assert!(all.iter().all(|failure| failure.comment().is_some()));
    }
}
