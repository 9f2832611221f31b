//! DICOM: the only rooms that know its elements, messages and files.

pub mod dimse;
pub mod pacs;
pub mod pdu;
pub mod scp;
pub mod scu;
