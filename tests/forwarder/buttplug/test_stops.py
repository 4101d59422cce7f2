"""A stop in any shape stops: whatever names one, in a session of any version, over a real session.

The apps and the hub are wired together by a channel; the toys are recording drivers.
"""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from forwarder.access.tokens import TokenGrant
from forwarder.buttplug.messages import MAX_U32, stop_named
from forwarder.clients.driver import ClientOptions, serve
from forwarder.hub.hub import Hub
from forwarder.hub.store import Store
from relay.link.channel import channel_pair
from tests.doubles.clock import run_virtual
from tests.doubles.driver import RecordingDriver, device
from tests.forwarder.buttplug.harness import Served, hello
from tests.forwarder.buttplug.test_properties import values

Fields = dict[str, object]
Stopped = dict[int, tuple[int, ...] | None]
"""Device index → the features that were stopped, None for all."""
Reply = tuple[str, object, object]
"""Name, Id, ErrorCode."""

HIDDEN = 2
GUEST = TokenGrant("guest", devices=("Lovense Nora (0)", "Lovense Nora (1)"))
SEEN: Stopped = {0: None, 1: None}
ALL: Stopped = SEEN | {HIDDEN: None}
OK: Reply = ("Ok", 7, None)


def error(code: int, id: int = 7) -> Reply:
    return ("Error", id, code)


def stop(name: str, /, **fields: object) -> object:
    """A frame with this stop; Id 7 unless `fields` say otherwise."""
    return [{name: {"Id": 7} | fields}]


# What is sent, what of the three devices an owner stops with it, and the answer.
SHAPES: dict[str, tuple[object, Stopped, Reply]] = {
    "everything": (stop("StopCmd"), ALL, OK),
    "a device": (stop("StopCmd", DeviceIndex=0), {0: None}, OK),
    "a feature": (stop("StopCmd", DeviceIndex=0, FeatureIndex=1), {0: (1,)}, OK),
    "everything, said in full": (stop("StopCmd", Inputs=True, Outputs=True), ALL, OK),
    "inputs only": (stop("StopCmd", Outputs=False), {}, OK),
    "StopDeviceCmd": (stop("StopDeviceCmd", DeviceIndex=0), {0: None}, OK),
    "StopAllDevices": (stop("StopAllDevices"), ALL, OK),
    "a feature of no device": (stop("StopCmd", FeatureIndex=1), ALL, OK),
    "null for absent": (stop("StopCmd", DeviceIndex=None, FeatureIndex=None), ALL, OK),
    "an integral index": (stop("StopCmd", DeviceIndex=0.0), {0: None}, OK),
    "a lone object": ({"StopCmd": {"Id": 7}}, ALL, OK),
    # The device is there, the rest is wrong.
    "no such feature": (stop("StopCmd", DeviceIndex=0, FeatureIndex=9), {0: None}, error(4)),
    "a feature as text": (stop("StopCmd", DeviceIndex=0, FeatureIndex="1"), {0: None}, error(3)),
    "a feature below 0": (stop("StopCmd", DeviceIndex=0, FeatureIndex=-1), {0: None}, error(3)),
    "an unknown field": (stop("StopCmd", DeviceIndex=0, Speed=0), {0: None}, error(3)),
    "an unknown field beside a feature": (
        stop("StopCmd", DeviceIndex=0, FeatureIndex=1, X=1),
        {0: (1,)},
        error(3),
    ),
    "outputs as text": (stop("StopCmd", DeviceIndex=0, Outputs="no"), {0: None}, error(3)),
    "outputs as 0": (stop("StopCmd", DeviceIndex=0, Outputs=0), {0: None}, error(3)),
    "inputs only, and a field": (stop("StopCmd", Outputs=False, X=1), {}, error(3)),
    "StopDeviceCmd of a feature": (
        stop("StopDeviceCmd", DeviceIndex=0, FeatureIndex=1),
        {0: None},
        error(3),
    ),
    "StopDeviceCmd of inputs": (
        stop("StopDeviceCmd", DeviceIndex=0, Outputs=False),
        {0: None},
        error(3),
    ),
    # The Id is wrong.
    "Id 0": (stop("StopDeviceCmd", Id=0, DeviceIndex=0), {0: None}, error(3, id=0)),
    "no Id": ([{"StopDeviceCmd": {"DeviceIndex": 0}}], {0: None}, error(3, id=0)),
    "no Id in StopCmd": ([{"StopCmd": {}}], ALL, error(3, id=0)),
    "Id as text": (stop("StopAllDevices", Id="7"), ALL, error(3, id=0)),
    "Id below 0": (stop("StopCmd", Id=-7), ALL, error(3, id=0)),
    "Id beyond 32 bits": (stop("StopCmd", Id=2**32), ALL, error(3, id=0)),
    # The device is wrong or lacks: everything.
    "a device as text": (stop("StopCmd", DeviceIndex="0"), ALL, error(3)),
    "StopDeviceCmd, a device as text": (stop("StopDeviceCmd", DeviceIndex="0"), ALL, error(3)),
    "StopDeviceCmd of none": (stop("StopDeviceCmd"), ALL, error(3)),
    "StopDeviceCmd of null": (stop("StopDeviceCmd", DeviceIndex=None), ALL, error(3)),
    "a device below 0": (stop("StopCmd", DeviceIndex=-1), ALL, error(3)),
    "a device beyond 32 bits": (stop("StopCmd", DeviceIndex=2**32), ALL, error(3)),
    "half a device": (stop("StopCmd", DeviceIndex=0.5), ALL, error(3)),
    "true as a device": (stop("StopCmd", DeviceIndex=True), ALL, error(3)),
    "a list of devices": (stop("StopCmd", DeviceIndex=[0]), ALL, error(3)),
    "StopAllDevices of one": (stop("StopAllDevices", DeviceIndex=0), ALL, error(3)),
    # There is no such device: nothing, as for one that has just left.
    "no such device": (stop("StopCmd", DeviceIndex=9), {}, error(4)),
    "no such device, StopDeviceCmd": (stop("StopDeviceCmd", DeviceIndex=9), {}, error(4)),
    "no such device, and a field": (stop("StopDeviceCmd", DeviceIndex=9, X=1), {}, error(4)),
    "the highest index": (stop("StopCmd", DeviceIndex=MAX_U32), {}, error(4)),
    # No fields at all.
    "null": ([{"StopCmd": None}], ALL, error(3, id=0)),
    "a number": ([{"StopAllDevices": 5}], ALL, error(3, id=0)),
    "an array": ([{"StopDeviceCmd": [0]}], ALL, error(3, id=0)),
    "text": ([{"StopCmd": "now"}], ALL, error(3, id=0)),
    # The name or the place is wrong.
    "small letters": (stop("stopcmd", DeviceIndex=0), {0: None}, error(3)),
    "snake_case": (stop("stop_all_devices"), ALL, error(3)),
    "beside another": ([{"Ping": {"Id": 7}, "StopCmd": {"Id": 7}}], ALL, error(3)),
    "in an array of its own": ([stop("StopDeviceCmd", DeviceIndex=1)], {1: None}, error(3)),
    "deep in arrays": ([[[stop("StopDeviceCmd", DeviceIndex=1)]]], {1: None}, error(3)),
}


class House:
    """Three toys that somebody drives, and an app of any version that may see all or two."""

    def __init__(self) -> None:
        self.hub = Hub(Store(None))
        self.drivers = [RecordingDriver() for _ in range(3)]
        for index, driver in enumerate(self.drivers):
            toy = device(driver, address=f"A{index}")
            toy.display_name = f"Lovense Nora ({index})"
            self.hub.add(toy)

    def stopped(self) -> Stopped:
        """What was told to stop since the last call."""
        found: Stopped = {}
        for index, driver in enumerate(self.drivers):
            for name, *rest in driver.calls:
                if name == "stop":
                    (found[index],) = rest  # type: ignore[assignment]  # calls are plain tuples
            driver.calls.clear()
        return found


async def answers(house: House, frames: list[str], grant: TokenGrant | None) -> list[Reply]:
    """What an app gets for these frames, and for a Ping of Id 99 behind them."""
    here, there = channel_pair(64)
    replies: list[Reply] = []
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve(there, house.hub, ClientOptions("hub"), grant))
        for frame in frames:
            await here.send(frame)
        # A Ping overtakes the answers to stops, which wait for the radio.
        await asyncio.sleep(1)
        await here.send('[{"Ping":{"Id":99}}]')
        while not replies or replies[-1][1] != 99:
            ((name, fields),) = json.loads(await here.receive())[0].items()
            replies.append((name, fields["Id"], fields.get("ErrorCode")))
        await here.close()
    return replies[:-1]


def say(version: int, sent: str, grant: TokenGrant | None = None) -> tuple[Stopped, list[Reply]]:
    """What a frame stops, and how it is answered, in a session of `version`."""

    async def scene() -> tuple[Stopped, list[Reply]]:
        house = House()
        greeting, *replies = await answers(house, [hello(version), sent], grant)
        assert greeting[0] == "ServerInfo"
        return house.stopped(), replies

    return run_virtual(scene())


def seen(stopped: Stopped) -> Stopped:
    return {index: features for index, features in stopped.items() if index != HIDDEN}


@pytest.mark.parametrize("version", range(5))
@pytest.mark.parametrize("shape", SHAPES)
def test_a_stop_in_any_shape_stops_in_a_session_of_any_version(shape: str, version: int) -> None:
    sent, stopped, reply = SHAPES[shape]
    assert say(version, json.dumps(sent)) == (stopped, [reply])


@pytest.mark.parametrize("version", range(5))
@pytest.mark.parametrize("shape", SHAPES)
def test_no_shape_of_a_stop_reaches_beyond_the_grant(shape: str, version: int) -> None:
    sent, stopped, reply = SHAPES[shape]
    assert say(version, json.dumps(sent), GUEST) == (seen(stopped), [reply])


@pytest.mark.parametrize("version", range(5))
@pytest.mark.parametrize("index", [HIDDEN, 9])
def test_a_guest_cannot_tell_a_device_it_may_not_see_from_none(version: int, index: int) -> None:
    """The command line and the pages say 404 for both."""
    sent = json.dumps(stop("StopDeviceCmd", DeviceIndex=index))
    assert say(version, sent, GUEST) == ({}, [error(4)])


@pytest.mark.parametrize("version", range(5))
def test_the_stop_comes_first_and_its_siblings_are_not_lost(version: int) -> None:
    wrong = {"StopDeviceCmd": {"Id": 5, "DeviceIndex": 0, "X": 1}}
    sent = json.dumps([{"Nonsense": {"Id": 4}}, wrong, {"Ping": {"Id": 6}}])
    stopped, replies = say(version, sent)
    assert stopped == {0: None}
    assert sorted(replies) == [("Error", 4, 3), ("Error", 5, 3), ("Ok", 6, None)]


@pytest.mark.parametrize("version", range(5))
@pytest.mark.parametrize("sent", ['[{"StopAllDevices":{"Id":7}', '{"StopAllDevices"', "StopCmd"])
def test_a_frame_that_does_not_parse_stops_nothing(version: int, sent: str) -> None:
    assert say(version, sent) == ({}, [error(3, id=0)])


@pytest.mark.parametrize("shape", SHAPES)
def test_nothing_is_stopped_before_the_handshake(shape: str) -> None:
    async def scene() -> Stopped:
        house = House()
        await answers(house, [json.dumps(SHAPES[shape][0])], None)
        return house.stopped()

    assert run_virtual(scene()) == {}


def test_what_was_wrong_and_what_was_stopped_is_said() -> None:
    served = Served(4)
    ((_, fields),) = served.ask("StopDeviceCmd", Id=7, DeviceIndex=0, Speed=0)
    assert fields["ErrorMessage"] == (
        "Stopped device 0 all the same. StopDeviceCmd cannot be read: "
        "Object contains unknown field `Speed`."
    )
    ((_, fields),) = served.ask("StopCmd", Id=7, DeviceIndex=0, FeatureIndex=9)
    assert fields["ErrorMessage"] == (
        "Lovense Nora has no feature with index 9; all of it was stopped."
    )


def test_a_stop_that_failed_says_so_whatever_was_wrong_with_it() -> None:
    """The toy may be running: that comes before a field too many."""

    async def scene() -> list[Reply]:
        house = House()
        house.drivers[0].broken = True
        sent = json.dumps(stop("StopDeviceCmd", DeviceIndex=0, X=1))
        return await answers(house, [hello(3), sent], None)

    assert run_virtual(scene())[1:] == [error(4)]


# --- and in shapes that nobody thought of --------------------------------------------------------

NAMES = ("StopCmd", "StopDeviceCmd", "StopAllDevices", "stopcmd", "STOP_DEVICE_CMD")
indexes = st.integers(0, 3) | values


@st.composite
def stops(draw: st.DrawFn) -> tuple[str, object]:
    """A name that means a stop, and any body at all, often nearly right."""
    name = draw(st.sampled_from(NAMES))
    if draw(st.integers(0, 5)) == 0:
        return name, draw(values)
    known = {
        "Id": st.integers(1, 9) | values,
        "DeviceIndex": indexes,
        "FeatureIndex": indexes,
        "Inputs": st.booleans() | values,
        "Outputs": st.booleans() | values,
    }
    fields = draw(st.fixed_dictionaries({}, optional=known))
    return name, fields | draw(st.dictionaries(st.text(max_size=3), values, max_size=1))


def meant(name: str, body: object) -> Stopped:
    """What has to stop: the rule, once more and in other words."""
    canonical = stop_named(name)
    fields = body if isinstance(body, dict) else {}

    def index(key: str) -> int | None:
        value = fields.get(key)
        if not isinstance(value, int | float) or isinstance(value, bool):
            return None
        return int(value) if 0 <= value <= MAX_U32 and value == int(value) else None

    if canonical == "StopCmd" and fields.get("Outputs") is False:
        return {}
    device = None if canonical == "StopAllDevices" else index("DeviceIndex")
    if device is None:
        return ALL
    if device not in ALL:
        return {}
    feature = index("FeatureIndex") if canonical == "StopCmd" else None
    return {device: (feature,) if feature in range(4) else None}  # type: ignore[dict-item]


@given(version=st.integers(0, 4), sent=stops(), guest=st.booleans())
@example(version=4, sent=("StopCmd", {"Id": 7, "DeviceIndex": 1e30}), guest=False)
@settings(max_examples=300, deadline=None)
def test_whatever_a_stop_looks_like_it_stops_what_it_may_mean(
    version: int, sent: tuple[str, object], guest: bool
) -> None:
    expected = meant(*sent)
    stopped, replies = say(version, json.dumps([dict([sent])]), GUEST if guest else None)
    assert stopped == (seen(expected) if guest else expected)
    assert len(replies) == 1
