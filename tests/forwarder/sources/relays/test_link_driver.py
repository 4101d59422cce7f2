"""One link from the hub's end: what is queued, what is answered, and how it ends; virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from forwarder.connectors.bounds import (
    LINK_BURST,
    LINK_MESSAGES_S,
    NOTIFICATIONS_BURST,
    NOTIFICATIONS_S,
)
from forwarder.devices.driver import Outcome
from forwarder.errors import HardwareError
from forwarder.sources.relays.bounds import HEARD_AT_ONCE, OUTBOX_FRAMES, REQUEST_S, SEND_S
from forwarder.sources.relays.link_driver import RelayLink
from forwarder.sources.relays.waiting import ReplyFuture
from relay.link.bounds import GREETING_S
from relay.link.channel import MemoryChannel, channel_pair
from relay.link.codec import decode_from_hub, encode
from relay.link.errors import LinkError, LinkViolation
from relay.link.messages import (
    VERSION,
    Advertisement,
    Advertisements,
    Arm,
    Beat,
    Bye,
    Disconnected,
    Done,
    Echo,
    ErrorCode,
    Failed,
    FromHub,
    FromRelay,
    Hello,
    Interests,
    Notification,
    Output,
    Packet,
    Read,
    Request,
    Scan,
    Status,
    Stop,
    StopAll,
    Welcome,
)
from relay.link.session import LinkSilent
from tests.doubles.clock import run_virtual

PACKETS = (Packet(1, b"x"),)


class Bench:
    """A link whose other end the test plays by hand."""

    def __init__(self, bound: int = 4096) -> None:
        here, self.there = channel_pair(bound)
        self.channel: MemoryChannel = here
        self.leases: dict[int, int] = {}
        self.running = False
        self.link = RelayLink(
            here, "the hub", leases=lambda: self.leases, running=lambda: self.running
        )
        self.news: list[FromRelay] = []
        self.ended: LinkError | None = None

    async def run(self) -> None:
        try:
            await self.link.run(self.news.append)
        except LinkError as error:
            self.ended = error
        finally:
            await self.channel.close()

    async def say(self, *messages: FromRelay) -> None:
        for message in messages:
            await self.there.send(encode(message))
        await turns()

    def request(self, make: Callable[[int], Request]) -> ReplyFuture:
        return self.link.request(make(self.link.next_id()))

    def carry(self, make: Callable[[int], Request]) -> Outcome:
        return self.link.carry(make(self.link.next_id()))

    async def heard(self) -> list[FromHub]:
        """What has come, with each beat answered."""
        await turns()
        found: list[FromHub] = []
        while self.there._inbound.frames:
            message = decode_from_hub(await self.there.receive())
            found.append(message)
            if isinstance(message, Beat):
                with suppress(LinkError):
                    await self.say(Echo(message.number, message.time_us, 0))
        return found


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def output(p: int = 1) -> Callable[[int], Output]:
    return lambda id: Output(id, p, PACKETS)


def play(scene: Callable[[Bench], Awaitable[None]], bound: int = 4096) -> Bench:
    """Run `scene` on a link that has been greeted."""

    async def main() -> Bench:
        bench = Bench(bound)
        async with asyncio.TaskGroup() as tasks:
            await bench.say(Hello(VERSION, "attic"))
            assert (await bench.link.greet()).name == "attic"
            running = tasks.create_task(bench.run())
            await turns()
            await scene(bench)
            running.cancel()
        return bench

    return run_virtual(main())


def test_a_request_is_answered_by_its_id_whatever_the_order() -> None:
    async def scene(bench: Bench) -> None:
        first, second = bench.request(output(1)), bench.request(output(2))
        asked = [message for message in await bench.heard() if isinstance(message, Output)]
        await bench.say(Failed(asked[1].id, ErrorCode.GATE, "shut"), Done(asked[0].id))
        assert await first == Done(asked[0].id)
        with pytest.raises(HardwareError, match="shut") as failed:
            await second
        assert failed.value.reason is ErrorCode.GATE

    play(scene)


def test_an_answer_that_does_not_come_is_a_timeout_and_one_too_late_is_nothing() -> None:
    async def scene(bench: Bench) -> None:
        outcome = bench.request(output())
        async with asyncio.TaskGroup() as tasks:

            async def echo() -> None:
                while not outcome.done():
                    await bench.heard()
                    await asyncio.sleep(0.5)

            tasks.create_task(echo())
        with pytest.raises(HardwareError) as failed:
            await outcome
        assert failed.value.reason is ErrorCode.TIMEOUT
        assert asyncio.get_running_loop().time() <= REQUEST_S + 3
        await bench.say(Done(2), Done(2))
        assert bench.ended is None

    play(scene)


@pytest.mark.parametrize("how", ["bye", "closed", "nonsense", "silent"])
def test_however_the_link_ends_nobody_waits_and_later_requests_fail_at_once(how: str) -> None:
    async def scene(bench: Bench) -> None:
        outcome = bench.request(output())
        match how:
            case "bye":
                await bench.say(Bye("shut down"))
            case "closed":
                await bench.there.close()
            case "nonsense":
                await bench.there.send(b"?")
            case "silent":
                await asyncio.sleep(12)
        await turns()
        assert isinstance(outcome.exception(), HardwareError)
        late = bench.request(output())
        assert isinstance(late.exception(), HardwareError)
        bench.link.tell(Scan(True))
        bench.link.renew()

    expected = {"nonsense": LinkViolation, "silent": LinkSilent}.get(how, LinkError)
    assert isinstance(play(scene).ended, expected)


def test_nothing_is_sent_into_a_link_whose_goodbye_was_just_read() -> None:
    """Between the relay's Bye and the end of `run` others act: none of them may trip."""

    async def scene(bench: Bench) -> None:
        loop = asyncio.get_running_loop()
        troubles: list[BaseException] = []

        def act() -> None:
            try:
                bench.request(output())
                bench.link.tell(Scan(True))
                bench.link.renew()
            except LinkError as error:
                troubles.append(error)

        await bench.there.send(encode(Bye("shut down")))
        for _ in range(8):
            loop.call_soon(act)
            await asyncio.sleep(0)
        assert not troubles

    play(scene)


def test_a_peripheral_that_goes_takes_only_its_own_requests_along() -> None:
    async def scene(bench: Bench) -> None:
        one, other, all_of_them = (
            bench.request(output(1)),
            bench.request(output(2)),
            bench.request(StopAll),
        )
        bench.link.fail_peripheral(1, "out of range")
        assert (one.done(), other.done(), all_of_them.done()) == (True, False, False)

    play(scene)


def test_values_are_refused_when_the_network_stands_still_and_stops_are_not() -> None:
    async def scene(bench: Bench) -> None:
        outcomes = [bench.request(output()) for _ in range(OUTBOX_FRAMES + 50)]
        refused = [each for each in outcomes if each.done()]
        assert len(refused) == 50 + len(bench.link._outbox) - OUTBOX_FRAMES
        assert "does not keep up" in str(refused[0].exception())
        stop = bench.request(lambda id: Stop(id, 1, PACKETS))
        assert not stop.done()
        read = bench.request(lambda id: Read(id, 1, 1))
        assert not read.done()

    play(scene, bound=1)


def test_of_states_only_the_newest_waits() -> None:
    async def scene(bench: Bench) -> None:
        await bench.heard()
        for number in range(1000):
            bench.link.tell(Scan(bool(number % 2)))
            bench.link.tell(Status(rtt_us=number))
        bench.link.tell(Interests(("a" * 36,)))
        assert len(bench.link._outbox) == 3
        heard = await bench.heard()
        assert heard == [Scan(True), Status(rtt_us=999), Interests(("a" * 36,))]
        bench.link.tell(Scan(False))
        assert await bench.heard() == [Scan(False)]

    play(scene)


def test_the_welcome_comes_before_all_that_was_said_meanwhile() -> None:
    async def main() -> None:
        bench = Bench()
        await bench.say(Hello(VERSION, "attic"))
        await bench.link.greet()
        bench.link.tell(Scan(True))
        task = asyncio.create_task(bench.run())
        first, second, *_ = await bench.heard()
        assert isinstance(first, Welcome)
        assert second == Scan(True)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    run_virtual(main())


def test_beats_carry_the_leases_and_come_often_while_an_output_is_on() -> None:
    async def scene(bench: Bench) -> None:
        await bench.heard()
        bench.leases = {1: 900}
        bench.running = True
        bench.link.rouse()
        beats = []
        for _ in range(20):
            beats += [each for each in await bench.heard() if isinstance(each, Beat)]
            await asyncio.sleep(0.05)
        assert 3 <= len(beats) <= 6
        assert all(beat.leases == {1: 900} for beat in beats)

    play(scene)


def test_a_goodbye_leaves_behind_what_was_queued_and_ends_the_link() -> None:
    async def scene(bench: Bench) -> None:
        stop = bench.request(lambda id: Stop(id, 1, PACKETS))
        bench.link.tell(Scan(True))
        bench.link.end("shutting down", retry=False)
        assert stop.done()
        heard = await bench.heard()
        assert any(isinstance(each, Stop) for each in heard)
        assert heard[-1] == Bye("shutting down", retry=False)
        assert bench.ended is not None
        bench.link.end("again")

    play(scene)


def test_a_relay_that_reads_nothing_is_given_up() -> None:
    async def scene(bench: Bench) -> None:
        for _ in range(10):
            bench.request(lambda id: Arm(id, 1))
        await asyncio.sleep(SEND_S + 3)
        assert isinstance(bench.ended, LinkSilent)

    play(scene, bound=2)


def test_who_does_not_greet_in_time_is_no_relay() -> None:
    async def main() -> None:
        bench = Bench()
        with pytest.raises(LinkSilent):
            await bench.link.greet()
        assert asyncio.get_running_loop().time() == pytest.approx(GREETING_S, abs=0.01)

    run_virtual(main())


def test_who_says_anything_before_its_greeting_is_no_relay() -> None:
    async def main() -> None:
        bench = Bench()
        await bench.say(Advertisements(()))
        with pytest.raises(LinkViolation):
            await bench.link.greet()

    run_virtual(main())


def test_cancelled_while_it_runs_it_leaves_no_waiter_and_no_task() -> None:
    async def main() -> None:
        for after in range(8):
            bench = Bench(bound=1)
            await bench.say(Hello(VERSION, "attic"))
            await bench.link.greet()
            task = asyncio.create_task(bench.run())
            outcome = bench.request(output())
            for _ in range(after):
                await asyncio.sleep(0)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            assert len(asyncio.all_tasks()) == 1
            if after:  # else it had not begun
                assert isinstance(outcome.exception(), HardwareError)

    run_virtual(main())


def test_what_takes_more_than_a_frame_is_not_said_and_the_link_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    uuid = "0000fff0-0000-1000-8000-00805f9b34fb"

    async def scene(bench: Bench) -> None:
        await bench.heard()
        bench.link.tell(Interests((uuid,) * 4000))
        large = tuple(Packet(1, bytes(4000)) for _ in range(32))
        refused = bench.request(lambda id: Output(id, 1, large))
        sent = bench.request(output())
        (said,) = [message for message in await bench.heard() if not isinstance(message, Beat)]
        assert isinstance(said, Output)
        with pytest.raises(HardwareError, match="was not sent"):
            await refused
        await bench.say(Done(said.id))
        assert await sent == Done(said.id)
        assert bench.ended is None

    play(scene)
    assert "not told" in caplog.text


def test_answers_are_read_at_once_and_what_nobody_asked_for_at_its_budget() -> None:
    seconds = 4.0
    count = int(LINK_BURST + seconds * LINK_MESSAGES_S)
    took_s: list[float] = []

    async def scene(bench: Bench) -> None:
        clock = asyncio.get_running_loop().time
        began = clock()
        for _ in range(count // 64):
            outcomes = [bench.carry(lambda id: Stop(id, 1, PACKETS)) for _ in range(64)]
            asked = [one.id for one in await bench.heard() if isinstance(one, Stop)]
            await bench.say(*map(Done, asked))
            await asyncio.gather(*outcomes)
        took_s.append(clock() - began)
        began = clock()
        for n in range(count):
            await bench.there.send(encode(Disconnected(n, "")))
            if not n % 1000:
                await bench.heard()  # beats go on
        while len(bench.news) < count // 64 * 64:
            await asyncio.sleep(0.1)
            await bench.heard()
        took_s.append(clock() - began)

    bench = play(scene)
    assert bench.ended is None
    answers_s, unasked_s = took_s
    assert answers_s < 0.01
    assert unasked_s == pytest.approx(seconds, abs=0.2)


def test_of_a_flood_of_readings_the_bound_passes_and_everything_else_does() -> None:
    async def scene(bench: Bench) -> None:
        await bench.heard()
        count = 10_000
        for _ in range(count):
            await bench.there.send(encode(Notification(1, 1, b"x")))
        await bench.there.send(encode(Disconnected(1)))
        await asyncio.sleep(10)
        assert bench.news[-1] == Disconnected(1)
        heard = sum(isinstance(news, Notification) for news in bench.news)
        assert heard + bench.link.dropped == count
        assert NOTIFICATIONS_BURST <= heard < NOTIFICATIONS_BURST + 5 * NOTIFICATIONS_S

    play(scene, bound=20_000)


def test_a_frame_full_of_advertisements_is_looked_at_in_steps_and_in_order() -> None:
    items = tuple(Advertisement(f"{number}", "LVS-1", -50) for number in range(1000))

    async def scene(bench: Bench) -> None:
        await bench.say(Advertisements(items), Disconnected(1))
        await asyncio.sleep(0.1)

    bench = play(scene)
    assert bench.ended is None
    heard = [it for it in bench.news if isinstance(it, Advertisements)]
    assert [each for it in heard for each in it.items] == list(items)
    assert max(len(it.items) for it in heard) == HEARD_AT_ONCE
    assert bench.news[-1] == Disconnected(1)


def test_after_a_few_large_advertisements_nobody_rests() -> None:
    """They are what a crowded place looks like, and behind them come a good client's answers."""
    services = tuple(f"{n:08x}-0000-1000-8000-00805f9b34fb" for n in range(100))
    items = tuple(Advertisement(f"{number}", "LVS-1", -50, services) for number in range(3))

    async def scene(bench: Bench) -> None:
        clock = asyncio.get_running_loop().time
        before = clock()
        await bench.say(Advertisements(items), Disconnected(1))
        for _ in range(50):
            await asyncio.sleep(0)
        assert bench.news[-1] == Disconnected(1)
        assert clock() == before

    assert play(scene).ended is None
