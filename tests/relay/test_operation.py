from __future__ import annotations

import asyncio

import pytest

from relay.link.messages import ErrorCode
from relay.operation import PATIENCE_S, Operation
from relay.radio.base import RadioError
from tests.doubles.clock import run_virtual


async def _take(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "done"


def test_an_operation_brings_its_result_or_its_error() -> None:
    async def main() -> None:
        operation = Operation()
        assert await operation.run(_take(1), 5, urgent=False) == "done"
        with pytest.raises(RadioError, match="longer than 5 s") as error:
            await operation.run(_take(9), 5, urgent=False)
        assert error.value.code is ErrorCode.TIMEOUT
        assert not operation.abandoned

    run_virtual(main())


def test_hurry_leaves_a_moment_and_stops_are_not_hurried() -> None:
    async def main() -> None:
        loop, operation = asyncio.get_running_loop(), Operation()
        operation.hurry()
        loop.call_later(1, operation.hurry)
        with pytest.raises(RadioError, match="gave way"):
            await operation.run(_take(9), 5, urgent=False)
        assert loop.time() == pytest.approx(1 + PATIENCE_S)
        assert operation.abandoned
        loop.call_later(1, operation.hurry)
        assert await operation.run(_take(4), 5, urgent=True) == "done"
        assert not operation.abandoned
        # One that would be over before the moment has passed is not touched.
        loop.call_later(0.95, operation.hurry)
        assert await operation.run(_take(1), 5, urgent=False) == "done"

    run_virtual(main())


def test_cut_ends_even_a_stop() -> None:
    async def main() -> None:
        loop, operation = asyncio.get_running_loop(), Operation()
        loop.call_later(1, operation.cut)
        loop.call_later(1, operation.cut)
        with pytest.raises(RadioError):
            await operation.run(_take(9), 5, urgent=True)
        assert loop.time() == pytest.approx(1)

    run_virtual(main())


def test_cancellation_passes_through() -> None:
    async def main() -> None:
        operation = Operation()
        task = asyncio.create_task(operation.run(_take(9), 5, urgent=False))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not operation.running
        assert await operation.run(_take(1), 5, urgent=False) == "done"

    run_virtual(main())
