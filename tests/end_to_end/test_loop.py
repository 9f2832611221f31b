"""The whole loop with dcmtk and pynetdicom as the outside world."""

import json
import subprocess

import pytest
from modality import send
from pydicom import dcmread
from studies import NAMES, Study
from world import DEADLINE, dokuei, free_port, hand_over, until


def data_set(path):
    raw = path.read_bytes()
    return raw[144 + int.from_bytes(raw[140:144], "little") :]


def storescu(port, title, files):
    command = ["storescu", "-aec", title, "127.0.0.1", str(port), *map(str, files)]
    subprocess.run(command, check=True, capture_output=True, timeout=DEADLINE)


def received_by_dcmtk(files, folder):
    """What dcmtk's own receiver gets of the same files: storescu may encode anew what it sends."""
    folder.mkdir()
    port = free_port()
    receiver = subprocess.Popen(["storescp", "-od", folder, "+B", "-aet", "REFERENCE", str(port)])
    try:
        echo = lambda: subprocess.run(["echoscu", "127.0.0.1", str(port)], capture_output=True).returncode == 0
        until("storescp listens", echo)
        storescu(port, "REFERENCE", files)
    finally:
        receiver.terminate()
        receiver.wait(DEADLINE)
    return {dcmread(path).SOPInstanceUID: data_set(path) for path in folder.iterdir()}


def test_a_study_from_storescu_arrives_as_it_was_sent(loop, tmp_path):
    clinic, hospital = loop
    study = Study(count=4, side=128, name="LOOP^STORESCU")
    files = sorted(study.write(tmp_path / "files").iterdir())
    storescu(clinic.dicom, clinic.title, files)
    listed = until("the study is listed", lambda: clinic.study(study.uid))
    assert listed["objects"] == 4 and "LOOP" in listed["patient_name"]
    case = hand_over(clinic, hospital, study.uid)
    until("the hospital's archive has it", lambda: len(hospital.archive.of(study.uids)) == 4)
    sent = received_by_dcmtk(files, tmp_path / "reference")
    assert {uid: data for uid, (_, data) in hospital.archive.of(study.uids).items()} == sent
    clinic.reach(case, "received")


def test_late_images_are_an_addition_to_the_case_they_missed(loop):
    clinic, hospital = loop
    study = Study(count=3)
    assert send(clinic, study.objects[:2]) == [0, 0]
    first = hand_over(clinic, hospital, study.uid)
    clinic.reach(first, "received")
    assert send(clinic, study.objects[2:]) == [0]
    late = [one for one in clinic.ask("study", "list") if one["uid"] == study.uid and not one["cases"]]
    assert len(late) == 1 and late[0]["objects"] == 1
    second = hand_over(clinic, hospital, study.uid)
    clinic.reach(second, "received")
    until("the hospital's archive has all three", lambda: study.delivered_to(hospital.archive))
    for site in loop:
        assert site.case(second)["terms"]["addition_to"]["case"] == first
        assert [one["case"] for one in site.case(first)["additions"]] == [second]
    listed = dokuei("case", "list", "--dir", hospital.data).stdout
    assert f"addition to {first[:8]}" in listed, listed


def report(loop, study, text):
    """Takes a study through to a delivered final report; answers the case."""
    clinic, hospital = loop
    assert send(clinic, study.objects) == [0] * len(study.objects)
    case = hand_over(clinic, hospital, study.uid)
    clinic.reach(case, "received")
    until("the hospital's archive has it", lambda: study.delivered_to(hospital.archive))
    hospital.sign(case, "final", text)
    clinic.reach(case, "delivered")
    return case


@pytest.mark.parametrize("repertoire", NAMES)
def test_a_japanese_name_comes_out_right(loop, tmp_path, repertoire):
    clinic, hospital = loop
    charset, name = NAMES[repertoire]
    study = Study(name=name, charset=charset)
    case = report(loop, study, "異常を認めません。")
    for site in loop:
        listed = site.study(study.uid)["patient_name"]
        assert "山田" in listed and "太郎" in listed and "\x1b" not in listed, listed
    pdf = tmp_path / "report.pdf"
    dokuei("report", "show", case, "--pdf", pdf, "--dir", clinic.data)
    printed = subprocess.run(["pdftotext", pdf, "-"], capture_output=True, check=True, timeout=DEADLINE).stdout.decode()
    for word in ("山田", "太郎", "異常を認めません"):
        assert word in printed, printed


@pytest.fixture(scope="module")
def signed(loop, tmp_path_factory):
    """A report as a bundle, as the DICOM object in the clinic's archive, and its study's files."""
    clinic, _ = loop
    folder = tmp_path_factory.mktemp("signed")
    study = Study(name="VERIFY^REPORT")
    case = report(loop, study, "No abnormality.")
    bundle, dicom = folder / "report.dokuei", folder / "report.dcm"
    dokuei("report", "show", case, "--save", bundle, "--dir", clinic.data)
    encapsulated = "1.2.840.10008.5.1.4.1.1.104.1"
    kept = lambda: [data for _, data in clinic.archive.objects.values() if study.uid.encode() in data]
    (data,) = until("the report is in the clinic's archive", kept)
    uid = lambda text: (text + "\0" * (len(text) % 2)).encode()
    element = lambda number, vr, value: b"\x02\x00" + number + vr + len(value).to_bytes(2, "little") + value
    meta = element(b"\x02\x00", b"UI", uid(encapsulated)) + element(b"\x10\x00", b"UI", uid("1.2.840.10008.1.2.1"))
    length = element(b"\x00\x00", b"UL", len(meta).to_bytes(4, "little"))
    dicom.write_bytes(bytes(128) + b"DICM" + length + meta + data)
    return bundle, dicom, study.write(folder / "images")


def test_a_report_is_verified_from_its_file_alone(signed):
    bundle, dicom, images = signed
    for path in (bundle, dicom):
        said = dokuei("report", "verify", path).stdout
        assert "Authentic" in said and "signed by" in said and "3 objects" in said, said
        assert "Authentic" in dokuei("report", "verify", path, "--images", images).stdout


def test_other_images_are_told_apart(signed, tmp_path):
    bundle, _, _ = signed
    ran = dokuei("report", "verify", bundle, "--images", Study().write(tmp_path / "other"), ok=False)
    assert ran.returncode == 1 and "✗" in ran.stdout


def positions(raw, count):
    """A sample of a file's bytes, with all of its beginning and end."""
    return sorted({*range(0, len(raw), max(1, len(raw) // count)), *range(16), *range(len(raw) - 16, len(raw))})


def assert_refused(path, raw, position=None):
    path.write_bytes(raw)
    ran = dokuei("report", "verify", path, ok=False)
    assert ran.returncode == 1 and ran.stdout.startswith("✗"), (position, ran.stdout, ran.stderr)
    assert "✓" not in ran.stdout, (position, ran.stdout)
    # What is wrong, and not only that something is.
    assert len(ran.stdout.splitlines()) >= 2, (position, ran.stdout)
    answer = json.loads(dokuei("report", "verify", path, "--json", ok=False).stdout) if position is None else None
    assert answer is None or not (answer["authentic"] or answer["unchanged"])


@pytest.mark.parametrize("form", ["bundle", "dicom"])
def test_every_changed_byte_of_a_report_is_found(signed, tmp_path, form):
    """A sample through the command; every byte with structure is changed in node/tests/reports.rs."""
    raw = signed[form == "dicom"].read_bytes()
    changed = tmp_path / "changed"
    for position in positions(raw, 120):
        assert_refused(changed, raw[:position] + bytes([raw[position] ^ 1 << position % 8]) + raw[position + 1 :], position)
    for length in (0, 1, len(raw) // 2, len(raw) - 1):
        assert_refused(changed, raw[:length])
    assert_refused(changed, raw + b"\0")


def test_another_patient_around_an_intact_report_is_said(signed, tmp_path):
    _, dicom, _ = signed
    changed = tmp_path / "changed"
    raw = dicom.read_bytes()
    assert b"VERIFY^REPORT" in raw[:2000]
    assert_refused(changed, raw.replace(b"VERIFY^REPORT", b"VERIFY^PERSON", 1))
    said = dokuei("report", "verify", changed, ok=False).stdout
    assert "was changed" in said and "do not trust the attributes" in said and "signed by" in said, said
