//! Media (CD, USB, zip, folder): what came on them, and what people decided about it.

mod carried;
mod imports;
mod judgement;

pub use carried::CaseFile;
pub use imports::{Decision, ImportedFile, ImportedStudy, Imports, MediaImport, Standing};
pub use judgement::Judgement;
