"""Handshakes and queries over a recording peripheral, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from forwarder.devices.handshake_runner import Notifications, StepRunner
from forwarder.protocols.base import (
    ProtocolError,
    ReadStep,
    SleepStep,
    StepFailed,
    Steps,
    SubscribeStep,
    UnsubscribeStep,
    WaitStep,
    WriteStep,
)
from tests.doubles.clock import run_virtual
from tests.doubles.hardware import RecordingHardware

T = TypeVar("T")


def run(
    steps: Steps[T],
    hardware: RecordingHardware,
    meanwhile: Callable[[], Awaitable[None]] | None = None,
    deadline_s: float = 10.0,
) -> tuple[T, float]:
    """Run `steps` beside `meanwhile`; returns the result and how long it took."""

    async def main() -> tuple[T, float]:
        runner = StepRunner(hardware, Notifications(hardware), "toy")
        async with asyncio.TaskGroup() as tasks:
            if meanwhile is not None:
                tasks.create_task(_plain(meanwhile))
            result = await runner.run(steps, deadline_s)
            return result, asyncio.get_running_loop().time()

    return run_virtual(main())


async def _plain(work: Callable[[], Awaitable[None]]) -> None:
    await work()


def ask(tries: int = 2) -> Steps[bytes]:
    yield SubscribeStep("rx")
    for _ in range(tries):
        yield WriteStep("tx", b"who?")
        try:
            answer = yield WaitStep("rx", 500)
        except StepFailed:
            continue
        assert answer is not None
        return answer
    raise ProtocolError("no answer")


def test_steps_run_in_order_and_bring_what_they_read() -> None:
    def steps() -> Steps[bytes | None]:
        yield WriteStep("tx", b"\x01", True)
        yield SleepStep(3000)
        return (yield ReadStep("model"))

    hardware = RecordingHardware("tx", "model")
    hardware.reads.append(b"Z2")
    result, took = run(steps(), hardware)
    assert result == b"Z2"
    assert took == pytest.approx(3)
    assert hardware.calls == [("write", "tx", b"\x01"), ("read", "model")]


def test_a_notification_answers_a_wait() -> None:
    hardware = RecordingHardware("tx", "rx")

    async def answer() -> None:
        await asyncio.sleep(0.1)
        hardware.listeners["rx"](b"Z:11;")

    assert run(ask(), hardware, answer)[0] == b"Z:11;"


def test_a_wait_that_times_out_is_told_to_the_steps_which_may_ask_again() -> None:
    hardware = RecordingHardware("tx", "rx")

    async def answer() -> None:
        await asyncio.sleep(0.7)
        hardware.listeners["rx"](b"Z:11;")

    assert run(ask(), hardware, answer)[0] == b"Z:11;"
    assert hardware.calls.count(("write", "tx", b"who?")) == 2


def test_steps_that_give_up_end_the_run() -> None:
    with pytest.raises(ExceptionGroup) as group:
        run(ask(), RecordingHardware("tx", "rx"))
    assert group.group_contains(ProtocolError, match="no answer")


def test_what_came_before_the_question_is_not_its_answer() -> None:
    hardware = RecordingHardware("tx", "rx")

    def steps() -> Steps[bytes | None]:
        yield SubscribeStep("rx")
        hardware.listeners["rx"](b"old")
        yield WriteStep("tx", b"who?")
        hardware.listeners["rx"](b"new")
        return (yield WaitStep("rx", 500))

    assert run(steps(), hardware)[0] == b"new"


def test_failures_of_the_hardware_are_thrown_into_the_steps() -> None:
    def steps() -> Steps[str]:
        try:
            yield ReadStep("model")
        except StepFailed as failure:
            return str(failure)
        return "read"

    hardware = RecordingHardware("model")
    hardware.broken.add("model")
    assert run(steps(), hardware)[0] == "model said no"


def test_a_run_that_takes_too_long_is_ended() -> None:
    def steps() -> Steps[None]:
        yield SleepStep(60_000)

    with pytest.raises(ExceptionGroup) as group:
        run(steps(), RecordingHardware(), deadline_s=5)
    assert group.group_contains(TimeoutError)


def test_an_endpoint_is_subscribed_once_however_many_ask() -> None:
    def steps() -> Steps[None]:
        yield SubscribeStep("rx")
        yield SubscribeStep("rx")
        yield UnsubscribeStep("rx")
        yield UnsubscribeStep("rx")

    hardware = RecordingHardware("rx")
    run(steps(), hardware)
    assert hardware.calls == [("subscribe", "rx"), ("unsubscribe", "rx")]


def test_notifications_reach_all_who_listen() -> None:
    async def main() -> None:
        hardware = RecordingHardware("rx")
        notifications = Notifications(hardware)
        heard: list[tuple[str, bytes]] = []
        first = lambda data: heard.append(("first", data))  # noqa: E731
        notifications.listen("rx", first)
        notifications.listen("rx", lambda data: heard.append(("second", data)))
        await notifications.subscribe("rx", "a test")
        hardware.listeners["rx"](b"1")
        notifications.unlisten("rx", first)
        hardware.listeners["rx"](b"2")
        assert heard == [("first", b"1"), ("second", b"1"), ("second", b"2")]

    run_virtual(main())


def test_what_steps_began_the_device_holds_until_steps_end_it() -> None:
    def ends() -> Steps[None]:
        yield UnsubscribeStep("rx")

    async def main() -> None:
        hardware = RecordingHardware("tx", "rx")
        notifications = Notifications(hardware)
        runner = StepRunner(hardware, notifications, "toy")
        query = asyncio.create_task(runner.run(ask(), 10))
        await asyncio.sleep(0.1)
        # An input comes and goes while the query waits for its answer, which still comes.
        await notifications.subscribe("rx", "an input")
        assert notifications.release("rx", "an input") is None
        hardware.listeners["rx"](b"yes")
        assert await query == b"yes"
        # Another input holds it when the device does so no more.
        await notifications.subscribe("rx", "an input")
        await runner.run(ends(), 1)
        assert hardware.calls == [("subscribe", "rx"), ("write", "tx", b"who?")]
        assert notifications.release("rx", "an input") is not None
        assert hardware.calls[-1] == ("unsubscribe", "rx")

    run_virtual(main())
