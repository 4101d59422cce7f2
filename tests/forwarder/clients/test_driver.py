"""One client over a channel, in virtual time: every request is answered, every end stops."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from forwarder.buttplug.messages import InputType, OutputType
from forwarder.clients.bounds import (
    BUSY_S,
    GONE_S,
    HANDSHAKE_S,
    OUTPUTS_UNDER_WAY,
    READINGS_AT_ONCE,
    STOPS_UNDER_WAY,
)
from forwarder.clients.driver import ClientOptions, serve
from forwarder.connectors.bounds import (
    ANSWERS,
    GUEST_BURST,
    GUEST_MESSAGES_S,
    MESSAGE_BYTES,
    TURN_MESSAGES,
    WEIGHT_BYTES,
)
from forwarder.errors import HardwareError
from forwarder.hub.bounds import VALUES_UNDER_WAY
from forwarder.hub.device import Device
from forwarder.hub.hub import Hub
from forwarder.hub.store import Store
from forwarder.stop.person import Person
from relay.link.channel import Channel, Frame, channel_pair
from relay.link.errors import ChannelClosed
from relay.link.messages import ErrorCode
from tests.doubles.clock import run_virtual
from tests.doubles.driver import RecordingDriver, device

Fields = dict[str, object]


class App:
    """The client's end: speaks JSON over one channel."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self._id = 0

    async def send(self, name: str, **fields: object) -> int:
        self._id += 1
        await self.channel.send(json.dumps([{name: {"Id": self._id, **fields}}]))
        return self._id

    async def receive(self) -> tuple[str, Fields]:
        frame = await self.channel.receive()
        ((name, fields),) = json.loads(frame)[0].items()
        return name, fields

    async def ask(self, name: str, **fields: object) -> tuple[str, Fields]:
        id = await self.send(name, **fields)
        while True:
            answer, got = await self.receive()
            if got["Id"] == id:
                return answer, got

    async def greet(self, spec: int = 4) -> App:
        version = {"ProtocolVersionMajor": 4, "ProtocolVersionMinor": 0}
        if spec < 4:
            version = {"MessageVersion": spec}
        name, _ = await self.ask("RequestServerInfo", ClientName="app", **version)
        assert name == "ServerInfo"
        return self

    async def vibrate(self, value: int, device: int = 0) -> tuple[str, Fields]:
        return await self.ask("OutputCmd", **_vibrate(value, device))


def _vibrate(value: int, device: int = 0) -> Fields:
    command = {"Vibrate": {"Value": value}}
    return {"DeviceIndex": device, "FeatureIndex": 0, "Command": command}


class House:
    """A hub with one toy, and apps that connect to it."""

    def __init__(self, **options: int) -> None:
        self.hub = Hub(Store(None))
        self.driver = RecordingDriver()
        self.hub.add(device(self.driver))
        self.options = ClientOptions("hub", **options)
        self.tasks: asyncio.TaskGroup

    @asynccontextmanager
    async def app(self, bound: int = 64) -> AsyncIterator[App]:
        here, there = channel_pair(bound)
        async with asyncio.TaskGroup() as tasks:
            self.served = tasks.create_task(serve(there, self.hub, self.options))
            yield App(here)
            await here.close()


Scene = Callable[[House, App], Awaitable[None]]


def play(scene: Scene, **options: int) -> House:
    """Run `scene` with a house and a greeted app; returns the house for a look round."""

    async def run() -> House:
        house = House(**options)
        async with house.app() as app:
            await scene(house, await app.greet())
        return house

    return run_virtual(run())


def test_an_ok_says_that_the_radio_took_it() -> None:
    async def scene(house: House, app: App) -> None:
        house.driver.slow = True
        id = await app.send("OutputCmd", **_vibrate(7))
        ping = await app.send("Ping")
        # The ping behind it is answered at once, the output only when it is written.
        assert await app.receive() == ("Ok", {"Id": ping})
        house.driver.finish()
        assert await app.receive() == ("Ok", {"Id": id})

    house = play(scene)
    assert house.driver.calls[0] == ("output", 0, "Vibrate", 7, 0)


def test_a_failed_write_is_reported() -> None:
    async def scene(house: House, app: App) -> None:
        house.driver.broken = True
        name, error = await app.vibrate(7)
        assert (name, error["ErrorCode"]) == ("Error", 4)
        assert error["ErrorMessage"] == "the radio said no"

    play(scene)


@pytest.mark.parametrize(
    ("name", "fields", "code"),
    [
        ("OutputCmd", _vibrate(21), 4),
        ("OutputCmd", _vibrate(1, device=9), 4),
        ("StopCmd", {"DeviceIndex": 9}, 4),
        ("Nonsense", {}, 3),
        (
            "InputCmd",
            {"DeviceIndex": 0, "FeatureIndex": 0, "Type": "Battery", "Command": "Read"},
            4,
        ),
    ],
)
def test_what_cannot_be_done_is_answered_with_its_number(
    name: str, fields: Fields, code: int
) -> None:
    async def scene(house: House, app: App) -> None:
        answer, error = await app.ask(name, **fields)
        assert (answer, error["ErrorCode"]) == ("Error", code)
        assert (await app.vibrate(1))[0] == "Ok"

    play(scene)


def test_a_battery_is_read_while_outputs_go_on() -> None:
    async def scene(house: House, app: App) -> None:
        house.driver.slow = True
        battery = {"DeviceIndex": 0, "FeatureIndex": 2, "Type": "Battery", "Command": "Read"}
        id = await app.send("InputCmd", **battery)
        assert await app.ask("Ping") == ("Ok", {"Id": 3})
        house.driver.finish()
        assert await app.receive() == (
            "InputReading",
            {
                "Id": id,
                "DeviceIndex": 0,
                "FeatureIndex": 2,
                "Reading": {"Battery": {"Value": 87}},
            },
        )

    play(scene)


@pytest.mark.parametrize("how", ["close", "cancel"])
def test_whatever_ends_a_client_stops_what_it_drove(how: str) -> None:
    async def scene(house: House, app: App) -> None:
        await app.vibrate(7)
        if how == "close":
            await app.channel.close()
        else:
            house.served.cancel()

    assert play(scene).driver.calls[-1] == ("stop", None)


def test_a_disconnect_stops_then_answers_then_closes() -> None:
    async def scene(house: House, app: App) -> None:
        await app.vibrate(7)
        assert (await app.ask("Disconnect"))[0] == "Ok"
        assert house.driver.calls[-1] == ("stop", None)
        with pytest.raises(ChannelClosed) as ended:
            await app.receive()
        assert ended.value.code == 1000

    play(scene)


def test_a_missed_ping_stops_then_says_why_then_closes() -> None:
    async def scene(house: House, app: App) -> None:
        loop = asyncio.get_running_loop()
        greeted = loop.time()
        await app.vibrate(7)
        name, error = await app.receive()
        assert loop.time() - greeted == pytest.approx(0.2, abs=0.001)
        assert (name, error["Id"], error["ErrorCode"]) == ("Error", 0, 2)
        assert house.driver.calls[-1] == ("stop", None)
        with pytest.raises(ChannelClosed):
            await app.receive()

    play(scene, max_ping_ms=200)


def test_pings_keep_a_session_alive() -> None:
    async def scene(house: House, app: App) -> None:
        for _ in range(10):
            await asyncio.sleep(0.15)
            assert (await app.ask("Ping"))[0] == "Ok"

    play(scene, max_ping_ms=200)


def test_who_never_greets_is_sent_away() -> None:
    async def run() -> None:
        async with House().app() as app:
            with pytest.raises(ChannelClosed) as ended:
                await app.receive()
            assert ended.value.code == 1008
            assert asyncio.get_running_loop().time() == pytest.approx(HANDSHAKE_S, abs=0.01)

    run_virtual(run())


def test_a_client_that_does_not_read_is_dropped_and_its_devices_stop() -> None:
    async def run() -> None:
        house = House()
        async with house.app(bound=4) as app:
            await app.greet()
            await app.vibrate(7)
            for _ in range(20):
                await app.send("Ping")
            await asyncio.sleep(BUSY_S + 0.1)
            assert house.driver.calls[-1] == ("stop", None)
            assert not house.served.done()
            await asyncio.sleep(GONE_S - BUSY_S)
            assert house.served.done()

    run_virtual(run())


def test_of_a_client_that_does_not_read_its_answers_nothing_more_is_read() -> None:
    async def run() -> None:
        house = House()
        async with house.app(bound=4) as app:
            await app.greet()
            asked = 1
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    while True:
                        await app.send("Ping")
                        asked += 1
            assert ANSWERS < asked < ANSWERS + 2 * TURN_MESSAGES
            # It reads at last: nothing was lost, and nothing was refused.
            for id in range(2, asked + 1):
                assert await app.receive() == ("Ok", {"Id": id})
            assert (await app.ask("Ping"))[0] == "Ok"

    run_virtual(run())


def test_a_stop_behind_a_flood_is_still_read() -> None:
    async def scene(house: House, app: App) -> None:
        house.driver.slow = True
        for number in range(VALUES_UNDER_WAY):
            await app.send("OutputCmd", **_vibrate(1 + number % 10))
        for number in range(50):
            await app.send("OutputCmd", **_vibrate(11 + number % 9))
        stop = await app.send("StopCmd")
        refused = [await app.receive() for _ in range(50)]
        assert {fields["ErrorCode"] for _, fields in refused} == {4}
        assert house.driver.calls[-1] == ("stop", None)
        assert len(house.driver.calls) == VALUES_UNDER_WAY + 1
        house.driver.finish()
        ids = [(await app.receive())[1]["Id"] for _ in range(VALUES_UNDER_WAY + 1)]
        assert stop in ids

    play(scene)


def test_device_changes_reach_a_greeted_client_as_events() -> None:
    async def scene(house: House, app: App) -> None:
        house.hub.add(device(address="A2"))
        name, fields = await app.receive()
        assert (name, fields["Id"]) == ("DeviceList", 0)
        assert isinstance(fields["Devices"], dict)
        assert list(fields["Devices"]) == ["0", "1"]

    play(scene)


def test_two_clients_do_not_hear_of_each_others_requests() -> None:
    async def run() -> None:
        house = House()
        async with house.app() as first, house.app() as second:
            await first.greet()
            await second.greet()
            await first.vibrate(7)
            id = await second.send("Ping")
            assert await second.receive() == ("Ok", {"Id": id})

    run_virtual(run())


class Stuck:
    """A channel whose other end reads nothing, and whose close takes long."""

    peer = "stuck"

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    @property
    def ready(self) -> bool:
        return False

    def send_now(self, frame: Frame) -> bool:
        return False

    async def send(self, frame: str | bytes) -> None:
        await self._channel.send(frame)

    async def receive(self) -> str | bytes:
        return await self._channel.receive()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await asyncio.sleep(60)


def test_a_close_that_takes_long_does_not_hold_up_the_stops() -> None:
    async def run() -> None:
        house = House()
        here, there = channel_pair(4)
        serving = asyncio.create_task(serve(Stuck(there), house.hub, house.options))
        app = await App(here).greet()
        await app.vibrate(7)
        for _ in range(20):
            await app.send("Ping")
        await asyncio.sleep(GONE_S + 0.1)
        assert house.driver.calls[-1] == ("stop", None)
        await serving

    run_virtual(run())


def test_a_flood_of_stops_is_read_as_fast_as_it_is_answered() -> None:
    async def scene(house: House, app: App) -> None:
        house.driver.slow = True
        sent = []
        for _ in range(STOPS_UNDER_WAY + 10):
            sent.append(await app.send("StopCmd"))
            await asyncio.sleep(0.001)  # together they would be carried out once
        await asyncio.sleep(0.1)
        assert house.driver.calls.count(("stop", None)) == STOPS_UNDER_WAY
        for _ in range(2):
            house.driver.finish()
            await asyncio.sleep(0.1)
        assert [(await app.receive())[1]["Id"] for _ in sent] == sent

    play(scene)


def test_two_clients_that_say_the_same_are_both_told_when_it_fails() -> None:
    async def run() -> None:
        house = House()
        house.driver.slow = True
        async with house.app() as first, house.app() as second:
            await first.greet()
            await second.greet()
            asked = [await app.send("OutputCmd", **_vibrate(7)) for app in (first, second)]
            await asyncio.sleep(0.1)
            (outcome,) = house.driver.waiting
            outcome.set_exception(HardwareError(ErrorCode.GONE, "it is gone"))
            house.driver.waiting.clear()
            for app, id in zip((first, second), asked, strict=True):
                name, error = await app.receive()
                assert (name, error["Id"]) == ("Error", id)
            house.driver.slow = False

    run_virtual(run())


# --- the person's stop --------------------------------------------------------------------------

_ROTATION = {"Index": 0, "Speed": 0.5, "Clockwise": True}
_SCALAR = {"Index": 0, "Scalar": 0.5, "ActuatorType": "Vibrate"}
# One command of each spec version that starts something.
STARTS: list[tuple[int, str, Fields]] = [
    (0, "SingleMotorVibrateCmd", {"DeviceIndex": 0, "Speed": 0.5}),
    (1, "VibrateCmd", {"DeviceIndex": 0, "Speeds": [{"Index": 0, "Speed": 0.5}]}),
    (2, "RotateCmd", {"DeviceIndex": 0, "Rotations": [_ROTATION]}),
    (3, "ScalarCmd", {"DeviceIndex": 0, "Scalars": [_SCALAR]}),
    (4, "OutputCmd", _vibrate(5)),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "name", "fields"), STARTS, ids=lambda each: str(each)[:24])
@pytest.mark.parametrize("how", ["stop", "pause", "mute"])
def test_a_hold_is_a_clear_error_in_every_spec_version(
    spec: int, name: str, fields: Fields, how: str
) -> None:
    async def run() -> None:
        house = House()
        person = Person(house.hub)
        async with house.app() as app:
            await app.greet(spec)
            started = await app.ask(name, **fields)
            assert started[0] == "Ok"
            if how == "mute":
                person.mute("app", "Dashboard")
            else:
                getattr(person, how)("Dashboard")
            held = list(house.driver.calls)
            assert held[-1] == ("stop", None)
            answer, error = await app.ask(name, **fields)
            assert answer == "Error"
            assert error["ErrorCode"] == 4
            assert "by Dashboard on" in str(error["ErrorMessage"])
            assert house.driver.calls == held
            person.resume("Dashboard")
            if how == "mute":
                person.unmute("app", "Dashboard")
            assert (await app.ask(name, **fields))[0] == "Ok"
            assert len(house.driver.calls) == len(held) + 1

    run_virtual(run())


# --- long frames, floods, and who waits for whom --------------------------------------------------


def frame(*messages: tuple[str, Fields]) -> str:
    """One frame; the Ids begin at 100."""
    return json.dumps(
        [{name: {"Id": id, **fields}} for id, (name, fields) in enumerate(messages, 100)]
    )


async def answers(app: App, count: int) -> list[tuple[str, Fields]]:
    return [await app.receive() for _ in range(count)]


def test_in_a_long_frame_what_a_stop_further_on_undoes_is_never_begun() -> None:
    async def scene(house: House, app: App) -> None:
        many: list[tuple[str, Fields]] = [("Ping", {})] * (3 * TURN_MESSAGES)
        await app.channel.send(
            frame(("OutputCmd", _vibrate(7)), *many, ("StopCmd", {}), ("OutputCmd", _vibrate(3)))
        )
        got = await answers(app, 3 + len(many))
        assert {name for name, _ in got} == {"Ok"}
        assert [fields["Id"] for _, fields in got] == list(range(100, 100 + len(got)))
        assert house.driver.calls == [("stop", None), ("output", 0, "Vibrate", 3, 0)]

    play(scene)


def test_what_is_wrong_with_an_output_that_is_never_begun_is_said_all_the_same() -> None:
    async def scene(house: House, app: App) -> None:
        many: list[tuple[str, Fields]] = [("Ping", {})] * (2 * TURN_MESSAGES)
        wrong = [("OutputCmd", _vibrate(21)), ("OutputCmd", _vibrate(1, device=9))]
        await app.channel.send(frame(*wrong, *many, ("StopCmd", {})))
        got = await answers(app, 3 + len(many))
        assert [name for name, _ in got[:2]] == ["Error", "Error"]
        assert house.driver.calls == [("stop", None)]

    play(scene)


def test_a_stop_of_another_device_undoes_nothing() -> None:
    async def scene(house: House, app: App) -> None:
        house.hub.add(device(address="A2"))
        many: list[tuple[str, Fields]] = [("Ping", {})] * (2 * TURN_MESSAGES)
        await app.channel.send(
            frame(("OutputCmd", _vibrate(7)), *many, ("StopCmd", {"DeviceIndex": 1}))
        )
        await answers(app, 2 + len(many))
        assert house.driver.calls == [("output", 0, "Vibrate", 7, 0)]

    play(scene)


@pytest.mark.parametrize("together", [True, False])
def test_equal_stops_that_come_together_are_carried_out_once_and_each_is_answered(
    together: bool,
) -> None:
    async def scene(house: House, app: App) -> None:
        stops: list[tuple[str, Fields]] = [("StopCmd", {})] * 1000
        got: list[tuple[str, Fields]] = []
        if together:
            await app.channel.send(frame(*stops))
            got = await answers(app, 1000)
        else:
            for some in range(100, 1100, 50):
                for id in range(some, some + 50):
                    await app.channel.send(json.dumps([{"StopCmd": {"Id": id}}]))
                got += await answers(app, 50)
        assert got == [("Ok", {"Id": id}) for id in range(100, 1100)]
        assert 1 <= len(house.driver.calls) <= 60

    play(scene)


def test_stops_with_an_output_between_them_are_both_carried_out() -> None:
    async def scene(house: House, app: App) -> None:
        await app.channel.send(
            frame(("StopCmd", {}), ("OutputCmd", _vibrate(7)), ("StopCmd", {}), ("StopCmd", {}))
        )
        await answers(app, 4)
        kinds = [call[0] for call in house.driver.calls]
        assert kinds == ["stop", "output", "stop"]

    play(scene)


def test_an_equal_stop_shares_the_failure_too() -> None:
    async def scene(house: House, app: App) -> None:
        house.driver.slow = True
        await app.channel.send(frame(("StopCmd", {}), ("StopCmd", {})))
        await asyncio.sleep(0.1)
        (outcome,) = house.driver.waiting
        outcome.set_exception(HardwareError(ErrorCode.GONE, "it is gone"))
        house.driver.waiting.clear()
        house.driver.slow = False
        assert [name for name, _ in await answers(app, 2)] == ["Error", "Error"]

    play(scene)


@pytest.mark.parametrize("together", [True, False])
def test_others_have_their_turn_while_one_client_floods(together: bool) -> None:
    """Turns are counted, not timed: while 2,000 messages are carried out, another's ping waits for
    a turn at most."""

    async def run() -> None:
        house = House()
        here, there = channel_pair(4096)
        async with house.app() as good, asyncio.TaskGroup() as tasks:
            flooding = tasks.create_task(serve(there, house.hub, house.options))
            flooder = await App(here).greet()
            await good.greet()
            many = [("OutputCmd", _vibrate(number % 20)) for number in range(2000)]
            if together:
                await flooder.channel.send(frame(*many))
            else:
                for message in many:
                    await flooder.channel.send(frame(message))
            before = len(house.driver.calls)
            most = 0
            while before < 1900:
                await good.ask("Ping")
                most, before = max(most, len(house.driver.calls) - before), len(house.driver.calls)
            assert most <= 6 * TURN_MESSAGES  # the ping's own way takes a few passes of the loop
            await here.close()
            await flooding

    run_virtual(run())


@pytest.mark.parametrize("slow", [False, True])
def test_a_game_that_goes_on_moves_nothing_after_the_persons_stop(slow: bool) -> None:
    async def scene(house: House, app: App) -> None:
        house.driver.slow = slow
        for value in range(1, 10):
            await app.send("OutputCmd", **_vibrate(value))
            await asyncio.sleep(0.1)
        # What is already in the pipe when the person presses counts as later.
        for value in range(10, 20):
            await app.send("OutputCmd", **_vibrate(value))
        stops = Person(house.hub).stop("Dashboard")
        house.driver.finish()
        for _ in range(30):
            await app.send("OutputCmd", **_vibrate(15))
            await asyncio.sleep(0.1)
        assert stops[0].outcome.done()
        assert house.driver.calls[-1] == ("stop", None)
        house.driver.finish()

    play(scene)


def test_an_app_that_is_disconnected_is_stopped_at_once_and_drives_no_more() -> None:
    async def scene(house: House, app: App) -> None:
        assert (await app.vibrate(5))[0] == "Ok"
        # Behind these its end comes, and it may go on until it reads it.
        assert Person(house.hub).disconnect("app", "Dashboard") == 1
        assert house.driver.calls[-1] == ("stop", None)
        await app.send("OutputCmd", **_vibrate(7))
        with pytest.raises(ChannelClosed, match="person"):
            await app.ask("an answer that does not come")
        assert house.driver.calls[-1] == ("stop", None)

    play(scene)


def test_an_app_without_a_name_is_muted_beyond_its_connection() -> None:
    async def run() -> None:
        house = House()
        person = Person(house.hub)
        for _ in range(2):
            async with house.app() as app:
                version = {"ProtocolVersionMajor": 4, "ProtocolVersionMinor": 0}
                await app.ask("RequestServerInfo", ClientName="", **version)
                (client,) = house.hub.clients
                person.mute(client.name, "Dashboard")
                assert (await app.vibrate(5))[0] == "Error"
        assert len(house.hub.hold.state.muted) == 1

    run_virtual(run())


def test_a_frame_of_23_000_messages_is_read_in_turns_and_nothing_of_it_is_refused() -> None:
    async def run() -> None:
        house = House()
        here, there = channel_pair(1 << 16)
        async with house.app() as good, asyncio.TaskGroup() as tasks:
            tasks.create_task(serve(there, house.hub, house.options))
            long = await App(here).greet()
            await good.greet()
            many: list[tuple[str, Fields]] = [("Ping", {})] * 23_000
            text = frame(*many, ("StopCmd", {}))
            assert len(text) > 500_000
            await long.channel.send(text)
            pings = 0
            got: list[tuple[str, Fields]] = []

            async def others() -> None:
                nonlocal pings
                while len(got) <= len(many):
                    await good.ask("Ping")
                    pings += 1

            pinging = tasks.create_task(others())
            got += await answers(long, len(many) + 1)
            pinging.cancel()
            assert [fields["Id"] for _, fields in got] == list(range(100, 100 + len(got)))
            assert {name for name, _ in got} == {"Ok"}
            assert pings > 50
            await here.close()

    run_virtual(run())


def test_a_message_that_is_too_long_ends_the_session_and_stops_what_it_drove() -> None:
    async def scene(house: House, app: App) -> None:
        assert (await app.vibrate(5))[0] == "Ok"
        await app.channel.send(frame(("Ping", {"Long": "a" * MESSAGE_BYTES * 2})))
        with pytest.raises(ChannelClosed, match="at most") as closed:
            await app.receive()
        assert closed.value.code == 1009
        assert house.driver.calls[-1] == ("stop", None)

    play(scene)


def test_an_end_from_here_stops_at_once_what_a_client_drove_that_reads_nothing() -> None:
    async def run() -> None:
        house = House()
        here, there = channel_pair(1)
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(serve(there, house.hub, house.options))
            app = await App(here).greet()
            assert (await app.vibrate(5))[0] == "Ok"
            for _ in range(20):
                await app.send("Ping")
            await app.channel.send(frame(("Ping", {"Long": "a" * MESSAGE_BYTES * 2})))
            await asyncio.sleep(0.1)
            assert house.driver.calls[-1] == ("stop", None)
            assert not serving.done()
            await here.close()

    run_virtual(run())


def test_a_guests_frame_counts_by_its_size_if_that_is_more() -> None:
    async def run() -> None:
        house = House()
        here, there = channel_pair(8192)
        serving = asyncio.create_task(serve(there, house.hub, house.options, Everything()))
        guest = await App(here).greet()
        loop = asyncio.get_running_loop()
        started = loop.time()
        fat: list[tuple[str, Fields]] = [("Ping", {"Long": "a" * 32_000})] * 30
        for _ in range(4):
            await guest.channel.send(frame(*fat))
        await answers(guest, 4 * len(fat))
        await guest.ask("Ping")
        size = 4 * len(fat) * 32_000 / WEIGHT_BYTES
        assert loop.time() - started > 0.9 * (size - GUEST_BURST) / GUEST_MESSAGES_S
        await here.close()
        await serving

    run_virtual(run())


class Everything:
    """What a guest may do whose token allows all."""

    name = "guest"
    refusal: str | None = None

    def sees(self, device: Device) -> bool:
        return True

    def allows(self, device: Device, kind: OutputType) -> bool:
        return True

    def ceiling(self, device: Device, kind: OutputType) -> float:
        return 1.0


def test_a_guest_above_its_budget_is_read_more_slowly_and_loses_nothing() -> None:
    async def run() -> None:
        house = House()
        here, there = channel_pair(8192)
        serving = asyncio.create_task(serve(there, house.hub, house.options, Everything()))
        guest = await App(here).greet()
        count = int(GUEST_BURST + 4 * GUEST_MESSAGES_S)
        loop = asyncio.get_running_loop()
        started = loop.time()
        sent = [await guest.send("Ping") for _ in range(count)]
        assert [(await guest.receive())[1]["Id"] for _ in sent] == sent
        assert 3.5 < loop.time() - started < 4.5
        await here.close()
        await serving

    run_virtual(run())


def test_a_deadline_that_is_broken_below_is_not_taken_for_a_missing_greeting() -> None:
    class Late:
        peer = "late"

        @property
        def ready(self) -> bool:
            return False

        def send_now(self, frame: Frame) -> bool:
            return False

        async def send(self, frame: Frame) -> None:
            raise AssertionError("nothing is said")

        async def receive(self) -> Frame:
            raise TimeoutError("the disk did not answer")

        async def close(self, code: int = 1000, reason: str = "") -> None:
            raise AssertionError("whoever made it closes it")

    async def run() -> None:
        house = House()
        with pytest.raises(ExceptionGroup) as raised:
            await serve(Late(), house.hub, house.options)
        assert raised.group_contains(TimeoutError, match="the disk")

    run_virtual(run())


# --- inputs ------------------------------------------------------------------------------------

SQUEEZE: Fields = {"DeviceIndex": 0, "FeatureIndex": 3, "Type": "Pressure", "Command": "Subscribe"}


def test_a_stop_behind_a_subscription_ends_it() -> None:
    async def scene(house: House, app: App) -> None:
        house.driver.hold = True
        await app.send("InputCmd", **SQUEEZE)
        await app.send("StopCmd", Outputs=False)
        await app.ask("Ping")
        names = [call[0] for call in house.driver.calls]
        assert names == ["subscribe", "unsubscribe"]
        house.driver.finish()

    play(scene)


@pytest.mark.parametrize("how", ["close", "cancel"])
def test_whatever_ends_a_client_ends_its_inputs_at_the_device(how: str) -> None:
    async def scene(house: House, app: App) -> None:
        assert (await app.ask("InputCmd", **SQUEEZE))[0] == "Ok"
        if how == "close":
            await app.channel.close()
        else:
            house.served.cancel()

    assert play(scene).driver.calls[-1] == ("unsubscribe", 3, "Pressure")


def test_readings_come_until_the_client_has_had_enough() -> None:
    async def scene(house: House, app: App) -> None:
        await app.ask("InputCmd", **SQUEEZE)
        house.driver.listeners[3, InputType.PRESSURE](412)
        name, reading = await app.receive()
        assert (name, reading["Reading"]) == ("InputReading", {"Pressure": {"Value": 412}})
        assert (await app.ask("InputCmd", **SQUEEZE | {"Command": "Unsubscribe"}))[0] == "Ok"
        assert house.driver.listeners == {}

    play(scene)


def test_a_stop_waits_for_no_reading_however_many_were_asked_for() -> None:
    battery: Fields = {"DeviceIndex": 0, "FeatureIndex": 2, "Type": "Battery", "Command": "Read"}

    async def scene(house: House, app: App) -> None:
        house.driver.slow = True
        asked = [await app.send("InputCmd", **battery) for _ in range(OUTPUTS_UNDER_WAY + 1)]
        stop = await app.send("StopCmd")
        name, error = await app.receive()
        # One more than there is room for; and the stop, which the radio has not taken yet.
        assert (name, error["Id"], error["ErrorCode"]) == ("Error", asked[-1], 4)
        assert house.driver.calls[-1] == ("stop", None)
        assert len(house.driver.calls) == READINGS_AT_ONCE + 1
        house.driver.slow = False
        house.driver.finish()
        answered = {(await app.receive())[1]["Id"] for _ in asked}
        assert answered == {*asked[:-1], stop}

    play(scene)
