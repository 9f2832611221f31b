"""Where a partner calls: for an invitation as the code says, later as the configuration announces."""

import json

import pytest
from conftest import READS
from modality import send
from studies import Study
from world import Site, dokuei, free_port, hand_over, one_sentence, pair, until


@pytest.fixture
def apart(tmp_path):
    """A clinic that only calls out, and a hospital."""
    clinic = Site(tmp_path / "clinic", "架空診療所", "CLINIC")
    config = clinic.data / "dokuei.toml"
    text = config.read_text().replace(f'announce = ["127.0.0.1:{clinic.network}"]\n', "")
    config.write_text(text.replace(f'listen = ["127.0.0.1:{clinic.network}"]', f'listen = ["0.0.0.0:{clinic.network}"]'))
    hospital = Site(tmp_path / "hospital", "架空大学病院", "HOSPITAL", READS)
    try:
        yield clinic.start(), hospital.start()
    finally:
        for site in (clinic, hospital):
            site.close()


def test_an_address_is_of_its_invitation_only(apart):
    clinic, hospital = apart
    pair(clinic, hospital)
    announced = [f"127.0.0.1:{hospital.network}"]
    addresses = lambda: clinic.ask("partner", "list")[0]["addresses"]
    until("the hospital's address", lambda: addresses() == announced)
    elsewhere = f"reading.example:{free_port()}"
    invitation = hospital.ask("partner", "invite", "--address", elsewhere)
    assert invitation["code"].startswith(f"{elsewhere}/") and invitation["warning"] is None
    assert hospital.ask("status")["announced"] == announced
    hospital.stop()
    hospital.start()
    until("connected again", lambda: clinic.ask("partner", "list")[0]["connected"])
    assert addresses() == announced


def test_who_is_reached_by_an_invitation_only_is_told(apart):
    clinic, _ = apart
    assert "network.announce" in one_sentence(dokuei("partner", "invite", "--dir", clinic.data, ok=False))
    place = f"127.0.0.1:{clinic.network}"
    ran = dokuei("partner", "invite", "--address", place, "--dir", clinic.data)
    assert ran.stdout.startswith(f"{place}/") and "network.announce" in ran.stderr
    ran = dokuei("partner", "invite", "--address", place, "--dir", clinic.data, "--json")
    assert json.loads(ran.stdout)["warning"]["ja"]
    nine = [word for _ in range(9) for word in ("--address", place)]
    one_sentence(dokuei("partner", "invite", *nine, "--dir", clinic.data, ok=False))


def test_how_long_studies_are_kept_is_said(sites):
    clinic, hospital = sites
    for site in sites:
        assert "kept for 90 days" in dokuei("partner", "list", "--dir", site.data).stdout
    config = hospital.data / "dokuei.toml"
    config.write_text(config.read_text().replace("retention_days = 90", "retention_days = 7"))
    hospital.stop()
    hospital.start()
    invite = dokuei("partner", "invite", "--dir", hospital.data)
    assert "earlier code that was not used is no longer valid" in invite.stderr
    said = dokuei("partner", "accept", invite.stdout.strip(), "--dir", clinic.data).stdout
    assert "kept for 7 days" in said and "90 days until now" in said, said
    again = hospital.ask("partner", "invite")["code"]
    said = dokuei("partner", "accept", again, "--dir", clinic.data).stdout
    assert "kept for 7 days" in said and "until now" not in said, said


def test_a_second_invitation_takes_the_place_of_the_first(apart):
    clinic, hospital = apart
    first = hospital.ask("partner", "invite")["code"]
    second = hospital.ask("partner", "invite")["code"]
    one_sentence(dokuei("partner", "accept", first, "--dir", clinic.data, ok=False))
    clinic.ask("partner", "accept", second)


def test_a_partner_with_open_cases_is_not_removed_unasked(sites):
    clinic, hospital = sites
    study = Study(count=1, side=32, name="OPEN^CASE")
    assert send(clinic, study.objects) == [0]
    case = hand_over(clinic, hospital, study.uid)
    clinic.reach(case, "received")
    refused = one_sentence(dokuei("partner", "remove", hospital.name, "--dir", clinic.data, ok=False))
    assert "not over: 1" in refused and case[:8] in refused and "--despite-open-cases" in refused
    assert len(clinic.ask("partner", "list")) == 1
    removed = clinic.ask("partner", "remove", hospital.name, "--despite-open-cases")
    assert removed["open_cases"] == 1 and clinic.ask("partner", "list") == []
