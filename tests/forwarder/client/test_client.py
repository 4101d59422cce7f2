"""The Python client, with a real hub at the other end; in virtual time but for the last ones."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest

from forwarder.client.bounds import MAX_EVENTS
from forwarder.client.client import (
    Client,
    DeviceAdded,
    DeviceChanged,
    DeviceRemoved,
    InputType,
    OutputType,
    Reading,
    ScanningFinished,
    ServerGone,
    ServerRefused,
    Trouble,
)
from forwarder.connectors.websocket_server import WebSocketServer
from forwarder.definitions.model import Definition
from forwarder.errors import Code, ConfigError, DeviceError, OutOfRange, Unsupported
from forwarder.sources.base import HeldBack
from relay.link.channel import channel_pair
from tests.doubles.clock import run_virtual
from tests.doubles.driver import NORA, STROKER
from tests.doubles.hubs import SomeHub
from tests.forwarder.connectors.serving import serving


def scenario(test: Callable[[Client, SomeHub], Awaitable[None]], *toys: Definition) -> None:
    """Run `test` with a client of a hub that has these toys."""

    async def main() -> None:
        far = SomeHub("far")
        for toy in toys or (NORA,):
            far.add_toy(toy)
        far.running = asyncio.create_task(far.server.run(far.serve))
        async with Client.over(await far.server.open(), name="a test") as client:
            await test(client, far)
        far.running.cancel()
        await asyncio.wait([far.running])

    run_virtual(main())


def test_devices_are_there_from_the_beginning() -> None:
    async def test(client: Client, far: SomeHub) -> None:
        assert client.server_name == "far"
        assert client.version == 4
        nora, stroker = client.devices
        assert repr(nora) == "<RemoteDevice 0 'Lovense Nora'>"
        assert nora.outputs == {OutputType.VIBRATE, OutputType.ROTATE}
        assert nora.inputs == {InputType.BATTERY, InputType.PRESSURE}
        assert stroker.outputs == {OutputType.HW_POSITION_WITH_DURATION}
        assert repr(client) == "<Client of 'far', 2 devices>"

    scenario(test, NORA, STROKER)


def test_levels_become_steps_and_the_least_one_is_felt() -> None:
    async def test(client: Client, far: SomeHub) -> None:
        (nora,) = client.devices
        for level in (0.01, 0.35, 1.0, 0):
            await nora.vibrate(level)
        for level in (-0.01, -1.0, 0.5):
            await nora.rotate(level)
        assert [call[3] for call in far.toys[0].calls] == [1, 7, 20, 0, -1, -20, 10]
        # What arithmetic leaves beside an end is the end.
        for level in (1.0000000000000002, -2.8e-17):
            await nora.vibrate(level)
        assert [call[3] for call in far.toys[0].calls[7:]] == [20, 0]

    scenario(test)


def test_steps_and_single_features_can_be_named() -> None:
    async def test(client: Client, far: SomeHub) -> None:
        (nora,) = client.devices
        await nora.output_steps(OutputType.VIBRATE, 13, feature=0)
        with pytest.raises(OutOfRange):
            await nora.output_steps(OutputType.VIBRATE, 21)
        with pytest.raises(Unsupported, match="Lovense Nora has no Vibrate on feature 1"):
            await nora.output(OutputType.VIBRATE, 1, feature=1)
        assert [call[3] for call in far.toys[0].calls] == [13]

    scenario(test)


def test_a_stroker_moves_in_its_time() -> None:
    async def test(client: Client, far: SomeHub) -> None:
        (stroker,) = client.devices
        await stroker.move(0.4, 250)
        assert far.toys[0].calls == [("output", 0, "HwPositionWithDuration", 40, 250)]
        with pytest.raises(Unsupported):
            await stroker.move(0.4)
        with pytest.raises(Unsupported, match="goes with a duration"):
            await stroker.output(OutputType.HW_POSITION_WITH_DURATION, 0.4)

    scenario(test, STROKER)


@pytest.mark.parametrize("level", [-0.1, 1.1, float("nan")])
def test_levels_outside_the_range_are_the_callers_mistake(level: float) -> None:
    async def test(client: Client, far: SomeHub) -> None:
        with pytest.raises(OutOfRange):
            await client.devices[0].vibrate(level)
        assert far.toys[0].calls == []

    scenario(test)


def test_what_the_server_refuses_is_raised_with_its_code() -> None:
    async def test(client: Client, far: SomeHub) -> None:
        far.toys[0].broken = True
        with pytest.raises(ServerRefused, match="the radio said no") as refused:
            await client.devices[0].vibrate(1)
        assert refused.value.code is Code.DEVICE

    scenario(test)


def test_stops_have_their_scope() -> None:
    async def test(client: Client, far: SomeHub) -> None:
        await client.devices[0].stop(1)
        await client.devices[0].stop()
        await client.stop_all()
        assert [toy.calls for toy in far.toys] == [
            [("stop", (1,)), ("stop", None), ("stop", None)],
            [("stop", None)],
        ]

    scenario(test, NORA, NORA)


def test_no_value_that_was_given_before_a_stop_comes_behind_it() -> None:
    async def test(client: Client, far: SomeHub) -> None:
        (nora,) = client.devices
        async with asyncio.TaskGroup() as tasks:
            for step in range(1, 11):
                tasks.create_task(nora.output_steps(OutputType.VIBRATE, step))
            tasks.create_task(nora.output_steps(OutputType.ROTATE, 5))
            tasks.create_task(nora.stop(0))
        assert far.toys[0].calls[0] == ("stop", (0,))
        assert far.toys[0].calls[1:] == [("output", 1, "Rotate", 5, 0)]

    scenario(test)


def test_leaving_stops_what_this_client_had_set_going() -> None:
    async def main() -> None:
        far = SomeHub("far")
        far.add_toy()
        running = asyncio.create_task(far.server.run(far.serve))
        connecting = Client.over(await far.server.open())
        client = await connecting.__aenter__()
        await client.devices[0].vibrate(1)
        mistake = KeyError()
        assert not await connecting.__aexit__(KeyError, mistake, None)
        await asyncio.sleep(0.1)
        assert far.toys[0].calls[-1] == ("stop", None)
        assert far.hub.clients == ()
        with pytest.raises(ServerGone, match="this client has left"):
            await client.stop_all()
        running.cancel()
        await asyncio.wait([running])

    run_virtual(main())


def test_inputs_are_read_and_subscribed_to() -> None:
    async def test(client: Client, far: SomeHub) -> None:
        (nora,) = client.devices
        assert await nora.battery() == 0.87
        events = client.events()
        await nora.subscribe(InputType.PRESSURE)
        far.toys[0].listeners[3, InputType.PRESSURE](412)
        assert await anext(events) == Reading(nora, 3, InputType.PRESSURE, 412)
        await nora.unsubscribe(InputType.PRESSURE)
        assert far.toys[0].listeners == {}
        with pytest.raises(Unsupported, match="has no Pressure to read"):
            await nora.read(InputType.PRESSURE)

    scenario(test)


def test_events_tell_what_comes_changes_and_goes() -> None:
    async def test(client: Client, far: SomeHub) -> None:
        events = client.events()
        toy = far.add_toy(STROKER)
        added = await anext(events)
        assert isinstance(added, DeviceAdded)
        assert added.device.connected
        toy.display_name = "Left"
        far.hub.changed(toy)
        assert await anext(events) == DeviceChanged(added.device)
        assert added.device.shown_name == "Left"
        assert added.device.name == "Stroker"
        far.hub.remove(toy, "gone")
        assert await anext(events) == DeviceRemoved(added.device)
        assert not added.device.connected
        for known in far.hub.clients:
            known.trouble(DeviceError("It slipped."))
        assert await anext(events) == Trouble("It slipped.")

    scenario(test)


def test_events_end_with_the_connection() -> None:
    async def test(client: Client, far: SomeHub) -> None:
        (nora,) = client.devices
        events = client.events()
        far.running.cancel()
        assert [event async for event in events] == [DeviceRemoved(nora)]
        assert client.devices == ()
        with pytest.raises(ServerGone):
            await nora.vibrate(1)
        assert [event async for event in client.events()] == []

    scenario(test)


def test_a_reader_that_is_behind_loses_readings_but_nothing_else() -> None:
    async def test(client: Client, far: SomeHub) -> None:
        (nora,) = client.devices
        events = client.events()
        await nora.subscribe(InputType.PRESSURE)
        far.add_toy(STROKER)
        for value in range(MAX_EVENTS + 20):
            far.toys[0].listeners[3, InputType.PRESSURE](value)
            await asyncio.sleep(0.01)
        got = [await anext(events) for _ in range(MAX_EVENTS)]
        assert isinstance(got[0], DeviceAdded)
        assert got[-1] == Reading(nora, 3, InputType.PRESSURE, MAX_EVENTS + 19)

    scenario(test)


class Scanner:
    """A source that finds a toy after a second, and is done after two."""

    name = "scanner"

    def __init__(self, far: SomeHub) -> None:
        self.far = far
        self.scans: list[bool] = []

    def scan(self, on: bool) -> None:
        self.scans.append(on)
        loop = asyncio.get_running_loop()
        if on:
            loop.call_later(1, self.far.add_toy, STROKER)
            loop.call_later(2, self.far.hub.scan_ended, self)

    def hold_changed(self) -> None:
        pass

    @property
    def held_back(self) -> tuple[HeldBack, ...]:
        return ()


@pytest.mark.parametrize(("seconds", "scans"), [(5, [True]), (1.5, [True, False])])
def test_a_scan_lasts_until_it_is_over_or_its_time_is(seconds: float, scans: list[bool]) -> None:
    async def test(client: Client, far: SomeHub) -> None:
        scanner = Scanner(far)
        far.hub.sources.append(scanner)
        start = asyncio.get_running_loop().time()
        found = await client.scan(seconds)
        assert asyncio.get_running_loop().time() - start == pytest.approx(min(seconds, 2), abs=0.1)
        assert [device.name for device in found] == ["Lovense Nora", "Stroker"]
        assert scanner.scans == scans

    scenario(test)


def test_scanning_may_go_on_while_something_else_is_done() -> None:
    async def test(client: Client, far: SomeHub) -> None:
        far.hub.sources.append(Scanner(far))
        events = client.events()
        await client.start_scanning()
        assert isinstance(await anext(events), DeviceAdded)
        assert isinstance(await anext(events), ScanningFinished)
        await client.stop_scanning()

    scenario(test)


def test_a_server_that_says_nothing_is_none() -> None:
    async def main() -> None:
        here, _ = channel_pair()
        with pytest.raises(ServerGone, match="No answer to the handshake within 5 s"):
            async with Client.over(here):
                raise AssertionError

    run_virtual(main())


def test_a_server_that_keeps_its_devices_to_itself_is_none() -> None:
    async def main() -> None:
        here, there = channel_pair()

        async def greet_only() -> None:
            ((_, fields),) = json.loads(await there.receive())[0].items()
            info = {
                "Id": fields["Id"],
                "ServerName": "far",
                "ProtocolVersionMajor": 4,
                "ProtocolVersionMinor": 0,
                "MaxPingTime": 0,
            }
            await there.send(json.dumps([{"ServerInfo": info}]))

        greeting = asyncio.create_task(greet_only())
        with pytest.raises(ServerGone, match="no answer within 10 s"):
            async with Client.over(here):
                raise AssertionError
        await greeting

    run_virtual(main())


# --- over real sockets ----------------------------------------------------------------------------


async def test_ten_lines_are_enough() -> None:
    far = SomeHub("far")
    far.add_toy()
    async with (
        serving(WebSocketServer(port=0), far.serve) as address,
        Client.connect(f"ws://{address}", name="my script") as client,
    ):
        for device in client.devices:
            await device.vibrate(0.5)
            await device.stop()
    assert far.toys[0].calls == [("output", 0, "Vibrate", 10, 0), ("stop", None)]


async def test_a_server_that_is_not_there_is_said_in_one_line() -> None:
    server = WebSocketServer(port=0)
    port = server.bind()
    server.close()
    with pytest.raises(ServerGone, match=f"ws://127.0.0.1:{port} cannot be reached"):
        async with Client.connect(f"ws://127.0.0.1:{port}"):
            raise AssertionError
    with pytest.raises(ConfigError):
        async with Client.connect("http://127.0.0.1"):
            raise AssertionError
