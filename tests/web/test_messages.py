"""What the page takes for a hub's message: all that Python packs, nothing that Python refuses."""

from __future__ import annotations

import base64
import json
from typing import Any, get_args

import msgpack
import msgspec
import pytest

from relay.link import codec
from relay.link.errors import LinkViolation
from relay.link.messages import (
    Arm,
    Beat,
    Bye,
    Connect,
    Counter,
    Disconnect,
    Driven,
    Forget,
    FromHub,
    GuestHere,
    GuestList,
    Interests,
    KeepAlive,
    Output,
    Packet,
    Places,
    Read,
    Scan,
    Status,
    Stop,
    StopAll,
    Subscribe,
    Unsubscribe,
    Welcome,
    Write,
)
from tests.doubles.chromium import Page

pytestmark = [pytest.mark.chromium, pytest.mark.asyncio(loop_scope="session")]

PACKET = Packet(3, b"\x01", True, (1, 2), 20, Counter(0, 4))
UUID = "0000fff0-0000-1000-8000-00805f9b34fb"
MESSAGES: tuple[FromHub, ...] = (
    Welcome(1, "Desk", ("x",), 500, 2000, "0123456789ab"),
    Welcome(1, "Desk"),
    Interests((UUID,), ("LVS-*",), (301,)),
    Scan(True),
    Connect(1, 2, "web-1", 100),
    Disconnect(1, 2),
    Arm(1, 2),
    Arm(1, 2, ()),
    Arm(1, 2, (PACKET,), 50, KeepAlive(200, PACKET, True, True), 3),
    Write(1, 2, 3, b"\x00" * 512, True),
    Output(1, 2, (PACKET, Packet(3, b"")), True, True, 500),
    Stop(1, 2, (PACKET,), False, True, 3),
    StopAll(1),
    Forget(1, "web-1"),
    GuestList(),
    GuestList((GuestHere("Marie", 1, "Firefox on Android", True, True),)),
    Read(1, 2, 3),
    Subscribe(1, 2, 3),
    Unsubscribe(1, 2, 3),
    Places(("ws://192.0.2.1:12346/link",), ("wss://meet.example.org/at/" + "a" * 26,)),
    Places(),
    Beat(1, 2**53 - 1, {1: 900, 65535: 0}),
    Beat(1, 0),
    Status((Driven(1, "Toy", 0.5, ("app",), 80), Driven(2)), 1000),
    Bye("so long", False),
)

# Values that no field of any message takes, or only some do.
ODD: tuple[Any, ...] = (None, True, -1, 1.5, 2**32, "", "x" * 600, b"", b"\x00" * 513, [], {}, [1])


async def accepted(page: Page, frames: list[bytes]) -> list[bool]:
    packed = [base64.b64encode(frame).decode() for frame in frames]
    answer: list[bool] = await page.evaluate(
        f"""{json.dumps(packed)}.map(text => {{
            const data = Uint8Array.from(atob(text), c => c.charCodeAt(0));
            try {{ modules.checked(modules.decode(data)); return true; }}
            catch (error) {{
                if (error instanceof modules.Violation || error instanceof modules.FormatError)
                    return false;
                throw error;
            }}
        }})"""
    )
    return answer


def python_takes(frame: bytes) -> bool:
    try:
        codec.decode_from_hub(frame)
    except LinkViolation:
        return False
    return True


async def test_every_message_of_a_hub_is_here() -> None:
    assert {type(message) for message in MESSAGES} == set(get_args(FromHub))


async def test_the_page_takes_what_python_packs(modules: Page) -> None:
    assert all(await accepted(modules, [codec.encode(message) for message in MESSAGES]))


def spoiled() -> list[bytes]:
    """Each message with each field replaced by something odd, or left out."""
    frames = []
    for message in MESSAGES:
        plain = msgspec.to_builtins(message, builtin_types=(bytes,))
        for key in plain:
            frames.append(msgpack.packb({k: v for k, v in plain.items() if k != key}))
            frames += [msgpack.packb({**plain, key: odd}) for odd in ODD]
        frames.append(msgpack.packb({**plain, "unknown": 1}))
        for key in ("packets", "stop"):
            if not plain.get(key):
                continue
            [first, *_] = plain[key]
            for inner in first:
                less = {k: v for k, v in first.items() if k != inner}
                frames.append(msgpack.packb({**plain, key: [less]}))
                frames += [msgpack.packb({**plain, key: [{**first, inner: odd}]}) for odd in ODD]
    return frames


# What Python lets pass and the page does not, or the other way round, and why that is right.
#  null for an optional field: the page reads it as left out; Python wants it left out, unless the
#  field may be null. No hub of ours sends it.
async def test_spoiled_messages_are_judged_alike_here_and_there(modules: Page) -> None:
    frames = spoiled()
    assert len(frames) > 800
    differing = [
        msgpack.unpackb(frame, strict_map_key=False)
        for frame, page in zip(frames, await accepted(modules, frames), strict=True)
        if page != python_takes(frame) and b"\xc0" not in frame
    ]
    assert differing == [], "\n".join(map(str, differing))
