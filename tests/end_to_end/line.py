"""Sites behind an emulated line: network namespaces that the program `line` makes and removes.

    with Lab("--rate", "20mbit", "--delay", "15ms") as lab:
        with lab.inside("hospital"):
            hospital.start()            # sockets, threads and processes that are made here are at that site
        lab.tell("outage 3s")
        lab.report()["sites"]["clinic"]["up"]["dropped"]["outage"]
"""

import contextlib
import ctypes
import itertools
import json
import os
import subprocess
import threading
from pathlib import Path

import pytest

from world import DEADLINE, PROGRAM

LINE = Path(os.environ.get("DOKUEI_LINE", PROGRAM.with_name("line")))
NUMBERS = itertools.count()
CLONE_NEWNET = 0x40000000


def needs_a_line():
    """Skips the test, and says why, where the system lets this user make no sites."""
    tried = subprocess.run([LINE, "run", "--", "clinic:", "true"], capture_output=True, text=True, timeout=DEADLINE)
    if tried.returncode != 0:
        pytest.skip(f"no emulated line here: {tried.stderr.strip()}")
    if os.geteuid() != 0:
        pytest.skip("no emulated line here: threads of this process enter the sites, which only root's may")


class Lab:
    """Sites and their lines, from `with` to its end. Arguments are those of `line lab`."""

    def __init__(self, *arguments):
        self.name = f"end-to-end-{os.getpid()}-{next(NUMBERS)}"
        self.process = subprocess.Popen(
            [LINE, "lab", "--name", self.name, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.turn = threading.Lock()
        said = self.process.stdout.readline()
        assert said, f"`line lab` ended with {self.process.wait(DEADLINE)}"
        self.sites = {site["name"]: site for site in json.loads(said)["sites"]}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Ends the lab and whatever still runs at its sites. Answers what was counted."""
        if self.process.stdin.closed:
            return None
        self.process.stdin.close()
        report = json.loads(self.process.stdout.readlines()[-1])
        self.process.wait(DEADLINE)
        return report

    def address(self, site):
        return self.sites[site]["address"]

    def at(self, site, *command):
        """The command that runs a command at a site."""
        return [LINE, "enter", self.name, site, "--", *map(str, command)]

    @contextlib.contextmanager
    def inside(self, site):
        """What this thread makes meanwhile is at the site: sockets, threads, processes."""
        with open("/proc/thread-self/ns/net") as home, open(self.sites[site]["namespace"]) as there:
            move(there)
            try:
                yield
            finally:
                move(home)

    def tell(self, order):
        """Gives an order (`loss 2%`, `second: rate 5mbit`, `udp off`) and answers what is said to it."""
        with self.turn:
            self.process.stdin.write(f"{order}\n")
            self.process.stdin.flush()
            said = json.loads(self.process.stdout.readline())
        assert "error" not in said, said
        return said

    def report(self):
        """What has been counted since the start."""
        return self.tell("report")


def move(namespace):
    """Moves this thread into a network namespace. `os.setns` is not in every Python that is around."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.setns(namespace.fileno(), CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")
