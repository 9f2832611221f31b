"""What is said of a report that is shown or verified: no more, and no less, than is known."""

import json

import pytest
from modality import send
from studies import Study
from world import READER, dokuei, hand_over, one_sentence, until


@pytest.fixture(scope="module")
def retracted(loop, tmp_path_factory):
    """A case with a final, a corrected and a retracting version, and its images."""
    clinic, hospital = loop
    study = Study(count=2, name="RETRACTED^REPORT")
    assert send(clinic, study.objects) == [0] * 2
    case = hand_over(clinic, hospital, study.uid)
    clinic.reach(case, "received")
    hospital.sign(case, "final", "The first text.")
    words = ["--reader", READER, "--passphrase-file", hospital.home / "reader", "--dir", hospital.data]
    for status in ("corrected", "retracted"):
        dokuei("report", "addendum", case, "--status", status, "--text", f"The {status} text.", *words)
    delivered = lambda: [one["reception"] for one in clinic.case(case)["reports"]] == ["delivered"] * 3
    until("all versions are at the clinic", delivered)
    return case, study.write(tmp_path_factory.mktemp("retracted") / "images")


def test_a_version_that_no_longer_counts_says_so_first(loop, retracted):
    case, _ = retracted
    for site in loop:
        for version in ("1", "2"):
            first = dokuei("report", "show", case, "--version", version, "--dir", site.data).stdout.splitlines()[0]
            assert first.startswith("✗ RETRACTED by version 3 on 2"), first
        said = dokuei("report", "show", case, "--dir", site.data).stdout
        assert said.startswith("✓ Authentic") and "takes all earlier ones back" in said, said
    shown = loop[0].ask("report", "show", case, "--version", "1")
    assert shown["text"] == "The first text." and shown["overtaken"]["code"] == "retracted"
    assert shown["overtaken"]["version"] == 3 and shown["overtaken"]["at"]
    assert loop[0].ask("report", "show", case)["overtaken"] is None


def test_a_replaced_version_names_the_one_that_counts(loop):
    clinic, hospital = loop
    study = Study(count=1, name="CORRECTED^REPORT")
    assert send(clinic, study.objects) == [0]
    case = hand_over(clinic, hospital, study.uid)
    clinic.reach(case, "received")
    hospital.sign(case, "final", "One.")
    words = ["--reader", READER, "--passphrase-file", hospital.home / "reader", "--dir", hospital.data]
    dokuei("report", "addendum", case, "--status", "corrected", "--text", "Two.", *words)
    dokuei("report", "addendum", case, "--text", "Three.", *words)
    said = dokuei("report", "show", case, "--version", "1", "--dir", hospital.data).stdout
    assert said.startswith("✗ REPLACED by version 2 (corrected)"), said
    said = dokuei("report", "show", case, "--version", "2", "--dir", hospital.data).stdout
    assert said.startswith("· Version 3 (addendum) adds to this one"), said


def test_a_file_says_what_it_cannot_know(loop, retracted, tmp_path):
    case, images = retracted
    bundle = tmp_path / "one.bundle"
    words = ["report", "show", case, "--version", "1", "--save", bundle, "--dir", loop[0].data]
    assert str(bundle) in dokuei(*words).stdout
    assert bundle.stat().st_mode & 0o777 == 0o600
    assert "--force" in one_sentence(dokuei(*words, ok=False))
    dokuei(*words, "--force")
    said = dokuei("report", "verify", bundle).stdout
    assert "version 1 (final)" in said and "cannot be seen from the file" in said, said
    assert "exactly those" in dokuei("report", "verify", bundle, "--images", images).stdout
    one = sorted(images.rglob("*.dcm"))[0] if images.is_dir() else images
    ran = dokuei("report", "verify", bundle, "--images", one, ok=False)
    assert ran.returncode == 1 and ran.stdout.startswith("✗ Authentic, but NOT for these images"), ran.stdout
    assert "Missing: 1, extra: 0" in ran.stdout and "✓" not in ran.stdout, ran.stdout
    answer = json.loads(dokuei("report", "verify", bundle, "--images", one, "--json", ok=False).stdout)
    assert not answer["unchanged"]


def test_a_pdf_alone_is_no_report(loop, retracted, tmp_path):
    case, _ = retracted
    pdf = tmp_path / "report.pdf"
    dokuei("report", "show", case, "--pdf", pdf, "--dir", loop[0].data)
    ran = dokuei("report", "verify", pdf, ok=False)
    assert ran.returncode == 1 and "carries no signature" in ran.stdout, ran.stdout


def test_the_site_that_asked_signs_nothing(loop, retracted):
    case, _ = retracted
    secret = loop[1].home / "reader"
    words = ["--reader", READER, "--text", "Ours.", "--passphrase-file", secret, "--dir", loop[0].data]
    assert "asked for the reading" in one_sentence(dokuei("report", "sign", case, *words, ok=False))
