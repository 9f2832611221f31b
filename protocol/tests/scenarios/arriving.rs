//! What every document about a case must pass before it is looked at: each refusal, of each kind.

use dokuei_keys::id::SiteId;
use dokuei_keys::signed::Document;
use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::cancel::CancelRequest;
use dokuei_protocol::case::event::{Proposal, ReaderEvent, RequesterEvent, WithdrawalReason};
use dokuei_protocol::effect::{Answer, DocumentAnswer};
use dokuei_protocol::input::Command;
use dokuei_protocol::limits;
use dokuei_protocol::time::{Span, Timestamp};

use crate::documents::next_link;
use crate::kit::{CLINIC, HOSPITAL, UNIVERSITY, World};

/// Signer, addressee and date of a document.
type Ends<'a> = (&'a mut SiteId, &'a mut SiteId, &'a mut Timestamp);

/// A kind of document about a case.
struct Kind<T> {
    from: usize,
    to: usize,
    /// One that fits where the case stands.
    right: T,
    ends: fn(&mut T) -> Ends<'_>,
}

impl<T: Document + Clone> Kind<T> {
    fn signed(&self, world: &World, change: impl FnOnce(Ends<'_>)) -> Vec<u8> {
        let mut changed = self.right.clone();
        change((self.ends)(&mut changed));
        world.sites[self.from].sign(changed)
    }

    fn hand_over(&self, world: &mut World, bytes: Vec<u8>) -> DocumentAnswer {
        world.hand_over(self.from, self.to, bytes).unwrap()
    }

    fn each_refusal(&self, world: &mut World) {
        let before = world.sites[self.to].entries.len();
        let university = world.id(UNIVERSITY);
        let mut forged = self.signed(world, |_| {});
        *forged.last_mut().unwrap() ^= 1;
        let by_another = world.sites[UNIVERSITY].sign(self.right.clone());
        let by_addressee = world.sites[self.to].sign(self.right.clone());
        let of_another = self.signed(world, |(signer, ..)| *signer = university);
        let for_another = self.signed(world, |(_, addressee, _)| *addressee = university);
        for bytes in [forged, by_another, by_addressee, of_another, for_another] {
            assert_eq!(self.hand_over(world, bytes), DocumentAnswer::Refused);
        }
        let ahead = world.now.after(limits::CLOCK_AHEAD).after(Span::HOUR);
        let ahead = self.signed(world, |(.., at)| *at = ahead);
        assert_eq!(self.hand_over(world, ahead), DocumentAnswer::Later);

        let (early, late) = self.around_a_revocation(world);
        let entries = world.sites[self.to].entries.len();
        assert_eq!(self.hand_over(world, late), DocumentAnswer::Refused);
        assert_eq!(world.sites[self.to].entries.len(), entries);
        assert!(entries > before, "the revocation is on record");
        assert_eq!(self.hand_over(world, early), DocumentAnswer::Accepted);
        assert!(world.sites[self.to].entries.len() > entries);
    }

    /// The document by a key that is revoked since, from before the loss of the key and from after it.
    fn around_a_revocation(&self, world: &mut World) -> (Vec<u8>, Vec<u8>) {
        let early = self.signed(world, |_| {});
        world.cut(CLINIC, HOSPITAL);
        world.sleep(Span::HOUR);
        let lost = world.now;
        let late = self.signed(world, |(.., at)| *at = lost);
        let site = &world.sites[self.from];
        let revocation = site.revocation(site.site_key(), lost);
        let tell = |world: &mut World, at: usize| {
            let notice = world.sites[self.from].notice(std::slice::from_ref(&revocation));
            let told = world.ask(at, Command::TakeNotice(Box::new(notice)));
            assert_eq!(told, Ok(Answer::Done));
        };
        tell(world, self.from);
        world.renew(self.from, true);
        tell(world, self.to);
        (early, late)
    }
}

fn received() -> (World, CaseId) {
    let mut world = World::trio();
    let case = world.bring_to_reader(HOSPITAL);
    (world, case)
}

#[test]
fn links() {
    let (mut world, case) = received();
    let withdrawn = RequesterEvent::Withdrawn(WithdrawalReason::NotNeeded);
    let kind = Kind {
        from: CLINIC,
        to: HOSPITAL,
        right: next_link(&world, case, withdrawn),
        ends: |link| (&mut link.requester, &mut link.reader, &mut link.at),
    };
    kind.each_refusal(&mut world);
    assert_eq!(world.phase(HOSPITAL, case), "withdrawn");
}

#[test]
fn proposals() {
    let (mut world, case) = received();
    let thread = &world.sites[HOSPITAL].service.state().readings[&case].thread;
    let kind = Kind {
        from: HOSPITAL,
        to: CLINIC,
        right: Proposal {
            case,
            requester: world.id(CLINIC),
            reader: world.id(HOSPITAL),
            follows: thread.head(),
            at: world.now,
            event: ReaderEvent::Claimed(World::person(HOSPITAL)),
        },
        ends: |proposal| {
            let Proposal {
                requester,
                reader,
                at,
                ..
            } = proposal;
            (reader, requester, at)
        },
    };
    kind.each_refusal(&mut world);
    assert_eq!(world.phase(CLINIC, case), "claimed");
}

#[test]
fn requests_to_stop() {
    let (mut world, case) = received();
    assert_eq!(world.claim(HOSPITAL, case), Ok(Answer::Done));
    let thread = &world.sites[HOSPITAL].service.state().readings[&case].thread;
    let kind = Kind {
        from: CLINIC,
        to: HOSPITAL,
        right: CancelRequest {
            case,
            requester: world.id(CLINIC),
            reader: world.id(HOSPITAL),
            follows: thread.head(),
            at: world.now,
            reason: WithdrawalReason::NotNeeded,
        },
        ends: |cancel| (&mut cancel.requester, &mut cancel.reader, &mut cancel.at),
    };
    kind.each_refusal(&mut world);
    assert!(world.view(HOSPITAL, case).cancel.is_some());
}
