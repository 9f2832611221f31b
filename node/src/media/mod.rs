//! Media (CD, USB, zip, folder): what came on them, whose it is, and what people decided about it.

mod dicomdir;
mod imports;
mod matching;

pub use dicomdir::missing;
pub use imports::{Decision, ImportedFile, ImportedStudy, Imports, MediaImport, Standing};
pub use matching::{Agreement, Identity};
