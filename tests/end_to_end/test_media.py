"""What comes on media: looked at file by file, told what was left out and why, and held until it is certain whose it is."""

import json
import zipfile

import pytest
from modality import send
from pydicom.dataset import Dataset
from pydicom.fileset import FileSet
from pynetdicom import AE
from pynetdicom.sop_class import PatientRootQueryRetrieveInformationModelFind
from studies import Study
from test_dicomweb import Web, body, part, with_web
from world import dokuei, one_sentence

TARO = {"PatientID": "P-1", "IssuerOfPatientID": "CLINIC", "PatientBirthDate": "19700101"}


def media(site, *words, ok=True):
    return dokuei("media", *words, "--dir", site.data, ok=ok)


def take(site, path, *more):
    return site.ask("media", "import", path, *more)


def standings(receipt):
    return {study["uid"]: study["standing"] for study in receipt["studies"]}


def zipped(path, **folders):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, folder in folders.items():
            for file in sorted(folder.iterdir()):
                archive.write(file, f"{name}/{file.name}")
    return path


def test_a_zip_of_two_patients(loop, tmp_path):
    clinic, hospital = loop
    here = Study(count=1, name="Yamada^Tarou=山田^太郎", charset="ISO_IR 192", **TARO)
    assert send(clinic, here.objects) == [0]
    mine = Study(count=2, name="=山田^太郎", charset="ISO_IR 192", **{**TARO, "PatientBirthDate": ""})
    other = Study(count=3, name="SOMEBODY^ELSE", PatientID="P-1", IssuerOfPatientID="ELSEWHERE")
    path = zipped(tmp_path / "both.zip", one=mine.write(tmp_path / "a"), two=other.write(tmp_path / "b"))
    receipt = take(clinic, path)
    assert receipt["taken"] == 5 and receipt["skipped"] == []
    assert standings(receipt) == {mine.uid: "matched", other.uid: "held"}
    ran = dokuei("study", "send", other.uid, "--to", hospital.name, "--now", "--despite-check", "urgent", "--dir", clinic.data, ok=False)
    assert "no word overrules" in one_sentence(ran) and "nobody has said whose" in ran.stdout
    assert any("media decide" in said["en"] for said in clinic.ask("status")["attention"])
    clinic.kill()
    clinic.start()
    name = receipt["name"][:8]
    assert standings(clinic.ask("media", "show", name))[other.uid] == "held"
    decided = clinic.ask("media", "decide", name, "--patient", "P-77")
    assert standings(decided) == {mine.uid: "matched", other.uid: "decided"}
    assert "P-77" in media(clinic, "show", name).stdout
    # Its attributes are those that came.
    assert clinic.study(other.uid)["patient_id"] == "P-1"
    for uid in (mine.uid, other.uid):
        dokuei("study", "send", uid, "--to", hospital.name, "--now", "--dir", clinic.data)
    assert not any("media decide" in said["en"] for said in clinic.ask("status")["attention"])


def test_another_birth_date_is_held_whatever_the_name(clinic, tmp_path):
    here, there = (Study(count=1, name="SAME^NAME", **{**TARO, "PatientBirthDate": date}) for date in ("19700101", "19700102"))
    assert send(clinic, here.objects) == [0]
    receipt = take(clinic, there.write(tmp_path / "disc"))
    assert standings(receipt) == {there.uid: "held"}
    # The same again is no way around it.
    assert standings(take(clinic, tmp_path / "disc")) == {there.uid: "held"}
    assert "waits to be decided" not in media(clinic, "decide", receipt["name"], "--as-is").stdout
    assert [one["open"] for one in clinic.ask("media", "list")] == [False, False]
    assert "No study of this import waits" in one_sentence(media(clinic, "decide", receipt["name"], "--as-is", ok=False))


def test_what_is_expected_can_be_named(clinic, tmp_path):
    here = Study(count=1, **TARO)
    assert send(clinic, here.objects) == [0]
    wrong = Study(count=1, **{**TARO, "PatientID": "P-2"})
    right = Study(count=1, **TARO)
    for study, standing in ((wrong, "held"), (right, "matched")):
        receipt = take(clinic, study.write(tmp_path / standing), "--match", here.uid)
        assert standings(receipt) == {study.uid: standing}
    one_sentence(media(clinic, "import", tmp_path / "held", "--match", "1.2.3", ok=False))


def test_a_study_of_a_wrong_disc_is_removed(clinic, tmp_path):
    study = Study(count=2)
    receipt = take(clinic, study.write(tmp_path / "wrong"))
    assert clinic.study(study.uid)["objects"] == 2
    assert standings(clinic.ask("media", "decide", receipt["name"], "--discard")) == {study.uid: "discarded"}
    assert clinic.study(study.uid) is None
    clinic.kill()
    clinic.start()
    assert clinic.study(study.uid) is None


def test_a_dicomdir_is_only_held_against_what_is_there(clinic, tmp_path):
    study = Study(count=3, PatientID="P-9", StudyID="1", StudyDate="20240229", StudyTime="120000")
    files = FileSet()
    for dataset in study.datasets:
        files.add(dataset)
    disc = tmp_path / "disc"
    files.write(disc)
    images = sorted(path for path in disc.rglob("*") if path.is_file() and path.name != "DICOMDIR")
    gone = images[1].relative_to(disc).as_posix()
    images[1].unlink()
    (disc / "README.TXT").write_text("no image\n")
    receipt = take(clinic, disc)
    assert receipt["taken"] == 2 and receipt["missing"] == [gone] and receipt["missing_count"] == 1
    assert {one["file"] for one in receipt["skipped"]} == {"DICOMDIR", "README.TXT"}
    assert gone in media(clinic, "show", receipt["name"]).stdout
    (disc / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM" + b"\x04\0\0\x15CS\xff\xff" * 1000)
    assert take(clinic, disc)["taken"] == 2


def test_a_dicomdir_in_a_zip_is_held_against_the_zip(clinic, tmp_path):
    study = Study(count=2, PatientID="P-10", StudyID="1", StudyDate="20240229", StudyTime="120000")
    files = FileSet()
    for dataset in study.datasets:
        files.add(dataset)
    disc = tmp_path / "disc"
    files.write(disc)
    images = sorted(path for path in disc.rglob("*") if path.is_file() and path.name != "DICOMDIR")
    with zipfile.ZipFile(tmp_path / "disc.zip", "w") as archive:
        archive.write(disc / "DICOMDIR", "cd/DICOMDIR")
        archive.write(images[0], f"cd/{images[0].relative_to(disc)}".lower())
    receipt = take(clinic, tmp_path / "disc.zip")
    gone = images[1].relative_to(disc).as_posix()
    assert receipt["taken"] == 1 and receipt["missing"] == [f"{tmp_path / 'disc.zip'}:cd/{gone}"]


def hostile(path):
    """A zip archive with every trick, and one image."""
    image = Study(count=1)
    inner = image.write(path.parent / "inner") / "0.dcm"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(inner, "../../../etc/../image.dcm")
        archive.writestr("/etc/cron.d/evil\x1b[2J", b"no image")
        archive.writestr("inside.zip", b"PK\x03\x04")
        archive.writestr("../listed/DICOMDIR", b"\x04\0\0\x15CS\x04\0GONE")
        archive.writestr("bomb.dcm", bytes(64 << 20))
    return image


def test_a_hostile_zip_costs_nothing_and_goes_nowhere(clinic, tmp_path):
    path = tmp_path / "evil.zip"
    image = hostile(path)
    # A folder by the name that the archive's own name would make.
    (tmp_path / "evil.zip:..").mkdir()
    (tmp_path / "listed").mkdir()
    (tmp_path / "listed" / "DICOMDIR").write_bytes(b"\x04\0\0\x15CS\x04\0AWAY")
    receipt = take(clinic, path)
    assert receipt["missing"] == [f"{path}:../listed/GONE"]
    assert receipt["taken"] == 1 and standings(receipt) == {image.uid: "held"}
    why = {one["file"].split("/")[-1].split(":")[-1]: one["why"]["en"] for one in receipt["skipped"]}
    assert "inside another" in why["inside.zip"] and "more than is taken" in why["bomb.dcm"]
    assert "\x1b" not in json.dumps(receipt, ensure_ascii=False)
    broken = tmp_path / "broken.zip"
    broken.write_bytes(path.read_bytes()[:-30])
    assert "damaged" in media(clinic, "import", broken, ok=False).stdout


def foreign(study, **attributes):
    """One more image under the UIDs of a study, of somebody else."""
    other = Study(count=1, **attributes)
    image = other.datasets[0]
    image.StudyInstanceUID, image.SeriesInstanceUID = study.uid, study.series
    return other


def answered(site, patient, level="PATIENT", **more):
    """What a workstation finds under a patient ID."""
    identifier = Dataset()
    identifier.QueryRetrieveLevel, identifier.PatientID = level, patient
    for keyword in ("IssuerOfPatientID", "PatientName", "PatientBirthDate", "NumberOfPatientRelatedStudies"):
        setattr(identifier, keyword, more.get(keyword, ""))
    if level == "STUDY":
        identifier.StudyInstanceUID = ""
    entity = AE(ae_title="READER")
    entity.add_requested_context(PatientRootQueryRetrieveInformationModelFind)
    opened = entity.associate("127.0.0.1", site.dicom, ae_title=site.title)
    assert opened.is_established
    answers = list(opened.send_c_find(identifier, PatientRootQueryRetrieveInformationModelFind))
    opened.release()
    assert answers[-1][0].Status == 0x0000
    return [answer for _, answer in answers[:-1]]


def let_in(site):
    for title, may in (("MODALITY", "store"), ("READER", "query")):
        dokuei("dicom", "caller", "add", title, "--address", "127.0.0.1", "--may", may, "--dir", site.data)


def test_somebody_else_under_a_known_study_uid_is_held(clinic, tmp_path):
    here = Study(count=2, **TARO)
    assert send(clinic, here.objects) == [0, 0]
    other = foreign(here, name="SOMEBODY^ELSE", PatientID="P-2", IssuerOfPatientID="ELSEWHERE")
    receipt = take(clinic, other.write(tmp_path / "wrong"))
    assert standings(receipt) == {here.uid: "held"}
    # Nobody can say that two patients are one.
    for words in (["--as-is"], ["--patient", "P-1", "--issuer", "CLINIC"]):
        assert "different patient IDs" in one_sentence(media(clinic, "decide", receipt["name"], *words, ok=False))
    assert standings(clinic.ask("media", "decide", receipt["name"], "--discard")) == {here.uid: "discarded"}
    assert clinic.study(here.uid)["objects"] == 2
    # The same images as those that are here, and one more of the same patient, are no question.
    late = foreign(here, **TARO)
    here.write(tmp_path / "right")
    late.write(tmp_path / "right" / "late")
    assert standings(take(clinic, tmp_path / "right")) == {here.uid: "known"}
    # One of somebody else behind them is.
    behind = foreign(here, **{**TARO, "PatientBirthDate": "19700102"})
    behind.write(tmp_path / "right" / "zz")
    assert standings(take(clinic, tmp_path / "right")) == {here.uid: "held"}


def test_two_patients_under_one_study_uid_of_a_disc_match_nobody(clinic, tmp_path):
    here = Study(count=1, **TARO)
    assert send(clinic, here.objects) == [0]
    disc = Study(count=2, **TARO)
    folder = disc.write(tmp_path / "disc")
    foreign(disc, PatientID="P-2", IssuerOfPatientID="CLINIC").write(folder / "other")
    assert standings(take(clinic, folder)) == {disc.uid: "held"}


def test_what_a_device_was_told_is_kept_is_not_discarded(clinic, tmp_path):
    study = Study(count=2)
    receipt = take(clinic, study.write(tmp_path / "disc"))
    # The very images of the disc, from a device, which hears that they are kept.
    assert send(clinic, study.objects[:1]) == [0]
    ran = media(clinic, "decide", receipt["name"], "--discard", ok=False)
    assert "also sent here by a device" in one_sentence(ran)
    assert clinic.study(study.uid)["objects"] == 2
    clinic.kill()
    clinic.start()
    media(clinic, "decide", receipt["name"], "--discard", ok=False)
    media(clinic, "decide", receipt["name"], "--as-is")
    assert clinic.study(study.uid)["objects"] == 2


def test_what_a_web_client_was_told_is_kept_is_not_discarded(tmp_path):
    site = with_web(tmp_path / "clinic")
    try:
        site.start()
        study = Study(count=2)
        disc = study.write(tmp_path / "disc")
        receipt = take(site, disc)
        (first, *_) = sorted(disc.iterdir())
        assert Web(site).post(body(part(first.read_bytes()))).status_code == 200
        media(site, "decide", receipt["name"], "--discard", ok=False)
        assert site.study(study.uid)["objects"] == 2
    finally:
        site.close()


def test_what_people_brought_otherwise_is_not_discarded_with_a_disc(clinic, tmp_path):
    study = Study(count=2)
    disc = study.write(tmp_path / "disc")
    receipt = take(clinic, disc)
    ran = dokuei("study", "deidentify", study.uid, tmp_path / "out", "--purpose", "x", "--dir", clinic.data, ok=False)
    assert "Nobody has said whose" in one_sentence(ran)
    assert clinic.ask("study", "import", disc)["taken"] == 2
    media(clinic, "decide", receipt["name"], "--discard", ok=False)
    assert clinic.study(study.uid)["objects"] == 2


def test_from_a_decision_on_a_study_is_of_whom_it_says(clinic, tmp_path):
    here = Study(count=1, name="YAMADA^TAROU", StudyDate="20260102", **TARO)
    other = Study(count=1, name="SUZUKI^HANAKO", PatientID="P-7", IssuerOfPatientID="CLINIC", PatientBirthDate="19800101")
    assert send(clinic, here.objects + other.objects) == [0, 0]
    let_in(clinic)
    # Under the first one's ID, and of the second.
    disc = Study(count=1, name="SUZUKI^HANAKO", StudyDate="20260101", **{**TARO, "PatientBirthDate": "19800101"})
    receipt = take(clinic, disc.write(tmp_path / "disc"))
    assert standings(receipt) == {disc.uid: "held"}
    decided = clinic.ask("media", "decide", receipt["name"], "--patient", "P-7")
    assert standings(decided) == {disc.uid: "decided"} and "CLINIC" in decided["studies"][0]["said"]["en"]

    def check():
        [patient] = answered(clinic, "P-1")
        assert (patient.PatientBirthDate, patient.NumberOfPatientRelatedStudies) == ("19700101", 1)
        [patient] = answered(clinic, "P-7")
        assert (patient.PatientBirthDate, patient.NumberOfPatientRelatedStudies) == ("19800101", 2)
        studies = answered(clinic, "P-7", "STUDY")
        assert {study.StudyInstanceUID for study in studies} == {other.uid, disc.uid}
        assert {study.PatientID for study in studies} == {"P-7"}
        assert [study.StudyInstanceUID for study in answered(clinic, "P-1", "STUDY")] == [here.uid]

    check()
    clinic.kill()
    clinic.start()
    check()


def test_a_contradiction_that_is_left_as_it_is_stays_a_person_of_its_own(clinic, tmp_path):
    here = Study(count=1, name="SAME^NAME", **TARO)
    assert send(clinic, here.objects) == [0]
    let_in(clinic)
    disc = Study(count=1, name="SAME^NAME", **{**TARO, "PatientBirthDate": "19991231"})
    receipt = take(clinic, disc.write(tmp_path / "disc"))
    clinic.ask("media", "decide", receipt["name"], "--as-is")
    patients = answered(clinic, "P-1")
    assert sorted((one.PatientBirthDate, one.NumberOfPatientRelatedStudies) for one in patients) == [("19700101", 1), ("19991231", 1)]


def test_an_id_that_nobody_issued_is_not_enough(clinic, tmp_path):
    unissued = {"PatientID": "0001", "PatientBirthDate": "19700101"}
    here = Study(count=1, name="YAMADA^TAROU", **unissued)
    assert send(clinic, here.objects) == [0]
    date_alone = Study(count=1, name="SUZUKI^HANAKO", **unissued)
    name_alone = Study(count=1, name="YAMADA^TAROU", PatientID="0001", PatientBirthDate="")
    both = Study(count=1, name="YAMADA^TAROU", **unissued)
    for study, standing in ((date_alone, "held"), (name_alone, "held"), (both, "matched")):
        receipt = take(clinic, study.write(tmp_path / study.uid))
        assert standings(receipt) == {study.uid: standing}


@pytest.mark.parametrize("what", ["nowhere", "empty"])
def test_nothing_to_take_is_a_failure(clinic, tmp_path, what):
    (tmp_path / "empty").mkdir()
    one_sentence(media(clinic, "import", tmp_path / what, ok=False))


def test_names_that_lead_elsewhere_name_nothing(clinic, tmp_path):
    """Names of an archive, a disc and a DICOMDIR as devices of other systems write them, or as nobody should."""
    study = Study(count=6)
    inner = study.write(tmp_path / "inner")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.dcm").write_bytes((inner / "5.dcm").read_bytes())
    path = tmp_path / "names.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, file in (
            ("..\\..\\evil.dcm", 0),
            ("C:\\evil.dcm", 1),
            ("\\\\host\\share\\evil.dcm", 2),
            ("same.dcm", 3),
        ):
            archive.write(inner / f"{file}.dcm", name)
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.write(inner / "4.dcm", "same.dcm")
        link = zipfile.ZipInfo("link.dcm")
        # A symbolic link, as Unix writes it into an archive: its content is where it leads.
        link.create_system, link.external_attr = 3, 0o120777 << 16
        archive.writestr(link, str(outside / "secret.dcm"))
        archive.writestr("NAMEXX.txt", b"no image")
    # 検査 in code page 932, without the flag that says UTF-8: the trail byte of 検 is no ASCII, that of ソ is a backslash.
    raw = path.read_bytes().replace(b"NAMEXX", "検ソ.".encode("cp932").ljust(6, b"_"))
    path.write_bytes(raw)
    receipt = take(clinic, path)
    assert receipt["taken"] == 4 and clinic.study(study.uid)["objects"] == 4
    why = {one["file"].rsplit("names.zip", 1)[1]: one["why"]["en"] for one in receipt["skipped"]}
    assert len(why) == 3 and "not recognisable as DICOM" in why[":link.dcm"], why
    # Two files of one name: one is taken, and that another was not is said.
    assert "1 of its files" in why[""]
    disc = tmp_path / "disc"
    disc.mkdir()
    (disc / "out.dcm").symlink_to(outside / "secret.dcm")
    (disc / "up").symlink_to(outside)
    (disc / "DICOMDIR").write_bytes(
        b"".join(
            b"\x04\0\0\x15CS" + len(name).to_bytes(2, "little") + name
            for name in (b"..\\outside\\secret.dcm ", b"\\etc\\passwd ", b"C:\\A ", b"UP\\..\\..\\A ", b"REAL")
        )
    )
    (disc / "image.dcm").write_bytes((inner / "0.dcm").read_bytes())
    receipt = take(clinic, disc)
    # Links are not followed, which is said, and only what leads downwards is said to be missing.
    assert receipt["taken"] == 1 and receipt["missing"] == ["REAL"]
    why = {one["file"]: one["why"]["en"] for one in receipt["skipped"]}
    assert "link" in why["out.dcm"] and "link" in why["up"], why
    assert clinic.study(study.uid)["objects"] == 4
    assert not list(tmp_path.rglob("evil*"))
