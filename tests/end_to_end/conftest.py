"""Sites for the tests. Each fixture ends what it started."""

import contextlib

import pytest

from world import PROGRAM, Site, pair

READS = ("CT", "MR")


def pytest_sessionstart(session):
    if not PROGRAM.is_file():
        pytest.exit(f"{PROGRAM} is not built; tests/run builds it", returncode=2)


@contextlib.contextmanager
def two_sites(place, quoting="automatic", retention=90, prepare=lambda hospital: None, clinic_reads=()):
    clinic = Site(place / "clinic", "架空診療所", "CLINIC", clinic_reads)
    hospital = Site(place / "hospital", "架空大学病院", "HOSPITAL", READS, quoting, retention)
    prepare(hospital)
    try:
        clinic.start()
        hospital.start()
        pair(clinic, hospital)
        yield clinic, hospital
        for site in (clinic, hospital):
            assert "panicked" not in site.said(), site.said()[-4000:]
    finally:
        try:
            clinic.close()
        finally:
            hospital.close()


@pytest.fixture
def sites(tmp_path):
    """A clinic and a hospital of this test's own, running and paired."""
    with two_sites(tmp_path) as both:
        yield both


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory):
    """A clinic, and a hospital whose people answer offers, shared by the tests of one file."""
    with two_sites(tmp_path_factory.mktemp("by-hand"), "by-hand") as both:
        yield both


@pytest.fixture(scope="module")
def loop(tmp_path_factory):
    """A clinic and a hospital shared by the tests of one file."""
    with two_sites(tmp_path_factory.mktemp("loop")) as both:
        yield both


@pytest.fixture
def clinic(tmp_path):
    """One running site without partners."""
    site = Site(tmp_path / "clinic", "架空診療所", "CLINIC")
    try:
        yield site.start()
    finally:
        site.close()
