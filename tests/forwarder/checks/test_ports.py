"""Who has a port."""

from __future__ import annotations

import os
import socket
import sys

import pytest

from forwarder.checks.ports import owner, ports
from forwarder.config import Clients, Config, Link
from relay.checks.findings import Mark


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")
def test_the_program_that_has_a_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"process {os.getpid()}" in owner(port)
        config = Config(clients=Clients(port=port), link=Link(port=0, https_port=0))
        (found,) = ports(config)
        assert found.mark is Mark.BAD
        assert f"process {os.getpid()}" in found.text
    assert owner(port) == ""
    # Looking has not taken it.
    assert [one.mark for one in ports(config)] == [Mark.GOOD]
    assert [one.mark for one in ports(config)] == [Mark.GOOD]
