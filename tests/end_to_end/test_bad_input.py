"""Broken and hostile files and bytes: each is refused or carried as it is, and the node lives on."""

import contextlib
import json
import re
import socket
from pathlib import Path

import pytest
from modality import HungUp, object_of, send
from studies import Study
from world import ROOT, dokuei

DATA = ROOT / "node" / "tests" / "data" / "dicom"
FILES = sorted(path for folder in ("hostile", "broken") for path in (DATA / folder).iterdir() if path.name != "NOTICE")
# Failures that PS3.4 section B.2.3 gives C-STORE, and success.
ANSWERS = {0x0000} | {*range(0xA700, 0xA800)} | {*range(0xA900, 0xAA00)} | {*range(0xC000, 0xD000)} | {0x0106, 0x0110, 0x0117, 0x0122}
MEMORY = 256 * 1024 * 1024
# What one bad file may cost beyond what the node held before.
FILE_MEMORY = 64 * 1024 * 1024


@pytest.fixture(scope="module")
def node(loop):
    return loop[0]


@contextlib.contextmanager
def cheaply(node):
    """The node's peak of resident memory stays close to what it was (proc(5): `clear_refs` 5 resets the peak)."""
    process = Path("/proc") / str(node.node.pid)
    (process / "clear_refs").write_text("5")
    before = resident(process, "VmRSS")
    yield
    cost = resident(process, "VmHWM") - before
    print(f"peak: {cost / 2**20:.1f} MiB")
    assert cost <= FILE_MEMORY, cost


def resident(process, field):
    return int(re.search(rf"{field}:\s+(\d+) kB", (process / "status").read_text())[1]) * 1024


def lives(node):
    status = node.ask("status")
    assert status["memory_bytes"] < MEMORY, status["memory_bytes"]
    assert isinstance(node.ask("study", "list"), list)
    # What a peer sent names no file: names are digests and slot numbers.
    for path in (node.data / "parcels").rglob("*"):
        assert re.fullmatch(r"[0-9a-f]+(\.[a-z]+)?", path.name), path
    assert not list(node.home.parent.glob("**/evil*"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
@pytest.mark.timeout(60)
def test_a_bad_file_by_c_store(node, path):
    with cheaply(node):
        (status,) = send(node, [object_of(path)])
    assert status in ANSWERS or status in (None, HungUp), status
    lives(node)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
@pytest.mark.timeout(60)
def test_a_bad_file_from_a_folder(node, path):
    with cheaply(node):
        ran = dokuei("study", "import", path, "--dir", node.data, "--json", ok=False)
    assert ran.returncode in (0, 1), ran
    assert "panicked" not in ran.stderr
    if ran.returncode == 0:
        imported = node.ask("study", "import", path)
        assert imported["taken"] + len(imported["skipped"]) == 1, imported
        for skipped in imported["skipped"]:
            assert skipped["why"]["ja"] and skipped["why"]["en"]
    lives(node)


@pytest.mark.parametrize("path", sorted((DATA / "pdu").glob("*.bin")), ids=lambda path: path.name)
@pytest.mark.timeout(120)
def test_bad_bytes_on_the_dicom_port(node, path):
    with cheaply(node), socket.create_connection(("127.0.0.1", node.dicom), 60) as peer:
        peer.sendall(path.read_bytes())
        peer.shutdown(socket.SHUT_WR)
        try:
            while peer.recv(4096):
                pass
        except OSError:
            pass
    lives(node)


@pytest.mark.parametrize("port", ["network", "control"])
def test_noise_on_the_other_ports(node, port):
    if port == "network":
        address = ("127.0.0.1", node.network)
    else:
        host, number = json.loads((node.data / "control.json").read_text())["address"].rsplit(":", 1)
        address = (host, int(number))
    for noise in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", bytes(range(256)) * 64, b'{"token":"wrong","request":"status"}\n'):
        with socket.create_connection(address, 60) as peer:
            try:
                peer.sendall(noise)
                peer.shutdown(socket.SHUT_WR)
                while answer := peer.recv(4096):
                    assert b'"done"' not in answer.lower()
            except OSError:
                pass
    lives(node)


def test_good_objects_are_taken_after_all_that(node):
    study = Study(name="AFTER^ALL")
    assert send(node, study.objects) == [0] * 3
    assert node.study(study.uid)["objects"] == 3
