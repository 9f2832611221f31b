"""Broken and hostile files and bytes: each is refused or carried as it is, and the node lives on."""

import contextlib
import os
import re
import socket
import struct
import time

import pytest
from modality import Modality, object_of, pdu, send, store_command
from studies import Study
from world import ROOT, control, dokuei, one_sentence, until

DATA = ROOT / "node" / "tests" / "data" / "dicom"
FILES = sorted(path for folder in ("hostile", "broken") for path in (DATA / folder).iterdir() if path.name != "NOTICE")
MEMORY = 256 * 1024 * 1024
# What one file may cost the node: processor time, which no other program's load changes, and memory at its peak.
SECONDS = 1
KIBIBYTES = 64 * 1024

# C-STORE statuses (PS3.4 section B.2.3) with the reason in the operator's line. Files that name no object of their own
# are announced as a CT image with a new UID: what scans well then is not the announced object.
TAKEN = (0x0000, None)
OTHER_OBJECT = (0xA900, "A900|not the announced|mismatch")
MALFORMED = 0xC000
MISSING = "identity-missing"
INVALID = "identity-invalid"
NO_DICOM = "not recognisable as DICOM"
BY_C_STORE = {
    "CTImageStorage_bad_meta.dcm": TAKEN,
    "JPEG2000-embedded-sequence-delimiter.dcm": TAKEN,
    "MR_small_padded.dcm": TAKEN,
    "explicit_VR-UN.dcm": TAKEN,
    "OT-PAL-8-face.dcm": OTHER_OBJECT,
    "badVR.dcm": OTHER_OBJECT,
    "ExplVR_BigEndNoMeta.dcm": (MALFORMED, "truncated"),
    "ExplVR_LitEndNoMeta.dcm": (MALFORMED, "identity-too-long"),
    "JLSN_RGB_ILV0.dcm": (MALFORMED, "reserved-group"),
    "MR_truncated.dcm": (MALFORMED, "truncated"),
    "UN_sequence.dcm": (MALFORMED, MISSING),
    "bad_sequence.dcm": (MALFORMED, INVALID),
    "emri_small_jpeg_2k_lossless_too_short.dcm": (MALFORMED, "truncated"),
    "meta_missing_tsyntax.dcm": (MALFORMED, MISSING),
    "nested_priv_SQ.dcm": (MALFORMED, MISSING),
    "no_meta.dcm": (MALFORMED, "truncated"),
    "no_meta_group_length.dcm": (MALFORMED, MISSING),
    "priv_SQ.dcm": (MALFORMED, MISSING),
    "rtplan_truncated.dcm": (MALFORMED, "truncated"),
    "zipMR.gz": (MALFORMED, "truncated"),
    "deflate_bomb_1000MiB_1MB.dcm": (MALFORMED, "inflate-ratio"),
    "frag_4GB_accepted_silently.dcm": (MALFORMED, "truncated"),
    "len_1GB_UT.dcm": (MALFORMED, "truncated"),
    "len_4GB_252_bytes.dcm": (MALFORMED, "identity-too-long"),
    "len_max_minus1.dcm": (MALFORMED, "identity-too-long"),
    "nest_10000_overflow_8MiB_stack.dcm": (MALFORMED, "too-deep"),
    "nest_2000_overflow_2MiB_stack.dcm": (MALFORMED, "too-deep"),
    "nest_64_ok.dcm": (MALFORMED, MISSING),
    "rows_65535_no_pixels.dcm": (MALFORMED, "pixel-description"),
    "uid_uid_empty.dcm": (MALFORMED, MISSING),
    **{f"preamble_{kind}.dcm": (MALFORMED, MISSING) for kind in ("elf", "html", "pe_mz", "script")},
    "rows_as_UL.dcm": (MALFORMED, MISSING),
    **{f"uid_path_{kind}.dcm": (MALFORMED, INVALID) for kind in ("abs", "dotdot", "nul", "win")},
    **{f"uid_uid_{kind}.dcm": (MALFORMED, INVALID) for kind in ("65_chars", "dev")},
}
# Where the file says more than the bytes that a modality sends, or less: its length is known, and what it is.
BY_FILE = {
    **{name: reason for name, (_, reason) in BY_C_STORE.items()},
    "OT-PAL-8-face.dcm": None,
    "badVR.dcm": None,
    "ExplVR_LitEndNoMeta.dcm": None,
    "JLSN_RGB_ILV0.dcm": MISSING,
    "ExplVR_BigEndNoMeta.dcm": NO_DICOM,
    "no_meta.dcm": NO_DICOM,
    "zipMR.gz": NO_DICOM,
    "meta_missing_tsyntax.dcm": "transfer-syntax-missing",
    **{f"{name}.dcm": "length-beyond-end" for name in ("MR_truncated", "rtplan_truncated", "frag_4GB_accepted_silently")},
    **{f"{name}.dcm": "length-beyond-end" for name in ("len_1GB_UT", "len_4GB_252_bytes", "len_max_minus1")},
}


@pytest.fixture(scope="module")
def node(loop):
    return loop[0]


def lives(node):
    status = node.ask("status")
    assert status["memory_bytes"] < MEMORY, status["memory_bytes"]
    assert isinstance(node.ask("study", "list"), list)
    # What a peer sent names no file: names are digests, slot numbers, and those of headers with a series' number.
    for path in (node.data / "parcels").rglob("*"):
        assert re.fullmatch(r"[0-9a-f]+(\.[a-z]+)?|(headers|metadata)-2-[0-9]+", path.name), path
    assert not list(node.home.parent.glob("**/evil*"))


def memory_of(process, field):
    with open(f"/proc/{process}/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(field))


def processor_seconds(process):
    with open(f"/proc/{process}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def bounded(node):
    """What happens inside costs the node little. The peak is counted from here on, where the system lets us."""
    process = node.node.pid
    with contextlib.suppress(PermissionError), open(f"/proc/{process}/clear_refs", "w") as peak:
        peak.write("5")
    memory, seconds = memory_of(process, "VmRSS"), processor_seconds(process)
    yield
    assert processor_seconds(process) - seconds < SECONDS
    grown = memory_of(process, "VmHWM") - memory
    assert grown < KIBIBYTES, f"{grown} KiB"


def test_every_bad_file_has_its_answer():
    assert {path.name for path in FILES} == set(BY_C_STORE) == set(BY_FILE)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
@pytest.mark.timeout(60)
def test_a_bad_file_by_c_store(node, path):
    expected, reason = BY_C_STORE[path.name]
    said = len(node.said())
    with bounded(node):
        (status,) = send(node, [object_of(path)])
    assert status == expected
    if reason is not None:
        lines = until("a line in the log", lambda: [line for line in node.said()[said:].splitlines() if re.search(reason, line)])
        assert len(lines) == 1, lines
        assert "WARN" in lines[0]
    lives(node)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
@pytest.mark.timeout(60)
def test_a_bad_file_by_study_send(loop, path):
    node, hospital = loop
    reason = BY_FILE[path.name]
    known = {view["case"] for view in node.ask("case", "list")}
    with bounded(node):
        ran = dokuei("study", "send", path, "--to", hospital.name, "--dir", node.data, "--json", ok=False)
    assert "panicked" not in ran.stderr
    opened = {view["case"] for view in node.ask("case", "list")} - known
    if reason is None:
        assert ran.returncode == 0 and len(opened) == 1, ran
    else:
        assert one_sentence(ran)
        # One line names the file and says what was wrong with it.
        (line,) = [line for line in (ran.stdout + ran.stderr).splitlines() if reason in line and '"ja"' not in line]
        assert str(path) in ran.stdout + ran.stderr, ran
        assert not opened, line
    lives(node)


@pytest.mark.timeout(150)
def test_slow_peers_are_cut_at_the_stated_limits(node):
    """Silence and trickles on the ports for modalities and partners, against the limits a node runs with. Each limit by
    itself is tested with shorter ones in node/tests/dimse_peers and node/tests/network_loopback."""
    silent = socket.create_connection(("127.0.0.1", node.dicom))
    begun = socket.create_connection(("127.0.0.1", node.dicom))
    begun.sendall(b"\1\0\0\0\0\x80")
    stranger = socket.create_connection(("127.0.0.1", node.network))
    one = Study(count=1).objects[0]
    trickling = Modality(node, [(one.sop_class, one.transfer_syntax)])
    trickling.message(1, 1, store_command(one, 1))
    trickling.socket.sendall(pdu(4, struct.pack(">IBB", len(one.data) + 2, 1, 2) + one.data)[:100])
    peers = [silent, begun, stranger, trickling.socket]
    for peer in peers:
        peer.setblocking(False)

    def all_cut():
        with contextlib.suppress(OSError):
            trickling.socket.send(b"\0")
        peers[:] = [peer for peer in peers if not is_cut(peer)]
        time.sleep(0.2)
        return not peers

    until("every slow peer is cut", all_cut)
    lives(node)


def is_cut(peer):
    """Whether the other side closed the connection; an abort or reset may come first."""
    try:
        while peer.recv(4096):
            pass
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


@pytest.mark.parametrize("path", sorted((DATA / "pdu").glob("*.bin")), ids=lambda path: path.name)
@pytest.mark.timeout(120)
def test_bad_bytes_on_the_dicom_port(node, path):
    with socket.create_connection(("127.0.0.1", node.dicom), 60) as peer:
        peer.sendall(path.read_bytes())
        peer.shutdown(socket.SHUT_WR)
        try:
            while peer.recv(4096):
                pass
        except OSError:
            pass
    lives(node)


@pytest.mark.parametrize("place", ["network", "control"])
def test_noise_elsewhere(node, place):
    reach = {"network": lambda: socket.create_connection(("127.0.0.1", node.network), 60), "control": lambda: control(node)}
    for noise in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", bytes(range(256)) * 64, b'{"token":"wrong","request":"status"}\n'):
        with reach[place]() as peer:
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
