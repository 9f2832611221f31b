//! Every bound of the protocol, each with its reason.

use crate::time::Span;

/// Largest signed document: one frame of the documents protocol.
pub const DOCUMENT_BYTES: usize = 64 * 1024;
/// Largest manifest: 50,000 objects at about 64 bytes each fit; a CT of the whole body has 5,000.
pub const MANIFEST_BYTES: usize = 4 * 1024 * 1024;
/// Objects in one parcel. A study of more instances is sent as several.
pub const OBJECTS: usize = 50_000;
/// One object's plaintext: a whole-slide image or a long ultrasound clip stays below this.
pub const OBJECT_BYTES: u64 = 8 << 30;
/// All objects of one parcel: a hundred times the largest study, and few enough packs to keep a list of.
pub const PARCEL_BYTES: u64 = 1 << 40;
/// Partners of one site. A prefecture has some 350 hospitals.
pub const PARTNERS: usize = 500;
/// Cases that are open at once in one node; all of them are in memory.
pub const OPEN_CASES: usize = 20_000;
/// Of these, how many one partner may have opened: it does not take the others' room.
pub const OPEN_CASES_OF_PARTNER: usize = OPEN_CASES / 4;
/// Candidates asked for one case.
pub const CANDIDATES: usize = 16;
/// Links in the chain of one case with one reader. A whole reading takes about twelve; the rest is
/// room for re-offers and addenda, and stops a partner that proposes without end.
pub const CHAIN_LINKS: u32 = 1_000;
/// Proposals of one case that its reader may have open, so that a node that never hears an answer
/// does not pile them up.
pub const PENDING_PROPOSALS: usize = 8;
/// Documents on the way to one partner at once. Enough to fill a round trip, few enough to repeat.
pub const SENDING_WINDOW: usize = 16;
/// Report versions of one case.
pub const REPORT_VERSIONS: usize = 64;
/// Earlier studies that are offered with one case, the newest. Few patients have as many, and a reader looks at a handful.
pub const PRIORS: u16 = 64;
/// Longest sealed list of them: [`PRIORS`] entries of some 600 bytes, within one document.
pub const PRIOR_LIST_BYTES: usize = 48 * 1024;
/// Requests for priors in one booking: each prior once, some of them again.
pub const PRIOR_REQUESTS: u32 = 2 * PRIORS as u32;
/// Parcels of one prior: images that came after others were sent lie in a parcel of their own.
pub const PRIOR_PARTS: usize = 8;
/// Plaintext bytes of one prior: a whole-body CT of some 10,000 slices. What is larger is asked for by telephone.
pub const PRIOR_BYTES: u64 = 8 << 30;
/// Attempts to get a prior from the requester's archive: with their pauses, half an hour in which the archive may come back.
pub const PRIOR_TRIES: u32 = 14;
/// Slots (modality × sub-specialty × priority) in one capacity offer.
pub const OFFER_SLOTS: usize = 64;
/// Addresses in one address record.
pub const ADDRESSES: usize = 8;
/// Characters of one address, `host:port`: DNS names end at 253.
pub const ADDRESS_CHARS: usize = 261;
/// Characters of free text in a reason that a person wrote.
pub const REASON_CHARS: usize = 400;
/// Longest announcement set that one answer of the sync protocol carries.
pub const SYNC_BYTES: usize = 64 * 1024;

/// Largest document of a case that a question of the sync protocol carries along: it leaves room for
/// the rest of the question. A longer one is not named.
pub const SYNC_TAKEN: usize = 32 * 1024;

/// A document dated further ahead than this is put off: one of the two clocks is broken. Both clocks
/// may be two days off (a wrong date of a machine that was switched off); a wrong year does not pass.
pub const CLOCK_AHEAD: Span = Span::DAY.times(5);
/// What a partner has refused is said again by itself after this time at the earliest: often enough
/// for one that was mended, seldom enough to fill no log.
pub const REFUSED_AGAIN: Span = Span::DAY;
/// How long an invitation is open. The two people are on the telephone.
pub const INVITATION: Span = Span::MINUTE.times(15);
/// Wrong answers to one invitation before it closes.
pub const INVITATION_TRIES: u8 = 10;
/// How long a case is on offer when nothing else was said.
pub const OFFER: Span = Span::HOUR.times(24);
/// How long a reader keeps a place for a quoted case, and how long the requester may book it.
pub const QUOTE_LEASE: Span = Span::HOUR.times(4);
/// Longest promise that a person makes by hand, in hours: a month. A longer one is a slip of the pen.
pub const QUOTE_HOURS: u16 = 31 * 24;
/// A new prekey is published this often.
pub const PREKEY_EVERY: Span = Span::DAY;
/// A published prekey is used this long.
pub const PREKEY_USABLE: Span = Span::DAY.times(7);
/// The private half is destroyed this long after publication: the forward-secrecy window.
pub const PREKEY_KEPT: Span = Span::DAY.times(14);
/// A prekey is valid from this long before it is made, so that a partner whose clock is behind can
/// use it.
pub const PREKEY_BACKDATED: Span = Span::DAY.times(2);
/// How long a capacity offer holds. It is renewed daily with the prekey; a site that is gone for a
/// week offers nothing.
pub const CAPACITY_HOLDS: Span = Span::DAY.times(7);
/// Agreements that one partner may propose. One a year is usual.
pub const AGREEMENTS: usize = 32;
/// How long an agreement made by pairing is in force.
pub const AGREEMENT_TERM: Span = Span::DAY.times(365);
/// An agreement starts this long before it is made, so that both clocks are inside it: each may be
/// two days off, in different directions.
pub const AGREEMENT_BACKDATED: Span = Span::DAY.times(5);
/// Links kept free in a chain for the requester's own: a reader's proposals never fill it. Each report
/// version may still be delivered and read, and the case be booked, granted, closed.
pub const CHAIN_RESERVE: u32 = 2 * REPORT_VERSIONS as u32 + 32;
/// Links that must be free in a chain before a case is offered (again): the reserve, a whole
/// reading, and some addenda.
pub const CHAIN_READING: u32 = CHAIN_RESERVE + 32;
/// Revocations of one site that are kept. All of them fit into one answer of the sync protocol with
/// everything else that it carries: 128 of 384 bytes.
pub const REVOCATIONS: usize = 128;
/// Of these, how many the site key may sign: whoever steals it does not take the root's room.
pub const REVOCATIONS_BY_SITE_KEY: usize = 96;
/// Site keys, and nodes, of one site that are remembered after they were replaced. Documents wait for
/// days, not for years.
pub const EARLIER_KEYS: usize = 4;
/// How long after the end of its certificate a node is let in to bring the renewed one. A site that
/// has not renewed in a year has closed; its keys should open nothing for whoever finds them.
pub const RENEWAL_LATE: Span = Span::DAY.times(366);
/// Announcements are asked for again this often while a partner is connected.
pub const SYNC_EVERY: Span = Span::HOUR;
/// A question for announcements that was not answered is asked again after this time.
pub const SYNC_AGAIN: Span = Span(500);
/// First pause after a failed attempt; it doubles up to [`RETRY_MOST`].
pub const RETRY_FIRST: Span = Span::SECOND;
/// Longest pause between attempts: a partner that comes back is noticed within minutes even when
/// no connection event says so.
pub const RETRY_MOST: Span = Span::MINUTE.times(5);
