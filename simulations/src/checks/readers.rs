//! Only a site's reader reads: whoever it says has begun a case or written a report is one.

use dokuei_keys::id::PersonId;
use dokuei_protocol::case::event::ReaderEvent;

use super::Violation;
use crate::chronicle::Fact;

/// Checks a fact against who is the reader of the site that states it.
///
/// # Errors
/// When somebody else reads.
pub(crate) fn is_reader(fact: &Fact, reader: PersonId) -> Result<(), Violation> {
    let Fact::ProposalMade(_, proposal) = fact else {
        return Ok(());
    };
    let by = match &proposal.event {
        ReaderEvent::Claimed(by) => *by,
        ReaderEvent::Reported(issued) => issued.author,
        ReaderEvent::Quoted(_)
        | ReaderEvent::Declined(_)
        | ReaderEvent::Received(_)
        | ReaderEvent::Released(_) => return Ok(()),
    };
    if by == reader {
        Ok(())
    } else {
        let what = format!("{:?} is read by somebody who is no reader", proposal.case);
        Err(Violation::new("readers", what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::forged::{READER, issued, made};
    use dokuei_protocol::case::report::ReportStatus;

    #[test]
    fn somebody_else_is_noticed() {
        let reader = PersonId::from_bytes([7; 32]);
        let other = PersonId::from_bytes([8; 32]);
        let claimed = |by| made(4, READER, ReaderEvent::Claimed(by));
        assert!(is_reader(&claimed(reader), reader).is_ok());
        assert!(is_reader(&claimed(other), reader).is_err());
        let report = made(5, READER, issued(1, ReportStatus::Final));
        let ReaderEvent::Reported(author) = issued(1, ReportStatus::Final) else {
            panic!("a report");
        };
        assert!(is_reader(&report, author.author).is_ok());
        assert!(is_reader(&report, other).is_err());
    }
}
