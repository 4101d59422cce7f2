"""A guest over the whole of the wire, both ends wired together, in virtual time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from forwarder.access.grants import GrantTable
from forwarder.access.relay_keys import HubTrust, RelayBook
from forwarder.access.share_link import ShareLink, share_psk
from forwarder.access.shares import ShareBook
from forwarder.clients.bounds import LEASE_S
from forwarder.clients.driver import ClientOptions
from forwarder.shares.dialer import SharedChannel, ShareIsOver, greet
from forwarder.shares.doorway import Doorway
from forwarder.shares.sessions import SharedSessions
from forwarder.shares.words import GuestLeaseWord
from forwarder.stop.person import Person
from relay.link.channel import Channel, channel_pair
from relay.link.errors import ChannelClosed
from relay.link.security.handshake import HandshakeRefused
from relay.link.security.noise import KeyPair
from relay.link.security.secure import secure_as_hub
from tests.doubles.clock import run_virtual
from tests.doubles.delayed import delayed_pair
from tests.doubles.driver import NORA, RecordingDriver, device
from tests.doubles.hubs import SomeHub

PHONE, LAPTOP = KeyPair.generate(), KeyPair.generate()
WALL = 1_000_000.0


class Page:
    """A guest's page: speaks Buttplug over a share."""

    def __init__(self, channel: SharedChannel) -> None:
        self.channel = channel
        self._id = 0
        self.lists: list[dict[str, object]] = []

    async def ask(self, name: str, **fields: object) -> tuple[str, dict[str, object]]:
        self._id += 1
        await self.channel.send(json.dumps([{name: {"Id": self._id, **fields}}]))
        while True:
            ((answer, got),) = json.loads(await self.channel.receive())[0].items()
            if answer == "DeviceList":
                self.lists.append(got)
            if got["Id"] == self._id:
                return answer, got

    async def start(self) -> Page:
        await self.channel.allowed()
        await self.ask(
            "RequestServerInfo",
            ClientName="Firefox",
            ProtocolVersionMajor=4,
            ProtocolVersionMinor=0,
        )
        return self

    async def output(
        self, kind: str, value: int, feature: int = 0
    ) -> tuple[str, dict[str, object]]:
        command = {kind: {"Value": value}}
        return await self.ask("OutputCmd", DeviceIndex=0, FeatureIndex=feature, Command=command)

    async def over(self) -> ShareIsOver:
        with pytest.raises(ShareIsOver) as ended:
            await self.everything()
        return ended.value

    async def hear(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self.everything(), seconds)

    async def everything(self) -> None:
        """Hear what comes until the end."""
        while True:
            await self.channel.receive()


class House:
    """A hub with a Nora (vibration and rotation), its shares, and guests that come to it."""

    def __init__(self) -> None:
        self.hub = SomeHub()
        self.hub.add_toy(NORA)
        self.book = ShareBook(GrantTable(None))
        loop = asyncio.get_running_loop()
        self.wall: Callable[[], float] = lambda: WALL + loop.time()
        self.trust = HubTrust(KeyPair.generate(), "Kim", RelayBook(None))
        self.why: str | None = None
        self.sessions = SharedSessions(
            self.book,
            self.hub.hub,
            ClientOptions(),
            owner="Kim",
            why=lambda device: self.why,
            wall=self.wall,
        )
        self.tasks: set[asyncio.Task[None]] = set()
        self.delay_s = 0.0  # of the guests that come by a delayed channel, each way

    @property
    def toy(self) -> RecordingDriver:
        return self.hub.toys[0]

    @property
    def running(self) -> bool:
        return self.hub.hub.devices[0].running

    async def _serve(self, channel: Channel) -> None:
        doorway = Doorway(self.trust, self.book, self.wall)
        try:
            secure, _ = await secure_as_hub(channel, doorway)
        except HandshakeRefused:
            return
        assert doorway.guest is not None
        await self.sessions.serve(secure, doorway.guest)

    async def channel(
        self, secret: bytes, key: KeyPair = PHONE, *, delayed: bool = False
    ) -> SharedChannel:
        guest, hub = delayed_pair(lambda: self.delay_s) if delayed else channel_pair()
        task = asyncio.create_task(self._serve(hub))
        self.tasks.add(task)
        link = ShareLink((), share_psk(secret))
        return await greet(guest, link, key, "Firefox on Android")

    async def page(self, secret: bytes, key: KeyPair = PHONE, *, lease: bool = True) -> Page:
        page = Page(await self.channel(secret, key))
        if lease:
            self.keep(page)
        return await page.start()

    def keep(self, page: Page) -> asyncio.Task[None]:
        task = asyncio.create_task(page.channel.keep_lease())
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        self.tasks.add(task)
        return task

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


def in_a_house(scene: Callable[[House], Awaitable[None]]) -> None:
    async def play() -> None:
        house = House()
        try:
            await scene(house)
        finally:
            await house.close()

    run_virtual(play())


def test_a_guest_drives_within_its_ceiling_in_both_directions() -> None:
    async def scene(house: House) -> None:
        page = await house.page(house.book.new("Marie", house.wall(), level=0.5, ask=False))
        _, listed = await page.ask("RequestDeviceList")
        features = listed["Devices"]["0"]["DeviceFeatures"]  # type: ignore[index]
        assert features["0"]["Output"]["Vibrate"]["Value"] == [0, 10]
        assert features["1"]["Output"]["Rotate"]["Value"] == [-10, 10]
        assert (await page.output("Vibrate", 10))[0] == "Ok"
        assert (await page.output("Vibrate", 11))[0] == "Error"
        assert (await page.output("Rotate", -10, 1))[0] == "Ok"
        assert (await page.output("Rotate", -11, 1))[0] == "Error"
        assert ("output", 1, "Rotate", -10, 0) in house.toy.calls

    in_a_house(scene)


def test_it_stops_within_a_second_when_the_page_says_nothing_more() -> None:
    async def scene(house: House) -> None:
        page = Page(await house.channel(house.book.new("Marie", house.wall(), ask=False)))
        lease = house.keep(page)
        await page.start()
        await page.output("Vibrate", 10)
        await page.hear(5)
        assert house.running
        lease.cancel()
        await asyncio.sleep(0.95)
        assert not house.running
        answer, error = await page.output("Vibrate", 5)
        assert answer == "Error"
        assert "not heard" in str(error["ErrorMessage"])
        # The page is back, and may go on: nothing has started by itself.
        house.keep(page)
        await asyncio.sleep(0.1)
        assert not house.running
        assert (await page.output("Vibrate", 5))[0] == "Ok"

    in_a_house(scene)


def test_what_was_sent_before_a_loss_moves_nothing_after_it() -> None:
    async def scene(house: House) -> None:
        page = await house.page(house.book.new("Marie", house.wall(), ask=False), lease=False)
        clock = asyncio.get_running_loop().time
        await page.channel._say(GuestLeaseWord(at=clock() * 1000))
        sent = clock() * 1000 + 300
        await asyncio.sleep(3)  # the way was closed; now what was sent at its start arrives
        await page.channel._say(GuestLeaseWord(at=sent))
        assert (await page.output("Vibrate", 10))[0] == "Error"
        assert not any(call[0] == "output" for call in house.toy.calls)

    in_a_house(scene)


def test_a_way_that_is_slow_from_its_beginning_drives_nothing() -> None:
    """By what comes later than something else it is not noticed: all of it is as late."""

    async def scene(house: House) -> None:
        secret = house.book.new("Marie", house.wall(), ask=False)
        page = Page(await house.channel(secret, delayed=True))
        house.delay_s = 3.0  # whoever carries it let the handshake through
        house.keep(page)
        await page.start()
        answer, error = await page.output("Vibrate", 10)
        assert answer == "Error"
        assert "too long" in str(error["ErrorMessage"])
        assert not any(call[0] == "output" for call in house.toy.calls)

    in_a_house(scene)


def test_a_way_around_the_world_drives_and_stops_within_what_it_takes() -> None:
    async def scene(house: House) -> None:
        secret = house.book.new("Marie", house.wall(), ask=False)
        house.delay_s = 0.4
        page = Page(await house.channel(secret, delayed=True))
        lease = house.keep(page)
        await page.start()
        assert (await page.output("Vibrate", 10))[0] == "Ok"
        await page.hear(5)
        assert house.running
        lease.cancel()
        await page.hear(0.4 + LEASE_S + 0.05)
        assert not house.running

    in_a_house(scene)


def test_a_page_that_is_hidden_says_stop_itself() -> None:
    async def scene(house: House) -> None:
        page = Page(await house.channel(house.book.new("Marie", house.wall(), ask=False)))
        await page.channel._say(GuestLeaseWord(at=0))
        await page.start()
        await page.output("Vibrate", 10)
        await page.channel.rest()
        await asyncio.sleep(0.001)
        assert not house.running

    in_a_house(scene)


def test_a_connection_that_is_cut_stops_at_once() -> None:
    async def scene(house: House) -> None:
        page = await house.page(house.book.new("Marie", house.wall(), ask=False))
        await page.output("Vibrate", 10)
        await page.channel.close()
        await asyncio.sleep(0.01)
        assert not house.running
        assert not list(house.sessions.staying())

    in_a_house(scene)


def test_a_guest_that_waits_drives_nothing_until_it_is_allowed() -> None:
    async def scene(house: House) -> None:
        channel = await house.channel(house.book.new("Marie", house.wall()))
        page = Page(channel)
        house.keep(page)
        starting = asyncio.create_task(page.start())
        await asyncio.sleep(30)
        assert channel.share is not None
        assert (channel.share.owner, channel.share.state) == ("Kim", "asked")
        assert not starting.done()
        house.book.allow("Marie")
        await asyncio.wait_for(starting, 1)
        assert (await page.output("Vibrate", 3))[0] == "Ok"

    in_a_house(scene)


def test_who_speaks_before_it_is_allowed_is_sent_away() -> None:
    async def scene(house: House) -> None:
        channel = await house.channel(house.book.new("Marie", house.wall()))
        await channel._say("[]")
        with pytest.raises(ChannelClosed):
            await Page(channel).everything()

    in_a_house(scene)


@pytest.mark.parametrize(
    ("act", "reason"),
    [(lambda book, now: book.end("Marie"), "ended"),
     (lambda book, now: book.refuse("Marie", 1), "refused"),
     (lambda book, now: book.renew("Marie", now), "renewed")],
)  # fmt: skip
def test_what_ends_a_share_stops_the_live_session_at_once_and_says_so(
    act: Callable[[ShareBook, float], object], reason: str
) -> None:
    async def scene(house: House) -> None:
        page = await house.page(house.book.new("Marie", house.wall(), ask=False))
        await page.output("Vibrate", 10)
        act(house.book, house.wall())
        assert house.toy.calls[-1][0] == "stop"  # in the same breath
        assert (await page.over()).reason == reason
        assert not list(house.sessions.staying())

    in_a_house(scene)


def test_it_ends_when_its_time_is_over() -> None:
    async def scene(house: House) -> None:
        secret = house.book.new("Marie", house.wall(), valid_s=60, ask=False)
        page = await house.page(secret)
        await page.output("Vibrate", 10)
        assert page.channel.share is not None
        assert page.channel.share.left_s == pytest.approx(60, abs=1)
        await page.hear(60 - house.wall() + WALL - 0.1)
        assert house.running
        assert (await page.over()).reason == "expired"
        assert house.wall() - WALL < 60.5
        assert not house.running

    in_a_house(scene)


def test_another_level_stops_what_runs_and_holds_for_what_comes() -> None:
    async def scene(house: House) -> None:
        page = await house.page(house.book.new("Marie", house.wall(), ask=False))
        await page.output("Vibrate", 20)
        house.book.limit("Marie", 0.25)
        assert house.toy.calls[-1][0] == "stop"
        assert (await page.output("Vibrate", 6))[0] == "Error"
        assert (await page.output("Vibrate", 5))[0] == "Ok"
        await page.ask("RequestDeviceList")
        assert len(page.lists) >= 2  # one was not asked for
        await asyncio.sleep(0.3)
        await page.ask("Ping")
        assert page.channel.share is not None
        assert page.channel.share.percent == 25

    in_a_house(scene)


def test_a_link_that_was_passed_on_is_refused_in_words() -> None:
    async def scene(house: House) -> None:
        secret = house.book.new("Marie", house.wall(), ask=False)
        page = await house.page(secret)
        with pytest.raises(HandshakeRefused, match="opened in another browser"):
            await house.channel(secret, LAPTOP)
        assert (await page.output("Vibrate", 1))[0] == "Ok"

    in_a_house(scene)


def test_the_same_browser_in_another_tab_takes_over() -> None:
    async def scene(house: House) -> None:
        secret = house.book.new("Marie", house.wall(), ask=False)
        first = await house.page(secret)
        await first.output("Vibrate", 10)
        second = await house.page(secret)
        assert not house.running
        assert (await first.over()).reason == "elsewhere"
        assert (await second.output("Vibrate", 2))[0] == "Ok"

    in_a_house(scene)


def test_an_ended_link_is_refused_in_words() -> None:
    async def scene(house: House) -> None:
        secret = house.book.new("Marie", house.wall())
        house.book.end("Marie")
        with pytest.raises(HandshakeRefused, match="has ended, or has another link"):
            await house.channel(secret)
        with pytest.raises(HandshakeRefused, match="knows no such share"):
            await house.channel(b"?" * 32)

    in_a_house(scene)


def test_it_says_why_nothing_moves() -> None:
    async def scene(house: House) -> None:
        page = await house.page(house.book.new("Marie", house.wall(), ask=False))
        house.why = "Paused by who wears it."
        person = Person(house.hub.hub)
        person.pause("Kim")
        await asyncio.sleep(0.3)
        await page.ask("Ping")
        news = page.channel.news
        assert news.held is not None
        assert "paused by Kim" in news.held
        assert news.devices == {"0": "Paused by who wears it."}

    in_a_house(scene)


def test_a_guest_sees_the_devices_of_its_share_only() -> None:
    async def scene(house: House) -> None:
        house.hub.hub.add(device(RecordingDriver(), NORA, "other"))
        page = await house.page(house.book.new("Marie", house.wall(), devices=["1"], ask=False))
        _, listed = await page.ask("RequestDeviceList")
        assert list(listed["Devices"]) == ["1"]  # type: ignore[call-overload]
        assert (await page.output("Vibrate", 1))[0] == "Error"

    in_a_house(scene)


def test_a_flood_of_words_ends_the_session() -> None:
    async def scene(house: House) -> None:
        page = await house.page(house.book.new("Marie", house.wall(), ask=False))
        with pytest.raises(ChannelClosed):
            await flood(page)

    async def flood(page: Page) -> None:
        for _ in range(200):
            await page.channel.rest()
        while True:
            await page.channel._next()

    in_a_house(scene)
