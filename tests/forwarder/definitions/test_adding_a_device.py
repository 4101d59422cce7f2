"""The example of docs/adding-a-device.md does what the text promises."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from forwarder.definitions.catalogue import Catalogue
from forwarder.definitions.files import DATA, Files
from forwarder.errors import ConfigError
from relay.link.messages import Advertisement
from tests.forwarder.protocols.vectors import Case

GUIDE = Path(__file__).parents[3] / "docs" / "adding-a-device.md"


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


def test_the_example_file_is_recognised_and_sends_what_its_vectors_say(tmp_path: Path) -> None:
    (tmp_path / "acme.toml").write_text(block("toml"))
    catalogue = Catalogue.load(own=tmp_path)
    seen = Advertisement("AA", "ACME-DUO")
    assert catalogue.match(seen)[0].resolve("ACME-DUO", seen).definition.name == "Acme Duo"
    files = Files(DATA, tmp_path)
    for tree in yaml.safe_load(block("yaml"))["cases"]:
        Case(tree, files.get("acme")).run(files)


def test_the_example_error_is_what_a_user_gets(tmp_path: Path) -> None:
    (tmp_path / "acme.toml").write_text(block("toml").replace("{v}", "{vv}"))
    with pytest.raises(ConfigError) as caught:
        Catalogue.load(own=tmp_path)
    shown = re.search(r"^    acme.toml(:\d+: .*)known: ", GUIDE.read_text(), re.MULTILINE)
    assert shown is not None
    assert shown[1] in str(caught.value)


def test_the_files_to_copy_from_are_there() -> None:
    for name in re.findall(r"`([a-z0-9-]+)\.toml`", GUIDE.read_text(encoding="utf-8")):
        assert name == "acme" or (DATA / f"{name}.toml").is_file(), name
