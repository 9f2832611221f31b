"""Whose case it is, how it was promised and how it ended: what people see of a case, and of whom."""

import json

from modality import send
from studies import Study
from world import READER, dokuei, hand_over, until


def said(site, *arguments):
    return dokuei(*arguments, "--dir", site.data).stdout


def attention(site):
    return " ".join(said["en"] for said in site.ask("status")["attention"])


def offered(sites, hours=72, **attributes):
    clinic, hospital = sites
    study = Study(count=2, side=32, **attributes)
    assert send(clinic, study.objects) == [0] * 2
    words = ["--to", hospital.name, "--hours", str(hours), "--now"]
    case = clinic.ask("study", "send", study.uid, *words)["cases"][0]["case"]
    until("the hospital has heard of it", lambda: case in [view["case"] for view in hospital.ask("case", "list")])
    return study, case


def test_everybody_sees_whose_case_it_is(sites):
    clinic, hospital = sites
    study = Study(count=2, side=32, name="WHOSE^CASE", PatientID="ID-4711", StudyDate="1996.10.29", AccessionNumber="A-9")
    assert send(clinic, study.objects) == [0] * 2
    case = hand_over(clinic, hospital, study.uid)
    clinic.reach(case, "received")
    until("the hospital's archive has it", lambda: study.delivered_to(hospital.archive))
    until("the hospital knows the study", lambda: hospital.case(case)["study"])
    names = lambda text: all(word in text for word in ("WHOSE", "ID-4711", "1996-10-29", "CT"))
    for site in sites:
        shown = said(site, "case", "show", case)
        assert names(shown) and study.uid in shown, shown
        assert names(said(site, "case", "list")) and site.case(case)["study"]["accession_number"] == "A-9"
        listed = said(site, "study", "list")
        assert case[:8] in listed and "1996-10-29" in listed, listed
        assert case[:8] in said(site, "study", "show", study.uid)
    assert names(said(hospital, "case", "claim", case, "--reader", READER))
    assert names(hospital.sign(case, "final", "No abnormality.").stdout)
    clinic.reach(case, "delivered")
    assert names(said(clinic, "case", "acknowledge", case))
    words = ["--status", "retracted", "--text", "Another patient.", "--reader", READER, "--passphrase-file", hospital.home / "reader"]
    assert names(said(hospital, "report", "addendum", case, *words))
    clinic.reach(case, "delivered")
    for site in sites:
        assert "report retracted" in said(site, "case", "list") and site.case(case)["retracted"]
        assert "WHOSE" not in site.said() and "ID-4711" not in site.said()


def test_what_nobody_reads_is_told_with_its_reason(loop):
    clinic, _ = loop
    _, case = offered(loop, Modality="US")
    view = clinic.reach(case, "declined")
    assert "modality (US)" in view["ended"][0]["why"]["en"]
    assert "modality (US)" in said(clinic, "case", "list") and "modality (US)" in said(clinic, "case", "show", case)
    assert "not offered again" in attention(clinic)


def test_a_person_declines_and_that_is_said(by_hand):
    clinic, hospital = by_hand
    _, case = offered(by_hand)
    hospital.ask("case", "decline", case)
    assert "a person there declined" in clinic.reach(case, "declined")["ended"][0]["why"]["en"]
    assert "not offered again" in attention(clinic)
    clinic.ask("case", "offer", case, "--to", hospital.name)
    until("it is with the hospital again", lambda: "not offered again" not in attention(clinic))
    clinic.ask("case", "withdraw", case, "--reason", "sent-in-error")
    assert "sent in error" in said(clinic, "case", "show", case)
    until("the hospital hears why", lambda: "sent in error" in said(hospital, "case", "list"))
    assert "not offered again" not in attention(clinic)


def test_a_promise_later_than_the_need_is_pointed_out(by_hand):
    clinic, hospital = by_hand
    _, case = offered(by_hand, hours=2)
    assert "later than it is needed" in said(hospital, "case", "quote", case, "--hours", "5")
    clinic.reach(case, "received")
    for site in by_hand:
        shown = said(site, "case", "show", case)
        assert "needed by" in shown and "promised by" in shown and "later than it is needed" in shown
        assert "promised for later" in attention(site) and site.case(case)["promised_late"]
    _, case = offered(by_hand, hours=5)
    assert "later than it is needed" not in said(hospital, "case", "quote", case, "--hours", "5")


def test_images_of_a_withdrawn_case_are_in_the_readers_archive(sites):
    clinic, hospital = sites
    study = Study(count=3, side=32)
    assert send(clinic, study.objects) == [0] * 3
    case = hand_over(clinic, hospital, study.uid)
    clinic.reach(case, "received")
    until("the hospital's archive has it", lambda: study.delivered_to(hospital.archive))
    hospital.reach(case, "received")
    until("all is confirmed", lambda: hospital.case(case)["transfer"]["stored"] == 3)
    clinic.ask("case", "withdraw", case)
    hospital.reach(case, "withdrawn")
    shown = said(hospital, "case", "show", case)
    assert "withdrawn; 3 images are in your archive: delete them there" in shown, shown
    assert "your archive" not in said(clinic, "case", "show", case)
    hospital.stop()
    hospital.start()
    assert "may be in your archive" in said(hospital, "case", "show", case)
    assert json.loads(dokuei("case", "show", case, "--dir", hospital.data, "--json").stdout)["phase"] == "withdrawn"
