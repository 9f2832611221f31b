//! dcmtk sends to us.

use dokuei_node::dicom::scp::{Called, Limits};

use crate::dcmtk;
use crate::folder::Folder;
use crate::house::House;
use crate::memory::{self, DISK_FULL, Failing, Memory};
use crate::object::*;

fn objects(count: usize) -> Vec<Object> {
    (0..count)
        .map(|n| Object::new(CT, EXPLICIT, n, 128))
        .collect()
}

fn write(objects: &[Object]) -> Folder {
    let folder = Folder::new();
    for object in objects {
        object.write_file(folder.path());
    }
    folder
}

#[test]
fn storescu_with_default_options_delivers_every_byte() {
    let objects = objects(40);
    let folder = write(&objects);
    let memory = Memory::new();
    let scp = memory::start(&memory);
    let ran = dcmtk::storescu(scp.local_addr(), &[], folder.path());
    assert!(ran.success, "{}", ran.output);
    memory.assert_kept(&objects);
    scp.stop();
    memory.seen(|seen| {
        assert_eq!(seen.notices, [""; 0]);
        assert_eq!(seen.dropped, 0);
        assert_eq!(seen.callers[0].calling_ae.as_str(), "STORESCU");
        assert_eq!(seen.callers[0].called_ae.as_str(), "ANY-SCP");
        assert!(seen.callers[0].address.ip().is_loopback());
    });
}

#[test]
fn an_object_longer_than_any_buffer_arrives_whole() {
    let objects = [Object::new(CT, EXPLICIT, 0, 1500)];
    let folder = write(&objects);
    for options in [
        &[][..],
        &["--max-send-pdu", "131072"],
        &["--max-send-pdu", "4096"],
    ] {
        let memory = Memory::new();
        let scp = memory::start(&memory);
        let ran = dcmtk::storescu(scp.local_addr(), options, folder.path());
        assert!(ran.success, "{}", ran.output);
        memory.assert_kept(&objects);
    }
}

#[test]
fn every_transfer_syntax_is_kept_as_it_came() {
    let cases: [(&str, &str); 8] = [
        ("-xi", IMPLICIT),
        ("-xe", EXPLICIT),
        ("-xb", BIG_ENDIAN),
        ("-xy", JPEG_BASELINE),
        ("-xs", JPEG_LOSSLESS),
        ("-xt", JPEG_LS),
        ("-xv", JPEG_2000),
        ("-xr", RLE),
    ];
    let memory = Memory::new();
    let scp = memory::start(&memory);
    let mut sent = Vec::new();
    for (number, (option, syntax)) in cases.into_iter().enumerate() {
        let object = Object::new(MR, syntax, number, 64);
        let folder = write(std::slice::from_ref(&object));
        let ran = dcmtk::storescu(scp.local_addr(), &[option], folder.path());
        assert!(ran.success, "{syntax}: {}", ran.output);
        sent.push(object);
    }
    memory.assert_kept(&sent);
}

#[test]
fn four_associations_at_once_are_served() {
    let memory = Memory::new();
    let scp = memory::start(&memory);
    let all = objects(80);
    std::thread::scope(|scope| {
        for quarter in all.chunks(20) {
            let to = scp.local_addr();
            scope.spawn(move || {
                let folder = write(quarter);
                let ran = dcmtk::storescu(to, &[], folder.path());
                assert!(ran.success, "{}", ran.output);
            });
        }
    });
    memory.assert_kept(&all);
}

#[test]
fn echoscu_is_answered() {
    let memory = Memory::new();
    let scp = memory::start(&memory);
    let port = scp.local_addr().port().to_string();
    let ran = dcmtk::run("echoscu", &["-v", "127.0.0.1", &port]);
    assert!(ran.success, "{}", ran.output);
    assert!(ran.output.contains("Success"), "{}", ran.output);
    memory.set_failing(Failing::AtBegin(DISK_FULL));
    let ran = dcmtk::run("echoscu", &["-v", "127.0.0.1", &port]);
    assert!(!ran.output.contains("Success"), "{}", ran.output);
}

#[test]
fn a_failing_intake_is_told_to_storescu_and_the_association_goes_on() {
    let objects = objects(3);
    let folder = write(&objects);
    for failing in [
        Failing::AtBegin(DISK_FULL),
        Failing::AtWrite(1000, DISK_FULL),
        Failing::AtCommit(DISK_FULL),
    ] {
        let memory = Memory::failing(failing);
        let scp = memory::start(&memory);
        // Without -nh, storescu stops at the first failure.
        let ran = dcmtk::storescu(scp.local_addr(), &["-d", "-nh"], folder.path());
        assert!(
            ran.output
                .contains("DIMSE Status                  : 0xa700"),
            "{}",
            ran.output
        );
        assert!(
            ran.output.contains("disk full at the clinic"),
            "{}",
            ran.output
        );
        scp.stop();
        memory.seen(|seen| {
            assert!(seen.kept.is_empty());
            assert_eq!(
                seen.dropped + usize::from(matches!(failing, Failing::AtBegin(_))) * 3,
                3
            );
            assert_eq!(seen.notices.len(), 3, "{:?}", seen.notices);
            assert!(seen.notices[0].contains("A700"), "{:?}", seen.notices);
        });
    }
}

#[test]
fn strangers_are_turned_away_with_a_reason() {
    let folder = write(&objects(1));
    let memory = Memory::new();
    let house = House::new();
    house.register("CT1", "127.0.0.1", None);
    house.register("CT3", "127.0.0.2", None);
    let mut config = house.config(Limits::default());
    config.accept.called = Called::Ours;
    let scp = memory::start_with(config, &memory);
    let send = |options: &[&str]| dcmtk::storescu(scp.local_addr(), options, folder.path());
    let ran = send(&["-aet", "CT1", "-aec", "ELSEWHERE"]);
    assert!(
        ran.output.contains("Called AE Title Not Recognized"),
        "{}",
        ran.output
    );
    let ran = send(&["-aet", "CT2", "-aec", "DOKUEI"]);
    assert!(
        ran.output.contains("Calling AE Title Not Recognized"),
        "{}",
        ran.output
    );
    let ran = send(&["-aet", "CT3", "-aec", "DOKUEI"]);
    assert!(
        ran.output.contains("Calling AE Title Not Recognized"),
        "{}",
        ran.output
    );
    memory.wait_for_notice("no caller with this AE title is registered");
    memory.wait_for_notice("registered with other addresses");
    memory.seen(|seen| assert!(seen.kept.is_empty()));
    let ran = send(&["-aet", "CT1", "-aec", "DOKUEI"]);
    assert!(ran.success, "{}", ran.output);
    memory.seen(|seen| {
        assert_eq!(seen.kept.len(), 1);
        assert_eq!(seen.notices.len(), 3, "{:?}", seen.notices);
        let registered = seen.callers[0].permission.caller.as_deref();
        assert_eq!(registered, Some("CT1 at 127.0.0.1"));
    });
}
