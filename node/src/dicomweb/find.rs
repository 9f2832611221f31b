//! QIDO-RS and metadata: what is known of studies, series and instances, as JSON (PS3.18 sections 10.6 and 10.4.1.1.2),
//! written while it is found.

use std::io::{self, Write as _};
use std::ops::ControlFlow;

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use dokuei_keys::id::SiteId;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

use super::answer::{Answer, Refusal, set};
use super::begun::{Begun, begun};
use super::body::Pipe;
use super::domains::root_of;
use super::limits::HELD;
use super::media::MediaType;
use super::route::{self, Place};
use super::search::{Search, SearchError};
use super::{Asked, Web};
use crate::dicom::dataset::{DataSet, Value, json};
use crate::dicom::matching::Keys;
use crate::entities::Scope;
use crate::index::catalogue::Entry;
use crate::index::find::Found;
use crate::index::holdings::{FindError, Holdings, Level, Selection};
use crate::index::series::Lacking;
use crate::say;

/// The media type of what is found.
pub(super) const JSON: &str = "application/dicom+json";

/// What is said of an instance without being asked for (PS3.18 table 10.6.3-5).
pub const OF_INSTANCE: [Tag; 8] = [
    tags::SOP_CLASS_UID,
    tags::SOP_INSTANCE_UID,
    tags::INSTANCE_NUMBER,
    tags::ROWS,
    tags::COLUMNS,
    tags::BITS_ALLOCATED,
    tags::NUMBER_OF_FRAMES,
    tags::AVAILABLE_TRANSFER_SYNTAX_UID,
];
/// Of a series (table 10.6.3-4), and what viewers list.
pub const OF_SERIES: [Tag; 13] = [
    tags::MODALITY,
    tags::SERIES_DATE,
    tags::SERIES_TIME,
    tags::SERIES_DESCRIPTION,
    tags::SERIES_INSTANCE_UID,
    tags::SERIES_NUMBER,
    tags::BODY_PART_EXAMINED,
    tags::LATERALITY,
    tags::NUMBER_OF_SERIES_RELATED_INSTANCES,
    tags::PERFORMED_PROCEDURE_STEP_START_DATE,
    tags::PERFORMED_PROCEDURE_STEP_START_TIME,
    tags::REQUEST_ATTRIBUTES_SEQUENCE,
    tags::TIMEZONE_OFFSET_FROM_UTC,
];
/// Of a study and its patient (table 10.6.3-3).
pub const OF_STUDY: [Tag; 17] = [
    tags::SPECIFIC_CHARACTER_SET,
    tags::STUDY_DATE,
    tags::STUDY_TIME,
    tags::ACCESSION_NUMBER,
    tags::INSTANCE_AVAILABILITY,
    tags::MODALITIES_IN_STUDY,
    tags::REFERRING_PHYSICIAN_NAME,
    tags::STUDY_DESCRIPTION,
    tags::PATIENT_NAME,
    tags::PATIENT_ID,
    tags::ISSUER_OF_PATIENT_ID,
    tags::PATIENT_BIRTH_DATE,
    tags::PATIENT_SEX,
    tags::STUDY_INSTANCE_UID,
    tags::STUDY_ID,
    tags::NUMBER_OF_STUDY_RELATED_SERIES,
    tags::NUMBER_OF_STUDY_RELATED_INSTANCES,
];

impl Web {
    /// Answers a search.
    pub(super) async fn search(
        &self,
        asked: Asked,
        level: route::Level,
    ) -> Result<Answer, Refusal> {
        must_take_json(&asked)?;
        let mut search = Search::read(&asked.query).map_err(|error| refused(&error))?;
        put_place(&mut search.keys, &asked.resource.place);
        let keys = Keys::read(&search.keys).ok_or_else(|| Refusal::bad_request(too_many()))?;
        let finding = Finding {
            holdings: self.holdings.clone(),
            scope: asked.scope.clone(),
            level: match level {
                route::Level::Study => Level::Study,
                route::Level::Series => Level::Series,
                route::Level::Instance => Level::Instance,
            },
            root: asked.root(),
            own: self.site,
            keys,
            search,
        };
        self.stream(&asked.visitor, move |pipe, begun| {
            finding.write(pipe, begun)
        })
        .await
    }

    /// Answers with the metadata of a study, a series or an instance.
    pub(super) async fn metadata(&self, asked: Asked) -> Result<Answer, Refusal> {
        must_take_json(&asked)?;
        let (holdings, visitor) = (self.holdings.clone(), asked.visitor.clone());
        self.stream(&visitor, move |pipe, begun| {
            let selection = selection(&asked.resource.place);
            let metadata = match holdings.metadata(&asked.scope, &selection) {
                Ok(Some(metadata)) => metadata,
                Ok(None) => return begun.refuse(Refusal::not_found()),
                Err(error) => return begun.refuse(not_found(&error)),
            };
            if metadata.is_unreadable() {
                return begun.refuse(Refusal::failed());
            }
            begun.go_on(warning(metadata.lacking()));
            pipe.write_all(b"[")?;
            metadata
                .write(&asked.root(), pipe)
                .map_err(|error| io::Error::other(error.to_string()))?;
            pipe.write_all(b"]")
        })
        .await
    }

    /// Streams JSON from a worker, as soon as that knows that there will be some.
    async fn stream(
        &self,
        visitor: &str,
        work: impl FnOnce(&mut Pipe, &mut Begun) -> io::Result<()> + Send + 'static,
    ) -> Result<Answer, Refusal> {
        let turn = self.turns.to_read(visitor).await?;
        let mut answer = begun(turn, work).await?;
        set(&mut answer, CONTENT_TYPE, JSON);
        set(&mut answer, CACHE_CONTROL, "no-store");
        Ok(answer)
    }
}

/// What a client hears of instances that are lacking in an answer.
fn warning(lacking: Lacking) -> Option<String> {
    let are = |count: usize| match count {
        1 => "1 instance is".to_owned(),
        count => format!("{count} instances are"),
    };
    let short = (lacking.short > 0).then(|| {
        let are = are(lacking.short);
        format!("{are} given in short, as the headers cannot be shown")
    });
    let left_out = (lacking.left_out > 0).then(|| {
        let are = are(lacking.left_out);
        format!("{are} left out, as the objects cannot be read")
    });
    let said: Vec<String> = short.into_iter().chain(left_out).collect();
    (!said.is_empty()).then(|| said.join("; "))
}

/// A search under way.
struct Finding {
    holdings: Holdings,
    scope: Scope,
    level: Level,
    root: String,
    own: SiteId,
    keys: Keys,
    search: Search,
}

impl Finding {
    fn write(self, pipe: &mut Pipe, begun: &mut Begun) -> io::Result<()> {
        let mut left_out = self.search.offset;
        let mut left = self.search.limit.unwrap_or(usize::MAX);
        let (mut listing, mut broken) = (Listing::new(self.level, pipe, begun), None);
        let mut answer = |found: Found<'_>| {
            if left == 0 {
                return ControlFlow::Break(());
            }
            let (known, entry) = match found {
                Found::Match(known, entry) => (known, entry),
                Found::Lacking(lacking) => {
                    // What is lacking before the first that is asked for is missed by nobody.
                    if left_out == 0 {
                        listing.lacking = listing.lacking.and(lacking);
                    }
                    return ControlFlow::Continue(());
                }
                Found::InVain => {
                    return match listing.is_awaited() {
                        true => ControlFlow::Continue(()),
                        false => ControlFlow::Break(()),
                    };
                }
            };
            if left_out > 0 {
                left_out -= 1;
                return ControlFlow::Continue(());
            }
            left -= 1;
            match listing.put(&self.shown(known, entry)) {
                Ok(()) if left == 0 => ControlFlow::Break(()),
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    broken = Some(error);
                    ControlFlow::Break(())
                }
            }
        };
        let found = self
            .holdings
            .find(&self.scope, self.level, &self.keys, &mut answer);
        match (found, broken) {
            (_, Some(gone)) => Err(gone),
            (Err(error), None) if !listing.is_begun => listing.begun.refuse(not_found(&error)),
            (Err(error), None) => Err(io::Error::other(error.to_string())),
            (Ok(()), None) => listing.end(),
        }
    }

    /// What of a match is shown: the usual, what was asked for, and where it can be had.
    fn shown(&self, known: DataSet, entry: Option<&Entry>) -> DataSet {
        let visitor = (&self.scope, self.own);
        let root = match entry {
            Some(Entry { key, .. }) => {
                let study = (key.institution, &*key.uid);
                root_of(&self.root, &self.holdings, visitor, study)
            }
            None => self.root.clone(),
        };
        let mut address = format!("{root}/studies/{}", known.code(tags::STUDY_INSTANCE_UID));
        if self.level != Level::Study {
            address += &format!("/series/{}", known.code(tags::SERIES_INSTANCE_UID));
        }
        if self.level == Level::Instance {
            address += &format!("/instances/{}", known.code(tags::SOP_INSTANCE_UID));
        }
        let elements = known.elements().iter().cloned();
        let mut shown: DataSet = elements
            .filter(|element| {
                self.is_shown(element.tag) && !matches!(element.value, Value::Bulk(_))
            })
            .collect();
        shown.put_text(tags::RETRIEVE_URL, VR::UR, &address);
        let known = known.code(tags::INSTANCE_AVAILABILITY);
        // An instance that is listed is here.
        let availability = if known.is_empty() { "ONLINE" } else { known };
        shown.put_text(tags::INSTANCE_AVAILABILITY, VR::CS, availability);
        shown
    }

    fn is_shown(&self, tag: Tag) -> bool {
        let usual = OF_STUDY.contains(&tag)
            || self.level != Level::Study && OF_SERIES.contains(&tag)
            || self.level == Level::Instance && OF_INSTANCE.contains(&tag);
        let asked = |fields: &Vec<Tag>| fields.contains(&tag);
        usual
            || self.search.fields.as_ref().is_none_or(asked)
            || self.search.keys.element(tag).is_some()
    }
}

/// The list of what is found, on its way. Below studies its beginning is held back ([`HELD`]), so that the head of the
/// answer can still say what is lacking.
struct Listing<'a> {
    pipe: &'a mut Pipe,
    begun: &'a mut Begun,
    held: Vec<u8>,
    most: usize,
    is_begun: bool,
    is_empty: bool,
    lacking: Lacking,
}

impl<'a> Listing<'a> {
    fn new(level: Level, pipe: &'a mut Pipe, begun: &'a mut Begun) -> Listing<'a> {
        Listing {
            pipe,
            begun,
            held: Vec::new(),
            // Nothing is opened for studies.
            most: if level == Level::Study { 0 } else { HELD },
            is_begun: false,
            is_empty: true,
            lacking: Lacking::default(),
        }
    }

    fn put(&mut self, shown: &DataSet) -> io::Result<()> {
        self.held.push(if self.is_empty { b'[' } else { b',' });
        self.is_empty = false;
        json::write(shown, &mut self.held);
        match self.is_begun || self.held.len() > self.most {
            true => self.pass_on(),
            false => Ok(()),
        }
    }

    fn pass_on(&mut self) -> io::Result<()> {
        if !std::mem::replace(&mut self.is_begun, true) {
            self.begun.go_on(warning(self.lacking));
        }
        self.pipe.write_all(&self.held)?;
        self.held.clear();
        Ok(())
    }

    /// Whether somebody waits for the answer, or reads it.
    fn is_awaited(&self) -> bool {
        self.begun.is_awaited() && !self.pipe.is_abandoned()
    }

    fn end(mut self) -> io::Result<()> {
        let end: &[u8] = if self.is_empty { b"[]" } else { b"]" };
        self.held.extend_from_slice(end);
        self.pass_on()
    }
}

/// The place in the address is one more key.
fn put_place(keys: &mut DataSet, place: &Place) {
    let places = [
        (tags::STUDY_INSTANCE_UID, &place.study),
        (tags::SERIES_INSTANCE_UID, &place.series),
    ];
    for (tag, uid) in places {
        if let Some(uid) = uid {
            keys.put_text(tag, VR::UI, uid.as_str());
        }
    }
}

/// The objects at a place.
pub(super) fn selection(place: &Place) -> Selection {
    let text = |uid: &Option<crate::dicom::uid::Uid>| uid.as_ref().map(ToString::to_string);
    Selection {
        study: text(&place.study).unwrap_or_default(),
        series: text(&place.series),
        instance: text(&place.instance),
    }
}

/// Whether answers in JSON are taken.
pub(super) fn takes_json(ranges: &[MediaType]) -> bool {
    let mut ranges = ranges.iter();
    ranges.any(|range| range.takes(JSON) || range.takes("application/json"))
}

/// Refuses who takes no JSON.
///
/// # Errors
/// That.
pub(super) fn must_take_json(asked: &Asked) -> Result<(), Refusal> {
    match takes_json(&asked.accepts()) {
        true => Ok(()),
        false => Err(Refusal::not_acceptable(json_only())),
    }
}

fn refused(error: &SearchError) -> Refusal {
    Refusal::bad_request(match error {
        SearchError::Unknown(name) => {
            let name: String = name
                .chars()
                .filter(char::is_ascii_graphic)
                .take(64)
                .collect();
            say!(
                "「{name}」という属性はありません。",
                "There is no attribute '{name}'."
            )
        }
        SearchError::Value(name) => {
            let name: String = name
                .chars()
                .filter(char::is_ascii_graphic)
                .take(64)
                .collect();
            say!(
                "「{name}」の値が正しくないか、この属性では検索できません。",
                "The value of '{name}' is none, or this attribute cannot be searched by."
            )
        }
    })
}

fn not_found(error: &FindError) -> Refusal {
    match error {
        FindError::SeveralIssuers => {
            let why = say!(
                "この患者 ID は複数の施設・発行者で使われています。患者の取り違えを防ぐため、発行者（IssuerOfPatientID）も指定するか、/dicom-web/d/… を使ってください。",
                "Several issuers gave out this patient ID. Lest patients are mixed up, name the issuer (IssuerOfPatientID) too, or ask below /dicom-web/d/…."
            );
            Refusal::new(StatusCode::CONFLICT, why)
        }
        FindError::Unreadable(error) => {
            tracing::error!(target: "dokuei::web", "a search failed: {error}");
            Refusal::failed()
        }
    }
}

fn too_many() -> crate::language::Message {
    say!("検索条件が多すぎます。", "There are too many search keys.")
}

fn json_only() -> crate::language::Message {
    say!(
        "返せるのは application/dicom+json だけです。",
        "The answer can be given as application/dicom+json only."
    )
}
