"""Which radios are opened, and that each brings its own libraries only."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from relay.errors import UsageError
from relay.radio.choice import RadioChoice, open_radio
from relay.wanted import NamedRadios

# What the modules of `relay run` and a radio have loaded, of what only some radios need.
_LOADED = """
import json, sys
import relay.commands.serve
from relay.radio.choice import RadioChoice, open_radio
from relay.wanted import NamedRadios
open_radio(RadioChoice(NamedRadios(**json.loads(sys.argv[1])), *sys.argv[2:]))
names = {"aioesphomeapi", "bleak", "dbus_fast", "evdev", "hid", "serialx", "websockets", "zeroconf"}
print(json.dumps(sorted(names & set(sys.modules))))
"""


def loaded(named: dict[str, object], *simulate: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", _LOADED, json.dumps(named), *simulate],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return set(json.loads(done.stdout))


@pytest.mark.parametrize(
    ("named", "simulate", "libraries"),
    [
        ({}, ["Lovense Edge"], set()),
        # The port's own library is loaded beside the loop, when the port is opened.
        ({"serial": ["/dev/ttyUSB0=tcode"]}, [], set()),
        ({"tcode": ["ws://tcode.local/ws"]}, [], {"websockets"}),
        pytest.param({}, [], {"bleak", "dbus_fast"}, marks=pytest.mark.skipif(
            sys.platform != "linux", reason="other systems have other libraries")),
    ],
)  # fmt: skip
def test_a_radio_loads_no_library_of_another(
    named: dict[str, object], simulate: list[str], libraries: set[str]
) -> None:
    assert loaded(named, *simulate) == libraries


@pytest.mark.parametrize(
    "named",
    [
        NamedRadios(serial=("/dev/ttyUSB0=tcode", "/dev/ttyUSB0=nobra")),
        NamedRadios(bluetooth=("hci0", "hci0")),
        NamedRadios(bluetooth=("all", "hci1")),
        NamedRadios(advertised_toys=("lovespouse", "lovespouse-2")),
        NamedRadios(esphome_key=("x",)),
    ],
)
def test_radios_that_contradict_each_other_are_refused(named: NamedRadios) -> None:
    with pytest.raises(UsageError):
        open_radio(RadioChoice(named))


def test_a_toy_that_nobody_knows_is_refused_with_its_name() -> None:
    with pytest.raises(UsageError, match="Lovense Zzz"):
        open_radio(RadioChoice(simulate="Lovense Zzz"))
