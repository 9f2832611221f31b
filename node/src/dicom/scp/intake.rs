//! The seam between the receiving side and whatever keeps the objects.

use std::net::SocketAddr;

use super::Notice;
use crate::dicom::dimse::StoreFailure;
use crate::dicom::pdu::AeTitle;
use crate::entities::Permission;

/// Who is sending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The requestor's AE title.
    pub calling_ae: AeTitle,
    /// The AE title it wants to reach.
    pub called_ae: AeTitle,
    /// Its address.
    pub address: SocketAddr,
    /// What it may do here.
    pub permission: Permission,
}

/// An object about to arrive. The UIDs are of the grammar of PS3.5 section 9.1, at most 64
/// characters; nothing else about them is known yet. Has no `Debug`: the instance UID leads to a
/// patient.
#[derive(Clone, Copy)]
pub struct Incoming<'a> {
    /// Who is sending.
    pub caller: &'a Caller,
    /// Affected SOP Class UID: the abstract syntax of the context it comes on.
    pub sop_class: &'a str,
    /// Affected SOP Instance UID.
    pub sop_instance: &'a str,
    /// The transfer syntax its data set is encoded in.
    pub transfer_syntax: &'a str,
}

/// Takes objects in. Called from several threads at once.
pub trait Intake: Send + Sync {
    /// An object begins.
    ///
    /// # Errors
    /// The status to answer with; its data set is then read and thrown away, and the association
    /// goes on.
    fn begin(&self, object: Incoming<'_>) -> Result<Box<dyn ObjectWriter + '_>, StoreFailure>;

    /// C-ECHO: whether to answer with success; else with 0110, processing failure.
    fn echo(&self, caller: &Caller) -> bool;

    /// Something an operator may want to know: one line, without patient data. Notices about
    /// connections are limited to 100 a minute; those about refused objects come with each object.
    fn notice(&self, notice: &Notice<'_>) {
        notice.log();
    }

    /// An association that said who it is has ended, however it did.
    fn left(&self, _caller: &Caller) {}
}

/// Takes one object's data set. Dropped without `commit`, the object has never been here.
pub trait ObjectWriter {
    /// The next bytes of the data set, in order: 1 byte to 256 KiB.
    ///
    /// # Errors
    /// The status to answer with; the writer is dropped at once.
    fn write(&mut self, data: &[u8]) -> Result<(), StoreFailure>;

    /// The data set is complete. The sender is told that it is stored only after this returns, so
    /// it must not return before the object is as durable as is promised.
    ///
    /// # Errors
    /// The status to answer with.
    fn commit(self: Box<Self>) -> Result<(), StoreFailure>;
}
