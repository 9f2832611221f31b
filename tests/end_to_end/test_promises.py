"""What people do with a case: promise it, decline it, claim it; and who may not."""

from modality import send
from studies import Study
from world import READER, dokuei, hand_over, one_sentence, until


def offered(by_hand):
    """A study that the hospital has been asked to read; answers study and case."""
    clinic, hospital = by_hand
    study = Study()
    assert send(clinic, study.objects) == [0] * len(study.objects)
    case = hand_over(clinic, hospital, study.uid)
    until("the hospital has heard of it", lambda: heard(hospital, case))
    return study, case


def heard(hospital, case):
    return [view for view in hospital.ask("case", "list") if view["case"] == case]


def test_an_offer_waits_for_a_person_and_is_read_when_promised(by_hand):
    clinic, hospital = by_hand
    study, case = offered(by_hand)
    view = hospital.case(case)
    assert view["phase"] == "offered" and "case quote" in view["waiting"]["en"]
    assert view["terms"]["priority"] == "urgent" and view["terms"]["objects"] == len(study.objects)
    assert hospital.ask("status")["oldest_waiting"]["case"] == case
    assert "answer" in clinic.case(case)["waiting"]["en"]
    promised = hospital.ask("case", "quote", case, "--hours", "5")
    hours = (promised["due"] - view["since"]) / 3_600_000
    assert 5 <= hours < 6, hours
    clinic.reach(case, "received")
    until("the hospital's archive has it", lambda: study.delivered_to(hospital.archive))
    assert clinic.case(case)["due"] == promised["due"]
    one_sentence(dokuei("case", "quote", case, "--dir", hospital.data, ok=False))
    hospital.sign(case, "final", "No abnormality.")
    clinic.reach(case, "delivered")


def test_a_promise_of_no_hours_is_refused(by_hand):
    _, hospital = by_hand
    _, case = offered(by_hand)
    for hours in ("0", "-1", "1000", "soon"):
        assert dokuei("case", "quote", case, "--hours", hours, "--dir", hospital.data, ok=False).returncode != 0
    assert hospital.ask("case", "quote", case)["phase"] == "quoted"


def test_what_was_declined_is_over_and_does_not_count_as_waiting(by_hand):
    clinic, hospital = by_hand
    _, case = offered(by_hand)
    before = clinic.ask("status")["cases"]["open"]
    assert hospital.ask("case", "decline", case)["phase"] == "declined"
    view = clinic.reach(case, "declined")
    assert "over without a report" in view["waiting"]["en"] and "case offer" in view["waiting"]["en"]
    status = clinic.ask("status")
    assert status["cases"]["open"] == before - 1
    assert status["oldest_waiting"] is None or status["oldest_waiting"]["case"] != case
    until("the hospital is through with it", lambda: hospital.case(case)["waiting"]["en"] == "done")
    clinic.ask("case", "offer", case, "--to", hospital.name)
    until("the hospital is asked again", lambda: hospital.case(case)["phase"] == "offered")
    clinic.ask("case", "withdraw", case)
    assert clinic.reach(case, "withdrawn")["waiting"]["en"] == "done"


def test_only_a_reader_claims_and_signs(by_hand):
    clinic, hospital = by_hand
    _, case = offered(by_hand)
    hospital.ask("case", "quote", case, "--hours", "5")
    clinic.reach(case, "received")
    words = ["--passphrase-file", hospital.home / "reader"]
    hospital.ask("person", "add", "--name", "操作 太郎", "--role", "technologist", *words)
    claim = ["case", "claim", case, "--reader", "操作 太郎", "--dir", hospital.data]
    assert "not certified as a reader" in one_sentence(dokuei(*claim, ok=False))
    sign = ["report", "sign", case, "--reader", "操作 太郎", "--text", "No abnormality.", *words, "--dir", hospital.data]
    assert "not certified as a reader" in one_sentence(dokuei(*sign, ok=False))
    assert hospital.case(case)["reports"] == []
    assert hospital.ask("case", "claim", case, "--reader", READER)["phase"] == "claimed"
    hospital.sign(case, "final", "No abnormality.")
    clinic.reach(case, "delivered")
