"""Sites made of the built binary, an archive that counts, and modalities: the world around dokuei.

Everything runs on loopback, on free ports. What is started here is ended here, by its process id, and
nothing waits without a deadline.
"""

import json
import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

from pynetdicom import AE, AllStoragePresentationContexts, evt

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("DOKUEI", ROOT / "target" / "debug" / "dokuei"))
# What must happen happens within this time even on a busy machine of two cores.
DEADLINE = 90
LOOK = 0.02

ENVIRONMENT = {**os.environ, "DOKUEI_LANG": "en"}

# What the archive takes: every transfer syntax the tests send.
TRANSFER_SYNTAXES = [
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.51",
    "1.2.840.10008.1.2.4.57",
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.91",
    "1.2.840.10008.1.2.5",
]


def until(what, look, deadline=DEADLINE):
    """Looks until there is something; the last thing seen is in the message when there is not."""
    end = time.monotonic() + deadline
    while True:
        seen = look()
        if seen:
            return seen
        assert time.monotonic() < end, f"not within {deadline} s: {what}; last seen: {seen!r}"
        time.sleep(LOOK)


# Ports that were given away: whoever has one may not listen on it yet.
GIVEN = set()


def free_port():
    """A port nobody listens on, for UDP and TCP, from below those that connections take; each is given once."""
    for _ in range(100):
        port = 20000 + int.from_bytes(os.urandom(2)) % 12000
        if port in GIVEN:
            continue
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            try:
                tcp.bind(("127.0.0.1", port))
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            GIVEN.add(port)
            return port
    raise AssertionError("no port is free")


def dokuei(*arguments, ok=True, **more):
    """Runs a command. With `ok` it must succeed; otherwise it must fail and say why."""
    ran = subprocess.run(
        [PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=DEADLINE, env=ENVIRONMENT, **more
    )
    if ok:
        assert ran.returncode == 0, f"dokuei {arguments}: {ran.returncode}\n{ran.stdout}{ran.stderr}"
    return ran


def one_sentence(ran):
    """A refusal: a non-zero exit, and one line that is no trace of the program's insides."""
    assert ran.returncode == 1, (ran.returncode, ran.stdout, ran.stderr)
    said = ran.stderr.strip()
    last = said.splitlines()[-1]
    assert last.startswith("dokuei: ") and len(last) > 20, said
    assert "panicked" not in said and "Error {" not in said, said
    return last


def control(site):
    """A connection to a node's control socket, however deep its folder lies."""
    folder = os.open(site.data, os.O_PATH | os.O_DIRECTORY)
    try:
        caller = socket.socket(socket.AF_UNIX)
        caller.settimeout(DEADLINE)
        caller.connect(f"/proc/self/fd/{folder}/control.sock")
        return caller
    finally:
        os.close(folder)


class Archive:
    """A PACS that keeps what it is sent, byte for byte, and counts how often. `syntaxes` is what it takes; `answer`,
    when a test sets it, is asked first and may give another status than success."""

    def __init__(self, syntaxes=TRANSFER_SYNTAXES):
        self.port = free_port()
        self.syntaxes = syntaxes
        self.answer = lambda event: 0x0000
        self.objects = {}
        self.times = {}
        self.lock = threading.Lock()
        self.server = None
        self.open()

    def open(self):
        entity = AE("PACS")
        entity.maximum_pdu_size = 0
        for context in AllStoragePresentationContexts:
            entity.add_supported_context(context.abstract_syntax, self.syntaxes)
        entity.add_supported_context("1.2.840.10008.1.1")
        handlers = [(evt.EVT_C_STORE, self.store), (evt.EVT_CONN_OPEN, quick)]
        self.server = entity.start_server(("127.0.0.1", self.port), block=False, evt_handlers=handlers)

    def close(self):
        self.server.shutdown()

    def store(self, event):
        uid = str(event.request.AffectedSOPInstanceUID)
        data = event.request.DataSet.getvalue()
        status = self.answer(event)
        if status != 0x0000:
            return status
        with self.lock:
            self.objects.setdefault(uid, (event.context.transfer_syntax, data))
            assert self.objects[uid][1] == data, "one instance, two contents"
            self.times[uid] = self.times.get(uid, 0) + 1
        return 0x0000

    def of(self, uids):
        with self.lock:
            return {uid: self.objects[uid] for uid in uids if uid in self.objects}


def quick(event):
    """Small answers leave at once."""
    event.assoc.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


CONFIG = """version = 1

[site]
name = "{name}"

[network]
listen = ["127.0.0.1:{network}"]
announce = ["127.0.0.1:{network}"]
bulk_port = 0

[dicom]
listen = "127.0.0.1:{dicom}"
ae_title = "{title}"
quiet_seconds = 3600

[archive]
host = "127.0.0.1"
port = {archive}
ae_title = "PACS"

[reading]
quoting = "{quoting}"
retention_days = {retention}

{capacity}"""

SLOT = '[[reading.capacity]]\nmodality = "{}"\nspecialty = "general"\npriority = "stat"\nper_day = 1000\nhours = 48\n\n'


class Site:
    """A data folder, the node that runs on it, and its archive: one that counts, or whatever has a `port` and can `close`."""

    def __init__(self, home, name, title, reads=(), quoting="automatic", retention=90, archive=None):
        self.home = Path(home)
        self.home.mkdir(parents=True, exist_ok=True)
        self.name, self.title = name, title
        self.data = self.home / "data"
        self.log = self.home / "node.log"
        self.archive = archive or Archive()
        self.dicom, self.network = free_port(), free_port()
        self.node = None
        config = self.home / "init.toml"
        capacity = "".join(SLOT.format(modality) for modality in reads)
        config.write_text(
            CONFIG.format(
                name=name,
                title=title,
                network=self.network,
                dicom=self.dicom,
                archive=self.archive.port,
                quoting=quoting,
                retention=retention,
                capacity=capacity,
            )
        )
        dokuei("init", self.data, "--name", name, "--config", config)

    def start(self):
        assert self.node is None
        with open(self.log, "ab") as log:
            self.node = subprocess.Popen(
                [PROGRAM, "run", self.data, "--stop-with-stdin"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=ENVIRONMENT,
            )
        until(f"{self.name} answers", self.is_up)
        return self

    def is_up(self):
        assert self.node.poll() is None, f"{self.name} ended with {self.node.poll()}: {self.said()[-2000:]}"
        ran = dokuei("status", self.data, "--json", ok=False)
        return ran.returncode == 0 and json.loads(ran.stdout)["pid"] == self.node.pid

    def said(self):
        return self.log.read_text(errors="replace")

    def kill(self):
        """Ends the node without a word, as a power cut does."""
        self.node.send_signal(signal.SIGKILL)
        self.node.wait(DEADLINE)
        self.node = None

    def stop(self):
        if self.node is not None:
            self.node.stdin.close()
            try:
                ended = self.node.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
            self.node = None
            return ended

    def close(self):
        try:
            self.stop()
        finally:
            self.archive.close()

    def ask(self, *arguments):
        return json.loads(dokuei(*arguments, "--dir", self.data, "--json").stdout)

    def case(self, case):
        return self.ask("case", "show", case)

    def study(self, uid):
        found = [study for study in self.ask("study", "list") if study["uid"] == uid]
        return found[0] if found else None

    def reach(self, case, *phases, deadline=DEADLINE):
        def look():
            view = self.case(case)
            look.seen = view["phase"], view["waiting"]["en"]
            return view if view["phase"] in phases else None

        try:
            return until(f"{self.name}: case {phases}", look, deadline)
        except AssertionError as late:
            raise AssertionError(f"{late}; case is {look.seen}; log: {self.said()[-1500:]}") from None

    def sign(self, case, status, text, ok=True):
        words = ["--status", status, "--reader", READER, "--text", text, "--passphrase-file", self.home / "reader"]
        return dokuei("report", "sign", case, *words, "--dir", self.data, ok=ok)


READER = "架空 読影"


def pair(clinic, hospital):
    code = hospital.ask("partner", "invite")["code"]
    clinic.ask("partner", "accept", code)
    (hospital.home / "reader").write_text("a-passphrase-of-tests\n")
    hospital.ask("person", "add", "--name", READER, "--licence", "1", "--passphrase-file", hospital.home / "reader")
    until("the hospital's capacity", lambda: is_ready(clinic))
    until("the clinic's key", lambda: hospital.ask("partner", "list")[0]["key_to_seal_for"])


def is_ready(clinic):
    partner = clinic.ask("partner", "list")[0]
    return partner["connected"] and partner["key_to_seal_for"] and partner["capacity"] and partner["agreement"]


def hand_over(clinic, hospital, uid):
    """Asks the hospital to read a study; answers the case."""
    sent = clinic.ask("study", "send", uid, "--to", hospital.name, "--priority", "urgent", "--now")
    return sent["cases"][0]["case"]
