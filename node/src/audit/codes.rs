//! The coded values of audit messages, as (code, code system, meaning): PS3.16 CID 400 to 405, and RFC 3881 §5.5.4.

use super::xml::Element;

/// A coded value.
pub(super) type Code = (&'static str, &'static str, &'static str);

const DCM: &str = "DCM";
const DOKUEI: &str = "99DOKUEI";

pub(super) const APPLICATION_ACTIVITY: Code = ("110100", DCM, "Application Activity");
pub(super) const BEGIN_TRANSFERRING: Code = ("110102", DCM, "Begin Transferring DICOM Instances");
pub(super) const INSTANCES_ACCESSED: Code = ("110103", DCM, "DICOM Instances Accessed");
pub(super) const INSTANCES_TRANSFERRED: Code = ("110104", DCM, "DICOM Instances Transferred");
pub(super) const STUDY_DELETED: Code = ("110105", DCM, "DICOM Study Deleted");
pub(super) const EXPORT: Code = ("110106", DCM, "Export");
pub(super) const IMPORT: Code = ("110107", DCM, "Import");
pub(super) const NETWORK_ENTRY: Code = ("110108", DCM, "Network Entry");
pub(super) const QUERY: Code = ("110112", DCM, "Query");
pub(super) const SECURITY_ALERT: Code = ("110113", DCM, "Security Alert");
pub(super) const USER_AUTHENTICATION: Code = ("110114", DCM, "User Authentication");

pub(super) const APPLICATION_START: Code = ("110120", DCM, "Application Start");
pub(super) const APPLICATION_STOP: Code = ("110121", DCM, "Application Stop");
pub(super) const LOGIN: Code = ("110122", DCM, "Login");
pub(super) const LOGOUT: Code = ("110123", DCM, "Logout");
pub(super) const ATTACH: Code = ("110124", DCM, "Attach");
pub(super) const DETACH: Code = ("110125", DCM, "Detach");
pub(super) const NODE_AUTHENTICATION: Code = ("110126", DCM, "Node Authentication");
pub(super) const SECURITY_CONFIGURATION: Code = ("110129", DCM, "Security Configuration");
pub(super) const RESTRICTED_FUNCTION: Code = ("110132", DCM, "Use of Restricted Function");
pub(super) const RECORDING_STOPPED: Code = ("110133", DCM, "Audit Recording Stopped");

pub(super) const APPLICATION: Code = ("110150", DCM, "Application");
pub(super) const DESTINATION: Code = ("110152", DCM, "Destination Role ID");
pub(super) const SOURCE: Code = ("110153", DCM, "Source Role ID");
pub(super) const DESTINATION_MEDIA: Code = ("110154", DCM, "Destination Media");
pub(super) const SOURCE_MEDIA: Code = ("110155", DCM, "Source Media");
/// Media type of what has a place in a file system.
pub(super) const URI_MEDIA: Code = ("110037", DCM, "URI");

pub(super) const STUDY_UID: Code = ("110180", DCM, "Study Instance UID");
pub(super) const SOP_CLASS_UID: Code = ("110181", DCM, "SOP Class UID");
pub(super) const NODE_ID: Code = ("110182", DCM, "Node ID");
pub(super) const PATIENT_NUMBER: Code = ("2", "RFC-3881", "Patient Number");

/// EventTypeCode of reports: the study was read, and the reader's report is signed.
pub(super) const REPORT_SIGNED: Code = ("report-signed", DOKUEI, "Report Signed");

/// An element with a coded value.
pub(super) fn coded(name: &'static str, (code, system, meaning): Code) -> Element {
    Element::new(name)
        .with("csd-code", code)
        .with("codeSystemName", system)
        .with("originalText", meaning)
}
