//! Objects that cannot be shown, or not be read: each costs itself, and is never missing without a word.

use std::ops::ControlFlow;

use dicom_core::VR;
use dicom_dictionary_std::tags;
use dokuei_node::dicom::dataset::{self, DataSet};
use dokuei_node::dicom::matching::Keys;
use dokuei_node::dicom::scanner::Encoding;
use dokuei_node::entities::Scope;
use dokuei_node::index::find::Found;
use dokuei_node::index::holdings::{Level, Selection};
use dokuei_node::index::series::Lacking;
use serde_json::Value;

use crate::site::{FIRST, Object, Site, reopened, site};

const SHORT: Lacking = Lacking {
    short: 1,
    left_out: 0,
};

/// The elements of FIRST's study that say which object this is.
fn identified(instance: &str) -> DataSet {
    let mut set = DataSet::default();
    set.put_text(tags::SOP_CLASS_UID, VR::UI, "1.2.840.10008.5.1.4.1.1.2");
    set.put_text(tags::SOP_INSTANCE_UID, VR::UI, instance);
    set.put_text(tags::PATIENT_ID, VR::LO, FIRST.id);
    set.put_text(tags::ISSUER_OF_PATIENT_ID, VR::LO, FIRST.issuer);
    set.put_text(tags::STUDY_INSTANCE_UID, VR::UI, FIRST.study);
    set.put_text(tags::SERIES_INSTANCE_UID, VR::UI, FIRST.series);
    set.put_text(tags::INSTANCE_NUMBER, VR::IS, "7");
    set
}

/// What is found, and what is lacking of it.
fn instances(site: &Site, keys: &[(dicom_core::Tag, &str)]) -> (Vec<String>, Lacking) {
    let mut identifier = DataSet::default();
    for (tag, value) in keys {
        identifier.put_text(*tag, VR::UI, value);
    }
    let keys = Keys::read(&identifier).unwrap();
    let (mut uids, mut all) = (Vec::new(), Lacking::default());
    let mut answer = |found: Found<'_>| {
        match found {
            Found::Match(known, _) => uids.push(known.code(tags::SOP_INSTANCE_UID).to_owned()),
            Found::Lacking(lacking) => all = all.and(lacking),
            Found::InVain => {}
        }
        ControlFlow::Continue(())
    };
    let found = site
        .holdings
        .find(&Scope::All, Level::Instance, &keys, &mut answer);
    found.unwrap();
    (uids, all)
}

fn of<'a>(all: &'a [Value], instance: &str) -> &'a Value {
    let is_it = |one: &&Value| one["00080018"]["Value"][0] == instance;
    all.iter().find(is_it).unwrap()
}

#[test]
fn what_cannot_be_shown_is_given_in_short_now_and_when_it_is_kept() {
    let first_says_nothing = {
        let mut pixels = DataSet::default();
        pixels.put_text(tags::PIXEL_DATA, VR::OB, "xx");
        let mut bytes = dataset::write(&pixels, Encoding::ExplicitLittle);
        bytes.extend(dataset::write(
            &identified("1.2.1.1.9"),
            Encoding::ExplicitLittle,
        ));
        bytes
    };
    let is_too_large = {
        let mut set = identified("1.2.1.1.9");
        set.put_text(tags::TEXT_VALUE, VR::UT, &"x".repeat(33 << 20));
        dataset::write(&set, Encoding::ExplicitLittle)
    };
    for bytes in [first_says_nothing, is_too_large] {
        let site = site();
        site.take(&FIRST);
        site.take_bytes("1.2.1.1.9", &bytes);
        let (arriving, lacking) = site.metadata(FIRST.study);
        assert_eq!((arriving.len(), lacking), (2, SHORT));
        let short = of(&arriving, "1.2.1.1.9");
        let value = |tag: &str| short[tag]["Value"][0].clone();
        for (tag, wanted) in [
            ("00080016", "1.2.840.10008.5.1.4.1.1.2"),
            ("0020000D", FIRST.study),
            ("0020000E", FIRST.series),
            ("00100020", FIRST.id),
            ("00100021", FIRST.issuer),
            ("00080060", "CT"),
            ("00080005", "ISO_IR 192"),
        ] {
            assert_eq!(value(tag), wanted, "{tag}");
        }
        assert_eq!(value("00200013").to_string(), "7");
        assert!(value("00100010")["Ideographic"] == "山田^太郎");
        let (found, lacking) = instances(&site, &[]);
        assert_eq!((found.len(), lacking), (2, SHORT));
        let parcel = site.register.parcels_of(FIRST.study)[0];
        site.register.close(&parcel).unwrap();
        for _ in ["closed", "kept"] {
            assert_eq!(site.metadata(FIRST.study), (arriving.clone(), SHORT));
        }
        let whole = instances(&site, &[(tags::SOP_INSTANCE_UID, FIRST.instance)]);
        assert_eq!(whole, (vec![FIRST.instance.to_owned()], Lacking::default()));
    }
}

/// Three objects of one study, one of another.
fn four() -> Site {
    let site = site();
    for (study, instance) in [
        (FIRST.study, "1.2.1.1.1"),
        (FIRST.study, "1.2.1.1.2"),
        (FIRST.study, "1.2.1.1.3"),
        ("1.2.2", "1.2.2.1.1"),
    ] {
        site.take(&Object {
            study,
            instance,
            series: &instance[..instance.len() - 2],
            ..FIRST
        });
    }
    site
}

#[test]
fn one_object_that_is_damaged_or_gone_ends_no_search() {
    for is_closed in [false, true] {
        let site = four();
        let parcel = site.register.parcels_of(FIRST.study)[0];
        if is_closed {
            site.register.close(&parcel).unwrap();
        }
        let selection = Selection {
            study: FIRST.study.to_owned(),
            ..Selection::default()
        };
        let here = site.holdings.instances(&Scope::All, &selection);
        let file = |at: usize| site.register.parcels().file_of(&parcel, here[at].slot);
        let mut sealed = std::fs::read(file(0)).unwrap();
        let whole = sealed.clone();
        *sealed.last_mut().unwrap() ^= 1;
        std::fs::write(file(0), &sealed).unwrap();
        std::fs::rename(file(1), file(1).with_extension("gone")).unwrap();
        let left_out = |left_out| Lacking { short: 0, left_out };
        for _ in ["first", "again"] {
            let (mut found, lacking) = instances(&site, &[]);
            found.sort_unstable();
            assert_eq!(found, ["1.2.1.1.3", "1.2.2.1.1"]);
            assert_eq!(lacking, left_out(2));
        }
        let (metadata, lacking) = site.metadata(FIRST.study);
        assert_eq!((metadata.len(), lacking), (1, left_out(2)));
        // Whoever asks for another one misses nothing.
        let (found, lacking) = instances(&site, &[(tags::SOP_INSTANCE_UID, "1.2.1.1.3")]);
        assert_eq!((found.len(), lacking), (1, left_out(0)));
        let (found, lacking) = instances(&site, &[(tags::SOP_INSTANCE_UID, "1.2.1.1.2")]);
        assert_eq!((found.len(), lacking), (0, left_out(1)));
        // A series is listed by what can be read of it.
        let series = site.find(Level::Series, &[]).unwrap();
        assert_eq!(series.len(), 2);
        assert!(
            series
                .iter()
                .all(|one| one.code(tags::STUDY_DATE) == FIRST.date)
        );
        // Kept or not: the disk says how it is now.
        let kept = site
            .register
            .parcels()
            .folder_of(&parcel)
            .join("headers-2-0");
        assert_eq!(kept.is_file(), is_closed);
        // What is there again is found again.
        std::fs::write(file(0), &whole).unwrap();
        std::fs::rename(file(1).with_extension("gone"), file(1)).unwrap();
        assert_eq!(instances(&reopened(site), &[]).0.len(), 4);
    }
}

#[test]
fn a_series_of_which_nothing_can_be_read_is_listed_by_what_was_noted() {
    let site = four();
    let parcel = site.register.parcels_of("1.2.2")[0];
    let lies = site.register.parcels().folder_of(&parcel);
    for file in std::fs::read_dir(lies).unwrap() {
        std::fs::write(file.unwrap().path(), b"damaged").unwrap();
    }
    let series = site.find(Level::Series, &[]).unwrap();
    let mut ids: Vec<&str> = series
        .iter()
        .map(|one| one.code(tags::PATIENT_ID))
        .collect();
    ids.dedup();
    assert_eq!((series.len(), ids), (2, vec![FIRST.id]));
    let selection = Selection {
        study: "1.2.2".to_owned(),
        ..Selection::default()
    };
    let metadata = site.holdings.metadata(&Scope::All, &selection).unwrap();
    assert!(metadata.unwrap().is_unreadable());
}
