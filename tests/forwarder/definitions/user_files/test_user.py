"""Intiface's user device configuration: read, changed and written without loss."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from forwarder.buttplug.messages import OutputType
from forwarder.definitions.catalogue import Catalogue
from forwarder.definitions.limits import build_features
from forwarder.definitions.model import OutputLimit
from forwarder.definitions.user_files.user import UserConfig, canonical_address
from forwarder.definitions.user_files.user_entries import ARCHETYPES
from forwarder.errors import ConfigError
from relay.link.messages import Advertisement
from tests.shared import shared

V, R = OutputType.VIBRATE, OutputType.ROTATE
HP = OutputType.HW_POSITION_WITH_DURATION
MAC = "AA:BB:CC:DD:EE:FF"


def entry(address: str = MAC, **choice: Any) -> dict[str, object]:
    return {
        "identifier": {"address": address, "protocol": "aneros", "identifier": "X"},
        "config": {
            "id": "i",
            "base_id": "b",
            "features": [],
            "user_config": {"allow": False, "deny": False, "index": 3, **choice},
        },
    }


def config(*devices: object, **more: object) -> UserConfig:
    return UserConfig.from_tree(
        {
            "version": {"major": 4, "minor": 7, "extra": 1},
            "later": {"x": [1]},
            "user_configs": {"devices": list(devices), **more},
        }
    )


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("aa:bb:cc:dd:ee:ff", MAC),
        ("AA-BB-CC-DD-EE-FF", MAC),
        (
            "PeripheralId(DeviceId { object_path: Path(/org/bluez/hci0/dev_AA_BB_CC_DD_EE_FF) })",
            MAC,
        ),
        (
            "PeripheralId(81b8f016-0000-1111-2222-333344445555)",
            "81B8F016-0000-1111-2222-333344445555",
        ),
        ("AABBCCDDEEFF", MAC),
        ("aabb.ccdd.eeff", MAC),
        ("AA BB CC DD EE FF", MAC),
        ("COM7", "COM7"),
    ],
)
def test_addresses_have_one_form_whoever_wrote_them(written: str, canonical: str) -> None:
    assert canonical_address(written) == canonical
    assert config(entry(written)).device(canonical, "aneros", "X") is not None


def test_what_we_do_not_understand_survives(tmp_path: Path) -> None:
    user = config(entry(), protocols={"aneros": {"communication": [{"serial": {}}]}})
    before = user.tree()
    user.save(tmp_path / "new" / "user.json")
    assert json.loads((tmp_path / "new" / "user.json").read_text()) == before
    device = user.device(MAC, "aneros", "X")
    assert device is not None
    user.set_choice(device, display_name="Näme", message_gap_ms=50)
    after = user.tree()
    after_device = after["user_configs"]["devices"][0]  # type: ignore[index]  # a tree
    assert after_device["config"]["user_config"] == {
        "allow": False, "deny": False, "index": 3,
        "display_name": "Näme", "message_gap_ms": 50,
    }  # fmt: skip
    user.set_choice(device, display_name=None, message_gap_ms=None)
    assert user.tree() == before


@pytest.mark.parametrize(
    "name", ["lovense_ridge_user_config", "tcode_linear_and_vibrate_user_config"]
)
def test_intifaces_own_files_come_back_as_they_were(name: str, tmp_path: Path) -> None:
    path = shared("data", "device-cases", "config", f"{name}.json")
    UserConfig.load(path).save(tmp_path / "copy.json")
    assert json.loads((tmp_path / "copy.json").read_text()) == json.loads(path.read_text())


def test_a_file_that_is_replaced_is_never_half_there(tmp_path: Path) -> None:
    path = tmp_path / "user.json"
    config(entry()).save(path)
    config(entry(display_name="New")).save(path)
    assert list(tmp_path.iterdir()) == [path]
    assert UserConfig.load(path).devices()[0].display_name == "New"


def test_no_file_is_an_empty_configuration(tmp_path: Path) -> None:
    user = UserConfig.load(tmp_path / "absent.json")
    assert user.devices() == ()
    assert user.allowed(MAC)


@pytest.mark.parametrize(
    "choice",
    [{"message_gap_ms": value} for value in (-1, 2**31, 2**64, 2**200, 1.5)]
    + [{"index": value} for value in (-1, 2**32, 2**64)],
    ids=str,
)
def test_what_clients_or_relays_could_not_be_told_is_refused_at_load_and_never_written(
    choice: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "user.json"
    good, bad = entry(), entry(MAC, **choice)
    tree = {"version": {"major": 4}, "user_configs": {"devices": [good, bad]}}
    path.write_text(json.dumps(tree))
    with pytest.raises(ConfigError, match=r"devices\[1\]\.config\.user_config"):
        UserConfig.load(path)
    user = UserConfig.from_tree({**tree, "user_configs": {"devices": [good]}})
    before = user.tree()
    with pytest.raises(ConfigError, match="cannot have that setting"):
        user.set_choice(user.devices()[0], **choice)
    assert user.tree() == before


def test_one_denial_blocks_and_one_permission_closes_the_door_for_others() -> None:
    other = "11:22:33:44:55:66"
    assert config(entry()).allowed(other)
    assert not config(entry(deny=True)).allowed(MAC.lower())
    assert config(entry(deny=True)).allowed(other)
    assert not config(entry(allow=True)).allowed(other)
    assert config(entry(allow=True)).allowed(MAC)
    assert not config(entry(allow=True), entry(deny=True)).allowed(MAC)


def test_a_denial_counts_from_the_moment_it_is_made() -> None:
    user = config(entry())
    assert user.allowed(MAC)
    user.set_choice(user.devices()[0], deny=True)
    assert not user.allowed(MAC)
    changed = user.copy()
    changed.set_choice(changed.devices()[0], deny=False)
    assert not user.allowed(MAC)
    user.adopt(changed)
    assert user.allowed(MAC)


def test_limits_survive_a_device_that_calls_itself_otherwise_after_an_update() -> None:
    user = config(entry(index=5))
    found = user.device(MAC, "aneros", "X2")
    assert found is not None
    assert found.index == 5
    assert user.device(MAC, "other", "X") is None


@pytest.mark.parametrize("asked", ["X", "Y"])
def test_of_two_entries_for_one_device_all_limits_hold(asked: str) -> None:
    entries = [entry(), entry("aa-bb-cc-dd-ee-ff", index=4)]
    for one, high in zip(entries, (7, 5), strict=True):
        one["config"]["features"] = [{"base_id": "f", "output": {"vibrate": {"value": [0, high]}}}]  # type: ignore[index]
    for pair in (entries, entries[::-1]):
        found = config(*pair).device(MAC, "aneros", asked)
        assert found is not None
        assert {limits.outputs[V].value for limits in found.features} == {(0, 5), (0, 7)}


def test_a_device_is_remembered_limited_and_the_limit_is_seen_by_clients(tmp_path: Path) -> None:
    catalogue = Catalogue.load()
    nora = catalogue.resolve("lovense", "A", Advertisement(MAC)).definition
    user = UserConfig()
    user.remember(MAC, "A", nora, 2)
    user.remember(MAC, "A", nora, 9)
    device = user.device(MAC, "lovense", "A")
    assert device is not None
    assert device.index == 2
    user.set_limit(device, nora, 0, V, OutputLimit(value=(2, 10)))
    user.set_limit(device, nora, 1, R, OutputLimit(disabled=True))
    user.save(tmp_path / "user.json")
    again = UserConfig.load(tmp_path / "user.json").device(MAC, "lovense", "A")
    table = build_features(nora, again)
    assert [(one.spec.index, list(one.scales)) for one in table] == [(0, [V]), (2, [])]
    assert table[0].scales[V].range.value == (0, 8)
    user.set_limit(device, nora, 0, V, OutputLimit())
    free = user.device(MAC, "lovense", "A")
    assert build_features(nora, free)[0].scales[V].range.value == (0, 20)


@pytest.mark.parametrize(
    ("feature", "kind", "limit"),
    [
        (0, V, OutputLimit(value=(0, 21))),
        (0, V, OutputLimit(value=(5, 4))),
        (0, V, OutputLimit(reverse=True)),
        (0, HP, OutputLimit()),
        (7, V, OutputLimit()),
    ],
)
def test_a_limit_that_does_not_fit_is_refused(
    feature: int, kind: OutputType, limit: OutputLimit
) -> None:
    nora = Catalogue.load().resolve("lovense", "A", Advertisement(MAC)).definition
    user = UserConfig()
    user.remember(MAC, "A", nora, 0)
    with pytest.raises(ConfigError):
        user.set_limit(user.devices()[0], nora, feature, kind, limit)


def test_own_recognition_and_own_models_come_first() -> None:
    path = shared("data", "device-cases", "config", "tcode_linear_and_vibrate_user_config.json")
    user = UserConfig.load(path)
    catalogue = Catalogue.load(user=user)
    seen = Advertisement("COM7", "tcode-v03-linear-vibrate")
    (candidate,) = catalogue.match(seen)
    model = candidate.resolve("tcode-v03-linear-vibrate", seen)
    assert model.definition.name == "TCode v0.3 (Single Linear Axis + Single Vibe)"
    protocol = model.open(endpoints={"tx": 1})
    assert protocol.output(0, HP, 51, 200)[0].data == b"L051I200\n"


def test_simulated_devices_are_known_by_archetype_and_shown_by_their_name() -> None:
    listed = [{"identifier": "simulated-rotator", "address": "my-toy", "display_name": "Mine"}]
    user = config(simulated_devices=listed)
    (toy,) = user.simulated()
    assert (toy.identifier, toy.address) == ("simulated-rotator", "my-toy")
    found = user.device("my-toy", "simulated", "simulated-rotator")
    assert found is not None
    assert found.display_name == "Mine"
    assert user.tree()["user_configs"] == {"devices": [], "simulated_devices": listed}
    assert set(ARCHETYPES) == set(Catalogue.load().files.get("simulated").models)


@pytest.mark.parametrize("major", [4, 5])
def test_a_file_stays_of_the_version_that_it_came_in(major: int, tmp_path: Path) -> None:
    path = tmp_path / "user.json"
    path.write_text(json.dumps({"version": {"major": major, "minor": 3}}))
    user = UserConfig.load(path)
    definition = Catalogue.load().files.get("aneros").entries()[0].definition
    user.remember(MAC, None, definition, 4)
    user.save(path)
    assert json.loads(path.read_text())["version"] == {"major": major, "minor": 3}
    assert UserConfig.load(path).devices()[0].index == 4
    assert UserConfig.load(tmp_path / "new.json").tree()["version"] == {"major": 5, "minor": 0}


def test_models_where_the_schema_of_user_files_puts_them_are_read() -> None:
    model = {"identifier": ["Mine"], "name": "My Aneros", "id": "m"}
    user = config(protocols={"aneros": {"devices": {"configurations": [model]}}})
    assert [one.name for one in user.protocols()["aneros"].models] == ["My Aneros"]
