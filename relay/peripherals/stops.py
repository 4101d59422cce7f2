"""Waiting for the stops of several peripherals at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from relay.peripheral.driver import OnStopped, Peripheral
from relay.radio.base import RadioError


def after_all(peripherals: Sequence[Peripheral], then: OnStopped) -> None:
    """Call `then` once none of their stops is under way: with the first error, or None."""
    left = len(peripherals)
    first: RadioError | None = None

    def stopped(error: RadioError | None) -> None:
        nonlocal left, first
        left -= 1
        first = first or error
        if not left:
            then(first)

    for peripheral in peripherals:
        peripheral.after_stop(stopped)
    if not peripherals:
        then(None)


async def all_taken(peripherals: Sequence[Peripheral], limit_s: float) -> bool:
    """Wait until none is under way; False if the radio has not taken one of them by then."""
    outcome: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def over(error: RadioError | None) -> None:
        if not outcome.done():
            outcome.set_result(error is None)

    after_all(peripherals, over)
    try:
        async with asyncio.timeout(limit_s):
            return await outcome
    except TimeoutError:
        return False
