"""Who signs at a site: given a key, shown, and taken off again."""

from modality import send
from studies import Study
from world import READER, dokuei, hand_over, one_sentence, until


def test_a_person_who_left_signs_no_more_and_what_they_signed_stays(sites, tmp_path):
    clinic, hospital = sites
    study = Study(count=2, name="LEFT^READER")
    assert send(clinic, study.objects) == [0] * 2
    case = hand_over(clinic, hospital, study.uid)
    clinic.reach(case, "received")
    hospital.sign(case, "preliminary", "No abnormality.")
    (person,) = hospital.ask("person", "list")
    assert person["name"] == READER and person["role"] == "reader" and person["valid"]
    listed = dokuei("person", "list", "--dir", hospital.data).stdout
    assert person["id"][:8] in listed and READER in listed and "reader" in listed

    refused = one_sentence(dokuei("person", "remove", READER, "--dir", hospital.data, ok=False))
    assert "--yes" in refused and hospital.ask("person", "list") == [person]
    assert hospital.ask("person", "remove", READER, "--yes")["id"] == person["id"]
    assert hospital.ask("person", "list") == []
    assert "person add" in dokuei("person", "list", "--dir", hospital.data).stdout
    refusal = one_sentence(hospital.sign(case, "final", "Nothing.", ok=False))
    assert READER in refusal and "taken away" in refusal
    assert not list(hospital.data.glob("keys/person-*.keys"))
    one_sentence(dokuei("person", "remove", READER, "--yes", "--dir", hospital.data, ok=False))

    until("the report is at the clinic", lambda: len(clinic.case(case)["reports"]) == 1)
    bundle = tmp_path / "report.bundle"
    dokuei("report", "show", case, "--save", bundle, "--dir", hospital.data)
    assert READER in dokuei("report", "verify", bundle).stdout
    # Somebody else finishes what they began, after a restart too.
    hospital.stop()
    hospital.start()
    words = ["--name", "架空 花子", "--passphrase-file", hospital.home / "reader"]
    assert "--licence" in one_sentence(dokuei("person", "add", *words, "--dir", hospital.data, ok=False))
    hospital.ask("person", "add", *words, "--licence", "2")
    sign = ["report", "sign", case, "--reader", "架空 花子", "--text", "Nothing.", "--passphrase-file", hospital.home / "reader"]
    dokuei(*sign, "--dir", hospital.data)
    clinic.reach(case, "delivered")
