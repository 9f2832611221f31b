"""Who may knock at the DICOM port: from where it is reached, and under which name it is called."""

import subprocess

import pytest
from world import DEADLINE, Site, dokuei, one_sentence


@pytest.fixture
def site(tmp_path):
    site = Site(tmp_path, "架空診療所", "CLINIC")
    try:
        yield site
    finally:
        site.close()


def change(site, old, new):
    config = site.data / "dokuei.toml"
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new))


def echo(site, called):
    words = ["echoscu", "-aet", "MODALITY", "-aec", called, "127.0.0.1", str(site.dicom)]
    return subprocess.run(words, capture_output=True, text=True, timeout=DEADLINE)


def test_an_address_that_is_reached_from_outside_must_be_meant(site):
    listen = f'listen = "127.0.0.1:{site.dicom}"'
    for everywhere in (f'listen = "0.0.0.0:{site.dicom}"', f'listen = "[::]:{site.dicom}"', f'listen = "203.0.113.7:{site.dicom}"'):
        change(site, listen, everywhere)
        said = one_sentence(dokuei("run", site.data, ok=False))
        assert "public = true" in said and "dicom.listen" in said
        change(site, everywhere, listen)
    change(site, listen, f'listen = "0.0.0.0:{site.dicom}"\npublic = true')
    site.start()
    assert echo(site, "CLINIC").returncode == 0
    assert "firewall" in site.said() and "firewall" in dokuei("status", site.data).stdout


def test_who_calls_another_name_is_rejected_only_where_that_is_asked_for(site):
    site.start()
    assert echo(site, "CLINIC").returncode == 0 and echo(site, "SOMEBODY").returncode == 0
    site.stop()
    change(site, 'ae_title = "CLINIC"', 'ae_title = "CLINIC"\ncalled_ae_check = true')
    site.start()
    assert echo(site, "CLINIC").returncode == 0
    refused = echo(site, "SOMEBODY")
    assert refused.returncode != 0 and "Called AE Title Not Recognized" in refused.stderr
    assert "called AE title" in site.said()
