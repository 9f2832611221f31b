"""Two hospitals fetch from one clinic over its one line: each has its share of the bytes. No test asserts a time."""

import pytest
from conftest import READS
from line import Lab, needs_a_line
from modality import send
from studies import Study
from test_clinics_line import is_here, transfer
from world import Site, until

HOSPITALS = {"hospital": "架空大学病院", "second": "架空総合病院"}
# Noise, so that both have as much to fetch; long enough that the first moments count for little.
COUNT, SIDE = 20, 1024
LEAST = 0.4


def at_its_end(lab, place, name, called, title, reads=()):
    with lab.inside(name):
        site = Site(place / name, called, title, reads)
        config = site.data / "dokuei.toml"
        config.write_text(config.read_text().replace(f"127.0.0.1:{site.network}", f"{lab.address(name)}:{site.network}"))
        return site


def pair(clinic, hospital):
    clinic.ask("partner", "accept", hospital.ask("partner", "invite")["code"])

    def is_ready():
        known = {partner["name"]: partner for partner in clinic.ask("partner", "list")}
        partner = known.get(hospital.name, {})
        return all(partner.get(what) for what in ("connected", "key_to_seal_for", "capacity", "agreement"))

    until(f"{hospital.name} can be asked", is_ready)


@pytest.fixture
def three(tmp_path):
    needs_a_line()
    with Lab("--sites", "clinic,hospital,second", "--rate", "80mbit", "--delay", "10ms") as lab:
        made = {"clinic": at_its_end(lab, tmp_path, "clinic", "架空診療所", "CLINIC")}
        try:
            for name, called in HOSPITALS.items():
                made[name] = at_its_end(lab, tmp_path, name, called, name.upper(), READS)
            for name, site in made.items():
                with lab.inside(name):
                    site.start()
            for name in HOSPITALS:
                pair(made["clinic"], made[name])
            yield lab, made
            for site in made.values():
                assert "panicked" not in site.said(), site.said()[-4000:]
        finally:
            for site in made.values():
                site.close()


def test_two_hospitals_share_a_clinics_line(three):
    lab, sites = three
    clinic = sites["clinic"]
    studies = {name: Study(count=COUNT, side=SIDE, name=name) for name in HOSPITALS}
    with lab.inside("clinic"):
        for study in studies.values():
            assert send(clinic, study.objects) == [0] * COUNT
    asked = lambda name: clinic.ask("study", "send", studies[name].uid, "--to", sites[name].name, "--priority", "routine", "--now")
    cases = {name: asked(name)["cases"][0]["case"] for name in HOSPITALS}
    bytes_of = lambda name: transfer(sites[name], cases[name]).get("bytes_received", 0)
    moved = lambda: {name: bytes_of(name) for name in HOSPITALS}
    until("both are on their way", lambda: all(moved().values()))
    before = moved()
    until("one is there", lambda: any(is_here(sites[name], cases[name]) for name in HOSPITALS))
    shares = {name: count - before[name] for name, count in moved().items()}
    whole = sum(shares.values())
    print(", ".join(f"{name}: {share} bytes, {share / whole:.0%}" for name, share in shares.items()))
    assert min(shares.values()) >= LEAST * whole
    for name, study in studies.items():
        clinic.reach(cases[name], "received")
        until(f"{name}'s archive has it", lambda: study.delivered_to(sites[name].archive))
