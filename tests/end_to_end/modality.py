"""A modality that sends any bytes at all by C-STORE: what libraries refuse to send, it sends.

Upper layer PDUs after PS3.8 section 9.3, command sets after PS3.7 annex E.
"""

import socket
import struct
from dataclasses import dataclass

from pydicom.uid import generate_uid

DEADLINE = 60
CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
IMPLICIT_LITTLE = "1.2.840.10008.1.2"
PIECE = 16000


@dataclass(frozen=True)
class Object:
    """An instance as it goes over the wire."""

    sop_class: str
    sop_instance: str
    transfer_syntax: str
    data: bytes


def object_of(path):
    """The object of a file that may be broken: what can be known of it, and its bytes after the meta group."""
    raw = path.read_bytes()
    meta, data = {}, raw
    if raw[128:132] == b"DICM":
        meta, length = meta_group(raw)
        data = raw[length:]
    sop_class, sop_instance = str(meta.get("class") or ""), str(meta.get("instance") or "")
    return Object(
        sop_class or CT_IMAGE,
        sop_instance or generate_uid(),
        str(meta.get("syntax") or "") or IMPLICIT_LITTLE,
        data,
    )


def meta_group(raw):
    """Group 2 by hand (always explicit little endian): UIDs, and where the data set begins."""
    at, found = 132, {}
    names = {2: "class", 3: "instance", 16: "syntax"}
    while raw[at : at + 2] == b"\x02\x00":
        element, vr = struct.unpack_from("<H", raw, at + 2)[0], raw[at + 4 : at + 6]
        if vr in (b"OB", b"UN", b"UT", b"SQ", b"OW"):
            length, at = struct.unpack_from("<I", raw, at + 8)[0], at + 12
        else:
            length, at = struct.unpack_from("<H", raw, at + 6)[0], at + 8
        if element in names:
            found[names[element]] = raw[at : at + length].rstrip(b"\0 ").decode("latin-1")
        at += length
    return found, at


def item(kind, body):
    return struct.pack(">BBH", kind, 0, len(body)) + body


def pdu(kind, body):
    return struct.pack(">BBI", kind, 0, len(body)) + body


def title(text):
    return text.encode().ljust(16)


def request(called, calling, contexts):
    body = struct.pack(">HH", 1, 0) + title(called) + title(calling) + bytes(32)
    body += item(0x10, b"1.2.840.10008.3.1.1.1")
    for number, (sop_class, transfer_syntax) in enumerate(contexts):
        syntaxes = item(0x30, sop_class.encode("latin-1")) + item(0x40, transfer_syntax.encode("latin-1"))
        body += item(0x20, struct.pack(">BBBB", 2 * number + 1, 0, 0, 0) + syntaxes)
    user = item(0x51, struct.pack(">I", 65536)) + item(0x52, b"1.2.3.4") + item(0x55, b"E2E")
    return pdu(1, body + item(0x50, user))


def element(number, value):
    return struct.pack("<HHI", 0, number, len(value)) + value


def uid(text):
    raw = text.encode("latin-1")
    return raw + b"\0" * (len(raw) % 2)


def store_command(one, message):
    short = lambda value: struct.pack("<H", value)
    body = element(0x0002, uid(one.sop_class)) + element(0x0100, short(1)) + element(0x0110, short(message))
    body += element(0x0700, short(0)) + element(0x0800, short(1)) + element(0x1000, uid(one.sop_instance))
    return element(0x0000, struct.pack("<I", len(body))) + body


class HungUp(Exception):
    """The node ended the association."""


class Modality:
    """One association."""

    def __init__(self, site, contexts, calling="MODALITY"):
        self.contexts = list(contexts)
        assert len(self.contexts) <= 128
        self.socket = socket.create_connection(("127.0.0.1", site.dicom), DEADLINE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(request(site.title, calling, self.contexts))
        kind, body = self.read()
        assert kind == 2, f"the association is refused: PDU {kind} {body[:4].hex()}"
        self.accepted = accepted(body)

    def read(self):
        kind, length = struct.unpack(">BxI", self.exactly(6))
        assert length <= 1 << 20, length
        return kind, self.exactly(length)

    def exactly(self, count):
        read = b""
        while len(read) < count:
            try:
                piece = self.socket.recv(count - len(read))
            except ConnectionError:
                piece = b""
            if not piece:
                raise HungUp
            read += piece
        return read

    def store(self, one, message=1):
        """The status of the C-STORE; None when the context was not accepted."""
        number = 2 * self.contexts.index((one.sop_class, one.transfer_syntax)) + 1
        if not self.accepted.get(number):
            return None
        try:
            self.message(number, 1, store_command(one, message))
            self.message(number, 0, one.data)
        except ConnectionError:
            raise HungUp from None
        return self.status()

    def message(self, number, is_command, content):
        pieces = [content[at : at + PIECE] for at in range(0, len(content), PIECE)] or [b""]
        for piece in pieces:
            last = 2 if piece is pieces[-1] else 0
            value = struct.pack(">IBB", len(piece) + 2, number, last | is_command) + piece
            self.socket.sendall(pdu(4, value))

    def status(self):
        kind, body = self.read()
        if kind != 4:
            raise HungUp
        command, at = body[6:], 0
        while at < len(command):
            number, length = struct.unpack_from("<HI", command, at + 2)
            if number == 0x0900:
                return struct.unpack_from("<H", command, at + 8)[0]
            at += 8 + length
        raise AssertionError("an answer without status")

    def release(self):
        self.socket.sendall(pdu(5, bytes(4)))
        kind, _ = self.read()
        assert kind == 6, kind
        self.socket.close()


def accepted(body):
    """Which presentation contexts were accepted."""
    at, found = 68, {}
    while at < len(body):
        kind, length = struct.unpack_from(">BxH", body, at)
        if kind == 0x21:
            found[body[at + 4]] = body[at + 6] == 0
        at += 4 + length
    return found


def send(site, objects, calling="MODALITY"):
    """Sends objects over one association; the status of each. An abort ends it: `HungUp` is in its place."""
    contexts = sorted({(one.sop_class, one.transfer_syntax) for one in objects})
    modality = Modality(site, contexts, calling)
    statuses = []
    for number, one in enumerate(objects, 1):
        try:
            statuses.append(modality.store(one, number))
        except HungUp:
            modality.socket.close()
            return [*statuses, HungUp]
    modality.release()
    return statuses
