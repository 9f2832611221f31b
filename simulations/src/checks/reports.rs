//! Each report version is delivered once, in its order, and never a preliminary over a final.

use std::collections::BTreeMap;

use dokuei_keys::id::{DocumentId, SiteId};
use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::event::{Link, ReaderEvent, RequesterEvent};
use dokuei_protocol::case::report::{ReportIssued, ReportStatus};

use super::Violation;
use crate::chronicle::Fact;

const RULE: &str = "reports";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reception {
    Issued,
    Delivered,
    Acknowledged,
    Rejected,
}

struct Version {
    status: ReportStatus,
    report: DocumentId,
    reception: Reception,
}

/// The versions of every case, from what requesters signed.
#[derive(Default)]
pub(crate) struct Reports {
    proposed: BTreeMap<DocumentId, ReportIssued>,
    versions: BTreeMap<(CaseId, SiteId), Vec<Version>>,
}

impl Reports {
    /// Takes a fact.
    ///
    /// # Errors
    /// When a version does not follow, is delivered or acknowledged twice or not in its order.
    pub(crate) fn observe(&mut self, site: SiteId, fact: &Fact) -> Result<(), Violation> {
        match fact {
            Fact::ProposalReceived(id, proposal) => {
                if let ReaderEvent::Reported(issued) = &proposal.event {
                    self.proposed.insert(*id, issued.as_ref().clone());
                }
                Ok(())
            }
            Fact::LinkMade(_, link) if link.requester == site => self.link(link),
            _ => Ok(()),
        }
    }

    fn link(&mut self, link: &Link) -> Result<(), Violation> {
        let versions = self.versions.entry((link.case, link.reader)).or_default();
        let follows = match &link.event {
            RequesterEvent::Admitted(id) => match self.proposed.get(id) {
                Some(issued) => issue(versions, issued),
                None => Ok(()),
            },
            RequesterEvent::Delivered(number) => not_under_final(versions, *number)
                .and_then(|()| receive(versions, *number, Reception::Issued, Reception::Delivered)),
            RequesterEvent::Acknowledged(number) => receive(
                versions,
                *number,
                Reception::Delivered,
                Reception::Acknowledged,
            ),
            RequesterEvent::ReportRejected(number) => {
                receive(versions, *number, Reception::Issued, Reception::Rejected)
            }
            RequesterEvent::Closed => match newest(versions) {
                Some(newest) if newest.reception == Reception::Acknowledged => Ok(()),
                _ => Err("closed before its newest report was acknowledged"),
            },
            _ => Ok(()),
        };
        follows.map_err(|what| Violation::new(RULE, format!("{:?}: {what}", link.case)))
    }
}

fn newest(versions: &[Version]) -> Option<&Version> {
    let mut standing = versions.iter().rev();
    standing.find(|version| version.reception != Reception::Rejected)
}

fn issue(versions: &mut Vec<Version>, issued: &ReportIssued) -> Result<(), &'static str> {
    let before = newest(versions);
    if issued.version as usize != versions.len() + 1 {
        return Err("a version is out of its place");
    }
    if issued.predecessor != before.map(|version| version.report) {
        return Err("a version names another predecessor");
    }
    let final_before = before.is_some_and(|version| version.status != ReportStatus::Preliminary);
    let first_kind = matches!(
        issued.status,
        ReportStatus::Preliminary | ReportStatus::Final
    );
    if final_before == first_kind {
        return Err("a version of this status cannot follow");
    }
    versions.push(Version {
        status: issued.status,
        report: issued.report,
        reception: Reception::Issued,
    });
    Ok(())
}

fn receive(
    versions: &mut [Version],
    number: u32,
    from: Reception,
    to: Reception,
) -> Result<(), &'static str> {
    let version = (number as usize)
        .checked_sub(1)
        .and_then(|at| versions.get_mut(at))
        .filter(|version| version.reception == from);
    version
        .map(|version| version.reception = to)
        .ok_or(match to {
            Reception::Issued => "a version is issued twice",
            Reception::Delivered => "a version is delivered twice",
            Reception::Acknowledged => "a version is acknowledged twice, or undelivered",
            Reception::Rejected => "a version is rejected after it was delivered",
        })
}

/// A preliminary is not delivered once a final one was.
fn not_under_final(versions: &[Version], number: u32) -> Result<(), &'static str> {
    let (before, after) = versions.split_at(versions.len().min(number as usize));
    let preliminary = before
        .last()
        .is_some_and(|version| version.status == ReportStatus::Preliminary);
    let replaced = after.iter().any(|version| {
        version.status != ReportStatus::Preliminary
            && matches!(
                version.reception,
                Reception::Delivered | Reception::Acknowledged
            )
    });
    if preliminary && replaced {
        Err("a preliminary is delivered over a final")
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::forged::{CLINIC, READER, document, issued, link, proposal};

    /// `p`, `f` and `a` issue a preliminary, final and addendum; `dN`, `kN`, `rN` deliver, acknowledge
    /// and reject version N; `c` closes.
    fn told(story: &str) -> Result<(), Violation> {
        let mut reports = Reports::default();
        let mut standing: Vec<u32> = Vec::new();
        let mut count = 0;
        for word in story.split_whitespace() {
            let number = word[1..].parse().unwrap_or_default();
            let event = match &word[..1] {
                "d" => RequesterEvent::Delivered(number),
                "k" => RequesterEvent::Acknowledged(number),
                "r" => {
                    standing.retain(|version| *version != number);
                    RequesterEvent::ReportRejected(number)
                }
                "c" => RequesterEvent::Closed,
                status => {
                    let status = match status {
                        "p" => ReportStatus::Preliminary,
                        "f" => ReportStatus::Final,
                        _ => ReportStatus::Addendum,
                    };
                    count += 1;
                    let ReaderEvent::Reported(mut version) = issued(count, status) else {
                        panic!("a report");
                    };
                    version.predecessor = standing.last().map(|last| document(100 + *last as u8));
                    standing.push(count);
                    let id = count as u8;
                    let event = ReaderEvent::Reported(version);
                    reports.observe(CLINIC, &proposal(id, READER, event))?;
                    RequesterEvent::Admitted(document(id))
                }
            };
            reports.observe(CLINIC, &link(READER, event))?;
        }
        Ok(())
    }

    #[test]
    fn good_stories_pass() {
        for story in [
            "p d1 f d2 k2 c a d3 k3 c",
            "p f d1 d2 k2 c",
            "f r1 f d2 k2 c",
            "p p f a d1 d2 d3 d4 k4 c",
            "p f d2 k2 c",
        ] {
            assert_eq!(told(story), Ok(()), "{story}");
        }
    }

    #[test]
    fn bad_stories_are_noticed() {
        for story in [
            "p f d2 d1",
            "f d1 d1",
            "f d1 k1 k1",
            "f k1",
            "f d1 r1",
            "f d1 p",
            "f f",
            "a",
            "p a",
            "f c",
            "f d1 c",
            "d1",
            "f d1 k1 a c",
        ] {
            assert!(told(story).is_err(), "{story}");
        }
    }

    #[test]
    fn a_version_out_of_its_place_or_with_another_predecessor_is_noticed() {
        let mut reports = Reports::default();
        let second = proposal(1, READER, issued(2, ReportStatus::Final));
        reports.observe(CLINIC, &second).unwrap();
        let admitted = link(READER, RequesterEvent::Admitted(document(1)));
        assert!(reports.observe(CLINIC, &admitted).is_err());
        assert!(told("f").is_ok());
        let mut reports = Reports::default();
        let ReaderEvent::Reported(mut first) = issued(1, ReportStatus::Final) else {
            panic!("a report");
        };
        first.predecessor = Some(document(5));
        let event = ReaderEvent::Reported(first);
        reports
            .observe(CLINIC, &proposal(1, READER, event))
            .unwrap();
        assert!(reports.observe(CLINIC, &admitted).is_err());
    }
}
