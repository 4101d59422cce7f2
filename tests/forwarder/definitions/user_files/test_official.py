"""Intiface's device configuration, read at run time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from forwarder.buttplug.messages import OutputType
from forwarder.definitions.catalogue import Catalogue
from forwarder.definitions.user_files.official import Official
from forwarder.errors import ConfigError
from forwarder.protocols.base import ProtocolError
from relay.link.messages import Advertisement
from tests.shared import shared

OFFICIAL = "buttplug-device-config-v5.json"
V = OutputType.VIBRATE
UUID = "0000fff0-0000-1000-8000-00805f9b34fb"


def write(folder: Path, protocols: object, major: int = 5) -> Path:
    path = folder / "official.json"
    path.write_text(json.dumps({"version": {"major": major, "minor": 999}, "protocols": protocols}))
    return path


ANEROS = {
    "aneros": {
        "communication": [
            {
                "btle": {
                    "names": ["New Aneros"],
                    "services": {
                        "0000FF00-0000-1000-8000-00805F9B34FB": {
                            "tx": "0000FF01-0000-1000-8000-00805F9B34FB"
                        }
                    },
                }
            }
        ],
        "defaults": {"id": "d", "name": "Aneros", "features": []},
        "configurations": [
            {
                "identifier": ["New Aneros"],
                "name": "Aneros New",
                "id": "model-id",
                "features": [
                    {"id": "feature-id", "index": 0, "output": {"vibrate": {"value": [0, 50]}}},
                    {"id": "other", "index": 1, "output": {"levitate": {"value": [0, 5]}}},
                ],
            }
        ],
    },
    "brand-new": {
        "communication": [{"btle": {"names": ["Nobody"], "services": {UUID: {"tx": UUID}}}}],
        "defaults": {"id": "x", "name": "Brand new", "features": []},
    },
}


def test_a_new_model_of_a_known_protocol_works_and_an_unknown_protocol_is_listed(
    tmp_path: Path,
) -> None:
    catalogue = Catalogue.load(official=write(tmp_path, ANEROS))
    assert catalogue.unknown_protocols == ("brand-new",)
    seen = Advertisement("AA", "New Aneros")
    (candidate,) = catalogue.match(seen)
    model = candidate.resolve("New Aneros", seen)
    assert (model.definition.name, model.definition.id) == ("Aneros New", "model-id")
    assert model.definition.features[0].outputs[V].high == 50
    # An output of a kind that we do not know is left out, not fatal.
    assert model.definition.features[1].outputs == {}
    protocol = model.open(endpoints={"tx": 1})
    assert protocol.output(0, V, 50)[0].data == b"\xf1\x32"
    assert catalogue.match(Advertisement("AA", "Nobody")) == ()


def test_outputs_that_our_rules_do_not_cover_are_left_out_and_without_any_it_is_an_error(
    tmp_path: Path,
) -> None:
    features = [
        {"id": "a", "index": 0, "output": {"vibrate": {"value": [0, 9]}}},
        {"id": "b", "index": 1, "output": {"rotate": {"value": [0, 9]}}},
    ]
    some = {"identifier": ["Some"], "name": "Some", "id": "s", "features": features}
    none = {"identifier": ["None"], "name": "None", "id": "n", "features": features[1:]}
    path = write(tmp_path, {"aneros": {"configurations": [some, none]}})
    catalogue = Catalogue.load(official=path)
    seen = Advertisement("AA", "Some")
    found = catalogue.resolve("aneros", "Some", seen).definition
    assert [feature.id for feature in found.features] == ["a"]
    with pytest.raises(ProtocolError, match="None: our rules for aneros cannot drive it"):
        catalogue.resolve("aneros", "None", seen)


@pytest.mark.parametrize(
    "odd",
    [
        {"message_gap_ms": -1},
        {"message_gap_ms": 2**31},
        {"features": [{"id": "1", "index": -1}]},
        {"features": [{"id": "1", "output": {"vibrate": {"value": [0, 2**31]}}}]},
    ],
    ids=str,
)
def test_what_could_not_be_said_to_clients_or_relays_is_refused_at_load(
    odd: dict[str, object], tmp_path: Path
) -> None:
    model = {"id": "x", "name": "Toy", "identifier": ["X"], **odd}
    with pytest.raises(ConfigError, match=r"protocols\.lovense\.configurations\[0\]\..* must be"):
        Official.load(write(tmp_path, {"lovense": {"configurations": [model]}}))


def test_the_published_file_loads_and_leaves_only_unknown_protocols_out() -> None:
    catalogue = Catalogue.load(official=shared("data", OFFICIAL))
    assert set(catalogue.unknown_protocols) <= {"libo-karen", "realtouch", "twerkingbutt"}


def test_our_files_hold_the_same_models_and_ranges_as_the_published_one() -> None:
    official = Official.load(shared("data", OFFICIAL)).overlay()
    ours = Catalogue.load().files
    different = []
    for protocol, models in official.models.items():
        if not ours.has(protocol):
            continue
        loaded = ours.get(protocol)
        for identifier, entry in models.items():
            own = loaded.models.get(identifier)
            if own is None:
                different.append(f"{protocol} {identifier} is missing")
                continue
            theirs, mine = entry.definition, own.definition
            if (theirs.name, theirs.id) != (mine.name, mine.id):
                different.append(f"{protocol} {identifier}: {theirs.name} {mine.name}")
            for one in (f for f in theirs.features if f.outputs or f.inputs):
                match = [f for f in mine.features if f.index == one.index]
                if not match or match[0].outputs != one.outputs or match[0].id != one.id:
                    different.append(f"{protocol} {identifier} feature {one.index}")
                elif match[0].inputs != one.inputs:
                    different.append(f"{protocol} {identifier} input {one.index}")
    assert different == []


def test_a_file_that_is_no_newer_than_ours_changes_nothing_that_we_know(tmp_path: Path) -> None:
    """An old file names two Lelos under the wrong protocol; a newer one may correct us."""
    old = shared("data", "buttplug-device-config-v4.json")
    seen = Advertisement("AA", "F1SV3")
    (found, *_) = Catalogue.load(official=old).match(seen)
    assert found.protocol == "lelo-harmony"
    feature = {"id": "f", "index": 0, "output": {"vibrate": {"value": [0, 255]}}}
    model = {"identifier": ["J-Mighty"], "name": "Mighty", "id": "m", "features": [feature]}
    for minor, name in ((57, "JoyHub Mighty"), (58, "Mighty")):
        path = tmp_path / "official.json"
        protocols = {"joyhub": {"configurations": [model]}}
        version = {"major": 5, "minor": minor}
        path.write_text(json.dumps({"version": version, "protocols": protocols}))
        catalogue = Catalogue.load(official=path)
        seen = Advertisement("AA", "J-Mighty")
        assert catalogue.resolve("joyhub", "J-Mighty", seen).definition.name == name
        shown = [
            one.definition.name for one in catalogue.entries() if "J-Mighty" in one.identifiers
        ]
        assert shown == [name]


@pytest.mark.parametrize(
    ("protocol", "features", "left"),
    [
        # The pair's packet would carry the pump's level to the second motor.
        ("svakom-v6", [("vibrate", 10), ("constrict", 3), ("vibrate", 10)], [2]),
        ("svakom-v6", [("vibrate", 10), ("constrict", 3)], [0, 1]),
        # A byte would begin at 0 again behind 255.
        ("aneros", [("vibrate", 500), ("vibrate", 127)], [1]),
        ("kiiroo-spot-v2", [("vibrate", 256)], []),
        # Packets that are made by code have words for some kinds only.
        ("honeyplaybox", [("vibrate", 100), ("temperature", 5)], [0]),
        ("sexverse-v6", [("oscillate", 100)], []),
    ],
)
def test_an_output_for_which_our_bytes_mean_something_else_is_taken_away(
    protocol: str,
    features: list[tuple[str, int]],
    left: list[int],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    listed = [
        {"id": str(at), "index": at, "output": {kind: {"value": [0, high]}}}
        for at, (kind, high) in enumerate(features)
    ]
    model = {"identifier": ["Mine"], "name": "Mine", "id": "m", "features": listed}
    catalogue = Catalogue.load(official=write(tmp_path, {protocol: {"configurations": [model]}}))
    seen = Advertisement("AA", "Mine")
    if not left:
        with pytest.raises(ProtocolError, match=f"Mine: our rules for {protocol} cannot drive it"):
            catalogue.resolve(protocol, "Mine", seen)
        return
    definition = catalogue.resolve(protocol, "Mine", seen).definition
    assert [feature.index for feature in definition.features] == left
    for at, (kind, _) in enumerate(features):
        said = f"{kind.title()} of feature {at}"
        assert (said in caplog.text) == (at not in left)
