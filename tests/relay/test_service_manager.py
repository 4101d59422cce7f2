"""What systemd hears: ready, alive, ending; and nothing where nobody listens."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from relay.service_manager import READY, alive_every_s, notify, sign_of_life


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listening.bind(str(tmp_path / "notify"))
    listening.settimeout(5)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    return listening


def test_a_manager_hears_what_is_said(manager: socket.socket) -> None:
    with manager:
        notify(READY)
        assert manager.recv(100) == b"READY=1"


def test_an_abstract_name_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"forwarder-test-{os.getpid()}"
    monkeypatch.setenv("NOTIFY_SOCKET", "@" + name)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0" + name)
        listening.settimeout(5)
        notify(READY)
        assert listening.recv(100) == b"READY=1"


def test_a_manager_that_is_gone_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    notify(READY)
    assert "systemd could not be told READY=1" in caplog.text
    monkeypatch.delenv("NOTIFY_SOCKET")
    caplog.clear()
    notify(READY)
    assert not caplog.text


@pytest.mark.parametrize(
    ("usec", "pid", "every_s"),
    [
        ("60000000", None, 30.0),
        # Its number is in no test's name: those that run beside each other must collect the same.
        pytest.param("60000000", str(os.getpid()), 30.0, id="this process"),
        ("60000000", "1", None),  # the one who is watched is another process
        ("0", None, None),
        ("", None, None),
        ("soon", None, None),
    ],
)
def test_signs_of_life_come_twice_as_often_as_they_are_wanted(
    usec: str, pid: str | None, every_s: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", usec)
    if pid is None:
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
    else:
        monkeypatch.setenv("WATCHDOG_PID", pid)
    assert alive_every_s() == every_s


async def test_the_loop_says_that_it_turns(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "20000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    with manager:
        life = asyncio.ensure_future(sign_of_life())
        try:
            for _ in range(3):
                assert await asyncio.to_thread(manager.recv, 100) == b"WATCHDOG=1"
        finally:
            life.cancel()
