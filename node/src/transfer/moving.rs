//! Studies on their way, as both ends tell of them: how far, how fast, which way, and what is waited for.

use dokuei_keys::id::{NodeId, ParcelId, SiteId};
use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::terms::Priority;
use serde_json::{Value, json};

use crate::disk::Room;
use crate::language::{Explain, Message, displayed_in_english, size};
use crate::network::{BulkWay, Network};
use crate::say;
use crate::studies::granted::GrantedStudies;
use crate::transfer::precedence::Precedence;
use crate::transfer::progress::Transfers;

/// From whom a study comes, and how urgent it is.
#[derive(Clone, Copy)]
pub struct Source {
    /// Whose it is.
    pub site: SiteId,
    /// Who hands it out.
    pub node: NodeId,
    /// How urgent it is.
    pub priority: Priority,
}

/// Why a study that is on its way does not move, or not faster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldUp {
    /// The partner is not connected.
    Connection,
    /// The disk has only its reserve left.
    Room,
    /// As many studies as may be are received.
    Place,
    /// A more urgent study of the same partner goes first.
    Urgent,
    /// The partner asks for nothing now.
    NotAsked,
    /// No more bytes a second may leave at this hour.
    Cap(u64),
}

impl Explain for HeldUp {
    fn message(&self) -> Message {
        match self {
            HeldUp::Connection => {
                say!("相手施設と接続していません", "the partner is not connected")
            }
            HeldUp::Room => say!(
                "ディスクの空きが予備分しかありません。空き容量を確保してください",
                "the disk has only its reserve left: make room"
            ),
            HeldUp::Place => say!(
                "ほかの検査を受信しているため、順番を待っています",
                "other studies are being received; it waits for its turn"
            ),
            HeldUp::Urgent => say!(
                "同じ施設のより緊急の検査を先に受信しています",
                "a more urgent study of the same partner goes first"
            ),
            HeldUp::NotAsked => say!(
                "相手施設が今は求めていません（より緊急の検査、順番待ち、または空き容量の不足）",
                "the partner asks for nothing now: something more urgent goes first, or it waits for its turn or for room there"
            ),
            HeldUp::Cap(rate) => say!(
                "この時間帯の上限（毎秒 {}）で送っています",
                "no more than {} a second may leave at this hour",
                size(*rate)
            ),
        }
    }
}

displayed_in_english!(HeldUp);

/// Which way a study goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To this site.
    Here,
    /// To a partner.
    Away,
}

/// A study that is on its way, or was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Which way.
    pub direction: Direction,
    /// Bytes that have gone, before they were compressed.
    pub bytes: u64,
    /// Bytes of the whole, likewise; 0 while nobody knows.
    pub bytes_total: u64,
    /// Of these, how many went in a second lately.
    pub bytes_per_second: u64,
    /// Seconds that the rest takes.
    pub seconds_left: Option<u64>,
    /// Objects that have gone whole.
    pub objects: usize,
    /// Objects of the whole.
    pub objects_total: usize,
    /// Objects that were here before, in another study.
    pub objects_known: usize,
    /// The way that bytes of this partner's took last; none once all are there, and while none took any.
    pub way: Option<BulkWay>,
    /// What is waited for.
    pub held_up: Option<HeldUp>,
}

impl Moved {
    /// Whether all of it has gone.
    pub fn is_over(&self) -> bool {
        self.bytes_total > 0 && self.bytes == self.bytes_total && self.objects == self.objects_total
    }

    /// How far it is, how fast it goes, which way, and how long it takes; none while nothing is known of that.
    pub fn so_far(&self) -> Option<Message> {
        if self.bytes_total == 0 {
            return None;
        }
        let direction = match self.direction {
            Direction::Here => say!("受信", "received"),
            Direction::Away => say!("送信", "sent"),
        };
        let (objects, all) = (self.objects, self.objects_total);
        let (moved, whole) = (size(self.bytes), size(self.bytes_total));
        let mut said = say!(
            "{direction} {moved} / {whole}（{objects} / {all} 枚）",
            "{direction} {moved} of {whole} ({objects} of {all} objects)";
            direction = direction,
            moved = say!("{moved}", "{moved}"),
            whole = say!("{whole}", "{whole}"),
            objects = say!("{objects}", "{objects}"),
            all = say!("{all}", "{all}")
        );
        if self.objects_known > 0 {
            let known = self.objects_known;
            said = say!(
                "{said}、うち {known} 枚は以前の検査から",
                "{said}, {known} of them here from before";
                said = said,
                known = say!("{known}", "{known}")
            );
        }
        if let Some(left) = self.seconds_left {
            let rate = size(self.bytes_per_second);
            let pace = match (left / 60, left % 60) {
                (0, seconds) => say!(
                    "、毎秒 {rate}、残り約 {seconds} 秒",
                    ", {rate} a second, about {seconds} s left"
                ),
                (minutes, seconds) => say!(
                    "、毎秒 {rate}、残り約 {minutes} 分 {seconds} 秒",
                    ", {rate} a second, about {minutes} min {seconds} s left"
                ),
            };
            said = say!("{said}{pace}", "{said}{pace}"; said = said, pace = pace);
        }
        match self.way.filter(|_| !self.is_over()) {
            Some(way) => {
                let way = word_of(way);
                Some(say!("{said}、{way}", "{said}, {way}"; said = said, way = way))
            }
            None => Some(said),
        }
    }

    /// What is waited for, as a sentence.
    pub fn waits(&self) -> Option<Message> {
        let held_up = self.held_up?.message();
        Some(say!("転送: {why}", "transfer: {why}"; why = held_up))
    }

    /// What programs and the command line are told beside the numbers.
    pub fn json(&self) -> Value {
        let both = |message: Option<Message>| {
            message.map(|message| json!({ "ja": message.ja, "en": message.en }))
        };
        json!({
            "way": self.way.map(BulkWay::code),
            "so_far": both(self.so_far()),
            "waits_for": both(self.waits()),
        })
    }
}

fn word_of(way: BulkWay) -> Message {
    match way {
        BulkWay::Quic => say!("経路 QUIC", "by QUIC"),
        BulkWay::Tcp => say!("経路 TCP", "by TCP"),
        BulkWay::Shared => say!(
            "経路 文書と同じ接続",
            "by the connection that documents take, too"
        ),
    }
}

/// Knows of every study that is on its way. Clones share it.
#[derive(Clone)]
pub struct Movements {
    /// How far they are.
    pub transfers: Transfers,
    /// Which are granted.
    pub granted: GrantedStudies,
    /// The network.
    pub network: Network,
    /// Room on the disk.
    pub room: Room,
    /// Which go first.
    pub precedence: Precedence,
}

impl Movements {
    /// A study that comes here.
    pub fn here(&self, case: &CaseId) -> Option<Moved> {
        let (standing, source, awaits_place) = self.transfers.look(case)?;
        let mut moved = Moved {
            direction: Direction::Here,
            bytes: standing.bytes,
            bytes_total: standing.bytes_total,
            bytes_per_second: standing.bytes_per_second,
            seconds_left: standing.seconds_left,
            objects: standing.objects,
            objects_total: standing.objects_total,
            objects_known: standing.objects_known,
            way: None,
            held_up: None,
        };
        let Some(source) = source.filter(|_| !moved.is_over()) else {
            return Some(moved);
        };
        let (is_connected, way) = self.path(&source.node);
        moved.way = way;
        moved.held_up = if !self.room.is_left() {
            Some(HeldUp::Room)
        } else if !is_connected {
            Some(HeldUp::Connection)
        } else if awaits_place {
            Some(HeldUp::Place)
        } else if self.precedence.is_overtaken(&source.site, source.priority) {
            Some(HeldUp::Urgent)
        } else {
            None
        };
        Some(moved)
    }

    /// A study that goes to a partner, as soon as something of it was given since the start.
    pub fn away(&self, parcel: &ParcelId) -> Option<Moved> {
        let (given, to) = self.transfers.given.look(parcel)?;
        let mut moved = Moved {
            direction: Direction::Away,
            bytes: given.bytes,
            bytes_total: given.bytes_total,
            bytes_per_second: given.bytes_per_second,
            seconds_left: given.seconds_left,
            objects: given.objects,
            objects_total: given.objects_total,
            objects_known: 0,
            way: None,
            held_up: None,
        };
        if moved.is_over() {
            return Some(moved);
        }
        let (is_connected, way) = self.path(&to);
        moved.way = way;
        moved.held_up = match (is_connected, moved.bytes_per_second) {
            (false, _) => Some(HeldUp::Connection),
            (true, 0) => Some(HeldUp::NotAsked),
            (true, _) => self.network.cap().map(HeldUp::Cap),
        };
        Some(moved)
    }

    /// A study that is on its way, one way or the other.
    pub fn under_way(&self, parcel: &ParcelId) -> Option<Moved> {
        let here = self.granted.case_of(parcel);
        let moved = match here {
            Some((case, _)) => self.here(&case),
            None => self.away(parcel),
        };
        moved.filter(|moved| !moved.is_over())
    }

    fn path(&self, node: &NodeId) -> (bool, Option<BulkWay>) {
        let all = self.network.status();
        let path = all.iter().find(|path| path.node == *node);
        let is_connected = path.is_some_and(|path| path.connected.is_some());
        let way = path.and_then(|path| path.bulk).map(|bulk| bulk.way);
        (is_connected, way)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::assert_explained;

    const MOVED: Moved = Moved {
        direction: Direction::Away,
        bytes: 3_000_000,
        bytes_total: 9_000_000,
        bytes_per_second: 80_000,
        seconds_left: Some(75),
        objects: 6,
        objects_total: 18,
        objects_known: 0,
        way: Some(BulkWay::Quic),
        held_up: None,
    };

    #[test]
    fn how_far_a_study_is_is_told_with_how_long_it_takes_and_which_way() {
        let said = |moved: Moved| moved.so_far().unwrap();
        assert_eq!(
            said(MOVED).en,
            "sent 3.0 MB of 9.0 MB (6 of 18 objects), 80.0 kB a second, about 1 min 15 s left, by QUIC"
        );
        assert_eq!(
            said(MOVED).ja,
            "送信 3.0 MB / 9.0 MB（6 / 18 枚）、毎秒 80.0 kB、残り約 1 分 15 秒、経路 QUIC"
        );
        let unknown = Moved {
            bytes_total: 0,
            ..MOVED
        };
        assert_eq!(unknown.so_far(), None);
        let over = Moved {
            bytes: MOVED.bytes_total,
            objects: MOVED.objects_total,
            seconds_left: None,
            ..MOVED
        };
        assert!(over.is_over() && said(over).en.ends_with("(18 of 18 objects)"));
        let known = Moved {
            objects_known: 4,
            ..over
        };
        assert!(
            said(known)
                .en
                .ends_with("(18 of 18 objects), 4 of them here from before")
        );
        assert!(said(known).ja.ends_with("うち 4 枚は以前の検査から"));
    }

    #[test]
    fn what_is_waited_for_is_told_in_both_languages() {
        let all = [
            HeldUp::Connection,
            HeldUp::Room,
            HeldUp::Place,
            HeldUp::Urgent,
            HeldUp::NotAsked,
            HeldUp::Cap(1_000_000),
        ];
        assert_explained(all.iter().map(|one| one as &dyn Explain));
    }
}
