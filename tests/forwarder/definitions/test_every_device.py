"""All protocol files of ours: they load, every output encodes, every stop is known."""

from __future__ import annotations

import pytest

from forwarder.definitions.check import (
    SMALL_PACKET,
    RestMethod,
    check_endpoints,
    longest_packet,
    opening_of,
    problems,
    stop_plan,
)
from forwarder.definitions.files import DATA, INDEX, Files, open_protocol
from forwarder.definitions.loader import load

FILES = Files(DATA)

# Positions only: these end their last move and hold; hgod turns itself off when packets cease.
HOLD = {
    "fleshy-thrust", "fredorch", "kiiroo-v1", "kiiroo-v2", "kiiroo-v21", "kiiroo-v21-initialized",
    "kiiroo-v3", "loob", "serveu", "simulated", "thehandy", "umove", "vorze-sa",
}  # fmt: skip
SILENT = {"hgod"}
# On/off is a toggle: a packet that somebody keeps would start what is off.
LET_GO = {"fmachine"}
SHOOT = {"hismith-mini"}
LONG = {
    "ankni", "honeyplaybox", "lovense-connect-service", "nintendo-joycon", "sensee-v2", "thehandy",
}  # fmt: skip


@pytest.mark.parametrize("name", FILES.names())
def test_every_model_can_be_driven_at_both_ends_of_every_range(name: str) -> None:
    loaded = FILES.get(name)
    assert loaded.name == name
    check_endpoints(loaded)
    assert loaded.entries()
    for entry in loaded.entries():
        protocol = open_protocol(loaded, opening_of(loaded, entry))
        assert problems(loaded, entry, protocol) == []


@pytest.mark.parametrize("name", FILES.names())
def test_every_model_has_a_stop_or_is_listed_as_having_none(name: str) -> None:
    loaded = FILES.get(name)
    for entry in loaded.entries():
        features = entry.definition.features
        plan = stop_plan(features, open_protocol(loaded, opening_of(loaded, entry)))
        match plan.kind:
            case RestMethod.HOLDS:
                assert name in HOLD, entry.definition.name
            case RestMethod.SILENCE:
                assert name in SILENT, entry.definition.name
                alive = open_protocol(loaded, opening_of(loaded, entry)).keepalive
                assert alive is not None
                assert alive.only_running
            case RestMethod.LETTING_GO:
                assert name in LET_GO, entry.definition.name
            case RestMethod.SINGLE_SHOTS:
                assert name in SHOOT, entry.definition.name
            case RestMethod.PACKETS:
                assert all(packet.data for packet in plan.packets)


@pytest.mark.parametrize("name", sorted(set(FILES.names()) - LONG))
def test_packets_fit_into_the_smallest_write(name: str) -> None:
    loaded = FILES.get(name)
    for entry in loaded.entries():
        protocol = open_protocol(loaded, opening_of(loaded, entry))
        assert longest_packet(protocol, entry.definition.features) <= SMALL_PACKET


def test_the_index_is_current() -> None:
    assert (DATA / INDEX).read_bytes() == FILES.index(), (
        "run python -m tools.definition_index after a change of the protocol files"
    )


def test_no_two_models_of_a_protocol_share_an_identifier_and_names_are_unique_across() -> None:
    owners: dict[str, str] = {}
    for block in FILES.parsed_blocks():
        for name in block.names:
            assert owners.setdefault(name, block.protocol) == block.protocol, name


def test_a_file_that_repeats_what_no_packet_ends_is_refused() -> None:
    """Whoever has no packet for off must fall silent: a keep-alive that goes on never stops."""
    text = (DATA / "hgod.toml").read_text()
    for keepalive, expected in (
        ('while = "v>0"', []),
        ('resend = "last"', ["Hgod Device: stop: it has no packet for off"]),
    ):
        loaded = load(text.replace('while = "v>0"', keepalive), "hgod.toml", {})
        (entry,) = loaded.entries()
        found = problems(loaded, entry, open_protocol(loaded, opening_of(loaded, entry)))
        assert [line[: len(one)] for line, one in zip(found, expected, strict=True)] == expected
