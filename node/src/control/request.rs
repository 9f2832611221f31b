//! The requests. The command line builds them, the node answers them.

use serde::{Deserialize, Serialize};

use crate::deidentify::Options;

/// Studies that a list shows, the newest. Nobody reads more, and each costs a kilobyte of answer.
pub const LISTED: usize = 1_000;

/// What can be asked of a node.
#[derive(Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// How the node is.
    Status,
    /// Open an invitation.
    PartnerInvite {
        /// Where the accepter calls, for this invitation only; empty: as announced.
        addresses: Vec<String>,
        /// Whether studies are to travel under a pseudonym.
        #[serde(default)]
        pseudonyms: bool,
    },
    /// Accept an invitation.
    PartnerAccept {
        /// The whole code.
        code: String,
    },
    /// Every partner.
    PartnerList,
    /// Propose another agreement.
    PartnerPropose {
        /// Name or id.
        partner: String,
        /// Whether studies are to travel under a pseudonym.
        pseudonyms: bool,
        /// Days for which studies are kept; as agreed before when absent.
        retention_days: Option<u16>,
    },
    /// Accept the agreement that a partner proposes.
    PartnerAgree {
        /// Name or id.
        partner: String,
    },
    /// Remove a partner.
    PartnerRemove {
        /// Name or id.
        partner: String,
        /// Also when cases with it are not over.
        despite_open_cases: bool,
    },
    /// The newest [`LISTED`] studies here.
    StudyList,
    /// One study.
    StudyShow {
        /// Study Instance UID.
        uid: String,
    },
    /// Take files in.
    StudyImport {
        /// File or folder on this machine.
        path: String,
    },
    /// Take in what lies on a medium.
    MediaImport {
        /// File, folder or zip archive on this machine.
        path: String,
        /// Whose studies are expected: a case or a study of this site.
        of: Option<String>,
    },
    /// The receipts of imports.
    MediaList,
    /// One receipt.
    MediaShow {
        /// Its name or the beginning of it.
        import: String,
    },
    /// Say whose the studies of an import are.
    MediaDecide(DecideMedia),
    /// Every object that is set aside.
    QuarantineList,
    /// Remove one for good.
    QuarantineDiscard {
        /// Its name or the beginning of it.
        name: String,
    },
    /// Look through a study as before sending.
    StudyCheck(CheckStudy),
    /// Write a study without whom it is of.
    StudyDeidentify(DeidentifyStudy),
    /// Whom a pseudonym stands for.
    StudyReidentify {
        /// The pseudonym.
        pseudonym: String,
    },
    /// Ask the archive for earlier studies of a study's patient, and have some of them sent here.
    StudyPriors {
        /// Study Instance UID of the study here.
        uid: String,
        /// `all` that are certain, or Study Instance UIDs; nothing: ask only.
        fetch: Vec<String>,
    },
    /// How far the studies are that the archive sends here.
    StudyFetching {
        /// Study Instance UID of the study here.
        uid: String,
    },
    /// Have a study read.
    StudySend(SendStudy),
    /// Every case.
    CaseList,
    /// One case.
    CaseShow {
        /// Id or its beginning.
        case: String,
    },
    /// The earlier studies that go with a case; those with these numbers are asked for first.
    CasePriors {
        /// Id or its beginning.
        case: String,
        /// Their numbers; none: look only.
        #[serde(default)]
        ask: Vec<u16>,
    },
    /// Take a case back.
    CaseWithdraw {
        /// Id or its beginning.
        case: String,
        /// `not-needed`, `sent-in-error` or `read-elsewhere`.
        reason: String,
    },
    /// Write a case that is on its way to a medium.
    CaseExport {
        /// Id or its beginning.
        case: String,
        /// A folder on this machine, which is made.
        to: String,
    },
    /// Offer a case again.
    CaseOffer {
        /// Id or its beginning.
        case: String,
        /// Names or ids of partners.
        to: Vec<String>,
    },
    /// As reader: promise to read it.
    CaseQuote {
        /// Id or its beginning.
        case: String,
        /// Hours until the report; as the capacity or the requester says when absent.
        hours: Option<u16>,
    },
    /// As reader: decline.
    CaseDecline {
        /// Id or its beginning.
        case: String,
    },
    /// As reader: begin.
    CaseClaim {
        /// Id or its beginning.
        case: String,
        /// Name or id of the reader.
        reader: String,
    },
    /// As reader: give the booking back.
    CaseRelease {
        /// Id or its beginning.
        case: String,
        /// `shift-ended`, `outside-competence` or `image-quality`.
        reason: String,
    },
    /// As requester: a doctor has read the newest report version.
    CaseAcknowledge {
        /// Id or its beginning.
        case: String,
    },
    /// Give a person a key.
    PersonAdd(AddPerson),
    /// Everybody with a key.
    PersonList,
    /// Take a person's key away.
    PersonRemove {
        /// Name or id.
        person: String,
    },
    /// Take back the key of a person.
    PersonRevoke {
        /// Name or id.
        person: String,
    },
    /// Take what a partner or this site says of its keys.
    NoticeTake {
        /// The file, in base 64.
        notice: String,
    },
    /// Register a caller.
    DicomCallerAdd(AddCaller),
    /// Every caller.
    DicomCallerList,
    /// Whether somebody who calls would be let in.
    DicomCallerTest(TestCaller),
    /// Remove a caller.
    DicomCallerRemove {
        /// Name.
        name: String,
        /// Even if it is the last one, and everybody of the house may send from then on.
        opens: bool,
    },
    /// Add a destination.
    DicomDestinationAdd(AddDestination),
    /// Every destination.
    DicomDestinationList,
    /// Try a destination, step by step.
    DicomDestinationTest {
        /// Name.
        name: String,
    },
    /// Remove a destination.
    DicomDestinationRemove {
        /// Name.
        name: String,
    },
    /// Sign a report version.
    ReportSign(SignReport),
    /// Who may come in by the web.
    Access(AccessRequest),
    /// The bundle of a report version.
    ReportShow {
        /// Id of the case or its beginning.
        case: String,
        /// Version; the newest when absent.
        version: Option<u32>,
    },
}

impl Request {
    /// Whether the answer may be a report with its PDF.
    pub(super) fn has_long_answer(&self) -> bool {
        matches!(self, Request::ReportShow { .. })
    }
}

/// What can be asked about who comes in by the web.
#[derive(Serialize, Deserialize)]
#[serde(tag = "access", rename_all = "kebab-case")]
pub enum AccessRequest {
    /// Make a token.
    TokenAdd {
        /// Its name.
        name: String,
        /// `all`, `own`, or a partner and one of its issuers: `PARTNER:ISSUER`.
        scope: String,
        /// Whether it lets change workitems.
        #[serde(default)]
        worklist: bool,
        /// Whether it lets store objects.
        #[serde(default)]
        store: bool,
    },
    /// Let in who has a certificate.
    CertificateAdd {
        /// Its name.
        name: String,
        /// Its SHA-256, 64 hexadecimal digits.
        fingerprint: String,
        /// As of a token.
        scope: String,
        /// As of a token.
        #[serde(default)]
        worklist: bool,
        /// As of a token.
        #[serde(default)]
        store: bool,
    },
    /// Invite a person to an account.
    AccountInvite {
        /// Their name.
        name: String,
        /// As of a token.
        scope: String,
        /// As of a token.
        #[serde(default)]
        worklist: bool,
        /// As of a token.
        #[serde(default)]
        store: bool,
    },
    /// Everything of a kind: `token`, `certificate` or `account`.
    List {
        /// The kind.
        kind: String,
    },
    /// Take one away.
    Remove {
        /// The kind.
        kind: String,
        /// Its name.
        name: String,
    },
}

/// A study to have read.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SendStudy {
    /// Study Instance UID, or a file or folder on this machine.
    pub study: String,
    /// Names or ids of partners.
    pub to: Vec<String>,
    /// `routine`, `urgent` or `stat`.
    pub priority: String,
    /// Sub-specialty wanted.
    pub specialty: String,
    /// Hours until the report is needed: 1 to 744.
    pub hours: u32,
    /// Send what came of it so far, although it may still be arriving.
    #[serde(default)]
    pub now: bool,
    /// Send every study of the folder, when it holds several.
    #[serde(default)]
    pub all: bool,
    /// Send although files of the folder were refused.
    #[serde(default)]
    pub despite_skipped: bool,
    /// The region that the request is about.
    #[serde(default)]
    pub region: Option<String>,
    /// The side that it is about.
    #[serde(default)]
    pub laterality: Option<String>,
    /// Why it is sent although the check before sending holds it back.
    #[serde(default)]
    pub despite_check: Option<String>,
    /// Send a copy under a pseudonym.
    #[serde(default)]
    pub pseudonymous: bool,
    /// Somebody has looked at every image and found nobody named in one.
    #[serde(default)]
    pub pixels_seen: bool,
}

/// What a person says of studies that came on a medium.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecideMedia {
    /// Name of the receipt or its beginning.
    pub import: String,
    /// One of its studies; otherwise all that are in question.
    pub study: Option<String>,
    /// The patient of this site whose they are: Patient ID.
    pub patient: Option<String>,
    /// The issuer of that ID.
    pub issuer: Option<String>,
    /// They are to be removed.
    pub discard: bool,
}

/// A study to look through.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckStudy {
    /// Study Instance UID.
    pub study: String,
    /// The region that a request would be about.
    pub region: Option<String>,
    /// The side that it would be about.
    pub laterality: Option<String>,
}

/// A study to write without whom it is of.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeidentifyStudy {
    /// Study Instance UID.
    pub study: String,
    /// A new or empty folder on this machine.
    pub folder: String,
    /// What it is for.
    pub purpose: String,
    /// Keep the way back here.
    #[serde(default)]
    pub reversible: bool,
    /// What may stay.
    #[serde(default)]
    pub options: Options,
}

/// A person to give a key.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddPerson {
    /// Their name.
    pub name: String,
    /// `reader`, `attending-doctor`, `technologist` or `administrator`.
    pub role: String,
    /// Number of their licence, or empty.
    pub licence: String,
    /// Their passphrase.
    pub passphrase: String,
}

/// A caller to register.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddCaller {
    /// What people here call it.
    pub name: String,
    /// Its AE title.
    pub ae_title: String,
    /// Addresses or networks.
    pub addresses: Vec<String>,
    /// Fingerprint (SHA-256) of its certificate.
    pub certificate: Option<String>,
    /// `store`, `query` or both.
    pub may: Vec<String>,
    /// `all`, `own` or `domain`.
    pub scope: String,
    /// Of a domain: name or id of a partner; this institution when absent.
    pub institution: Option<String>,
    /// Of a domain: the issuer of its patient IDs, or empty.
    #[serde(default)]
    pub issuer: String,
}

/// Somebody who would call.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestCaller {
    /// Its AE title.
    pub ae_title: String,
    /// Its address.
    pub address: String,
    /// Fingerprint of the certificate that it would show.
    pub certificate: Option<String>,
}

/// A destination to add.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddDestination {
    /// What people here call it.
    pub name: String,
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Its AE title.
    pub ae_title: String,
    /// For TLS: fingerprint (SHA-256) of its certificate.
    pub tls_fingerprint: Option<String>,
    /// For TLS: certificates of the authority that signed its certificate, in PEM.
    pub tls_ca: Option<String>,
    /// Attempts at one sending.
    pub attempts: Option<u8>,
    /// Seconds before the second attempt.
    pub pause: Option<u16>,
}

/// A report version to sign.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignReport {
    /// Id of the case or its beginning.
    pub case: String,
    /// Status code.
    pub status: String,
    /// The text.
    pub text: String,
    /// The author's own PDF, in base 64.
    pub pdf: Option<String>,
    /// Name or id of the author.
    pub reader: String,
    /// The author's passphrase.
    pub passphrase: String,
}

/// What comes back.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// Done; what there is to see.
    Done(serde_json::Value),
    /// Not done.
    Failed {
        /// A stable word for programs.
        code: String,
        /// 日本語.
        ja: String,
        /// English.
        en: String,
    },
}
