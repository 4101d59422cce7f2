"""Keeps on the disk from which networks keys have proven themselves."""

from __future__ import annotations

import asyncio
from typing import Final

from forwarder.access.proven_networks import ProvenNetworks

# Changes that come within this time are one write.
BEHIND_S: Final = 1.0


async def write_behind(networks: ProvenNetworks) -> None:
    """Write what changes, a moment later and beside the loop, until cancelled."""
    changed = asyncio.Event()
    networks.on_change = changed.set
    while True:
        await changed.wait()
        await asyncio.sleep(BEHIND_S)
        changed.clear()
        await asyncio.to_thread(networks.write, networks.file())
