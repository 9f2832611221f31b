"""The check before sending: what is told, what holds a study back, and what a person's word lets go."""

import json

import pytest
from modality import send
from studies import Study
from world import dokuei, one_sentence


@pytest.fixture(scope="module")
def ask(loop):
    """Runs `study send` at the clinic."""
    clinic, hospital = loop
    return lambda what, *more, ok=True: dokuei("study", "send", what, "--to", hospital.name, *more, "--dir", clinic.data, ok=ok)


def stack(count, without=(), spacing=5, **attributes):
    """A study of axial slices, some of which never came."""
    study = Study(count=count, side=16, **attributes)
    for number, dataset in enumerate(study.datasets, start=1):
        dataset.ImagePositionPatient = [0, 0, number * spacing]
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    study.datasets = [dataset for dataset in study.datasets if dataset.InstanceNumber not in without]
    study.objects = study.objects_of()
    return study


def cases(site):
    return {view["case"] for view in site.ask("case", "list")}


def found(check):
    return {finding["concern"]: (finding["verdict"], finding["count"]) for finding in check["findings"]}


def test_a_gap_holds_a_study_back_until_somebody_gives_their_word(loop, ask):
    clinic, hospital = loop
    study = stack(12, without=(6,))
    assert send(clinic, study.objects) == [0] * 11
    check = clinic.ask("study", "check", study.uid)
    assert check["verdict"] == "hold" and found(check)["slice-gap"] == ("hold", 1)
    places = [place["said"]["en"] for place in check["places"]]
    assert any("between image 5 and 7" in place for place in places), places
    known = cases(clinic)
    ran = ask(study.uid, "--now", ok=False)
    assert "--despite-check" in one_sentence(ran) and "between image 5 and 7" in ran.stdout
    assert "unknown" not in ran.stderr and cases(clinic) == known
    said = one_sentence(ask(study.uid, "--now", "--despite-check", "whatever", ok=False))
    assert "not-repeatable" in said
    sent = json.loads(ask(study.uid, "--now", "--despite-check", "not-repeatable", "--json").stdout)
    assert sent["checks"][0]["despite"] == "not-repeatable"
    clinic.kill()
    clinic.start()
    shown = clinic.ask("study", "show", study.uid)["sent_check"]
    assert shown["despite"] == "not-repeatable" and found(shown)["slice-gap"] == ("hold", 1)
    hospital.reach(sent["cases"][0]["case"], "received")


def test_the_missing_slice_takes_the_finding_away(loop, ask):
    clinic, _ = loop
    study = stack(8)
    whole = study.objects
    assert send(clinic, whole[:3] + whole[4:]) == [0] * 7
    one_sentence(ask(study.uid, "--now", ok=False))
    assert send(clinic, [whole[3]]) == [0]
    assert clinic.ask("study", "check", study.uid)["verdict"] == "pass"
    sent = json.loads(ask(study.uid, "--now", "--json").stdout)
    assert [case["terms"]["objects"] for case in sent["cases"]] == [8]


def test_what_a_series_says_of_its_length_is_believed(loop, ask):
    clinic, _ = loop
    study = stack(4, NumberOfSeriesRelatedInstances=6)
    assert send(clinic, study.objects) == [0] * 4
    assert found(clinic.ask("study", "check", study.uid))["missing-images"] == ("hold", 2)
    assert "2 images are missing" in ask(study.uid, "--now", ok=False).stdout


def test_side_and_region_are_held_against_the_request(loop, ask):
    clinic, _ = loop
    study = stack(4, Laterality="R", BodyPartExamined="KNEE")
    assert send(clinic, study.objects) == [0] * 4
    check = clinic.ask("study", "check", study.uid, "--region", "lower-limb", "--laterality", "right")
    assert check["verdict"] == "pass"
    check = clinic.ask("study", "check", study.uid, "--region", "chest", "--laterality", "left")
    assert found(check) == {"other-side": ("hold", 4), "other-region": ("hold", 4)}
    assert "another side" in ask(study.uid, "--now", "--laterality", "left", ok=False).stdout
    assert "lower-limb" in one_sentence(ask(study.uid, "--now", "--region", "elbow", ok=False))
    ask(study.uid, "--now", "--laterality", "right", "--region", "lower-limb")


def test_text_that_may_be_burned_in_is_told_and_holds_nothing_back(loop, ask):
    clinic, _ = loop
    study = stack(4, BurnedInAnnotation="YES")
    study.datasets[3].BurnedInAnnotation = "NO"
    study.datasets[3].ImageType = ["DERIVED", "SECONDARY", "SCREEN SAVE"]
    assert send(clinic, study.objects_of()) == [0] * 4
    check = clinic.ask("study", "check", study.uid)
    assert check["verdict"] == "warn"
    assert found(check) == {"text-declared": ("warn", 3), "text-on-screen": ("warn", 1)}
    assert "captured screens" in ask(study.uid, "--now").stdout


def test_another_object_under_a_known_uid_is_set_aside_and_named(loop, ask):
    clinic, _ = loop
    study = Study(count=2, side=16)
    assert send(clinic, study.objects) == [0] * 2
    study.datasets[0].PixelData = bytes(len(study.datasets[0].PixelData))
    other = study.objects_of()[:1]
    assert send(clinic, other) == [0x0111] and send(clinic, other) == [0x0111]
    listed = clinic.ask("study", "quarantine", "list")
    assert [one["sop_instance"] for one in listed] == study.uids[:1]
    assert found(clinic.ask("study", "check", study.uid)) == {"conflicting-objects": ("hold", 1)}
    assert "set aside" in ask(study.uid, "--now", ok=False).stdout
    attention = lambda: any("set aside" in said["en"] for said in clinic.ask("status")["attention"])
    assert attention()
    clinic.kill()
    clinic.start()
    assert clinic.ask("study", "quarantine", "list") == listed and clinic.study(study.uid)["objects"] == 2
    name = listed[0]["name"][:8]
    one_sentence(dokuei("study", "quarantine", "discard", name, "--dir", clinic.data, ok=False, stdin=-3))
    clinic.ask("study", "quarantine", "discard", name, "--yes")
    assert clinic.ask("study", "quarantine", "list") == [] and not attention()
    assert clinic.ask("study", "check", study.uid)["verdict"] == "pass"
    ask(study.uid, "--now")
