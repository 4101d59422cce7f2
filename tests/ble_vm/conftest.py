"""The guest's tests need the machine, so that nothing else collects them."""

from __future__ import annotations

import os

import pytest

IN_THE_MACHINE = "FORWARDER_IN_BLE_VM"

collect_ignore = [] if os.environ.get(IN_THE_MACHINE) else ["guest"]


def pytest_configure(config: pytest.Config) -> None:
    if os.environ.get(IN_THE_MACHINE):
        # bleak keeps a connection to D-Bus per event loop, and each test has a loop of its own.
        ignored = "ignore:unclosed .*system_bus_socket:ResourceWarning"
        config.addinivalue_line("filterwarnings", ignored)
