"""Toys that a hub may write to without pauses: the pacing is not what is measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from forwarder.definitions.catalogue import Catalogue
from forwarder.definitions.user_files.user import UserConfig
from relay.radio.simulated.catalogue import toys_by_name


def without_gaps(folder: Path, toys: str | Mapping[str, str]) -> None:
    """For the hub of `folder`: simulated toys by name, or by address and name."""
    pairs: Iterable[tuple[str, str]] = (
        toys.items()
        if isinstance(toys, Mapping)
        else [(toy.address, toy.name) for toy in toys_by_name(toys)]
    )
    catalogue, user = Catalogue.load(), UserConfig()
    for index, (address, name) in enumerate(pairs):
        entry = next(one for one in catalogue.search(name) if one.definition.name == name)
        identifier = entry.identifiers[0]
        user.remember(address, identifier, entry.definition, index)
        device = user.device(address, entry.definition.protocol, identifier)
        assert device is not None
        user.set_choice(device, message_gap_ms=0)
    (folder / "hub").mkdir(parents=True, mode=0o700, exist_ok=True)
    user.save(folder / "hub" / "devices.json")
