from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from relay.hub_link.bounds import NOTIFICATIONS, OUTBOX_FULL, SEND_S
from relay.hub_link.driver import LinkDriver
from relay.link.bounds import GREETING_S, LINK_SILENCE_S
from relay.link.channel import Frame, MemoryChannel, channel_pair
from relay.link.codec import decode_from_relay
from relay.link.errors import ChannelClosed, LinkRefused, LinkViolation
from relay.link.messages import (
    VERSION,
    Advertisement,
    Advertisements,
    Beat,
    Bye,
    Characteristic,
    Connected,
    Done,
    ErrorCode,
    Failed,
    FromHub,
    FromRelay,
    Hello,
    Notification,
    Scan,
    Service,
    Stats,
    Welcome,
)
from relay.link.session import HubSession, LinkSilent
from tests.doubles.clock import run_virtual


class Desk:
    def __init__(self) -> None:
        self.said: list[FromHub] = []

    def opened(self, line: LinkDriver, welcome: Welcome) -> None:
        self.said.append(welcome)

    def heard(self, line: LinkDriver, message: FromHub) -> None:
        self.said.append(message)
        if isinstance(message, Scan):
            line.put(Done(1))


HELLO = Hello(VERSION, "attic")


class Ends:
    """A line, its task, and the hub's end of the channel."""

    def __init__(self, bound: int = 64) -> None:
        self.here, self.there = channel_pair(bound)
        self.desk, self.tally = Desk(), Counter[str]()
        self.line = LinkDriver(self.here, self.desk, self.tally)
        self.session = HubSession("hub", 0.0)
        self.task = asyncio.create_task(self.line.run(HELLO))

    async def greet(self) -> None:
        _, welcome = self.session.receive(await self.there.receive(), 0.0)
        assert welcome is not None
        await self.there.send(welcome)

    async def next(self) -> FromRelay:
        return decode_from_relay(await self.there.receive())


def test_hello_welcome_request_answer_farewell() -> None:
    async def main() -> None:
        ends = Ends()
        await ends.greet()
        await ends.there.send(ends.session.send(Scan(True)))
        assert await ends.next() == Done(1)
        ends.line.put(Bye("bye"))
        ends.line.put(Done(2))
        assert await ends.next() == Bye("bye")
        await ends.task
        with pytest.raises(ChannelClosed):
            await ends.there.receive()
        assert [type(m) for m in ends.desk.said] == [Welcome, Scan]

    run_virtual(main())


def test_a_hub_that_leaves_in_order_ends_the_line() -> None:
    async def main() -> None:
        ends = Ends()
        await ends.greet()
        await ends.there.send(ends.session.send(Bye("restart")))
        await ends.task

    run_virtual(main())


def test_every_other_end_is_an_error_of_its_own() -> None:
    async def main() -> None:
        silent = Ends()
        with pytest.raises(LinkSilent):
            await silent.task
        assert asyncio.get_running_loop().time() == pytest.approx(GREETING_S, abs=0.01)

        quiet = Ends()
        await quiet.greet()
        started = asyncio.get_running_loop().time()
        with pytest.raises(LinkSilent):
            await quiet.task
        assert asyncio.get_running_loop().time() - started == pytest.approx(
            LINK_SILENCE_S, abs=0.01
        )

        closed = Ends()
        await closed.greet()
        await closed.there.close(1001)
        with pytest.raises(ChannelClosed):
            await closed.task

        rude = Ends()
        await rude.there.send(b"\xc1")
        with pytest.raises(LinkViolation):
            await rude.task

        revoked = Ends()
        await revoked.greet()
        await revoked.there.send(revoked.session.send(Bye("revoked", retry=False)))
        with pytest.raises(LinkRefused, match="revoked"):
            await revoked.task

    run_virtual(main())


def test_a_hub_that_takes_nothing_is_silent() -> None:
    async def main() -> None:
        ends = Ends(bound=2)
        await ends.greet()
        for n in range(5):
            ends.line.put(Done(n))
        for _ in range(int(SEND_S) + 2):
            await asyncio.sleep(1)
            if not ends.task.done():
                await ends.there.send(ends.session.beat(0.0, {}))
        with pytest.raises(LinkSilent, match="took no frame"):
            await ends.task

    run_virtual(main())


def test_echoes_overtake_and_notifications_are_dropped_oldest_first() -> None:
    async def main() -> None:
        ends = Ends(bound=1)
        await ends.greet()
        await asyncio.sleep(0.01)
        for n in range(NOTIFICATIONS + 10):
            ends.line.put(Notification(1, 2, bytes([n])))
        ends.line.put(Notification(1, 3, b"other"))
        ends.line.put(Done(7))
        await ends.there.send(ends.session.send(Beat(1, 5)))
        await asyncio.sleep(0.01)
        # The first one left at once: nothing was before it.
        got = [await ends.next() for _ in range(NOTIFICATIONS + 4)]
        kinds = [type(m).__name__ for m in got]
        assert kinds.index("Echo") <= 2
        values = [m.data[0] for m in got if isinstance(m, Notification) and m.handle == 2]
        assert values[-1] == NOTIFICATIONS + 9
        assert Done(7) in got
        assert ends.tally["dropped notifications"] == 9
        ends.task.cancel()

    run_virtual(main())


def test_what_nothing_waits_before_leaves_at_once_and_everything_in_order() -> None:
    async def main() -> None:
        ends = Ends(bound=2)
        await ends.greet()
        await asyncio.sleep(0.01)
        frames = ends.there._inbound.frames
        for n in range(5):
            ends.line.put(Done(n))
            assert len(frames) == min(n + 1, 2)
        assert [await ends.next() for _ in range(5)] == [Done(n) for n in range(5)]
        await asyncio.sleep(0.01)
        ends.line.put(Done(5))
        assert len(frames) == 1
        ends.task.cancel()

    run_virtual(main())


def test_a_message_that_cannot_leave_at_once_leaves_in_its_turn() -> None:
    class Busy(MemoryChannel):
        def send_now(self, frame: Frame) -> bool:
            return False

    async def main() -> None:
        ends = Ends()
        await ends.greet()
        await asyncio.sleep(0.01)
        ends.here.__class__ = Busy
        for n in range(3):
            ends.line.put(Done(n))
        assert [await ends.next() for _ in range(3)] == [Done(n) for n in range(3)]
        ends.task.cancel()

    run_virtual(main())


def test_while_answers_are_not_read_requests_are_not_either() -> None:
    async def main() -> None:
        ends = Ends(bound=OUTBOX_FULL * 3)
        await ends.greet()
        for _ in range(OUTBOX_FULL * 2):
            await ends.there.send(ends.session.send(Scan(True)))
        ends.here._outbound.bound = 1  # the hub reads nothing
        for n in range(1 + OUTBOX_FULL):
            ends.line.put(Done(n))
        ends.line.put(Stats({}))
        before = len(ends.desk.said)
        await asyncio.sleep(0)
        assert len(ends.desk.said) - before <= 2
        answers = [await ends.next() for _ in range(OUTBOX_FULL * 3)]
        assert all(isinstance(m, Done) for m in answers)
        ends.task.cancel()

    run_virtual(main())


def test_a_message_that_is_too_large_is_split_or_replaced_and_the_link_goes_on() -> None:
    uuid = "0000fff0-0000-1000-8000-00805f9b34fb"

    async def main() -> None:
        ends = Ends()
        await ends.greet()
        crowd = tuple(Advertisement(f"{n}", services=(uuid,) * 100) for n in range(30))
        ends.line.put(Advertisements(crowd))
        hall = Service(uuid, tuple(Characteristic(h, uuid) for h in range(2000)))
        ends.line.put(Connected(7, (hall,)))
        ends.line.put(Stats({f"{n:0128}": n for n in range(1000)}))
        ends.line.put(Done(8))
        heard: list[Advertisement] = []
        while not isinstance(message := decode_from_relay(await ends.there.receive()), Failed):
            assert isinstance(message, Advertisements)
            heard += message.items
        assert tuple(heard) == crowd
        assert (message.id, message.code) == (7, ErrorCode.REFUSED)
        assert decode_from_relay(await ends.there.receive()) == Done(8)
        assert ends.tally["too large to be told"] == 3
        await ends.there.close()
        with pytest.raises(ChannelClosed):
            await ends.task

    run_virtual(main())
