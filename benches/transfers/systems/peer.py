"""What the other programs share: a certificate, a transfer that is watched at the receiver's folder and ended when patience ends."""

import os
import subprocess
import time

from transfers.ground import Arrivals, Measured, TooLate, wait
from transfers.systems.dokuei import difference

# A peer has stopped when the receiver's last image is there; what it does after that is not waited for longer.
END = 60


def certificate(folder):
    """A key and a certificate for it, made anew."""
    key, chain = folder / "key.pem", folder / "certificate.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=bench"]
    subprocess.run([*made, "-keyout", key, "-out", chain], check=True, capture_output=True, timeout=60)
    return key, chain


# The state of a socket that listens, as the kernel's tables have it.
LISTEN = "0A"


class Folder:
    """Files that grow until they are whole, which they are when they have `least` bytes."""

    def __init__(self, folder, least):
        self.folder, self.least, self.whole = folder, least, set()

    def count(self):
        with os.scandir(self.folder) as entries:
            for entry in entries:
                if entry.name not in self.whole and entry.is_file() and self.is_whole(entry):
                    self.whole.add(entry.name)
        return len(self.whole)

    def is_whole(self, entry):
        return entry.stat().st_size >= self.least


def listens(ground, site, port):
    """Waits until somebody listens at a port of a site, without connecting to it."""
    def looked():
        with ground.inside(site):
            for table in ("tcp", "tcp6"):
                with open(f"/proc/thread-self/net/{table}") as file:
                    rows = [line.split() for line in list(file)[1:]]
                if any(row[3] == LISTEN and int(row[1].rsplit(":", 1)[1], 16) == port for row in rows):
                    return True

    wait(f"somebody listens at port {port} of {site}", looked, 60)


class Failed(Exception):
    """A peer ended before everything was there, though it had time."""


def watch(system, ground, study, count, begin, is_over, processes, patience):
    """Runs a transfer: `begin` starts it and gives the programs that end with it, `count` says how many images the receiver has,
    `processes` what those cost that go on. When `patience` ends, what has arrived counts."""
    wire, before = ground.wire("clinic"), processes()
    arrivals = Arrivals(ground, "hospital", count)
    begun = time.monotonic()
    programs = begin()
    has_failed = lambda: any(program.ended() and program.status != 0 for program in programs)
    out_of_patience = False
    try:
        wait(f"{system}: everything arrives", lambda: is_over(programs, arrivals.count) or has_failed(), patience, 0.01)
        with ground.inside("hospital"):
            arrivals.once()
    except TooLate:
        out_of_patience = True
    seconds = time.monotonic() - begun
    used = difference(wire, ground.wire("clinic"))
    arrivals.stop()
    images = min(arrivals.count, study.images)
    is_whole = images == study.images
    spent = {name: at - before[name] for name, at in processes().items()}
    for program in programs:
        if not is_whole:
            program.stop()
        wait(f"{program.name} ends", program.ended, END)
        spent[program.name] = spent.get(program.name, 0) + program.seconds
    if not is_whole and not out_of_patience:
        raise Failed(", ".join(f"{program.name} ended with {program.status}" for program in programs) or system)
    times = arrivals.since(begun)
    if is_whole:
        seconds = times[-1][0]
    return Measured(system, seconds, images, study.bytes * images // study.images, is_whole, times, spent, used)
