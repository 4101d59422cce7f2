from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from relay.errors import UsageError
from relay.radio.base import RadioError
from relay.radio.trace import Trace, TracedRadio
from tests.doubles.clock import run_virtual
from tests.doubles.radio import SERVICES, PromptConnection, RecordingRadio, refused

WRITE_UUID, NOTIFY_UUID = (each.uuid for each in SERVICES[0].characteristics)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_operation_is_a_line_at_once(tmp_path: Path) -> None:
    path = tmp_path / "trace"

    async def main() -> None:
        radio = RecordingRadio()
        trace = Trace(path)
        traced = TracedRadio(radio, trace)
        got: list[bytes] = []
        connection = await traced.connect("AA", lambda reason: None)
        await connection.write(1, b"\x01\x02", True)
        assert lines(path)[-1]["data"] == "0102"
        await connection.write(1, b"\x03", False)
        await connection.read(2)
        await connection.subscribe(2, got.append)
        radio.connection.listeners[2](b"n")
        await connection.unsubscribe(2)
        await connection.disconnect()
        await connection.disconnect()
        assert got == [b"n"]
        assert connection.mtu == 23
        assert connection.services == SERVICES
        trace.close()

    before = time.monotonic_ns()
    run_virtual(main())
    found = lines(path)
    assert [each["op"] for each in found] == [
        "connect", "write", "write_no_response", "read", "subscribe", "notify", "unsubscribe",
        "disconnect",
    ]  # fmt: skip
    assert [each["data"] for each in found] == ["", "0102", "03", "", "", "6e", "", ""]
    uuids = ["", WRITE_UUID, WRITE_UUID, NOTIFY_UUID, NOTIFY_UUID, NOTIFY_UUID, NOTIFY_UUID, ""]
    assert [each["characteristic"] for each in found] == uuids
    assert all(set(e) == {"t_ns", "address", "characteristic", "op", "data"} for e in found)
    times = [each["t_ns"] for each in found]
    assert times == sorted(times)
    assert before <= times[0] <= times[-1] <= time.monotonic_ns()


def test_a_device_that_goes_by_itself_is_a_disconnect(tmp_path: Path) -> None:
    path = tmp_path / "trace"

    async def main() -> None:
        radio = RecordingRadio()
        reasons: list[str] = []
        await TracedRadio(radio, Trace(path)).connect("AA", reasons.append)
        assert radio.on_gone is not None
        radio.on_gone("out of range")
        assert reasons == ["out of range"]

    run_virtual(main())
    assert [each["op"] for each in lines(path)] == ["connect", "disconnect"]


def test_a_connect_that_fails_is_no_line(tmp_path: Path) -> None:
    async def main() -> None:
        radio = RecordingRadio()
        radio.refusal = refused()
        with pytest.raises(Exception, match="does not want to"):
            await TracedRadio(radio, Trace(tmp_path / "trace")).connect("AA", lambda _: None)

    run_virtual(main())
    assert lines(tmp_path / "trace") == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a disk that is always full")
def test_a_full_disk_costs_lines_and_no_operation(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        radio, trace = RecordingRadio(), Trace(Path("/dev/full"))
        connection = await TracedRadio(radio, trace).connect("AA", lambda _: None)
        await connection.write(1, b"\x00", True)
        assert radio.connection.written == [b"\x00"]
        trace.close()

    run_virtual(main())
    assert caplog.text.count("gaps") == 1


def test_a_file_that_cannot_be_written_is_said() -> None:
    with pytest.raises(UsageError, match="nowhere"):
        Trace(Path("nowhere/trace"))


def test_a_write_that_is_taken_at_once_is_one_line_and_one_that_is_not_none(tmp_path: Path) -> None:
    path = tmp_path / "trace"

    async def main() -> None:
        radio = RecordingRadio(PromptConnection())
        traced = TracedRadio(radio, Trace(path))
        connection = await traced.connect("AA", lambda reason: None)
        begun = time.monotonic_ns()
        assert connection.write_now(1, b"\x01", True)
        radio.connection.failures = [refused()]
        with pytest.raises(RadioError):
            connection.write_now(1, b"\x02", False)
        radio.connection.takes_s = 0.01
        assert not connection.write_now(1, b"\x03", False)
        written = [line for line in lines(path) if line["op"] != "connect"]
        assert [(line["op"], line["data"]) for line in written] == [
            ("write", "01"),
            ("write_no_response", "02"),
        ]
        assert all(begun <= line["t_ns"] <= time.monotonic_ns() for line in written)

    run_virtual(main())
