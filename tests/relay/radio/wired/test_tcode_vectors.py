"""T-Code as the relay speaks it, by the vectors that the phone page's serial radio plays as well
(tests/web/test_serial.py)."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from relay.radio.wired import tcode
from relay.radio.wired.line import OnBytes, OnLost, next_number
from relay.radio.wired.named import serial_radio
from relay.radio.wired.place import RX, TX
from relay.radio.wired.radio import WiredRadio
from tests.doubles.clock import run_virtual

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parent / "tcode_vectors.json").read_text(encoding="utf-8")
)


@dataclass
class Port:
    """A machine that answers as a vector says, and the line to it. `sent`: what it was told."""

    answers: dict[str, list[str]]
    sent: list[str] = field(default_factory=list)
    number: int = field(default_factory=next_number)
    lost_because: str | None = None
    on_bytes: OnBytes = lambda data: None

    def presence(self) -> object | None:
        return "here"

    async def open(self, on_bytes: OnBytes, on_lost: OnLost) -> Port:
        self.on_bytes = on_bytes
        return self

    async def send(self, data: bytes) -> None:
        self.sent.append(data.decode())
        for piece in self.answers.get(self.sent[-1], []):
            asyncio.get_running_loop().call_soon(self.on_bytes, piece.encode())

    def nudge(self, data: bytes) -> None: ...

    def lose(self, reason: str) -> None: ...

    def descriptor(self) -> int | None:
        return None

    def on_wire(self, data: bytes) -> tuple[bytes, ...]:
        return (data,)

    async def close(self) -> None: ...


@pytest.mark.parametrize("case", VECTORS["lines"], ids=lambda case: repr(case["pieces"]))
def test_pieces_are_put_together(case: dict[str, list[str]]) -> None:
    lines = tcode.LineSplitter()
    whole = [line for piece in case["pieces"] for line in lines.feed(piece.encode())]
    assert [line.decode() for line in whole] == case["lines"]


def test_versions_axes_and_names_are_told() -> None:
    for line, is_one in VECTORS["versions"]:
        assert tcode.is_version(line.encode()) is is_one, line
    for line, axis in VECTORS["axes"]:
        assert tcode.axis(line.encode()) == axis, line
    for axes, name in VECTORS["names"]:
        assert tcode.name_of(set(axes)) == name


@pytest.mark.parametrize("talk", VECTORS["talks"], ids=lambda talk: talk["about"])
def test_the_whole_talk_is_that_of_the_vector(talk: dict[str, Any]) -> None:
    async def play() -> None:
        port = Port(talk["answers"])
        place = serial_radio("/dev/ttyUSB0=tcode")._place
        radio = WiredRadio(place, port)
        heard: asyncio.Queue[str] = asyncio.Queue()
        scan = asyncio.create_task(radio.scan(lambda seen: heard.put_nowait(seen.name or "")))
        assert await heard.get() == talk["name"]
        scan.cancel()
        assert port.sent == talk["asked"]
        port.sent.clear()
        connection = await radio.connect(place.address, lambda _: None)
        assert port.sent == talk["opened"]
        port.sent.clear()
        for write in talk["writes"]:
            await connection.write(TX, write.encode(), response=False)
        assert port.sent == talk["writes"]
        said: list[str] = []
        await connection.subscribe(RX, lambda data: said.append(data.decode()))
        for piece in talk["says"]:
            port.on_bytes(piece.encode())
        assert said == talk["heard"]

    run_virtual(play())
