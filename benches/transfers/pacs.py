"""An archive as a process of its own: takes every image class, writes files, and says of each on standard output when it was whole.

    python -m transfers.pacs FOLDER

Its first line is its port, each further one `UID SECONDS BYTES` by the monotonic clock. It costs little, so that what is measured
is the program that sends. Upper layer PDUs after PS3.8 section 9.3, command sets after PS3.7 annex E.
"""

import os
import socket
import struct
import sys
import threading
import time
from pathlib import Path

VERIFICATION = b"1.2.840.10008.1.1"
# Not those of queries, which it does not answer.
STORAGE = b"1.2.840.10008.5.1.4.1.1."
ASSOCIATE, ACCEPT, DATA, RELEASE, RELEASED = 1, 2, 4, 5, 6
STORE, ECHO = 0x0001, 0x0030
# What a sender may put into one PDU, and the most that is taken of one.
PDU, PDU_MOST = 131072, 1 << 20
SAID = threading.Lock()


def item(kind, body):
    return struct.pack(">BBH", kind, 0, len(body)) + body


def items(body, at):
    while at + 4 <= len(body):
        kind, length = struct.unpack_from(">BxH", body, at)
        yield kind, body[at + 4 : at + 4 + length]
        at += 4 + length


def accepted(request):
    """The answer to an association request: every image class, in the first transfer syntax that is proposed."""
    answer = request[:68] + item(0x10, b"1.2.840.10008.3.1.1.1")
    for kind, context in items(request, 68):
        if kind != 0x20:
            continue
        parts = list(items(context, 4))
        abstract = next(value for kind, value in parts if kind == 0x30).rstrip(b"\0")
        syntax = next(value for kind, value in parts if kind == 0x40)
        refused = 0 if abstract == VERIFICATION or abstract.startswith(STORAGE) else 3
        answer += item(0x21, struct.pack(">BBBB", context[0], 0, refused, 0) + item(0x40, syntax))
    user = item(0x51, struct.pack(">I", PDU)) + item(0x52, b"2.25.9")
    body = answer + item(0x50, user)
    return struct.pack(">BBI", ACCEPT, 0, len(body)) + body


def element(number, value):
    return struct.pack("<HHI", 0, number, len(value)) + value


def short(value):
    return struct.pack("<H", value)


def command_of(raw):
    """The elements of a command set, by their number in group 0."""
    at, found = 0, {}
    while at + 8 <= len(raw):
        number, length = struct.unpack_from("<HI", raw, at + 2)
        found[number] = raw[at + 8 : at + 8 + length]
        at += 8 + length
    return found


def answered(context, command):
    """The PDU that says success."""
    body = element(0x0002, command[0x0002]) + element(0x0100, short(0x8000 | int.from_bytes(command[0x0100], "little")))
    body += element(0x0120, command[0x0110]) + element(0x0800, short(0x0101)) + element(0x0900, short(0))
    if 0x1000 in command:
        body += element(0x1000, command[0x1000])
    body = element(0x0000, struct.pack("<I", len(body))) + body
    value = struct.pack(">IBB", len(body) + 2, context, 3) + body
    return struct.pack(">BBI", DATA, 0, len(value)) + value


class Association:
    """One connection, until it ends."""

    def __init__(self, connection, folder):
        self.socket, self.folder = connection, folder
        self.buffer = memoryview(bytearray(PDU_MOST))
        self.command, self.raw, self.file, self.written = None, b"", None, 0

    def run(self):
        while (kind := self.read()) is not None:
            if kind[0] == ASSOCIATE:
                self.socket.sendall(accepted(bytes(kind[1])))
            elif kind[0] == DATA:
                self.values(kind[1])
            elif kind[0] == RELEASE:
                self.socket.sendall(struct.pack(">BBI", RELEASED, 0, 4) + bytes(4))
            else:
                return

    def read(self):
        """A PDU, or nothing at the connection's end."""
        if not self.fill(self.buffer[:6]):
            return None
        kind, length = struct.unpack_from(">BxI", self.buffer)
        body = self.buffer[6 : 6 + length]
        if len(body) != length or not self.fill(body):
            return None
        return kind, body

    def fill(self, space):
        at = 0
        while at < len(space):
            got = self.socket.recv_into(space[at:])
            if got == 0:
                return False
            at += got
        return True

    def values(self, body):
        at = 0
        while at + 6 <= len(body):
            length, context, flags = struct.unpack_from(">IBB", body, at)
            self.value(context, flags, body[at + 6 : at + 4 + length])
            at += 4 + length

    def value(self, context, flags, content):
        if flags & 1:
            self.raw += bytes(content)
            if flags & 2:
                self.command, self.raw = command_of(self.raw), b""
                if int.from_bytes(self.command[0x0100], "little") == ECHO:
                    self.socket.sendall(answered(context, self.command))
                else:
                    self.uid = self.command[0x1000].rstrip(b"\0 ").decode("ascii")
                    self.file, self.written = open(self.folder / self.uid, "wb", buffering=0), 0
            return
        self.file.write(content)
        self.written += len(content)
        if flags & 2:
            self.file.close()
            with SAID:
                print(self.uid, time.monotonic(), self.written, flush=True)
            self.socket.sendall(answered(context, self.command))


def serve(connection, folder):
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection:
        try:
            Association(connection, folder).run()
        except ConnectionError:
            # A sender that is killed is part of what is measured.
            pass


def end_with_input():
    sys.stdin.read()
    os._exit(0)


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    threading.Thread(target=end_with_input, daemon=True).start()
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection, folder), daemon=True).start()


if __name__ == "__main__":
    main()
