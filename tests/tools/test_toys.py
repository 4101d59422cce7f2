"""Simulated toys for every definition: recognised as themselves, and at rest after a stop."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from forwarder.buttplug.messages import InputCommand, OutputType
from forwarder.definitions.catalogue import Catalogue, Model
from forwarder.protocols.base import DeviceProtocol
from relay.radio.simulated.models import ToyModel, check, decode
from tests.forwarder.definitions.toy_bench import Bench
from tools.toy_motors import motor_names
from tools.toys import export

FILE = Path(__file__).parents[2] / "relay" / "radio" / "simulated" / "toys.json"
CATALOGUE = Catalogue.load()
TOYS = decode(FILE.read_bytes())
PROTOCOLS = sorted({toy.protocol for toy in TOYS})
# Motors of these may be said to run on beside another: their packets are enciphered, or 0 and 1
# look alike. libo-vibes: the first motor's 0 turns the second off, too.
MUDDLED = {"fluffer", "libo-vibes", "patoo", "vibcrafter", "vibio", "zalo"}
# A start is told by the clock, not by the command: the packets come one by one (fredorch-rotary).
# A squirt ends by itself.
NOT_AT_ONCE = {("fredorch-rotary", OutputType.OSCILLATE), ("fmachine", OutputType.OSCILLATE)}
# The packets of the first motor's off switch the second one off as well: so says the reference.
TAKES_ANOTHER_WITH_IT = {"libo-vibes"}
# Levels in percent below this do nothing: its steps are coarser.
DULL = {"yiciyuan": 3}
# After a stop its speed is still brought down, while it stands.
WINDS_DOWN = {"fmachine"}


def of(protocol: str) -> list[ToyModel]:
    return [toy for toy in TOYS if toy.protocol == protocol]


def open_toy(bench: Bench) -> tuple[Model, DeviceProtocol]:
    model = bench.identify(CATALOGUE)
    endpoints = model.endpoints(bench.services)
    protocol = model.open(endpoints=endpoints, address="C0:00:00:00:00:01")
    bench.play(protocol.handshake())
    return model, protocol


def test_the_toys_are_made_from_the_protocol_files() -> None:
    assert FILE.read_bytes() == export(CATALOGUE.files), "run python -m tools.toys"


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
            for _ in range(28 if protocol in WINDS_DOWN else 0):
                bench.take(opened.tick())
            assert opened.tick_ms is None
            running = {name: share for name, share in bench.levels.items() if share}
            silent = {motor.name for motor in toy.motors if motor.silence_ms is not None}
            assert not running.keys() - silent, f"{toy.name}: {running}"
        if opened.armed() is not None:
            assert opened.stop(None) or not toy.motors or silent
        assert bench.ran == set(bench.levels), f"{toy.name}: not all of its motors ever ran"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_toy_that_runs_never_claims_to_be_at_rest(protocol: str) -> None:
    rng = random.Random(f"{protocol} runs")
    for toy in of(protocol):
        bench = Bench(toy)
        model, opened = open_toy(bench)
        names = motor_names(model.definition)
        specs = {
            (feature.index, kind): spec
            for feature in model.definition.features
            for kind, spec in feature.outputs.items()
        }
        lasting = [
            one for one in names
            if one[1] is not OutputType.SPRAY and (protocol, one[1]) not in NOT_AT_ONCE
        ]  # fmt: skip
        assert not lasting or set(names.values()) == {motor.name for motor in toy.motors}
        values = dict.fromkeys(lasting, 0)
        for _ in range(60 * len(lasting)):
            index, kind = one = rng.choice(lasting)
            spec = specs[one]
            any_value = rng.randint(spec.low, spec.high)
            value = rng.choice([0, 0, 1, spec.high, spec.low, any_value])
            values[one] = 0 if abs(value) < DULL.get(protocol, 0) else value
            bench.take(opened.output(index, kind, values[one]))
            running = {name for name, share in bench.levels.items() if share}
            wanted = {names[key] for key, value in values.items() if value}
            if protocol not in MUDDLED:
                silent = {motor.name for motor in toy.motors if motor.silence_ms is not None}
                assert running - silent == wanted - silent, f"{toy.name}: {kind} {values[one]}"
            if protocol not in TAKES_ANOTHER_WITH_IT:
                assert bool(wanted) <= bool(running), f"{toy.name}: {kind} {values[one]}"


def test_only_what_nothing_switches_off_ends_by_silence() -> None:
    silent = {toy.name for toy in TOYS for motor in toy.motors if motor.silence_ms is not None}
    assert silent == {"Hgod Device", "Sinloli Piupiu"}


def test_every_protocol_has_a_toy() -> None:
    assert set(CATALOGUE.files.names()) == set(PROTOCOLS)


def test_every_model_that_anything_can_tell_has_a_toy() -> None:
    have = {(toy.protocol, toy.name) for toy in TOYS}
    missing = [
        entry
        for entry in CATALOGUE.entries()
        if (entry.definition.protocol, entry.definition.name) not in have
    ]
    # Models whose names are other protocols' or are never matched; as in Intiface's files.
    told = {entry.definition.name for entry in missing if entry.identifiers}
    assert told == {"Galaku Nebula", "MagicMotion Kegel"}
    for entry in missing:
        if not entry.identifiers:
            # The default of a protocol all whose names are models of their own.
            loaded = CATALOGUE.files.get(entry.definition.protocol)
            names = {name for block in loaded.blocks for name in block.names}
            # umove: a model's letters are part of each name.
            elsewhere = loaded.behaviour.redirect is not None or loaded.name == "umove"
            assert names <= set(loaded.models) or elsewhere, names


def test_a_toy_by_cable_is_found_by_the_service_that_stands_for_it() -> None:
    toy = next(toy for toy in of("tcode-v03") if "axes" not in toy.advertised)
    bench = Bench(toy, advertised="any name")
    model, opened = open_toy(bench)
    assert model.definition.name == "TCode v0.3 (Single Linear Axis)"
    (packet,) = opened.output(0, OutputType.HW_POSITION_WITH_DURATION, 500, 250)
    assert packet.data == b"L0500I250\n"
