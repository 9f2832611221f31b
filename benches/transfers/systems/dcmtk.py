"""dcmtk: `storescu` to `storescp` over TLS."""

import os
import subprocess

from world import free_port

from transfers.ground import Program
from transfers.systems.peer import Folder, certificate, listens, watch

# Without Nagle's algorithm, which with delayed acknowledgements costs 40 ms an image.
ENVIRONMENT = {**os.environ, "TCP_NODELAY": "1"}
PDU = "131072"


class Dcmtk:
    """One receiver for each transfer."""

    name = "dcmtk"

    def __init__(self, ground, place):
        self.ground, self.place, self.number = ground, place, 0
        place.mkdir()
        self.key, self.certificate = certificate(place)

    def transfer(self, study, patience, watched=False):
        self.number += 1
        folder, port = self.place / f"received-{self.number}", free_port()
        folder.mkdir()
        tls = ["+tls", self.key, self.certificate, "-ic"]
        receiver = Program("storescp", self.ground, "hospital", ["storescp", *tls, "-dhl", "-pdu", PDU, "-od", folder, port], env=ENVIRONMENT)
        address = self.ground.address("hospital")
        try:
            listens(self.ground, "hospital", port)
            options = ["--max-send-pdu", PDU, "+sd"]
            command = ["storescu", *tls, *options, address, port, study.folder]
            begin = lambda: [Program("storescu", self.ground, "clinic", command, env=ENVIRONMENT)]
            least = min(file.stat().st_size for file in study.folder.iterdir()) - 1024
            count = Folder(folder, least).count
            is_over = lambda programs, seen: programs[0].ended()
            return watch(self.name, self.ground, study, count, begin, is_over, lambda: {"storescp": receiver.spent()}, patience)
        finally:
            receiver.stop()

    def close(self):
        pass


def version():
    said = subprocess.run(["storescu", "--version"], capture_output=True, text=True, timeout=30).stdout
    return said.split()[2].lstrip("v") if said else "?"
