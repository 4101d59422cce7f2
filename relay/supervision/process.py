"""Stops what a relay has left running, when the relay is dead or stands still.

the stream ends while something is held   every held stop, then every connection is cut; the
                                          record of what was stopped is removed
silence while something is held           every held stop; a connection is cut if need be
a word after the silence                  every held stop once more: a write of the relay may
                                          have been on its way when it froze
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys

from relay.supervision.bounds import (
    CUT_S,
    LOOK_UP_S,
    MOST_BYTES,
    RETRY_S,
    SECOND_ROUND_S,
    SILENCE_S,
    STOP_S,
)
from relay.supervision.errors import PeripheralGone, Unreached
from relay.supervision.holds import HeldWrite, StopOrder, StopWithdrawn, decode
from relay.supervision.reach import Bus, Reach


async def supervise(channel: socket.socket, bus: Bus) -> None:
    """Until the stream ends and, if anything was held by then, has been dealt with."""
    loop = asyncio.get_running_loop()
    reach = Reach(bus)
    holds: dict[str, StopOrder] = {}
    heard = loop.time()
    silent = False
    while True:
        limit = heard + SILENCE_S if holds and not silent else None
        try:
            # What has arrived is read even if the limit has passed: then we were late ourselves.
            async with asyncio.timeout_at(limit):
                packet, line = await _receive(channel)
        except TimeoutError:
            silent = True
            say(f"the relay has stood still for {SILENCE_S:g} s: stopping {_many(holds)}")
            await stop_all(reach, holds, dead=False)
            continue
        except OSError:
            packet, line = b"", None
        if not packet:
            break
        if silent:
            silent = False
            say("the relay is back")
            await stop_all(reach, holds, dead=False)
        try:
            said = decode(packet)
        except (ValueError, KeyError, TypeError) as error:
            # What cannot be read is one peripheral's; the others are held all the same.
            say(f"the relay said something that is not understood: {error}")
            if line is not None:
                os.close(line)
            heard = loop.time()
            continue
        match said:
            case StopOrder() as hold:
                new = hold.address not in holds
                holds[hold.address] = hold
                if hold.line:
                    reach.take(hold.address, line)
                elif new:
                    await _prepare(reach, hold)
            case StopWithdrawn(address):
                holds.pop(address, None)
                reach.forget(address)
        heard = loop.time()
    if holds:
        say(f"the relay is dead: stopping {_many(holds)}")
        await stop_all(reach, holds, dead=True)


async def _receive(channel: socket.socket) -> tuple[bytes, int | None]:
    """The next packet, and the descriptor that came with it."""
    loop = asyncio.get_running_loop()
    while True:
        with contextlib.suppress(BlockingIOError):
            packet, lines, _, _ = socket.recv_fds(channel, MOST_BYTES, 1)
            return packet, lines[0] if lines else None
        readable = asyncio.Event()
        loop.add_reader(channel, readable.set)
        try:
            await readable.wait()
        finally:
            loop.remove_reader(channel)


async def stop_all(bus: Bus, holds: dict[str, StopOrder], *, dead: bool) -> None:
    """Run every held stop, all at once."""
    async with asyncio.TaskGroup() as group:
        for hold in holds.values():
            group.create_task(_stop(bus, hold, dead=dead))


async def _stop(bus: Bus, hold: StopOrder, *, dead: bool) -> None:
    stopped = not hold.cut
    if hold.writes:
        delays = sum(write.delay_ms for write in hold.writes) / 1000
        try:
            async with asyncio.timeout(STOP_S + delays):
                await _write_all(bus, hold)
            stopped = True
        except PeripheralGone:
            return
        except TimeoutError:
            stopped = False
            say(f"{hold.address}: did not take its stop within {STOP_S:g} s, cutting it off")
    if dead or not stopped:
        cut = await _cut(bus, hold.address)
        if dead and cut and (stopped or not hold.writes):
            _settled(hold)


async def _write_all(bus: Bus, hold: StopOrder) -> None:
    for write in hold.writes:
        await asyncio.sleep(write.delay_ms / 1000)
        await _write(bus, hold.address, write)
    unanswered = [write for write in hold.writes if not write.response]
    if unanswered:
        await asyncio.sleep(max(hold.gap_ms / 1000, SECOND_ROUND_S))
    for write in unanswered:
        await _write(bus, hold.address, write)


async def _write(bus: Bus, address: str, write: HeldWrite) -> None:
    """Write it, however often that takes. Raises Gone."""
    while True:
        try:
            await bus.write(address, write)
        except PeripheralGone:
            raise
        except Unreached:
            await asyncio.sleep(RETRY_S)
        else:
            return


async def _cut(bus: Bus, address: str) -> bool:
    """Let it go; whether that will happen, as far as anybody can tell."""
    try:
        async with asyncio.timeout(CUT_S):
            await bus.disconnect(address)
    except PeripheralGone:
        return True
    except Unreached as error:
        say(f"{address}: could not be cut off: {error}")
        return False
    except TimeoutError:
        return True  # BlueZ answers after 2 s; it has the request.
    return True


def _settled(hold: StopOrder) -> None:
    """The relay's next start need not look for this one."""
    if hold.record:
        with contextlib.suppress(OSError):
            os.unlink(hold.record)


async def _prepare(bus: Bus, hold: StopOrder) -> None:
    try:
        async with asyncio.timeout(LOOK_UP_S):
            await bus.look_up(hold.address)
    except TimeoutError:
        say(f"{hold.address}: D-Bus does not answer; it is asked again when that matters")
    except Unreached as error:
        say(f"{hold.address}: {error}; it is looked for again when that matters")


def _many(holds: dict[str, StopOrder]) -> str:
    return f"{len(holds)} device" + ("s" if len(holds) != 1 else "")


def say(text: str) -> None:
    """Tell the person whose terminal or journal this is. They may be gone, as the relay may."""
    with contextlib.suppress(OSError, ValueError):
        print(f"relay supervisor: {text}", file=sys.stderr, flush=True)
