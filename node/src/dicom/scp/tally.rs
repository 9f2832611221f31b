//! The sub-operations of one C-MOVE or C-GET, counted (PS3.4 section C.4.2.1.5).

use dicom_core::VR;
use dicom_dictionary_std::tags;

use crate::dicom::dataset::DataSet;
use crate::dicom::dimse::command::Counts;
use crate::dicom::dimse::message::Answer;
use crate::dicom::dimse::status::code;
use crate::dicom::scu::Delivery;
use crate::language::{Explain, Message};

/// Longest Failed SOP Instance UID List: the length of an explicit UI value has two bytes.
const LIST_LIMIT: usize = 65_534;

/// What became of the objects so far.
pub(super) struct Tally {
    /// SOP Instance UIDs of all, in the order they are sent; none of one that had its turn.
    left: Vec<Option<String>>,
    completed: usize,
    warning: usize,
    /// Of these two, how many went in another transfer syntax than they are kept in.
    transcoded: usize,
    failed: Vec<String>,
    /// The first failure, in words for people and as an error comment.
    why: Option<(Message, &'static str)>,
}

impl Tally {
    /// Nothing done of these.
    pub(super) fn new(instances: impl Iterator<Item = String>) -> Self {
        Tally {
            left: instances.map(Some).collect(),
            completed: 0,
            warning: 0,
            transcoded: 0,
            failed: Vec::new(),
            why: None,
        }
    }

    /// The object at `index` had its turn.
    pub(super) fn note(&mut self, index: usize, delivery: &Delivery) {
        if matches!(delivery, Delivery::NotAttempted) {
            return;
        }
        let Some(instance) = self.left.get_mut(index).and_then(Option::take) else {
            return;
        };
        match delivery {
            Delivery::Stored => self.completed += 1,
            Delivery::StoredWithWarning { .. } => self.warning += 1,
            Delivery::Refused { .. }
            | Delivery::NotAccepted { .. }
            | Delivery::NotTranscoded { .. }
            | Delivery::Unreadable(_)
            | Delivery::Interrupted(_)
            | Delivery::NotAttempted => {
                self.failed.push(instance);
                self.blame(delivery.message(), comment(delivery));
            }
        }
    }

    /// The object that was noted last had been brought into another transfer syntax.
    pub(super) fn note_transcoded(&mut self) {
        self.transcoded += 1;
    }

    /// How many arrived in another transfer syntax than they are kept in, of how many.
    pub(super) fn transcoded(&self) -> Option<(usize, usize)> {
        (self.transcoded > 0).then_some((self.transcoded, self.left.len()))
    }

    /// Whatever had no turn has failed, since the destination was given up.
    pub(super) fn give_up(&mut self, why: Message) {
        self.blame(why, "the destination cannot be used");
        let left = self.left.iter_mut().filter_map(Option::take);
        self.failed.extend(left);
    }

    /// The first reason counts.
    fn blame(&mut self, why: Message, comment: &'static str) {
        self.why.get_or_insert((why, comment));
    }

    /// How many failed, of how many, and the first reason.
    pub(super) fn failures(&self) -> Option<(usize, usize, Message)> {
        let (why, _) = self.why.as_ref()?;
        Some((self.failed.len(), self.left.len(), why.clone()))
    }

    fn counts(&self, with_remaining: bool) -> Counts {
        let short = |count: usize| u16::try_from(count).unwrap_or(u16::MAX);
        let remaining = self.left.iter().flatten().count();
        Counts {
            remaining: with_remaining.then(|| short(remaining)),
            completed: short(self.completed),
            failed: short(self.failed.len()),
            warning: short(self.warning),
        }
    }

    /// A response while there is more to do.
    pub(super) fn pending(&self) -> Answer<'static> {
        Answer {
            status: code::PENDING,
            counts: Some(self.counts(true)),
            ..Answer::default()
        }
    }

    /// The last response, and the data set that comes with it.
    pub(super) fn last(&self, cancelled: bool) -> (Answer<'static>, Option<DataSet>) {
        let done = self.completed + self.warning;
        let status = if cancelled {
            code::CANCELLED
        } else if done == 0 && !self.failed.is_empty() {
            code::CANNOT_PERFORM
        } else if !self.failed.is_empty() || self.warning > 0 {
            code::SOME_FAILED
        } else {
            code::SUCCESS
        };
        let failed = !self.failed.is_empty();
        let answer = Answer {
            status,
            comment: self.why.as_ref().map(|(_, comment)| *comment),
            counts: Some(self.counts(cancelled)),
            ..Answer::default()
        };
        (answer, failed.then(|| self.failed_list()))
    }

    /// Failed SOP Instance UID List (0008,0058): as many as the element holds.
    fn failed_list(&self) -> DataSet {
        let mut list = String::new();
        for instance in &self.failed {
            if list.len() + 1 + instance.len() > LIST_LIMIT {
                break;
            }
            if !list.is_empty() {
                list.push('\\');
            }
            list.push_str(instance);
        }
        let mut data_set = DataSet::default();
        data_set.put_text(tags::FAILED_SOP_INSTANCE_UID_LIST, VR::UI, &list);
        data_set
    }
}

/// A failure as an error comment: a fixed text, at most 64 characters.
fn comment(delivery: &Delivery) -> &'static str {
    match delivery {
        Delivery::Stored | Delivery::StoredWithWarning { .. } => "stored",
        Delivery::Refused { for_now: true, .. } => "an object was refused for now",
        Delivery::Refused { for_now: false, .. } => "an object was refused",
        Delivery::NotAccepted { .. } => "SOP class not accepted in its stored transfer syntax",
        Delivery::NotTranscoded { .. } => "an object could not be brought into what is accepted",
        Delivery::Unreadable(_) => "an object cannot be read at the node",
        Delivery::Interrupted(_) => "the association to the destination broke",
        Delivery::NotAttempted => "an object was not attempted",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> Delivery {
        Delivery::Refused {
            status: 0xA900,
            for_now: false,
        }
    }

    #[test]
    fn the_last_status_says_how_it_went() {
        let told = |deliveries: &[Delivery], cancelled| {
            let instances = (0..deliveries.len()).map(|n| format!("1.2.{n}"));
            let mut tally = Tally::new(instances);
            for (index, delivery) in deliveries.iter().enumerate() {
                tally.note(index, delivery);
            }
            tally.last(cancelled).0.status
        };
        assert_eq!(told(&[], false), 0);
        assert_eq!(told(&[Delivery::Stored], false), 0);
        assert_eq!(told(&[Delivery::Stored, refused()], false), 0xB000);
        assert_eq!(told(&[refused()], false), 0xA702);
        let warned = Delivery::StoredWithWarning { status: 0xB000 };
        assert_eq!(told(&[warned], false), 0xB000);
        assert_eq!(told(&[Delivery::Stored], true), 0xFE00);
    }

    #[test]
    fn what_failed_is_named_as_far_as_the_element_holds() {
        let uid = |n: usize| format!("1.2.3.{n:050}");
        let mut tally = Tally::new((0..3000).map(uid));
        tally.note(0, &Delivery::Stored);
        tally.give_up(Message::new("届かない", "unreachable"));
        let (answer, data_set) = tally.last(false);
        let counts = answer.counts.unwrap();
        assert_eq!((counts.completed, counts.failed), (1, 2999));
        let list = data_set.unwrap();
        let list = list.code(tags::FAILED_SOP_INSTANCE_UID_LIST);
        assert!(list.len() <= LIST_LIMIT && list.len() > 60_000);
        assert!(list.split('\\').all(crate::dicom::pdu::uid::is_uid));
        assert_eq!(
            tally.failures().map(|(failed, all, _)| (failed, all)),
            Some((2999, 3000))
        );
    }
}
