//! What an association negotiates beside its contexts (PS3.7 annex D.3.3): roles, extended
//! negotiation and the window of asynchronous operations.

use super::PduFault;
use super::item::Cursor;
use super::uid::uid_field;

const WINDOW_ITEM: u8 = 0x53;
const ROLE_ITEM: u8 = 0x54;
const EXTENDED_ITEM: u8 = 0x56;

/// Items of one kind taken: one for each context there can be.
const ITEMS_LIMIT: usize = super::CONTEXT_LIMIT;

/// Bytes kept of an extended negotiation: query has five (PS3.4 section C.5.1.1), later editions may
/// add some.
const INFORMATION_LIMIT: usize = 16;

/// SCP/SCU role selection of one SOP class (PS3.7 section D.3.3.4): which roles the requestor of the
/// association proposes to have, or the acceptor grants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Role {
    pub(crate) sop_class: String,
    pub(crate) is_scu: bool,
    pub(crate) is_scp: bool,
}

/// Extended negotiation of one SOP class (PS3.7 section D.3.3.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Extended {
    pub(crate) sop_class: String,
    /// Its meaning is the service's.
    pub(crate) information: Vec<u8>,
}

/// The items, as far as they concern us.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Proposals {
    pub(crate) roles: Vec<Role>,
    pub(crate) extended: Vec<Extended>,
    /// Operations invoked and performed at a time; 0 is no limit (PS3.7 section D.3.3.3).
    pub(crate) window: Option<(u16, u16)>,
}

impl Proposals {
    /// Take in a sub-item of the user information, if it is one of these.
    pub(super) fn take(&mut self, kind: u8, mut item: Cursor<'_>) -> Result<(), PduFault> {
        match kind {
            WINDOW_ITEM => {
                let [a, b, c, d] = *item.array::<4>()?;
                self.window = Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])));
            }
            ROLE_ITEM => {
                let sop_class = uid(&mut item)?;
                let [is_scu, is_scp] = *item.array::<2>()?;
                if self.roles.len() == ITEMS_LIMIT {
                    return Err(item.malformed("it selects more than 128 roles"));
                }
                self.roles.push(Role {
                    sop_class,
                    is_scu: is_scu == 1,
                    is_scp: is_scp == 1,
                });
            }
            EXTENDED_ITEM => {
                let sop_class = uid(&mut item)?;
                let information = item.remainder();
                if self.extended.len() == ITEMS_LIMIT {
                    return Err(item.malformed("it negotiates more than 128 extensions"));
                }
                let kept = information.len().min(INFORMATION_LIMIT);
                self.extended.push(Extended {
                    sop_class,
                    information: information.get(..kept).unwrap_or_default().to_vec(),
                });
            }
            _unrecognised => {}
        }
        Ok(())
    }

    /// Append the sub-items in the order of their types.
    pub(super) fn put(&self, out: &mut Vec<u8>, put_item: fn(&mut Vec<u8>, u8, &[u8])) {
        if let Some((invoked, performed)) = self.window {
            let window = [invoked.to_be_bytes(), performed.to_be_bytes()].concat();
            put_item(out, WINDOW_ITEM, &window);
        }
        for role in &self.roles {
            let mut item = field(&role.sop_class);
            item.extend_from_slice(&[u8::from(role.is_scu), u8::from(role.is_scp)]);
            put_item(out, ROLE_ITEM, &item);
        }
        for extended in &self.extended {
            let mut item = field(&extended.sop_class);
            item.extend_from_slice(&extended.information);
            put_item(out, EXTENDED_ITEM, &item);
        }
    }

    /// The role proposed or granted for a SOP class.
    pub(crate) fn role(&self, sop_class: &str) -> Option<&Role> {
        self.roles.iter().find(|role| role.sop_class == sop_class)
    }
}

/// A UID with its length in two bytes before it.
fn field(uid: &str) -> Vec<u8> {
    let mut bytes = (uid.len() as u16).to_be_bytes().to_vec();
    bytes.extend_from_slice(uid.as_bytes());
    bytes
}

fn uid(item: &mut Cursor<'_>) -> Result<String, PduFault> {
    let length = usize::from(u16::from_be_bytes(*item.array::<2>()?));
    match uid_field(item.take(length)?) {
        Some(uid) => Ok(uid.to_owned()),
        None => Err(item.malformed("an item that must begin with a UID does not")),
    }
}
