//! What becomes of what comes again, by how it compares.

use std::time::{Duration, Instant};

use dicom_core::VR;
use dicom_dictionary_std::tags;

use super::{Incomparable, Likeness, compared};
use crate::dicom::dataset::DataSet;
use crate::dicom::scanner::Encoding;
use crate::pixels::{Decoders, Plan};
use crate::studies::quarantine::Why;
use crate::studies::register::tests::{EXPLICIT, Site, object, send_object, site, transcoder};
use crate::transcoding::{ALWAYS, Transcoder};

const EXPLICIT_LITTLE: (&str, Encoding) = (EXPLICIT, Encoding::ExplicitLittle);
const IMPLICIT_LITTLE: (&str, Encoding) = ("1.2.840.10008.1.2", Encoding::ImplicitLittle);

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
    let send = |set: &DataSet| send_object(&intake, EXPLICIT_LITTLE, set);
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

/// Files of the objects of a study, and of what is set aside.
fn files(site: &Site) -> usize {
    let parcel = site.register.parcels_of("1.1")[0];
    let slots = site.register.parcels().slots(&parcel).unwrap();
    slots.len() + site.aside().len()
}

#[test]
fn what_cannot_be_compared_for_now_is_refused_for_now_and_not_set_aside() {
    let (site, (runtime, transcoder)) = (site(), transcoder());
    let send = |transcoder: &Transcoder, coding: (&str, Encoding), set: &DataSet| {
        let intake = site.intake().comparing(transcoder.clone());
        send_object(&intake, coding, set).map_err(|failure| failure.status().code())
    };
    send(&transcoder, EXPLICIT_LITTLE, &image(0)).unwrap();
    // Nobody has a turn to read a header; the disk; no decoder starts.
    let hasty = transcoder.within(Duration::ZERO);
    let turns = [(); 2].map(|()| hasty.turn(ALWAYS).unwrap());
    assert_eq!(send(&hasty, IMPLICIT_LITTLE, &image(0)), Err(0xA700));
    drop(turns);
    let parcel = site.register.parcels_of("1.1")[0];
    let file = site.register.parcels().file_of(&parcel, 1);
    let moved = file.with_extension("moved");
    std::fs::rename(&file, &moved).unwrap();
    assert_eq!(send(&transcoder, IMPLICIT_LITTLE, &image(0)), Err(0xA700));
    std::fs::rename(&moved, &file).unwrap();
    let plan = Plan {
        program: site.register.parcels().folder_of(&parcel),
        ..Plan::this_program()
    };
    let none = Transcoder::new(Decoders::new(plan), runtime.handle().clone());
    assert_eq!(send(&none, IMPLICIT_LITTLE, &image(0)), Err(0xA700));
    assert_eq!((site.aside().len(), files(&site)), (0, 1));
    // What is another one is set aside all the same, and what decoders fail on.
    let mut other = image(0);
    other.put_text(tags::STUDY_DESCRIPTION, VR::LO, "y");
    assert_eq!(send(&none, IMPLICIT_LITTLE, &other), Err(0x0111));
    assert_eq!(send(&transcoder, IMPLICIT_LITTLE, &image(0)), Err(0x0111));
    let mut aside = site.aside();
    aside.sort_unstable_by_key(|(why, _)| *why as u8);
    assert_eq!(aside, [(Why::Content, None), (Why::Unknown, None)]);
    assert_eq!(files(&site), 3);
}

#[test]
fn when_the_time_is_over_nothing_is_read_any_more() {
    let (site, (_runtime, transcoder)) = (site(), transcoder());
    send_object(&site.intake(), EXPLICIT_LITTLE, &image(0)).unwrap();
    let register = &site.register;
    let object = register.held_object("1.9").ok().flatten().unwrap();
    let sealed = register.sealed(&object).unwrap();
    let compare = |until| compared(&transcoder, [&sealed, &sealed], until);
    let now = Instant::now();
    let over = compare(now - Duration::from_millis(1));
    assert!(matches!(over, Err(Incomparable::ForNow)));
    let in_time = compare(now + Duration::from_secs(3_600));
    assert!(matches!(in_time, Ok(Likeness::Same)));
}
