"""A planted patient is found where patients belong, and nowhere else: in no file, no log, no packet."""

import contextlib
import socket
import struct
import threading
from dataclasses import replace

import pytest
from conftest import two_sites
from modality import Modality, send
from studies import Study
from world import ENVIRONMENT, hand_over, until

ASCII = ["CANARYQUEEN", "ZEBRAFINCH", "CANARY-ID-7731", "19010203", "CANARYACCESSION", "CANARY DESCRIBED"]
# Three ideographs or more: what has six bytes is not found by chance in what is encrypted.
JAPANESE = ["鶯谷原", "雀之助", "うぐいすばら", "ｳｸﾞｲｽﾊﾞﾗ", "丂丄丅"]
IDENTITY = {
    "PatientID": "CANARY-ID-7731",
    "PatientBirthDate": "19010203",
    "AccessionNumber": "CANARYACCESSION",
    "StudyDescription": "CANARY DESCRIBED",
}
LATIN = "CANARYQUEEN^ZEBRAFINCH"
# Character sets, the name written in them, and what only they make of it (PS3.5 annex H).
REPERTOIRES = [
    (["", "ISO 2022 IR 87"], f"{LATIN}=鶯谷原^雀之助=うぐいすばら", b"rtC+86"),
    (["ISO 2022 IR 13", "ISO 2022 IR 87"], "ｳｸﾞｲｽﾊﾞﾗ^CANARYQUEEN=鶯谷原^雀之助=うぐいすばら", "ｳｸﾞｲｽﾊﾞﾗ".encode("shift_jis")),
    (["", "ISO 2022 IR 87", "ISO 2022 IR 159"], f"{LATIN}=丂丄丅^雀之助", b'0!0"0#'),
    ("ISO_IR 192", f"{LATIN}=鶯谷原^雀之助=うぐいすばら", "鶯谷原".encode()),
]
ENCODINGS = ("utf-8", "utf-16-le", "utf-16-be", "iso2022_jp", "iso2022_jp_2", "shift_jis", "euc_jp", "unicode_escape")
ESCAPES = (b"\x1b$B", b"\x1b$(D", b"\x1b(B")


def spellings():
    for word in ASCII + JAPANESE:
        yield "".join(f"\\u{{{ord(letter):x}}}" for letter in word).encode()
        for encoding in ENCODINGS:
            with contextlib.suppress(UnicodeEncodeError):
                raw = word.encode(encoding)
                # Without the escapes around it: they may stand elsewhere.
                for escape in ESCAPES:
                    raw = raw.removeprefix(escape).removesuffix(escape)
                yield raw
    for word in JAPANESE:
        with contextlib.suppress(UnicodeEncodeError):
            # EUC's third set is JIS X 0212, as ISO 2022 IR 159 writes it in seven bits.
            yield bytes(byte & 0x7F for byte in word.encode("euc_jp") if byte != 0x8F)


CANARIES = sorted({raw for raw in spellings() if len(raw) >= 6})


def found_in(raw):
    return [canary for canary in CANARIES if canary in raw]


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


@contextlib.contextmanager
def tapped():
    try:
        tap = Tap()
    except PermissionError:
        yield None
        return
    try:
        yield tap
    finally:
        tap.close()


def loop(sites, study, text):
    clinic, hospital = sites
    assert send(clinic, study.objects) == [0] * len(study.objects)
    case = hand_over(clinic, hospital, study.uid)
    clinic.reach(case, "received")
    until("the hospital's archive has it", lambda: study.delivered_to(hospital.archive))
    hospital.sign(case, "preliminary", text)
    hospital.sign(case, "final", text)
    clinic.reach(case, "delivered")


def trouble(sites, place):
    """What goes wrong says so without the patient: a name in file names, a broken file, an object cut short."""
    clinic, hospital = sites
    study = Study(count=2, name=LATIN, charset="ISO_IR 192", **IDENTITY)
    folder = study.write(place / f"{LATIN} 鶯谷原雀之助")
    (folder / "CANARYQUEEN.dcm").write_bytes((folder / "0.dcm").read_bytes()[:2000])
    answer = clinic.ask("study", "send", folder, "--to", hospital.name, "--despite-skipped")
    assert len(answer["cases"]) == 1 and len(answer["imported"]["skipped"]) == 1
    clinic.reach(answer["cases"][0]["case"], "received")
    one = study.objects[0]
    (status,) = send(clinic, [replace(one, data=one.data[:-100])])
    assert status == 0xC000
    modality = Modality(clinic, [(one.sop_class, one.transfer_syntax)], calling="CUT SHORT")
    modality.message(1, 0, one.data[:4000])
    modality.socket.close()


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """Two sites that wrote down everything they ever write down, after whole loops and some trouble; and the tap."""
    place = tmp_path_factory.mktemp("canary")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ENVIRONMENT, "DOKUEI_LOG", "debug,dokuei=trace")
        with two_sites(place) as sites, tapped() as tap:
            studies = [Study(name=name, charset=charset, **IDENTITY) for charset, name, _ in REPERTOIRES]
            for study in studies:
                loop(sites, study, "鶯谷原雀之助 CANARYQUEEN: no abnormality.")
            trouble(sites, place)
            yield sites, studies, tap


def test_the_canaries_are_where_they_belong(told):
    (clinic, hospital), studies, _ = told
    for study, (_, _, own) in zip(studies, REPERTOIRES, strict=True):
        planted = found_in(study.objects[0].data)
        assert own in planted, planted
        assert {word.encode() for word in ASCII if word != "ZEBRAFINCH"} <= set(planted), planted
    for study in studies:
        for site in (clinic, hospital):
            assert "雀之助" in site.study(study.uid)["patient_name"]
    reports = [data for _, data in clinic.archive.objects.values()]
    assert len(reports) == 2 * len(studies) and all(found_in(data) for data in reports)


def test_no_patient_at_rest_or_in_a_log(told):
    (clinic, hospital), _, _ = told
    sites = (clinic, hospital)
    look(sites)
    for site in sites:
        site.kill()
        site.start()
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
        assert "DEBUG" in site.said()
        for path in [*files, site.log]:
            found = found_in(path.read_bytes()) + found_in(str(path.relative_to(site.home)).encode())
            assert not found, f"{path} holds {found}"


def test_no_patient_on_the_wire(told):
    (clinic, hospital), _, tap = told
    if tap is None:
        pytest.skip("a raw socket needs root")
    # The tap hears: what the modality sends is DICOM, in the open.
    for port in (clinic.dicom, hospital.archive.port, clinic.archive.port):
        assert found_in(tap.ports[port])
    # The two are connected once, whoever called whom: one of their ports has heard it all.
    heard = [bytes(tap.ports.get(port, b"")) for port in (clinic.network, hospital.network)]
    assert max(map(len, heard)) > 4 * 3 * 2 * 64 * 64, "the transfers were not heard"
    assert not any(map(found_in, heard))
