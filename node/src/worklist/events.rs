//! Event reports (PS3.4 section CC.2.4): what has changed since the last look goes to every open channel. Nothing is kept
//! for a subscriber whose channel is not open: when it comes back it searches, as it does when it begins.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex as Lock, MutexGuard, PoisonError};
use std::time::Duration;

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use dokuei_protocol::case::cancel::Cancel;
use dokuei_protocol::time::Timestamp;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, broadcast};
use tokio_util::sync::CancellationToken;

use super::item::Item;
use super::kept::Subscription;
use super::state::State;
use super::subscriptions::{Telling, from_text, telling};
use super::{Refused, Search, Who, Worklist, blocking, codes};
use crate::dicom::charset::WRITTEN_CHARACTER_SET;
use crate::dicom::dataset::{DataSet, json};
use crate::entities::scope::Domain;
use crate::say;

/// Channels that are open at once: one for each program of a house that shows a worklist.
const CHANNELS: usize = 64;
/// Of those of one visitor: a program has one, and opens another before it has noticed that the first is dead.
const CHANNELS_OF_ONE: usize = 4;
/// Events that wait for the slowest channel. One that falls behind is closed, and its client comes back and searches.
const WAITING: usize = 256;
/// Between two looks: each goes through every case, which takes some tens of milliseconds when there are 20,000.
const PAUSE: Duration = Duration::from_millis(250);

/// UPS Event SOP Class.
const EVENT: &str = "1.2.840.10008.5.1.4.34.6.4";
const AFFECTED_CLASS: Tag = Tag(0x0000, 0x0002);
const MESSAGE_ID: Tag = Tag(0x0000, 0x0110);
const AFFECTED_INSTANCE: Tag = Tag(0x0000, 0x1000);
const EVENT_TYPE: Tag = Tag(0x0000, 0x1002);
/// Event types (PS3.4 table CC.2.4-1).
const STATE: u16 = 1;
const CANCEL_REQUESTED: u16 = 2;
const PROGRESS: u16 = 3;
const ASSIGNED: u16 = 5;

/// One event. May hold patient data: no `Debug`.
#[derive(Clone)]
struct Told {
    uid: String,
    offered: Timestamp,
    domain: Option<Domain>,
    /// Of a first report after a subscription: for whom alone.
    only: Option<String>,
    report: DataSet,
}

/// Who listens, and what was seen last.
pub(super) struct Ears {
    told: broadcast::Sender<Told>,
    seen: Mutex<Option<BTreeMap<String, Seen>>>,
    open: Lock<Open>,
    places: Arc<Semaphore>,
}

impl Default for Ears {
    fn default() -> Ears {
        Ears {
            told: broadcast::Sender::new(WAITING),
            seen: Mutex::default(),
            open: Lock::default(),
            places: Arc::new(Semaphore::new(CHANNELS)),
        }
    }
}

/// The channels that are open, by number.
#[derive(Default)]
struct Open {
    next: u64,
    listening: BTreeMap<u64, Listener>,
}

/// Who listens at a channel, and the name under which it is subscribed.
#[derive(Clone)]
struct Listener {
    who: Who,
    subscriber: String,
}

#[derive(Clone)]
struct Seen {
    item: Item,
    domain: Option<Domain>,
}

/// Looks whenever there are new records, until the node ends.
pub(super) async fn watch(worklist: Worklist, ended: CancellationToken) {
    let mut grown = worklist.0.grown.subscribe();
    loop {
        tokio::select! {
            () = ended.cancelled() => return,
            changed = grown.changed() => if changed.is_err() { return },
        }
        // A node that is starting or stopping has nothing to tell.
        let _ = worklist.look().await;
        tokio::time::sleep(PAUSE).await;
    }
}

impl Worklist {
    /// Lets the next look come at once.
    pub(super) fn look_again(&self) {
        self.0.grown.send_modify(|_| {});
    }

    /// Tells what has changed since the last look.
    async fn look(&self) -> Result<(), Refused> {
        let mut seen = self.0.ears.seen.lock().await;
        if self.0.ears.told.receiver_count() == 0 {
            *seen = None;
            return Ok(());
        }
        let facts = self.facts().await?;
        let (node, worklist) = (self.node()?, self.clone());
        let new = blocking(move || {
            let items = facts.iter().flat_map(|facts| worklist.items(facts));
            let seen = items.map(|item| {
                let domain = worklist.domain(&node, &item);
                (item.uid.clone(), Seen { item, domain })
            });
            Ok(seen.collect::<BTreeMap<_, _>>())
        })
        .await?;
        if let Some(old) = seen.take() {
            for (uid, seen) in &new {
                for report in changes(old.get(uid).map(|old| &old.item), &seen.item) {
                    self.tell(&seen.item, seen.domain.clone(), None, report);
                }
            }
        }
        *seen = Some(new);
        Ok(())
    }

    fn tell(&self, item: &Item, domain: Option<Domain>, only: Option<String>, report: DataSet) {
        // Nobody may listen.
        let _ = self.0.ears.told.send(Told {
            uid: item.uid.clone(),
            offered: item.happened.offered,
            domain,
            only,
            report,
        });
    }

    /// Tells a new subscriber where a workitem stands.
    pub(super) fn tell_state(&self, item: &Item, subscriber: &str) -> Result<(), Refused> {
        let domain = self.domain(&*self.node()?, item);
        self.tell(
            item,
            domain,
            Some(subscriber.to_owned()),
            state_report(item),
        );
        Ok(())
    }

    /// Tells that somebody asks for a cancellation; whether somebody else hears of it.
    pub(super) async fn tell_cancel_requested(
        &self,
        by: &Who,
        item: &Item,
        asked: &DataSet,
    ) -> Result<bool, Refused> {
        let domain = self.domain(&*self.node()?, item);
        let listening = self.0.ears.others_of(by);
        let mut is_heard = false;
        for Listener { who, subscriber } in listening {
            is_heard = who.may_see(domain.as_ref(), self.0.site)
                && self
                    .tells(&who, &subscriber, (&item.uid, item.happened.offered))
                    .await;
            if is_heard {
                break;
            }
        }
        if !is_heard {
            return Ok(false);
        }
        let mut report = report(item, CANCEL_REQUESTED);
        for tag in [
            tags::REASON_FOR_CANCELLATION,
            tags::PROCEDURE_STEP_DISCONTINUATION_REASON_CODE_SEQUENCE,
            tags::CONTACT_URI,
            tags::CONTACT_DISPLAY_NAME,
        ] {
            if let Some(element) = asked.element(tag) {
                report.put(element.clone());
            }
        }
        self.tell(item, domain, None, report);
        Ok(true)
    }

    /// Whether what a subscriber is subscribed to tells of a workitem.
    async fn tells(&self, who: &Who, subscriber: &str, (uid, offered): (&str, Timestamp)) -> bool {
        let held: Vec<Subscription> = self.0.kept.subscriptions(subscriber);
        match telling(&held, uid, offered) {
            Telling::No => false,
            Telling::Yes => true,
            Telling::IfMatching(query) => {
                let set = self.retrieve(who, uid).await;
                let search = Search::read(&from_text(&query));
                matches!((set, search), (Ok(set), Ok(search)) if search.keys.match_with(&set))
            }
        }
    }

    /// Opens a subscriber's channel.
    ///
    /// # Errors
    /// [`Refused::Full`] when as many are open as may be.
    pub async fn listen(&self, who: &Who, title: &str) -> Result<Channel, Refused> {
        let place = Arc::clone(&self.0.ears.places).try_acquire_owned();
        let place = place.map_err(|_| {
            Refused::Full(say!(
                "イベントの受信は同時に {CHANNELS} 件までです。",
                "At most {CHANNELS} channels for events are open at once."
            ))
        })?;
        let told = self.0.ears.told.subscribe();
        let listener = Listener {
            who: who.clone(),
            subscriber: who.subscriber(title),
        };
        let number = self.0.ears.open(listener.clone())?;
        let channel = Channel {
            worklist: self.clone(),
            listener,
            number,
            told,
            next: None,
            sent: 0,
            _place: place,
        };
        // What changes from now on is told: the first look is what later ones are compared with.
        self.look().await?;
        Ok(channel)
    }
}

impl Ears {
    /// Notes a channel; gives its number.
    fn open(&self, new: Listener) -> Result<u64, Refused> {
        let mut open = self.lock();
        let listening = open.listening.values();
        let of_one = listening.filter(|listener| listener.who.id == new.who.id);
        if of_one.count() >= CHANNELS_OF_ONE {
            return Err(Refused::Full(say!(
                "1 つのトークン・証明書・アカウントでのイベントの受信は、同時に {CHANNELS_OF_ONE} 件までです。",
                "At most {CHANNELS_OF_ONE} channels for events are open at once for one token, certificate or account."
            )));
        }
        let number = open.next;
        open.next += 1;
        open.listening.insert(number, new);
        Ok(number)
    }

    /// Who listens and is not who asks.
    fn others_of(&self, by: &Who) -> Vec<Listener> {
        let open = self.lock();
        let listening = open.listening.values();
        let others = listening.filter(|listener| listener.who.id != by.id);
        others.cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The events of one subscriber, while it listens.
pub struct Channel {
    worklist: Worklist,
    listener: Listener,
    number: u64,
    told: broadcast::Receiver<Told>,
    next: Option<Told>,
    sent: u16,
    _place: OwnedSemaphorePermit,
}

impl Channel {
    /// The next event report in DICOM JSON; nothing when this channel fell behind, and has to be closed. Loses nothing
    /// when it is not waited for.
    pub async fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            let told = match &self.next {
                Some(told) => told.clone(),
                None => match self.told.recv().await {
                    Ok(told) => self.next.insert(told).clone(),
                    Err(RecvError::Lagged(_) | RecvError::Closed) => return None,
                },
            };
            let who = &self.listener.who;
            let may_see = who.may_see(told.domain.as_ref(), self.worklist.0.site);
            let is_told = may_see && self.is_told(&told).await;
            self.next = None;
            if !is_told {
                continue;
            }
            self.sent = self.sent.wrapping_add(1);
            let mut report = told.report;
            report.put_short(MESSAGE_ID, self.sent);
            let mut out = Vec::new();
            json::write(&report, &mut out);
            return Some(out);
        }
    }

    async fn is_told(&self, told: &Told) -> bool {
        let Listener { who, subscriber } = &self.listener;
        let is_for_another = told.only.as_ref().is_some_and(|only| only != subscriber);
        let about = (told.uid.as_str(), told.offered);
        !is_for_another && self.worklist.tells(who, subscriber, about).await
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        let mut open = self.worklist.0.ears.lock();
        open.listening.remove(&self.number);
    }
}

/// What is to be told of a workitem that was seen before, or was not.
fn changes(old: Option<&Item>, new: &Item) -> Vec<DataSet> {
    let mut reports = Vec::new();
    let stands = |item: &Item| (item.state, item.is_ready);
    if old.is_none_or(|old| stands(old) != stands(new)) {
        reports.push(state_report(new));
    }
    let asked = |item: &Item| item.view.cancel.as_ref().map(|cancel| cancel.document);
    if let Some(cancel) = &new.view.cancel
        && new.state == State::InProgress
        && old.is_some_and(|old| asked(old) != asked(new))
    {
        reports.push(cancel_report(new, cancel));
    }
    let before = old.map(|old| &old.said.attributes);
    if before.is_none_or(|before| *before == new.said.attributes) {
        return reports;
    }
    let (before, said) = (old.map(Item::said_set).unwrap_or_default(), new.said_set());
    for (tag, event) in [
        (tags::PROCEDURE_STEP_PROGRESS_INFORMATION_SEQUENCE, PROGRESS),
        (tags::SCHEDULED_HUMAN_PERFORMERS_SEQUENCE, ASSIGNED),
    ] {
        if before.items(tag) != said.items(tag) {
            let mut report = report(new, event);
            report.put_items(tag, said.items(tag).to_vec());
            reports.push(report);
        }
    }
    reports
}

fn state_report(item: &Item) -> DataSet {
    let mut report = report(item, STATE);
    report.put_text(tags::PROCEDURE_STEP_STATE, VR::CS, item.state.term());
    let readiness = item.readiness();
    report.put_text(tags::INPUT_READINESS_STATE, VR::CS, readiness);
    if item.state == State::Canceled {
        let why = item.happened.ended.unwrap_or(item.view.phase);
        report.put_text(tags::REASON_FOR_CANCELLATION, VR::LT, why);
    }
    report
}

/// That the requester asks to stop, with whom to speak to where it is read.
fn cancel_report(item: &Item, cancel: &Cancel) -> DataSet {
    let mut report = report(item, CANCEL_REQUESTED);
    let (code, reason) = codes::discontinued(cancel.reason);
    report.put_text(tags::REASON_FOR_CANCELLATION, VR::LT, reason);
    report.put_items(
        tags::PROCEDURE_STEP_DISCONTINUATION_REASON_CODE_SEQUENCE,
        vec![code],
    );
    if let Some(name) = item.partner.as_ref().filter(|_| item.is_read_here()) {
        report.put_text(tags::CONTACT_DISPLAY_NAME, VR::LO, name);
    }
    report
}

fn report(item: &Item, event: u16) -> DataSet {
    let mut report = DataSet::default();
    report.put_text(tags::SPECIFIC_CHARACTER_SET, VR::CS, WRITTEN_CHARACTER_SET);
    report.put_bytes(AFFECTED_CLASS, VR::UI, EVENT);
    report.put_bytes(AFFECTED_INSTANCE, VR::UI, item.uid.as_str());
    report.put_short(EVENT_TYPE, event);
    report
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entities::Scope;

    fn listener(id: &str) -> Listener {
        let who = Who {
            scope: Scope::All,
            domain: None,
            id: id.to_owned(),
            name: id.to_owned(),
            is_program: true,
            root: String::new(),
        };
        let subscriber = who.subscriber("READER");
        Listener { who, subscriber }
    }

    #[test]
    fn who_asks_is_not_who_hears() {
        let ears = Ears::default();
        let (ris, room) = (listener("token:RIS"), listener("account:Room 2"));
        let others = |of: &Listener| {
            let others = ears.others_of(&of.who).into_iter();
            others.map(|other| other.who.id).collect::<Vec<_>>()
        };
        let first = ears.open(ris.clone()).ok().unwrap();
        ears.open(ris.clone()).ok().unwrap();
        assert!(others(&ris).is_empty());
        ears.open(room.clone()).ok().unwrap();
        assert_eq!(others(&ris), ["account:Room 2"]);
        assert_eq!(others(&room), ["token:RIS", "token:RIS"]);
        ears.lock().listening.remove(&first);
        assert_eq!(others(&room), ["token:RIS"]);
        for _ in 0..3 {
            ears.open(ris.clone()).ok().unwrap();
        }
        assert!(matches!(ears.open(ris), Err(Refused::Full(_))));
        assert!(ears.open(room).is_ok());
    }
}
