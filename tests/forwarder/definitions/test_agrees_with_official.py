"""Our files against Intiface's device configuration: the same facts, or a deviation with a reason.

Read as plain JSON here, so that our own reader of such files is not trusted to check itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import pytest
from msgspec import structs

from forwarder.definitions.files import DATA, Files
from forwarder.definitions.loader import LoadedProtocol
from forwarder.definitions.model import INPUT_NAMES, NAME_OF, Definition
from tests.shared import shared

FILES = Files(DATA)

WAYS = {"http": "lovense_connect_service", "gamepad": "sdl-gamepad"}
SERIAL = ("baud_rate", "data_bits", "parity", "stop_bits", "port")
# Protocols of the official file that no server drives, and of which no packet is published.
NOT_DRIVEN = {"libo-karen", "realtouch", "rez-trancevibrator", "twerkingbutt"}
# Not in that file: what the reference does not drive, and Joy-Cons, which it reaches as game pads.
OURS = {"kiiroo-powerblow", "lovespouse", "nintendo-joycon"}
# What we say differently: protocol → (how the differing facts begin, why).
DEVIATIONS = {
    "foreo": (
        ["+ 'UFO3led'"],
        "Recognised there, but no model goes by it; the one whose name it is goes by UFO3eyes.",
    ),
    "joyhub": (
        [f"- 'J-{name}' [4] '' has id"
         for name in ("LACH", "Lagoon", "Mace2", "Maiden", "Marshal", "Mecha", "MoonHorn")],
        "A feature with neither output nor input: nothing to drive, nothing to show.",
    ),
    "kiiroo-v3": (
        ["+ 00001900-0000-1000-8000-00805f9b34fb whitelist ="],
        "Where its battery is read, if it is like kiiroo-v21; unverified.",
    ),
    "sayberx": (
        ["- 'X-Ring'", "- name 'X-Ring *'"],
        "A model without any feature: connecting it would be of no use.",
    ),
    "tcode-v03": (["+ 'axes'"], "Machines with more than one axis say which."),
    "tryfun-blackhole": (["+ 'DK-BHSE'", "+ name 'DK-BHSE'"], "Tried by an owner."),
    "wevibe-chorus": (
        ["+ 'Chorus Pro'", "+ 'Sync Go'", "+ name 'Chorus Pro'", "+ name 'Sync Go'"],
        "The first goes by what its owners say; of the second only the name is known.",
    ),
}  # fmt: skip
# Listed with two models; the later one counts, as in the reference server.
TWICE = {
    "galaku": ["G228", "G23A", "G310", "G336", "G901", "TFF1"],
    "joyhub": ["J-Peachy"],
    "libo-vibes": ["Yuyi"],
    "sexverse-v4": ["BC1847"],
}


@lru_cache(maxsize=1)
def official() -> dict[str, Any]:
    """The protocols of the newest file there is, so that what Intiface changes shows here."""
    files = shared("data").glob("buttplug-device-config-v*.json")
    trees = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    newest = max(trees, key=lambda tree: (tree["version"]["major"], tree["version"]["minor"]))
    protocols: dict[str, Any] = newest["protocols"]
    return protocols


def facts_of_theirs(config: dict[str, Any]) -> Iterator[str]:
    """Every fact of one protocol as a line, the same as `facts_of_ours` makes them."""
    for way in config.get("communication", ()):
        yield from (f"way: {kind}" for kind in way if kind != "btle")
        if serial := way.get("serial"):
            yield f"serial {[serial[key] for key in SERIAL]}"
        for kind in ("hid", "usb"):
            for pair in way.get(kind, {}).get("pairs", ()):
                yield f"{kind} {pair['vendor_id']}:{pair['product_id']}"
        ble = way.get("btle", {})
        yield from (f"name {name!r}" for name in ble.get("names", ()))
        for rule in ble.get("manufacturer_data", ()):
            yield f"company {rule['company']} with {bytes(rule.get('data', ())).hex()}"
        yield from (f"advertises {uuid}" for uuid in ble.get("advertised_services", ()))
        for service, endpoints in ble.get("services", {}).items():
            for endpoint, uuid in endpoints.items():
                yield f"{service} {endpoint} = {uuid}"
    defaults = config.get("defaults")
    base = [] if defaults is None else defaults.get("features", [])
    gap = None if defaults is None else defaults.get("message_gap_ms")
    if defaults is not None and base:
        yield f"'default' has id {defaults['id']}"
        yield from _model("default", defaults["name"], base, gap)
    models = {}
    for device in config.get("configurations", ()):
        for identifier in device["identifier"]:
            # One that is listed twice: the later one counts, as in the reference.
            models[identifier] = device
    for identifier, device in models.items():
        features = device.get("features")
        yield f"{identifier!r} has id {device['id']}"
        yield f"{identifier!r} is of the variant {device.get('protocol_variant')}"
        own_gap = device.get("message_gap_ms", gap)
        yield from _model(
            identifier, device["name"], base if features is None else features, own_gap
        )


def _model(key: str, name: str, features: list[dict[str, Any]], gap: int | None) -> Iterator[str]:
    yield f"{key!r} is {name!r}"
    yield f"{key!r} waits {gap} ms"
    for number, feature in enumerate(features):
        at = f"{key!r} [{feature.get('index', number)}]"
        yield f"{at} {feature.get('description', '')!r} has id {feature['id']}"
        for kind, output in feature.get("output", {}).items():
            duration = output.get("duration")
            low, high = output["value"]
            yield f"{at} {kind} {low}..{high}" + (f" in {duration}" if duration else "")
        for kind, given in feature.get("input", {}).items():
            yield f"{at} {kind} {given['value']} {sorted(given['command'])}"


def facts_of_ours(loaded: LoadedProtocol) -> Iterator[str]:
    for match in loaded.file.match:
        for kind in ("serial", "hid", "usb", "xinput", "gamepad", "simulated", "http", "websocket"):
            if getattr(match, kind):
                yield f"way: {WAYS.get(kind, kind)}"
    for match in loaded.file.match:
        if match.serial is not None:
            yield f"serial {list(structs.astuple(match.serial))}"
        for kind, pairs in (("hid", match.hid), ("usb", match.usb)):
            yield from (f"{kind} {vendor}:{product}" for vendor, product in pairs)
        if match.ble is not None:
            yield from (f"name {name!r}" for name in match.ble.names)
            for rule in match.ble.manufacturer:
                yield f"company {rule.company} with {bytes.fromhex(rule.data).hex()}"
            yield from (f"advertises {uuid}" for uuid in match.ble.advertised)
        for service, endpoints in match.services.items():
            for endpoint, uuid in endpoints.items():
                yield f"{service} {endpoint} = {uuid}"
    if loaded.default is not None:
        yield f"'default' has id {loaded.default.definition.id}"
        yield from _ours("default", loaded.default.definition)
    for identifier, entry in loaded.models.items():
        yield f"{identifier!r} has id {entry.definition.id}"
        yield f"{identifier!r} is of the variant {entry.definition.variant}"
        yield from _ours(identifier, entry.definition)


def _ours(key: str, definition: Definition) -> Iterator[str]:
    names = {kind: name for name, kind in INPUT_NAMES.items()}
    yield f"{key!r} is {definition.name!r}"
    yield f"{key!r} waits {definition.gap_ms} ms"
    for feature in definition.features:
        at = f"{key!r} [{feature.index}]"
        yield f"{at} {feature.description!r} has id {feature.id}"
        for kind, spec in feature.outputs.items():
            duration = list(spec.duration) if spec.duration else None
            shown = f"{at} {NAME_OF[kind]} {spec.low}..{spec.high}"
            yield shown + (f" in {duration}" if duration else "")
        for sensor, given in feature.inputs.items():
            commands = sorted(command.value for command in given.commands)
            yield f"{at} {names[sensor]} {[list(one) for one in given.ranges]} {commands}"


def differences(protocol: str) -> list[str]:
    theirs = set(facts_of_theirs(official()[protocol]))
    ours = set(facts_of_ours(FILES.get(protocol)))
    return sorted([f"- {fact}" for fact in theirs - ours] + [f"+ {fact}" for fact in ours - theirs])


def test_every_protocol_is_ours_or_not_driven_by_anybody() -> None:
    assert set(official()) - set(FILES.names()) == NOT_DRIVEN
    assert set(FILES.names()) - set(official()) == OURS


@pytest.mark.parametrize("protocol", sorted(set(FILES.names()) - OURS))
def test_our_file_says_what_the_official_one_says(protocol: str) -> None:
    beginnings, _why = DEVIATIONS.get(protocol, ([], ""))
    found = differences(protocol)
    assert [line for line in found if not line.startswith(tuple(beginnings))] == []
    # A deviation that is none any more is to be taken off the list.
    assert [one for one in beginnings if not any(line.startswith(one) for line in found)] == []


def test_identifiers_that_are_listed_twice_are_known() -> None:
    found: dict[str, list[str]] = {}
    for protocol, config in official().items():
        listed = [
            one for device in config.get("configurations", ()) for one in device["identifier"]
        ]
        twice = sorted({one for one in listed if listed.count(one) > 1})
        if twice:
            found[protocol] = twice
    assert found == TWICE
