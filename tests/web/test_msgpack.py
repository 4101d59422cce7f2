"""The page's MessagePack against Python's, both ways, and what it must refuse."""

from __future__ import annotations

import base64
import json
import math
import random
from typing import Any

import msgpack
import pytest

from relay.link import codec
from relay.link.messages import Beat
from tests.doubles.chromium import DevToolsError, Page

pytestmark = [pytest.mark.chromium, pytest.mark.asyncio(loop_scope="session")]

# Bytes travel as base64; the page's own types become plain JSON, tagged where JSON has none.
_TO_PAGE = """const bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));
const text = bytes => btoa(Array.from(bytes, b => String.fromCharCode(b)).join(''));
const plain = v => v instanceof Uint8Array ? { $bytes: text(v) }
    : v instanceof Map ? { $map: [...v].map(([k, x]) => [k, plain(x)]) }
    : Array.isArray(v) ? v.map(plain)
    : v && typeof v === 'object' ? { $object: Object.entries(v).map(([k, x]) => [k, plain(x)]) }
    : typeof v === 'number' && !Number.isFinite(v) ? { $number: String(v) }
    : v;"""


def _plain(value: Any) -> Any:
    """A Python value as `plain` in the page shows it."""
    match value:
        case bytes():
            return {"$bytes": base64.b64encode(value).decode()}
        case list():
            return [_plain(item) for item in value]
        case dict():
            pairs = [[key, _plain(item)] for key, item in value.items()]
            return {"$object" if all(isinstance(k, str) for k in value) else "$map": pairs}
        case float() if not math.isfinite(value):
            return {
                "$number": "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
            }
        case float() if value.is_integer() and abs(value) < 2**53:
            return int(value)
    return value


def _random(rng: random.Random, depth: int = 0) -> Any:
    kinds = "nbifsx" if depth > 3 else "nbifsxlmM"
    match rng.choice(kinds):
        case "n":
            return None
        case "b":
            return rng.random() < 0.5
        case "i":
            bits = rng.choice((3, 5, 7, 8, 15, 16, 31, 32, 52))
            return rng.randrange(-(2**bits), 2**bits)
        case "f":
            return rng.choice((rng.uniform(-1e9, 1e9), 0.1, math.inf, -math.inf, 1e300, 2.5e-12))
        case "s":
            alphabet = "aé→😀\u0000\ufeffZ"
            return "".join(rng.choice(alphabet) for _ in range(rng.choice((0, 1, 8, 31, 40, 300))))
        case "x":
            return rng.randbytes(rng.choice((0, 1, 20, 255, 256, 512)))
        case "l":
            return [_random(rng, depth + 1) for _ in range(rng.choice((0, 2, 15, 16, 20)))]
        case "m":
            count = rng.choice((0, 1, 3, 16))
            return {f"key{n}é": _random(rng, depth + 1) for n in range(count)}
        case _:
            return {rng.randrange(70_000): _random(rng, depth + 1) for _ in range(3)}


async def test_what_python_packs_the_page_reads_and_packs_alike(modules: Page) -> None:
    rng = random.Random(20170613)
    values = [_random(rng) for _ in range(300)]
    packed = [base64.b64encode(msgpack.packb(value)).decode() for value in values]
    result = await modules.evaluate(
        f"""(() => {{ {_TO_PAGE}
            return {json.dumps(packed)}.map(item => {{
                const value = modules.decode(bytes(item));
                return [plain(value), text(modules.encode(value))];
            }});
        }})()"""
    )
    for value, (read, again) in zip(values, result, strict=True):
        assert read == _plain(value)
        assert _plain(msgpack.unpackb(base64.b64decode(again), strict_map_key=False)) == read


async def test_ten_thousand_random_bytes_never_do_more_than_raise_format_error(
    modules: Page,
) -> None:
    odd = await modules.evaluate(
        """(() => {
            let seed = 7;
            const random = () => (seed = Math.imul(seed, 1103515245) + 12345 >>> 0) >>> 16;
            const odd = [];
            for (let i = 0; i < 10000; i++) {
                const data = Uint8Array.from({ length: random() % 40 }, () => random() & 255);
                try { modules.decode(data); } catch (error) {
                    if (!(error instanceof modules.FormatError)) odd.push(String(error));
                }
            }
            return odd;
        })()"""
    )
    assert odd == []


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "ends too early"),
        (b"\x92\x01", "ends too early"),
        (b"\x01\x02", "follows"),
        (b"\xc1", "starts nothing"),
        (b"\xd4\x01\x00", "starts nothing"),
        (b"\xc7\x01\x05\x00", "starts nothing"),
        (b"\xa2\xff\xfe", "UTF-8"),
        (b"\xcf\x00\x20\x00\x00\x00\x00\x00\x00", "too large"),
        (b"\xd3\x80\x00\x00\x00\x00\x00\x00\x00", "too large"),
        (b"\xdd\xff\xff\xff\xff", "the limit"),
        (b"\xdf\xff\xff\xff\xff", "the limit"),
        (b"\xc6\xff\xff\xff\xff", "the limit"),
        (b"\xc5\x02\x01" + bytes(513), "the limit"),
        (b"\xda\x08\x01" + b"a" * 2049, "the limit"),
        (b"\x91" * 17 + b"\x01", "nested"),
        (b"\x81\x91\x01\x02", "neither text nor number"),
    ],
)
async def test_malformed_input_is_refused(modules: Page, data: bytes, complaint: str) -> None:
    text = base64.b64encode(data).decode()
    with pytest.raises(DevToolsError, match=complaint):
        await modules.evaluate(
            f"(() => {{ {_TO_PAGE} return modules.decode(bytes('{text}')); }})()"
        )


async def test_an_advertisement_with_numbered_keys_is_what_the_hub_reads(modules: Page) -> None:
    frame = await modules.evaluate(
        f"""(() => {{ {_TO_PAGE}
            return text(modules.encode({{ t: 'Advertisements', items: [{{
                address: 'web-1', name: undefined,
                manufacturer: new Map([[301, Uint8Array.of(1, 2)]]),
            }}] }}));
        }})()"""
    )
    message = codec.decode_from_relay(base64.b64decode(frame))
    assert message.items[0].manufacturer == {301: b"\x01\x02"}  # type: ignore[union-attr]
    assert message.items[0].name is None  # type: ignore[union-attr]


async def test_the_leases_of_a_beat_come_as_a_map(modules: Page) -> None:
    frame = base64.b64encode(codec.encode(Beat(3, 2**53 - 1, {7: 900}))).decode()
    read = await modules.evaluate(
        f"(() => {{ {_TO_PAGE} return plain(modules.decode(bytes('{frame}'))); }})()"
    )
    assert dict(map(tuple, read["$object"])) == {
        "t": "Beat",
        "n": 3,
        "time_us": 2**53 - 1,
        "leases": {"$map": [[7, 900]]},
    }
