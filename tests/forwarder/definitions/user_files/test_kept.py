"""What somebody else writes to the user's file while a hub runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from forwarder.definitions.user_files.kept import KeptUserFile
from forwarder.definitions.user_files.user import UserConfig
from forwarder.errors import ConfigError

MAC = "AA:BB:CC:DD:EE:FF"


def text(*, deny: bool) -> str:
    choice = {"allow": False, "deny": deny, "index": 1}
    entry = {
        "identifier": {"address": MAC, "protocol": "aneros"},
        "config": {"id": "i", "base_id": "b", "features": [], "user_config": choice},
    }
    return json.dumps({"version": {"major": 5}, "user_configs": {"devices": [entry]}})


def test_it_is_taken_over_once_and_what_is_wrong_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "devices.json"
    user = UserConfig.load(path)
    kept = KeptUserFile(path, user)
    assert not kept.look()
    path.write_text(text(deny=True))
    assert kept.look()
    assert not kept.look()
    assert not user.allowed(MAC)
    path.write_text("{")
    for _ in range(2):
        with pytest.raises(ConfigError, match="is not JSON"):
            kept.look()
    assert not user.allowed(MAC)
    path.unlink()
    assert not kept.look()
    assert not user.allowed(MAC)
    path.write_text(text(deny=False))
    assert kept.look()
    assert user.allowed(MAC)


def test_what_we_write_ourselves_is_nothing_new(tmp_path: Path) -> None:
    path = tmp_path / "devices.json"
    user = UserConfig.load(path)
    kept = KeptUserFile(path, user)
    path.write_text(text(deny=True))
    kept.look()
    draft = user.copy()
    (device,) = draft.devices()
    draft.set_choice(device, deny=False)
    kept.save(draft)
    assert user.allowed(MAC)
    assert not kept.look()
    assert UserConfig.load(path).allowed(MAC)
