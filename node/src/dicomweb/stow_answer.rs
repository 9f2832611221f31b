//! What STOW-RS answers: which objects are here now, and why others are not (PS3.18 annex I, PS3.3 section C.12.1).

use http::StatusCode;
use http::header::RETRY_AFTER;
use serde_json::{Value, json};

use super::answer::{Answer, plain, set, warn};
use super::find::JSON;
use super::limits::NAMED;
use crate::dicom::dimse::{StoreFailure, StoreStatus};
use crate::dicom::uid::Uid;

/// An object that is here now.
pub(super) struct Stored {
    pub class: Uid,
    pub instance: Uid,
    pub study: Uid,
    pub series: Uid,
}

/// A part whose object is not here.
pub(super) struct Failed {
    /// Which part, as people count.
    pub part: String,
    /// The class and instance that it named itself; none when it got not so far.
    pub named: Option<(Uid, Uid)>,
    pub why: StoreFailure,
}

/// What became of the parts of a request: the first [`NAMED`] of each kind, and how many there were.
#[derive(Default)]
pub(super) struct Outcome {
    stored: Vec<Stored>,
    failed: Vec<Failed>,
    stored_count: usize,
    failed_count: usize,
    /// Failures for want of room or time: the same may go well later.
    for_now: usize,
}

impl Outcome {
    /// What became of a part.
    pub(super) fn note(&mut self, part: Result<Stored, Failed>) {
        match part {
            Ok(stored) => {
                self.stored_count += 1;
                if self.stored.len() < NAMED {
                    self.stored.push(stored);
                }
            }
            Err(failed) => {
                let failure = failed.why;
                tracing::warn!(target: "dokuei::web", code = failure.status().code(), "an object of a STOW request is not taken: {failure}");
                self.failed_count += 1;
                self.for_now += usize::from(failure.status() == StoreStatus::OutOfResources);
                if self.failed.len() < NAMED {
                    self.failed.push(failed);
                }
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.stored_count + self.failed_count == 0
    }

    fn status(&self) -> StatusCode {
        match (self.stored_count, self.failed_count) {
            (_, 0) => StatusCode::OK,
            (0, failed) if failed == self.for_now => StatusCode::SERVICE_UNAVAILABLE,
            (0, _) if self.is_unreadable() => StatusCode::BAD_REQUEST,
            (0, _) => StatusCode::CONFLICT,
            _ => StatusCode::ACCEPTED,
        }
    }

    /// Whether nothing in the request was a DICOM object.
    fn is_unreadable(&self) -> bool {
        let is = |failure: &StoreFailure| failure.status() == StoreStatus::CannotUnderstand;
        self.failed.iter().all(|failed| is(&failed.why))
    }

    /// The answer, with addresses below what `root` says of their study; `study` is the one that the request named.
    pub(super) fn answer(&self, root: impl Fn(&Uid) -> String, study: Option<&Uid>) -> Answer {
        let status = self.status();
        let body = self.json(root, study).to_string();
        let mut answer = plain(status, JSON, body.into_bytes());
        if let Some(failed) = self.failed.first() {
            warn(&mut answer, &failed.comment());
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            set(&mut answer, RETRY_AFTER, "60");
        }
        answer
    }

    fn json(&self, root: impl Fn(&Uid) -> String, study: Option<&Uid>) -> Value {
        let mut answer = serde_json::Map::new();
        let mut put = |tag: &str, value: Value| answer.insert(tag.to_owned(), value);
        let study = study.or_else(|| self.only_study());
        if let Some(study) = study {
            let address = format!("{}/studies/{study}", root(study));
            put("00081190", text("UR", &address));
        }
        let stored = self.stored.iter();
        let stored = stored.map(|stored| stored.json(&root(&stored.study)));
        put("00081199", sequence(stored.collect()));
        let (named, others): (Vec<&Failed>, Vec<&Failed>) = self
            .failed
            .iter()
            .partition(|failed| failed.named.is_some());
        for (tag, failed) in [("00081198", named), ("0008119A", others)] {
            if !failed.is_empty() {
                put(
                    tag,
                    sequence(failed.into_iter().map(Failed::json).collect()),
                );
            }
        }
        Value::Object(answer)
    }

    fn only_study(&self) -> Option<&Uid> {
        let first = &self.stored.first()?.study;
        let same = self.stored.iter().all(|stored| stored.study == *first);
        same.then_some(first)
    }
}

impl Failed {
    fn comment(&self) -> String {
        let why = self.why.comment().unwrap_or_default();
        format!("{}: {why}", self.part)
    }

    fn json(&self) -> Value {
        let comment: String = self.comment().chars().take(64).collect();
        let mut item = json!({
            "00081197": { "vr": "US", "Value": [self.why.status().code()] },
            "00000902": { "vr": "LO", "Value": [comment] },
        });
        if let Some((class, instance)) = &self.named {
            item["00081150"] = text("UI", class.as_str());
            item["00081155"] = text("UI", instance.as_str());
        }
        item
    }
}

impl Stored {
    fn json(&self, root: &str) -> Value {
        let Stored {
            class,
            instance,
            study,
            series,
        } = self;
        let address = format!("{root}/studies/{study}/series/{series}/instances/{instance}");
        json!({
            "00081150": text("UI", class.as_str()),
            "00081155": text("UI", instance.as_str()),
            "00081190": text("UR", &address),
        })
    }
}

fn text(vr: &str, value: &str) -> Value {
    json!({ "vr": vr, "Value": [value] })
}

fn sequence(items: Vec<Value>) -> Value {
    json!({ "vr": "SQ", "Value": items })
}
