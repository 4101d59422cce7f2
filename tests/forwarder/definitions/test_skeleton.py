"""Files to fill in: refused while a blank is left, and then as good as any."""

from __future__ import annotations

from pathlib import Path

import pytest

from forwarder.definitions.catalogue import Catalogue
from forwarder.definitions.skeleton import BLANK, protocol_name, skeleton
from forwarder.errors import ConfigError
from relay.link.messages import Advertisement

OWN = "0000abcd-0000-1000-8000-00805f9b34fb"
BATTERY = "0000180f-0000-1000-8000-00805f9b34fb"
HEARD = [
    Advertisement("AA", "ACME-7", -50, (BATTERY, OWN), {76: b"\x01\x02"}),
    Advertisement("AA", 'Say "hi"\x7f\x1b[2J \u2665', -50),
    Advertisement("AA", None, -50, (OWN,)),
    Advertisement("AA", None, -50, (), {0xFFF0: b"\xab"}),
    Advertisement("AA", None, -50, (BATTERY,)),
]


def filled(text: str) -> str:
    """As a person would: what the toy is called, where it is written to, and the bytes."""
    text = text.replace(f'names = ["{BLANK}"]', 'names = ["ACME-7"]')
    text = text.replace(f'[match.services."{BLANK}"]', f'[match.services."{OWN}"]')
    text = text.replace(f'tx = "{BLANK}"', 'tx = "0000abce-0000-1000-8000-00805f9b34fb"')
    return text.replace(f'bytes = "{BLANK}"', 'bytes = "a1 01 {v}"')


@pytest.mark.parametrize("advertisement", HEARD, ids=range(len(HEARD)))
def test_once_it_is_filled_in_the_device_is_recognised_and_driven(
    tmp_path: Path, advertisement: Advertisement
) -> None:
    path = tmp_path / "acme.toml"
    text = skeleton(advertisement, "acme")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"acme\.toml"):
        Catalogue.load(own=tmp_path)
    path.write_text(filled(text), encoding="utf-8")
    assert BLANK not in filled(text).split("protocol =")[1]
    catalogue = Catalogue.load(own=tmp_path)
    heard = advertisement
    if BLANK in text.split("[match.services")[0].split("protocol =")[1]:
        heard = Advertisement("AA", "ACME-7")  # it says nothing that tells it from others
    found = catalogue.match(heard)
    assert "acme" in [one.protocol for one in found]
    assert catalogue.resolve("acme", None, heard).definition.features[0].outputs


@pytest.mark.parametrize(
    ("text", "name"),
    [("ACME-7", "acme-7"), ("  Ünï code ", "n-code"), ("", "my-toy"), ("a/b\\..", "a-b")],
)
def test_any_text_becomes_a_protocols_name(text: str, name: str) -> None:
    assert protocol_name(text) == name
