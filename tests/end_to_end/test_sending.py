"""What `study send` sends, and what it holds back: nothing incomplete, nothing unmeant, nothing mixed up."""

import json

import pytest
from modality import send
from studies import Study
from world import dokuei, hand_over, one_sentence


@pytest.fixture(scope="module")
def ask(loop):
    """Runs `study send` at the clinic."""
    clinic, hospital = loop
    return lambda what, *more, ok=True: dokuei("study", "send", what, "--to", hospital.name, *more, "--dir", clinic.data, ok=ok)


def cases(site):
    return {view["case"] for view in site.ask("case", "list")}


def test_nothing_goes_when_a_dicom_file_was_refused(loop, ask, tmp_path):
    clinic, _ = loop
    folder = Study(count=2).write(tmp_path / "study")
    (folder / "NOTES.TXT").write_text("no image\n")
    (folder / "cut.dcm").write_bytes((folder / "0.dcm").read_bytes()[:10_000])  # among the pixels
    known = cases(clinic)
    ran = ask(folder, ok=False)
    said = one_sentence(ran)
    assert "1 DICOM files were refused" in said and "--despite-skipped" in said and "cut.dcm" in ran.stdout
    answer = json.loads(ask(folder, "--json", ok=False).stdout)
    assert answer["cases"] == [] and answer["held_back"]["code"] == "files-refused"
    assert [one["foreign"] for one in answer["imported"]["skipped"]] == [True, False]
    assert cases(clinic) == known
    ask(folder, "--despite-skipped")
    assert len(cases(clinic) - known) == 1


def test_a_file_that_is_no_dicom_holds_nothing_back(ask, tmp_path):
    folder = Study(count=1).write(tmp_path / "study")
    (folder / "NOTES.TXT").write_text("no image\n")
    assert "skipped 1" in ask(folder).stdout


def test_what_still_arrives_is_not_sent_as_if_it_were_whole(loop, ask):
    clinic, hospital = loop
    study = Study(count=3, side=32)
    assert send(clinic, study.objects[:2]) == [0] * 2
    said = one_sentence(ask(study.uid, ok=False))
    assert "2 images so far" in said and "--now" in said
    case = hand_over(clinic, hospital, study.uid)
    attention = lambda: [said["en"] for said in clinic.ask("status")["attention"] if "images came after" in said["en"]]
    assert attention() == []
    assert send(clinic, study.objects[2:]) == [0]
    assert "studies: 1" in attention()[0]
    shown = dokuei("study", "show", study.uid, "--dir", clinic.data).stdout
    assert "part 1 of 2" in shown and "part 2 of 2" in shown and case[:8] in shown
    assert [part["objects"] for part in clinic.ask("study", "show", study.uid)["parts"]] == [2, 1]
    one_sentence(ask(study.uid, ok=False))
    ask(study.uid, "--now")
    assert attention() == []
    assert "sent already" in one_sentence(ask(study.uid, "--now", ok=False))


def test_a_folder_of_several_studies_is_sent_only_when_that_is_meant(loop, ask, tmp_path):
    clinic, _ = loop
    folder = tmp_path / "several"
    folder.mkdir()
    Study(count=1, name="FIRST^ONE", StudyDate="20240229").write(folder / "a")
    Study(count=1, name="SECOND^ONE", StudyDate="20240301").write(folder / "b")
    known = cases(clinic)
    ran = ask(folder, ok=False)
    assert "2 studies" in one_sentence(ran) and "--all" in ran.stderr
    assert "FIRST ONE" in ran.stdout.replace("^", " ") and "2024-02-29" in ran.stdout and "2024-03-01" in ran.stdout
    # The sentence goes where programs write it down; whose studies they are does not.
    assert "FIRST" not in ran.stderr
    assert cases(clinic) == known
    ask(folder, "--all")
    assert len(cases(clinic) - known) == 2


@pytest.mark.parametrize("other", [{"PatientID": "OTHER"}, {"IssuerOfPatientID": "ELSEWHERE"}])
def test_images_of_two_patients_are_never_sent(loop, ask, tmp_path, other):
    clinic, _ = loop
    study = Study(count=2, PatientID="ONE", IssuerOfPatientID="HERE")
    for keyword, value in other.items():
        setattr(study.datasets[1], keyword, value)
    folder = study.write(tmp_path / "mixed")
    known = cases(clinic)
    for more in ([], ["--all", "--despite-skipped"]):
        ran = ask(folder, *more, ok=False)
        assert "different patient IDs" in one_sentence(ran)
        assert all(word in ran.stdout for word in ("ONE", "1.dcm", "0.dcm", *other.values()))
        assert "ONE" not in ran.stderr.split()
    assert "different patient IDs" in one_sentence(ask(study.uid, "--now", ok=False))
    listed = clinic.study(study.uid)
    assert listed["mixes_patients"] and "different patient IDs" in listed["waiting"]["en"]
    clinic.kill()
    clinic.start()
    assert clinic.study(study.uid)["mixes_patients"]
    assert "different patient IDs" in one_sentence(ask(study.uid, "--now", ok=False))
    assert cases(clinic) == known


def test_images_of_two_patients_by_c_store(loop, ask):
    clinic, _ = loop
    mixed = Study(count=2, PatientID="ONE")
    mixed.datasets[1].PatientID = "TWO"
    assert send(clinic, mixed.objects_of()) == [0] * 2
    ran = ask(mixed.uid, "--now", ok=False)
    assert "different patient IDs" in one_sentence(ran) and "TWO" in ran.stdout
    assert "ONE, TWO" in dokuei("study", "show", mixed.uid, "--dir", clinic.data).stdout


def test_a_late_image_of_another_patient_is_no_addition(loop, ask):
    clinic, hospital = loop
    study = Study(count=2, side=32, PatientID="ONE")
    study.datasets[1].PatientID = "TWO"
    first, second = study.objects_of()
    assert send(clinic, [first]) == [0]
    hand_over(clinic, hospital, study.uid)
    assert send(clinic, [second]) == [0]
    assert "different patient IDs" in one_sentence(ask(study.uid, "--now", ok=False))
    assert "different patient IDs" in clinic.ask("study", "show", study.uid)["waiting"]["en"]


def test_a_place_without_images_is_a_failure(loop, ask, tmp_path):
    clinic, _ = loop
    empty = tmp_path / "empty"
    empty.mkdir()
    for ran in (ask(empty, ok=False), dokuei("study", "import", empty, "--dir", clinic.data, ok=False)):
        assert "no file in that folder" in one_sentence(ran)
    assert "no such file or folder" in one_sentence(ask("path/that/does/not/exist", ok=False))
    for hours in ("0", "745"):
        assert ask("1.2.3", "--hours", hours, ok=False).returncode == 2
