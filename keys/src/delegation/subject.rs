//! What a site key delegates to.

use minicbor::{Decode, Encode};

use super::{DAY, MAX_LICENCE, MAX_NAME, check_text};
use crate::error::Refused;
use crate::id::{NodeId, PersonId, SiteId};
use crate::labels::Label;
use crate::signed::Document;
use crate::signing::PublicKey;
use crate::time::{UnixSeconds, Validity};

/// Longest life of a node's or person's key, in seconds: a year, and the leap day.
pub const DELEGATED_KEY_LIFE: u64 = 366 * DAY;
/// Longest life of a log key, in seconds: ten years. Changing it breaks the log's name for its witnesses.
pub const LOG_KEY_LIFE: u64 = 3_653 * DAY;

/// A site's statement that `subject` acts for it. Signed by the site key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Delegation {
    /// The site that delegates.
    #[n(0)]
    pub site: SiteId,
    /// To whom.
    #[n(1)]
    pub subject: Subject,
    /// When; at most [`DELEGATED_KEY_LIFE`], or [`LOG_KEY_LIFE`] for a log.
    #[n(2)]
    pub validity: Validity,
    /// Counts the site's delegations up.
    #[n(3)]
    pub serial: u64,
}

/// To whom a site delegates.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub enum Subject {
    /// A running node, which authenticates connections.
    #[n(0)]
    Node(#[n(0)] NodeId),
    /// A person, who signs reports or acknowledgements.
    #[n(1)]
    Person {
        /// The person's key.
        #[n(0)]
        id: PersonId,
        /// The name as people read it; at most [`MAX_NAME`] bytes.
        #[n(1)]
        name: String,
        /// What the person does at this site.
        #[n(2)]
        role: PersonRole,
        /// Licence and board certification as the site has seen them; at most [`MAX_LICENCE`] bytes, empty only for
        /// who needs none.
        #[n(3)]
        licence: String,
        /// When the licence runs out, if it does.
        #[n(4)]
        licence_until: Option<UnixSeconds>,
    },
    /// The key that signs the checkpoints of the site's log.
    #[n(2)]
    Log(#[n(0)] PublicKey),
}

/// What a person does at a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum PersonRole {
    /// Reads studies and signs reports (読影医).
    #[n(0)]
    Reader,
    /// Treats, and acknowledges reports (主治医).
    #[n(1)]
    AttendingDoctor,
    /// Acquires and sends studies (診療放射線技師).
    #[n(2)]
    Technologist,
    /// Runs the node.
    #[n(3)]
    Administrator,
}

impl PersonRole {
    /// Does the role's signature stand for a doctor's judgement, so that a licence must be named?
    #[must_use]
    pub const fn needs_licence(self) -> bool {
        match self {
            Self::Reader | Self::AttendingDoctor => true,
            Self::Technologist | Self::Administrator => false,
        }
    }
}

impl Document for Delegation {
    const KIND: &'static str = "delegation";
    const VERSION: u16 = 1;
    const LABEL: Label = Label::Delegation;
    /// 400 bytes of fields and frame, and the texts.
    const MAX_BYTES: usize = 512 + MAX_NAME + MAX_LICENCE;

    fn check(&self) -> Result<(), Refused> {
        match &self.subject {
            Subject::Node(id) => {
                id.key()?;
                self.validity.check_length(DELEGATED_KEY_LIFE)
            }
            Subject::Person {
                id,
                name,
                role,
                licence,
                licence_until: _,
            } => {
                id.key()?;
                check_text("name", name, MAX_NAME)?;
                if role.needs_licence() || !licence.is_empty() {
                    check_text("licence", licence, MAX_LICENCE)?;
                }
                self.validity.check_length(DELEGATED_KEY_LIFE)
            }
            // Its key was checked when it was decoded.
            Subject::Log(_) => self.validity.check_length(LOG_KEY_LIFE),
        }
    }
}
