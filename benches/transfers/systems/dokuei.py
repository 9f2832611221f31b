"""dokuei: a node at each site, an archive beside each, and `storescu` as the modality."""

import functools
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import requests
from world import ENVIRONMENT, ROOT, Site, dokuei, free_port, until

from transfers.ground import Arrivals, Measured, Program, peak_mib, stat, wait

# Longer than any transfer on the slowest line, in seconds.
PATIENCE = 300
ALL = 'multipart/related; type="application/dicom"; transfer-syntax=*'


@functools.cache
def can_go_ahead():
    """Whether this build knows how to send what arrives before it is granted."""
    with tempfile.TemporaryDirectory() as place:
        config = Path(place) / "init.toml"
        config.write_text('version = 1\n\n[site]\nname = "Bench"\n\n[network]\nsend_ahead_to = "Partner"\n')
        return dokuei("init", Path(place) / "data", "--name", "Bench", "--config", config, ok=False).returncode == 0


class Pacs:
    """The archive's process, and what it said of images."""

    def __init__(self, folder):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "transfers.pacs", folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT / "benches",
        )
        self.port = int(self.process.stdout.readline())
        self.whole = {}
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.process.stdout:
            uid, at, _ = line.split()
            # The first time counts: an archive that is sent an image again has it already.
            self.whole.setdefault(uid, float(at))

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)


def name_of(role):
    return f"Site {role}"


class Node(Site):
    """A site of the tests' world, with its archive as a process and its addresses on the line."""

    def __init__(self, ground, role, home, reads, ahead_to=None):
        self.ground, self.role = ground, role
        with ground.inside(role):
            self.pacs = Pacs(Path(home) / "pacs")
            super().__init__(home, name_of(role), role.upper()[:16], reads, archive=self.pacs)
        config = self.data / "dokuei.toml"
        here, there = f"127.0.0.1:{self.network}", f"{ground.address(role)}:{self.network}"
        # The same port after a restart, as sites have it.
        text = config.read_text().replace(here, there).replace("bulk_port = 0", f"bulk_port = {free_port()}")
        if ahead_to:
            text = text.replace("[network]\n", f'[network]\nsend_ahead_to = "{name_of(ahead_to)}"\n')
        config.write_text(text + '\n[web]\nlisten = "127.0.0.1:0"\n')

    def start(self):
        with self.ground.inside(self.role):
            super().start()
        return self


class Viewer:
    """The reader's workstation, as far as it matters here: what it finds and opens over DICOMweb at the hospital."""

    def __init__(self, site):
        self.ground, self.role = site.ground, site.role
        port = site.ask("status")["web"]["port"]
        token = site.ask("dicom", "token", "add", f"bench-{time.monotonic_ns()}", "--scope", "all")["token"]
        self.root = f"http://127.0.0.1:{port}/dicom-web"
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {token}"

    def get(self, path, accept):
        return self.session.get(self.root + path, headers={"Accept": accept}, timeout=30)

    def count(self, uid):
        """How many images of a study are listed."""
        found = self.get(f"/studies?StudyInstanceUID={uid}", "application/dicom+json")
        return found.json()[0]["00201208"]["Value"][0] if found.status_code == 200 and found.json() else 0

    def opens(self, study):
        """Whether one image that is listed is given out whole."""
        found = self.get(f"/studies/{study.uid}/instances?limit=1", "application/dicom+json")
        if found.status_code != 200 or not found.json():
            return False
        uid = found.json()[0]["00080018"]["Value"][0]
        image = self.get(f"/studies/{study.uid}/series/{study.series}/instances/{uid}", ALL)
        return image.status_code == 200 and uid.encode() in image.content


class Dokuei:
    """Clinics and hospitals, each clinic paired with each hospital. With `ahead`, studies go to the first one while they still arrive."""

    name = "dokuei"

    def __init__(self, ground, place, clinics=("clinic",), hospitals=("hospital",), ahead=False):
        self.ground = ground
        self.is_ahead = ahead and can_go_ahead()
        self.sites = {}
        try:
            for role in (*clinics, *hospitals):
                reads = ("CT", "MR", "DX") if role in hospitals else ()
                ahead_to = hospitals[0] if self.is_ahead and role in clinics else None
                self.sites[role] = Node(ground, role, Path(place) / role, reads, ahead_to)
                self.sites[role].start()
            for clinic in clinics:
                for hospital in hospitals:
                    self.pair(self.sites[clinic], self.sites[hospital])
        except BaseException:
            self.close()
            raise

    def close(self):
        for site in self.sites.values():
            site.close()

    def pair(self, clinic, hospital):
        before = len(clinic.ask("partner", "list"))
        clinic.ask("partner", "accept", hospital.ask("partner", "invite")["code"])

        def is_ready(site, fields, partners):
            seen = site.ask("partner", "list")
            return len(seen) >= partners and all(one[field] for one in seen for field in fields)

        until("the hospital's capacity", lambda: is_ready(clinic, ("connected", "key_to_seal_for", "capacity", "agreement"), before + 1))
        until("the clinic's key", lambda: is_ready(hospital, ("connected", "key_to_seal_for"), 1))

    def images_from(self, clinic, study):
        """The modality begins to send."""
        command = ["storescu", "+sd", "127.0.0.1", clinic.dicom, study.folder]
        return Program("storescu", self.ground, clinic.role, command, env=ENVIRONMENT)

    def stored(self, clinic, study):
        """Sends a study to a node and waits until it has all of it."""
        modality = self.images_from(clinic, study)
        wait("storescu ends; is the node well?", modality.ended, PATIENCE, 0.005)
        assert modality.status == 0, f"storescu ended with {modality.status}"
        return modality

    def send(self, clinic, hospital, study):
        """Asks the hospital to read a study; the case."""
        sent = clinic.ask("study", "send", study.uid, "--to", hospital.name, "--priority", "urgent", "--now")
        return sent["cases"][0]["case"]

    def processes(self, clinic, hospital):
        return {"sending node": clinic.node.pid, "receiving node": hospital.node.pid, "archive": hospital.pacs.process.pid}

    def arrived(self, hospital, study):
        """When each image was in the hospital's archive."""
        whole = hospital.pacs.whole
        return sorted(whole[uid] for uid in study.instances if uid in whole)

    def transfer(self, study, patience=None, watched=False, role="hospital"):
        """From the first C-STORE at the clinic until the hospital's archive has everything. `patience` is for those that need it."""
        clinic, hospital = self.sites["clinic"], self.sites[role]
        processes = self.processes(clinic, hospital)
        before = {name: stat(pid) for name, pid in processes.items()}
        wire = self.ground.wire("clinic")
        viewer = Viewer(hospital) if watched else None
        begun = time.monotonic()
        modality = self.stored(clinic, study)
        intake = time.monotonic() - begun
        seen = Arrivals(self.ground, hospital.role, lambda: viewer.count(study.uid), 0.1) if watched else None
        asked = time.monotonic() - begun
        self.send(clinic, hospital, study)
        first = self.first_opened(viewer, hospital, study, begun) if watched else None
        wait("the hospital's archive has everything", lambda: len(self.arrived(hospital, study)) == study.images, PATIENCE, 0.02)
        spent = {name: stat(pid) - before[name] for name, pid in processes.items()}
        arrived = [(at - begun, count) for count, at in enumerate(self.arrived(hospital, study), 1)]
        more = {"ahead": self.is_ahead, "intake": intake, "asked": asked, "peak_mib": {name: round(peak_mib(processes[name]), 1) for name in ("sending node", "receiving node")}}
        if watched:
            wait("the reader finds everything", lambda: seen.count == study.images, PATIENCE)
            seen.stop()
            more |= {"usable": seen.since(begun), "first_opened": first}
        return Measured(
            self.name,
            arrived[-1][0],
            study.images,
            study.bytes,
            True,
            arrived,
            {"storescu": modality.seconds, **spent},
            difference(wire, self.ground.wire("clinic")),
            more,
        )

    def first_opened(self, viewer, hospital, study, begun):
        with self.ground.inside(hospital.role):
            wait("an image can be opened", lambda: viewer.opens(study), PATIENCE, 0.05)
        return time.monotonic() - begun


def difference(before, after):
    return None if before is None else tuple(b - a for a, b in zip(before, after))
