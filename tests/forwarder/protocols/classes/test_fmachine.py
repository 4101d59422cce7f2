"""F-Machine: on/off is a toggle, so no packet of it may be kept or sent blindly."""

from __future__ import annotations

import random

import pytest

from forwarder.buttplug.messages import OutputType
from forwarder.definitions.check import opening_of
from forwarder.definitions.files import DATA, Files, open_protocol
from forwarder.protocols.classes.fmachine import FMachine
from relay.link.messages import Packet

LOADED = Files(DATA).get("fmachine")


def opened() -> FMachine:
    protocol = open_protocol(LOADED, opening_of(LOADED, LOADED.entries()[0]))
    assert isinstance(protocol, FMachine)
    return protocol


class Machine:
    """What the machine does by the buttons that were pressed."""

    def __init__(self) -> None:
        self.runs = False
        self.speed = 1
        self.fastest = 0

    def take(self, packets: tuple[Packet, ...]) -> None:
        for packet in packets:
            match packet.data[0]:
                case 0x01:
                    self.runs = not self.runs
                case 0x05:
                    self.speed += 1
                case 0x06:
                    self.speed = max(1, self.speed - 1)
            if self.runs:
                self.fastest = max(self.fastest, self.speed)


def settle(protocol: FMachine, machine: Machine) -> None:
    for _ in range(60):
        machine.take(protocol.tick())
    assert protocol.tick_ms is None


def test_nothing_is_armed_whatever_it_does() -> None:
    protocol = opened()
    for value in (0, 5, 0):
        protocol.output(0, OutputType.OSCILLATE, value)
        protocol.tick()
        assert protocol.armed() is None


@pytest.mark.parametrize("seed", range(20))
def test_whatever_was_commanded_a_stop_leaves_it_off_and_slow(seed: int) -> None:
    rng = random.Random(seed)
    protocol, machine = opened(), Machine()
    for _ in range(rng.randint(1, 30)):
        machine.take(protocol.output(0, OutputType.OSCILLATE, rng.choice([0, 1, 2, 28, 9])))
        for _ in range(rng.randint(0, 9)):
            machine.take(protocol.tick())
    machine.take(protocol.stop(None))
    assert not machine.runs
    for _ in range(3):
        machine.take(protocol.stop(None))
        assert not machine.runs
    settle(protocol, machine)
    assert (machine.runs, machine.speed) == (False, 1)


def test_it_reaches_each_speed_and_never_runs_faster_on_the_way() -> None:
    for value in range(1, 29):
        protocol, machine = opened(), Machine()
        machine.take(protocol.output(0, OutputType.OSCILLATE, 28))
        for _ in range(3):
            machine.take(protocol.tick())
        machine.take(protocol.output(0, OutputType.OSCILLATE, 0))
        machine.fastest = 0
        machine.take(protocol.output(0, OutputType.OSCILLATE, value))
        settle(protocol, machine)
        assert (machine.runs, machine.speed, machine.fastest) == (True, value, value)
