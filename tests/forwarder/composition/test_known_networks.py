"""What proves itself is on the disk a moment later, without a word to anybody."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

from forwarder.access.proven_networks import ProvenNetworks
from forwarder.composition.known_networks import BEHIND_S, write_behind
from tests.doubles.clock import run_virtual


def test_what_proves_itself_is_written_a_moment_later(tmp_path: Path) -> None:
    path = tmp_path / "networks.json"
    networks = ProvenNetworks(path, bytes(32))

    async def main() -> None:
        writing = asyncio.create_task(write_behind(networks))
        await asyncio.sleep(0)
        networks.note("10.0.0.1", b"key")
        await asyncio.sleep(BEHIND_S / 2)
        assert not path.exists()
        await asyncio.sleep(BEHIND_S)
        writing.cancel()
        with suppress(asyncio.CancelledError):
            await writing

    run_virtual(main())
    assert ProvenNetworks(path, bytes(32)).keys("10.0.0.1") == 1
