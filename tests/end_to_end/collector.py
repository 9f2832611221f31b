"""An audit record repository: syslog over TLS (RFC 5424, RFC 5425), each message held against the schema of PS3.15."""

import re
import socket
import ssl
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

from lxml import etree

from world import DEADLINE, free_port

SCHEMA = etree.RelaxNG(etree.parse(Path(__file__).with_name("audit_message.rng")))
# What every collector takes (PS3.15 §A.6).
MESSAGE = 32768
HEADER = re.compile(
    r"<(8[45])>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z) ([!-~]{1,255}) dokuei (\d+) DICOM\+RFC3881 "
    r'\[meta sequenceId="(\d+)"\] \ufeff(<\?xml.*)',
    re.DOTALL,
)


@dataclass
class Message:
    """One audit message."""

    number: int
    severity: str
    xml: etree._Element

    @property
    def event(self):
        return self.xml.find("EventIdentification/EventID").get("csd-code")

    @property
    def kind(self):
        found = self.xml.find("EventIdentification/EventTypeCode")
        return found.get("csd-code") if found is not None else None

    def objects(self, code):
        """The ids of participating objects of this type."""
        found = self.xml.findall("ParticipantObjectIdentification")
        of_type = lambda one: one.find("ParticipantObjectIDTypeCode").get("csd-code") == code
        return [one.get("ParticipantObjectID") for one in found if of_type(one)]

    def names(self):
        return [one.text for one in self.xml.iter("ParticipantObjectName")]

    def instances(self):
        return sum(int(one.get("NumberOfInstances")) for one in self.xml.iter("SOPClass"))

    def participants(self, role):
        found = self.xml.findall("ActiveParticipant")
        has = lambda one: role in [code.get("csd-code") for code in one.findall("RoleIDCode")]
        return [one.get("UserID") for one in found if has(one)]


def valid(document):
    """The element of a document that keeps the schema."""
    parsed = etree.fromstring(document.encode())
    assert SCHEMA.validate(parsed), f"{SCHEMA.error_log}\n{document}"
    return parsed


def message_of(frame):
    assert len(frame) <= MESSAGE
    found = HEADER.fullmatch(frame.decode())
    assert found, frame[:300]
    return Message(int(found[5]), found[1], valid(found[6]))


def openssl(*words):
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, timeout=DEADLINE)


class Authority:
    """Makes certificates, as a hospital's IT does."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True)
        self.file, self.key = self.folder / "ca.pem", self.folder / "ca.key"
        self.new(self.file, self.key, "/CN=Fictitious authority", "basicConstraints=critical,CA:TRUE")

    def new(self, file, key, subject, extension, *signer):
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
        openssl("req", "-x509", *curve, "-keyout", key, "-out", file, "-subj", subject, "-addext", extension, *signer)

    def issue(self, name, extension):
        file, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        signer = ["-CA", self.file, "-CAkey", self.key, "-addext", "basicConstraints=critical,CA:FALSE"]
        self.new(file, key, f"/CN={name}", extension, *signer)
        return file, key


class Collector:
    """Listens on a port of its own. `clients`: an authority whose certificates callers must have."""

    def __init__(self, certificate, key, clients=None):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        if clients is not None:
            self.context.load_verify_locations(clients)
            self.context.verify_mode = ssl.CERT_REQUIRED
        self.port = free_port()
        self.frames, self.connections, self.lock = [], 0, threading.Lock()
        self.listener = None

    def open(self):
        self.listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()
        return self

    def close(self):
        if self.listener is not None:
            # Wakes the thread that waits in accept.
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
            self.listener = None

    def accept(self, listener):
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(plain,), daemon=True).start()

    def serve(self, plain):
        try:
            with self.context.wrap_socket(plain, server_side=True) as caller:
                with self.lock:
                    self.connections += 1
                source = caller.makefile("rb")
                while (frame := self.frame(source)) is not None:
                    with self.lock:
                        self.frames.append(frame)
        except OSError:
            pass

    @staticmethod
    def frame(source):
        """A length in octets, a space, and as many octets (RFC 5425 §4.3.1)."""
        digits = b""
        while (octet := source.read(1)) != b" ":
            if not octet:
                assert not digits
                return None
            assert octet.isdigit() and len(digits) < 6, digits + octet
            digits += octet
        frame = source.read(int(digits))
        return frame if len(frame) == int(digits) else None

    def messages(self):
        with self.lock:
            frames = list(self.frames)
        return [message_of(frame) for frame in frames]
