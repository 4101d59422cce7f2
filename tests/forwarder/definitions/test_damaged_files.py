"""Wrong and damaged configuration files, and the one line that a person gets for each.

Every line names the file, the place in it, what is wrong, and what to do. `{}` is the file.
"""

from __future__ import annotations

import copy
import json
import random
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from forwarder.definitions.limits import build_features
from forwarder.definitions.user_files.opened import open_files
from forwarder.errors import ConfigError
from forwarder.protocols.base import ProtocolError
from relay.link.messages import Advertisement

# ruff: noqa: E501  # a line of a person is a line here

KINDS = (
    "vibrate, rotate, oscillate, constrict, temperature, led, spray, position, "
    "hw_position_with_duration"
)
HERE = "user_configs.devices[0].config"
TRY = "Correct it or take it out."
TRAILING_COMMA = (
    "{} is not JSON at line 2, column 24: Illegal trailing comma before end of object. Mend it there."
    if sys.version_info >= (3, 13)
    else "{} is not JSON at line 3, column 1: Expecting property name enclosed in double quotes."
    " Mend it there."
)
Data = bytes | str | dict[str, Any]


def user(**entry: Any) -> dict[str, Any]:
    """A file with one entry, of which single parts are replaced."""
    parts = {
        "identifier": {"address": "AA:BB:CC:DD:EE:FF", "protocol": "aneros", "identifier": "X"},
        "features": [],
        "choice": {"allow": False, "deny": False, "index": 1},
    } | entry
    config = {"id": "i", "base_id": "b", "features": parts["features"]}
    config |= {"user_config": parts["choice"], **parts.get("config", {})}
    device = {"identifier": parts["identifier"], "config": config, **parts.get("more", {})}
    return tree({"devices": [device]})


def tree(configs: Any, major: Any = 5, **more: Any) -> dict[str, Any]:
    return {"version": {"major": major, "minor": 0}, "user_configs": configs, **more}


def limited(output: Any) -> dict[str, Any]:
    return user(features=[{"id": "f", "base_id": "g", "output": output}])


def chosen(**choice: Any) -> dict[str, Any]:
    return user(choice={"allow": False, "deny": False, "index": 1, **choice})


UUID = "0000fff0-0000-1000-8000-00805f9b34fb"


def named(name: str, services: Any = None) -> dict[str, Any]:
    way = {"btle": {"names": [name], "services": services or {}}}
    return tree({"protocols": {"aneros": {"communication": [way]}}})


def modelled(*features: dict[str, Any]) -> dict[str, Any]:
    model: dict[str, Any] = {"identifier": ["X"], "name": "Mine", "id": "b"}
    model["features"] = [{"id": "g", **one} for one in features]
    return tree({"protocols": {"aneros": {"configurations": [model]}}})


USERS: list[tuple[str, Data, str]] = [
    ("absent", b"", "{} is empty. Put a copy of it in its place, or take it away."),
    ("white", b" \n\t", "{} is empty. Put a copy of it in its place, or take it away."),
    ("utf-16", json.dumps(tree({})).encode("utf-16"), "{} is in UTF-16. Save it as UTF-8."),
    ("zeros", b'{"version"' + bytes(40), "{} is damaged: it holds zero bytes. Put a copy in its place."),
    ("latin", b'{\n"n": "\xe4"}', "{}:2 is not UTF-8. Save the file as UTF-8."),
    ("cut", json.dumps(user())[:60], "{} is not JSON at line 1, column 56: Unterminated string starting at. Mend it there."),
    ("comma", '{\n"version": {"major": 5},\n}', TRAILING_COMMA),
    ("comment", "// mine\n{}", "{} is not JSON at line 1, column 1: Expecting value. Mend it there."),
    ("twice", '{"version": {"major": 5, "major": 4}}', "{}: major stands twice in one table. Keep one of them."),
    ("key of two lines", tree({"de\nvices": []}), "{}: user_configs.de\\nvices is unknown (known: devices, protocols, simulated_devices). Did you mean devices?"),
    ("long key", tree({"x" * 5000: []}), f"{{}}: user_configs.{'x' * 35}… is unknown (known: devices, protocols, simulated_devices). {TRY}"),
    ("nan", '{"version": {"major": NaN}}', "{} is not JSON: NaN is no number. Correct it."),
    ("digits", '{"version": {"major": ' + "9" * 5000 + "}}", "{} is not JSON: 99999999… is a number of 5000 digits. Correct it."),
    ("utf-32", json.dumps(tree({})).encode("utf-32"), "{} is in UTF-32. Save it as UTF-8."),
    ("half", '{"version": {"major": 5}, "n": "\\ud800"}', "{} holds half a character, \\ud800. Take it out."),
    ("deep", "[" * 100_000, "{} nests too deeply to be a configuration."),
    ("list", "[]", "{} is not a device configuration: it holds []."),
    ("word", '"5"', '{} is not a device configuration: it holds "5".'),
    ("nothing", "{}", "{} is not a device configuration of Intiface: version, a table, is missing."),
    ("version", {"version": 5}, "{} is not a device configuration of Intiface: version, a table, is missing."),
    ("version 2", tree({}, 2), "{} is of version 2, this hub reads 4 and 5. Open it with the newest Intiface Central, which converts it, and name what it wrote."),
    ("version 3", tree({}, 3), "{} is of version 3, this hub reads 4 and 5. Open it with the newest Intiface Central, which converts it, and name what it wrote."),
    ("version 6", tree({}, 6), "{} is of version 6, this hub reads 4 and 5. Update the hub."),
    ("major", tree({}, "5"), '{}: version.major must be a whole number, not "5".'),
    ("minor", {"version": {"major": 5, "minor": "1"}}, '{}: version.minor must be a whole number, not "1".'),
    ("official", {"version": {"major": 5}, "protocols": {}}, "{} is Intiface's own configuration. Name it as `official` in [devices], not `user`."),
    ("user-configs", {"version": {"major": 4}, "user-configs": {}}, "{}: user-configs is unknown. Did you mean user_configs?"),
    ("UserConfig", {"version": {"major": 5}, "UserConfig": {}}, "{}: UserConfig is unknown. Did you mean user_configs?"),
    ("user_cofigs", {"version": {"major": 5}, "user_cofigs": {}}, "{}: user_cofigs is unknown. Did you mean user_configs?"),
    ("outside", {"version": {"major": 5}, "devices": []}, "{}: devices stands outside of user_configs. Put it in there."),
    ("tables", tree([]), "{}: user_configs must be a table, not []."),
    ("device", tree({"device": []}), "{}: user_configs.device is unknown (known: devices, protocols, simulated_devices). Did you mean devices?"),
    ("devices", tree({"devices": {}}), "{}: user_configs.devices must be a list, not a table."),
    ("entry", tree({"devices": ["X"]}), '{}: user_configs.devices[0] must be a table, not "X".'),
    ("entry key", user(more={"deny": True}), "{}: user_configs.devices[0].deny is unknown (known: identifier, config). Correct it or take it out."),
    ("no address", user(identifier={"protocol": "aneros"}), "{}: user_configs.devices[0].identifier.address is missing. Add it."),
    ("no protocol", user(identifier={"address": "AA"}), "{}: user_configs.devices[0].identifier.protocol is missing. Add it."),
    ("adress", user(identifier={"adress": "AA"}), "{}: user_configs.devices[0].identifier.adress is unknown (known: address, protocol, identifier). Did you mean address?"),
    ("limits", user(config={"limits": []}), f"{{}}: {HERE}.limits is unknown (known: name, id, base_id, features, user_config, protocol_variant). {TRY}"),
    ("denied", chosen(denied=True), f"{{}}: {HERE}.user_config.denied is unknown (known: allow, deny, index, display_name, message_gap_ms). Did you mean deny?"),
    ("deny", chosen(deny="yes"), f'{{}}: {HERE}.user_config.deny must be true or false, not "yes".'),
    ("deny 1", chosen(deny=1), f"{{}}: {HERE}.user_config.deny must be true or false, not 1."),
    ("index -1", chosen(index=-1), f"{{}}: {HERE}.user_config.index must be a whole number from 0 to 4294967295, not -1."),
    ("index 2^32", chosen(index=2**32), f"{{}}: {HERE}.user_config.index must be a whole number from 0 to 4294967295, not 4294967296."),
    ("index 1.5", chosen(index=1.5), f"{{}}: {HERE}.user_config.index must be a whole number from 0 to 4294967295, not 1.5."),
    ("gap", chosen(message_gap_ms=-1), f"{{}}: {HERE}.user_config.message_gap_ms must be a whole number from 0 to 60000, not -1."),
    ("name", chosen(display_name=7), f"{{}}: {HERE}.user_config.display_name must be text, not 7."),
    ("long name", chosen(display_name="x" * 201), f"{{}}: {HERE}.user_config.display_name has 201 characters. Give it at most 200 characters."),
    ("Vibrate", limited({"Vibrate": {"value": [0, 3]}}), f"{{}}: {HERE}.features[0].output.Vibrate is unknown (known: {KINDS}). Did you mean vibrate?"),
    ("wobble", limited({"wobble": {"value": [0, 3]}}), f"{{}}: {HERE}.features[0].output.wobble is unknown (known: {KINDS}). {TRY}"),
    ("outputs", user(features=[{"outputs": {}}]), f"{{}}: {HERE}.features[0].outputs is unknown (known: id, base_id, description, index, output, input, feature_settings). Did you mean output?"),
    ("limit", limited({"vibrate": 5}), f'{{}}: {HERE}.features[0].output.vibrate must be a table, not 5.'),
    ("step_limit", limited({"vibrate": {"step_limit": [0, 5]}}), f"{{}}: {HERE}.features[0].output.vibrate.step_limit is unknown (known: value, disabled). {TRY}"),
    ("values", limited({"vibrate": {"value": [0, 5, 9]}}), f"{{}}: {HERE}.features[0].output.vibrate.value must be two numbers, [lowest, highest], not [0, 5, 9]."),
    ("backwards", limited({"vibrate": {"value": [5, 0]}}), f"{{}}: {HERE}.features[0].output.vibrate.value must begin with the lower number, not [5, 0]."),
    ("percent", limited({"vibrate": {"value": ["0%", "50%"]}}), f'{{}}: {HERE}.features[0].output.vibrate.value[0] must be a whole number from -2147483648 to 2147483647, not "0%".'),
    ("reverse", limited({"vibrate": {"reverse": True}}), f"{{}}: {HERE}.features[0].output.vibrate.reverse is unknown (known: value, disabled). {TRY}"),
    ("protocols", tree({"protocols": []}), "{}: user_configs.protocols must be a table, not []."),
    ("names", tree({"protocols": {"aneros": {"communication": [{"btle": {"names": "X"}}]}}}), "{}: user_configs.protocols.aneros.communication[0].btle.names must be a list, not text."),
    ("every", tree({"protocols": {"aneros": {"communication": [{"btle": {"names": ["*"]}}]}}}), "{}: user_configs.protocols.aneros.communication[0].btle.names: \"*\" would take every device there is. Name the beginning that these have in common."),
    ("middle", named("Q*R"), "{}: user_configs.protocols.aneros.communication[0].btle.names: \"Q*R\" fits no device: a * stands at the end only."),
    ("short UUID", named("Q", {"fff0": {"tx": UUID}}), '{}: user_configs.protocols.aneros.communication[0].btle.services: "fff0" is no UUID. Write it in full, such as ' + UUID + "."),
    ("no UUID", named("Q", {UUID: {"tx": "fff1"}}), '{}: user_configs.protocols.aneros.communication[0].btle.services: "fff1" is no UUID. Write it in full, such as ' + UUID + "."),
    ("own wobble", modelled({"output": {"wobble": {"value": [0, 3]}}}), f"{{}}: user_configs.protocols.aneros.configurations[0].features[0].output.wobble is unknown (known: {KINDS}). {TRY}"),
    ("own range", modelled({"output": {"vibrate": {"value": [9, 2]}}}), "{}: user_configs.protocols.aneros: features of Mine: vibrate of index 0 must begin with the lower number, not [9, 2]."),
    ("own index", modelled({"index": 1}, {}), "{}: user_configs.protocols.aneros: features of Mine: index 1 stands twice. Give each its own."),
    ("way", tree({"protocols": {"aneros": {"communication": [{"btel": {}}]}}}), "{}: user_configs.protocols.aneros.communication[0].btel is unknown (known: btle, websocket, serial, usb, hid, xinput, sdl-gamepad, simulated, lovense_connect_service). Did you mean btle?"),
    ("name", tree({"protocols": {"aneros": {"communication": [{"btle": {"name": ["X"]}}]}}}), "{}: user_configs.protocols.aneros.communication[0].btle.name is unknown (known: names, manufacturer_data, advertised_services, services). Did you mean names?"),
    ("model", tree({"protocols": {"aneros": {"configurations": [{"identifiers": ["X"]}]}}}), "{}: user_configs.protocols.aneros.configurations[0].identifiers is unknown (known: identifier, name, id, protocol_variant, message_gap_ms, features). Did you mean identifier?"),
    ("simulated", tree({"simulated_devices": [{"identifier": "simulated-1vibe"}]}), "{}: user_configs.simulated_devices[0].address is missing. Add it."),
    ("one address", tree({"simulated_devices": [{"identifier": "simulated-1vibe", "address": "a"}] * 2}), "{}: user_configs.simulated_devices[1].address: a is another one's, too. Give it its own."),
    ("archetype", tree({"simulated_devices": [{"identifier": "simulated-3vibe", "address": "a"}]}), "{}: user_configs.simulated_devices[0].identifier: simulated-3vibe is unknown (known: simulated-1vibe, simulated-2vibe, simulated-rotator, simulated-oscillator, simulated-stroker). Did you mean simulated-2vibe?"),
]  # fmt: skip

OFFICIALS: list[tuple[str, Data, str]] = [
    ("user's", tree({}), "{} is a user's configuration. Name it as `user` in [devices], not `official`."),
    ("old", {"version": {"major": 3, "minor": 9}, "protocols": {}}, "{} is of version 3, this hub reads 4 and 5. Open it with the newest Intiface Central, which converts it, and name what it wrote."),
    ("cut", '{"version": {"major": 5}, "protocols": {"aneros": {"commun', "{} is not JSON at line 1, column 52: Unterminated string starting at. Mend it there."),
    ("no name", {"version": {"major": 5}, "protocols": {"aneros": {"defaults": {"id": "x"}}}}, "{}: protocols.aneros.defaults.name is missing."),
    ("index", {"version": {"major": 5}, "protocols": {"aneros": {"defaults": {"id": "x", "name": "y", "features": [{"id": "z", "index": -1}]}}}}, "{}: protocols.aneros.defaults.features[0].index must be a whole number of at least 0."),
    ("backwards", {"version": {"major": 5}, "protocols": {"aneros": {"defaults": {"id": "x", "name": "y", "features": [{"id": "z", "output": {"hw_position_with_duration": {"value": [0, 9], "duration": [5, 1]}}}]}}}}, "{}: protocols.aneros: features of y: hw_position_with_duration of index 0 must begin with the lower number, not [5, 1]."),
    ("range", {"version": {"major": 5}, "protocols": {"aneros": {"defaults": {"id": "x", "name": "y", "features": [{"id": "z", "output": {"vibrate": {"value": [0]}}}]}}}}, "{}: protocols.aneros.defaults.features[0].output.*.value: expected `array` of length 2, got 1."),
]  # fmt: skip


def write(path: Path, data: Data) -> Path:
    if isinstance(data, bytes):
        path.write_bytes(data)
    else:
        path.write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    return path


def refused(absent: Path, **named: Path) -> str:
    files: dict[str, Path | None] = {"user": None, "official": None, "own": None, **named}
    with pytest.raises(ConfigError) as caught:
        open_files(files["user"], absent, official=files["official"], own=files["own"])
    return str(caught.value)


@pytest.mark.parametrize(
    ("data", "line"), [row[1:] for row in USERS], ids=[row[0] for row in USERS]
)
def test_a_wrong_user_file_is_one_line(data: Data, line: str, tmp_path: Path) -> None:
    path = write(tmp_path / "user.json", data)
    assert refused(tmp_path / "absent", user=path) == line.replace("{}", str(path), 1)


@pytest.mark.parametrize(
    ("data", "line"), [row[1:] for row in OFFICIALS], ids=[row[0] for row in OFFICIALS]
)
def test_a_wrong_official_file_is_one_line(data: Data, line: str, tmp_path: Path) -> None:
    path = write(tmp_path / "official.json", data)
    assert refused(tmp_path / "absent", official=path) == line.replace("{}", str(path), 1)


def test_what_somebody_has_named_must_be_there(tmp_path: Path) -> None:
    gone, folder, file = tmp_path / "gone", tmp_path / "folder", tmp_path / "file"
    folder.mkdir()
    file.write_text("x")
    missing = f"{gone} does not exist. Correct its name where it is named."
    assert refused(gone, user=gone) == missing
    assert refused(gone, official=gone) == missing
    assert refused(gone, user=folder) == f"{folder} is a folder. Name the file in it."
    assert refused(gone, own=gone).startswith(f"{gone} does not exist. Name the folder")
    assert refused(gone, own=file).startswith(f"{file} is no folder. Name the folder")
    # The hub's own file is made when there is something to keep.
    user, _ = open_files(None, gone, official=None, own=None)
    assert user.devices() == ()


def test_a_mark_of_windows_nulls_and_strange_tables_are_no_fault(tmp_path: Path) -> None:
    content = tree(
        {
            "devices": [
                {
                    "identifier": {
                        "address": "aabbccddeeff", "protocol": "aneros", "identifier": None,
                    },
                    "config": {
                        "id": "i", "base_id": "b", "name": None,
                        "features": [
                            {"id": "f", "base_id": "g", "description": None, "input": {"x": 1},
                             "output": {"vibrate": None, "rotate": {"value": None}}}
                        ],
                        "user_config": {
                            "allow": False, "deny": True, "index": None, "display_name": None,
                            "message_gap_ms": None,
                        },
                    },
                }
            ],
            "protocols": {"aneros": None, "lovense": {"communication": None}},
            "simulated_devices": None,
        },
        theirs={"later": [1, 2]},
    )  # fmt: skip
    path = write(tmp_path / "user.json", b"\xef\xbb\xbf" + json.dumps(content).encode())
    user, _ = open_files(path, path, official=None, own=None)
    assert not user.allowed("AA:BB:CC:DD:EE:FF")
    assert user.tree() == content


def test_a_limit_of_a_kind_that_only_intiface_knows_takes_the_feature_away(tmp_path: Path) -> None:
    output = {"wobble": {"value": [0, 9]}}
    feature = {"id": "g", "index": 0, "output": output | {"vibrate": {"value": [0, 9]}}}
    model = {"identifier": ["X"], "name": "X", "id": "b", "features": [feature]}
    official = write(
        tmp_path / "official.json",
        {
            "version": {"major": 5, "minor": 999},
            "protocols": {"aneros": {"configurations": [model]}},
        },
    )
    path = write(tmp_path / "user.json", limited({"wobble": {"value": [0, 3]}}))
    user, _ = open_files(path, path, official=official, own=None)
    (limits,) = user.devices()[0].features
    assert limits.unknown == ("wobble",)


ODD: list[Any] = [
    None, 0, -1, 2**31, 2**32, 2**64, 1.5, "", "x", "two\nlines", True, [], {}, [1], [None],
    {"a": 1}, "*", "a" * 5000, [[0]], [5, 1], {"value": [0, 5]}, "vibrate",
]  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in entries:
        yield (*path, key)
        if isinstance(inner, dict | list):
            yield from places(inner, (*path, key))


def damaged(content: Any, rng: random.Random) -> Any:
    """One or two places changed, taken away or renamed."""
    content = copy.deepcopy(content)
    for _ in range(rng.randint(1, 2)):
        *way, last = rng.choice(list(places(content)))
        node = content
        for key in way:
            node = node[key]
        how = rng.random()
        if how < 0.7 or isinstance(node, list):
            node[last] = copy.deepcopy(rng.choice(ODD))
        elif how < 0.85:
            del node[last]
        else:
            node[rng.choice(["zz", f"{last}s", last.upper(), "de\nny"])] = node.pop(last)
    return content


@pytest.mark.parametrize("seed", range(8))
def test_whatever_is_damaged_is_one_line_or_works(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    content = limited(
        {
            "vibrate": {"value": [0, 9], "disabled": False},
            "hw_position_with_duration": {"value": [1, 5], "duration": [0, 9], "reverse": True},
        }
    )
    output = {"vibrate": {"value": [0, 20]}}
    features = [{"id": "g", "index": 0, "output": output}]
    model = {"identifier": ["X"], "name": "Mine", "id": "b", "features": features}
    ways = [{"btle": {"names": ["Q*"], "services": {UUID: {"tx": UUID}}}}]
    configs = content["user_configs"]
    configs["protocols"] = {"aneros": {"communication": ways, "configurations": [model]}}
    configs["simulated_devices"] = [{"identifier": "simulated-1vibe", "address": "q"}]
    path = tmp_path / "user.json"
    said: list[str] = []
    for _ in range(150):
        write(path, damaged(content, rng))
        try:
            user, catalogue = open_files(path, path, official=None, own=None)
        except ConfigError as error:
            said.append(str(error))
            continue
        seen = Advertisement("AA:BB:CC:DD:EE:FF", "X")
        with suppress(ProtocolError):
            found = catalogue.resolve("aneros", "X", seen).definition
            build_features(found, user.device(seen.address, "aneros", "X"))
        user.save(path)
        assert open_files(path, path, official=None, own=None)[0].devices() == user.devices()
    assert len(said) > 50
    assert [line for line in said if not line.startswith(str(path))] == []
    assert [line for line in said if "\n" in line or len(line) > 600] == []
