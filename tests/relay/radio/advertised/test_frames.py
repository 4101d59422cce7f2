"""Frames of advertised toys, beside packets that others have recorded."""

from __future__ import annotations

import pytest

from relay.radio.advertised.frames import frame
from relay.radio.bounds import BEFORE

# Address, command, what is on the air behind 15 bytes. Published packets of the Love Spouse app;
# the last five by their beginnings, which are the address alone.
RECORDED = (
    ("77624d5345", 0x00, "6db643ce97fe427ce5157d"),
    ("77624d5345", 0x01, "6db643ce97fe427ce49c6c"),
    ("77624d5345", 0x02, "6db643ce97fe427ce7075e"),
    ("77624d5345", 0x03, "6db643ce97fe427ce68e4f"),
    ("77624d5345", 0x09, "6db643ce97fe427cecd4e0"),
    ("77624d5345", 0x30, "6db643ce97fe427cd5964c"),
    ("77624d5345", 0x31, "6db643ce97fe427cd41f5d"),
    ("77624d5345", 0x35, "6db643ce97fe427cd03b1b"),
    ("77624d5345", 0x40, "6db643ce97fe427ca5113f"),
    ("77624d5345", 0x49, "6db643ce97fe427cacd0a2"),
    ("77624d5345", 0xFF, "6db643ce97fe427c1a6d72"),
    ("77624b9665", 0x00, "6db643ca349e427c"),
    ("7762162343", 0x00, "6db643ae9924427c"),
    ("776296e533", 0x00, "6db643a0fa25427c"),
    ("7762eb67c5", 0x00, "6db643cfbb9b427c"),
    ("7762737079", 0x00, "6db643f25382427c"),
)


@pytest.mark.parametrize(("address", "command", "recorded"), RECORDED)
def test_a_command_is_the_packet_that_others_have_recorded(
    address: str, command: int, recorded: str
) -> None:
    made = frame(bytes.fromhex(address), command)
    assert len(made) == 11
    assert made.hex().startswith(recorded)
    assert BEFORE == 15


def test_no_two_commands_are_alike() -> None:
    assert len({frame(bytes.fromhex("77624d5345"), command) for command in range(256)}) == 256
