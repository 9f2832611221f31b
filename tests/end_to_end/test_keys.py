"""Keys that are revoked and renewed, and data folders that come back from an older copy."""

import shutil
import time

from modality import send
from studies import Study
from world import dokuei, hand_over, is_ready, one_sentence, until

SHEET = "RECOVERY-print-and-remove.txt"


def partner_of(site):
    return site.ask("partner", "list")[0]


def standing_of(site):
    found = partner_of(site)["standing"]
    return found and found["code"]


def renew(site, *more):
    said = dokuei("renew", site.data, "--code-file", site.data / SHEET, *more).stdout
    return said.split()[-1]


def claimed_case(clinic, hospital, name):
    study = Study(count=2, side=32, name=name)
    assert send(clinic, study.objects) == [0] * 2
    case = hand_over(clinic, hospital, study.uid)
    clinic.reach(case, "received")
    until("the study is in the archive", lambda: study.delivered_to(hospital.archive))
    return case


def test_a_revoked_node_is_cut_off_and_comes_back_with_new_keys(sites):
    clinic, hospital = sites
    revoked = hospital.ask("revoke", "node", "--yes", "--code-file", hospital.data / SHEET)
    assert revoked["told"] and revoked["key"] == partner_of(clinic)["node"]
    until("the clinic knows", lambda: standing_of(clinic) == "node-revoked")
    partner = partner_of(clinic)
    assert not partner["connected"] and "renewal" in partner["standing"]["en"]
    listed = dokuei("partner", "list", "--dir", clinic.data).stdout
    assert "the node's key is revoked" in listed
    assert hospital.ask("status")["halted"]["code"] == "node-revoked"
    one_sentence(dokuei("partner", "invite", "--dir", hospital.data, ok=False))
    study = Study(count=1, side=32, name="REVOKED^NODE")
    assert send(clinic, study.objects) == [0]
    refused = dokuei("study", "send", study.uid, "--to", hospital.name, "--now", "--dir", clinic.data, ok=False)
    assert "agreement" in one_sentence(refused)
    # Neither a restart nor an open invitation lets it in again.
    for site in sites:
        site.stop()
        site.start()
    code = clinic.ask("partner", "invite")["code"]
    assert standing_of(clinic) == "node-revoked" and not partner_of(clinic)["connected"]
    one_sentence(dokuei("partner", "accept", code, "--dir", hospital.data, ok=False))

    one_sentence(dokuei("renew", hospital.data, "--code-file", hospital.data / SHEET, ok=False))
    hospital.stop()
    useless = dokuei("renew", hospital.data, "--code-file", hospital.data / SHEET, ok=False)
    assert "--new-keys" in one_sentence(useless)
    notice = renew(hospital, "--new-keys")
    hospital.start()
    assert hospital.ask("status")["halted"] is None
    taken = clinic.ask("partner", "import", notice)
    assert taken["standing"] is None and revoked["key"] in [one["key"] for one in taken["revoked"]]
    until("the two are connected again", lambda: is_ready(clinic))
    assert partner_of(clinic)["node"] != revoked["key"]
    case = claimed_case(clinic, hospital, "NEW^KEYS")
    hospital.sign(case, "final", "Signed by a person whom the new key certifies.")
    clinic.reach(case, "delivered")


def test_a_stopped_nodes_key_is_revoked_by_a_file(sites, tmp_path):
    clinic, hospital = sites
    hospital.stop()
    until("the line is down", lambda: not partner_of(clinic)["connected"])
    notice = tmp_path / "lost.notice"
    key = partner_of(clinic)["node"]
    words = ["revoke", "key", key, "--code-file", hospital.data / SHEET, "--days-ago", "3", "--save", notice, "--yes"]
    dokuei(*words)
    wrong = ["revoke", "node", "--code-file", clinic.data / SHEET, "--dir", hospital.data]
    assert "another site" in one_sentence(dokuei(*wrong, ok=False))
    clinic.ask("partner", "import", notice)
    assert standing_of(clinic) == "node-revoked"
    hospital.start()
    until("the hospital was turned away", lambda: partner_of(hospital)["why_not"])
    assert not partner_of(clinic)["connected"]
    # Nobody revokes the keys of a site but itself.
    foreign = tmp_path / "foreign.notice"
    dokuei("revoke", "key", partner_of(hospital)["node"], "--code-file", hospital.data / SHEET, "--save", foreign, "--yes")
    clinic.ask("partner", "import", foreign)
    assert partner_of(hospital)["standing"] is None and clinic.ask("status")["halted"] is None


def test_a_renewed_certificate_needs_no_new_pairing(sites):
    clinic, hospital = sites
    before = hospital.ask("status")["keys"]
    case = claimed_case(clinic, hospital, "RENEWED^CERTIFICATE")
    hospital.stop()
    # A certificate ends at a whole second, so many years after it was made: one made in the same second ends with the first.
    made = int(time.time())
    until("another second has begun", lambda: int(time.time()) > made)
    renew(hospital)
    hospital.start()
    after = hospital.ask("status")["keys"]
    assert after["until"] > before["until"] and after["days_left"] >= before["days_left"] > 60
    until("the two are connected again", lambda: is_ready(clinic))
    assert not [said for said in hospital.ask("status")["attention"] if "certificate" in said["en"]]
    hospital.sign(case, "final", "Signed after the renewal.")
    clinic.reach(case, "delivered")


def test_a_revoked_person_signs_nothing(sites):
    clinic, hospital = sites
    case = claimed_case(clinic, hospital, "REVOKED^PERSON")
    person = hospital.ask("person", "list")[0]
    assert hospital.ask("revoke", "person", person["name"], "--yes")["id"] == person["id"]
    assert hospital.ask("person", "list") == []
    assert "is revoked" in one_sentence(hospital.sign(case, "final", "Not by this key.", ok=False))
    assert "Nobody is called" in one_sentence(dokuei("person", "remove", "架空 誰か", "--yes", "--dir", hospital.data, ok=False))
    words = ["--name", person["name"], "--licence", "1", "--passphrase-file", hospital.home / "reader"]
    hospital.ask("person", "add", *words)
    hospital.sign(case, "final", "By the new key.")
    clinic.reach(case, "delivered")
    assert standing_of(clinic) is None


def test_a_report_by_a_person_whose_key_was_revoked_is_not_taken(sites, tmp_path):
    clinic, hospital = sites
    case = claimed_case(clinic, hospital, "REVOKED^AUTHOR")
    notice = tmp_path / "person.notice"
    person = hospital.ask("person", "list")[0]["id"]
    dokuei("revoke", "key", person, "--code-file", hospital.data / SHEET, "--days-ago", "1", "--save", notice, "--yes")
    clinic.ask("partner", "import", notice)
    assert standing_of(clinic) is None
    hospital.sign(case, "final", "The hospital has not heard of it yet.")
    clinic.reach(case, "report-rejected")
    assert "had been revoked" in clinic.said()


def test_an_older_copy_of_the_data_folder_stops_the_node(sites, tmp_path):
    clinic, hospital = sites
    case = claimed_case(clinic, hospital, "OLDER^COPY")
    hospital.stop()
    copy = tmp_path / "copy"
    shutil.copytree(hospital.data, copy)
    hospital.start()
    until("the two are connected again", lambda: is_ready(clinic))
    hospital.sign(case, "final", "After the copy was made.")
    clinic.reach(case, "delivered")
    hospital.stop()
    shutil.rmtree(hospital.data)
    shutil.copytree(copy, hospital.data)
    (hospital.data / "prekeys.key").unlink()
    hospital.start()
    halted = until("the hospital notices", lambda: hospital.ask("status")["halted"])
    assert halted["code"] == "folder-older" and clinic.name in halted["en"]
    said = dokuei("status", hospital.data).stdout
    assert "older than what" in said and "restore a newer copy" in said
    one_sentence(hospital.sign(case, "final", "A second truth.", ok=False))
    assert clinic.case(case)["phase"] == "delivered"


def test_a_copy_without_the_prekeys_goes_on(sites):
    clinic, hospital = sites
    hospital.stop()
    key = hospital.data / "prekeys.key"
    assert key.stat().st_mode & 0o777 == 0o600
    before = key.read_bytes()
    key.unlink()
    hospital.start()
    assert len(key.read_bytes()) == 32 and key.read_bytes() != before
    until("the two are connected again", lambda: is_ready(clinic))
    until("the earlier prekeys are given up", lambda: "earlier prekeys are given up" in hospital.said())
    case = claimed_case(clinic, hospital, "NEW^PREKEYS")
    hospital.sign(case, "final", "Sealed for the new prekey.")
    clinic.reach(case, "delivered")
    assert hospital.ask("status")["halted"] is None
