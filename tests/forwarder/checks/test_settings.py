"""Settings that contradict each other, and such as do nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from forwarder.checks.settings import settings, wanted_ports
from forwarder.config_file import load
from relay.checks.findings import Mark


@pytest.mark.parametrize(
    ("text", "mark", "said"),
    [
        ("", None, ""),
        ('[radio]\nadapter = "hci1"', Mark.NOTE, "radio.adapter has no effect"),
        ("[websocket_devices]\nport = 5", Mark.NOTE, "websocket_devices has no effect"),
        ('[link]\nhttps_port = 0\ntls = {certificate = "a", key = "b"}', Mark.NOTE, "link.tls"),
        ('[clients]\ntrusted = ["10.0.0.2"]', Mark.NOTE, "clients.trusted has no effect"),
        ('[clients]\nhosts = ["10.0.0.1"]', Mark.NOTE, "plain ws"),
        ('[clients]\norigins = ["example.com"]', Mark.NOTE, "matches no page"),
        ('[clients]\norigins = ["https://*.example.com", "null", "*", "file://"]', None, ""),
        ('[clients]\norigins = ["https://example.com/", "https://b.example:8443"]', None, ""),
        ('[clients]\norigins = ["https://example.com/page"]', Mark.NOTE, "leave out what follows"),
        ('[link]\nnames = ["hub.example.org", "müller.fritz.box", "fd00::1", "my_pc"]', None, ""),
        ('[link]\nnames = ["https://hub.example.org"]', Mark.BAD, "link.names"),
        ('[bridges.mqtt]\nenabled = true\nbroker = "ha.local"', None, ""),
        ('[bridges.mqtt]\nbroker = "mqtt://ha.local"', None, ""),
        ('[bridges.mqtt]\nenabled = true\nbroker = "ha.local:1883"', Mark.BAD, "without"),
        ('[[groups]]\nname = "a"\n[[groups]]\nname = "b"', None, ""),
        ('[[groups]]\nname = "a"\n[[groups]]\nname = "a"', Mark.BAD, "groups[2].name"),
        ('[[upstream]]\nname = "x"\ndial = "ws://a:1"\nlisten = 5', Mark.NOTE, "listen has no"),
        ('[[upstream]]\nname = "x"\ndial = "ws://a:1"\nfingerprint = "A"', Mark.NOTE,
         "fingerprint"),
        ('[[upstream]]\nname = "x"\ndial = "ws://a:1"\nwss = true', Mark.NOTE, "wss"),
        ("[clients]\nport = 7\n[link]\nport = 7", Mark.BAD, "link.port and clients.port"),
        ("[clients]\nport = 0\n[link]\nport = 0\nhttps_port = 0", None, ""),
        ('[websocket_devices]\nenabled = true\nport = 12345', Mark.BAD, "websocket_devices.port"),
        ('[link]\nmeet = ["wss://a.example", "b"]', Mark.BAD, "link.meet: 'b' is no address of a"),
        ('[link]\nmeet = ["ws://a.example"]', Mark.BAD, "https:// or wss://"),
        ('[link]\niroh_relays = ["public", "http://a.example"]', None, ""),
        ('[link]\niroh_relays = ["Public"]', Mark.BAD, "link.iroh_relays: 'Public' is no address"),
        ('[link]\ndirect = true\ndirect_at = ["203.0.113.5"]', Mark.BAD, "link.direct_at: "),
        ('[link]\ndirect_at = ["203.0.113.5:1"]', Mark.NOTE, "link.direct_at has no effect"),
    ],
)  # fmt: skip
def test_it_is_said(tmp_path: Path, text: str, mark: Mark | None, said: str) -> None:
    path = tmp_path / "hub.toml"
    path.write_text(text)
    found = list(settings(load(path)))
    assert [one.mark for one in found] == ([] if mark is None else [mark])
    assert all(said in one.text for one in found)


def test_the_ports_that_are_wanted_are_those_that_are_configured(tmp_path: Path) -> None:
    path = tmp_path / "hub.toml"
    path.write_text('[link]\nlan = true\nhttps_port = 0\n[[upstream]]\nname = "x"\nlisten = 9')
    assert [(one.port, one.hosts[0]) for one in wanted_ports(load(path))] == [
        (12345, "127.0.0.1"),
        (12346, "0.0.0.0"),
        (9, "127.0.0.1"),
    ]
