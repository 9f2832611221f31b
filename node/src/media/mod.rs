//! Media (CD, USB, zip, folder): what came on them, whose it is, and what people decided about it.

mod carried;
mod imports;
mod matching;

pub use carried::{CaseFile, feed};
pub use imports::{Decision, ImportedFile, ImportedStudy, Imports, MediaImport, Standing};
pub use matching::{Agreement, Identity};
