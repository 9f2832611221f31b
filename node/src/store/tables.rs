//! The tables. Each name carries its version; a changed form is a new table and a migration.

use redb::{Database, TableDefinition};

use crate::store::StoreError;

/// The site's log: sequence number → encoded entry.
pub(crate) const RECORDS: TableDefinition<'static, u64, &'static [u8]> =
    TableDefinition::new("records-1");

/// Kinds of rows beside the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// Private halves of prekeys, sealed; destroyed when they are old.
    Prekeys,
    /// Content keys of parcels, wrapped.
    ContentKeys,
    /// Studies that arrived here from modalities, sealed.
    Studies,
    /// Studies that were granted to this site, sealed.
    Granted,
    /// What is listed of each row of [`Rows::Studies`], sealed; derived from it.
    Heads,
    /// The same of [`Rows::Granted`].
    GrantedHeads,
    /// Where each object of a closed study lies; derived, and nothing of it can be read.
    Instances,
    /// Parcels of closed studies of which the headers are not written yet; a row is its parcel's name and nothing else.
    Headerless,
    /// Report versions as they were signed or received, sealed.
    Reports,
    /// The DICOM objects of report versions, sealed.
    ReportObjects,
    /// Application entities that may call, sealed.
    Callers,
    /// Application entities to send to, sealed.
    Destinations,
    /// Audit messages that wait for the site's collector, and how far the trail has come, sealed.
    Audit,
    /// Answers that storage commitment owes, sealed.
    Commitments,
    /// Who may come in by the web, sealed: hashes of tokens, fingerprints, accounts.
    WebAccess,
    /// Objects that are set aside, sealed.
    Quarantine,
    /// Imports of media, sealed.
    Imports,
    /// Secrets of the purposes for which objects are de-identified, sealed.
    Purposes,
    /// The way back from pseudonymous studies, sealed.
    Pseudonyms,
    /// What clients of the worklist said of workitems and the case machine does not know, sealed.
    Workitems,
    /// Who is told of changes in the worklist, sealed.
    Subscriptions,
    /// Whose studies are that are of somebody else than their images name, sealed.
    Persons,
}

impl Rows {
    pub(crate) const ALL: &[Rows] = &[
        Rows::Prekeys,
        Rows::ContentKeys,
        Rows::Studies,
        Rows::Granted,
        Rows::Heads,
        Rows::GrantedHeads,
        Rows::Instances,
        Rows::Headerless,
        Rows::Reports,
        Rows::ReportObjects,
        Rows::Callers,
        Rows::Destinations,
        Rows::Audit,
        Rows::Commitments,
        Rows::WebAccess,
        Rows::Quarantine,
        Rows::Imports,
        Rows::Purposes,
        Rows::Pseudonyms,
        Rows::Workitems,
        Rows::Subscriptions,
        Rows::Persons,
    ];

    /// The table's name, which also binds its sealed rows.
    pub fn name(self) -> &'static str {
        match self {
            Rows::Prekeys => "prekeys-1",
            Rows::ContentKeys => "content-keys-1",
            Rows::Studies => "studies-1",
            Rows::Granted => "granted-1",
            Rows::Heads => "heads-1",
            Rows::GrantedHeads => "granted-heads-1",
            Rows::Instances => "instances-1",
            Rows::Headerless => "headerless-1",
            Rows::Reports => "reports-1",
            Rows::ReportObjects => "report-objects-1",
            Rows::WebAccess => "web-access-1",
            Rows::Callers => "callers-1",
            Rows::Destinations => "destinations-1",
            Rows::Audit => "audit-1",
            Rows::Commitments => "commitments-1",
            Rows::Quarantine => "quarantine-1",
            Rows::Imports => "imports-1",
            Rows::Purposes => "purposes-1",
            Rows::Pseudonyms => "pseudonyms-1",
            Rows::Workitems => "workitems-1",
            Rows::Subscriptions => "subscriptions-1",
            Rows::Persons => "persons-1",
        }
    }

    pub(crate) fn table(self) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
        TableDefinition::new(self.name())
    }
}

pub(crate) fn create(database: &Database) -> Result<(), StoreError> {
    let write = database.begin_write()?;
    write.open_table(RECORDS)?;
    for rows in Rows::ALL {
        write.open_table(rows.table())?;
    }
    write.commit()?;
    Ok(())
}
