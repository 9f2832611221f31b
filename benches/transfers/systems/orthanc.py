"""Orthanc to Orthanc: by its transfers plugin where that is installed, else by its own job for peers. The sending one has the study already.

Over HTTPS; over HTTP where Orthanc ends when it is asked over HTTPS, as the one of Debian 12 does (1.10.1 with OpenSSL 3).
"""

import http.client
import json
import ssl
import subprocess
import time
from pathlib import Path

from world import free_port

from transfers.ground import Program, wait
from transfers.systems.peer import certificate, listens, watch

TRANSFERS = Path("/usr/share/orthanc/plugins/libOrthancTransfers.so")
NAME = "Orthanc transfers" if TRANSFERS.exists() else "Orthanc peers"
START = 60
UNVERIFIED = ssl._create_unverified_context()


class Crashed(Exception):
    """Orthanc is not there any more."""


class Server:
    """One Orthanc at a site."""

    def __init__(self, ground, site, place, keys, is_encrypted, peer=None):
        self.ground, self.site, self.port, self.is_encrypted = ground, site, free_port(), is_encrypted
        self.address = ground.address(site)
        place.mkdir()
        both = place / "both.pem"
        both.write_text("".join(key.read_text() for key in keys))
        self.url = f"http{'s' * is_encrypted}://{self.address}:{self.port}/"
        configuration = {
            "StorageDirectory": str(place / "storage"),
            "IndexDirectory": str(place / "index"),
            "HttpPort": self.port,
            "DicomPort": free_port(),
            "DicomServerEnabled": False,
            "RemoteAccessAllowed": True,
            "AuthenticationEnabled": False,
            "SslEnabled": is_encrypted,
            "SslCertificate": str(both),
            "HttpsVerifyPeers": False,
            "Plugins": [str(TRANSFERS)] if TRANSFERS.exists() else [],
            "OrthancPeers": {"there": {"Url": peer}} if peer else {},
        }
        file = place / "orthanc.json"
        file.write_text(json.dumps(configuration))
        self.program = Program("Orthanc", ground, site, ["Orthanc", file])
        try:
            listens(ground, site, self.port)
            wait("Orthanc answers", self.is_up, START)
        except BaseException:
            self.program.stop()
            raise

    def is_up(self):
        try:
            return self.ask("GET", "/system") is not None
        except (OSError, http.client.HTTPException):
            if self.program.ended():
                raise Crashed(f"Orthanc ended with {self.program.status}") from None
            return False

    def ask(self, method, path, body=None):
        """What it answers, as JSON. Each time over a new connection: those that are kept it closes when it likes."""
        with self.ground.inside(self.site):
            connection = self.connected()
            try:
                connection.request(method, path, body)
                answer = connection.getresponse()
                said = answer.read()
            finally:
                connection.close()
        assert answer.status == 200, f"{method} {path}: {answer.status} {said[:300]}"
        return json.loads(said) if said else None

    def connected(self):
        if self.is_encrypted:
            return http.client.HTTPSConnection(self.address, self.port, timeout=START, context=UNVERIFIED)
        return http.client.HTTPConnection(self.address, self.port, timeout=START)

    def count(self):
        return self.ask("GET", "/statistics")["CountInstances"]

    def empty(self):
        for study in self.ask("GET", "/studies"):
            self.ask("DELETE", f"/studies/{study}")


class Orthanc:
    """Two servers; the sending one is given the study before it is measured."""

    def __init__(self, ground, place):
        self.ground = ground
        place.mkdir()
        keys = certificate(place)
        try:
            self.open(place / "encrypted", keys, True)
            self.name = NAME
        except Crashed:
            self.open(place / "plain", keys, False)
            self.name = f"{NAME}, not encrypted"

    def open(self, place, keys, is_encrypted):
        place.mkdir()
        self.sender, self.loaded = None, None
        self.receiver = Server(self.ground, "hospital", place / "hospital", keys, is_encrypted)
        try:
            self.sender = Server(self.ground, "clinic", place / "clinic", keys, is_encrypted, self.receiver.url)
        except BaseException:
            self.close()
            raise

    def close(self):
        for server in (self.sender, self.receiver):
            if server:
                server.program.stop()

    def transfer(self, study, patience, watched=False):
        self.receiver.empty()
        if self.loaded != study.uid:
            self.sender.empty()
            for file in sorted(study.folder.iterdir()):
                self.sender.ask("POST", "/instances", file.read_bytes())
            self.loaded = study.uid
        (resource,) = self.sender.ask("GET", "/studies")
        started = {}

        def begin():
            started["job"] = self.start(resource)
            return []

        def processes():
            return {"sending Orthanc": self.sender.program.spent(), "receiving Orthanc": self.receiver.program.spent()}

        is_over = lambda programs, seen: seen >= study.images
        measured = watch(self.name, self.ground, study, self.receiver.count, begin, is_over, processes, patience)
        self.end(started["job"])
        return measured

    def start(self, study):
        if TRANSFERS.exists():
            order = {"Resources": [{"Level": "Study", "ID": study}], "Compression": "gzip", "Peer": "there"}
            return self.sender.ask("POST", "/transfers/send", json.dumps(order))["ID"]
        order = {"Resources": [study], "Synchronous": False}
        return self.sender.ask("POST", "/peers/there/store", json.dumps(order))["ID"]

    def end(self, job):
        """No job is left that would send into the next measurement."""

        def is_over():
            state = self.sender.ask("GET", f"/jobs/{job}")["State"]
            if state in ("Running", "Pending", "Retry"):
                self.sender.ask("POST", f"/jobs/{job}/cancel", "")
            return state in ("Success", "Failure")

        wait("Orthanc's job ends", is_over, START, 0.2)
        # What is on its way yet is let arrive.
        time.sleep(0.5)


def version():
    said = subprocess.run(["Orthanc", "--version"], capture_output=True, text=True, timeout=30).stdout
    return said.split()[1] if said else "?"
