"""Whatever ends, the toys stop: measured by the trace of what reached the radio."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest
from buttplug import DeviceOutputCommand, OutputType

from tests.system.processes import House, Line, house, until
from tests.system.test_official_client import connect

ON, OFF = b"Vibrate:20;", b"Vibrate:0;"
LIMIT_MS = 1_000
FULL = DeviceOutputCommand(OutputType.VIBRATE, 1.0)


def stop_after(home: House, since_ns: int) -> Line | None:
    return next(
        (line for line in home.trace.lines() if line.t_ns >= since_ns and line.data == OFF), None
    )


async def off_ms(home: House, since_ns: int) -> float:
    """Milliseconds from `since_ns` to the write that switched the toy off."""
    await until(lambda: stop_after(home, since_ns) is not None, "the toy is off", 5.0)
    line = stop_after(home, since_ns)
    assert line is not None
    return (line.t_ns - since_ns) / 1e6


@pytest.mark.parametrize(
    ("victim", "number"),
    [
        ("hub", signal.SIGKILL),
        ("hub", signal.SIGTERM),
        ("hub", signal.SIGSTOP),
        ("relay", signal.SIGTERM),
        ("relay", signal.SIGINT),
    ],
)
async def test_a_process_that_ends_or_freezes_stops_the_toy(
    tmp_path: Path, victim: str, number: signal.Signals
) -> None:
    async with house(tmp_path, "Lovense Hush") as home:
        client = await connect(home.url, 1)
        await client.devices[0].run_output(FULL)
        on = await home.trace.until_write(ON)
        # Long enough that the lease has been renewed: it must not depend on how fresh it is.
        await asyncio.sleep(0.6)
        assert stop_after(home, on.t_ns) is None
        program = home.hub if victim == "hub" else home.relay
        assert program is not None
        assert await off_ms(home, program.send(number)) <= LIMIT_MS
        if number in (signal.SIGTERM, signal.SIGINT):
            assert await program.wait(3.0) == 0


async def test_a_client_that_vanishes_stops_its_toy(tmp_path: Path) -> None:
    async with house(tmp_path, "Lovense Hush") as home:
        client = await connect(home.url, 1)
        await client.devices[0].run_output(FULL)
        line = await home.trace.until_write(ON)
        connector = client._connector
        assert connector is not None
        assert connector._ws is not None
        connector._ws.transport.abort()
        assert await off_ms(home, line.t_ns) <= LIMIT_MS


async def test_a_hub_that_wakes_up_again_finds_its_device_off_and_leaves_it_so(
    tmp_path: Path,
) -> None:
    async with house(tmp_path, "Lovense Hush") as home:
        client = await connect(home.url, 1)
        await client.devices[0].run_output(FULL)
        await home.trace.until_write(ON)
        stopped = home.hub.send(signal.SIGSTOP)
        await off_ms(home, stopped)
        home.hub.send(signal.SIGCONT)
        await until(lambda: "was not heard for too long" in home.hub.text, "the news", 15.0)
        # What the client said last is not carried out again by itself.
        later = [line for line in home.trace.lines() if line.write and line.t_ns > stopped]
        assert {line.data for line in later} == {OFF}
