//! Somebody who was let in.

use super::Kind;
use crate::entities::scope::Scope;

/// How somebody got in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dicomweb) enum Way {
    /// With a token, which a program sends on purpose.
    Token,
    /// With the certificate of the connection.
    Certificate,
    /// With the cookie of a session, which the browser adds to whatever it sends.
    Session,
}

/// Somebody who was let in.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::dicomweb) struct Visitor {
    /// The name of the account (the person's), the token or the certificate.
    pub name: String,
    /// How.
    pub way: Way,
    /// What they may see.
    pub scope: Scope,
    /// Whether they may change workitems.
    pub works: bool,
    /// Whether they may store objects.
    pub stores: bool,
    /// The hash of what they showed.
    pub(super) shown: [u8; 32],
}

impl Visitor {
    /// A name that nobody else has: a token, a certificate and an account may be called the same.
    pub(in crate::dicomweb) fn id(&self) -> String {
        let kind = match self.way {
            Way::Token => Kind::Token,
            Way::Certificate => Kind::Certificate,
            Way::Session => Kind::Account,
        };
        format!("{}:{}", kind.code(), self.name)
    }
}

/// What else than looking somebody is let do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// Change workitems.
    pub works: bool,
    /// Store objects.
    pub stores: bool,
}
