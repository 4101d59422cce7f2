"""Each kind of radio is named alike everywhere: both files, both command lines."""

from __future__ import annotations

import argparse

import msgspec
import pytest

from forwarder.commands.program.run import _add as add_hub_options
from forwarder.commands.program.run import merged
from forwarder.config import RadioSection
from relay.commands.base import wanted_radios
from relay.commands.run import _add_run as add_relay_options
from relay.config import FileConfig
from relay.errors import UsageError
from relay.radio.choice import RadioChoice, open_radio
from relay.wanted import NONE, OPTIONS, NamedRadios, RadioOption

# A value for each, as nothing here opens any.
VALUES = ("one", "two")


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.key)
def test_a_kind_of_radio_is_a_key_of_both_files_and_an_option_of_both_programs(
    option: RadioOption,
) -> None:
    words = [word for value in VALUES for word in (option.flag, value)]
    value: tuple[str, ...] | bool = VALUES
    if option.metavar is None:
        words, value = [option.flag], True
    hub, relay = argparse.ArgumentParser(), argparse.ArgumentParser()
    add_hub_options(hub)
    add_relay_options(relay)
    named = msgspec.structs.replace(NONE, **{option.key: value})
    assert merged(hub.parse_args(words)).radio.own == named
    assert wanted_radios(relay.parse_args(words), FileConfig()).radios == named
    for kind in (FileConfig, RadioSection):
        assert option.key in kind.__struct_fields__
    assert named.named
    assert not NamedRadios().named


def test_the_command_line_wins_over_the_file_kind_by_kind() -> None:
    relay = argparse.ArgumentParser()
    add_relay_options(relay)
    file = FileConfig(serial=("/a=tcode",), tcode=("udp://a",), adapter="hci1")
    wanted = wanted_radios(relay.parse_args(["--tcode", "udp://b", "--bluetooth"]), file)
    assert wanted.radios == NamedRadios(bluetooth=("",), serial=("/a=tcode",), tcode=("udp://b",))


@pytest.mark.parametrize("option", [one for one in OPTIONS if one.metavar is not None])
def test_what_no_radio_is_called_is_refused_in_a_line(option: RadioOption) -> None:
    wrong = ["\0=tcode", "a\nb", "x" * 513, *([""] if option.alone != "" else [])]
    for text in wrong:
        named = msgspec.structs.replace(NONE, **{option.key: (text,)})
        with pytest.raises(UsageError) as caught:
            open_radio(RadioChoice(named))
        assert str(caught.value).startswith(option.flag)
        assert str(caught.value).isprintable()
