"""The file of pins: what older versions wrote, and what it says after a change."""

from __future__ import annotations

import json
from pathlib import Path

from forwarder.api.settings import PinFile
from forwarder.config_file import load
from forwarder.sources.relays.choosing.pins import How, Pins

TOY = "AA:BB:CC:DD:EE:FF"


def file(path: Path, content: str = "") -> PinFile:
    if content:
        path.write_text(content)
        path.chmod(0o600)
    return PinFile(path, Pins())


def test_what_an_older_version_wrote_means_that_relay_alone(tmp_path: Path) -> None:
    old = json.dumps({"version": 1, "pins": {TOY: "attic"}})
    pins = file(tmp_path / "pins.json", old).pins
    assert pins.by_key(TOY) == {"attic": How.ONLY}


def test_what_is_decided_is_kept_and_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "pins.json"
    kept = file(path)
    kept.set(TOY.lower(), "attic", How.NEVER)
    kept.set(TOY, "bath", How.PREFER)
    assert file(path).pins.by_key(TOY) == {"attic": How.NEVER, "bath": How.PREFER}
    kept.set(TOY, None, How.ONLY)
    assert file(path).pins.by_key(TOY) == {}


def test_the_configuration_names_relays(tmp_path: Path) -> None:
    path = tmp_path / "hub.toml"
    path.write_text(f'[[devices.pins]]\naddress = "{TOY}"\nrelay = "Attic"\nhow = "prefer"\n')
    (pin,) = load(path).devices.pins
    pins = Pins([(pin.address, pin.relay, pin.how)])
    assert pins.of(TOY.lower(), "any key", "attic").preferred
