"""Where it is measured: sites on an emulated line, or this machine's loopback; and what processes cost there."""

import contextlib
import os
import subprocess
import threading
import time
from dataclasses import dataclass

from line import Lab

TICKS = os.sysconf("SC_CLK_TCK")
# How often something is looked at that cannot say by itself that it has changed.
LOOK = 0.05
# The network of a lab's sites.
NETWORK = "10.77.0.0/24"


class TooLate(Exception):
    """Something outside did not happen in time. The message says what."""


def wait(what, look, deadline, pause=LOOK):
    """Looks until there is something; `TooLate` when there is nothing in time."""
    end = time.monotonic() + deadline
    while not (seen := look()):
        if time.monotonic() > end:
            raise TooLate(f"not within {deadline:.0f} s: {what}")
        time.sleep(pause)
    return seen


class Loopback:
    """No line: everything at 127.0.0.1."""

    lab = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def address(self, _):
        return "127.0.0.1"

    def inside(self, _):
        return contextlib.nullcontext()

    def wire(self, _):
        return None


class Line(Loopback):
    """Sites on a line. TCP is CUBIC at all of them, whatever the machine prefers."""

    def __init__(self, *settings, sites="clinic,hospital"):
        self.lab = Lab("--sites", sites, *settings)
        for site in sites.split(","):
            # By the route: as a default of a namespace Linux takes only what every user of the machine may have.
            route = ["ip", "route", "change", NETWORK, "dev", "line0", "src", self.address(site), "congctl", "cubic"]
            subprocess.run(self.lab.at(site, *route), check=True, timeout=30)

    def __exit__(self, *_):
        self.report = self.lab.close()

    def address(self, site):
        return self.lab.address(site)

    def inside(self, site):
        return self.lab.inside(site)

    def wire(self, site):
        """Bytes of IP packets that went out of a site and into it."""
        ways = self.lab.report()["sites"][site]
        return ways["up"]["offered"]["bytes"], ways["down"]["offered"]["bytes"]


def stat(pid):
    """User and system time of a running process and its ended children, in seconds; nothing when it is gone."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(map(int, fields[11:15])) / TICKS


def peak_mib(pid):
    """The most memory a running process ever held."""
    with open(f"/proc/{pid}/status") as file:
        line = next(line for line in file if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


class Program:
    """A process that ends by itself, and what it cost."""

    def __init__(self, name, ground, site, arguments, **more):
        self.name = name
        more = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **more}
        with ground.inside(site):
            self.process = subprocess.Popen([str(argument) for argument in arguments], **more)
        self.seconds, self.status = 0.0, None

    @property
    def pid(self):
        return self.process.pid

    def ended(self):
        """Whether it has ended; from then on its cost and how it ended are known."""
        if self.status is None:
            pid, status, used = os.wait4(self.pid, os.WNOHANG)
            if pid == 0:
                return False
            self.status = os.waitstatus_to_exitcode(status)
            self.process.returncode = self.status
            self.seconds = used.ru_utime + used.ru_stime
        return True

    def stop(self):
        """Ends it if it still runs."""
        if not self.ended():
            self.process.kill()
            wait(f"{self.name} ends", self.ended, 10)

    def spent(self):
        return self.seconds if self.ended() else stat(self.pid)


@dataclass
class Measured:
    """One transfer. Times are seconds from its beginning."""

    system: str
    seconds: float
    # How many images were complete at the receiver then, and their bytes.
    images: int
    bytes: int
    # Whether it is all of them; else it was ended when patience did.
    is_whole: bool
    # When it was that so many images were complete at the receiver.
    arrivals: list
    # Seconds of processor time by process.
    processor: dict
    # Bytes on the wire from the sender and to it.
    wire: tuple | None = None
    # What only some systems have.
    more: dict | None = None

    @property
    def rate(self):
        """Megabytes of DICOM a second."""
        return self.bytes / 1e6 / self.seconds

    @property
    def per_gigabyte(self):
        """Seconds of processor time for each gigabyte of DICOM."""
        return sum(self.processor.values()) / (self.bytes / 1e9) if self.bytes else None


class Arrivals(threading.Thread):
    """Looks again and again how many images are complete, and notes when they became more."""

    def __init__(self, ground, site, look, pause=LOOK):
        super().__init__(daemon=True)
        self.ground, self.site, self.look, self.pause = ground, site, look, pause
        self.seen, self.over, self.failure = [], threading.Event(), None
        self.start()

    def run(self):
        with self.ground.inside(self.site):
            while not self.over.is_set():
                self.once()
                self.over.wait(self.pause)

    def once(self):
        before = self.seen[-1][1] if self.seen else 0
        count = self.look()
        if count and count > before:
            self.seen.append((time.monotonic(), count))

    @property
    def count(self):
        return self.seen[-1][1] if self.seen else 0

    def since(self, begun):
        return [(at - begun, count) for at, count in self.seen]

    def stop(self):
        self.over.set()
        self.join(30)
