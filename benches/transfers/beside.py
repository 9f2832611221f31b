"""Scenarios of dokuei with something beside it: another program's pings, another transfer, a power cut, three more transfers."""

import json
import subprocess
import threading
import time

from line import LINE

from transfers.ground import Loopback, Program, peak_mib, wait
from transfers.machine import load
from transfers.over_lines import line
from transfers.systems.copying import Copying
from transfers.systems.dokuei import PATIENCE, Dokuei, difference

INTERVAL = 0.025
# From so many bytes on a transfer is on its way.
UNDER_WAY = 1_000_000
# What each partner of a shared line is sent, and how many are sent at once for the memory they take.
IMAGES_SHARED, IMAGES_AT_ONCE, AT_ONCE = 250, 250, 4
# Turns of what is much the same each time.
TURNS_MOST = 2


def pings(ground, seconds):
    """Round trips of a small datagram, in milliseconds; those that were lost are left out."""
    count = int(seconds / INTERVAL)
    command = [LINE, "measure", "ping", ground.address("hospital"), "--each", "--size", "64", "--count", count, "--interval", f"{INTERVAL * 1e3:.0f}ms"]
    with ground.inside("clinic"):
        ran = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=seconds + 60, check=True)
    return [round(one, 2) for one in json.loads(ran.stdout)["each_ms"]]


def beside(ground, seconds, act):
    """Pings from when something is on its way."""
    before, failed = ground.wire("clinic")[0], []

    def acting():
        try:
            act()
        except Exception as failure:
            failed.append(failure)

    thread = threading.Thread(target=acting)
    thread.start()
    wait("a transfer is on its way", lambda: failed or ground.wire("clinic")[0] > before + UNDER_WAY, PATIENCE)
    trips = pings(ground, seconds)
    thread.join()
    if failed:
        raise failed[0]
    return trips


def ping(options, maker, place, say):
    """A ping every 25 ms of another program: alone, beside dokuei, beside a copy over TCP (CUBIC)."""
    before, found = load(), {"idle": [], "dokuei": [], "tar, TLS": []}
    ground = line("clean")
    # As long as the line needs for a study, less what may pass until it is on its way.
    seconds = 1 if options.quick else 6
    with ground:
        server = Program("line measure serve", ground, "hospital", [LINE, "measure", "serve"])
        dokuei = Dokuei(ground, place / "dokuei", ahead=True)
        try:
            copying = Copying(ground, place / "copying", False)
            for _ in range(options.runs):
                found["idle"] += pings(ground, seconds / 2)
                study = maker.make("ct", options.images)
                found["dokuei"] += beside(ground, seconds, lambda: dokuei.transfer(study))
                found["tar, TLS"] += beside(ground, seconds, lambda: copying.transfer(study, seconds + 2))
                say(", ".join(f"{name}: {middle(trips):.0f} ms" for name, trips in found.items()))
        finally:
            dokuei.close()
            server.stop()
    return {"round_trips": found, "load": [before, load()]}


def middle(trips):
    return sorted(trips)[len(trips) // 2] if trips else float("nan")


def shared(ground, dokuei, ways, pairs, maker, images):
    """Two studies at once; what each got of the line until one of them was there."""
    studies = [maker.make("ct", images) for _ in pairs]
    for (clinic, _), study in zip(pairs, studies):
        dokuei.stored(dokuei.sites[clinic], study)
    count = lambda: [ground.lab.report()["sites"][site][way]["delivered"]["bytes"] for site, way in ways]
    before = count()
    begun = time.monotonic()
    for (clinic, hospital), study in zip(pairs, studies):
        dokuei.send(dokuei.sites[clinic], dokuei.sites[hospital], study)
    arrived = lambda: [len(dokuei.arrived(dokuei.sites[hospital], study)) == study.images for (_, hospital), study in zip(pairs, studies)]
    wait("one of two studies is there", lambda: any(arrived()), PATIENCE)
    got = difference(before, count())
    first = time.monotonic() - begun
    wait("both studies are there", lambda: all(arrived()), PATIENCE)
    shares = [one / sum(got) for one in got]
    return {"shares": [round(one, 4) for one in shares], "first": round(first, 2), "both": round(time.monotonic() - begun, 2)}


def sharing(options, maker, place, say):
    """Two transfers at once: from one clinic to two hospitals, and from two clinics to one hospital."""
    before, found = load(), {}
    images = options.images or IMAGES_SHARED
    cases = {
        "one clinic to two hospitals": ("clinic,hospital,second", ["clinic"], ["hospital", "second"]),
        "two clinics to one hospital": ("hospital,clinic,second", ["clinic", "second"], ["hospital"]),
    }
    for title, (sites, clinics, hospitals) in cases.items():
        ground = line("clean", sites)
        ends = hospitals if len(hospitals) > 1 else clinics
        ways = [(end, "down" if len(hospitals) > 1 else "up") for end in ends]
        pairs = [(clinic, hospital) for clinic in clinics for hospital in hospitals]
        with ground:
            dokuei = Dokuei(ground, place / f"sharing-{len(found)}", clinics, hospitals)
            try:
                found[title] = [shared(ground, dokuei, ways, pairs, maker, images) for _ in range(min(options.runs, TURNS_MOST))]
            finally:
                dokuei.close()
        say(f"{title}: {[run['shares'] for run in found[title]]}")
    return {"transfers": found, "load": [before, load()]}


def broken(ground, dokuei, study, victim, after):
    """One transfer, its node of a site killed when so many bytes were on the wire. Answers bytes on the wire and seconds."""
    clinic, hospital = dokuei.sites["clinic"], dokuei.sites["hospital"]
    dokuei.stored(clinic, study)
    # What else was on its way has come to rest.
    time.sleep(1)
    before, begun = ground.wire("clinic"), time.monotonic()
    used = lambda: sum(difference(before, ground.wire("clinic")))
    case = dokuei.send(clinic, hospital, study)
    if victim:
        wait("half of it is on the wire", lambda: used() >= after, PATIENCE, 0.01)
        node = dokuei.sites[victim]
        node.kill()
        node.start()
    wait("the hospital's archive has everything", lambda: len(dokuei.arrived(hospital, study)) == study.images, PATIENCE)
    wait("the clinic has the receipt", lambda: clinic.case(case)["phase"] in ("received", "reading"), PATIENCE, 0.2)
    return {"bytes": used(), "seconds": round(time.monotonic() - begun, 2)}


def killed(options, maker, place, say):
    """`kill -9` of either end at half of the bytes of an unbroken run."""
    before, found = load(), {"unbroken": [], "clinic": [], "hospital": []}
    ground = line("clean")
    with ground:
        dokuei = Dokuei(ground, place / "killed")
        try:
            for _ in range(min(options.runs, TURNS_MOST)):
                whole = broken(ground, dokuei, maker.make("ct", options.images), None, 0)
                found["unbroken"].append(whole)
                for victim in ("clinic", "hospital"):
                    run = broken(ground, dokuei, maker.make("ct", options.images), victim, whole["bytes"] / 2)
                    found[victim].append({**run, "ratio": round(run["bytes"] / whole["bytes"], 4)})
                    say(f"{victim} killed: {run['bytes'] / whole['bytes']:.3f} of the bytes")
        finally:
            dokuei.close()
    return {"runs": found, "load": [before, load()]}


def memory(options, maker, place, say):
    """The most memory of either node with four transfers at once, on loopback, where nothing slows them down."""
    before = load()
    dokuei = Dokuei(Loopback(), place / "memory", ahead=True)
    try:
        clinic, hospital = dokuei.sites["clinic"], dokuei.sites["hospital"]
        studies = [maker.make("ct", options.images or IMAGES_AT_ONCE) for _ in range(AT_ONCE)]
        modalities = [dokuei.images_from(clinic, study) for study in studies]
        for modality in modalities:
            wait("storescu ends", modality.ended, PATIENCE)
            assert modality.status == 0, f"storescu ended with {modality.status}"
        for study in studies:
            dokuei.send(clinic, hospital, study)
        for study in studies:
            wait("everything is there", lambda: len(dokuei.arrived(hospital, study)) == study.images, PATIENCE)
        peaks = {role: round(peak_mib(site.node.pid), 1) for role, site in dokuei.sites.items()}
    finally:
        dokuei.close()
    say(f"{AT_ONCE} at once: {peaks}")
    return {"at_once": AT_ONCE, "images": studies[0].images, "peak_mib": peaks, "load": [before, load()]}
