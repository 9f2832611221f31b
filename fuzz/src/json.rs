//! The DICOM JSON Model as clients of the worklist send it (`dicom/dataset/json`).

use dokuei_node::dicom::dataset::json::{read, write};

/// What was written once is read, and written the same ever after.
pub fn check(data: &[u8]) {
    let Ok(set) = read(data) else {
        return;
    };
    let mut once = Vec::new();
    write(&set, &mut once);
    // Longer than what came: a short form is written in full.
    let again = match read(&once) {
        Ok(again) => again,
        Err(why) => panic!("written, but not read: {why}"),
    };
    let mut twice = Vec::new();
    write(&again, &mut twice);
    assert!(once == twice, "written otherwise");
}
