//! What becomes of what comes again, by how it compares.

use dicom_core::VR;
use dicom_dictionary_std::tags;

use crate::dicom::dataset::DataSet;
use crate::dicom::scanner::Encoding;
use crate::studies::quarantine::Why;
use crate::studies::register::tests::{EXPLICIT, object, send_object, site, transcoder};

/// An image of four pixels in colour.
fn image(planar: u8) -> DataSet {
    let mut set = object("1.1", "1.9", "x");
    for (tag, value) in [
        (tags::SAMPLES_PER_PIXEL, 3),
        (tags::PLANAR_CONFIGURATION, planar),
        (tags::ROWS, 2),
        (tags::COLUMNS, 2),
        (tags::BITS_ALLOCATED, 8),
        (tags::BITS_STORED, 8),
        (tags::HIGH_BIT, 7),
        (tags::PIXEL_REPRESENTATION, 0),
    ] {
        set.put_bytes(tag, VR::US, [value, 0]);
    }
    set.put_text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "RGB");
    let pixels: Vec<u8> = (0..12).collect();
    set.put_bytes(tags::PIXEL_DATA, VR::OB, pixels);
    set
}

#[test]
fn the_same_bytes_that_are_to_be_read_in_another_way_are_another_image() {
    let (site, (_runtime, transcoder)) = (site(), transcoder());
    let intake = site.intake().comparing(transcoder);
    let send = |set: &DataSet| send_object(&intake, (EXPLICIT, Encoding::ExplicitLittle), set);
    send(&image(0)).unwrap();
    let refused = send(&image(1)).unwrap_err();
    assert_eq!(refused.status().code(), 0x0111);
    assert_eq!(site.aside(), [(Why::Content, None)]);
    // Only written in another way.
    let mut padded = image(0);
    padded.put_bytes(tags::STUDY_DESCRIPTION, VR::LO, *b"x   ");
    send(&padded).unwrap();
    assert_eq!((site.aside().len(), site.objects_of("1.1")), (1, 1));
}
