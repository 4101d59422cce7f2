"""Direct paths by the genuine library, and what is said where it is missing."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from relay.link.direct.endpoint import NoDirectPath, dial_direct, endpoint_secret
from relay.link.direct.place import DirectPlace
from relay.link.errors import ChannelClosed
from tests.relay.link.direct.pairs import by_direct_path, listening

KEY = "4807" * 16


async def test_a_hub_has_the_same_key_after_each_start_and_says_where_it_is() -> None:
    secret = endpoint_secret(b"private")
    assert secret != endpoint_secret(b"another") != b"private"
    keys = []
    for _ in range(2):
        async with listening(secret) as endpoint:
            place = endpoint.place()
            assert place.relay is None
            assert place.addresses[0].startswith("127.0.0.1:")
            keys.append(place.key)
    assert keys[0] == keys[1]


async def test_both_ends_know_the_way() -> None:
    async with by_direct_path() as (joined, dialed):
        assert joined.peer.startswith("127.0.0.1:")
        for end in (joined, dialed):
            relayed, where = end.way
            assert not relayed
            assert where.startswith("127.0.0.1:")


async def test_another_key_than_that_of_the_place_is_no_way_there() -> None:
    async with listening() as endpoint, listening() as other:
        place = DirectPlace(other.place().key, None, endpoint.place().addresses)
        with pytest.raises(NoDirectPath, match="no direct path to the hub"):
            await dial_direct(place, open_s=1)


async def test_a_place_that_leads_nowhere_is_said() -> None:
    for key in (KEY, "00" * 31 + "05"):  # the second is no point of the curve
        with pytest.raises(NoDirectPath):
            await dial_direct(DirectPlace(key, None, ("127.0.0.1:9",)), open_s=0.3)


async def test_an_endpoint_that_is_closed_has_no_more_visitors() -> None:
    async with listening() as endpoint:
        waiting = asyncio.ensure_future(endpoint.next_visitor())
        await asyncio.sleep(0)
        await endpoint.close()
        with pytest.raises(ChannelClosed):
            await waiting


def test_without_the_library_a_link_that_has_only_that_place_says_what_to_install(
    tmp_path: Path,
) -> None:
    link = f"bpforward:///?d=iroh://{KEY},https://relay.example.org#" + "A" * 43
    code = (
        "import sys; sys.modules['iroh'] = None\n"
        "from relay.__main__ import main\n"
        f"sys.argv = ['relay', 'pair', {link!r}, '--state', {str(tmp_path)!r}]\n"
        "sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode != 0
    assert "pip install 'buttplug-forwarder[p2p]'" in done.stderr
    assert "Traceback" not in done.stderr
