"""A sealed case that is carried on a medium while the line is down."""

from modality import send
from studies import Study
from world import dokuei, hand_over, one_sentence, until


def cut_off(clinic, hospital):
    """A study whose transfer was cut short, and its case: the hospital's node ends while it fetches."""
    for _ in range(5):
        study = Study(count=24, side=1024, name="CARRIED^CANARY")
        assert send(clinic, study.objects) == [0] * 24
        case = hand_over(clinic, hospital, study.uid)
        until("the key is granted", lambda: hospital.case(case)["phase"] in ("handing-over", "received"))
        hospital.kill()
        if clinic.case(case)["phase"] == "handing-over":
            return study, case
        hospital.start()
    raise AssertionError("every transfer was over before it could be cut")


def test_a_case_goes_on_by_a_medium_and_the_receipt_comes_when_the_line_is_up(sites, tmp_path):
    clinic, hospital = sites
    study, case = cut_off(clinic, hospital)
    stick = tmp_path / "stick"
    assert clinic.ask("case", "export", case, stick)["objects"] == 24
    [line] = [line for line in clinic.said().splitlines() if "a sealed case was written to a medium" in line]
    assert "uid:" in line
    one_sentence(dokuei("case", "export", case, stick, "--dir", clinic.data, ok=False))
    clinic.stop()
    # Ciphertext and signed documents: nothing readable.
    for file in stick.iterdir():
        data = file.read_bytes()
        assert b"CANARY" not in data and study.uid.encode() not in data
    hospital.start()
    assert hospital.ask("media", "import", stick)["case"] == case
    # The study is whole and in the archive before the line is up.
    until("the study in the archive", lambda: study.delivered_to(hospital.archive))
    until("nothing is left of the medium", lambda: not [path for path in hospital.data.rglob("carried/*")])
    clinic.start()
    clinic.reach(case, "received")
    # Once is enough, and it is for the hospital alone.
    one_sentence(dokuei("media", "import", stick, "--dir", hospital.data, ok=False))
    assert "for another site" in one_sentence(dokuei("media", "import", stick, "--dir", clinic.data, ok=False))


def test_what_is_not_on_its_way_is_not_carried(sites, tmp_path):
    clinic, hospital = sites
    study = Study(count=1)
    assert send(clinic, study.objects) == [0]
    case = hand_over(clinic, hospital, study.uid)
    clinic.reach(case, "received")
    one_sentence(dokuei("case", "export", case, tmp_path / "late", "--dir", clinic.data, ok=False))
    assert not (tmp_path / "late").exists()


def test_a_damaged_medium_does_no_harm(sites, tmp_path):
    clinic, hospital = sites
    folder = tmp_path / "stick"
    folder.mkdir()
    (folder / "dokuei-case").write_bytes(b"dokuei-case-1\n" + b"\xff" * 1000)
    ran = dokuei("media", "import", folder, "--dir", hospital.data, ok=False)
    assert "not recognisable as DICOM" in ran.stdout
