//! The list of earlier studies as it goes to the reader: small, bounded, sealed under the content key of the study that is
//! to be read. Holds patient data: no `Debug`.

use std::collections::BTreeSet;

use dokuei_keys::cbor;
use dokuei_keys::id::{ParcelId, SiteId};
use dokuei_keys::sealed::{PriorsContext, SALT, open_priors, seal_priors};
use dokuei_keys::secret::ContentKey;
use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::priors::PriorList;
use dokuei_protocol::limits;
use minicbor::{Decode, Encode};
use rand_core::Rng as _;

use crate::chance::chance;
use crate::dicom::pdu::uid::is_uid;

/// Longest text of an entry, in characters: the longest value that the standard allows in these (LO).
const TEXT: usize = 64;

/// Whether this site's archive was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum ArchiveAsked {
    /// It has answered.
    #[n(0)]
    Answered,
    /// None is configured.
    #[n(1)]
    None,
    /// It could not be asked, or did not answer in time.
    #[n(2)]
    Failed,
    /// It was not asked: the study does not say for certain whose it is.
    #[n(3)]
    NotAsked,
}

impl ArchiveAsked {
    /// The word for it, as programs read it.
    pub fn code(self) -> &'static str {
        match self {
            ArchiveAsked::Answered => "answered",
            ArchiveAsked::None => "none",
            ArchiveAsked::Failed => "failed",
            ArchiveAsked::NotAsked => "not-asked",
        }
    }
}

/// What there is of earlier studies.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct List {
    /// Whether the archive was asked.
    #[n(0)]
    pub archive: ArchiveAsked,
    /// Studies under the same patient ID that are not certainly of the patient: they are not offered.
    #[n(1)]
    pub unsure: u32,
    /// Whether there are more than are listed.
    #[n(2)]
    pub more: bool,
    /// Those that are offered, the newest first; their numbers are their places, from one.
    #[n(3)]
    pub entries: Vec<Entry>,
}

/// One earlier study.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Entry {
    /// Study Instance UID.
    #[n(0)]
    pub uid: String,
    /// Study Date (0008,0020), as it came.
    #[n(1)]
    pub date: String,
    /// Study Time (0008,0030), as it came.
    #[n(2)]
    pub time: String,
    /// Modalities in Study (0008,0061), separated by spaces.
    #[n(3)]
    pub modalities: String,
    /// Body Part Examined (0018,0015) of its first object; empty where only the archive knows the study.
    #[n(4)]
    pub region: String,
    /// Study Description (0008,1030).
    #[n(5)]
    pub description: String,
    /// Number of its objects, where that is known.
    #[n(6)]
    pub objects: Option<u32>,
    /// Objects of it that lie at the requester's node; the others are its archive's.
    #[n(7)]
    pub here: u32,
    /// Whether there is a report among its objects.
    #[n(8)]
    pub report: bool,
}

impl Entry {
    /// The same with texts no longer than any.
    pub fn cut(self) -> Entry {
        let short = |text: String| text.trim().chars().take(TEXT).collect::<String>();
        Entry {
            uid: self.uid,
            date: short(self.date),
            time: short(self.time),
            modalities: short(self.modalities),
            region: short(self.region),
            description: short(self.description),
            objects: self.objects,
            here: self.here,
            report: self.report,
        }
    }
}

impl List {
    /// A list of which nothing is offered.
    pub fn empty(archive: ArchiveAsked) -> List {
        List {
            archive,
            unsure: 0,
            more: false,
            entries: Vec::new(),
        }
    }

    /// The prior with a number.
    pub fn numbered(&self, number: u16) -> Option<&Entry> {
        self.entries.get(usize::from(number).checked_sub(1)?)
    }

    /// Whether it is one that this software makes: no longer than any, each study once.
    fn is_sound(&self) -> bool {
        let uids: BTreeSet<&str> = self
            .entries
            .iter()
            .map(|entry| entry.uid.as_str())
            .collect();
        let fits = |text: &str| text.chars().count() <= TEXT;
        self.entries.len() <= usize::from(limits::PRIORS)
            && uids.len() == self.entries.len()
            && self.entries.iter().all(|entry| {
                let texts = [
                    &entry.date,
                    &entry.time,
                    &entry.modalities,
                    &entry.region,
                    &entry.description,
                ];
                is_uid(&entry.uid) && texts.iter().all(|text| fits(text))
            })
    }
}

/// Seals a list that goes with a case, whose study is in `parcel`; none when it is no list of ours.
pub fn seal(
    list: &List,
    case: CaseId,
    (parcel, key): (ParcelId, &ContentKey),
    site: SiteId,
) -> Option<PriorList> {
    let mut salt = [0; SALT];
    chance().fill_bytes(&mut salt);
    let context = PriorsContext {
        parcel,
        site,
        case: *case.as_bytes(),
    };
    let sealed = seal_priors(key, &context, salt, &cbor::encode(list)).ok()?;
    let list = PriorList {
        offered: u16::try_from(list.entries.len()).ok()?,
        sealed: sealed.into(),
    };
    list.is_within_bounds().then_some(list)
}

/// Opens a list that `site` sealed; none when it is not genuine, or no list.
pub fn open(
    list: &PriorList,
    case: CaseId,
    (parcel, key): (ParcelId, &ContentKey),
    site: SiteId,
) -> Option<List> {
    let context = PriorsContext {
        parcel,
        site,
        case: *case.as_bytes(),
    };
    let within = Some(list).filter(|list| list.is_within_bounds())?;
    let plain = open_priors(key, &context, &within.sealed).ok()?;
    let offered = usize::from(list.offered);
    read(&plain).filter(|opened| opened.entries.len() == offered)
}

/// Reads a list; none when it is none of ours.
fn read(plain: &[u8]) -> Option<List> {
    let list: List = cbor::decode_strict(plain, limits::PRIOR_LIST_BYTES).ok()?;
    Some(list).filter(List::is_sound)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dokuei_keys::secret::Secret32;

    const CASE: CaseId = CaseId::from_bytes([3; 32]);
    const PARCEL: ParcelId = ParcelId::from_bytes([1; 32]);
    const SITE: SiteId = SiteId::from_bytes([2; 32]);

    fn key() -> ContentKey {
        ContentKey::from_secret(Secret32::from_bytes([7; 32]))
    }

    fn entry(uid: &str) -> Entry {
        Entry {
            uid: uid.to_owned(),
            date: "20240101".to_owned(),
            time: "101500.123456".to_owned(),
            modalities: "CT SR".to_owned(),
            region: "CHEST".to_owned(),
            description: "胸部CT".to_owned(),
            objects: Some(500),
            here: 0,
            report: true,
        }
    }

    fn list(count: usize) -> List {
        List {
            entries: (0..count).map(|at| entry(&format!("1.2.{at}"))).collect(),
            ..List::empty(ArchiveAsked::Answered)
        }
    }

    #[test]
    fn a_list_comes_back_as_it_was_and_only_in_its_case() {
        let list = list(2);
        let sealed = seal(&list, CASE, (PARCEL, &key()), SITE).unwrap();
        assert_eq!(sealed.offered, 2);
        let opened = open(&sealed, CASE, (PARCEL, &key()), SITE);
        assert!(opened.is_some_and(|opened| opened == list));
        let other = CaseId::from_bytes([4; 32]);
        assert!(open(&sealed, other, (PARCEL, &key()), SITE).is_none());
        let miscounted = PriorList {
            offered: 3,
            ..sealed
        };
        assert!(open(&miscounted, CASE, (PARCEL, &key()), SITE).is_none());
    }

    #[test]
    fn the_longest_list_fits_and_a_longer_one_is_none() {
        let longest = |at: usize| {
            Entry {
                uid: format!("1.2.{}.{at}", "3".repeat(55)),
                modalities: "読".repeat(100),
                region: "読".repeat(100),
                description: "読".repeat(100),
                ..entry("1")
            }
            .cut()
        };
        let most = usize::from(limits::PRIORS);
        let full = List {
            entries: (0..most).map(longest).collect(),
            ..list(0)
        };
        let sealed = seal(&full, CASE, (PARCEL, &key()), SITE).unwrap();
        assert!(open(&sealed, CASE, (PARCEL, &key()), SITE).is_some());
        assert!(seal(&list(10_000), CASE, (PARCEL, &key()), SITE).is_none());
        assert!(seal(&list(most + 1), CASE, (PARCEL, &key()), SITE).is_none());
    }

    #[test]
    fn a_list_that_says_what_none_of_ours_does_is_none() {
        let opened = |list: List| {
            let sealed = seal(&list, CASE, (PARCEL, &key()), SITE).unwrap();
            open(&sealed, CASE, (PARCEL, &key()), SITE).is_some()
        };
        assert!(opened(list(3)));
        let twice = List {
            entries: vec![entry("1.2"), entry("1.2")],
            ..list(0)
        };
        assert!(!opened(twice));
        let path = List {
            entries: vec![entry("../1")],
            ..list(0)
        };
        assert!(!opened(path));
        let long = Entry {
            description: "x".repeat(TEXT + 1),
            ..entry("1.2")
        };
        let long = List {
            entries: vec![long],
            ..list(0)
        };
        assert!(!opened(long));
    }

    #[test]
    fn damaged_bytes_are_another_list_or_none() {
        let whole = cbor::encode(&list(3));
        assert!(read(&whole).is_some());
        for at in 0..whole.len() {
            assert!(read(&whole[..at]).is_none(), "cut at {at}");
            let mut damaged = whole.clone();
            damaged[at] ^= 0x55;
            if let Some(other) = read(&damaged) {
                assert!(cbor::encode(&other) == damaged);
            }
        }
    }

    #[test]
    fn numbers_begin_with_one() {
        let list = list(2);
        assert!(list.numbered(0).is_none() && list.numbered(3).is_none());
        assert_eq!(
            list.numbered(1).map(|entry| entry.uid.as_str()),
            Some("1.2.0")
        );
    }
}
