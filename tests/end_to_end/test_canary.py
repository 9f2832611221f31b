"""A planted patient is found where patients belong, and nowhere else: in no file, no log, no packet."""

import socket
import struct
import threading

import pytest
from modality import send
from studies import Study
from world import hand_over, until

ASCII = ["CANARYQUEEN", "ZEBRAFINCH", "CANARY-ID-7731", "19010203"]
JAPANESE = ["鶯谷", "雀之助"]
CHARSET = ["", "ISO 2022 IR 87"]
NAME = "CANARYQUEEN^ZEBRAFINCH=鶯谷^雀之助"


def spellings():
    for word in ASCII + JAPANESE:
        for encoding in ("utf-8", "utf-16-le", "utf-16-be", "iso2022_jp", "shift_jis", "euc_jp"):
            raw = word.encode(encoding)
            # Without the escapes around it: they may stand elsewhere.
            yield raw.removeprefix(b"\x1b$B").removesuffix(b"\x1b(B")


CANARIES = sorted(set(spellings()))


def found_in(raw):
    return [canary for canary in CANARIES if canary in raw]


def test_no_patient_at_rest_or_in_a_log(sites):
    clinic, hospital = sites
    study = Study(name=NAME, charset=CHARSET, PatientID="CANARY-ID-7731", PatientBirthDate="19010203")
    assert found_in(study.objects[0].data)
    assert send(clinic, study.objects) == [0] * 3
    case = hand_over(clinic, hospital, study.uid)
    clinic.reach(case, "received")
    until("the hospital's archive has it", lambda: study.delivered_to(hospital.archive))
    hospital.sign(case, "final", "鶯谷雀之助 CANARYQUEEN: no abnormality.")
    clinic.reach(case, "delivered")
    for site in sites:
        assert "鶯谷" in site.study(study.uid)["patient_name"]
    reports = [data for _, data in clinic.archive.objects.values()]
    assert reports and all(b"CANARYQUEEN" in data for data in reports)
    look(sites)
    for site in sites:
        site.stop()
    look(sites)
    for site in sites:
        site.start()
    look(sites)


def look(sites):
    for site in sites:
        files = [path for path in site.data.rglob("*") if path.is_file()]
        assert len(files) > 4
        for path in [*files, site.log]:
            found = found_in(path.read_bytes()) + found_in(str(path).encode())
            assert not found, f"{path} holds {found}"


class Tap:
    """Everything that passes the loopback interface, by port. Needs the right to open a raw socket."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 26)
        self.socket.bind(("lo", 0))
        self.socket.settimeout(0.2)
        self.ports, self.ended = {}, threading.Event()
        self.thread = threading.Thread(target=self.listen)
        self.thread.start()

    def listen(self):
        while not self.ended.is_set():
            try:
                frame = self.socket.recv(1 << 17)
            except TimeoutError:
                continue
            header = 14 + 4 * (frame[14] & 15)
            if len(frame) > header + 8 and frame[23] in (6, 17):
                for port in struct.unpack_from(">HH", frame, header):
                    self.ports.setdefault(port, bytearray()).extend(frame[header:])

    def close(self):
        self.ended.set()
        self.thread.join()
        self.socket.close()


def test_no_patient_on_the_wire(sites):
    clinic, hospital = sites
    try:
        tap = Tap()
    except PermissionError:
        pytest.skip("a raw socket needs root")
    try:
        study = Study(name=NAME, charset=CHARSET, PatientID="CANARY-ID-7731", PatientBirthDate="19010203")
        assert send(clinic, study.objects) == [0] * 3
        case = hand_over(clinic, hospital, study.uid)
        clinic.reach(case, "received")
        until("the hospital's archive has it", lambda: study.delivered_to(hospital.archive))
        hospital.sign(case, "final", "鶯谷雀之助 CANARYQUEEN: no abnormality.")
        clinic.reach(case, "delivered")
    finally:
        tap.close()
    # The tap hears: what the modality sends is DICOM, in the open.
    assert found_in(tap.ports[clinic.dicom]) and found_in(tap.ports[hospital.archive.port])
    for port in (clinic.network, hospital.network):
        heard = tap.ports.get(port, b"")
        assert len(heard) > 3 * 2 * 64 * 64, "the transfer was not heard"
        assert not found_in(heard)
