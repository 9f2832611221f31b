"""On what was measured: machine, programs, load."""

import os
import platform
import re
import subprocess
import time
from pathlib import Path

from world import PROGRAM, ROOT

from transfers.systems import copying, dcmtk, orthanc


def processor():
    """The processor's name as the kernel has it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.lower().startswith(("model name", "cpu model", "hardware")):
            return re.sub(r"\s+", " ", line.split(":", 1)[1]).strip()
    return platform.machine()


def load():
    """How many processes wanted a processor in the last minute, on average."""
    return round(os.getloadavg()[0], 2)


def commit():
    """The commit that is checked out, with a mark when something was changed since."""
    told = subprocess.run(["git", "describe", "--always", "--dirty", "--abbrev=10"], cwd=ROOT, capture_output=True, text=True, timeout=30)
    return told.stdout.strip() or "?"


def described():
    """What the page says of it. Nothing here names the machine."""
    openssl, zstd = copying.versions()
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "processor": processor(),
        "processors": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "kernel": platform.release().split("-")[0],
        "dokuei": commit(),
        "build": PROGRAM.parent.name,
        "dcmtk": dcmtk.version(),
        "orthanc": orthanc.version(),
        "openssl": openssl,
        "zstd": zstd,
    }
