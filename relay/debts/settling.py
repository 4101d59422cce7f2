"""Pays a debt: writes a recorded stop to a peripheral that was connected for it."""

from __future__ import annotations

import asyncio

from relay.debts.bounds import (
    PAUSE_MOST_S,
    RETRY_FIRST_S,
    RETRY_MOST_S,
    SECOND_ROUND_S,
    SETTLING_WRITE_S,
    TRY_S,
)
from relay.debts.record import Record, RecordedWrite, handles
from relay.link.messages import ErrorCode
from relay.radio.base import Connection, RadioError


async def settle(connection: Connection, record: Record) -> None:
    """Return once the radio has taken every packet of the stop, the unacknowledged ones twice.

    Raises RadioError if one of them was not taken within TRY_S. A failed packet is tried again,
    those that were taken are not. Cancelled, it has written a part of them.
    """
    known = handles(connection.services)
    writes = []
    for kept in record.stop:
        handle = known.get((kept.service, kept.uuid, kept.nth))
        if handle is None:
            text = f"this device has no characteristic {kept.uuid} any more"
            raise RadioError(ErrorCode.REFUSED, text)
        writes.append((handle, kept))
    unanswered = [(handle, kept) for handle, kept in writes if not kept.response]
    second = max(record.gap_ms / 1000, SECOND_ROUND_S)
    for round_, part in enumerate((writes, unanswered)):
        for n, (handle, kept) in enumerate(part):
            pause = kept.delay_ms / 1000 if round_ == 0 else second if n == 0 else 0.0
            await asyncio.sleep(min(pause, PAUSE_MOST_S))
            await _write(connection, handle, kept)


async def _write(connection: Connection, handle: int, kept: RecordedWrite) -> None:
    """Write it, however often that takes. Raises RadioError."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + TRY_S
    pause = RETRY_FIRST_S
    while True:
        try:
            async with asyncio.timeout(min(SETTLING_WRITE_S, max(0.0, ends - loop.time()))):
                await connection.write(handle, kept.data, kept.response)
        except TimeoutError:
            error = RadioError(ErrorCode.TIMEOUT, "it did not take its stop in time")
        except RadioError as caught:
            error = caught
        else:
            return
        if error.code is ErrorCode.GONE or loop.time() + pause >= ends:
            raise error
        await asyncio.sleep(pause)
        pause = min(pause * 2, RETRY_MOST_S)
