//! Commands of people and programs.

use crate::input::{Command, Ticket};
use crate::service::{Service, Turn};

impl Service {
    pub(crate) fn command(&mut self, turn: &mut Turn, ticket: Ticket, command: Command) {
        if let Some(answer) = self.halted(&command) {
            turn.answer(ticket, answer);
            return;
        }
        let answer = match command {
            Command::Invite {
                addresses,
                retention_days,
                naming,
            } => self.invite(turn, addresses, retention_days, naming),
            Command::Accept { addresses, secret } => {
                match self.accept_invitation(turn, ticket, addresses, &secret) {
                    Ok(()) => return,
                    Err(cannot) => Err(cannot),
                }
            }
            Command::ProposeAgreement {
                site,
                retention_days,
                naming,
            } => self.propose_agreement(turn, site, retention_days, naming),
            Command::AcceptAgreement(site) => self.accept_agreement(turn, site),
            Command::RemovePartner(site) => self.remove_partner(turn, site),
            Command::RevokePerson(person) => self.revoke_person(turn, person),
            Command::TakeNotice(notice) => self.take_notice(turn, &notice),
            Command::AnnounceAddresses(addresses) => self.announce_addresses(turn, addresses),
            Command::AnnounceCapacity(slots) => self.announce_capacity(turn, slots),
            Command::TakeCargo {
                from,
                case,
                documents,
            } => self.take_cargo(turn, from, case, &documents),
            Command::NoteCheck(parcel, check) => Ok(self.note_check(turn, parcel, check)),
            Command::Commit(parcels) => self.commit(turn, &parcels),
            Command::OpenCase(open) => self.open_case(turn, *open),
            Command::Offer { case, to } => self.offer(turn, case, &to),
            Command::Withdraw(case, reason) => self.withdraw(turn, case, reason),
            Command::Quote { case, hours } => self.quote_by_hand(turn, case, hours),
            Command::Decline(case) => self.decline(turn, case),
            Command::Claim { case, delegation } => self.claim(turn, case, &delegation),
            Command::Release(case, reason) => self.release(turn, case, reason),
            Command::IssueReport(issue) => self.issue_report(turn, *issue),
            Command::Acknowledge(case, version) => self.acknowledge(turn, case, version),
            Command::ListPriors(case, list) => self.list_priors(turn, case, list),
            Command::FoundPrior {
                case,
                number,
                found,
            } => self.found_prior(turn, (case, number), found),
            Command::AskPriors(case, numbers) => self.ask_priors(turn, case, &numbers),
        };
        turn.answer(ticket, answer);
    }
}
