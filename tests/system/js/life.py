"""What every official client goes through, and the bytes that its toys must see meanwhile."""

from __future__ import annotations

import signal
from dataclasses import dataclass

from forwarder.buttplug.messages import OutputType
from relay.radio.simulated.catalogue import address_of, catalogue, find
from tests.system.js.clients import JsClient
from tests.system.processes import House, Line, until

# Beside the simulated toys' own figure.
BATTERY = 0.85
STOP_MS = 1_000.0


def address(name: str) -> str:
    """Where the first simulated toy of that name lives."""
    return address_of(find(name, catalogue())[0], 0)


@dataclass(frozen=True, slots=True)
class Output:
    """One command and the packet that must come of it.

    `share` and `steps` are the same value, as a part of the range and in the device's steps;
    negative steps turn the other way.
    """

    device: str
    kind: OutputType
    share: float
    steps: int
    packet: bytes
    duration: int | None = None

    async def command(self, client: JsClient) -> None:
        value = {"share": self.share, "steps": self.steps}
        if self.duration is not None:
            value["duration"] = self.duration
        await client.call("output", self.device, self.kind.value, value)


NORA, MAX, KEON = "Lovense Nora", "Lovense Max", "Kiiroo Keon"
UFO, HISMITH = "Vorze UFO SA", "Hismith Sex Machine"
PEACOCK, CHERLY, DODGE = "JoyHub Peacock", "JoyHub Cherly 2c", "JoyHub Dodge"

# Every output type that any model has. Bytes: docs.buttplug.io (STPIHKAL) and the headers of the
# protocols' files in forwarder/definitions/data.
OUTPUTS = (
    Output(NORA, OutputType.VIBRATE, 0.5, 10, b"Vibrate:10;"),
    Output(NORA, OutputType.ROTATE, 0.5, 10, b"Rotate:10;"),
    Output(NORA, OutputType.ROTATE, 1.0, -20, b"RotateChange;"),
    Output(MAX, OutputType.VIBRATE, 0.25, 5, b"Vibrate:5;"),
    Output(MAX, OutputType.CONSTRICT, 1.0, 3, b"Air:Level:3;"),
    Output(UFO, OutputType.ROTATE, 0.5, 50, bytes([2, 1, 0x80 | 50])),
    Output(UFO, OutputType.ROTATE, 1.0, -99, bytes([2, 1, 99])),
    # 03, 00, speed, position: all the way out in half a second.
    Output(KEON, OutputType.HW_POSITION_WITH_DURATION, 1.0, 99, bytes([3, 0, 40, 99]), 500),
    # aa, 04, speed, sum of the two
    Output(HISMITH, OutputType.OSCILLATE, 0.5, 50, bytes([0xAA, 4, 50, 54])),
    Output(PEACOCK, OutputType.LED, 1.0, 1, bytes([0xA0, 0x14, 1, 0, 1, 255])),
    Output(CHERLY, OutputType.TEMPERATURE, 1.0, 1, bytes([0xA0, 4, 1, 0, 1, 255])),
    Output(DODGE, OutputType.SPRAY, 1.0, 1, bytes([0xA0, 0x24, 1, 0, 1, 255])),
)
TOYS = tuple(dict.fromkeys(output.device for output in OUTPUTS))

# What a toy's last packets are once it stands still.
NORA_OFF = [b"Vibrate:0;", b"Rotate:0;"]
MAX_OFF = [b"Vibrate:0;", b"Air:Level:0;"]
UFO_OFF = [bytes([2, 1, 0x80])]
HISMITH_OFF = [bytes([0xAA, 4, 0, 4])]


async def drive(client: JsClient, home: House, outputs: tuple[Output, ...] = OUTPUTS) -> None:
    """Command every output: its packet is written to its toy, and to no other."""
    for output in outputs:
        before = len(home.trace.lines())
        await output.command(client)
        # Nothing to wait for: the reply says that the radio has written it.
        written = {
            line.address for line in home.trace.lines()[before:] if line.data == output.packet
        }
        assert written == {address(output.device)}, output


async def whole_life(
    client: JsClient, home: House, outputs: tuple[Output, ...] = OUTPUTS, *, battery: bool = True
) -> None:
    """Handshake, scan, every output, battery, stop of one, stop of all, goodbye."""
    toys = {output.device for output in outputs}
    await client.connect(home.url)
    assert await client.scan(len(toys)) == toys
    await drive(client, home, outputs)
    if battery:
        assert await client.call("battery", NORA) == BATTERY
    await goodbye(client, home, toys)


async def goodbye(client: JsClient, home: House, toys: set[str]) -> None:
    """Stop of one, stop of all, and the end."""
    trace = home.trace
    await client.call("stop", NORA)
    assert trace.writes(address(NORA))[-2:] == NORA_OFF
    # What was not stopped goes on.
    assert trace.writes(address(UFO))[-1:] != UFO_OFF
    await client.call("stopAll")
    assert trace.writes(address(UFO))[-1:] == UFO_OFF
    if MAX in toys:
        assert sorted(trace.writes(address(MAX))[-2:]) == sorted(MAX_OFF)
    if HISMITH in toys:
        assert trace.writes(address(HISMITH))[-1:] == HISMITH_OFF
    assert await client.call("connected") is True
    await client.call("disconnect")
    assert await client.call("connected") is False


async def sudden_end(
    client: JsClient, home: House, outputs: tuple[Output, ...] = OUTPUTS, *, notices: bool = True
) -> None:
    """The hub is killed while a toy runs: the client notices, and the relay stops the toy."""
    await client.connect(home.url)
    await client.until_devices(len({output.device for output in outputs}))
    await drive(client, home, OUTPUTS[:1])
    killed = home.hub.send(signal.SIGKILL)
    if notices:
        await client.until_lost()

    def stop() -> Line | None:
        lines = (line for line in home.trace.lines() if line.address == address(NORA))
        return next((ln for ln in lines if ln.t_ns > killed and ln.data == b"Vibrate:0;"), None)

    await until(lambda: stop() is not None, "the toy is off", 5.0)
    line = stop()
    assert line is not None
    assert (line.t_ns - killed) / 1e6 <= STOP_MS
