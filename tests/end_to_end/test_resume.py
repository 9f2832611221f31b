"""What a broken transfer costs on the line: counted there in bytes, beside the same study in one go. No test asserts a time."""

from typing import NamedTuple

import pytest
from line import Lab, needs_a_line
from modality import send
from studies import Study
from test_clinics_line import hand_over, is_here, sites_on, transfer
from world import until

# Noise, as images that take several packs each: long enough that two hundredths are more than what a line holds.
COUNT, SIDE = 26, 1024
# Of the bytes of an unbroken run, what a broken one may have beyond them, beside what a start costs.
MORE = 0.02


@pytest.fixture(scope="module")
def clinics_line(tmp_path_factory):
    """A line that holds little: what is under way when a site dies is lost with it, whoever sends."""
    needs_a_line()
    with Lab("--rate", "80mbit", "--delay", "5ms", "--queue", "64kb") as lab:
        with sites_on(lab, tmp_path_factory.mktemp("resume")) as (clinic, hospital):
            yield lab, clinic, hospital


class Wire(NamedTuple):
    """Bytes of packets on the clinic's line, both ways."""

    # Given to it: what was lost in its queue, and sent again, counts twice.
    offered: int
    delivered: int


def on_the_wire(lab):
    ways = lab.report()["sites"]["clinic"]
    return Wire(*(sum(ways[way][counted]["bytes"] for way in ("up", "down")) for counted in Wire._fields))


def noise(lab, clinic, name, count=COUNT, side=SIDE):
    """A study that nothing compresses: each has as many bytes on the wire."""
    study = Study(count=count, side=side, name=name)
    with lab.inside("clinic"):
        assert send(clinic, study.objects) == [0] * count
    return study


def restart(lab, site, name):
    site.kill()
    with lab.inside(name):
        site.start()


def cost(lab, clinic, hospital, study, meanwhile=lambda case: None):
    """What a study costs on the wire from the moment it is sent until its receipt is here."""
    before = on_the_wire(lab)
    case = hand_over(clinic, hospital, study)
    meanwhile(case)
    clinic.reach(case, "received")
    cost = Wire(*(after - at_first for after, at_first in zip(on_the_wire(lab), before)))
    until("the hospital's archive has it", lambda: study.delivered_to(hospital.archive))
    return cost


def share(hospital, case):
    """How much of a study is here, of 1."""
    if is_here(hospital, case):
        return 1
    moved = transfer(hospital, case)
    return moved["bytes"] / moved["bytes_total"] if moved.get("bytes_total") else 0


@pytest.fixture(scope="module")
def unbroken(clinics_line):
    lab, clinic, hospital = clinics_line
    return cost(lab, clinic, hospital, noise(lab, clinic, "UN^BROKEN"))


@pytest.mark.parametrize("who", ["hospital", "clinic"])
def test_a_kill_at_half_costs_next_to_nothing(clinics_line, unbroken, who):
    lab, clinic, hospital = clinics_line
    victim = {"clinic": clinic, "hospital": hospital}[who]
    # What a kill and a start cost with hardly a study: handshakes, addresses, questions, a bulk connection.
    tiny = noise(lab, clinic, "TINY^STUDY", 1, 16)
    start = cost(lab, clinic, hospital, tiny, lambda case: restart(lab, victim, who)).offered
    at = []

    def kill(case):
        until("half of it is here", lambda: share(hospital, case) >= 0.5)
        at.append(share(hospital, case))
        restart(lab, victim, who)

    broken = cost(lab, clinic, hospital, noise(lab, clinic, "KILL^HALF"), kill).offered
    whole = unbroken.offered
    print(f"{who} killed at {at[0]:.0%}: {broken} bytes, {broken / whole:.3f} of {whole}; a start costs {start}")
    assert at[0] < 0.9, "it was killed under way"
    assert broken <= (1 + MORE) * whole + start


def way(site):
    """How bulk data goes to the other one."""
    bulk = site.ask("partner", "list")[0]["bulk"]
    return bulk and bulk["way"]


def test_the_way_changes_under_way(clinics_line, unbroken):
    """From QUIC to TCP where UDP is blocked under way, and back with the next connection once it is not."""
    lab, clinic, hospital = clinics_line
    ways = []

    def change(case):
        until("a quarter is here", lambda: share(hospital, case) >= 0.25)
        ways.append(way(hospital))
        lab.tell("udp off")
        at = share(hospital, case)
        until("it goes on", lambda: share(hospital, case) > min(at + 0.1, 0.9))
        ways.append(way(hospital))
        lab.tell("udp on")
        assert share(hospital, case) < 0.9, "it is under way"
        restart(lab, hospital, "hospital")
        until("it goes on again", lambda: share(hospital, case) > 0.9)
        ways.append(way(hospital))

    study = noise(lab, clinic, "WAY^CHANGES")
    try:
        changed = cost(lab, clinic, hospital, study, change)
    finally:
        lab.tell("udp on")
    # Each way fills the line's queue in its own manner, and what is lost there says nothing of what was asked for again.
    whole = unbroken.delivered
    print(f"over {ways}: {changed.delivered} bytes, {changed.delivered / whole:.3f} of {whole}; lost {changed.offered - changed.delivered}")
    assert ways == ["quic", "tcp", "quic"]
    # Two ways were left with what they held.
    assert changed.delivered <= (1 + 2 * MORE) * whole
