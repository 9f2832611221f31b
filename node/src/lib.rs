pub mod dicom;
