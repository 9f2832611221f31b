"""A closed case keeps its sealed study for the agreed days; then its key and its objects are gone."""

import pytest
import test_query_retrieve as equipment
from conftest import two_sites
from modality import send
from pynetdicom.sop_class import StorageCommitmentPushModel
from studies import Study
from world import READER, dokuei, hand_over, one_sentence, until


@pytest.fixture
def keeping_nothing(tmp_path):
    """A clinic, and a hospital whose agreements allow no day after the case is closed."""
    with two_sites(tmp_path, retention=0) as both:
        yield both


def parcels(site):
    return {folder.name for folder in (site.data / "parcels").glob("*/*")}


def received(clinic, hospital):
    study = Study()
    assert send(clinic, study.objects) == [0] * len(study.objects)
    case = hand_over(clinic, hospital, study.uid)
    clinic.reach(case, "received")
    until("the hospital's archive has it", lambda: study.delivered_to(hospital.archive))
    return study, case


def gone(site, case):
    view = site.case(case)
    return view if view["sealed_study"] == "removed" else None


def test_after_the_agreed_days_only_the_report_is_left(keeping_nothing, tmp_path):
    clinic, hospital = keeping_nothing
    study, case = received(clinic, hospital)
    (sealed,) = parcels(clinic)
    assert parcels(hospital) == {sealed}
    hospital.sign(case, "final", "No abnormality.")
    clinic.reach(case, "delivered")
    assert clinic.case(case)["sealed_study"] == "kept" and sealed in parcels(hospital)
    clinic.ask("case", "acknowledge", case)
    for site in (clinic, hospital):
        view = until(f"{site.name} has put the study away", lambda: gone(site, case))
        assert view["phase"] == "closed" and view["timeline"][-1]["what"] == "closed"
        assert len(parcels(site)) == 1 and sealed not in parcels(site), "the report stays, the study does not"
        site.kill()
        site.start()
        assert gone(site, case)["phase"] == "closed"
        saved = tmp_path / f"{site.title}.report"
        dokuei("report", "show", case, "--save", saved, "--dir", site.data)
        assert "Authentic" in dokuei("report", "verify", saved).stdout
    assert clinic.study(study.uid)["removed"] and not hospital.study(study.uid)
    words = ["--text", "More.", "--reader", READER, "--passphrase-file", hospital.home / "reader", "--dir", hospital.data]
    assert "over" in one_sentence(dokuei("report", "addendum", case, *words, ok=False))


def test_what_is_taken_back_is_gone_from_the_hospital_at_once(keeping_nothing):
    clinic, hospital = keeping_nothing
    study, case = received(clinic, hospital)
    clinic.ask("case", "withdraw", case)
    until("the hospital has nothing of it", lambda: not parcels(hospital) and gone(hospital, case))
    assert clinic.case(case)["sealed_study"] == "kept" and len(parcels(clinic)) == 1
    assert not hospital.study(study.uid)
    clinic.ask("case", "offer", case, "--to", hospital.name)
    clinic.reach(case, "received")


def test_what_the_clinic_answered_for_stays_there(keeping_nothing):
    clinic, hospital = keeping_nothing
    study, case = received(clinic, hospital)
    (sealed,) = parcels(clinic)
    equipment.caller(clinic, "READER", "store")
    waiting = equipment.Waiting()
    opened = equipment.association(clinic, StorageCommitmentPushModel, handlers=waiting.handlers)
    equipment.ask_for_commitment(opened, study.uids)
    until("the modality is told", lambda: waiting.events)
    opened.release()
    assert [kind for kind, _ in waiting.events] == [1], "all of it is kept"
    hospital.sign(case, "final", "No abnormality.")
    clinic.reach(case, "delivered")
    clinic.ask("case", "acknowledge", case)
    until("the hospital has put the study away", lambda: gone(hospital, case))
    # The modality has removed its images: these are the only ones.
    assert clinic.case(case)["phase"] == "closed"
    clinic.kill()
    clinic.start()
    assert clinic.case(case)["sealed_study"] == "kept" and sealed in parcels(clinic)
