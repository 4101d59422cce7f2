"""The contract of radios, kept by our radio over the genuine BlueZ and its kernel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from relay.radio.bleak_radio import BleakRadio
from tests.ble_vm.guest.air import kernel_air
from tests.relay.radio.test_conformance import *  # noqa: F403 - with the fixture below
from tests.relay.radio.test_conformance import two_toys
from tests.relay.radio.worlds import World

# As in the other worlds, but bluetoothd needs a moment to tell of a toy.
FIND_S = 2.0


@pytest.fixture  # type: ignore[no-redef]  # instead of the imported one
async def world() -> AsyncIterator[World]:
    async with asyncio.timeout(50), kernel_air(two_toys()) as air:
        radio = BleakRadio(find_s=FIND_S)
        yield World(radio, air.toys, air.vanish, air.drop, air.appear)
        # BlueZ takes two seconds to disconnect, none to notice that a toy is gone.
        for toy in air.toys:
            air.vanish(toy)
        await radio.close()
