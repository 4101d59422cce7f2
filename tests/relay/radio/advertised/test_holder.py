"""The process that holds an advertisement, in virtual time: what is on the air when, whoever
dies."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from relay.radio.advertised.bluez import CannotAdvertise
from relay.radio.advertised.frames import frame
from relay.radio.advertised.holder import ABOUT, HEARD, LOST, READY, SHOW, TAKEN, TURNS, hold
from relay.radio.advertised.kinds import USUAL
from relay.radio.bounds import HOLD_S, STEP_S
from relay.supervision.bounds import BEAT_S, SILENCE_S
from tests.doubles.clock import run_virtual

COMMANDS = {frame(USUAL, command): command for command in range(256)}
SILENCE = -1


@dataclass
class Air:
    """BlueZ in memory. `record`: when what came on the air, SILENCE for nothing."""

    others: int = 0
    away: str = ""
    record: list[tuple[float, int]] = field(default_factory=list)
    lost: Callable[[str], None] = lambda text: None
    opened: int = 0

    async def open(self, adapter: str, lost: Callable[[str], None]) -> Air:
        await asyncio.sleep(0)
        self.opened += 1
        if self.away:
            raise CannotAdvertise(self.away)
        self.lost = lost
        return self

    async def put(self, data: bytes) -> None:
        await asyncio.sleep(0.01)
        self._note(COMMANDS[data])

    async def take_down(self) -> None:
        self._note(SILENCE)

    def close(self) -> None:
        self._note(SILENCE)

    def _note(self, command: int) -> None:
        self.record.append((asyncio.get_running_loop().time(), command))

    def changes(self) -> list[tuple[float, int]]:
        """Without what was on the air just before; to tenths of a second."""
        before = [SILENCE, *(command for _, command in self.record)]
        return [
            (round(at, 1), command)
            for (at, command), last in zip(self.record, before, strict=False)
            if command != last
        ]


@dataclass
class Relay:
    """The other end. `beating`: it says that it turns."""

    channel: socket.socket
    beating: bool = True
    heard: list[bytes] = field(default_factory=list)

    def show(self, number: int, commands: bytes) -> None:
        self.channel.send(SHOW + bytes([number]) + commands)

    async def beat(self) -> None:
        while True:
            if self.beating:
                self.channel.send(TURNS)
            with contextlib.suppress(OSError):
                while packet := self.channel.recv(512):
                    self.heard.append(packet)
            await asyncio.sleep(BEAT_S)


@contextlib.asynccontextmanager
async def held(air: Air) -> AsyncIterator[tuple[Relay, asyncio.Task[None]]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    theirs.setblocking(False)
    relay = Relay(ours)
    with ours, theirs:
        beats = asyncio.create_task(relay.beat())
        holding = asyncio.create_task(hold(theirs, USUAL, "", 77, air.open))
        try:
            yield relay, holding
        finally:
            for task in (beats, holding):
                task.cancel()
            await asyncio.wait((beats, holding))


def virtual(test: Callable[[Air], Coroutine[Any, Any, None]]) -> Air:
    air = Air()
    run_virtual(test(air))
    return air


def test_what_is_shown_is_acknowledged_once_it_is_on_the_air_and_renewed() -> None:
    async def life(air: Air) -> None:
        air.others = 2
        async with held(air) as (relay, _):
            await asyncio.sleep(1)
            relay.show(9, b"\x03")
            await asyncio.sleep(1)
            assert relay.heard == [READY + ABOUT.pack(77, 2), HEARD + b"\x09", TAKEN + b"\x09"]
            times = [at for at, command in air.record if command == 3]
            assert len(times) >= 8
            assert all(b - a < 2 * STEP_S for a, b in pairwise(times))
            relay.show(10, b"\x00")
            await asyncio.sleep(HOLD_S + 1)
            assert relay.heard[-1] == TAKEN + b"\x0a"

    air = virtual(life)
    assert [command for _, command in air.changes()] == [3, 0, SILENCE]
    (_, began), (_, ended) = air.changes()[1:]
    assert (began, ended) == (0, SILENCE)


def test_a_relay_that_stands_still_has_its_toys_stopped() -> None:
    async def life(air: Air) -> None:
        async with held(air) as (relay, _):
            await asyncio.sleep(1)
            relay.show(1, b"\x02")
            await asyncio.sleep(1)
            relay.beating = False
            await asyncio.sleep(SILENCE_S + 2 * STEP_S)
            assert air.record[-1][1] == 0
            relay.beating = True
            await asyncio.sleep(HOLD_S + 1)

    air = virtual(life)
    assert [command for _, command in air.changes()] == [2, 0, SILENCE]


def test_the_end_of_the_relay_is_a_stop_for_its_time_and_then_its_own_end() -> None:
    async def life(air: Air) -> None:
        async with held(air) as (relay, holding):
            await asyncio.sleep(1)
            relay.show(1, b"\x32\x43")
            await asyncio.sleep(1)
            relay.beating = False
            relay.channel.close()
            began = asyncio.get_running_loop().time()
            await holding
            assert 3 * HOLD_S <= asyncio.get_running_loop().time() - began < 3 * HOLD_S + 1

    air = virtual(life)
    last = [command for at, command in air.record if at > 2]
    assert {0, 0x30, 0x40} <= set(last)
    first_stop = next(at for at, command in air.record if command == 0)
    assert first_stop < 2.1


def test_one_that_has_nothing_on_the_air_ends_at_once() -> None:
    async def life(air: Air) -> None:
        async with held(air) as (relay, holding):
            await asyncio.sleep(1)
            relay.beating = False
            relay.channel.close()
            async with asyncio.timeout(0.1):
                await holding

    assert {command for _, command in virtual(life).record} == {SILENCE}


def test_bluez_that_goes_away_is_told_and_ends_it() -> None:
    async def life(air: Air) -> None:
        async with held(air) as (relay, holding):
            await asyncio.sleep(1)
            relay.show(1, b"\x02")
            await asyncio.sleep(1)
            air.lost("Bluetooth was switched off.")
            await holding
            await asyncio.sleep(0.2)
            assert relay.heard[-1] == LOST + b"Bluetooth was switched off."

    virtual(life)


def test_one_that_cannot_begin_says_why() -> None:
    async def life(air: Air) -> None:
        air.away = "There is no Bluetooth adapter: plug it in."
        async with held(air) as (relay, holding):
            await holding
            await asyncio.sleep(0.2)
            assert relay.heard == [LOST + air.away.encode()]
        assert air.opened == 1

    virtual(life)


def test_with_the_relay_dead_a_stop_comes_as_soon_as_bluez_is_back_and_has_all_its_time() -> None:
    async def life(air: Air) -> None:
        async with held(air) as (relay, holding):
            await asyncio.sleep(1)
            relay.show(1, b"\x02")
            await asyncio.sleep(1)
            relay.beating = False
            relay.channel.close()
            air.away = "BlueZ does not answer: sudo systemctl restart bluetooth"
            air.lost("Bluetooth was started anew.")
            await asyncio.sleep(5)
            air.away = ""
            await holding
        assert air.opened > 3

    air = virtual(life)
    stops = [at for at, command in air.record if command == 0 and at > 6]
    assert stops[-1] - stops[0] > HOLD_S - 2 * STEP_S
