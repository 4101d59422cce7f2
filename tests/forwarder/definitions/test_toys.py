"""Simulated toys for every definition: recognised as themselves, and at rest after a stop."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from forwarder.buttplug.messages import InputCommand
from forwarder.definitions.catalogue import Catalogue, Model
from forwarder.definitions.toys import export
from forwarder.protocols.base import DeviceProtocol
from relay.radio.simulated.models import ToyModel, check, decode
from tests.forwarder.definitions.toy_bench import Bench

FILE = Path(__file__).parents[3] / "relay" / "radio" / "simulated" / "toys.json"
CATALOGUE = Catalogue.load()
TOYS = decode(FILE.read_bytes())
PROTOCOLS = sorted({toy.protocol for toy in TOYS})


def of(protocol: str) -> list[ToyModel]:
    return [toy for toy in TOYS if toy.protocol == protocol]


def open_toy(bench: Bench) -> tuple[Model, DeviceProtocol]:
    model = bench.identify(CATALOGUE)
    endpoints = frozenset(model.endpoints(bench.services))
    protocol = model.open(endpoints=endpoints, address="C0:00:00:00:00:01")
    bench.play(protocol.handshake())
    return model, protocol


def test_the_toys_are_made_from_the_protocol_files() -> None:
    assert FILE.read_bytes() == export(CATALOGUE.files), "run python -m forwarder.definitions.toys"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_toy_is_recognised_as_what_it_is(protocol: str) -> None:
    wrong = []
    for toy in of(protocol):
        check(toy)
        bench = Bench(toy)
        model, opened = open_toy(bench)
        found = (model.definition.protocol, model.definition.name)
        if found != (toy.protocol, toy.name):
            wrong.append(f"{toy.name}: {found}")
        for feature in model.definition.features:
            for kind, spec in feature.inputs.items():
                if InputCommand.READ in spec.commands:
                    assert bench.play(opened.read(feature.index, kind)) == 85
    assert wrong == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_any_commands_and_then_a_stop_leave_a_toy_at_rest(protocol: str) -> None:
    rng = random.Random(protocol)
    for toy in of(protocol):
        bench = Bench(toy)
        model, opened = open_toy(bench)
        outputs = [
            (feature.index, kind, spec)
            for feature in model.definition.features
            for kind, spec in feature.outputs.items()
        ]
        for _ in range(3):
            for _ in range(rng.randint(20, 60) * len(outputs)):
                index, kind, spec = rng.choice(outputs)
                value = rng.choice([spec.low, 0, spec.high, rng.randint(spec.low, spec.high)])
                bench.take(opened.output(index, kind, value, rng.randint(0, 2000)))
                bench.take(opened.tick())
            bench.take(opened.stop(None))
            assert opened.tick_ms is None
            running = {name: share for name, share in bench.levels.items() if share}
            silent = {motor.name for motor in toy.motors if motor.silence_ms is not None}
            assert not running.keys() - silent, f"{toy.name}: {running}"
        assert opened.stop(None) or not toy.motors or silent
        assert bench.ran == set(bench.levels), f"{toy.name}: not all of its motors ever ran"
