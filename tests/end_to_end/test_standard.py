"""What dciodvfy says of every DICOM object that is made here: no error, and no warning but those that are listed.

What comes from outside has errors of its own, which stay: an object made from another one has none besides. Exported
cases are sealed and no DICOM, no DICOMDIR is written, and of workitems dciodvfy knows nothing: none of these is here."""

import json
import os
import re
import signal
import subprocess
from io import BytesIO

import pytest
from pydicom import dcmread
from pydicom.filewriter import dcmwrite
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from modality import send
from studies import NAMES, Study
from test_clean_pixels import rules
from test_dicomweb import Web, with_web
from world import DEADLINE, ENVIRONMENT, PROGRAM, READER, ROOT, hand_over, until

OBJECTS = ROOT / "node" / "tests" / "data" / "dicom" / "objects"
FIXTURE = ROOT / "tests" / "fixtures" / "ct-3slice"

# Warnings that objects made here may bring, by their beginning, and why.
ACCEPTED = {
    # A pseudonym is one word, as name and as ID, so that a reader finds it by either.
    "Warning - Value dubious for this VR - (0x0010,0x0010) PN Patient's Name",
    # The Basic Profile empties it (PS3.15 table E.1-1).
    "Warning - Missing attribute or value that would be needed to build DICOMDIR - Study ID",
}


UID = re.compile(r"[0-9]+([.][0-9]+)+|(?<=UID )0")


def readable(file):
    """The file as dciodvfy reads it, which inflates none."""
    one = dcmread(file)
    if one.file_meta.TransferSyntaxUID.is_deflated:
        one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dcmwrite(file, one)
    return file


def said(files):
    """The errors and warnings in these files, without the values that they name."""
    found = {"Error": set(), "Warning": set()}
    for file in files:
        ran = subprocess.run(["dciodvfy", file], capture_output=True, text=True, errors="replace", env=ENVIRONMENT)
        for line in ran.stderr.splitlines():
            kind = line.split(" ", 1)[0]
            if kind in found:
                found[kind].add(UID.sub("#", line.split("=")[0] if "Value" in line else line))
    return found


def must_be_sound(made, originals=()):
    """No error and no warning in what was made that is not in what it was made from."""
    assert made
    before, after = said(originals), said(made)
    errors = after["Error"] - before["Error"]
    warnings = {one for one in after["Warning"] - before["Warning"] if not one.startswith(tuple(ACCEPTED))}
    assert not errors and not warnings, (errors, warnings)


def file_of(path, syntax, data):
    """A data set as it goes over the wire, as a file."""
    one = dcmread(BytesIO(data), force=True)
    one.ensure_file_meta()
    one.file_meta.TransferSyntaxUID = syntax
    one.file_meta.MediaStorageSOPClassUID, one.file_meta.MediaStorageSOPInstanceUID = one.SOPClassUID, one.SOPInstanceUID
    dcmwrite(path, one, enforce_file_format=True)
    return path


def kept(archive, folder):
    """What an archive holds, as files."""
    folder.mkdir()
    objects = sorted(archive.objects.items())
    return [file_of(folder / f"{number}.dcm", *one) for number, (_, one) in enumerate(objects)]


def arrived(clinic, folder, **attributes):
    charset, name = NAMES["ISO 2022 IR 87"]
    study = Study(count=2, name=name, charset=charset, PatientID="4711", AccessionNumber="17", StudyID="1", **attributes)
    originals = sorted(study.write(folder).iterdir())
    study.objects = study.objects_of()
    assert send(clinic, study.objects) == [0, 0]
    return study, originals


def test_reports_and_the_study_they_are_about(sites, tmp_path):
    clinic, hospital = sites
    study, originals = arrived(clinic, tmp_path / "originals")
    case = hand_over(clinic, hospital, study.uid)
    clinic.reach(case, "received")
    hospital.ask("case", "claim", case, "--reader", READER)
    for status, text in (("preliminary", "所見あり。"), ("final", "異常なし。"), ("addendum", "No abnormality.")):
        hospital.sign(case, status, text)
    until("three reports", lambda: len(clinic.archive.objects) == 3)
    must_be_sound(kept(clinic.archive, tmp_path / "reports"))
    until("the study", lambda: len(hospital.archive.objects) == 2)
    must_be_sound(kept(hospital.archive, tmp_path / "delivered"), originals)


def test_copies_under_a_pseudonym_and_their_reports(sites, tmp_path):
    clinic, hospital = sites
    study, originals = arrived(clinic, tmp_path / "originals")
    sent = clinic.ask("study", "send", study.uid, "--to", hospital.name, "--now", "--pseudonymous")
    case = sent["cases"][0]["case"]
    clinic.reach(case, "received")
    until("the copy", lambda: len(hospital.archive.objects) == 2)
    must_be_sound(kept(hospital.archive, tmp_path / "copies"), originals)
    hospital.ask("case", "claim", case, "--reader", READER)
    hospital.sign(case, "final", "異常なし。")
    clinic.reach(case, "delivered")
    must_be_sound(kept(clinic.archive, tmp_path / "reports"))


OPTIONS = {
    "basic": [],
    "much": ["--shift-dates", "--keep-characteristics", "--keep-device", "--keep-institution", "--clean-descriptors", "--clean-structured"],
    "pixels": ["--keep-dates", "--keep-safe-private", "--clean-pixels", "--clean-structured"],
}


def published():
    """One object of each kind and coding, without those that nothing is made of."""
    names = ["CT_small", "MR_small", "MR_small_RLE", "MR_small_bigendian", "MR_small_implicit", "MR_small_jp2klossless"]
    names += ["MR_small_jpeg_ls_lossless", "JPEG2000", "JPGExtended", "SC_rgb_rle_2frame", "SC_rgb_small_odd"]
    names += ["SC_ybr_full_422_uncompressed", "image_dfl", "reportsi", "test-SR", "rtdose"]
    return [OBJECTS / f"{name}.dcm" for name in names]


@pytest.mark.parametrize("options", OPTIONS)
def test_de_identified_objects(clinic, tmp_path, options):
    rules(clinic, ("MR", "TOSHIBA_MEC", "MRT50H1", 64, 64), ("OT", "ACME", "GRABBER", 100, 100))
    (tmp_path / "in").mkdir()
    originals = []
    for number, file in enumerate(published()):
        one = dcmread(file)
        if one.Modality == "OT" and one.Rows == 100:
            one.Manufacturer, one.ManufacturerModelName = "Acme", "Grabber"
        # Of some the same is published in several codings, under one UID.
        one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        originals.append(tmp_path / "in" / f"{number}.dcm")
        dcmwrite(originals[-1], one)
    assert clinic.ask("study", "import", tmp_path / "in")["taken"] == len(originals)
    made = []
    for number, study in enumerate(clinic.ask("study", "list")):
        out = tmp_path / f"out{number}"
        words = ["study", "deidentify", study["uid"], out, "--purpose", "x", "--pixels-seen", *OPTIONS[options], "--dir", clinic.data]
        subprocess.run([PROGRAM, *map(str, words)], capture_output=True, timeout=DEADLINE, env=ENVIRONMENT)
        made += sorted(out.iterdir())
    assert len(made) >= (14 if options == "basic" else 16)
    must_be_sound(made, [readable(file) for file in originals])


def test_instances_in_another_transfer_syntax(tmp_path):
    site = with_web(tmp_path / "clinic")
    try:
        web = Web(site.start())
        for number, file in enumerate(published()):
            one = dcmread(file)
            one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = generate_uid()
            original = tmp_path / f"{number}.dcm"
            dcmwrite(original, one)
            assert site.ask("study", "import", original)["taken"] == 1
            place = f"/studies/{one.StudyInstanceUID}/series/{one.SeriesInstanceUID}/instances/{one.SOPInstanceUID}"
            got = web.get(place, Accept="application/dicom; transfer-syntax=1.2.840.10008.1.2.1")
            assert got.status_code == 200, (file, got.text)
            made = tmp_path / f"{number}-explicit.dcm"
            made.write_bytes(got.content)
            assert dcmread(made).file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
            must_be_sound([made], [readable(original)])
    finally:
        site.close()


def test_what_the_demonstration_leaves_in_its_archives(tmp_path):
    state = tmp_path / "state.json"
    demo = subprocess.Popen(
        [PROGRAM, "demo", "--hold", "--dir", tmp_path / "sites", "--state", state],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=ENVIRONMENT,
    )
    try:
        until("the state file", lambda: state.exists() or demo.poll() is not None)
        sites = {site["role"]: site["pacs"] for site in json.loads(state.read_text())["sites"]}
        files = {role: [os.path.join(pacs, name) for name in sorted(os.listdir(pacs))] for role, pacs in sites.items()}
        must_be_sound(files["clinic"])
        must_be_sound(files["hospital"], sorted(FIXTURE.glob("*.dcm")))
    finally:
        demo.send_signal(signal.SIGINT)
        assert demo.wait(DEADLINE) == 0
