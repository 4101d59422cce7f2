"""The waiting around a handshake: deadlines, doors, closing; and the channel that comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

import pytest

from relay.link.bounds import HANDSHAKE_S, REFUSAL_S
from relay.link.channel import Channel, Frame, MemoryChannel, channel_pair
from relay.link.errors import ChannelClosed, LinkError, LinkViolation
from relay.link.security.handshake import HandshakeRefused, RefusalCode, RelayHandshake
from relay.link.security.noise import KeyPair
from relay.link.security.secure import (
    HubIdentity,
    RelayIdentity,
    SecureChannel,
    secure_as_hub,
    secure_as_relay,
)
from tests.doubles.clock import run_virtual
from tests.relay.link.security.test_handshake import Hub

T = TypeVar("T")
_SECRET = bytes(range(32))
_RELAY = KeyPair.generate()


class Doors:
    """Records who came and went."""

    def __init__(self, *, open_to: int = 99) -> None:
        self.open_to = open_to
        self.log: list[str] = []

    def enter(self, address: str, now: float) -> bool:
        self.log.append(f"enter {address}")
        self.open_to -= 1
        return self.open_to >= 0

    def leave(self, address: str) -> None:
        self.log.append(f"leave {address}")


class Reluctant:
    """A channel whose close takes for ever, as with a peer that does not answer it."""

    peer = "10.0.0.9:1"

    def __init__(self) -> None:
        self.closed: list[tuple[int, str]] = []
        self.never = asyncio.Event()

    @property
    def ready(self) -> bool:
        return False

    def send_now(self, frame: Frame) -> bool:
        return False

    async def send(self, frame: Frame) -> None:
        await self.never.wait()

    async def receive(self) -> Frame:
        await self.never.wait()
        raise AssertionError

    async def close(self, code: int = 1000, reason: str = "") -> None:
        self.closed.append((code, reason))
        await self.never.wait()


async def _outcome(work: Coroutine[object, object, T]) -> T | LinkError:
    try:
        return await work
    except LinkError as error:
        return error


async def _both(
    hub: Hub, *, secret: bytes | None = None, hub_key: bytes | None = None
) -> tuple[
    tuple[SecureChannel, HubIdentity] | LinkError, tuple[SecureChannel, RelayIdentity] | LinkError
]:
    a, b = channel_pair(names=("the hub", "10.0.0.9:4711"))
    return await asyncio.gather(
        _outcome(secure_as_relay(a, _RELAY, secret=secret, hub_key=hub_key, name="attic")),
        _outcome(secure_as_hub(b, hub)),
    )


async def _open() -> tuple[SecureChannel, SecureChannel, MemoryChannel, MemoryChannel]:
    """The secure ends, and the plain ends under them."""
    hub = Hub()
    hub.relays[_RELAY.public] = "attic"
    a, b = channel_pair(bound=4)
    (relay, _), (served, _) = await asyncio.gather(
        secure_as_relay(a, _RELAY, hub_key=hub.key.public), secure_as_hub(b, hub)
    )
    return relay, served, a, b


def test_pairing_and_coming_back() -> None:
    async def main() -> None:
        hub = Hub()
        at_relay, at_hub = await _both(hub, secret=_SECRET)
        assert not isinstance(at_relay, LinkError)
        assert not isinstance(at_hub, LinkError)
        assert at_relay[1] == HubIdentity(hub.key.public, "desk")
        assert at_hub[1] == RelayIdentity(_RELAY.public, "attic", new=True)
        assert at_hub[0].peer == "attic (10.0.0.9:4711)"
        await at_relay[0].send(b"hello")
        assert await at_hub[0].receive() == b"hello"
        at_relay, at_hub = await _both(hub, hub_key=hub.key.public)
        assert not isinstance(at_relay, LinkError)
        assert not isinstance(at_hub, LinkError)
        assert at_hub[1] == RelayIdentity(_RELAY.public, "attic", new=False)
        assert at_hub[0].session == at_relay[0].session

    run_virtual(main())


def test_each_refusal_reaches_the_relay_as_its_own_error() -> None:
    async def main() -> None:
        hub = Hub()
        seen = []
        hub.secret = RefusalCode.CODE_SPENT
        seen.append((await _both(hub, secret=_SECRET))[0])
        hub.secret = bytes(32)
        seen.append((await _both(hub, secret=_SECRET))[0])
        seen.append((await _both(hub, hub_key=KeyPair.generate().public))[0])
        seen.append((await _both(hub, hub_key=hub.key.public))[0])
        assert all(isinstance(error, HandshakeRefused) for error in seen)
        assert [str(error).partition(";")[0] for error in seen] == [
            "code expired or already used",
            "wrong pairing code",
            "this hub is not the one you paired with",
            "revoked by the hub",
        ]

    run_virtual(main())


@pytest.mark.parametrize(
    "first",
    [
        RelayHandshake(_RELAY, secret=_SECRET).start(),
        RelayHandshake(_RELAY, secret=b"x" * 32).start(),
        RelayHandshake(_RELAY, hub_key=_RELAY.public).start(),
        b"\x09",
        b"\x01\x01",
        b"\x01\x02" + bytes(96),
    ],
    ids=["a new relay", "a wrong code", "a wrong hub", "another version", "cut off", "garbage"],
)
def test_every_stranger_gets_one_byte_after_the_same_time(first: bytes) -> None:
    async def main() -> None:
        hub = Hub()
        hub.secret = bytes(32)
        ours, theirs = channel_pair()
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(_outcome(secure_as_hub(theirs, hub)))
            await ours.send(first)
            answer = await ours.receive()
            assert asyncio.get_running_loop().time() == pytest.approx(REFUSAL_S, abs=0.01)
            assert len(answer) == 1
            with pytest.raises(ChannelClosed) as closed:
                await ours.receive()
            # Whatever is known about the peer is not written on the outside.
            assert (closed.value.code, closed.value.reason) == (1008, "")
        assert isinstance(serving.result(), HandshakeRefused)

    run_virtual(main())


def test_a_silent_or_slow_peer_costs_four_seconds() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        for frames in ([], [RelayHandshake(_RELAY, secret=_SECRET).start()]):
            ours, theirs = channel_pair()
            started = loop.time()
            for frame in frames:
                await ours.send(frame)
            with pytest.raises(ChannelClosed, match="within 4 s"):
                await secure_as_hub(theirs, Hub())
            assert loop.time() - started == pytest.approx(HANDSHAKE_S, abs=0.01)
        ours, theirs = channel_pair()
        with pytest.raises(ChannelClosed, match="the hub did not finish"):
            await secure_as_relay(ours, _RELAY, secret=_SECRET)
        with pytest.raises(ChannelClosed):
            await theirs.send(b"")

    run_virtual(main())


def test_a_peer_that_does_not_answer_the_close_costs_one_second_more() -> None:
    async def main() -> None:
        channel = Reluctant()
        with pytest.raises(ChannelClosed):
            await secure_as_hub(channel, Hub())
        assert asyncio.get_running_loop().time() == pytest.approx(5.0, abs=0.01)
        assert channel.closed == [(1008, "")]

    run_virtual(main())


@pytest.mark.parametrize("frame", [bytes(4097), "text", b""])
def test_a_frame_that_no_handshake_has_ends_it(frame: Frame) -> None:
    async def main() -> None:
        ours, theirs = channel_pair()
        await ours.send(frame)
        with pytest.raises(LinkViolation):
            await secure_as_hub(theirs, Hub())
        with pytest.raises(ChannelClosed):
            await ours.receive()

    run_virtual(main())


def test_a_closed_door_answers_busy_without_listening() -> None:
    async def main() -> None:
        hub, doors = Hub(), Doors(open_to=0)
        ours, theirs = channel_pair(names=("hub", "10.0.0.9:1"))
        await ours.send(RelayHandshake(_RELAY, secret=_SECRET).start())
        with pytest.raises(HandshakeRefused) as refused:
            await secure_as_hub(theirs, hub, doors)
        assert refused.value.refusal is RefusalCode.BUSY
        assert await ours.receive() == bytes([RefusalCode.BUSY])
        assert hub.asked == []
        assert doors.log == ["enter 10.0.0.9:1"]

    run_virtual(main())


def test_everyone_who_enters_leaves_the_door_again() -> None:
    async def main() -> None:
        doors = Doors()
        for end in ("silence", "violation", "gone", "cancelled"):
            ours, theirs = channel_pair(names=("hub", end))
            if end == "violation":
                await ours.send("text")
            if end == "gone":
                await ours.close()
            task = asyncio.ensure_future(_outcome(secure_as_hub(theirs, Hub(), doors)))
            await asyncio.sleep(1)
            if end == "cancelled":
                task.cancel()
            await asyncio.wait([task])
            assert task.cancelled() == (end == "cancelled")
            with pytest.raises(ChannelClosed):
                await ours.send(b"")
        assert sorted(doors.log) == sorted(
            f"{what} {who}"
            for what in ("enter", "leave")
            for who in ("silence", "violation", "gone", "cancelled")
        )

    run_virtual(main())


def test_a_hub_that_goes_away_is_just_that() -> None:
    async def main() -> None:
        ours, theirs = channel_pair()
        await theirs.close(1001, "restarting")
        with pytest.raises(ChannelClosed):
            await secure_as_relay(ours, _RELAY, secret=_SECRET)

    run_virtual(main())


# --- the channel --------------------------------------------------------------------------------


def test_frames_come_in_the_order_in_which_they_were_sent_whoever_waits() -> None:
    async def main() -> None:
        relay, served, _, _ = await _open()
        expected = [bytes([n]) for n in range(40)]
        async with asyncio.TaskGroup() as tasks:
            for frame in expected:
                tasks.create_task(relay.send(frame))
            assert [await served.receive() for _ in expected] == expected

    run_virtual(main())


def test_only_bytes_of_bounded_length_can_be_sent() -> None:
    async def main() -> None:
        relay, served, _, _ = await _open()
        with pytest.raises(TypeError):
            await relay.send("text")
        with pytest.raises(ValueError):
            await relay.send(bytes(65_520))
        await relay.send(bytes(65_519))  # neither has used up a number
        assert await served.receive() == bytes(65_519)

    run_virtual(main())


@pytest.mark.parametrize("attack", ["flip", "replay", "reorder", "omit", "text", "short", "other"])
def test_anything_but_the_next_frame_ends_the_channel_at_both_ends(attack: str) -> None:
    async def main() -> None:
        relay, served, outer, wire = await _open()
        await relay.send(b"one")
        await relay.send(b"two")
        first, second = await wire.receive(), await wire.receive()
        assert isinstance(first, bytes)
        assert isinstance(second, bytes)
        tampered: dict[str, list[Frame]] = {
            "flip": [first[:-1] + bytes([first[-1] ^ 1]), first],
            "replay": [first, first],
            "reorder": [second, first],
            "omit": [second],
            "text": ["text", first],
            "short": [b"", first],
            "other": [bytes(40), first],
        }
        for frame in tampered[attack]:
            await outer.send(frame)
        if attack == "replay":
            assert await served.receive() == b"one"
        with pytest.raises(LinkViolation):
            await served.receive()
        for _ in range(2):  # not even the genuine frame after it
            with pytest.raises(ChannelClosed):
                await served.receive()
        with pytest.raises(ChannelClosed):
            await served.send(b"")
        with pytest.raises(ChannelClosed) as closed:
            await relay.receive()
        assert (closed.value.code, closed.value.reason) == (1008, "")

    run_virtual(main())


def test_frames_that_came_before_a_close_are_still_delivered() -> None:
    async def main() -> None:
        relay, served, _, _ = await _open()
        await relay.send(b"last words")
        await relay.close(1000, "done")
        assert await served.receive() == b"last words"
        with pytest.raises(ChannelClosed) as closed:
            await served.receive()
        assert closed.value.reason == "done"
        with pytest.raises(ChannelClosed):
            await relay.send(b"")

    run_virtual(main())


def test_a_cancelled_receive_loses_nothing() -> None:
    async def main() -> None:
        relay, served, _, _ = await _open()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await served.receive()
        await relay.send(b"later")
        assert await served.receive() == b"later"

    run_virtual(main())


def test_after_a_send_that_was_cut_short_nothing_is_sent_any_more() -> None:
    async def main() -> None:
        relay, _, _, _ = await _open()
        for _ in range(4):
            await relay.send(b"fills the lane")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await relay.send(b"cut short")
        with pytest.raises(ChannelClosed, match="not sent to its end"):
            await relay.send(b"after it")

    run_virtual(main())


def test_a_secure_channel_is_a_channel() -> None:
    async def main() -> None:
        relay, _, _, _ = await _open()
        channel: Channel = relay
        assert channel.peer == "in-process"

    run_virtual(main())
