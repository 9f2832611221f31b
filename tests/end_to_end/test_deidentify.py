"""Studies written without whom they are of, as pydicom reads them."""

import re
from io import BytesIO

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

import test_query_retrieve as equipment
from modality import send
from studies import NAMES, Study, wire
from world import READER, ROOT, dokuei, one_sentence, until

DEFLATED = "1.2.840.10008.1.2.1.99"
PATIENT = {"PatientID": "ID-4711", "PatientBirthDate": "19411208", "OtherPatientIDs": "OTHER-4712"}
VISIT = {
    "StudyDate": "20260301",
    "SeriesDate": "20260301",
    "AccessionNumber": "ACC-4713",
    "ReferringPhysicianName": "REFERRER^NAME",
    "InstitutionName": "SECRET HOSPITAL",
    "StudyDescription": "Chest CT for SECRETNAME",
    "PatientSex": "F",
}
# Long enough to be in no derived UID by chance.
SECRETS = [b"ID-4711", b"OTHER-4712", b"ACC-4713", b"19411208", b"REFERRER", b"SECRET", b"Yamada", b"20260301"]


def arrived(clinic, **attributes):
    """A study of three slices, the last of which names the first, and their Japanese patient."""
    charset, name = NAMES["ISO 2022 IR 87"]
    study = Study(count=3, side=16, name=name, charset=charset, **PATIENT, **VISIT, **attributes)
    first, last = study.datasets[0], study.datasets[-1]
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = first.SOPClassUID, first.SOPInstanceUID
    last.ReferencedImageSequence = [reference]
    for image in study.datasets:
        image.add_new(0x00430010, "LO", "GEMS_PARM_01")
        image.add_new(0x00431027, "SH", "1.375:1")
        image.add_new(0x00431028, "LO", "SECRET PRIVATE")
    study.objects = study.objects_of()
    assert send(clinic, study.objects) == [0] * len(study.objects)
    return study


def written(clinic, study, out, *options, purpose="a register"):
    answer = clinic.ask("study", "deidentify", study.uid, out, "--purpose", purpose, *options)
    files = sorted(out.iterdir())
    assert [file.name for file in files] == [f"{number:06}.dcm" for number in range(1, answer["written"] + 1)]
    return answer, [dcmread(file) for file in files]


def test_nobody_is_named_and_everything_fits_together(clinic, tmp_path):
    study = arrived(clinic)
    answer, images = written(clinic, study, tmp_path / "out")
    assert (answer["written"], answer["refused"]) == (3, 0)
    for file, image in zip(sorted((tmp_path / "out").iterdir()), images):
        raw = file.read_bytes()
        assert not [secret for secret in SECRETS if secret in raw]
        assert not any(uid.encode() in raw for uid in [*study.uids, study.uid, study.series])
        assert image.PatientIdentityRemoved == "YES" and image.LongitudinalTemporalInformationModified == "REMOVED"
        assert [code.CodeValue for code in image.DeidentificationMethodCodeSequence] == ["113100"]
        assert image.PatientID == image.PatientName == answer["pseudonyms"][0] and image.StudyDate == ""
        assert not any(element.tag.is_private for element in image.iterall())
        assert image.file_meta.MediaStorageSOPInstanceUID == image.SOPInstanceUID and raw[:128] == bytes(128)
    assert {image.StudyInstanceUID for image in images} == set(answer["studies"])
    assert len({image.SeriesInstanceUID for image in images}) == 1 and len({image.SOPInstanceUID for image in images}) == 3
    by_number = {image.InstanceNumber: image for image in images}
    assert by_number[3].ReferencedImageSequence[0].ReferencedSOPInstanceUID == by_number[1].SOPInstanceUID
    originals = {image.InstanceNumber: image.PixelData for image in study.datasets}
    assert all(image.PixelData == originals[image.InstanceNumber] for image in images)
    # The same purpose gives the same again, another does not.
    _, again = written(clinic, study, tmp_path / "again")
    assert [image.SOPInstanceUID for image in again] == [image.SOPInstanceUID for image in images]
    _, other = written(clinic, study, tmp_path / "other", purpose="another")
    assert not {image.PatientID for image in other} & {image.PatientID for image in images}
    assert "4711" not in clinic.said() and "SECRET" not in clinic.said()


def test_options_keep_what_they_say(clinic, tmp_path):
    study = arrived(clinic)
    options = ["--shift-dates", "--keep-characteristics", "--keep-safe-private", "--clean-descriptors"]
    answer, images = written(clinic, study, tmp_path / "out", *options)
    image = images[0]
    codes = [code.CodeValue for code in image.DeidentificationMethodCodeSequence]
    assert codes == ["113100", "113105", "113107", "113108", "113111"]
    assert "20150101" < image.StudyDate == image.SeriesDate < "20250302"
    assert image.PatientSex == "F" and image.StudyDescription == "CHEST CT"
    assert image[0x00431027].value == "1.375:1" and 0x00431028 not in image
    assert "20260301" in str(written(clinic, study, tmp_path / "dates", "--keep-dates")[1][0].StudyDate)
    refused = dokuei(
        "study", "deidentify", study.uid, tmp_path / "x", "--purpose", "x", "--keep-uids", "--reversible", "--dir", clinic.data, ok=False
    )
    assert "exclude each other" in one_sentence(refused)


def test_a_pseudonym_leads_back_here_when_that_was_asked_for(clinic, tmp_path):
    study = arrived(clinic)
    answer, images = written(clinic, study, tmp_path / "out", "--reversible")
    pseudonym = images[0].PatientID
    known = clinic.ask("study", "reidentify", pseudonym)
    assert [one["patient_id"] for one in known] == ["ID-4711"] and "山田" in known[0]["patient_name"]
    assert known[0]["uid"] == study.uid and known[0]["pseudonymous_uid"] == images[0].StudyInstanceUID
    _, other = written(clinic, study, tmp_path / "other", purpose="no way back")
    assert "--reversible" in one_sentence(dokuei("study", "reidentify", other[0].PatientID, "--dir", clinic.data, ok=False))
    assert not any(b"ID-4711" in file.read_bytes() for file in clinic.data.rglob("*") if file.is_file())


def test_what_cannot_be_made_safe_is_refused_with_its_reason(clinic, tmp_path):
    study = arrived(clinic)
    classes = {
        "1.2.840.10008.5.1.4.1.1.7": "--pixels-seen",
        "1.2.840.10008.5.1.4.1.1.6.1": "--pixels-seen",
        "1.2.840.10008.5.1.4.1.1.104.1": "text",
        "1.2.840.10008.5.1.4.1.1.6": "SOP class",
    }
    for sop_class in classes:
        extra = study.image(9, 16, "EXTRA^ONE", "ISO_IR 192", PATIENT)
        extra.SOPClassUID = extra.file_meta.MediaStorageSOPClassUID = sop_class
        assert send(clinic, [wire(extra)]) == [0]
    burned = study.image(9, 16, "EXTRA^ONE", "ISO_IR 192", {**PATIENT, "BurnedInAnnotation": "YES"})
    assert send(clinic, [wire(burned)]) == [0]
    answer, _ = written(clinic, study, tmp_path / "out")
    assert (answer["written"], answer["refused"]) == (3, 5)
    why = " ".join(one["why"]["en"] for one in answer["reasons"])
    assert all(reason in why for reason in classes.values()) and "Burned In Annotation" in why
    answer, images = written(clinic, study, tmp_path / "seen", "--pixels-seen")
    assert (answer["written"], answer["refused"]) == (5, 3)
    captured = [image for image in images if image.SOPClassUID in list(classes)[:2]]
    assert len(captured) == 2 and all(image.BurnedInAnnotation == "NO" for image in captured)
    # A folder with something in it is left as it is; nothing but the study is written.
    words = ["study", "deidentify", study.uid, tmp_path / "out", "--purpose", "x", "--dir", clinic.data]
    assert "not empty" in one_sentence(dokuei(*words, ok=False))
    words[2] = generate_uid()
    assert "no such study" in one_sentence(dokuei(*words, ok=False))
    assert len(list((tmp_path / "out").iterdir())) == 3


def test_what_others_wrote_goes_through_in_every_syntax(clinic, tmp_path):
    """Published objects, native, big endian, deflated, RLE and JPEG of several kinds."""
    folder = ROOT / "node" / "tests" / "data" / "dicom" / "objects"
    originals = {file: dcmread(file, force=True) for file in folder.glob("*.dcm")}
    clinic.ask("study", "import", folder)
    pixels = {image.get("PixelData") for image in originals.values()}
    names = {str(image.get(word, "")) for image in originals.values() for word in ("PatientID", "PatientName", "AccessionNumber")}
    made = {}
    for number, study in enumerate(clinic.ask("study", "list")):
        out = tmp_path / str(number)
        words = ["study", "deidentify", study["uid"], out, "--purpose", "x", "--pixels-seen", "--json", "--dir", clinic.data]
        dokuei(*words, ok=False)
        made |= {file: dcmread(file) for file in out.iterdir()}
    assert len(made) >= 10
    for file, image in made.items():
        # Five digits of an ID are in one of some hundred new UIDs by chance now and then.
        beside_uids = re.sub(rb"[0-9.]{20,}", b"", file.read_bytes())
        assert not [name for name in names if len(name) > 4 and name.encode() in beside_uids]
        # Comments within a picture are zeros now; nothing else of it has changed.
        same = [one for one in pixels if one and len(one) == len(image.PixelData)]
        assert any(all(new in (0, old) for new, old in zip(image.PixelData, one)) for one in same)
    syntaxes = {image.file_meta.TransferSyntaxUID for image in made.values()}
    assert len(syntaxes) >= 5 and DEFLATED not in syntaxes, syntaxes


def test_an_agreement_may_want_pseudonyms(sites):
    clinic, hospital = sites
    assert clinic.ask("partner", "list")[0]["agreement"]["pseudonyms"] is False
    assert "proposes no agreement" in one_sentence(dokuei("partner", "agree", hospital.name, "--dir", clinic.data, ok=False))
    hospital.ask("partner", "propose", clinic.name, "--pseudonyms")
    until("the proposal has arrived", lambda: clinic.ask("partner", "list")[0]["proposed"])
    assert any("partner agree" in said["en"] for said in clinic.ask("status")["attention"])
    assert "under a pseudonym" in dokuei("partner", "agree", hospital.name, "--dir", clinic.data).stdout
    until("both have signed", lambda: hospital.ask("partner", "list")[0]["agreement"]["pseudonyms"])
    assert clinic.ask("partner", "list")[0]["agreement"]["pseudonyms"] and clinic.ask("partner", "list")[0]["proposed"] is None
    study = arrived(clinic, Modality="CT")
    case = clinic.ask("study", "send", study.uid, "--to", hospital.name, "--now")["cases"][0]["case"]
    clinic.reach(case, "received")
    until("the hospital's archive has it", lambda: len(hospital.archive.objects) == 3)
    for _, data in hospital.archive.objects.values():
        assert not [secret for secret in SECRETS if secret in data and secret != b"20260301"]
    # What cannot be made pseudonymous does not go at all.
    burned = arrived(clinic, Modality="CT", BurnedInAnnotation="YES")
    refused = dokuei("study", "send", burned.uid, "--to", hospital.name, "--now", "--dir", clinic.data, ok=False)
    assert "Burned In Annotation" in one_sentence(refused)
    assert len(clinic.ask("case", "list")) == 1
    # Pairing again does not let go of it.
    code = hospital.ask("partner", "invite")["code"]
    assert clinic.ask("partner", "accept", code)["pseudonyms"] is True


def test_a_study_is_read_under_a_pseudonym_and_its_report_comes_back_to_the_patient(sites):
    clinic, hospital = sites
    study = arrived(clinic, Modality="CT")
    words = ["study", "send", study.uid, "--to", hospital.name, "--now", "--pseudonymous"]
    case = clinic.ask(*words)["cases"][0]["case"]
    clinic.reach(case, "received")
    until("the hospital's archive has it", lambda: len(hospital.archive.objects) == 3)
    for _, data in hospital.archive.objects.values():
        found = [secret for secret in SECRETS if secret in data and secret != b"20260301"]
        assert not found and study.uid.encode() not in data
        assert b"20260301" in data, "the reader has to know when it was"
    pseudonym = hospital.case(case)["study"]["patient_id"]
    assert pseudonym.startswith("P")
    known = clinic.case(case)["study"]
    assert (known["patient_id"], known["uid"], known["pseudonym"]) == ("ID-4711", study.uid, pseudonym)
    for told in (["study", "list"], ["case", "show", case]):
        assert "4711" not in dokuei(*told, "--dir", hospital.data).stdout
    # The clinic has the originals: its equipment sees one study, and the reader's the other.
    for site, uid in ((clinic, study.uid), (hospital, hospital.case(case)["study"]["uid"])):
        equipment.caller(site, "READER", "query")
        found = equipment.found(site, equipment.query("STUDY", StudyInstanceUID=""))
        assert [one.StudyInstanceUID for one in found] == [uid]
    assert "sent already" in one_sentence(dokuei(*words, "--dir", clinic.data, ok=False))

    hospital.ask("case", "claim", case, "--reader", READER)
    hospital.sign(case, "final", "No abnormality.")
    clinic.reach(case, "delivered")
    reports = [data for _, data in clinic.archive.objects.values()]
    assert len(reports) == 1
    report = dcmread(BytesIO(reports[0]), force=True)
    assert report.PatientID == "ID-4711" and report.StudyInstanceUID == study.uid and report.AccessionNumber == "ACC-4713"
    assert {one.ReferencedSOPInstanceUID for one in report.SourceInstanceSequence} == set(study.uids)
    known = clinic.ask("study", "reidentify", pseudonym)
    assert [one["uid"] for one in known] == [study.uid]

    # Each site finds the report in the study as it knows it: the clinic under its patient, the hospital under the pseudonym.
    for site, patient, uid in ((clinic, "ID-4711", study.uid), (hospital, pseudonym, hospital.case(case)["study"]["uid"])):
        of_series = equipment.query("SERIES", StudyInstanceUID=uid, Modality="DOC", SeriesInstanceUID="")
        (series,) = equipment.found(site, of_series)
        of_study = equipment.query("STUDY", StudyInstanceUID=uid, PatientID="", ModalitiesInStudy="")
        (whole,) = equipment.found(site, of_study)
        assert series.SeriesInstanceUID and whole.PatientID == patient and "DOC" in whole.ModalitiesInStudy
