"""Who may try to have a code compared, and when a relay is kept: the table, and the waiting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import pytest

from forwarder.access.bounds import BETWEEN_TRIES_S, COMPARE_S, GREETING_S, SEEN_S, TRIES
from forwarder.access.comparing import (
    CLOSED,
    DIFFERENT,
    GONE,
    LATE,
    ComparingDesk,
    ComparingState,
    ComparingTry,
    compared,
)
from forwarder.access.relay_keys import HubTrust, RelayBook
from forwarder.errors import ConfigError
from relay.hub_link.comparing import ComparingPerson, compare
from relay.link.channel import Channel, MemoryChannel, channel_pair
from relay.link.errors import LinkError
from relay.link.security.handshake import HandshakeRefused
from relay.link.security.noise import KeyPair
from relay.link.security.pairing import KnownHub
from relay.link.security.secure import compare_as_relay, secure_as_hub
from tests.doubles.clock import run_virtual

T = TypeVar("T")
ATTIC = KeyPair.generate()


# --- the table ------------------------------------------------------------------------------------


def opened() -> ComparingDesk:
    desk = ComparingDesk()
    desk.open(0.0)
    return desk


def showing() -> tuple[ComparingDesk, ComparingTry]:
    desk = opened()
    assert desk.may_try(0.0)
    attempt = desk.shown("7KQ-M2X", "Attic", 0.0)
    assert attempt is not None
    return desk, attempt


def test_nobody_may_try_while_no_dialog_is_open() -> None:
    desk = ComparingDesk()
    assert not desk.may_try(0.0)
    desk.open(0.0)
    desk.close()
    assert not desk.may_try(0.0)


def test_a_dialog_that_nobody_looks_at_is_closed() -> None:
    desk = opened()
    assert desk.look(SEEN_S) is ComparingState.WAITING
    assert desk.look(2 * SEEN_S) is ComparingState.WAITING
    assert not desk.may_try(3 * SEEN_S + 0.1)
    assert desk.look(3 * SEEN_S + 0.1) is ComparingState.CLOSED


def test_one_try_at_a_time_one_a_minute_three_in_all() -> None:
    desk, now = opened(), 0.0
    for _ in range(TRIES):
        desk.open(now)
        assert desk.may_try(now)
        assert not desk.may_try(now)
        attempt = desk.shown("7KQ-M2X", "Attic", now)
        assert attempt is not None
        desk.different(attempt.number, now)
        assert not desk.may_try(now), "within a minute"
        while now % BETWEEN_TRIES_S < BETWEEN_TRIES_S - 1:
            now += 1
            desk.look(now)
            assert not desk.may_try(now)
        now += 1
        desk.look(now)
    assert desk.tries_left == 0
    assert not desk.may_try(now)


def test_closing_and_opening_the_dialog_does_not_shorten_the_minute() -> None:
    desk, attempt = showing()
    desk.different(attempt.number, 1.0)
    desk.close()
    desk.open(2.0)
    assert desk.tries_left == TRIES
    assert not desk.may_try(2.0)
    assert desk.wait_s(2.0) == BETWEEN_TRIES_S - 2.0


def test_both_persons_have_to_say_it() -> None:
    for first in ("person", "relay"):
        desk, attempt = showing()
        for who in (first, "relay" if first == "person" else "person"):
            assert desk.look(1.0) is ComparingState.SHOWN
            if who == "person":
                desk.same(attempt.number, 1.0)
            else:
                desk.agreed(attempt)
        # And then it has to be kept.
        assert desk.look(1.0) is ComparingState.SHOWN
        desk.kept(attempt, "Attic 2")
        assert desk.look(1.0) is ComparingState.JOINED
        assert desk.joined == "Attic 2"


def test_a_word_before_there_is_a_code_counts_for_nothing() -> None:
    desk = opened()
    with pytest.raises(ConfigError, match="not shown any more"):
        desk.same(1, 0.0)
    assert desk.may_try(0.0)
    with pytest.raises(ConfigError):
        desk.same(1, 0.0)
    attempt = desk.shown("7KQ-M2X", "Attic", 0.0)
    assert attempt is not None
    desk.agreed(attempt)
    assert desk.look(0.0) is ComparingState.SHOWN


def test_a_word_about_an_earlier_code_counts_for_nothing() -> None:
    desk, first = showing()
    desk.different(first.number, 0.0)
    for at in range(0, 61, 4):
        desk.look(float(at))
    assert desk.may_try(60.0)
    second = desk.shown("000-000", "Mallory", 60.0)
    assert second is not None
    with pytest.raises(ConfigError):
        desk.same(first.number, 60.0)
    desk.agreed(first)
    desk.gone(first, GONE)
    assert not second.by_relay
    assert desk.look(60.0) is ComparingState.SHOWN


@pytest.mark.parametrize("shown", [False, True])
def test_a_try_that_takes_too_long_ends(shown: bool) -> None:
    desk = opened()
    assert desk.may_try(0.0)
    if shown:
        desk.shown("7KQ-M2X", "Attic", 0.0)
    limit = COMPARE_S if shown else GREETING_S
    now = 0.0
    while now < limit:
        assert desk.look(now) is not ComparingState.WAITING
        now += 1
    assert desk.look(limit + 0.1) is ComparingState.WAITING
    assert desk.shown("7KQ-M2X", "Attic", limit + 0.1) is None


# --- both ends and both persons, wired together ---------------------------------------------------


class House:
    """A hub and a relay on one pipe, in virtual time. `relay_says`: after so many seconds, and
    what; `hub_says` alike, None for nobody."""

    def __init__(self) -> None:
        self.trust = HubTrust(KeyPair.generate(), "Desk", RelayBook(None))
        self.desk = ComparingDesk()
        self.codes: list[str] = []
        self.at_hub: LinkError | None = None

    async def serve(self, channel: MemoryChannel) -> None:
        try:
            secure, peer = await secure_as_hub(
                channel, self.trust, self.trust, may_compare=self.desk.may_try
            )
            assert peer.code
            await compared(secure, peer, self.desk, self.trust)
        except LinkError as error:
            self.at_hub = error

    async def look(self, says: Callable[[int], None] | None, after_s: float) -> None:
        """A person at the dialog."""
        clock = asyncio.get_running_loop().time
        said = False
        while True:
            self.desk.look(clock())
            attempt = self.desk.attempt
            if attempt is not None and attempt.code and not said and clock() >= after_s:
                self.codes.append(attempt.code)
                said = True
                if says is not None:
                    says(attempt.number)
            await asyncio.sleep(1)

    def same(self, number: int) -> None:
        self.desk.same(number, asyncio.get_running_loop().time())

    def different(self, number: int) -> None:
        self.desk.different(number, asyncio.get_running_loop().time())

    async def meet(
        self, relay_says: Callable[[], Awaitable[bool]], *, hub: str, after_s: float = 2.0
    ) -> KnownHub | LinkError:
        a, b = channel_pair(names=("ws://desk/link", "10.0.0.9:1"))
        self.desk.open(asyncio.get_running_loop().time())

        async def same(code: str, name: str) -> bool:
            self.codes.append(code)
            assert name == "Desk"
            return await relay_says()

        says = {"same": self.same, "different": self.different, "nothing": None}[hub]
        async with asyncio.TaskGroup() as tasks:
            looking = tasks.create_task(self.look(says, after_s))
            serving = tasks.create_task(self.serve(b))
            person = ComparingPerson(_nobody, same)
            try:
                return await compare("ws://desk/link", a, ATTIC, "Attic", person)
            except LinkError as error:
                return error
            finally:
                await serving
                looking.cancel()


@asynccontextmanager
async def stranger(
    house: House, key: KeyPair = ATTIC, name: str = "Attic"
) -> AsyncIterator[tuple[Channel, asyncio.TaskGroup]]:
    """One whose code is shown, by its end of the link; ends when the hub has done with it."""
    a, b = channel_pair(names=("hub", "10.0.0.9:1"))
    house.desk.open(0.0)
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(house.serve(b))
        secure, _ = await compare_as_relay(a, key, name)
        yield secure, tasks
        await serving


async def _nobody(hubs: object) -> int:
    raise AssertionError("there is nothing to choose")


def says(same: bool, after_s: float = 1.0) -> Callable[[], Awaitable[bool]]:
    async def answer() -> bool:
        await asyncio.sleep(after_s)
        return same

    return answer


@pytest.mark.parametrize(("relay_s", "hub_s"), [(1.0, 20.0), (20.0, 1.0), (100.0, 2.0)])
def test_a_relay_is_kept_when_both_persons_have_said_so(relay_s: float, hub_s: float) -> None:
    async def main() -> None:
        house = House()
        found = await house.meet(says(True, relay_s), hub="same", after_s=hub_s)
        assert isinstance(found, KnownHub)
        assert found == KnownHub(house.trust.key.public, "Desk", ("ws://desk/link",))
        assert house.trust.known(ATTIC.public) == "Attic"
        assert len(house.codes) == 2
        assert house.codes[0] == house.codes[1]
        assert house.desk.joined == "Attic"
        assert house.at_hub is None

    run_virtual(main())


@pytest.mark.parametrize(
    ("relay", "hub", "at_hub", "at_relay"),
    [
        (False, "same", DIFFERENT, "the codes differ"),
        (True, "different", DIFFERENT, DIFFERENT),
        (False, "different", DIFFERENT, "the codes differ"),
        (True, "nothing", LATE, LATE),
    ],
)
def test_nothing_is_kept_unless_both_have(
    relay: bool, hub: str, at_hub: str, at_relay: str
) -> None:
    async def main() -> None:
        house = House()
        found = await house.meet(says(relay), hub=hub)
        assert isinstance(found, LinkError)
        assert at_relay in str(found) or "in time" in str(found)
        assert at_hub in str(house.at_hub)
        assert house.trust.known(ATTIC.public) is None
        assert house.desk.attempt is None

    run_virtual(main())


def test_a_hub_at_which_nobody_waits_says_so() -> None:
    async def main() -> None:
        house = House()
        a, b = channel_pair(names=("hub", "10.0.0.9:1"))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(house.serve(b))
            with pytest.raises(HandshakeRefused, match="nobody at the hub waits"):
                await compare("", a, ATTIC, "Attic", ComparingPerson(_nobody, _never))
        assert house.trust.known(ATTIC.public) is None

    run_virtual(main())


async def _never(code: str, name: str) -> bool:
    raise AssertionError("no code was made")


@pytest.mark.parametrize("after", ["the code", "its word"])
def test_a_relay_that_goes_leaves_the_dialog_waiting(after: str) -> None:
    async def main() -> None:
        house = House()
        async with stranger(house) as (secure, _):
            if after == "its word":
                await secure.send(b"")
                await asyncio.sleep(0.1)
            await secure.close()
        assert GONE in str(house.at_hub)
        assert house.desk.look(0.2) is ComparingState.WAITING
        assert house.trust.known(ATTIC.public) is None

    run_virtual(main())


def test_a_relay_that_says_something_else_is_not_kept() -> None:
    async def main() -> None:
        house = House()
        async with stranger(house) as (secure, _):
            await secure.send(b"\x80")
        assert DIFFERENT in str(house.at_hub)

    run_virtual(main())


def test_a_dialog_that_is_closed_ends_the_try() -> None:
    async def main() -> None:
        house = House()
        async with stranger(house) as (secure, _):
            await secure.send(b"")
            # The hub's person closed the laptop's lid: nobody looks.
            assert CLOSED.encode() in await secure.receive()
        assert asyncio.get_running_loop().time() < SEEN_S + 2
        assert CLOSED in str(house.at_hub)
        assert house.desk.look(9.0) is ComparingState.CLOSED

    run_virtual(main())


def test_the_hubs_own_key_is_no_relay_and_what_cannot_be_kept_has_not_joined() -> None:
    async def main() -> None:
        house = House()
        async with stranger(house, house.trust.key, "Echo") as (secure, tasks):
            await secure.send(b"")
            looking = tasks.create_task(house.look(house.same, 0.0))
            assert b"own key" in await secure.receive()
            looking.cancel()
        assert house.trust.known(house.trust.key.public) is None
        # And nobody was told that it has joined.
        assert house.desk.state is ComparingState.WAITING
        assert house.desk.joined == ""

    run_virtual(main())


def test_without_a_desk_no_stranger_is_let_in() -> None:
    """As by a meeting point."""

    async def main() -> None:
        house = House()
        a, b = channel_pair(names=("hub", "10.0.0.9:1"))
        async with asyncio.TaskGroup() as tasks:

            async def serve() -> None:
                with pytest.raises(HandshakeRefused):
                    await secure_as_hub(b, house.trust)

            tasks.create_task(serve())
            with pytest.raises(HandshakeRefused, match="different versions"):
                await compare_as_relay(a, ATTIC, "Attic")

    run_virtual(main())
