"""Performances become commands: changes only, in order, and nothing begins again after a no."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, cast

import pytest

from forwarder.bridges.client import BridgeClient, Refusal
from forwarder.bridges.performer import Performer
from forwarder.bridges.programs import OutputProgram, ProgramStep
from forwarder.buttplug.messages import OutputType
from forwarder.client.device import RemoteDevice
from tests.doubles.clock import run_virtual
from tests.doubles.remote_toys import RecordedDialogue, remote_device

V = (0, OutputType.VIBRATE)
P = (0, OutputType.HW_POSITION_WITH_DURATION)


class Stage:
    def __init__(self, *outputs: OutputType) -> None:
        self.dialogue = RecordedDialogue()
        self.devices: list[RemoteDevice] = [remote_device(*outputs, dialogue=self.dialogue)]
        self.name = "A bridge"
        self.performer = Performer(cast("BridgeClient", self), 10)

    def start(self, *steps: ProgramStep, seconds: float | None) -> None:
        now = self.performer.now
        until = None if seconds is None else now + seconds
        self.performer.of(self.devices[0]).start(
            OutputProgram(steps, now, until, "app"), alone=True
        )


def played(scene: Coroutine[Any, Any, None]) -> None:
    run_virtual(scene)


def test_a_level_is_sent_once_and_its_end_is_a_stop() -> None:
    async def scene() -> None:
        stage = Stage(OutputType.VIBRATE)
        running = asyncio.create_task(stage.performer.run())
        stage.start(ProgramStep(1, {V: 0.5}), seconds=3)
        await stage.performer.perform()
        await asyncio.sleep(2.9)
        assert stage.dialogue.said == [(0, OutputType.VIBRATE, 10)]
        await asyncio.sleep(0.2)
        assert stage.dialogue.said[1:] == ["stop"]
        await asyncio.sleep(60)
        assert len(stage.dialogue.said) == 2
        running.cancel()

    played(scene())


def test_steps_come_when_they_are_due_and_positions_say_how_long_they_take() -> None:
    async def scene() -> None:
        stage = Stage(OutputType.HW_POSITION_WITH_DURATION)
        running = asyncio.create_task(stage.performer.run())
        stage.start(ProgramStep(0.5, {P: 0.0}), ProgramStep(0.5, {P: 1.0}), seconds=1.9)
        await stage.performer.perform()
        await asyncio.sleep(5)
        kind = OutputType.HW_POSITION_WITH_DURATION
        assert stage.dialogue.said == [
            (0, kind, 0),
            (0, kind, 99),
            (0, kind, 0),
            (0, kind, 99),
            "stop",
        ]
        running.cancel()

    played(scene())


def test_what_was_refused_ends_and_does_not_begin_again() -> None:
    async def scene() -> None:
        stage = Stage(OutputType.VIBRATE)
        running = asyncio.create_task(stage.performer.run())
        stage.start(ProgramStep(1, {V: 0.5}), ProgramStep(1, {V: 1.0}), seconds=None)
        stage.dialogue.refuse = "Everything is stopped by a person"
        with pytest.raises(Refusal, match="stopped by a person"):
            await stage.performer.perform()
        assert stage.dialogue.said == [(0, OutputType.VIBRATE, 10), "stop"]
        stage.dialogue.refuse = ""
        await asyncio.sleep(60)
        assert len(stage.dialogue.said) == 2
        running.cancel()

    played(scene())


def test_a_program_that_ends_while_a_slow_radio_answers_is_stopped() -> None:
    async def scene() -> None:
        stage = Stage(OutputType.VIBRATE)
        stage.dialogue.answer_s = 0.08
        running = asyncio.create_task(stage.performer.run())
        stage.start(ProgramStep(0.1, {V: 0.5}), ProgramStep(0.1, {V: 1.0}), seconds=0.25)
        await stage.performer.perform()
        await asyncio.sleep(2)
        assert stage.dialogue.said[-1] == "stop"
        running.cancel()

    played(scene())


def test_a_slow_radio_holds_up_no_other_toy_and_not_its_own_stop() -> None:
    async def scene() -> None:
        stage = Stage(OutputType.VIBRATE)
        other = RecordedDialogue()
        stage.devices.append(remote_device(OutputType.VIBRATE, index=1, dialogue=other))
        stage.dialogue.answer_s = 4.0
        running = asyncio.create_task(stage.performer.run())
        now = stage.performer.now
        slow = (ProgramStep(0.3, {V: 0.5}), ProgramStep(0.3, {V: 1.0}))
        stage.start(*slow, seconds=2)
        stage.performer.of(stage.devices[1]).start(
            OutputProgram((ProgramStep(5, {V: 0.5}),), now, now + 1, "app"), alone=True
        )
        stage.performer.soon()
        await asyncio.sleep(1.1)
        assert other.said == [(0, OutputType.VIBRATE, 10), "stop"]
        # It was not told each of its steps while it had not answered the first.
        assert stage.dialogue.said == [(0, OutputType.VIBRATE, 10)]
        await asyncio.sleep(1)
        assert stage.dialogue.said[1:] == ["stop"]
        running.cancel()

    played(scene())


def test_what_was_due_while_a_radio_answered_is_told_then() -> None:
    async def scene() -> None:
        stage = Stage(OutputType.VIBRATE)
        stage.dialogue.answer_s = 1.0
        running = asyncio.create_task(stage.performer.run())
        stage.start(ProgramStep(0.9, {V: 0.5}), ProgramStep(60, {V: 1.0}), seconds=None)
        stage.performer.soon()
        await asyncio.sleep(1.1)
        assert stage.dialogue.said[1:] == [(0, OutputType.VIBRATE, 20)]
        running.cancel()

    played(scene())


def test_a_stop_stops_what_somebody_else_set_going_too() -> None:
    async def scene() -> None:
        stage = Stage(OutputType.VIBRATE)
        await stage.performer.stop(stage.devices)
        assert stage.dialogue.said == ["stop"]

    played(scene())


def test_a_toy_that_went_is_at_rest_when_it_comes_back() -> None:
    async def scene() -> None:
        stage = Stage(OutputType.VIBRATE)
        stage.start(ProgramStep(1, {V: 0.5}), seconds=None)
        await stage.performer.perform()
        (device,), stage.devices = stage.devices, []
        await stage.performer.perform()
        stage.devices = [device]
        await stage.performer.perform()
        assert stage.dialogue.said == [(0, OutputType.VIBRATE, 10)]

    played(scene())
