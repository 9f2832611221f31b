"""Where a partner calls: for an invitation as the code says, later as the configuration announces."""

import json

import pytest
from conftest import READS
from world import Site, dokuei, free_port, one_sentence, pair, until


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
