"""Who may call over DICOM and where things go: registered by name, address and certificate, tried step by step."""

import json
import socket
import ssl
import subprocess

import pytest
from pynetdicom import AE
from world import ENVIRONMENT, PROGRAM, Site, dokuei, free_port, one_sentence, until

VERIFICATION = "1.2.840.10008.1.1"


@pytest.fixture
def site(tmp_path):
    site = Site(tmp_path, "架空診療所", "CLINIC")
    try:
        yield site
    finally:
        site.close()


def card(home, name):
    """A key and a certificate that signs itself, as a device has them; with its fingerprint."""
    certificate, key = home / f"{name}.pem", home / f"{name}.key"
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"]
    words = ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate]
    subprocess.run([*make, *words], check=True, capture_output=True)
    shown = ["openssl", "x509", "-noout", "-fingerprint", "-sha256", "-in", certificate]
    said = subprocess.run(shown, check=True, capture_output=True, text=True).stdout
    return certificate, key, said.strip().split("=")[1]


def client(trusted, own=None):
    context = ssl.create_default_context(cafile=str(trusted))
    if own:
        context.load_cert_chain(own[0], own[1])
    return context


def echo(site, title, port=None, tls=None, address="127.0.0.1"):
    """Whether a C-ECHO under this title, from this address, is answered with success."""
    entity = AE(title)
    entity.add_requested_context(VERIFICATION)
    entity.connection_timeout = entity.acse_timeout = entity.network_timeout = 30
    tls_args = (tls, "127.0.0.1") if tls else None
    association = entity.associate(
        "127.0.0.1", port or site.dicom, ae_title="CLINIC", tls_args=tls_args, bind_address=(address, 0)
    )
    if not association.is_established:
        return False
    status = association.send_c_echo()
    association.release()
    return bool(status) and status.Status == 0


def callers(site, *words, ok=True):
    return dokuei("dicom", "caller", *words, "--dir", site.data, ok=ok)


def test_on_the_first_day_the_house_may_send_and_then_only_who_is_registered(site):
    site.start()
    assert echo(site, "ANYBODY")
    assert "no DICOM caller is registered" in site.said()
    listed = site.ask("dicom", "caller", "list")
    assert listed == {"open_intake": True, "callers": []}
    callers(site, "add", "MR room 1", "--ae-title", "MR1", "--address", "127.0.0.1", "--may", "store,query", "--scope", "own")
    assert echo(site, "MR1")
    assert not echo(site, "ANYBODY") and not echo(site, "MR1", address="127.0.0.2")
    until("both reasons", lambda: "no caller with this AE title" in site.said() and "other addresses" in site.said())
    assert "why" in json.loads(callers(site, "test", "MR1", "127.0.0.2", "--json", ok=False).stdout)
    refused = callers(site, "test", "MR1", "127.0.0.2", ok=False)
    assert refused.returncode == 1 and "other addresses" in refused.stdout
    assert "MR room 1" in callers(site, "test", "MR1", "127.0.0.1").stdout
    assert "exists" not in one_sentence(callers(site, "add", "MR room 1", "--address", "127.0.0.9", ok=False))
    one_sentence(callers(site, "add", "second", "--ae-title", "MR1", "--address", "127.0.0.0/8", ok=False))
    site.stop()
    site.start()
    kept = site.ask("dicom", "caller", "list")["callers"]
    assert [(one["name"], one["addresses"], one["may"], one["scope"]) for one in kept] == [
        ("MR room 1", ["127.0.0.1/32"], ["store", "query"], {"kind": "own"})
    ]
    assert not echo(site, "ANYBODY")
    assert "the last caller" in one_sentence(callers(site, "remove", "MR room 1", ok=False))
    assert "No caller is registered" in callers(site, "remove", "MR room 1", "--despite-open-intake").stdout
    assert echo(site, "ANYBODY")


def test_a_device_is_known_by_its_certificate(site, tmp_path):
    made = site.ask("dicom", "certificate", "--host", "127.0.0.1")
    mine, other = card(tmp_path, "mine"), card(tmp_path, "other")
    assert oct((site.data / "keys" / "dicom-key.pem").stat().st_mode)[-3:] == "600"
    port = free_port()
    with open(site.data / "dokuei.toml", "a") as config:
        config.write(f'\n[dicom.tls]\nlisten = "127.0.0.1:{port}"\n')
    site.start()
    assert site.ask("status")["dicom"]["tls_port"] == port
    assert made["fingerprint"] in site.said()
    callers(site, "add", "CT1", "--address", "127.0.0.1", "--certificate", mine[2])
    node = made["certificate"]
    assert echo(site, "CT1", port, client(node, mine))
    assert not echo(site, "CT1", port, client(node, other))
    assert not echo(site, "CT1", port, client(node))
    assert not echo(site, "CT2", port, client(node, mine))
    assert not echo(site, "CT1", port, client(node, mine), address="127.0.0.2")
    assert not echo(site, "CT1")
    until("the other's fingerprint", lambda: other[2] in site.said())
    assert "use port" not in site.said()
    assert not echo(site, "CT1", site.dicom, client(node, mine))
    until("the right port", lambda: f"use port {port}" in site.said())
    old = client(node, mine)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    old.set_ciphers("AES256-SHA256:@SECLEVEL=0")
    assert not echo(site, "CT1", port, old)
    (site.data / "keys" / "dicom-key.pem").chmod(0o640)
    site.stop()
    assert "chmod 600" in one_sentence(dokuei("run", site.data, ok=False))


def serve(title, context=None, **settings):
    entity = AE(title)
    entity.add_supported_context(VERIFICATION)
    for name, value in settings.items():
        setattr(entity, name, value)
    port = free_port()
    return entity.start_server(("127.0.0.1", port), block=False, ssl_context=context), port


def add(site, name, port, *words):
    return site.ask("dicom", "destination", "add", name, "--host", "127.0.0.1", "--port", port, *words)


def tried(site, name):
    """The steps of a test: what passed, and what is said of the one that did not."""
    ran = dokuei("dicom", "destination", "test", name, "--dir", site.data, "--json", ok=False)
    shown = json.loads(ran.stdout)
    assert ran.returncode == (0 if shown["reached"] else 1)
    steps = shown["steps"]
    assert all(step["passed"] and step["ms"] >= 0 for step in steps[:-1])
    return [step["step"] for step in steps], (steps[-1]["why"] or {}).get("en")


def test_a_destination_is_tried_step_by_step(site, tmp_path):
    site.start()
    servers = []
    try:
        server, port = serve("PACS")
        servers.append(server)
        add(site, "PACS", port)
        assert tried(site, "PACS") == (["lookup", "connection", "association", "echo"], None)
        server, port = serve("PICKY", require_calling_aet=["SOMEBODY"])
        servers.append(server)
        add(site, "PICKY", port)
        steps, why = tried(site, "PICKY")
        assert steps[-1] == "association" and "AE title CLINIC" in why
        add(site, "NOWHERE", free_port(), "--attempts", "1")
        steps, why = tried(site, "NOWHERE")
        assert steps == ["lookup", "connection"] and "firewall" in why
        site.ask("dicom", "destination", "add", "LOST", "--host", "no-such-host.invalid", "--port", "104")
        steps, why = tried(site, "LOST")
        assert steps == ["lookup"] and "IP address" in why
        certificate, key, fingerprint = card(tmp_path, "archive")
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
        server, port = serve("SAFE", context)
        servers.append(server)
        add(site, "SAFE", port, "--tls-fingerprint", fingerprint)
        assert tried(site, "SAFE") == (["lookup", "connection", "tls", "association", "echo"], None)
        site.ask("dicom", "destination", "remove", "SAFE")
        add(site, "SAFE", port, "--tls-ca", certificate)
        assert tried(site, "SAFE")[1] is None
        site.ask("dicom", "destination", "remove", "SAFE")
        add(site, "SAFE", port, "--tls-fingerprint", fingerprint.replace(fingerprint[:2], "00"))
        steps, why = tried(site, "SAFE")
        assert steps[-1] == "tls" and fingerprint in why
        site.ask("dicom", "destination", "remove", "SAFE")
        add(site, "SAFE", port)
        steps, why = tried(site, "SAFE")
        assert steps[-1] == "association" and "TLS" in why
        listed = {one["name"]: one["attempts"] for one in site.ask("dicom", "destination", "list")}
        assert listed == {"LOST": 3, "NOWHERE": 1, "PACS": 3, "PICKY": 3, "SAFE": 3}
    finally:
        for server in servers:
            server.shutdown()


def test_a_destination_that_never_answers_holds_up_no_test_of_another(site):
    site.start()
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(8)
        add(site, "SILENT", silent.getsockname()[1])
        server, port = serve("PACS")
        try:
            add(site, "PACS", port)
            words = ["dicom", "destination", "test", "SILENT", "--dir", site.data, "--json"]
            waiting = subprocess.Popen([PROGRAM, *map(str, words)], stdout=subprocess.PIPE, env=ENVIRONMENT)
            assert tried(site, "PACS")[1] is None
            assert waiting.poll() is None
            waiting.terminate()
            waiting.wait()
        finally:
            server.shutdown()
