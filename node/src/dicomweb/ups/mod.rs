//! UPS-RS (PS3.18 chapter 11): the worklist over HTTP. What is decided about workitems is decided in
//! [`crate::worklist`]; in here are paths, bodies, status codes and the standard's warnings.

mod channel;
mod path;

use std::net::IpAddr;

use dicom_dictionary_std::tags;
use http::header::{CONTENT_LOCATION, HeaderMap, LOCATION, WARNING};
use http::request::Parts;
use http::{HeaderName, Method, StatusCode};
use hyper::body::Incoming;

pub(super) use self::path::Path;
use self::path::Target;
use super::access::{Visitor, Way};
use super::answer::{Answer, Refusal, plain, set};
use super::incoming::{BodyError, whole};
use super::origin::{Base, may_change};
use super::query::Query;
use super::route::ROOT;
use super::trail::{About, person};
use super::{Web, foreign_page};
use crate::dicom::dataset::{DataSet, json};
use crate::dicom::pdu::AeTitle;
use crate::dicom::uid::Uid;
use crate::language::Explain as _;
use crate::say;
use crate::worklist::{Moved, Refused, Search, Who};

const JSON: &str = "application/dicom+json";
/// Parameters of a subscription that are no keys.
const NO_KEYS: [&str; 2] = ["deletionlock", "filter"];

/// One request to the worklist, looked at.
pub(super) struct Asking {
    head: Parts,
    base: Base,
    from: IpAddr,
    query: Query,
    path: Path,
    visitor: Visitor,
}

impl Asking {
    pub(super) fn new(
        (head, base, from): (Parts, Base, IpAddr),
        (query, path, visitor): (Query, Path, Visitor),
    ) -> Asking {
        Asking {
            head,
            base,
            from,
            query,
            path,
            visitor,
        }
    }

    fn who(&self) -> Who {
        let below = match &self.path.domain {
            Some(domain) => format!("{ROOT}/d/{domain}"),
            None => ROOT.to_owned(),
        };
        Who {
            scope: self.visitor.scope.clone(),
            domain: self.path.domain.clone(),
            id: self.visitor.id(),
            name: self.visitor.name.clone(),
            is_program: self.visitor.way != Way::Session,
            root: self.base.address(&below),
        }
    }
}

impl Web {
    /// Answers a request to the worklist.
    pub(super) async fn worklist(
        &self,
        mut asking: Asking,
        incoming: &mut Incoming,
    ) -> Result<Answer, Refusal> {
        let who = asking.who();
        must_work(&asking)?;
        let is_get = matches!(asking.head.method, Method::GET | Method::HEAD);
        let method = asking.head.method.clone();
        let target = std::mem::replace(&mut asking.path.target, Target::Workitems);
        let answered = match (method, target) {
            (_, Target::Workitems) if is_get => {
                let answered = self.search_workitems(&who, &asking.query).await;
                self.searched(&asking, answered.is_ok());
                answered
            }
            (Method::POST, Target::Workitems) => {
                let asked = data_set(&asking.head.headers, incoming).await?;
                self.create_workitem(&who, &asking.query, &asked).await
            }
            (_, Target::Workitem(uid)) if is_get => {
                let found = self.worklist.retrieve(&who, &uid).await;
                found.map(|found| {
                    self.seen(&asking, &uid, &found);
                    listed(&[found])
                })
            }
            (Method::POST, Target::Workitem(uid)) => {
                let asked = data_set(&asking.head.headers, incoming).await?;
                let query = &asking.query;
                let named = query
                    .value("transaction-uid")
                    .or(query.value("transaction"));
                let updated = self.worklist.update(&who, &uid, named, &asked).await;
                updated.map(|()| located(StatusCode::OK, &who, &uid))
            }
            (Method::PUT, Target::State(uid)) => {
                let asked = data_set(&asking.head.headers, incoming).await?;
                let moved = self.worklist.change_state(&who, &uid, &asked).await;
                moved.map(|moved| told(StatusCode::OK, moved))
            }
            (Method::POST, Target::CancelRequest(uid)) => {
                let asked = data_set(&asking.head.headers, incoming).await?;
                let moved = self.worklist.request_cancel(&who, &uid, &asked).await;
                moved.map(|moved| told(StatusCode::ACCEPTED, moved))
            }
            (Method::POST | Method::DELETE, Target::Subscription(uid, subscriber)) => {
                let ends = asking.head.method == Method::DELETE;
                self.subscription(&who, &asking.query, &uid, &subscriber, ends)
                    .await
            }
            (Method::POST, Target::Suspension(uid, subscriber)) => {
                let subscriber = title(&subscriber)?;
                let suspended = self.worklist.suspend(&who, &subscriber, &uid).await;
                suspended.map(|()| plain(StatusCode::OK, JSON, Vec::new()))
            }
            (_, Target::Channel(subscriber)) if is_get => {
                return self.channel(who, &subscriber, asking).await;
            }
            (_, target) => return Err(Refusal::method(methods(&target))),
        };
        Ok(answered.unwrap_or_else(refused))
    }

    async fn channel(
        &self,
        who: Who,
        subscriber: &str,
        mut asking: Asking,
    ) -> Result<Answer, Refusal> {
        let ambient = asking.visitor.way == Way::Session;
        // A page of another site could open a channel with the browser's cookie.
        if !may_change(&asking.head.headers, &asking.base, ambient) {
            return Err(Refusal::forbidden(foreign_page()));
        }
        let subscriber = title(subscriber)?;
        let (access, visitor) = (self.access.clone(), asking.visitor);
        let stands = move || access.stands(&visitor);
        let to = (who, subscriber);
        channel::open(&self.worklist, to, &mut asking.head, stands).await
    }

    /// Tells auditors who searched for workitems.
    fn searched(&self, asking: &Asking, is_given: bool) {
        let text = asking.head.uri.query().unwrap_or_default();
        let by = person(&asking.visitor, asking.from);
        self.trail.searched_workitems(by, text, is_given);
    }

    /// Tells auditors who saw a workitem.
    fn seen(&self, asking: &Asking, workitem: &str, found: &DataSet) {
        let about = About {
            workitem,
            study: found.code(tags::STUDY_INSTANCE_UID),
        };
        let by = person(&asking.visitor, asking.from);
        let scope = &asking.visitor.scope;
        tokio::task::block_in_place(|| {
            self.trail.saw_workitem(by, &self.holdings, scope, about);
        });
    }

    async fn search_workitems(&self, who: &Who, query: &Query) -> Result<Answer, Refused> {
        // Each search holds the attributes of up to a thousand workitems.
        let turn = self.turns.to_read(&who.id).await;
        let turn = turn.map_err(|refusal| Refused::Failed(refusal.why))?;
        let search = Search::read(query.parameters())?;
        let is_fuzzy = search.is_fuzzy;
        let (worklist, who) = (self.worklist.clone(), who.clone());
        // It goes on with its turn when the client does not wait.
        let searching = tokio::spawn(async move {
            let found = worklist.search(&who, search).await;
            drop(turn);
            found
        });
        let found = searching.await;
        let failed = |_| Refused::Failed(Refusal::failed().why);
        let (found, has_more) = found.map_err(failed)??;
        let mut answer = match found.is_empty() {
            true => plain(StatusCode::NO_CONTENT, JSON, Vec::new()),
            false => listed(&found),
        };
        if has_more {
            warn(
                &mut answer,
                "There are additional results that can be requested",
            );
        }
        if is_fuzzy {
            let said = "The fuzzymatching parameter is not supported. Only literal matching has been performed.";
            warn(&mut answer, said);
        }
        Ok(answer)
    }

    async fn create_workitem(
        &self,
        who: &Who,
        query: &Query,
        asked: &DataSet,
    ) -> Result<Answer, Refused> {
        let named = query
            .value("AffectedSOPInstanceUID")
            .or(query.value("workitem"));
        let bare = query
            .parameters()
            .first()
            .filter(|(_, value)| value.is_empty());
        let named = named.or(bare.map(|(name, _)| name.as_str()));
        let is_uid = |uid: &str| Uid::parse(uid.as_bytes()).is_ok();
        if named.is_some_and(|uid| !is_uid(uid)) {
            return Err(Refused::Malformed(say!(
                "UID が正しくありません。",
                "The UID is none."
            )));
        }
        let uid = self
            .worklist
            .create(who, named.map(str::to_owned), asked)
            .await?;
        Ok(located(StatusCode::CREATED, who, &uid))
    }

    async fn subscription(
        &self,
        who: &Who,
        query: &Query,
        uid: &str,
        subscriber: &str,
        ends: bool,
    ) -> Result<Answer, Refused> {
        let wrong = || Refused::Malformed(bad_title());
        let subscriber = title(subscriber).map_err(|_| wrong())?;
        if ends {
            self.worklist.unsubscribe(who, &subscriber, uid).await?;
            return Ok(plain(StatusCode::OK, JSON, Vec::new()));
        }
        let lock = query.value("deletionlock") == Some("true");
        let keys = filter(query);
        let subscribed = self.worklist.subscribe(who, &subscriber, uid, &keys, lock);
        subscribed.await?;
        let mut answer = plain(StatusCode::CREATED, JSON, Vec::new());
        // What is located is the channel (PS3.18 section 11.10.3).
        let channel = who.root.replacen("http", "ws", 1);
        set(
            &mut answer,
            CONTENT_LOCATION,
            &format!("{channel}/subscribers/{subscriber}"),
        );
        Ok(answer)
    }
}

/// Whoever may only look changes no workitem. Subscriptions are no changes.
fn must_work(asking: &Asking) -> Result<(), Refusal> {
    let is_get = matches!(asking.head.method, Method::GET | Method::HEAD);
    let looks = is_get || asking.path.is_about_events();
    match looks || asking.visitor.works {
        true => Ok(()),
        false => Err(Refusal::forbidden(say!(
            "ワークリストを変更する権限がありません。「dokuei dicom token add --worklist」などで付与してください。",
            "This token, certificate or account may not change the worklist. Make one with --worklist, as in 'dokuei dicom token add --worklist'."
        ))),
    }
}

/// The keys of a filtered subscription: parameters of their own, or all of them in `filter`.
fn filter(query: &Query) -> Vec<(String, String)> {
    let parameters = query.parameters().iter();
    let own = parameters
        .filter(|(name, _)| !NO_KEYS.contains(&name.as_str()))
        .cloned();
    let inside = query.value("filter").unwrap_or_default().split(['&', ',']);
    let inside = inside.filter_map(|part| part.split_once('='));
    let inside = inside.map(|(name, value)| (name.to_owned(), value.to_owned()));
    own.chain(inside).collect()
}

fn title(text: &str) -> Result<String, Refusal> {
    let title: Result<AeTitle, _> = text.parse();
    let title = title.map_err(|_| Refusal::bad_request(bad_title()))?;
    Ok(title.as_str().to_owned())
}

fn bad_title() -> crate::language::Message {
    say!("AE タイトルが正しくありません。", "The AE title is none.")
}

/// Whether a data set is taken in this media type.
pub(super) fn is_data_set(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    let known = [JSON, "application/json"];
    known
        .iter()
        .any(|known| essence.eq_ignore_ascii_case(known))
}

/// Reads a data set in JSON.
async fn data_set(headers: &HeaderMap, incoming: &mut Incoming) -> Result<DataSet, Refusal> {
    let kind = headers.get(http::header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or(JSON);
    if !is_data_set(kind) {
        return Err(Refusal::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            say!(
                "データセットは application/dicom+json で送ってください。",
                "Send the data set as application/dicom+json."
            ),
        ));
    }
    let bytes = match whole(incoming, json::BYTES_MAX).await {
        Ok(bytes) => bytes,
        Err(BodyError::TooLong) => {
            return Err(Refusal::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                json::JsonError::TooLong.message().sentence(),
            ));
        }
        Err(BodyError::Gone) => return Err(Refusal::busy()),
    };
    if bytes.is_empty() {
        return Ok(DataSet::default());
    }
    json::read(&bytes).map_err(|error| {
        Refusal::bad_request(say!(
            "データセットを読めません（{why}）。",
            "The data set cannot be read: {why}.";
            why = error.message()
        ))
    })
}

/// What can be done with each (PS3.18 table 11.1-1).
fn methods(target: &Target) -> &'static str {
    match target {
        Target::Workitems | Target::Workitem(_) => "GET, HEAD, POST",
        Target::State(_) => "PUT",
        Target::CancelRequest(_) | Target::Suspension(..) => "POST",
        Target::Subscription(..) => "POST, DELETE",
        Target::Channel(_) => "GET",
    }
}

/// Data sets as a list (PS3.18 section F.2).
fn listed(sets: &[DataSet]) -> Answer {
    let mut out = vec![b'['];
    for (index, set) in sets.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        json::write(set, &mut out);
    }
    out.push(b']');
    plain(StatusCode::OK, JSON, out)
}

fn located(status: StatusCode, who: &Who, uid: &str) -> Answer {
    let mut answer = plain(status, JSON, Vec::new());
    let place = format!("{}/workitems/{uid}", who.root);
    let name: HeaderName = match status {
        StatusCode::CREATED => LOCATION,
        _ => CONTENT_LOCATION,
    };
    set(&mut answer, name, &place);
    answer
}

fn told(status: StatusCode, moved: Moved) -> Answer {
    let mut answer = plain(status, JSON, Vec::new());
    if let Moved::Already(state) = moved {
        let term = state.term();
        warn(
            &mut answer,
            &format!("The UPS is already in the requested state of {term}"),
        );
    }
    answer
}

fn refused(why: Refused) -> Answer {
    let (status, warning, why) = match why {
        Refused::Malformed(why) => (StatusCode::BAD_REQUEST, None, why),
        Refused::Unknown => {
            let said = "The specified SOP Instance UID does not exist or is not a UPS Instance managed by this SCP";
            (StatusCode::NOT_FOUND, Some(said), Refusal::not_found().why)
        }
        Refused::Conflict(warning, why) => (StatusCode::CONFLICT, Some(warning), why),
        Refused::Full(why) | Refused::Failed(why) => (StatusCode::SERVICE_UNAVAILABLE, None, why),
    };
    let mut answer = Answer::from(Refusal::new(status, why));
    if let Some(warning) = warning {
        warn(&mut answer, warning);
    }
    answer
}

fn warn(answer: &mut Answer, said: &str) {
    if let Ok(value) = format!("299 dokuei: \"{said}\"").parse() {
        answer.headers_mut().append(WARNING, value);
    }
}
