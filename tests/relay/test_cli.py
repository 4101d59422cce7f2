from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

import pytest

from relay.agent import Agent
from relay.cli import run
from relay.config import AgentConfig
from relay.debts.record import Record
from relay.link.messages import Advertisements, Connected, Packet, Scan, Stopped, Wearer
from relay.wearer.control import Control
from tests.doubles.linkhub import LinkHub
from tests.doubles.radio import RecordingRadio
from tests.doubles.relay_process import Hub, relay
from tests.doubles.tcode_network import UdpToy


def said(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on standard error."""
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "say what to do"),
        (["dance"], "'dance' is unknown; known are"),
        (["run", "--colour", "red"], "unknown here: --colour"),
        (["run", "--name"], "something has to follow it"),
    ],
)
def test_usage_errors_are_one_line_and_exit_code_two(
    arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as error:
        run(arguments)
    assert error.value.code == 2
    assert line in said(capsys)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["run"], "which hub?"),
        (["run", "--hub", "http://desk"], "looks like ws://HOST:12346"),
        (["run", "--hub", "ws://127.0.0.1:1", "--simulate", "Nothing Like It"], "no toy called"),
        (["run", "--hub", "ws://127.0.0.1:1", "--config", "nowhere.toml"], "nowhere.toml"),
        (["run", "--hub", "ws://127.0.0.1:1", "--trace", "no/where"], "no/where"),
        (["scan", "--simulate", "Nothing Like It"], "no toy called"),
        (["scan", "--serial", "/dev/ttyUSB0"], "is said as /dev/ttyUSB0=tcode"),
        (["scan", "--serial", "/a=tcode", "--serial", "/a=nobra"], "/a: this radio is named twice"),
        (["scan", "--simulate", "Hush", "--serial", "/a=tcode"], "are two relays"),
        (["scan", "--tcode", "tcode.local"], "is said as udp://tcode.local:8000"),
        (["scan", "--tcode", "udp://h", "--tcode", "udp://h"], "h: this radio is named twice"),
        (["scan", "--bluetooth", "hci0", "--bluetooth", "hci0"], "hci0: this radio is named twice"),
    ],
)
def test_what_a_user_can_put_right_is_one_line_and_exit_code_two(
    arguments: list[str], line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = [] if arguments[0] == "scan" else ["--state", str(tmp_path)]
    assert run([*arguments, *state]) == 2
    assert line in said(capsys)


@pytest.mark.parametrize("command", ["status", "pause", "resume", "stop", "forget Hush"])
def test_without_a_running_relay_that_is_said(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*command.split(), "--state", str(tmp_path)]) == 1
    assert "no relay is running" in said(capsys)


def test_scan_shows_what_is_in_range_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["scan", "--simulate", "Aneros Vivi,Lovense Hush", "--seconds", "0.3"]) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 2
    assert "Massage Demo  (Aneros Vivi)" in out
    assert err == "2 devices in range\n"


async def test_scan_says_of_each_radio_why_it_hears_nothing(tmp_path: Path) -> None:
    toy = UdpToy()
    await toy.plug()
    scan = ("scan", "--tcode", toy.url, "--serial", f"{tmp_path}/port=tcode", "--seconds", "2")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "relay", *scan, stdout=PIPE, stderr=PIPE
    )
    out, err = await process.communicate()
    await toy.pull()
    assert out.count(b"TCode L0") == 1
    assert b"There is no port" in err
    assert err.endswith(b"1 device in range\n")


# --- whole programs ----------------------------------------------------------------------------


def lines(trace: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in trace.read_text().splitlines()]


async def driven(hub: LinkHub) -> Packet:
    """Switch the first toy in range on; returns its stop."""
    await hub.hear(Wearer)
    hub.tell(Scan(True))
    address = (await hub.hear(Advertisements)).items[0].address
    connected = await hub.connect(1, address)
    assert isinstance(connected, Connected)
    tx = connected.services[0].characteristics[0].handle
    off = Packet(tx, b"\xf1\x00", keys=(1,))
    await hub.arm(1, off)
    await hub.output(1, Packet(tx, b"\xf1\x40", keys=(1,)))
    return off


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_every_device_first(number: signal.Signals, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    async with (
        Hub().listen() as hub,
        relay(hub, tmp_path, "--simulate", "Aneros Vivi", "--trace", str(trace)) as process,
    ):
        await driven(await hub.links.get())
        signalled = time.monotonic_ns()
        os.kill(process.pid, number)
        async with asyncio.timeout(10):
            code = await process.wait()
        took_s = (time.monotonic_ns() - signalled) / 1e9
        assert code == 0
        found = lines(trace)
        off = next(each for each in found if each["data"] == "f100")
        assert (off["t_ns"] - signalled) / 1e9 < 1
        assert found[-1]["op"] == "disconnect"
        assert took_s < 2.5
        assert process.stderr is not None
        log = (await process.stderr.read()).decode()
        assert "Traceback" not in log
        assert "everything is stopped" in log


async def test_the_user_signals_pause_and_resume(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    async with (
        Hub().listen() as hub,
        relay(hub, tmp_path, "--simulate", "Aneros Vivi", "--trace", str(trace)) as process,
    ):
        link = await hub.links.get()
        off = await driven(link)
        os.kill(process.pid, signal.SIGUSR1)
        await link.hear(Stopped)
        await link.wait(lambda: Wearer(paused=True) in link.heard)
        assert lines(trace)[-1]["data"] == "f100"
        os.kill(process.pid, signal.SIGUSR2)
        await link.wait(lambda: link.heard.count(Wearer()) == 2)
        await link.arm(1, off)


async def test_the_wearers_commands_reach_the_running_relay(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with Hub().listen() as hub, relay(hub, tmp_path, "--simulate", "Aneros Vivi"):
        link = await hub.links.get()
        await driven(link)
        state = ["--state", str(tmp_path)]
        assert await asyncio.to_thread(run, ["stop", *state]) == 0
        assert "STOPPED" in capsys.readouterr().out
        await link.hear(Stopped)
        assert await asyncio.to_thread(run, ["resume", *state]) == 0
        assert await asyncio.to_thread(run, ["status", *state]) == 0
        out = capsys.readouterr().out
        assert "linked to the hub; scanning" in out
        assert ": stopped" in out


async def test_a_missing_device_is_said_by_stop_until_it_is_forgotten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = ["--state", str(tmp_path)]
    agent = Agent(RecordingRadio(), AgentConfig("attic"))
    async with asyncio.TaskGroup() as group:
        control = group.create_task(Control(agent, tmp_path).run())
        agent._table.chaser.lost(Record("AA:BB", "Hush"))
        assert await asyncio.to_thread(run, ["stop", *state]) == 1
        told = capsys.readouterr()
        assert "Hush: MAY BE RUNNING" in told.out
        assert "may be running and is missing" in told.err
        assert await asyncio.to_thread(run, ["forget", "Nobody", *state]) == 1
        assert "nothing called 'Nobody' is looked for" in said(capsys)
        assert await asyncio.to_thread(run, ["forget", "Hush", *state]) == 0
        assert capsys.readouterr().out == "Hush is not looked for any more.\n"
        assert await asyncio.to_thread(run, ["stop", *state]) == 0
        control.cancel()


async def test_a_hub_that_comes_back_is_found_again(tmp_path: Path) -> None:
    async with Hub().listen() as hub, relay(hub, tmp_path, "--simulate", "Aneros Vivi"):
        first = await hub.links.get()
        await first.hear(Wearer)
        await first.channel.close(1001)
        async with asyncio.timeout(10):
            second = await hub.links.get()
        await second.hear(Wearer)
