"""A node that is told to stop ends by itself, whoever is still connected to it, and leaves nothing behind."""

import signal
import socket

import pytest
from modality import Modality, pdu, store_command
from studies import Study
from world import DEADLINE, control, is_ready, until


def ends(site, how):
    """Tells a node to stop; it must end well by itself."""
    if how == "standard input":
        site.node.stdin.close()
    else:
        site.node.send_signal(how)
    assert site.node.wait(DEADLINE) == 0, site.said()[-2000:]
    site.node = None
    assert not (site.data / "control.sock").exists()
    assert "panicked" not in site.said()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, "standard input"], ids=str)
def test_whoever_is_connected(clinic, how):
    # A program that says nothing at each door, and a modality that goes quiet in the middle of an object.
    silent = [socket.create_connection(("127.0.0.1", port)) for port in (clinic.dicom, clinic.network)]
    silent.append(control(clinic))
    study = Study(count=2, side=256, name="STOP^NODE")
    one = study.objects[0]
    modality = Modality(clinic, [(one.sop_class, one.transfer_syntax)])
    assert modality.store(one) == 0
    modality.message(1, 1, store_command(study.objects[1], 2))
    modality.socket.sendall(pdu(4, study.objects[1].data[:100])[:50])
    ends(clinic, how)
    for connection in silent:
        connection.close()
    clinic.start()
    assert clinic.study(study.uid)["objects"] == 1


def test_a_partner_that_is_gone_is_not_waited_for(sites):
    clinic, hospital = sites
    hospital.kill()
    ends(clinic, signal.SIGTERM)
    hospital.start()
    clinic.start()
    until("connected again", lambda: is_ready(clinic))
