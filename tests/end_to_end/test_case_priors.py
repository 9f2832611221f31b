"""Earlier studies go with a case: offered in a sealed list, asked for by the reader, found at the clinic or its archive,
judged by their own images, handed over, or refused with the reason."""

import threading

import pytest
from pydicom.uid import generate_uid

import modality
from test_priors import Pacs, answer, study
from world import DEADLINE, dokuei, one_sentence, until


@pytest.fixture
def pair(sites):
    """A clinic whose archive finds and moves, and a hospital."""
    clinic, hospital = sites
    clinic.archive.close()
    pacs = Pacs(clinic.archive.port, {"CLINIC": ("127.0.0.1", clinic.dicom)})
    try:
        yield clinic, hospital, pacs
    finally:
        pacs.close()
        clinic.archive.open()


def hand_over(clinic, hospital, today, priority="urgent"):
    modality.send(clinic, today.objects)
    sent = clinic.ask("study", "send", today.uid, "--to", hospital.name, "--priority", priority, "--now")
    case = sent["cases"][0]["case"]
    until("the hospital knows the case", lambda: case in [one["case"] for one in hospital.ask("case", "list")])
    return case


def offered(site, case):
    """The list, once it is there."""

    def look():
        priors = site.case(case)["priors"]
        return priors if priors["archive"] else None

    return until(f"{site.name} has the list", look)


def reaches(site, case, number, *states):
    def look():
        (one,) = [one for one in site.case(case)["priors"]["studies"] if one["number"] == number]
        look.seen = one
        return one if one["state"] in states else None

    try:
        return until(f"{site.name}: prior {number} {states}", look)
    except AssertionError as late:
        raise AssertionError(f"{late}; {look.seen}; log: {site.said()[-1500:]}") from None


def with_report(one):
    """The last object becomes a structured report, as archives keep them in the study."""
    report = one.datasets[-1]
    report.SOPClassUID = report.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
    report.Modality, report.SeriesInstanceUID = "SR", generate_uid()
    for keyword in ("PixelData", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"):
        delattr(report, keyword)
    one.objects = one.objects_of()
    return one


def refused(site, *words):
    return one_sentence(dokuei("case", "priors", *words, "--dir", site.data, ok=False))


def test_the_reader_asks_for_what_helps_and_gets_it(pair):
    clinic, hospital, pacs = pair
    here, old = with_report(study(3, StudyDate="20250101")), study(3, StudyDate="20240101")
    other = study(StudyDate="20230101", PatientBirthDate="19991231", name="Satou^Hanako")
    unsure = study(StudyDate="20220101", PatientBirthDate="", name="Satou^Hanako")
    pacs.studies = [old, other, unsure]
    modality.send(clinic, here.objects)
    today = study(StudyDate="20260401")
    case = hand_over(clinic, hospital, today)
    priors = offered(hospital, case)
    assert [one["uid"] for one in priors["studies"]] == [here.uid, old.uid], priors
    assert priors["archive"] == "answered" and priors["unsure"] == 1 and priors["more"] is False
    assert "1 more" in priors["why"]["en"]
    assert [one["at_node"] for one in priors["studies"]] == [3, 0]
    assert [one["report"] for one in priors["studies"]] == [True, False]
    assert {one["state"] for one in priors["studies"]} == {"offered"}
    clinic.reach(case, "received", "claimed")
    assert hospital.study(old.uid) is None and clinic.study(old.uid) is None, "nobody has asked for it"
    said = dokuei("case", "priors", case, "--ask", "1", "2", "--dir", hospital.data).stdout
    assert "priors: 2 earlier studies" in said, said
    for number, one in ((1, here), (2, old)):
        came = reaches(hospital, case, number, "here")
        assert came["patient"] == "same" and came["why"] is None
        listed = hospital.study(one.uid)
        assert listed["objects"] == len(one.objects) and listed["from"] == clinic.name
        assert listed["prior_of"] == {"case": case, "short": case[:8], "number": number}
        until("the hospital's archive has it", lambda: one.delivered_to(hospital.archive))
        assert reaches(clinic, case, number, "handed-over")
    # Asked again, nothing changes.
    again = hospital.ask("case", "priors", case, "--ask", "2")
    assert [one["state"] for one in again["priors"]["studies"]] == ["here", "here"]
    assert "no earlier study" in refused(hospital, case, "--ask", "3")
    assert "no earlier study" in refused(hospital, case, "--ask", "0")
    for site in (clinic, hospital):
        said = site.said()
        assert "Yamada" not in said and "山田" not in said and old.uid not in said, said[-3000:]
    # Nothing more once the report is signed.
    hospital.sign(case, "final", "所見: 前回と変わりません。")
    clinic.reach(case, "final", "delivered")
    assert "not at a point" in refused(hospital, case, "--ask", "1")


def test_what_the_archive_said_is_not_believed(pair):
    clinic, hospital, pacs = pair
    false, lost = study(StudyDate="20250101"), study(StudyDate="20240101")
    swapped = study(StudyDate="20250101", PatientID="P-9", name="Satou^Hanako", PatientBirthDate="19991231")
    for image in swapped.datasets:
        image.StudyInstanceUID = false.uid
    swapped.uid = false.uid
    today = study(StudyDate="20260401")

    def found(event):
        for one in (false, lost):
            yield 0xFF00, answer(one.datasets[0], 2)

    pacs.find, pacs.studies = found, [swapped]
    case = hand_over(clinic, hospital, today)
    assert [one["uid"] for one in offered(hospital, case)["studies"]] == [false.uid, lost.uid]
    hospital.ask("case", "priors", case, "--ask", "1,2")
    one = reaches(hospital, case, 1, "refused")
    assert "not certainly of the same patient" in one["why"]["en"]
    two = reaches(hospital, case, 2, "refused")
    assert "archive does not send it" in two["why"]["en"]
    assert hospital.study(false.uid) is None and not hospital.archive.of(swapped.uids)
    assert reaches(clinic, case, 1, "refused")["why"] == one["why"]
    # Whatever was in the way may have been mended: it can be asked for again.
    pacs.studies = [lost]
    hospital.ask("case", "priors", case, "--ask", "2")
    reaches(hospital, case, 2, "here")


def test_a_slow_archive_holds_no_emergency_up(pair):
    clinic, hospital, pacs = pair
    old, goes_on = study(StudyDate="20240101"), threading.Event()
    pacs.studies = [old]

    def slow(event):
        assert goes_on.wait(DEADLINE)
        yield from pacs.found(event)

    pacs.find = slow
    try:
        case = hand_over(clinic, hospital, study(StudyDate="20260401"), "stat")
        clinic.reach(case, "received", "claimed")
        priors = hospital.case(case)["priors"]
        assert priors["studies"] == [] and "not said yet" in priors["why"]["en"], priors
        assert "being looked for" in clinic.case(case)["priors"]["why"]["en"]
    finally:
        goes_on.set()
    assert [one["uid"] for one in offered(hospital, case)["studies"]] == [old.uid]


def test_no_archive_and_no_prior_are_said(pair):
    clinic, hospital, pacs = pair
    case = hand_over(clinic, hospital, study(StudyDate="20260401"))
    assert "no earlier study is known" in offered(hospital, case)["why"]["en"]
    # One association is refused for good: nothing is waited for.
    pacs.close()
    from pynetdicom import AE

    deaf = AE("PACS")
    deaf.add_supported_context("1.2.840.10008.1.1")
    server = deaf.start_server(("127.0.0.1", clinic.archive.port), block=False)
    try:
        case = hand_over(clinic, hospital, study(StudyDate="20260402"))
        priors = offered(hospital, case)
        assert priors["archive"] == "failed" and "could not be asked" in priors["why"]["en"]
        assert len(priors["studies"]) == 1, "what lies at the node is offered all the same"
    finally:
        server.shutdown()


def test_a_case_that_was_taken_back_hands_nothing_over(pair):
    clinic, hospital, pacs = pair
    old = study(StudyDate="20240101")
    pacs.studies = [old]

    case = hand_over(clinic, hospital, study(StudyDate="20260401"))
    offered(hospital, case)
    clinic.reach(case, "received")
    clinic.ask("case", "withdraw", case)
    hospital.reach(case, "withdrawn")
    assert "not at a point" in refused(hospital, case, "--ask", "1")
    assert hospital.study(old.uid) is None and clinic.study(old.uid) is None


def test_a_restart_of_either_loses_nothing(pair):
    clinic, hospital, pacs = pair
    old = study(StudyDate="20240101")
    pacs.studies = [old]
    case = hand_over(clinic, hospital, study(StudyDate="20260401"))
    offered(hospital, case)
    clinic.kill()
    hospital.ask("case", "priors", case, "--ask", "1")
    hospital.kill()
    clinic.start()
    hospital.start()
    reaches(hospital, case, 1, "here")
    hospital.kill()
    hospital.start()
    assert reaches(hospital, case, 1, "here")["patient"] == "same"
    until("the hospital's archive has it", lambda: old.delivered_to(hospital.archive))
    # It goes with the study of its case.
    hospital.ask("case", "release", case)
    until("nothing of the prior is left", lambda: hospital.study(old.uid) is None and not any_parcels(hospital))


def any_parcels(site):
    return [path for path in (site.data / "parcels").rglob("*") if path.is_file()]


def test_a_prior_that_the_reader_still_has_as_a_study_does_not_move_again(pair):
    clinic, hospital, pacs = pair
    old = study(StudyDate="20240101")
    first = hand_over(clinic, hospital, old)
    clinic.reach(first, "received")
    case = hand_over(clinic, hospital, study(StudyDate="20260401"))
    assert [one["uid"] for one in offered(hospital, case)["studies"]] == [old.uid]
    clinic.reach(case, "received")
    before = len(any_parcels(hospital))
    assert before > 0
    hospital.ask("case", "priors", case, "--ask", "1")
    reaches(hospital, case, 1, "here")
    assert len(any_parcels(hospital)) == before, "it lies here once"
    # The earlier case goes back; the prior of the other one stays, and goes with that.
    hospital.ask("case", "release", first)
    clinic.reach(first, "released")
    assert reaches(hospital, case, 1, "here")["patient"] == "same"
    hospital.kill()
    hospital.start()
    assert hospital.study(old.uid)["objects"] == 2
    hospital.ask("case", "release", case)
    until("nothing of either is left", lambda: hospital.study(old.uid) is None and not any_parcels(hospital))
